/*
 * measure_test.c - the histogram against sorted values, the distributions against their
 * definitions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "distribution.h"
#include "histogram.h"

/* ---- histogram ---- */

static int compare_values(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void an_empty_histogram_says_zero(void **state)
{
    (void)state;
    static struct histogram histogram;
    assert_int_equal(histogram_percentile_ns(&histogram, 50), 0);
    assert_int_equal(histogram_percentile_ns(&histogram, 100), 0);
    assert_true(histogram_max_ms(&histogram) == 0);
}

static void one_value_is_every_percentile(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, 1, 255, 256, 257, 1000000, 123456789, UINT64_C(1) << 41};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct histogram *histogram = calloc(1, sizeof *histogram);
        histogram_record(histogram, values[i]);
        assert_int_equal(histogram_percentile_ns(histogram, 0.1), values[i]);
        assert_int_equal(histogram_percentile_ns(histogram, 100), values[i]);
        free(histogram);
    }
}

static void percentiles_are_within_one_percent_of_the_sorted_values(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    static uint64_t values[COUNT];
    static const double percents[] = {0.01, 1, 10, 50, 90, 99, 99.9, 99.99, 100};
    for (unsigned shift = 4; shift <= 40; shift += 4) {
        struct histogram *histogram = calloc(1, sizeof *histogram);
        struct random random = {shift};
        for (size_t i = 0; i < COUNT; i++) {
            /* From a few bits to `shift` of them, evenly by magnitude. */
            values[i] = random_next(&random) >> (64 - 1 - random_below(&random, shift));
            histogram_record(histogram, values[i]);
        }
        qsort(values, COUNT, sizeof *values, compare_values);
        for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
            size_t rank = (size_t)ceil(COUNT * percents[i] / 100);
            uint64_t exact = values[rank - 1];
            uint64_t said = histogram_percentile_ns(histogram, percents[i]);
            assert_true(said >= exact);
            assert_true((double)said <= (double)exact * 1.01 + 0.5);
        }
        assert_int_equal(histogram_percentile_ns(histogram, 100), values[COUNT - 1]);
        free(histogram);
    }
}

static void what_is_too_long_counts_and_keeps_the_maximum(void **state)
{
    (void)state;
    struct histogram *histogram = calloc(1, sizeof *histogram);
    histogram_record(histogram, 5);
    histogram_record(histogram, UINT64_MAX);
    assert_int_equal(histogram->count, 2);
    assert_int_equal(histogram_percentile_ns(histogram, 50), 5);
    assert_int_equal(histogram_percentile_ns(histogram, 100), UINT64_MAX);
    free(histogram);
}

/* ---- distributions ---- */

static void count_draws(enum distribution_kind kind, uint32_t skus, uint32_t draws,
                        uint32_t *counts)
{
    struct distribution distribution;
    struct random random = {42};
    distribution_make(&distribution, kind, skus);
    for (uint32_t i = 0; i < draws; i++) {
        uint32_t drawn = distribution_draw(&distribution, &random);
        assert_true(drawn < skus);
        counts[drawn]++;
    }
    distribution_free(&distribution);
}

/* So many standard deviations of a binomial count that a sound generator never strays so far. */
static void assert_near(uint32_t count, double expected)
{
    assert_true(fabs((double)count - expected) < 6 * sqrt(expected) + 1);
}

static void uniform_is_even(void **state)
{
    (void)state;
    uint32_t counts[100] = {0};
    count_draws(DISTRIBUTION_UNIFORM, 100, 1000000, counts);
    for (size_t i = 0; i < 100; i++) {
        assert_near(counts[i], 10000);
    }
}

static void zipf_follows_its_law(void **state)
{
    (void)state;
    uint32_t counts[1000] = {0};
    double sum = 0;
    count_draws(DISTRIBUTION_ZIPF, 1000, 1000000, counts);
    for (int rank = 1; rank <= 1000; rank++) {
        sum += 1 / pow(rank, 0.99);
    }
    for (int rank = 1; rank <= 1000; rank++) {
        assert_near(counts[rank - 1], 1000000 / pow(rank, 0.99) / sum);
    }
}

static void hot_is_one_sku_and_one_sku_is_hot(void **state)
{
    (void)state;
    uint32_t counts[10] = {0};
    count_draws(DISTRIBUTION_HOT, 10, 1000, counts);
    assert_int_equal(counts[0], 1000);
    count_draws(DISTRIBUTION_UNIFORM, 1, 1000, counts);
    count_draws(DISTRIBUTION_ZIPF, 1, 1000, counts);
    assert_int_equal(counts[0], 3000);
}

static void equal_seeds_draw_equally(void **state)
{
    (void)state;
    struct random a = {7};
    struct random b = {7};
    struct random c = {8};
    bool differs = false;
    for (int i = 0; i < 100; i++) {
        uint64_t value = random_next(&a);
        assert_int_equal(value, random_next(&b));
        differs = differs || value != random_next(&c);
    }
    assert_true(differs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_histogram_says_zero),
        cmocka_unit_test(one_value_is_every_percentile),
        cmocka_unit_test(percentiles_are_within_one_percent_of_the_sorted_values),
        cmocka_unit_test(what_is_too_long_counts_and_keeps_the_maximum),
        cmocka_unit_test(uniform_is_even),
        cmocka_unit_test(zipf_follows_its_law),
        cmocka_unit_test(hot_is_one_sku_and_one_sku_is_hot),
        cmocka_unit_test(equal_seeds_draw_equally),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
