/*
 * test_log_batch.c - the batch codec: what comes out is what went in; every cut and every lost
 * sector reads as torn, every flipped bit as damage.
 */
#include "log_fixture.h"

#include "base/hash.h"
#include "base/limits.h"
#include "log_batch.h"

#define ENTRIES 5

static struct log_batch_header seal_sample(struct buffer *out, size_t len)
{
    uint8_t data[4096];
    assert_true(len <= sizeof data);
    log_batch_begin(out);
    for (uint64_t i = 0; i < ENTRIES; i++) {
        struct log_record record = fixture_record(100 + i, 7, data, len);
        size_t announced = log_batch_length_with(out, len);
        log_batch_add(out, &record);
        assert_int_equal(log_batch_length(out), announced);
    }
    struct log_batch_header header = {
        .cluster_id = FIXTURE_CLUSTER,
        .segment = 3,
        .number = 17,
        .first_index = 100,
        .count = ENTRIES,
        .previous_crc = 0xdeadbeef,
    };
    log_batch_seal(out, &header);
    assert_int_equal(out->len, header.length);
    assert_int_equal(out->len % LOG_BATCH_ALIGNMENT, 0);
    return header;
}

static void test_round_trip(void **state)
{
    (void)state;
    struct buffer out = {0};
    const size_t lens[] = {0, 1, 15, 16, 47, 48, 49, 400, 4096};
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        struct log_batch_header sealed = seal_sample(&out, lens[i]);
        struct log_batch_header header;
        assert_int_equal(log_batch_read(buffer_bytes(&out), 0, &header), LOG_BATCH_VALID);
        assert_int_equal(header.format, LOG_BATCH_FORMAT);
        assert_int_equal(header.cluster_id, sealed.cluster_id);
        assert_int_equal(header.segment, sealed.segment);
        assert_int_equal(header.number, sealed.number);
        assert_int_equal(header.first_index, sealed.first_index);
        assert_int_equal(header.count, sealed.count);
        assert_int_equal(header.length, out.len);
        assert_int_equal(header.previous_crc, sealed.previous_crc);
        assert_int_equal(header.crc, sealed.crc);

        struct log_batch_entries entries = log_batch_entries_of(buffer_bytes(&out), &header);
        struct log_record record;
        for (uint64_t k = 0; k < ENTRIES; k++) {
            assert_true(log_batch_next(&entries, &record));
            fixture_check(&record, 100 + k, 7, lens[i]);
        }
        assert_false(log_batch_next(&entries, &record));
        assert_false(entries.failed);
    }
    buffer_free(&out);
}

/* The layout is forever: these offsets are what log_batch.h says. */
static void test_layout(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct log_batch_header header = seal_sample(&out, 1);
    const uint8_t expected[] = {
        'H',  'F',  'L',  'B',  1,    0,    0,    0,    /* magic, format, zero */
        0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, /* cluster id */
        3,    0,    0,    0,    0,    0,    0,    0,
        17,   0,    0,    0,    0,    0,    0,    0, /* segment, number */
        100,  0,    0,    0,    0,    0,    0,    0, /* first index */
        5,    0,    0,    0,    192,  0,    0,    0, /* count, length */
        0xef, 0xbe, 0xad, 0xde,                      /* previous crc */
    };
    assert_memory_equal(out.data, expected, sizeof expected);
    uint32_t crc = crc32c(0xdeadbeef, out.data, 52);
    assert_int_equal(header.crc, crc32c(crc, out.data + 64, out.len - 64));
    const uint8_t entry[] = {7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1 + 100 % 3, 0, 0, 0};
    assert_memory_equal(out.data + 64, entry, sizeof entry);
    buffer_free(&out);
}

static void test_every_cut_is_torn(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct buffer torn = {0};
    struct log_batch_header header;
    const uint64_t offsets[] = {0, 64, 448};
    seal_sample(&out, 300);
    for (size_t o = 0; o < 3; o++) {
        for (size_t cut = 0; cut < out.len; cut++) {
            assert_int_equal(log_batch_read(bytes_of(out.data, cut), offsets[o], &header),
                             LOG_BATCH_TORN);
            buffer_clear(&torn);
            buffer_append(&torn, out.data, out.len);
            memset(torn.data + cut, 0, out.len - cut);
            assert_int_equal(log_batch_read(buffer_bytes(&torn), offsets[o], &header),
                             LOG_BATCH_TORN);
        }
    }
    buffer_free(&torn);
    buffer_free(&out);
}

static void test_every_lost_sector_is_torn(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct buffer torn = {0};
    struct log_batch_header header;
    seal_sample(&out, 300); /* about 1.6 KiB: four or five sectors, by where it begins */
    for (uint64_t offset = 0; offset < LOG_SECTOR_BYTES; offset += LOG_BATCH_ALIGNMENT) {
        size_t sectors = (size_t)((offset + out.len + LOG_SECTOR_BYTES - 1) / LOG_SECTOR_BYTES);
        for (uint32_t lost = 1; lost < 1u << sectors; lost++) {
            buffer_clear(&torn);
            buffer_append(&torn, out.data, out.len);
            for (size_t i = 0; i < out.len; i++) {
                if (lost >> ((offset + i) / LOG_SECTOR_BYTES) & 1) {
                    torn.data[i] = 0;
                }
            }
            assert_int_equal(log_batch_read(buffer_bytes(&torn), offset, &header), LOG_BATCH_TORN);
        }
    }
    buffer_free(&torn);
    buffer_free(&out);
}

static void test_every_flip_is_damage(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct log_batch_header header;
    seal_sample(&out, 300);
    for (size_t at = 0; at < out.len; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            out.data[at] ^= (uint8_t)(1u << bit);
            assert_int_equal(log_batch_read(buffer_bytes(&out), 128, &header), LOG_BATCH_DAMAGED);
            out.data[at] ^= (uint8_t)(1u << bit);
        }
    }
    assert_int_equal(log_batch_read(buffer_bytes(&out), 128, &header), LOG_BATCH_VALID);
    buffer_free(&out);
}

static void test_other_format(void **state)
{
    (void)state;
    struct buffer out = {0};
    seal_sample(&out, 10);
    struct log_batch_header header;
    out.data[4] = LOG_BATCH_FORMAT + 1;
    uint32_t sum = crc32c(0, out.data, 56);
    for (size_t i = 0; i < 4; i++) {
        out.data[56 + i] = (uint8_t)(sum >> (8 * i));
    }
    assert_int_equal(log_batch_read(buffer_bytes(&out), 0, &header), LOG_BATCH_OTHER_FORMAT);
    assert_int_equal(header.format, LOG_BATCH_FORMAT + 1);
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_every_cut_is_torn),
        cmocka_unit_test(test_every_lost_sector_is_torn),
        cmocka_unit_test(test_every_flip_is_damage),
        cmocka_unit_test(test_other_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
