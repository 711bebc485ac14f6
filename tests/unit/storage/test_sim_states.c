/*
 * test_sim_states.c - the databases of a simulated node: checkpoints as files that can be carried,
 * and that a database is gone with its directory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "sim_states.h"
#include "storage/checkpoint.h"

static struct sim_disk *disk;
static struct file_system files;
static struct sim_states *states;
static struct error error;

static int set_up(void **state)
{
    (void)state;
    disk = sim_disk_new(7);
    files = sim_disk_files(disk);
    states = sim_states_new(disk);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sim_states_free(states);
    sim_disk_free(disk);
    return 0;
}

static struct state_store open_at(const char *path)
{
    struct state_store db;
    if (!sim_states_open(states, path, &db, &error)) {
        fail_msg("%s", error.text);
    }
    return db;
}

static void put(struct state_store db, enum ledger_kind kind, const char *key, const char *value)
{
    struct ledger_store records = db.ops->records(db.state);
    assert_true(records.ops->put(records.store, kind, bytes_of_string(key), bytes_of_string(value),
                                 &error));
}

static void expect(struct state_store db, const char *key, const char *value)
{
    struct ledger_store records = db.ops->records(db.state);
    struct bytes found;
    enum store_result result =
        records.ops->get(records.store, LEDGER_KIND_STOCK, bytes_of_string(key), &found, &error);
    assert_int_equal(result, value != NULL ? STORE_FOUND : STORE_ABSENT);
    if (value != NULL) {
        assert_true(bytes_equal(found, bytes_of_string(value)));
    }
}

static void fill(struct state_store db, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char key[32];
        snprintf(key, sizeof key, "key %06zu", i);
        put(db, LEDGER_KIND_STOCK, key, "a value of some length");
        put(db, LEDGER_KIND_HISTORY, key, "");
    }
}

/* What is carried holds the last commit, whatever came behind it, and is a database elsewhere. */
static void a_checkpoint_is_carried(void **state)
{
    (void)state;
    uint64_t index;
    struct checkpoint_list list;
    struct state_store db = open_at("state.1");
    fill(db, 1000);
    put(db, LEDGER_KIND_STOCK, "a", "1");
    assert_true(db.ops->commit(db.state, 5, &error));
    put(db, LEDGER_KIND_STOCK, "a", "not committed");
    assert_true(db.ops->checkpoint(db.state, "checkpoint.5", &index, &error));
    assert_int_equal(index, 5);
    assert_int_equal(sim_state_flushed_index(sim_states_at(states, "state.1")), 5);
    put(db, LEDGER_KIND_STOCK, "b", "2");
    assert_true(db.ops->commit(db.state, 6, &error));

    assert_true(checkpoint_list_make(&files, "checkpoint.5", &list, &error));
    assert_true(list.count > 10);
    struct checkpoint_reader *reader = checkpoint_reader_open(&files, "checkpoint.5", &list);
    struct checkpoint_receiver *receiver =
        checkpoint_receiver_open(&files, "state.2", &list, &error);
    assert_non_null(receiver);
    struct checkpoint_range range;
    struct buffer part = {0};
    while (checkpoint_receiver_wants(receiver, &range)) {
        buffer_clear(&part);
        assert_true(checkpoint_reader_read(reader, range.file, range.offset, 1000, &part, &error));
        assert_int_equal(checkpoint_receiver_take(receiver, buffer_bytes(&part), &error),
                         CHECKPOINT_TAKEN);
    }
    assert_true(checkpoint_receiver_finish(receiver, &error));
    buffer_free(&part);
    checkpoint_receiver_close(receiver);
    checkpoint_reader_close(reader);
    checkpoint_list_free(&list);

    struct state_store copy = open_at("state.2");
    assert_int_equal(copy.ops->applied_index(copy.state), 5);
    expect(copy, "a", "1");
    expect(copy, "b", NULL);
    expect(copy, "key 000999", "a value of some length");
    assert_int_equal(memory_store_count(sim_state_records(sim_states_at(states, "state.2"))), 2001);
    assert_true(copy.ops->close(copy.state, &error));
    assert_true(db.ops->close(db.state, &error));
}

static void a_state_without_a_file_is_refused(void **state)
{
    (void)state;
    uint64_t index;
    struct state_store db = open_at("state.1");
    fill(db, 1000);
    assert_true(db.ops->commit(db.state, 5, &error));
    assert_true(db.ops->checkpoint(db.state, "state.2", &index, &error));
    assert_true(db.ops->checkpoint(db.state, "state.3", &index, &error));
    assert_true(db.ops->close(db.state, &error));
    assert_true(files.remove(files.context, "state.2/records.000001", &error));
    assert_false(sim_states_open(states, "state.2", &db, &error));
    sim_disk_flip(disk, "state.3/records.000001", 5, 1);
    assert_false(sim_states_open(states, "state.3", &db, &error));
    assert_non_null(strstr(error.text, "damaged"));
}

