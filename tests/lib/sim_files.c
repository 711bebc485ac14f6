/*
 * sim_files.c - the disk of sim_files.h: its operations, the faults that meet them, its crashes.
 *
 * What programs see and what is durable is kept by names (sim_names.h) and by files (sim_inode.h);
 * here each operation is counted, its fate is decided, and it does all of its work, a part of it,
 * or none. The happy path of each: begin says STEP_DO, the work is done, true.
 */
#include "sim_files.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "sim_inode.h"
#include "sim_names.h"
#include "sim_random.h"

struct sim_disk {
    struct random random;
    uint64_t epoch; /* grows with each crash or kill: older handles fail */
    struct sim_inode *inodes;
    struct sim_names names;
    uint64_t counts[SIM_OPERATIONS];
    uint64_t fail_at[SIM_OPERATIONS]; /* the count at which to fail; 0: not */
    int fail_code[SIM_OPERATIONS];
    int failing_code[SIM_OPERATIONS]; /* 0: mended */
    uint64_t capacity_bytes;
    uint64_t failures;
    uint64_t power_left; /* changing operations until the power goes; 0: it stays */
    bool has_power;
};

struct file {
    struct sim_disk *disk;
    struct sim_inode *inode;
    uint64_t epoch;
    char path[]; /* for what went wrong */
};

static const char *const operation_words[SIM_OPERATIONS] = {
    "open it",
    "find its size",
    "allocate space for it",
    "read it",
    "write to it",
    "sync it",
    "lock it",
    "read the directory",
    "remove it",
    "put it there",
    "make it",
    "sync the directory",
    "find the free space of its file system",
};

/* ---- operations ---- */

static bool fail(struct error *error, enum sim_operation operation, const char *path, int code)
{
    return error_set(error, "%s: can't %s: %s", path, operation_words[operation], strerror(code));
}

enum step { STEP_DO, STEP_FAIL, STEP_DO_IN_PART };

/* Counts the operation and decides its fate: done, failed with *code, or begun when the power went
 * (then *code is EIO). */
static enum step begin(struct sim_disk *disk, enum sim_operation operation, bool changes, int *code)
{
    if (!disk->has_power) {
        *code = EIO;
        return STEP_FAIL;
    }
    disk->counts[operation]++;
    if (changes && disk->power_left > 0 && --disk->power_left == 0) {
        disk->has_power = false;
        *code = EIO;
        return STEP_DO_IN_PART;
    }
    if (disk->fail_at[operation] == disk->counts[operation]) {
        *code = disk->fail_code[operation];
        disk->failures++;
        return STEP_FAIL;
    }
    if (disk->failing_code[operation] != 0) {
        *code = disk->failing_code[operation];
        disk->failures++;
        return STEP_FAIL;
    }
    return STEP_DO;
}

/* Does the handle still reach the disk? */
static bool is_alive(const struct file *file)
{
    return file->epoch == file->disk->epoch && file->disk->has_power;
}

/* The same for an operation on a handle. */
static enum step begin_file(struct file *file, enum sim_operation operation, bool changes,
                            int *code)
{
    if (file->epoch != file->disk->epoch) {
        *code = EIO;
        return STEP_FAIL;
    }
    return begin(file->disk, operation, changes, code);
}

/* Files that have lost their names count while somebody holds them. */
uint64_t sim_disk_used_bytes(const struct sim_disk *disk)
{
    uint64_t used = 0;
    for (const struct sim_inode *inode = disk->inodes; inode != NULL; inode = inode->next) {
        used += inode->now.size;
    }
    return used;
}

uint64_t sim_disk_free_bytes(const struct sim_disk *disk)
{
    if (disk->capacity_bytes == UINT64_MAX) {
        return UINT64_MAX;
    }
    uint64_t used = sim_disk_used_bytes(disk);
    return used < disk->capacity_bytes ? disk->capacity_bytes - used : 0;
}

/* How far the file may grow. */
static uint64_t largest_size(const struct file *file)
{
    uint64_t left = sim_disk_free_bytes(file->disk);
    return left < UINT64_MAX ? file->inode->now.size + left : UINT64_MAX;
}

static struct file *new_file(struct sim_disk *disk, struct sim_inode *inode, const char *path)
{
    size_t size = strlen(path) + 1;
    struct file *file = memory_alloc(sizeof *file + size);
    file->disk = disk;
    file->inode = inode;
    file->epoch = disk->epoch;
    memcpy(file->path, path, size);
    sim_inode_hold(inode);
    return file;
}

