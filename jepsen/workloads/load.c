/*
 * load.c - threads that make turns.
 *
 * Happy path: a phase starts a thread for each of its clients; each enters, opens its client if it
 * has none, and does its part; whoever ends the phase joins them. Fails: threads; what a thread
 * says went wrong (the first one's words are told).
 *
 * A bounded rate is kept by operations, not by turns: a client that has made n of them begins its
 * next turn no earlier than n intervals after it started. One that was held up (a fault) does not
 * make up for it: that would be a flood right when the cluster recovers.
 */
#include "load.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FLUSH_NS       INT64_C(1000000000)
#define HELD_UP_NS     INT64_C(100000000)
#define CLIENT_STACK   ((size_t)1 << 20)
#define TIMEOUT_MS_MAX 600000

enum phase { PHASE_BEGIN, PHASE_TURNS, PHASE_END };

struct worker {
    struct load *load;
    uint32_t number;
    pthread_t thread;
    _Atomic(struct client *) client;
    bool failed;
    struct error error;
};

struct load {
    struct load_options options;
    void *shared;
    atomic_uint processes;
    enum phase phase;
    uint32_t running; /* threads of the phase */
    pthread_mutex_t lock;
    pthread_cond_t stopped; /* on the monotonic clock */
    bool stop;
    atomic_bool stopping; /* the same, to be looked at without the lock */
    struct worker workers[LOAD_CLIENTS];
};

/* ---- one client ---- */

/* Or sees to it that the one that there is knows the members. */
static bool open_client(struct worker *worker)
{
    const struct load_options *options = &worker->load->options;
    const char *endpoints = options->endpoints(options->context, worker->number);
    if (atomic_load(&worker->client) != NULL) {
        return client_set_endpoints(atomic_load(&worker->client), endpoints, &worker->error);
    }
    struct client_options client = {
        .recorder = options->recorder,
        .processes = &worker->load->processes,
        .endpoints = endpoints,
        .timeout_ms = options->timeout_ms,
        .resends = options->resends && worker->number % 2 == 1,
        .seed = (options->seed << 8) + worker->number,
    };
    atomic_store(&worker->client, client_open(&client, &worker->error));
    return atomic_load(&worker->client) != NULL;
}

/* Until this moment, or until the turns are to stop. */
static void wait_until(struct load *load, int64_t time_ns)
{
    struct timespec until;
    int status = clock_gettime(CLOCK_MONOTONIC, &until);
    assert(status == 0);
    int64_t left_ns = time_ns - recorder_now_ns(load->options.recorder);
    int64_t at_ns = until.tv_nsec + (left_ns > 0 ? left_ns : 0);
    until.tv_sec += at_ns / 1000000000;
    until.tv_nsec = at_ns % 1000000000;
    pthread_mutex_lock(&load->lock);
    for (status = 0; !load->stop && status != ETIMEDOUT;) {
        status = pthread_cond_timedwait(&load->stopped, &load->lock, &until);
        assert(status == 0 || status == ETIMEDOUT);
    }
    pthread_mutex_unlock(&load->lock);
}

/* The lower of the two bounds; 0: there is none. */
static uint32_t rate_of(const struct load_options *options)
{
    uint32_t own = options->workload->rate;
    return options->rate == 0 || (own != 0 && own < options->rate) ? own : options->rate;
}

static bool make_turns(struct worker *worker)
{
    struct load *load = worker->load;
    const struct load_options *options = &load->options;
    struct client *client = atomic_load(&worker->client);
    uint32_t rate = rate_of(options);
    int64_t interval_ns = rate > 0 ? INT64_C(1000000000) * options->client_count / rate : 0;
    int64_t due_ns = recorder_now_ns(options->recorder) +
                     interval_ns * worker->number / (int64_t)options->client_count;
    int64_t flush_ns = 0;
    while (!atomic_load(&load->stopping)) {
        int64_t now_ns = recorder_now_ns(options->recorder);
        if (worker->number == 0 && now_ns >= flush_ns) {
            recorder_flush(options->recorder); /* a failure is kept, and told at its close */
            flush_ns = now_ns + FLUSH_NS;
        }
        if (now_ns < due_ns) {
            wait_until(load, due_ns);
            continue;
        }
        if (!open_client(worker)) {
            return false;
        }
        uint64_t before = client_operations(client);
        options->workload->turn(load->shared, client, worker->number);
        due_ns += interval_ns * (int64_t)(client_operations(client) - before);
        now_ns = recorder_now_ns(options->recorder);
        if (due_ns < now_ns - HELD_UP_NS) {
            due_ns = now_ns;
        }
    }
    return true;
}

static bool do_part(struct worker *worker)
{
    struct load *load = worker->load;
    const struct load_options *options = &load->options;
    if ((options->enter != NULL &&
         !options->enter(options->context, worker->number, &worker->error)) ||
        !open_client(worker)) {
        return false;
    }
    struct client *client = atomic_load(&worker->client);
    switch (load->phase) {
    case PHASE_BEGIN:
        return options->workload->begin(load->shared, client, &worker->error);
    case PHASE_TURNS:
        return make_turns(worker);
    case PHASE_END:
        return options->workload->end(load->shared, client, worker->number, &worker->error);
    }
    return false;
}

