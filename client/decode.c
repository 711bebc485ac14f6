/*
 * decode.c - the Ledger's replies: see decode.h. The happy path of each shape: unpack into a
 * scratch arena, copy what the public struct has into the object's own.
 *
 * A reply that is none: bytes that don't parse, a missing verdict (an empty reply must not read as
 * success), another number of results than commands. Numbers beyond the enums are passed on: they
 * come from a newer node, and the header says what they mean.
 */
#include "decode.h"

#include <assert.h>

#include "decode_parts.h"
#include "holdfast/v1/ledger.pb-c.h"

void *decode_unpack(struct scratch *scratch, const ProtobufCMessageDescriptor *descriptor,
                    struct bytes reply, struct error *error)
{
    arena_init(&scratch->arena, scratch->room, sizeof(scratch->room));
    ProtobufCAllocator allocator = arena_allocator(&scratch->arena);
    void *message = protobuf_c_message_unpack(descriptor, &allocator, reply.len, reply.data);
    if (message == NULL) {
        error_set(error, "the reply of %zu bytes is no %s", reply.len, descriptor->name);
    }
    return message;
}

/* ---- parts ---- */

int64_t decode_timestamp_ms(const Google__Protobuf__Timestamp *timestamp)
{
    if (timestamp == NULL) {
        return 0;
    }
    int64_t ms;
    if (__builtin_mul_overflow(timestamp->seconds, 1000, &ms) ||
        __builtin_add_overflow(ms, timestamp->nanos / 1000000, &ms)) {
        return timestamp->seconds < 0 ? INT64_MIN : INT64_MAX;
    }
    return ms;
}

/* Rounded up: an age is the most that it can be. */
static int64_t ms_of_duration(const Google__Protobuf__Duration *duration)
{
    return duration != NULL ? duration->seconds * 1000 + (duration->nanos + 999999) / 1000000 : 0;
}

const char *decode_text(struct arena *arena, const char *text)
{
    return text == NULL || text[0] == '\0' ? "" : arena_copy_string(arena, text);
}

/* An answer's words: the node's, or where it sent none, our own. */
static const char *copy_message(struct arena *arena, const char *message, hf_verdict verdict)
{
    return message == NULL || message[0] == '\0' ? hf_verdict_text(verdict)
                                                 : arena_copy_string(arena, message);
}

/* A verdict from the wire; 0 and negative numbers are not sent. */
static hf_verdict verdict_of(int number, struct error *error)
{
    if (number <= 0) {
        error_set(error, "the reply has verdict %d, which no node sends", number);
        return HF_VERDICT_UNSPECIFIED;
    }
    return (hf_verdict)number;
}

static hf_stock stock_of(struct arena *arena, const Holdfast__V1__Stock *stock)
{
    return (hf_stock){
        .sku = decode_text(arena, stock->sku),
        .warehouse = stock->warehouse,
        .on_hand = stock->on_hand,
        .reserved = stock->reserved,
        .available = stock->available,
        .version = stock->version,
        .low_stock_threshold = stock->low_stock_threshold,
        .created_at_ms = decode_timestamp_ms(stock->created_at),
        .updated_at_ms = decode_timestamp_ms(stock->updated_at),
        .last_index = stock->last_index,
    };
}

static const hf_failed_line *failed_lines_of(struct arena *arena,
                                             Holdfast__V1__FailedLine *const *lines, size_t count)
{
    hf_failed_line *items = arena_zalloc_array(arena, count, sizeof(*items));
    for (size_t i = 0; i < count; i++) {
        items[i] = (hf_failed_line){
            .sku = decode_text(arena, lines[i]->sku),
            .warehouse = lines[i]->warehouse,
            .requested = lines[i]->requested,
            .available = lines[i]->available,
            .reason = (hf_verdict)lines[i]->reason,
        };
    }
    return items;
}

/* ---- commands ---- */

static hf_verdict fill_result(hf_result *result, struct arena *arena,
                              const Holdfast__V1__CommandResult *reply, uint32_t attempts,
                              struct error *error)
{
    hf_verdict verdict = verdict_of((int)reply->verdict, error);
    if (verdict == HF_VERDICT_UNSPECIFIED) {
        return verdict;
    }
    result->verdict = verdict;
    result->may_have_executed = false;
    result->message = copy_message(arena, reply->message, verdict);
    result->attempts = attempts;
    result->replayed = reply->replayed;
    result->log_index = reply->log_index;
    result->log_position = reply->log_position;
    result->order_state = (hf_order_state)reply->order_state;
    result->existed = reply->existed;
    result->expires_at_ms = decode_timestamp_ms(reply->expires_at);
    result->failed_lines = failed_lines_of(arena, reply->failed_lines, reply->n_failed_lines);
    result->failed_line_count = reply->n_failed_lines;
    if (reply->stock != NULL) {
        hf_stock *stock = arena_alloc(arena, sizeof(*stock));
        *stock = stock_of(arena, reply->stock);
        result->stock = stock;
    }
    return verdict;
}

