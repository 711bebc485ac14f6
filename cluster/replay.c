/*
 * replay.c - `holdfast replay`: runs a file of real orders through the cluster.
 *
 * The happy path: the file is read and planned as a whole; every SKU gets its stock; then each
 * worker takes the next group of invoices (--batch of them), sends their Reserves and AdjustStocks
 * in order, then the Deducts of the orders that were granted, and takes the next group. A worker
 * has one call under way and moves on in its callback, so a thousand of them cost no thread.
 *
 * With one worker the outcome is a function of the file and the stock alone: a deduct changes no
 * SKU's available units, so it does not matter to whom else a group's Deducts come late.
 *
 * What can fail: the file (exit 2, before anything is sent); a refusal other than for want of stock
 * (1); no answer (3, 4). The first failure is kept; every worker stops after its call under way.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "completion.h"
#include "histogram.h"
#include "replay_plan.h"
#include "summary.h"
#include "verb.h"

/* SetStocks of one call, and the pace of the progress line. */
#define STOCKS_PER_CALL 1000
#define PROGRESS_MS     200

/* What a command or a line costs on the wire beside its ids: more than the tags, lengths, numbers
 * and a request id can take. */
#define COMMAND_OVERHEAD_BYTES 192
#define LINE_OVERHEAD_BYTES    32

struct replay {
    struct verb *verb;
    struct orders orders;
    struct replay_plan plan;
    hf_line *lines; /* plan.lines, as the library takes them */
    int64_t stock;
    int64_t clients;
    int64_t batch;

    /* Below: under completion.lock, once workers run. */
    struct completion completion;
    size_t next_invoice; /* of the plan: what no worker has taken */
    bool failed;
    enum exit_code failure_code;
    struct error failure;
    uint64_t granted;
    uint64_t refused;
    uint64_t reserve_lines;
    int64_t units_sold;
    int64_t returned_units;
    struct histogram latency;
};

enum worker_phase { PHASE_RESERVE, PHASE_DEDUCT, PHASE_DONE };

/* One command under way: which invoice of the plan, and which line of a return. */
struct sent {
    size_t invoice;
    size_t line;
};

struct worker {
    struct replay *replay;
    enum worker_phase phase;
    size_t first; /* the group: plan invoices first to end - 1 */
    size_t end;
    size_t invoice;       /* the next one to put into a call */
    uint32_t return_line; /* of a return: its next line */
    bool *granted;        /* by invoice - first */

    hf_command *commands;
    struct sent *sent;
    size_t command_count;
    size_t command_capacity;
    size_t call_lines;
    size_t call_bytes;
    uint64_t sent_at_ns;
};

static const char *invoice_id(const struct replay *replay, size_t invoice)
{
    return id_table_text(&replay->orders.invoices, replay->plan.invoices[invoice].invoice);
}

/* Counts stay exact up to 2^63: beyond what 2^53 units of every SKU would need 1,024 SKUs for, they
 * stand still. */
static int64_t add_units(int64_t sum, int64_t units)
{
    int64_t result;
    return __builtin_add_overflow(sum, units, &result) ? INT64_MAX : result;
}

/* ---- filling a call ---- */

/* Adds the command unless the call is full; an empty call takes any command. */
static bool call_add(struct worker *worker, const hf_command *command, struct sent sent)
{
    size_t lines = command->line_count > 0 ? command->line_count : 1;
    size_t bytes = COMMAND_OVERHEAD_BYTES;
    const char *id = command->order_id != NULL ? command->order_id : command->sku;
    assert(id != NULL);
    bytes += strlen(id);
    for (size_t i = 0; i < command->line_count; i++) {
        bytes += strlen(command->lines[i].sku) + LINE_OVERHEAD_BYTES;
    }
    /* Without --batch every command is a call of its own. */
    size_t most = worker->replay->batch == 1 ? 1 : LIMIT_BATCH_COMMANDS;
    bool full = worker->command_count == most || worker->call_lines + lines > LIMIT_LINES ||
                worker->call_bytes + bytes > LIMIT_MESSAGE_BYTES;
    if (worker->command_count > 0 && full) {
        return false;
    }
    if (worker->command_count == worker->command_capacity) {
        worker->command_capacity = worker->command_capacity == 0 ? 1 : worker->command_capacity * 2;
        worker->commands =
            memory_realloc(worker->commands, worker->command_capacity * sizeof *worker->commands);
        worker->sent =
            memory_realloc(worker->sent, worker->command_capacity * sizeof *worker->sent);
    }
    worker->commands[worker->command_count] = *command;
    worker->sent[worker->command_count] = sent;
    worker->command_count++;
    worker->call_lines += lines;
    worker->call_bytes += bytes;
    return true;
}

