/*
 * stock.c - `holdfast stock set|adjust|get|list|check|history`.
 *
 * Lists are read page by page to their end; each page is as the ledger stood when it was asked for,
 * and not older than the page before.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "change.h"
#include "reading.h"
#include "render.h"

#define WAREHOUSE_OPTION(variable)                                                                 \
    {                                                                                              \
        .kind = OPTION_NUMBER, .name = "warehouse", .target = &(variable), .value_name = "W",      \
        .min = 0, .max = UINT32_MAX, .help = "the warehouse (default: 1)"                          \
    }

static bool take_sku(struct verb *verb, int operand, const char **sku)
{
    struct error error;
    *sku = verb->arguments.operands[operand];
    return check_id("the SKU", bytes_of_string(*sku), &error) || verb_misused(verb, error.text);
}

static bool take_quantity(struct verb *verb, int operand, int64_t min, int64_t *quantity)
{
    struct error error;
    return parse_number("the quantity", verb->arguments.operands[operand], min, LIMIT_QUANTITY,
                        quantity, &error) ||
           verb_misused(verb, error.text);
}

/* ---- set, adjust ---- */

/* The two differ in their least quantity, and in what else they check of it. */
static int run_stock_change(struct command_syntax *syntax, hf_command *command, int argc,
                            char **argv)
{
    struct verb verb = {0};
    int64_t warehouse = 0;
    int64_t version = 0;
    struct command_option options[CHANGE_OPTIONS + 3] = {
        WAREHOUSE_OPTION(warehouse),
        {.kind = OPTION_NUMBER,
         .name = "expected-version",
         .target = &version,
         .given = &command->has_expected_version,
         .value_name = "V",
         .min = 0,
         .max = INT64_MAX,
         .help = "refuse unless the stock has this version; 0: is new"},
        CHANGE_OPTION_TABLE(*command),
        {.kind = OPTION_END},
    };
    bool adjusts = command->kind == HF_ADJUST_STOCK;
    syntax->options = options;
    if (!verb_begin(&verb, syntax, argc, argv)) {
        return verb.exit_code;
    }
    if (!take_sku(&verb, 0, &command->sku) ||
        !take_quantity(&verb, 1, adjusts ? -LIMIT_QUANTITY : 0, &command->quantity)) {
        return verb_end(&verb);
    }
    command->warehouse = (uint32_t)warehouse;
    command->expected_version = (uint64_t)version;
    if (adjusts && command->quantity == 0) {
        verb_misused(&verb, "a change by 0 is none");
    } else if (adjusts && command->reason == NULL) {
        verb_misused(&verb, "--reason is needed: RECEIVE, ADJUST, DAMAGE, RETURN, ...");
    } else {
        change_run(&verb, command);
    }
    return verb_end(&verb);
}

int verb_stock_set(int argc, char **argv)
{
    hf_command command = {.kind = HF_SET_STOCK};
    struct command_syntax syntax = {
        .verb = "stock set",
        .operands = "SKU N",
        .summary = "Sets how many units are on hand; creates the stock where there is none.",
        .operands_min = 2,
        .operands_max = 2,
    };
    return run_stock_change(&syntax, &command, argc, argv);
}

int verb_stock_adjust(int argc, char **argv)
{
    hf_command command = {.kind = HF_ADJUST_STOCK};
    struct command_syntax syntax = {
        .verb = "stock adjust",
        .operands = "SKU +N|-N",
        .summary = "Adds units to a stock, or takes them from it. --reason is needed.",
        .operands_min = 2,
        .operands_max = 2,
    };
    return run_stock_change(&syntax, &command, argc, argv);
}

/* ---- get ---- */

static void print_stocks_json(const hf_stock_list *list, bool with_age)
{
    struct buffer line = {0};
    for (size_t i = 0; i < list->count; i++) {
        struct json json = json_into(&line);
        render_stock_item(&json, &list->items[i], list, with_age);
        verb_print_line(&line);
    }
    buffer_free(&line);
}

static void print_stocks_table(struct verb *verb, const hf_stock_list *list)
{
    struct table table;
    table_begin(&table, stdout, stock_headings);
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].verdict == HF_OK) {
            tabulate_stock(&table, &list->items[i].stock);
        } else {
            verb_fail(verb, EXIT_CODE_REFUSED, "%s: %s", list->items[i].stock.sku,
                      hf_verdict_text(list->items[i].verdict));
        }
    }
    table_end(&table);
}

