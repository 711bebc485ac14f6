/*
 * text_history.c - see text_history.h.
 */
#include "text_history.h"

#include <inttypes.h>
#include <stdlib.h>

#include "../../lib/cmocka_test.h"

static void add_line(struct buffer *out, const char *line, size_t len, uint64_t number)
{
    size_t begin = out->len;
    buffer_append(out, line, len);
    for (size_t i = begin; i < out->len; i++) {
        out->data[i] = out->data[i] == '\'' ? '"' : out->data[i];
    }
    if (memmem(line, len, ":time", 5) == NULL && out->data[out->len - 1] == '}') {
        out->len--;
        buffer_printf(out, ", :time %" PRIu64 "}", number * 1000000);
    }
    buffer_append(out, "\n", 1);
}

struct history *text_history(const char *text)
{
    struct buffer edn = {0};
    struct error error;
    uint64_t number = 0;
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        if (len > 0) {
            add_line(&edn, text, len, number++);
        }
        text += len + (text[len] == '\n');
    }
    struct history *history = history_parse(buffer_bytes(&edn), "text", &error);
    buffer_free(&edn);
    if (history == NULL) {
        fail_msg("%s", error.text);
    }
    return history;
}

void expect_with(checker_run run, const struct check_options *options, enum check_verdict verdict,
                 const char *reason, const char *text)
{
    struct check check;
    struct history *history = text_history(text);
    check_begin(&check, "tested", history);
    run(&check, history, options);
    bool found = reason == NULL;
    for (uint32_t i = 0; i < check.reason_count; i++) {
        print_message("# %s\n", check.reasons[i].text);
        found |= reason != NULL && strstr(check.reasons[i].text, reason) != NULL;
    }
    assert_string_equal(check_verdict_name(check.verdict), check_verdict_name(verdict));
    if (!found) {
        fail_msg("no reason says \"%s\"", reason);
    }
    check_free(&check);
    history_free(history);
}

void expect(checker_run run, enum check_verdict verdict, const char *reason, const char *text)
{
    struct check_options options = check_options_default();
    expect_with(run, &options, verdict, reason, text);
}