static struct file *sim_open(void *context, const char *path, bool create, struct error *error)
{
    struct sim_disk *disk = context;
    int code;
    struct sim_inode *inode = sim_names_find(&disk->names, path);
    enum step step = begin(disk, SIM_OPEN, create && inode == NULL, &code);
    if (step == STEP_FAIL) {
        fail(error, SIM_OPEN, path, code);
        return NULL;
    }
    if (inode == NULL && (!create || !sim_names_has_parent(&disk->names, path))) {
        fail(error, SIM_OPEN, path, ENOENT);
        return NULL;
    }
    if (inode != NULL && inode->is_directory) {
        fail(error, SIM_OPEN, path, EISDIR);
        return NULL;
    }
    if (inode == NULL) {
        inode = sim_inode_new(&disk->inodes, false);
        sim_names_add(&disk->names, path, inode);
        sim_inode_release(inode); /* its name holds it */
    }
    if (step == STEP_DO_IN_PART) {
        fail(error, SIM_OPEN, path, code);
        return NULL;
    }
    return new_file(disk, inode, path);
}

static void sim_close(struct file *file)
{
    if (file->inode->locked_by == file) {
        file->inode->locked_by = NULL;
    }
    sim_inode_release(file->inode);
    free(file);
}

static bool sim_size(struct file *file, uint64_t *size, struct error *error)
{
    int code;
    if (begin_file(file, SIM_SIZE, false, &code) != STEP_DO) {
        return fail(error, SIM_SIZE, file->path, code);
    }
    *size = file->inode->now.size;
    return true;
}

static bool sim_allocate(struct file *file, uint64_t size, struct error *error)
{
    int code;
    enum step step = begin_file(file, SIM_ALLOCATE, true, &code);
    if (step == STEP_FAIL) {
        return fail(error, SIM_ALLOCATE, file->path, code);
    }
    if (size > file->inode->now.size && size > largest_size(file)) {
        file->disk->failures++;
        return fail(error, SIM_ALLOCATE, file->path, ENOSPC);
    }
    sim_inode_allocate(file->inode, size);
    return step == STEP_DO || fail(error, SIM_ALLOCATE, file->path, code);
}

static bool sim_read(struct file *file, uint64_t offset, void *data, size_t len, size_t *got,
                     struct error *error)
{
    int code;
    *got = 0;
    if (begin_file(file, SIM_READ, false, &code) != STEP_DO) {
        return fail(error, SIM_READ, file->path, code);
    }
    *got = sim_inode_read(file->inode, offset, data, len);
    return true;
}

static bool sim_write(struct file *file, uint64_t offset, const void *data, size_t len,
                      struct error *error)
{
    int code;
    enum step step = begin_file(file, SIM_WRITE, true, &code);
    if (step == STEP_FAIL && !is_alive(file)) {
        return fail(error, SIM_WRITE, file->path, code);
    }
    size_t room = len;
    if (offset + len > file->inode->now.size) {
        uint64_t end = largest_size(file);
        room = end <= offset ? 0 : end - offset < len ? (size_t)(end - offset) : len;
    }
    if (step == STEP_DO && room < len) {
        step = STEP_FAIL;
        code = ENOSPC;
        file->disk->failures++;
    }
    /* A failed write has left a first part. So has one that an end has interrupted, or all of it: a
     * kill leaves that much in the page cache, and a power cut may tear it besides. */
    size_t done = len;
    if (step != STEP_DO && len > 0) {
        done = (size_t)sim_random_below(&file->disk->random, step == STEP_FAIL ? len : len + 1);
    }
    sim_inode_write(file->inode, offset, bytes_of(data, done < room ? done : room));
    return step == STEP_DO || fail(error, SIM_WRITE, file->path, code);
}

static bool sim_sync(struct file *file, struct error *error)
{
    int code;
    enum step step = begin_file(file, SIM_SYNC, true, &code);
    if (step == STEP_DO) {
        sim_inode_sync(file->inode);
        return true;
    }
    /* After the power went the crash decides; after a failed sync the kernel has given the pages
     * up, whatever became of them. */
    if (step == STEP_FAIL && is_alive(file)) {
        sim_inode_sync_in_part(file->inode, &file->disk->random);
    }
    return fail(error, SIM_SYNC, file->path, code);
}

static bool sim_lock(struct file *file, struct error *error)
{
    int code;
    if (begin_file(file, SIM_LOCK, false, &code) != STEP_DO) {
        return fail(error, SIM_LOCK, file->path, code);
    }
    if (file->inode->locked_by != NULL && file->inode->locked_by != file) {
        return error_set(error, "%s is in use by another node", file->path);
    }
    file->inode->locked_by = file;
    return true;
}

