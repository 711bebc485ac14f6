/*
 * test_checkpoint_receiver.c - a checkpoint arrives whole or not at all: in ranges of any size,
 * through lost connections, wrong bytes and failing disks; and a real state arrives as one.
 */
#include "checkpoint_fixture.h"

#include <errno.h>

#include "storage/state_db.h"

#define FROM "/from"
#define TO   "/to"

struct carrying {
    struct sim_disk *disk;
    struct file_system files;
    struct checkpoint_list list;
    struct checkpoint_reader *reader;
    struct checkpoint_receiver *receiver;
};

static struct checkpoint_receiver *must_receive(struct carrying *carrying)
{
    struct error error = {""};
    struct checkpoint_receiver *receiver =
        checkpoint_receiver_open(&carrying->files, TO, &carrying->list, &error);
    if (receiver == NULL) {
        fail_msg("%s", error.text);
    }
    return receiver;
}

static struct carrying begin(uint64_t seed, size_t count)
{
    struct carrying carrying = {.disk = sim_disk_new(seed)};
    carrying.files = sim_disk_files(carrying.disk);
    checkpoint_make(carrying.disk, FROM, seed, count);
    return carrying;
}

static void connect(struct carrying *carrying)
{
    carrying->list = checkpoint_must_list(&carrying->files, FROM);
    carrying->reader = checkpoint_reader_open(&carrying->files, FROM, &carrying->list);
    carrying->receiver = must_receive(carrying);
}

static void disconnect(struct carrying *carrying)
{
    checkpoint_receiver_close(carrying->receiver);
    checkpoint_reader_close(carrying->reader);
    checkpoint_list_free(&carrying->list);
}

static void expect_arrived(struct carrying *carrying)
{
    struct error error;
    struct checkpoint_range range;
    assert_false(checkpoint_receiver_wants(carrying->receiver, &range));
    assert_int_equal(checkpoint_receiver_bytes(carrying->receiver), carrying->list.bytes);
    assert_true(checkpoint_receiver_finish(carrying->receiver, &error));
    assert_true(carrying->files.sync_directory(carrying->disk, "/", &error));
    /* What has arrived is durable. */
    sim_disk_crash(carrying->disk, SIM_LOSE_ALL);
    checkpoint_expect_same(carrying->disk, FROM, TO, &carrying->list);
}

/* Names in the source are durable, whatever happens to the rest. */
static void settle_source(struct carrying *carrying)
{
    struct error error;
    assert_true(carrying->files.sync_directory(carrying->disk, "/", &error));
    assert_true(carrying->files.sync_directory(carrying->disk, FROM, &error));
}

/* A large file is synced while it comes, so that the last sync is none of all of it. */
static void test_a_large_file_is_synced_on_its_way(void **state)
{
    (void)state;
    enum { LEN = 3 * CHECKPOINT_SYNC_BYTES + 1000 };
    struct carrying carrying = {.disk = sim_disk_new(1)};
    carrying.files = sim_disk_files(carrying.disk);
    struct error error;
    enum checkpoint_taken taken;
    uint8_t *content = memory_zalloc(LEN);
    assert_true(carrying.files.make_directory(carrying.disk, FROM, &error));
    sim_disk_set_content(carrying.disk, FROM "/000001.sst", bytes_of(content, LEN));
    free(content);
    settle_source(&carrying);
    connect(&carrying);
    uint64_t before = sim_disk_count(carrying.disk, SIM_SYNC);
    checkpoint_carry(carrying.reader, carrying.receiver, LIMIT_CHECKPOINT_PART_BYTES,
                     LEN / LIMIT_CHECKPOINT_PART_BYTES, &taken);
    assert_int_equal(sim_disk_count(carrying.disk, SIM_SYNC) - before, 3);
    checkpoint_carry(carrying.reader, carrying.receiver, LIMIT_CHECKPOINT_PART_BYTES, 0, &taken);
    assert_int_equal(taken, CHECKPOINT_TAKEN);
    assert_int_equal(sim_disk_count(carrying.disk, SIM_SYNC) - before, 4);
    expect_arrived(&carrying);
    disconnect(&carrying);
    sim_disk_free(carrying.disk);
}

static void test_ranges_of_any_size(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 7, 1000, 2999, 3000, 1u << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t count = 1; count < 20; count += 3) {
            struct carrying carrying = begin(i * 100 + count, count);
            settle_source(&carrying);
            connect(&carrying);
            enum checkpoint_taken taken;
            uint64_t carried =
                checkpoint_carry(carrying.reader, carrying.receiver, sizes[i], 0, &taken);
            assert_int_equal(taken, CHECKPOINT_TAKEN);
            assert_int_equal(carried, carrying.list.bytes);
            expect_arrived(&carrying);
            disconnect(&carrying);
            sim_disk_free(carrying.disk);
        }
    }
}

