/*
 * sim_files.c - the disk of sim_files.h.
 *
 * Every file (node) has two contents: `now`, which programs see, and `durable`, which a power cut
 * leaves; and the list of changes made since they were last brought together by a sync. Names work
 * alike: `now`, `durable`, and the changes of names that no sync_directory has covered. A crash
 * builds the survivors out of `durable` and some of the changes, and starts again from there.
 */
#include "sim_files.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim_random.h"

#define SECTOR_BYTES 512u

/* A write (data, at offset), or a change of size (no data, offset is the new size). */
struct change {
    uint64_t offset;
    uint8_t *data;
    size_t len;
    bool grow_only;
};

struct node {
    bool is_directory;
    struct buffer now;
    struct buffer durable;
    struct change *changes;
    size_t change_count;
    size_t change_capacity;
    struct file *locked_by;
    size_t handles;
    bool marked;
    struct node *next;
};

struct name {
    char *path;
    struct node *node;
};

struct names {
    struct name *list;
    size_t count;
    size_t capacity;
};

/* from -> to; from NULL: a new name; to NULL: a removal. */
struct name_change {
    char *from;
    char *to;
    struct node *node;
};

struct sim_disk {
    struct random random;
    uint64_t epoch; /* grows with each crash or kill: older handles fail */
    struct node *nodes;
    struct names now;
    struct names durable;
    struct name_change *name_changes;
    size_t name_change_count;
    size_t name_change_capacity;
    uint64_t counts[SIM_OPERATIONS];
    uint64_t fail_at[SIM_OPERATIONS]; /* the count at which to fail; 0: not */
    int fail_code[SIM_OPERATIONS];
    uint64_t capacity_bytes;
    uint64_t power_left; /* changing operations until the power goes; 0: it stays */
    bool has_power;
};

struct file {
    struct sim_disk *disk;
    struct node *node;
    uint64_t epoch;
    char *path;
};

static const char *const operation_words[SIM_OPERATIONS] = {
    "open it",
    "find its size",
    "allocate space for it",
    "change its size",
    "read it",
    "write to it",
    "sync it",
    "lock it",
    "read the directory",
    "remove it",
    "put it there",
    "make it",
    "sync the directory",
};

/* ---- randomness ---- */

/* 0 .. bound - 1 */
static uint64_t random_below(struct sim_disk *disk, uint64_t bound)
{
    return sim_random_below(&disk->random, bound);
}

/* ---- names ---- */

static struct name *find_name(const struct names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->list[i].path, path) == 0) {
            return &names->list[i];
        }
    }
    return NULL;
}

static struct node *find_node(const struct names *names, const char *path)
{
    const struct name *name = find_name(names, path);
    return name != NULL ? name->node : NULL;
}

static void set_name(struct names *names, const char *path, struct node *node)
{
    struct name *name = find_name(names, path);
    if (name != NULL) {
        name->node = node;
        return;
    }
    if (names->count == names->capacity) {
        names->capacity = names->capacity == 0 ? 16 : names->capacity * 2;
        names->list = memory_realloc(names->list, names->capacity * sizeof *names->list);
    }
    names->list[names->count++] = (struct name){memory_strdup(path), node};
}

static void drop_name(struct names *names, const char *path)
{
    struct name *name = find_name(names, path);
    if (name != NULL) {
        free(name->path);
        *name = names->list[--names->count];
    }
}

static void clear_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        free(names->list[i].path);
    }
    free(names->list);
    *names = (struct names){0};
}

static void copy_names(struct names *to, const struct names *from)
{
    clear_names(to);
    for (size_t i = 0; i < from->count; i++) {
        set_name(to, from->list[i].path, from->list[i].node);
    }
}

/* The length of the directory's part of a path: "/a/b" -> 2, "/a" -> 1, "a" -> 0. */
static size_t directory_len(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
}

static bool is_in_directory(const char *path, const char *directory)
{
    size_t len = directory_len(path);
    if (len == 0) {
        return strcmp(directory, ".") == 0;
    }
    return strlen(directory) == len && strncmp(path, directory, len) == 0;
}

static bool is_directory(const struct names *names, const char *path)
{
    if (strcmp(path, "/") == 0 || strcmp(path, ".") == 0) {
        return true;
    }
    const struct node *node = find_node(names, path);
    return node != NULL && node->is_directory;
}

static bool parent_exists(const struct names *names, const char *path)
{
    size_t len = directory_len(path);
    if (len == 0) {
        return true;
    }
    char *parent = memory_copy(path, len + 1);
    parent[len] = '\0';
    bool exists = is_directory(names, parent);
    free(parent);
    return exists;
}

