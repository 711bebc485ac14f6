/*
 * checks_model_test.c - the checks against the model and of the audit can fail: each is shown what
 * it must let pass, and what it must not.
 */
#include "cmocka_test.h"

#include "checks_scene.h"

/* ---- the model ---- */

static void an_answer_with_another_verdict(void **state)
{
    (void)state;
    struct scene scene;
    struct ledger_result result;
    uint64_t operation = scene_second(&scene, &result);
    result.verdict = LEDGER_VERSION_MISMATCH;
    checks_result(scene.checks, operation, 0, &result);
    scene_fails(&scene, CHECK_MODEL, "op-2 at 3.0 is answered otherwise");
}

static void an_answer_with_another_stock(void **state)
{
    (void)state;
    struct scene scene;
    struct ledger_result result;
    uint64_t operation = scene_second(&scene, &result);
    result.stock.on_hand++;
    checks_result(scene.checks, operation, 0, &result);
    scene_fails(&scene, CHECK_MODEL, "op-2 at 3.0 is answered otherwise");
}

static void a_refusal_with_another_line(void **state)
{
    (void)state;
    struct scene scene;
    struct ledger_result result;
    struct buffer commands = {0};
    char text[CHECKS_TRACE_ID_BYTES];
    scene_answer(&scene, &result);
    uint64_t operation = checks_invoke(scene.checks);
    const struct ledger_line lines[] = {{BYTES_LITERAL("apple"), 1, 9},
                                        {BYTES_LITERAL("pear"), 1, 1}};
    const struct ledger_command command = {.kind = LEDGER_RESERVE,
                                           .trace_id = checks_trace_id(operation, text),
                                           .order_id = BYTES_LITERAL("order"),
                                           .lines = lines,
                                           .line_count = 2};
    ledger_command_encode(&commands, &command);
    checks_asked(scene.checks, operation, buffer_bytes(&commands));
    scene_run(&scene, scene_take(&scene, 3, &commands, 1), &result);
    assert_int_equal(result.failed_line_count, 2);
    struct ledger_failed_line failed[2] = {result.failed_lines[0], result.failed_lines[1]};
    failed[1].sku = BYTES_LITERAL("bear");
    result.failed_lines = failed;
    checks_result(scene.checks, operation, 0, &result);
    scene_fails(&scene, CHECK_MODEL, "op-2 at 3.0 is answered otherwise");
}

/* n1 applies what it was not told to: `apple` becomes 6 and not 5, or a stock of its own. */
static void apply_another(struct scene *scene, const char *sku, int64_t on_hand)
{
    struct buffer asked = {0};
    struct buffer other = {0};
    scene_lead(scene);
    scene_set_stock(scene, "apple", 5, &asked);
    struct entry *entry = scene_take(scene, 2, &asked, 1);
    scene_set_stock(scene, sku, on_hand, &other);
    struct entry *wrong = scene_commands(scene, 2, 2, &other, 1);
    buffer_free(&other);
    scene_apply_untold(scene, 0, wrong, NULL);
    checks_applied(scene->checks, 0, entry->index, scene->ledgers[0]);
}

static void a_record_that_differs(void **state)
{
    (void)state;
    struct scene scene;
    apply_another(&scene, "apple", 6);
    scene_fails(&scene, CHECK_MODEL, "n1 has other records at 2");
}

static void a_record_that_is_not_there(void **state)
{
    (void)state;
    struct scene scene;
    apply_another(&scene, "pear", 5);
    scene_fails(&scene, CHECK_MODEL, "n1 has other records at 2");
}

/* n1 repeats a Reserve, as the log asks, and takes from the stock once more. */
static void a_repetition_that_is_not_one(void **state)
{
    (void)state;
    struct scene scene;
    struct ledger_result result;
    struct buffer commands = {0};
    struct buffer other = {0};
    char text[CHECKS_TRACE_ID_BYTES];
    scene_answer(&scene, &result);
    const struct ledger_line line = {BYTES_LITERAL("apple"), 1, 2};
    struct ledger_command reserve = {.kind = LEDGER_RESERVE,
                                     .order_id = BYTES_LITERAL("order"),
                                     .lines = &line,
                                     .line_count = 1};
    for (uint64_t index = 3; index <= 4; index++) {
        uint64_t operation = checks_invoke(scene.checks);
        reserve.trace_id = checks_trace_id(operation, text);
        ledger_command_encode(&commands, &reserve);
        checks_asked(scene.checks, operation, buffer_bytes(&commands));
        if (index == 3) {
            scene_run(&scene, scene_take(&scene, 3, &commands, 1), NULL);
        }
    }
    struct entry *entry = scene_take(&scene, 4, &commands, 1);
    const struct ledger_command adjust = {.kind = LEDGER_ADJUST_STOCK,
                                          .request_id = BYTES_LITERAL("another"),
                                          .reason = BYTES_LITERAL("LEAK"),
                                          .sku = BYTES_LITERAL("apple"),
                                          .quantity = -2};
    ledger_command_encode(&other, &adjust);
    struct ledger_entry_reader reader;
    struct error error;
    struct buffer data = {0};
    assert_true(ledger_entry_open(&reader, entry->data, &error));
    ledger_entry_begin(&data, &reader.header);
    ledger_entry_append_encoded(&data, buffer_bytes(&other));
    ledger_entry_finish(&data, 1);
    scene_run(&scene, scene_entry(&scene, 4, 2, buffer_bytes(&data)), NULL);
    buffer_free(&data);
    buffer_free(&other);
    scene_fails(&scene, CHECK_MODEL, "n1 has other records at 4: stock apple");
}

