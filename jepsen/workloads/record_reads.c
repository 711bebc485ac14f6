/*
 * record_reads.c - reads of the ledger, as operations of the history.
 *
 * A read that is answered is ok, whatever it says (no such order is an answer). One that is not is
 * a fail: nothing was to be executed, so nothing is unknown.
 */
#include <assert.h>

#include "recording.h"

static struct event asked_with(enum event_function function, const hf_call_options *options)
{
    return (struct event){
        .function = function,
        .stale = options != NULL && options->consistency == HF_STALE,
        .min_index = options != NULL ? options->min_log_index : 0,
    };
}

static struct event answered_at(hf_verdict verdict, uint64_t log_index, int64_t age_ms)
{
    return (struct event){
        .type = EVENT_OK, .verdict = (int)verdict, .log_index = log_index, .age_ms = age_ms};
}

/* ---- stocks ---- */

static const struct event_stock *shown_stocks(struct client *client, const hf_stock_list *list)
{
    buffer_clear(&client->answered);
    struct event_stock *shown =
        (struct event_stock *)buffer_reserve(&client->answered, list->count * sizeof *shown);
    for (size_t i = 0; i < list->count; i++) {
        const hf_stock *stock = &list->items[i].stock;
        shown[i] = (struct event_stock){.sku = bytes_of_string(stock->sku),
                                        .warehouse = stock->warehouse,
                                        .found = list->items[i].verdict == HF_OK,
                                        .on_hand = stock->on_hand,
                                        .reserved = stock->reserved,
                                        .version = stock->version};
    }
    return shown;
}

static hf_verdict get_stocks(struct client *client, const hf_line *stocks, size_t count,
                             const hf_call_options *options, hf_stock_list **list)
{
    if (count == 1) {
        return hf_get_stock(client->library, stocks[0].sku, stocks[0].warehouse, options, list);
    }
    hf_stock_key keys[EVENT_LINES];
    for (size_t i = 0; i < count; i++) {
        keys[i] = (hf_stock_key){stocks[i].sku, stocks[i].warehouse};
    }
    return hf_get_stocks(client->library, keys, count, options, list);
}

enum client_outcome client_read_stock(struct client *client, const hf_line *stocks, size_t count,
                                      const hf_call_options *options, const hf_stock_list **answer)
{
    assert(count >= 1 && count <= EVENT_LINES);
    struct event asked = asked_with(FUNCTION_READ_STOCK, options);
    asked.lines = recording_lines(client, stocks, count);
    asked.line_count = (uint32_t)count;
    recording_invoke(client, &asked);

    hf_stock_list *list = NULL;
    hf_verdict verdict = get_stocks(client, stocks, count, options, &list);
    client->answer = list;
    if (answer != NULL) {
        *answer = verdict > 0 ? list : NULL;
    }
    if (verdict < 0) {
        return recording_give_up(client, &asked, verdict, list->message, false);
    }
    struct event shown = answered_at(HF_OK, list->log_index, list->age_ms);
    shown.stocks = shown_stocks(client, list);
    shown.stock_count = (uint32_t)list->count;
    return recording_complete(client, &asked, &shown);
}

enum client_outcome client_check_stock(struct client *client, const hf_line *lines, size_t count,
                                       const hf_call_options *options,
                                       const hf_availability **answer)
{
    assert(count >= 1 && count <= EVENT_LINES);
    struct event asked = asked_with(FUNCTION_CHECK_STOCK, options);
    asked.lines = recording_lines(client, lines, count);
    asked.line_count = (uint32_t)count;
    recording_invoke(client, &asked);

    hf_availability *availability = NULL;
    hf_verdict verdict = hf_check_stock(client->library, lines, count, options, &availability);
    client->answer = availability;
    if (answer != NULL) {
        *answer = verdict > 0 ? availability : NULL;
    }
    if (verdict < 0) {
        return recording_give_up(client, &asked, verdict, availability->message, false);
    }
    struct event told = answered_at(verdict, availability->log_index, availability->age_ms);
    told.failed =
        recording_failed(client, availability->failed_lines, availability->failed_line_count);
    told.failed_count = (uint32_t)availability->failed_line_count;
    return recording_complete(client, &asked, &told);
}

/* ---- orders ---- */

static const struct event_order_line *shown_lines(struct client *client, const hf_order *order)
{
    buffer_clear(&client->answered);
    struct event_order_line *shown = (struct event_order_line *)buffer_reserve(
        &client->answered, order->line_count * sizeof *shown);
    for (size_t i = 0; i < order->line_count; i++) {
        const hf_order_line *line = &order->lines[i];
        shown[i] = (struct event_order_line){.sku = bytes_of_string(line->sku),
                                             .warehouse = line->warehouse,
                                             .reserved = line->reserved,
                                             .deducted = line->deducted,
                                             .released = line->released,
                                             .expired = line->expired,
                                             .returned = line->returned};
    }
    return shown;
}