static void apply_name_change(struct names *names, const struct name_change *change)
{
    if (change->from != NULL) {
        drop_name(names, change->from);
    }
    if (change->to != NULL) {
        set_name(names, change->to, change->node);
    }
}

/* Does it now, and remembers it for the next sync of the directory. */
static void change_name(struct sim_disk *disk, const char *from, const char *to, struct node *node)
{
    struct name_change change = {
        .from = from != NULL ? memory_strdup(from) : NULL,
        .to = to != NULL ? memory_strdup(to) : NULL,
        .node = node,
    };
    if (disk->name_change_count == disk->name_change_capacity) {
        disk->name_change_capacity =
            disk->name_change_capacity == 0 ? 16 : disk->name_change_capacity * 2;
        disk->name_changes = memory_realloc(disk->name_changes, disk->name_change_capacity *
                                                                    sizeof *disk->name_changes);
    }
    disk->name_changes[disk->name_change_count++] = change;
    apply_name_change(&disk->now, &change);
}

static void free_name_change(struct name_change *change)
{
    free(change->from);
    free(change->to);
}

/* ---- nodes ---- */

static struct node *new_node(struct sim_disk *disk, bool directory)
{
    struct node *node = memory_zalloc(sizeof *node);
    node->is_directory = directory;
    node->next = disk->nodes;
    disk->nodes = node;
    return node;
}

static void set_size(struct buffer *content, uint64_t size)
{
    if (size > content->len) {
        size_t more = (size_t)size - content->len;
        memset(buffer_reserve(content, more), 0, more);
    }
    content->len = (size_t)size;
}

static void apply_part(struct buffer *content, const struct change *change, size_t from, size_t len)
{
    if (len == 0) {
        return;
    }
    uint64_t end = change->offset + from + len;
    if (end > content->len) {
        set_size(content, end);
    }
    memcpy(content->data + change->offset + from, change->data + from, len);
}

static void apply_change(struct buffer *content, const struct change *change)
{
    if (change->data != NULL) {
        apply_part(content, change, 0, change->len);
    } else if (!change->grow_only || change->offset > content->len) {
        set_size(content, change->offset);
    }
}

static void change_content(struct node *node, struct change change)
{
    if (node->change_count == node->change_capacity) {
        node->change_capacity = node->change_capacity == 0 ? 4 : node->change_capacity * 2;
        node->changes = memory_realloc(node->changes, node->change_capacity * sizeof change);
    }
    node->changes[node->change_count++] = change;
    apply_change(&node->now, &change);
}

static void drop_changes(struct node *node)
{
    for (size_t i = 0; i < node->change_count; i++) {
        free(node->changes[i].data);
    }
    node->change_count = 0;
}

static void sync_node(struct node *node)
{
    for (size_t i = 0; i < node->change_count; i++) {
        apply_change(&node->durable, &node->changes[i]);
    }
    drop_changes(node);
}

/* Some of the changes, sector by sector; the last write may also stop anywhere. */
static void sync_node_in_part(struct sim_disk *disk, struct node *node)
{
    uint64_t quarters = random_below(disk, 5); /* how many in four survive: none .. all */
    for (size_t i = 0; i < node->change_count; i++) {
        const struct change *change = &node->changes[i];
        if (change->data == NULL) {
            if (random_below(disk, 4) < quarters) {
                apply_change(&node->durable, change);
            }
            continue;
        }
        if (i + 1 == node->change_count && random_below(disk, 3) == 0) {
            apply_part(&node->durable, change, 0, (size_t)random_below(disk, change->len + 1));
            continue;
        }
        for (size_t from = 0; from < change->len;) {
            size_t sector_left = SECTOR_BYTES - (size_t)((change->offset + from) % SECTOR_BYTES);
            size_t part = change->len - from < sector_left ? change->len - from : sector_left;
            if (random_below(disk, 4) < quarters) {
                apply_part(&node->durable, change, from, part);
            }
            from += part;
        }
    }
    drop_changes(node);
}

static void free_node(struct node *node)
{
    drop_changes(node);
    free(node->changes);
    buffer_free(&node->now);
    buffer_free(&node->durable);
    free(node);
}