static hf_verdict decode_one(hf_result *result, struct arena *arena, struct bytes reply,
                             uint32_t attempts, struct error *error)
{
    struct scratch scratch;
    hf_verdict verdict = HF_VERDICT_UNSPECIFIED;
    const Holdfast__V1__CommandResult *message =
        decode_unpack(&scratch, &holdfast__v1__command_result__descriptor, reply, error);
    if (message != NULL) {
        verdict = fill_result(result, arena, message, attempts, error);
    }
    arena_free(&scratch.arena);
    return verdict;
}

static hf_verdict decode_result(void *object, struct bytes reply, uint32_t attempts,
                                struct error *error)
{
    return decode_one(object, object_arena(object), reply, attempts, error);
}

static void fail_one(hf_result *result, const struct reply_failure *failure, const char *message)
{
    result->verdict = failure->verdict;
    result->may_have_executed = failure->may_have_executed;
    result->message = message;
    result->attempts = failure->attempts;
}

static void fail_result(void *object, const struct reply_failure *failure)
{
    fail_one(object, failure, arena_copy_string(object_arena(object), failure->message));
}

const struct reply_shape REPLY_RESULT = {sizeof(hf_result), false, decode_result, fail_result,
                                         .says_resent = true};

hf_result *decode_prepare_results(hf_results *results, size_t count)
{
    hf_result *items = arena_zalloc_array(object_arena(results), count, sizeof(*items));
    results->items = items;
    results->count = count;
    return items;
}

/* The items were made by decode_prepare_results; to users they are const. */
static hf_result *items_of(hf_results *results)
{
    return (hf_result *)results->items;
}

static hf_verdict decode_results_of_one(void *object, struct bytes reply, uint32_t attempts,
                                        struct error *error)
{
    hf_results *results = object;
    assert(results->count == 1);
    results->verdict = decode_one(items_of(results), object_arena(object), reply, attempts, error);
    return results->verdict;
}

static hf_verdict fill_results(hf_results *results, struct arena *arena,
                               const Holdfast__V1__ExecuteResponse *reply, uint32_t attempts,
                               struct error *error)
{
    if (reply->n_results != results->count) {
        error_set(error, "the reply has %zu results for %zu commands", reply->n_results,
                  results->count);
        return HF_VERDICT_UNSPECIFIED;
    }
    hf_verdict first_refusal = HF_OK;
    for (size_t i = 0; i < results->count; i++) {
        hf_verdict verdict =
            fill_result(&items_of(results)[i], arena, reply->results[i], attempts, error);
        if (verdict == HF_VERDICT_UNSPECIFIED) {
            error_wrap(error, "results[%zu]", i);
            return HF_VERDICT_UNSPECIFIED;
        }
        if (first_refusal == HF_OK) {
            first_refusal = verdict;
        }
    }
    return first_refusal;
}

static hf_verdict decode_results(void *object, struct bytes reply, uint32_t attempts,
                                 struct error *error)
{
    hf_results *results = object;
    struct scratch scratch;
    const Holdfast__V1__ExecuteResponse *message =
        decode_unpack(&scratch, &holdfast__v1__execute_response__descriptor, reply, error);
    results->verdict = message == NULL
                           ? HF_VERDICT_UNSPECIFIED
                           : fill_results(results, object_arena(object), message, attempts, error);
    arena_free(&scratch.arena);
    return results->verdict;
}

static void fail_results(void *object, const struct reply_failure *failure)
{
    hf_results *results = object;
    const char *message = arena_copy_string(object_arena(object), failure->message);
    results->verdict = failure->verdict;
    for (size_t i = 0; i < results->count; i++) {
        fail_one(&items_of(results)[i], failure, message);
    }
}

const struct reply_shape REPLY_RESULTS_OF_ONE = {sizeof(hf_results), false, decode_results_of_one,
                                                 fail_results, .says_resent = true};
const struct reply_shape REPLY_RESULTS = {sizeof(hf_results), false, decode_results, fail_results,
                                          .says_resent = true};

/* ---- stocks ---- */

