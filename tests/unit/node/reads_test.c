/*
 * The reads alone: the reads, the rounds and the state are this file's. What it holds to: each read
 * ends exactly once, none before its round is confirmed and the state holds what it asks for, and
 * not all at once.
 */
#include "cmocka_test.h"

#include "base/limits.h"
#include "core/reads.h"

/* ---- the reads ---- */

#define ANSWERED (-1) /* beside enum proposal_failure */

struct call {
    struct proposal proposal;
    unsigned ends;
    int end;
};

static size_t answers;
static const struct call *last_answered;

static void ended(struct proposal *proposal, int end)
{
    struct call *call = (struct call *)proposal;
    call->ends++;
    call->end = end;
}

static bool read_now(struct proposal *proposal, struct error *error)
{
    (void)error;
    ended(proposal, ANSWERED);
    answers++;
    last_answered = (struct call *)proposal;
    return true;
}

static void failed(struct proposal *proposal, enum proposal_failure failure)
{
    ended(proposal, (int)failure);
}

static const struct proposal_ops ops = {.read = read_now, .failed = failed};

static void assert_waits(const struct call *call)
{
    assert_int_equal(call->ends, 0);
}

static void assert_ended(const struct call *call, int end)
{
    assert_int_equal(call->ends, 1);
    assert_int_equal(call->end, end);
}

/* ---- the rounds ---- */

static uint64_t collecting; /* 0: no leader is known */

static bool join(void *context, uint64_t *round)
{
    (void)context;
    *round = collecting;
    return collecting != 0;
}

static struct reads *setup(void)
{
    collecting = 1;
    answers = 0;
    const struct reads_env env = {NULL, join};
    return reads_new(&env);
}

static struct call a_read(enum read_consistency consistency, uint64_t min_index)
{
    return (struct call){
        .proposal = {
            .ops = &ops, .is_read = true, .consistency = consistency, .min_index = min_index}};
}

static void ask(struct reads *reads, struct call *call)
{
    *call = a_read(READ_LINEARIZABLE, 0);
    assert_true(reads_add(reads, &call->proposal));
}

static void ask_with(struct reads *reads, struct call *call, enum read_consistency consistency,
                     uint64_t min_index)
{
    *call = a_read(consistency, min_index);
    assert_true(reads_add(reads, &call->proposal));
}

static bool answer(struct reads *reads, uint64_t applied_index)
{
    struct error error;
    bool answered;
    bool had = reads_has_answers(reads, applied_index);
    assert_true(reads_answer(reads, applied_index, &answered, &error));
    assert_true(had == answered);
    return answered;
}

static size_t answer_all(struct reads *reads, uint64_t applied_index)
{
    size_t count = 0;
    while (answer(reads, applied_index)) {
        count++;
    }
    return count;
}

/* ---- tests ---- */

static void reads_are_answered_one_by_one_behind_their_index(void **state)
{
    (void)state;
    struct reads *reads = setup();
    struct call calls[3];
    for (size_t i = 0; i < 3; i++) {
        ask(reads, &calls[i]);
    }
    assert_false(answer(reads, 100));
    reads_confirmed(reads, 1, 10);
    assert_false(answer(reads, 9));
    for (size_t i = 0; i < 3; i++) {
        assert_waits(&calls[i]);
        assert_true(answer(reads, 10)); /* in the order of their coming */
        assert_ended(&calls[i], ANSWERED);
    }
    assert_false(answer(reads, 10));
    reads_free(reads);
}

static void a_round_answers_those_who_joined_it(void **state)
{
    (void)state;
    struct reads *reads = setup();
    struct call first;
    struct call second;
    ask(reads, &first);
    collecting = 2;
    ask(reads, &second);
    reads_confirmed(reads, 1, 10);
    assert_int_equal(answer_all(reads, 100), 1);
    assert_ended(&first, ANSWERED);
    assert_waits(&second);
    reads_failed(reads, 2);
    assert_ended(&second, PROPOSAL_NOT_EXECUTED);
    reads_free(reads);
}

/* What a round has vouched for stays true, whoever leads by then. */
static void a_failed_round_leaves_others_alone(void **state)
{
    (void)state;
    struct reads *reads = setup();
    struct call confirmed;
    struct call under_way;
    struct call next;
    ask(reads, &confirmed);
    reads_confirmed(reads, 1, 10);
    collecting = 2;
    ask(reads, &under_way);
    collecting = 3;
    ask(reads, &next);
    reads_failed(reads, 2);
    assert_ended(&under_way, PROPOSAL_NOT_EXECUTED);
    assert_waits(&next);
    reads_confirmed(reads, 3, 11);
    assert_int_equal(answer_all(reads, 11), 2);
    assert_ended(&confirmed, ANSWERED);
    assert_ended(&next, ANSWERED);
    reads_free(reads);
}

static void without_a_leader_only_stale_reads_are_taken(void **state)
{
    (void)state;
    struct reads *reads = setup();
    collecting = 0;
    struct call refused = a_read(READ_LINEARIZABLE, 0);
    assert_false(reads_add(reads, &refused.proposal));
    assert_waits(&refused);
    struct call stale;
    ask_with(reads, &stale, READ_STALE, 0);
    assert_true(answer(reads, 0));
    assert_ended(&stale, ANSWERED);
    reads_free(reads);
}

