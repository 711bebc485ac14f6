/*
 * checks_history_test.c - the checks of what clients are told can fail: each is shown what it must
 * let pass, and what it must not.
 */
#include "cmocka_test.h"

#include "checks_internal.h"
#include "checks_scene.h"

/* ---- what is right ---- */

static void answers_in_order_pass(void **state)
{
    (void)state;
    struct scene scene;
    struct ledger_result result;
    struct buffer commands = {0};
    uint64_t second = scene_second(&scene, &result);
    checks_result(scene.checks, second, 0, &result);
    /* A repetition under the same request id, whose command differs in its trace id alone. */
    char text[CHECKS_TRACE_ID_BYTES];
    uint64_t third = checks_invoke(scene.checks);
    const struct ledger_command command = {.kind = LEDGER_SET_STOCK,
                                           .request_id = BYTES_LITERAL("op-2"),
                                           .trace_id = checks_trace_id(third, text),
                                           .sku = BYTES_LITERAL("apple"),
                                           .quantity = 7};
    ledger_command_encode(&commands, &command);
    checks_asked(scene.checks, third, buffer_bytes(&commands));
    scene_run(&scene, scene_take(&scene, 4, &commands, 1), &result);
    assert_true(result.replayed);
    checks_result(scene.checks, third, 0, &result);
    assert_int_equal(checks_count(scene.checks).acknowledged, 3);
    assert_int_equal(checks_count(scene.checks).commands, 3);
    scene_passes(&scene);
}

static void what_fails_may_be_anywhere_or_nowhere(void **state)
{
    (void)state;
    struct scene scene;
    struct buffer commands = {0};
    scene_lead(&scene);
    uint64_t known = scene_set_stock(&scene, "apple", 5, &commands);
    checks_unknown(scene.checks, known);
    scene_take(&scene, 2, &commands, 1);
    checks_not_executed(scene.checks, scene_set_stock(&scene, "pear", 5, &commands));
    checks_unknown(scene.checks, scene_set_stock(&scene, "plum", 5, &commands));
    checks_not_executed(scene.checks, checks_invoke_read(scene.checks, false, 0));
    buffer_free(&commands);
    scene_passes(&scene);
}

/* ---- acknowledged ---- */

static void an_answer_without_an_entry(void **state)
{
    (void)state;
    struct scene scene;
    struct ledger_result result;
    struct buffer commands = {0};
    scene_answer(&scene, &result);
    uint64_t operation = scene_set_stock(&scene, "apple", 7, &commands);
    struct entry *entry = scene_commands(&scene, 3, 2, &commands, 1);
    buffer_free(&commands);
    scene_store(&scene, N(0), entry);
    scene_apply_untold(&scene, 0, entry, &result);
    checks_result(scene.checks, operation, 0, &result);
    scene_fails(&scene, CHECK_ACKNOWLEDGED, "op-2 is acknowledged at 3.0 and committed at 0.0");
}

static void an_answer_that_names_another_place(void **state)
{
    (void)state;
    struct scene scene;
    struct ledger_result result;
    uint64_t operation = scene_second(&scene, &result);
    result.log_position = 1;
    checks_result(scene.checks, operation, 0, &result);
    scene_fails(&scene, CHECK_ACKNOWLEDGED, "op-2 is acknowledged at 3.1 and committed at 3.0");
}

static void an_answer_of_a_node_that_has_not_applied_it(void **state)
{
    (void)state;
    struct scene scene;
    struct ledger_result result;
    uint64_t operation = scene_second(&scene, &result);
    checks_result(scene.checks, operation, 1, &result);
    scene_fails(&scene, CHECK_ACKNOWLEDGED, "n2 acknowledges op-2 at 3, it has applied 0");
}

static void two_answers(void **state)
{
    (void)state;
    struct scene scene;
    struct ledger_result result;
    scene_answer(&scene, &result);
    checks_result(scene.checks, 1, 0, &result);
    scene_fails(&scene, CHECK_ACKNOWLEDGED, "op-1 ends, and is not a command that is open");
}

static void a_command_in_the_log_twice(void **state)
{
    (void)state;
    struct scene scene;
    struct buffer commands = {0};
    scene_lead(&scene);
    scene_set_stock(&scene, "apple", 5, &commands);
    struct buffer again = {0};
    buffer_append_bytes(&again, buffer_bytes(&commands));
    scene_take(&scene, 2, &commands, 1);
    scene_take(&scene, 3, &again, 1);
    scene_fails(&scene, CHECK_ACKNOWLEDGED, "op-1 is in the log twice: at 2.0 and at 3.0");
}

