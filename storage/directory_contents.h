/*
 * directory_contents.h - what stands in a node's data directory, by its names alone: the manifest,
 * the log, state generations, checkpoints, and what no node has put there.
 *
 * Internal to data_directory.c. Ownership: paths are the caller's to free; a zeroed
 * directory_contents is ready, and freed by directory_contents_free.
 */
#ifndef STORAGE_DIRECTORY_CONTENTS_H
#define STORAGE_DIRECTORY_CONTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct directory_contents {
    bool manifest;
    bool log;
    uint64_t *generations;
    size_t generation_count;
    char **checkpoints; /* names */
    size_t checkpoint_count;
    char *foreign; /* a name that no node writes; NULL: none */
};

/* For file_system.list: `context` is the struct directory_contents. */
bool directory_contents_note(void *context, const char *name);
void directory_contents_free(struct directory_contents *contents);
/* Is there a state of this generation? */
bool directory_contents_has(const struct directory_contents *contents, uint64_t generation);

char *directory_join(const char *directory, const char *name);
char *directory_state_path(const char *directory, uint64_t generation);
char *directory_checkpoint_path(const char *directory, uint64_t index);

#endif
