/*
 * client.c - see client.h: opening and closing a client, the hand-over of calls, and waiting for
 * them.
 *
 * What can fail: hf_client_open, for want of resources or for a wrong option, and then nothing is
 * left behind; a hand-over, because the client is closing or has too much to do.
 */
#include "client.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "base/limits.h"
#include "dispatch.h"

struct hf_client {
    /* set when it is opened, and only read from then on */
    uint32_t timeout_ms;
    uint32_t attempt_timeout_ms;
    uint32_t max_waiting;
    bool no_resend;
    char *actor;
    uv_thread_t thread;

    /* of calls handed over and not yet ended */
    atomic_uint calls;
    atomic_size_t request_bytes;

    pthread_mutex_t lock;
    pthread_cond_t left; /* `inside` has become 0 */
    uint32_t inside;     /* program's threads between request_begin and the hand-over */
    bool closing;        /* nothing is handed over any more */
    struct call *queue;  /* handed over, oldest first */
    struct call **queue_end;
    uv_async_t wake; /* sent under the lock, and not once closing has been seen */

    /* the loop's thread only */
    uv_loop_t loop;
    struct dispatch dispatch;
};

/* A thread that waits for its call; lives on that thread's stack. */
struct waiter {
    uv_sem_t ended; /* one futex, no lock */
    hf_verdict verdict;
};

static _Thread_local struct error last_error;

const char *hf_last_error(void)
{
    return last_error.text;
}

/* ---- the loop's thread ---- */

static struct call *take_queue(hf_client *client, bool *closing)
{
    pthread_mutex_lock(&client->lock);
    struct call *first = client->queue;
    client->queue = NULL;
    client->queue_end = &client->queue;
    *closing = client->closing;
    pthread_mutex_unlock(&client->lock);
    return first;
}

static void on_wake(uv_async_t *wake)
{
    hf_client *client = wake->data;
    bool closing;
    struct call *call = take_queue(client, &closing);
    while (call != NULL) {
        struct call *next = call->next;
        if (closing) {
            dispatch_end_closed(call);
        } else {
            dispatch_begin(&client->dispatch, call);
        }
        call = next;
    }
    if (closing) {
        dispatch_close(&client->dispatch);
        uv_close((uv_handle_t *)wake, NULL);
    }
}

static void run_loop(void *context)
{
    hf_client *client = context;
    int busy = uv_run(&client->loop, UV_RUN_DEFAULT); /* until every handle is closed */
    assert(busy == 0);
}

static void wake_waiter(struct waiter *waiter, hf_verdict verdict)
{
    waiter->verdict = verdict;
    uv_sem_post(&waiter->ended); /* from here on it is gone */
}

/* The object is the receiver's from here on. The places are given back first, so that a program
 * that keeps exactly max_waiting calls under way is never refused. */
static void on_call_ended(struct call *call)
{
    hf_client *client = call->owner;
    atomic_fetch_sub(&client->request_bytes, call->held_bytes);
    atomic_fetch_sub(&client->calls, 1);
    if (call->waiter != NULL) {
        wake_waiter(call->waiter, call->verdict);
    } else if (call->on_results != NULL) {
        call->on_results(call->user, call->object);
    } else {
        call->on_stocks(call->user, call->object);
    }
    call_free(call);
}

/* ---- hand-over ---- */

static uint64_t monotonic_ms(void)
{
    return uv_hrtime() / 1000000;
}

