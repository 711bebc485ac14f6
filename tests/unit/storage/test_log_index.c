/*
 * test_log_index.c - the index against an array that says for each entry which batch holds it.
 */
#include "log_fixture.h"

#include "log_index.h"

#define ENTRIES 2000

static void test_empty(void **state)
{
    (void)state;
    struct log_index index = {0};
    assert_int_equal(log_index_last(&index), 0);
    assert_null(log_index_find(&index, 0));
    assert_null(log_index_find(&index, 1));
    assert_int_equal(log_index_first(&index), 1);
    log_index_free(&index);
}

static void test_against_an_array(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        uint64_t random = seed;
        struct log_index index = {0};
        uint32_t holder[ENTRIES + 1] = {0};
        uint64_t last = 0;
        for (uint32_t batch = 1; batch <= 300; batch++) {
            uint64_t back = fixture_random(&random) % 4 == 0 ? fixture_random(&random) % 40 : 0;
            uint64_t first = back >= last ? 1 : last + 1 - back;
            uint32_t count = (uint32_t)(1 + fixture_random(&random) % 6);
            struct log_place place = {.first_index = first, .count = count, .offset = batch};
            log_index_put(&index, &place);
            last = first + count - 1;
            for (uint64_t i = first; i <= last; i++) {
                holder[i] = batch;
            }
            assert_int_equal(log_index_last(&index), last);
        }
        for (uint64_t i = 1; i <= last; i++) {
            const struct log_place *place = log_index_find(&index, i);
            assert_non_null(place);
            assert_int_equal(place->offset, holder[i]);
            assert_true(place->first_index <= i && i < place->first_index + place->count);
        }
        for (size_t i = 1; i < index.count; i++) {
            assert_int_equal(index.places[i].first_index,
                             index.places[i - 1].first_index + index.places[i - 1].count);
        }
        assert_null(log_index_find(&index, last + 1));
        log_index_free(&index);
    }
}

/* The head goes by segments, and the memory with it; what is left stays as it is. */
static void test_the_head_is_dropped(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        uint64_t random = seed;
        struct log_index index = {0};
        log_index_begin(&index, 1000);
        assert_int_equal(log_index_first(&index), 1000);
        assert_int_equal(log_index_last(&index), 999);
        assert_null(log_index_find(&index, 999));
        assert_null(log_index_find(&index, 1000));
        uint64_t next = 1000;
        uint64_t first_of_segment[40];
        for (uint32_t segment = 0; segment < 40; segment++) {
            first_of_segment[segment] = next;
            for (uint64_t batches = 1 + fixture_random(&random) % 100; batches > 0; batches--) {
                struct log_place place = {.first_index = next,
                                          .count = (uint32_t)(1 + fixture_random(&random) % 6),
                                          .segment = segment};
                log_index_put(&index, &place);
                next += place.count;
            }
        }
        for (uint32_t segment = 0; segment < 40;
             segment += 1 + (uint32_t)(fixture_random(&random) % 4)) {
            log_index_drop(&index, segment);
            uint64_t first = first_of_segment[segment];
            assert_int_equal(log_index_first(&index), first);
            assert_int_equal(log_index_last(&index), next - 1);
            assert_null(log_index_find(&index, first - 1));
            for (uint64_t i = first; i < next; i++) {
                const struct log_place *place = log_index_find(&index, i);
                assert_non_null(place);
                assert_true(place->first_index <= i && i < place->first_index + place->count);
            }
            assert_true(index.capacity <= 256 || index.count * 8 >= index.capacity);
        }
        log_index_drop(&index, 40);
        assert_int_equal(index.count, 0);
        assert_int_equal(log_index_first(&index), next);
        assert_int_equal(log_index_last(&index), next - 1);
        struct log_place place = {.first_index = next, .count = 1, .segment = 40};
        log_index_put(&index, &place);
        assert_int_equal(log_index_first(&index), next);
        assert_int_equal(log_index_last(&index), next);
        /* A batch that replaces the whole log may begin before it. */
        place.first_index = next - 5;
        log_index_put(&index, &place);
        assert_int_equal(log_index_first(&index), next - 5);
        assert_int_equal(log_index_last(&index), next - 5);
        log_index_free(&index);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_against_an_array),
        cmocka_unit_test(test_the_head_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
