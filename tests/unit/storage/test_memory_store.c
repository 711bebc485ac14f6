/*
 * test_memory_store.c - the store in memory keeps the contract of ledger/store.h, and is as strict
 * as it says: the ledger's tests and the simulator stand on it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory_store.h"
#include "sim_random.h"

static struct memory_store *store;
static struct ledger_store ledger;
static struct error error;

static int set_up(void **state)
{
    (void)state;
    store = memory_store_new();
    ledger = memory_store_interface(store);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    memory_store_free(store);
    return 0;
}

static void put(enum ledger_kind kind, const char *key, const char *value)
{
    assert_true(
        ledger.ops->put(ledger.store, kind, bytes_of_string(key), bytes_of_string(value), &error));
}

static struct bytes must_get(enum ledger_kind kind, const char *key)
{
    struct bytes value;
    assert_int_equal(ledger.ops->get(ledger.store, kind, bytes_of_string(key), &value, &error),
                     STORE_FOUND);
    return value;
}

/* ---- against arrays ---- */

/* Keys are of up to three letters, so that many begin with others; the empty one is 0. */
#define LETTERS 6
#define KEYS    (1 + LETTERS + LETTERS * LETTERS + LETTERS * LETTERS * LETTERS)

static const enum ledger_kind kinds[] = {LEDGER_KIND_ORDER, LEDGER_KIND_HISTORY, LEDGER_KIND_STOCK};
#define KINDS (sizeof kinds / sizeof kinds[0])

struct model_record {
    bool is_there;
    struct bytes key;
    char key_text[4];
    struct buffer value;
};

struct model {
    struct model_record records[KINDS][KEYS]; /* in the order of the keys */
};

static struct model *model_new(void)
{
    struct model *model = memory_zalloc(sizeof *model);
    for (size_t kind = 0; kind < KINDS; kind++) {
        struct model_record *record = model->records[kind];
        record++; /* the empty key */
        for (size_t a = 0; a < LETTERS; a++) {
            snprintf(record++->key_text, 4, "%c", (char)('a' + a));
            for (size_t b = 0; b < LETTERS; b++) {
                snprintf(record++->key_text, 4, "%c%c", (char)('a' + a), (char)('a' + b));
                for (size_t c = 0; c < LETTERS; c++) {
                    snprintf(record++->key_text, 4, "%c%c%c", (char)('a' + a), (char)('a' + b),
                             (char)('a' + c));
                }
            }
        }
        for (size_t i = 0; i < KEYS; i++) {
            model->records[kind][i].key = bytes_of_string(model->records[kind][i].key_text);
        }
    }
    return model;
}

static void model_free(struct model *model)
{
    for (size_t kind = 0; kind < KINDS; kind++) {
        for (size_t i = 0; i < KEYS; i++) {
            buffer_free(&model->records[kind][i].value);
        }
    }
    free(model);
}

struct expected_scan {
    const struct model_record *next;
    const struct model_record *end;
    uint64_t left;
};

static bool expect_record(void *context, struct bytes key, struct bytes value)
{
    struct expected_scan *scan = context;
    while (scan->next < scan->end && !scan->next->is_there) {
        scan->next++;
    }
    assert_true(scan->next < scan->end);
    assert_true(bytes_equal(key, scan->next->key));
    assert_true(bytes_equal(value, buffer_bytes(&scan->next->value)));
    scan->next++;
    return --scan->left > 0;
}

static void check_scan(struct model *model, struct random *random)
{
    size_t kind = (size_t)sim_random_below(random, KINDS);
    size_t from = (size_t)sim_random_below(random, KEYS);
    size_t to = (size_t)sim_random_below(random, KEYS); /* 0: no end */
    const struct model_record *records = model->records[kind];
    struct expected_scan scan = {
        .next = records + from,
        .end = to == 0     ? records + KEYS
               : to > from ? records + to
                           : records + from,
        .left = sim_random_between(random, 1, 2 * KEYS),
    };
    assert_true(ledger.ops->scan(ledger.store, kinds[kind], records[from].key, records[to].key,
                                 expect_record, &scan, &error));
    while (scan.left > 0 && scan.next < scan.end) {
        assert_false(scan.next->is_there);
        scan.next++;
    }
}