static int64_t unix_time_ms(void)
{
    struct timespec now;
    int rc = clock_gettime(CLOCK_REALTIME, &now);
    assert(rc == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool refuse(struct request *request, hf_verdict verdict)
{
    request->refusal = verdict;
    return false;
}

static void leave(struct request *request)
{
    if (!request->inside) {
        return;
    }
    hf_client *client = request->client;
    pthread_mutex_lock(&client->lock);
    request->inside = false;
    if (--client->inside == 0) {
        pthread_cond_signal(&client->left);
    }
    pthread_mutex_unlock(&client->lock);
}

bool request_begin(struct request *request, hf_client *client, enum request_mode mode,
                   const struct reply_shape *shape, size_t room_bytes)
{
    *request = (struct request){.client = client, .refusal = HF_OK};
    request->object = object_new(shape->size, room_bytes);
    request->call = call_new(shape, request->object);
    if (client == NULL) {
        error_set(&request->error, "client is NULL: hf_client_open has failed, or was not called");
        return refuse(request, HF_CLOSED);
    }
    pthread_mutex_lock(&client->lock);
    bool closing = client->closing;
    request->inside = !closing;
    client->inside += closing ? 0 : 1;
    pthread_mutex_unlock(&client->lock);
    if (closing) {
        error_set(&request->error, "%s", hf_verdict_text(HF_CLOSED));
        return refuse(request, HF_CLOSED);
    }
    uv_thread_t self = uv_thread_self();
    if (mode == REQUEST_WAITS && uv_thread_equal(&self, &client->thread) != 0) {
        error_set(&request->error, "a blocking call within a callback would wait for itself: use "
                                   "hf_submit, or call from another thread");
        return refuse(request, HF_INVALID_ARGUMENT);
    }
    return true;
}

struct encode_defaults request_defaults(const struct request *request)
{
    assert(request->inside);
    return (struct encode_defaults){.actor = request->client->actor, .now_ms = unix_time_ms()};
}

void request_check(struct request *request, bool good)
{
    if (!good && request->refusal == HF_OK) {
        refuse(request, HF_INVALID_ARGUMENT);
    }
}

static bool set_times(struct request *request, const hf_call_options *options)
{
    const hf_client *client = request->client;
    uint32_t timeout_ms = client->timeout_ms;
    uint32_t attempt_ms = client->attempt_timeout_ms;
    if (options != NULL) {
        timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : timeout_ms;
        attempt_ms = options->attempt_timeout_ms != 0 ? options->attempt_timeout_ms : attempt_ms;
    }
    if (timeout_ms > LIMIT_DEADLINE_MS) {
        return error_set(&request->error, "timeout_ms is %u; at most %d", timeout_ms,
                         LIMIT_DEADLINE_MS);
    }
    request->call->deadline_ms = monotonic_ms() + timeout_ms;
    request->call->attempt_timeout_ms = request->call->only_endpoint != NULL
                                            ? timeout_ms
                                            : retry_attempt_timeout_ms(timeout_ms, attempt_ms);
    return true;
}

/* What would be lost silently is refused. */
static bool check_freshness(struct request *request, const hf_call_options *options)
{
    return options == NULL || request->takes_freshness ||
           (options->consistency == HF_LINEARIZABLE && options->min_log_index == 0) ||
           error_set(&request->error, "consistency and min_log_index are for reads of the ledger");
}

/* A place among the calls under way, or none. */
static bool take_place(struct request *request)
{
    hf_client *client = request->client;
    size_t len = request->call->request.len;
    if (atomic_fetch_add(&client->calls, 1) >= client->max_waiting) {
        atomic_fetch_sub(&client->calls, 1);
        return error_set(&request->error, "%u calls are under way already (max_waiting)",
                         client->max_waiting);
    }
    request->call->held_bytes = len;
    if (atomic_fetch_add(&client->request_bytes, len) + len > LIMIT_CLIENT_CALL_BYTES) {
        atomic_fetch_sub(&client->request_bytes, len);
        atomic_fetch_sub(&client->calls, 1);
        return error_set(&request->error, "the calls under way have %u bytes already",
                         LIMIT_CLIENT_CALL_BYTES);
    }
    return true;
}

static void give_place_back(struct request *request)
{
    atomic_fetch_sub(&request->client->request_bytes, request->call->held_bytes);
    atomic_fetch_sub(&request->client->calls, 1);
}

/* Appends the call to the queue; the loop's thread is woken by whoever finds the queue empty. */
static bool append_to_queue(struct request *request)
{
    hf_client *client = request->client;
    pthread_mutex_lock(&client->lock);
    bool closing = client->closing;
    if (!closing) {
        struct call *call = request->call;
        bool was_empty = client->queue == NULL;
        call_enter(call, CALL_QUEUED);
        call->next = NULL;
        *client->queue_end = call;
        client->queue_end = &call->next;
        if (was_empty) {
            int rc = uv_async_send(&client->wake);
            assert(rc == 0);
        }
    }
    request->inside = false;
    if (--client->inside == 0) {
        pthread_cond_signal(&client->left);
    }
    pthread_mutex_unlock(&client->lock);
    return !closing;
}

/* True: the call is the loop's. False: it is still ours, and the refusal is set. */
static bool hand_over(struct request *request, const char *path, const hf_call_options *options)
{
    if (request->refusal != HF_OK) {
        return false;
    }
    request->call->path = path;
    request->call->owner = request->client;
    request->call->ended = on_call_ended;
    request->call->is_asked_once |= request->client->no_resend && !request->call->shape->is_read;
    if (!set_times(request, options) || !check_freshness(request, options)) {
        return refuse(request, HF_INVALID_ARGUMENT);
    }
    if (!take_place(request)) {
        return refuse(request, HF_OVERLOADED);
    }
    if (!append_to_queue(request)) {
        give_place_back(request);
        error_set(&request->error, "%s", hf_verdict_text(HF_CLOSED));
        return refuse(request, HF_CLOSED);
    }
    request->call = NULL;
    return true;
}

hf_verdict request_wait(struct request *request, const char *path, const hf_call_options *options)
{
    struct waiter waiter = {.verdict = HF_VERDICT_UNSPECIFIED};
    int rc = uv_sem_init(&waiter.ended, 0);
    assert(rc == 0); /* it only sets a word */
    struct call *call = request->call;
    call->waiter = &waiter;
    if (!hand_over(request, path, options)) {
        uv_sem_destroy(&waiter.ended);
        leave(request);
        call->shape->set_failure(
            request->object,
            &(struct reply_failure){.verdict = request->refusal, .message = request->error.text});
        call_free(call);
        return request->refusal;
    }
    uv_sem_wait(&waiter.ended);
    uv_sem_destroy(&waiter.ended);
    return waiter.verdict;
}

void *request_take(struct request *request, bool wanted)
{
    if (wanted) {
        return request->object;
    }
    object_free(request->object);
    return NULL;
}

int request_submit(struct request *request, const char *path, const hf_call_options *options,
                   hf_results_callback on_results, hf_stock_callback on_stocks, void *user)
{
    struct call *call = request->call;
    call->on_results = on_results;
    call->on_stocks = on_stocks;
    call->user = user;
    if (on_results == NULL && on_stocks == NULL && request->refusal == HF_OK) {
        error_set(&request->error, "callback is NULL");
        refuse(request, HF_INVALID_ARGUMENT);
    }
    if (!hand_over(request, path, options)) {
        leave(request);
        last_error = request->error;
        object_free(request->object);
        call_free(call);
        return (int)request->refusal;
    }
    return 0;
}

/* ---- life ---- */

void hf_options_init(hf_options *options)
{
    *options = (hf_options){
        .endpoints = DEFAULT_CLIENT_ADDRESS,
        .timeout_ms = DEFAULT_DEADLINE_MS,
        .backoff_min_ms = DEFAULT_BACKOFF_MIN_MS,
        .backoff_max_ms = DEFAULT_BACKOFF_MAX_MS,
        .max_waiting = LIMIT_CLIENT_CALLS,
    };
}

static bool check_options(const hf_options *options)
{
    if (options->endpoints == NULL) {
        return error_set(&last_error, "endpoints is NULL; give \"host:port,...\"");
    }
    if (options->timeout_ms < 1 || options->timeout_ms > LIMIT_DEADLINE_MS) {
        return error_set(&last_error, "timeout_ms is %u; from 1 to %d", options->timeout_ms,
                         LIMIT_DEADLINE_MS);
    }
    if (options->backoff_min_ms < 1 || options->backoff_min_ms > options->backoff_max_ms ||
        options->backoff_max_ms > LIMIT_CLIENT_BACKOFF_MS) {
        return error_set(&last_error,
                         "backoff_min_ms is %u and backoff_max_ms is %u; from 1 to %d, and the "
                         "first not above the second",
                         options->backoff_min_ms, options->backoff_max_ms, LIMIT_CLIENT_BACKOFF_MS);
    }
    if (options->max_waiting < 1 || options->max_waiting > LIMIT_CLIENT_CALLS) {
        return error_set(&last_error, "max_waiting is %u; from 1 to %d", options->max_waiting,
                         LIMIT_CLIENT_CALLS);
    }
    return true;
}

static bool open_dispatch(hf_client *client, const hf_options *options)
{
    uint64_t seed;
    ssize_t filled = getrandom(&seed, sizeof(seed), 0);
    assert(filled == (ssize_t)sizeof(seed));
    struct dispatch_config config = {
        .endpoints = options->endpoints,
        .backoff = {options->backoff_min_ms, options->backoff_max_ms},
        .fail_when_overloaded = options->fail_when_overloaded,
        .random = seed,
    };
    return dispatch_open(&client->dispatch, &client->loop, &config, &last_error);
}

/* Signals are the program's: its handlers run in its threads, and a write to a broken connection
 * must not raise SIGPIPE here. */
static bool start_thread(hf_client *client)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = uv_thread_create(&client->thread, run_loop, client);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0 ||
           error_set(&last_error, "the background thread can't be started: %s", uv_strerror(rc));
}

static void close_loop(hf_client *client)
{
    int rc = uv_loop_close(&client->loop);
    assert(rc == 0); /* every handle is closed */
}

static void free_client(hf_client *client)
{
    pthread_cond_destroy(&client->left);
    pthread_mutex_destroy(&client->lock);
    free(client->actor);
    free(client);
}

hf_client *hf_client_open(const hf_options *given)
{
    hf_options options;
    hf_options_init(&options);
    if (given != NULL) {
        options = *given;
    }
    last_error.text[0] = '\0';
    if (!check_options(&options)) {
        return NULL;
    }
    hf_client *client = memory_zalloc(sizeof(*client));
    client->timeout_ms = options.timeout_ms;
    client->attempt_timeout_ms = options.attempt_timeout_ms;
    client->max_waiting = options.max_waiting;
    client->no_resend = options.no_resend;
    client->actor = options.actor != NULL ? memory_strdup(options.actor) : NULL;
    client->queue_end = &client->queue;
    pthread_mutex_init(&client->lock, NULL); /* neither can fail on Linux with default attributes */
    pthread_cond_init(&client->left, NULL);

    int rc = uv_loop_init(&client->loop);
    if (rc != 0) {
        error_set(&last_error, "the event loop can't be made: %s", uv_strerror(rc));
        goto err_after_lock;
    }
    rc = uv_async_init(&client->loop, &client->wake, on_wake);
    if (rc != 0) {
        error_set(&last_error, "the event loop can't be woken: %s", uv_strerror(rc));
        goto err_after_loop;
    }
    client->wake.data = client;
    if (!open_dispatch(client, &options)) {
        goto err_after_wake;
    }
    if (!start_thread(client)) {
        goto err_after_dispatch;
    }
    return client;

err_after_dispatch:
    dispatch_close(&client->dispatch);
err_after_wake:
    uv_close((uv_handle_t *)&client->wake, NULL);
    run_loop(client); /* the handles' own last turns */
err_after_loop:
    close_loop(client);
err_after_lock:
    free_client(client);
    return NULL;
}

void hf_client_close(hf_client *client)
{
    if (client == NULL) {
        return;
    }
    uv_thread_t self = uv_thread_self();
    assert(uv_thread_equal(&self, &client->thread) == 0 && "hf_client_close within a callback");

    pthread_mutex_lock(&client->lock);
    assert(!client->closing && "hf_client_close twice");
    client->closing = true;
    int rc = uv_async_send(&client->wake);
    assert(rc == 0);
    while (client->inside > 0) {
        pthread_cond_wait(&client->left, &client->lock);
    }
    pthread_mutex_unlock(&client->lock);

    rc = uv_thread_join(&client->thread);
    assert(rc == 0);
    close_loop(client);
    assert(atomic_load(&client->calls) == 0);
    free_client(client);
}
