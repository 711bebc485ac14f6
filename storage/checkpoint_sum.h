/*
 * checkpoint_sum.h - what both sides of a checkpoint's way need of its files.
 */
#ifndef STORAGE_CHECKPOINT_SUM_H
#define STORAGE_CHECKPOINT_SUM_H

#include "storage/checkpoint.h"

/* "DIR/name": the caller frees it. */
char *checkpoint_path(const char *directory, const char *name);
/* Reads the whole file for its size and CRC-32C. */
bool checkpoint_sum(const struct file_system *files, struct file *file, const char *path,
                    uint64_t *size, uint32_t *crc, struct error *error);
/* The file of this name, or NULL. */
const struct checkpoint_file *checkpoint_list_find(const struct checkpoint_list *list,
                                                   const char *name);

#endif
