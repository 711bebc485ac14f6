/*
 * random_history.c - see random_history.h.
 *
 * A turn of the loop lets one process take one step: invoke, have its command put into the log, or
 * get its answer. Time goes on by some microseconds a turn.
 */
#include "random_history.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "ledger/command.h"
#include "model.h"
#include "state.h"

#define PROCESSES   64
#define LATE        4096 /* commands under way that nobody waits for */
#define RECENT      16
#define LINES_MOST  8
#define ENTRY_MOST  4
#define NAME_LENGTH 24

enum phase { IDLE, SENT, DONE };

struct asked {
    struct event event;
    char order[NAME_LENGTH];
    char request[NAME_LENGTH];
    char made[NAME_LENGTH]; /* the library's request id, where the program gives none */
    bool resent;
    struct event_line lines[LINES_MOST];
};

struct process {
    uint32_t number;
    enum phase phase;
    uint32_t attempts;
    struct asked asked;
    struct buffer answer; /* its line, but for time and index: an event to be written */
    struct event completion;
    struct event_stock stocks[LINES_MOST];
    struct event_failed_line failed[LINES_MOST];
    struct event_order_line order_lines[LINES_MOST];
};

struct world {
    const struct random_shape *shape;
    struct random random;
    struct model *model;
    struct buffer *out;
    struct buffer rows;
    struct process processes[PROCESSES];
    uint32_t next_process;
    struct asked *late;
    uint32_t late_count;
    int64_t now_ns;
    uint64_t events;
    uint64_t log_index;
    uint32_t orders;
    uint32_t requests;
    uint32_t made;
    uint32_t recent[RECENT];
    char sku_names[256][NAME_LENGTH];
    /* of the entry that is being applied */
    struct process *waiting[ENTRY_MOST];
    uint32_t waiting_count;
};

static uint32_t below(struct world *world, uint32_t bound)
{
    return (uint32_t)(random_next(&world->random) >> 33) % bound;
}

static bool chance(struct world *world, unsigned permille)
{
    return below(world, 1000) < permille;
}

static struct bytes sku_text(struct world *world, uint32_t sku)
{
    return bytes_of_string(world->sku_names[sku]);
}

static void write_event(struct world *world, struct event *event)
{
    event->time_ns = world->now_ns;
    event->index = world->events++;
    event_write(world->out, event);
}

/* ---- asking ---- */

static void ask_lines(struct world *world, struct asked *asked, uint32_t most)
{
    uint32_t count = 1 + below(world, most);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t sku = below(world, 3) == 0 ? 0 : below(world, world->shape->skus);
        asked->lines[i] = (struct event_line){sku_text(world, sku), 1, 1 + below(world, 3)};
    }
    asked->event.lines = asked->lines;
    asked->event.line_count = count;
}

static void name_request(struct world *world, struct asked *asked)
{
    uint32_t number = world->shape->ids && chance(world, 200) && world->requests > 4
                          ? world->requests - 1 - below(world, 4)
                          : world->requests++;
    snprintf(asked->request, sizeof asked->request, "r%" PRIu32, number);
    asked->event.request = bytes_of_string(asked->request);
}

static void name_order(struct world *world, struct asked *asked, bool fresh)
{
    uint32_t *slot = &world->recent[below(world, RECENT)];
    if (fresh || *slot == 0) {
        *slot = ++world->orders;
    }
    snprintf(asked->order, sizeof asked->order, "o%" PRIu32, *slot);
    asked->event.order = bytes_of_string(asked->order);
}

/* Where orders have one line, all that is said of one names the same stock. */
static void ask_order_lines(struct world *world, struct asked *asked, uint32_t most)
{
    ask_lines(world, asked, most);
    if (world->shape->lines == 1) {
        uint32_t order = (uint32_t)strtoul(asked->order + 1, NULL, 10);
        asked->lines[0].sku = sku_text(world, order % 3 == 0 ? 0 : order / 3 % world->shape->skus);
    }
}

