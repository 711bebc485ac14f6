/*
 * query.c - each read: decode, ask the ledger, fill the response in the arena, pack. Requests have
 * passed query_check, so decoding them again can't fail.
 *
 * Page tokens are the ledger's cursors in hexadecimal: opaque, printable, and checked by the
 * ledger.
 */
#include "query.h"

#include <assert.h>
#include <stdlib.h>

#include "base/limits.h"
#include "holdfast/v1/ledger.pb-c.h"
#include "message_check.h"
#include "proto_time.h"
#include "reply.h"

static const ProtobufCMessageDescriptor *descriptor_of(enum query_kind kind)
{
    switch (kind) {
    case QUERY_GET_STOCK:
        return &holdfast__v1__get_stock_request__descriptor;
    case QUERY_BATCH_GET_STOCK:
        return &holdfast__v1__batch_get_stock_request__descriptor;
    case QUERY_CHECK_STOCK:
        return &holdfast__v1__check_stock_request__descriptor;
    case QUERY_LIST_STOCK:
        return &holdfast__v1__list_stock_request__descriptor;
    case QUERY_GET_ORDER:
        return &holdfast__v1__get_order_request__descriptor;
    case QUERY_LIST_HISTORY:
        break;
    }
    return &holdfast__v1__list_history_request__descriptor;
}

static void *decode(enum query_kind kind, struct arena *arena, struct bytes request)
{
    return protobuf_c_message_unpack(descriptor_of(kind), &arena->allocator, request.len,
                                     request.data);
}

/* ---- checks ---- */

static bool check_id(const char *field, const char *id, struct error *error)
{
    size_t len = strlen(id);
    if (len == 0 || len > LIMIT_ID_BYTES) {
        return error_set(error, "%s has %zu bytes: 1 to %d are allowed", field, len,
                         LIMIT_ID_BYTES);
    }
    return true;
}

static bool check_page_size(int32_t size, struct error *error)
{
    if (size < 0 || size > LIMIT_PAGE_ROWS) {
        return error_set(error, "page_size is %d: 0 to %d are allowed", (int)size, LIMIT_PAGE_ROWS);
    }
    return true;
}

static bool hex_digit(char c, uint8_t *value)
{
    if (c >= '0' && c <= '9') {
        *value = (uint8_t)(c - '0');
    } else if (c >= 'a' && c <= 'f') {
        *value = (uint8_t)(c - 'a' + 10);
    } else {
        return false;
    }
    return true;
}

