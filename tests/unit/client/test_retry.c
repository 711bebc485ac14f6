/*
 * test_retry.c - every status, every ending, every pause: the policy as tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "retry.h"

/* A status that a node gave. */
static const struct {
    enum rpc_status status;
    enum attempt_class class;
    hf_verdict refusal;
} OF_NODE[] = {
    {RPC_OK, ATTEMPT_ANSWERED, 0},
    {RPC_UNAVAILABLE, ATTEMPT_NOT_EXECUTED, 0},
    {RPC_RESOURCE_EXHAUSTED, ATTEMPT_OVERLOADED, 0},
    {RPC_INVALID_ARGUMENT, ATTEMPT_REFUSED, HF_INVALID_ARGUMENT},
    {RPC_UNAUTHENTICATED, ATTEMPT_REFUSED, HF_DENIED},
    {RPC_PERMISSION_DENIED, ATTEMPT_REFUSED, HF_DENIED},
    {RPC_UNIMPLEMENTED, ATTEMPT_REFUSED, HF_UNSUPPORTED},
    {RPC_UNKNOWN, ATTEMPT_UNKNOWN, 0},
    {RPC_CANCELLED, ATTEMPT_UNKNOWN, 0},
    {RPC_DEADLINE_EXCEEDED, ATTEMPT_UNKNOWN, 0},
    {RPC_NOT_FOUND, ATTEMPT_UNKNOWN, 0},
    {RPC_ALREADY_EXISTS, ATTEMPT_UNKNOWN, 0},
    {RPC_FAILED_PRECONDITION, ATTEMPT_REFUSED, HF_REFUSED},
    {RPC_ABORTED, ATTEMPT_UNKNOWN, 0},
    {RPC_OUT_OF_RANGE, ATTEMPT_REFUSED, HF_INVALID_ARGUMENT},
    {RPC_INTERNAL, ATTEMPT_UNKNOWN, 0},
    {RPC_DATA_LOSS, ATTEMPT_UNKNOWN, 0},
};
#define STATUS_COUNT (sizeof(OF_NODE) / sizeof(OF_NODE[0]))

static void every_status_of_a_node_has_its_class(void **state)
{
    (void)state;
    assert_int_equal(STATUS_COUNT, 17); /* all of gRPC's */
    for (size_t i = 0; i < STATUS_COUNT; i++) {
        struct attempt_end end = retry_classify(OF_NODE[i].status, true, false);
        assert_int_equal(end.class, OF_NODE[i].class);
        assert_int_equal(end.refusal, OF_NODE[i].refusal);
    }
}

/* The transport can't promise more than it knows: its UNAVAILABLE is a lost connection. */
static void a_status_of_the_transport_is_unknown_unless_it_was_never_sent(void **state)
{
    (void)state;
    for (size_t i = 0; i < STATUS_COUNT; i++) {
        if (OF_NODE[i].status == RPC_OK) {
            continue;
        }
        assert_int_equal(retry_classify(OF_NODE[i].status, false, false).class, ATTEMPT_UNKNOWN);
        enum attempt_class unsent =
            OF_NODE[i].status == RPC_RESOURCE_EXHAUSTED ? ATTEMPT_OVERLOADED : ATTEMPT_NOT_EXECUTED;
        assert_int_equal(retry_classify(OF_NODE[i].status, false, true).class, unsent);
        assert_int_equal(retry_classify(OF_NODE[i].status, true, true).class, unsent);
    }
}

