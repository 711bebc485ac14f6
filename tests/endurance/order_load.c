/*
 * order_load.c - a load of numbered orders whose end is known beforehand, and the check that the
 * ledger has come to it: each order there once, none lost, none twice.
 *
 * Order n is a Reserve of 1 + n % 3 units of one SKU, and what becomes of it follows from n: a
 * quarter is deducted, a quarter released, the rest stays held. Callers take batches of orders one
 * after the other and finish each, whatever befalls the cluster: the library sends a command again
 * until it is answered. So when a run ends, the orders 0 to N-1 are acknowledged, all of them, and
 * the stocks are a sum that anybody can work out.
 *
 * --pauses FILE gets a line for each time without an answer that was long: when it began and when
 * it ended, in seconds of the monotonic clock, which the machine's other programs share.
 *
 * --check N reserves those N orders again: each must answer with the state it was left in, and none
 * may be new. Then it reads the stocks: an order that was executed twice shows there.
 *
 * Fails at the first answer that is not the expected one (exit 1), or if there is none (exit 3, 4).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "completion.h"
#include "histogram.h"
#include "summary.h"
#include "verb.h"

#define STOCK_UNITS     INT64_C(1000000000000)
#define STOCKS_PER_CALL 1000
#define ORDER_TTL_MS    (INT64_C(7) * 24 * 3600 * 1000)
#define WAIT_MS         200
#define CALL_TIMEOUT_MS 120000
#define NAME_BYTES      96
#define PAUSE_NS        UINT64_C(200000000)

enum fate { FATE_DEDUCTED, FATE_RELEASED, FATE_HELD };

struct load {
    struct verb *verb;
    const char *prefix;
    const char *pauses_path;
    int64_t sku_count;
    int64_t batch;
    int64_t callers;
    int64_t first;       /* order */
    int64_t order_count; /* to be made or checked; 0: until the time is up */
    int64_t duration_ms;
    bool is_check;
    uint64_t end_ns;

    /* Below: under completion.lock. */
    struct completion completion;
    struct histogram latency;
    int64_t next;
    uint64_t last_answer_ns;
    uint64_t longest_pause_ns;
    FILE *pauses; /* NULL: nobody wants them */
    bool failed;
    hf_verdict failed_verdict;
    struct error failure;
};

struct caller {
    struct load *load;
    int64_t first; /* of the batch */
    size_t count;
    bool is_closing; /* the batch's deductions and releases are under way */
    uint64_t sent_at_ns;
    hf_command *commands;
    hf_line *lines;
    int64_t *orders; /* by command */
    char (*skus)[NAME_BYTES];
    char (*ids)[NAME_BYTES];
};

/* ---- what order n is ---- */

static enum fate fate_of(int64_t order)
{
    return order % 4 == 0 ? FATE_DEDUCTED : order % 4 == 1 ? FATE_RELEASED : FATE_HELD;
}

static int64_t quantity_of(int64_t order)
{
    return 1 + order % 3;
}

/* Neighbours don't share a SKU. */
static int64_t sku_of(const struct load *load, int64_t order)
{
    return order * 7919 % load->sku_count;
}

static void name_sku(const struct load *load, int64_t sku, char *name)
{
    snprintf(name, NAME_BYTES, "%s-sku-%" PRId64, load->prefix, sku);
}

static void name_order(const struct load *load, int64_t order, char *name)
{
    snprintf(name, NAME_BYTES, "%s-%" PRId64, load->prefix, order);
}

/* ---- a caller's way: reserve a batch, close what is to be closed of it, the next batch ---- */

static void caller_advance(struct caller *caller);

static void on_results(void *user, hf_results *results);

static void caller_leave(struct caller *caller)
{
    pthread_mutex_lock(&caller->load->completion.lock);
    completion_leave(&caller->load->completion);
    pthread_mutex_unlock(&caller->load->completion.lock);
}

/* The first failure is told. The lock must be held. */
static void fail(struct load *load, hf_verdict verdict, int64_t order, const char *what,
                 const char *message)
{
    if (!load->failed) {
        load->failed = true;
        load->failed_verdict = verdict;
        error_set(&load->failure, "order %s-%" PRId64 ": %s: %s: %s", load->prefix, order, what,
                  hf_verdict_name(verdict), message);
    }
}

static bool is_expected(const struct caller *caller, int64_t order, const hf_result *result)
{
    if (!caller->load->is_check) {
        return result->verdict == HF_OK;
    }
    switch (fate_of(order)) {
    case FATE_DEDUCTED:
        return result->verdict == HF_ORDER_DEDUCTED;
    case FATE_RELEASED:
        return result->verdict == HF_ORDER_RELEASED;
    case FATE_HELD:
        return result->verdict == HF_OK && result->replayed;
    }
    return false;
}

