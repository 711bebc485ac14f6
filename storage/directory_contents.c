/*
 * directory_contents.c - names in a data directory: made, and recognised. Nothing can fail.
 */
#include "directory_contents.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define STATE_PREFIX      "state."
#define CHECKPOINT_PREFIX "checkpoint."
/* What RocksDB calls a checkpoint that it has not finished. */
#define UNFINISHED_SUFFIX ".tmp"

char *directory_join(const char *directory, const char *name)
{
    struct buffer path = {0};
    buffer_printf(&path, "%s/%s", directory, name);
    buffer_append(&path, "", 1);
    return (char *)path.data;
}

static char *numbered_path(const char *directory, const char *prefix, uint64_t number)
{
    struct buffer path = {0};
    buffer_printf(&path, "%s/%s%" PRIu64, directory, prefix, number);
    buffer_append(&path, "", 1);
    return (char *)path.data;
}

char *directory_state_path(const char *directory, uint64_t generation)
{
    return numbered_path(directory, STATE_PREFIX, generation);
}

char *directory_checkpoint_path(const char *directory, uint64_t index)
{
    return numbered_path(directory, CHECKPOINT_PREFIX, index);
}

/* Only names that we would write ourselves count: digits, no leading zero. What follows them is
 * left in *rest. */
static bool number_of_name(const char *name, const char *prefix, uint64_t *number,
                           const char **rest)
{
    size_t len = strlen(prefix);
    if (strncmp(name, prefix, len) != 0) {
        return false;
    }
    const char *digit = name + len;
    *number = 0;
    while (*digit >= '0' && *digit <= '9' && digit - (name + len) < 19) {
        *number = *number * 10 + (uint64_t)(*digit++ - '0');
    }
    *rest = digit;
    return digit > name + len && name[len] != '0';
}

bool directory_contents_note(void *context, const char *name)
{
    struct directory_contents *contents = context;
    uint64_t number;
    const char *rest;
    if (strcmp(name, "manifest") == 0) {
        contents->manifest = true;
    } else if (strcmp(name, "log") == 0) {
        contents->log = true;
    } else if (number_of_name(name, STATE_PREFIX, &number, &rest) && *rest == '\0') {
        size_t count = contents->generation_count++;
        contents->generations =
            memory_realloc(contents->generations, (count + 1) * sizeof *contents->generations);
        contents->generations[count] = number;
    } else if (number_of_name(name, CHECKPOINT_PREFIX, &number, &rest) &&
               (*rest == '\0' || strcmp(rest, UNFINISHED_SUFFIX) == 0)) {
        size_t count = contents->checkpoint_count++;
        contents->checkpoints = memory_realloc((void *)contents->checkpoints,
                                               (count + 1) * sizeof *contents->checkpoints);
        contents->checkpoints[count] = memory_strdup(name);
    } else if (contents->foreign == NULL && strcmp(name, "lock") != 0 &&
               strcmp(name, "manifest.new") != 0 && strcmp(name, "lost+found") != 0) {
        contents->foreign = memory_strdup(name);
    }
    return true;
}

void directory_contents_free(struct directory_contents *contents)
{
    for (size_t i = 0; i < contents->checkpoint_count; i++) {
        free(contents->checkpoints[i]);
    }
    free((void *)contents->checkpoints);
    free(contents->generations);
    free(contents->foreign);
}

bool directory_contents_has(const struct directory_contents *contents, uint64_t generation)
{
    for (size_t i = 0; i < contents->generation_count; i++) {
        if (contents->generations[i] == generation) {
            return true;
        }
    }
    return false;
}