static void get_stocks(struct verb *verb, const hf_stock_key *keys, size_t count,
                       struct reading *reading)
{
    hf_stock_list *list;
    hf_verdict verdict = hf_get_stocks(verb->client, keys, count, &reading->options, &list);
    if (verdict < 0) {
        verb_fail_unanswered(verb, verdict, list->message, NULL);
        hf_free(list);
        return;
    }
    verb->exit_code = exit_code_of(verdict);
    for (size_t i = 0; i < list->count && verb->exit_code == EXIT_CODE_DONE; i++) {
        verb->exit_code = exit_code_of(list->items[i].verdict);
    }
    if (verb->output == OUTPUT_JSON) {
        print_stocks_json(list, reading->stale);
    } else {
        print_stocks_table(verb, list);
        reading_note(reading, list->log_index, list->age_ms);
        reading_end(verb, reading);
    }
    hf_free(list);
}

int verb_stock_get(int argc, char **argv)
{
    struct verb verb = {0};
    int64_t warehouse = 0;
    struct reading reading = {0};
    const struct command_option options[] = {
        WAREHOUSE_OPTION(warehouse),
        READING_OPTION_TABLE(reading),
        {.kind = OPTION_END},
    };
    struct command_syntax syntax = {
        .verb = "stock get",
        .operands = "SKU...",
        .summary = "Shows stocks, all as they were at one log index. Exit 1 if one is missing.",
        .options = options,
        .operands_min = 1,
        .operands_max = -1,
    };
    if (!verb_begin(&verb, &syntax, argc, argv)) {
        return verb.exit_code;
    }
    size_t count = (size_t)verb.arguments.operand_count;
    hf_stock_key *keys = memory_alloc(count * sizeof *keys);
    bool good = true;
    for (size_t i = 0; good && i < count; i++) {
        keys[i].warehouse = (uint32_t)warehouse;
        good = take_sku(&verb, (int)i, &keys[i].sku);
    }
    if (good && verb_connect(&verb)) {
        reading_begin(&reading);
        get_stocks(&verb, keys, count, &reading);
    }
    free(keys);
    return verb_end(&verb);
}

/* ---- list, history ---- */

/* One page of whatever is listed: prints it, and copies the next page's token; false at the end and
 * after a failure. */
typedef bool (*page_printer)(struct verb *verb, const void *user, const char *token,
                             struct reading *reading, struct table *table,
                             struct buffer *next_token);

static void print_pages(struct verb *verb, const char *const *headings, page_printer print_page,
                        const void *user, struct reading *reading)
{
    struct table table;
    struct buffer token = {0};
    struct buffer next_token = {0};
    bool tabular = verb->output == OUTPUT_TABLE;
    table_begin(&table, stdout, headings);
    buffer_append(&token, "", 1);
    reading_begin(reading);
    /* Whoever reads the list may have seen enough and closed the pipe. */
    while (print_page(verb, user, (const char *)token.data, reading, &table, &next_token) &&
           !ferror(stdout)) {
        struct buffer used = token;
        token = next_token;
        next_token = used;
        buffer_clear(&next_token);
        if (tabular) {
            table_flush(&table);
        }
    }
    if (tabular && verb->exit_code == EXIT_CODE_DONE) {
        table_flush(&table);
    }
    reading_end(verb, reading); /* the rows say nothing of it, as JSON either */
    buffer_free(&table.cells);
    buffer_free(&token);
    buffer_free(&next_token);
}

static bool keep_token(struct buffer *next_token, const char *token)
{
    if (token == NULL || *token == '\0') {
        return false;
    }
    buffer_append(next_token, token, strlen(token) + 1);
    return true;
}

static bool print_stock_page(struct verb *verb, const void *user, const char *token,
                             struct reading *reading, struct table *table,
                             struct buffer *next_token)
{
    (void)user;
    hf_stock_list *list;
    hf_verdict verdict =
        hf_list_stock(verb->client, LIMIT_PAGE_ROWS, token, &reading->options, &list);
    bool more = false;
    if (verdict != HF_OK) {
        verb_fail_unanswered(verb, verdict, list->message, NULL);
    } else {
        struct buffer line = {0};
        for (size_t i = 0; i < list->count; i++) {
            if (verb->output == OUTPUT_TABLE) {
                tabulate_stock(table, &list->items[i].stock);
                continue;
            }
            struct json json = json_into(&line);
            render_stock(&json, &list->items[i].stock);
            verb_print_line(&line);
        }
        buffer_free(&line);
        reading_note(reading, list->log_index, list->age_ms);
        more = keep_token(next_token, list->next_page_token);
    }
    hf_free(list);
    return more;
}

int verb_stock_list(int argc, char **argv)
{
    struct verb verb = {0};
    struct reading reading = {0};
    const struct command_option options[] = {
        READING_OPTION_TABLE(reading),
        {.kind = OPTION_END},
    };
    struct command_syntax syntax = {
        .verb = "stock list",
        .operands = "",
        .summary = "Shows all stocks, by SKU, then warehouse.",
        .options = options,
    };
    if (!verb_begin(&verb, &syntax, argc, argv)) {
        return verb.exit_code;
    }
    if (verb_connect(&verb)) {
        print_pages(&verb, stock_headings, print_stock_page, NULL, &reading);
    }
    return verb_end(&verb);
}

