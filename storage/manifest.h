/*
 * manifest.h - who this node is, and what it has promised: one small record, kept twice in one
 * file.
 *
 *   slot, 4096 bytes, two of them    0 magic u32, 4 format u32, 8 crc u32, 12 log begun u32 (0, 1),
 *                                   16 sequence u64, 24 cluster id u64, 32 node id u64,
 *                                   40 incarnation u64, 48 term u64, 56 voted for u64,
 *                                   64 state generation u64,
 *                                   72 snapshot index u64, 80 snapshot term u64 (both 0: none),
 *                                   88 index of the snapshot's configuration u64,
 *                                   96 its length u32, 100 its bytes,
 *                                   behind them: nodes that the state stems from: count u32, their
 *                                   ids u64 each; then zeros
 *
 * crc = CRC-32C of the slot without the crc itself. Every format keeps magic, format and crc where
 * they are, and the slot's size, so that an older program can tell a newer record from a broken
 * one. Format 1 had neither snapshots nor `log begun`: it reads as format 2 with zeros there, and
 * is written as format 2.
 *
 * Log begun: the log has held an entry since the node, or the state generation it now has, began
 * (storage/log_store.h). Then a log without any is not a new one.
 *
 * Two slots, both written. A record is stored by writing slot 0, syncing, writing slot 1, syncing;
 * only then is it acknowledged. Hence
 *   - an acknowledged record is in both slots, and one broken slot, whatever broke it, costs
 *     nothing: the other has the last acknowledged record, or the unacknowledged one after it,
 *     and either may be used (Raft lets a node raise its term, or vote, without telling anyone;
 *     what a snapshot needs is on the disk before it is named);
 *   - so a torn write of the newest record need not be told from damage to an acknowledged one,
 *     which slots that alternate could not do: there, falling back to the older slot would forget
 *     a vote;
 *   - both slots broken is damage: a store breaks one at a time. The node must not start.
 * Opening writes the record it chose to both slots again, before anyone relies on it.
 */
#ifndef STORAGE_MANIFEST_H
#define STORAGE_MANIFEST_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/lineage.h"
#include "storage/snapshot.h"

#define MANIFEST_FORMAT     2u
#define MANIFEST_OLD_FORMAT 1u
#define MANIFEST_SLOT_BYTES ((size_t)4096)
#define MANIFEST_BYTES      (2 * MANIFEST_SLOT_BYTES)

struct manifest {
    uint64_t sequence; /* grows with each record stored */
    uint64_t cluster_id;
    uint64_t node_id;
    uint64_t incarnation;
    uint64_t term;
    uint64_t voted_for;
    uint64_t state_generation;
    bool log_begun;
    struct snapshot snapshot;
    struct lineage lineage; /* of the state */
};

/* Fills one slot. */
void manifest_encode(const struct manifest *manifest, struct buffer *slot);
/* Chooses the record from the file's content. The error speaks of what is wrong with `path`. */
bool manifest_choose(struct bytes content, const char *path, struct manifest *manifest,
                     struct error *error);

#endif