/* Frees what neither a name nor a handle reaches any more. */
static void sweep_nodes(struct sim_disk *disk)
{
    for (struct node *node = disk->nodes; node != NULL; node = node->next) {
        node->marked = node->handles > 0;
    }
    for (size_t i = 0; i < disk->now.count; i++) {
        disk->now.list[i].node->marked = true;
    }
    for (size_t i = 0; i < disk->durable.count; i++) {
        disk->durable.list[i].node->marked = true;
    }
    for (size_t i = 0; i < disk->name_change_count; i++) {
        if (disk->name_changes[i].node != NULL) {
            disk->name_changes[i].node->marked = true;
        }
    }
    struct node **link = &disk->nodes;
    while (*link != NULL) {
        struct node *node = *link;
        if (node->marked) {
            link = &node->next;
        } else {
            *link = node->next;
            free_node(node);
        }
    }
}

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
        return STEP_FAIL;
    }
    return STEP_DO;
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

static uint64_t used_bytes(const struct sim_disk *disk)
{
    uint64_t used = 0;
    for (const struct node *node = disk->nodes; node != NULL; node = node->next) {
        used += node->now.len;
    }
    return used;
}

static bool has_space(const struct file *file, uint64_t new_size)
{
    uint64_t size = file->node->now.len;
    return new_size <= size ||
           used_bytes(file->disk) + (new_size - size) <= file->disk->capacity_bytes;
}

static struct file *sim_open(void *context, const char *path, bool create, struct error *error)
{
    struct sim_disk *disk = context;
    int code;
    struct node *node = find_node(&disk->now, path);
    enum step step = begin(disk, SIM_OPEN, create && node == NULL, &code);
    if (step == STEP_FAIL) {
        fail(error, SIM_OPEN, path, code);
        return NULL;
    }
    if (node == NULL && (!create || !parent_exists(&disk->now, path))) {
        fail(error, SIM_OPEN, path, ENOENT);
        return NULL;
    }
    if (node != NULL && node->is_directory) {
        fail(error, SIM_OPEN, path, EISDIR);
        return NULL;
    }
    if (node == NULL) {
        node = new_node(disk, false);
        change_name(disk, NULL, path, node);
    }
    if (step == STEP_DO_IN_PART) {
        fail(error, SIM_OPEN, path, code);
        return NULL;
    }
    struct file *file = memory_alloc(sizeof *file);
    *file = (struct file){disk, node, disk->epoch, memory_strdup(path)};
    node->handles++;
    return file;
}

static void sim_close(struct file *file)
{
    if (file->node->locked_by == file) {
        file->node->locked_by = NULL;
    }
    assert(file->node->handles > 0);
    file->node->handles--;
    sweep_nodes(file->disk);
    free(file->path);
    free(file);
}

static bool sim_size(struct file *file, uint64_t *size, struct error *error)
{
    int code;
    if (begin_file(file, SIM_SIZE, false, &code) != STEP_DO) {
        return fail(error, SIM_SIZE, file->path, code);
    }
    *size = file->node->now.len;
    return true;
}

static bool change_size(struct file *file, enum sim_operation operation, uint64_t size,
                        struct error *error)
{
    int code;
    enum step step = begin_file(file, operation, true, &code);
    if (step == STEP_FAIL) {
        return fail(error, operation, file->path, code);
    }
    if (!has_space(file, size)) {
        return fail(error, operation, file->path, ENOSPC);
    }
    change_content(file->node,
                   (struct change){.offset = size, .grow_only = operation == SIM_ALLOCATE});
    return step == STEP_DO || fail(error, operation, file->path, code);
}

static bool sim_allocate(struct file *file, uint64_t size, struct error *error)
{
    return change_size(file, SIM_ALLOCATE, size, error);
}

static bool sim_truncate(struct file *file, uint64_t size, struct error *error)
{
    return change_size(file, SIM_TRUNCATE, size, error);
}

static bool sim_read(struct file *file, uint64_t offset, void *data, size_t len, size_t *got,
                     struct error *error)
{
    int code;
    *got = 0;
    if (begin_file(file, SIM_READ, false, &code) != STEP_DO) {
        return fail(error, SIM_READ, file->path, code);
    }
    const struct buffer *content = &file->node->now;
    if (offset < content->len) {
        *got = content->len - (size_t)offset < len ? content->len - (size_t)offset : len;
        memcpy(data, content->data + offset, *got);
    }
    return true;
}

