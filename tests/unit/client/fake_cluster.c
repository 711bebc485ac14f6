/*
 * fake_cluster.c - see fake_cluster.h.
 *
 * What a test thread wants done to a node is posted to the loop's thread and waited for; scripts
 * and records are under the lock.
 */
#include "fake_cluster.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

#include "base/error.h"
#include "holdfast/v1/cluster.pb-c.h"
#include "holdfast/v1/ledger.pb-c.h"
#include "rpc/server.h"

#define MAX_STEPS    64
#define MAX_REQUESTS 65536
#define MAX_HELD     4096
#define WAIT_SECONDS 10

struct fake_node {
    struct fake_cluster *cluster;
    int number;
    char address[32];
    struct rpc_server *server; /* NULL: stopped */
    bool wants_cut;
    struct fake_step steps[MAX_STEPS];
    size_t step_count;
    size_t steps_done;
    struct fake_step always;
    size_t request_count;
};

enum order_kind { ORDER_NONE, ORDER_STOP, ORDER_START, ORDER_CLOSE };

struct fake_cluster {
    uv_loop_t loop;
    uv_async_t wake;
    uv_thread_t thread;
    struct fake_node nodes[FAKE_NODES];
    char endpoints[FAKE_NODES * 32];
    bool closing;
    uint64_t log_index;
    struct rpc_call *held[MAX_HELD];
    size_t held_count;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum order_kind order;
    int order_node;
    struct fake_request *requests;
    size_t request_count;
};

/* ---- answers ---- */

static void reply_message(struct rpc_call *call, const ProtobufCMessage *message)
{
    struct buffer out = {0};
    size_t size = protobuf_c_message_get_packed_size(message);
    protobuf_c_message_pack(message, buffer_reserve(&out, size));
    out.len = size;
    rpc_call_reply_take(call, &out);
}

static Holdfast__V1__CommandResult result_of(struct fake_cluster *cluster, int verdict)
{
    Holdfast__V1__CommandResult result = HOLDFAST__V1__COMMAND_RESULT__INIT;
    result.verdict = (Holdfast__V1__Verdict)verdict;
    result.message = "as the script says";
    result.log_index = ++cluster->log_index;
    return result;
}

static void answer_execute(struct fake_cluster *cluster, struct rpc_call *call,
                           struct bytes message, int verdict)
{
    Holdfast__V1__ExecuteRequest *request =
        holdfast__v1__execute_request__unpack(NULL, message.len, message.data);
    assert(request != NULL);
    size_t count = request->n_commands;
    Holdfast__V1__CommandResult *results = calloc(count, sizeof(*results));
    Holdfast__V1__CommandResult **pointers = calloc(count, sizeof(void *));
    for (size_t i = 0; i < count; i++) {
        results[i] = result_of(cluster, verdict);
        results[i].log_position = (uint32_t)i;
        pointers[i] = &results[i];
    }
    Holdfast__V1__ExecuteResponse reply = HOLDFAST__V1__EXECUTE_RESPONSE__INIT;
    reply.n_results = count;
    reply.results = pointers;
    reply_message(call, &reply.base);
    free(pointers);
    free(results);
    holdfast__v1__execute_request__free_unpacked(request, NULL);
}

static void answer_get_stock(struct fake_cluster *cluster, struct rpc_call *call,
                             struct bytes message, int verdict)
{
    Holdfast__V1__GetStockRequest *request =
        holdfast__v1__get_stock_request__unpack(NULL, message.len, message.data);
    assert(request != NULL);
    Holdfast__V1__Stock stock = HOLDFAST__V1__STOCK__INIT;
    stock.sku = request->sku;
    stock.on_hand = 7;
    Holdfast__V1__GetStockResponse reply = HOLDFAST__V1__GET_STOCK_RESPONSE__INIT;
    reply.verdict = (Holdfast__V1__Verdict)verdict;
    reply.stock = verdict == HOLDFAST__V1__VERDICT__OK ? &stock : NULL;
    reply.log_index = ++cluster->log_index;
    reply_message(call, &reply.base);
    holdfast__v1__get_stock_request__free_unpacked(request, NULL);
}

static void answer_get_stocks(struct fake_cluster *cluster, struct rpc_call *call,
                              struct bytes message, int verdict)
{
    Holdfast__V1__BatchGetStockRequest *request =
        holdfast__v1__batch_get_stock_request__unpack(NULL, message.len, message.data);
    assert(request != NULL);
    Holdfast__V1__Stock stock = HOLDFAST__V1__STOCK__INIT;
    stock.on_hand = 7;
    Holdfast__V1__GetStockResponse item = HOLDFAST__V1__GET_STOCK_RESPONSE__INIT;
    item.verdict = (Holdfast__V1__Verdict)verdict;
    item.stock = verdict == HOLDFAST__V1__VERDICT__OK ? &stock : NULL;
    Holdfast__V1__GetStockResponse **items = calloc(request->n_keys, sizeof(void *));
    for (size_t i = 0; i < request->n_keys; i++) {
        items[i] = &item;
    }
    Holdfast__V1__BatchGetStockResponse reply = HOLDFAST__V1__BATCH_GET_STOCK_RESPONSE__INIT;
    reply.n_stocks = request->n_keys;
    reply.stocks = items;
    reply.log_index = ++cluster->log_index;
    reply_message(call, &reply.base);
    free(items);
    holdfast__v1__batch_get_stock_request__free_unpacked(request, NULL);
}

