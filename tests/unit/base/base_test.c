/* base: views, UTF-8, codecs, hashes, random numbers. */
#include "cmocka_test.h"

#include <stdlib.h>

#include "base/codec.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/random.h"

static void test_utf8(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "plain",
                                       "\xc3\xa9",
                                       "\xe2\x82\xac",
                                       "\xf0\x9f\x93\xa6",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xc3",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x80\x80",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xe2\x82",
                                      "\xf0\x80\x80\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "a\xff",
                                      "\xf0\x9f\x93",
                                      "\xc3\x28"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(bytes_is_utf8(bytes_of_string(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(bytes_is_utf8(bytes_of_string(bad[i])));
    }
}

static void test_codec_round_trip_and_every_truncation(void **state)
{
    (void)state;
    struct buffer out = {0};
    write_u8(&out, 0xfe);
    write_u16(&out, 0xfedc);
    write_u32(&out, 0xfedcba98);
    write_u64(&out, 0xfedcba9876543210);
    write_i64(&out, -LIMIT_QUANTITY);
    buffer_append(&out, "\1\2\3\4", 4);
    buffer_append(&out, "\1\2\3\4\5\6\7\10", 8);
    write_bytes16(&out, BYTES_LITERAL("short"));
    write_bytes32(&out, BYTES_LITERAL(""));
    for (size_t len = 0; len <= out.len; len++) {
        struct reader in = reader_of(bytes_of(out.data, len));
        uint8_t a = read_u8(&in);
        uint16_t b = read_u16(&in);
        uint32_t c = read_u32(&in);
        uint64_t d = read_u64(&in);
        int64_t e = read_i64(&in);
        uint32_t f = read_u32_be(&in);
        uint64_t g = read_u64_be(&in);
        struct bytes h = read_bytes16(&in);
        struct bytes i = read_bytes32(&in);
        assert_int_equal(reader_finished(&in), len == out.len);
        if (len == out.len) {
            assert_int_equal(a, 0xfe);
            assert_int_equal(b, 0xfedc);
            assert_int_equal(c, 0xfedcba98);
            assert_true(d == 0xfedcba9876543210);
            assert_true(e == -LIMIT_QUANTITY);
            assert_int_equal(f, 0x01020304);
            assert_true(g == 0x0102030405060708);
            assert_true(bytes_equal(h, BYTES_LITERAL("short")));
            assert_int_equal(i.len, 0);
        }
    }
    buffer_free(&out);
}

static void test_crc32c_is_the_published_one(void **state)
{
    (void)state;
    /* RFC 3720, B.4 */
    uint8_t zeros[32] = {0};
    assert_int_equal(crc32c(0, zeros, 32), 0x8a9136aa);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
}

static void test_digest_sums_do_not_depend_on_order(void **state)
{
    (void)state;
    struct hash128 a = hash128_of_pair(BYTES_LITERAL("a"), BYTES_LITERAL("bc"));
    struct hash128 b = hash128_of_pair(BYTES_LITERAL("ab"), BYTES_LITERAL("c"));
    assert_false(hash128_equal(a, b));
    assert_true(hash128_equal(hash128_add(a, b), hash128_add(b, a)));
    assert_true(hash128_equal(hash128_subtract(hash128_add(a, b), b), a));
    struct hash128 one = {1, 0};
    struct hash128 most = {UINT64_MAX, UINT64_MAX};
    assert_true(hash128_equal(hash128_add(most, one), (struct hash128){0, 0}));
    assert_true(hash128_equal(hash128_subtract((struct hash128){0, 0}, one), most));
    assert_true(
        hash128_equal(hash128_add((struct hash128){UINT64_MAX, 0}, one), (struct hash128){0, 1}));
}

static void test_buffers_grow(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    for (int i = 0; i < 1000; i++) {
        buffer_printf(&buffer, "%03d", i);
    }
    assert_int_equal(buffer.len, 3000);
    assert_memory_equal(buffer.data + 2997, "999", 3);
    buffer_free(&buffer);
}

static int by_value(const void *left, const void *right)
{
    const uint64_t *a = left;
    const uint64_t *b = right;
    return *a < *b ? -1 : *a > *b;
}

/* Neighbouring sequences of neighbouring seeds: no draw comes twice, at whatever place. */
static void test_sequences_share_no_draws(void **state)
{
    enum { SEEDS = 20, SEQUENCES = 20, DRAWS = 20, ALL = SEEDS * SEQUENCES * DRAWS };
    static uint64_t drawn[ALL];
    (void)state;
    uint32_t count = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        for (uint64_t n = 0; n < SEQUENCES; n++) {
            struct random random = random_sequence(seed, n);
            for (int i = 0; i < DRAWS; i++) {
                drawn[count++] = random_next(&random);
            }
        }
    }
    qsort(drawn, ALL, sizeof *drawn, by_value);
    for (uint32_t i = 1; i < ALL; i++) {
        assert_true(drawn[i - 1] != drawn[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_codec_round_trip_and_every_truncation),
        cmocka_unit_test(test_crc32c_is_the_published_one),
        cmocka_unit_test(test_digest_sums_do_not_depend_on_order),
        cmocka_unit_test(test_buffers_grow),
        cmocka_unit_test(test_sequences_share_no_draws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
