/*
 * history.h - a run's history in memory: its operations, each invocation with its completion, and
 * what the nemesis did. Made from events, or from a history.edn that holds them; read by all
 * checkers, changed by none.
 *
 * The order of events (`invoked`, `completed`) is the real-time order that checkers go by: an
 * operation whose completion stands before the invocation of another has returned before that other
 * was begun. Times are for people, for ages and for plots.
 *
 * Memory: 88 bytes an operation, and 16 to 56 for each line, stock or row that it names; every text
 * once. Ownership: the history owns all of it. Threads: one while it is made, any number after.
 */
#ifndef JEPSEN_HISTORY_H
#define JEPSEN_HISTORY_H

#include "event.h"
#include "names.h"

#define HISTORY_NEVER      UINT32_MAX /* an event that never came */
#define HISTORY_NEVER_NS   INT64_MAX
#define HISTORY_OPERATIONS UINT32_C(1000000000)

/* What became of an operation, as far as its client knows. */
enum outcome {
    OUTCOME_OK,      /* it has taken place, or the read has its answer */
    OUTCOME_REFUSED, /* the ledger has answered, and nothing has changed */
    OUTCOME_FAILED,  /* surely not executed; there is no answer */
    OUTCOME_UNKNOWN  /* info, or never completed */
};

struct operation {
    int64_t invoked_ns;
    int64_t completed_ns; /* HISTORY_NEVER_NS: never */
    uint64_t log_index;   /* with an answer */
    int64_t number;       /* asked: Reserve: ttl_ms; SetStock, AdjustStock: the expected version;
                             READ_DIGEST: the node; other reads: min_index */
    uint32_t log_position;
    uint32_t invoked;   /* events: places in the history */
    uint32_t completed; /* HISTORY_NEVER: never */
    uint32_t process;
    uint32_t order;    /* in history.texts; NAME_NONE: none */
    uint32_t request;  /* likewise: the request id */
    uint32_t note;     /* likewise: why there is no answer, or a digest */
    uint32_t asked;    /* of history.lines, `asked_count` of them */
    uint32_t answered; /* of history.stocks, order_lines, failed or rows, by function */
    uint32_t answered_count;
    uint32_t age_ms;
    uint16_t asked_count;
    uint8_t function; /* enum event_function */
    uint8_t outcome;  /* enum outcome */
    uint8_t verdict;  /* hf_verdict of an answer; 0: there is none */
    uint8_t state;    /* hf_order_state of an answer */
    uint8_t attempts; /* 1 and up; 255: as many or more */
    bool replayed : 1;
    bool existed : 1;
    bool stale : 1;
    bool add_lines : 1;
    bool final : 1;
    bool reacquire : 1;
    bool has_expected_version : 1;
};
_Static_assert(sizeof(struct operation) <= 96, "a million of them must not matter");

static inline bool operation_answered(const struct operation *operation)
{
    return operation->outcome == OUTCOME_OK || operation->outcome == OUTCOME_REFUSED;
}
static inline bool operation_is_command(const struct operation *operation)
{
    return function_is_command((enum event_function)operation->function);
}

/* A stock is named by its place in history.stocks_named. */
struct history_line {
    uint32_t stock;
    int64_t quantity;
};
struct history_stock {
    uint32_t stock;
    bool found;
    int64_t on_hand;
    int64_t reserved;
    uint64_t version;
};
struct history_order_line {
    uint32_t stock;
    int64_t reserved;
    int64_t deducted;
    int64_t released;
    int64_t expired;
    int64_t returned;
};
struct history_failed_line {
    uint32_t stock;
    int reason;
    int64_t requested;
    int64_t available;
};
struct history_row {
    uint64_t log_index;
    uint32_t sub;
    uint32_t op; /* hf_history_op */
    int64_t on_hand_change;
    int64_t reserved_change;
    uint32_t order; /* NAME_NONE: none */
};

/* What the nemesis did: an event of its own. */
struct fault_event {
    int64_t time_ns;
    uint32_t event;
    uint32_t fault; /* in history.texts: "start-partition" */
    uint32_t value; /* likewise, EDN; NAME_NONE: nil */
};

#define HISTORY_LIST(type)                                                                         \
    struct {                                                                                       \
        type *items;                                                                               \
        uint32_t count;                                                                            \
        uint32_t capacity;                                                                         \
    }

struct history {
    HISTORY_LIST(struct operation) operations; /* in the order of their invocations */
    HISTORY_LIST(struct fault_event) faults;
    HISTORY_LIST(struct history_line) lines;
    HISTORY_LIST(struct history_stock) stocks;
    HISTORY_LIST(struct history_order_line) order_lines;
    HISTORY_LIST(struct history_failed_line) failed;
    HISTORY_LIST(struct history_row) rows;
    HISTORY_LIST(uint32_t) running; /* by process number's place: operation + 1; see history.c */
    HISTORY_LIST(uint32_t) event_operations; /* of each event: its operation; NAME_NONE: a fault */
    struct names texts;
    struct names stock_names; /* warehouse, then SKU: numbers are those of stocks */
    struct names processes;
    uint32_t events;
    int64_t end_ns; /* time of the last event */
    bool torn;      /* the file ended within a line: the run died; what was whole is here */
};

struct history *history_new(void);
void history_free(struct history *history); /* NULL is allowed */

/* Takes the next event; its `index` is not looked at, the history counts by itself. False: it can't
 * follow what is there (a completion without an invocation, an invocation by a process that waits
 * or that has met an info, a time that runs back). */
bool history_add(struct history *history, const struct event *event, struct error *error);

/* Reads history.edn: one event a line; empty lines and ones that begin with ; are left out, and so
 * is a last line without an end (`torn`). NULL: the error names the file and the line. */
struct history *history_load(const char *path, struct error *error);
/* The same from memory; `name` is for errors. */
struct history *history_parse(struct bytes text, const char *name, struct error *error);

/* ---- looking at it ---- */

struct bytes history_sku(const struct history *history, uint32_t stock);
uint32_t history_warehouse(const struct history *history, uint32_t stock);
static inline uint32_t history_stock_count(const struct history *history)
{
    return history->stock_names.count;
}

/* The quantity of a command on one stock: what is set, or the change. */
int64_t operation_quantity(const struct history *history, const struct operation *operation);
uint32_t operation_stock(const struct history *history, const struct operation *operation);
/* Does the answer name this stock among those that were not enough, or not there? */
bool operation_failed_on(const struct history *history, const struct operation *operation,
                         uint32_t stock);

/* The operation's events as they stand in history.edn: the invocation, and the completion if there
 * is one. */
void history_write_invocation(struct buffer *out, const struct history *history,
                              uint32_t operation);
void history_write_completion(struct buffer *out, const struct history *history,
                              uint32_t operation);
/* All of it, in order. */
void history_write(struct buffer *out, const struct history *history);

/* "reserve o-1 A=2 (event 17: ok at 9/0)": for reasons. */
void history_describe(struct buffer *out, const struct history *history, uint32_t operation);
/* What was asked, "reserve o-1 A=2", and what was answered, "ok at 9/0, active". */
void history_describe_asked(struct buffer *out, const struct history *history, uint32_t operation);
void history_describe_answer(struct buffer *out, const struct history *history, uint32_t operation);

#endif