static void test_only_empty_files(void **state)
{
    (void)state;
    struct carrying carrying = {.disk = sim_disk_new(1)};
    carrying.files = sim_disk_files(carrying.disk);
    struct error error;
    assert_true(carrying.files.make_directory(carrying.disk, FROM, &error));
    sim_disk_set_content(carrying.disk, FROM "/a", bytes_of(NULL, 0));
    sim_disk_set_content(carrying.disk, FROM "/b", bytes_of(NULL, 0));
    settle_source(&carrying);
    connect(&carrying);
    expect_arrived(&carrying);
    disconnect(&carrying);
    sim_disk_free(carrying.disk);
}

/* The connection is lost again and again. A file that was there is not fetched again, and of one
 * that was not, nothing is kept; the last checkpoint is another one than the first. */
static void test_lost_connections(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct carrying carrying = begin(seed, 20);
        uint64_t random = seed;
        uint64_t carried = 0;
        uint64_t bytes = 0;
        settle_source(&carrying);
        for (int connection = 0; connection < 6; connection++) {
            connect(&carrying);
            bytes = carrying.list.bytes;
            enum checkpoint_taken taken;
            carried += checkpoint_carry(carrying.reader, carrying.receiver, 400,
                                        1 + fixture_random(&random) % 30, &taken);
            assert_int_equal(taken, CHECKPOINT_TAKEN);
            disconnect(&carrying);
        }
        /* At most one file was begun in vain by each connection. */
        assert_true(carried <= bytes + 6 * 3000);
        if (seed % 2 == 0) {
            checkpoint_make(carrying.disk, FROM, seed + 1, 20);
            sim_disk_set_content(carrying.disk, TO "/stranger", BYTES_LITERAL("x"));
            settle_source(&carrying);
        }
        connect(&carrying);
        enum checkpoint_taken taken;
        uint64_t there = checkpoint_receiver_bytes(carrying.receiver);
        carried = checkpoint_carry(carrying.reader, carrying.receiver, 5000, 0, &taken);
        assert_int_equal(carried, carrying.list.bytes - there);
        expect_arrived(&carrying);
        disconnect(&carrying);
        /* Once more, and nothing is fetched. */
        settle_source(&carrying);
        connect(&carrying);
        expect_arrived(&carrying);
        disconnect(&carrying);
        sim_disk_free(carrying.disk);
    }
}

/* Bytes that nobody asked for, and bytes that are not the file's. */
static void test_wrong_bytes(void **state)
{
    (void)state;
    struct carrying carrying = begin(9, 12);
    struct error error = {""};
    uint8_t content[4000] = {1};
    struct checkpoint_range range;
    settle_source(&carrying);
    connect(&carrying);
    while (checkpoint_receiver_wants(carrying.receiver, &range)) {
        struct checkpoint_range again;
        uint64_t before = checkpoint_receiver_bytes(carrying.receiver);
        assert_int_equal(range.offset, 0);
        assert_int_equal(checkpoint_receiver_take(carrying.receiver, bytes_of(content, 0), &error),
                         CHECKPOINT_WRONG);
        assert_int_equal(
            checkpoint_receiver_take(carrying.receiver, bytes_of(content, range.left + 1), &error),
            CHECKPOINT_WRONG);
        assert_non_null(strstr(error.text, "nobody asked for"));
        if (range.left > 1) {
            assert_int_equal(checkpoint_receiver_take(carrying.receiver,
                                                      bytes_of(content, range.left - 1), &error),
                             CHECKPOINT_TAKEN);
            assert_int_equal(
                checkpoint_receiver_take(carrying.receiver, bytes_of(content, 1), &error),
                CHECKPOINT_WRONG);
            assert_non_null(strstr(error.text, "without the checksum"));
            assert_non_null(strstr(error.text, carrying.list.files[range.file].name));
        }
        assert_true(checkpoint_receiver_wants(carrying.receiver, &again));
        assert_memory_equal(&again, &range, sizeof range);
        assert_int_equal(checkpoint_receiver_bytes(carrying.receiver), before);
        /* Right this time, one file. */
        enum checkpoint_taken taken;
        checkpoint_carry(carrying.reader, carrying.receiver, 5000, 1, &taken);
        assert_int_equal(taken, CHECKPOINT_TAKEN);
    }
    assert_int_equal(checkpoint_receiver_take(carrying.receiver, bytes_of(content, 1), &error),
                     CHECKPOINT_WRONG);
    expect_arrived(&carrying);
    disconnect(&carrying);
    sim_disk_free(carrying.disk);
}

