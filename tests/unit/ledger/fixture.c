/*
 * fixture.c - the scripts of fixture.h, read word by word. A script that can't be read fails the
 * test: it is ours.
 */
#include "fixture.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORDS = 64, LINES = 32 };

static const char *const state_names[] = {"NONE",     "ACTIVE",  "DEDUCTED",
                                          "RELEASED", "EXPIRED", "RETURNED"};
static const char *const op_names[] = {"?",      "SET",     "ADJUST", "RESERVE",
                                       "DEDUCT", "RELEASE", "EXPIRE"};

/* So that scripts can raise it. */
#define VERSION_KNOWN 4

void fixture_open(struct fixture *fixture)
{
    struct error error;
    *fixture = (struct fixture){.store = memory_store_new(), .time_ms = FIXTURE_START_MS};
    fixture->ledger =
        ledger_open_knowing(memory_store_interface(fixture->store), VERSION_KNOWN, &error);
    if (fixture->ledger == NULL) {
        fail_msg("%s", error.text);
    }
}

void fixture_reopen(struct fixture *fixture)
{
    struct error error;
    ledger_close(fixture->ledger);
    fixture->ledger =
        ledger_open_knowing(memory_store_interface(fixture->store), VERSION_KNOWN, &error);
    if (fixture->ledger == NULL) {
        fail_msg("%s", error.text);
    }
}

void fixture_audit(struct fixture *fixture)
{
    struct ledger_audit *audit = memory_alloc(sizeof *audit);
    struct error error;
    assert_true(ledger_audit_run(memory_store_interface(fixture->store), audit, &error));
    if (audit->violation_count != 0) {
        fail_msg("%" PRIu64 " violations, the first: %s", audit->violation_count,
                 audit->violations[0]);
    }
    assert_true(hash128_equal(audit->recomputed_digest, ledger_digest(fixture->ledger)));
    free(audit);
}

void fixture_close(struct fixture *fixture)
{
    fixture_audit(fixture);
    fixture_abandon(fixture);
}

void fixture_abandon(struct fixture *fixture)
{
    ledger_close(fixture->ledger);
    memory_store_free(fixture->store);
    buffer_free(&fixture->entry);
}

/* ---- entries ---- */

static void begin_entry(struct fixture *fixture)
{
    struct ledger_entry_header header = {
        .format = LEDGER_ENTRY_FORMAT,
        .ledger_version = LEDGER_VERSION,
        .time_ms = fixture->time_ms,
        .outage_credit_ms = fixture->credit_ms,
    };
    if (fixture->entry_count == 0) {
        buffer_clear(&fixture->entry);
        ledger_entry_begin(&fixture->entry, &header);
    }
}

static void apply_entry(struct fixture *fixture, ledger_result_visit visit, void *context)
{
    struct error error;
    ledger_entry_finish(&fixture->entry, fixture->entry_count);
    fixture->index += 2; /* entries of the cluster stand between those of the ledger */
    fixture->credit_ms = 0;
    fixture->entry_count = 0;
    if (!ledger_apply(fixture->ledger, fixture->index, buffer_bytes(&fixture->entry), visit,
                      context, &error)) {
        fail_msg("%s", error.text);
    }
}

void fixture_apply(struct fixture *fixture, const struct ledger_command *command,
                   ledger_result_visit visit, void *context)
{
    begin_entry(fixture);
    ledger_command_encode(&fixture->entry, command);
    fixture->entry_count++;
    apply_entry(fixture, visit, context);
}

/* ---- answers as text ---- */

struct text {
    char data[1024];
    size_t len;
};

static void note_added(struct text *text, int len)
{
    assert_true(len >= 0 && (size_t)len < sizeof text->data - text->len);
    text->len += (size_t)len;
}

#define add(text, ...)                                                                             \
    note_added(                                                                                    \
        text, snprintf((text)->data + (text)->len, sizeof(text)->data - (text)->len, __VA_ARGS__))

