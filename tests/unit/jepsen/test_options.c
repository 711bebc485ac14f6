/*
 * test_options.c - the command line of chaos: what it takes, what it refuses and in which words,
 * and that the words of a run make the same run again.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../../lib/cmocka_test.h"
#include "options.h"

static const struct workload orders = {.name = "orders", .help = "orders and sales"};
static const struct workload holds = {.name = "holds", .help = "many holds"};
static const struct workload *const known_workloads[] = {&holds, &orders, NULL};
static const struct nemesis cut = {.name = "cut", .kind = "partition", .help = "a cut"};
static const struct nemesis kill = {.name = "kill", .kind = "process", .help = "a kill"};
static const struct nemesis wipe = {
    .name = "wipe", .kind = "members", .help = "a wipe", .destroys = true};
static const struct nemesis slow = {.name = "slow", .kind = "links", .help = "slow links"};
static const struct nemesis *const known_nemeses[] = {&cut, &kill, &wipe, &slow, NULL};
static const struct chaos_catalogue catalogue = {known_workloads, known_nemeses};

#define WORDS 24

/* The words of a line, at single blanks; they live until the next call. */
static bool parse(struct chaos_options *options, const char *line, struct error *error)
{
    static char words[1024];
    static char *argv[WORDS + 2];
    int argc = 0;
    snprintf(words, sizeof words, "chaos %s", line);
    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " ")) {
        assert_true(argc <= WORDS);
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    error->text[0] = '\0';
    return chaos_options_parse(options, argc, argv, &catalogue, error);
}

static struct chaos_options parsed(const char *line)
{
    struct chaos_options options;
    struct error error;
    if (!parse(&options, line, &error)) {
        fail_msg("%s: %s", line, error.text);
    }
    return options;
}

static void test_defaults(void **state)
{
    struct chaos_options options = parsed("");
    (void)state;
    assert_int_equal(options.task, CHAOS_RUN);
    assert_int_equal(options.workload_count, 1);
    assert_ptr_equal(options.workloads[0], &orders);
    assert_int_equal(options.nemesis_count, 4);
    assert_true(options.all_nemeses);
    assert_int_equal(options.node_count, 5);
    assert_int_equal(options.time_ms, 120000);
    assert_int_equal(options.soak_ms, 0);
    assert_false(options.seed_given);
    assert_null(options.planted);
    assert_string_equal(options.store, "store");
}

static void test_values(void **state)
{
    struct chaos_options options = parsed(
        "--workload=all --nemesis slow,cut --nodes 3 --time 1m30s --seed 18446744073709551615 "
        "--clients 7 --rate=50 --planted stale-read --program ./x --store /y --soak 2h "
        "--first cut");
    (void)state;
    assert_int_equal(options.workload_count, 2);
    assert_int_equal(options.nemesis_count, 2);
    assert_ptr_equal(options.nemeses[0], &slow);
    assert_ptr_equal(options.nemeses[1], &cut);
    assert_false(options.all_nemeses);
    assert_int_equal(options.first_count, 1);
    assert_ptr_equal(options.first[0], &cut);
    assert_int_equal(options.node_count, 3);
    assert_int_equal(options.time_ms, 90000);
    assert_true(options.seed_given);
    assert_true(options.seed == UINT64_MAX);
    assert_int_equal(options.client_count, 7);
    assert_int_equal(options.rate, 50);
    assert_int_equal(options.soak_ms, 7200000);
    assert_string_equal(options.planted, "stale-read");
    assert_int_equal(parsed("--nemesis none").nemesis_count, 0);
    assert_int_equal(parsed("--soak 1h").workload_count, 2);
    assert_int_equal(parsed("--list").task, CHAOS_LIST);
    assert_int_equal(parsed("--help").task, CHAOS_HELP);
    assert_int_equal(parsed("-h").task, CHAOS_HELP);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *line;
        const char *words;
    } cases[] = {
        {"--workload nothing", "--workload: there is no workload 'nothing'"},
        {"--nemesis cut,nothing", "--nemesis: there is no nemesis 'nothing'"},
        {"--nemesis cut,", "there is no nemesis ''"},
        {"--nemesis cut,kill,cut", "'cut' is named twice"},
        {"--nemesis all,cut", "there is no nemesis 'all'"},
        {"--nodes 0", "--nodes: '0' is not a number from 1 to 9"},
        {"--nodes 10", "not a number from 1 to 9"},
        {"--nodes 3x", "not a number"},
        {"--clients -1", "not a number"},
        {"--clients 257", "from 1 to 256"},
        {"--rate 99999999999999999999", "not a number"},
        {"--time 4s", "--time: '4s' is not from 5 s to 86400 s"},
        {"--time 2x", "'2x' is not a duration"},
        {"--time 25h", "not from 5 s"},
        {"--time m", "not a duration"},
        {"--time 1h30", "not a duration"},
        {"--time 99999999999999999999s", "not a duration"},
        {"--seed -1", "not a number from 0"},
        {"--seed 18446744073709551616", "not a number from 0"},
        {"--seed 7x", "not a number from 0"},
        {"--seed", "--seed needs a value: S"},
        {"--seed 1 --seed 2", "--seed is given twice"},
        {"--store=", "--store: it is empty"},
        {"--list=yes", "--list takes no value"},
        {"--lst", "there is no option '--lst'"},
        {"orders", "'orders': options begin with --"},
        {"--time 24h --rate 1000", "lower one of them"},
        {"--time 10m --soak 5m", "--soak is shorter"},
        {"--first nothing", "--first: there is no nemesis 'nothing'"},
        {"--first cut,cut", "--first: 'cut' is named twice"},
        {"--first slow --nemesis kill,cut", "--first: 'slow' is not one of --nemesis"},
        {"--nemesis none --first cut", "--first: 'cut' is not one of --nemesis"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct chaos_options options;
        struct error error;
        if (parse(&options, cases[i].line, &error)) {
            fail_msg("%s: taken", cases[i].line);
        }
        if (strstr(error.text, cases[i].words) == NULL) {
            fail_msg("%s: '%s' does not say '%s'", cases[i].line, error.text, cases[i].words);
        }
    }
}

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {{"90", 90000},   {"90s", 90000},     {"2m", 120000},
                 {"1h", 3600000}, {"1h30m", 5400000}, {"500ms", 500}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t ms = 0;
        struct error error;
        assert_true(chaos_parse_duration(cases[i].text, 0, 10000000, &ms, &error));
        assert_int_equal(ms, cases[i].ms);
    }
}

