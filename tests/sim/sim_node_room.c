/*
 * sim_node_room.c - the reserve of a node's disk (node/core/disk_watch.h), held against what the
 * node was shown: it looks at the disk from time to time, and what it found last decides whether it
 * takes commands. The rule is short, and made anew here: low below the reserve, until an eighth
 * more than it was found.
 *
 * It tells an operator each time that this changes, and then only; and refuses a command with
 * words.
 */
#include <inttypes.h>
#include <string.h>

#include "sim_node_internal.h"

bool node_is_look(const struct sim_node *node, const struct pool_work *work)
{
    return work == (const struct pool_work *)node->core.disk_watch; /* its first member */
}

void node_tells_room(struct sim_node *node, const char *words)
{
    bool tells_of_want = strstr(words, "below the reserve") != NULL;
    bool tells_of_room = strstr(words, "commands are taken again") != NULL;
    if (node->has_told_room || tells_of_want == tells_of_room) {
        world_fail(node->world, CHECK_RESERVE, "n%zu tells of its disk once more: %s",
                   node->number + 1, words);
    }
    node->has_told_room = true;
}

void node_has_looked(struct sim_node *node, uint64_t free_bytes)
{
    uint64_t reserve = node->plan->disk_reserve_bytes;
    bool was_low = node->is_low;
    bool has_told = node->has_told_room;
    node->has_told_room = false;
    node->is_low = free_bytes < (was_low ? reserve + reserve / 8 : reserve);
    if (node->is_low != was_low) {
        world_count(node->world, node->is_low ? STAT_LOW_DISKS : STAT_ROOM_AGAIN);
        trace_note(&node->world->trace, node->number, node->is_low ? TRACE_DISK_LOW : TRACE_ROOM,
                   free_bytes);
    }
    if (disk_watch_is_low(node->core.disk_watch) != node->is_low) {
        world_fail(node->world, CHECK_RESERVE,
                   "n%zu has found %" PRIu64 " bytes free, its reserve is %" PRIu64
                   ", and goes on as if there were %s room",
                   node->number + 1, free_bytes, reserve, node->is_low ? "" : "no");
    } else if (has_told != (node->is_low != was_low)) {
        world_fail(node->world, CHECK_RESERVE, "n%zu has found %" PRIu64 " bytes free and %s",
                   node->number + 1, free_bytes,
                   has_told ? "tells what was so before" : "tells nobody");
    }
}

void node_check_room(struct sim_node *node, bool is_read, bool taken)
{
    struct error why = {.text = ""};
    if (is_read) {
        return; /* reads need no room */
    }
    bool refuses = disk_watch_refuses(node->core.disk_watch, &why);
    if (node->is_low && taken) {
        world_fail(node->world, CHECK_RESERVE, "n%zu takes a command, its disk is low",
                   node->number + 1);
    } else if (refuses != node->is_low || (refuses && why.text[0] == '\0')) {
        world_fail(node->world, CHECK_RESERVE, "n%zu %s commands for want of room: \"%s\"",
                   node->number + 1, refuses ? "refuses" : "does not refuse", why.text);
    } else if (refuses) {
        world_count(node->world, STAT_LOW_REFUSALS);
    }
}