static void ask_stock(struct world *world, struct asked *asked)
{
    bool set = world->shape->sets && chance(world, 100);
    ask_lines(world, asked, 1);
    asked->event.line_count = 1;
    asked->event.function = set ? FUNCTION_SET_STOCK : FUNCTION_ADJUST_STOCK;
    asked->lines[0].quantity = set ? 5 + below(world, 20) : (int64_t)below(world, 12) - 4;
    if (asked->lines[0].quantity == 0) {
        asked->lines[0].quantity = 3;
    }
    if (world->shape->sets && chance(world, 50)) {
        asked->event.has_expected_version = true;
        asked->event.expected_version = below(world, 6);
    }
    name_request(world, asked);
}

static void ask_order(struct world *world, struct asked *asked)
{
    uint32_t which = below(world, 10);
    name_order(world, asked, which < 4);
    asked->event.function = which < 6   ? FUNCTION_RESERVE
                            : which < 8 ? FUNCTION_DEDUCT
                                        : FUNCTION_RELEASE;
    if (asked->event.function == FUNCTION_RESERVE) {
        ask_order_lines(world, asked, world->shape->lines);
        asked->event.add_lines = world->shape->partial && chance(world, 200);
        asked->event.ttl_ms = world->shape->expiry ? 1 + below(world, 20) : 0;
        return;
    }
    asked->event.reacquire =
        asked->event.function == FUNCTION_DEDUCT && world->shape->expiry && chance(world, 300);
    if (world->shape->partial && chance(world, 300)) {
        ask_order_lines(world, asked, 1);
        asked->event.final = asked->event.function == FUNCTION_DEDUCT && chance(world, 300);
        name_request(world, asked);
    }
}

static void ask_read(struct world *world, struct asked *asked)
{
    uint32_t which = below(world, 10);
    asked->event.stale = chance(world, 100);
    if (which < 4) {
        asked->event.function = FUNCTION_READ_ORDER;
        name_order(world, asked, false);
        return;
    }
    asked->event.function = which < 8 ? FUNCTION_READ_STOCK : FUNCTION_CHECK_STOCK;
    ask_lines(world, asked, world->shape->lines);
    for (uint32_t i = 0; which < 8 && i < asked->event.line_count; i++) {
        asked->lines[i].quantity = 0;
        for (uint32_t k = 0; k < i; k++) {
            if (bytes_equal(asked->lines[k].sku, asked->lines[i].sku)) {
                asked->event.line_count = i; /* a map has a key once */
            }
        }
    }
}

static void invoke(struct world *world, struct process *process)
{
    process->asked = (struct asked){.event = {.type = EVENT_INVOKE, .process = process->number}};
    process->attempts = 1;
    if (chance(world, 150)) {
        ask_stock(world, &process->asked);
    } else if (chance(world, 600)) {
        ask_order(world, &process->asked);
    } else {
        ask_read(world, &process->asked);
    }
    snprintf(process->asked.made, sizeof process->asked.made, "made%" PRIu32, world->made++);
    process->phase = SENT;
    write_event(world, &process->asked.event);
}

/* ---- answering ---- */

static void begin_completion(struct process *process)
{
    process->completion = (struct event){
        .type = EVENT_OK,
        .function = process->asked.event.function,
        .process = process->number,
        .order = process->asked.event.order,
        .attempts = process->attempts,
    };
}

/* "A12": 12. The text has no closing NUL. */
static uint32_t number_in(struct bytes name)
{
    uint32_t number = 0;
    for (size_t i = 1; i < name.len; i++) {
        number = number * 10 + (uint32_t)(name.data[i] - '0');
    }
    return number;
}

