/*
 * sim_names.h - the names of the disk in memory (sim_files.h): those that programs see, those that
 * a power cut leaves for certain, and the changes between the two, in the order a journal keeps.
 *
 * A name is a whole path, in plain text; "/" and "." are always there. There are few: they are
 * looked for one by one. Ownership: paths are copied; a name, and a change that is not durable,
 * hold their inode.
 */
#ifndef TESTS_SIM_NAMES_H
#define TESTS_SIM_NAMES_H

#include "sim_inode.h"

struct sim_name {
    char *path;
    size_t path_len;
    struct sim_inode *inode;
};

struct sim_name_table {
    struct sim_name *list;
    size_t count;
    size_t capacity;
};

struct sim_name_change; /* sim_names.c */

/* All zero: a disk without files. */
struct sim_names {
    struct sim_name_table now;
    struct sim_name_table durable;
    struct sim_name_change *changes; /* of names in directories that no sync has covered */
    size_t change_count;
    size_t change_capacity;
};

void sim_names_free(struct sim_names *names); /* and zeroed */

struct sim_inode *sim_names_find(const struct sim_names *names, const char *path); /* NULL: none */
bool sim_names_is_directory(const struct sim_names *names, const char *path);
bool sim_names_has_parent(const struct sim_names *names, const char *path);
bool sim_names_same_directory(const char *path, const char *other);
/* The last part of each path in the directory, in no order; `visit` returns false to stop. */
void sim_names_list(const struct sim_names *names, const char *directory,
                    bool (*visit)(void *context, const char *name), void *context);

/* Each is seen at once, and durable with the next sync of its directory. */
void sim_names_add(struct sim_names *names, const char *path, struct sim_inode *inode);
void sim_names_remove(struct sim_names *names, const char *path);
/* The directory (not "/" and not ".") and all that is below it. */
void sim_names_remove_tree(struct sim_names *names, const char *path);
/* Within its directory; whatever had the other name loses it. */
void sim_names_rename(struct sim_names *names, const char *from, const char *to);
/* Seen and durable at once. */
void sim_names_set(struct sim_names *names, const char *path, struct sim_inode *inode);

void sim_names_sync(struct sim_names *names, const char *directory);
size_t sim_names_pending(const struct sim_names *names); /* changes that are not durable */
/* The first `survive` of these become durable. That is what programs see then. */
void sim_names_crash(struct sim_names *names, size_t survive);

#endif
