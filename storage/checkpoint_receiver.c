/*
 * checkpoint_receiver.c - gathering a checkpoint's files: one after the other, each from its
 * beginning to its end.
 *
 * Invariant: a file counts as there only if it has the size and the sum of the list, and is synced.
 * The directory holds those, and at most one that is being received; nothing else.
 *
 * The happy path: open looks at what is there; then wants and take go round until wants says that
 * nothing is missing; finish. What can fail: the disk, which is final; a file whose bytes don't
 * have its sum, which is removed and begins anew. A crash leaves whatever it leaves: the directory
 * is nobody's state until the manifest names it, and the next start removes it (data_directory.h).
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/planted.h"
#include "checkpoint_sum.h"

struct checkpoint_receiver {
    const struct file_system *files;
    char *directory;
    struct checkpoint_list list;
    bool *there;    /* of each file */
    uint64_t bytes; /* of files that are there, and of the one under way */
    size_t current; /* the first that is not there; list.count: all are */
    uint64_t offset;
    uint32_t crc; /* of what came up to offset */
    struct file *file;
    bool failed;
};

static char *current_path(const struct checkpoint_receiver *receiver)
{
    return checkpoint_path(receiver->directory, receiver->list.files[receiver->current].name);
}

/* ---- what is there ---- */

struct names {
    char **list;
    size_t count;
};

static bool note_name(void *context, const char *name)
{
    struct names *names = context;
    names->list = memory_realloc((void *)names->list, (names->count + 1) * sizeof *names->list);
    names->list[names->count++] = memory_strdup(name);
    return true;
}

static void free_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        free(names->list[i]);
    }
    free((void *)names->list);
}

/* Is the file what the list says? Then it is synced: an earlier receiver may have been stopped
 * before it did. */
static bool check_file(const struct checkpoint_receiver *receiver, const char *path,
                       const struct checkpoint_file *entry, bool *right, struct error *error)
{
    const struct file_system *files = receiver->files;
    struct file *file = files->open(files->context, path, false, error);
    uint64_t size;
    uint32_t crc = 0;
    if (file == NULL) {
        return false;
    }
    bool checked = files->size(file, &size, error);
    *right = checked && size == entry->size;
    if (*right) {
        checked = checkpoint_sum(files, file, path, &size, &crc, error);
        *right = checked && crc == entry->crc;
    }
    checked = checked && (!*right || files->sync(file, error));
    files->close(file);
    return checked;
}

static bool keep_or_remove(struct checkpoint_receiver *receiver, const char *name,
                           struct error *error)
{
    const struct file_system *files = receiver->files;
    const struct checkpoint_file *entry = checkpoint_list_find(&receiver->list, name);
    char *path = checkpoint_path(receiver->directory, name);
    bool right = false;
    bool settled = (entry == NULL || check_file(receiver, path, entry, &right, error)) &&
                   (right || files->remove(files->context, path, error));
    free(path);
    if (settled && right) {
        receiver->there[entry - receiver->list.files] = true;
        receiver->bytes += entry->size;
    }
    return settled;
}

static bool look_around(struct checkpoint_receiver *receiver, struct error *error)
{
    const struct file_system *files = receiver->files;
    struct names names = {0};
    bool settled = files->make_directory(files->context, receiver->directory, error) &&
                   files->list(files->context, receiver->directory, note_name, &names, error);
    for (size_t i = 0; settled && i < names.count; i++) {
        settled = keep_or_remove(receiver, names.list[i], error);
    }
    free_names(&names);
    return settled;
}

/* ---- the file that comes next ---- */

/* Closes the current file as it is, and makes it begin anew. */
static void rewind_file(struct checkpoint_receiver *receiver)
{
    if (receiver->file != NULL) {
        receiver->files->close(receiver->file);
        receiver->file = NULL;
    }
    receiver->bytes -= receiver->offset;
    receiver->offset = 0;
    receiver->crc = 0;
}

static bool open_file(struct checkpoint_receiver *receiver, struct error *error)
{
    if (receiver->file == NULL) {
        char *path = current_path(receiver);
        receiver->file = receiver->files->open(receiver->files->context, path, true, error);
        free(path);
    }
    return receiver->file != NULL;
}

/* The current file is whole and right: it counts from now on. */
static bool settle_file(struct checkpoint_receiver *receiver, struct error *error)
{
    if (!PLANTED(STAGED_FILES_NOT_SYNCED) && !receiver->files->sync(receiver->file, error)) {
        return false;
    }
    receiver->files->close(receiver->file);
    receiver->file = NULL;
    receiver->offset = 0;
    receiver->crc = 0;
    receiver->there[receiver->current] = true;
    return true;
}