static void add_sku(struct text *text, struct bytes sku, uint32_t warehouse)
{
    add(text, "%.*s", (int)sku.len, (const char *)sku.data);
    if (warehouse != 1) {
        add(text, "@%" PRIu32, warehouse);
    }
}

static void add_stock(struct text *text, const struct stock_record *stock)
{
    add(text, "%" PRId64 "/%" PRId64 " v%" PRIu64, stock->on_hand, stock->reserved, stock->version);
}

static void describe_result(struct text *text, const struct ledger_result *result)
{
    add(text, "%s", ledger_verdict_name(result->verdict));
    if (result->replayed) {
        add(text, " replayed");
    }
    if (result->order_state != ORDER_STATE_NONE) {
        add(text, " %s", state_names[result->order_state]);
    }
    if (result->existed) {
        add(text, " existed");
    }
    if (result->has_stock) {
        add(text, " ");
        add_stock(text, &result->stock);
    }
    for (uint32_t i = 0; i < result->failed_line_count; i++) {
        const struct ledger_failed_line *line = &result->failed_lines[i];
        add(text, " | ");
        add_sku(text, line->sku, line->warehouse);
        add(text, " %" PRId64 ">%" PRId64 " %s", line->requested, line->available,
            ledger_verdict_name(line->reason));
    }
}

static void compare(const char *line, const char *actual, const char *expected)
{
    if (strcmp(actual, expected) != 0) {
        fail_msg("%s\n    expected: %s\n    actual:   %s", line, expected, actual);
    }
}

static void compare_result(void *context, uint32_t position, const struct ledger_result *result)
{
    struct fixture *fixture = context;
    struct text text = {0};
    assert_int_equal(position, fixture->visited);
    assert_int_equal(result->log_position, position);
    assert_int_equal(result->log_index, fixture->index);
    describe_result(&text, result);
    compare(fixture->lines[position], text.data, fixture->expected[position]);
    fixture->visited++;
}

/* ---- words ---- */

struct words {
    const char *line;
    char room[2048];
    char *items[WORDS];
    size_t count;
    size_t next;
    const char *expected;
};

static void split(struct words *words, const char *line)
{
    words->line = line;
    words->count = 0;
    words->next = 0;
    words->expected = "";
    assert_true(strlen(line) < sizeof words->room);
    memcpy(words->room, line, strlen(line) + 1);
    char *arrow = strstr(words->room, "=>");
    if (arrow != NULL) {
        *arrow = '\0';
        arrow += 2;
        words->expected = arrow + strspn(arrow, " ");
    }
    for (char *word = strtok(words->room, " \t"); word != NULL; word = strtok(NULL, " \t")) {
        assert_true(words->count < WORDS);
        words->items[words->count++] = word;
    }
}

static char none[] = ""; /* instead of a word that is not there */

static char *next_word(struct words *words)
{
    if (words->next == words->count) {
        fail_msg("a word is missing: %s", words->line);
        return none;
    }
    return words->items[words->next++];
}

static int64_t number(const struct words *words, const char *word)
{
    char *end;
    int64_t value = strtoll(word, &end, 10);
    if (end == word || *end != '\0') {
        fail_msg("\"%s\" is no number: %s", word, words->line);
    }
    return value;
}

static int64_t duration_ms(const struct words *words, const char *word)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    char *end;
    int64_t value = strtoll(word, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (end != word && strcmp(end, units[i].unit) == 0) {
            return value * units[i].ms;
        }
    }
    fail_msg("\"%s\" is no duration: %s", word, words->line);
    return 0;
}

/* SKU or SKU@WAREHOUSE; cuts the word. */
static struct bytes read_sku(const struct words *words, char *word, uint32_t *warehouse)
{
    char *at = strchr(word, '@');
    *warehouse = 0;
    if (at != NULL) {
        *at = '\0';
        *warehouse = (uint32_t)number(words, at + 1);
    }
    return bytes_of_string(word);
}

/* ---- commands ---- */

