/*
 * sim_state_files.c - records in files. Of each record its kind (u8), key and value (u32 lengths);
 * at the end of each file a hash of all before. (Not its CRC-32C: whatever ends with that has one
 * and the same CRC-32C itself, and files of one length could not be told apart on their way.)
 */
#include "sim_state_files.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/codec.h"
#include "base/hash.h"

static const enum ledger_kind kinds[] = {
    LEDGER_KIND_META,    LEDGER_KIND_STOCK,  LEDGER_KIND_ORDER, LEDGER_KIND_HISTORY,
    LEDGER_KIND_REQUEST, LEDGER_KIND_EXPIRY, LEDGER_KIND_PURGE, LEDGER_KIND_NODE,
};

#define KIND_COUNT (sizeof kinds / sizeof kinds[0])

static char *path_of(const char *directory, const char *name, uint32_t number)
{
    struct buffer path = {0};
    buffer_printf(&path, number == UINT32_MAX ? "%s/%s" : "%s/%s.%06" PRIu32, directory, name,
                  number);
    buffer_append(&path, "", 1);
    return (char *)path.data;
}

/* ---- writing ---- */

struct writer {
    const struct file_system *files;
    const char *directory;
    struct error *error;
    enum ledger_kind kind;
    struct buffer content;
    uint32_t count; /* files that are written */
    bool failed;
};

static bool write_file(struct writer *writer, const char *name, uint32_t number)
{
    const struct file_system *files = writer->files;
    write_u64(&writer->content, hash128_of(buffer_bytes(&writer->content)).low);
    char *path = path_of(writer->directory, name, number);
    struct file *file = files->open(files->context, path, true, writer->error);
    bool written = file != NULL &&
                   files->write(file, 0, writer->content.data, writer->content.len, writer->error);
    if (file != NULL) {
        files->close(file);
    }
    free(path);
    buffer_clear(&writer->content);
    writer->failed = writer->failed || !written;
    return written;
}

static bool add_record(void *context, struct bytes key, struct bytes value)
{
    struct writer *writer = context;
    write_u8(&writer->content, (uint8_t)writer->kind);
    write_bytes32(&writer->content, key);
    write_bytes32(&writer->content, value);
    return writer->content.len < SIM_STATE_FILE_BYTES ||
           write_file(writer, "records", writer->count++);
}

bool sim_state_write_files(struct memory_store *records, uint64_t applied_index,
                           const struct file_system *files, const char *directory,
                           struct error *error)
{
    struct ledger_store store = memory_store_interface(records);
    struct writer writer = {.files = files, .directory = directory, .error = error};
    bool written = files->make_directory(files->context, directory, error);
    for (size_t i = 0; written && i < KIND_COUNT; i++) {
        writer.kind = kinds[i];
        written = store.ops->scan(store.store, kinds[i], bytes_of(NULL, 0), bytes_of(NULL, 0),
                                  add_record, &writer, error) &&
                  !writer.failed;
    }
    if (written && writer.content.len > 0) {
        written = write_file(&writer, "records", writer.count++);
    }
    if (written) {
        write_u64(&writer.content, applied_index);
        write_u32(&writer.content, writer.count);
        written = write_file(&writer, "CURRENT", UINT32_MAX);
    }
    buffer_free(&writer.content);
    return written;
}

/* ---- reading ---- */

/* The file without its sum. */
static bool read_file(const struct file_system *files, const char *directory, const char *name,
                      uint32_t number, struct buffer *content, struct error *error)
{
    char *path = path_of(directory, name, number);
    uint64_t size = 0;
    size_t got = 0;
    struct file *file = files->open(files->context, path, false, error);
    bool read = file != NULL && files->size(file, &size, error);
    buffer_clear(content);
    if (read) {
        read = files->read(file, 0, buffer_reserve(content, (size_t)size + 1), (size_t)size, &got,
                           error);
    }
    if (file != NULL) {
        files->close(file);
    }
    if (read) {
        size_t summed = got >= sizeof(uint64_t) ? got - sizeof(uint64_t) : 0;
        struct reader sum = reader_of(bytes_of(content->data + summed, got - summed));
        content->len = summed;
        read = read_u64(&sum) == hash128_of(buffer_bytes(content)).low && reader_finished(&sum);
        if (!read) {
            error_set(error, "%s is damaged", path);
        }
    }
    free(path);
    return read;
}

static bool add_records(struct memory_store *records, struct bytes content, struct error *error)
{
    struct reader in = reader_of(content);
    while (reader_left(&in) > 0) {
        enum ledger_kind kind = (enum ledger_kind)read_u8(&in);
        struct bytes key = read_bytes32(&in);
        struct bytes value = read_bytes32(&in);
        if (!in.failed) {
            memory_store_set(records, kind, key, &value);
        }
    }
    return reader_finished(&in) || error_set(error, "a file of the state ends inside a record");
}

struct memory_store *sim_state_read_files(const struct file_system *files, const char *directory,
                                          uint64_t *applied_index, struct error *error)
{
    struct memory_store *records = memory_store_new();
    struct buffer content = {0};
    uint32_t count = 0;
    bool read = read_file(files, directory, "CURRENT", UINT32_MAX, &content, error);
    if (read) {
        struct reader in = reader_of(buffer_bytes(&content));
        *applied_index = read_u64(&in);
        count = read_u32(&in);
        read = reader_finished(&in) || error_set(error, "%s/CURRENT can't be read", directory);
    }
    for (uint32_t i = 0; read && i < count; i++) {
        read = read_file(files, directory, "records", i, &content, error) &&
               add_records(records, buffer_bytes(&content), error);
    }
    buffer_free(&content);
    if (!read) {
        memory_store_free(records);
        return NULL;
    }
    return records;
}
