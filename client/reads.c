/*
 * reads.c - the public calls that ask: stocks, orders, history, and one node about itself. Each is:
 * begin a request, encode it, hand it over, wait or not.
 */
#include "client.h"

#include "base/limits.h"

#define READ_ROOM_BYTES 512

#define LEDGER  "/holdfast.v1.Ledger/"
#define CLUSTER "/holdfast.v1.Cluster/"

/* How fresh the answer must be, as the options say. */
static bool take_freshness(struct request *request, const hf_call_options *options,
                           struct encode_freshness *freshness)
{
    *freshness = (struct encode_freshness){0};
    request->takes_freshness = true;
    if (options == NULL) {
        return true;
    }
    if (options->consistency != HF_LINEARIZABLE && options->consistency != HF_STALE) {
        return error_set(&request->error, "consistency is %d; HF_LINEARIZABLE or HF_STALE",
                         (int)options->consistency);
    }
    request->call->is_spread = options->consistency == HF_STALE;
    freshness->consistency = options->consistency;
    freshness->min_log_index = options->min_log_index;
    return true;
}

/* ---- stocks ---- */

hf_verdict hf_get_stock(hf_client *client, const char *sku, uint32_t warehouse,
                        const hf_call_options *options, hf_stock_list **out)
{
    hf_stock_key key = {sku, warehouse};
    struct request request;
    if (request_begin(&request, client, REQUEST_WAITS, &REPLY_STOCK, READ_ROOM_BYTES)) {
        struct encode_freshness freshness;
        bool encoded = take_freshness(&request, options, &freshness) &&
                       encode_get_stock(&request.call->request, &key, &freshness, &request.error);
        request_check(&request, encoded);
        if (encoded) {
            decode_prepare_stocks(request.object, &key, 1);
        }
    }
    hf_verdict verdict = request_wait(&request, LEDGER "GetStock", options);
    hf_stock_list *list = request_take(&request, out != NULL);
    if (out != NULL) {
        *out = list;
    }
    return verdict;
}

static bool check_keys(const hf_stock_key *keys, size_t count, struct error *error)
{
    if (keys == NULL) {
        return error_set(error, "keys is NULL");
    }
    return (count >= 1 && count <= LIMIT_QUERY_ITEMS) ||
           error_set(error, "%zu keys; from 1 to %d", count, LIMIT_QUERY_ITEMS);
}

static const char *encode_keys(struct request *request, const hf_stock_key *keys, size_t count,
                               const hf_call_options *options)
{
    struct buffer *out = &request->call->request;
    struct encode_freshness freshness;
    bool encoded = check_keys(keys, count, &request->error) &&
                   take_freshness(request, options, &freshness) &&
                   (count == 1 ? encode_get_stock(out, keys, &freshness, &request->error)
                               : encode_get_stocks(out, keys, count, &freshness, &request->error));
    request_check(request, encoded);
    if (encoded) {
        decode_prepare_stocks(request->object, keys, count);
    }
    return count == 1 ? LEDGER "GetStock" : LEDGER "BatchGetStock";
}

static const struct reply_shape *shape_of(size_t count)
{
    return count == 1 ? &REPLY_STOCKS_OF_ONE : &REPLY_STOCKS;
}

hf_verdict hf_get_stocks(hf_client *client, const hf_stock_key *keys, size_t count,
                         const hf_call_options *options, hf_stock_list **out)
{
    struct request request;
    const char *path = NULL;
    if (request_begin(&request, client, REQUEST_WAITS, shape_of(count), READ_ROOM_BYTES)) {
        path = encode_keys(&request, keys, count, options);
    }
    hf_verdict verdict = request_wait(&request, path, options);
    hf_stock_list *list = request_take(&request, out != NULL);
    if (out != NULL) {
        *out = list;
    }
    return verdict;
}

int hf_submit_get_stocks(hf_client *client, const hf_stock_key *keys, size_t count,
                         const hf_call_options *options, hf_stock_callback callback, void *user)
{
    struct request request;
    const char *path = NULL;
    if (request_begin(&request, client, REQUEST_SUBMITS, shape_of(count), READ_ROOM_BYTES)) {
        path = encode_keys(&request, keys, count, options);
    }
    return request_submit(&request, path, options, NULL, callback, user);
}

hf_verdict hf_list_stock(hf_client *client, uint32_t page_size, const char *page_token,
                         const hf_call_options *options, hf_stock_list **out)
{
    struct request request;
    if (request_begin(&request, client, REQUEST_WAITS, &REPLY_STOCK_PAGE, READ_ROOM_BYTES)) {
        struct encode_freshness freshness;
        request_check(&request, take_freshness(&request, options, &freshness) &&
                                    encode_list_stock(&request.call->request, page_size, page_token,
                                                      &freshness, &request.error));
    }
    hf_verdict verdict = request_wait(&request, LEDGER "ListStock", options);
    hf_stock_list *list = request_take(&request, out != NULL);
    if (out != NULL) {
        *out = list;
    }
    return verdict;
}