/* Files that were changed behind the receiver's back are seen when the next one begins. */
static void test_what_is_there_is_checked(void **state)
{
    (void)state;
    struct carrying carrying = begin(4, 12);
    settle_source(&carrying);
    connect(&carrying);
    enum checkpoint_taken taken;
    checkpoint_carry(carrying.reader, carrying.receiver, 5000, 0, &taken);
    expect_arrived(&carrying);
    disconnect(&carrying);
    connect(&carrying);
    uint64_t size = carrying.list.files[5].size;
    assert_true(size > 0);
    char path[128];
    snprintf(path, sizeof path, TO "/%s", carrying.list.files[5].name);
    disconnect(&carrying);
    sim_disk_flip(carrying.disk, path, size / 2, 0x10);
    connect(&carrying);
    struct checkpoint_range range;
    assert_true(checkpoint_receiver_wants(carrying.receiver, &range));
    assert_int_equal(range.file, 5);
    assert_int_equal(checkpoint_carry(carrying.reader, carrying.receiver, 5000, 0, &taken), size);
    expect_arrived(&carrying);
    disconnect(&carrying);
    sim_disk_free(carrying.disk);
}

static void test_failing_disk(void **state)
{
    (void)state;
    const enum sim_operation operations[] = {SIM_OPEN, SIM_WRITE, SIM_SYNC};
    for (size_t i = 0; i < 3; i++) {
        struct carrying carrying = begin(4, 12);
        struct error error = {""};
        uint8_t content[4000] = {1};
        struct checkpoint_range range;
        settle_source(&carrying);
        connect(&carrying);
        sim_disk_fail(carrying.disk, operations[i], operations[i] == SIM_OPEN ? 2 : 1, EIO);
        enum checkpoint_taken taken;
        checkpoint_carry(carrying.reader, carrying.receiver, 5000, 0, &taken);
        assert_int_equal(taken, CHECKPOINT_FAILED);
        assert_true(checkpoint_receiver_wants(carrying.receiver, &range));
        assert_int_equal(checkpoint_receiver_take(carrying.receiver, bytes_of(content, 1), &error),
                         CHECKPOINT_FAILED);
        assert_non_null(strstr(error.text, "failed before"));
        disconnect(&carrying);
        sim_disk_free(carrying.disk);
    }
    /* Also while looking at what is there, and at the end. */
    struct carrying carrying = begin(4, 12);
    struct error error = {""};
    settle_source(&carrying);
    connect(&carrying);
    enum checkpoint_taken taken;
    checkpoint_carry(carrying.reader, carrying.receiver, 5000, 0, &taken);
    sim_disk_fail(carrying.disk, SIM_SYNC_DIRECTORY, 1, EIO);
    assert_false(checkpoint_receiver_finish(carrying.receiver, &error));
    disconnect(&carrying);
    connect(&carrying);
    checkpoint_receiver_close(carrying.receiver);
    sim_disk_set_content(carrying.disk, TO "/stranger", BYTES_LITERAL("x"));
    const enum sim_operation looking[] = {SIM_MAKE_DIRECTORY, SIM_LIST, SIM_OPEN,  SIM_SIZE,
                                          SIM_READ,           SIM_SYNC, SIM_REMOVE};
    for (size_t i = 0; i < 7; i++) {
        sim_disk_fail(carrying.disk, looking[i], 1, EIO);
        assert_null(checkpoint_receiver_open(&carrying.files, TO, &carrying.list, &error));
        assert_non_null(strstr(error.text, "Input/output error"));
    }
    carrying.receiver = must_receive(&carrying);
    disconnect(&carrying);
    sim_disk_free(carrying.disk);
}

