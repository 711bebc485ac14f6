/*
 * stand_in_client.c - libholdfast's calls on stock over a naive ledger in this process's memory, so
 * that the verbs can be tested without a cluster: what they print, what they return, and what
 * replay does with thousands of orders.
 *
 * Submissions are answered on a thread of its own, by default in the order in which they came, with
 * STAND_IN_SHUFFLE in a random one: no order is promised between calls in flight. Variables of the
 * environment make things happen:
 *
 *   STAND_IN_FAULT=WHAT:N   the N-th command (from 1) is answered with WHAT: a verdict's name, or
 *                           REPLAYED (OK, replayed, first attempt), RETRIED (the same after a
 *                           retry)
 *   STAND_IN_STOCKS=N       N stocks are there at the start
 *   STAND_IN_STATE=FILE     at the end every stock is written there: SKU on_hand reserved
 *
 * Stale reads are answered at log index 100, or at the index that they ask for, and are 1.234 s
 * old; of the pages of a history the second is younger.
 *
 * It checks what the header asks of a caller, and aborts where that is broken.
 */
#include <assert.h>
#include <holdfast/holdfast.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "id_table.h"

#define NOW_MS INT64_C(1795160100125) /* 2026-11-20T07:35:00.125Z */

struct stand_in_order {
    hf_order_state state;
    hf_order_line *lines;
    size_t line_count;
};

struct submission {
    hf_command
        *commands;      /* strings and lines are the caller's, who keeps them until the callback */
    hf_stock_key *keys; /* a read */
    size_t count;
    void *user;
    hf_results_callback on_results;
    hf_stock_callback on_stocks;
};

/* Room for sixteen million orders or SKUs. */
#define CHUNK_LEN 4096
#define CHUNKS    4096

/* A power of two, as many as a client takes calls. */
#define QUEUE_LEN 16384

struct hf_client {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool closing;
    struct submission *queue[QUEUE_LEN]; /* a ring */
    size_t queue_head;
    size_t queue_len;
    size_t under_way;
    size_t max_waiting;
    uint64_t random;
    uint64_t commands_seen;
    uint64_t log_index;
    char fault[64];
    uint64_t fault_at;

    struct id_table skus;
    hf_stock *stocks[CHUNKS]; /* by SKU number */
    struct id_table order_ids;
    struct stand_in_order *orders[CHUNKS];
};

static __thread char last_error[256];

/* ---- how fresh ---- */

#define STALE_INDEX 100

static bool is_stale(const hf_call_options *options)
{
    return options != NULL && options->consistency == HF_STALE;
}

static int64_t age_ms_of(const hf_call_options *options)
{
    return is_stale(options) ? 1234 : 0;
}

static uint64_t index_of(const hf_call_options *options)
{
    uint64_t least = options != NULL ? options->min_log_index : 0;
    uint64_t index = is_stale(options) ? STALE_INDEX : 0;
    return index > least ? index : least;
}

/* ---- names ---- */

/* clang-format off */
#define VERDICTS(X) \
    X(OK) \
    X(SKU_NOT_FOUND) \
    X(INSUFFICIENT_STOCK) \
    X(BELOW_RESERVED) \
    X(OVERFLOW) \
    X(ORDER_NOT_FOUND) \
    X(ORDER_CONFLICT) \
    X(ORDER_EXPIRED) \
    X(ORDER_RELEASED) \
    X(ORDER_DEDUCTED) \
    X(UNREACHABLE) \
    X(OUTCOME_UNKNOWN) \
    X(INVALID_ARGUMENT) \
    X(OVERLOADED)
/* clang-format on */

const char *hf_verdict_name(hf_verdict verdict)
{
    switch ((int)verdict) {
#define X(name)                                                                                    \
    case HF_##name:                                                                                \
        return #name;
        VERDICTS(X)
#undef X
    }
    return "UNRECOGNISED";
}

