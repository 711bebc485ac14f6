/*
 * state.h - what the model holds, shared by its rules. Private to tests/model.
 *
 * Nothing is overwritten: a stock is the list of its changes, an order the list of what it was
 * after each entry that touched it; the last one is what holds now. So there is no second place
 * that could disagree with the first, and the past can be asked.
 *
 * Every text is kept once, in `names`; one table finds it. Everything else is an array, found by
 * the position that a name carries, or by looking at all of it.
 */
#ifndef TESTS_MODEL_STATE_H
#define TESTS_MODEL_STATE_H

#include "ledger/settings.h"
#include "model.h"

/* A growing array: `items` has room for `capacity`, `count` are used. */
#define ARRAY_OF(type)                                                                             \
    struct {                                                                                       \
        type *items;                                                                               \
        uint32_t count;                                                                            \
        uint32_t capacity;                                                                         \
    }
/* Room for one more, zeroed: a pointer to it. */
#define array_add(array)                                                                           \
    ((array)->items =                                                                              \
         array_room((array)->items, &(array)->capacity, (array)->count, sizeof *(array)->items),   \
     &(array)->items[(array)->count++])
void *array_room(void *items, uint32_t *capacity, uint32_t count, size_t size);

#define NONE UINT32_MAX /* a position: nowhere */

/* A text, and where the things that are called so stand. */
struct name {
    struct bytes text;
    uint32_t first_stock; /* as a SKU: stocks of its warehouses, linked by next_of_sku */
    uint32_t order;
    uint32_t request;
};

struct change {
    struct history_record row;
    struct stock_record after;
};

struct stock {
    struct bytes sku;
    uint32_t warehouse;
    uint32_t next_of_sku;
    ARRAY_OF(struct change) changes; /* never empty */
    /* The invariants' running sums. */
    int64_t held;             /* open units of orders, counted where orders change */
    int64_t on_hand_changes;  /* of all rows */
    int64_t reserved_changes; /* of all rows */
    uint64_t touched_index;
};

struct order_version {
    uint64_t index;
    bool present; /* false: trimmed */
    struct order_record record;
    struct order_line *lines; /* the same as record.lines, to write to */
};

struct order {
    struct bytes id;
    ARRAY_OF(struct order_version) versions;
    uint64_t touched_index;
};

/* A line as a command means it: its warehouse named, duplicates summed. */
struct want {
    struct bytes sku;
    uint32_t warehouse;
    int64_t quantity;
    uint32_t first; /* where it was named first */
};
struct wants {
    struct want *items; /* by SKU, then warehouse */
    uint32_t count;
    bool overflow;
};

struct request {
    struct bytes id;
    /* the fields that count */
    enum ledger_command_kind kind;
    struct bytes sku;
    uint32_t warehouse;
    int64_t quantity;
    bool has_expected_version;
    uint64_t expected_version;
    struct bytes order_id;
    struct bytes reason;
    bool final;
    bool reacquire;
    enum ledger_reserve_mode mode;
    struct want *lines;
    uint32_t line_count;
    /* the reply, and its end */
    struct request_record reply;
    struct ledger_failed_line *failed_lines;
};

struct node {
    uint64_t id;
    uint64_t incarnation;
};

struct model {
    struct ledger_settings settings;
    uint64_t last_index;
    unsigned version; /* 0: never raised */
    int64_t time_ms;
    int64_t credits_ms;
    ARRAY_OF(struct name) names;
    uint32_t *name_table; /* open addressing: position + 1 */
    uint32_t name_table_size;
    ARRAY_OF(struct stock) stocks;
    ARRAY_OF(struct order) orders; /* every order that was ever seen */
    ARRAY_OF(struct request) requests;
    ARRAY_OF(struct node) nodes;
    /* No order is due before the one, no record before the other: what need not be looked for. */
    int64_t no_expiry_before_hold_ms;
    int64_t no_trimming_before_ms;
    /* of the entry that is being applied, or was last */
    uint32_t sub; /* of its next history row */
    ARRAY_OF(uint32_t) touched_stocks;
    ARRAY_OF(uint32_t) touched_orders;
    /* of the command that is being judged */
    struct wants wants;
    ARRAY_OF(struct ledger_failed_line) failed;
};