static bool call_add_reserve(struct worker *worker)
{
    const struct replay *replay = worker->replay;
    const struct plan_invoice *invoice = &replay->plan.invoices[worker->invoice];
    hf_command command = {
        .kind = HF_RESERVE,
        .order_id = invoice_id(replay, worker->invoice),
        .lines = replay->lines + invoice->first_line,
        .line_count = invoice->line_count,
    };
    return call_add(worker, &command, (struct sent){worker->invoice, 0});
}

/* As many lines of the return as fit; true when all of them did. */
static bool call_add_return(struct worker *worker)
{
    const struct replay *replay = worker->replay;
    const struct plan_invoice *invoice = &replay->plan.invoices[worker->invoice];
    for (; worker->return_line < invoice->line_count; worker->return_line++) {
        size_t line = invoice->first_line + worker->return_line;
        hf_command command = {
            .kind = HF_ADJUST_STOCK,
            .sku = replay->lines[line].sku,
            .quantity = replay->lines[line].quantity,
            .reason = "RETURN",
        };
        if (!call_add(worker, &command, (struct sent){worker->invoice, line})) {
            return false;
        }
    }
    worker->return_line = 0;
    return true;
}

static void fill_reserves(struct worker *worker)
{
    for (; worker->invoice < worker->end; worker->invoice++) {
        bool is_return = worker->replay->plan.invoices[worker->invoice].is_return;
        if (!(is_return ? call_add_return(worker) : call_add_reserve(worker))) {
            return;
        }
    }
}

static void fill_deducts(struct worker *worker)
{
    for (; worker->invoice < worker->end; worker->invoice++) {
        hf_command command = {
            .kind = HF_DEDUCT,
            .order_id = invoice_id(worker->replay, worker->invoice),
        };
        if (worker->granted[worker->invoice - worker->first] &&
            !call_add(worker, &command, (struct sent){worker->invoice, 0})) {
            return;
        }
    }
}

/* ---- the worker's way through its groups ---- */

static bool take_group(struct worker *worker)
{
    struct replay *replay = worker->replay;
    size_t left = replay->plan.invoice_count - replay->next_invoice;
    size_t count = (size_t)replay->batch < left ? (size_t)replay->batch : left;
    worker->first = replay->next_invoice;
    worker->end = worker->first + count;
    worker->invoice = worker->first;
    worker->phase = PHASE_RESERVE;
    memset(worker->granted, 0, count * sizeof *worker->granted);
    replay->next_invoice = worker->end;
    return count > 0;
}

/* Fills the next call of the group, or of the next group; false when there is none. */
static bool next_call(struct worker *worker)
{
    worker->command_count = 0;
    worker->call_lines = 0;
    worker->call_bytes = 0;
    for (;;) {
        if (worker->phase == PHASE_RESERVE) {
            fill_reserves(worker);
        } else if (worker->phase == PHASE_DEDUCT) {
            fill_deducts(worker);
        }
        if (worker->command_count > 0) {
            return true;
        }
        if (worker->phase == PHASE_RESERVE) {
            worker->phase = PHASE_DEDUCT;
            worker->invoice = worker->first;
        } else if (!take_group(worker)) {
            worker->phase = PHASE_DONE;
            return false;
        }
    }
}

