/*
 * history.c - events become operations.
 *
 * Happy path: an invocation makes an operation, which its process then waits for; the completion by
 * the same process, of the same function, fills the answer in. Fails: events that no client could
 * have recorded; the history is of no use then.
 */
#include "history.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of a process, in `running`: what it does. */
#define PROCESS_IDLE 0
#define PROCESS_GONE UINT32_MAX /* it has met an info */

static void *list_room(void *items, uint32_t *capacity, uint32_t count, uint32_t more, size_t size)
{
    if (count + more > *capacity) {
        uint32_t wanted = *capacity < 64 ? 64 : *capacity + *capacity / 2;
        *capacity = wanted > count + more ? wanted : count + more;
        return memory_realloc(items, *capacity * size);
    }
    return items;
}
/* Room for `more` behind the list's items. */
#define LIST_ROOM(list, more)                                                                      \
    ((list)->items = list_room((list)->items, &(list)->capacity, (list)->count, (more),            \
                               sizeof *(list)->items))
#define LIST_ADD(list, ...) (LIST_ROOM(list, 1), (list)->items[(list)->count++] = (__VA_ARGS__))

struct history *history_new(void)
{
    return memory_zalloc(sizeof(struct history));
}

void history_free(struct history *history)
{
    if (history == NULL) {
        return;
    }
    free(history->operations.items);
    free(history->faults.items);
    free(history->lines.items);
    free(history->stocks.items);
    free(history->order_lines.items);
    free(history->failed.items);
    free(history->rows.items);
    free(history->running.items);
    free(history->event_operations.items);
    names_free(&history->texts);
    names_free(&history->stock_names);
    names_free(&history->processes);
    free(history);
}

/* ---- names ---- */

static uint32_t text_of(struct history *history, struct bytes text)
{
    return text.len != 0 ? names_add(&history->texts, text) : NAME_NONE;
}

static uint32_t stock_of(struct history *history, struct bytes sku, uint32_t warehouse)
{
    uint8_t key[sizeof warehouse + UINT8_MAX + 1];
    uint32_t named = warehouse == 0 ? 1 : warehouse;
    size_t len = sku.len < UINT8_MAX ? sku.len : UINT8_MAX; /* the API's bound */
    memcpy(key, &named, sizeof named);
    memcpy(key + sizeof named, sku.data, len);
    return names_add(&history->stock_names, bytes_of(key, sizeof named + len));
}

struct bytes history_sku(const struct history *history, uint32_t stock)
{
    struct bytes key = names_text(&history->stock_names, stock);
    return bytes_of(key.data + sizeof(uint32_t), key.len - sizeof(uint32_t));
}

uint32_t history_warehouse(const struct history *history, uint32_t stock)
{
    uint32_t warehouse;
    memcpy(&warehouse, names_text(&history->stock_names, stock).data, sizeof warehouse);
    return warehouse;
}

/* What the process does: a place that stays until the next call. */
static uint32_t *running_of(struct history *history, uint32_t process)
{
    uint32_t at = names_add(&history->processes, bytes_of(&process, sizeof process));
    if (at == history->running.count) {
        LIST_ADD(&history->running, PROCESS_IDLE);
    }
    return &history->running.items[at];
}

/* ---- invocations ---- */

static int64_t asked_number(const struct event *event)
{
    switch (event->function) {
    case FUNCTION_RESERVE:
        return event->ttl_ms;
    case FUNCTION_SET_STOCK:
    case FUNCTION_ADJUST_STOCK:
        return (int64_t)event->expected_version;
    case FUNCTION_READ_DIGEST:
        return event->node;
    default:
        return (int64_t)event->min_index;
    }
}

