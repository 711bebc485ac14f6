/*
 * bench.c - `holdfast bench`: how many orders a second, and how fast.
 *
 * Every SKU gets a large stock first. Then --clients callers with --inflight calls each send one
 * call after the other until the time is up: a Reserve of one unit of one line (with --batch B: B
 * of them in one Execute), or, for --reads percent of the calls, the same number of stock reads.
 * Callers live in callbacks on the library's thread, so a thousand of them cost no thread.
 *
 * Latency is per call, from hf_submit to its callback. What is not granted counts as an error, and
 * the first of them is told. What can fail: no answer to the set-up (exit 3), or no call that
 * succeeds (the exit code of the first error).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/limits.h"
#include "completion.h"
#include "distribution.h"
#include "histogram.h"
#include "summary.h"
#include "verb.h"

#define STOCKS_PER_CALL 1000
#define STOCK_UNITS     INT64_C(1000000000000)
#define PROGRESS_MS     200
#define SKU_BYTES       32
#define ORDER_ID_BYTES  64

struct bench {
    struct verb *verb;
    int64_t batch;
    int64_t clients;
    int64_t inflight;
    int64_t sku_count;
    int64_t duration_ms;
    int64_t reads_percent;
    bool reads_stale;
    int distribution_kind;
    struct distribution distribution;
    char (*skus)[SKU_BYTES];
    uint64_t run_id; /* makes the order ids of two runs differ */
    uint64_t start_ns;
    uint64_t end_ns;

    /* Below: under completion.lock. */
    struct completion completion;
    struct histogram latency;
    uint64_t acknowledged;
    uint64_t errors;
    hf_verdict first_error;
    struct error first_error_text;
};

/* One call at a time; its buffers are used again. */
struct caller {
    struct bench *bench;
    uint32_t number;
    uint64_t next_order;
    struct random random;
    uint64_t sent_at_ns;
    hf_command *commands; /* batch of each */
    hf_line *lines;
    hf_stock_key *keys;
    char (*order_ids)[ORDER_ID_BYTES];
};

/* ---- the way of a caller ---- */

static void caller_advance(struct caller *caller);

static void count_error(struct bench *bench, hf_verdict verdict, const char *message,
                        uint64_t count)
{
    if (bench->errors == 0) {
        bench->first_error = verdict;
        error_set(&bench->first_error_text, "%s: %s", hf_verdict_name(verdict), message);
    }
    bench->errors += count;
}

static void on_reserves_done(void *user, hf_results *results)
{
    struct caller *caller = user;
    struct bench *bench = caller->bench;
    uint64_t took_ns = clock_now_ns() - caller->sent_at_ns;
    pthread_mutex_lock(&bench->completion.lock);
    histogram_record(&bench->latency, took_ns);
    for (size_t i = 0; i < results->count; i++) {
        const hf_result *result = &results->items[i];
        if (result->verdict == HF_OK) {
            bench->acknowledged++;
        } else {
            count_error(bench, result->verdict, result->message, 1);
        }
    }
    pthread_mutex_unlock(&bench->completion.lock);
    hf_free(results);
    caller_advance(caller);
}

static void on_reads_done(void *user, hf_stock_list *list)
{
    struct caller *caller = user;
    struct bench *bench = caller->bench;
    uint64_t took_ns = clock_now_ns() - caller->sent_at_ns;
    pthread_mutex_lock(&bench->completion.lock);
    histogram_record(&bench->latency, took_ns);
    if (list->verdict != HF_OK) {
        count_error(bench, list->verdict, list->message, (uint64_t)bench->batch);
    }
    for (size_t i = 0; list->verdict == HF_OK && i < list->count; i++) {
        if (list->items[i].verdict == HF_OK) {
            bench->acknowledged++;
        } else {
            count_error(bench, list->items[i].verdict, list->items[i].stock.sku, 1);
        }
    }
    pthread_mutex_unlock(&bench->completion.lock);
    hf_free(list);
    caller_advance(caller);
}

static const char *draw_sku(struct caller *caller)
{
    struct bench *bench = caller->bench;
    return bench->skus[distribution_draw(&bench->distribution, &caller->random)];
}

static int submit_reads(struct caller *caller)
{
    size_t count = (size_t)caller->bench->batch;
    for (size_t i = 0; i < count; i++) {
        caller->keys[i].sku = draw_sku(caller);
    }
    const hf_call_options stale = {.consistency = HF_STALE};
    return hf_submit_get_stocks(caller->bench->verb->client, caller->keys, count,
                                caller->bench->reads_stale ? &stale : NULL, on_reads_done, caller);
}

static int submit_reserves(struct caller *caller)
{
    size_t count = (size_t)caller->bench->batch;
    for (size_t i = 0; i < count; i++) {
        caller->lines[i].sku = draw_sku(caller);
        snprintf(caller->order_ids[i], ORDER_ID_BYTES, "bench-%016" PRIx64 "-%" PRIu32 "-%" PRIu64,
                 caller->bench->run_id, caller->number, caller->next_order++);
    }
    return hf_submit(caller->bench->verb->client, caller->commands, count, NULL, on_reserves_done,
                     caller);
}