static void a_command_that_was_not_executed_is_found_later(void **state)
{
    (void)state;
    struct scene scene;
    struct buffer commands = {0};
    scene_lead(&scene);
    checks_not_executed(scene.checks, scene_set_stock(&scene, "apple", 5, &commands));
    scene_take(&scene, 2, &commands, 1);
    scene_fails(&scene, CHECK_ACKNOWLEDGED,
                "op-1, surely not executed as it was told, is in the log at 2.0");
}

static void a_command_that_was_found_is_not_executed(void **state)
{
    (void)state;
    struct scene scene;
    struct buffer commands = {0};
    scene_lead(&scene);
    uint64_t operation = scene_set_stock(&scene, "apple", 5, &commands);
    scene_take(&scene, 2, &commands, 1);
    checks_not_executed(scene.checks, operation);
    scene_fails(&scene, CHECK_ACKNOWLEDGED, "surely not executed, and is in the log at 2.0");
}

static void a_command_that_nobody_asked_for(void **state)
{
    (void)state;
    struct scene scene;
    struct buffer commands = {0};
    const struct ledger_command stranger = {.kind = LEDGER_RELEASE,
                                            .trace_id = BYTES_LITERAL("op-7"),
                                            .order_id = BYTES_LITERAL("order")};
    scene_lead(&scene);
    ledger_command_encode(&commands, &stranger);
    scene_take(&scene, 2, &commands, 1);
    scene_fails(&scene, CHECK_ACKNOWLEDGED, "at 2.0 of the log is a command that nobody asked for");
    const struct ledger_command nameless = {.kind = LEDGER_RELEASE,
                                            .order_id = BYTES_LITERAL("order")};
    scene_lead(&scene);
    ledger_command_encode(&commands, &nameless);
    scene_take(&scene, 2, &commands, 1);
    scene_fails(&scene, CHECK_ACKNOWLEDGED, "nobody asked for");
    /* The cluster's own commands are nobody's operation. */
    const struct ledger_command own = {
        .kind = LEDGER_REGISTER_NODE, .node_id = 1, .incarnation = 17};
    scene_lead(&scene);
    ledger_command_encode(&commands, &own);
    scene_take(&scene, 2, &commands, 1);
    scene_passes(&scene);
}

static void a_command_with_other_bytes(void **state)
{
    (void)state;
    struct scene scene;
    struct buffer commands = {0};
    scene_lead(&scene);
    scene_set_stock(&scene, "apple", 5, &commands);
    commands.data[commands.len - 17]++; /* somewhere in its quantity or SKU */
    scene_take(&scene, 2, &commands, 1);
    scene_fails(&scene, CHECK_ACKNOWLEDGED, "op-1 is in the log at 2.0 with other bytes");
}

static void an_entry_that_cannot_be_read(void **state)
{
    (void)state;
    struct scene scene;
    struct buffer commands = {0};
    scene_lead(&scene);
    scene_set_stock(&scene, "apple", 5, &commands);
    scene_take(&scene, 2, &commands, 2);
    scene_fails(&scene, CHECK_ACKNOWLEDGED, "entry 2 is committed and can't be read");
}

/* ---- real time ---- */

static void an_answer_from_before_it_was_asked(void **state)
{
    (void)state;
    struct scene scene;
    struct ledger_result result;
    uint64_t operation = scene_second(&scene, &result);
    result.log_index = 2;
    checks_result(scene.checks, operation, 0, &result);
    scene_fails(&scene, CHECK_REAL_TIME,
                "op-2 is answered at 2; when it was asked, an answer had named 2");
}

static void an_answer_from_before_a_read(void **state)
{
    (void)state;
    struct scene scene;
    struct ledger_result result;
    struct buffer commands = {0};
    scene_second(&scene, &result);
    checks_read(scene.checks, checks_invoke_read(scene.checks, false, 0), 0, 3,
                BYTES_LITERAL("plum"), 1, false, NULL);
    uint64_t operation = scene_set_stock(&scene, "apple", 9, &commands);
    buffer_free(&commands);
    checks_result(scene.checks, operation, 0, &result);
    scene_fails(&scene, CHECK_REAL_TIME, "op-4 is answered at 3");
}

/* ---- reads ---- */

/* Operation 3 reads: "apple" was 5 at 2 and is 7 at 3, and 3 was answered. */
static uint64_t a_read(struct scene *scene, struct stock_record *stock)
{
    struct ledger_result result;
    struct error error;
    bool found;
    uint64_t second = scene_second(scene, &result);
    checks_result(scene->checks, second, 0, &result);
    assert_true(
        ledger_get_stock(scene->ledgers[0], BYTES_LITERAL("apple"), 1, stock, &found, &error));
    assert_true(found);
    return checks_invoke_read(scene->checks, false, 0);
}