static void keep_failure(struct replay *replay, enum exit_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void keep_failure(struct replay *replay, enum exit_code code, const char *format, ...)
{
    if (replay->failed) {
        return; /* the first one tells what happened, the others are its echo */
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(replay->failure.text, sizeof replay->failure.text, format, arguments);
    va_end(arguments);
    replay->failed = true;
    replay->failure_code = code;
}

static void worker_done(void *user, hf_results *results);

/* Sends the next call, or leaves. The lock must not be held. */
static void worker_advance(struct worker *worker)
{
    struct replay *replay = worker->replay;
    pthread_mutex_lock(&replay->completion.lock);
    bool more = !replay->failed && next_call(worker);
    if (!more) {
        completion_leave(&replay->completion);
    }
    pthread_mutex_unlock(&replay->completion.lock);
    if (!more) {
        return;
    }
    worker->sent_at_ns = clock_now_ns();
    int rc = hf_submit(replay->verb->client, worker->commands, worker->command_count, NULL,
                       worker_done, worker);
    if (rc < 0) {
        pthread_mutex_lock(&replay->completion.lock);
        keep_failure(replay, exit_code_of((hf_verdict)rc), "invoice %s: %s",
                     invoice_id(replay, worker->sent[0].invoice), hf_last_error());
        completion_leave(&replay->completion);
        pthread_mutex_unlock(&replay->completion.lock);
    }
}

/* ---- what became of a call ---- */

static void keep_unanswered(struct replay *replay, const char *id, const hf_result *result)
{
    const char *request_id = result->request_id;
    keep_failure(replay, exit_code_of(result->verdict), "invoice %.100s: %s%s%.255s", id,
                 result->message, request_id != NULL ? "; request id " : "",
                 request_id != NULL ? request_id : "");
}

static bool exists_already(const hf_result *result)
{
    switch (result->verdict) {
    case HF_OK:
        /* Replayed at the first attempt: it was not we who reserved it. After a retry it may well
         * have been. */
        return result->replayed && result->attempts == 1;
    case HF_ORDER_CONFLICT:
    case HF_ORDER_EXPIRED:
    case HF_ORDER_RELEASED:
    case HF_ORDER_DEDUCTED:
    case HF_ORDER_RETURNED:
        return true;
    default:
        return false;
    }
}

static void on_reserved(struct worker *worker, size_t invoice, const hf_result *result)
{
    struct replay *replay = worker->replay;
    if (exists_already(result)) {
        keep_failure(
            replay, EXIT_CODE_REFUSED,
            "order %.100s exists already (%s): this file has been replayed on this cluster",
            invoice_id(replay, invoice), hf_verdict_name(result->verdict));
        return;
    }
    if (result->verdict == HF_OK) {
        worker->granted[invoice - worker->first] = true;
        replay->granted++;
    } else if (result->verdict == HF_INSUFFICIENT_STOCK) {
        replay->refused++;
    } else {
        keep_failure(replay, EXIT_CODE_REFUSED, "order %.100s: Reserve was refused: %s: %s",
                     invoice_id(replay, invoice), hf_verdict_name(result->verdict),
                     result->message);
        return;
    }
    replay->reserve_lines += replay->plan.invoices[invoice].line_count;
}

static void on_deducted(struct replay *replay, size_t invoice, const hf_result *result)
{
    const struct plan_invoice *order = &replay->plan.invoices[invoice];
    if (result->verdict != HF_OK) {
        keep_failure(replay, EXIT_CODE_REFUSED, "order %.100s: Deduct was refused: %s: %s",
                     invoice_id(replay, invoice), hf_verdict_name(result->verdict),
                     result->message);
        return;
    }
    for (size_t i = 0; i < order->line_count; i++) {
        replay->units_sold =
            add_units(replay->units_sold, replay->lines[order->first_line + i].quantity);
    }
}

static void on_returned(struct replay *replay, struct sent sent, const hf_result *result)
{
    const hf_line *line = &replay->lines[sent.line];
    if (result->verdict != HF_OK) {
        keep_failure(replay, EXIT_CODE_REFUSED,
                     "return %.100s: AdjustStock of %.100s was refused: %s: %s",
                     invoice_id(replay, sent.invoice), line->sku, hf_verdict_name(result->verdict),
                     result->message);
        return;
    }
    replay->returned_units = add_units(replay->returned_units, line->quantity);
}

static void on_result(struct worker *worker, size_t position, const hf_result *result)
{
    struct replay *replay = worker->replay;
    struct sent sent = worker->sent[position];
    if (result->verdict < 0) {
        keep_unanswered(replay, invoice_id(replay, sent.invoice), result);
        return;
    }
    switch (worker->commands[position].kind) {
    case HF_RESERVE:
        on_reserved(worker, sent.invoice, result);
        return;
    case HF_DEDUCT:
        on_deducted(replay, sent.invoice, result);
        return;
    default:
        on_returned(replay, sent, result);
    }
}

/* On the library's thread. */
static void worker_done(void *user, hf_results *results)
{
    struct worker *worker = user;
    struct replay *replay = worker->replay;
    uint64_t took_ns = clock_now_ns() - worker->sent_at_ns;
    pthread_mutex_lock(&replay->completion.lock);
    histogram_record(&replay->latency, took_ns);
    for (size_t i = 0; i < results->count; i++) {
        on_result(worker, i, &results->items[i]);
    }
    pthread_mutex_unlock(&replay->completion.lock);
    hf_free(results);
    worker_advance(worker);
}

/* ---- the run ---- */

static bool set_stocks_call(struct replay *replay, uint32_t first, uint32_t count)
{
    struct verb *verb = replay->verb;
    hf_command *commands = memory_zalloc(count * sizeof *commands);
    for (uint32_t i = 0; i < count; i++) {
        commands[i].kind = HF_SET_STOCK;
        commands[i].sku = id_table_text(&replay->orders.skus, first + i);
        commands[i].quantity = replay->stock;
    }
    hf_results *results;
    hf_verdict verdict = hf_execute(verb->client, commands, count, NULL, &results);
    for (uint32_t i = 0; verdict != HF_OK && i < results->count; i++) {
        const hf_result *result = &results->items[i];
        if (result->verdict != verdict) {
            continue;
        }
        if (verdict < 0) {
            verb_fail_unanswered(verb, verdict, result->message, result);
        } else {
            verb_fail(verb, EXIT_CODE_REFUSED, "the stock of %s was not set: %s: %s",
                      commands[i].sku, hf_verdict_name(verdict), result->message);
        }
        break;
    }
    hf_free(results);
    free(commands);
    return verdict == HF_OK;
}

static bool set_stocks(struct replay *replay)
{
    uint32_t total = replay->orders.skus.count;
    for (uint32_t first = 0; first < total; first += STOCKS_PER_CALL) {
        uint32_t left = total - first;
        progress_show(first, total, "stocks set");
        if (!set_stocks_call(replay, first, left < STOCKS_PER_CALL ? left : STOCKS_PER_CALL)) {
            return false;
        }
    }
    return true;
}

static struct worker *make_workers(struct replay *replay, size_t count)
{
    struct worker *workers = memory_zalloc(count * sizeof *workers);
    for (size_t i = 0; i < count; i++) {
        workers[i].replay = replay;
        workers[i].phase = PHASE_DONE;
        workers[i].granted = memory_zalloc((size_t)replay->batch * sizeof *workers[i].granted);
    }
    return workers;
}

static void free_workers(struct worker *workers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(workers[i].granted);
        free(workers[i].commands);
        free(workers[i].sent);
    }
    free(workers);
}

/* Seconds from the first call to the end of the last one. */
static double run_workers(struct replay *replay)
{
    size_t count = (size_t)replay->clients;
    struct worker *workers = make_workers(replay, count);
    completion_init(&replay->completion, count);
    uint64_t start_ns = clock_now_ns();
    for (size_t i = 0; i < count; i++) {
        worker_advance(&workers[i]);
    }
    bool over;
    do {
        pthread_mutex_lock(&replay->completion.lock);
        over = completion_wait_ms(&replay->completion, PROGRESS_MS);
        size_t taken = replay->next_invoice;
        pthread_mutex_unlock(&replay->completion.lock);
        progress_show(taken, replay->plan.invoice_count, "invoices");
    } while (!over);
    double seconds = (double)(clock_now_ns() - start_ns) / 1e9;
    completion_destroy(&replay->completion);
    free_workers(workers, count);
    return seconds;
}

static void print_summary(const struct replay *replay, double seconds)
{
    double orders = (double)(replay->granted + replay->refused);
    double per_second = seconds > 0 ? 1 / seconds : 0;
    const struct figure figures[] = {
        {"orders", orders, 0},
        {"granted", (double)replay->granted, 0},
        {"refused", (double)replay->refused, 0},
        {"skipped", (double)replay->plan.skipped_count, 0},
        {"returned_units", (double)replay->returned_units, 0},
        {"units_sold", (double)replay->units_sold, 0},
        {"seconds", seconds, 3},
        {"orders_per_s", orders * per_second, 1},
        {"lines_per_s", (double)replay->reserve_lines * per_second, 1},
        {"p50_ms", histogram_percentile_ms(&replay->latency, 50), 3},
        {"p99_ms", histogram_percentile_ms(&replay->latency, 99), 3},
        {"max_ms", histogram_max_ms(&replay->latency), 3},
    };
    summary_print(replay->verb, figures, sizeof figures / sizeof *figures);
}

static void run(struct replay *replay)
{
    bool ready = verb_connect(replay->verb) && set_stocks(replay);
    double seconds = ready ? run_workers(replay) : 0;
    progress_clear();
    if (replay->failed) {
        verb_fail(replay->verb, replay->failure_code, "stopped after %" PRIu64 " orders: %s",
                  replay->granted + replay->refused, replay->failure.text);
    } else if (ready) {
        print_summary(replay, seconds);
    }
}

/* Reads and plans the whole file: what is wrong with it shows before anything is sent. */
static bool load(struct replay *replay, const char *path)
{
    struct error error;
    if (!orders_read_file(&replay->orders, path, &error)) {
        return verb_fail(replay->verb, EXIT_CODE_USAGE, "%s", error.text);
    }
    if (!replay_plan_make(&replay->plan, &replay->orders, &error)) {
        orders_free(&replay->orders);
        return verb_fail(replay->verb, EXIT_CODE_USAGE, "%s: %s", path, error.text);
    }
    replay->lines = memory_alloc(replay->plan.line_count * sizeof *replay->lines);
    for (size_t i = 0; i < replay->plan.line_count; i++) {
        const struct plan_line *line = &replay->plan.lines[i];
        replay->lines[i] = (hf_line){
            .sku = id_table_text(&replay->orders.skus, line->sku),
            .quantity = line->quantity,
        };
    }
    return true;
}

int verb_replay(int argc, char **argv)
{
    /* Long enough for a cluster to lose its leader and find another. */
    struct verb verb = {.timeout_ms = 30000};
    struct replay *replay = memory_zalloc(sizeof *replay);
    bool stock_given = false;
    replay->verb = &verb;
    replay->clients = 1;
    replay->batch = 1;
    const struct command_option options[] = {
        {.kind = OPTION_NUMBER,
         .name = "stock",
         .target = &replay->stock,
         .given = &stock_given,
         .value_name = "N",
         .min = 0,
         .max = LIMIT_QUANTITY,
         .help = "units on hand of every SKU at the start (needed)"},
        {.kind = OPTION_NUMBER,
         .name = "clients",
         .target = &replay->clients,
         .value_name = "C",
         .min = 1,
         .max = LIMIT_LOAD_CALLERS,
         .help = "invoices under way at once (default: 1)"},
        {.kind = OPTION_NUMBER,
         .name = "batch",
         .target = &replay->batch,
         .value_name = "B",
         .min = 1,
         .max = LIMIT_BATCH_COMMANDS,
         .help = "invoices that go together in one call (default: 1)"},
        {.kind = OPTION_END},
    };
    struct command_syntax syntax = {
        .verb = "replay",
        .operands = "FILE.csv[.gz]",
        .summary = "Runs a file of real orders, time,invoice,stock_code,quantity: sets every SKU's "
                   "stock,\n"
                   "then reserves and deducts each invoice, and takes back what C invoices return.",
        .options = options,
        .operands_min = 1,
        .operands_max = 1,
    };
    if (!verb_begin(&verb, &syntax, argc, argv)) {
        free(replay);
        return verb.exit_code;
    }
    if (!stock_given) {
        verb_misused(&verb, "--stock is needed");
    } else if (replay->clients * replay->batch > LIMIT_LOAD_COMMANDS) {
        verb_misused(&verb, "clients times batch is more than 1048576");
    } else if (load(replay, verb.arguments.operands[0])) {
        run(replay);
        int code = verb_end(&verb); /* ends the library's thread before what it uses is freed */
        free(replay->lines);
        replay_plan_free(&replay->plan);
        orders_free(&replay->orders);
        free(replay);
        return code;
    }
    free(replay);
    return verb_end(&verb);
}
