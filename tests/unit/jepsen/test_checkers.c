/*
 * test_checkers.c - the checkers that look at one thing each, on small histories.
 */
#include "../../lib/cmocka_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "history_words.h"
#include "text_history.h"

static void test_oversell(void **state)
{
    (void)state;
    expect(check_oversell, CHECK_VALID, NULL,
           SET_A(3) RESERVE(1, "o", 2) OK(1, "reserve", 2, "") ACT(1, "release", "o")
               OK(1, "release", 3, ", :existed true") RESERVE(1, "p", 3) OK(1, "reserve", 4, "")
                   ACT(1, "deduct", "p") OK(1, "deduct", 5, ""));
    expect(check_oversell, CHECK_INVALID, "4 held, of at most 3",
           SET_A(3) RESERVE(1, "o", 2) OK(1, "reserve", 2, "") RESERVE(2, "p", 2)
               OK(2, "reserve", 3, ""));
    expect(check_oversell, CHECK_INVALID, "2 held, of at most 1",
           SET_A(3) RESERVE(1, "o", 2) OK(1, "reserve", 2, "") ACT(1, "deduct", "o")
               OK(1, "deduct", 3, "") RESERVE(2, "p", 2) OK(2, "reserve", 4, ""));
    expect(check_oversell, CHECK_INVALID, "shows 3 on hand and 4 reserved",
           SET_A(3) READ_A(1, 2, 3, 4, 1));
    /* somebody may have received some */
    expect(check_oversell, CHECK_VALID, NULL,
           SET_A(3) "{:type :invoke, :process 9, :f :adjust-stock, :value {:stock 'A', :change 5, "
                    ":request-id 'r'}}\n" INFO(9, "adjust-stock") RESERVE(1, "o", 8)
                        OK(1, "reserve", 2, ""));
    expect(check_oversell, CHECK_SKIPPED, NULL, NO_ORDER(1, "o", 1));
}

static void test_conservation(void **state)
{
    (void)state;
    expect(check_conservation, CHECK_VALID, NULL,
           SET_A(9) RESERVE(1, "o", 2) OK(1, "reserve", 2, "") RESERVE(1, "p", 3)
               OK(1, "reserve", 3, "") ACT(1, "deduct", "o") OK(1, "deduct", 4, "")
                   READ_A(0, 4, 7, 3, 1));
    expect(check_conservation, CHECK_INVALID, "set + received - sold is 7 to 7",
           SET_A(9) RESERVE(1, "o", 2) OK(1, "reserve", 2, "") ACT(1, "deduct", "o")
               OK(1, "deduct", 4, "") READ_A(0, 4, 8, 0, 1));
    expect(check_conservation, CHECK_INVALID, "orders hold 2 to 2",
           SET_A(9) RESERVE(1, "o", 2) OK(1, "reserve", 2, "") READ_A(0, 4, 9, 0, 1));
    /* of unknown fate: anything from nothing to sold */
    expect(check_conservation, CHECK_VALID, NULL,
           SET_A(9) RESERVE(1, "o", 2) INFO(1, "reserve") READ_A(0, 4, 9, 2, 1));
    expect(check_conservation, CHECK_INVALID, "orders hold 0 to 2",
           SET_A(9) RESERVE(1, "o", 2) INFO(1, "reserve") READ_A(0, 4, 9, 3, 1));
    /* surely not executed */
    expect(check_conservation, CHECK_INVALID, "orders hold 0 to 0",
           SET_A(9) RESERVE(1, "o", 2) FAIL(1, "reserve") READ_A(0, 4, 9, 2, 1));
}

#define ADJUST(process, change)                                                                    \
    "{:type :invoke, :process " #process                                                           \
    ", :f :adjust-stock, :value {:stock 'A', :change " #change ", :request-id 'r'}}\n"

