/*
 * test_witness.c - the witness on small histories. `A` is set to a count at index 1 in most of
 * them.
 */
#include "../../lib/cmocka_test.h"

#include <inttypes.h>
#include <stdio.h>

#include "history_words.h"
#include "text_history.h"

static void test_good(void **state)
{
    (void)state;
    expect(check_witness, CHECK_VALID, NULL,
           SET_A(3) RESERVE(1, "o", 2) OK(1, "reserve", 2, ", :state :active") READ_A(0, 2, 3, 2, 1)
               RESERVE(1, "p", 2) REFUSED(1, "reserve", "insufficient-stock", 3,
                                          ", :failed [['A' {:requested 2, :available 1, :reason "
                                          ":insufficient-stock}]]") ACT(1, "deduct", "o")
                   OK(1, "deduct", 4, ", :state :deducted") ACT(1, "deduct", "o") OK(
                       1, "deduct", 5, ", :replayed true, :state :deducted") READ_A(0, 5, 1, 0, 2)
                       READ_ORDER(1, "o", 5, "deducted", ":reserved 2, :deducted 2")
                           ACT(1, "release", "never") OK(1, "release", 6, "") RESERVE(1, "never", 1)
                               REFUSED(1, "reserve", "order-released", 7, ""));
}

static void test_empty(void **state)
{
    (void)state;
    expect(check_witness, CHECK_SKIPPED, NULL, "");
}

static void test_wrong_verdicts(void **state)
{
    (void)state;
    expect(check_witness, CHECK_INVALID, "it must be ok",
           SET_A(3) RESERVE(1, "o", 2) OK(1, "reserve", 2, "") ACT(1, "deduct", "o")
               REFUSED(1, "deduct", "order-not-found", 3, ""));
    expect(check_witness, CHECK_INVALID, "it must be order-released",
           SET_A(3) RESERVE(1, "o", 2) OK(1, "reserve", 2, "") ACT(1, "release", "o")
               OK(1, "release", 3, ", :existed true") ACT(1, "deduct", "o") OK(1, "deduct", 4, ""));
    expect(check_witness, CHECK_INVALID, "a second time",
           SET_A(3) RESERVE(1, "o", 2) OK(1, "reserve", 2, "") RESERVE(1, "o", 2)
               OK(1, "reserve", 3, ""));
    expect(check_witness, CHECK_INVALID, "called a repetition",
           SET_A(3) RESERVE(1, "o", 2) OK(1, "reserve", 2, ", :replayed true"));
}

static void test_wrong_stocks(void **state)
{
    (void)state;
    /* two units too many */
    expect(check_witness, CHECK_INVALID, "does not add up",
           SET_A(3) RESERVE(1, "o", 2) OK(1, "reserve", 2, "") RESERVE(1, "p", 2)
               OK(1, "reserve", 3, ""));
    /* refused, though there was enough */
    expect(check_witness, CHECK_INVALID, "the refusal says 1 available",
           SET_A(3) RESERVE(1, "o", 2)
               REFUSED(1, "reserve", "insufficient-stock", 2,
                       ", :failed [['A' {:requested 2, :available 1, :reason "
                       ":insufficient-stock}]]"));
    /* a hold that no stock shows: a line was skipped */
    expect(check_witness, CHECK_INVALID, "what was read: on hand 3, reserved 0",
           SET_A(3) RESERVE(1, "o", 2) OK(1, "reserve", 2, "") READ_A(0, 2, 3, 0, 1));
    /* a version that stood still */
    expect(check_witness, CHECK_INVALID, "version",
           SET_A(3) RESERVE(1, "o", 2) OK(1, "reserve", 2, "") ACT(1, "deduct", "o")
               OK(1, "deduct", 3, "") READ_A(0, 3, 1, 0, 1));
    expect(check_witness, CHECK_INVALID, "it is not there",
           RESERVE(1, "o", 2) OK(1, "reserve", 2, ""));
}