/* What is printed to run it again is taken, and says the same. */
static void test_words_of_a_run(void **state)
{
    static const char *const lines[] = {
        "",
        "--nemesis none --time 5500ms",
        "--nemesis all --first slow,cut",
        "--nemesis kill,cut --first kill",
        "--nemesis wipe,cut --planted no-deduplication --store /s/t",
        "--nodes 1 --clients 3 --rate 9 --disk-faults a.so --faketime b.so --program ../p"};
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct buffer first = {0};
        struct buffer second = {0};
        struct chaos_options options = parsed(lines[i]);
        chaos_options_write(&first, &options, &holds, 77);
        buffer_append(&first, "", 1);
        options = parsed((const char *)first.data);
        assert_ptr_equal(options.workloads[0], &holds);
        assert_true(options.seed == 77);
        chaos_options_write(&second, &options, options.workloads[0], options.seed);
        buffer_append(&second, "", 1);
        assert_string_equal((const char *)first.data, (const char *)second.data);
        buffer_free(&first);
        buffer_free(&second);
    }
}

static void expect_name(const char *line, const char *name)
{
    struct buffer out = {0};
    struct chaos_options options = parsed(line);
    chaos_options_name(&out, &options, options.workloads[0]);
    buffer_append(&out, "", 1);
    assert_string_equal((const char *)out.data, name);
    buffer_free(&out);
}

static void test_names(void **state)
{
    (void)state;
    expect_name("", "orders-all");
    expect_name("--nemesis none --workload holds", "holds-none");
    expect_name("--nemesis kill,cut", "orders-kill+cut");
    expect_name("--nemesis kill,cut --first cut", "orders-kill+cut");
    expect_name("--nemesis kill,cut,slow,wipe", "orders-4-nemeses");
}

static void test_words_are_quoted(void **state)
{
    struct buffer out = {0};
    struct chaos_options options = parsed("");
    (void)state;
    options.store = "it's here";
    chaos_options_write(&out, &options, &orders, 1);
    buffer_append(&out, "", 1);
    assert_non_null(strstr((const char *)out.data, " --store 'it'\\''s here'"));
    buffer_free(&out);
}

static void test_list_and_help(void **state)
{
    struct buffer out = {0};
    (void)state;
    chaos_options_list(&out, &catalogue);
    chaos_options_help(&out);
    buffer_append(&out, "", 1);
    const char *text = (const char *)out.data;
    assert_non_null(strstr(text, "many holds"));
    assert_non_null(strstr(text, "a wipe (alone)"));
    assert_non_null(strstr(text, "--soak T"));
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),         cmocka_unit_test(test_values),
        cmocka_unit_test(test_refusals),         cmocka_unit_test(test_durations),
        cmocka_unit_test(test_words_of_a_run),   cmocka_unit_test(test_names),
        cmocka_unit_test(test_words_are_quoted), cmocka_unit_test(test_list_and_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
