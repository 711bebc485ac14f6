/*
 * snapshot.h - the point of the log that the state on disk has reached for certain: everything up
 * to it may be taken out of the log.
 *
 * Purpose: one record of the manifest (data_directory.h). It names no file: the state is the
 * database of the manifest's generation, which stands at this index or behind it. Ownership: a
 * plain value, copied. Source: Ongaro, Consensus: Bridging Theory and Practice (2014), chapter 5.
 */
#ifndef STORAGE_SNAPSHOT_H
#define STORAGE_SNAPSHOT_H

#include <stdint.h>

#include "base/limits.h"

struct snapshot {
    uint64_t index; /* 0: none */
    uint64_t term;  /* of the entry at index */
    /* The members as of that index, in bytes that only raft/ reads, and the entry that made them
     * so. */
    uint64_t configuration_index;
    uint32_t configuration_len;
    uint8_t configuration[LIMIT_CONFIGURATION_BYTES];
};

#endif
