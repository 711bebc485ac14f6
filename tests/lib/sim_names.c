/*
 * sim_names.c - two tables of names and the journal between them.
 *
 * Invariant: the table of now is the durable one with all changes applied in order. A sync of a
 * directory takes its changes out of the journal, whatever is before them: changes of different
 * directories do not touch the same names, but that a directory's loss takes what is in it along
 * (lose_orphans).
 */
#include "sim_names.h"

#include <assert.h>
#include <stdlib.h>

/* from -> to; from NULL: a new name; to NULL: a removal, without an inode. */
struct sim_name_change {
    char *from;
    char *to;
    struct sim_inode *inode;
};

/* "/a/b" -> "/a", "/a" -> "/", "a" -> "." */
static struct bytes directory_of(struct bytes path)
{
    const uint8_t *slash = memrchr(path.data, '/', path.len);
    if (slash == NULL) {
        return BYTES_LITERAL(".");
    }
    return slash == path.data ? BYTES_LITERAL("/")
                              : bytes_of(path.data, (size_t)(slash - path.data));
}

static bool is_in_directory(struct bytes path, struct bytes directory)
{
    return bytes_equal(directory_of(path), directory);
}

/* ---- one table ---- */

static struct bytes path_of(const struct sim_name *name)
{
    return bytes_of(name->path, name->path_len);
}

static struct sim_name *find_name(const struct sim_name_table *table, struct bytes path)
{
    for (size_t i = 0; i < table->count; i++) {
        if (bytes_equal(path_of(&table->list[i]), path)) {
            return &table->list[i];
        }
    }
    return NULL;
}

static void set_name(struct sim_name_table *table, const char *path, struct sim_inode *inode)
{
    sim_inode_hold(inode);
    struct sim_name *name = find_name(table, bytes_of_string(path));
    if (name != NULL) {
        sim_inode_release(name->inode);
        name->inode = inode;
        return;
    }
    if (table->count == table->capacity) {
        table->capacity = table->capacity == 0 ? 16 : table->capacity * 2;
        table->list = memory_realloc(table->list, table->capacity * sizeof *table->list);
    }
    table->list[table->count++] = (struct sim_name){memory_strdup(path), strlen(path), inode};
}

static void drop_name(struct sim_name_table *table, struct sim_name *name)
{
    free(name->path);
    sim_inode_release(name->inode);
    *name = table->list[--table->count];
}

static void clear_table(struct sim_name_table *table)
{
    while (table->count > 0) {
        drop_name(table, &table->list[table->count - 1]);
    }
}

static bool is_directory(const struct sim_name_table *table, struct bytes path)
{
    if (bytes_equal(path, BYTES_LITERAL("/")) || bytes_equal(path, BYTES_LITERAL("."))) {
        return true;
    }
    const struct sim_name *name = find_name(table, path);
    return name != NULL && name->inode->is_directory;
}

static void lose_orphans(struct sim_name_table *table)
{
    for (size_t i = 0; i < table->count;) {
        if (is_directory(table, directory_of(path_of(&table->list[i])))) {
            i++;
        } else {
            drop_name(table, &table->list[i]);
            i = 0; /* what lay below it is an orphan now */
        }
    }
}

/* ---- the journal ---- */

static void apply_change(struct sim_name_table *table, const struct sim_name_change *change)
{
    struct sim_name *from =
        change->from != NULL ? find_name(table, bytes_of_string(change->from)) : NULL;
    if (from != NULL) {
        drop_name(table, from);
    }
    if (change->to != NULL) {
        set_name(table, change->to, change->inode);
    }
}

static void free_change(struct sim_name_change *change)
{
    free(change->from);
    free(change->to);
    if (change->inode != NULL) {
        sim_inode_release(change->inode);
    }
}

/* Does it now, and remembers it for the next sync of the directory. */
static void make_change(struct sim_names *names, const char *from, const char *to,
                        struct sim_inode *inode)
{
    if (names->change_count == names->change_capacity) {
        names->change_capacity = names->change_capacity == 0 ? 16 : names->change_capacity * 2;
        names->changes =
            memory_realloc(names->changes, names->change_capacity * sizeof *names->changes);
    }
    struct sim_name_change *change = &names->changes[names->change_count++];
    *change = (struct sim_name_change){
        .from = from != NULL ? memory_strdup(from) : NULL,
        .to = to != NULL ? memory_strdup(to) : NULL,
        .inode = inode,
    };
    if (inode != NULL) {
        sim_inode_hold(inode);
    }
    apply_change(&names->now, change);
}

