/*
 * nemesis.h - what goes wrong. A nemesis is a `struct nemesis` in a file of its concept
 * (partitions.c, processes.c, clocks.c, links.c, disks.c, members.c), and a line in nemeses.c.
 *
 * The runner calls `start`, lets it be for a while, and calls `stop`; around each it records the
 * events :start-NAME and :stop-NAME, with the EDN that the nemesis wrote as their value. `stop`
 * leaves nothing of the fault behind: who was killed runs again, who stopped itself because of the
 * fault too. After all faults have been stopped the runner waits for a healthy cluster.
 *
 * Several at once: one of each kind. Invariant: at no moment have so many disks lost synced data,
 * or been replaced and not caught up, that a committed entry could be gone (fewer than a majority,
 * at most one at a time); a fault of this kind is `destroys`, and never begins unless the cluster
 * is healthy.
 */
#ifndef JEPSEN_NEMESIS_H
#define JEPSEN_NEMESIS_H

#include "base/bytes.h"
#include "base/random.h"
#include "network.h"
#include "nodes.h"

#define NEMESIS_TURN_MS 200

/* What nemeses act on. */
struct nemesis_ground {
    struct network *network;
    struct nodes *nodes;
    uint32_t first_client_host; /* client hosts are this one and those behind it */
    uint32_t client_host_count;
    struct random random; /* the fault's own, from the run's seed */
};

struct nemesis {
    const char *name; /* "partition-halves": an EDN keyword */
    const char *kind; /* "partition": two of a kind are never on at once */
    const char *help; /* one line */
    bool destroys;
    bool ends_nodes; /* those that it hits may end by themselves: a disk that fails; no member */
    bool needs_disk_faults; /* the preloaded libraries */
    bool needs_clock_faults;
    uint32_t least_nodes; /* of the cluster; with fewer it would be nothing */
    /* False: it can't be done, and the run ends with this error. `value`: EDN of what was done.
     * `state` is the nemesis' own until stop, which frees it. */
    bool (*start)(struct nemesis_ground *ground, void **state, struct buffer *value,
                  struct error *error);
    bool (*stop)(struct nemesis_ground *ground, void *state, struct buffer *value,
                 struct error *error);
    /* While the fault is on: every NEMESIS_TURN_MS or so. NULL: nothing to do. */
    bool (*turn)(struct nemesis_ground *ground, void *state, struct error *error);
    /* Once no fault is on any more, before the cluster is looked at: what the cluster may not have
     * taken while others were on. It frees the state, then, and not `stop`. NULL: nothing to do. */
    bool (*finish)(struct nemesis_ground *ground, void *state, struct buffer *value,
                   struct error *error);
};

extern const struct nemesis *const nemeses[]; /* up to a NULL */

static inline bool nemesis_is_among(const struct nemesis *nemesis,
                                    const struct nemesis *const *list, uint32_t count)
{
    uint32_t i = 0;
    while (i < count && list[i] != nemesis) {
        i++;
    }
    return i < count;
}

#endif