static void take_result(void *context, uint32_t position, const struct ledger_result *result)
{
    struct world *world = context;
    struct process *process = position < world->waiting_count ? world->waiting[position] : NULL;
    if (process == NULL) {
        return;
    }
    begin_completion(process);
    struct event *event = &process->completion;
    event->type = result->verdict == LEDGER_OK ? EVENT_OK : EVENT_FAIL;
    event->verdict = (int)result->verdict;
    event->replayed = result->replayed;
    event->existed = result->existed;
    event->log_index = result->log_index;
    event->log_position = result->log_position;
    event->state = (hf_order_state)result->order_state;
    if (result->has_stock) {
        process->stocks[0] = (struct event_stock){.found = true,
                                                  .on_hand = result->stock.on_hand,
                                                  .reserved = result->stock.reserved,
                                                  .version = result->stock.version};
        event->stocks = process->stocks;
        event->stock_count = 1;
    }
    for (uint32_t i = 0; i < result->failed_line_count; i++) {
        const struct ledger_failed_line *line = &result->failed_lines[i];
        uint32_t sku = number_in(line->sku);
        process->failed[i] =
            (struct event_failed_line){sku_text(world, sku), line->warehouse, line->requested,
                                       line->available, (int)line->reason};
    }
    event->failed = process->failed;
    event->failed_count = result->failed_line_count;
}

static void encode(struct buffer *entry, const struct asked *asked)
{
    const struct event *event = &asked->event;
    struct ledger_line lines[LINES_MOST];
    bool on_stock = !function_is_order_command(event->function);
    struct ledger_command command = {
        .kind = event->function == FUNCTION_SET_STOCK      ? LEDGER_SET_STOCK
                : event->function == FUNCTION_ADJUST_STOCK ? LEDGER_ADJUST_STOCK
                : event->function == FUNCTION_RESERVE      ? LEDGER_RESERVE
                : event->function == FUNCTION_DEDUCT       ? LEDGER_DEDUCT
                                                           : LEDGER_RELEASE,
        .request_id = event->request.len != 0 ? event->request : bytes_of_string(asked->made),
        .resent = asked->resent,
        .order_id = event->order,
        .lines = on_stock ? NULL : lines,
        .line_count = on_stock ? 0 : event->line_count,
        .has_ttl = event->ttl_ms != 0,
        .ttl_ms = event->ttl_ms,
        .mode = event->add_lines ? LEDGER_RESERVE_ADD_LINES : LEDGER_RESERVE_WHOLE,
        .final = event->final,
        .reacquire = event->reacquire,
        .has_expected_version = event->has_expected_version,
        .expected_version = event->expected_version,
    };
    for (uint32_t i = 0; i < event->line_count; i++) {
        lines[i] = (struct ledger_line){event->lines[i].sku, 1, event->lines[i].quantity};
    }
    if (on_stock) {
        command.sku = event->lines[0].sku;
        command.warehouse = 1;
        command.quantity = event->lines[0].quantity;
        command.reason =
            event->function == FUNCTION_ADJUST_STOCK ? BYTES_LITERAL("ADJUST") : bytes_of(NULL, 0);
    }
    ledger_command_encode(entry, &command);
}

/* Into the log with these; NULL: nobody waits for that one. */
static void commit(struct world *world, const struct asked *const *asked, uint32_t count)
{
    struct buffer entry = {0};
    struct ledger_entry_header header = {LEDGER_ENTRY_FORMAT, LEDGER_VERSION,
                                         1000000 + world->now_ns / 1000000, 0, 0};
    ledger_entry_begin(&entry, &header);
    for (uint32_t i = 0; i < count; i++) {
        encode(&entry, asked[i]);
    }
    ledger_entry_finish(&entry, count);
    world->log_index += 1 + below(world, 2); /* some entries are not the ledger's */
    bool applied =
        model_apply(world->model, world->log_index, buffer_bytes(&entry), take_result, world);
    assert(applied);
    (void)applied;
    buffer_free(&entry);
}

