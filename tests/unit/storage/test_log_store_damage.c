/*
 * test_log_store_damage.c - torn writes are dropped, damage is refused, and the two are told apart
 * wherever they can be.
 */
#include "log_fixture.h"

#include "base/hash.h"

#define SEGMENT_1 FIXTURE_LOG "/0000000000000001.log"
#define SEGMENT_2 FIXTURE_LOG "/0000000000000002.log"
#define SEGMENT_3 FIXTURE_LOG "/0000000000000003.log"
#define SEGMENT_4 FIXTURE_LOG "/0000000000000004.log"

/* A batch of 3 entries of 100 bytes: 64 + 3 * 116, padded. */
#define BATCH_BYTES ((size_t)448)
/* A segment holds four of them and 256 bytes. */
#define SEGMENT_BYTES ((size_t)2048)

/* Batches of 3 entries; the fixture is closed afterwards. */
static struct fixture *log_of_batches(uint64_t batches)
{
    struct fixture *f = fixture_new(7, SEGMENT_BYTES);
    fixture_open(f, NULL);
    for (uint64_t i = 0; i < batches; i++) {
        fixture_must_append(f, 1 + i * 3, 1, 3, 100);
    }
    fixture_close(f);
    return f;
}

static struct buffer saved_content(struct fixture *f, const char *path)
{
    struct buffer saved = {0};
    buffer_append_bytes(&saved, sim_disk_content(f->disk, path));
    return saved;
}

static void expect_zeros_from(struct fixture *f, const char *path, size_t from)
{
    struct bytes content = sim_disk_content(f->disk, path);
    for (size_t i = from; i < content.len; i++) {
        assert_int_equal(content.data[i], 0);
    }
}

/* The log is what it was before its last batch, takes other batches, and is right again after a
 * crash: nothing of the dropped one comes back. */
static void expect_dropped(struct fixture *f, size_t tail, size_t remains)
{
    struct error torn;
    struct expected_log before = f->expected;
    f->expected.last -= 3;
    fixture_open(f, &torn);
    if (remains > 0) {
        assert_non_null(
            strstr(torn.text, SEGMENT_1 ": dropped a torn batch at offset 896, behind entry 6"));
    } else {
        assert_string_equal(torn.text, "");
    }
    expect_zeros_from(f, SEGMENT_1, tail);
    fixture_must_append(f, f->expected.last + 1, 9, 1, 3); /* shorter */
    fixture_must_append(f, f->expected.last + 1, 9, 2, 30);
    fixture_close(f);
    sim_disk_crash(f->disk, SIM_LOSE_ALL);
    fixture_open(f, &torn);
    assert_string_equal(torn.text, "");
    fixture_close(f);
    f->expected = before;
    if (sim_disk_exists(f->disk, SEGMENT_2)) { /* there was no room left in a file that was cut */
        assert_true(f->files.remove(f->disk, SEGMENT_2, &torn));
    }
}

static void test_last_batch_torn_at_every_byte(void **state)
{
    (void)state;
    struct fixture *f = log_of_batches(3);
    struct buffer saved = saved_content(f, SEGMENT_1);
    const size_t tail = 2 * BATCH_BYTES;
    struct buffer torn = {0};
    for (size_t cut = 0; cut < BATCH_BYTES; cut++) {
        buffer_clear(&torn);
        buffer_append(&torn, saved.data, tail + cut);
        sim_disk_set_content(f->disk, SEGMENT_1, buffer_bytes(&torn)); /* the file ends there */
        expect_dropped(f, tail, cut);
        memset(buffer_reserve(&torn, saved.len - torn.len), 0, saved.len - torn.len);
        torn.len = saved.len;
        sim_disk_set_content(f->disk, SEGMENT_1, buffer_bytes(&torn)); /* it goes on with zeros */
        expect_dropped(f, tail, cut);
    }
    buffer_free(&torn);
    buffer_free(&saved);
    fixture_free(f);
}

/* The batch at 896 .. 1344 lies in the sectors that begin at 512, 1024: each may be lost. */
static void test_last_batch_with_lost_sectors(void **state)
{
    (void)state;
    struct fixture *f = log_of_batches(3);
    struct buffer saved = saved_content(f, SEGMENT_1);
    struct buffer torn = {0};
    for (unsigned lost = 1; lost < 4; lost++) {
        buffer_clear(&torn);
        buffer_append_bytes(&torn, buffer_bytes(&saved));
        if (lost & 1) {
            memset(torn.data + 896, 0, 1024 - 896);
        }
        if (lost & 2) {
            memset(torn.data + 1024, 0, 1344 - 1024);
        }
        sim_disk_set_content(f->disk, SEGMENT_1, buffer_bytes(&torn));
        expect_dropped(f, 896, lost == 3 ? 0 : 1);
    }
    buffer_free(&torn);
    buffer_free(&saved);
    fixture_free(f);
}

