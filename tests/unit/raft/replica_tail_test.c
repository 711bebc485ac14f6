/*
 * replica_tail_test.c - the tail of the log in memory against a naive copy of it.
 */
#include "replica_fixture.h"

#include "sim_random.h"

#define STEPS       20000
#define MODEL_SIZE  (STEPS + 1)
#define MAX_ENTRIES 50
#define MAX_BYTES   2000

static void bounds_hold_and_entries_are_found(void **state)
{
    (void)state;
    static uint64_t terms[MODEL_SIZE + 1]; /* the log as it should be: term by index */
    struct random random = {20261120};
    struct tail tail;
    uint64_t last = 0;
    uint64_t durable = 0;
    tail_init(&tail, 1, MAX_ENTRIES, MAX_BYTES);
    for (size_t step = 0; step < STEPS; step++) {
        uint8_t bytes[100] = {0};
        uint64_t what = sim_random_below(&random, 10);
        if (what < 6 && last < MODEL_SIZE) {
            last++;
            terms[last] = step + 1;
            struct entry *entry =
                entry_new_copy(last, terms[last], ENTRY_COMMAND,
                               bytes_of(bytes, (size_t)sim_random_below(&random, sizeof bytes)));
            tail_append(&tail, entry);
            entry_release(entry);
        } else if (what < 8) {
            durable = sim_random_between(&random, durable, last);
        } else if (what == 8 && last > 0) {
            uint64_t back = sim_random_below(&random, 20);
            uint64_t from = last > back ? last - back : 1;
            tail_truncate(&tail, from);
            last = from - 1;
            durable = durable < last ? durable : last;
        }
        tail_evict(&tail, durable);

        assert_int_equal(tail_next_index(&tail), last + 1);
        size_t held = 0;
        size_t held_bytes = 0;
        for (uint64_t index = last; index > 0 && tail_get(&tail, index) != NULL; index--) {
            struct entry *entry = tail_get(&tail, index);
            assert_int_equal(entry->index, index);
            assert_int_equal(entry->term, terms[index]);
            held++;
            held_bytes += entry->data.len;
        }
        assert_int_equal(held, tail.count);
        assert_int_equal(held_bytes, tail.bytes);
        assert_null(tail_get(&tail, last + 1));
        /* Over a bound only by what is nowhere else. */
        if (tail.count > MAX_ENTRIES || tail.bytes > MAX_BYTES) {
            assert_true(tail.first_index > durable);
        }
        assert_true(tail.first_index <= durable + 1);
    }
    tail_free(&tail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_hold_and_entries_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