/* What nobody was told when it happened, but somebody later. */
static void test_conservation_of_doubts(void **state)
{
    (void)state;
    expect(check_conservation, CHECK_VALID, NULL,
           SET_A(9) RESERVE(1, "o", 2) INFO(1, "reserve")
               READ_ORDER(2, "o", 4, "active", ":reserved 2") READ_A(0, 4, 9, 2, 1));
    expect(check_conservation, CHECK_INVALID, "orders hold 2 to 2",
           SET_A(9) RESERVE(1, "o", 2) INFO(1, "reserve")
               READ_ORDER(2, "o", 4, "active", ":reserved 2") READ_A(0, 4, 9, 1, 1));
    expect(check_conservation, CHECK_INVALID, "set + received - sold is 8 to 8",
           SET_A(9) RESERVE(1, "o", 2) INFO(1, "reserve")
               READ_ORDER(2, "o", 4, "deducted", ":reserved 2, :deducted 1, :released 1")
                   READ_A(0, 5, 7, 0, 1));
    /* it may have come between the two reads */
    expect(check_conservation, CHECK_VALID, NULL,
           SET_A(9) RESERVE(1, "o", 2) INFO(1, "reserve") NO_ORDER(2, "o", 3)
               READ_A(0, 4, 9, 2, 1));
    expect(check_conservation, CHECK_INVALID, "orders hold 0 to 0",
           SET_A(9) RESERVE(1, "o", 2) INFO(1, "reserve") READ_A(0, 3, 9, 2, 1)
               NO_ORDER(2, "o", 4));
    /* a restock in doubt, and its repetition */
    expect(check_conservation, CHECK_VALID, NULL,
           SET_A(9) ADJUST(1, 5) INFO(1, "adjust-stock") READ_A(0, 3, 9, 0, 1));
    expect(check_conservation, CHECK_VALID, NULL,
           SET_A(9) ADJUST(1, 5) INFO(1, "adjust-stock") ADJUST(2, 5)
               OK(2, "adjust-stock", 3, ", :replayed true") READ_A(0, 3, 14, 0, 1));
    expect(check_conservation, CHECK_INVALID, "set + received - sold is 14 to 14",
           SET_A(9) ADJUST(1, 5) INFO(1, "adjust-stock") ADJUST(2, 5)
               OK(2, "adjust-stock", 3, ", :replayed true") READ_A(0, 3, 19, 0, 1));
    expect(check_conservation, CHECK_INVALID, "set + received - sold is 14 to 14",
           SET_A(9) ADJUST(1, 5) INFO(1, "adjust-stock") ADJUST(2, 5) OK(2, "adjust-stock", 3, "")
               READ_A(0, 3, 19, 0, 1));
}

static void test_acknowledged(void **state)
{
    (void)state;
    expect(check_acknowledged, CHECK_VALID, NULL,
           RESERVE(1, "o", 2) OK(1, "reserve", 2, "") READ_ORDER(1, "o", 2, "active", ":reserved 2")
               ACT(1, "deduct", "o") OK(1, "deduct", 3, "")
                   READ_ORDER(1, "o", 3, "deducted", ":reserved 2, :deducted 2"));
    expect(check_acknowledged, CHECK_INVALID, "an acknowledged hold is lost",
           RESERVE(1, "o", 2) OK(1, "reserve", 2, "") NO_ORDER(1, "o", 3));
    /* the read was under way at the same time */
    expect(
        check_acknowledged, CHECK_VALID, NULL,
        RESERVE(1, "o", 2) "{:type :invoke, :process 2, :f :read-order, :value {:order 'o'}}\n" OK(
            1, "reserve", 2, "") "{:type :ok, :process 2, :f :read-order, :value {:verdict "
                                 ":order-not-found, :log-index 1}}\n");
    expect(check_acknowledged, CHECK_INVALID, "other lines",
           RESERVE(1, "o", 2) OK(1, "reserve", 2, "")
               READ_ORDER(1, "o", 2, "active", ":reserved 1"));
    expect(check_acknowledged, CHECK_INVALID, "an acknowledged deduct is lost",
           RESERVE(1, "o", 2) OK(1, "reserve", 2, "") ACT(1, "deduct", "o") OK(1, "deduct", 3, "")
               READ_ORDER(1, "o", 4, "active", ":reserved 2"));
    expect(check_acknowledged, CHECK_INVALID, "an acknowledged release is lost",
           RESERVE(1, "o", 2) OK(1, "reserve", 2, "") ACT(1, "release", "o")
               OK(1, "release", 3, ", :existed true")
                   READ_ORDER(1, "o", 4, "active", ":reserved 2"));
    expect(check_acknowledged, CHECK_INVALID, "done twice",
           RESERVE(1, "o", 2) OK(1, "reserve", 2, "") RESERVE(1, "o", 2) OK(1, "reserve", 3, ""));
    expect(check_acknowledged, CHECK_INVALID, "surely not executed",
           RESERVE(1, "o", 2) FAIL(1, "reserve") READ_ORDER(1, "o", 2, "active", ":reserved 2"));
    expect(check_acknowledged, CHECK_INVALID, "nobody reserved",
           READ_ORDER(1, "o", 2, "active", ":reserved 2"));
}

