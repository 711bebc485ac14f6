/*
 * arguments_test.c - the command line: options, operands, numbers, durations, lines, ids.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arguments.h"
#include "base/limits.h"

/* ---- fixture: a verb with one option of each kind ---- */

struct options {
    bool final;
    bool number_given;
    const char *reason;
    int64_t number;
    int64_t time_ms;
    int form;
};

static const char *const forms[] = {"table", "json", NULL};

static bool parse(struct options *options, struct arguments *out, struct error *error, int min,
                  int max, int argc, char **argv)
{
    const struct command_option own[] = {
        {.kind = OPTION_FLAG, .name = "final", .target = &options->final, .help = ""},
        {.kind = OPTION_NUMBER,
         .name = "number",
         .target = &options->number,
         .given = &options->number_given,
         .min = -5,
         .max = 5},
        {.kind = OPTION_END},
    };
    const struct command_option common[] = {
        {.kind = OPTION_TEXT, .name = "reason", .target = &options->reason, .max = 8},
        {.kind = OPTION_TIME, .name = "time", .target = &options->time_ms, .min = 1, .max = 60000},
        {.kind = OPTION_CHOICE,
         .name = "output",
         .letter = 'o',
         .target = &options->form,
         .choices = forms},
        {.kind = OPTION_END},
    };
    const struct command_syntax syntax = {
        .verb = "test",
        .operands = "A B",
        .options = own,
        .common = common,
        .operands_min = min,
        .operands_max = max,
    };
    return arguments_parse(&syntax, argc, argv, out, error);
}

#define PARSE(options, out, error, min, max, ...)                                                  \
    parse(options, out, error, min, max, (int)(sizeof(char *[]){__VA_ARGS__} / sizeof(char *)),    \
          (char *[]){__VA_ARGS__})

static void assert_error(const struct error *error, const char *part)
{
    if (strstr(error->text, part) == NULL) {
        fail_msg("\"%s\" does not speak of \"%s\"", error->text, part);
    }
}

/* ---- cases ---- */

static void options_and_operands_mix(void **state)
{
    (void)state;
    struct options options = {0};
    struct arguments out;
    struct error error;
    char *argv[] = {"a",    "--final",  "--number=-3", "-7", "--time",  "1m",    "-o",
                    "json", "--reason", "--odd-",      "--", "--final", "-ojson"};
    assert_true(parse(&options, &out, &error, 4, 4, 13, argv));
    assert_true(options.final);
    assert_true(options.number_given);
    assert_int_equal(options.number, -3);
    assert_int_equal(options.time_ms, 60000);
    assert_int_equal(options.form, 1);
    assert_string_equal(options.reason, "--odd-"); /* a value may look like an option */
    assert_int_equal(out.operand_count, 4);
    assert_string_equal(out.operands[0], "a");
    assert_string_equal(out.operands[1], "-7"); /* a number is no flag */
    assert_string_equal(out.operands[2], "--final");
    assert_string_equal(out.operands[3], "-ojson");
}

static void letter_takes_its_value_glued_and_the_last_counts(void **state)
{
    (void)state;
    struct options options = {0};
    struct arguments out;
    struct error error;
    assert_true(PARSE(&options, &out, &error, 0, 0, "-o", "table", "-ojson", "--output=table",
                      "--output", "json"));
    assert_int_equal(options.form, 1);
}

static void wrong_options_are_named(void **state)
{
    (void)state;
    struct options options = {0};
    struct arguments out;
    struct error error;
    assert_false(PARSE(&options, &out, &error, 0, 0, "--unknown"));
    assert_error(&error, "unknown option --unknown");
    assert_false(PARSE(&options, &out, &error, 0, 0, "-x"));
    assert_error(&error, "unknown option -x");
    assert_false(PARSE(&options, &out, &error, 0, 0, "--fin"));
    assert_false(PARSE(&options, &out, &error, 0, 0, "--finale"));
    assert_false(PARSE(&options, &out, &error, 0, 0, "--final=1"));
    assert_error(&error, "--final takes no value");
    assert_false(PARSE(&options, &out, &error, 0, 0, "--number"));
    assert_error(&error, "--number needs a value");
    assert_false(PARSE(&options, &out, &error, 0, 0, "--number", "6"));
    assert_error(&error, "--number: 6 is not between -5 and 5");
    assert_false(PARSE(&options, &out, &error, 0, 0, "--time", "2m"));
    assert_error(&error, "between 1ms and 1m");
    assert_false(PARSE(&options, &out, &error, 0, 0, "-o", "yaml"));
    assert_error(&error, "\"yaml\" is none of table, json");
    assert_false(PARSE(&options, &out, &error, 0, 0, "--reason", ""));
    assert_error(&error, "--reason is empty");
    assert_false(PARSE(&options, &out, &error, 0, 0, "--reason=123456789"));
    assert_error(&error, "9 bytes long, at most 8");
    assert_false(PARSE(&options, &out, &error, 0, 0, "--reason", "\xff"));
    assert_error(&error, "not valid UTF-8");
}

static void operands_are_counted(void **state)
{
    (void)state;
    struct options options = {0};
    struct arguments out;
    struct error error;
    assert_false(parse(&options, &out, &error, 1, 2, 0, NULL));
    assert_error(&error, "A B is needed");
    assert_false(PARSE(&options, &out, &error, 1, 2, "1", "2", "3"));
    assert_error(&error, "\"3\" is one word too many");
    assert_true(PARSE(&options, &out, &error, 1, -1, "1", "2", "3"));
    assert_int_equal(out.operand_count, 3);
}

