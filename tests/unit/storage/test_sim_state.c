/*
 * test_sim_state.c - the database in memory: a crash leaves a flushed commit, exactly, and nothing
 * of what came behind it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "sim_random.h"
#include "sim_state.h"

static struct sim_state *disk;
static struct state_store db;
static struct ledger_store records;
static struct error error;

static void reopen(void)
{
    sim_state_open(disk, &db);
    records = db.ops->records(db.state);
}

static int set_up(void **state)
{
    (void)state;
    disk = sim_state_new();
    reopen();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sim_state_free(disk);
    return 0;
}

static void put(const char *key, const char *value)
{
    assert_true(records.ops->put(records.store, LEDGER_KIND_STOCK, bytes_of_string(key),
                                 bytes_of_string(value), &error));
}

static void drop(const char *key)
{
    assert_true(
        records.ops->remove(records.store, LEDGER_KIND_STOCK, bytes_of_string(key), &error));
}

static void commit(uint64_t index)
{
    assert_true(db.ops->commit(db.state, index, &error));
    assert_int_equal(db.ops->applied_index(db.state), index);
}

/* NULL: absent. */
static void expect(struct ledger_store store, const char *key, const char *value)
{
    struct bytes found;
    enum store_result result =
        store.ops->get(store.store, LEDGER_KIND_STOCK, bytes_of_string(key), &found, &error);
    if (value == NULL) {
        assert_int_equal(result, STORE_ABSENT);
    } else {
        assert_int_equal(result, STORE_FOUND);
        assert_true(bytes_equal(found, bytes_of_string(value)));
    }
}

/* What was open is closed as the node that held it goes; then the next one opens. */
static void crash_and_reopen(void)
{
    sim_state_crash(disk);
    assert_false(db.ops->close(db.state, &error));
    reopen();
}

static void test_crash_goes_back_to_the_flush(void **state)
{
    (void)state;
    assert_int_equal(db.ops->applied_index(db.state), 0);
    put("a", "1");
    put("b", "1");
    commit(5);
    crash_and_reopen(); /* nothing was flushed yet */
    assert_int_equal(db.ops->applied_index(db.state), 0);
    expect(records, "a", NULL);

    put("a", "1");
    put("b", "1");
    commit(5);
    sim_state_flush(disk);
    put("a", "2");
    put("a", "a longer one, twice in one commit");
    drop("b");
    drop("never there");
    put("c", "2");
    commit(6);
    put("c", "not committed");
    expect(records, "a", "a longer one, twice in one commit");
    expect(records, "b", NULL);
    assert_int_equal(sim_state_flushed_index(disk), 5);
    assert_int_equal(sim_state_applied_index(disk), 6);
    crash_and_reopen();
    assert_int_equal(db.ops->applied_index(db.state), 5);
    expect(records, "a", "1");
    expect(records, "b", "1");
    expect(records, "c", NULL);
    assert_int_equal(memory_store_count(sim_state_records(disk)), 2);
    commit(6); /* an entry without changes */
    assert_true(db.ops->close(db.state, &error));
}

/* A flush comes when it likes, between changes too: it takes the last commit. */
static void test_flush_between_changes(void **state)
{
    (void)state;
    put("a", "1");
    commit(1);
    put("a", "2");
    put("b", "2");
    sim_state_flush(disk);
    sim_state_flush(disk);
    drop("a");
    expect(records, "b", "2");
    assert_int_equal(sim_state_flushed_index(disk), 1);
    crash_and_reopen();
    expect(records, "a", "1");
    expect(records, "b", NULL);

    put("a", "2");
    sim_state_flush(disk);
    put("b", "2");
    commit(2);
    sim_state_flush(disk);
    crash_and_reopen();
    assert_int_equal(db.ops->applied_index(db.state), 2);
    expect(records, "a", "2");
    expect(records, "b", "2");
    assert_true(db.ops->close(db.state, &error));
}

static void test_close_flushes(void **state)
{
    (void)state;
    put("a", "1");
    commit(3);
    put("a", "not committed");
    assert_true(db.ops->close(db.state, &error));
    sim_state_crash(disk);
    reopen();
    assert_int_equal(db.ops->applied_index(db.state), 3);
    expect(records, "a", "1");
    assert_true(db.ops->close(db.state, &error));
}