static bool sim_write(struct file *file, uint64_t offset, const void *data, size_t len,
                      struct error *error)
{
    int code = ENOSPC;
    enum step step = begin_file(file, SIM_WRITE, true, &code);
    if (file->epoch != file->disk->epoch || (step == STEP_FAIL && !file->disk->has_power)) {
        return fail(error, SIM_WRITE, file->path, code);
    }
    if (step == STEP_DO && !has_space(file, offset + len)) {
        step = STEP_FAIL;
        code = ENOSPC;
    }
    /* A failed write has left a first part; one that the power interrupted is a pending write like
     * any other, which the crash tears. */
    size_t done = step == STEP_FAIL ? (size_t)random_below(file->disk, len) : len;
    while (done > 0 && !has_space(file, offset + done)) {
        done--;
    }
    if (done > 0) {
        change_content(
            file->node,
            (struct change){.offset = offset, .data = memory_copy(data, done), .len = done});
    }
    return step == STEP_DO || fail(error, SIM_WRITE, file->path, code);
}

static bool sim_sync(struct file *file, struct error *error)
{
    int code;
    enum step step = begin_file(file, SIM_SYNC, true, &code);
    if (step == STEP_DO) {
        sync_node(file->node);
        return true;
    }
    /* After the power went the crash decides; after a failed sync the kernel has given the pages
     * up, whatever became of them. */
    if (step == STEP_FAIL && file->epoch == file->disk->epoch && file->disk->has_power) {
        sync_node_in_part(file->disk, file->node);
    }
    return fail(error, SIM_SYNC, file->path, code);
}

static bool sim_lock(struct file *file, struct error *error)
{
    int code;
    if (begin_file(file, SIM_LOCK, false, &code) != STEP_DO) {
        return fail(error, SIM_LOCK, file->path, code);
    }
    if (file->node->locked_by != NULL && file->node->locked_by != file) {
        return error_set(error, "%s is locked by another process", file->path);
    }
    file->node->locked_by = file;
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
    if (!is_directory(&disk->now, directory)) {
        return fail(error, SIM_LIST, directory, ENOENT);
    }
    for (size_t i = 0; i < disk->now.count; i++) {
        const char *path = disk->now.list[i].path;
        if (is_in_directory(path, directory)) {
            const char *slash = strrchr(path, '/');
            if (!visit(visit_context, slash != NULL ? slash + 1 : path)) {
                break;
            }
        }
    }
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
    const struct node *node = find_node(&disk->now, path);
    if (node == NULL || node->is_directory) {
        return fail(error, SIM_REMOVE, path, node == NULL ? ENOENT : EISDIR);
    }
    change_name(disk, path, NULL, NULL);
    sweep_nodes(disk);
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
    if (!is_directory(&disk->now, path)) {
        return fail(error, SIM_REMOVE, path, ENOENT);
    }
    size_t len = strlen(path);
    for (size_t i = disk->now.count; i-- > 0;) {
        const char *below = disk->now.list[i].path;
        if (strncmp(below, path, len) == 0 && below[len] == '/') {
            char *doomed = memory_strdup(below);
            change_name(disk, doomed, NULL, NULL);
            free(doomed);
            i = disk->now.count; /* dropping a name reorders the list */
        }
    }
    change_name(disk, path, NULL, NULL);
    sweep_nodes(disk);
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
    struct node *node = find_node(&disk->now, from);
    if (node == NULL || !parent_exists(&disk->now, to)) {
        return fail(error, SIM_RENAME, from, ENOENT);
    }
    assert(!node->is_directory && directory_len(from) == directory_len(to) &&
           strncmp(from, to, directory_len(from)) == 0); /* all that storage/ does */
    change_name(disk, from, to, node);
    sweep_nodes(disk);
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
    if (!is_directory(&disk->now, path)) {
        if (find_node(&disk->now, path) != NULL || !parent_exists(&disk->now, path)) {
            return fail(error, SIM_MAKE_DIRECTORY, path,
                        find_node(&disk->now, path) != NULL ? ENOTDIR : ENOENT);
        }
        change_name(disk, NULL, path, new_node(disk, true));
    }
    return step == STEP_DO || fail(error, SIM_MAKE_DIRECTORY, path, code);
}

/* The name changes of one directory (NULL: of all) become durable, in their order. */
static void sync_names(struct sim_disk *disk, const char *directory)
{
    size_t kept = 0;
    for (size_t i = 0; i < disk->name_change_count; i++) {
        struct name_change *change = &disk->name_changes[i];
        const char *path = change->to != NULL ? change->to : change->from;
        if (directory == NULL || is_in_directory(path, directory)) {
            apply_name_change(&disk->durable, change);
            free_name_change(change);
        } else {
            disk->name_changes[kept++] = *change;
        }
    }
    disk->name_change_count = kept;
}

