/*
 * test_snapshot_life.c - manifest, log and state together, at random, against a model: a node's
 * directory that appends, truncates, takes snapshots, trims, receives and installs a state of
 * another node, and is killed or loses power in the middle of any of it. Whatever was acknowledged
 * is there again, the log follows the snapshot, and the state that the manifest names is whole.
 */
#include "checkpoint_fixture.h"

#include "storage/data_directory.h"

#define SOURCE "/source"
#define FILES  6

/* Acknowledged, but for `plan`: what may have happened already when the power went. */
struct life {
    struct sim_disk *disk;
    struct file_system files;
    uint64_t random;
    uint64_t segment_bytes;
    struct data_directory *directory;
    struct log_store *log;

    struct expected_log expected;
    uint64_t term;     /* of the hard state; grows */
    uint64_t log_term; /* given to entries; grows */
    uint64_t snapshot; /* index */
    uint64_t snapshot_term;
    uint64_t generation; /* its state is the checkpoint of this seed */

    struct {
        enum { PLAN_NOTHING, PLAN_APPEND, PLAN_SNAPSHOT, PLAN_INSTALL, PLAN_TERM } what;
        uint64_t index;
        uint64_t term;
        size_t count;
        size_t len;
    } plan;
};

static uint64_t below(struct life *life, uint64_t n)
{
    return fixture_random(&life->random) % n;
}

static struct snapshot snapshot_of(uint64_t index, uint64_t term)
{
    struct snapshot snapshot = {.index = index, .term = term, .configuration_index = 1};
    snapshot.configuration_len = (uint32_t)(index % 100);
    memset(snapshot.configuration, 7, snapshot.configuration_len);
    return snapshot;
}

/* ---- opening, and what must be there ---- */

static bool begin_log(void *context, struct error *error)
{
    return data_directory_begin_log(context, error);
}

static void close_all(struct life *life)
{
    if (life->log != NULL) {
        log_store_close(life->log);
    }
    if (life->directory != NULL) {
        data_directory_close(life->directory);
    }
    life->log = NULL;
    life->directory = NULL;
}

/* As a node opens them: the manifest first, then the log. */
static bool open_all(struct life *life, log_store_visit visit, void *context, struct error *error)
{
    struct data_directory_options options = {.files = &life->files,
                                             .path = "/data",
                                             .cluster_id = FIXTURE_CLUSTER,
                                             .node_id = 1,
                                             .new_incarnation = 5};
    life->directory = data_directory_open(&options, error);
    if (life->directory == NULL) {
        return false;
    }
    struct snapshot snapshot;
    data_directory_snapshot(life->directory, &snapshot);
    struct log_store_options log = {
        .files = &life->files,
        .directory = data_directory_log_path(life->directory),
        .cluster_id = FIXTURE_CLUSTER,
        .segment_bytes = life->segment_bytes,
        .snapshot_index = snapshot.index,
        .snapshot_term = snapshot.term,
        .begun = data_directory_log_begun(life->directory),
        .begin = begin_log,
        .begin_context = life->directory,
    };
    life->log = log_store_open(&log, visit, context, NULL, error);
    return life->log != NULL;
}

/* What was under way has happened, or it has not: the model follows. */
static void settle_plan(struct life *life, const struct visited *shown)
{
    struct snapshot snapshot;
    data_directory_snapshot(life->directory, &snapshot);
    if (life->plan.what == PLAN_APPEND) {
        uint64_t at = life->plan.index;
        if (shown->count > 0 && at >= shown->first && at < shown->first + shown->count &&
            shown->entries[at - shown->first].term == life->plan.term) {
            for (size_t i = 0; i < life->plan.count; i++) {
                life->expected.entries[at - 1 + i].term = life->plan.term;
                life->expected.entries[at - 1 + i].len = life->plan.len;
            }
            life->expected.last = at + life->plan.count - 1;
        }
    } else if (life->plan.what == PLAN_SNAPSHOT && snapshot.index == life->plan.index) {
        life->snapshot = life->plan.index;
        life->snapshot_term = life->plan.term;
    } else if (life->plan.what == PLAN_INSTALL && snapshot.index == life->plan.index) {
        life->snapshot = life->plan.index;
        life->snapshot_term = life->plan.term;
        life->expected.last = life->plan.index;
        life->generation++;
    } else if (life->plan.what == PLAN_TERM &&
               data_directory_term(life->directory) == life->plan.term) {
        life->term = life->plan.term;
    }
    life->plan.what = PLAN_NOTHING;
}

static void expect_state(struct life *life)
{
    char path[64];
    snprintf(path, sizeof path, "/data/state.%" PRIu64, life->generation);
    assert_string_equal(data_directory_state_path(life->directory), path);
    checkpoint_make(life->disk, SOURCE, life->generation, FILES);
    struct checkpoint_list list = checkpoint_must_list(&life->files, SOURCE);
    checkpoint_expect_same(life->disk, SOURCE, path, &list);
    checkpoint_list_free(&list);
}