static void the_end_says_what_is_known(void **state)
{
    (void)state;
    struct attempt_end unreached = {.class = ATTEMPT_NOT_EXECUTED};
    struct attempt_end overloaded = {.class = ATTEMPT_OVERLOADED};
    struct attempt_end unknown = {.class = ATTEMPT_UNKNOWN};
    struct attempt_end refused = {.class = ATTEMPT_REFUSED, .refusal = HF_DENIED};

    /* commands: surely not executed */
    assert_int_equal(retry_end_verdict(unreached, false, false), HF_UNREACHABLE);
    assert_int_equal(retry_end_verdict(overloaded, false, false), HF_OVERLOADED);
    assert_int_equal(retry_end_verdict(refused, false, false), HF_DENIED);
    /* commands: one attempt, this one or one before, may have been */
    assert_int_equal(retry_end_verdict(unknown, false, true), HF_OUTCOME_UNKNOWN);
    assert_int_equal(retry_end_verdict(unreached, false, true), HF_OUTCOME_UNKNOWN);
    assert_int_equal(retry_end_verdict(overloaded, false, true), HF_OUTCOME_UNKNOWN);
    assert_int_equal(retry_end_verdict(refused, false, true), HF_OUTCOME_UNKNOWN);
    /* reads execute nothing */
    assert_int_equal(retry_end_verdict(unknown, true, true), HF_UNREACHABLE);
    assert_int_equal(retry_end_verdict(unreached, true, true), HF_UNREACHABLE);
    assert_int_equal(retry_end_verdict(overloaded, true, true), HF_OVERLOADED);
    assert_int_equal(retry_end_verdict(refused, true, true), HF_DENIED);
}

#define MUCH_MS UINT64_C(1000000)

static void a_pause_doubles_to_its_cap(void **state)
{
    (void)state;
    struct retry_backoff backoff = {10, 500};
    static const uint64_t longest[] = {10, 20, 40, 80, 160, 320, 500, 500, 500};
    for (uint32_t attempts = 1; attempts <= 9; attempts++) {
        uint64_t full = longest[attempts - 1];
        uint64_t least = MUCH_MS;
        uint64_t most = 0;
        for (uint64_t random = 0; random < 2000; random++) {
            uint64_t pause_ms = retry_pause_ms(backoff, attempts, MUCH_MS, random);
            least = pause_ms < least ? pause_ms : least;
            most = pause_ms > most ? pause_ms : most;
        }
        assert_int_equal(most, full); /* between half and all of it, both ends included */
        assert_int_equal(least, full - full / 2);
    }
    assert_in_range(retry_pause_ms(backoff, UINT32_MAX, MUCH_MS, 7), 250, 500);
}

static void the_longest_backoff_does_not_overflow(void **state)
{
    (void)state;
    struct retry_backoff backoff = {UINT32_MAX, UINT32_MAX};
    assert_int_equal(retry_pause_ms(backoff, UINT32_MAX, UINT64_MAX, 0), UINT32_MAX);
}

/* An attempt without the time for an answer would only make the outcome unknown. */
static void the_last_attempt_has_time_for_an_answer(void **state)
{
    (void)state;
    struct retry_backoff backoff = {100, 500};
    assert_int_equal(retry_pause_ms(backoff, 5, 1000, 0), 500);
    assert_int_equal(retry_pause_ms(backoff, 5, 300, 0), 300 - RETRY_LAST_ATTEMPT_MS);
    assert_int_equal(retry_pause_ms(backoff, 5, RETRY_LAST_ATTEMPT_MS + 1, 0), 1);
    assert_int_equal(retry_pause_ms(backoff, 5, RETRY_LAST_ATTEMPT_MS, 0), 0); /* the end */
    assert_int_equal(retry_pause_ms(backoff, 5, 0, 0), 0);
}

static void an_attempt_leaves_time_for_others(void **state)
{
    (void)state;
    assert_int_equal(retry_attempt_timeout_ms(10000, 0), 2500);
    assert_int_equal(retry_attempt_timeout_ms(2000, 0), 500);
    assert_int_equal(retry_attempt_timeout_ms(1000, 0), 500); /* the floor */
    assert_int_equal(retry_attempt_timeout_ms(300, 0), 300);  /* never beyond the call */
    assert_int_equal(retry_attempt_timeout_ms(10000, 100), 100);
    assert_int_equal(retry_attempt_timeout_ms(10000, 20000), 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_of_a_node_has_its_class),
        cmocka_unit_test(a_status_of_the_transport_is_unknown_unless_it_was_never_sent),
        cmocka_unit_test(the_end_says_what_is_known),
        cmocka_unit_test(a_pause_doubles_to_its_cap),
        cmocka_unit_test(the_longest_backoff_does_not_overflow),
        cmocka_unit_test(the_last_attempt_has_time_for_an_answer),
        cmocka_unit_test(an_attempt_leaves_time_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
