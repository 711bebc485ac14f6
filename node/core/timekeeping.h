/*
 * timekeeping.h - of core.h, what timekeeping.c does for core.c and for who wires a core: the
 * ledger's clock (ledger_clock.h) among the nodes' wall clocks (wall_clocks.h).
 */
#ifndef NODE_CORE_TIMEKEEPING_H
#define NODE_CORE_TIMEKEEPING_H

#include "core.h"

/* What to go by now. */
struct wall_time core_wall_time(const struct core *core);

/* The stamp of this term's first entry, and of another one. */
struct ledger_stamp core_stamp_lead(struct core *core);
struct ledger_stamp core_stamp(struct core *core);
/* May commands be stamped? A leader that has no idea of the time waits until it has. */
bool core_knows_time(const struct core *core);
/* Would an entry of commands have work to do though nobody asks for one? */
bool core_wants_tick(const struct core *core);

/* A message for the clocks: PEER_PING, PEER_PONG. */
void core_clocks_receive(struct core *core, uint64_t peer_id, const struct peer_message *message);
/* An append of the leader's has been received. */
void core_clocks_heard_leader(struct core *core, int64_t ledger_time_ms);
/* Asks the others, and warns. */
void core_clocks_upkeep(struct core *core);

/* How far a member's wall clock is ahead of this node's; false: not heard of lately. */
bool core_clock_offset(const struct core *core, uint64_t id, int64_t *offset_ms);
/* What an operator should know of this node's clock; empty: nothing. */
#define CLOCK_WARNING_BYTES 256
void core_clock_warning(const struct core *core, char text[CLOCK_WARNING_BYTES]);

#endif