/* The next call, or the end. The lock must not be held. */
static void caller_advance(struct caller *caller)
{
    struct bench *bench = caller->bench;
    caller->sent_at_ns = clock_now_ns();
    int rc = 0;
    bool over = caller->sent_at_ns >= bench->end_ns;
    if (!over) {
        bool reads = (int64_t)random_below(&caller->random, 100) < bench->reads_percent;
        rc = reads ? submit_reads(caller) : submit_reserves(caller);
    }
    if (over || rc < 0) {
        pthread_mutex_lock(&bench->completion.lock);
        if (rc < 0) {
            count_error(bench, (hf_verdict)rc, hf_last_error(), (uint64_t)bench->batch);
        }
        completion_leave(&bench->completion);
        pthread_mutex_unlock(&bench->completion.lock);
    }
}

/* ---- set-up ---- */

static bool set_stocks_call(struct bench *bench, size_t first, size_t count)
{
    hf_command *commands = memory_zalloc(count * sizeof *commands);
    for (size_t i = 0; i < count; i++) {
        commands[i].kind = HF_SET_STOCK;
        commands[i].sku = bench->skus[first + i];
        commands[i].quantity = STOCK_UNITS;
    }
    hf_results *results;
    hf_verdict verdict = hf_execute(bench->verb->client, commands, count, NULL, &results);
    if (verdict < 0) {
        verb_fail_unanswered(bench->verb, verdict, results->items[0].message, &results->items[0]);
    } else if (verdict != HF_OK) {
        verb_fail(bench->verb, EXIT_CODE_REFUSED, "the stocks could not be set: %s: %s",
                  hf_verdict_name(verdict), hf_verdict_text(verdict));
    }
    hf_free(results);
    free(commands);
    return verdict == HF_OK;
}

static bool set_stocks(struct bench *bench)
{
    size_t total = (size_t)bench->sku_count;
    bench->skus = memory_alloc(total * sizeof *bench->skus);
    for (size_t i = 0; i < total; i++) {
        snprintf(bench->skus[i], SKU_BYTES, "bench-%07zu", i + 1);
    }
    for (size_t first = 0; first < total; first += STOCKS_PER_CALL) {
        size_t left = total - first;
        progress_show(first, total, "stocks set");
        if (!set_stocks_call(bench, first, left < STOCKS_PER_CALL ? left : STOCKS_PER_CALL)) {
            return false;
        }
    }
    return true;
}

static void caller_init(struct caller *caller, struct bench *bench, size_t number)
{
    size_t batch = (size_t)bench->batch;
    *caller = (struct caller){
        .bench = bench,
        .number = (uint32_t)number,
        .random = {bench->run_id + number},
        .commands = memory_zalloc(batch * sizeof *caller->commands),
        .lines = memory_zalloc(batch * sizeof *caller->lines),
        .keys = memory_zalloc(batch * sizeof *caller->keys),
        .order_ids = memory_zalloc(batch * sizeof *caller->order_ids),
    };
    for (size_t i = 0; i < batch; i++) {
        caller->lines[i].quantity = 1;
        caller->commands[i] = (hf_command){
            .kind = HF_RESERVE,
            .order_id = caller->order_ids[i],
            .lines = &caller->lines[i],
            .line_count = 1,
        };
    }
}

static void caller_free(struct caller *caller)
{
    free(caller->commands);
    free(caller->lines);
    free(caller->keys);
    free(caller->order_ids);
}

/* ---- the run ---- */

/* Seconds from the first call to the end of the last one. */
static double run_callers(struct bench *bench)
{
    size_t count = (size_t)(bench->clients * bench->inflight);
    struct caller *callers = memory_alloc(count * sizeof *callers);
    for (size_t i = 0; i < count; i++) {
        caller_init(&callers[i], bench, i);
    }
    completion_init(&bench->completion, count);
    bench->start_ns = clock_now_ns();
    bench->end_ns = bench->start_ns + (uint64_t)bench->duration_ms * UINT64_C(1000000);
    for (size_t i = 0; i < count; i++) {
        caller_advance(&callers[i]);
    }
    bool over;
    do {
        pthread_mutex_lock(&bench->completion.lock);
        over = completion_wait_ms(&bench->completion, PROGRESS_MS);
        pthread_mutex_unlock(&bench->completion.lock);
        uint64_t done_s = (clock_now_ns() - bench->start_ns) / UINT64_C(1000000000);
        progress_show(done_s, (uint64_t)bench->duration_ms / 1000, "seconds");
    } while (!over);
    double seconds = (double)(clock_now_ns() - bench->start_ns) / 1e9;
    completion_destroy(&bench->completion);
    for (size_t i = 0; i < count; i++) {
        caller_free(&callers[i]);
    }
    free(callers);
    return seconds;
}

