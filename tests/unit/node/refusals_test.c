/* Who refuses this node: who counts, and who makes room. */
#include "cmocka_test.h"

#include "refusals.h"

static const struct replica_member members[] = {
    {.id = 1, .role = REPLICA_VOTER},
    {.id = 2, .role = REPLICA_VOTER},
    {.id = 3, .role = REPLICA_VOTER},
    {.id = 4, .role = REPLICA_STANDBY},
};
#define MEMBERS (sizeof members / sizeof members[0])

static bool majority_is_left(const struct refusals *refusals)
{
    return refusals_leave_majority(refusals, members, MEMBERS);
}

static void test_a_majority_of_the_voters(void **state)
{
    (void)state;
    struct refusals refusals = {0};
    assert_true(majority_is_left(&refusals));
    refusals_note(&refusals, 2, members, MEMBERS);
    refusals_note(&refusals, 2, members, MEMBERS);
    refusals_note(&refusals, 4, members, MEMBERS);
    refusals_note(&refusals, 77, members, MEMBERS);
    assert_true(majority_is_left(&refusals));
    refusals_note(&refusals, 3, members, MEMBERS);
    assert_false(majority_is_left(&refusals));
    refusals_forget(&refusals, 2);
    assert_true(majority_is_left(&refusals));
    assert_int_equal(refusals.count, 3);
}

static void test_without_members_nobody_counts(void **state)
{
    (void)state;
    struct refusals refusals = {0};
    refusals_note(&refusals, 1, NULL, 0);
    assert_true(refusals_leave_majority(&refusals, NULL, 0));
}

/* However many were members once, and refuse. */
static void test_who_is_no_member_makes_room(void **state)
{
    (void)state;
    struct refusals refusals = {0};
    refusals_note(&refusals, 1, members, MEMBERS);
    for (uint64_t id = 100; id < 100 + 3 * LIMIT_PEERS_KNOWN; id++) {
        refusals_note(&refusals, id, members, MEMBERS);
    }
    assert_int_equal(refusals.count, LIMIT_PEERS_KNOWN);
    assert_true(majority_is_left(&refusals));
    refusals_note(&refusals, 2, members, MEMBERS);
    assert_false(majority_is_left(&refusals));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_majority_of_the_voters),
        cmocka_unit_test(test_without_members_nobody_counts),
        cmocka_unit_test(test_who_is_no_member_makes_room),
    };
    return cmocka_run_group_tests_name("refusals", tests, NULL, NULL);
}