static void reads_wait_for_the_index_they_name(void **state)
{
    (void)state;
    struct reads *reads = setup();
    struct call stale;
    struct call early;
    struct call late;
    ask_with(reads, &stale, READ_STALE, 20);
    ask_with(reads, &early, READ_LINEARIZABLE, 5);
    ask_with(reads, &late, READ_LINEARIZABLE, 30);
    reads_confirmed(reads, 1, 10);
    assert_int_equal(answer_all(reads, 9), 0);
    assert_int_equal(answer_all(reads, 19), 1);
    assert_ended(&early, ANSWERED);
    assert_int_equal(answer_all(reads, 29), 1);
    assert_ended(&stale, ANSWERED);
    assert_int_equal(answer_all(reads, 30), 1);
    assert_ended(&late, ANSWERED);
    reads_free(reads);
}

/* Whatever the order in which they come, and whoever is cancelled in between. */
static void the_lowest_index_is_answered_first(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    static struct call calls[COUNT];
    struct reads *reads = setup();
    uint64_t number = 7;
    for (size_t i = 0; i < COUNT; i++) {
        number = number * 48271 % 2147483647;
        ask_with(reads, &calls[i], READ_STALE, 1 + number % 100);
    }
    for (size_t i = 0; i < COUNT; i += 3) {
        calls[i].proposal.cancelled = true;
    }
    reads_sweep(reads);
    for (size_t i = 0; i < COUNT; i++) {
        if (i % 3 == 0) {
            assert_ended(&calls[i], PROPOSAL_CANCELLED);
        } else {
            assert_waits(&calls[i]);
        }
    }
    const struct call *before = NULL;
    for (uint64_t applied_index = 0; applied_index <= 100; applied_index++) {
        while (answer(reads, applied_index)) {
            assert_int_equal(last_answered->proposal.min_index, applied_index);
            assert_true(before == NULL || before->proposal.min_index < applied_index ||
                        before < last_answered);
            before = last_answered;
        }
    }
    assert_int_equal(answers, COUNT - (COUNT + 2) / 3);
    reads_free(reads);
}

static void cancelled_reads_end_wherever_they_are(void **state)
{
    (void)state;
    struct reads *reads = setup();
    struct call confirmed;
    struct call asked;
    struct call stays;
    struct call swept;
    struct call never;
    ask(reads, &confirmed);
    reads_confirmed(reads, 1, 10);
    collecting = 2;
    ask(reads, &asked);
    ask(reads, &stays);
    ask(reads, &swept);
    ask_with(reads, &never, READ_STALE, UINT64_MAX);
    confirmed.proposal.cancelled = true;
    assert_true(answer(reads, 10));
    assert_ended(&confirmed, PROPOSAL_CANCELLED);
    swept.proposal.cancelled = true;
    never.proposal.cancelled = true;
    reads_sweep(reads);
    assert_ended(&swept, PROPOSAL_CANCELLED);
    assert_ended(&never, PROPOSAL_CANCELLED);
    assert_waits(&asked);
    asked.proposal.cancelled = true;
    reads_confirmed(reads, 2, 10);
    assert_int_equal(answer_all(reads, 10), 2);
    assert_ended(&asked, PROPOSAL_CANCELLED);
    assert_ended(&stays, ANSWERED);
    assert_int_equal(answers, 1);
    reads_free(reads);
}

static void everything_ends_when_it_is_abandoned(void **state)
{
    (void)state;
    struct reads *reads = setup();
    struct call calls[3];
    ask(reads, &calls[0]);
    reads_confirmed(reads, 1, 10);
    collecting = 2;
    ask(reads, &calls[1]);
    ask_with(reads, &calls[2], READ_STALE, 20);
    reads_abandon(reads);
    for (size_t i = 0; i < 3; i++) {
        assert_ended(&calls[i], PROPOSAL_NOT_EXECUTED);
    }
    reads_confirmed(reads, 2, 10); /* nobody is told twice */
    assert_false(answer(reads, UINT64_MAX));
    reads_free(reads);
}

/* All that was not answered counts, wherever it waits. */
static void reads_are_bounded(void **state)
{
    (void)state;
    static struct call calls[LIMIT_WAITING_READS];
    struct reads *reads = setup();
    for (size_t i = 0; i < LIMIT_WAITING_READS; i++) {
        if (i == LIMIT_WAITING_READS / 2) {
            reads_confirmed(reads, 1, 10);
        }
        assert_false(reads_is_full(reads, 0));
        ask(reads, &calls[i]);
    }
    assert_true(reads_is_full(reads, 0));
    struct call more = a_read(READ_STALE, 0);
    assert_false(reads_add(reads, &more.proposal));
    assert_true(answer(reads, 10));
    assert_false(reads_is_full(reads, 0));
    reads_abandon(reads);

    struct call large = a_read(READ_LINEARIZABLE, 0);
    large.proposal.data.len = LIMIT_WAITING_READ_BYTES; /* counted, and not looked at */
    assert_true(reads_add(reads, &large.proposal));
    assert_true(reads_is_full(reads, 1));
    assert_false(reads_is_full(reads, 0));
    reads_failed(reads, 1);
    assert_false(reads_is_full(reads, 1));
    reads_free(reads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_are_answered_one_by_one_behind_their_index),
        cmocka_unit_test(a_round_answers_those_who_joined_it),
        cmocka_unit_test(a_failed_round_leaves_others_alone),
        cmocka_unit_test(without_a_leader_only_stale_reads_are_taken),
        cmocka_unit_test(reads_wait_for_the_index_they_name),
        cmocka_unit_test(the_lowest_index_is_answered_first),
        cmocka_unit_test(cancelled_reads_end_wherever_they_are),
        cmocka_unit_test(everything_ends_when_it_is_abandoned),
        cmocka_unit_test(reads_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
