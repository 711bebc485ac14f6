/* When peers were heard, and which changes of members leave a majority of those that are. */
#include "cmocka_test.h"

#include "core/contacts.h"

#define SILENCE_MS 600
#define NOW_MS     10000

static void ages_are_since_the_last_word(void **state)
{
    (void)state;
    struct contacts contacts = {0};
    uint64_t age_ms;
    assert_false(contacts_age_ms(&contacts, 2, NOW_MS, &age_ms));
    contacts_note(&contacts, 2, 1000);
    contacts_note(&contacts, 3, 2000);
    contacts_note(&contacts, 2, 5000);
    assert_true(contacts_age_ms(&contacts, 2, 5250, &age_ms));
    assert_int_equal(age_ms, 250);
    assert_true(contacts_age_ms(&contacts, 3, 5250, &age_ms));
    assert_int_equal(age_ms, 3250);
    assert_int_equal(contacts.count, 2);
}

static void the_longest_silent_makes_room(void **state)
{
    (void)state;
    struct contacts contacts = {0};
    uint64_t age_ms;
    for (uint64_t id = 1; id <= LIMIT_PEERS_KNOWN; id++) {
        contacts_note(&contacts, id, 100 + id);
    }
    contacts_note(&contacts, 1, 1000); /* so that it is node 2 that goes */
    contacts_note(&contacts, 99, 1000);
    assert_int_equal(contacts.count, LIMIT_PEERS_KNOWN);
    assert_true(contacts_age_ms(&contacts, 1, 1000, &age_ms));
    assert_false(contacts_age_ms(&contacts, 2, 1000, &age_ms));
    assert_true(contacts_age_ms(&contacts, 3, 1000, &age_ms));
    assert_true(contacts_age_ms(&contacts, 99, 1000, &age_ms));
}

/* Node 1 judges; `silent`: the ids that were heard from too long ago, as bits. */
static bool allowed(const struct replica_member *members, size_t count, unsigned silent,
                    enum replica_change_kind kind, uint64_t id, struct error *why)
{
    struct contacts contacts = {0};
    for (size_t i = 0; i < count; i++) {
        bool is_silent = (silent >> members[i].id & 1) != 0;
        contacts_note(&contacts, members[i].id, NOW_MS - (is_silent ? SILENCE_MS + 1 : SILENCE_MS));
    }
    const struct contacts_view view = {
        .self_id = 1,
        .now_ms = NOW_MS,
        .silence_ms = SILENCE_MS,
        .members = members,
        .member_count = count,
    };
    const struct replica_change change = {.kind = kind, .id = id, .address = "127.0.0.1:9"};
    *why = (struct error){""};
    return contacts_allow_change(&contacts, &view, &change, why);
}

static const struct replica_member three[] = {
    {1, REPLICA_VOTER, "a:1"}, {2, REPLICA_VOTER, "b:1"}, {3, REPLICA_VOTER, "c:1"}};

static void a_removal_leaves_a_majority_that_is_heard(void **state)
{
    (void)state;
    struct error why;
    assert_true(allowed(three, 3, 0, REPLICA_REMOVE, 2, &why));
    assert_true(allowed(three, 3, 1u << 3, REPLICA_REMOVE, 3, &why));
    assert_false(allowed(three, 3, 1u << 3, REPLICA_REMOVE, 2, &why));
    assert_non_null(strstr(why.text, "1 of 2 voters"));
    assert_non_null(strstr(why.text, "node 3"));
    /* Of two, the silent one may go, and the leader is a majority by itself. */
    assert_true(allowed(three, 2, 1u << 2, REPLICA_REMOVE, 2, &why));
    /* Of who is no member nothing is said here. */
    assert_true(allowed(three, 3, 1u << 2 | 1u << 3, REPLICA_REMOVE, 9, &why));
}

static void a_standby_counts_only_when_it_is_promoted(void **state)
{
    (void)state;
    const struct replica_member members[] = {
        {1, REPLICA_VOTER, "a:1"}, {2, REPLICA_VOTER, "b:1"}, {3, REPLICA_STANDBY, "c:1"}};
    struct error why;
    assert_true(allowed(members, 3, 1u << 3, REPLICA_REMOVE, 3, &why));
    assert_true(allowed(members, 3, 1u << 3, REPLICA_REMOVE, 2, &why));  /* leaves node 1 alone */
    assert_true(allowed(members, 3, 1u << 2, REPLICA_PROMOTE, 3, &why)); /* 2 of 3 */
    assert_true(allowed(members, 3, 1u << 2, REPLICA_ADD_STANDBY, 4, &why));
    assert_false(allowed(members, 3, 1u << 3, REPLICA_PROMOTE, 3, &why));
    assert_non_null(strstr(why.text, "node 3 is not heard from"));
    /* Three votes with two silent: no majority, though the standby is there. */
    const struct replica_member four[] = {{1, REPLICA_VOTER, "a:1"},
                                          {2, REPLICA_VOTER, "b:1"},
                                          {3, REPLICA_VOTER, "c:1"},
                                          {4, REPLICA_STANDBY, "d:1"}};
    assert_false(allowed(four, 4, 1u << 2 | 1u << 3, REPLICA_PROMOTE, 4, &why));
    assert_non_null(strstr(why.text, "2 of 4 voters"));
}

static void the_successor_is_heard_from_and_has_most(void **state)
{
    (void)state;
    struct contacts contacts = {0};
    const struct replica_member members[] = {{1, REPLICA_VOTER, "a:1"},
                                             {2, REPLICA_VOTER, "b:1"},
                                             {3, REPLICA_VOTER, "c:1"},
                                             {4, REPLICA_STANDBY, "d:1"}};
    const struct contacts_view view = {.self_id = 1,
                                       .now_ms = NOW_MS,
                                       .silence_ms = SILENCE_MS,
                                       .members = members,
                                       .member_count = 4};
    uint64_t matches[] = {10, 10, 10, 10};
    assert_int_equal(contacts_successor(&contacts, &view, matches), 0);
    contacts_note(&contacts, 4, NOW_MS);
    assert_int_equal(contacts_successor(&contacts, &view, matches), 0);
    contacts_note(&contacts, 3, NOW_MS - SILENCE_MS);
    assert_int_equal(contacts_successor(&contacts, &view, matches), 3);
    contacts_note(&contacts, 2, NOW_MS);
    assert_int_equal(contacts_successor(&contacts, &view, matches), 2);
    matches[1] = 9;
    assert_int_equal(contacts_successor(&contacts, &view, matches), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ages_are_since_the_last_word),
        cmocka_unit_test(the_longest_silent_makes_room),
        cmocka_unit_test(a_removal_leaves_a_majority_that_is_heard),
        cmocka_unit_test(a_standby_counts_only_when_it_is_promoted),
        cmocka_unit_test(the_successor_is_heard_from_and_has_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
