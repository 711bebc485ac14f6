/*
 * checks_members_test.c - the checks of configurations can fail: each is shown what it must let
 * pass, and what it must not.
 */
#include "cmocka_test.h"

#include "checks_scene.h"

/* n1 leads term 2 of so many nodes, and its barrier at 2 is on all disks and committed there. */
static struct entry *a_term(struct scene *scene, size_t nodes)
{
    scene_begin(scene, nodes);
    scene_elect(scene, 0, 2, N(1) | N(2), scene->entries[0]);
    struct entry *barrier = scene_barrier(scene, 2, 2);
    scene_store(scene, ALL, barrier);
    scene_commit(scene, N(0), 2);
    return barrier;
}

/* The entry at 3 is such a configuration, on n1's disk and on these. */
static struct entry *changed(struct scene *scene, unsigned voters, unsigned standbys,
                             unsigned disks)
{
    struct entry *change = scene_members(scene, 3, 2, voters, standbys);
    scene_store(scene, N(0) | disks, change);
    return change;
}

/* Of three nodes n3 is no member any more: on the disks of n1 and n2, and committed on n1. */
static struct entry *a_removal(struct scene *scene)
{
    a_term(scene, 3);
    struct entry *change = changed(scene, N(0) | N(1), 0, N(1));
    scene_commit(scene, N(0), 3);
    return change;
}

static void goes_by(struct scene *scene, size_t node, unsigned voters, unsigned standbys)
{
    struct replica_member members[LIMIT_NODES];
    size_t count = 0;
    for (size_t i = 0; i < scene->count; i++) {
        if (((voters | standbys) >> i & 1) != 0) {
            enum replica_role role = (voters >> i & 1) != 0 ? REPLICA_VOTER : REPLICA_STANDBY;
            members[count++] = (struct replica_member){i + 1, role, "somewhere"};
        }
    }
    checks_members(scene->checks, node, members, count);
}

/* ---- what is right ---- */

static void a_member_goes_and_comes_back(void **state)
{
    (void)state;
    struct scene scene;
    a_removal(&scene);
    goes_by(&scene, 0, N(0) | N(1), 0);
    goes_by(&scene, 2, ALL, 0); /* it has not heard of it */
    struct entry *added = scene_members(&scene, 4, 2, N(0) | N(1), N(2));
    scene_store(&scene, N(0) | N(1), added);
    scene_commit(&scene, N(0), 4);
    struct entry *promoted = scene_members(&scene, 5, 2, ALL, 0);
    scene_store(&scene, N(0) | N(1), promoted);
    scene_commit(&scene, N(0), 5);
    goes_by(&scene, 0, ALL, 0);
    scene_passes(&scene);
}

/* n1's removal of n3 reaches nobody; n2 leads without it, and n1 gives it up. */
static void a_change_is_undone(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *second = a_term(&scene, 3);
    changed(&scene, N(0) | N(1), 0, 0);
    goes_by(&scene, 0, N(0) | N(1), 0);
    scene_elect(&scene, 1, 3, N(2), second);
    struct entry *third = scene_barrier(&scene, 3, 3);
    scene_store(&scene, N(1) | N(2), third);
    scene_commit(&scene, N(1), 3);
    scene_hear(&scene, 0, 3);
    scene_store(&scene, N(0), third);
    goes_by(&scene, 0, ALL, 0);
    assert_int_equal(scene.world.stats.counts[STAT_CHANGES_UNDONE], 1);
    scene_passes(&scene);
}

/* ---- majorities ---- */

static void what_counts_is_the_latest_configuration(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *entry;
    /* Two of four are none, but two of three are: n1 has written that n4 goes. */
    a_term(&scene, 4);
    entry = scene_barrier(&scene, 3, 2);
    scene_store(&scene, N(0) | N(1), entry);
    scene_store(&scene, N(0), scene_members(&scene, 4, 2, N(0) | N(1) | N(2), 0));
    scene_commit(&scene, N(0), 3);
    scene_passes(&scene);
    a_term(&scene, 4);
    entry = scene_barrier(&scene, 3, 2);
    scene_store(&scene, N(0) | N(1), entry);
    scene_commit(&scene, N(0), 3);
    scene_fails(&scene, CHECK_COMMITTED, "commits entry 3 of term 2, which is on 2 disks of 4");
}

