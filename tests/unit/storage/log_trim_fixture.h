/*
 * log_trim_fixture.h - a log whose entries fill its segments evenly, so that a test knows in which
 * segment each stands, and what it says of entries that it has and has not.
 */
#ifndef TEST_LOG_TRIM_FIXTURE_H
#define TEST_LOG_TRIM_FIXTURE_H

#include "log_fixture.h"

/* Batches of one entry of 150 bytes take 256 bytes: four fill a segment, entry i stands in segment
 * (i + 3) / 4. */
#define SEGMENT_BYTES 1024u
#define ENTRY_BYTES   150u

static inline char *segment(uint64_t number)
{
    static char path[64];
    snprintf(path, sizeof path, FIXTURE_LOG "/%016" PRIu64 ".log", number);
    return path;
}

static inline void append_one_by_one(struct fixture *f, uint64_t last, uint64_t term)
{
    while (f->expected.last < last) {
        fixture_must_append(f, f->expected.last + 1, term, 1, ENTRY_BYTES);
    }
}

static inline struct fixture *log_of_entries(uint64_t last)
{
    struct fixture *f = fixture_new(3, SEGMENT_BYTES);
    fixture_open(f, NULL);
    append_one_by_one(f, last, 1);
    return f;
}

static inline void must_trim(struct fixture *f, uint64_t up_to)
{
    struct error error = {""};
    if (!log_store_trim(f->store, up_to, &error)) {
        fail_msg("%s", error.text);
    }
}

static inline void reopen(struct fixture *f)
{
    fixture_close(f);
    sim_disk_crash(f->disk, SIM_LOSE_ALL);
    fixture_open(f, NULL);
}

/* Every entry from `first` on reads as it was written, everything before is trimmed, everything
 * behind is not there: and the words tell which. */
static inline void expect_reads(struct fixture *f, uint64_t first)
{
    struct log_record records[64];
    struct buffer memory = {0};
    struct error error = {""};
    assert_int_equal(log_store_first_index(f->store), first);
    for (uint64_t i = 1; i < first; i++) {
        assert_int_equal(log_store_read(f->store, i, 64, 100000, records, &memory, &error), 0);
        assert_true(log_store_is_trimmed(f->store, i));
        char words[64];
        snprintf(words, sizeof words, "which begins at %" PRIu64, first);
        assert_non_null(strstr(error.text, words));
    }
    for (uint64_t i = first; i <= f->expected.last; i++) {
        size_t count = log_store_read(f->store, i, 64, 100000, records, &memory, &error);
        assert_true(count > 0);
        assert_false(log_store_is_trimmed(f->store, i));
        for (size_t k = 0; k < count; k++) {
            fixture_check(&records[k], i + k, f->expected.entries[i + k - 1].term,
                          f->expected.entries[i + k - 1].len);
        }
    }
    uint64_t behind = f->expected.last + 1;
    assert_int_equal(log_store_read(f->store, behind, 1, 1, records, &memory, &error), 0);
    assert_false(log_store_is_trimmed(f->store, behind));
    buffer_free(&memory);
}

static inline void set_snapshot(struct fixture *f, uint64_t index, uint64_t term)
{
    f->snapshot_index = index;
    f->snapshot_term = term;
}

/* The log must be refused as it stands, and nothing of it changed; with this snapshot. */
static inline void refused_with(struct fixture *f, uint64_t index, uint64_t term, const char *first,
                                const char *second)
{
    set_snapshot(f, index, term);
    uint64_t removals = sim_disk_count(f->disk, SIM_REMOVE);
    uint64_t writes = sim_disk_count(f->disk, SIM_WRITE);
    fixture_refuse(f, first, second);
    assert_int_equal(sim_disk_count(f->disk, SIM_REMOVE), removals);
    assert_int_equal(sim_disk_count(f->disk, SIM_WRITE), writes);
}

#endif
