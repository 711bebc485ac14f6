/*
 * proposer.c - two queues. `waiting` holds proposals in the order they came; `flights` holds one
 * record per submitted entry, in index order, with its proposals.
 *
 * Invariants: flights are consecutive in submission order and all of one term (leadership lost
 * empties them); a flight's proposals hold as many commands as its entry; a cancelled proposal
 * stays in place, for its commands may have been submitted.
 */
#include "proposer.h"

#include <assert.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/planted.h"

struct flight {
    uint64_t index;
    uint64_t term;
    struct proposal_queue proposals;
    struct proposal *current; /* whose results come next */
};

struct proposer {
    struct proposer_env env;
    struct proposer_limits limits;
    struct proposal_queue waiting;
    size_t waiting_commands;
    size_t waiting_bytes;
    bool tick_wanted;
    struct flight flights[LIMIT_INFLIGHT_ENTRIES]; /* a ring */
    size_t flight_head;
    size_t flight_count;
    struct buffer entry;
};

/* The proposal is its owner's again, and may be gone when this returns. */
static void end_failed(struct proposal *proposal, enum proposal_failure failure)
{
    buffer_free(&proposal->data);
    proposal->ops->failed(proposal, failure);
}

static size_t limit_or(size_t given, size_t otherwise)
{
    return given != 0 ? given : otherwise;
}

struct proposer_limits proposer_limits_complete(const struct proposer_limits *given)
{
    const struct proposer_limits limits = {
        .waiting_commands = limit_or(given->waiting_commands, LIMIT_WAITING_COMMANDS),
        .waiting_bytes = limit_or(given->waiting_bytes, LIMIT_WAITING_BYTES),
        .entry_bytes = limit_or(given->entry_bytes, TARGET_ENTRY_BYTES),
        .entry_lines = limit_or(given->entry_lines, TARGET_ENTRY_LINES),
        .inflight_entries = limit_or(given->inflight_entries, TARGET_INFLIGHT_ENTRIES),
    };
    assert(limits.entry_bytes < LIMIT_ENTRY_BYTES);
    assert(limits.inflight_entries < LIMIT_INFLIGHT_ENTRIES); /* a place in the ring */
    return limits;
}

struct proposer *proposer_new(const struct proposer_env *env, const struct proposer_limits *limits)
{
    struct proposer *proposer = memory_zalloc(sizeof *proposer);
    proposer->env = *env;
    proposer->limits = proposer_limits_complete(limits);
    return proposer;
}

void proposer_free(struct proposer *proposer)
{
    assert(proposer->waiting.first == NULL && proposer->flight_count == 0);
    buffer_free(&proposer->entry);
    free(proposer);
}

void proposer_want_tick(struct proposer *proposer)
{
    proposer->tick_wanted = true;
}

bool proposer_is_full(const struct proposer *proposer, size_t bytes)
{
    return proposer->waiting_commands >= proposer->limits.waiting_commands ||
           proposer->waiting_bytes + bytes > proposer->limits.waiting_bytes;
}

bool proposer_add(struct proposer *proposer, struct proposal *proposal)
{
    assert(!proposal->is_read && proposal->command_count > 0);
    if (proposer_is_full(proposer, proposal->data.len)) {
        return false;
    }
    proposer->waiting_bytes += proposal->data.len;
    proposer->waiting_commands += proposal->command_count;
    proposal->results = 0;
    proposal_queue_push(&proposer->waiting, proposal);
    return true;
}

static void waiting_forget(struct proposer *proposer, const struct proposal *proposal)
{
    proposer->waiting_bytes -= proposal->data.len;
    proposer->waiting_commands -= proposal->command_count;
}

/* ---- submitting ---- */

/* Moves what fits one entry from waiting into the flight; returns how many commands. What was
 * cancelled while it waited ends here: surely not executed. */
static uint32_t gather(struct proposer *proposer, struct flight *flight)
{
    uint32_t commands = 0;
    uint32_t lines = 0;
    while (proposer->waiting.first != NULL) {
        struct proposal *proposal = proposer->waiting.first;
        bool fits = commands == 0 ||
                    (lines + proposal->line_count <= proposer->limits.entry_lines &&
                     proposer->entry.len + proposal->data.len <= proposer->limits.entry_bytes);
        if (!proposal->cancelled && !fits) {
            break;
        }
        proposal_queue_pop(&proposer->waiting);
        waiting_forget(proposer, proposal);
        if (proposal->cancelled) {
            end_failed(proposal, PROPOSAL_CANCELLED);
        } else {
            ledger_entry_append_encoded(&proposer->entry, buffer_bytes(&proposal->data));
            buffer_free(&proposal->data);
            commands += proposal->command_count;
            lines += proposal->line_count;
            proposal_queue_push(&flight->proposals, proposal);
        }
    }
    return commands;
}

