/*
 * The proposer alone: the proposals, the log and the ledger are this file's. What it holds to: each
 * proposal ends exactly once, and only what may have been submitted has an unknown outcome.
 */
#include "cmocka_test.h"

#include <stdlib.h>
#include <string.h>

#include "core/proposer.h"

/* ---- the proposals ---- */

#define ANSWERED (-1) /* beside enum proposal_failure */

struct call {
    struct proposal proposal;
    unsigned ends;
    int end;
};

static void ended(struct proposal *proposal, int end)
{
    struct call *call = (struct call *)proposal;
    call->ends++;
    call->end = end;
}

static void result(struct proposal *proposal, const struct ledger_result *result)
{
    (void)proposal;
    (void)result;
}

static void applied(struct proposal *proposal)
{
    ended(proposal, ANSWERED);
}

static void failed(struct proposal *proposal, enum proposal_failure failure)
{
    ended(proposal, (int)failure);
}

static const struct proposal_ops ops = {.result = result, .applied = applied, .failed = failed};

static void assert_ended(const struct call *call, int end)
{
    assert_int_equal(call->ends, 1);
    assert_int_equal(call->end, end);
}

/* ---- the log ---- */

static bool taking;
static uint64_t last_index;
static int64_t credit_ms; /* of the next stamps */
static int64_t last_credit_ms;

static bool can_submit(void *context)
{
    (void)context;
    return taking;
}

static void stamp(void *context, struct ledger_entry_header *header)
{
    (void)context;
    header->ledger_version = LEDGER_VERSION_FIRST;
    header->time_ms = 1;
    header->outage_credit_ms = credit_ms;
}

static bool submit(void *context, struct entry *entry, uint64_t *index, uint64_t *term,
                   struct error *error)
{
    (void)context;
    struct ledger_entry_reader reader;
    assert_true(ledger_entry_open(&reader, entry->data, error));
    last_credit_ms = reader.header.outage_credit_ms;
    *index = ++last_index;
    *term = 1;
    entry_release(entry);
    return true;
}

static struct proposer *setup_with(const struct proposer_limits *limits)
{
    taking = true;
    last_index = 0;
    const struct proposer_env env = {NULL, can_submit, stamp, submit};
    return proposer_new(&env, limits);
}

static struct proposer *setup(void)
{
    const struct proposer_limits defaults = {0};
    return setup_with(&defaults);
}

static void flush(struct proposer *proposer)
{
    struct error error;
    assert_true(proposer_flush(proposer, &error));
}

static bool adds_command(struct proposer *proposer, struct call *call)
{
    *call = (struct call){.proposal = {.ops = &ops, .command_count = 1, .line_count = 1}};
    struct ledger_command command = {.kind = LEDGER_SET_STOCK,
                                     .sku = BYTES_LITERAL("sku"),
                                     .request_id = BYTES_LITERAL("r"),
                                     .quantity = 1};
    ledger_command_encode(&call->proposal.data, &command);
    if (!proposer_add(proposer, &call->proposal)) {
        buffer_free(&call->proposal.data);
        return false;
    }
    return true;
}

static void commands_with(struct proposer *proposer, struct call *call)
{
    assert_true(adds_command(proposer, call));
}

static void applied_with(struct proposer *proposer, uint64_t index, size_t commands)
{
    const struct ledger_result result = {.verdict = LEDGER_OK};
    for (size_t i = 0; i < commands; i++) {
        proposer_result(proposer, index, 1, &result);
    }
    proposer_applied(proposer, index, 1);
}

/* Behind the one entry in flight commands gather, up to the bound of the next one, until the queue
 * is full. */