static void must_open(struct life *life)
{
    static struct visited shown_log;
    struct visited *shown = &shown_log;
    struct error error = {""};
    shown->count = 0;
    if (!open_all(life, fixture_visit, shown, &error)) {
        fail_msg("%s", error.text);
    }
    fixture_settle(shown, life->log);
    settle_plan(life, shown);
    struct snapshot snapshot;
    data_directory_snapshot(life->directory, &snapshot);
    assert_int_equal(snapshot.index, life->snapshot);
    assert_int_equal(snapshot.term, life->snapshot_term);
    assert_int_equal(data_directory_term(life->directory), life->term);
    assert_int_equal(data_directory_generation(life->directory), life->generation);
    expect_state(life);

    uint64_t first = log_store_first_index(life->log);
    assert_true(first <= life->snapshot + 1);
    assert_int_equal(log_store_last_index(life->log), life->expected.last);
    assert_int_equal(shown->count, life->expected.last + 1 - first);
    for (uint64_t i = 0; i < shown->count; i++) {
        assert_int_equal(shown->entries[i].term, life->expected.entries[first - 1 + i].term);
        assert_int_equal(shown->entries[i].len, life->expected.entries[first - 1 + i].len);
    }
    assert_true(shown->count == 0 || data_directory_log_begun(life->directory));
}

/* ---- what a node does; false: the power went ---- */

static bool append(struct life *life)
{
    struct error error;
    uint64_t first = life->expected.last + 1;
    uint64_t room = life->expected.last - life->snapshot; /* what may be truncated */
    if (room > 0 && below(life, 4) == 0) {
        first -= 1 + below(life, room);
    }
    life->plan.what = PLAN_APPEND;
    life->plan.index = first;
    life->plan.term = ++life->log_term;
    life->plan.count = 1 + (size_t)below(life, 5);
    life->plan.len = (size_t)below(life, below(life, 3) == 0 ? 900 : 60);
    struct log_record records[5];
    uint8_t data[5][900];
    for (size_t i = 0; i < life->plan.count; i++) {
        records[i] = fixture_record(first + i, life->plan.term, data[i], life->plan.len);
    }
    return log_store_append(life->log, records, life->plan.count, &error);
}

static bool take_snapshot(struct life *life)
{
    struct error error;
    if (life->expected.last == life->snapshot) {
        return true;
    }
    uint64_t index = life->snapshot + 1 + below(life, life->expected.last - life->snapshot);
    life->plan.what = PLAN_SNAPSHOT;
    life->plan.index = index;
    life->plan.term = life->expected.entries[index - 1].term;
    struct snapshot snapshot = snapshot_of(index, life->plan.term);
    return data_directory_store_snapshot(life->directory, &snapshot, &error);
}

static bool trim(struct life *life)
{
    struct error error;
    return log_store_trim(life->log, below(life, life->snapshot + 1), &error);
}

static bool receive(struct life *life)
{
    struct error error;
    checkpoint_make(life->disk, SOURCE, life->generation + 1, FILES);
    struct checkpoint_list list = checkpoint_must_list(&life->files, SOURCE);
    struct checkpoint_reader *reader = checkpoint_reader_open(&life->files, SOURCE, &list);
    struct checkpoint_receiver *receiver = checkpoint_receiver_open(
        &life->files, data_directory_staging_path(life->directory), &list, &error);
    bool received = receiver != NULL;
    struct buffer data = {0};
    struct checkpoint_range range;
    while (received && checkpoint_receiver_wants(receiver, &range)) {
        buffer_clear(&data);
        received =
            checkpoint_reader_read(reader, range.file, range.offset, 1500, &data, &error) &&
            checkpoint_receiver_take(receiver, buffer_bytes(&data), &error) == CHECKPOINT_TAKEN;
    }
    received = received && checkpoint_receiver_finish(receiver, &error);
    buffer_free(&data);
    if (receiver != NULL) {
        checkpoint_receiver_close(receiver);
    }
    checkpoint_reader_close(reader);
    checkpoint_list_free(&list);
    return received;
}

/* A state that another node has, behind this log's end or before it, of a term that this log does
 * not know. */
static bool install(struct life *life)
{
    struct error error;
    life->plan.what = PLAN_INSTALL;
    life->plan.index = life->snapshot + 1 + below(life, life->expected.last - life->snapshot + 12);
    life->plan.term = ++life->log_term;
    struct snapshot snapshot = snapshot_of(life->plan.index, life->plan.term);
    return data_directory_install(life->directory, &snapshot, &(struct lineage){0}, &error) &&
           log_store_reset(life->log, life->plan.index, &error) &&
           data_directory_remove_old(life->directory, &error);
}

static bool raise_term(struct life *life)
{
    struct error error;
    life->plan.what = PLAN_TERM;
    life->plan.term = life->term + 1;
    return data_directory_store_hard_state(life->directory, life->plan.term, 1, &error);
}