static void the_disk_of_a_removed_node_does_not_count(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene, 3);
    changed(&scene, N(0) | N(1), 0, N(2));
    scene_commit(&scene, N(0), 3);
    scene_fails(&scene, CHECK_COMMITTED, "commits entry 3 of term 2, which is on 1 disks of 2");
}

static void the_disk_of_a_standby_does_not_count(void **state)
{
    (void)state;
    struct scene scene;
    a_removal(&scene);
    scene_store(&scene, N(2), scene.entries[2]);
    struct entry *added = scene_members(&scene, 4, 2, N(0) | N(1), N(2));
    scene_store(&scene, N(0) | N(2), added);
    scene_commit(&scene, N(0), 4);
    scene_fails(&scene, CHECK_COMMITTED, "commits entry 4 of term 2, which is on 1 disks of 2");
}

/* A lone voter's next term commits what it has; one of two voters must commit an entry of it. */
static void a_leader_of_two_needs_an_entry_of_its_own(void **state)
{
    (void)state;
    struct scene scene;
    a_removal(&scene);
    struct entry *alone = scene_members(&scene, 4, 2, N(0), 0);
    scene_store(&scene, N(0), alone);
    scene_elect(&scene, 0, 3, 0, alone);
    scene_commit(&scene, N(0), 4);
    scene_passes(&scene);
    a_removal(&scene);
    struct entry *fourth = scene_barrier(&scene, 4, 2);
    scene_store(&scene, N(0) | N(1), fourth);
    scene_elect(&scene, 1, 3, N(0), fourth);
    scene_commit(&scene, N(1), 4);
    scene_fails(&scene, CHECK_COMMITTED, "leads term 3 and commits up to 4, an entry of term 2");
}

static void a_committed_entry_stays_with_the_voters(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *change = a_removal(&scene);
    struct entry *fourth = scene_barrier(&scene, 4, 2);
    scene_store(&scene, N(2), change);
    scene_store(&scene, N(0) | N(2), fourth);
    /* n2 is told to write it and to drop it again, and in between it is committed. That n3 has it
     * does not make up for that. */
    scene_ask(&scene, 1, fourth);
    scene_ask(&scene, 1, change);
    checks_log_durable(scene.checks, 1, 1);
    scene_commit(&scene, N(0), 4);
    checks_log_durable(scene.checks, 1, 1);
    scene_fails(&scene, CHECK_COMMITTED,
                "n2: entry 4 of term 2 is committed and leaves its disk; 1 of 2 have it");
}

/* ---- elections ---- */

static void a_leader_by_the_voters_of_its_log(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *change = a_removal(&scene);
    scene_elect(&scene, 1, 3, N(0), change);
    scene_passes(&scene);
}

static void the_vote_of_a_removed_node_does_not_count(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *change = a_removal(&scene);
    scene_elect(&scene, 1, 3, N(2), change);
    scene_fails(&scene, CHECK_ONE_LEADER, "n2 leads term 3 with 1 votes of 2");
}

/* n3 has the change that makes it a voter, n2 has not heard that n3 came back at all: its vote
 * counts. */
static void a_vote_counts_by_the_candidates_log(void **state)
{
    (void)state;
    struct scene scene;
    a_removal(&scene);
    struct entry *added = scene_members(&scene, 4, 2, N(0) | N(1), N(2));
    scene_store(&scene, N(0) | N(1), added);
    scene_commit(&scene, N(0), 4);
    struct entry *promoted = scene_members(&scene, 5, 2, ALL, 0);
    scene_store(&scene, N(0), promoted);
    scene_store(&scene, N(2), scene.entries[2]);
    scene_store(&scene, N(2), added);
    scene_store(&scene, N(2), promoted);
    scene_elect(&scene, 2, 3, N(1), promoted);
    scene_passes(&scene);
}

static void a_leader_without_a_vote_of_its_own(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *change = a_removal(&scene);
    scene_store(&scene, N(2), change);
    scene_elect(&scene, 2, 3, N(0) | N(1), change);
    scene_fails(&scene, CHECK_ONE_LEADER,
                "n3 leads term 3, and its configuration gives it no vote");
}

