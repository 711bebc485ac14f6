/*
 * test_linearizable.c - the search that does not look at log indexes: all of them are 1 here.
 */
#include "../../lib/cmocka_test.h"

#include "text_history.h"

#define SET_A(count)                                                                               \
    "{:type :invoke, :process 0, :f :set-stock, :value {:stock 'A', :on-hand " #count              \
    ", :request-id 'set-a'}}\n"                                                                    \
    "{:type :ok, :process 0, :f :set-stock, :value {:verdict :ok, :log-index 1}}\n"
#define ASK(process, order, quantity)                                                              \
    "{:type :invoke, :process " #process ", :f :reserve, :value {:order '" order                   \
    "', :lines [['A' " #quantity "]]}}\n"
#define OK(process, act)                                                                           \
    "{:type :ok, :process " #process ", :f :" act ", :value {:verdict :ok, :log-index 1}}\n"
#define REFUSED(process, requested, left)                                                          \
    "{:type :fail, :process " #process                                                             \
    ", :f :reserve, :value {:verdict :insufficient-stock, :log-index 1, :failed [['A' "            \
    "{:requested " #requested ", :available " #left ", :reason :insufficient-stock}]]}}\n"
#define INFO(process, act) "{:type :info, :process " #process ", :f :" act ", :value {}}\n"
#define ACT(process, act, order)                                                                   \
    "{:type :invoke, :process " #process ", :f :" act ", :value {:order '" order "'}}\n"
#define READ(process)                                                                              \
    "{:type :invoke, :process " #process ", :f :read-stock, :value {:stocks ['A']}}\n"
#define SEEN(process, on_hand, reserved, version)                                                  \
    "{:type :ok, :process " #process ", :f :read-stock, :value {:verdict :ok, :log-index 1, "      \
    ":stocks {'A' {:on-hand " #on_hand ", :reserved " #reserved ", :version " #version "}}}}\n"

static void test_in_sequence(void **state)
{
    (void)state;
    expect(check_linearizable, CHECK_VALID, NULL,
           SET_A(3) ASK(1, "o", 2) OK(1, "reserve") READ(1) SEEN(1, 3, 2, 1) ASK(1, "p", 2)
               REFUSED(1, 2, 1) ACT(1, "deduct", "o") OK(1, "deduct") READ(1) SEEN(1, 1, 0, 2));
    expect(check_linearizable, CHECK_INVALID, "no order of its",
           SET_A(3) ASK(1, "o", 2) OK(1, "reserve") READ(1) SEEN(1, 3, 0, 1));
    expect(check_linearizable, CHECK_INVALID, "no order of its",
           SET_A(3) ASK(1, "o", 2) OK(1, "reserve") ASK(1, "p", 2) OK(1, "reserve"));
}

/* Herlihy and Wing's point: at once, either order explains; a read that has returned decides. */
static void test_at_once(void **state)
{
    (void)state;
    expect(check_linearizable, CHECK_VALID, NULL,
           SET_A(3) ASK(1, "o", 2) ASK(2, "p", 2) READ(3) SEEN(3, 3, 2, 1) REFUSED(1, 2, 1)
               OK(2, "reserve"));
    expect(check_linearizable, CHECK_VALID, NULL,
           SET_A(3) ASK(1, "o", 2) READ(2) SEEN(2, 3, 0, 1) READ(2) SEEN(2, 3, 2, 1)
               OK(1, "reserve"));
    expect(check_linearizable, CHECK_INVALID, "no order of its",
           SET_A(3) ASK(1, "o", 2) READ(2) SEEN(2, 3, 2, 1) READ(2) SEEN(2, 3, 0, 1)
               OK(1, "reserve"));
}

static void test_unknown_outcomes(void **state)
{
    (void)state;
    expect(check_linearizable, CHECK_VALID, NULL,
           SET_A(3) ASK(1, "o", 2) INFO(1, "reserve") READ(2) SEEN(2, 3, 0, 1) READ(2)
               SEEN(2, 3, 2, 1));
    expect(check_linearizable, CHECK_INVALID, "no order of its",
           SET_A(3) ASK(1, "o", 2) INFO(1, "reserve") READ(2) SEEN(2, 3, 2, 1) READ(2)
               SEEN(2, 3, 0, 1));
    expect(check_linearizable, CHECK_INVALID, "no order of its",
           SET_A(3) READ(2) SEEN(2, 3, 2, 1) ASK(1, "o", 2) INFO(1, "reserve"));
    /* two chained: a hold that nobody saw was sold */
    expect(check_linearizable, CHECK_VALID, NULL,
           SET_A(3) ASK(1, "o", 2) INFO(1, "reserve") ACT(2, "deduct", "o") INFO(2, "deduct")
               READ(3) SEEN(3, 1, 0, 2));
    /* the order says that the hold never came */
    expect(check_linearizable, CHECK_INVALID, "no order of its",
           SET_A(3) ASK(1, "o", 2) INFO(1, "reserve") READ(3) SEEN(3, 3, 2, 1)
               ACT(3, "deduct",
                   "o") "{:type :fail, :process 3, :f :deduct, :value {:verdict :order-not-found, "
                        ":log-index 1}}\n");
}

static void test_attempts(void **state)
{
    (void)state;
    expect(check_linearizable, CHECK_VALID, NULL,
           SET_A(3) ASK(1, "o", 2) READ(2)
               SEEN(2, 3, 2,
                    1) "{:type :ok, :process 1, :f :reserve, :value {:verdict :ok, :replayed true, "
                       ":attempts 2, :log-index 1}}\n");
    expect(check_linearizable, CHECK_INVALID, "no order of its",
           SET_A(3)
               ASK(1, "o",
                   2) "{:type :ok, :process 1, :f :reserve, :value {:verdict :ok, :replayed true, "
                      ":log-index 1}}\n");
}

/* What hangs together by an order with two stocks is left out. */
static void test_left_out(void **state)
{
    (void)state;
    expect(check_linearizable, CHECK_SKIPPED, NULL,
           SET_A(3) "{:type :invoke, :process 1, :f :reserve, :value {:order 'o', :lines [['A' 1] "
                    "['B' 1]]}}\n" OK(1, "reserve"));
}

/* No time: unknown, which is not valid. */
static void test_no_time(void **state)
{
    struct check_options options = check_options_default();
    struct buffer text = {0};
    (void)state;
    options.search_limit_ms = 0;
    buffer_printf(&text, "%s", SET_A(300));
    for (unsigned i = 0; i < 300; i++) {
        buffer_printf(&text,
                      "{:type :invoke, :process 1, :f :reserve, :value {:order 'o%u', :lines [['A' "
                      "1]]}}\n" OK(1, "reserve"),
                      i);
    }
    buffer_append(&text, "", 1);
    expect_with(check_linearizable, &options, CHECK_UNKNOWN, "not decided",
                (const char *)text.data);
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_sequence),      cmocka_unit_test(test_at_once),
        cmocka_unit_test(test_unknown_outcomes), cmocka_unit_test(test_attempts),
        cmocka_unit_test(test_left_out),         cmocka_unit_test(test_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
