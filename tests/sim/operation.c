/*
 * operation.c - the way of an attempt (operation.h).
 *
 * Invariant: an operation is held by the event that brings it to its node, then by the core, then
 * by the event that brings its answer back; if nothing comes back, by whoever waits. It is freed
 * when nothing holds it.
 */
#include "operation.h"

#include <assert.h>
#include <stdlib.h>

static void unlink_operation(struct operation *operation)
{
    if (operation->previous != NULL) {
        operation->previous->next = operation->next;
    } else {
        operation->set->first = operation->next;
    }
    if (operation->next != NULL) {
        operation->next->previous = operation->previous;
    }
}

static void operation_free(struct operation *operation)
{
    unlink_operation(operation);
    if (!operation->is_read) {
        buffer_free(&operation->proposal.data);
    }
    free(operation);
}

static struct random *random_of(struct operation *operation)
{
    return &operation->set->world->random;
}

/* ---- the way back ---- */

static void tell(struct operation *operation)
{
    if (operation->outcome == OUTCOME_ANSWERED && !operation->is_read) {
        for (size_t i = 0; i < operation->count; i++) {
            checks_told(operation->set->checks, operation->numbers[i]);
        }
    }
}

/* Nothing holds it any more but whoever waits. */
static void come_back(struct operation *operation)
{
    if (operation->heard != NULL && operation->outcome == OUTCOME_LOST) {
        operation->is_over = true;
        return;
    }
    if (operation->heard != NULL) {
        tell(operation);
        operation->heard(operation->context, operation);
    }
    operation_free(operation);
}

static void hear(void *owner, void *object, uint64_t value)
{
    (void)owner;
    (void)value;
    come_back(object);
}

static uint64_t way_us(struct operation *operation)
{
    return sim_random_between(random_of(operation), 50, 1000);
}

/* A network that carries one way only keeps what it has not delivered, and may deliver it when
 * others have long been there. */
static uint64_t way_there_us(struct operation *operation)
{
    const struct operations *set = operation->set;
    if (set->held_up_permille != 0 &&
        sim_random_chance(random_of(operation), set->held_up_permille)) {
        world_count(set->world, STAT_HELD_UP);
        return sim_random_between(random_of(operation), 1000, set->held_up_us);
    }
    return way_us(operation);
}

static bool is_lost_on_the_way(struct operation *operation)
{
    return sim_random_chance(random_of(operation), operation->set->loss_permille);
}

static void answer(struct operation *operation)
{
    struct world *world = operation->set->world;
    operation->ended_at_us = world->now_us;
    if (is_lost_on_the_way(operation)) {
        operation->outcome = OUTCOME_LOST;
    }
    world_after(world, way_us(operation), hear, NULL, operation, 0);
}

static void end_not_executed(struct operation *operation)
{
    struct checks *checks = operation->set->checks;
    world_count(operation->set->world, STAT_NOT_EXECUTED);
    for (size_t i = 0; i < operation->count; i++) {
        checks_not_executed(checks, operation->numbers[i]);
    }
    operation->outcome = OUTCOME_NOT_EXECUTED;
}

static void end_unknown(struct operation *operation)
{
    world_count(operation->set->world, STAT_UNKNOWN);
    for (size_t i = operation->answered; i < operation->count; i++) {
        checks_unknown(operation->set->checks, operation->numbers[i]);
    }
    operation->outcome = OUTCOME_UNKNOWN;
}

/* ---- in the core (proposer.h) ---- */

static struct operation *operation_of(struct proposal *proposal)
{
    return (struct operation *)proposal; /* its first member */
}

static void proposal_result(struct proposal *proposal, const struct ledger_result *result)
{
    struct operation *operation = operation_of(proposal);
    struct world *world = operation->set->world;
    if (sim_node_is_crashing(operation->node)) {
        return;
    }
    if (operation->answered == operation->count) {
        world_fail(world, CHECK_ACKNOWLEDGED, "node %zu gives %zu commands more results than that",
                   operation->node->number + 1, operation->count);
        return;
    }
    sim_node_report(operation->node); /* what is answered is committed */
    checks_result(operation->set->checks, operation->numbers[operation->answered++],
                  operation->node->number, result);
    operation->shown_index = result->log_index;
    world_count(world, STAT_COMMANDS);
    if (result->verdict != LEDGER_OK) {
        world_count(world, STAT_REFUSALS);
    } else if (operation->raises_to != 0 && !result->replayed) {
        world_count(world, STAT_RAISES);
    }
    if (result->replayed && result->verdict != LEDGER_OK && !result->has_stock) {
        world_count(world, STAT_KEPT_REFUSALS);
    }
    if (result->replayed && operation->is_retry) {
        world_count(world, STAT_REPLAYED);
    }
}