static void test_lost_order(void **state)
{
    (void)state;
    expect(check_witness, CHECK_INVALID, "not as the log before this read",
           SET_A(3) RESERVE(1, "o", 2) OK(1, "reserve", 2, "") NO_ORDER(1, "o", 2));
    expect(check_witness, CHECK_INVALID, "not as the log before this read",
           SET_A(3) RESERVE(1, "o", 2) OK(1, "reserve", 2, "")
               READ_ORDER(1, "o", 3, "active", ":reserved 1"));
}

static void test_real_time(void **state)
{
    (void)state;
    /* p returned before o was invoked, but the log has o first */
    expect(check_witness, CHECK_INVALID, "before something that had returned",
           SET_A(9) RESERVE(1, "p", 1) OK(1, "reserve", 5, "") RESERVE(2, "o", 1)
               OK(2, "reserve", 4, ""));
    /* at once: any order is right */
    expect(check_witness, CHECK_VALID, NULL,
           SET_A(9) RESERVE(1, "p", 1) RESERVE(2, "o", 1) OK(1, "reserve", 5, "")
               OK(2, "reserve", 4, ""));
    /* a read that is older than what was acknowledged */
    expect(check_witness, CHECK_INVALID, "does not hold what had returned",
           SET_A(9) RESERVE(1, "p", 1) OK(1, "reserve", 5, "") READ_A(2, 4, 9, 0, 1));
    expect(check_witness, CHECK_INVALID, "the same place",
           SET_A(9) RESERVE(1, "p", 1) RESERVE(2, "o", 1) OK(1, "reserve", 5, "")
               OK(2, "reserve", 5, ""));
}

/* ---- what nobody knows ---- */

static void test_unknown_reserve(void **state)
{
    (void)state;
    /* It may have happened, or not, or between. */
    expect(check_witness, CHECK_VALID, NULL,
           SET_A(9) RESERVE(1, "o", 2) INFO(1, "reserve") READ_A(0, 3, 9, 2, 1));
    expect(check_witness, CHECK_VALID, NULL,
           SET_A(9) RESERVE(1, "o", 2) INFO(1, "reserve") READ_A(0, 3, 9, 0, 1)
               NO_ORDER(0, "o", 3));
    expect(check_witness, CHECK_VALID, NULL,
           SET_A(9) RESERVE(1, "o", 2) INFO(1, "reserve") READ_A(0, 3, 9, 0, 1)
               READ_A(0, 4, 9, 2, 1) READ_ORDER(0, "o", 5, "active", ":reserved 2"));
    /* But it does not come and go, */
    expect(check_witness, CHECK_INVALID, "does not add up",
           SET_A(9) RESERVE(1, "o", 2) INFO(1, "reserve") READ_A(0, 3, 9, 2, 1)
               READ_A(0, 4, 9, 0, 1));
    /* nor is it there for its order and not for its stock, */
    expect(check_witness, CHECK_INVALID, "does not add up",
           SET_A(9) RESERVE(1, "o", 2) INFO(1, "reserve")
               READ_ORDER(0, "o", 3, "active", ":reserved 2") READ_A(0, 4, 9, 0, 1));
    /* nor has it other units, */
    expect(check_witness, CHECK_INVALID, "does not add up",
           SET_A(9) RESERVE(1, "o", 2) INFO(1, "reserve") READ_A(0, 3, 9, 1, 1));
    /* nor did it happen before it was asked for. */
    expect(check_witness, CHECK_INVALID, "not as the log before",
           SET_A(9) READ_ORDER(0, "o", 3, "active", ":reserved 2") RESERVE(1, "o", 2)
               INFO(1, "reserve"));
}