/* ---- audits ---- */

static void audit(struct scene *scene, size_t node)
{
    checks_audit(scene->checks, node, memory_store_interface(scene->stores[node]),
                 scene->ledgers[node], true);
}

static void an_audit_of_a_sound_state_passes(void **state)
{
    (void)state;
    struct scene scene;
    struct ledger_result result;
    scene_second(&scene, &result);
    audit(&scene, 0);
    audit(&scene, 1); /* a new one */
    scene_passes(&scene);
}

static void a_record_that_nobody_touched(void **state)
{
    (void)state;
    struct scene scene;
    struct buffer commands = {0};
    scene_lead(&scene);
    /* An entry that commands nothing: n1 makes a stock out of it. What it touched is as it should
     * be, so only all records show it. */
    struct entry *nothing = scene_barrier(&scene, 2, 2);
    scene_set_stock(&scene, "pear", 1, &commands);
    struct buffer data = {0};
    const struct ledger_entry_header header = {
        .format = 1, .ledger_version = 1, .time_ms = 1700000000001};
    ledger_entry_begin(&data, &header);
    ledger_entry_append_encoded(&data, buffer_bytes(&commands));
    ledger_entry_finish(&data, 1);
    struct entry *wrong = scene_entry(&scene, 2, 2, buffer_bytes(&data));
    buffer_free(&data);
    buffer_free(&commands);
    scene_store(&scene, N(0) | N(1), nothing);
    scene_commit(&scene, N(0), 2);
    scene_run(&scene, wrong, NULL);
    assert_false(scene.world.failed);
    audit(&scene, 0);
    scene_fails(&scene, CHECK_MODEL, "n1 has other records at 2");
}

struct first_record {
    struct buffer key;
    struct buffer value;
};

static bool take_record(void *context, struct bytes key, struct bytes value)
{
    struct first_record *record = context;
    buffer_append_bytes(&record->key, key);
    buffer_append_bytes(&record->value, value);
    return false;
}

static void a_record_that_breaks_an_invariant(void **state)
{
    (void)state;
    struct scene scene;
    struct ledger_result result;
    struct first_record record = {.key = {0}, .value = {0}};
    struct stock_record stock;
    struct error error;
    scene_answer(&scene, &result);
    struct ledger_store store = memory_store_interface(scene.stores[0]);
    assert_true(store.ops->scan(store.store, LEDGER_KIND_STOCK, (struct bytes){0},
                                (struct bytes){0}, take_record, &record, &error));
    assert_true(stock_record_decode(buffer_bytes(&record.value), &stock, &error));
    stock.reserved = stock.on_hand + 1;
    buffer_clear(&record.value);
    stock_record_encode(&record.value, &stock);
    assert_true(store.ops->put(store.store, LEDGER_KIND_STOCK, buffer_bytes(&record.key),
                               buffer_bytes(&record.value), &error));
    buffer_free(&record.key);
    buffer_free(&record.value);
    audit(&scene, 0);
    scene_fails(&scene, CHECK_INVARIANTS, "n1 at 2: ");
}

static void a_store_that_cannot_be_read(void **state)
{
    (void)state;
    struct scene scene;
    struct ledger_result result;
    scene_answer(&scene, &result);
    memory_store_fail_at(scene.stores[0], 1);
    audit(&scene, 0);
    scene_fails(&scene, CHECK_INVARIANTS, "n1 can't be audited");
}

static void a_digest_of_another_state(void **state)
{
    (void)state;
    struct scene scene;
    struct ledger_result result;
    struct buffer commands = {0};
    struct entry *entry = scene_answer(&scene, &result);
    scene_commit(&scene, N(1), 2);
    scene_apply(&scene, N(1), scene.entries[0]);
    scene_apply(&scene, N(1), entry);
    scene_set_stock(&scene, "pear", 1, &commands);
    scene_apply_untold(&scene, 1, scene_commands(&scene, 3, 2, &commands, 1), NULL);
    buffer_free(&commands);
    audit(&scene, 1);
    scene_fails(&scene, CHECK_DIGEST, "n2 has another digest stored at 2 than others");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_with_another_verdict),
        cmocka_unit_test(an_answer_with_another_stock),
        cmocka_unit_test(a_refusal_with_another_line),
        cmocka_unit_test(a_record_that_differs),
        cmocka_unit_test(a_record_that_is_not_there),
        cmocka_unit_test(a_repetition_that_is_not_one),
        cmocka_unit_test(an_audit_of_a_sound_state_passes),
        cmocka_unit_test(a_record_that_nobody_touched),
        cmocka_unit_test(a_record_that_breaks_an_invariant),
        cmocka_unit_test(a_store_that_cannot_be_read),
        cmocka_unit_test(a_digest_of_another_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