/* To the next file that is not there. Files without bytes are made here: nothing comes for them. */
static bool advance(struct checkpoint_receiver *receiver, struct error *error)
{
    for (; receiver->current < receiver->list.count; receiver->current++) {
        if (receiver->there[receiver->current]) {
            continue;
        }
        if (receiver->list.files[receiver->current].size > 0) {
            return true;
        }
        if (!open_file(receiver, error) || !settle_file(receiver, error)) {
            return false;
        }
    }
    return true;
}

struct checkpoint_receiver *checkpoint_receiver_open(const struct file_system *files,
                                                     const char *directory,
                                                     const struct checkpoint_list *list,
                                                     struct error *error)
{
    struct checkpoint_receiver *receiver = memory_zalloc(sizeof *receiver);
    receiver->files = files;
    receiver->directory = memory_strdup(directory);
    receiver->list = *list;
    receiver->list.files = memory_copy(list->files, list->count * sizeof *list->files);
    receiver->there = memory_zalloc(list->count * sizeof *receiver->there);
    if (!look_around(receiver, error) || !advance(receiver, error)) {
        checkpoint_receiver_close(receiver);
        return NULL;
    }
    return receiver;
}

void checkpoint_receiver_close(struct checkpoint_receiver *receiver)
{
    if (receiver->file != NULL) {
        receiver->files->close(receiver->file);
    }
    checkpoint_list_free(&receiver->list);
    free(receiver->there);
    free(receiver->directory);
    free(receiver);
}

bool checkpoint_receiver_wants(const struct checkpoint_receiver *receiver,
                               struct checkpoint_range *range)
{
    if (receiver->current == receiver->list.count) {
        return false;
    }
    *range = (struct checkpoint_range){
        .file = receiver->current,
        .offset = receiver->offset,
        .left = receiver->list.files[receiver->current].size - receiver->offset,
    };
    return true;
}

uint64_t checkpoint_receiver_bytes(const struct checkpoint_receiver *receiver)
{
    return receiver->bytes;
}

/* ---- taking ---- */

/* All bytes of the file have come, and are not what was announced. */
static enum checkpoint_taken refuse_file(struct checkpoint_receiver *receiver, struct error *error)
{
    const struct file_system *files = receiver->files;
    char *path = current_path(receiver);
    rewind_file(receiver);
    bool removed = files->remove(files->context, path, error);
    if (removed) {
        error_set(error, "%s came without the checksum that was announced", path);
    }
    receiver->failed = !removed;
    free(path);
    return removed ? CHECKPOINT_WRONG : CHECKPOINT_FAILED;
}

static bool write_part(struct checkpoint_receiver *receiver, struct bytes data, struct error *error)
{
    if (!open_file(receiver, error) ||
        !receiver->files->write(receiver->file, receiver->offset, data.data, data.len, error)) {
        return false;
    }
    uint64_t synced = receiver->offset / CHECKPOINT_SYNC_BYTES;
    receiver->crc = crc32c(receiver->crc, data.data, data.len);
    receiver->offset += data.len;
    receiver->bytes += data.len;
    /* Now and then, so that the last sync is none of a whole file. */
    return receiver->offset / CHECKPOINT_SYNC_BYTES == synced ||
           receiver->files->sync(receiver->file, error);
}

enum checkpoint_taken checkpoint_receiver_take(struct checkpoint_receiver *receiver,
                                               struct bytes data, struct error *error)
{
    struct checkpoint_range range;
    if (receiver->failed) {
        error_set(error, "%s: receiving failed before: stop the node", receiver->directory);
        return CHECKPOINT_FAILED;
    }
    if (!checkpoint_receiver_wants(receiver, &range) || data.len == 0 || data.len > range.left) {
        error_set(error, "%s: %zu bytes came that nobody asked for", receiver->directory, data.len);
        return CHECKPOINT_WRONG;
    }
    const struct checkpoint_file *entry = &receiver->list.files[receiver->current];
    receiver->failed = !write_part(receiver, data, error);
    if (receiver->failed || receiver->offset < entry->size) {
        return receiver->failed ? CHECKPOINT_FAILED : CHECKPOINT_TAKEN;
    }
    if (receiver->crc != entry->crc) {
        return refuse_file(receiver, error);
    }
    receiver->failed = !settle_file(receiver, error) || !advance(receiver, error);
    return receiver->failed ? CHECKPOINT_FAILED : CHECKPOINT_TAKEN;
}

bool checkpoint_receiver_finish(struct checkpoint_receiver *receiver, struct error *error)
{
    assert(receiver->current == receiver->list.count && !receiver->failed);
    return receiver->files->sync_directory(receiver->files->context, receiver->directory, error);
}