/* Power goes at each step of receiving. Nothing that the next receiver takes for right is wrong. */
static void test_power_cut_at_every_step(void **state)
{
    (void)state;
    bool finished = false;
    uint64_t nth = 0;
    while (!finished) {
        nth++;
        for (int loss = 0; loss < 3; loss++) {
            struct carrying carrying = begin(nth % 7, 9);
            struct error error;
            settle_source(&carrying);
            carrying.list = checkpoint_must_list(&carrying.files, FROM);
            carrying.reader = checkpoint_reader_open(&carrying.files, FROM, &carrying.list);
            sim_disk_cut_power(carrying.disk, nth);
            carrying.receiver =
                checkpoint_receiver_open(&carrying.files, TO, &carrying.list, &error);
            if (carrying.receiver != NULL) {
                struct buffer data = {0};
                struct checkpoint_range range;
                enum checkpoint_taken taken = CHECKPOINT_TAKEN;
                while (taken == CHECKPOINT_TAKEN &&
                       checkpoint_receiver_wants(carrying.receiver, &range)) {
                    buffer_clear(&data);
                    if (!checkpoint_reader_read(carrying.reader, range.file, range.offset, 700,
                                                &data, &error)) {
                        break;
                    }
                    taken =
                        checkpoint_receiver_take(carrying.receiver, buffer_bytes(&data), &error);
                }
                buffer_free(&data);
                finished = !checkpoint_receiver_wants(carrying.receiver, &range) &&
                           taken == CHECKPOINT_TAKEN &&
                           checkpoint_receiver_finish(carrying.receiver, &error);
                checkpoint_receiver_close(carrying.receiver);
            }
            checkpoint_reader_close(carrying.reader);
            checkpoint_list_free(&carrying.list);
            sim_disk_crash(carrying.disk, (enum sim_loss)loss);
            connect(&carrying);
            enum checkpoint_taken taken;
            checkpoint_carry(carrying.reader, carrying.receiver, 5000, 0, &taken);
            assert_int_equal(taken, CHECKPOINT_TAKEN);
            expect_arrived(&carrying);
            disconnect(&carrying);
            sim_disk_free(carrying.disk);
        }
        assert_true(nth < 500);
    }
    assert_true(nth > 20);
}

/* ---- a real state, on real files ---- */

static void test_a_state_arrives(void **state)
{
    (void)state;
    char directory[] = "/tmp/holdfast-carry-XXXXXX";
    assert_non_null(mkdtemp(directory));
    char path[3][64];
    const char *const names[] = {"state.1", "checkpoint.300", "state.2"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path[i], sizeof path[i], "%s/%s", directory, names[i]);
    }
    struct error error = {""};
    const struct state_db_options options = {.path = path[0], .write_buffer_bytes = 64u << 10};
    struct state_db *db = state_db_open(&options, &error);
    assert_non_null(db);
    struct ledger_store store = state_db_store(db);
    uint8_t value[300];
    for (uint64_t i = 1; i <= 300; i++) {
        memset(value, (int)i, sizeof value);
        assert_true(store.ops->put(store.store, LEDGER_KIND_STOCK, bytes_of(&i, sizeof i),
                                   bytes_of(value, sizeof value), &error));
        assert_true(state_db_commit(db, i, &error));
    }
    uint64_t index;
    assert_true(state_db_checkpoint(db, path[1], &index, &error));
    assert_int_equal(index, 300);
    assert_true(state_db_close(db, &error));

    struct checkpoint_list list = checkpoint_must_list(&file_system_posix, path[1]);
    struct checkpoint_reader *reader = checkpoint_reader_open(&file_system_posix, path[1], &list);
    enum checkpoint_taken taken;
    for (int connection = 0; connection < 3; connection++) {
        struct checkpoint_receiver *receiver =
            checkpoint_receiver_open(&file_system_posix, path[2], &list, &error);
        assert_non_null(receiver);
        checkpoint_carry(reader, receiver, 4096, connection < 2 ? 3 : 0, &taken);
        assert_int_equal(taken, CHECKPOINT_TAKEN);
        assert_true(connection < 2 || checkpoint_receiver_finish(receiver, &error));
        checkpoint_receiver_close(receiver);
    }
    checkpoint_reader_close(reader);
    checkpoint_list_free(&list);

    const struct state_db_options arrived = {.path = path[2]};
    db = state_db_open(&arrived, &error);
    if (db == NULL) {
        fail_msg("%s", error.text);
    }
    assert_int_equal(state_db_applied_index(db), 300);
    store = state_db_store(db);
    for (uint64_t i = 1; i <= 300; i++) {
        struct bytes found;
        memset(value, (int)i, sizeof value);
        assert_int_equal(
            store.ops->get(store.store, LEDGER_KIND_STOCK, bytes_of(&i, sizeof i), &found, &error),
            STORE_FOUND);
        assert_true(bytes_equal(found, bytes_of(value, sizeof value)));
    }
    assert_true(state_db_close(db, &error));
    assert_true(file_system_posix.remove_tree(NULL, directory, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges_of_any_size),
        cmocka_unit_test(test_only_empty_files),
        cmocka_unit_test(test_lost_connections),
        cmocka_unit_test(test_wrong_bytes),
        cmocka_unit_test(test_what_is_there_is_checked),
        cmocka_unit_test(test_failing_disk),
        cmocka_unit_test(test_power_cut_at_every_step),
        cmocka_unit_test(test_a_state_arrives),
        cmocka_unit_test(test_a_large_file_is_synced_on_its_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