hf_verdict hf_check_stock(hf_client *client, const hf_line *lines, size_t line_count,
                          const hf_call_options *options, hf_availability **out)
{
    struct request request;
    if (request_begin(&request, client, REQUEST_WAITS, &REPLY_AVAILABILITY, READ_ROOM_BYTES)) {
        struct encode_freshness freshness;
        request_check(&request, take_freshness(&request, options, &freshness) &&
                                    encode_check_stock(&request.call->request, lines, line_count,
                                                       &freshness, &request.error));
    }
    hf_verdict verdict = request_wait(&request, LEDGER "CheckStock", options);
    hf_availability *availability = request_take(&request, out != NULL);
    if (out != NULL) {
        *out = availability;
    }
    return verdict;
}

/* ---- orders and history ---- */

hf_verdict hf_get_order(hf_client *client, const char *order_id, const hf_call_options *options,
                        hf_order **out)
{
    struct request request;
    if (request_begin(&request, client, REQUEST_WAITS, &REPLY_ORDER, READ_ROOM_BYTES)) {
        struct encode_freshness freshness;
        request_check(&request, take_freshness(&request, options, &freshness) &&
                                    encode_get_order(&request.call->request, order_id, &freshness,
                                                     &request.error));
    }
    hf_verdict verdict = request_wait(&request, LEDGER "GetOrder", options);
    hf_order *order = request_take(&request, out != NULL);
    if (out != NULL) {
        *out = order;
    }
    return verdict;
}

hf_verdict hf_list_history(hf_client *client, const char *sku, uint32_t warehouse,
                           uint32_t page_size, const char *page_token,
                           const hf_call_options *options, hf_history **out)
{
    hf_stock_key key = {sku, warehouse};
    struct request request;
    if (request_begin(&request, client, REQUEST_WAITS, &REPLY_HISTORY, READ_ROOM_BYTES)) {
        struct encode_freshness freshness;
        request_check(&request, take_freshness(&request, options, &freshness) &&
                                    encode_list_history(&request.call->request, &key, page_size,
                                                        page_token, &freshness, &request.error));
    }
    hf_verdict verdict = request_wait(&request, LEDGER "ListHistory", options);
    hf_history *history = request_take(&request, out != NULL);
    if (out != NULL) {
        *out = history;
    }
    return verdict;
}

/* ---- one node ---- */

/* A request without fields has no bytes. The address is checked where it is used. */
static void ask_only(struct request *request, const char *endpoint)
{
    if (endpoint == NULL) {
        request_check(request, error_set(&request->error, "endpoint is NULL"));
        return;
    }
    request->call->only_endpoint = memory_strdup(endpoint);
}

hf_verdict hf_get_status(hf_client *client, const char *endpoint, const hf_call_options *options,
                         hf_status **out)
{
    struct request request;
    if (request_begin(&request, client, REQUEST_WAITS, &REPLY_STATUS, READ_ROOM_BYTES)) {
        ask_only(&request, endpoint);
    }
    hf_verdict verdict = request_wait(&request, CLUSTER "Status", options);
    hf_status *status = request_take(&request, out != NULL);
    if (out != NULL) {
        *out = status;
    }
    return verdict;
}

hf_verdict hf_verify_at(hf_client *client, const char *endpoint, uint64_t at_index,
                        const hf_call_options *options, hf_verification **out)
{
    struct request request;
    if (request_begin(&request, client, REQUEST_WAITS, &REPLY_VERIFICATION, READ_ROOM_BYTES)) {
        encode_verify(&request.call->request, at_index);
        ask_only(&request, endpoint);
    }
    hf_verdict verdict = request_wait(&request, CLUSTER "Verify", options);
    hf_verification *verification = request_take(&request, out != NULL);
    if (out != NULL) {
        *out = verification;
    }
    return verdict;
}

hf_verdict hf_verify(hf_client *client, const char *endpoint, const hf_call_options *options,
                     hf_verification **out)
{
    return hf_verify_at(client, endpoint, 0, options, out);
}

hf_verdict hf_take_snapshot(hf_client *client, const char *endpoint, const hf_call_options *options,
                            hf_snapshot **out)
{
    struct request request;
    if (request_begin(&request, client, REQUEST_WAITS, &REPLY_SNAPSHOT, READ_ROOM_BYTES)) {
        ask_only(&request, endpoint);
    }
    hf_verdict verdict = request_wait(&request, CLUSTER "TakeSnapshot", options);
    hf_snapshot *snapshot = request_take(&request, out != NULL);
    if (out != NULL) {
        *out = snapshot;
    }
    return verdict;
}