static void answer_other_read(struct fake_node *node, struct rpc_call *call, const char *method,
                              int verdict)
{
    uint64_t log_index = ++node->cluster->log_index;
    if (strcmp(method, "CheckStock") == 0) {
        Holdfast__V1__CheckStockResponse reply = HOLDFAST__V1__CHECK_STOCK_RESPONSE__INIT;
        reply.available = true;
        reply.log_index = log_index;
        reply_message(call, &reply.base);
    } else if (strcmp(method, "ListStock") == 0) {
        Holdfast__V1__ListStockResponse reply = HOLDFAST__V1__LIST_STOCK_RESPONSE__INIT;
        reply.next_page_token = "more";
        reply.log_index = log_index;
        reply_message(call, &reply.base);
    } else if (strcmp(method, "GetOrder") == 0) {
        Holdfast__V1__Order order = HOLDFAST__V1__ORDER__INIT;
        order.order_id = "order";
        order.state = HOLDFAST__V1__ORDER__STATE__ACTIVE;
        Holdfast__V1__GetOrderResponse reply = HOLDFAST__V1__GET_ORDER_RESPONSE__INIT;
        reply.verdict = (Holdfast__V1__Verdict)verdict;
        reply.order = &order;
        reply.log_index = log_index;
        reply_message(call, &reply.base);
    } else if (strcmp(method, "ListHistory") == 0) {
        Holdfast__V1__ListHistoryResponse reply = HOLDFAST__V1__LIST_HISTORY_RESPONSE__INIT;
        reply.verdict = (Holdfast__V1__Verdict)verdict;
        reply.log_index = log_index;
        reply_message(call, &reply.base);
    } else if (strcmp(method, "Status") == 0) {
        Holdfast__V1__StatusResponse reply = HOLDFAST__V1__STATUS_RESPONSE__INIT;
        reply.node_id = (uint64_t)node->number + 1;
        reply_message(call, &reply.base);
    } else if (strcmp(method, "TakeSnapshot") == 0) {
        Holdfast__V1__TakeSnapshotResponse reply = HOLDFAST__V1__TAKE_SNAPSHOT_RESPONSE__INIT;
        reply.node_id = (uint64_t)node->number + 1;
        reply.snapshot_index = 77;
        reply_message(call, &reply.base);
    } else {
        assert(strcmp(method, "Verify") == 0);
        Holdfast__V1__VerifyResponse reply = HOLDFAST__V1__VERIFY_RESPONSE__INIT;
        reply.digest = "d";
        reply.recomputed_digest = "d";
        reply_message(call, &reply.base);
    }
}

static bool is_command(const char *method)
{
    return strcmp(method, "SetStock") == 0 || strcmp(method, "AdjustStock") == 0 ||
           strcmp(method, "Reserve") == 0 || strcmp(method, "Deduct") == 0 ||
           strcmp(method, "Release") == 0;
}

static void answer(struct fake_node *node, struct rpc_call *call, struct bytes message, int verdict)
{
    const char *method = strrchr(rpc_call_path(call), '/') + 1;
    if (is_command(method)) {
        Holdfast__V1__CommandResult result = result_of(node->cluster, verdict);
        reply_message(call, &result.base);
    } else if (strcmp(method, "Execute") == 0) {
        answer_execute(node->cluster, call, message, verdict);
    } else if (strcmp(method, "GetStock") == 0) {
        answer_get_stock(node->cluster, call, message, verdict);
    } else if (strcmp(method, "BatchGetStock") == 0) {
        answer_get_stocks(node->cluster, call, message, verdict);
    } else {
        answer_other_read(node, call, method, verdict);
    }
}

/* ---- requests ---- */

static struct fake_step record(struct fake_node *node, struct rpc_call *call, struct bytes message)
{
    struct fake_cluster *cluster = node->cluster;
    pthread_mutex_lock(&cluster->lock);
    assert(cluster->request_count < MAX_REQUESTS);
    struct fake_request *request = &cluster->requests[cluster->request_count++];
    request->node = node->number;
    snprintf(request->path, sizeof(request->path), "%s", rpc_call_path(call));
    buffer_append_bytes(&request->message, message);
    node->request_count++;
    struct fake_step step =
        node->steps_done < node->step_count ? node->steps[node->steps_done++] : node->always;
    pthread_cond_broadcast(&cluster->changed);
    pthread_mutex_unlock(&cluster->lock);
    return step;
}

