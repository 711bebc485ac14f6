/*
 * checkpoint.c - the list of a checkpoint's files, and reading them.
 *
 * As it travels, little-endian: format u32 (2), count u32, then of each file its name (u16 length),
 * size u64, crc u32; of the lineage its count u32 and its ids u64 each; at last the CRC-32C of all
 * of that. Names are sorted, so that none comes
 * twice; they are plain file names of letters, digits, '.', '-' and '_' that do not begin with '.',
 * so that none leads out of the directory.
 *
 * What can fail: the disk; a directory with more or larger files than the limits; a list that
 * breaks these rules. A file that has become shorter than its list says is told as damage.
 */
#include "storage/checkpoint.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/codec.h"
#include "base/hash.h"
#include "checkpoint_sum.h"

#define LIST_FORMAT 2u

char *checkpoint_path(const char *directory, const char *name)
{
    struct buffer path = {0};
    buffer_printf(&path, "%s/%s", directory, name);
    buffer_append(&path, "", 1);
    return (char *)path.data;
}

bool checkpoint_sum(const struct file_system *files, struct file *file, const char *path,
                    uint64_t *size, uint32_t *crc, struct error *error)
{
    *crc = 0;
    if (!files->size(file, size, error)) {
        return false;
    }
    size_t most = *size < CHECKPOINT_READ_BYTES ? (size_t)*size : CHECKPOINT_READ_BYTES;
    uint8_t *part = memory_alloc(most);
    bool summed = true;
    for (uint64_t at = 0; summed && at < *size;) {
        size_t wanted = *size - at < most ? (size_t)(*size - at) : most;
        size_t got = 0;
        summed = files->read(file, at, part, wanted, &got, error);
        if (summed && got < wanted) {
            summed = error_set(error, "%s became shorter while it was read", path);
        }
        *crc = crc32c(*crc, part, got);
        at += got;
    }
    free(part);
    return summed;
}

/* ---- the list ---- */

static bool is_plain_name(struct bytes name)
{
    if (name.len == 0 || name.len > LIMIT_CHECKPOINT_NAME_BYTES || name.data[0] == '.') {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '.' || c == '-' || c == '_';
        if (!plain) {
            return false;
        }
    }
    return true;
}

static void set_name(struct checkpoint_file *file, struct bytes name)
{
    assert(name.data != NULL && name.len <= LIMIT_CHECKPOINT_NAME_BYTES);
    memcpy(file->name, name.data, name.len);
    file->name[name.len] = '\0';
}

static int compare_files(const void *a, const void *b)
{
    return strcmp(((const struct checkpoint_file *)a)->name,
                  ((const struct checkpoint_file *)b)->name);
}

const struct checkpoint_file *checkpoint_list_find(const struct checkpoint_list *list,
                                                   const char *name)
{
    struct checkpoint_file wanted;
    if (list->count == 0 || !is_plain_name(bytes_of_string(name))) {
        return NULL;
    }
    set_name(&wanted, bytes_of_string(name));
    return bsearch(&wanted, list->files, list->count, sizeof wanted, compare_files);
}

struct listing {
    struct checkpoint_list *list;
    const char *directory;
    struct error *error;
    bool failed;
};

static bool add_name(void *context, const char *name)
{
    struct listing *listing = context;
    struct checkpoint_list *list = listing->list;
    if (!is_plain_name(bytes_of_string(name))) {
        error_set(listing->error, "%s/%s has a name that no file of a state has",
                  listing->directory, name);
        listing->failed = true;
    } else if (list->count == LIMIT_CHECKPOINT_FILES) {
        error_set(listing->error, "%s has more than %d files", listing->directory,
                  LIMIT_CHECKPOINT_FILES);
        listing->failed = true;
    } else {
        list->files = memory_realloc(list->files, (list->count + 1) * sizeof *list->files);
        set_name(&list->files[list->count++], bytes_of_string(name));
    }
    return !listing->failed;
}

static bool sum_up(const struct file_system *files, const char *directory,
                   struct checkpoint_list *list, struct checkpoint_file *entry, struct error *error)
{
    char *path = checkpoint_path(directory, entry->name);
    struct file *file = files->open(files->context, path, false, error);
    bool summed =
        file != NULL && checkpoint_sum(files, file, path, &entry->size, &entry->crc, error);
    if (file != NULL) {
        files->close(file);
    }
    free(path);
    if (!summed) {
        return false;
    }
    if (entry->size > LIMIT_CHECKPOINT_BYTES - list->bytes) {
        return error_set(error, "%s has more than %" PRIu64 " bytes", directory,
                         LIMIT_CHECKPOINT_BYTES);
    }
    list->bytes += entry->size;
    return true;
}

bool checkpoint_list_make(const struct file_system *files, const char *directory,
                          struct checkpoint_list *list, struct error *error)
{
    struct listing listing = {.list = list, .directory = directory, .error = error};
    *list = (struct checkpoint_list){0};
    if (!files->list(files->context, directory, add_name, &listing, error) || listing.failed) {
        return false;
    }
    if (list->count == 0) {
        return error_set(error, "%s holds no files", directory);
    }
    qsort(list->files, list->count, sizeof *list->files, compare_files);
    for (size_t i = 0; i < list->count; i++) {
        if (!sum_up(files, directory, list, &list->files[i], error)) {
            return false;
        }
    }
    return true;
}

void checkpoint_list_free(struct checkpoint_list *list)
{
    free(list->files);
    *list = (struct checkpoint_list){0};
}