static void read_order(struct world *world, struct process *process, uint64_t index)
{
    struct order_record order;
    struct event *event = &process->completion;
    if (!model_order_at(world->model, event->order, index, &order)) {
        event->verdict = HF_ORDER_NOT_FOUND;
        return;
    }
    event->verdict = HF_OK;
    event->state = (hf_order_state)order.state;
    for (uint32_t i = 0; i < order.line_count; i++) {
        const struct order_line *line = &order.lines[i];
        process->order_lines[i] = (struct event_order_line){line->sku,
                                                            line->warehouse,
                                                            line->reserved,
                                                            line->deducted,
                                                            line->released,
                                                            line->expired,
                                                            0};
    }
    event->order_lines = process->order_lines;
    event->order_line_count = order.line_count;
}

static struct event_stock stock_at(struct world *world, struct bytes sku, uint64_t index)
{
    struct stock_record record;
    if (!model_stock_at(world->model, sku, 1, index, &record)) {
        return (struct event_stock){.sku = sku, .warehouse = 1};
    }
    return (struct event_stock){sku, 1, true, record.on_hand, record.reserved, record.version};
}

static void read_stocks(struct world *world, struct process *process, uint64_t index)
{
    struct event *event = &process->completion;
    event->verdict = HF_OK;
    for (uint32_t i = 0; i < process->asked.event.line_count; i++) {
        process->stocks[i] = stock_at(world, process->asked.lines[i].sku, index);
    }
    event->stocks = process->stocks;
    event->stock_count = process->asked.event.line_count;
}

/* The model keeps every change of a stock. */
static void read_rows(struct world *world, struct process *process)
{
    struct event *event = &process->completion;
    const struct stock *stock = state_stock(world->model, process->asked.lines[0].sku, 1);
    event->verdict = stock != NULL ? HF_OK : HF_SKU_NOT_FOUND;
    buffer_clear(&world->rows);
    for (uint32_t i = 0; stock != NULL && i < stock->changes.count; i++) {
        const struct history_record *row = &stock->changes.items[i].row;
        struct event_row shown = {row->index,
                                  row->sub,
                                  (hf_history_op)row->op,
                                  row->on_hand_after - row->on_hand_before,
                                  row->reserved_after - row->reserved_before,
                                  row->order_id};
        buffer_append(&world->rows, &shown, sizeof shown);
        event->row_count++;
    }
    event->rows = (const struct event_row *)world->rows.data;
}

static void check_stocks(struct world *world, struct process *process, uint64_t index)
{
    struct event *event = &process->completion;
    event->verdict = HF_OK;
    event->failed = process->failed;
    for (uint32_t i = 0; i < process->asked.event.line_count; i++) {
        struct bytes sku = process->asked.lines[i].sku;
        int64_t quantity = 0;
        bool seen = false;
        for (uint32_t k = 0; k < process->asked.event.line_count; k++) {
            bool same = bytes_equal(process->asked.lines[k].sku, sku);
            quantity += same ? process->asked.lines[k].quantity : 0;
            seen |= same && k < i;
        }
        struct event_stock stock = stock_at(world, sku, index);
        if (seen || (stock.found && stock.on_hand - stock.reserved >= quantity)) {
            continue;
        }
        int reason = stock.found ? HF_INSUFFICIENT_STOCK : HF_SKU_NOT_FOUND;
        process->failed[event->failed_count++] =
            (struct event_failed_line){sku, 1, quantity, stock.on_hand - stock.reserved, reason};
        event->verdict = event->verdict == HF_OK ? reason : event->verdict;
    }
}

static void answer_read(struct world *world, struct process *process)
{
    uint64_t index = world->log_index;
    begin_completion(process);
    if (process->asked.event.stale && index > 3) {
        index -= below(world, 3);
        process->completion.age_ms = 1000;
    }
    process->completion.log_index = index;
    switch (process->asked.event.function) {
    case FUNCTION_READ_ORDER:
        read_order(world, process, index);
        break;
    case FUNCTION_READ_STOCK:
        read_stocks(world, process, index);
        break;
    case FUNCTION_READ_HISTORY:
        read_rows(world, process);
        break;
    default:
        check_stocks(world, process, index);
        break;
    }
}