static void proposal_applied(struct proposal *proposal)
{
    struct operation *operation = operation_of(proposal);
    operation->is_with_core = false;
    if (sim_node_is_crashing(operation->node) || proposal->cancelled) {
        end_unknown(operation);
        operation->outcome = OUTCOME_LOST;
    } else if (operation->answered != operation->count) {
        world_fail(operation->set->world, CHECK_ACKNOWLEDGED,
                   "node %zu says that %zu commands are applied, and gave %zu results",
                   operation->node->number + 1, operation->count, operation->answered);
    } else {
        operation->outcome = OUTCOME_ANSWERED;
        sim_node_count_proposal(operation->node);
    }
    answer(operation);
}

static bool read_stock(struct operation *operation, struct error *error)
{
    const struct sim_node *node = operation->node;
    struct bytes sku = bytes_of_string(operation->id);
    struct stock_record stock;
    bool found;
    if (!ledger_get_stock(node->core.ledger, sku, operation->warehouse, &stock, &found, error)) {
        return false;
    }
    checks_read(operation->set->checks, operation->numbers[0], node->number,
                core_applied_index(&node->core), sku, operation->warehouse, found, &stock);
    return true;
}

static bool read_order(struct operation *operation, struct error *error)
{
    const struct sim_node *node = operation->node;
    struct bytes id = bytes_of_string(operation->id);
    struct order_record order;
    bool found;
    if (!ledger_get_order(node->core.ledger, id, &order, &found, error)) {
        return false;
    }
    checks_read_order(operation->set->checks, operation->numbers[0], node->number,
                      core_applied_index(&node->core), id, found, &order);
    return true;
}

/* A stale read tells its age, and what it can't tell of it nobody relies on. */
static void tell_age(struct operation *operation)
{
    uint64_t age_ms;
    if (operation->proposal.consistency == READ_STALE) {
        world_count(operation->set->world, STAT_STALE_READS);
        if (core_state_age(&operation->node->core, &age_ms)) {
            world_count(operation->set->world, STAT_AGES);
            checks_read_age(operation->set->checks, operation->numbers[0], operation->node->number,
                            core_applied_index(&operation->node->core), age_ms);
        }
    }
}

static bool proposal_read(struct proposal *proposal, struct error *error)
{
    struct operation *operation = operation_of(proposal);
    operation->is_with_core = false;
    operation->shown_index = core_applied_index(&operation->node->core);
    tell_age(operation);
    bool read =
        operation->warehouse == 0 ? read_order(operation, error) : read_stock(operation, error);
    if (read) {
        world_count(operation->set->world, STAT_READS);
        operation->outcome = OUTCOME_ANSWERED;
    } else {
        end_not_executed(operation);
    }
    answer(operation);
    return read;
}

static void proposal_failed(struct proposal *proposal, enum proposal_failure failure)
{
    struct operation *operation = operation_of(proposal);
    operation->is_with_core = false;
    if (operation->is_read) {
        end_not_executed(operation);
    } else if (sim_node_is_crashing(operation->node)) {
        end_unknown(operation); /* what the core says now, nobody hears */
        operation->outcome = OUTCOME_LOST;
    } else if (failure == PROPOSAL_OUTCOME_UNKNOWN) {
        end_unknown(operation);
    } else {
        if (failure == PROPOSAL_CANCELLED) {
            world_count(operation->set->world, STAT_CANCELLED);
        }
        end_not_executed(operation);
    }
    answer(operation);
}

static const struct proposal_ops proposal_ops = {
    .result = proposal_result,
    .applied = proposal_applied,
    .read = proposal_read,
    .failed = proposal_failed,
};

