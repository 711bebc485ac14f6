/*
 * test_shrink.c - what a difference is turned into: the shrinker against failures that were made
 * up, so that the shortest sequence is known; the file of entries; the printed script, which must
 * mean to the fixture of tests/unit/ledger what the sequence means to the model.
 */
#include "../unit/ledger/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "generate.h"
#include "script.h"
#include "sequence.h"
#include "shrink.h"

struct case_of_seed {
    struct command_pool *pool;
    struct sequence sequence;
};

static struct case_of_seed open_seed(uint64_t seed, uint32_t commands)
{
    struct case_of_seed made = {.pool = command_pool_new()};
    generate_sequence(&made.sequence, made.pool, seed, commands);
    return made;
}

static void close_seed(struct case_of_seed *made)
{
    sequence_free(&made->sequence);
    command_pool_free(made->pool);
}

/* ---- the shrinker ---- */

/* Fails if a Reserve of two lines of "A" at least comes before a final Deduct of the same order, in
 * a later entry. */
struct planted {
    struct bytes order_id;
    uint32_t asked;
};

static bool planted_fails(void *context, const struct sequence *sequence)
{
    struct planted *planted = context;
    uint32_t reserved_in = UINT32_MAX;
    planted->asked++;
    for (uint32_t i = 0; i < sequence->count; i++) {
        for (uint32_t k = 0; k < sequence->entries[i].count; k++) {
            const struct ledger_command *command = sequence->entries[i].commands[k];
            uint32_t lines = 0;
            for (uint32_t l = 0; l < command->line_count; l++) {
                lines += bytes_equal(command->lines[l].sku, BYTES_LITERAL("A"));
            }
            if (!bytes_equal(command->order_id, planted->order_id)) {
                continue;
            }
            if (command->kind == LEDGER_RESERVE && lines >= 2 && reserved_in == UINT32_MAX) {
                reserved_in = i;
            }
            if (command->kind == LEDGER_DEDUCT && command->final && i > reserved_in) {
                return true;
            }
        }
    }
    return false;
}

static void plant(struct case_of_seed *made, struct bytes order_id)
{
    struct ledger_line lines[] = {{BYTES_LITERAL("B"), 2, 7},
                                  {BYTES_LITERAL("A"), 1, 5},
                                  {BYTES_LITERAL("A"), 3, 1},
                                  {BYTES_LITERAL("AA"), 0, 2}};
    struct ledger_command reserve = {.kind = LEDGER_RESERVE,
                                     .order_id = order_id,
                                     .lines = lines,
                                     .line_count = 4,
                                     .has_ttl = true,
                                     .ttl_ms = 77,
                                     .actor = BYTES_LITERAL("somebody")};
    struct ledger_command deduct = {.kind = LEDGER_DEDUCT,
                                    .order_id = order_id,
                                    .lines = lines,
                                    .line_count = 1,
                                    .final = true,
                                    .request_id = BYTES_LITERAL("once"),
                                    .remark = BYTES_LITERAL("noise")};
    uint32_t half = made->sequence.count / 2;
    sequence_entry_add(&made->sequence.entries[half / 2], command_pool_add(made->pool, &reserve));
    sequence_entry_add(&made->sequence.entries[half], command_pool_add(made->pool, &deduct));
}

/* Hundreds of commands, of which two are needed, and of these a few fields. */
static void shrinks_to_what_is_needed(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct case_of_seed made = open_seed(seed, 600);
        struct planted planted = {.order_id = BYTES_LITERAL("planted")};
        plant(&made, planted.order_id);
        struct shrink shrink = {.fails = planted_fails, .context = &planted, .work_left = 1000000};
        assert_true(planted_fails(&planted, &made.sequence));
        shrink_sequence(&shrink, &made.sequence, made.pool);
        assert_true(planted_fails(&planted, &made.sequence));
        assert_int_equal(sequence_command_count(&made.sequence), 2);
        assert_int_equal(made.sequence.count, 2);
        const struct ledger_command *reserve = made.sequence.entries[0].commands[0];
        const struct ledger_command *deduct = made.sequence.entries[1].commands[0];
        assert_int_equal(reserve->line_count, 2);
        assert_int_equal(reserve->lines[0].quantity, 1);
        assert_int_equal(reserve->lines[1].warehouse, 0);
        assert_false(reserve->has_ttl);
        assert_int_equal(reserve->actor.len, 0);
        assert_int_equal(deduct->line_count, 0);
        assert_int_equal(deduct->request_id.len, 0);
        assert_true(deduct->final);
        assert_int_equal(made.sequence.entries[0].time_ms, made.sequence.entries[1].time_ms);
        assert_true(shrink.attempts < 2000);
        close_seed(&made);
    }
}

static void the_budget_holds(void **state)
{
    (void)state;
    struct case_of_seed made = open_seed(3, 600);
    struct planted planted = {.order_id = BYTES_LITERAL("planted")};
    plant(&made, planted.order_id);
    struct shrink shrink = {.fails = planted_fails, .context = &planted, .work_left = 5000};
    shrink_sequence(&shrink, &made.sequence, made.pool);
    assert_int_equal(shrink.work_left, 0);
    assert_true(shrink.attempts > 1 && shrink.attempts < 200);
    assert_int_equal(planted.asked, shrink.attempts);
    assert_true(planted_fails(&planted, &made.sequence)); /* what is left still fails */
    close_seed(&made);
}

static bool never_fails(void *context, const struct sequence *sequence)
{
    (void)sequence;
    ++*(uint32_t *)context;
    return false;
}