#define STALE_READ(index, age, began)                                                              \
    "{:type :invoke, :process 1, :f :read-stock, :value {:stocks ['A'], :consistency :stale}, "    \
    ":time " #began "000000}\n"                                                                    \
    "{:type :ok, :process 1, :f :read-stock, :value {:verdict :ok, :log-index " #index             \
    ", :age-ms " #age ", :stocks {'A' nil}}, :time " #began "100000}\n"

static void test_stale(void **state)
{
    (void)state;
#define ACKNOWLEDGED RESERVE(0, "o", 1) OK(0, "reserve", 5, "") /* at 1 ms */
    expect(check_stale, CHECK_VALID, NULL, ACKNOWLEDGED READ_A(1, 5, 1, 1, 1));
    expect(check_stale, CHECK_INVALID, "older than what was told",
           ACKNOWLEDGED READ_A(1, 4, 1, 1, 1));
    expect(check_stale, CHECK_INVALID, "older than what was told",
           ACKNOWLEDGED READ_A(1, 7, 1, 1, 1) READ_A(2, 6, 1, 1, 1));
    expect(check_stale, CHECK_VALID, NULL, ACKNOWLEDGED STALE_READ(4, 1000, 500));
    expect(check_stale, CHECK_INVALID, "at most 100 ms old", ACKNOWLEDGED STALE_READ(4, 100, 500));
    expect(check_stale, CHECK_INVALID, "at least 9 was asked for",
           "{:type :invoke, :process 1, :f :read-stock, :value {:stocks ['A'], :consistency "
           ":stale, :min-index 9}}\n"
           "{:type :ok, :process 1, :f :read-stock, :value {:verdict :ok, :log-index 8, :stocks "
           "{'A' nil}}}\n");
}

#define READ_SET(process, index, rows)                                                             \
    "{:type :invoke, :process " #process ", :f :read-history, :value {:stock 'A'}}\n"              \
    "{:type :ok, :process " #process                                                               \
    ", :f :read-history, :value {:verdict :ok, :log-index " #index ", :rows [" rows "]}}\n"
#define ROW(order) "{:log-index 2, :sub 0, :op :reserve, :held 1, :order '" order "'}"