/* ---- state.c ---- */

struct bytes state_text(struct model *model, struct bytes text); /* kept for good */
struct stock *state_stock(const struct model *model, struct bytes sku, uint32_t warehouse);
/* The stock as it is now; the stock must be there. */
const struct stock_record *state_stock_now(const struct stock *stock);
/* Appends a change of the stock, which comes into being with its first one. `command` may be NULL:
 * nobody did it. */
void state_change_stock(struct model *model, struct bytes sku, uint32_t warehouse,
                        enum history_op op, int64_t on_hand_change, int64_t reserved_change,
                        struct bytes order_id, const struct ledger_command *command);

struct order *state_order(const struct model *model, struct bytes order_id); /* ever seen */
/* The order as it is now; NULL if there is none. */
const struct order_record *state_order_now(const struct order *order);
/* A version of the order to write to, of this entry, with room for `line_count` lines (at least as
 * many as it has): what it was so far, or empty if it was not. The order comes into being. */
struct order_version *state_change_order(struct model *model, struct bytes order_id,
                                         uint32_t line_count);
/* The line of the order, NULL if it has none such. */
struct order_line *state_order_line(const struct order_record *order, struct order_line *lines,
                                    struct bytes sku, uint32_t warehouse);

struct request *state_request(const struct model *model, struct bytes request_id);
struct request *state_add_request(struct model *model, struct bytes request_id);
void state_remove_request(struct model *model, uint32_t position);

int state_compare_keys(struct bytes sku_a, uint32_t warehouse_a, struct bytes sku_b,
                       uint32_t warehouse_b);

/* ---- form.c: what can be said of a command alone ---- */

bool form_is_good(const struct ledger_command *command);
void wants_take(struct wants *wants, const struct ledger_line *lines, uint32_t count);
void wants_free(struct wants *wants);
void wants_sort_by_key(struct wants *wants);
void wants_sort_by_appearance(struct wants *wants);

/* ---- the rules: each judges one command and fills the result ---- */

void rules_stock(struct model *model, const struct ledger_command *command,
                 struct ledger_result *result);
void rules_reserve(struct model *model, const struct ledger_command *command,
                   struct ledger_result *result);
void rules_deduct(struct model *model, const struct ledger_command *command,
                  struct ledger_result *result);
void rules_release(struct model *model, const struct ledger_command *command,
                   struct ledger_result *result);
void rules_register_node(struct model *model, const struct ledger_command *command,
                         struct ledger_result *result);

/* A line that failed; the first one's reason becomes the verdict. */
void rules_fail_line(struct model *model, struct ledger_result *result, const struct want *want,
                     int64_t available, enum ledger_verdict reason);
/* The verdict for an order that is closed. */
enum ledger_verdict rules_closed_verdict(enum order_state state);
/* Takes everything that is open from the order's lines, as `op` (RELEASE or EXPIRE). */
void rules_give_back(struct model *model, struct order_version *version, struct bytes order_id,
                     enum history_op op, const struct ledger_command *command);
/* Closes the order with this state if nothing of it is open any more. */
void rules_settle(struct model *model, struct order_version *version, enum order_state act);
/* Available units: 0 of a stock that is not there. */
int64_t rules_available(const struct model *model, struct bytes sku, uint32_t warehouse);

/* ---- requests.c ---- */

/* Is the request's time one that may still be taken as new? */
bool requests_in_time(const struct model *model, const struct ledger_command *command);
/* True if the request id decides: result is filled. */
bool requests_answer(struct model *model, const struct ledger_command *command,
                     struct ledger_result *result);
void requests_remember(struct model *model, const struct ledger_command *command,
                       const struct ledger_result *result);

/* ---- due.c: what time does, at the head of an entry ---- */

void due_sweep(struct model *model, uint32_t command_count, size_t entry_bytes);

#endif