static bool sim_list(void *context, const char *directory,
                     bool (*visit)(void *context, const char *name), void *visit_context,
                     struct error *error)
{
    struct sim_disk *disk = context;
    int code;
    if (begin(disk, SIM_LIST, false, &code) != STEP_DO) {
        return fail(error, SIM_LIST, directory, code);
    }
    if (!sim_names_is_directory(&disk->names, directory)) {
        return fail(error, SIM_LIST, directory, ENOENT);
    }
    sim_names_list(&disk->names, directory, visit, visit_context);
    return true;
}

static bool sim_remove(void *context, const char *path, struct error *error)
{
    struct sim_disk *disk = context;
    int code;
    enum step step = begin(disk, SIM_REMOVE, true, &code);
    if (step == STEP_FAIL) {
        return fail(error, SIM_REMOVE, path, code);
    }
    const struct sim_inode *inode = sim_names_find(&disk->names, path);
    if (inode == NULL || inode->is_directory) {
        return fail(error, SIM_REMOVE, path, inode == NULL ? ENOENT : EISDIR);
    }
    sim_names_remove(&disk->names, path);
    return step == STEP_DO || fail(error, SIM_REMOVE, path, code);
}

static bool sim_remove_tree(void *context, const char *path, struct error *error)
{
    struct sim_disk *disk = context;
    int code;
    enum step step = begin(disk, SIM_REMOVE, true, &code);
    if (step == STEP_FAIL) {
        return fail(error, SIM_REMOVE, path, code);
    }
    const struct sim_inode *inode = sim_names_find(&disk->names, path);
    if (inode == NULL || !inode->is_directory) {
        return fail(error, SIM_REMOVE, path, inode == NULL ? ENOENT : ENOTDIR);
    }
    sim_names_remove_tree(&disk->names, path);
    return step == STEP_DO || fail(error, SIM_REMOVE, path, code);
}

static bool sim_rename(void *context, const char *from, const char *to, struct error *error)
{
    struct sim_disk *disk = context;
    int code;
    enum step step = begin(disk, SIM_RENAME, true, &code);
    if (step == STEP_FAIL) {
        return fail(error, SIM_RENAME, from, code);
    }
    const struct sim_inode *inode = sim_names_find(&disk->names, from);
    if (inode == NULL || !sim_names_has_parent(&disk->names, to)) {
        return fail(error, SIM_RENAME, from, ENOENT);
    }
    assert(!inode->is_directory && sim_names_same_directory(from, to)); /* all that storage/ does */
    sim_names_rename(&disk->names, from, to);
    return step == STEP_DO || fail(error, SIM_RENAME, from, code);
}

static bool sim_make_directory(void *context, const char *path, struct error *error)
{
    struct sim_disk *disk = context;
    int code;
    enum step step = begin(disk, SIM_MAKE_DIRECTORY, true, &code);
    if (step == STEP_FAIL) {
        return fail(error, SIM_MAKE_DIRECTORY, path, code);
    }
    if (!sim_names_is_directory(&disk->names, path)) {
        bool taken = sim_names_find(&disk->names, path) != NULL;
        if (taken || !sim_names_has_parent(&disk->names, path)) {
            return fail(error, SIM_MAKE_DIRECTORY, path, taken ? ENOTDIR : ENOENT);
        }
        struct sim_inode *inode = sim_inode_new(&disk->inodes, true);
        sim_names_add(&disk->names, path, inode);
        sim_inode_release(inode);
    }
    return step == STEP_DO || fail(error, SIM_MAKE_DIRECTORY, path, code);
}

static bool sim_sync_directory(void *context, const char *directory, struct error *error)
{
    struct sim_disk *disk = context;
    int code;
    if (begin(disk, SIM_SYNC_DIRECTORY, true, &code) != STEP_DO) {
        return fail(error, SIM_SYNC_DIRECTORY, directory, code);
    }
    if (!sim_names_is_directory(&disk->names, directory)) {
        return fail(error, SIM_SYNC_DIRECTORY, directory, ENOENT);
    }
    sim_names_sync(&disk->names, directory);
    return true;
}

static bool sim_free_bytes(void *context, const char *directory, uint64_t *bytes,
                           struct error *error)
{
    struct sim_disk *disk = context;
    int code;
    if (begin(disk, SIM_FREE_BYTES, false, &code) != STEP_DO) {
        return fail(error, SIM_FREE_BYTES, directory, code);
    }
    if (!sim_names_is_directory(&disk->names, directory)) {
        return fail(error, SIM_FREE_BYTES, directory, ENOENT);
    }
    *bytes = sim_disk_free_bytes(disk);
    return true;
}

/* ---- the disk ---- */

