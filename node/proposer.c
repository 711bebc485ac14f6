/*
 * proposer.c - three queues. `waiting` holds calls in the order they came; `flights` holds one
 * record per submitted entry, in index order, with its calls; `ready` holds the reads whose barrier
 * is applied.
 *
 * Invariants: flights are consecutive in submission order and all of one term (leadership lost
 * empties them); a flight's calls hold as many commands as its entry; a cancelled call stays in
 * place, for its commands may have been submitted, and its answer is dropped by rpc.
 */
#include "proposer.h"

#include <assert.h>
#include <stdlib.h>

#include "base/limits.h"
#include "reply.h"

enum pending_kind { PENDING_SINGLE, PENDING_BATCH, PENDING_READ };

struct pending {
    struct pending *next;
    struct rpc_call *call; /* NULL: the node's own */
    enum pending_kind kind;
    bool cancelled;
    struct buffer data; /* encoded commands; or the read's request */
    uint32_t command_count;
    uint32_t line_count;
    uint32_t results; /* seen so far */
    struct buffer reply;
    enum query_kind query;
};

struct pending_queue {
    struct pending *first;
    struct pending *last;
};

struct flight {
    uint64_t index;
    uint64_t term;
    struct pending_queue commands;
    struct pending *current; /* whose results come next */
    struct pending_queue reads;
};

struct proposer {
    struct proposer_env env;
    struct pending_queue waiting;
    size_t waiting_commands;
    size_t waiting_bytes;
    size_t waiting_reads;
    bool tick_wanted;
    struct flight flights[LIMIT_INFLIGHT_ENTRIES]; /* a ring */
    size_t flight_head;
    size_t flight_count;
    struct pending_queue ready;
    struct buffer entry;
    struct arena arena; /* for replies */
};

static void queue_push(struct pending_queue *queue, struct pending *pending)
{
    pending->next = NULL;
    if (queue->last != NULL) {
        queue->last->next = pending;
    } else {
        queue->first = pending;
    }
    queue->last = pending;
}

static struct pending *queue_pop(struct pending_queue *queue)
{
    struct pending *pending = queue->first;
    if (pending != NULL) {
        queue->first = pending->next;
        if (queue->first == NULL) {
            queue->last = NULL;
        }
    }
    return pending;
}

static void pending_free(struct pending *pending)
{
    buffer_free(&pending->data);
    buffer_free(&pending->reply);
    free(pending);
}

struct proposer *proposer_new(const struct proposer_env *env)
{
    struct proposer *proposer = memory_zalloc(sizeof *proposer);
    proposer->env = *env;
    arena_init(&proposer->arena, LIMIT_REPLY_ARENA_BYTES);
    return proposer;
}

void proposer_free(struct proposer *proposer)
{
    assert(proposer->waiting.first == NULL && proposer->flight_count == 0 &&
           proposer->ready.first == NULL);
    buffer_free(&proposer->entry);
    arena_free(&proposer->arena);
    free(proposer);
}

size_t proposer_waiting(const struct proposer *proposer)
{
    return proposer->waiting_commands + proposer->waiting_reads;
}

void proposer_want_tick(struct proposer *proposer)
{
    proposer->tick_wanted = true;
}

static void on_cancelled(void *context, struct rpc_call *call)
{
    (void)call;
    struct pending *pending = context;
    pending->cancelled = true;
}

static struct pending *pending_new(struct rpc_call *call, enum pending_kind kind)
{
    struct pending *pending = memory_zalloc(sizeof *pending);
    pending->call = call;
    pending->kind = kind;
    if (call != NULL) {
        rpc_call_set_cancelled(call, on_cancelled, pending);
    }
    return pending;
}

bool proposer_is_full(const struct proposer *proposer, size_t message_bytes)
{
    return proposer->waiting_commands >= LIMIT_WAITING_COMMANDS ||
           proposer->waiting_reads >= LIMIT_WAITING_READS ||
           proposer->waiting_bytes + message_bytes > LIMIT_WAITING_BYTES;
}

bool proposer_add_commands(struct proposer *proposer, struct rpc_call *call,
                           struct admitted *admitted, enum proposer_shape shape)
{
    if (proposer_is_full(proposer, admitted->encoded.len)) {
        return false;
    }
    struct pending *pending =
        pending_new(call, shape == PROPOSER_BATCH ? PENDING_BATCH : PENDING_SINGLE);
    pending->data = admitted->encoded;
    admitted->encoded = (struct buffer){0};
    pending->command_count = admitted->command_count;
    pending->line_count = admitted->line_count;
    proposer->waiting_commands += pending->command_count;
    proposer->waiting_bytes += pending->data.len;
    queue_push(&proposer->waiting, pending);
    return true;
}

bool proposer_add_read(struct proposer *proposer, struct rpc_call *call, enum query_kind kind,
                       struct bytes request)
{
    if (proposer_is_full(proposer, request.len)) {
        return false;
    }
    struct pending *pending = pending_new(call, PENDING_READ);
    pending->query = kind;
    buffer_append_bytes(&pending->data, request);
    proposer->waiting_reads++;
    proposer->waiting_bytes += pending->data.len;
    queue_push(&proposer->waiting, pending);
    return true;
}

static void waiting_forget(struct proposer *proposer, const struct pending *pending)
{
    proposer->waiting_bytes -= pending->data.len;
    if (pending->kind == PENDING_READ) {
        proposer->waiting_reads--;
    } else {
        proposer->waiting_commands -= pending->command_count;
    }
}

/* ---- submitting ---- */

/* Moves what fits one entry from waiting into the flight; returns how many commands. Calls that
 * were cancelled while they waited end here: surely not executed. */
