/*
 * order.c - `holdfast order reserve|deduct|release|get`.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "change.h"
#include "reading.h"
#include "render.h"

#define LONGEST_TTL_MS (INT64_C(7) * 24 * 3600 * 1000)

static bool take_order_id(struct verb *verb, const char **order_id)
{
    struct error error;
    *order_id = verb->arguments.operands[0];
    return check_id("the order id", bytes_of_string(*order_id), &error) ||
           verb_misused(verb, error.text);
}

/* ORDER, then lines; sends the command. */
static int run_order_command(struct verb *verb, hf_command *command)
{
    hf_line *lines = NULL;
    if (take_order_id(verb, &command->order_id)) {
        lines = lines_of_operands(verb, 1, &command->line_count);
        command->lines = lines;
        if (verb->exit_code == EXIT_CODE_DONE) {
            change_run(verb, command);
        }
    }
    free(lines);
    return verb_end(verb);
}

int verb_order_reserve(int argc, char **argv)
{
    struct verb verb = {0};
    hf_command command = {.kind = HF_RESERVE};
    const struct command_option options[] = {
        {.kind = OPTION_TIME,
         .name = "ttl",
         .target = &command.ttl_ms,
         .value_name = "TIME",
         .min = 1,
         .max = LONGEST_TTL_MS,
         .help = "how long to hold (default: 30m; at most 7d)"},
        {.kind = OPTION_FLAG,
         .name = "add-lines",
         .target = &command.add_lines,
         .help = "the order may have other lines: add these"},
        CHANGE_OPTION_TABLE(command),
        {.kind = OPTION_END},
    };
    struct command_syntax syntax = {
        .verb = "order reserve",
        .operands = "ORDER SKU=QTY[@WAREHOUSE]...",
        .summary = "Holds all lines of the order, or none of them.",
        .options = options,
        .operands_min = 2,
        .operands_max = -1,
    };
    if (!verb_begin(&verb, &syntax, argc, argv)) {
        return verb.exit_code;
    }
    return run_order_command(&verb, &command);
}

int verb_order_deduct(int argc, char **argv)
{
    struct verb verb = {0};
    hf_command command = {.kind = HF_DEDUCT};
    const struct command_option options[] = {
        {.kind = OPTION_FLAG,
         .name = "final",
         .target = &command.final,
         .help = "with lines: release the rest"},
        {.kind = OPTION_FLAG,
         .name = "reacquire",
         .target = &command.reacquire,
         .help = "where the hold has expired: reserve again, if stock allows"},
        CHANGE_OPTION_TABLE(command),
        {.kind = OPTION_END},
    };
    struct command_syntax syntax = {
        .verb = "order deduct",
        .operands = "ORDER [SKU=QTY[@WAREHOUSE]]...",
        .summary = "Turns the order's hold into a sale: these lines, or everything that is held.",
        .options = options,
        .operands_min = 1,
        .operands_max = -1,
    };
    if (!verb_begin(&verb, &syntax, argc, argv)) {
        return verb.exit_code;
    }
    return run_order_command(&verb, &command);
}

int verb_order_release(int argc, char **argv)
{
    struct verb verb = {0};
    hf_command command = {.kind = HF_RELEASE};
    const struct command_option options[] = {
        CHANGE_OPTION_TABLE(command),
        {.kind = OPTION_END},
    };
    struct command_syntax syntax = {
        .verb = "order release",
        .operands = "ORDER [SKU=QTY[@WAREHOUSE]]...",
        .summary = "Gives back what the order holds: these lines, or everything.",
        .options = options,
        .operands_min = 1,
        .operands_max = -1,
    };
    if (!verb_begin(&verb, &syntax, argc, argv)) {
        return verb.exit_code;
    }
    return run_order_command(&verb, &command);
}

static void print_order_json(const hf_order *order, bool with_age)
{
    struct buffer line = {0};
    struct json json = json_into(&line);
    render_order(&json, order, with_age);
    verb_print_line(&line);
    buffer_free(&line);
}

static void print_order_fact(const char *name, const char *value)
{
    struct buffer line = {0};
    if (value != NULL && *value != '\0') {
        buffer_printf(&line, "%-8s  ", name);
        append_printable(&line, bytes_of_string(value));
        verb_print_line(&line);
    }
    buffer_free(&line);
}

static void print_order_time(const char *name, int64_t time_ms)
{
    char time[TIME_TEXT_BYTES];
    print_order_fact(name, time_ms != 0 ? time_text(time_ms, time) : NULL);
}

static void print_order_table(const hf_order *order)
{
    if (order->verdict != HF_OK) {
        struct buffer line = {0};
        buffer_printf(&line, "%s: %s", hf_verdict_name(order->verdict), order->message);
        verb_print_line(&line);
        buffer_free(&line);
        return;
    }
    print_order_fact("order", order->order_id);
    print_order_fact("state", hf_order_state_name(order->state));
    print_order_time("created", order->created_at_ms);
    print_order_time("expires", order->expires_at_ms);
    print_order_time("closed", order->closed_at_ms);
    print_order_fact("actor", order->actor);
    print_order_fact("reason", order->reason);
    struct table table;
    table_begin(&table, stdout, order_line_headings);
    for (size_t i = 0; i < order->line_count; i++) {
        tabulate_order_line(&table, &order->lines[i]);
    }
    table_end(&table);
}

int verb_order_get(int argc, char **argv)
{
    struct verb verb = {0};
    struct reading reading = {0};
    const struct command_option options[] = {
        READING_OPTION_TABLE(reading),
        {.kind = OPTION_END},
    };
    struct command_syntax syntax = {
        .verb = "order get",
        .operands = "ORDER",
        .summary = "Shows an order: its state and, line by line, what became of its units.",
        .options = options,
        .operands_min = 1,
        .operands_max = 1,
    };
    const char *order_id;
    if (!verb_begin(&verb, &syntax, argc, argv)) {
        return verb.exit_code;
    }
    if (!take_order_id(&verb, &order_id) || !verb_connect(&verb)) {
        return verb_end(&verb);
    }
    hf_order *order;
    reading_begin(&reading);
    hf_verdict verdict = hf_get_order(verb.client, order_id, &reading.options, &order);
    if (verdict < 0) {
        verb_fail_unanswered(&verb, verdict, order->message, NULL);
    } else {
        verb.exit_code = exit_code_of(verdict);
        if (verb.output == OUTPUT_JSON) {
            print_order_json(order, reading.stale);
        } else {
            print_order_table(order);
            reading_note(&reading, order->log_index, order->age_ms);
            reading_end(&verb, &reading);
        }
    }
    hf_free(order);
    return verb_end(&verb);
}