static bool add_invocation(struct history *history, const struct event *event, struct error *error)
{
    uint32_t *running = running_of(history, event->process);
    if (*running != PROCESS_IDLE) {
        return error_set(error,
                         *running == PROCESS_GONE ? "process %" PRIu32 " goes on after an info"
                                                  : "process %" PRIu32
                                                    " invokes while it waits for an answer",
                         event->process);
    }
    if (history->operations.count == HISTORY_OPERATIONS) {
        return error_set(error, "more than %" PRIu32 " operations", HISTORY_OPERATIONS);
    }
    *running = history->operations.count + 1;
    struct operation operation = {
        .invoked_ns = event->time_ns,
        .completed_ns = HISTORY_NEVER_NS,
        .number = asked_number(event),
        .invoked = history->events,
        .completed = HISTORY_NEVER,
        .process = event->process,
        .order = text_of(history, event->order),
        .request = text_of(history, event->request),
        .note = NAME_NONE,
        .asked = history->lines.count,
        .asked_count = (uint16_t)event->line_count,
        .function = (uint8_t)event->function,
        .outcome = OUTCOME_UNKNOWN,
        .attempts = 1,
        .stale = event->stale,
        .add_lines = event->add_lines,
        .final = event->final,
        .reacquire = event->reacquire,
        .has_expected_version = event->has_expected_version,
    };
    for (uint32_t i = 0; i < event->line_count; i++) {
        const struct event_line *line = &event->lines[i];
        LIST_ADD(
            &history->lines,
            (struct history_line){stock_of(history, line->sku, line->warehouse), line->quantity});
    }
    LIST_ADD(&history->event_operations, history->operations.count);
    LIST_ADD(&history->operations, operation);
    return true;
}

/* ---- completions ---- */

static void add_stocks(struct history *history, struct operation *operation,
                       const struct event *event)
{
    operation->answered = history->stocks.count;
    operation->answered_count = event->stock_count;
    for (uint32_t i = 0; i < event->stock_count; i++) {
        const struct event_stock *stock = &event->stocks[i];
        uint32_t name = operation_is_command(operation)
                            ? operation_stock(history, operation)
                            : stock_of(history, stock->sku, stock->warehouse);
        LIST_ADD(&history->stocks, (struct history_stock){name, stock->found, stock->on_hand,
                                                          stock->reserved, stock->version});
    }
}

static void add_order_lines(struct history *history, struct operation *operation,
                            const struct event *event)
{
    operation->answered = history->order_lines.count;
    operation->answered_count = event->order_line_count;
    for (uint32_t i = 0; i < event->order_line_count; i++) {
        const struct event_order_line *line = &event->order_lines[i];
        LIST_ADD(&history->order_lines,
                 (struct history_order_line){stock_of(history, line->sku, line->warehouse),
                                             line->reserved, line->deducted, line->released,
                                             line->expired, line->returned});
    }
}

static void add_failed(struct history *history, struct operation *operation,
                       const struct event *event)
{
    operation->answered = history->failed.count;
    operation->answered_count = event->failed_count;
    for (uint32_t i = 0; i < event->failed_count; i++) {
        const struct event_failed_line *line = &event->failed[i];
        LIST_ADD(&history->failed,
                 (struct history_failed_line){stock_of(history, line->sku, line->warehouse),
                                              line->reason, line->requested, line->available});
    }
}

static void add_rows(struct history *history, struct operation *operation,
                     const struct event *event)
{
    operation->answered = history->rows.count;
    operation->answered_count = event->row_count;
    for (uint32_t i = 0; i < event->row_count; i++) {
        const struct event_row *row = &event->rows[i];
        LIST_ADD(&history->rows, (struct history_row){row->log_index, row->sub, (uint32_t)row->op,
                                                      row->on_hand_change, row->reserved_change,
                                                      text_of(history, row->order)});
    }
}

static void add_answer(struct history *history, struct operation *operation,
                       const struct event *event)
{
    operation->verdict = (uint8_t)event->verdict;
    operation->replayed = event->replayed;
    operation->existed = event->existed;
    operation->log_index = event->log_index;
    operation->log_position = event->log_position;
    operation->state = (uint8_t)event->state;
    operation->age_ms = event->age_ms < (int64_t)UINT32_MAX ? (uint32_t)event->age_ms : UINT32_MAX;
    switch (event->function) {
    case FUNCTION_SET_STOCK:
    case FUNCTION_ADJUST_STOCK:
    case FUNCTION_READ_STOCK:
        add_stocks(history, operation, event);
        break;
    case FUNCTION_READ_ORDER:
        add_order_lines(history, operation, event);
        break;
    case FUNCTION_READ_HISTORY:
        add_rows(history, operation, event);
        break;
    case FUNCTION_READ_DIGEST:
        operation->note = text_of(history, event->digest);
        break;
    default:
        add_failed(history, operation, event);
        break;
    }
}

static enum outcome outcome_of(const struct event *event)
{
    if (event->verdict != 0) {
        return event->type == EVENT_FAIL ? OUTCOME_REFUSED : OUTCOME_OK;
    }
    return event->type == EVENT_FAIL ? OUTCOME_FAILED : OUTCOME_UNKNOWN;
}

