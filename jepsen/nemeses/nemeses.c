/*
 * nemeses.c - all nemeses, in the order in which they are listed.
 */
#include "nemesis.h"

extern const struct nemesis nemesis_partition_one, nemesis_partition_leader,
    nemesis_partition_halves, nemesis_partition_bridge, nemesis_partition_majority_ring,
    nemesis_partition_one_way, nemesis_links_flapping; /* partitions.c */
extern const struct nemesis nemesis_links_slow, nemesis_links_lossy, nemesis_links_untidy,
    nemesis_links_narrow, nemesis_links_late; /* links.c */
extern const struct nemesis nemesis_kill_one, nemesis_kill_leader, nemesis_kill_majority,
    nemesis_kill_all, nemesis_restart_all, nemesis_restart_rolling, nemesis_pause_one,
    nemesis_pause_leader, nemesis_pause_majority; /* processes.c */
extern const struct nemesis nemesis_clock_jump, nemesis_clock_skew,
    nemesis_clock_strobe; /* clocks.c */
extern const struct nemesis nemesis_disk_error, nemesis_disk_slow, nemesis_disk_full,
    nemesis_disk_low, nemesis_power_cut_one, nemesis_power_cut_majority,
    nemesis_power_cut_all; /* disks.c */
extern const struct nemesis nemesis_flip_log, nemesis_flip_state, nemesis_flip_tables,
    nemesis_flip_any; /* flips.c */
extern const struct nemesis nemesis_member_replace, nemesis_member_grow, nemesis_member_lost,
    nemesis_leader_transfer, nemesis_snapshots; /* members.c */

const struct nemesis *const nemeses[] = {
    &nemesis_partition_one,
    &nemesis_partition_leader,
    &nemesis_partition_halves,
    &nemesis_partition_bridge,
    &nemesis_partition_majority_ring,
    &nemesis_partition_one_way,
    &nemesis_links_flapping,
    &nemesis_links_slow,
    &nemesis_links_lossy,
    &nemesis_links_untidy,
    &nemesis_links_narrow,
    &nemesis_links_late,
    &nemesis_kill_one,
    &nemesis_kill_leader,
    &nemesis_kill_majority,
    &nemesis_kill_all,
    &nemesis_restart_all,
    &nemesis_restart_rolling,
    &nemesis_pause_one,
    &nemesis_pause_leader,
    &nemesis_pause_majority,
    &nemesis_clock_jump,
    &nemesis_clock_skew,
    &nemesis_clock_strobe,
    &nemesis_disk_error,
    &nemesis_disk_slow,
    &nemesis_disk_full,
    &nemesis_disk_low,
    &nemesis_power_cut_one,
    &nemesis_power_cut_majority,
    &nemesis_power_cut_all,
    &nemesis_flip_log,
    &nemesis_flip_state,
    &nemesis_flip_tables,
    &nemesis_flip_any,
    &nemesis_member_replace,
    &nemesis_member_grow,
    &nemesis_member_lost,
    &nemesis_leader_transfer,
    &nemesis_snapshots,
    NULL,
};
