/* Registrations that stand in the log and are not applied. */
#include "cmocka_test.h"

#include "core/registrations.h"

static void note(struct registrations *registrations, uint64_t index, uint64_t node_id,
                 uint64_t incarnation)
{
    struct buffer entry = {0};
    const struct ledger_entry_header header = {
        .format = LEDGER_ENTRY_FORMAT, .ledger_version = LEDGER_VERSION, .time_ms = 1};
    ledger_entry_begin(&entry, &header);
    const struct ledger_line line = {.sku = BYTES_LITERAL("sku"), .quantity = 1};
    struct ledger_command reserve = {
        .kind = LEDGER_RESERVE, .order_id = BYTES_LITERAL("o"), .lines = &line, .line_count = 1};
    struct ledger_command command = {
        .kind = LEDGER_REGISTER_NODE, .node_id = node_id, .incarnation = incarnation};
    ledger_command_encode(&entry, &reserve);
    ledger_command_encode(&entry, &command);
    ledger_entry_finish(&entry, 2);
    registrations_note(registrations, index, buffer_bytes(&entry));
    buffer_free(&entry);
}

static void the_first_registration_of_a_node_counts_until_it_is_applied(void **state)
{
    (void)state;
    struct registrations registrations = {0};
    note(&registrations, 3, 1, 11);
    note(&registrations, 4, 2, 22);
    note(&registrations, 5, 2, 99);
    assert_int_equal(registrations_find(&registrations, 1, 2), 11);
    assert_int_equal(registrations_find(&registrations, 2, 2), 22);
    assert_int_equal(registrations_find(&registrations, 3, 2), 0);
    /* The state knows better. */
    assert_int_equal(registrations_find(&registrations, 1, 3), 0);
    assert_int_equal(registrations_find(&registrations, 2, 3), 22);
    registrations_free(&registrations);
    assert_int_equal(registrations_find(&registrations, 2, 3), 0);
}

static void what_was_replaced_does_not_count(void **state)
{
    (void)state;
    struct registrations registrations = {0};
    note(&registrations, 3, 1, 11);
    note(&registrations, 4, 2, 22);
    note(&registrations, 6, 3, 33);
    registrations_cut(&registrations, 7);
    assert_int_equal(registrations.count, 3);
    registrations_cut(&registrations, 4);
    assert_int_equal(registrations_find(&registrations, 1, 0), 11);
    assert_int_equal(registrations_find(&registrations, 2, 0), 0);
    note(&registrations, 4, 2, 99);
    assert_int_equal(registrations_find(&registrations, 2, 0), 99);
    registrations_cut(&registrations, 0);
    assert_int_equal(registrations.count, 0);
    registrations_free(&registrations);
}

static void what_is_no_entry_is_left_out(void **state)
{
    (void)state;
    struct registrations registrations = {0};
    registrations_note(&registrations, 1, BYTES_LITERAL("nonsense"));
    assert_int_equal(registrations.count, 0);
    for (uint64_t id = 1; id <= 10 * LIMIT_NODES; id++) { /* of members who came and went */
        note(&registrations, id, id, id + 1000);
    }
    for (uint64_t id = 1; id <= 10 * LIMIT_NODES; id++) {
        assert_int_equal(registrations_find(&registrations, id, 0), id + 1000);
    }
    registrations_free(&registrations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_registration_of_a_node_counts_until_it_is_applied),
        cmocka_unit_test(what_was_replaced_does_not_count),
        cmocka_unit_test(what_is_no_entry_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