static void check_counts(const struct model *model)
{
    size_t total = 0;
    for (size_t kind = 0; kind < KINDS; kind++) {
        size_t count = 0;
        for (size_t i = 0; i < KEYS; i++) {
            count += model->records[kind][i].is_there;
        }
        assert_int_equal(memory_store_count_kind(store, kinds[kind]), count);
        total += count;
    }
    assert_int_equal(memory_store_count(store), total);
}

static void random_call(struct model *model, struct random *random)
{
    size_t kind = (size_t)sim_random_below(random, KINDS);
    struct model_record *record = &model->records[kind][sim_random_below(random, KEYS)];
    struct bytes value;
    uint64_t draw = sim_random_below(random, 100);
    if (draw < 40) {
        uint8_t data[40];
        size_t len = (size_t)sim_random_below(random, sizeof data);
        memset(data, (int)sim_random_below(random, 256), len);
        assert_true(
            ledger.ops->put(ledger.store, kinds[kind], record->key, bytes_of(data, len), &error));
        record->is_there = true;
        buffer_clear(&record->value);
        buffer_append(&record->value, data, len);
    } else if (draw < 60) {
        assert_true(ledger.ops->remove(ledger.store, kinds[kind], record->key, &error));
        record->is_there = false;
    } else if (draw < 95) {
        enum store_result result =
            ledger.ops->get(ledger.store, kinds[kind], record->key, &value, &error);
        assert_int_equal(result, record->is_there ? STORE_FOUND : STORE_ABSENT);
        assert_true(result == STORE_ABSENT || bytes_equal(value, buffer_bytes(&record->value)));
    } else {
        check_scan(model, random);
    }
}

static void test_against_arrays(void **state)
{
    (void)state;
    struct model *model = model_new();
    struct random random = {7};
    for (int i = 0; i < 40000; i++) {
        random_call(model, &random);
        if (i % 1000 == 0) {
            check_counts(model);
        }
    }
    assert_true(memory_store_count(store) > 200);

    /* The same records are the same store, whatever came and went before. */
    struct memory_store *fresh = memory_store_new();
    for (size_t kind = 0; kind < KINDS; kind++) {
        for (size_t i = 0; i < KEYS; i++) {
            const struct model_record *record = &model->records[kind][i];
            struct bytes known = buffer_bytes(&record->value);
            memory_store_set(fresh, kinds[kind], record->key, record->is_there ? &known : NULL);
        }
    }
    assert_true(memory_store_equal(store, fresh));
    memory_store_free(fresh);

    /* A copy is the same until one of the two changes. */
    struct memory_store *copy = memory_store_copy(store);
    assert_true(memory_store_equal(store, copy));
    put(LEDGER_KIND_NODE, "n", "1");
    assert_false(memory_store_equal(store, copy));
    struct bytes value = BYTES_LITERAL("2");
    memory_store_set(copy, LEDGER_KIND_NODE, BYTES_LITERAL("n"), &value);
    assert_false(memory_store_equal(store, copy));
    value = BYTES_LITERAL("1");
    memory_store_set(copy, LEDGER_KIND_NODE, BYTES_LITERAL("n"), &value);
    assert_true(memory_store_equal(store, copy));
    memory_store_set(store, LEDGER_KIND_NODE, BYTES_LITERAL("n"), NULL);
    memory_store_set(copy, LEDGER_KIND_NODE, BYTES_LITERAL("n"), NULL);
    assert_true(memory_store_equal(store, copy));
    memory_store_free(store);
    store = copy;
    ledger = memory_store_interface(store);
    check_counts(model);
    for (int i = 0; i < 5000; i++) {
        random_call(model, &random);
    }
    check_counts(model);
    model_free(model);
}

/* ---- strictness ---- */

static bool put_in_visit(void *context, struct bytes key, struct bytes value)
{
    (void)context;
    (void)key;
    (void)value;
    put(LEDGER_KIND_STOCK, "b", "2");
    return true;
}

/* How a child ends that does this; its words are not ours to show. */
static int status_of(void (*act)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL) {
            _exit(2);
        }
        act();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void call_in_visit(void)
{
    ledger.ops->scan(ledger.store, LEDGER_KIND_STOCK, bytes_of(NULL, 0), bytes_of(NULL, 0),
                     put_in_visit, NULL, &error);
}