/* What follows the prefix, or NULL. */
static const char *option(const char *word, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(word, prefix, len) == 0 ? word + len : NULL;
}

struct script_command {
    struct ledger_command command;
    struct ledger_line lines[LINES];
    char request_id[32];
    bool no_id;
    bool no_reason;
};

static bool read_option(struct fixture *fixture, const struct words *words, const char *word,
                        struct script_command *into)
{
    struct ledger_command *command = &into->command;
    const char *value;
    if ((value = option(word, "id=")) != NULL) {
        command->request_id = bytes_of_string(value);
    } else if ((value = option(word, "actor=")) != NULL) {
        command->actor = bytes_of_string(value);
    } else if ((value = option(word, "reason=")) != NULL) {
        command->reason = bytes_of_string(value);
    } else if ((value = option(word, "remark=")) != NULL) {
        command->remark = bytes_of_string(value);
    } else if ((value = option(word, "at=")) != NULL) {
        command->requested_at_ms = fixture->time_ms + duration_ms(words, value);
    } else if ((value = option(word, "version=")) != NULL) {
        command->has_expected_version = true;
        command->expected_version = (uint64_t)number(words, value);
    } else if ((value = option(word, "ttl=")) != NULL) {
        command->has_ttl = true;
        command->ttl_ms = duration_ms(words, value);
    } else if (strcmp(word, "no-id") == 0) {
        into->no_id = true;
    } else if (strcmp(word, "no-reason") == 0) {
        into->no_reason = true;
    } else if (strcmp(word, "add") == 0) {
        command->mode = LEDGER_RESERVE_ADD_LINES;
    } else if (strcmp(word, "final") == 0) {
        command->final = true;
    } else if (strcmp(word, "reacquire") == 0) {
        command->reacquire = true;
    } else if (strcmp(word, "resent") == 0) {
        command->resent = true;
    } else {
        return false;
    }
    return true;
}

static void read_stock_command(const struct words *words, char *first, char *const *rest,
                               size_t rest_count, struct script_command *into)
{
    struct ledger_command *command = &into->command;
    assert_int_equal(rest_count, 1);
    command->sku = read_sku(words, first, &command->warehouse);
    command->quantity = number(words, rest[0]);
    if (command->kind == LEDGER_ADJUST_STOCK && command->reason.len == 0 && !into->no_reason) {
        command->reason = TEXT("TEST");
    }
}

static void read_lines(const struct words *words, char *const *rest, size_t rest_count,
                       struct script_command *into)
{
    assert_true(rest_count <= LINES);
    for (size_t i = 0; i < rest_count; i++) {
        char *equals = strrchr(rest[i], '=');
        if (equals == NULL) {
            fail_msg("\"%s\" is no line: %s", rest[i], words->line);
            return;
        }
        *equals = '\0';
        into->lines[i].quantity = number(words, equals + 1);
        into->lines[i].sku = read_sku(words, rest[i], &into->lines[i].warehouse);
    }
    into->command.lines = rest_count > 0 ? into->lines : NULL;
    into->command.line_count = (uint32_t)rest_count;
}

static enum ledger_command_kind kind_of(const char *verb)
{
    static const struct {
        const char *verb;
        enum ledger_command_kind kind;
    } verbs[] = {
        {"set", LEDGER_SET_STOCK},       {"adjust", LEDGER_ADJUST_STOCK},
        {"reserve", LEDGER_RESERVE},     {"deduct", LEDGER_DEDUCT},
        {"release", LEDGER_RELEASE},     {"register", LEDGER_REGISTER_NODE},
        {"raise", LEDGER_RAISE_VERSION},
    };
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verb, verbs[i].verb) == 0) {
            return verbs[i].kind;
        }
    }
    return (enum ledger_command_kind)0;
}