/* ---- changes ---- */

static void a_change_before_the_last_is_committed(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene, 4);
    changed(&scene, N(0) | N(1) | N(2), 0, N(1));
    scene_store(&scene, N(0), scene_members(&scene, 4, 2, N(0) | N(1), 0));
    scene_fails(&scene, CHECK_MEMBERS,
                "n1 changes the members at 4, its commit index is 2 and the change at 3 not");
}

/* The fault of 2015: two leaders in turn, each with a change that the other does not have. */
static void a_change_before_an_entry_of_the_term_is_committed(void **state)
{
    (void)state;
    struct scene scene;
    struct entry *second = a_term(&scene, 4);
    changed(&scene, N(0) | N(1) | N(2), 0, 0);
    scene_commit(&scene, N(1), 2);
    scene_elect(&scene, 1, 3, N(2) | N(3), second);
    scene_store(&scene, N(1), scene_members(&scene, 3, 3, N(1) | N(2) | N(3), 0));
    scene_fails(&scene, CHECK_MEMBERS,
                "n2 changes the members at 3 before an entry of its own term 3 is committed");
}

static void more_than_one_server_at_once(void **state)
{
    (void)state;
    static const struct {
        unsigned voters;
        unsigned standbys;
    } wrong[] = {
        {N(0) | N(1), 0},               /* two gone */
        {N(0) | N(1) | N(2), N(3)},     /* a voter becomes a standby */
        {N(0) | N(1) | N(2) | N(3), 0}, /* nothing changes */
        {N(0) | N(1), N(2)},            /* both */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct scene scene;
        a_term(&scene, 4);
        changed(&scene, wrong[i].voters, wrong[i].standbys, 0);
        scene_fails(&scene, CHECK_MEMBERS, "n1 changes more than one server at 3: voters f and");
    }
}

static void a_newcomer_with_a_vote(void **state)
{
    (void)state;
    struct scene scene;
    a_removal(&scene);
    scene_store(&scene, N(0), scene_members(&scene, 4, 2, ALL, 0));
    scene_fails(&scene, CHECK_MEMBERS, "voters 3 and standbys 0 become 7 and 0");
}

static void a_leader_that_removes_itself(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene, 3);
    changed(&scene, N(1) | N(2), 0, 0);
    scene_fails(&scene, CHECK_MEMBERS, "n1 leads and takes its own vote at 3");
}

static void a_configuration_that_is_none(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene, 3);
    struct entry *entry = entry_new_copy(3, 2, ENTRY_CHANGE, bytes_of_string("nobody"));
    checks_log_asked(scene.checks, 0, 3, &entry, 1);
    entry_release(entry);
    scene_fails(&scene, CHECK_MEMBERS, "n1 writes a configuration at 3 that can't be read");
}

static void a_log_that_begins_without_members(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, 1, NULL);
    struct checks *checks = checks_new(&world, 3);
    struct entry *entry = entry_new_copy(1, 1, ENTRY_COMMAND, bytes_of_string("x"));
    checks_hard_state(checks, 0, 1, 0);
    checks_log_asked(checks, 0, 1, &entry, 1);
    assert_true(world.failed && world.failed_check == CHECK_MEMBERS);
    entry_release(entry);
    checks_free(checks);
    world_free(&world);
}

/* ---- what nodes go by ---- */

static void a_node_that_goes_by_an_older_configuration(void **state)
{
    (void)state;
    struct scene scene;
    a_removal(&scene);
    goes_by(&scene, 1, ALL, 0);
    scene_fails(&scene, CHECK_MEMBERS, "n2 goes by voters 7 and standbys 0, the latest");
}

static void a_node_that_goes_by_a_change_that_was_undone(void **state)
{
    (void)state;
    struct scene scene;
    a_term(&scene, 3);
    goes_by(&scene, 0, N(0) | N(1), 0);
    scene_fails(&scene, CHECK_MEMBERS, "n1 goes by voters 3 and standbys 0, the latest");
    a_term(&scene, 3);
    goes_by(&scene, 0, N(0) | N(1), N(2));
    scene_fails(&scene, CHECK_MEMBERS, "n1 goes by voters 3 and standbys 4, the latest");
}