static uint32_t gather(struct proposer *proposer, struct flight *flight)
{
    uint32_t commands = 0;
    uint32_t lines = 0;
    while (proposer->waiting.first != NULL) {
        struct pending *pending = proposer->waiting.first;
        bool fits =
            commands == 0 || (lines + pending->line_count <= TARGET_ENTRY_LINES &&
                              proposer->entry.len + pending->data.len <= TARGET_ENTRY_BYTES);
        if (pending->kind != PENDING_READ && !pending->cancelled && !fits) {
            break;
        }
        queue_pop(&proposer->waiting);
        waiting_forget(proposer, pending);
        if (pending->cancelled) {
            rpc_call_fail(pending->call, RPC_CANCELLED, "cancelled before it was proposed");
            pending_free(pending);
        } else if (pending->kind == PENDING_READ) {
            queue_push(&flight->reads, pending);
        } else {
            ledger_entry_append_encoded(&proposer->entry, buffer_bytes(&pending->data));
            buffer_free(&pending->data);
            commands += pending->command_count;
            lines += pending->line_count;
            queue_push(&flight->commands, pending);
        }
    }
    return commands;
}

static void submit_one(struct proposer *proposer)
{
    struct ledger_entry_header header = {.format = LEDGER_ENTRY_FORMAT,
                                         .ledger_version = LEDGER_VERSION};
    proposer->env.stamp(proposer->env.context, &header);
    buffer_clear(&proposer->entry);
    ledger_entry_begin(&proposer->entry, &header);

    struct flight flight = {0};
    uint32_t commands = gather(proposer, &flight);
    if (commands == 0 && flight.reads.first == NULL && !proposer->tick_wanted) {
        return; /* everything that waited was cancelled */
    }
    proposer->tick_wanted = false;
    ledger_entry_finish(&proposer->entry, commands);
    flight.current = flight.commands.first;
    struct entry *entry = entry_new_take(ENTRY_COMMAND, &proposer->entry);
    /* Nothing is applied inside the submit: an entry must be written first, and that is the log
     * thread's work. */
    size_t slot = (proposer->flight_head + proposer->flight_count) % LIMIT_INFLIGHT_ENTRIES;
    proposer->flights[slot] = flight;
    proposer->flight_count++;
    proposer->env.submit(proposer->env.context, entry, &proposer->flights[slot].index,
                         &proposer->flights[slot].term);
}

void proposer_flush(struct proposer *proposer)
{
    while ((proposer->waiting.first != NULL || proposer->tick_wanted) &&
           proposer->flight_count < TARGET_INFLIGHT_ENTRIES &&
           proposer->env.can_submit(proposer->env.context)) {
        submit_one(proposer);
    }
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

static void pending_answer(struct pending *pending)
{
    if (pending->call != NULL) {
        rpc_call_reply_take(pending->call, &pending->reply);
    }
    pending_free(pending);
}

void proposer_result(struct proposer *proposer, uint64_t index, uint64_t term,
                     const struct ledger_result *result)
{
    struct flight *flight = flight_at(proposer, index, term);
    if (flight == NULL) {
        return;
    }
    struct pending *pending = flight->current;
    assert(pending != NULL); /* an entry of ours holds as many commands as its calls */
    if (pending->call != NULL && !pending->cancelled) {
        arena_reset(&proposer->arena);
        Holdfast__V1__CommandResult *message = reply_result(&proposer->arena, result);
        if (pending->kind == PENDING_BATCH) {
            reply_pack_field(&pending->reply, 1, &message->base);
        } else {
            reply_pack(&pending->reply, &message->base);
        }
    }
    if (++pending->results == pending->command_count) {
        flight->current = pending->next;
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
    for (struct pending *pending; (pending = queue_pop(&flight.commands)) != NULL;) {
        pending_answer(pending);
    }
    for (struct pending *read; (read = queue_pop(&flight.reads)) != NULL;) {
        queue_push(&proposer->ready, read);
    }
}

bool proposer_answer_read(struct proposer *proposer)
{
    struct pending *read = queue_pop(&proposer->ready);
    if (read == NULL) {
        return false;
    }
    if (read->cancelled) {
        rpc_call_fail(read->call, RPC_CANCELLED, "cancelled");
    } else {
        proposer->env.answer_read(proposer->env.context, read->call, read->query,
                                  buffer_bytes(&read->data));
    }
    pending_free(read);
    return true;
}

bool proposer_has_answers(const struct proposer *proposer)
{
    return proposer->ready.first != NULL;
}

static void fail_queue(struct pending_queue *queue, enum rpc_status status, const char *words)
{
    for (struct pending *pending; (pending = queue_pop(queue)) != NULL;) {
        if (pending->call != NULL) {
            rpc_call_fail(pending->call, status, "%s", words);
        }
        pending_free(pending);
    }
}

void proposer_abandon(struct proposer *proposer, const char *words)
{
    while (proposer->flight_count > 0) {
        struct flight *flight = &proposer->flights[proposer->flight_head];
        fail_queue(&flight->commands, RPC_UNKNOWN,
                   "leadership was lost after the command was proposed: its outcome is unknown; "
                   "send it again only under the same order id or request id");
        fail_queue(&flight->reads, RPC_UNAVAILABLE, words);
        proposer->flight_head = (proposer->flight_head + 1) % LIMIT_INFLIGHT_ENTRIES;
        proposer->flight_count--;
    }
    fail_queue(&proposer->ready, RPC_UNAVAILABLE, words);
    fail_queue(&proposer->waiting, RPC_UNAVAILABLE, words);
    proposer->waiting_commands = 0;
    proposer->waiting_bytes = 0;
    proposer->waiting_reads = 0;
    proposer->tick_wanted = false;
}