static void test_visitor_that_calls_is_caught(void **state)
{
    (void)state;
    put(LEDGER_KIND_STOCK, "a", "1");
    int status = status_of(call_in_visit);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* What is shown may be given back to the very call that ends it. */
static void test_put_of_what_was_shown(void **state)
{
    (void)state;
    put(LEDGER_KIND_STOCK, "a", "first");
    struct bytes value = must_get(LEDGER_KIND_STOCK, "a");
    assert_true(
        ledger.ops->put(ledger.store, LEDGER_KIND_STOCK, BYTES_LITERAL("b"), value, &error));
    value = must_get(LEDGER_KIND_STOCK, "b");
    assert_true(bytes_equal(value, BYTES_LITERAL("first")));
    value.len = 3;
    assert_true(ledger.ops->put(ledger.store, LEDGER_KIND_STOCK, value, value, &error));
    value = must_get(LEDGER_KIND_STOCK, "fir");
    assert_true(bytes_equal(value, BYTES_LITERAL("fir")));
    assert_int_equal(ledger.ops->get(ledger.store, LEDGER_KIND_STOCK, value, &value, &error),
                     STORE_FOUND);
    assert_true(ledger.ops->remove(ledger.store, LEDGER_KIND_STOCK, value, &error));
    assert_int_equal(memory_store_count(store), 2);
}

/* Does a view that was kept over a call still show what it did? */
static void keep_a_view(void)
{
    struct bytes value;
    struct bytes stale = must_get(LEDGER_KIND_STOCK, "a");
    if (ledger.ops->get(ledger.store, LEDGER_KIND_STOCK, BYTES_LITERAL("absent"), &value, &error) !=
        STORE_ABSENT) {
        _exit(0);
    }
    _exit(bytes_equal(stale, BYTES_LITERAL("first")) ? 0 : 1);
}

/* It shows nonsense; in a build with a sanitizer that is the end. */
static void test_stale_view_is_caught(void **state)
{
    (void)state;
    put(LEDGER_KIND_STOCK, "a", "first");
    assert_int_not_equal(status_of(keep_a_view), 0);
}

static void test_planned_failures(void **state)
{
    (void)state;
    struct bytes value;
    put(LEDGER_KIND_STOCK, "a", "1");
    uint64_t calls = memory_store_calls(store);
    memory_store_fail_at(store, 3);
    assert_true(bytes_equal(must_get(LEDGER_KIND_STOCK, "a"), BYTES_LITERAL("1")));
    assert_true(memory_store_call(store, &error));
    /* Looking behind the interface is no call. */
    assert_true(memory_store_peek(store, LEDGER_KIND_STOCK, BYTES_LITERAL("a"), &value));
    assert_false(memory_store_peek(store, LEDGER_KIND_STOCK, BYTES_LITERAL("b"), &value));
    assert_false(ledger.ops->put(ledger.store, LEDGER_KIND_STOCK, BYTES_LITERAL("a"),
                                 BYTES_LITERAL("2"), &error));
    assert_string_equal(error.text, "memory store: this failure was planned");
    assert_false(ledger.ops->remove(ledger.store, LEDGER_KIND_STOCK, BYTES_LITERAL("a"), &error));
    assert_int_equal(
        ledger.ops->get(ledger.store, LEDGER_KIND_STOCK, BYTES_LITERAL("a"), &value, &error),
        STORE_ERROR);
    assert_false(ledger.ops->scan(ledger.store, LEDGER_KIND_STOCK, bytes_of(NULL, 0),
                                  bytes_of(NULL, 0), put_in_visit, NULL, &error));
    assert_false(memory_store_call(store, &error));
    assert_int_equal(memory_store_calls(store), calls + 7);
    assert_int_equal(memory_store_failures(store), 5);
    /* Nor is a test that looks through it. */
    memory_store_watch(store, true);
    assert_true(bytes_equal(must_get(LEDGER_KIND_STOCK, "a"), BYTES_LITERAL("1")));
    memory_store_watch(store, false);
    assert_false(memory_store_call(store, &error));
    assert_int_equal(memory_store_calls(store), calls + 8);
    memory_store_fail_at(store, 0);
    assert_true(bytes_equal(must_get(LEDGER_KIND_STOCK, "a"), BYTES_LITERAL("1")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_against_arrays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_put_of_what_was_shown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stale_view_is_caught, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_visitor_that_calls_is_caught, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_planned_failures, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