static void test_set(void **state)
{
    (void)state;
    expect(check_set, CHECK_VALID, NULL,
           RESERVE(1, "o", 1) OK(1, "reserve", 2, "") READ_SET(1, 2, ROW("o")) RESERVE(1, "p", 1)
               OK(1, "reserve", 3, "") READ_SET(2, 3, ROW("o") ROW("p")));
    expect(check_set, CHECK_INVALID, "a hold is lost",
           RESERVE(1, "o", 1) OK(1, "reserve", 2, "") READ_SET(1, 2, ROW("o")) READ_SET(1, 3, ""));
    expect(check_set, CHECK_INVALID, "stale",
           RESERVE(1, "o", 1) OK(1, "reserve", 2, "") READ_SET(1, 2, "") READ_SET(1, 3, ROW("o")));
    expect(check_set, CHECK_INVALID, "there twice",
           RESERVE(1, "o", 1) OK(1, "reserve", 2, "") READ_SET(1, 2, ROW("o") ROW("o")));
    expect(check_set, CHECK_INVALID, "nobody was granted",
           RESERVE(1, "o", 1) FAIL(1, "reserve") READ_SET(1, 2, ROW("o")));
    /* unknown: may be there, and once shown must stay */
    expect(check_set, CHECK_VALID, NULL,
           RESERVE(1, "o", 1) INFO(1, "reserve") READ_SET(2, 2, "") READ_SET(2, 3, ROW("o")));
    expect(check_set, CHECK_INVALID, "a hold is lost",
           RESERVE(1, "o", 1) INFO(1, "reserve") READ_SET(2, 3, ROW("o")) READ_SET(2, 4, ""));
    expect(check_set, CHECK_SKIPPED, NULL, RESERVE(1, "o", 1) OK(1, "reserve", 2, ""));
}

#define ROW_AT(index, op, changes, order)                                                          \
    "{:log-index " #index ", :sub 0, :op :" op ", " changes ", :order '" order "'}"

static void test_rows(void **state)
{
    (void)state;
#define HELD_AND_SOLD                                                                              \
    RESERVE(1, "o", 2) OK(1, "reserve", 2, "") ACT(1, "deduct", "o") OK(1, "deduct", 3, "")
    expect(check_rows, CHECK_VALID, NULL,
           HELD_AND_SOLD READ_SET(1, 3,
                                  ROW_AT(2, "reserve", ":held 2", "o")
                                      ROW_AT(3, "deduct", ":held -2, :on-hand -2", "o")));
    expect(check_rows, CHECK_INVALID, "does not have it",
           HELD_AND_SOLD READ_SET(1, 3, ROW_AT(2, "reserve", ":held 2", "o")));
    expect(check_rows, CHECK_INVALID, "does not have it",
           HELD_AND_SOLD READ_SET(1, 3,
                                  ROW_AT(2, "reserve", ":held 2", "o")
                                      ROW_AT(3, "deduct", ":held -1, :on-hand -2", "o")));
    expect(check_rows, CHECK_INVALID, "that nobody was told of",
           HELD_AND_SOLD READ_SET(1, 4,
                                  ROW_AT(2, "reserve", ":held 2", "o")
                                      ROW_AT(3, "deduct", ":held -2, :on-hand -2", "o")
                                          ROW_AT(4, "deduct", ":held -2, :on-hand -2", "o")));
    expect(check_rows, CHECK_INVALID, "not in order",
           HELD_AND_SOLD READ_SET(1, 3,
                                  ROW_AT(3, "deduct", ":held -2, :on-hand -2", "o")
                                      ROW_AT(2, "reserve", ":held 2", "o")));
    expect(check_rows, CHECK_VALID, NULL,
           RESERVE(1, "o", 2) INFO(1, "reserve")
               READ_SET(2, 3, ROW_AT(2, "reserve", ":held 2", "o")));
    expect(check_rows, CHECK_INVALID, "that nobody was told of",
           RESERVE(1, "o", 2) FAIL(1, "reserve")
               READ_SET(2, 3, ROW_AT(2, "reserve", ":held 2", "o")));
    expect(check_rows, CHECK_SKIPPED, NULL, HELD_AND_SOLD);
}

#define DIGEST(node, index, text)                                                                  \
    "{:type :invoke, :process 1, :f :read-digest, :value {:node " #node "}}\n"                     \
    "{:type :ok, :process 1, :f :read-digest, :value {:node " #node                                \
    ", :verdict :ok, :log-index " #index ", :digest '" text "'}}\n"