static void read_command(struct fixture *fixture, struct words *words,
                         enum ledger_command_kind kind, struct script_command *into)
{
    struct ledger_command *command = &into->command;
    *into = (struct script_command){.command = {.kind = kind}};
    char *rest[WORDS];
    size_t rest_count = 0;
    for (size_t i = 0; i < WORDS; i++) {
        rest[i] = none;
    }
    while (words->next < words->count) {
        char *word = next_word(words);
        if (!read_option(fixture, words, word, into)) {
            rest[rest_count++] = word;
        }
    }
    assert_true(rest_count >= 1);
    if (kind == LEDGER_SET_STOCK || kind == LEDGER_ADJUST_STOCK) {
        read_stock_command(words, rest[0], rest + 1, rest_count - 1, into);
    } else if (kind == LEDGER_RAISE_VERSION) {
        assert_int_equal(rest_count, 1);
        command->version = (uint16_t)number(words, rest[0]);
    } else if (kind == LEDGER_REGISTER_NODE) {
        assert_int_equal(rest_count, 2);
        command->node_id = (uint64_t)number(words, rest[0]);
        command->incarnation = (uint64_t)number(words, rest[1]);
    } else {
        command->order_id = bytes_of_string(rest[0]);
        read_lines(words, rest + 1, rest_count - 1, into);
    }
    if (!into->no_id && command->request_id.len == 0 && ledger_command_needs_request_id(command)) {
        snprintf(into->request_id, sizeof into->request_id, "auto-%" PRIu64,
                 ++fixture->request_count);
        command->request_id = bytes_of_string(into->request_id);
    }
}

static void run_command(struct fixture *fixture, struct words *words, const char *line,
                        enum ledger_command_kind kind, bool more)
{
    struct script_command read;
    read_command(fixture, words, kind, &read);
    begin_entry(fixture);
    ledger_command_encode(&fixture->entry, &read.command);
    assert_true(fixture->entry_count < sizeof fixture->lines / sizeof fixture->lines[0]);
    assert_true(strlen(words->expected) < sizeof fixture->expected[0]);
    memcpy(fixture->expected[fixture->entry_count], words->expected, strlen(words->expected) + 1);
    memcpy(fixture->lines[fixture->entry_count], line, strlen(line) + 1);
    fixture->entry_count++;
    if (more) {
        return;
    }
    uint32_t count = fixture->entry_count;
    fixture->visited = 0;
    apply_entry(fixture, compare_result, fixture);
    assert_int_equal(fixture->visited, count);
}

/* ---- questions ---- */

static void ask_stock(struct fixture *fixture, struct words *words, struct text *answer)
{
    struct stock_record stock;
    struct error error;
    uint32_t warehouse;
    bool found;
    struct bytes sku = read_sku(words, next_word(words), &warehouse);
    assert_true(ledger_get_stock(fixture->ledger, sku, warehouse, &stock, &found, &error));
    if (found) {
        add_stock(answer, &stock);
    } else {
        add(answer, "absent");
    }
}

static void ask_order(struct fixture *fixture, struct words *words, struct text *answer)
{
    struct order_record order;
    struct error error;
    bool found;
    assert_true(ledger_get_order(fixture->ledger, bytes_of_string(next_word(words)), &order, &found,
                                 &error));
    if (!found) {
        add(answer, "absent");
        return;
    }
    add(answer, "%s%s", state_names[order.state], order.tombstone ? " tombstone" : "");
    for (uint32_t i = 0; i < order.line_count; i++) {
        const struct order_line *line = &order.lines[i];
        add(answer, " ");
        add_sku(answer, line->sku, line->warehouse);
        add(answer, "=%" PRId64 ":%" PRId64 "/%" PRId64 "/%" PRId64, line->reserved, line->deducted,
            line->released, line->expired);
    }
}

static bool add_history_row(void *context, const struct history_record *row, struct bytes cursor)
{
    struct text *answer = context;
    (void)cursor;
    add(answer, "%s%s(%" PRId64 ",%" PRId64 ")", answer->len > 0 ? " " : "", op_names[row->op],
        row->on_hand_after, row->reserved_after);
    return true;
}