/* Among more than the witness can keep apart, one that must have happened is not forgotten. */
static void test_many_unknown(void **state)
{
    static const struct {
        int unknown;
        enum check_verdict verdict;
        const char *reason;
    } cases[] = {
        {10, CHECK_INVALID, "does not add up"},
        {300, CHECK_UNKNOWN, "too much of which nobody knows the place"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer text = {0};
        buffer_printf(&text, "%s", SET_A(999));
        for (int k = 0; k < cases[i].unknown; k++) {
            buffer_printf(&text,
                          "{:type :invoke, :process %d, :f :reserve, :value {:order 'u-%d', "
                          ":lines [['A' 1]]}}\n"
                          "{:type :info, :process %d, :f :reserve, :value {}}\n",
                          10 + k, k, 10 + k);
        }
        buffer_printf(&text, "%s",
                      RESERVE(1, "o", 2) INFO(1, "reserve")
                          READ_ORDER(0, "o", 3, "active", ":reserved 2") READ_A(0, 4, 999, 0, 1));
        buffer_append(&text, "", 1);
        expect(check_witness, cases[i].verdict, cases[i].reason, (const char *)text.data);
        buffer_free(&text);
    }
}

static void test_unknown_deduct(void **state)
{
    (void)state;
    expect(check_witness, CHECK_VALID, NULL,
           SET_A(9) RESERVE(1, "o", 2) OK(1, "reserve", 2, "") ACT(1, "deduct", "o")
               INFO(1, "deduct") READ_A(0, 3, 9, 2, 1) ACT(2, "deduct", "o")
                   OK(2, "deduct", 5, ", :replayed true") READ_A(0, 5, 7, 0, 2));
    /* a release that was done says that the deduct never was */
    expect(check_witness, CHECK_INVALID, "does not add up",
           SET_A(9) RESERVE(1, "o", 2) OK(1, "reserve", 2, "") ACT(1, "deduct", "o")
               INFO(1, "deduct") ACT(2, "release", "o") OK(2, "release", 5, ", :existed true")
                   READ_A(0, 5, 7, 0, 2));
}

/* Which of three is held? One of two units: later reads decide, and must agree. */
static void test_which(void **state)
{
    (void)state;
    expect(check_witness, CHECK_VALID, NULL,
           SET_A(9) RESERVE(1, "o", 1) INFO(1, "reserve") RESERVE(2, "p", 2) INFO(2, "reserve")
               RESERVE(3, "q", 2) INFO(3, "reserve") READ_A(0, 3, 9, 2, 1) READ_A(0, 4, 9, 4, 1)
                   NO_ORDER(0, "o", 6) READ_ORDER(0, "p", 6, "active", ":reserved 2")
                       READ_ORDER(0, "q", 6, "active", ":reserved 2"));
    expect(check_witness, CHECK_INVALID, "does not add up",
           SET_A(9) RESERVE(1, "o", 1) INFO(1, "reserve") RESERVE(2, "p", 2) INFO(2, "reserve")
               RESERVE(3, "q", 2) INFO(3, "reserve") READ_A(0, 3, 9, 2, 1) READ_A(0, 4, 9, 4, 1)
                   NO_ORDER(0, "p", 6));
}

/* Sent twice: the second attempt finds what the first has done. */
static void test_attempts(void **state)
{
    (void)state;
    expect(check_witness, CHECK_VALID, NULL,
           SET_A(9) RESERVE(1, "o", 2) READ_A(0, 4, 9, 2, 1)
               OK(1, "reserve", 7, ", :attempts 2, :replayed true"));
    expect(check_witness, CHECK_INVALID, "called a repetition",
           SET_A(9) RESERVE(1, "o", 2) READ_A(0, 4, 9, 2, 1)
               OK(1, "reserve", 7, ", :attempts 1, :replayed true"));
}

static void test_requests(void **state)
{
    static const char adjust[] =
        "{:type :invoke, :process 1, :f :adjust-stock, :value {:stock 'A', "
        ":change 2, :request-id 'r'}}\n";
    char text[2048];
    (void)state;
    snprintf(text, sizeof text, "%s%s%s%s%s", SET_A(9), adjust,
             OK(1, "adjust-stock", 2, ", :after {:on-hand 11, :reserved 0, :version 2}"), adjust,
             OK(1, "adjust-stock", 3,
                ", :replayed true, :after {:on-hand 11, :reserved 0, :version 2}"));
    expect(check_witness, CHECK_VALID, NULL, text);
    snprintf(text, sizeof text, "%s%s%s%s%s", SET_A(9), adjust,
             OK(1, "adjust-stock", 2, ", :after {:on-hand 11, :reserved 0, :version 2}"), adjust,
             OK(1, "adjust-stock", 3, ", :after {:on-hand 13, :reserved 0, :version 3}"));
    expect(check_witness, CHECK_INVALID, "done twice under one request id", text);
    snprintf(text, sizeof text, "%s%s%s%s", SET_A(9), adjust, INFO(1, "adjust-stock"),
             READ_A(0, 4, 11, 0, 2) READ_A(0, 5, 11, 0, 2));
    expect(check_witness, CHECK_VALID, NULL, text);
    snprintf(text, sizeof text, "%s%s%s%s", SET_A(9), adjust, INFO(1, "adjust-stock"),
             READ_A(0, 4, 13, 0, 3));
    expect(check_witness, CHECK_INVALID, "does not add up", text);
}

/* Held for 5 ms: not expired before that, whatever the clocks; afterwards perhaps. */
static void test_expiry(void **state)
{
    struct check_options options = check_options_default();
    (void)state;
    options.expiry_slack_ms = 1;
#define HELD                                                                                       \
    SET_A(9)                                                                                       \
    "{:type :invoke, :process 1, :f :reserve, :value {:order 'o', :lines [['A' 2]], :ttl-ms 5}, "  \
    ":time 10000000}\n"                                                                            \
    "{:type :ok, :process 1, :f :reserve, :value {:verdict :ok, :log-index 2, :log-position 0}, "  \
    ":time 11000000}\n"
#define EXPIRED(began, ended)                                                                      \
    "{:type :invoke, :process 1, :f :deduct, :value {:order 'o'}, :time " #began "000000}\n"       \
    "{:type :fail, :process 1, :f :deduct, :value {:verdict :order-expired, :log-index 3, "        \
    ":log-position 0, :state :expired}, :time " #ended "000000}\n"
    expect_with(check_witness, &options, CHECK_VALID, NULL, HELD EXPIRED(15, 16));
    expect_with(check_witness, &options, CHECK_INVALID, "it must be ok", HELD EXPIRED(12, 13));
}

/* Of a run of `orders` with all faults, seed 3168095978: the third attempt was refused, and the
 * first, held up in the network, was granted behind it. As a refusal that is wrong; as a doubt it
 * may be. */
static void test_late_attempt(void **state)
{
    (void)state;
    const char *const late =
        "{:type :fail, :process 2, :f :reserve, :value {:verdict :insufficient-stock, :attempts 3, "
        ":log-index 3, :log-position 0, :failed [['A' {:requested 2, :available 1, :reason "
        ":insufficient-stock}]]}}\n";
    char text[4096];
    for (int is_doubt = 0; is_doubt < 2; is_doubt++) {
        snprintf(text, sizeof text, "%s%s%s%s",
                 SET_A(3) RESERVE(1, "p", 2) OK(1, "reserve", 2, "") RESERVE(2, "o", 2),
                 is_doubt ? INFO(2, "reserve") : late,
                 ACT(1, "release", "p") OK(1, "release", 4, ", :existed true"),
                 READ_ORDER(3, "o", 6, "active", ":reserved 2"));
        expect(check_witness, is_doubt ? CHECK_VALID : CHECK_INVALID,
               is_doubt ? NULL : "the order is not as the log before this read makes it", text);
    }
}

/* The second attempt was refused, for two of three were held, and nobody heard of it; the third is
 * told the same when all are free again. Nothing may come of the order behind that. */
static void test_repeated_refusal(void **state)
{
    (void)state;
    const char *const told =
        "{:type :fail, :process 2, :f :reserve, :value {:verdict :insufficient-stock, :attempts 3, "
        ":replayed true, :log-index 5, :log-position 0, :failed [['A' {:requested 2, :available 1, "
        ":reason :insufficient-stock}]]}}\n";
    char text[4096];
    for (int is_held = 0; is_held < 2; is_held++) {
        snprintf(text, sizeof text, "%s%s%s%s",
                 SET_A(3) RESERVE(1, "p", 2) OK(1, "reserve", 2, "") RESERVE(2, "o", 2),
                 ACT(1, "release", "p") OK(1, "release", 4, ", :existed true"), told,
                 is_held ? READ_ORDER(3, "o", 6, "active", ":reserved 2") : READ_A(3, 6, 3, 0, 1));
        expect(check_witness, is_held ? CHECK_INVALID : CHECK_VALID,
               is_held ? "the order is not as the log before this read makes it" : NULL, text);
        expect(check_linearizable, is_held ? CHECK_INVALID : CHECK_VALID,
               is_held ? "no order of its" : NULL, text);
    }
}

/* A Deduct comes before the order is there, is refused, and its caller hears of it later. */
static void test_repeated_refusal_of_a_deduct(void **state)
{
    (void)state;
#define TOLD REFUSED(2, "deduct", "order-not-found", 5, ", :attempts 3, :replayed true")
    expect(check_witness, CHECK_VALID, NULL,
           SET_A(3) ACT(2, "deduct", "p") RESERVE(1, "p", 2) OK(1, "reserve", 2, "")
               READ_ORDER(3, "p", 4, "active", ":reserved 2") TOLD);
    /* The order was there when it was first sent. */
    expect(check_witness, CHECK_INVALID, "called a repetition",
           SET_A(3) RESERVE(1, "p", 2) OK(1, "reserve", 2, "") ACT(2, "deduct", "p") TOLD);
    /* What was refused is granted to another attempt, before the caller is told. */
    expect(check_witness, CHECK_INVALID, "called a repetition",
           SET_A(3) ACT(2, "deduct", "p") RESERVE(1, "p", 2) OK(1, "reserve", 2, "")
               READ_ORDER(3, "p", 4, "deducted", ":reserved 2, :deducted 2") TOLD);
}

/* Whether its order had expired or not: what was deducted is missing from its stock, once, and the
 * hold is gone. */
static void test_reacquired(void **state)
{
    struct check_options options = check_options_default();
    (void)state;
    options.expiry_slack_ms = 1;
#define REACQUIRED                                                                                 \
    HELD "{:type :invoke, :process 1, :f :deduct, :value {:order 'o', :reacquire true}, "          \
         ":time 15000000}\n"                                                                       \
         "{:type :ok, :process 1, :f :deduct, :value {:verdict :ok, :log-index 5, :log-position "  \
         "0}, "                                                                                    \
         ":time 16000000}\n"
#define READ_AT(time, index, on_hand, reserved, version)                                           \
    "{:type :invoke, :process 0, :f :read-stock, :value {:stocks ['A']}, :time " #time "000000}\n" \
    "{:type :ok, :process 0, :f :read-stock, :value {:verdict :ok, :log-index " #index             \
    ", :stocks {'A' {:on-hand " #on_hand ", :reserved " #reserved ", :version " #version           \
    "}}}, :time " #time "000000}\n"
    expect_with(check_witness, &options, CHECK_VALID, NULL, REACQUIRED READ_AT(18, 6, 7, 0, 2));
    static const char *const wrong[] = {
        REACQUIRED READ_AT(18, 6, 9, 2, 1), /* nothing was deducted, */
        REACQUIRED READ_AT(18, 6, 9, 0, 1), /* it only expired, */
        REACQUIRED READ_AT(18, 6, 7, 2, 2), /* the hold goes on, */
        REACQUIRED READ_AT(18, 6, 5, 0, 3), /* it was deducted twice */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        expect_with(check_witness, &options, CHECK_INVALID, "does not add up", wrong[i]);
    }
}

/* ---- what stocks' histories show ---- */

#define HELD_ORDERS 40
#define ON_HAND     820 /* all of it is held: one unit, two, three, ... */
#define ENDED       15  /* before anybody comes for them */

/* Every second one, so many of them. */
static bool has_ended(int order, int ended)
{
    return order % 2 == 1 && order / 2 < ended;
}

static void add_look(struct buffer *out, int index, int on_hand, int reserved, int version)
{
    buffer_printf(out,
                  "{:type :invoke, :process 0, :f :read-stock, :value {:stocks ['A']}}\n"
                  "{:type :ok, :process 0, :f :read-stock, :value {:verdict :ok, :log-index %d, "
                  ":stocks {'A' {:on-hand %d, :reserved %d, :version %d}}}}\n",
                  index, on_hand, reserved, version);
}

/* Orders of different sizes, all of them due. Some of them expire at 400, and all are deducted,
 * `reacquire`, at 500 and behind: what is read says how much had ended, not of whom. */
static void add_deducted_late(struct buffer *out)
{
    int on_hand = ON_HAND;
    int reserved = ON_HAND;
    buffer_printf(out, "%s", SET_A(820));
    for (int i = 0; i < HELD_ORDERS; i++) {
        buffer_printf(out,
                      "{:type :invoke, :process 1, :f :reserve, :value {:order 'o-%d', :lines "
                      "[['A' %d]], :ttl-ms 5}}\n"
                      "{:type :ok, :process 1, :f :reserve, :value {:verdict :ok, :log-index %d, "
                      ":log-position 0}}\n",
                      i, 1 + i, 2 + i);
        reserved -= has_ended(i, ENDED) ? 1 + i : 0;
    }
    add_look(out, 450, on_hand, reserved, 1);
    for (int i = 0; i < HELD_ORDERS; i++) {
        buffer_printf(out,
                      "{:type :invoke, :process 1, :f :deduct, :value {:order 'o-%d', :reacquire "
                      "true}}\n"
                      "{:type :ok, :process 1, :f :deduct, :value {:verdict :ok, :log-index %d, "
                      ":log-position 0}}\n",
                      i, 500 + i);
        on_hand -= 1 + i;
        reserved -= has_ended(i, ENDED) ? 0 : 1 + i;
        add_look(out, 500 + i, on_hand, reserved, 2 + i);
    }
}

static void add_rows(struct buffer *out, int shown)
{
    buffer_printf(out,
                  "{:type :invoke, :process 2, :f :read-history, :value {:stock 'A'}}\n"
                  "{:type :ok, :process 2, :f :read-history, :value {:verdict :ok, "
                  ":log-index 900, :rows [{:log-index 1, :sub 0, :op :set, :on-hand %d}",
                  ON_HAND);
    for (int i = 0; i < HELD_ORDERS; i++) {
        buffer_printf(out, " {:log-index %d, :sub 0, :op :reserve, :held %d, :order 'o-%d'}", 2 + i,
                      1 + i, i);
    }
    for (int i = 0; i < HELD_ORDERS; i++) {
        if (has_ended(i, shown)) {
            buffer_printf(out, " {:log-index 400, :sub %d, :op :expire, :held -%d, :order 'o-%d'}",
                          i, 1 + i, i);
        }
    }
    for (int i = 0; i < HELD_ORDERS; i++) {
        buffer_printf(out, " {:log-index %d, :sub 0, :op :deduct, :on-hand -%d", 500 + i, 1 + i);
        if (!has_ended(i, shown)) {
            buffer_printf(out, ", :held -%d", 1 + i);
        }
        buffer_printf(out, ", :order 'o-%d'}", i);
    }
    buffer_printf(out, "]}}\n");
}

/* Of a run of `expiry` with all faults, seed 20261131: more holds than can be told apart had ended
 * or not when their orders were deducted. The stock's history shows which; but it proves nothing:
 * where it shows what answers contradict, all is as if nobody had read it. */
static void test_history_shows(void **state)
{
    static const struct {
        int shown; /* as ended, by the rows; -1: nobody reads them */
        int on_hand;
        enum check_verdict verdict;
        const char *reason;
    } cases[] = {
        {-1, 0, CHECK_UNKNOWN, "too much of which nobody knows the place"},
        {ENDED, 0, CHECK_VALID, NULL},
        {ENDED, 1, CHECK_UNKNOWN, "too much of which nobody knows the place"},
        {ENDED - 1, 0, CHECK_VALID, NULL}, /* one is easily found without */
        {0, 0, CHECK_UNKNOWN, "too much of which nobody knows the place"},
    };
    struct check_options options = check_options_default();
    (void)state;
    options.expiry_slack_ms = 1;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer text = {0};
        add_deducted_late(&text);
        add_look(&text, 850, cases[i].on_hand, 0, 1 + HELD_ORDERS);
        if (cases[i].shown >= 0) {
            add_rows(&text, cases[i].shown);
        }
        buffer_append(&text, "", 1);
        expect_with(check_witness, &options, cases[i].verdict, cases[i].reason,
                    (const char *)text.data);
        buffer_free(&text);
    }
}