static bool live(struct life *life)
{
    switch (below(life, 12)) {
    case 0:
    case 1:
        return take_snapshot(life);
    case 2:
    case 3:
        return trim(life);
    case 4:
        return raise_term(life);
    case 5:
        return receive(life) && (below(life, 4) == 0 || install(life));
    default:
        return append(life);
    }
}

/* ---- the test ---- */

static void check_reads(struct life *life)
{
    struct log_record records[16];
    struct buffer memory = {0};
    struct error error = {""};
    uint64_t index = 1 + below(life, life->expected.last + 3);
    uint64_t first = log_store_first_index(life->log);
    size_t count = log_store_read(life->log, index, 16, 4000, records, &memory, &error);
    assert_int_equal(count > 0, index >= first && index <= life->expected.last);
    assert_int_equal(log_store_is_trimmed(life->log, index), index < first);
    for (size_t i = 0; i < count; i++) {
        fixture_check(&records[i], index + i, life->expected.entries[index - 1 + i].term,
                      life->expected.entries[index - 1 + i].len);
    }
    buffer_free(&memory);
}

/* What was done counts now, as after an open. */
static void acknowledge(struct life *life)
{
    static struct visited done;
    done.first = life->plan.index;
    done.count = life->plan.what == PLAN_APPEND ? 1 : 0;
    done.entries[0].term = life->plan.term;
    uint64_t generation = life->generation + (life->plan.what == PLAN_INSTALL);
    settle_plan(life, &done);
    assert_int_equal(life->generation, generation);
    check_reads(life);
}

static void crash_and_open(struct life *life)
{
    const enum sim_loss losses[] = {SIM_LOSE_ALL, SIM_LOSE_SOME, SIM_LOSE_SOME, SIM_LOSE_NONE};
    struct error error = {""};
    bool opened = false;
    while (!opened) {
        close_all(life);
        sim_disk_crash(life->disk, losses[below(life, 4)]);
        /* The opening itself is cut, now and then, until it comes through. */
        sim_disk_cut_power(life->disk, below(life, 3) == 0 ? 1 + below(life, 40) : 0);
        opened = open_all(life, NULL, NULL, &error);
        if (!opened && sim_disk_has_power(life->disk)) {
            fail_msg("%s", error.text);
        }
    }
    close_all(life);
    sim_disk_kill(life->disk);
    must_open(life);
}

static struct life *life_new(uint64_t seed)
{
    struct life *life = calloc(1, sizeof *life);
    assert_non_null(life);
    struct error error;
    life->disk = sim_disk_new(seed);
    life->files = sim_disk_files(life->disk);
    life->random = seed;
    life->segment_bytes = 512u << (seed % 4);
    life->generation = 1;
    assert_true(life->files.make_directory(life->disk, SOURCE, &error));
    assert_true(life->files.make_directory(life->disk, "/data", &error));
    assert_true(life->files.sync_directory(life->disk, "/", &error));
    assert_true(open_all(life, NULL, NULL, &error));
    checkpoint_make(life->disk, "/data/state.1", 1, FILES); /* by the state's database */
    assert_true(life->files.sync_directory(life->disk, "/data", &error));
    return life;
}

static void run(uint64_t seed)
{
    struct life *life = life_new(seed);
    for (int step = 0; step < 120; step++) {
        uint64_t what = below(life, 10);
        sim_disk_cut_power(life->disk, what < 3 ? 1 + below(life, 30) : 0);
        bool lived = live(life);
        sim_disk_cut_power(life->disk, 0);
        assert_true(lived || !sim_disk_has_power(life->disk));
        if (lived) {
            acknowledge(life);
        }
        if (!lived || what == 3) {
            crash_and_open(life);
        } else if (what == 4) {
            close_all(life);
            sim_disk_kill(life->disk);
            must_open(life);
        }
    }
    close_all(life);
    sim_disk_free(life->disk);
    free(life);
}

static void test_random(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        run(seed);
    }
}

/* The same installs with the power cut at each step in turn, so that none is left to chance. */
static void test_power_cut_at_every_step_of_an_install(void **state)
{
    (void)state;
    bool installed = false;
    uint64_t nth = 0;
    while (!installed) {
        nth++;
        for (uint64_t seed = 1; seed <= 12; seed++) {
            struct life *life = life_new(seed);
            for (int i = 0; i < 12; i++) {
                assert_true(append(life));
                acknowledge(life);
            }
            if (seed % 2 == 0) {
                assert_true(take_snapshot(life));
                acknowledge(life);
                assert_true(log_store_trim(life->log, life->snapshot, &(struct error){""}));
            }
            sim_disk_cut_power(life->disk, nth);
            installed = receive(life) && install(life);
            if (installed) {
                acknowledge(life);
            }
            crash_and_open(life);
            for (int i = 0; i < 3; i++) {
                assert_true(append(life));
                acknowledge(life);
            }
            crash_and_open(life);
            close_all(life);
            sim_disk_free(life->disk);
            free(life);
        }
        assert_true(nth < 500);
    }
    assert_true(nth > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_power_cut_at_every_step_of_an_install),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