static void a_read_of_the_present_passes(void **state)
{
    (void)state;
    struct scene scene;
    struct stock_record stock;
    uint64_t operation = a_read(&scene, &stock);
    checks_read(scene.checks, operation, 0, 3, BYTES_LITERAL("apple"), 1, true, &stock);
    checks_read(scene.checks, operation, 0, 3, BYTES_LITERAL("plum"), 1, false, NULL);
    checks_read_order(scene.checks, operation, 0, 3, BYTES_LITERAL("order"), false, NULL);
    assert_int_equal(checks_count(scene.checks).reads, 1);
    scene_passes(&scene);
}

static void a_read_of_the_past(void **state)
{
    (void)state;
    struct scene scene;
    struct stock_record stock;
    uint64_t operation = a_read(&scene, &stock);
    stock.on_hand = 5;
    checks_read(scene.checks, operation, 0, 2, BYTES_LITERAL("apple"), 1, true, &stock);
    scene_fails(&scene, CHECK_READ,
                "op-3 shows the state of 2; when it was asked, an answer had named 3");
}

static void a_read_older_than_another_read(void **state)
{
    (void)state;
    struct scene scene;
    struct ledger_result result;
    scene_second(&scene, &result); /* op-2 is not answered */
    uint64_t early = checks_invoke_read(scene.checks, false, 0);
    checks_read(scene.checks, checks_invoke_read(scene.checks, false, 0), 0, 3,
                BYTES_LITERAL("plum"), 1, false, NULL);
    uint64_t late = checks_invoke_read(scene.checks, false, 0);
    checks_read(scene.checks, early, 0, 2, BYTES_LITERAL("plum"), 1, false, NULL);
    assert_false(scene.world.failed);
    checks_read(scene.checks, late, 0, 2, BYTES_LITERAL("plum"), 1, false, NULL);
    scene_fails(&scene, CHECK_READ, "op-5 shows the state of 2");
}

static void a_read_of_what_is_not_committed(void **state)
{
    (void)state;
    struct scene scene;
    struct stock_record stock;
    uint64_t operation = a_read(&scene, &stock);
    checks_read(scene.checks, operation, 0, 4, BYTES_LITERAL("apple"), 1, true, &stock);
    scene_fails(&scene, CHECK_READ, "n1 has applied 3 of 3 committed entries");
    operation = a_read(&scene, &stock);
    checks_read(scene.checks, operation, 1, 3, BYTES_LITERAL("apple"), 1, true, &stock);
    scene_fails(&scene, CHECK_READ, "n2 has applied 0 of 3 committed entries");
}

static void a_read_with_another_content(void **state)
{
    (void)state;
    struct scene scene;
    struct stock_record stock;
    uint64_t operation = a_read(&scene, &stock);
    stock.on_hand--;
    checks_read(scene.checks, operation, 0, 3, BYTES_LITERAL("apple"), 1, true, &stock);
    scene_fails(&scene, CHECK_READ, "op-3 shows \"apple\" at 3: ");
    operation = a_read(&scene, &stock);
    checks_read(scene.checks, operation, 0, 3, BYTES_LITERAL("apple"), 1, false, NULL);
    scene_fails(&scene, CHECK_READ, "not found, and it is there");
    operation = a_read(&scene, &stock);
    checks_read(scene.checks, operation, 0, 3, BYTES_LITERAL("plum"), 1, true, &stock);
    scene_fails(&scene, CHECK_READ, "found, and it is not there");
}

static void a_read_of_two_states(void **state)
{
    (void)state;
    struct scene scene;
    struct ledger_result result;
    scene_second(&scene, &result);
    uint64_t operation = checks_invoke_read(scene.checks, false, 0);
    checks_read(scene.checks, operation, 0, 2, BYTES_LITERAL("plum"), 1, false, NULL);
    checks_read(scene.checks, operation, 0, 3, BYTES_LITERAL("plum"), 1, false, NULL);
    scene_fails(&scene, CHECK_READ, "op-3 shows the state of 2 and that of 3");
}

static void a_read_of_an_order(void **state)
{
    (void)state;
    struct scene scene;
    struct ledger_result result;
    struct buffer commands = {0};
    char text[CHECKS_TRACE_ID_BYTES];
    scene_answer(&scene, &result);
    uint64_t operation = checks_invoke(scene.checks);
    const struct ledger_line line = {BYTES_LITERAL("apple"), 1, 2};
    const struct ledger_command command = {.kind = LEDGER_RESERVE,
                                           .trace_id = checks_trace_id(operation, text),
                                           .order_id = BYTES_LITERAL("order"),
                                           .lines = &line,
                                           .line_count = 1};
    ledger_command_encode(&commands, &command);
    checks_asked(scene.checks, operation, buffer_bytes(&commands));
    scene_run(&scene, scene_take(&scene, 3, &commands, 1), &result);
    checks_result(scene.checks, operation, 0, &result);
    struct order_record order;
    struct error error;
    bool found;
    assert_true(ledger_get_order(scene.ledgers[0], BYTES_LITERAL("order"), &order, &found, &error));
    assert_true(found);
    uint64_t read = checks_invoke_read(scene.checks, false, 0);
    checks_read_order(scene.checks, read, 0, 3, BYTES_LITERAL("order"), true, &order);
    assert_false(scene.world.failed);
    order.state = ORDER_DEDUCTED;
    checks_read_order(scene.checks, read, 0, 3, BYTES_LITERAL("order"), true, &order);
    scene_fails(&scene, CHECK_READ, "op-3 shows \"order\" at 3: ");
}