/* A history that shows an expiry where answers exclude it neither saves nor condemns. */
static void test_history_is_not_believed(void **state)
{
    struct check_options options = check_options_default();
    (void)state;
    options.expiry_slack_ms = 1;
#define SEEN(time, index, reserved)                                                                \
    "{:type :invoke, :process 0, :f :read-stock, :value {:stocks ['A']}, :time " #time "000000}\n" \
    "{:type :ok, :process 0, :f :read-stock, :value {:verdict :ok, :log-index " #index             \
    ", :stocks {'A' {:on-hand 9, :reserved " #reserved ", :version 1}}}, :time " #time "000000}\n"
#define SHOWN(index)                                                                               \
    "{:type :invoke, :process 3, :f :read-history, :value {:stock 'A'}, :time 20000000}\n"         \
    "{:type :ok, :process 3, :f :read-history, :value {:verdict :ok, :log-index 9, :rows "         \
    "[{:log-index " #index ", :sub 0, :op :expire, :held -2, :order 'o'}]}, :time 21000000}\n"
    expect_with(check_witness, &options, CHECK_VALID, NULL,
                HELD SEEN(17, 4, 2) SEEN(18, 7, 0) SHOWN(6));
    expect_with(check_witness, &options, CHECK_VALID, NULL,
                HELD SEEN(17, 4, 2) SEEN(18, 7, 0) SHOWN(4));
    expect_with(check_witness, &options, CHECK_INVALID, "does not add up",
                HELD SEEN(17, 4, 0) SEEN(18, 7, 2) SHOWN(4));
    expect_with(check_witness, &options, CHECK_INVALID, "does not add up",
                HELD SEEN(11, 4, 0) SEEN(18, 7, 0) SHOWN(4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_wrong_verdicts),
        cmocka_unit_test(test_wrong_stocks),
        cmocka_unit_test(test_lost_order),
        cmocka_unit_test(test_real_time),
        cmocka_unit_test(test_unknown_reserve),
        cmocka_unit_test(test_many_unknown),
        cmocka_unit_test(test_unknown_deduct),
        cmocka_unit_test(test_which),
        cmocka_unit_test(test_attempts),
        cmocka_unit_test(test_late_attempt),
        cmocka_unit_test(test_repeated_refusal),
        cmocka_unit_test(test_repeated_refusal_of_a_deduct),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_reacquired),
        cmocka_unit_test(test_history_shows),
        cmocka_unit_test(test_history_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