static void submit(struct caller *caller, size_t count)
{
    struct load *load = caller->load;
    caller->sent_at_ns = clock_now_ns();
    int rc = hf_submit(load->verb->client, caller->commands, count, NULL, on_results, caller);
    if (rc < 0) {
        pthread_mutex_lock(&load->completion.lock);
        fail(load, (hf_verdict)rc, caller->first, "could not be sent", hf_last_error());
        pthread_mutex_unlock(&load->completion.lock);
        caller_leave(caller);
    }
}

static void reserve_batch(struct caller *caller)
{
    const struct load *load = caller->load;
    for (size_t i = 0; i < caller->count; i++) {
        int64_t order = caller->first + (int64_t)i;
        name_order(load, order, caller->ids[i]);
        name_sku(load, sku_of(load, order), caller->skus[i]);
        caller->orders[i] = order;
        caller->lines[i] = (hf_line){caller->skus[i], 0, quantity_of(order)};
        caller->commands[i] = (hf_command){
            .kind = HF_RESERVE,
            .order_id = caller->ids[i],
            .lines = &caller->lines[i],
            .line_count = 1,
            .ttl_ms = ORDER_TTL_MS,
        };
    }
    submit(caller, caller->count);
}

/* False: nothing of the batch is to be closed. */
static bool close_batch(struct caller *caller)
{
    size_t count = 0;
    for (size_t i = 0; i < caller->count; i++) {
        int64_t order = caller->first + (int64_t)i;
        if (fate_of(order) != FATE_HELD) {
            caller->orders[count] = order;
            caller->commands[count++] = (hf_command){
                .kind = fate_of(order) == FATE_DEDUCTED ? HF_DEDUCT : HF_RELEASE,
                .order_id = caller->ids[i],
            };
        }
    }
    if (count > 0) {
        submit(caller, count);
    }
    return count > 0;
}

/* The lock must be held. */
static void note_answer(struct load *load, uint64_t now_ns)
{
    uint64_t pause_ns = now_ns - load->last_answer_ns;
    load->longest_pause_ns = pause_ns > load->longest_pause_ns ? pause_ns : load->longest_pause_ns;
    if (load->pauses != NULL && pause_ns >= PAUSE_NS) {
        fprintf(load->pauses, "%.3f %.3f\n", (double)load->last_answer_ns / 1e9,
                (double)now_ns / 1e9);
    }
    load->last_answer_ns = now_ns;
}

static void on_results(void *user, hf_results *results)
{
    struct caller *caller = user;
    struct load *load = caller->load;
    uint64_t now_ns = clock_now_ns();
    pthread_mutex_lock(&load->completion.lock);
    histogram_record(&load->latency, now_ns - caller->sent_at_ns);
    note_answer(load, now_ns);
    for (size_t i = 0; i < results->count; i++) {
        const hf_result *result = &results->items[i];
        if (!is_expected(caller, caller->orders[i], result)) {
            fail(load, result->verdict, caller->orders[i],
                 load->is_check ? (result->verdict == HF_OK ? "was acknowledged, and is new here"
                                                            : "is not as it was acknowledged")
                                : (caller->is_closing ? "was not closed" : "was not reserved"),
                 result->message);
        }
    }
    bool failed = load->failed;
    pthread_mutex_unlock(&load->completion.lock);
    hf_free(results);
    if (failed) {
        caller_leave(caller);
    } else if (!caller->is_closing && !load->is_check) {
        caller->is_closing = true;
        if (!close_batch(caller)) {
            caller_advance(caller);
        }
    } else {
        caller_advance(caller);
    }
}

/* The next batch, or the end. The lock must not be held. */
static void caller_advance(struct caller *caller)
{
    struct load *load = caller->load;
    pthread_mutex_lock(&load->completion.lock);
    int64_t end = load->order_count > 0 ? load->first + load->order_count : INT64_MAX;
    int64_t left = end - load->next;
    bool over = left <= 0 || load->failed ||
                (load->duration_ms > 0 && !load->is_check && clock_now_ns() >= load->end_ns);
    if (!over) {
        caller->first = load->next;
        caller->count = (size_t)(left < load->batch ? left : load->batch);
        caller->is_closing = false;
        load->next += (int64_t)caller->count;
    }
    pthread_mutex_unlock(&load->completion.lock);
    if (over) {
        caller_leave(caller);
    } else {
        reserve_batch(caller);
    }
}

