/*
 * The proposer alone: the calls, the log and the ledger are this file's. What it holds to: each
 * call is answered exactly once, reads not before their barrier is applied and not all at once.
 */
#include "cmocka_test.h"

#include <stdlib.h>
#include <string.h>

#include "proposer.h"

/* ---- the calls ---- */

struct rpc_call {
    unsigned answers;
    enum rpc_status status;
    void (*cancelled)(void *context, struct rpc_call *call);
    void *cancelled_context;
};

void rpc_call_set_cancelled(struct rpc_call *call,
                            void (*cancelled)(void *context, struct rpc_call *call), void *context)
{
    call->cancelled = cancelled;
    call->cancelled_context = context;
}

void rpc_call_reply_take(struct rpc_call *call, struct buffer *message)
{
    call->answers++;
    call->status = RPC_OK;
    buffer_free(message);
}

void rpc_call_fail(struct rpc_call *call, enum rpc_status status, const char *format, ...)
{
    (void)format;
    call->answers++;
    call->status = status;
}

static void assert_answered(const struct rpc_call *call, enum rpc_status status)
{
    assert_int_equal(call->answers, 1);
    assert_int_equal(call->status, status);
}

/* ---- the log ---- */

static bool taking;
static uint64_t last_index;

static bool can_submit(void *context)
{
    (void)context;
    return taking;
}

static void stamp(void *context, struct ledger_entry_header *header)
{
    (void)context;
    header->time_ms = 1;
}

static void submit(void *context, struct entry *entry, uint64_t *index, uint64_t *term)
{
    (void)context;
    *index = ++last_index;
    *term = 1;
    entry_release(entry);
}

static void answer_read(void *context, struct rpc_call *call, enum query_kind kind,
                        struct bytes request)
{
    (void)context;
    (void)kind;
    assert_int_equal(request.len, 4);
    struct buffer response = {0};
    rpc_call_reply_take(call, &response);
}

static struct proposer *setup(void)
{
    taking = true;
    last_index = 0;
    const struct proposer_env env = {NULL, can_submit, stamp, submit, answer_read};
    return proposer_new(&env);
}

static void read_with(struct proposer *proposer, struct rpc_call *call)
{
    *call = (struct rpc_call){0};
    assert_true(proposer_add_read(proposer, call, QUERY_GET_STOCK, BYTES_LITERAL("read")));
}

static void reads_are_answered_one_by_one_behind_their_barrier(void **state)
{
    (void)state;
    struct proposer *proposer = setup();
    struct rpc_call calls[3];
    for (size_t i = 0; i < 3; i++) {
        read_with(proposer, &calls[i]);
    }
    assert_false(proposer_answer_read(proposer));
    proposer_flush(proposer);
    assert_int_equal(last_index, 1); /* one barrier for all */
    assert_false(proposer_has_answers(proposer));
    assert_false(proposer_answer_read(proposer));
    proposer_applied(proposer, 1, 1);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(calls[i].answers, 0);
        assert_true(proposer_has_answers(proposer));
        assert_true(proposer_answer_read(proposer));
        assert_answered(&calls[i], RPC_OK);
    }
    assert_false(proposer_has_answers(proposer));
    assert_false(proposer_answer_read(proposer));
    proposer_free(proposer);
}

/* What comes while earlier reads are still being answered waits for a barrier of its own. */
static void a_late_read_has_its_own_barrier(void **state)
{
    (void)state;
    struct proposer *proposer = setup();
    struct rpc_call early[2];
    struct rpc_call late;
    read_with(proposer, &early[0]);
    read_with(proposer, &early[1]);
    proposer_flush(proposer);
    proposer_applied(proposer, 1, 1);
    assert_true(proposer_answer_read(proposer));
    read_with(proposer, &late);
    proposer_flush(proposer);
    assert_int_equal(last_index, 2);
    assert_true(proposer_answer_read(proposer));
    assert_false(proposer_answer_read(proposer));
    assert_int_equal(late.answers, 0);
    proposer_applied(proposer, 2, 1);
    assert_true(proposer_answer_read(proposer));
    assert_answered(&late, RPC_OK);
    proposer_free(proposer);
}

static void cancelled_reads_end_wherever_they_are(void **state)
{
    (void)state;
    struct proposer *proposer = setup();
    struct rpc_call waiting;
    struct rpc_call in_flight;
    struct rpc_call ready;
    read_with(proposer, &ready);
    proposer_flush(proposer);
    proposer_applied(proposer, 1, 1);
    read_with(proposer, &in_flight);
    proposer_flush(proposer);
    read_with(proposer, &waiting);
    waiting.cancelled(waiting.cancelled_context, &waiting);
    in_flight.cancelled(in_flight.cancelled_context, &in_flight);
    ready.cancelled(ready.cancelled_context, &ready);
    proposer_flush(proposer);
    assert_int_equal(last_index, 2); /* nobody waits: no entry */
    assert_answered(&waiting, RPC_CANCELLED);
    proposer_applied(proposer, 2, 1);
    while (proposer_answer_read(proposer)) {
    }
    assert_answered(&in_flight, RPC_CANCELLED);
    assert_answered(&ready, RPC_CANCELLED);
    proposer_free(proposer);
}

static void commands_with(struct proposer *proposer, struct rpc_call *call)
{
    *call = (struct rpc_call){0};
    struct admitted admitted = {.command_count = 1, .line_count = 1};
    struct ledger_command command = {.kind = LEDGER_SET_STOCK,
                                     .sku = BYTES_LITERAL("sku"),
                                     .request_id = BYTES_LITERAL("r"),
                                     .quantity = 1};
    ledger_command_encode(&admitted.encoded, &command);
    assert_true(proposer_add_commands(proposer, call, &admitted, PROPOSER_SINGLE));
}

/* A command that may commit has an unknown outcome; whatever else waits has surely done nothing. */
static void lost_leadership_answers_everything(void **state)
{
    (void)state;
    struct proposer *proposer = setup();
    struct rpc_call ready;
    struct rpc_call sent;
    struct rpc_call sent_read;
    struct rpc_call waiting;
    struct rpc_call waiting_read;
    read_with(proposer, &ready);
    proposer_flush(proposer);
    proposer_applied(proposer, 1, 1);
    commands_with(proposer, &sent);
    read_with(proposer, &sent_read);
    proposer_flush(proposer);
    taking = false;
    commands_with(proposer, &waiting);
    read_with(proposer, &waiting_read);
    proposer_flush(proposer);
    proposer_abandon(proposer, "gone");
    assert_answered(&ready, RPC_UNAVAILABLE);
    assert_answered(&sent, RPC_UNKNOWN);
    assert_answered(&sent_read, RPC_UNAVAILABLE);
    assert_answered(&waiting, RPC_UNAVAILABLE);
    assert_answered(&waiting_read, RPC_UNAVAILABLE);
    proposer_applied(proposer, 2, 1); /* it commits after all: nobody is told twice */
    assert_false(proposer_answer_read(proposer));
    assert_int_equal(proposer_waiting(proposer), 0);
    proposer_free(proposer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_are_answered_one_by_one_behind_their_barrier),
        cmocka_unit_test(a_late_read_has_its_own_barrier),
        cmocka_unit_test(cancelled_reads_end_wherever_they_are),
        cmocka_unit_test(lost_leadership_answers_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