void decode_prepare_stocks(hf_stock_list *list, const hf_stock_key *keys, size_t count)
{
    struct arena *arena = object_arena(list);
    hf_stock_item *items = arena_zalloc_array(arena, count, sizeof(*items));
    for (size_t i = 0; i < count; i++) {
        items[i].stock.sku = arena_copy_string(arena, keys[i].sku);
        items[i].stock.warehouse = keys[i].warehouse != 0 ? keys[i].warehouse : 1;
    }
    list->items = items;
    list->count = count;
    list->next_page_token = "";
}

static hf_stock_item *stock_items_of(hf_stock_list *list)
{
    return (hf_stock_item *)list->items;
}

/* Numbers only: the key is ours, and stands. */
static bool fill_stock_item(hf_stock_item *item, const Holdfast__V1__GetStockResponse *reply,
                            struct error *error)
{
    hf_verdict verdict = verdict_of((int)reply->verdict, error);
    if (verdict == HF_VERDICT_UNSPECIFIED) {
        return false;
    }
    if (verdict == HF_OK && reply->stock == NULL) {
        return error_set(error, "the reply says OK and has no stock");
    }
    item->verdict = verdict;
    if (verdict == HF_OK) {
        const Holdfast__V1__Stock *stock = reply->stock;
        item->stock.on_hand = stock->on_hand;
        item->stock.reserved = stock->reserved;
        item->stock.available = stock->available;
        item->stock.version = stock->version;
        item->stock.low_stock_threshold = stock->low_stock_threshold;
        item->stock.created_at_ms = decode_timestamp_ms(stock->created_at);
        item->stock.updated_at_ms = decode_timestamp_ms(stock->updated_at);
        item->stock.last_index = stock->last_index;
    }
    return true;
}

static bool decode_single_stock(hf_stock_list *list, struct bytes reply, uint32_t attempts,
                                struct error *error)
{
    assert(list->count == 1);
    struct scratch scratch;
    const Holdfast__V1__GetStockResponse *message =
        decode_unpack(&scratch, &holdfast__v1__get_stock_response__descriptor, reply, error);
    bool good = message != NULL && fill_stock_item(stock_items_of(list), message, error);
    if (good) {
        list->log_index = message->log_index;
        list->age_ms = ms_of_duration(message->age);
        list->attempts = attempts;
    }
    arena_free(&scratch.arena);
    return good;
}

static hf_verdict stock_list_end(hf_stock_list *list, bool good, hf_verdict verdict)
{
    list->verdict = good ? verdict : HF_VERDICT_UNSPECIFIED;
    list->message = hf_verdict_text(verdict);
    return list->verdict;
}

static hf_verdict decode_stock(void *object, struct bytes reply, uint32_t attempts,
                               struct error *error)
{
    hf_stock_list *list = object;
    bool good = decode_single_stock(list, reply, attempts, error);
    return stock_list_end(list, good, list->items[0].verdict);
}

static hf_verdict decode_stocks_of_one(void *object, struct bytes reply, uint32_t attempts,
                                       struct error *error)
{
    hf_stock_list *list = object;
    bool good = decode_single_stock(list, reply, attempts, error);
    return stock_list_end(list, good, HF_OK);
}

static bool fill_stocks(hf_stock_list *list, const Holdfast__V1__BatchGetStockResponse *reply,
                        uint32_t attempts, struct error *error)
{
    if (reply->n_stocks != list->count) {
        return error_set(error, "the reply has %zu stocks for %zu keys", reply->n_stocks,
                         list->count);
    }
    for (size_t i = 0; i < list->count; i++) {
        if (!fill_stock_item(&stock_items_of(list)[i], reply->stocks[i], error)) {
            return error_wrap(error, "stocks[%zu]", i);
        }
    }
    list->log_index = reply->log_index;
    list->age_ms = ms_of_duration(reply->age);
    list->attempts = attempts;
    return true;
}

static hf_verdict decode_stocks(void *object, struct bytes reply, uint32_t attempts,
                                struct error *error)
{
    hf_stock_list *list = object;
    struct scratch scratch;
    const Holdfast__V1__BatchGetStockResponse *message =
        decode_unpack(&scratch, &holdfast__v1__batch_get_stock_response__descriptor, reply, error);
    bool good = message != NULL && fill_stocks(list, message, attempts, error);
    arena_free(&scratch.arena);
    return stock_list_end(list, good, HF_OK);
}

