/* The token bucket: what leaves over a while is rate and burst, never more, and hardly less. */
#include "cmocka_test.h"

#include "token_bucket.h"

#define SECOND_NS UINT64_C(1000000000)
#define MIB       (UINT64_C(1) << 20)

static void test_no_limit(void **state)
{
    (void)state;
    struct token_bucket bucket = token_bucket_of(0, MIB);
    for (int i = 0; i < 1000; i++) {
        token_bucket_take(&bucket, 5, MIB);
        assert_int_equal(token_bucket_wait_ns(&bucket, 5), 0);
    }
}

static void test_a_burst_leaves_at_once(void **state)
{
    (void)state;
    struct token_bucket bucket = token_bucket_of(MIB, MIB);
    uint64_t now = 77;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(token_bucket_wait_ns(&bucket, now), 0);
        token_bucket_take(&bucket, now, MIB / 4);
    }
    /* Empty: a moment later it is not. */
    assert_int_equal(token_bucket_wait_ns(&bucket, now), 1);
    assert_int_equal(token_bucket_wait_ns(&bucket, now + 1), 0);
}

static void test_a_debt_is_waited_for(void **state)
{
    (void)state;
    struct token_bucket bucket = token_bucket_of(2 * MIB, MIB);
    token_bucket_take(&bucket, 0, 5 * MIB); /* 4 more than there was */
    assert_int_equal(token_bucket_wait_ns(&bucket, 0), 2 * SECOND_NS + 1);
    assert_int_equal(token_bucket_wait_ns(&bucket, SECOND_NS), SECOND_NS + 1);
    assert_int_equal(token_bucket_wait_ns(&bucket, 2 * SECOND_NS), 1);
    assert_int_equal(token_bucket_wait_ns(&bucket, 2 * SECOND_NS + 1), 0);
}

static void test_it_fills_to_its_burst_and_no_further(void **state)
{
    (void)state;
    struct token_bucket bucket = token_bucket_of(MIB, MIB);
    token_bucket_take(&bucket, 0, MIB);
    uint64_t now = 3600 * SECOND_NS;
    token_bucket_take(&bucket, now, MIB);
    assert_int_equal(token_bucket_wait_ns(&bucket, now), 1);
}

static void test_without_a_burst_one_piece_at_a_time(void **state)
{
    (void)state;
    struct token_bucket bucket = token_bucket_of(MIB, 0);
    assert_int_equal(token_bucket_wait_ns(&bucket, 9), 0);
    token_bucket_take(&bucket, 9, MIB);
    assert_int_equal(token_bucket_wait_ns(&bucket, 9), SECOND_NS + 1);
    assert_int_equal(token_bucket_wait_ns(&bucket, 9 + SECOND_NS), 0); /* full again */
}

/* Sizes that don't divide the rate, a sender that comes late by more or less: over a minute the sum
 * lies between the rate and the bound of the header. */
static void test_over_a_while(void **state)
{
    (void)state;
    static const uint64_t rates[] = {1024, 999983, MIB, 64 * MIB, UINT64_C(4) << 30};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        uint64_t rate = rates[i];
        uint64_t burst = rate / 8;
        size_t largest = (size_t)(rate / 16);
        struct token_bucket bucket = token_bucket_of(rate, burst);
        uint64_t now = SECOND_NS;
        uint64_t sum = 0;
        uint64_t seed = 12345;
        while (now < 61 * SECOND_NS) {
            uint64_t wait = token_bucket_wait_ns(&bucket, now);
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
            if (wait > 0) {
                now += wait + (seed >> 40) % 1000000; /* up to a millisecond late */
                continue;
            }
            size_t bytes = largest - (size_t)((seed >> 33) % (largest / 2));
            token_bucket_take(&bucket, now, bytes);
            sum += bytes;
        }
        assert_in_range(sum, rate * 60, rate * 60 + burst + largest + rate / 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_a_burst_leaves_at_once),
        cmocka_unit_test(test_a_debt_is_waited_for),
        cmocka_unit_test(test_it_fills_to_its_burst_and_no_further),
        cmocka_unit_test(test_without_a_burst_one_piece_at_a_time),
        cmocka_unit_test(test_over_a_while),
    };
    return cmocka_run_group_tests_name("token_bucket", tests, NULL, NULL);
}
