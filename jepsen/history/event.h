/*
 * event.h - one event of a history, as a client or the nemesis saw it, and its text.
 *
 * A history is a sequence of events in Jepsen's sense: a process invokes an operation, and later
 * that operation completes, as
 *
 *   ok     it has taken place, and this is the answer
 *   fail   it has surely not taken place: the ledger refused it (the event then has a verdict and a
 *          place in the log), or nobody ever took it (it has no verdict, but an error)
 *   info   nobody knows: a timeout, a broken connection. It may take place at any later moment. A
 *          process never does anything again after an info; who goes on is a new process.
 *
 * Faults are events of the process :nemesis, always of type info: one when the fault is about to be
 * made, another when it has been. Their functions are free words; "start-X" and "stop-X" bound the
 * window of fault X, "finish-X" moves its end (faults.h), any other word is a moment.
 *
 * The text is one EDN map a line, keys as in Jepsen (:type :f :value :process :time :index, and
 * :error), written in event_write.c and read in event_read.c:
 *
 *   {:type :invoke, :f :reserve, :value {:order "o-1", :lines [["A" 2]]}, :process 3, :time 12,
 * :index 17}
 *   {:type :ok, :f :reserve, :value {:order "o-1", :verdict :ok, :log-index 9, :log-position 0,
 *    :state :active}, :process 3, :time 3456, :index 18}
 *
 * A stock is named by its SKU, "A", or by [SKU warehouse] where the warehouse is not 1.
 * docs/jepsen.md has the values of every function.
 *
 * Ownership: struct event owns nothing; what a reader gives lives until its next call.
 */
#ifndef JEPSEN_EVENT_H
#define JEPSEN_EVENT_H

#include <holdfast/holdfast.h>

#include "base/bytes.h"
#include "base/error.h"
#include "edn.h"

#define EVENT_NEMESIS   UINT32_MAX          /* as a process */
#define EVENT_PROCESSES (UINT32_MAX - 1)    /* processes are numbers below */
#define EVENT_LINES     1024                /* of one operation: lines, stocks */
#define EVENT_ROWS      1000000             /* of one reading of a history */
#define EVENT_TEXT      (UINT32_C(1) << 28) /* bytes of one line of a file */

enum event_type { EVENT_INVOKE, EVENT_OK, EVENT_FAIL, EVENT_INFO };

enum event_function {
    FUNCTION_SET_STOCK,
    FUNCTION_ADJUST_STOCK,
    FUNCTION_RESERVE,
    FUNCTION_DEDUCT,
    FUNCTION_RELEASE,
    FUNCTION_READ_STOCK,  /* one stock or more, at one index */
    FUNCTION_CHECK_STOCK, /* are these quantities available? */
    FUNCTION_READ_ORDER,
    FUNCTION_READ_HISTORY, /* all rows of one stock */
    FUNCTION_READ_DIGEST,  /* of one node's state */
    FUNCTION_FAULT,        /* the nemesis' */
    FUNCTION_COUNT
};

/* Commands change something and have a place of their own in the log; reads are the rest. */
static inline bool function_is_command(enum event_function function)
{
    return function <= FUNCTION_RELEASE;
}
static inline bool function_is_order_command(enum event_function function)
{
    return function >= FUNCTION_RESERVE && function <= FUNCTION_RELEASE;
}

/* "reserve"; "unavailable-stock" and so on: EDN's keywords without the colon. Static. A number that
 * nobody knows: "unrecognised". */
const char *event_type_name(enum event_type type);
const char *event_function_name(enum event_function function);
const char *event_verdict_name(int verdict);
const char *event_state_name(hf_order_state state);
const char *event_history_op_name(hf_history_op op);

struct event_line {
    struct bytes sku;
    uint32_t warehouse; /* 0 means 1 */
    int64_t quantity;   /* SetStock: on hand; AdjustStock: the change; where nothing is asked: 0 */
};

struct event_stock {
    struct bytes sku;
    uint32_t warehouse;
    bool found;
    int64_t on_hand;
    int64_t reserved;
    uint64_t version;
};

struct event_order_line {
    struct bytes sku;
    uint32_t warehouse;
    int64_t reserved;
    int64_t deducted;
    int64_t released;
    int64_t expired;
    int64_t returned;
};

struct event_failed_line {
    struct bytes sku;
    uint32_t warehouse;
    int64_t requested;
    int64_t available;
    int reason; /* hf_verdict */
};

struct event_row {
    uint64_t log_index;
    uint32_t sub;
    hf_history_op op;
    int64_t on_hand_change;
    int64_t reserved_change;
    struct bytes order; /* empty: none */
};

struct event {
    enum event_type type;
    enum event_function function;
    uint32_t process;
    int64_t time_ns;    /* monotonic, since the run began */
    uint64_t index;     /* its place in the history: 0, 1, 2, ... */
    struct bytes error; /* why there is no answer; empty: none */

    /* faults */
    struct bytes fault;       /* "start-partition" */
    struct bytes fault_value; /* EDN, as it is to stand in the file; empty: nil */

    /* what was asked: in invocations */
    struct bytes order;   /* in completions too, so that a search for an order finds them */
    struct bytes request; /* request id; empty: none */
    const struct event_line *lines; /* what a command or a read names; set and adjust name one */
    uint32_t line_count;
    int64_t ttl_ms; /* Reserve; 0: the ledger's default */
    bool add_lines;
    bool final;
    bool reacquire;
    bool has_expected_version;
    uint64_t expected_version;
    bool stale; /* reads */
    uint64_t min_index;
    uint32_t node; /* READ_DIGEST */

    /* the answer: in completions that have one */
    int verdict; /* hf_verdict, positive; 0: there was no answer */
    bool replayed;
    bool existed;          /* Release */
    uint64_t log_index;    /* a command's own; or the one that a read was answered at */
    uint32_t log_position; /* commands */
    hf_order_state state;
    uint32_t attempts;                /* how often the client sent it; 0 means 1 */
    int64_t age_ms;                   /* stale reads */
    const struct event_stock *stocks; /* READ_STOCK: all; SET, ADJUST: one or none */
    uint32_t stock_count;
    const struct event_order_line *order_lines; /* READ_ORDER */
    uint32_t order_line_count;
    const struct event_failed_line *failed; /* RESERVE, DEDUCT, RELEASE, CHECK_STOCK */
    uint32_t failed_count;
    const struct event_row *rows; /* READ_HISTORY */
    uint32_t row_count;
    struct bytes digest; /* READ_DIGEST: 32 hexadecimal digits */
};

/* Appends the event's line, with its end. */
void event_write(struct buffer *out, const struct event *event);
/* A string in EDN's quotes. */
void event_write_string(struct buffer *out, struct bytes text);

/* Reads lines; owns what the last event shows. Zeroed is ready; event_reader_free when done. */
struct event_reader {
    struct edn edn;
    struct buffer lines; /* what the event's arrays point into */
    struct buffer stocks;
    struct buffer order_lines;
    struct buffer failed;
    struct buffer rows;
};
/* False: it is no event, and the error says why. Keys that are not known are left alone. */
bool event_read(struct event_reader *reader, struct bytes line, struct event *event,
                struct error *error);
void event_reader_free(struct event_reader *reader);

#endif