static void commands_gather_within_bounds(void **state)
{
    (void)state;
    const struct proposer_limits limits = {
        .waiting_commands = 5, .entry_lines = 3, .inflight_entries = 1};
    struct proposer *proposer = setup_with(&limits);
    struct call first;
    struct call calls[5];
    struct call refused;
    commands_with(proposer, &first);
    flush(proposer);
    assert_int_equal(last_index, 1);
    for (size_t i = 0; i < 5; i++) {
        commands_with(proposer, &calls[i]);
        flush(proposer);
    }
    assert_int_equal(last_index, 1);
    assert_true(proposer_is_full(proposer, 0));
    assert_false(adds_command(proposer, &refused));
    applied_with(proposer, 1, 1);
    assert_ended(&first, ANSWERED);
    flush(proposer);
    assert_int_equal(last_index, 2);
    assert_false(proposer_is_full(proposer, 0));
    applied_with(proposer, 2, 3);
    assert_ended(&calls[2], ANSWERED);
    assert_int_equal(calls[3].ends, 0);
    flush(proposer);
    applied_with(proposer, 3, 2);
    assert_ended(&calls[4], ANSWERED);
    assert_int_equal(refused.ends, 0);
    proposer_free(proposer);
}

static void bytes_that_wait_are_bounded(void **state)
{
    (void)state;
    struct call call;
    const struct proposer_limits none = {.waiting_bytes = 1};
    struct proposer *proposer = setup_with(&none);
    assert_false(adds_command(proposer, &call));
    proposer_free(proposer);
}

/* What waits leaves together. */
static void an_entry_answers_its_commands(void **state)
{
    (void)state;
    struct proposer *proposer = setup();
    struct call calls[3];
    for (size_t i = 0; i < 3; i++) {
        commands_with(proposer, &calls[i]);
    }
    flush(proposer);
    assert_int_equal(last_index, 1);
    const struct ledger_result none = {0};
    for (size_t i = 0; i < 3; i++) {
        proposer_result(proposer, 1, 1, &none);
        assert_int_equal(calls[i].ends, 0);
    }
    proposer_applied(proposer, 1, 1);
    for (size_t i = 0; i < 3; i++) {
        assert_ended(&calls[i], ANSWERED);
    }
    flush(proposer);
    assert_int_equal(last_index, 1); /* nothing waits: no entry */
    proposer_free(proposer);
}

static void a_command_that_was_cancelled_in_time_is_not_submitted(void **state)
{
    (void)state;
    struct proposer *proposer = setup();
    struct call waiting;
    commands_with(proposer, &waiting);
    waiting.proposal.cancelled = true;
    flush(proposer);
    assert_int_equal(last_index, 0);
    assert_ended(&waiting, PROPOSAL_CANCELLED);
    /* But a stamp that credits holds must not be lost: the next one does not credit that again. */
    commands_with(proposer, &waiting);
    waiting.proposal.cancelled = true;
    credit_ms = 7;
    flush(proposer);
    credit_ms = 0;
    assert_int_equal(last_index, 1);
    assert_int_equal(last_credit_ms, 7);
    proposer_applied(proposer, 1, 1);
    proposer_free(proposer);
}

/* A command that may commit has an unknown outcome; whatever else waits has surely done nothing. */
static void lost_leadership_answers_everything(void **state)
{
    (void)state;
    struct proposer *proposer = setup();
    struct call sent;
    struct call waiting;
    commands_with(proposer, &sent);
    flush(proposer);
    taking = false;
    commands_with(proposer, &waiting);
    flush(proposer);
    proposer_abandon(proposer);
    assert_ended(&sent, PROPOSAL_OUTCOME_UNKNOWN);
    assert_ended(&waiting, PROPOSAL_NOT_EXECUTED);
    proposer_applied(proposer, 1, 1); /* it commits after all: nobody is told twice */
    proposer_free(proposer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_gather_within_bounds),
        cmocka_unit_test(bytes_that_wait_are_bounded),
        cmocka_unit_test(an_entry_answers_its_commands),
        cmocka_unit_test(a_command_that_was_cancelled_in_time_is_not_submitted),
        cmocka_unit_test(lost_leadership_answers_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