/* Two checkpoints of the same length: the sums of the list tell them apart. */
static void checkpoints_have_sums_of_their_own(void **state)
{
    (void)state;
    uint64_t index;
    struct checkpoint_list lists[2];
    struct state_store db = open_at("state.1");
    for (int i = 0; i < 2; i++) {
        const char *path = i == 0 ? "checkpoint.1" : "checkpoint.2";
        put(db, LEDGER_KIND_STOCK, "a", i == 0 ? "1" : "2");
        assert_true(db.ops->commit(db.state, (uint64_t)i + 1, &error));
        assert_true(db.ops->checkpoint(db.state, path, &index, &error));
        assert_true(checkpoint_list_make(&files, path, &lists[i], &error));
    }
    assert_int_equal(lists[0].count, 2);
    assert_int_equal(lists[1].count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(lists[0].files[i].size, lists[1].files[i].size);
        assert_int_not_equal(lists[0].files[i].crc, lists[1].files[i].crc);
    }
    checkpoint_list_free(&lists[0]);
    checkpoint_list_free(&lists[1]);
    assert_true(db.ops->close(db.state, &error));
}

static void a_database_goes_with_its_directory(void **state)
{
    (void)state;
    struct state_store db = open_at("state.1");
    put(db, LEDGER_KIND_STOCK, "a", "1");
    assert_true(db.ops->commit(db.state, 5, &error));
    assert_true(db.ops->close(db.state, &error));
    assert_int_equal(sim_states_count(states), 1);
    db = open_at("state.1");
    assert_int_equal(db.ops->applied_index(db.state), 5);
    assert_true(db.ops->close(db.state, &error));
    /* Another one is put there: the one before is gone. */
    assert_true(files.remove(files.context, "state.1/OPEN", &error));
    assert_int_equal(sim_states_count(states), 0);
    assert_null(sim_states_at(states, "state.1"));
    db = open_at("state.1");
    assert_int_equal(db.ops->applied_index(db.state), 0);
    assert_true(db.ops->close(db.state, &error));
}

/* Nobody has synced the name of the directory. */
static void a_power_cut_may_take_the_directory(void **state)
{
    (void)state;
    for (int synced = 0; synced < 2; synced++) {
        struct state_store db = open_at(synced ? "state.2" : "state.1");
        put(db, LEDGER_KIND_STOCK, "a", "1");
        assert_true(db.ops->commit(db.state, 5, &error));
        sim_state_flush(sim_states_at(states, synced ? "state.2" : "state.1"));
        if (synced) {
            assert_true(files.sync_directory(files.context, ".", &error));
        }
        put(db, LEDGER_KIND_STOCK, "a", "2");
        assert_true(db.ops->commit(db.state, 6, &error));
        sim_disk_crash(disk, SIM_LOSE_ALL);
        sim_states_crash(states);
        assert_false(db.ops->close(db.state, &error));
        db = open_at(synced ? "state.2" : "state.1");
        assert_int_equal(db.ops->applied_index(db.state), synced ? 5 : 0);
        expect(db, "a", synced ? "1" : NULL);
        assert_true(db.ops->close(db.state, &error));
    }
}

static void a_checkpoint_may_fail(void **state)
{
    (void)state;
    uint64_t index;
    struct state_store db = open_at("state.1");
    fill(db, 10);
    assert_true(db.ops->commit(db.state, 5, &error));
    sim_disk_set_capacity(disk, 100);
    assert_false(db.ops->checkpoint(db.state, "checkpoint.5", &index, &error));
    sim_disk_set_capacity(disk, UINT64_MAX);
    sim_states_fail_at(states, 1);
    assert_false(db.ops->checkpoint(db.state, "checkpoint.6", &index, &error));
    sim_states_fail_at(states, 0);
    put(db, LEDGER_KIND_STOCK, "a", "2");
    assert_false(db.ops->commit(db.state, 6, &error)); /* a failed write is final */
    assert_false(db.ops->close(db.state, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_checkpoint_is_carried, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_state_without_a_file_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(checkpoints_have_sums_of_their_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_database_goes_with_its_directory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_power_cut_may_take_the_directory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_checkpoint_may_fail, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