static bool add_completion(struct history *history, const struct event *event, struct error *error)
{
    uint32_t *running = running_of(history, event->process);
    if (*running == PROCESS_IDLE || *running == PROCESS_GONE) {
        return error_set(error, "process %" PRIu32 " completes what it has not invoked",
                         event->process);
    }
    uint32_t place = *running - 1;
    struct operation *operation = &history->operations.items[place];
    if (operation->function != event->function) {
        return error_set(error, "process %" PRIu32 " completes :%s, but has invoked :%s",
                         event->process, event_function_name(event->function),
                         event_function_name((enum event_function)operation->function));
    }
    *running = event->type == EVENT_INFO ? PROCESS_GONE : PROCESS_IDLE;
    operation->completed = history->events;
    operation->completed_ns = event->time_ns;
    operation->outcome = (uint8_t)outcome_of(event);
    operation->attempts = event->attempts < UINT8_MAX ? (uint8_t)event->attempts : UINT8_MAX;
    if (operation->attempts == 0) {
        operation->attempts = 1;
    }
    if (event->verdict != 0) {
        add_answer(history, operation, event);
    } else {
        operation->note = text_of(history, event->error);
    }
    LIST_ADD(&history->event_operations, place);
    return true;
}

bool history_add(struct history *history, const struct event *event, struct error *error)
{
    if (event->time_ns < history->end_ns) {
        return error_set(error, "time runs back from %" PRId64 " to %" PRId64, history->end_ns,
                         event->time_ns);
    }
    if (event->function == FUNCTION_FAULT) {
        LIST_ADD(&history->faults, (struct fault_event){event->time_ns, history->events,
                                                        names_add(&history->texts, event->fault),
                                                        text_of(history, event->fault_value)});
        LIST_ADD(&history->event_operations, NAME_NONE);
    } else if (event->type == EVENT_INVOKE ? !add_invocation(history, event, error)
                                           : !add_completion(history, event, error)) {
        return false;
    }
    history->events++;
    history->end_ns = event->time_ns;
    return true;
}

/* ---- files ---- */

static bool is_blank(struct bytes line)
{
    return line.len == 0 || line.data[0] == ';' || (line.len == 1 && line.data[0] == '\r');
}

struct history *history_parse(struct bytes text, const char *name, struct error *error)
{
    struct history *history = history_new();
    struct event_reader reader = {.lines = {0}};
    uint64_t number = 0;
    bool fine = true;
    for (size_t at = 0; at < text.len && fine;) {
        struct event event;
        const uint8_t *end = memchr(text.data + at, '\n', text.len - at);
        if (end == NULL) {
            history->torn = true;
            break;
        }
        struct bytes line = bytes_of(text.data + at, (size_t)(end - text.data) - at);
        at += line.len + 1;
        number++;
        if (line.len > EVENT_TEXT) {
            fine = error_set(error, "a line of %zu bytes is too long", line.len);
        } else if (!is_blank(line)) {
            fine = event_read(&reader, line, &event, error) && history_add(history, &event, error);
        }
    }
    event_reader_free(&reader);
    if (!fine) {
        error_wrap(error, "%s, line %" PRIu64, name, number);
        history_free(history);
        return NULL;
    }
    return history;
}

struct history *history_load(const char *path, struct error *error)
{
    struct history *history = NULL;
    struct stat stat;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &stat) != 0) {
        error_set(error, "%s: can't be read: %s", path, strerror(errno));
    } else if (stat.st_size == 0) {
        history = history_new();
    } else {
        void *text = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, file, 0);
        if (text == MAP_FAILED) {
            error_set(error, "%s: can't be mapped: %s", path, strerror(errno));
        } else {
            history = history_parse(bytes_of(text, (size_t)stat.st_size), path, error);
            munmap(text, (size_t)stat.st_size);
        }
    }
    if (file >= 0) {
        close(file);
    }
    return history;
}

int64_t operation_quantity(const struct history *history, const struct operation *operation)
{
    return history->lines.items[operation->asked].quantity;
}

uint32_t operation_stock(const struct history *history, const struct operation *operation)
{
    return history->lines.items[operation->asked].stock;
}

bool operation_failed_on(const struct history *history, const struct operation *operation,
                         uint32_t stock)
{
    for (uint32_t i = 0; i < operation->answered_count; i++) {
        if (history->failed.items[operation->answered + i].stock == stock) {
            return true;
        }
    }
    return false;
}
