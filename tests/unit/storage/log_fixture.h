/*
 * log_fixture.h - a log on a disk in memory, and records whose bytes follow from index and term, so
 * that whoever reads one can tell whether it is right.
 */
#ifndef TEST_LOG_FIXTURE_H
#define TEST_LOG_FIXTURE_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sim_files.h"
#include "storage/log_store.h"

#define FIXTURE_CLUSTER UINT64_C(0x1122334455667788)
#define FIXTURE_LOG     "/log"

static inline uint64_t fixture_mix(uint64_t value)
{
    value = (value ^ (value >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    value = (value ^ (value >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return value ^ (value >> 33);
}

/* A sequence of its own for each seed. */
static inline uint64_t fixture_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return fixture_mix(*state);
}

/* Fills data (of len bytes, none of them zero) for this index and term. */
static inline struct log_record fixture_record(uint64_t index, uint64_t term, uint8_t *data,
                                               size_t len)
{
    uint64_t seed = fixture_mix(index * 1000003 + term);
    for (size_t i = 0; i < len; i++) {
        data[i] = (uint8_t)(1 + (seed + i * 131) % 255);
    }
    return (struct log_record){index, term, (uint8_t)(1 + index % 3), bytes_of(data, len)};
}

static inline void fixture_check(const struct log_record *record, uint64_t index, uint64_t term,
                                 size_t len)
{
    uint8_t *data = malloc(len + 1);
    assert_non_null(data);
    struct log_record expected = fixture_record(index, term, data, len);
    assert_int_equal(record->index, expected.index);
    assert_int_equal(record->term, expected.term);
    assert_int_equal(record->type, expected.type);
    assert_int_equal(record->data.len, expected.data.len);
    assert_memory_equal(record->data.data, expected.data.data, len);
    free(data);
}

/* What the log should hold: entry i + 1 has this term and length. */
struct expected_log {
    struct {
        uint64_t term;
        size_t len;
    } entries[4096];
    uint64_t last;
};

struct fixture {
    struct sim_disk *disk;
    struct file_system files;
    uint64_t segment_bytes;
    struct log_store *store;
    struct expected_log expected;
    /* What the manifest would say. */
    uint64_t snapshot_index;
    uint64_t snapshot_term;
    bool begun;
};

static inline bool fixture_begin(void *context, struct error *error)
{
    struct fixture *fixture = context;
    (void)error;
    fixture->begun = true;
    return true;
}

static inline struct log_store_options fixture_options(struct fixture *fixture)
{
    return (struct log_store_options){.files = &fixture->files,
                                      .directory = FIXTURE_LOG,
                                      .cluster_id = FIXTURE_CLUSTER,
                                      .segment_bytes = fixture->segment_bytes,
                                      .snapshot_index = fixture->snapshot_index,
                                      .snapshot_term = fixture->snapshot_term,
                                      .begun = fixture->begun,
                                      .begin = fixture_begin,
                                      .begin_context = fixture};
}

static inline struct fixture *fixture_new(uint64_t seed, uint64_t segment_bytes)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    struct error error;
    fixture->disk = sim_disk_new(seed);
    fixture->files = sim_disk_files(fixture->disk);
    fixture->segment_bytes = segment_bytes;
    assert_true(fixture->files.make_directory(fixture->disk, FIXTURE_LOG, &error));
    assert_true(fixture->files.sync_directory(fixture->disk, "/", &error));
    return fixture;
}

static inline void fixture_close(struct fixture *fixture)
{
    if (fixture->store != NULL) {
        log_store_close(fixture->store);
        fixture->store = NULL;
    }
}

static inline void fixture_free(struct fixture *fixture)
{
    fixture_close(fixture);
    sim_disk_free(fixture->disk);
    free(fixture);
}

/* What a log has shown, as far as nothing has taken its place. */
struct visited {
    uint64_t first;
    uint64_t count;
    struct {
        uint64_t term;
        size_t len;
    } entries[4096];
};

static inline bool fixture_visit(void *context, const struct log_record *record,
                                 struct error *error)
{
    (void)error;
    struct visited *visited = context;
    if (visited->count == 0 || record->index <= visited->first) {
        visited->first = record->index;
        visited->count = 0;
    }
    assert_true(record->index <= visited->first + visited->count);
    visited->count = record->index - visited->first;
    assert_true(visited->count < sizeof visited->entries / sizeof visited->entries[0]);
    fixture_check(record, record->index, record->term, record->data.len);
    visited->entries[visited->count].term = record->term;
    visited->entries[visited->count++].len = record->data.len;
    return true;
}

/* What the log that was opened does not hold does not count. */
static inline void fixture_settle(struct visited *visited, const struct log_store *store)
{
    uint64_t end = log_store_last_index(store) + 1;
    if (visited->count > 0 && visited->first + visited->count > end) {
        visited->count = end > visited->first ? end - visited->first : 0;
    }
    if (visited->first < log_store_first_index(store)) {
        visited->count = 0;
    }
}

/* From the log's first index on it is what is expected. */
static inline void fixture_compare(const struct visited *visited, const struct log_store *store,
                                   const struct expected_log *expected)
{
    uint64_t first = log_store_first_index(store);
    assert_int_equal(visited->count, expected->last + 1 - first);
    assert_true(visited->count == 0 || visited->first == first);
    for (uint64_t i = 0; i < visited->count; i++) {
        assert_int_equal(visited->entries[i].term, expected->entries[first - 1 + i].term);
        assert_int_equal(visited->entries[i].len, expected->entries[first - 1 + i].len);
    }
}

/* Opens, and compares all that is shown with what is expected. A log without a snapshot begins
 * at 1. */
static inline void fixture_open(struct fixture *fixture, struct error *dropped)
{
    struct error error = {""};
    static struct visited visited;
    visited.count = 0;
    struct log_store_options options = fixture_options(fixture);
    fixture->store = log_store_open(&options, fixture_visit, &visited, dropped, &error);
    if (fixture->store == NULL) {
        fail_msg("%s", error.text);
    }
    uint64_t first = log_store_first_index(fixture->store);
    assert_true(first >= 1 && first <= fixture->snapshot_index + 1);
    assert_int_equal(log_store_last_index(fixture->store), fixture->expected.last);
    fixture_settle(&visited, fixture->store);
    fixture_compare(&visited, fixture->store, &fixture->expected);
}

/* The log must be refused, with these words. */
static inline void fixture_refuse(struct fixture *fixture, const char *first, const char *second)
{
    struct error error = {""};
    struct log_store_options options = fixture_options(fixture);
    struct log_store *store = log_store_open(&options, NULL, NULL, NULL, &error);
    assert_null(store);
    if (strstr(error.text, first) == NULL || strstr(error.text, second) == NULL) {
        fail_msg("'%s' and '%s' expected in: %s", first, second, error.text);
    }
}

/* One append; `expected` follows if it succeeds. */
static inline bool fixture_append(struct fixture *fixture, uint64_t first_index, uint64_t term,
                                  size_t count, size_t len, struct error *error)
{
    struct log_record *records = calloc(count, sizeof *records);
    uint8_t *data = malloc(count * len + 1);
    assert_non_null(records);
    assert_non_null(data);
    for (size_t i = 0; i < count; i++) {
        records[i] = fixture_record(first_index + i, term, data + i * len, len);
    }
    bool appended = log_store_append(fixture->store, records, count, error);
    if (appended) {
        for (size_t i = 0; i < count; i++) {
            fixture->expected.entries[first_index - 1 + i].term = term;
            fixture->expected.entries[first_index - 1 + i].len = len;
        }
        fixture->expected.last = first_index + count - 1;
    }
    free(data);
    free(records);
    return appended;
}

static inline void fixture_must_append(struct fixture *fixture, uint64_t first_index, uint64_t term,
                                       size_t count, size_t len)
{
    struct error error = {""};
    if (!fixture_append(fixture, first_index, term, count, len, &error)) {
        fail_msg("%s", error.text);
    }
}

#endif