static void caller_init(struct caller *caller, struct load *load)
{
    size_t batch = (size_t)load->batch;
    *caller = (struct caller){
        .load = load,
        .commands = memory_zalloc(batch * sizeof *caller->commands),
        .lines = memory_zalloc(batch * sizeof *caller->lines),
        .orders = memory_zalloc(batch * sizeof *caller->orders),
        .skus = memory_zalloc(batch * sizeof *caller->skus),
        .ids = memory_zalloc(batch * sizeof *caller->ids),
    };
}

static void caller_free(struct caller *caller)
{
    free(caller->commands);
    free(caller->lines);
    free(caller->orders);
    free(caller->skus);
    free(caller->ids);
}

static double run_callers(struct load *load)
{
    size_t count = (size_t)load->callers;
    struct caller *callers = memory_alloc(count * sizeof *callers);
    for (size_t i = 0; i < count; i++) {
        caller_init(&callers[i], load);
    }
    completion_init(&load->completion, count);
    uint64_t start_ns = clock_now_ns();
    load->next = load->first;
    load->last_answer_ns = start_ns;
    load->end_ns = start_ns + (uint64_t)load->duration_ms * UINT64_C(1000000);
    for (size_t i = 0; i < count; i++) {
        caller_advance(&callers[i]);
    }
    bool over;
    do {
        pthread_mutex_lock(&load->completion.lock);
        over = completion_wait_ms(&load->completion, WAIT_MS);
        pthread_mutex_unlock(&load->completion.lock);
    } while (!over);
    double seconds = (double)(clock_now_ns() - start_ns) / 1e9;
    completion_destroy(&load->completion);
    for (size_t i = 0; i < count; i++) {
        caller_free(&callers[i]);
    }
    free(callers);
    return seconds;
}

/* ---- stocks ---- */

static bool set_stocks(struct load *load)
{
    static char names[STOCKS_PER_CALL][NAME_BYTES];
    static hf_command commands[STOCKS_PER_CALL];
    bool ok = true;
    for (int64_t sku = 0; ok && sku < load->sku_count;) {
        size_t count = 0;
        while (count < STOCKS_PER_CALL && sku < load->sku_count) {
            name_sku(load, sku++, names[count]);
            commands[count] =
                (hf_command){.kind = HF_SET_STOCK, .sku = names[count], .quantity = STOCK_UNITS};
            count++;
        }
        hf_results *results;
        hf_verdict verdict = hf_execute(load->verb->client, commands, count, NULL, &results);
        ok = verdict == HF_OK || verb_fail(load->verb, exit_code_of(verdict), "set stock: %s",
                                           results->items[0].message);
        hf_free(results);
    }
    return ok;
}

static bool check_stock(struct load *load, int64_t sku, int64_t deducted, int64_t held)
{
    char name[NAME_BYTES];
    hf_stock_list *list;
    name_sku(load, sku, name);
    hf_verdict verdict = hf_get_stock(load->verb->client, name, 0, NULL, &list);
    bool ok;
    if (verdict != HF_OK) {
        ok = verb_fail(load->verb, exit_code_of(verdict), "stock %s: %s", name, list->message);
    } else {
        const hf_stock *stock = &list->items[0].stock;
        ok = (stock->on_hand == STOCK_UNITS - deducted && stock->reserved == held) ||
             verb_fail(load->verb, EXIT_CODE_REFUSED,
                       "stock %s: %" PRId64 " on hand and %" PRId64
                       " reserved, where the orders make %" PRId64 " and %" PRId64,
                       name, stock->on_hand, stock->reserved, STOCK_UNITS - deducted, held);
    }
    hf_free(list);
    return ok;
}

static bool check_stocks(struct load *load)
{
    size_t count = (size_t)load->sku_count;
    int64_t *deducted = memory_zalloc(count * sizeof *deducted);
    int64_t *held = memory_zalloc(count * sizeof *held);
    for (int64_t order = 0; order < load->first + load->order_count; order++) {
        int64_t *sum = fate_of(order) == FATE_DEDUCTED ? deducted
                       : fate_of(order) == FATE_HELD   ? held
                                                       : NULL;
        if (sum != NULL) {
            sum[sku_of(load, order)] += quantity_of(order);
        }
    }
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) {
        ok = check_stock(load, (int64_t)i, deducted[i], held[i]);
    }
    free(deducted);
    free(held);
    return ok;
}

/* ---- the run ---- */

static bool open_pauses(struct load *load)
{
    if (load->pauses_path == NULL) {
        return true;
    }
    load->pauses = fopen(load->pauses_path, "w");
    return load->pauses != NULL ||
           verb_fail(load->verb, EXIT_CODE_USAGE, "%s: %s", load->pauses_path, strerror(errno));
}