static const uint8_t masks[] = {0x01, 0x10, 0x80, 0xff};

/* Every byte of the batch at this offset, flipped in several ways, is refused by file and offset,
 * and refusing changes nothing. */
static void expect_flips_refused(struct fixture *f, const char *path, size_t batch_offset)
{
    char words[128];
    snprintf(words, sizeof words, "%s is damaged at offset %zu", path, batch_offset);
    struct bytes content = sim_disk_content(f->disk, path);
    struct hash128 before = hash128_of(content);
    for (size_t at = batch_offset; at < batch_offset + BATCH_BYTES; at++) {
        for (size_t m = 0; m < sizeof masks; m++) {
            sim_disk_flip(f->disk, path, at, masks[m]);
            fixture_refuse(f, words, "leave this node stopped");
            sim_disk_flip(f->disk, path, at, masks[m]);
        }
    }
    assert_true(hash128_equal(before, hash128_of(sim_disk_content(f->disk, path))));
    fixture_open(f, NULL);
    fixture_close(f);
}

static void test_first_and_middle_batch_flipped(void **state)
{
    (void)state;
    struct fixture *f = log_of_batches(3);
    expect_flips_refused(f, SEGMENT_1, 0);
    expect_flips_refused(f, SEGMENT_1, BATCH_BYTES);
    fixture_free(f);
}

/* A torn write leaves zeros where it has not been: a last batch that arrived wholly and does not
 * add up is damage, not a torn write. */
static void test_last_batch_flipped(void **state)
{
    (void)state;
    struct fixture *f = log_of_batches(3);
    expect_flips_refused(f, SEGMENT_1, 2 * BATCH_BYTES);
    fixture_free(f);
}

static void test_last_batch_of_a_full_segment_flipped(void **state)
{
    (void)state;
    struct fixture *f = log_of_batches(9);
    expect_flips_refused(f, SEGMENT_1, 3 * BATCH_BYTES);
    expect_flips_refused(f, SEGMENT_2, 3 * BATCH_BYTES);
    fixture_free(f);
}

/* Damage that looks like a torn write, but with a later batch behind it: in the same segment, and
 * in the next one. */