struct sim_disk *sim_disk_new(uint64_t seed)
{
    struct sim_disk *disk = memory_zalloc(sizeof *disk);
    disk->random.state = seed;
    disk->epoch = 1;
    disk->capacity_bytes = UINT64_MAX;
    disk->has_power = true;
    return disk;
}

void sim_disk_free(struct sim_disk *disk)
{
    sim_names_free(&disk->names);
    assert(disk->inodes == NULL);
    free(disk);
}

struct file_system sim_disk_files(struct sim_disk *disk)
{
    return (struct file_system){
        .context = disk,
        .open = sim_open,
        .close = sim_close,
        .size = sim_size,
        .allocate = sim_allocate,
        .read = sim_read,
        .write = sim_write,
        .sync = sim_sync,
        .lock = sim_lock,
        .list = sim_list,
        .remove = sim_remove,
        .remove_tree = sim_remove_tree,
        .rename = sim_rename,
        .make_directory = sim_make_directory,
        .sync_directory = sim_sync_directory,
        .free_bytes = sim_free_bytes,
    };
}

void sim_disk_fail(struct sim_disk *disk, enum sim_operation operation, uint64_t nth, int code)
{
    assert(nth > 0 && code != 0);
    disk->fail_at[operation] = disk->counts[operation] + nth;
    disk->fail_code[operation] = code;
}

void sim_disk_set_failing(struct sim_disk *disk, enum sim_operation operation, int code)
{
    disk->failing_code[operation] = code;
}

void sim_disk_set_capacity(struct sim_disk *disk, uint64_t capacity_bytes)
{
    disk->capacity_bytes = capacity_bytes;
}

void sim_disk_cut_power(struct sim_disk *disk, uint64_t nth)
{
    disk->power_left = nth;
}

void sim_disk_mend(struct sim_disk *disk)
{
    memset(disk->fail_at, 0, sizeof disk->fail_at);
    memset(disk->failing_code, 0, sizeof disk->failing_code);
    disk->capacity_bytes = UINT64_MAX;
    disk->power_left = 0;
}

uint64_t sim_disk_failures(const struct sim_disk *disk)
{
    return disk->failures;
}

bool sim_disk_has_power(const struct sim_disk *disk)
{
    return disk->has_power;
}

void sim_disk_kill(struct sim_disk *disk)
{
    disk->epoch++;
    disk->has_power = true;
    disk->power_left = 0;
    for (struct sim_inode *inode = disk->inodes; inode != NULL; inode = inode->next) {
        inode->locked_by = NULL;
    }
}

void sim_disk_crash(struct sim_disk *disk, enum sim_loss loss)
{
    sim_disk_kill(disk);
    size_t survive = sim_names_pending(&disk->names);
    if (loss == SIM_LOSE_ALL) {
        survive = 0;
    } else if (loss == SIM_LOSE_SOME) {
        survive = (size_t)sim_random_below(&disk->random, survive + 1);
    }
    sim_names_crash(&disk->names, survive);
    for (struct sim_inode *inode = disk->inodes; inode != NULL; inode = inode->next) {
        if (loss == SIM_LOSE_SOME) {
            sim_inode_sync_in_part(inode, &disk->random);
        } else if (loss == SIM_LOSE_NONE) {
            sim_inode_sync(inode);
        }
        sim_inode_revert(inode);
    }
}

uint64_t sim_disk_count(const struct sim_disk *disk, enum sim_operation operation)
{
    return disk->counts[operation];
}

bool sim_disk_exists(struct sim_disk *disk, const char *path)
{
    return sim_names_find(&disk->names, path) != NULL;
}

static struct sim_inode *existing_file(struct sim_disk *disk, const char *path)
{
    struct sim_inode *inode = sim_names_find(&disk->names, path);
    assert(inode != NULL && !inode->is_directory);
    return inode;
}

struct bytes sim_disk_content(struct sim_disk *disk, const char *path)
{
    return sim_inode_content(existing_file(disk, path));
}

void sim_disk_set_content(struct sim_disk *disk, const char *path, struct bytes content)
{
    struct sim_inode *inode = sim_names_find(&disk->names, path);
    if (inode == NULL) {
        assert(sim_names_has_parent(&disk->names, path));
        inode = sim_inode_new(&disk->inodes, false);
    } else {
        sim_inode_hold(inode);
    }
    sim_names_set(&disk->names, path, inode);
    sim_inode_release(inode);
    sim_inode_set_content(inode, content);
}

void sim_disk_flip(struct sim_disk *disk, const char *path, uint64_t offset, uint8_t mask)
{
    sim_inode_flip(existing_file(disk, path), offset, mask);
}