static bool token_decode(const char *token, struct arena *arena, struct bytes *cursor,
                         struct error *error)
{
    size_t len = strlen(token);
    uint8_t *bytes = len <= LIMIT_PAGE_TOKEN_BYTES ? arena_alloc(arena, len / 2 + 1) : NULL;
    bool ok = bytes != NULL && len % 2 == 0;
    for (size_t i = 0; ok && i < len / 2; i++) {
        uint8_t high = 0;
        uint8_t low = 0;
        ok = hex_digit(token[2 * i], &high) && hex_digit(token[2 * i + 1], &low);
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    if (!ok) {
        return error_set(error, "page_token is not one that this service gave");
    }
    *cursor = bytes_of(bytes, len / 2);
    return true;
}

static char *token_encode(struct arena *arena, struct bytes cursor)
{
    static const char digits[] = "0123456789abcdef";
    char *token = arena_alloc(arena, cursor.len * 2 + 1);
    assert(token != NULL);
    for (size_t i = 0; i < cursor.len; i++) {
        token[2 * i] = digits[cursor.data[i] >> 4];
        token[2 * i + 1] = digits[cursor.data[i] & 15];
    }
    token[cursor.len * 2] = '\0';
    return token;
}

static bool check_lines(const Holdfast__V1__CheckStockRequest *request, struct error *error)
{
    if (request->n_lines == 0 || request->n_lines > LIMIT_QUERY_ITEMS) {
        return error_set(error, "%zu lines: 1 to %d are allowed", request->n_lines,
                         LIMIT_QUERY_ITEMS);
    }
    for (size_t i = 0; i < request->n_lines; i++) {
        if (!check_id("sku", request->lines[i]->sku, error)) {
            return error_wrap(error, "lines[%zu]", i);
        }
        if (request->lines[i]->quantity < 1 || request->lines[i]->quantity > LIMIT_QUANTITY) {
            return error_set(error, "lines[%zu].quantity is not in 1 to 2^53-1", i);
        }
    }
    return true;
}

static bool check_keys(const Holdfast__V1__BatchGetStockRequest *request, struct error *error)
{
    if (request->n_keys == 0 || request->n_keys > LIMIT_QUERY_ITEMS) {
        return error_set(error, "%zu keys: 1 to %d are allowed", request->n_keys,
                         LIMIT_QUERY_ITEMS);
    }
    for (size_t i = 0; i < request->n_keys; i++) {
        if (!check_id("sku", request->keys[i]->sku, error)) {
            return error_wrap(error, "keys[%zu]", i);
        }
    }
    return true;
}

static struct query_freshness freshness_of(Holdfast__V1__Consistency consistency,
                                           uint64_t min_log_index)
{
    bool stale = consistency == HOLDFAST__V1__CONSISTENCY__STALE;
    return (struct query_freshness){stale ? READ_STALE : READ_LINEARIZABLE, min_log_index};
}

static bool check_decoded(enum query_kind kind, struct arena *arena, void *decoded,
                          struct query_freshness *freshness, struct error *error)
{
    struct bytes cursor;
    switch (kind) {
    case QUERY_GET_STOCK: {
        const Holdfast__V1__GetStockRequest *get = decoded;
        *freshness = freshness_of(get->consistency, get->min_log_index);
        return check_id("sku", get->sku, error);
    }
    case QUERY_BATCH_GET_STOCK: {
        const Holdfast__V1__BatchGetStockRequest *get = decoded;
        *freshness = freshness_of(get->consistency, get->min_log_index);
        return check_keys(get, error);
    }
    case QUERY_CHECK_STOCK: {
        const Holdfast__V1__CheckStockRequest *check = decoded;
        *freshness = freshness_of(check->consistency, check->min_log_index);
        return check_lines(check, error);
    }
    case QUERY_LIST_STOCK: {
        const Holdfast__V1__ListStockRequest *list = decoded;
        *freshness = freshness_of(list->consistency, list->min_log_index);
        return check_page_size(list->page_size, error) &&
               token_decode(list->page_token, arena, &cursor, error);
    }
    case QUERY_GET_ORDER: {
        const Holdfast__V1__GetOrderRequest *get = decoded;
        *freshness = freshness_of(get->consistency, get->min_log_index);
        return check_id("order_id", get->order_id, error);
    }
    case QUERY_LIST_HISTORY: {
        const Holdfast__V1__ListHistoryRequest *list = decoded;
        *freshness = freshness_of(list->consistency, list->min_log_index);
        return check_id("sku", list->sku, error) && check_page_size(list->page_size, error) &&
               token_decode(list->page_token, arena, &cursor, error);
    }
    }
    return false;
}

bool query_check(enum query_kind kind, struct arena *arena, struct bytes request,
                 struct query_freshness *freshness, struct error *error)
{
    arena_reset(arena);
    if (!message_check(descriptor_of(kind), request, error)) {
        return false;
    }
    void *decoded = decode(kind, arena, request);
    if (decoded == NULL) {
        return error_set(error, "%s can't be decoded", descriptor_of(kind)->short_name);
    }
    return check_decoded(kind, arena, decoded, freshness, error);
}

/* ---- runs ---- */

struct run {
    struct arena *arena; /* for the answer */
    struct ledger *ledger;
    uint64_t applied_index;
    Google__Protobuf__Duration *age; /* to be told; NULL: nobody asks */
    struct buffer *response;
    struct error *error;
};

/* One stock into *response; false on a store error. */
static bool fill_stock(struct run *run, const char *sku, uint32_t warehouse,
                       Holdfast__V1__GetStockResponse *response)
{
    struct stock_record stock;
    bool found;
    struct bytes key = bytes_of_string(sku);
    if (!ledger_get_stock(run->ledger, key, warehouse, &stock, &found, run->error)) {
        return false;
    }
    response->verdict = found ? HOLDFAST__V1__VERDICT__OK : HOLDFAST__V1__VERDICT__SKU_NOT_FOUND;
    response->log_index = run->applied_index;
    if (found) {
        response->stock = reply_stock(run->arena, key, ledger_warehouse(warehouse), &stock);
    }
    return true;
}

static enum query_outcome run_get_stock(struct run *run,
                                        const Holdfast__V1__GetStockRequest *request)
{
    Holdfast__V1__GetStockResponse response = HOLDFAST__V1__GET_STOCK_RESPONSE__INIT;
    if (!fill_stock(run, request->sku, request->warehouse, &response)) {
        return QUERY_FAILED;
    }
    response.age = run->age;
    reply_pack(run->response, &response.base);
    return QUERY_DONE;
}

static enum query_outcome run_batch_get_stock(struct run *run,
                                              const Holdfast__V1__BatchGetStockRequest *request)
{
    Holdfast__V1__BatchGetStockResponse response = HOLDFAST__V1__BATCH_GET_STOCK_RESPONSE__INIT;
    response.log_index = run->applied_index;
    response.age = run->age;
    /* Packed one by one: no array of 10,000 pointers. */
    for (size_t i = 0; i < request->n_keys; i++) {
        Holdfast__V1__GetStockResponse one = HOLDFAST__V1__GET_STOCK_RESPONSE__INIT;
        if (!fill_stock(run, request->keys[i]->sku, request->keys[i]->warehouse, &one)) {
            return QUERY_FAILED;
        }
        reply_pack_field(run->response, 1, &one.base);
    }
    reply_pack(run->response, &response.base);
    return QUERY_DONE;
}

static enum query_outcome run_check_stock(struct run *run,
                                          const Holdfast__V1__CheckStockRequest *request)
{
    struct ledger_line *lines = memory_alloc(request->n_lines * sizeof *lines);
    for (size_t i = 0; i < request->n_lines; i++) {
        lines[i] = (struct ledger_line){
            .sku = bytes_of_string(request->lines[i]->sku),
            .warehouse = request->lines[i]->warehouse,
            .quantity = request->lines[i]->quantity,
        };
    }
    const struct ledger_failed_line *failed;
    uint32_t failed_count;
    bool ok = ledger_check_stock(run->ledger, lines, (uint32_t)request->n_lines, &failed,
                                 &failed_count, run->error);
    if (ok) {
        Holdfast__V1__CheckStockResponse response = HOLDFAST__V1__CHECK_STOCK_RESPONSE__INIT;
        response.available = failed_count == 0;
        response.n_failed_lines = failed_count;
        response.failed_lines = reply_failed_lines(run->arena, failed, failed_count);
        response.log_index = run->applied_index;
        response.age = run->age;
        reply_pack(run->response, &response.base);
    }
    free(lines);
    return ok ? QUERY_DONE : QUERY_FAILED;
}

static enum query_outcome run_get_order(struct run *run,
                                        const Holdfast__V1__GetOrderRequest *request)
{
    Holdfast__V1__GetOrderResponse response = HOLDFAST__V1__GET_ORDER_RESPONSE__INIT;
    struct order_record order;
    bool found;
    struct bytes id = bytes_of_string(request->order_id);
    if (!ledger_get_order(run->ledger, id, &order, &found, run->error)) {
        return QUERY_FAILED;
    }
    response.verdict = found ? HOLDFAST__V1__VERDICT__OK : HOLDFAST__V1__VERDICT__ORDER_NOT_FOUND;
    response.log_index = run->applied_index;
    response.age = run->age;
    if (found) {
        response.order = reply_order(run->arena, id, &order, ledger_credits_ms(run->ledger));
    }
    reply_pack(run->response, &response.base);
    return QUERY_DONE;
}

/* A list packs its rows as they are visited; one row more than the page tells that there is a next
 * page. */
struct page {
    struct run *run;
    uint32_t size;
    uint32_t rows;
    char *next_token; /* cursor behind the last row of the page; used only if another row follows */
    bool more;
};

static struct page page_of(struct run *run, int32_t page_size)
{
    return (struct page){.run = run,
                         .size = page_size != 0 ? (uint32_t)page_size : DEFAULT_PAGE_ROWS};
}

/* True if the row belongs to the page, which then has one row more. */
static bool page_takes(struct page *page, struct bytes cursor)
{
    if (page->rows == page->size) {
        page->more = true;
        return false;
    }
    page->rows++;
    if (page->rows == page->size) {
        page->next_token = token_encode(page->run->arena, cursor);
    }
    return true;
}

static bool visit_stock(void *context, struct bytes sku, uint32_t warehouse,
                        const struct stock_record *stock, struct bytes cursor)
{
    struct page *page = context;
    if (!page_takes(page, cursor)) {
        return false;
    }
    reply_pack_field(page->run->response, 1,
                     &reply_stock(page->run->arena, sku, warehouse, stock)->base);
    return true;
}

static bool visit_history(void *context, const struct history_record *row, struct bytes cursor)
{
    struct page *page = context;
    if (!page_takes(page, cursor)) {
        return false;
    }
    reply_pack_field(page->run->response, 2, &reply_history(page->run->arena, row)->base);
    return true;
}

/* A list failed: over its token, or over the store? */
static enum query_outcome list_failure(const struct error *error)
{
    return strncmp(error->text, "page token", 10) == 0 ? QUERY_REFUSED : QUERY_FAILED;
}

static enum query_outcome run_list_stock(struct run *run,
                                         const Holdfast__V1__ListStockRequest *request)
{
    struct page page = page_of(run, request->page_size);
    struct bytes cursor = {0};
    if (!token_decode(request->page_token, run->arena, &cursor, run->error)) {
        return QUERY_REFUSED;
    }
    if (!ledger_list_stock(run->ledger, cursor, visit_stock, &page, run->error)) {
        return list_failure(run->error);
    }
    Holdfast__V1__ListStockResponse response = HOLDFAST__V1__LIST_STOCK_RESPONSE__INIT;
    response.log_index = run->applied_index;
    response.age = run->age;
    if (page.more) {
        response.next_page_token = page.next_token;
    }
    reply_pack(run->response, &response.base);
    return QUERY_DONE;
}

static enum query_outcome run_list_history(struct run *run,
                                           const Holdfast__V1__ListHistoryRequest *request)
{
    Holdfast__V1__ListHistoryResponse response = HOLDFAST__V1__LIST_HISTORY_RESPONSE__INIT;
    struct page page = page_of(run, request->page_size);
    struct bytes cursor = {0};
    struct bytes sku = bytes_of_string(request->sku);
    if (!token_decode(request->page_token, run->arena, &cursor, run->error)) {
        return QUERY_REFUSED;
    }
    struct stock_record stock;
    bool found;
    if (!ledger_get_stock(run->ledger, sku, request->warehouse, &stock, &found, run->error)) {
        return QUERY_FAILED;
    }
    response.verdict = found ? HOLDFAST__V1__VERDICT__OK : HOLDFAST__V1__VERDICT__SKU_NOT_FOUND;
    response.log_index = run->applied_index;
    response.age = run->age;
    if (found && !ledger_list_history(run->ledger, sku, request->warehouse, cursor, visit_history,
                                      &page, run->error)) {
        return list_failure(run->error);
    }
    if (page.more) {
        response.next_page_token = page.next_token;
    }
    reply_pack(run->response, &response.base);
    return QUERY_DONE;
}

enum query_outcome query_run(enum query_kind kind, struct arena *arena, struct arena *replies,
                             const struct query_state *state, struct bytes request,
                             struct buffer *response, struct error *error)
{
    arena_reset(arena);
    arena_reset(replies);
    Google__Protobuf__Duration age;
    struct run run = {
        .arena = replies,
        .ledger = state->ledger,
        .applied_index = state->applied_index,
        .age = state->age_ms != NULL ? proto_duration_to(&age, *state->age_ms) : NULL,
        .response = response,
        .error = error,
    };
    const void *decoded = decode(kind, arena, request);
    assert(decoded != NULL);
    switch (kind) {
    case QUERY_GET_STOCK:
        return run_get_stock(&run, decoded);
    case QUERY_BATCH_GET_STOCK:
        return run_batch_get_stock(&run, decoded);
    case QUERY_CHECK_STOCK:
        return run_check_stock(&run, decoded);
    case QUERY_LIST_STOCK:
        return run_list_stock(&run, decoded);
    case QUERY_GET_ORDER:
        return run_get_order(&run, decoded);
    case QUERY_LIST_HISTORY:
        break;
    }
    return run_list_history(&run, decoded);
}