static void hold(struct fake_cluster *cluster, struct rpc_call *call)
{
    assert(cluster->held_count < MAX_HELD);
    cluster->held[cluster->held_count++] = call;
}

static void on_request(void *context, struct rpc_call *call, struct bytes message)
{
    struct fake_node *node = context;
    struct fake_step step = record(node, call, message);
    if (step.leader != NULL) {
        rpc_call_set_metadata(call, "holdfast-leader", step.leader);
    }
    switch (step.what) {
    case FAKE_ANSWER:
        answer(node, call, message, step.verdict != 0 ? step.verdict : 1);
        break;
    case FAKE_FAIL:
        rpc_call_fail(call, step.status, "the script says %s", rpc_status_name(step.status));
        break;
    case FAKE_HOLD:
        hold(node->cluster, call);
        break;
    case FAKE_CUT:
        hold(node->cluster, call);
        node->wants_cut = true;
        uv_async_send(&node->cluster->wake);
        break;
    case FAKE_GARBAGE:
        rpc_call_reply(call, BYTES_LITERAL("\xff\xff\xff"));
        break;
    }
}

/* ---- nodes ---- */

#define METHOD(service, name)                                                                      \
    {                                                                                              \
        "/holdfast.v1." service "/" name, on_request                                               \
    }

static const struct rpc_method METHODS[] = {
    METHOD("Ledger", "SetStock"),      METHOD("Ledger", "AdjustStock"),
    METHOD("Ledger", "Reserve"),       METHOD("Ledger", "Deduct"),
    METHOD("Ledger", "Release"),       METHOD("Ledger", "Execute"),
    METHOD("Ledger", "GetStock"),      METHOD("Ledger", "BatchGetStock"),
    METHOD("Ledger", "CheckStock"),    METHOD("Ledger", "ListStock"),
    METHOD("Ledger", "GetOrder"),      METHOD("Ledger", "ListHistory"),
    METHOD("Cluster", "Status"),       METHOD("Cluster", "Verify"),
    METHOD("Cluster", "TakeSnapshot"),
};

static void open_server(struct fake_node *node)
{
    struct error error;
    struct rpc_server_config config = {
        .address = node->address,
        .methods = METHODS,
        .method_count = sizeof(METHODS) / sizeof(METHODS[0]),
        .context = node,
    };
    node->server = rpc_server_open(&node->cluster->loop, &config, &error);
    if (node->server == NULL) {
        fprintf(stderr, "fake node %d: %s\n", node->number, error.text);
        abort();
    }
    snprintf(node->address, sizeof(node->address), "127.0.0.1:%u",
             (unsigned)rpc_server_port(node->server));
}

static void close_server(struct fake_node *node, void (*closed)(void *context))
{
    if (node->server != NULL) {
        rpc_server_close(node->server, closed, node);
        node->server = NULL;
    }
}

static void finish_order(struct fake_cluster *cluster)
{
    pthread_mutex_lock(&cluster->lock);
    cluster->order = ORDER_NONE;
    pthread_cond_broadcast(&cluster->changed);
    pthread_mutex_unlock(&cluster->lock);
}

static void on_cut_closed(void *context)
{
    struct fake_node *node = context;
    if (!node->cluster->closing) {
        open_server(node);
    }
}

static void on_stop_closed(void *context)
{
    finish_order(((struct fake_node *)context)->cluster);
}

static void close_all(struct fake_cluster *cluster)
{
    cluster->closing = true;
    for (int i = 0; i < FAKE_NODES; i++) {
        close_server(&cluster->nodes[i], NULL);
    }
    for (size_t i = 0; i < cluster->held_count; i++) {
        rpc_call_fail(cluster->held[i], RPC_UNAVAILABLE, "the fake cluster is closed");
    }
    uv_close((uv_handle_t *)&cluster->wake, NULL);
    finish_order(cluster);
}

static void on_wake(uv_async_t *wake)
{
    struct fake_cluster *cluster = wake->data;
    for (int i = 0; i < FAKE_NODES; i++) {
        if (cluster->nodes[i].wants_cut && cluster->nodes[i].server != NULL) {
            cluster->nodes[i].wants_cut = false;
            close_server(&cluster->nodes[i], on_cut_closed);
        }
    }
    pthread_mutex_lock(&cluster->lock);
    enum order_kind order = cluster->order;
    struct fake_node *node = &cluster->nodes[cluster->order_node];
    pthread_mutex_unlock(&cluster->lock);
    switch (order) {
    case ORDER_NONE:
        break;
    case ORDER_STOP:
        close_server(node, on_stop_closed);
        break;
    case ORDER_START:
        open_server(node);
        finish_order(cluster);
        break;
    case ORDER_CLOSE:
        close_all(cluster);
        break;
    }
}