/* ---- steps ---- */

static void replace_process(struct world *world, struct process *process)
{
    process->number = world->next_process++;
    process->phase = IDLE;
}

/* An attempt that arrives some time later. */
static void hold_up(struct world *world, const struct asked *asked)
{
    if (world->late_count < LATE) {
        struct asked *late = &world->late[world->late_count++];
        *late = *asked;
        late->event.order = bytes_of_string(late->order);
        late->event.request = bytes_of_string(late->request);
        late->event.lines = late->lines;
    }
}

static void give_up(struct world *world, struct process *process, bool under_way)
{
    struct event event = {
        .type = EVENT_INFO,
        .function = process->asked.event.function,
        .process = process->number,
        .order = process->asked.event.order,
        .error = BYTES_LITERAL("timeout"),
    };
    if (under_way) {
        hold_up(world, &process->asked);
    }
    write_event(world, &event);
    replace_process(world, process);
}

static void add_waiting(struct world *world, const struct asked **asked, struct process *process)
{
    asked[world->waiting_count] = &process->asked;
    world->waiting[world->waiting_count++] = process;
    process->phase = DONE;
}

static void execute(struct world *world, struct process *process)
{
    const struct asked *asked[ENTRY_MOST];
    world->waiting_count = 0;
    add_waiting(world, asked, process);
    for (uint32_t i = 0; i < world->shape->processes; i++) {
        struct process *other = &world->processes[i];
        if (world->waiting_count < ENTRY_MOST - 1 && other->phase == SENT &&
            function_is_command(other->asked.event.function) && chance(world, 200)) {
            add_waiting(world, asked, other);
        }
    }
    uint32_t count = world->waiting_count;
    if (world->late_count > 0 && chance(world, 300)) {
        asked[count++] = &world->late[--world->late_count];
    }
    commit(world, asked, count);
}

/* Nobody hears of this attempt, and the next one says that there was one. */
static void send_again(struct world *world, struct process *process)
{
    const struct asked *alone = &process->asked;
    if (chance(world, 300)) {
        hold_up(world, alone);
    } else {
        world->waiting_count = 0;
        commit(world, &alone, 1);
    }
    process->attempts++;
    process->asked.resent = true;
}

static void step(struct world *world, struct process *process)
{
    bool command = function_is_command(process->asked.event.function);
    unsigned again = process->attempts > 1 ? 3 * world->shape->twice : world->shape->twice;
    switch (process->phase) {
    case IDLE:
        invoke(world, process);
        break;
    case SENT:
        if (chance(world, world->shape->unknown)) {
            give_up(world, process, command);
        } else if (!command) {
            answer_read(world, process);
            process->phase = DONE;
        } else if (chance(world, again)) {
            send_again(world, process);
        } else {
            execute(world, process);
        }
        break;
    case DONE:
        if (chance(world, world->shape->unknown)) {
            give_up(world, process, false);
        } else {
            write_event(world, &process->completion);
            process->phase = IDLE;
        }
        break;
    }
}

static void drain(struct world *world)
{
    for (uint32_t i = 0; i < world->shape->processes; i++) {
        struct process *process = &world->processes[i];
        while (process->phase != IDLE) {
            world->now_ns += 1000;
            step(world, process);
        }
    }
}

/* One process alone asks for this, and gets its answer. */
static void ask_alone(struct world *world, struct asked *asked)
{
    struct process *process = &world->processes[0];
    const struct asked *one = &process->asked;
    world->now_ns += 1000;
    process->asked = *asked;
    process->asked.event.process = process->number;
    process->asked.event.lines = process->asked.lines;
    process->asked.event.order = bytes_of_string(process->asked.order);
    process->asked.event.request = bytes_of_string(process->asked.request);
    process->attempts = 1;
    write_event(world, &process->asked.event);
    if (function_is_command(asked->event.function)) {
        world->waiting[0] = process;
        world->waiting_count = 1;
        commit(world, &one, 1);
    } else {
        answer_read(world, process);
    }
    write_event(world, &process->completion);
}