static void test_digests(void **state)
{
    (void)state;
    expect(check_digests, CHECK_VALID, NULL,
           DIGEST(1, 5, "aa") DIGEST(2, 5, "aa") DIGEST(3, 6, "bb"));
    expect(check_digests, CHECK_INVALID, "nodes 1 and 3",
           DIGEST(1, 5, "aa") DIGEST(2, 6, "bb") DIGEST(3, 5, "cc"));
    expect(check_digests, CHECK_INVALID, "not sound: {:node",
           DIGEST(1, 5, "aa") DIGEST(2, 5, "aa") "{:type :info, :process :nemesis, :f :not-sound, "
                                                 ":value {:node 'n2'}, :time 9000000000}\n");
    expect(check_digests, CHECK_SKIPPED, NULL, SET_A(1));
}

#define FAULT(word, at)                                                                            \
    "{:type :info, :process :nemesis, :f :" word ", :value nil, :time " #at "000000000}\n"
#define ASKED(process, at)                                                                         \
    "{:type :invoke, :process " #process ", :f :release, :value {:order 'o'}, :time " #at          \
    "000000000}\n"
#define TOLD(process, at)                                                                          \
    "{:type :ok, :process " #process ", :f :release, :value {:verdict :ok, :log-index 1}, "        \
    ":time " #at "000000000}\n"
#define IN_DOUBT(process, at)                                                                      \
    "{:type :info, :process " #process ", :f :release, :value {}, :time " #at "000000000}\n"
#define ANSWERED(began, ended) ASKED(1, began) TOLD(1, ended)

static void test_recovery(void **state)
{
    struct check_options options = check_options_default();
    (void)state;
    options.recovery_limit_ms = 10000;
    expect_with(check_recovery, &options, CHECK_VALID, NULL,
                FAULT("start-kill", 1) FAULT("start-kill", 2) FAULT("stop-kill", 5)
                    FAULT("stop-kill", 6) ANSWERED(7, 9) ANSWERED(20, 21));
    expect_with(check_recovery, &options, CHECK_INVALID, "kill ended at 6.0 s",
                FAULT("start-kill", 1) FAULT("stop-kill", 6) ANSWERED(7, 17));
    /* nothing answered at all behind it */
    expect_with(check_recovery, &options, CHECK_INVALID, "pause ended at 6.0 s",
                FAULT("start-pause", 1) FAULT("stop-pause", 6) ASKED(1, 7) IN_DOUBT(1, 37));
    /* another fault is there: its end counts */
    expect_with(check_recovery, &options, CHECK_VALID, NULL,
                FAULT("start-kill", 1) FAULT("start-pause", 5) FAULT("stop-kill", 6)
                    FAULT("stop-pause", 30) ANSWERED(31, 32));
    /* what was left to be done when it stopped belongs to it */
    expect_with(check_recovery, &options, CHECK_VALID, NULL,
                FAULT("start-member-grow", 1) FAULT("stop-member-grow", 6)
                    FAULT("finish-member-grow", 20) ANSWERED(21, 22));
    expect_with(check_recovery, &options, CHECK_INVALID, "member-grow ended at 20.0 s",
                FAULT("start-member-grow", 1) FAULT("stop-member-grow", 6)
                    FAULT("finish-member-grow", 20) ANSWERED(21, 31));
    expect_with(check_recovery, &options, CHECK_INVALID, "finish-member-grow was on at 7.0 s",
                FAULT("start-member-grow", 1) FAULT("stop-member-grow", 6)
                    FAULT("finish-member-grow", 7) FAULT("finish-member-grow", 20)
                        ANSWERED(21, 22));
    /* nobody asks any more but for reads, which take their time */
    expect_with(check_recovery, &options, CHECK_VALID, NULL,
                FAULT("start-kill", 1) FAULT("stop-kill", 2) ANSWERED(3, 4) FAULT("start-kill", 5)
                    FAULT("stop-kill", 6) FAULT("digests", 40));
    /* answered, but not well */
    expect_with(check_recovery, &options, CHECK_INVALID, "at 8.0 s the cluster was not healthy",
                FAULT("start-kill", 1) FAULT("stop-kill", 2) ANSWERED(2, 3)
                    FAULT("not-healthy", 8));
    expect_with(check_recovery, &options, CHECK_SKIPPED, NULL, ANSWERED(1, 2));
}