static bool sim_sync_directory(void *context, const char *directory, struct error *error)
{
    struct sim_disk *disk = context;
    int code;
    if (begin(disk, SIM_SYNC_DIRECTORY, true, &code) != STEP_DO) {
        return fail(error, SIM_SYNC_DIRECTORY, directory, code);
    }
    if (!is_directory(&disk->now, directory)) {
        return fail(error, SIM_SYNC_DIRECTORY, directory, ENOENT);
    }
    sync_names(disk, directory);
    sweep_nodes(disk);
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
    clear_names(&disk->now);
    clear_names(&disk->durable);
    for (size_t i = 0; i < disk->name_change_count; i++) {
        free_name_change(&disk->name_changes[i]);
    }
    disk->name_change_count = 0;
    sweep_nodes(disk);
    assert(disk->nodes == NULL);
    free(disk->name_changes);
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
        .truncate = sim_truncate,
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
    };
}

void sim_disk_fail(struct sim_disk *disk, enum sim_operation operation, uint64_t nth, int code)
{
    assert(nth > 0 && code != 0);
    disk->fail_at[operation] = disk->counts[operation] + nth;
    disk->fail_code[operation] = code;
}

void sim_disk_set_capacity(struct sim_disk *disk, uint64_t capacity_bytes)
{
    disk->capacity_bytes = capacity_bytes;
}

void sim_disk_cut_power(struct sim_disk *disk, uint64_t nth)
{
    disk->power_left = nth;
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
    for (struct node *node = disk->nodes; node != NULL; node = node->next) {
        node->locked_by = NULL;
    }
}

static void lose_orphans(struct names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        if (!parent_exists(names, names->list[i].path)) {
            drop_name(names, names->list[i].path);
            i = SIZE_MAX; /* again from the beginning: what lay below it is an orphan now */
        }
    }
}

void sim_disk_crash(struct sim_disk *disk, enum sim_loss loss)
{
    sim_disk_kill(disk);
    size_t survive = disk->name_change_count;
    if (loss == SIM_LOSE_ALL) {
        survive = 0;
    } else if (loss == SIM_LOSE_SOME) {
        survive = (size_t)random_below(disk, disk->name_change_count + 1);
    }
    for (size_t i = survive; i < disk->name_change_count; i++) {
        free_name_change(&disk->name_changes[i]);
    }
    disk->name_change_count = survive;
    sync_names(disk, NULL);
    lose_orphans(&disk->durable);
    copy_names(&disk->now, &disk->durable);

    for (struct node *node = disk->nodes; node != NULL; node = node->next) {
        if (loss == SIM_LOSE_ALL) {
            drop_changes(node);
        } else if (loss == SIM_LOSE_SOME) {
            sync_node_in_part(disk, node);
        } else {
            sync_node(node);
        }
        buffer_clear(&node->now);
        buffer_append_bytes(&node->now, buffer_bytes(&node->durable));
    }
    sweep_nodes(disk);
}

uint64_t sim_disk_count(const struct sim_disk *disk, enum sim_operation operation)
{
    return disk->counts[operation];
}

bool sim_disk_exists(struct sim_disk *disk, const char *path)
{
    return find_node(&disk->now, path) != NULL;
}

static struct node *existing_file(struct sim_disk *disk, const char *path)
{
    struct node *node = find_node(&disk->now, path);
    assert(node != NULL && !node->is_directory);
    return node;
}

struct bytes sim_disk_content(struct sim_disk *disk, const char *path)
{
    return buffer_bytes(&existing_file(disk, path)->now);
}

void sim_disk_set_content(struct sim_disk *disk, const char *path, struct bytes content)
{
    struct node *node = find_node(&disk->now, path);
    if (node == NULL) {
        assert(parent_exists(&disk->now, path));
        node = new_node(disk, false);
        set_name(&disk->now, path, node);
    }
    set_name(&disk->durable, path, node);
    drop_changes(node);
    struct buffer copy = {0}; /* the content may be a view of this very file */
    buffer_append_bytes(&copy, content);
    buffer_clear(&node->now);
    buffer_append_bytes(&node->now, buffer_bytes(&copy));
    buffer_clear(&node->durable);
    buffer_append_bytes(&node->durable, buffer_bytes(&copy));
    buffer_free(&copy);
}

void sim_disk_flip(struct sim_disk *disk, const char *path, uint64_t offset, uint8_t mask)
{
    struct node *node = existing_file(disk, path);
    assert(offset < node->now.len);
    node->now.data[offset] ^= mask;
    if (offset < node->durable.len) {
        node->durable.data[offset] ^= mask;
    }
}