static void test_lost_in_the_middle(void **state)
{
    (void)state;
    struct fixture *f = log_of_batches(9);
    const struct {
        const char *path;
        size_t offset;
        const char *later;
    } cases[] = {
        {SEGMENT_1, 0, SEGMENT_1 " at offset 448"},
        {SEGMENT_1, 2 * BATCH_BYTES, SEGMENT_1 " at offset 1344"},
        {SEGMENT_1, 3 * BATCH_BYTES, SEGMENT_2 " at offset 0"},
        {SEGMENT_2, 0, SEGMENT_2 " at offset 448"},
        {SEGMENT_2, 3 * BATCH_BYTES, SEGMENT_3 " at offset 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer saved = saved_content(f, cases[i].path);
        struct buffer lost = {0};
        char words[128];
        snprintf(words, sizeof words, "%s is damaged at offset %zu", cases[i].path,
                 cases[i].offset);
        for (size_t cut = 0; cut < BATCH_BYTES; cut += 16) {
            buffer_clear(&lost);
            buffer_append_bytes(&lost, buffer_bytes(&saved));
            memset(lost.data + cases[i].offset + cut, 0, BATCH_BYTES - cut);
            sim_disk_set_content(f->disk, cases[i].path, buffer_bytes(&lost));
            fixture_refuse(f, words, cases[i].later);
        }
        sim_disk_set_content(f->disk, cases[i].path, buffer_bytes(&saved));
        buffer_free(&lost);
        buffer_free(&saved);
    }
    fixture_open(f, NULL);
    fixture_free(f);
}

/* A whole segment that reads as zeros, or is gone, or cut. */
static void test_segment_lost(void **state)
{
    (void)state;
    struct fixture *f = log_of_batches(13);
    struct error error;
    struct buffer saved = saved_content(f, SEGMENT_2);
    uint8_t zeros[SEGMENT_BYTES] = {0};
    sim_disk_set_content(f->disk, SEGMENT_2, bytes_of(zeros, sizeof zeros));
    fixture_refuse(f, SEGMENT_2 " is damaged at offset 0", SEGMENT_3 " at offset 0");
    sim_disk_set_content(f->disk, SEGMENT_2, bytes_of(saved.data, 2 * BATCH_BYTES));
    fixture_refuse(f, SEGMENT_2 " is damaged at offset 896", SEGMENT_3 " at offset 0");
    sim_disk_set_content(f->disk, SEGMENT_2, bytes_of(NULL, 0));
    fixture_refuse(f, SEGMENT_2 " is damaged at offset 0", SEGMENT_3 " at offset 0");

    assert_true(f->files.remove(f->disk, SEGMENT_2, &error));
    fixture_refuse(f, SEGMENT_2 " is missing", "leave this node stopped");
    assert_true(f->files.remove(f->disk, SEGMENT_1, &error));
    fixture_refuse(f, SEGMENT_1 " is missing", "leave this node stopped");
    buffer_free(&saved);
    fixture_free(f);
}

/* Segments that were made ready and never used go away. */
static void test_unused_segments_are_removed(void **state)
{
    (void)state;
    struct fixture *f = log_of_batches(2);
    uint8_t zeros[SEGMENT_BYTES] = {0};
    sim_disk_set_content(f->disk, SEGMENT_2, bytes_of(zeros, sizeof zeros));
    sim_disk_set_content(f->disk, SEGMENT_3, bytes_of(NULL, 0));
    sim_disk_set_content(f->disk, FIXTURE_LOG "/notes.txt", bytes_of("x", 1));
    fixture_open(f, NULL);
    assert_false(sim_disk_exists(f->disk, SEGMENT_2));
    assert_false(sim_disk_exists(f->disk, SEGMENT_3));
    assert_true(sim_disk_exists(f->disk, FIXTURE_LOG "/notes.txt"));
    fixture_must_append(f, 7, 1, 3, 100);
    fixture_close(f);
    sim_disk_crash(f->disk, SIM_LOSE_ALL);
    fixture_open(f, NULL);
    fixture_free(f);
}

/* The first batch of a new segment, torn at every byte: the segment goes, the one before stays. */
static void test_torn_first_batch_of_a_segment(void **state)
{
    (void)state;
    struct fixture *f = log_of_batches(5);
    struct buffer saved = saved_content(f, SEGMENT_2);
    struct expected_log whole = f->expected;
    for (size_t cut = 1; cut < BATCH_BYTES; cut++) {
        uint8_t torn_content[SEGMENT_BYTES] = {0};
        memcpy(torn_content, saved.data, cut);
        sim_disk_set_content(f->disk, SEGMENT_2, bytes_of(torn_content, sizeof torn_content));
        f->expected = whole;
        f->expected.last = 12;
        struct error torn;
        fixture_open(f, &torn);
        assert_non_null(
            strstr(torn.text, SEGMENT_2 ": dropped a torn batch at offset 0, behind entry 12"));
        assert_false(sim_disk_exists(f->disk, SEGMENT_2));
        fixture_must_append(f, 13, 5, 1, 10); /* fits behind the fourth */
        assert_false(sim_disk_exists(f->disk, SEGMENT_2));
        fixture_close(f);
        fixture_open(f, NULL);
        fixture_must_append(f, 13, 6, 3, 100); /* does not fit any more */
        assert_true(sim_disk_exists(f->disk, SEGMENT_2));
        fixture_close(f);
        fixture_open(f, NULL);
        fixture_close(f);
        uint8_t again[SEGMENT_BYTES];
        memcpy(again, sim_disk_content(f->disk, SEGMENT_1).data, sizeof again);
        memset(again + 4 * BATCH_BYTES, 0, sizeof again - 4 * BATCH_BYTES);
        sim_disk_set_content(f->disk, SEGMENT_1, bytes_of(again, sizeof again));
    }
    buffer_free(&saved);
    fixture_free(f);
}

static void test_another_cluster(void **state)
{
    (void)state;
    struct fixture *f = log_of_batches(2);
    struct log_store_options options = fixture_options(f);
    options.cluster_id = 5;
    struct error error;
    assert_null(log_store_open(&options, NULL, NULL, NULL, &error));
    assert_non_null(strstr(error.text, "another cluster"));
    assert_non_null(strstr(error.text, "1122334455667788"));
    fixture_free(f);
}

static void test_newer_format(void **state)
{
    (void)state;
    struct fixture *f = log_of_batches(2);
    uint8_t content[SEGMENT_BYTES];
    memcpy(content, sim_disk_content(f->disk, SEGMENT_1).data, sizeof content);
    content[BATCH_BYTES + 4] = 2;
    uint32_t sum = crc32c(0, content + BATCH_BYTES, 56);
    for (size_t i = 0; i < 4; i++) {
        content[BATCH_BYTES + 56 + i] = (uint8_t)(sum >> (8 * i));
    }
    sim_disk_set_content(f->disk, SEGMENT_1, bytes_of(content, sizeof content));
    fixture_refuse(f, "format 2 at offset 448", "this program reads format 1");
    fixture_free(f);
}

/* Segments of one log copied over each other, or over another log's. */
static void test_segments_mixed_up(void **state)
{
    (void)state;
    struct fixture *f = log_of_batches(9);
    struct buffer first = saved_content(f, SEGMENT_1);
    struct buffer second = saved_content(f, SEGMENT_2);
    sim_disk_set_content(f->disk, SEGMENT_2, buffer_bytes(&first));
    fixture_refuse(f, SEGMENT_2 " is damaged at offset 0", "another segment");

    /* The same place of another history: right number and segment, wrong chain. */
    struct fixture *other = fixture_new(7, SEGMENT_BYTES);
    fixture_open(other, NULL);
    for (uint64_t i = 0; i < 9; i++) {
        fixture_must_append(other, 1 + i * 3, 2, 3, 100);
    }
    fixture_close(other);
    sim_disk_set_content(f->disk, SEGMENT_2, sim_disk_content(other->disk, SEGMENT_2));
    fixture_refuse(f, SEGMENT_2 " is damaged at offset 0", "does not follow");

    sim_disk_set_content(f->disk, SEGMENT_2, buffer_bytes(&second));
    fixture_open(f, NULL);
    buffer_free(&first);
    buffer_free(&second);
    fixture_free(other);
    fixture_free(f);
}

/* Any one byte anywhere, after a random life: the log is refused, or it is what it was (a byte
 * behind the tail means nothing). Never anything else. */
static void test_random_flips(void **state)
{
    (void)state;
    uint64_t refused = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        uint64_t random = seed;
        struct fixture *f = fixture_new(seed, SEGMENT_BYTES);
        fixture_open(f, NULL);
        for (uint64_t term = 1; term <= 30; term++) {
            uint64_t back = fixture_random(&random) % 3;
            uint64_t first = back > f->expected.last ? 1 : f->expected.last + 1 - back;
            fixture_must_append(f, first, term, 1 + fixture_random(&random) % 4,
                                fixture_random(&random) % 300);
        }
        uint64_t segments = log_store_disk_bytes(f->store) / SEGMENT_BYTES;
        fixture_close(f);
        for (int i = 0; i < 60; i++) {
            char path[64];
            snprintf(path, sizeof path, FIXTURE_LOG "/%016" PRIu64 ".log",
                     1 + fixture_random(&random) % segments);
            uint64_t at = fixture_random(&random) % SEGMENT_BYTES;
            uint8_t mask = (uint8_t)(1u << fixture_random(&random) % 8);
            sim_disk_flip(f->disk, path, at, mask);
            struct log_store_options options = fixture_options(f);
            struct error error = {""};
            static struct visited visited;
            visited.count = 0;
            f->store = log_store_open(&options, fixture_visit, &visited, NULL, &error);
            if (f->store == NULL) {
                assert_non_null(strstr(error.text, "is damaged at offset"));
                refused++;
                sim_disk_flip(f->disk, path, at, mask);
            } else {
                fixture_settle(&visited, f->store);
                fixture_compare(&visited, f->store, &f->expected);
                fixture_close(f);
                uint8_t now = sim_disk_content(f->disk, path).data[at];
                if (now != 0) {
                    /* A flip behind a full segment's last batch stays: nothing reads it. */
                    sim_disk_flip(f->disk, path, at, mask);
                }
            }
        }
        fixture_open(f, NULL);
        fixture_free(f);
    }
    assert_true(refused > 1200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_last_batch_torn_at_every_byte),
        cmocka_unit_test(test_last_batch_with_lost_sectors),
        cmocka_unit_test(test_first_and_middle_batch_flipped),
        cmocka_unit_test(test_last_batch_flipped),
        cmocka_unit_test(test_last_batch_of_a_full_segment_flipped),
        cmocka_unit_test(test_lost_in_the_middle),
        cmocka_unit_test(test_segment_lost),
        cmocka_unit_test(test_unused_segments_are_removed),
        cmocka_unit_test(test_torn_first_batch_of_a_segment),
        cmocka_unit_test(test_another_cluster),
        cmocka_unit_test(test_newer_format),
        cmocka_unit_test(test_segments_mixed_up),
        cmocka_unit_test(test_random_flips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