static void run_loop(void *context)
{
    struct fake_cluster *cluster = context;
    uv_run(&cluster->loop, UV_RUN_DEFAULT);
}

static void give_order(struct fake_cluster *cluster, enum order_kind order, int node)
{
    pthread_mutex_lock(&cluster->lock);
    cluster->order = order;
    cluster->order_node = node;
    uv_async_send(&cluster->wake);
    while (cluster->order != ORDER_NONE) {
        pthread_cond_wait(&cluster->changed, &cluster->lock);
    }
    pthread_mutex_unlock(&cluster->lock);
}

/* ---- for tests ---- */

struct fake_cluster *fake_cluster_open(void)
{
    struct fake_cluster *cluster = calloc(1, sizeof(*cluster));
    cluster->requests = calloc(MAX_REQUESTS, sizeof(*cluster->requests));
    pthread_mutex_init(&cluster->lock, NULL);
    pthread_cond_init(&cluster->changed, NULL);
    uv_loop_init(&cluster->loop);
    uv_async_init(&cluster->loop, &cluster->wake, on_wake);
    cluster->wake.data = cluster;
    for (int i = 0; i < FAKE_NODES; i++) {
        struct fake_node *node = &cluster->nodes[i];
        node->cluster = cluster;
        node->number = i;
        snprintf(node->address, sizeof(node->address), "127.0.0.1:0");
        open_server(node);
    }
    snprintf(cluster->endpoints, sizeof(cluster->endpoints), "%s,%s,%s", cluster->nodes[0].address,
             cluster->nodes[1].address, cluster->nodes[2].address);
    uv_thread_create(&cluster->thread, run_loop, cluster);
    return cluster;
}

void fake_cluster_close(struct fake_cluster *cluster)
{
    give_order(cluster, ORDER_CLOSE, 0);
    uv_thread_join(&cluster->thread);
    int rc = uv_loop_close(&cluster->loop);
    assert(rc == 0);
    for (size_t i = 0; i < cluster->request_count; i++) {
        buffer_free(&cluster->requests[i].message);
    }
    pthread_cond_destroy(&cluster->changed);
    pthread_mutex_destroy(&cluster->lock);
    free(cluster->requests);
    free(cluster);
}

const char *fake_cluster_address(const struct fake_cluster *cluster, int node)
{
    return cluster->nodes[node].address;
}

const char *fake_cluster_endpoints(const struct fake_cluster *cluster)
{
    return cluster->endpoints;
}

void fake_cluster_stop(struct fake_cluster *cluster, int node)
{
    give_order(cluster, ORDER_STOP, node);
}

void fake_cluster_start(struct fake_cluster *cluster, int node)
{
    give_order(cluster, ORDER_START, node);
}

void fake_cluster_next(struct fake_cluster *cluster, int node, struct fake_step step)
{
    pthread_mutex_lock(&cluster->lock);
    assert(cluster->nodes[node].step_count < MAX_STEPS);
    cluster->nodes[node].steps[cluster->nodes[node].step_count++] = step;
    pthread_mutex_unlock(&cluster->lock);
}

void fake_cluster_always(struct fake_cluster *cluster, int node, struct fake_step step)
{
    pthread_mutex_lock(&cluster->lock);
    cluster->nodes[node].always = step;
    pthread_mutex_unlock(&cluster->lock);
}

size_t fake_cluster_count(struct fake_cluster *cluster)
{
    pthread_mutex_lock(&cluster->lock);
    size_t count = cluster->request_count;
    pthread_mutex_unlock(&cluster->lock);
    return count;
}

size_t fake_cluster_count_of(struct fake_cluster *cluster, int node)
{
    pthread_mutex_lock(&cluster->lock);
    size_t count = cluster->nodes[node].request_count;
    pthread_mutex_unlock(&cluster->lock);
    return count;
}

const struct fake_request *fake_cluster_request(struct fake_cluster *cluster, size_t i)
{
    pthread_mutex_lock(&cluster->lock);
    assert(i < cluster->request_count);
    const struct fake_request *request = &cluster->requests[i];
    pthread_mutex_unlock(&cluster->lock);
    return request;
}

void fake_cluster_wait(struct fake_cluster *cluster, size_t count)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_SECONDS;
    pthread_mutex_lock(&cluster->lock);
    int rc = 0;
    while (cluster->request_count < count && rc == 0) {
        rc = pthread_cond_timedwait(&cluster->changed, &cluster->lock, &until);
    }
    assert(cluster->request_count >= count);
    pthread_mutex_unlock(&cluster->lock);
}