/* Nothing can go: the sequence comes back as it was. */
static void what_is_needed_stays(void **state)
{
    (void)state;
    struct case_of_seed made = open_seed(4, 100);
    struct buffer before = {0};
    struct buffer after = {0};
    uint32_t asked = 0;
    struct shrink shrink = {.fails = never_fails, .context = &asked, .work_left = 10000000};
    sequence_write(&made.sequence, &before);
    shrink_sequence(&shrink, &made.sequence, made.pool);
    sequence_write(&made.sequence, &after);
    assert_true(bytes_equal(buffer_bytes(&before), buffer_bytes(&after)));
    assert_true(asked > 100);
    buffer_free(&before);
    buffer_free(&after);
    close_seed(&made);
}

/* ---- the file ---- */

static void write_file(const char *path, struct bytes content)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(content.data, 1, content.len, file), content.len);
    assert_int_equal(fclose(file), 0);
}

static void a_file_gives_the_sequence_back(void **state)
{
    (void)state;
    char path[] = "model-test-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    close(descriptor);
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct case_of_seed made = open_seed(seed, 300);
        struct buffer first = {0};
        struct buffer second = {0};
        struct sequence read = {0};
        struct error error;
        buffer_printf(&first, "# a comment\n");
        sequence_write(&made.sequence, &first);
        write_file(path, buffer_bytes(&first));
        if (!sequence_read(&read, made.pool, path, &error)) {
            fail_msg("%s", error.text);
        }
        buffer_printf(&second, "# a comment\n");
        sequence_write(&read, &second);
        assert_true(bytes_equal(buffer_bytes(&first), buffer_bytes(&second)));
        sequence_free(&read);
        buffer_free(&first);
        buffer_free(&second);
        close_seed(&made);
    }
    unlink(path);
}

static void a_damaged_file_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *content;
        const char *error;
    } files[] = {
        {"something else\n", "does not begin with"},
        {"entry 1 0g\n", "hexadecimal"},
        {"entry 1 012\n", "hexadecimal"},
        {"entry 1 0100\n", "damaged"},
        {"entry 2 01000100000000000000000000000000000000000000000000\n", "damaged"},
        {"entry 2 010001000000000000000000000000000000000000000000\n"
         "entry 2 010001000000000000000000000000000000000000000000\n",
         "line 2: index 2 does not rise"},
    };
    char path[] = "model-test-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    close(descriptor);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct command_pool *pool = command_pool_new();
        struct sequence sequence = {0};
        struct error error = {""};
        write_file(path, bytes_of_string(files[i].content));
        assert_false(sequence_read(&sequence, pool, path, &error));
        if (strstr(error.text, files[i].error) == NULL || strstr(error.text, path) == NULL) {
            fail_msg("%zu: %s", i, error.text);
        }
        sequence_free(&sequence);
        command_pool_free(pool);
    }
    unlink(path);
    struct sequence none = {0};
    struct error error;
    assert_false(sequence_read(&none, NULL, path, &error));
}

/* ---- the script ---- */

/* What the fixture can be told of the sequence. */
static struct sequence sayable(struct case_of_seed *made)
{
    struct sequence said = {0};
    for (uint32_t i = 0; i < made->sequence.count; i++) {
        const struct sequence_entry *entry = &made->sequence.entries[i];
        struct sequence_entry *copy =
            sequence_add(&said, entry->index, entry->time_ms, entry->credit_ms);
        for (uint32_t k = 0; k < entry->count && copy->count < SCRIPT_COMMANDS; k++) {
            struct ledger_command *command = command_pool_add(made->pool, entry->commands[k]);
            command->trace_id.len = 0;
            if (script_can_say(command)) {
                sequence_entry_add(copy, command);
            }
        }
    }
    return said;
}

/* The fixture runs the script against the ledger and compares each answer, as text. */
static void a_script_is_a_test_case(void **state)
{
    (void)state;
    uint64_t commands = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct case_of_seed made = open_seed(seed, 300);
        struct sequence said = sayable(&made);
        struct buffer script = {0};
        struct fixture fixture;
        commands += sequence_command_count(&said);
        script_print(&said, &script);
        buffer_append(&script, "", 1);
        fixture_open(&fixture);
        fixture_run(&fixture, (const char *)script.data);
        fixture_close(&fixture);
        buffer_free(&script);
        sequence_free(&said);
        close_seed(&made);
    }
    assert_true(commands > 5000);
}

static void what_the_fixture_can_not_say_is_marked(void **state)
{
    (void)state;
    struct command_pool *pool = command_pool_new();
    struct sequence sequence = {0};
    struct buffer script = {0};
    struct ledger_command command = {.kind = LEDGER_RELEASE,
                                     .order_id = BYTES_LITERAL("a\0b"),
                                     .trace_id = BYTES_LITERAL("t"),
                                     .requested_at_ms = INT64_MIN};
    assert_false(script_can_say(&command));
    sequence_entry_add(sequence_add(&sequence, 1, 1000000000005, 0),
                       command_pool_add(pool, &command));
    script_print(&sequence, &script);
    buffer_append(&script, "", 1);
    assert_string_equal((const char *)script.data,
                        "wait 5ms\n"
                        "# not in the fixture's words (trace_id \"t\"): release \\x61\\x00\\x62 "
                        "at=9223371036854775803ms => MALFORMED_COMMAND\n");
    buffer_free(&script);
    sequence_free(&sequence);
    command_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shrinks_to_what_is_needed),
        cmocka_unit_test(the_budget_holds),
        cmocka_unit_test(what_is_needed_stays),
        cmocka_unit_test(a_file_gives_the_sequence_back),
        cmocka_unit_test(a_damaged_file_is_refused),
        cmocka_unit_test(a_script_is_a_test_case),
        cmocka_unit_test(what_the_fixture_can_not_say_is_marked),
    };
    return cmocka_run_group_tests_name("model/shrink", tests, NULL, NULL);
}