static bool submit_one(struct proposer *proposer, struct error *error)
{
    struct ledger_entry_header header = {.format = LEDGER_ENTRY_FORMAT};
    proposer->env.stamp(proposer->env.context, &header);
    buffer_clear(&proposer->entry);
    ledger_entry_begin(&proposer->entry, &header);

    struct flight flight = {0};
    uint32_t commands = gather(proposer, &flight);
    if (commands == 0 && !proposer->tick_wanted && header.outage_credit_ms == 0) {
        return true; /* everything that waited was cancelled, and no credit is lost over it */
    }
    proposer->tick_wanted = false;
    ledger_entry_finish(&proposer->entry, commands);
    flight.current = flight.proposals.first;
    struct entry *entry = entry_new_take(ENTRY_COMMAND, &proposer->entry);
    /* Nothing is applied inside the submit: an entry must be written first, and that is the log
     * thread's work. */
    size_t slot = (proposer->flight_head + proposer->flight_count) % LIMIT_INFLIGHT_ENTRIES;
    proposer->flights[slot] = flight;
    proposer->flight_count++;
    return proposer->env.submit(proposer->env.context, entry, &proposer->flights[slot].index,
                                &proposer->flights[slot].term, error);
}

bool proposer_flush(struct proposer *proposer, struct error *error)
{
    while ((proposer->waiting.first != NULL || proposer->tick_wanted) &&
           proposer->flight_count < proposer->limits.inflight_entries &&
           proposer->env.can_submit(proposer->env.context)) {
        if (!submit_one(proposer, error)) {
            return false;
        }
    }
    return true;
}

/* ---- answering ---- */

static struct flight *flight_at(struct proposer *proposer, uint64_t index, uint64_t term)
{
    if (proposer->flight_count == 0) {
        return NULL;
    }
    struct flight *flight = &proposer->flights[proposer->flight_head];
    return flight->index == index && flight->term == term ? flight : NULL;
}

void proposer_result(struct proposer *proposer, uint64_t index, uint64_t term,
                     const struct ledger_result *result)
{
    struct flight *flight = flight_at(proposer, index, term);
    if (flight == NULL) {
        return;
    }
    struct proposal *proposal = flight->current;
    assert(proposal != NULL); /* an entry of ours holds as many commands as its proposals */
    if (!proposal->cancelled) {
        proposal->ops->result(proposal, result);
    }
    if (++proposal->results == proposal->command_count) {
        flight->current = proposal->next;
    }
}

void proposer_applied(struct proposer *proposer, uint64_t index, uint64_t term)
{
    struct flight *found = flight_at(proposer, index, term);
    if (found == NULL) {
        return;
    }
    struct flight flight = *found;
    assert(flight.current == NULL);
    proposer->flight_head = (proposer->flight_head + 1) % LIMIT_INFLIGHT_ENTRIES;
    proposer->flight_count--;
    for (struct proposal *proposal; (proposal = proposal_queue_pop(&flight.proposals)) != NULL;) {
        proposal->ops->applied(proposal);
    }
}

static void fail_queue(struct proposal_queue *queue, enum proposal_failure failure)
{
    for (struct proposal *proposal; (proposal = proposal_queue_pop(queue)) != NULL;) {
        end_failed(proposal, failure);
    }
}

void proposer_abandon(struct proposer *proposer)
{
    while (proposer->flight_count > 0) {
        struct flight *flight = &proposer->flights[proposer->flight_head];
        fail_queue(&flight->proposals,
                   PLANTED(UNKNOWN_AS_FAILED) ? PROPOSAL_NOT_EXECUTED : PROPOSAL_OUTCOME_UNKNOWN);
        proposer->flight_head = (proposer->flight_head + 1) % LIMIT_INFLIGHT_ENTRIES;
        proposer->flight_count--;
    }
    fail_queue(&proposer->waiting, PROPOSAL_NOT_EXECUTED);
    proposer->waiting_commands = 0;
    proposer->waiting_bytes = 0;
    proposer->tick_wanted = false;
}
