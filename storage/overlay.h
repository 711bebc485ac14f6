/*
 * overlay.h - the changes that stand in front of the state database: what was put and removed since
 * the last commit, by (kind, key).
 *
 * Purpose: gets and scans see changes before they are written, and a commit writes each key once,
 * however often it changed. This is the place where changes may one day stay longer than one commit
 * (a write-behind overlay): the database knows it through these calls only.
 *
 * Ownership: put copies key and value, which may be views of the overlay itself; what find and
 * range show is valid until the next change. Memory: an arena, given back at reset but for
 * STATE_OVERLAY_KEPT_BYTES. Threads: one at a time.
 */
#ifndef STORAGE_OVERLAY_H
#define STORAGE_OVERLAY_H

#include "base/bytes.h"

struct overlay;

struct overlay *overlay_new(void);
void overlay_free(struct overlay *overlay);
/* Forgets all changes. */
void overlay_reset(struct overlay *overlay);

void overlay_put(struct overlay *overlay, uint8_t kind, struct bytes key, struct bytes value);
void overlay_remove(struct overlay *overlay, uint8_t kind, struct bytes key);

/* One changed record. */
struct overlay_record {
    struct bytes kind_and_key; /* the kind byte, then the key: as the database has it */
    struct bytes value;
    bool removed;
};

/* The change of this key, or NULL if there is none. */
const struct overlay_record *overlay_find(const struct overlay *overlay, uint8_t kind,
                                          struct bytes key);
size_t overlay_count(const struct overlay *overlay);
/* All changes, in the database's order: neighbours go into its memory table for less. */
void overlay_each(struct overlay *overlay,
                  void (*visit)(void *context, const struct overlay_record *record), void *context);
/* The changes of a kind with from <= key, and key < to unless `to` is empty, sorted by key. Costs
 * nothing where the kind has no changes. Returns how many; valid until the next change or range. */
size_t overlay_range(struct overlay *overlay, uint8_t kind, struct bytes from, struct bytes to,
                     const struct overlay_record *const **records);

#endif