static bool is_change_in(const struct sim_name_change *change, struct bytes directory)
{
    const char *path = change->to != NULL ? change->to : change->from;
    return is_in_directory(bytes_of_string(path), directory);
}

/* ---- the names ---- */

void sim_names_free(struct sim_names *names)
{
    clear_table(&names->now);
    clear_table(&names->durable);
    for (size_t i = 0; i < names->change_count; i++) {
        free_change(&names->changes[i]);
    }
    free(names->now.list);
    free(names->durable.list);
    free(names->changes);
    *names = (struct sim_names){0};
}

struct sim_inode *sim_names_find(const struct sim_names *names, const char *path)
{
    const struct sim_name *name = find_name(&names->now, bytes_of_string(path));
    return name != NULL ? name->inode : NULL;
}

bool sim_names_is_directory(const struct sim_names *names, const char *path)
{
    return is_directory(&names->now, bytes_of_string(path));
}

bool sim_names_has_parent(const struct sim_names *names, const char *path)
{
    return is_directory(&names->now, directory_of(bytes_of_string(path)));
}

bool sim_names_same_directory(const char *path, const char *other)
{
    return is_in_directory(bytes_of_string(path), directory_of(bytes_of_string(other)));
}

void sim_names_list(const struct sim_names *names, const char *directory,
                    bool (*visit)(void *context, const char *name), void *context)
{
    struct bytes wanted = bytes_of_string(directory);
    for (size_t i = 0; i < names->now.count; i++) {
        const struct sim_name *name = &names->now.list[i];
        if (is_in_directory(path_of(name), wanted)) {
            const char *slash = strrchr(name->path, '/');
            if (!visit(context, slash != NULL ? slash + 1 : name->path)) {
                return;
            }
        }
    }
}

void sim_names_add(struct sim_names *names, const char *path, struct sim_inode *inode)
{
    make_change(names, NULL, path, inode);
}

void sim_names_remove(struct sim_names *names, const char *path)
{
    make_change(names, path, NULL, NULL);
}

void sim_names_remove_tree(struct sim_names *names, const char *path)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < names->now.count;) {
        const char *below = names->now.list[i].path;
        if (strncmp(below, path, len) == 0 && below[len] == '/') {
            sim_names_remove(names, below); /* another one takes its place */
        } else {
            i++;
        }
    }
    sim_names_remove(names, path);
}

void sim_names_rename(struct sim_names *names, const char *from, const char *to)
{
    struct sim_inode *inode = sim_names_find(names, from);
    assert(inode != NULL && sim_names_same_directory(from, to));
    make_change(names, from, to, inode);
}

void sim_names_set(struct sim_names *names, const char *path, struct sim_inode *inode)
{
    set_name(&names->now, path, inode);
    set_name(&names->durable, path, inode);
}

void sim_names_sync(struct sim_names *names, const char *directory)
{
    struct bytes wanted = bytes_of_string(directory);
    size_t kept = 0;
    for (size_t i = 0; i < names->change_count; i++) {
        struct sim_name_change *change = &names->changes[i];
        if (is_change_in(change, wanted)) {
            apply_change(&names->durable, change);
            free_change(change);
        } else {
            names->changes[kept++] = *change;
        }
    }
    names->change_count = kept;
}

size_t sim_names_pending(const struct sim_names *names)
{
    return names->change_count;
}

void sim_names_crash(struct sim_names *names, size_t survive)
{
    assert(survive <= names->change_count);
    for (size_t i = 0; i < names->change_count; i++) {
        if (i < survive) {
            apply_change(&names->durable, &names->changes[i]);
        }
        free_change(&names->changes[i]);
    }
    names->change_count = 0;
    lose_orphans(&names->durable);
    clear_table(&names->now);
    for (size_t i = 0; i < names->durable.count; i++) {
        set_name(&names->now, names->durable.list[i].path, names->durable.list[i].inode);
    }
}