/* ---- final ---- */

/* An attempt at one and the same request: six apples, of which there are five. */
static uint64_t attempt(struct scene *scene, uint64_t first, bool resent, struct buffer *out)
{
    char text[CHECKS_TRACE_ID_BYTES];
    const struct ledger_line line = {BYTES_LITERAL("apple"), 1, 6};
    uint64_t operation = checks_invoke(scene->checks);
    const struct ledger_command command = {.kind = LEDGER_RESERVE,
                                           .request_id = BYTES_LITERAL("request"),
                                           .resent = resent,
                                           .trace_id = checks_trace_id(operation, text),
                                           .order_id = BYTES_LITERAL("order"),
                                           .lines = &line,
                                           .line_count = 1};
    ledger_command_encode(out, &command);
    checks_attempt(scene->checks, operation, first != 0 ? first : operation);
    checks_asked(scene->checks, operation, buffer_bytes(out));
    return operation;
}

/* The first attempt arrives when the second has been refused, and more apples have come. */
static void arrive_late(struct scene *scene, bool resent, bool told)
{
    struct ledger_result result;
    struct buffer first = {0};
    struct buffer second = {0};
    struct buffer more = {0};
    scene_answer(scene, &result);
    uint64_t late = attempt(scene, 0, false, &first);
    uint64_t refused = attempt(scene, late, resent, &second);
    scene_run(scene, scene_take(scene, 3, &second, 1), &result);
    assert_int_equal(result.verdict, LEDGER_INSUFFICIENT_STOCK);
    checks_result(scene->checks, refused, 0, &result);
    if (told) {
        checks_told(scene->checks, refused);
    }
    scene_set_stock(scene, "apple", 9, &more);
    scene_run(scene, scene_take(scene, 4, &more, 1), &result);
    scene_run(scene, scene_take(scene, 5, &first, 1), &result);
    assert_int_equal(result.verdict, resent ? LEDGER_INSUFFICIENT_STOCK : LEDGER_OK);
    checks_history_end(scene->checks);
}

static void a_refusal_that_is_kept_is_final(void **state)
{
    (void)state;
    struct scene scene;
    arrive_late(&scene, true, true);
    scene_passes(&scene);
}

static void a_refusal_that_nobody_heard_promises_nothing(void **state)
{
    (void)state;
    struct scene scene;
    arrive_late(&scene, false, false);
    scene_passes(&scene);
}

static void a_refusal_that_was_told_and_is_granted_later(void **state)
{
    (void)state;
    struct scene scene;
    arrive_late(&scene, false, true);
    scene_fails(&scene, CHECK_FINAL,
                "op-3 was refused at 3.0, and its client told; op-2, another attempt at the same "
                "request, is granted at 5.0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_in_order_pass),
        cmocka_unit_test(what_fails_may_be_anywhere_or_nowhere),
        cmocka_unit_test(an_answer_without_an_entry),
        cmocka_unit_test(an_answer_that_names_another_place),
        cmocka_unit_test(an_answer_of_a_node_that_has_not_applied_it),
        cmocka_unit_test(two_answers),
        cmocka_unit_test(a_command_in_the_log_twice),
        cmocka_unit_test(a_command_that_was_not_executed_is_found_later),
        cmocka_unit_test(a_command_that_was_found_is_not_executed),
        cmocka_unit_test(a_command_that_nobody_asked_for),
        cmocka_unit_test(a_command_with_other_bytes),
        cmocka_unit_test(an_entry_that_cannot_be_read),
        cmocka_unit_test(an_answer_from_before_it_was_asked),
        cmocka_unit_test(an_answer_from_before_a_read),
        cmocka_unit_test(a_read_of_the_present_passes),
        cmocka_unit_test(a_read_of_the_past),
        cmocka_unit_test(a_read_older_than_another_read),
        cmocka_unit_test(a_read_of_what_is_not_committed),
        cmocka_unit_test(a_read_with_another_content),
        cmocka_unit_test(a_read_of_two_states),
        cmocka_unit_test(a_read_of_an_order),
        cmocka_unit_test(a_refusal_that_is_kept_is_final),
        cmocka_unit_test(a_refusal_that_nobody_heard_promises_nothing),
        cmocka_unit_test(a_refusal_that_was_told_and_is_granted_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
