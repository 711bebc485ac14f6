/*
 * timekeeping.c - wires the clocks to a core: asks the other nodes for theirs and answers them,
 * stamps entries, and says when something is wrong with a clock.
 *
 * The happy path: each second a PING to each member, answered by a PONG; a leader's stamps go by
 * what follows from them. Followers hear the leader's ledger time with each append.
 *
 * What can fail: answers don't come; then less is known, and the worst is a leader that has just
 * started, has heard nothing, and takes no commands until it has. It reaches a majority, or it
 * would not lead, so that takes one round trip.
 */
#include "timekeeping.h"

#include <inttypes.h>
#include <stdio.h>

static int64_t own_wall_ms(const struct core *core)
{
    int64_t wall_ms = core->env.wall_ms(core->env.context);
    if (wall_ms < 0) {
        return 0;
    }
    return wall_ms < LIMIT_TIME_MS ? wall_ms : LIMIT_TIME_MS;
}

struct wall_time core_wall_time(const struct core *core)
{
    struct replica_member members[LIMIT_NODES];
    uint64_t voters[LIMIT_NODES];
    size_t voter_count = 0;
    size_t count = replica_members(core->replica, members, LIMIT_NODES);
    for (size_t i = 0; i < count; i++) {
        if (members[i].role == REPLICA_VOTER) {
            voters[voter_count++] = members[i].id;
        }
    }
    return wall_clocks_time(&core->wall_clocks, core->config.id, voters, voter_count,
                            core_now_ms(core), own_wall_ms(core));
}

struct ledger_stamp core_stamp_lead(struct core *core)
{
    struct wall_time wall = core_wall_time(core);
    return ledger_clock_lead(&core->clock, core_now_ms(core), &wall, ledger_time_ms(core->ledger));
}

struct ledger_stamp core_stamp(struct core *core)
{
    struct wall_time wall = core_wall_time(core);
    return ledger_clock_stamp(&core->clock, core_now_ms(core), &wall, ledger_time_ms(core->ledger));
}

bool core_knows_time(const struct core *core)
{
    return !ledger_clock_is_blind(&core->clock) || core_wall_time(core).is_known;
}

bool core_wants_tick(const struct core *core)
{
    uint64_t now_ms = core_now_ms(core);
    return ledger_next_due_ms(core->ledger) <= ledger_clock_peek(&core->clock, now_ms) ||
           (ledger_has_holds(core->ledger) && ledger_clock_is_idle(&core->clock, now_ms)) ||
           (!core->clock.is_settled && core_wall_time(core).is_known);
}

/* ---- among nodes ---- */

static void ping(struct core *core, uint64_t peer_id)
{
    uint64_t now_ms = core_now_ms(core);
    if (wall_clocks_ask(&core->wall_clocks, peer_id, now_ms)) {
        const struct peer_message message = {.type = PEER_PING, .ping = {.clock_ms = now_ms}};
        core->env.send(core->env.context, peer_id, &message);
    }
}

void core_clocks_receive(struct core *core, uint64_t peer_id, const struct peer_message *message)
{
    if (message->type == PEER_PONG) {
        wall_clocks_answered(&core->wall_clocks, peer_id, message->pong.echo_ms,
                             message->pong.wall_ms, message->pong.ledger_version_known,
                             core_now_ms(core));
        return;
    }
    const struct peer_message pong = {
        .type = PEER_PONG,
        .pong = {.echo_ms = message->ping.clock_ms,
                 .wall_ms = own_wall_ms(core),
                 .ledger_version_known = core->config.ledger_version_known},
    };
    core->env.send(core->env.context, peer_id, &pong);
}

void core_clocks_heard_leader(struct core *core, int64_t told_ms)
{
    ledger_clock_heard(&core->clock, core_now_ms(core), own_wall_ms(core), told_ms);
}

void core_clocks_upkeep(struct core *core)
{
    struct replica_member members[LIMIT_NODES];
    size_t count = replica_members(core->replica, members, LIMIT_NODES);
    for (size_t i = 0; i < count; i++) {
        if (members[i].id != core->config.id) {
            ping(core, members[i].id);
        }
    }
    char text[CLOCK_WARNING_BYTES];
    core_clock_warning(core, text);
    uint64_t now_ms = core_now_ms(core);
    bool was_warned = core->clock_warned;
    core->clock_warned = text[0] != '\0';
    /* Once for each time that it begins, and not again and again where it stands on the edge. */
    if (core->clock_warned && !was_warned &&
        (core->clock_warned_ms == 0 || now_ms - core->clock_warned_ms >= CLOCK_WARN_GAP_MS)) {
        core->clock_warned_ms = now_ms;
        core->env.warn(core->env.context, "clock", text);
    }
}

/* ---- what is wrong ---- */

bool core_clock_offset(const struct core *core, uint64_t id, int64_t *offset_ms)
{
    *offset_ms = 0;
    return id == core->config.id || wall_clocks_offset(&core->wall_clocks, id, core_now_ms(core),
                                                       own_wall_ms(core), offset_ms);
}

void core_clock_warning(const struct core *core, char text[CLOCK_WARNING_BYTES])
{
    struct wall_time wall = core_wall_time(core);
    text[0] = '\0';
    if (!wall.is_known) {
        return;
    }
    if (!wall.is_own) {
        int64_t off_ms = wall.own_ms - wall.borne_ms;
        snprintf(text, CLOCK_WARNING_BYTES,
                 "this node's wall clock is %" PRId64 " ms %s what the clocks of a majority of the "
                 "voters show, and is not gone by: set it, and keep it with NTP",
                 off_ms < 0 ? -off_ms : off_ms, off_ms < 0 ? "behind" : "ahead of");
        return;
    }
    int64_t ahead_ms = ledger_clock_peek(&core->clock, core_now_ms(core)) - wall.ms;
    if (core_leads(core) && ahead_ms > LIMIT_CLOCK_SKEW_MS) {
        snprintf(text, CLOCK_WARNING_BYTES,
                 "ledger time is %" PRId64 " ms ahead of the wall clocks: it was led by a wrong "
                 "clock once, and runs at nine tenths until they have caught up",
                 ahead_ms);
    }
}