static void help_wins_over_everything(void **state)
{
    (void)state;
    struct options options = {0};
    struct arguments out;
    struct error error;
    assert_true(PARSE(&options, &out, &error, 1, 1, "--unknown", "--help"));
    assert_true(out.help);
    assert_true(PARSE(&options, &out, &error, 1, 1, "--version"));
    assert_true(out.version);
    assert_true(PARSE(&options, &out, &error, 1, 1, "--", "--help"));
    assert_false(out.help);
}

static void numbers(void **state)
{
    (void)state;
    int64_t value;
    struct error error;
    assert_true(parse_number("n", "+7", -10, 10, &value, &error));
    assert_int_equal(value, 7);
    assert_true(parse_number("n", "-007", -10, 10, &value, &error));
    assert_int_equal(value, -7);
    assert_true(parse_number("n", "9007199254740991", 0, LIMIT_QUANTITY, &value, &error));
    assert_int_equal(value, LIMIT_QUANTITY);
    assert_false(parse_number("n", "9007199254740992", 0, LIMIT_QUANTITY, &value, &error));
    static const char *const wrong[] = {"",    "-",    "+",   " 1",  "1 ",  "1.0",
                                        "1e3", "0x10", "--1", "+-1", "1\n", "\xd9\xa1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(parse_number("n", wrong[i], INT64_MIN, INT64_MAX, &value, &error));
        assert_error(&error, "is not a whole number");
    }
    assert_false(parse_number("n", "9223372036854775808", INT64_MIN, INT64_MAX, &value, &error));
    assert_false(parse_number("n", "-9223372036854775809", INT64_MIN, INT64_MAX, &value, &error));
}

static void durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"500ms", 500},  {"10s", 10000},    {"30m", 1800000},
                {"2h", 7200000}, {"7d", 604800000}, {"1h30m", 5400000},
                {"3", 3000},     {"0s", 0},         {"1m1s1ms", 61001}};
    static const char *const wrong[] = {"",
                                        "s",
                                        "-1s",
                                        "1.5s",
                                        "1 s",
                                        "1w",
                                        "1S",
                                        "10s5",
                                        "5 ",
                                        "1s ",
                                        "99999999999999999999s",
                                        "9223372036854775807d"};
    int64_t ms;
    struct error error;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(parse_duration_ms("d", good[i].text, 0, INT64_MAX, &ms, &error));
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(parse_duration_ms("d", wrong[i], 0, INT64_MAX, &ms, &error));
        assert_error(&error, "is not a duration");
    }
}

static bool line_of(const char *text, struct line_argument *line, struct error *error)
{
    static char copy[1024];
    assert_true(strlen(text) < sizeof copy);
    strcpy(copy, text);
    return parse_line(copy, line, error);
}

static void lines(void **state)
{
    (void)state;
    struct line_argument line;
    struct error error;
    assert_true(line_of("85123A=6", &line, &error));
    assert_string_equal(line.sku, "85123A");
    assert_int_equal(line.quantity, 6);
    assert_int_equal(line.warehouse, 0);
    assert_true(line_of("a=b@c=9007199254740991@4294967295", &line, &error));
    assert_string_equal(line.sku, "a=b@c"); /* the last '=' counts, and '@' only behind it */
    assert_int_equal(line.quantity, LIMIT_QUANTITY);
    assert_int_equal(line.warehouse, UINT32_MAX);
    static const struct {
        const char *text;
        const char *error;
    } wrong[] = {
        {"apple", "is not of the form"},
        {"=3", "the SKU is empty"},
        {"apple=", "the quantity"},
        {"apple=0", "not between 1 and"},
        {"apple=-1", "not between 1 and"},
        {"apple=9007199254740992", "not between 1 and"},
        {"apple=1.5", "not a whole number"},
        {"apple=1@", "the warehouse"},
        {"apple=1@4294967296", "the warehouse"},
        {"apple=1@2@3", "the warehouse"},
        {"\xc3=1", "not valid UTF-8"},
        {"apple=@1", "the quantity"},
        {"apple=111111111111111111111111111111111111111111", "not between"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(line_of(wrong[i].text, &line, &error));
        assert_error(&error, wrong[i].error);
    }
}

static void ids_have_a_longest_length(void **state)
{
    (void)state;
    char id[LIMIT_ID_BYTES + 1];
    struct error error;
    memset(id, 'x', sizeof id);
    assert_true(check_id("the id", bytes_of(id, LIMIT_ID_BYTES), &error));
    assert_false(check_id("the id", bytes_of(id, LIMIT_ID_BYTES + 1), &error));
    assert_error(&error, "256 bytes long");
    assert_false(check_id("the id", bytes_of(id, 0), &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_operands_mix),
        cmocka_unit_test(letter_takes_its_value_glued_and_the_last_counts),
        cmocka_unit_test(wrong_options_are_named),
        cmocka_unit_test(operands_are_counted),
        cmocka_unit_test(help_wins_over_everything),
        cmocka_unit_test(numbers),
        cmocka_unit_test(durations),
        cmocka_unit_test(lines),
        cmocka_unit_test(ids_have_a_longest_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