static void expect_recovery(enum check_verdict verdict, int64_t faults, int64_t recoveries,
                            int64_t unjudged, int64_t longest_ms, const char *text)
{
    struct check check;
    struct history *history = text_history(text);
    const struct check_options options = {.recovery_limit_ms = 10000};
    check_begin(&check, "recovery", history);
    check_recovery(&check, history, &options);
    if (check.verdict != verdict) {
        fail_msg("%s: %s", check_verdict_name(check.verdict),
                 check.reason_count > 0 ? check.reasons[0].text : "no reason");
    }
    assert_int_equal(check_fact(&check, "faults"), faults);
    assert_int_equal(check_fact(&check, "recoveries"), recoveries);
    assert_int_equal(check_fact(&check, "unjudged"), unjudged);
    assert_int_equal(check_fact(&check, "longest-ms"), longest_ms);
    check_free(&check);
    history_free(history);
}

#define KILL(began, ended) FAULT("start-kill", began) FAULT("stop-kill", ended)

/* Which faults are judged, where the next one comes soon. */
static void test_recovery_between_faults(void **state)
{
    (void)state;
    /* an answer between two: both are judged */
    expect_recovery(CHECK_VALID, 2, 2, 0, 2000,
                    KILL(1, 2) ANSWERED(3, 4) KILL(5, 6) ANSWERED(7, 8));
    /* none between them, and the second began within the limit: it was on when the answer came */
    expect_recovery(CHECK_VALID, 2, 1, 1, 2000,
                    KILL(1, 2) ASKED(2, 3) IN_DOUBT(2, 4) KILL(5, 6) ANSWERED(7, 8));
    expect_recovery(CHECK_VALID, 2, 1, 1, 1000,
                    KILL(1, 2) ASKED(2, 3) FAULT("start-kill", 4) TOLD(2, 15) FAULT("stop-kill", 16)
                        ANSWERED(16, 17));
    /* none between them, and the second began behind the limit */
    expect_recovery(CHECK_INVALID, 2, 1, 0, 2000,
                    KILL(1, 2) ASKED(2, 3) IN_DOUBT(2, 4) KILL(13, 14) ANSWERED(15, 16));
    /* those that overlap are healed by the last one's end, answers before it or not */
    expect_recovery(CHECK_VALID, 3, 1, 0, 1000,
                    FAULT("start-kill", 1) ANSWERED(1, 2) FAULT("start-cut", 3)
                        FAULT("stop-kill", 4) FAULT("start-slow", 5) FAULT("stop-cut", 20)
                            FAULT("stop-slow", 21) ANSWERED(21, 22));
    expect_recovery(CHECK_INVALID, 2, 1, 0, 11000,
                    FAULT("start-kill", 1) FAULT("start-cut", 2) FAULT("stop-kill", 3)
                        ANSWERED(4, 5) FAULT("stop-cut", 6) ANSWERED(7, 17));
    /* the commands' end, and a fault that nobody stops */
    expect_recovery(CHECK_VALID, 2, 1, 1, 1000,
                    KILL(1, 2) ANSWERED(2, 3) KILL(5, 6) ASKED(2, 7) IN_DOUBT(2, 9));
    expect_recovery(CHECK_VALID, 2, 1, 1, 1000,
                    KILL(1, 2) ANSWERED(2, 3) FAULT("start-cut", 5) ANSWERED(7, 9));
    expect_recovery(CHECK_UNKNOWN, 2, 0, 2, 0,
                    KILL(1, 2) ASKED(2, 3) IN_DOUBT(2, 4) KILL(5, 6) ASKED(3, 7) IN_DOUBT(3, 9));
    /* what the nemesis saw is no fault */
    expect_recovery(CHECK_INVALID, 1, 1, 0, 1000,
                    KILL(1, 2) ANSWERED(2, 3) FAULT("not-healthy", 8));
}

