/* Which states bear witness each by itself, in whatever order they are looked at. */
#include "cmocka_test.h"

#include "witnesses.h"

static struct witness of(uint64_t id)
{
    return (struct witness){.id = id};
}

static struct witness copy(uint64_t id, uint64_t from)
{
    struct witness witness = of(id);
    lineage_add(&witness.lineage, from);
    return witness;
}

static struct witness copy_of_two(uint64_t id, uint64_t from, uint64_t before)
{
    struct witness witness = copy(id, from);
    lineage_add(&witness.lineage, before);
    return witness;
}

static void states_of_their_own_are_all_witnesses(void **state)
{
    (void)state;
    const struct witness three[] = {of(1), of(2), of(3)};
    assert_int_equal(witnesses_most(three, 0), 0);
    assert_int_equal(witnesses_most(three, 1), 1);
    assert_int_equal(witnesses_most(three, 3), 3);
}

static void a_copy_adds_nothing(void **state)
{
    (void)state;
    const struct witness original_first[] = {of(1), copy(2, 1), of(3)};
    assert_int_equal(witnesses_most(original_first, 3), 2);
    const struct witness of_a_third[] = {copy(2, 1), copy(3, 1)}; /* which is not among them */
    assert_int_equal(witnesses_most(of_a_third, 2), 1);
    const struct witness of_anybody[] = {copy(1, LINEAGE_ANYBODY), of(2), of(3)};
    assert_int_equal(witnesses_most(of_anybody, 3), 2);
}

static void nor_does_it_silence_those_that_it_stems_from(void **state)
{
    (void)state;
    const struct witness copy_first[] = {copy_of_two(1, 2, 3), of(2), of(3)};
    assert_int_equal(witnesses_most(copy_first, 3), 2);
    const struct witness chain[] = {copy(2, 1), copy_of_two(3, 2, 1), of(1), of(4), copy(5, 4)};
    assert_int_equal(witnesses_most(chain, 5), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_of_their_own_are_all_witnesses),
        cmocka_unit_test(a_copy_adds_nothing),
        cmocka_unit_test(nor_does_it_silence_those_that_it_stems_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
