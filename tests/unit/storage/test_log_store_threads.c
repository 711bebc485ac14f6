/*
 * test_log_store_threads.c - readers beside the appending thread and one that trims, on real files:
 * whatever a read gives was in the log at one moment, whole and right; what it does not give was
 * trimmed.
 */
#include "log_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define READERS 3
#define APPENDS 400
#define READS   400
#define BYTES   900u

struct shared {
    struct log_store *store;
    _Atomic uint64_t safe_last; /* never truncated */
    atomic_bool finished;
    _Atomic uint64_t checked;
    _Atomic uint64_t trimmed; /* reads that came too late */
    const char *_Atomic failure;
};

/* The length follows from index and term, so that a reader knows it. */
static size_t len_of(uint64_t index, uint64_t term)
{
    return (size_t)(fixture_mix(index + term * 77) % BYTES);
}

static const char *check_records(const struct log_record *records, size_t count, uint64_t first)
{
    uint8_t data[BYTES];
    for (size_t i = 0; i < count; i++) {
        const struct log_record *record = &records[i];
        if (record->index != first + i || record->data.len != len_of(record->index, record->term)) {
            return "wrong index or length";
        }
        if (i > 0 && record->term < records[i - 1].term) {
            return "terms run back: a mixture of two logs";
        }
        struct log_record expected =
            fixture_record(record->index, record->term, data, record->data.len);
        if (!bytes_equal(record->data, expected.data) || record->type != expected.type) {
            return "wrong bytes";
        }
    }
    return NULL;
}

static void *read_at_random(void *context)
{
    struct shared *shared = context;
    uint64_t random = (uint64_t)(uintptr_t)&random;
    struct log_record records[64];
    struct buffer memory = {0};
    while (!atomic_load(&shared->finished) || atomic_load(&shared->checked) < READS) {
        uint64_t last = atomic_load(&shared->safe_last);
        if (last == 0) {
            continue;
        }
        uint64_t first = 1 + fixture_random(&random) % last;
        if (fixture_random(&random) % 2 == 0) {
            /* Where the trimming is. */
            first = log_store_first_index(shared->store);
        }
        struct error error = {""};
        size_t count = log_store_read(shared->store, first, 64, 1u << 15, records, &memory, &error);
        if (count == 0 && log_store_is_trimmed(shared->store, first)) {
            if (strstr(error.text, "is not in the log") == NULL) {
                shared->failure = "a trimmed entry was taken for something else";
                break;
            }
            atomic_fetch_add(&shared->trimmed, 1);
            continue;
        }
        const char *failure = count == 0 ? "an entry that is surely there was not"
                                         : check_records(records, count, first);
        if (failure != NULL) {
            shared->failure = failure;
            break;
        }
        atomic_fetch_add(&shared->checked, 1);
    }
    buffer_free(&memory);
    return NULL;
}

static void *trim_behind(void *context)
{
    struct shared *shared = context;
    while (!atomic_load(&shared->finished)) {
        uint64_t last = atomic_load(&shared->safe_last);
        struct error error = {""};
        if (last > 40 && !log_store_trim(shared->store, last - 40, &error)) {
            shared->failure = "trimming failed";
            break;
        }
    }
    return NULL;
}

static void append_at_random(struct shared *shared)
{
    static uint8_t data[8][BYTES];
    struct log_record records[8];
    struct error error = {""};
    uint64_t random = 11;
    uint64_t last = 0;
    for (uint64_t term = 1; term <= APPENDS; term++) {
        uint64_t safe = atomic_load(&shared->safe_last);
        uint64_t first = last + 1;
        if (fixture_random(&random) % 3 == 0) {
            first = safe + 1 + fixture_random(&random) % (last - safe + 1);
        }
        size_t count = 1 + fixture_random(&random) % 8;
        for (size_t i = 0; i < count; i++) {
            records[i] = fixture_record(first + i, term, data[i], len_of(first + i, term));
        }
        if (!log_store_append(shared->store, records, count, &error)) {
            fail_msg("%s", error.text);
        }
        last = first + count - 1;
        if (last > safe + 20) {
            atomic_store(&shared->safe_last, last - 10);
        }
    }
}

static void test_readers_beside_the_writer(void **state)
{
    (void)state;
    char directory[] = "/tmp/holdfast-log-XXXXXX";
    assert_non_null(mkdtemp(directory));
    struct log_store_options options = {.files = &file_system_posix,
                                        .directory = directory,
                                        .cluster_id = FIXTURE_CLUSTER,
                                        .segment_bytes = 16u << 10};
    struct error error = {""};
    struct shared shared = {.store = log_store_open(&options, NULL, NULL, NULL, &error)};
    if (shared.store == NULL) {
        fail_msg("%s", error.text);
    }
    pthread_t threads[READERS];
    pthread_t trimmer;
    assert_int_equal(pthread_create(&trimmer, NULL, trim_behind, &shared), 0);
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_at_random, &shared), 0);
    }
    append_at_random(&shared);
    atomic_store(&shared.finished, true);
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(pthread_join(trimmer, NULL), 0);
    if (shared.failure != NULL) {
        fail_msg("%s", shared.failure);
    }
    assert_true(atomic_load(&shared.checked) >= READS);
    assert_true(log_store_trim(shared.store, shared.safe_last - 40, &error));
    uint64_t last = log_store_last_index(shared.store);
    uint64_t first = log_store_first_index(shared.store);
    assert_true(first > 100 && log_store_disk_bytes(shared.store) < 8 * options.segment_bytes);
    log_store_close(shared.store);

    /* Its own first entry is what a snapshot of it may end with. */
    options.snapshot_index = first - 1;
    options.snapshot_term = 1;
    shared.store = log_store_open(&options, NULL, NULL, NULL, &error);
    assert_non_null(shared.store);
    assert_int_equal(log_store_first_index(shared.store), first);
    assert_int_equal(log_store_last_index(shared.store), last);
    log_store_close(shared.store);
    assert_true(file_system_posix.remove_tree(NULL, directory, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readers_beside_the_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
