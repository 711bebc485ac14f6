/*
 * test_edn.c - the reader of EDN: what it takes, what it refuses, and that garbage does it no harm.
 */
#include "../../lib/cmocka_test.h"

#include "base/random.h"
#include "event.h"

static bool parses(const char *text)
{
    struct edn edn = {.nodes = NULL};
    struct error error = {.text = ""};
    bool fine = edn_parse(&edn, bytes_of_string(text), &error);
    assert_true(fine || error.text[0] != '\0');
    edn_free(&edn);
    return fine;
}

static void test_values(void **state)
{
    static const char *const good[] = {
        "nil",
        "true",
        "-17",
        "+3",
        "9223372036854775807",
        "-9223372036854775808",
        "42N",
        "1.5",
        "2.5e3",
        "1.0M",
        ":a",
        ":a/b",
        ":valid?",
        "sym",
        "\"\"",
        "\"a\\\"b\\\\c\\n\\u00e4\"",
        "[]",
        "[1 2, 3]",
        "(1 (2))",
        "{}",
        "{:a 1, :b [2]}",
        "#{1 2}",
        "#inst \"2020\"",
        "; words\n1 ; more",
        "#_ skipped 1",
        "[1 #_2 3 #_ 4]",
        "\n\t{:a #jepsen.history.Op{:b 1}}\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (!parses(good[i])) {
            fail_msg("refused: %s", good[i]);
        }
    }
}

