/*
 * log_segments.c - names of sixteen digits, and their removal one by one.
 *
 * What can fail: the file system's operations, as they are.
 */
#include "log_segments.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* "0000000000000001.log" */
#define NAME_DIGITS 16

char *log_segment_path(const char *directory, uint64_t segment)
{
    size_t size = strlen(directory) + 1 + NAME_DIGITS + 4 + 1 + 8;
    char *path = memory_alloc(size);
    snprintf(path, size, "%s/%0*" PRIu64 ".log", directory, NAME_DIGITS, segment);
    return path;
}

static bool segment_of_name(const char *name, uint64_t *number)
{
    if (strlen(name) != NAME_DIGITS + 4 || strcmp(name + NAME_DIGITS, ".log") != 0) {
        return false;
    }
    *number = 0;
    for (size_t i = 0; i < NAME_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9') {
            return false;
        }
        *number = *number * 10 + (uint64_t)(name[i] - '0');
    }
    return *number > 0;
}

static bool collect_segment(void *context, const char *name)
{
    struct log_segments *segments = context;
    uint64_t number;
    if (segment_of_name(name, &number)) {
        if (segments->count == segments->capacity) {
            segments->capacity = segments->capacity == 0 ? 16 : segments->capacity * 2;
            segments->numbers =
                memory_realloc(segments->numbers, segments->capacity * sizeof *segments->numbers);
        }
        segments->numbers[segments->count++] = number;
    }
    return true;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

bool log_segments_list(const struct file_system *files, const char *directory,
                       struct log_segments *segments, struct error *error)
{
    *segments = (struct log_segments){0};
    if (!files->list(files->context, directory, collect_segment, segments, error)) {
        return false;
    }
    if (segments->count > 0) {
        qsort(segments->numbers, segments->count, sizeof *segments->numbers, compare_numbers);
    }
    return true;
}

static bool size_of(const struct file_system *files, const char *path, uint64_t *size,
                    struct error *error)
{
    struct file *file = files->open(files->context, path, false, error);
    bool known = file != NULL && files->size(file, size, error);
    if (file != NULL) {
        files->close(file);
    }
    return known;
}

static bool remove_segment(const struct file_system *files, const char *directory, uint64_t segment,
                           uint64_t *bytes, struct error *error)
{
    uint64_t size = 0;
    char *path = log_segment_path(directory, segment);
    bool removed = size_of(files, path, &size, error) &&
                   files->remove(files->context, path, error) &&
                   files->sync_directory(files->context, directory, error);
    free(path);
    *bytes += size;
    return removed;
}

bool log_segments_remove(const struct file_system *files, const char *directory, uint64_t from,
                         uint64_t to, uint64_t *bytes, struct error *error)
{
    uint64_t unread = 0;
    uint64_t *sum = bytes != NULL ? bytes : &unread;
    uint64_t segment = from;
    *sum = 0;
    while (remove_segment(files, directory, segment, sum, error)) {
        if (segment == to) {
            return true;
        }
        segment = from <= to ? segment + 1 : segment - 1;
    }
    return false;
}