void checkpoint_list_encode(const struct checkpoint_list *list, struct buffer *out)
{
    size_t begin = out->len;
    write_u32(out, LIST_FORMAT);
    write_u32(out, (uint32_t)list->count);
    for (size_t i = 0; i < list->count; i++) {
        const struct checkpoint_file *file = &list->files[i];
        write_bytes16(out, bytes_of_string(file->name));
        write_u64(out, file->size);
        write_u32(out, file->crc);
    }
    write_u32(out, list->lineage.count);
    for (uint32_t i = 0; i < list->lineage.count; i++) {
        write_u64(out, list->lineage.ids[i]);
    }
    write_u32(out, crc32c(0, out->data + begin, out->len - begin));
}

static bool read_entry(struct reader *in, struct checkpoint_list *list, struct error *error)
{
    struct checkpoint_file *file = &list->files[list->count];
    struct bytes name = read_bytes16(in);
    file->size = read_u64(in);
    file->crc = read_u32(in);
    if (in->failed || !is_plain_name(name)) {
        return error_set(error, "file %zu of the state's list has no name that a file may have",
                         list->count + 1);
    }
    set_name(file, name);
    if (list->count > 0 && strcmp(list->files[list->count - 1].name, file->name) >= 0) {
        return error_set(error, "the state's list is not sorted: %s", file->name);
    }
    if (file->size > LIMIT_CHECKPOINT_BYTES - list->bytes || (file->size == 0 && file->crc != 0)) {
        return error_set(error, "the state's list gives %s an impossible size", file->name);
    }
    list->bytes += file->size;
    list->count++;
    return true;
}

static bool read_lineage(struct reader *in, struct lineage *lineage, struct error *error)
{
    uint32_t count = read_u32(in);
    if (count > LIMIT_LINEAGE) {
        return error_set(error, "the state's list says that it stems from %" PRIu32 " nodes",
                         count);
    }
    for (uint32_t i = 0; i < count; i++) {
        lineage_add(lineage, read_u64(in));
    }
    return !in->failed || error_set(error, "the state's list is cut short");
}

bool checkpoint_list_decode(struct bytes encoded, struct checkpoint_list *list, struct error *error)
{
    *list = (struct checkpoint_list){0};
    if (encoded.len < 3 * sizeof(uint32_t)) {
        return error_set(error, "the state's list is cut short");
    }
    size_t summed = encoded.len - sizeof(uint32_t);
    struct reader sum = reader_of(bytes_of(encoded.data + summed, sizeof(uint32_t)));
    if (read_u32(&sum) != crc32c(0, encoded.data, summed)) {
        return error_set(error, "the state's list does not have its own checksum");
    }
    struct reader in = reader_of(bytes_of(encoded.data, summed));
    uint32_t format = read_u32(&in);
    uint32_t count = read_u32(&in);
    if (format != LIST_FORMAT) {
        return error_set(error,
                         "the state's list has format %" PRIu32 ", this program reads format %u",
                         format, LIST_FORMAT);
    }
    if (count == 0 || count > LIMIT_CHECKPOINT_FILES) {
        return error_set(error, "a state has 1 to %d files, not %" PRIu32, LIMIT_CHECKPOINT_FILES,
                         count);
    }
    list->files = memory_zalloc(count * sizeof *list->files);
    while (list->count < count) {
        if (!read_entry(&in, list, error)) {
            return false;
        }
    }
    return read_lineage(&in, &list->lineage, error) &&
           (reader_finished(&in) || error_set(error, "the state's list goes on behind its end"));
}

/* ---- reading ---- */

struct checkpoint_reader {
    const struct file_system *files;
    const struct checkpoint_list *list;
    char *directory;
    struct file *file; /* of open_file; NULL: none */
    size_t open_file;
};

struct checkpoint_reader *checkpoint_reader_open(const struct file_system *files,
                                                 const char *directory,
                                                 const struct checkpoint_list *list)
{
    struct checkpoint_reader *reader = memory_zalloc(sizeof *reader);
    reader->files = files;
    reader->list = list;
    reader->directory = memory_strdup(directory);
    return reader;
}

static void close_file(struct checkpoint_reader *reader)
{
    if (reader->file != NULL) {
        reader->files->close(reader->file);
        reader->file = NULL;
    }
}

void checkpoint_reader_close(struct checkpoint_reader *reader)
{
    close_file(reader);
    free(reader->directory);
    free(reader);
}

bool checkpoint_reader_read(struct checkpoint_reader *reader, size_t file, uint64_t offset,
                            size_t max_bytes, struct buffer *out, struct error *error)
{
    if (file >= reader->list->count || offset >= reader->list->files[file].size) {
        return error_set(error, "file %zu of the state has no byte %" PRIu64, file, offset);
    }
    const struct file_system *files = reader->files;
    const struct checkpoint_file *entry = &reader->list->files[file];
    uint64_t left = entry->size - offset;
    size_t wanted = left < max_bytes ? (size_t)left : max_bytes;
    char *path = checkpoint_path(reader->directory, entry->name);
    if (reader->file == NULL || reader->open_file != file) {
        close_file(reader);
        reader->file = files->open(files->context, path, false, error);
        reader->open_file = file;
    }
    size_t got = 0;
    bool read = reader->file != NULL &&
                files->read(reader->file, offset, buffer_reserve(out, wanted), wanted, &got, error);
    if (read && got < wanted) {
        read =
            error_set(error, "%s is shorter than the %" PRIu64 " bytes it had", path, entry->size);
    }
    out->len += read ? wanted : 0;
    free(path);
    return read;
}