static void test_refused(void **state)
{
    static const char *const bad[] = {
        "",   " ",   "[",       "[1",          "{:a}",        "{:a 1",
        "\"", "\"a", "\"\\x\"", "\"\\u12\"",   "\"\\ud800\"", "9223372036854775808",
        "1x", ":",   "1 2",     ")",           "[)",          "#",
        "#_", "#{1", "{:a 1]",  "\"\\u12g4\"",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (parses(bad[i])) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}

static void test_look(void **state)
{
    struct edn edn = {.nodes = NULL};
    struct error error;
    (void)state;
    assert_true(edn_parse(&edn, BYTES_LITERAL("{:a -5, :b \"x\\u00e4\\ty\", :c [1 2]}"), &error));
    assert_int_equal(edn_at(&edn, edn_get(&edn, 0, "a"))->number, -5);
    assert_true(bytes_equal(edn_text(&edn, edn_get(&edn, 0, "b")), BYTES_LITERAL("x\xc3\xa4\ty")));
    assert_true(bytes_equal(edn_raw(&edn, edn_get(&edn, 0, "c")), BYTES_LITERAL("[1 2]")));
    assert_int_equal(edn_get(&edn, 0, "d"), EDN_NONE);
    assert_int_equal(edn_get(&edn, edn_get(&edn, 0, "a"), "a"), EDN_NONE);
    edn_free(&edn);
}

static void test_depth(void **state)
{
    char text[2 * EDN_DEPTH + 8];
    (void)state;
    memset(text, '[', EDN_DEPTH);
    memset(text + EDN_DEPTH, ']', EDN_DEPTH);
    text[2 * EDN_DEPTH] = '\0';
    assert_true(parses(text));
    memset(text, '[', EDN_DEPTH + 2);
    memset(text + EDN_DEPTH + 2, ']', EDN_DEPTH + 2);
    text[2 * EDN_DEPTH + 4] = '\0';
    assert_false(parses(text));
}

static const char *const lines[] = {
    "{:type :invoke, :f :reserve, :value {:order \"o-1\", :lines [[\"A\" 2] [[\"B\" 7] 1]], "
    ":ttl-ms "
    "5}, :process 3, :time 12, :index 17}",
    "{:type :fail, :f :reserve, :value {:order \"o-1\", :verdict :insufficient-stock, :log-index "
    "9, "
    ":log-position 1, :failed [[\"A\" {:requested 2, :available 1, :reason "
    ":insufficient-stock}]]}, "
    ":process 3, :time 13, :index 18}",
    "{:type :ok, :f :read-stock, :value {:verdict :ok, :log-index 9, :stocks {\"A\" {:on-hand 1, "
    ":reserved 0, :version 3}, [\"B\" 7] nil}}, :process 3, :time 14, :index 19}",
    "{:type :ok, :f :read-history, :value {:verdict :ok, :log-index 9, :rows [{:log-index 2, :sub "
    "0, "
    ":op :set, :on-hand 5} {:log-index 3, :sub 1, :op :reserve, :held 2, :order \"o\"}]}, :process "
    "3, :time 15, :index 20}",
    "{:type :info, :f :start-partition, :value {:grudge {\"n1\" #{\"n2\"}}}, :process :nemesis, "
    ":time 16, :index 21}",
};

/* A line with bytes changed, left out and doubled is an event or a refusal, never anything else;
 * and what is taken can be written and read again. */
static void test_garbage(void **state)
{
    struct random random = {11};
    struct event_reader reader = {.lines = {0}};
    struct event_reader again = {.lines = {0}};
    struct buffer out = {0};
    unsigned taken = 0;
    (void)state;
    for (int round = 0; round < 60000; round++) {
        const char *line = lines[random_next(&random) % (sizeof lines / sizeof *lines)];
        char text[512];
        struct event event;
        struct error error = {.text = ""};
        size_t len = strlen(line);
        memcpy(text, line, len);
        for (uint64_t k = random_next(&random) % 4; k > 0 && len > 0; k--) {
            size_t at = random_next(&random) % len;
            switch (random_next(&random) % 4) {
            case 0:
                text[at] = (char)random_next(&random);
                break;
            case 1:
                text[at] = "{}[]\":#;0 \\"[random_next(&random) % 11];
                break;
            case 2:
                memmove(text + at, text + at + 1, --len - at);
                break;
            default:
                len = at + 1;
                break;
            }
        }
        if (!event_read(&reader, bytes_of(text, len), &event, &error)) {
            assert_true(error.text[0] != '\0');
            continue;
        }
        taken++;
        buffer_clear(&out);
        event_write(&out, &event);
        if (!event_read(&again, bytes_of(out.data, out.len - 1), &event, &error)) {
            fail_msg("%.*s is written as %.*s and then: %s", (int)len, text, (int)out.len,
                     (const char *)out.data, error.text);
        }
    }
    assert_true(taken > 5000);
    event_reader_free(&reader);
    event_reader_free(&again);
    buffer_free(&out);
}

static void test_bad_events(void **state)
{
    static const char *const bad[] = {
        "{:type :invoke, :f :reserve, :value {:order \"o\"}, :process 1, :time 1}",
        "{:type :invoke, :f :reserve, :value {:lines [[\"A\" 1]]}, :process 1, :time 1}",
        "{:type :invoke, :f :reserve, :value {:order \"o\", :lines [[\"A\" 0]]}, :process 1, :time "
        "1}",
        "{:type :invoke, :f :dance, :value {}, :process 1, :time 1}",
        "{:type :ok, :f :reserve, :value {:order \"o\"}, :process 1, :time 1}",
        "{:type :ok, :f :reserve, :value {:order \"o\", :verdict :ok}, :process 1, :time 1}",
        "{:type :ok, :f :reserve, :value {:verdict :insufficient-stock, :log-index 1}, :process 1, "
        ":time 1}",
        "{:type :info, :f :reserve, :value {:verdict :ok, :log-index 1}, :process 1, :time 1}",
        "{:type :ok, :f :start-kill, :value nil, :process :nemesis, :time 1}",
        "{:type :invoke, :f :set-stock, :value {:stock \"A\"}, :process 1, :time 1}",
        "{:type :invoke, :f :set-stock, :value {:stock \"A\", :on-hand 1}, :process -1, :time 1}",
        "{:type :invoke, :f :set-stock, :value {:stock \"A\", :on-hand 1}, :process 1, :time -1}",
        "[1 2]",
    };
    struct event_reader reader = {.lines = {0}};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct event event;
        struct error error;
        if (event_read(&reader, bytes_of_string(bad[i]), &event, &error)) {
            fail_msg("taken: %s", bad[i]);
        }
    }
    event_reader_free(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_look),    cmocka_unit_test(test_depth),
        cmocka_unit_test(test_garbage), cmocka_unit_test(test_bad_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