static hf_verdict decode_stock_page(void *object, struct bytes reply, uint32_t attempts,
                                    struct error *error)
{
    hf_stock_list *list = object;
    struct arena *arena = object_arena(object);
    struct scratch scratch;
    const Holdfast__V1__ListStockResponse *message =
        decode_unpack(&scratch, &holdfast__v1__list_stock_response__descriptor, reply, error);
    if (message != NULL) {
        hf_stock_item *items = arena_zalloc_array(arena, message->n_stocks, sizeof(*items));
        for (size_t i = 0; i < message->n_stocks; i++) {
            items[i].verdict = HF_OK;
            items[i].stock = stock_of(arena, message->stocks[i]);
        }
        list->items = items;
        list->count = message->n_stocks;
        list->next_page_token = decode_text(arena, message->next_page_token);
        list->log_index = message->log_index;
        list->age_ms = ms_of_duration(message->age);
        list->attempts = attempts;
    }
    arena_free(&scratch.arena);
    return stock_list_end(list, message != NULL, HF_OK);
}

static void fail_stock_list(void *object, const struct reply_failure *failure)
{
    hf_stock_list *list = object;
    list->verdict = failure->verdict;
    list->message = arena_copy_string(object_arena(object), failure->message);
    list->attempts = failure->attempts;
    list->next_page_token = "";
    for (size_t i = 0; i < list->count; i++) {
        stock_items_of(list)[i].verdict = failure->verdict;
    }
}

const struct reply_shape REPLY_STOCK = {sizeof(hf_stock_list), true, decode_stock, fail_stock_list,
                                        .says_resent = false};
const struct reply_shape REPLY_STOCKS_OF_ONE = {sizeof(hf_stock_list), true, decode_stocks_of_one,
                                                fail_stock_list, .says_resent = false};
const struct reply_shape REPLY_STOCKS = {sizeof(hf_stock_list), true, decode_stocks,
                                         fail_stock_list, .says_resent = false};
const struct reply_shape REPLY_STOCK_PAGE = {sizeof(hf_stock_list), true, decode_stock_page,
                                             fail_stock_list, .says_resent = false};

/* ---- availability ---- */

/* The verdict is the first failing line's reason, as it would be a Reserve's. */
static hf_verdict fill_availability(hf_availability *availability, struct arena *arena,
                                    const Holdfast__V1__CheckStockResponse *reply,
                                    struct error *error)
{
    if (reply->available != (reply->n_failed_lines == 0)) {
        error_set(error, "the reply says available: %s, and names %zu failed lines",
                  reply->available ? "true" : "false", reply->n_failed_lines);
        return HF_VERDICT_UNSPECIFIED;
    }
    hf_verdict verdict =
        reply->available ? HF_OK : verdict_of((int)reply->failed_lines[0]->reason, error);
    if (!reply->available && verdict == HF_OK) {
        error_set(error, "the reply names a failed line whose reason is OK");
        return HF_VERDICT_UNSPECIFIED;
    }
    availability->verdict = verdict;
    availability->message = hf_verdict_text(verdict);
    availability->log_index = reply->log_index;
    availability->age_ms = ms_of_duration(reply->age);
    availability->failed_lines = failed_lines_of(arena, reply->failed_lines, reply->n_failed_lines);
    availability->failed_line_count = reply->n_failed_lines;
    return verdict;
}

static hf_verdict decode_availability(void *object, struct bytes reply, uint32_t attempts,
                                      struct error *error)
{
    hf_availability *availability = object;
    struct scratch scratch;
    hf_verdict verdict = HF_VERDICT_UNSPECIFIED;
    const Holdfast__V1__CheckStockResponse *message =
        decode_unpack(&scratch, &holdfast__v1__check_stock_response__descriptor, reply, error);
    if (message != NULL) {
        verdict = fill_availability(availability, object_arena(object), message, error);
        availability->attempts = attempts;
    }
    arena_free(&scratch.arena);
    return verdict;
}

static void fail_availability(void *object, const struct reply_failure *failure)
{
    hf_availability *availability = object;
    availability->verdict = failure->verdict;
    availability->message = arena_copy_string(object_arena(object), failure->message);
    availability->attempts = failure->attempts;
}

const struct reply_shape REPLY_AVAILABILITY = {sizeof(hf_availability), true, decode_availability,
                                               fail_availability, .says_resent = false};

/* ---- orders ---- */