/* ---- the way there ---- */

static void arrive(void *owner, void *object, uint64_t value)
{
    struct operation *operation = object;
    struct sim_node *node = operation->node;
    struct world *world = operation->set->world;
    uint64_t ready_at_us = sim_node_ready_at_us(node);
    if (ready_at_us > world->now_us) {
        world_was_idle(world);
        world_at(world, ready_at_us, arrive, owner, operation, value);
        return;
    }
    if (operation->outcome == OUTCOME_LOST) {
        end_not_executed(operation);
        operation->outcome = OUTCOME_LOST;
        come_back(operation);
        return;
    }
    struct error why;
    if (operation->raises_to != 0 && !sim_node_may_raise(node, operation->raises_to, &why)) {
        world_count(world, STAT_RAISES_REFUSED);
        end_not_executed(operation);
        answer(operation);
        return;
    }
    operation->is_with_core = true;
    if (!sim_node_propose(node, &operation->proposal)) {
        operation->is_with_core = false;
        end_not_executed(operation);
        answer(operation);
    }
}

static void encode(struct operation *operation, struct request *request)
{
    struct checks *checks = operation->set->checks;
    struct buffer *data = &operation->proposal.data;
    uint32_t lines = 0;
    for (size_t i = 0; i < request->count; i++) {
        char text[CHECKS_TRACE_ID_BYTES];
        struct ledger_command command = request->commands[i];
        size_t begin = data->len;
        operation->numbers[i] = checks_invoke(checks);
        command.trace_id = checks_trace_id(operation->numbers[i], text);
        /* Without the time at which it was made, a request is not told from a new one any more when
         * the ledger's time has gone on by a day: clocks that jump may do that. */
        if (command.request_id.len != 0 && command.requested_at_ms != 0) {
            request->firsts[i] =
                request->firsts[i] != 0 ? request->firsts[i] : operation->numbers[i];
            checks_attempt(checks, operation->numbers[i], request->firsts[i]);
        }
        ledger_command_encode(data, &command);
        checks_asked(checks, operation->numbers[i],
                     bytes_of(data->data + begin, data->len - begin));
        lines += command.line_count;
    }
    if (request->commands[0].kind == LEDGER_RAISE_VERSION) {
        operation->raises_to = request->commands[0].version;
    }
    operation->proposal.command_count = (uint32_t)request->count;
    operation->proposal.line_count = lines;
}

struct operation *operation_ask(struct operations *set, struct request *request,
                                struct sim_node *node, bool is_retry,
                                void (*heard)(void *context, struct operation *operation),
                                void *context)
{
    size_t count = request->is_read ? 1 : request->count;
    struct operation *operation = memory_zalloc(sizeof *operation + count * sizeof(uint64_t));
    operation->set = set;
    operation->next = set->first;
    if (set->first != NULL) {
        set->first->previous = operation;
    }
    set->first = operation;
    operation->count = count;
    operation->node = node;
    operation->is_retry = is_retry;
    operation->heard = heard;
    operation->context = context;
    operation->asked_at_us = set->world->now_us;
    operation->proposal.ops = &proposal_ops;
    operation->proposal.is_read = operation->is_read = request->is_read;
    if (request->is_read) {
        assert(request->id.len < sizeof operation->id);
        memcpy(operation->id, request->id.data, request->id.len);
        operation->warehouse = request->warehouse;
        operation->proposal.consistency = request->consistency;
        operation->proposal.min_index = request->min_index;
        operation->numbers[0] =
            checks_invoke_read(set->checks, request->consistency == READ_STALE, request->min_index);
    } else {
        encode(operation, request);
    }
    if (is_lost_on_the_way(operation)) {
        operation->outcome = OUTCOME_LOST;
    }
    world_after(set->world, way_there_us(operation), arrive, NULL, operation, 0);
    return operation;
}

void operation_forget(struct operation *operation, bool cancel)
{
    operation->heard = NULL;
    if (operation->is_over) {
        operation_free(operation);
    } else if (cancel && operation->is_with_core) {
        operation->proposal.cancelled = true;
    }
}

void operations_free(struct operations *set)
{
    while (set->first != NULL) {
        operation_free(set->first);
    }
}