static bool close_pauses(struct load *load)
{
    if (load->pauses == NULL) {
        return true;
    }
    bool written = ferror(load->pauses) == 0;
    written = fclose(load->pauses) == 0 && written;
    return written || verb_fail(load->verb, EXIT_CODE_USAGE, "%s can't be written: %s",
                                load->pauses_path, strerror(errno));
}

static void run(struct load *load)
{
    struct verb *verb = load->verb;
    if (!verb_connect(verb) || (!load->is_check && load->first == 0 && !set_stocks(load)) ||
        !open_pauses(load)) {
        return;
    }
    double seconds = run_callers(load);
    if (!close_pauses(load)) {
        return;
    }
    if (load->failed) {
        bool unanswered = load->failed_verdict < 0;
        verb_fail(verb, unanswered ? exit_code_of(load->failed_verdict) : EXIT_CODE_REFUSED, "%s",
                  load->failure.text);
        return;
    }
    if (load->is_check && !check_stocks(load)) {
        return;
    }
    int64_t orders = load->next - load->first;
    const struct figure figures[] = {
        {"orders", (double)orders, 0},
        {"next", (double)load->next, 0},
        {"orders_per_s", (double)orders / seconds, 1},
        {"p50_ms", histogram_percentile_ms(&load->latency, 50), 3},
        {"p99_ms", histogram_percentile_ms(&load->latency, 99), 3},
        {"p999_ms", histogram_percentile_ms(&load->latency, 99.9), 3},
        {"max_ms", histogram_max_ms(&load->latency), 3},
        {"longest_pause_ms", (double)load->longest_pause_ns / 1e6, 3},
        {"seconds", seconds, 3},
    };
    summary_print(verb, figures, sizeof figures / sizeof *figures);
}

int main(int argc, char **argv)
{
    struct verb verb = {.timeout_ms = CALL_TIMEOUT_MS};
    struct load *load = memory_zalloc(sizeof *load);
    *load = (struct load){
        .verb = &verb, .prefix = "load", .batch = 1, .callers = 64, .sku_count = 1000};
    const struct command_option options[] = {
        {.kind = OPTION_TEXT,
         .name = "prefix",
         .target = &load->prefix,
         .value_name = "P",
         .max = 40,
         .help = "what the ids of orders and SKUs begin with (default: load)"},
        {.kind = OPTION_TEXT,
         .name = "pauses",
         .target = &load->pauses_path,
         .value_name = "FILE",
         .max = 4000,
         .help = "each time without an answer, from 0.2 s on"},
        {.kind = OPTION_NUMBER,
         .name = "skus",
         .target = &load->sku_count,
         .value_name = "N",
         .min = 1,
         .max = LIMIT_LOAD_SKUS,
         .help = "SKUs (default: 1000)"},
        {.kind = OPTION_NUMBER,
         .name = "batch",
         .target = &load->batch,
         .value_name = "B",
         .min = 1,
         .max = LIMIT_BATCH_COMMANDS,
         .help = "orders in one call (default: 1)"},
        {.kind = OPTION_NUMBER,
         .name = "callers",
         .target = &load->callers,
         .value_name = "C",
         .min = 1,
         .max = LIMIT_LOAD_CALLERS,
         .help = "calls under way (default: 64)"},
        {.kind = OPTION_NUMBER,
         .name = "first",
         .target = &load->first,
         .value_name = "N",
         .min = 0,
         .max = INT64_C(1) << 40,
         .help = "the first order's number; 0, the default, sets the stocks as well"},
        {.kind = OPTION_NUMBER,
         .name = "orders",
         .target = &load->order_count,
         .value_name = "N",
         .min = 1,
         .max = INT64_C(1) << 40,
         .help = "so many orders"},
        {.kind = OPTION_TIME,
         .name = "duration",
         .target = &load->duration_ms,
         .value_name = "TIME",
         .min = 100,
         .max = INT64_C(24) * 3600 * 1000,
         .help = "as many orders as there is time for"},
        {.kind = OPTION_FLAG,
         .name = "check",
         .target = &load->is_check,
         .help = "--orders N from 0 on were acknowledged: are they all there, once?"},
        {.kind = OPTION_END},
    };
    struct command_syntax syntax = {
        .verb = "order-load",
        .operands = "",
        .summary = "Makes numbered orders whose end is known beforehand, or checks them.",
        .options = options,
    };
    if (verb_begin(&verb, &syntax, argc - 1, argv + 1)) {
        if (load->order_count == 0 && (load->is_check || load->duration_ms == 0)) {
            verb_misused(&verb, "give --orders, or --duration for a load");
        } else if (load->is_check && load->first != 0) {
            verb_misused(&verb, "--check begins with order 0");
        } else {
            run(load);
        }
        verb_end(&verb);
    }
    int code = verb.exit_code;
    free(load);
    return code;
}
