/*
 * low_disks.h - disks that run into their reserve (node/core/disk_watch.h), and have room again: in
 * storms now and then one, mostly the leader's; and, behind storms, a drill on a quiet cluster.
 *
 * The drill with one: the leader's disk runs low. It must find out, hand over once, and the next
 * one serve. With all: none takes a command, each hands over at most once, and then the cluster is
 * quiet. Behind it there is room, and commands are taken again.
 */
#ifndef TESTS_SIM_LOW_DISKS_H
#define TESTS_SIM_LOW_DISKS_H

#include "faults.h"

struct low_disks {
    struct world *world;
    struct sim_node *nodes;
    const struct plan *plan;
    bool is_storm;
    uint64_t planned; /* number of the attempt that is due */
    uint64_t storm;
};

void low_disks_init(struct low_disks *low_disks, struct world *world, struct sim_node *nodes,
                    const struct plan *plan);
void low_disks_begin_storm(struct low_disks *low_disks);
void low_disks_end_storm(struct low_disks *low_disks);

enum low_drill { LOW_NONE, LOW_ONE, LOW_ALL };
enum low_drill low_disks_draw_drill(struct low_disks *low_disks);
/* From now on a bit more than half of the reserve is left; it is not enough to stop for. */
void low_disks_take_room(struct low_disks *low_disks, struct sim_node *node);
/* Whatever was taken from it: a node whose disk is low trims its log, and that may be enough. */
bool low_disks_has_room(const struct low_disks *low_disks, const struct sim_node *node);
/* Has the node not begun to hand over for so long that it must, if its disk is low and it leads? */
bool low_disks_must_hand_over(const struct low_disks *low_disks, const struct sim_node *node);
/* Changes with each end and start of a node: a disk may fill all the same, most of all where a
 * checkpoint is a copy, as it is here; who stops for that comes back to one with room. */
uint64_t low_disks_lives(const struct low_disks *low_disks);
/* All nodes that run: their disks have room, and they know it. */
bool low_disks_have_room(const struct low_disks *low_disks);

#endif