static void begin_stocks(struct world *world)
{
    for (uint32_t i = 0; i < world->shape->skus; i++) {
        struct asked asked = {.event = {.function = FUNCTION_SET_STOCK, .line_count = 1}};
        snprintf(world->sku_names[i], NAME_LENGTH, "A%" PRIu32, i);
        asked.lines[0] = (struct event_line){sku_text(world, i), 1, 20 + below(world, 30)};
        snprintf(asked.request, sizeof asked.request, "begin%" PRIu32, i);
        if (!world->shape->ids || i % 2 == 0) {
            ask_alone(world, &asked); /* the others come into being with a SetStock, or never */
        }
    }
}

static void read_everything(struct world *world)
{
    for (uint32_t i = 0; i < world->shape->skus; i++) {
        struct asked asked = {.event = {.function = FUNCTION_READ_STOCK, .line_count = 1}};
        asked.lines[0] = (struct event_line){sku_text(world, i), 1, 0};
        ask_alone(world, &asked);
        asked.event.function = FUNCTION_READ_HISTORY;
        ask_alone(world, &asked);
    }
    for (uint32_t i = 1; i <= world->orders; i++) {
        struct asked asked = {.event = {.function = FUNCTION_READ_ORDER}};
        snprintf(asked.order, sizeof asked.order, "o%" PRIu32, i);
        ask_alone(world, &asked);
    }
}

struct random_shape random_shape_of(uint64_t seed, uint32_t operations)
{
    struct random random = {seed};
    uint64_t draw = random_next(&random);
    return (struct random_shape){
        .seed = seed,
        .operations = operations,
        .processes = 1 + (uint32_t)(draw & 15),
        .skus = 1 + (uint32_t)(draw >> 4 & 7),
        .lines = 1 + (uint32_t)(draw >> 8 & 3),
        .unknown = (draw >> 12 & 3) == 0 ? 0 : (unsigned)(draw >> 14 & 63),
        .twice = (draw >> 20 & 1) != 0 ? 0 : 100,
        .ids = (draw >> 21 & 1) != 0,
        .sets = (draw >> 26 & 1) != 0,
        .partial = (draw >> 22 & 1) != 0,
        .expiry = (draw >> 23 & 1) != 0,
        .final_reads = (draw >> 24 & 3) != 0,
    };
}

void random_history_text(struct buffer *out, const struct random_shape *shape)
{
    struct world *world = memory_zalloc(sizeof *world);
    world->shape = shape;
    world->random = (struct random){shape->seed * 7919 + 1};
    world->model = model_new();
    world->out = out;
    world->late = memory_alloc(LATE * sizeof *world->late);
    for (uint32_t i = 0; i < shape->processes; i++) {
        world->processes[i].number = world->next_process++;
    }
    begin_stocks(world);
    while (world->events < 2 * (uint64_t)shape->operations) {
        world->now_ns += 1000 + below(world, 200000);
        step(world, &world->processes[below(world, shape->processes)]);
    }
    drain(world);
    if (shape->final_reads) {
        read_everything(world);
    }
    model_free(world->model);
    free(world->late);
    buffer_free(&world->rows);
    free(world);
}

struct history *random_history(const struct random_shape *shape)
{
    struct buffer text = {0};
    struct error error;
    random_history_text(&text, shape);
    struct history *history = history_parse(buffer_bytes(&text), "random", &error);
    if (history == NULL) {
        fprintf(stderr, "seed %" PRIu64 ": %s\n", shape->seed, error.text);
        abort();
    }
    buffer_free(&text);
    return history;
}