/* No use of a store from before a crash reaches what the next one works on. */
static void test_dead_handles(void **state)
{
    (void)state;
    put("a", "1");
    commit(1);
    sim_state_flush(disk);
    struct state_store dead = db;
    struct ledger_store dead_records = records;
    void *view = db.ops->view_open(db.state);
    sim_state_crash(disk);
    reopen();

    struct bytes key = BYTES_LITERAL("a");
    struct bytes value;
    assert_int_equal(
        dead_records.ops->get(dead_records.store, LEDGER_KIND_STOCK, key, &value, &error),
        STORE_ERROR);
    assert_non_null(strstr(error.text, "crashed"));
    assert_false(dead_records.ops->put(dead_records.store, LEDGER_KIND_STOCK, key, key, &error));
    assert_false(dead_records.ops->remove(dead_records.store, LEDGER_KIND_STOCK, key, &error));
    assert_false(dead_records.ops->scan(dead_records.store, LEDGER_KIND_STOCK, bytes_of(NULL, 0),
                                        bytes_of(NULL, 0), NULL, NULL, &error));
    assert_false(dead.ops->commit(dead.state, 2, &error));
    put("a", "2");
    dead.ops->view_close(view);
    assert_false(dead.ops->close(dead.state, &error));
    expect(records, "a", "2");
    commit(2);
    assert_true(db.ops->close(db.state, &error));
    assert_int_equal(sim_state_flushed_index(disk), 2);
}

static void test_view_stands_still(void **state)
{
    (void)state;
    put("a", "1");
    commit(4);
    put("a", "not committed");
    put("b", "not committed");
    void *view = db.ops->view_open(db.state);
    commit(5);
    put("a", "3");
    sim_state_flush(disk);
    struct ledger_store frozen = db.ops->view_records(view);
    assert_int_equal(db.ops->view_applied_index(view), 4);
    expect(frozen, "a", "1");
    expect(frozen, "b", NULL);
    expect(records, "a", "3");
    assert_false(frozen.ops->put(frozen.store, LEDGER_KIND_STOCK, BYTES_LITERAL("a"),
                                 BYTES_LITERAL("4"), &error));
    assert_non_null(strstr(error.text, "read-only"));
    assert_false(frozen.ops->remove(frozen.store, LEDGER_KIND_STOCK, BYTES_LITERAL("a"), &error));
    expect(frozen, "a", "1");
    db.ops->view_close(view);
    assert_true(db.ops->close(db.state, &error));
}

static void test_failures(void **state)
{
    (void)state;
    struct bytes value;
    put("a", "1");
    commit(1);
    sim_state_flush(disk);
    put("a", "2");
    sim_state_fail_at(disk, 2);
    expect(records, "a", "2");
    assert_false(records.ops->put(records.store, LEDGER_KIND_STOCK, BYTES_LITERAL("a"),
                                  BYTES_LITERAL("3"), &error));
    sim_state_fail_at(disk, 0);
    expect(records, "a", "2"); /* it changed nothing */

    sim_state_fail_at(disk, 1);
    assert_false(db.ops->commit(db.state, 2, &error));
    sim_state_fail_at(disk, 0);
    assert_int_equal(db.ops->applied_index(db.state), 1);
    assert_false(db.ops->commit(db.state, 2, &error)); /* final */
    assert_non_null(strstr(error.text, "failed before"));
    assert_false(db.ops->close(db.state, &error));
    assert_non_null(strstr(error.text, "not flushed"));

    reopen();
    assert_int_equal(db.ops->applied_index(db.state), 1);
    expect(records, "a", "1");
    put("a", "2");
    commit(2);
    sim_state_fail_at(disk, 1);
    assert_false(db.ops->close(db.state, &error)); /* it could not flush: the log has it */
    reopen();
    assert_int_equal(
        records.ops->get(records.store, LEDGER_KIND_STOCK, BYTES_LITERAL("a"), &value, &error),
        STORE_ERROR); /* nobody has mended it */
    sim_state_fail_at(disk, 0);
    assert_int_equal(db.ops->applied_index(db.state), 1);
    expect(records, "a", "1");
    assert_true(db.ops->close(db.state, &error));
}

/* What a crash could undo is bounded: a full write buffer is flushed. */
static void test_flushes_when_full(void **state)
{
    (void)state;
    uint8_t value[1000];
    memset(value, 'v', sizeof value);
    uint64_t index = 0;
    while (sim_state_flushed_index(disk) == 0 && index < 2 * SIM_STATE_UNFLUSHED_BYTES / 1000) {
        index++;
        assert_true(records.ops->put(records.store, LEDGER_KIND_STOCK, BYTES_LITERAL("a"),
                                     bytes_of(value, sizeof value), &error));
        commit(index);
    }
    assert_int_equal(sim_state_flushed_index(disk), index);
    assert_true(index > SIM_STATE_UNFLUSHED_BYTES / 1100);
    commit(index + 1);
    crash_and_reopen();
    assert_int_equal(db.ops->applied_index(db.state), index);
    expect(records, "b", NULL);
    assert_true(db.ops->close(db.state, &error));
}

/* ---- against whole copies ---- */

struct model {
    struct memory_store *live;
    struct memory_store *committed;
    struct memory_store *flushed;
    uint64_t committed_index;
    uint64_t flushed_index;
};

