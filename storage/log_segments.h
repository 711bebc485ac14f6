/*
 * log_segments.h - the log's files: their names, which there are, and taking them away.
 *
 * Segments are numbered without gaps: recovery refuses one. So they are removed from one end only,
 * one after the other, each removal durable before the next one: whatever crash comes between, what
 * is left has no gap.
 *
 * Threads: none of their own; the directory's two ends may be worked at by two threads.
 */
#ifndef STORAGE_LOG_SEGMENTS_H
#define STORAGE_LOG_SEGMENTS_H

#include "storage/file.h"

struct log_segments {
    uint64_t *numbers; /* ascending; the caller frees it, also after a failure */
    size_t count;
    size_t capacity;
};

/* "DIR/0000000000000001.log": the caller frees it. */
char *log_segment_path(const char *directory, uint64_t segment);

/* Other names in the directory are none of ours, and left out. */
bool log_segments_list(const struct file_system *files, const char *directory,
                       struct log_segments *segments, struct error *error);

/* Removes from..to (ascending if from <= to, else descending). *bytes (may be NULL) gets how many
 * bytes they had. */
bool log_segments_remove(const struct file_system *files, const char *directory, uint64_t from,
                         uint64_t to, uint64_t *bytes, struct error *error);

#endif