static void fill_order(hf_order *order, struct arena *arena, const Holdfast__V1__Order *reply)
{
    order->order_id = decode_text(arena, reply->order_id);
    order->state = (hf_order_state)reply->state;
    order->created_at_ms = decode_timestamp_ms(reply->created_at);
    order->expires_at_ms = decode_timestamp_ms(reply->expires_at);
    order->closed_at_ms = decode_timestamp_ms(reply->closed_at);
    order->actor = decode_text(arena, reply->actor);
    order->reason = decode_text(arena, reply->reason);
    hf_order_line *lines = arena_zalloc_array(arena, reply->n_lines, sizeof(*lines));
    for (size_t i = 0; i < reply->n_lines; i++) {
        const Holdfast__V1__OrderLine *line = reply->lines[i];
        lines[i] = (hf_order_line){
            .sku = decode_text(arena, line->sku),
            .warehouse = line->warehouse,
            .reserved = line->reserved,
            .deducted = line->deducted,
            .released = line->released,
            .expired = line->expired,
            .returned = line->returned,
            .open = line->open,
        };
    }
    order->lines = lines;
    order->line_count = reply->n_lines;
}

static hf_verdict decode_order(void *object, struct bytes reply, uint32_t attempts,
                               struct error *error)
{
    hf_order *order = object;
    struct scratch scratch;
    hf_verdict verdict = HF_VERDICT_UNSPECIFIED;
    const Holdfast__V1__GetOrderResponse *message =
        decode_unpack(&scratch, &holdfast__v1__get_order_response__descriptor, reply, error);
    if (message != NULL) {
        verdict = verdict_of((int)message->verdict, error);
        if (verdict == HF_OK && message->order == NULL) {
            error_set(error, "the reply says OK and has no order");
            verdict = HF_VERDICT_UNSPECIFIED;
        }
        if (verdict == HF_OK) {
            fill_order(order, object_arena(object), message->order);
        }
        order->verdict = verdict;
        order->message = hf_verdict_text(verdict);
        order->attempts = attempts;
        order->log_index = message->log_index;
        order->age_ms = ms_of_duration(message->age);
    }
    arena_free(&scratch.arena);
    return verdict;
}

static void fail_order(void *object, const struct reply_failure *failure)
{
    hf_order *order = object;
    order->verdict = failure->verdict;
    order->message = arena_copy_string(object_arena(object), failure->message);
    order->attempts = failure->attempts;
}

const struct reply_shape REPLY_ORDER = {sizeof(hf_order), true, decode_order, fail_order,
                                        .says_resent = false};

/* ---- history ---- */

static hf_history_row history_row_of(struct arena *arena, const Holdfast__V1__HistoryRow *row)
{
    return (hf_history_row){
        .log_index = row->log_index,
        .sub = row->sub,
        .op = (hf_history_op)row->op,
        .on_hand_change = row->on_hand_change,
        .on_hand_before = row->on_hand_before,
        .on_hand_after = row->on_hand_after,
        .reserved_change = row->reserved_change,
        .reserved_before = row->reserved_before,
        .reserved_after = row->reserved_after,
        .order_id = decode_text(arena, row->order_id),
        .request_id = decode_text(arena, row->request_id),
        .time_ms = decode_timestamp_ms(row->time),
        .actor = decode_text(arena, row->actor),
        .reason = decode_text(arena, row->reason),
        .remark = decode_text(arena, row->remark),
        .trace_id = decode_text(arena, row->trace_id),
    };
}

static hf_verdict decode_history(void *object, struct bytes reply, uint32_t attempts,
                                 struct error *error)
{
    hf_history *history = object;
    struct arena *arena = object_arena(object);
    struct scratch scratch;
    hf_verdict verdict = HF_VERDICT_UNSPECIFIED;
    const Holdfast__V1__ListHistoryResponse *message =
        decode_unpack(&scratch, &holdfast__v1__list_history_response__descriptor, reply, error);
    if (message != NULL) {
        verdict = verdict_of((int)message->verdict, error);
        hf_history_row *rows = arena_zalloc_array(arena, message->n_rows, sizeof(*rows));
        for (size_t i = 0; i < message->n_rows; i++) {
            rows[i] = history_row_of(arena, message->rows[i]);
        }
        history->verdict = verdict;
        history->message = hf_verdict_text(verdict);
        history->attempts = attempts;
        history->log_index = message->log_index;
        history->age_ms = ms_of_duration(message->age);
        history->rows = rows;
        history->count = message->n_rows;
        history->next_page_token = decode_text(arena, message->next_page_token);
    }
    arena_free(&scratch.arena);
    return verdict;
}

static void fail_history(void *object, const struct reply_failure *failure)
{
    hf_history *history = object;
    history->verdict = failure->verdict;
    history->message = arena_copy_string(object_arena(object), failure->message);
    history->attempts = failure->attempts;
    history->rows = NULL;
    history->count = 0;
    history->next_page_token = "";
}

const struct reply_shape REPLY_HISTORY = {sizeof(hf_history), true, decode_history, fail_history,
                                          .says_resent = false};