static void replace(struct memory_store **store, const struct memory_store *from)
{
    struct memory_store *copy = memory_store_copy(from);
    memory_store_free(*store);
    *store = copy;
}

static void model_flush(struct model *model)
{
    replace(&model->flushed, model->committed);
    model->flushed_index = model->committed_index;
}

static void model_lose(struct model *model)
{
    replace(&model->committed, model->flushed);
    replace(&model->live, model->flushed);
    model->committed_index = model->flushed_index;
}

static void change(struct model *model, struct random *random)
{
    static const enum ledger_kind kinds[] = {LEDGER_KIND_ORDER, LEDGER_KIND_STOCK};
    enum ledger_kind kind = kinds[sim_random_below(random, 2)];
    char key_text[8];
    snprintf(key_text, sizeof key_text, "%u", (unsigned)sim_random_below(random, 60));
    struct bytes key = bytes_of_string(key_text);
    struct bytes value;
    uint8_t data[50];
    struct ledger_store live = memory_store_interface(model->live);
    uint64_t draw = sim_random_below(random, 10);
    if (draw < 3) {
        assert_true(records.ops->remove(records.store, kind, key, &error));
        assert_true(live.ops->remove(live.store, kind, key, &error));
        return;
    }
    if (draw < 5 &&
        records.ops->get(records.store, kind, BYTES_LITERAL("1"), &value, &error) == STORE_FOUND) {
        struct buffer copy = {0}; /* what was shown is put elsewhere */
        buffer_append_bytes(&copy, value);
        assert_true(records.ops->put(records.store, kind, key, value, &error));
        assert_true(live.ops->put(live.store, kind, key, buffer_bytes(&copy), &error));
        buffer_free(&copy);
        return;
    }
    size_t len = (size_t)sim_random_below(random, sizeof data);
    memset(data, (int)sim_random_below(random, 256), len);
    assert_true(records.ops->put(records.store, kind, key, bytes_of(data, len), &error));
    assert_true(live.ops->put(live.store, kind, key, bytes_of(data, len), &error));
}

struct comparing {
    struct ledger_store with;
    enum ledger_kind kind;
    size_t count;
};

static bool compare_record(void *context, struct bytes key, struct bytes value)
{
    struct comparing *comparing = context;
    struct bytes other;
    assert_int_equal(
        comparing->with.ops->get(comparing->with.store, comparing->kind, key, &other, &error),
        STORE_FOUND);
    assert_true(bytes_equal(value, other));
    comparing->count++;
    return true;
}

static void check_view(const struct model *model)
{
    static const enum ledger_kind kinds[] = {LEDGER_KIND_ORDER, LEDGER_KIND_STOCK};
    void *view = db.ops->view_open(db.state);
    struct ledger_store frozen = db.ops->view_records(view);
    assert_int_equal(db.ops->view_applied_index(view), model->committed_index);
    struct comparing comparing = {.with = memory_store_interface(model->committed)};
    for (size_t i = 0; i < 2; i++) {
        comparing.kind = kinds[i];
        assert_true(frozen.ops->scan(frozen.store, kinds[i], bytes_of(NULL, 0), bytes_of(NULL, 0),
                                     compare_record, &comparing, &error));
    }
    assert_int_equal(comparing.count, memory_store_count(model->committed));
    db.ops->view_close(view);
}

static void step(struct model *model, struct random *random)
{
    uint64_t draw = sim_random_below(random, 100);
    if (draw < 70) {
        change(model, random);
    } else if (draw < 85) {
        model->committed_index += sim_random_between(random, 1, 3);
        commit(model->committed_index);
        replace(&model->committed, model->live);
    } else if (draw < 91) {
        sim_state_flush(disk);
        model_flush(model);
    } else if (draw < 95) {
        check_view(model);
    } else if (draw < 98) {
        crash_and_reopen();
        model_lose(model);
    } else {
        assert_true(db.ops->close(db.state, &error));
        reopen();
        model_flush(model);
        model_lose(model);
    }
    assert_true(memory_store_equal(sim_state_records(disk), model->live));
    assert_int_equal(db.ops->applied_index(db.state), model->committed_index);
    assert_int_equal(sim_state_flushed_index(disk), model->flushed_index);
}

static void test_against_copies(void **state)
{
    (void)state;
    struct model model = {
        .live = memory_store_new(),
        .committed = memory_store_new(),
        .flushed = memory_store_new(),
    };
    struct random random = {3};
    for (int i = 0; i < 20000; i++) {
        step(&model, &random);
    }
    assert_true(model.flushed_index > 1000);
    assert_true(db.ops->close(db.state, &error));
    memory_store_free(model.live);
    memory_store_free(model.committed);
    memory_store_free(model.flushed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_crash_goes_back_to_the_flush, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_flush_between_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_close_flushes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dead_handles, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_view_stands_still, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_flushes_when_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_against_copies, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