static void test_enough(void **state)
{
    struct check_options options = check_options_default();
    (void)state;
    options.least_operations = 2;
    expect_with(check_enough, &options, CHECK_VALID, NULL, ANSWERED(1, 2) ANSWERED(3, 4));
    expect_with(check_enough, &options, CHECK_UNKNOWN, "of 2 that a run needs", ANSWERED(1, 2));
    options.least_operations = 1;
    options.least_answered_permille = 600;
    expect_with(check_enough, &options, CHECK_UNKNOWN, "less than 600", ANSWERED(1, 2) ASKED(2, 3));
    options = (struct check_options){.least_operations = 1, .least_faults = 1};
    expect_with(check_enough, &options, CHECK_VALID, NULL,
                FAULT("start-kill", 1) FAULT("stop-kill", 2) ANSWERED(3, 4));
    expect_with(check_enough, &options, CHECK_UNKNOWN, "0 faults, of 1",
                FAULT("not-healthy", 1) ANSWERED(3, 4));
}

/* ---- logs ---- */

static void write_log(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static enum check_verdict scan(const char *directory)
{
    struct check check;
    struct history *history = history_new();
    check_begin(&check, "logs", history);
    check_logs(&check, history, directory);
    enum check_verdict verdict = check.verdict;
    for (uint32_t i = 0; i < check.reason_count; i++) {
        print_message("# %s\n", check.reasons[i].text);
    }
    check_free(&check);
    history_free(history);
    return verdict;
}

static void test_logs(void **state)
{
    static const char *const bad[] = {
        "node/core/core.c:77: core_step: Assertion `index > 0' failed.\n",
        "==17==ERROR: AddressSanitizer: heap-use-after-free on address\n",
        "raft/replica.c:9:3: runtime error: signed integer overflow\n",
        "Segmentation fault (core dumped)\n",
        "(the node was ended by a signal: SIGBUS)\n",
        "(the node had not ended 60000 ms after SIGTERM: SIGABRT)\n",
        "its digest is 00, that of a majority of the voters is 11; it stops, the others go on\n",
        "the states differ at log index 9 and none has a majority of the voters, nobody knows\n",
    };
    char directory[] = "/tmp/holdfast-logs-XXXXXX";
    char inner[64];
    char path[80];
    char disk[80];
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(inner, sizeof inner, "%s/n1", directory);
    snprintf(path, sizeof path, "%s/n1.log", directory);
    snprintf(disk, sizeof disk, "%s/000012.log", inner);
    assert_int_equal(mkdir(inner, 0755), 0);
    write_log(disk, bad[0]); /* on a node's disk: a database's, whatever is in it */
    assert_int_equal(scan(directory), CHECK_SKIPPED);
    write_log(path, "{\"level\":\"info\",\"message\":\"serves\"}\n");
    assert_int_equal(scan(directory), CHECK_VALID);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_log(path, bad[i]);
        assert_int_equal(scan(directory), CHECK_INVALID);
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(disk), 0);
    assert_int_equal(rmdir(inner), 0);
    assert_int_equal(rmdir(directory), 0);
    assert_int_equal(scan(directory), CHECK_UNKNOWN);
    assert_int_equal(scan(NULL), CHECK_SKIPPED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oversell),
        cmocka_unit_test(test_conservation),
        cmocka_unit_test(test_conservation_of_doubts),
        cmocka_unit_test(test_acknowledged),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_digests),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_recovery),
        cmocka_unit_test(test_recovery_between_faults),
        cmocka_unit_test(test_enough),
        cmocka_unit_test(test_logs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