static void *run_worker(void *context)
{
    struct worker *worker = context;
    worker->failed = !do_part(worker);
    return NULL;
}

/* ---- phases ---- */

static bool join_phase(struct load *load, struct error *error)
{
    bool fine = true;
    for (uint32_t i = 0; i < load->running; i++) {
        struct worker *worker = &load->workers[i];
        int status = pthread_join(worker->thread, NULL);
        assert(status == 0);
        (void)status;
        if (worker->failed && fine) {
            fine = error_set(error, "client %u: %s", worker->number, worker->error.text);
        }
    }
    load->running = 0;
    return fine;
}

static void tell_to_stop(struct load *load)
{
    pthread_mutex_lock(&load->lock);
    load->stop = true;
    atomic_store(&load->stopping, true);
    pthread_cond_broadcast(&load->stopped);
    pthread_mutex_unlock(&load->lock);
}

/* All the phase's threads, or none. */
static bool start_phase(struct load *load, enum phase phase, uint32_t count, struct error *error)
{
    assert(load->running == 0);
    load->phase = phase;
    load->stop = false;
    atomic_store(&load->stopping, false);
    pthread_attr_t attributes;
    int status = pthread_attr_init(&attributes);
    assert(status == 0);
    status = pthread_attr_setstacksize(&attributes, CLIENT_STACK);
    assert(status == 0);
    while (load->running < count && status == 0) {
        struct worker *worker = &load->workers[load->running];
        worker->failed = false;
        status = pthread_create(&worker->thread, &attributes, run_worker, worker);
        load->running += status == 0;
    }
    pthread_attr_destroy(&attributes);
    if (status != 0) {
        struct error unused;
        tell_to_stop(load);
        join_phase(load, &unused);
        return error_set(error, "client %u has no thread: %s", load->running, strerror(status));
    }
    return true;
}

bool load_begin(struct load *load, struct error *error)
{
    return start_phase(load, PHASE_BEGIN, 1, error) && join_phase(load, error);
}

bool load_start(struct load *load, struct error *error)
{
    return start_phase(load, PHASE_TURNS, load->options.client_count, error);
}

bool load_stop(struct load *load, struct error *error)
{
    assert(load->phase == PHASE_TURNS);
    tell_to_stop(load);
    return join_phase(load, error);
}

bool load_end(struct load *load, struct error *error)
{
    return start_phase(load, PHASE_END, load->options.client_count, error) &&
           join_phase(load, error);
}

/* ---- life ---- */

static bool check_options(const struct load_options *options, struct error *error)
{
    if (options->client_count < 1 || options->client_count > LOAD_CLIENTS) {
        return error_set(error, "%u clients; from 1 to %d", options->client_count, LOAD_CLIENTS);
    }
    if (options->timeout_ms < 1 || options->timeout_ms > TIMEOUT_MS_MAX) {
        return error_set(error, "a timeout of %u ms; from 1 to %d", options->timeout_ms,
                         TIMEOUT_MS_MAX);
    }
    return options->stock_count <= WORKLOAD_STOCKS ||
           error_set(error, "%u SKUs; at most %d", options->stock_count, WORKLOAD_STOCKS);
}

static void init_lock(struct load *load)
{
    pthread_condattr_t attributes;
    int status = pthread_condattr_init(&attributes);
    assert(status == 0);
    status = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    assert(status == 0);
    status = pthread_cond_init(&load->stopped, &attributes);
    assert(status == 0);
    pthread_condattr_destroy(&attributes);
    status = pthread_mutex_init(&load->lock, NULL);
    assert(status == 0);
    (void)status;
}

struct load *load_open(const struct load_options *options, struct error *error)
{
    if (!check_options(options, error)) {
        return NULL;
    }
    struct load *load = memory_zalloc(sizeof *load);
    load->options = *options;
    init_lock(load);
    for (uint32_t i = 0; i < options->client_count; i++) {
        load->workers[i].load = load;
        load->workers[i].number = i;
    }
    struct workload_options shape = {options->seed, options->client_count, options->stock_count};
    load->shared = options->workload->open(&shape);
    return load;
}

void load_close(struct load *load)
{
    if (load == NULL) {
        return;
    }
    assert(load->running == 0);
    load->options.workload->close(load->shared);
    for (uint32_t i = 0; i < load->options.client_count; i++) {
        client_close(atomic_load(&load->workers[i].client));
    }
    pthread_cond_destroy(&load->stopped);
    pthread_mutex_destroy(&load->lock);
    free(load);
}

uint64_t load_operations(const struct load *load)
{
    uint64_t operations = 0;
    for (uint32_t i = 0; i < load->options.client_count; i++) {
        const struct client *client = atomic_load(&load->workers[i].client);
        operations += client != NULL ? client_operations(client) : 0;
    }
    return operations;
}