enum client_outcome client_read_order(struct client *client, const char *order,
                                      const hf_call_options *options, const hf_order **answer)
{
    struct event asked = asked_with(FUNCTION_READ_ORDER, options);
    asked.order = bytes_of_string(order);
    recording_invoke(client, &asked);

    hf_order *read = NULL;
    hf_verdict verdict = hf_get_order(client->library, order, options, &read);
    client->answer = read;
    if (answer != NULL) {
        *answer = verdict > 0 ? read : NULL;
    }
    if (verdict < 0) {
        return recording_give_up(client, &asked, verdict, read->message, false);
    }
    struct event shown = answered_at(verdict, read->log_index, read->age_ms);
    if (verdict == HF_OK) {
        shown.state = read->state;
        shown.order_lines = shown_lines(client, read);
        shown.order_line_count = (uint32_t)read->line_count;
    }
    return recording_complete(client, &asked, &shown);
}

/* ---- histories ---- */

#define PAGE_ROWS 1000

static void keep_rows(struct client *client, const hf_history *page)
{
    for (size_t i = 0; i < page->count; i++) {
        const hf_history_row *row = &page->rows[i];
        struct event_row kept = {.log_index = row->log_index,
                                 .sub = row->sub,
                                 .op = row->op,
                                 .on_hand_change = row->on_hand_change,
                                 .reserved_change = row->reserved_change,
                                 .order = {NULL, strlen(row->order_id)}};
        buffer_append(&client->answered, &kept, sizeof kept);
        buffer_append(&client->row_texts, row->order_id, kept.order.len);
    }
}

/* The texts have moved while they grew: only now are they where they stay. */
static const struct event_row *kept_rows(struct client *client, size_t count)
{
    struct event_row *rows = (struct event_row *)client->answered.data;
    const uint8_t *text = client->row_texts.data;
    for (size_t i = 0; i < count; i++) {
        rows[i].order.data = text;
        text += rows[i].order.len;
    }
    return rows;
}

/* Rows are only ever appended, and each page is read at the index of the page before or a later
 * one: all of them together are the history at the last page's index. */
enum client_outcome client_read_history(struct client *client, const char *sku, uint32_t warehouse,
                                        uint32_t *row_count)
{
    struct event asked = asked_with(FUNCTION_READ_HISTORY, NULL);
    hf_line stock = {.sku = sku, .warehouse = warehouse};
    asked.lines = recording_lines(client, &stock, 1);
    asked.line_count = 1;
    buffer_clear(&client->answered);
    buffer_clear(&client->row_texts);
    recording_invoke(client, &asked);

    hf_call_options options = {.min_log_index = 0};
    size_t count = 0;
    for (const char *token = NULL;;) {
        hf_history *page = NULL;
        hf_verdict verdict =
            hf_list_history(client->library, sku, warehouse, PAGE_ROWS, token, &options, &page);
        hf_free(client->answer); /* the page before, with the token */
        client->answer = page;
        if (verdict < 0) {
            return recording_give_up(client, &asked, verdict, page->message, false);
        }
        keep_rows(client, page);
        count += page->count;
        if (count > EVENT_ROWS) {
            return recording_give_up(client, &asked, HF_INVALID_ARGUMENT,
                                     "more rows than a history can have here", false);
        }
        token = page->next_page_token;
        options.min_log_index = page->log_index;
        if (token == NULL || token[0] == '\0') {
            struct event shown = answered_at(verdict, page->log_index, 0);
            shown.rows = kept_rows(client, count);
            shown.row_count = (uint32_t)count;
            if (row_count != NULL) {
                *row_count = shown.row_count;
            }
            return recording_complete(client, &asked, &shown);
        }
    }
}

/* ---- digests ---- */

enum client_outcome client_read_digest(struct client *client, uint32_t node, const char *endpoint,
                                       uint64_t at_index, uint32_t timeout_ms,
                                       const hf_verification **answer)
{
    struct event asked = {.function = FUNCTION_READ_DIGEST, .node = node};
    recording_invoke(client, &asked);

    hf_verification *verification = NULL;
    hf_call_options options = {.timeout_ms = timeout_ms};
    hf_verdict verdict = hf_verify_at(client->library, endpoint, at_index, &options, &verification);
    client->answer = verification;
    if (answer != NULL) {
        *answer = verdict > 0 ? verification : NULL;
    }
    if (verdict < 0) {
        return recording_give_up(client, &asked, verdict, verification->message, false);
    }
    struct event told = answered_at(verdict, verification->applied_index, 0);
    told.digest = bytes_of_string(verification->recomputed_digest);
    return recording_complete(client, &asked, &told);
}