static void print_summary(const struct bench *bench, double seconds)
{
    const struct figure figures[] = {
        {"ops_per_s", (double)bench->acknowledged / seconds, 1},
        {"p50_ms", histogram_percentile_ms(&bench->latency, 50), 3},
        {"p99_ms", histogram_percentile_ms(&bench->latency, 99), 3},
        {"p999_ms", histogram_percentile_ms(&bench->latency, 99.9), 3},
        {"max_ms", histogram_max_ms(&bench->latency), 3},
        {"errors", (double)bench->errors, 0},
        {"seconds", seconds, 3},
    };
    summary_print(bench->verb, figures, sizeof figures / sizeof *figures);
}

static void run(struct bench *bench)
{
    struct verb *verb = bench->verb;
    if (getrandom(&bench->run_id, sizeof bench->run_id, 0) != sizeof bench->run_id) {
        verb_fail(verb, EXIT_CODE_USAGE, "no random number for the run: %s", strerror(errno));
        return;
    }
    if (!verb_connect(verb) || !set_stocks(bench)) {
        return;
    }
    distribution_make(&bench->distribution, (enum distribution_kind)bench->distribution_kind,
                      (uint32_t)bench->sku_count);
    double seconds = run_callers(bench);
    distribution_free(&bench->distribution);
    progress_clear();
    if (bench->errors > 0) {
        enum exit_code code =
            bench->acknowledged > 0 ? EXIT_CODE_DONE : exit_code_of(bench->first_error);
        verb_fail(verb, code, "%" PRIu64 " errors, the first: %s", bench->errors,
                  bench->first_error_text.text);
    }
    print_summary(bench, seconds);
}

int verb_bench(int argc, char **argv)
{
    struct verb verb = {0};
    struct bench *bench = memory_zalloc(sizeof *bench);
    *bench = (struct bench){
        .verb = &verb,
        .batch = 1,
        .clients = 64,
        .inflight = 1,
        .sku_count = 1000,
        .duration_ms = 10000,
    };
    const struct command_option options[] = {
        {.kind = OPTION_NUMBER,
         .name = "batch",
         .target = &bench->batch,
         .value_name = "B",
         .min = 1,
         .max = LIMIT_BATCH_COMMANDS,
         .help = "commands in one call (default: 1)"},
        {.kind = OPTION_NUMBER,
         .name = "clients",
         .target = &bench->clients,
         .value_name = "C",
         .min = 1,
         .max = LIMIT_LOAD_CALLERS,
         .help = "independent callers (default: 64)"},
        {.kind = OPTION_NUMBER,
         .name = "inflight",
         .target = &bench->inflight,
         .value_name = "I",
         .min = 1,
         .max = LIMIT_LOAD_CALLERS,
         .help = "calls that each has under way (default: 1)"},
        {.kind = OPTION_NUMBER,
         .name = "skus",
         .target = &bench->sku_count,
         .value_name = "N",
         .min = 1,
         .max = LIMIT_LOAD_SKUS,
         .help = "SKUs to order from (default: 1000)"},
        {.kind = OPTION_CHOICE,
         .name = "distribution",
         .target = &bench->distribution_kind,
         .value_name = "D",
         .choices = distribution_names,
         .help = "uniform, zipf (exponent 0.99) or hot: one SKU (default: uniform)"},
        {.kind = OPTION_TIME,
         .name = "duration",
         .target = &bench->duration_ms,
         .value_name = "TIME",
         .min = 100,
         .max = INT64_C(24) * 3600 * 1000,
         .help = "how long, in seconds or as 30s, 5m (default: 10s)"},
        {.kind = OPTION_NUMBER,
         .name = "reads",
         .target = &bench->reads_percent,
         .value_name = "PCT",
         .min = 0,
         .max = 100,
         .help = "how many calls in a hundred read a stock (default: 0)"},
        {.kind = OPTION_FLAG,
         .name = "stale",
         .target = &bench->reads_stale,
         .help = "the reads are stale ones, from all nodes"},
        {.kind = OPTION_END},
    };
    struct command_syntax syntax = {
        .verb = "bench",
        .operands = "",
        .summary = "Reserves one unit of one line per command, as fast as the cluster answers.\n"
                   "Sets the stock of bench-0000001, ... and leaves its orders to expire.",
        .options = options,
    };
    if (!verb_begin(&verb, &syntax, argc, argv)) {
        free(bench);
        return verb.exit_code;
    }
    if (bench->clients * bench->inflight > LIMIT_LOAD_CALLERS) {
        verb_misused(&verb, "clients times inflight is more than 16384");
    } else if (bench->clients * bench->inflight * bench->batch > LIMIT_LOAD_COMMANDS) {
        verb_misused(&verb, "clients times inflight times batch is more than 1048576");
    } else {
        run(bench);
    }
    int code = verb_end(&verb); /* ends the library's thread before what it uses is freed */
    free(bench->skus);
    free(bench);
    return code;
}