static void ask_history(struct fixture *fixture, struct words *words, struct text *answer)
{
    struct error error;
    uint32_t warehouse;
    struct bytes sku = read_sku(words, next_word(words), &warehouse);
    assert_true(ledger_list_history(fixture->ledger, sku, warehouse, TEXT(""), add_history_row,
                                    answer, &error));
}

static void ask_due(struct fixture *fixture, struct text *answer)
{
    int64_t due = ledger_next_due_ms(fixture->ledger);
    if (due == INT64_MAX) {
        add(answer, "never");
    } else {
        add(answer, "%" PRId64, due - fixture->time_ms);
    }
}

static void run_line(struct fixture *fixture, const char *line)
{
    struct words words = {0};
    split(&words, line);
    const char *verb = next_word(&words);
    bool more = strcmp(verb, "+") == 0;
    if (more) {
        verb = next_word(&words);
    }
    enum ledger_command_kind kind = kind_of(verb);
    struct text answer = {0};
    if (kind != 0) {
        run_command(fixture, &words, line, kind, more);
        return;
    }
    if (strcmp(verb, "tick") == 0) {
        begin_entry(fixture);
        apply_entry(fixture, NULL, NULL);
        return;
    }
    if (strcmp(verb, "wait") == 0) {
        fixture->time_ms += duration_ms(&words, next_word(&words));
        return;
    }
    if (strcmp(verb, "credit") == 0) {
        fixture->credit_ms = duration_ms(&words, next_word(&words));
        return;
    }
    if (strcmp(verb, "stock") == 0) {
        ask_stock(fixture, &words, &answer);
    } else if (strcmp(verb, "order") == 0) {
        ask_order(fixture, &words, &answer);
    } else if (strcmp(verb, "history") == 0) {
        ask_history(fixture, &words, &answer);
    } else if (strcmp(verb, "due") == 0) {
        ask_due(fixture, &answer);
    } else if (strcmp(verb, "count") == 0) {
        add(&answer, "%zu",
            memory_store_count_kind(fixture->store, (enum ledger_kind)next_word(&words)[0]));
    } else {
        fail_msg("unknown verb: %s", line);
    }
    compare(line, answer.data, words.expected);
}

void fixture_run(struct fixture *fixture, const char *script)
{
    while (*script != '\0') {
        char line[2048];
        size_t len = strcspn(script, "\n");
        assert_true(len < sizeof line);
        memcpy(line, script, len);
        line[len] = '\0';
        script += len + (script[len] == '\n');
        size_t begin = strspn(line, " \t");
        while (len > begin && isspace((unsigned char)line[len - 1])) {
            line[--len] = '\0';
        }
        if (line[begin] != '\0' && line[begin] != '#') {
            run_line(fixture, line + begin);
        }
    }
    assert_int_equal(fixture->entry_count, 0);
}

/* ---- tables ---- */

static void run_case(void **state)
{
    const struct fixture_case *one = *state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_run(&fixture, one->script);
    /* What was learned must be in the store, not in the ledger: asked again, all stays the same. */
    struct hash128 digest = ledger_digest(fixture.ledger);
    fixture_reopen(&fixture);
    assert_true(hash128_equal(digest, ledger_digest(fixture.ledger)));
    fixture_close(&fixture);
}

int fixture_run_cases(const char *group, const struct fixture_case *cases, size_t count,
                      const struct CMUnitTest *others, size_t other_count)
{
    struct CMUnitTest *tests = memory_zalloc((count + other_count) * sizeof *tests);
    for (size_t i = 0; i < count; i++) {
        tests[i].name = cases[i].name;
        tests[i].test_func = run_case;
        tests[i].initial_state = (void *)&cases[i];
    }
    if (other_count > 0) {
        memcpy(tests + count, others, other_count * sizeof *tests);
    }
    int failed = _cmocka_run_group_tests(group, tests, count + other_count, NULL, NULL);
    free(tests);
    return failed;
}