static hf_verdict verdict_named(const char *name)
{
#define X(each)                                                                                    \
    if (strcmp(name, #each) == 0) {                                                                \
        return HF_##each;                                                                          \
    }
    VERDICTS(X)
#undef X
    return HF_OK;
}

const char *hf_verdict_text(hf_verdict verdict)
{
    return verdict == HF_OK ? "done" : "in words";
}

const char *hf_order_state_name(hf_order_state state)
{
    static const char *const names[] = {"?", "ACTIVE", "DEDUCTED", "RELEASED"};
    return names[state];
}

const char *hf_history_op_name(hf_history_op op)
{
    return op == HF_OP_SET ? "SET" : "UNRECOGNISED";
}

const char *hf_server_state_name(hf_server_state state)
{
    return state == HF_SERVER_LEADER ? "LEADER" : "FOLLOWER";
}

const char *hf_member_role_name(hf_member_role role)
{
    return role == HF_ROLE_VOTER ? "VOTER" : "STANDBY";
}

const char *hf_last_error(void)
{
    return last_error;
}

void hf_free(void *object)
{
    free(object);
}

/* ---- the ledger ---- */

/* Chunks, so that what is handed out stays where it is. */
static hf_stock *stock_numbered(hf_client *client, uint32_t number)
{
    assert(number / CHUNK_LEN < CHUNKS);
    hf_stock **chunk = &client->stocks[number / CHUNK_LEN];
    if (*chunk == NULL) {
        *chunk = memory_zalloc(CHUNK_LEN * sizeof **chunk);
    }
    return *chunk + number % CHUNK_LEN;
}

static hf_stock *stock_of(hf_client *client, const char *sku)
{
    return stock_numbered(client, id_table_add(&client->skus, bytes_of_string(sku)));
}

static hf_verdict set_stock(hf_client *client, const hf_command *command)
{
    hf_stock *stock = stock_of(client, command->sku);
    if (command->quantity < stock->reserved) {
        return HF_BELOW_RESERVED;
    }
    stock->on_hand = command->quantity;
    stock->version++;
    return HF_OK;
}

static hf_verdict adjust_stock(hf_client *client, const hf_command *command)
{
    hf_stock *stock = stock_of(client, command->sku);
    assert(command->reason != NULL && command->quantity != 0);
    if (stock->version == 0) {
        return HF_SKU_NOT_FOUND;
    }
    if (stock->on_hand - stock->reserved + command->quantity < 0) {
        return HF_INSUFFICIENT_STOCK;
    }
    stock->on_hand += command->quantity;
    stock->version++;
    return HF_OK;
}

static struct stand_in_order *order_of(hf_client *client, const char *id)
{
    uint32_t number = id_table_add(&client->order_ids, bytes_of_string(id));
    assert(number / CHUNK_LEN < CHUNKS);
    struct stand_in_order **chunk = &client->orders[number / CHUNK_LEN];
    if (*chunk == NULL) {
        *chunk = memory_zalloc(CHUNK_LEN * sizeof **chunk);
    }
    return *chunk + number % CHUNK_LEN;
}

static hf_verdict reserve(hf_client *client, const hf_command *command)
{
    struct stand_in_order *order = order_of(client, command->order_id);
    assert(command->line_count > 0);
    if (order->state != HF_STATE_NONE) {
        return order->state == HF_STATE_ACTIVE ? HF_ORDER_CONFLICT : HF_ORDER_DEDUCTED;
    }
    for (size_t i = 0; i < command->line_count; i++) {
        const hf_stock *stock = stock_of(client, command->lines[i].sku);
        if (stock->version == 0) {
            return HF_SKU_NOT_FOUND;
        }
        if (stock->on_hand - stock->reserved < command->lines[i].quantity) {
            return HF_INSUFFICIENT_STOCK;
        }
    }
    order->state = HF_STATE_ACTIVE;
    order->line_count = command->line_count;
    order->lines = memory_zalloc(command->line_count * sizeof *order->lines);
    for (size_t i = 0; i < command->line_count; i++) {
        hf_stock *stock = stock_of(client, command->lines[i].sku);
        stock->reserved += command->lines[i].quantity;
        /* Lines of one SKU must have been summed: else the check above was made twice on one
         * stock. */
        assert(stock->reserved <= stock->on_hand);
        order->lines[i].reserved = command->lines[i].quantity;
        order->lines[i].warehouse =
            id_table_add(&client->skus, bytes_of_string(command->lines[i].sku)); /* its number */
    }
    return HF_OK;
}

static hf_verdict close_order(hf_client *client, const hf_command *command)
{
    struct stand_in_order *order = order_of(client, command->order_id);
    if (order->state != HF_STATE_ACTIVE) {
        return order->state == HF_STATE_NONE ? HF_ORDER_NOT_FOUND : HF_OK;
    }
    bool deducts = command->kind == HF_DEDUCT;
    for (size_t i = 0; i < order->line_count; i++) {
        hf_stock *stock = stock_numbered(client, order->lines[i].warehouse);
        stock->reserved -= order->lines[i].reserved;
        stock->on_hand -= deducts ? order->lines[i].reserved : 0;
    }
    order->state = deducts ? HF_STATE_DEDUCTED : HF_STATE_RELEASED;
    return HF_OK;
}

static hf_verdict apply(hf_client *client, const hf_command *command)
{
    switch (command->kind) {
    case HF_SET_STOCK:
        return set_stock(client, command);
    case HF_ADJUST_STOCK:
        return adjust_stock(client, command);
    case HF_RESERVE:
        return reserve(client, command);
    case HF_DEDUCT:
    case HF_RELEASE:
        return close_order(client, command);
    }
    abort();
}

/* What the caller must have kept: limits of one call. */
static void check_call(const hf_command *commands, size_t count)
{
    size_t lines = 0;
    assert(count >= 1 && count <= LIMIT_BATCH_COMMANDS);
    for (size_t i = 0; i < count; i++) {
        lines += commands[i].line_count;
    }
    assert(lines <= LIMIT_LINES);
    (void)lines;
}

/* Under the lock. */
static void answer(hf_client *client, const hf_command *command, hf_result *result)
{
    const hf_failed_line *none = NULL;
    *result = (hf_result){.message = "done", .attempts = 1, .failed_lines = none};
    result->log_index = ++client->log_index;
    bool fault = ++client->commands_seen == client->fault_at;
    if (fault && strcmp(client->fault, "REPLAYED") == 0) {
        result->verdict = HF_OK;
        result->replayed = true;
        return;
    }
    result->verdict = fault && strcmp(client->fault, "RETRIED") != 0 ? verdict_named(client->fault)
                                                                     : apply(client, command);
    if (fault && strcmp(client->fault, "RETRIED") == 0) {
        result->replayed = true;
        result->attempts = 2;
    }
    bool needs_id = command->kind == HF_SET_STOCK || command->kind == HF_ADJUST_STOCK;
    result->request_id = command->request_id;
    if (command->request_id == NULL) {
        result->request_id = "made-by-the-library";
    }
    if (result->verdict < 0) {
        result->message = "no node answered at 127.0.0.1:1: connection refused";
    } else if (needs_id) {
        hf_stock *stock = stock_of(client, command->sku);
        stock->sku = command->sku;
        stock->warehouse = 1;
        stock->available = stock->on_hand - stock->reserved;
        stock->created_at_ms = stock->updated_at_ms = NOW_MS;
        result->stock = stock;
    } else if (result->verdict == HF_OK) {
        result->order_state = order_of(client, command->order_id)->state;
    }
}

static hf_results *answer_all(hf_client *client, const hf_command *commands, size_t count)
{
    hf_results *results = memory_zalloc(sizeof *results + count * sizeof(hf_result));
    hf_result *items = (hf_result *)(results + 1);
    results->verdict = HF_OK;
    results->count = count;
    results->items = items;
    for (size_t i = 0; i < count; i++) {
        answer(client, &commands[i], &items[i]);
        if (results->verdict == HF_OK) {
            results->verdict = items[i].verdict;
        }
    }
    return results;
}

/* ---- the client ---- */

static struct submission **queue_slot(hf_client *client, size_t position)
{
    return &client->queue[(client->queue_head + position) % QUEUE_LEN];
}

static struct submission *take_submission(hf_client *client)
{
    struct submission **first = queue_slot(client, 0);
    if (getenv("STAND_IN_SHUFFLE") != NULL) {
        client->random = client->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        struct submission **drawn = queue_slot(client, (client->random >> 33) % client->queue_len);
        struct submission *swapped = *first;
        *first = *drawn;
        *drawn = swapped;
    }
    struct submission *taken = *first;
    client->queue_head++;
    client->queue_len--;
    return taken;
}

static hf_stock_list *read_stocks(hf_client *client, const hf_stock_key *keys, size_t count)
{
    hf_stock_list *list = memory_zalloc(sizeof *list + count * sizeof(hf_stock_item));
    hf_stock_item *items = (hf_stock_item *)(list + 1);
    *list = (hf_stock_list){.verdict = HF_OK,
                            .message = "done",
                            .attempts = 1,
                            .log_index = client->log_index,
                            .count = count,
                            .items = items,
                            .next_page_token = ""};
    for (size_t i = 0; i < count; i++) {
        items[i].stock = *stock_of(client, keys[i].sku);
        items[i].stock.sku = keys[i].sku;
        items[i].stock.warehouse = 1;
        items[i].verdict = items[i].stock.version > 0 ? HF_OK : HF_SKU_NOT_FOUND;
    }
    return list;
}

static void *serve(void *argument)
{
    hf_client *client = argument;
    pthread_mutex_lock(&client->lock);
    while (!client->closing || client->queue_len > 0) {
        if (client->queue_len == 0) {
            pthread_cond_wait(&client->changed, &client->lock);
            continue;
        }
        struct submission *call = take_submission(client);
        hf_results *results =
            call->commands != NULL ? answer_all(client, call->commands, call->count) : NULL;
        hf_stock_list *list =
            call->keys != NULL ? read_stocks(client, call->keys, call->count) : NULL;
        client->under_way--;
        pthread_mutex_unlock(&client->lock);
        if (results != NULL) {
            call->on_results(call->user, results);
        } else {
            call->on_stocks(call->user, list);
        }
        free(call->commands);
        free(call->keys);
        free(call);
        pthread_mutex_lock(&client->lock);
    }
    pthread_mutex_unlock(&client->lock);
    return NULL;
}

void hf_options_init(hf_options *options)
{
    *options = (hf_options){.timeout_ms = 10000, .max_waiting = 16384};
}

hf_client *hf_client_open(const hf_options *options)
{
    if (strchr(options->endpoints, ':') == NULL) {
        snprintf(last_error, sizeof last_error, "endpoint \"%s\" has no port", options->endpoints);
        return NULL;
    }
    hf_client *client = memory_zalloc(sizeof *client);
    client->max_waiting = options->max_waiting;
    assert(client->max_waiting <= QUEUE_LEN);
    const char *fault = getenv("STAND_IN_FAULT");
    if (fault != NULL) {
        sscanf(fault, "%63[A-Z_]:%" SCNu64, client->fault, &client->fault_at);
    }
    const char *stocks = getenv("STAND_IN_STOCKS");
    for (int i = 0; stocks != NULL && i < atoi(stocks); i++) {
        char sku[32];
        snprintf(sku, sizeof sku, "sku-%06d", i);
        hf_stock *stock = stock_of(client, sku);
        *stock = (hf_stock){.warehouse = 1, .on_hand = i, .available = i, .version = 1};
    }
    pthread_mutex_init(&client->lock, NULL);
    pthread_cond_init(&client->changed, NULL);
    pthread_create(&client->thread, NULL, serve, client);
    return client;
}

static void write_state(hf_client *client, const char *path)
{
    FILE *file = fopen(path, "w");
    assert(file != NULL);
    for (uint32_t i = 0; i < client->skus.count; i++) {
        fprintf(file, "%s %" PRId64 " %" PRId64 "\n", id_table_text(&client->skus, i),
                stock_numbered(client, i)->on_hand, stock_numbered(client, i)->reserved);
    }
    fclose(file);
}

void hf_client_close(hf_client *client)
{
    if (client == NULL) {
        return;
    }
    pthread_mutex_lock(&client->lock);
    client->closing = true;
    pthread_cond_signal(&client->changed);
    pthread_mutex_unlock(&client->lock);
    pthread_join(client->thread, NULL);
    if (getenv("STAND_IN_STATE") != NULL) {
        write_state(client, getenv("STAND_IN_STATE"));
    }
    for (uint32_t i = 0; i < client->order_ids.count; i++) {
        free(client->orders[i / CHUNK_LEN][i % CHUNK_LEN].lines);
    }
    for (size_t i = 0; i < CHUNKS; i++) {
        free(client->stocks[i]);
        free(client->orders[i]);
    }
    id_table_free(&client->skus);
    id_table_free(&client->order_ids);
    pthread_mutex_destroy(&client->lock);
    pthread_cond_destroy(&client->changed);
    free(client);
}

static int enqueue(hf_client *client, struct submission *call)
{
    pthread_mutex_lock(&client->lock);
    bool full = client->under_way == client->max_waiting;
    if (!full) {
        *queue_slot(client, client->queue_len++) = call;
        client->under_way++;
        pthread_cond_signal(&client->changed);
    }
    pthread_mutex_unlock(&client->lock);
    return full ? HF_OVERLOADED : 0;
}

int hf_submit(hf_client *client, const hf_command *commands, size_t count,
              const hf_call_options *options, hf_results_callback callback, void *user)
{
    (void)options;
    check_call(commands, count);
    struct submission *call = memory_zalloc(sizeof *call);
    call->commands = memory_copy(commands, count * sizeof *commands);
    call->count = count;
    call->on_results = callback;
    call->user = user;
    return enqueue(client, call);
}

int hf_submit_get_stocks(hf_client *client, const hf_stock_key *keys, size_t count,
                         const hf_call_options *options, hf_stock_callback callback, void *user)
{
    (void)options;
    struct submission *call = memory_zalloc(sizeof *call);
    call->keys = memory_copy(keys, count * sizeof *keys);
    call->count = count;
    call->on_stocks = callback;
    call->user = user;
    return enqueue(client, call);
}

hf_verdict hf_execute(hf_client *client, const hf_command *commands, size_t count,
                      const hf_call_options *options, hf_results **out)
{
    (void)options;
    check_call(commands, count);
    pthread_mutex_lock(&client->lock);
    *out = answer_all(client, commands, count);
    pthread_mutex_unlock(&client->lock);
    return (*out)->verdict;
}

hf_verdict hf_call(hf_client *client, const hf_command *command, const hf_call_options *options,
                   hf_result **out)
{
    (void)options;
    static const hf_failed_line failed = {"a\"b\n", 1, 5, 2, HF_INSUFFICIENT_STOCK};
    *out = memory_zalloc(sizeof **out);
    pthread_mutex_lock(&client->lock);
    answer(client, command, *out);
    pthread_mutex_unlock(&client->lock);
    if ((*out)->verdict == HF_INSUFFICIENT_STOCK && command->kind == HF_RESERVE) {
        (*out)->failed_lines = &failed;
        (*out)->failed_line_count = 1;
    }
    return (*out)->verdict;
}

hf_verdict hf_get_stocks(hf_client *client, const hf_stock_key *keys, size_t count,
                         const hf_call_options *options, hf_stock_list **out)
{
    pthread_mutex_lock(&client->lock);
    *out = read_stocks(client, keys, count);
    pthread_mutex_unlock(&client->lock);
    (*out)->age_ms = age_ms_of(options);
    (*out)->log_index = index_of(options);
    return HF_OK;
}

hf_verdict hf_list_stock(hf_client *client, uint32_t page_size, const char *page_token,
                         const hf_call_options *options, hf_stock_list **out)
{
    static char token[32];
    uint32_t first = page_token != NULL ? (uint32_t)atoi(page_token) : 0;
    /* A page is no older than the one before. */
    assert(first == 0 || !is_stale(options) || options->min_log_index >= STALE_INDEX);
    uint32_t left = client->skus.count - first;
    uint32_t count = left < page_size ? left : page_size;
    hf_stock_key *keys = memory_alloc(count * sizeof *keys);
    for (uint32_t i = 0; i < count; i++) {
        keys[i].sku = id_table_text(&client->skus, first + i);
    }
    *out = read_stocks(client, keys, count);
    snprintf(token, sizeof token, "%u", first + count);
    (*out)->next_page_token = count < left ? token : "";
    (*out)->age_ms = age_ms_of(options);
    (*out)->log_index = index_of(options);
    free(keys);
    return HF_OK;
}

hf_verdict hf_check_stock(hf_client *client, const hf_line *lines, size_t line_count,
                          const hf_call_options *options, hf_availability **out)
{
    (void)client;
    (void)lines;
    (void)line_count;
    *out = memory_zalloc(sizeof **out);
    (*out)->age_ms = age_ms_of(options);
    (*out)->log_index = index_of(options);
    (*out)->verdict = HF_OK;
    (*out)->message = "done";
    return HF_OK;
}

hf_verdict hf_get_order(hf_client *client, const char *order_id, const hf_call_options *options,
                        hf_order **out)
{
    (void)client;
    (void)order_id;
    *out = memory_zalloc(sizeof **out);
    (*out)->age_ms = age_ms_of(options);
    (*out)->log_index = index_of(options);
    (*out)->verdict = HF_ORDER_NOT_FOUND;
    (*out)->message = "no such order";
    return HF_ORDER_NOT_FOUND;
}

hf_verdict hf_list_history(hf_client *client, const char *sku, uint32_t warehouse,
                           uint32_t page_size, const char *page_token,
                           const hf_call_options *options, hf_history **out)
{
    (void)client;
    (void)sku;
    (void)warehouse;
    (void)page_size;
    bool is_first = *page_token == '\0';
    assert(is_first || !is_stale(options) || options->min_log_index >= STALE_INDEX);
    static const hf_history_row row = {.log_index = 7,
                                       .op = HF_OP_SET,
                                       .on_hand_change = -3,
                                       .order_id = "",
                                       .request_id = "\x1b[2J",
                                       .time_ms = NOW_MS,
                                       .actor = "",
                                       .reason = "\x1b[2J",
                                       .remark = "",
                                       .trace_id = ""};
    *out = memory_zalloc(sizeof **out);
    **out = (hf_history){.verdict = HF_OK,
                         .message = "done",
                         .count = 1,
                         .rows = &row,
                         .log_index = index_of(options),
                         .age_ms = is_first ? age_ms_of(options) : age_ms_of(options) / 2,
                         .next_page_token = is_first ? "second" : ""};
    return HF_OK;
}