/* ---- ids ---- */

/* At 2, committed on n1 and applied there: n3's directory is this one. */
static void a_registration(struct scene *scene, uint64_t incarnation)
{
    struct buffer commands = {0};
    const struct ledger_command command = {
        .kind = LEDGER_REGISTER_NODE, .node_id = 3, .incarnation = incarnation};
    scene_lead(scene);
    checks_keep_ids(scene->checks);
    ledger_command_encode(&commands, &command);
    scene_apply(scene, N(0), scene_take(scene, 2, &commands, 1));
}

static void who_is_registered_is_taken_in(void **state)
{
    (void)state;
    struct scene scene;
    a_registration(&scene, 4711);
    checks_welcomed(scene.checks, 0, 2, 4711);
    checks_welcomed(scene.checks, 1, 2, 4712); /* it has not applied the registration */
    scene_passes(&scene);
}

static void who_was_wiped_is_taken_in(void **state)
{
    (void)state;
    struct scene scene;
    a_registration(&scene, 4711);
    checks_welcomed(scene.checks, 0, 2, 4712);
    scene_fails(&scene, CHECK_MEMBERS, "n1 takes n3 in, whose directory is not the one that 2");
}

static void an_id_that_was_used_is_added(void **state)
{
    (void)state;
    struct scene scene;
    a_registration(&scene, 4711);
    scene_store(&scene, N(0) | N(1), scene_members(&scene, 3, 2, N(0) | N(1), 0));
    scene_commit(&scene, N(0), 3);
    scene_store(&scene, N(0) | N(1), scene_members(&scene, 4, 2, N(0) | N(1), N(2)));
    scene_fails(&scene, CHECK_MEMBERS, "n1 adds n3 at 4, an id that 2 has registered");
}

/* Who founds needs none to vote; who joins does. */
static void a_vote_without_a_registration(void **state)
{
    (void)state;
    struct scene scene;
    a_removal(&scene);
    checks_keep_ids(scene.checks);
    scene_store(&scene, N(0) | N(1), scene_members(&scene, 4, 2, N(0) | N(1), N(2)));
    scene_commit(&scene, N(0), 4);
    scene_store(&scene, N(0) | N(1), scene_members(&scene, 5, 2, ALL, 0));
    scene_fails(&scene, CHECK_MEMBERS, "n1 gives n3 a vote at 5, and its directory is not");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_goes_and_comes_back),
        cmocka_unit_test(a_change_is_undone),
        cmocka_unit_test(what_counts_is_the_latest_configuration),
        cmocka_unit_test(the_disk_of_a_removed_node_does_not_count),
        cmocka_unit_test(the_disk_of_a_standby_does_not_count),
        cmocka_unit_test(a_leader_of_two_needs_an_entry_of_its_own),
        cmocka_unit_test(a_committed_entry_stays_with_the_voters),
        cmocka_unit_test(a_leader_by_the_voters_of_its_log),
        cmocka_unit_test(the_vote_of_a_removed_node_does_not_count),
        cmocka_unit_test(a_vote_counts_by_the_candidates_log),
        cmocka_unit_test(a_leader_without_a_vote_of_its_own),
        cmocka_unit_test(a_change_before_the_last_is_committed),
        cmocka_unit_test(a_change_before_an_entry_of_the_term_is_committed),
        cmocka_unit_test(more_than_one_server_at_once),
        cmocka_unit_test(a_newcomer_with_a_vote),
        cmocka_unit_test(a_leader_that_removes_itself),
        cmocka_unit_test(a_configuration_that_is_none),
        cmocka_unit_test(a_log_that_begins_without_members),
        cmocka_unit_test(a_node_that_goes_by_an_older_configuration),
        cmocka_unit_test(a_node_that_goes_by_a_change_that_was_undone),
        cmocka_unit_test(who_is_registered_is_taken_in),
        cmocka_unit_test(who_was_wiped_is_taken_in),
        cmocka_unit_test(an_id_that_was_used_is_added),
        cmocka_unit_test(a_vote_without_a_registration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