static bool print_history_page(struct verb *verb, const void *user, const char *token,
                               struct reading *reading, struct table *table,
                               struct buffer *next_token)
{
    const hf_stock_key *key = user;
    hf_history *history;
    hf_verdict verdict = hf_list_history(verb->client, key->sku, key->warehouse, LIMIT_PAGE_ROWS,
                                         token, &reading->options, &history);
    bool more = false;
    if (verdict < 0) {
        verb_fail_unanswered(verb, verdict, history->message, NULL);
    } else if (verdict != HF_OK) {
        verb_fail(verb, EXIT_CODE_REFUSED, "%s: %s: %s", key->sku, hf_verdict_name(verdict),
                  hf_verdict_text(verdict));
    } else {
        struct buffer line = {0};
        for (size_t i = 0; i < history->count; i++) {
            if (verb->output == OUTPUT_TABLE) {
                tabulate_history_row(table, &history->rows[i]);
                continue;
            }
            struct json json = json_into(&line);
            render_history_row(&json, &history->rows[i]);
            verb_print_line(&line);
        }
        buffer_free(&line);
        reading_note(reading, history->log_index, history->age_ms);
        more = keep_token(next_token, history->next_page_token);
    }
    hf_free(history);
    return more;
}

int verb_stock_history(int argc, char **argv)
{
    struct verb verb = {0};
    int64_t warehouse = 0;
    hf_stock_key key;
    struct reading reading = {0};
    const struct command_option options[] = {
        WAREHOUSE_OPTION(warehouse),
        READING_OPTION_TABLE(reading),
        {.kind = OPTION_END},
    };
    struct command_syntax syntax = {
        .verb = "stock history",
        .operands = "SKU",
        .summary = "Shows the changes of one SKU in one warehouse, oldest first.",
        .options = options,
        .operands_min = 1,
        .operands_max = 1,
    };
    if (!verb_begin(&verb, &syntax, argc, argv)) {
        return verb.exit_code;
    }
    key.warehouse = (uint32_t)warehouse;
    if (take_sku(&verb, 0, &key.sku) && verb_connect(&verb)) {
        print_pages(&verb, history_headings, print_history_page, &key, &reading);
    }
    return verb_end(&verb);
}

/* ---- check ---- */

static void print_availability(const struct verb *verb, const hf_availability *availability,
                               bool with_age)
{
    if (verb->output == OUTPUT_JSON) {
        struct buffer line = {0};
        struct json json = json_into(&line);
        render_availability(&json, availability, with_age);
        verb_print_line(&line);
        buffer_free(&line);
        return;
    }
    if (availability->failed_line_count == 0) {
        puts("all of it is available");
        return;
    }
    struct table table;
    table_begin(&table, stdout, failed_line_headings);
    for (size_t i = 0; i < availability->failed_line_count; i++) {
        tabulate_failed_line(&table, &availability->failed_lines[i]);
    }
    table_end(&table);
}

int verb_stock_check(int argc, char **argv)
{
    struct verb verb = {0};
    struct reading reading = {0};
    const struct command_option options[] = {
        READING_OPTION_TABLE(reading),
        {.kind = OPTION_END},
    };
    struct command_syntax syntax = {
        .verb = "stock check",
        .operands = "SKU=QTY[@WAREHOUSE]...",
        .summary = "Tells whether all of this is available at one log index; holds nothing.\n"
                   "Exit 1 if some of it isn't.",
        .options = options,
        .operands_min = 1,
        .operands_max = -1,
    };
    if (!verb_begin(&verb, &syntax, argc, argv)) {
        return verb.exit_code;
    }
    size_t count;
    hf_line *lines = lines_of_operands(&verb, 0, &count);
    if (lines != NULL && verb_connect(&verb)) {
        hf_availability *availability;
        reading_begin(&reading);
        hf_verdict verdict =
            hf_check_stock(verb.client, lines, count, &reading.options, &availability);
        if (verdict < 0) {
            verb_fail_unanswered(&verb, verdict, availability->message, NULL);
        } else {
            verb.exit_code = exit_code_of(verdict);
            print_availability(&verb, availability, reading.stale);
            if (verb.output == OUTPUT_TABLE) {
                reading_note(&reading, availability->log_index, availability->age_ms);
                reading_end(&verb, &reading);
            }
        }
        hf_free(availability);
    }
    free(lines);
    return verb_end(&verb);
}
