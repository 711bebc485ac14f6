/*
 * change.c - one command: sent, answered, shown.
 *
 * The happy path: hf_call waits for the verdict, which is printed whatever it is: a refusal is an
 * answer. What can fail: no answer (exit 3), or none that tells (exit 4, with the identity).
 */
#include "change.h"

#include <stdio.h>
#include <stdlib.h>

#include "render.h"

hf_line *lines_of_operands(struct verb *verb, int first, size_t *count)
{
    int operand_count = verb->arguments.operand_count;
    *count = 0;
    if (operand_count <= first) {
        return NULL;
    }
    hf_line *lines = memory_alloc((size_t)(operand_count - first) * sizeof *lines);
    for (int i = first; i < operand_count; i++) {
        struct error error;
        struct line_argument line;
        if (!parse_line(verb->arguments.operands[i], &line, &error)) {
            verb_misused(verb, error.text);
            free(lines);
            return NULL;
        }
        lines[(*count)++] = (hf_line){line.sku, line.warehouse, line.quantity};
    }
    return lines;
}

static void print_json(const hf_result *result)
{
    struct buffer line = {0};
    struct json json = json_into(&line);
    render_result(&json, result);
    verb_print_line(&line);
    buffer_free(&line);
}

static void print_table(const hf_command *command, const hf_result *result)
{
    struct table table;
    struct buffer line = {0};
    buffer_printf(&line, "%s", hf_verdict_name(result->verdict));
    if (result->replayed) {
        buffer_printf(&line, " (it had been done before)");
    }
    if (result->verdict != HF_OK) {
        buffer_printf(&line, ": ");
        append_printable(&line, bytes_of_string(result->message));
    }
    if (result->order_state != HF_STATE_NONE) {
        buffer_printf(&line, ", the order is %s", hf_order_state_name(result->order_state));
    }
    if (command->kind == HF_RELEASE && result->verdict == HF_OK && !result->existed) {
        buffer_printf(&line, "; nobody had reserved it before: is the id right?");
    }
    if (result->expires_at_ms != 0 && result->verdict == HF_OK) {
        char time[TIME_TEXT_BYTES];
        buffer_printf(&line, ", held until %s", time_text(result->expires_at_ms, time));
    }
    verb_print_line(&line);
    buffer_free(&line);
    if (result->failed_line_count > 0) {
        table_begin(&table, stdout, failed_line_headings);
        for (size_t i = 0; i < result->failed_line_count; i++) {
            tabulate_failed_line(&table, &result->failed_lines[i]);
        }
        table_end(&table);
    }
    if (result->stock != NULL) {
        table_begin(&table, stdout, stock_headings);
        tabulate_stock(&table, result->stock);
        table_end(&table);
    }
}

void change_run(struct verb *verb, hf_command *command)
{
    if (!verb_connect(verb)) {
        return;
    }
    command->request_id = verb->request_id;
    hf_result *result; /* the library always sets it */
    hf_verdict verdict = hf_call(verb->client, command, NULL, &result);
    if (verdict < 0) {
        verb_fail_unanswered(verb, verdict, result->message, result);
    } else {
        verb->exit_code = exit_code_of(verdict);
        if (verb->output == OUTPUT_JSON) {
            print_json(result);
        } else {
            print_table(command, result);
        }
    }
    hf_free(result);
}
