/*
 * replica_bootstrap_test.c - entry 1 and the cluster id (rule 0), the encoded configuration and
 * what is refused of it, entries and their references.
 */
#include "replica_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "configuration.h"

static const struct replica_member three[] = {
    {1, REPLICA_VOTER, "a:1"}, {2, REPLICA_VOTER, "b:1"}, {3, REPLICA_VOTER, "c:1"}};

static void entry_1_is_the_same_in_any_order(void **state)
{
    (void)state;
    const struct replica_member shuffled[] = {three[2], three[0], three[1]};
    struct buffer a = {0};
    struct buffer b = {0};
    uint64_t id_a = 0;
    uint64_t id_b = 0;
    struct error error;
    assert_true(replica_bootstrap_entry(three, 3, &a, &id_a, &error));
    assert_true(replica_bootstrap_entry(shuffled, 3, &b, &id_b, &error));
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    assert_int_equal(id_a, id_b);
    assert_int_not_equal(id_a, 0);
    buffer_free(&a);
    buffer_free(&b);
}

static void other_members_are_another_cluster(void **state)
{
    (void)state;
    const struct replica_member moved[] = {three[0], three[1], {3, REPLICA_VOTER, "c:2"}};
    struct buffer a = {0};
    struct buffer b = {0};
    uint64_t id_a = 0;
    uint64_t id_b = 0;
    struct error error;
    assert_true(replica_bootstrap_entry(three, 3, &a, &id_a, &error));
    assert_true(replica_bootstrap_entry(moved, 3, &b, &id_b, &error));
    assert_int_not_equal(id_a, id_b);
    buffer_free(&a);
    buffer_free(&b);
}

static void members_that_make_no_cluster_are_refused(void **state)
{
    (void)state;
    static char long_address[LIMIT_ADDRESS_BYTES + 2];
    memset(long_address, 'x', sizeof long_address - 1);
    const struct {
        struct replica_member members[2];
        size_t count;
    } cases[] = {
        {{{1, REPLICA_VOTER, "a:1"}, {1, REPLICA_VOTER, "b:1"}}, 2},
        {{{1, REPLICA_VOTER, "a:1"}, {2, REPLICA_VOTER, "a:1"}}, 2},
        {{{0, REPLICA_VOTER, "a:1"}, {2, REPLICA_VOTER, "b:1"}}, 2},
        {{{1, REPLICA_VOTER, ""}, {2, REPLICA_VOTER, "b:1"}}, 2},
        {{{1, REPLICA_VOTER, NULL}, {2, REPLICA_VOTER, "b:1"}}, 2},
        {{{1, REPLICA_VOTER, long_address}, {2, REPLICA_VOTER, "b:1"}}, 2},
        {{{1, REPLICA_STANDBY, "a:1"}, {2, REPLICA_STANDBY, "b:1"}}, 2},
        {{{1, (enum replica_role)0, "a:1"}, {2, REPLICA_VOTER, "b:1"}}, 2},
        {{{0, REPLICA_VOTER, NULL}, {0, REPLICA_VOTER, NULL}}, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer out = {0};
        uint64_t id = 0;
        struct error error = {""};
        assert_false(replica_bootstrap_entry(cases[i].members, cases[i].count, &out, &id, &error));
        assert_true(strlen(error.text) > 0);
        assert_int_equal(out.len, 0);
        buffer_free(&out);
    }
}

static void a_log_of_other_members_is_not_started(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_found(fixture, 4);
    fixture->term = 1;
    assert_false(fixture_start(fixture, 1, 3));
    assert_non_null(strstr(fixture->error.text, "founded by other members"));
    fixture_free(fixture);
}

static void a_new_node_writes_entry_1(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_true(fixture_start(fixture, 1, 3));
    assert_int_equal(fixture->term, 1);
    assert_int_equal(fixture->log_last, 1);
    assert_int_equal(fixture->log[1]->type, ENTRY_CHANGE);
    assert_true(bytes_equal(fixture->log[1]->data, fixture_configuration(3)));
    /* The hard state first: a log with terms above the stored one counts as damaged. */
    assert_int_equal(fixture->trace[0], 'H');
    assert_int_equal(fixture->trace[1], 'W');
    assert_int_equal(fixture->applied_index, 0);
    assert_true(fixture_sync_all(fixture));
    assert_int_equal(fixture->applied_index, 1);
    fixture_free(fixture);
}

/* Each byte of an encoded configuration changed and each length cut: sound or refused, never read
 * beyond its end (the sanitizers watch), and what is sound decodes. */
static void damaged_configurations_are_found(void **state)
{
    (void)state;
    struct bytes good = fixture_configuration(3);
    struct error error;
    assert_true(configuration_is_sound(good, &error));
    for (size_t len = 0; len < good.len; len++) {
        uint8_t *cut = memory_copy(good.data, len);
        assert_false(configuration_is_sound(bytes_of(cut, len), &error));
        free(cut);
    }
    for (size_t i = 0; i < good.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            uint8_t *flipped = memory_copy(good.data, good.len);
            flipped[i] ^= (uint8_t)(1u << bit);
            if (configuration_is_sound(bytes_of(flipped, good.len), &error)) {
                struct raft_configuration configuration;
                assert_true(
                    configuration_decode(bytes_of(flipped, good.len), &configuration, &error));
                assert_int_equal(configuration.n, 3);
                raft_configuration_close(&configuration);
            }
            free(flipped);
        }
    }
}

static void a_spare_is_not_sound(void **state)
{
    (void)state;
    struct bytes good = fixture_configuration(1);
    uint8_t *bytes = memory_copy(good.data, good.len);
    struct error error;
    size_t role = 1 + 8 + 8 + strlen("m1:7000") + 1;
    assert_int_equal(bytes[role], RAFT_VOTER);
    bytes[role] = RAFT_SPARE;
    assert_false(configuration_is_sound(bytes_of(bytes, good.len), &error));
    free(bytes);
}

static void references_keep_an_entry(void **state)
{
    (void)state;
    struct buffer data = {0};
    buffer_printf(&data, "taken");
    const uint8_t *memory = data.data;
    struct entry *taken = entry_new_take(ENTRY_COMMAND, &data);
    assert_ptr_equal(taken->data.data, memory);
    assert_null(data.data);
    assert_int_equal(taken->index, 0);
    assert_ptr_equal(entry_reference(taken), taken);
    entry_release(taken);
    assert_memory_equal(taken->data.data, "taken", 5);
    entry_release(taken);

    struct entry *copied = entry_new_copy(7, 3, ENTRY_CHANGE, BYTES_LITERAL("bytes"));
    assert_int_equal(copied->index, 7);
    assert_int_equal(copied->term, 3);
    assert_int_equal(copied->type, ENTRY_CHANGE);
    assert_memory_equal(copied->data.data, "bytes", 5);
    entry_release(copied);
    entry_release(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entry_1_is_the_same_in_any_order),
        cmocka_unit_test(other_members_are_another_cluster),
        cmocka_unit_test(members_that_make_no_cluster_are_refused),
        cmocka_unit_test(a_log_of_other_members_is_not_started),
        cmocka_unit_test(a_new_node_writes_entry_1),
        cmocka_unit_test(damaged_configurations_are_found),
        cmocka_unit_test(a_spare_is_not_sound),
        cmocka_unit_test(references_keep_an_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
