/*
 * check.c - verdicts, reasons and facts.
 */
#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define REASON_TEXT 600

void check_begin(struct check *check, const char *name, const struct history *history)
{
    *check = (struct check){.name = name, .history = history, .verdict = CHECK_SKIPPED};
}

void check_looked(struct check *check)
{
    if (check->verdict == CHECK_SKIPPED) {
        check->verdict = CHECK_VALID;
    }
}

static void forget_reasons(struct check *check)
{
    for (uint32_t i = 0; i < check->reason_count; i++) {
        free(check->reasons[i].text);
    }
    check->reason_count = 0;
    check->found = 0;
}

static void add_reason(struct check *check, enum check_verdict verdict, struct check_named named,
                       const char *format, va_list arguments)
{
    char text[REASON_TEXT];
    struct buffer whole = {0};
    if (verdict < check->verdict) {
        return; /* a doubt says nothing where the answer is known */
    }
    if (verdict > check->verdict) {
        forget_reasons(check);
        check->verdict = verdict;
    }
    check->found++;
    if (check->reason_count == CHECK_REASONS) {
        return;
    }
    struct check_reason *reason = &check->reasons[check->reason_count++];
    reason->count = 0;
    vsnprintf(text, sizeof text, format, arguments);
    buffer_printf(&whole, "%s", text);
    for (uint32_t i = 0; i < named.count; i++) {
        if (named.operations[i] != NAME_NONE) {
            reason->operations[reason->count++] = named.operations[i];
            buffer_printf(&whole, "%s", reason->count == 1 ? ": " : "; ");
            history_describe(&whole, check->history, named.operations[i]);
        }
    }
    buffer_append(&whole, "", 1);
    reason->text = (char *)whole.data;
}

void check_invalid(struct check *check, struct check_named named, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_reason(check, CHECK_INVALID, named, format, arguments);
    va_end(arguments);
}

void check_unknown(struct check *check, struct check_named named, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_reason(check, CHECK_UNKNOWN, named, format, arguments);
    va_end(arguments);
}

void check_add_fact(struct check *check, const char *name, int64_t value)
{
    if (check->fact_count < CHECK_FACTS) {
        check->facts[check->fact_count++] = (struct check_fact){name, value};
    }
}

int64_t check_fact(const struct check *check, const char *name)
{
    for (uint32_t i = 0; i < check->fact_count; i++) {
        if (strcmp(check->facts[i].name, name) == 0) {
            return check->facts[i].value;
        }
    }
    return 0;
}

const char *check_verdict_name(enum check_verdict verdict)
{
    static const char *const names[] = {"skipped", "valid", "unknown", "invalid"};
    return names[verdict];
}

void check_free(struct check *check)
{
    forget_reasons(check);
}

struct check_options check_options_default(void)
{
    return (struct check_options){
        .least_operations = 100,
        .least_answered_permille = 500,
        .search_limit_ms = 60000,
        .recovery_limit_ms = 30000,
        .expiry_slack_ms = 1000,
        .age_slack_ms = 50,
        .default_ttl_ms = INT64_C(30) * 60 * 1000,
    };
}
