/*
 * sim_disk.h - the disk of one simulated node: a hard state that is synced at once, a log whose
 * writes are synced later, one after the other, and what a crash leaves of them.
 *
 * Two logs are kept: `view` is what the node has asked for, `log` what is synced. A crash makes the
 * view what the log is, after some of the writes that were under way have reached the log in order:
 * a disk may have done more than it had time to say, never less than it has said.
 */
#ifndef TESTS_SIM_DISK_H
#define TESTS_SIM_DISK_H

#include "raft/replica.h"
#include "world.h"

struct sim_log {
    struct entry **entries; /* by index - 1 */
    uint64_t last;
    size_t capacity;
};

struct sim_disk_write;

struct sim_disk {
    struct world *world;
    uint64_t node; /* for notes */
    uint64_t term;
    uint64_t voted_for;
    struct sim_log view;
    struct sim_log log;
    struct sim_disk_write *first; /* writes that are not synced, oldest first */
    struct sim_disk_write *last;
    size_t pending;
    uint64_t life;           /* grows with each crash: completions of an earlier life are lost */
    uint64_t reported_at_us; /* completions arrive in order too */
    uint64_t least_us;       /* how long a write takes */
    uint64_t most_us;
    void (*written)(void *context, uint64_t generation, uint64_t last_index);
    void *context;
};

void sim_disk_init(struct sim_disk *disk, struct world *world, uint64_t node,
                   void (*written)(void *context, uint64_t generation, uint64_t last_index),
                   void *context);
void sim_disk_free(struct sim_disk *disk);

/* Checks on the way that a term never falls and a vote never changes within its term. */
void sim_disk_store_hard_state(struct sim_disk *disk, uint64_t term, uint64_t voted_for);
void sim_disk_write(struct sim_disk *disk, uint64_t generation, uint64_t first_index,
                    struct entry *const *entries, size_t count);
size_t sim_disk_read(struct sim_disk *disk, uint64_t first_index, size_t max_count,
                     size_t max_bytes, struct entry **entries);
void sim_disk_crash(struct sim_disk *disk);

/* NULL if the log does not go so far. */
struct entry *sim_log_get(const struct sim_log *log, uint64_t index);

#endif
