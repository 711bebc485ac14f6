/*
 * holdfast.h - libholdfast: reserve, deduct and release stock from C, on a Holdfast cluster.
 *
 *     hf_options options;
 *     hf_options_init(&options);
 *     options.endpoints = "10.0.0.1:7070,10.0.0.2:7070,10.0.0.3:7070";
 *     hf_client *client = hf_client_open(&options);
 *     hf_line lines[] = {{"SKU-1", 1, 2}, {"SKU-2", 1, 1}};
 *     hf_verdict verdict = hf_reserve(client, "order-17", lines, 2, 0, NULL);
 *     if (verdict == HF_OK) ...
 *
 * Purpose. One client holds connections to the cluster on one background thread, finds the leader,
 * and sends a command again under the same identity until it has an answer or its deadline passes.
 * What comes back is a verdict, and the verdict is the return value: positive numbers are answers
 * of the ledger, of which only HF_OK is a success; negative numbers say that there is no answer,
 * and whether the command may have been executed all the same. 0 is never returned.
 *
 * Exactly once. A command that is sent twice is executed once, because it has an identity: its
 * request id, which the library makes where none is given, and the order id (hf_reserve; deduct and
 * release of a whole order). The answer is final: no attempt that the network has held up changes
 * anything behind a refusal. After HF_OUTCOME_UNKNOWN, give the same command with the same order
 * id, request id and requested_at_ms again to learn what became of it; hf_result has those that
 * were used. Under a new request id it is another request: a command on a stock is done twice, one
 * on an order is not, but the first one's attempts may still come.
 *
 * Strings are UTF-8 with a closing NUL. Ids (SKU, order, request) are 1 to 255 bytes, compared byte
 * for byte; actor, reason, remark and trace id at most 255. Quantities are 1 to 2^53-1. Warehouse 0
 * means 1. Times are milliseconds; points in time are counted from 1970-01-01 UTC; 0 means absent.
 *
 * Ownership. Everything passed in is copied before the call returns. Every object handed out (the
 * `**out` parameters, and what a callback is given) is one block with all its strings and arrays,
 * belongs to the receiver, is never changed by the library, outlives the client, and is freed by
 * hf_free, on any thread. Every `**out` parameter may be NULL; where it is not, it is always set,
 * with any verdict, so that `message` can be read.
 *
 * Threads. A client may be used by any number of threads at once. Callbacks run on the library's
 * own thread: they must not block, may call hf_submit, and may not make blocking calls (refused
 * with HF_INVALID_ARGUMENT) or close the client. No order is promised between calls in flight: two
 * calls are in order only if the second begins after the first has returned. A client does not
 * survive fork: open it in the child.
 *
 * Errors are verdicts; errno says nothing. Nothing from outside ends the process; memory that can't
 * be had does. Bounds: at most options.max_waiting calls, and 64 MiB of their requests, are under
 * way in a client; what is more is refused at once with HF_OVERLOADED.
 *
 * Compatibility. Fields may be added to structs: fill them through hf_*_init, or with an
 * initialiser that leaves the rest zero. The shared library's soname names the layout.
 */
#ifndef HOLDFAST_HOLDFAST_H
#define HOLDFAST_HOLDFAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
#if defined(__GNUC__)
#define HF_API __attribute__((visibility("default")))
#define HF_MUST_CHECK __attribute__((warn_unused_result))
#else
#define HF_API
#define HF_MUST_CHECK
#endif
/* clang-format on */

/* ---- verdicts ---- */

typedef enum hf_verdict {
    /* Never returned and never sent. */
    HF_VERDICT_UNSPECIFIED = 0,

    /* Answers of the ledger: the numbers are those of Verdict in ledger.proto, forever. A number
     * that is not listed here comes from a newer node, and is a refusal. */
    HF_OK = 1,
    HF_SKU_NOT_FOUND = 2,
    HF_WAREHOUSE_NOT_FOUND = 3,
    HF_WAREHOUSE_DISABLED = 4,
    HF_ALREADY_EXISTS = 5,
    HF_INSUFFICIENT_STOCK = 6,
    HF_VERSION_MISMATCH = 7,
    HF_BELOW_RESERVED = 8,
    HF_OVERFLOW = 9,
    HF_ORDER_NOT_FOUND = 10,
    HF_ORDER_CONFLICT = 11,
    HF_ORDER_EXPIRED = 12,
    HF_ORDER_RELEASED = 13,
    HF_ORDER_DEDUCTED = 14,
    HF_ORDER_RETURNED = 15,
    HF_QUANTITY_EXCEEDS_OPEN = 16,
    HF_COUNT_STALE = 17,
    HF_COUNT_CLOSED = 18,
    HF_TRANSFER_STATE = 19,
    HF_LIMIT_EXCEEDED = 20,
    HF_IDEMPOTENCY_MISMATCH = 21,
    HF_REQUEST_EXPIRED = 22,
    HF_MALFORMED_COMMAND = 23,

    /* No answer. All but HF_OUTCOME_UNKNOWN and HF_CLOSED mean: surely not executed. */

    /* The deadline passed and no node could be brought to take the command. A read that got no
     * answer is this too. */
    HF_UNREACHABLE = -1,
    /* The deadline passed, and an attempt may have been executed: give the command again, under the
     * same identity, to learn. */
    HF_OUTCOME_UNKNOWN = -2,
    /* The arguments break a rule of form: `message` names the argument. Giving the same again gives
     * the same again. */
    HF_INVALID_ARGUMENT = -3,
    /* The client was closed before an answer came; hf_result.may_have_executed tells. */
    HF_CLOSED = -4,
    /* Too many calls are under way here (refused at once), or the cluster refused for overload
     * until the deadline passed (or at once, with options.fail_when_overloaded). */
    HF_OVERLOADED = -5,
    /* The node asks for credentials or rights that this client does not have. */
    HF_DENIED = -6,
    /* The node does not know this call: it is older than this library, or no Holdfast node. */
    HF_UNSUPPORTED = -7,
    /* The cluster is not in a state for this change of its members or its leader: `message` has the
     * node's words. */
    HF_REFUSED = -8
} hf_verdict;

/* "INSUFFICIENT_STOCK", "OUTCOME_UNKNOWN"; a number that is not listed: "UNRECOGNISED". Static. */
HF_API const char *hf_verdict_name(hf_verdict verdict);
/* One line in words, for people. Static. */
HF_API const char *hf_verdict_text(hf_verdict verdict);

/* ---- the client ---- */

typedef struct hf_client hf_client;

typedef struct hf_options {
    /* "host:port,host:port", 1 to 16 of them; IPv6 as "[::1]:7070". Any nodes of the cluster: the
     * leader is found from them, and need not be among them. Default: "127.0.0.1:7070". */
    const char *endpoints;
    /* How long a call may take, retries included: 1 to 600,000. Default 10,000. */
    uint32_t timeout_ms;
    /* How long one attempt may take before the command is given, under the same identity, to
     * another node: a node that hangs must not eat the whole deadline. 0, the default: a quarter of
     * the call's timeout, at least 500. */
    uint32_t attempt_timeout_ms;
    /* The pause before the second attempt, and the longest pause; between them it doubles. Each
     * pause is drawn evenly between half and all of it. Defaults 10 and 500; 1 to 60,000, min <=
     * max. */
    uint32_t backoff_min_ms;
    uint32_t backoff_max_ms;
    /* Calls that may be under way at once, 1 to 16,384, the default. */
    uint32_t max_waiting;
    /* The actor of commands that name none; NULL, the default: none. */
    const char *actor;
    /* By default a call that the cluster refuses for overload is given again after a pause, until
     * its deadline. True: such a call ends at once with HF_OVERLOADED. */
    bool fail_when_overloaded;
    /* By default a command that may have been executed is given again under the same identity,
     * until there is an answer. True: at most one attempt of a command, or of a change of the
     * cluster, is one that may have been executed: where it got no answer, the call ends at once
     * with HF_OUTCOME_UNKNOWN. An attempt that was surely not executed (no connection, refused,
     * sent on) is none, and is followed by others as always. For programs that decide for
     * themselves what to do about a doubt, and for tests that must know how often something was
     * sent. */
    bool no_resend;
} hf_options;

/* Sets every field to its default. */
HF_API void hf_options_init(hf_options *options);

/* Starts the background thread; does not wait for a connection, so it succeeds while the cluster is
 * down. NULL: an option is wrong or the system has no resources; hf_last_error tells. `options` may
 * be NULL: all defaults. */
HF_API HF_MUST_CHECK hf_client *hf_client_open(const hf_options *options);

/* Ends every call under way with HF_CLOSED (callbacks are called, blocking calls return), waits for
 * those, and frees the client. No call may begin once this one has. Not from a callback. NULL is
 * fine. */
HF_API void hf_client_close(hf_client *client);

/* Why the last hf_client_open or hf_submit* of this thread refused. Valid until this thread's next
 * call; "" if none did. */
HF_API const char *hf_last_error(void);

/* Frees any object that the library handed out; NULL is fine. */
HF_API void hf_free(void *object);

/* The version of the library, "0.1.0". */
HF_API const char *hf_version(void);

/* How fresh the answer to a read must be; the numbers are those of Consistency in ledger.proto. */
typedef enum hf_consistency {
    /* It holds everything that was acknowledged to anybody before the call. Goes to the leader,
     * where one is known, but every node answers. */
    HF_LINEARIZABLE = 0,
    /* What the node that answers has applied; `age_ms` tells the most that this can lag behind. Any
     * node will do, so the calls are spread, and are answered without a majority too. */
    HF_STALE = 1
} hf_consistency;

typedef struct hf_call_options {
    uint32_t timeout_ms;         /* 0: the client's */
    uint32_t attempt_timeout_ms; /* 0: the client's rule */
    /* Of reads; 0 elsewhere. */
    hf_consistency consistency;
    /* The answer must hold this index at least; the node waits for it. Give the log_index of a
     * result or of an earlier answer: with HF_STALE a program so reads its own writes, and never
     * sees time run back from one call to the next, or from one page of a list to the next. */
    uint64_t min_log_index;
} hf_call_options;
/* Wherever a `const hf_call_options *` is asked for, NULL means all defaults. */

/* ---- commands ---- */

typedef struct hf_line {
    const char *sku;
    uint32_t warehouse; /* 0: 1 */
    int64_t quantity;
} hf_line;

/* The numbers are those of Command in ledger.proto. */
typedef enum hf_command_kind {
    HF_SET_STOCK = 1,    /* create a SKU's stock in a warehouse, or set it */
    HF_ADJUST_STOCK = 2, /* add to it or take from it, with a reason */
    HF_RESERVE = 3,      /* hold an order's lines, all or nothing */
    HF_DEDUCT = 4,       /* turn a hold into a sale, after payment */
    HF_RELEASE = 5       /* give a hold back */
} hf_command_kind;

/* One struct for every kind; a field that the kind does not use must be zero (else
 * HF_INVALID_ARGUMENT: it would be lost silently). */
typedef struct hf_command {
    hf_command_kind kind;
    /* Reserve, Deduct, Release */
    const char *order_id;
    const hf_line *lines; /* Deduct, Release: none for everything that is open */
    size_t line_count;
    int64_t ttl_ms; /* Reserve: how long to hold; 0: the ledger's default (30 minutes) */
    bool add_lines; /* Reserve: the order may have other lines already; new ones are added, equal
                       ones replay */
    bool final;     /* Deduct with lines: release the rest */
    bool reacquire; /* Deduct: where the hold has expired, reserve and deduct again in one step */
    /* SetStock, AdjustStock */
    const char *sku;
    uint32_t warehouse;
    int64_t quantity; /* SetStock: on hand, 0 and up. AdjustStock: the change, + or -, not 0 */
    bool has_expected_version; /* refuse with VERSION_MISMATCH unless the stock has this version */
    uint64_t expected_version; /* 0: it must not exist yet, else ALREADY_EXISTS */
    /* every kind; NULL: none */
    /* One request, one id: whoever gives it again, with the same fields and requested_at_ms, in a
     * later call too, gets the first answer again, a refusal as well. NULL: made by the library for
     * this call alone; then another call for the same order is a new request. */
    const char *request_id;
    int64_t
        requested_at_ms; /* when the command was first made; 0: now. The ledger refuses as
                            REQUEST_EXPIRED what it can no longer tell from a repetition (24 h) */
    const char *actor;   /* NULL: the client's */
    const char *reason;  /* AdjustStock: needed, as RECEIVE, ADJUST, DAMAGE, RETURN */
    const char *remark;
    const char *trace_id;
} hf_command;

typedef enum hf_order_state {
    HF_STATE_NONE = 0, /* no order is meant */
    HF_STATE_ACTIVE = 1,
    HF_STATE_DEDUCTED = 2,
    HF_STATE_RELEASED = 3,
    HF_STATE_EXPIRED = 4,
    HF_STATE_RETURNED = 5
} hf_order_state;

/* "ACTIVE"; a number that is not listed: "UNRECOGNISED". Static. */
HF_API const char *hf_order_state_name(hf_order_state state);

typedef struct hf_failed_line {
    const char *sku;
    uint32_t warehouse;
    int64_t requested;
    int64_t available;
    hf_verdict reason;
} hf_failed_line;

typedef struct hf_stock {
    const char *sku;
    uint32_t warehouse;
    int64_t on_hand;
    int64_t reserved;
    int64_t available; /* on_hand - reserved */
    uint64_t version;  /* grows when on_hand changes, not for holds */
    int64_t low_stock_threshold;
    int64_t created_at_ms;
    int64_t updated_at_ms;
    uint64_t last_index; /* log index of the last change */
} hf_stock;

/* What became of one command. */
typedef struct hf_result {
    hf_verdict verdict;
    bool may_have_executed; /* with a negative verdict: an attempt may have been executed. Always
                               true with HF_OUTCOME_UNKNOWN, may be with HF_CLOSED, else false. A
                               positive verdict is final: no attempt changes anything behind it */
    const char *message;    /* the verdict in words; with a negative one what went wrong, where, and
                               what to do. Never NULL */
    const char *request_id; /* what the command was sent under; NULL: it was not, as its form was
                               wrong */
    int64_t requested_at_ms; /* as sent */
    uint32_t attempts;       /* how often the command was sent, or tried to be */

    /* From here on: with positive verdicts only. */
    bool replayed; /* nothing new was done: an earlier command had done it, or was refused so */
    uint64_t log_index; /* (log_index, log_position) is the order of commands in the log */
    uint32_t log_position;
    hf_order_state order_state;         /* commands on an order */
    bool existed;                       /* Release: the order was known */
    int64_t expires_at_ms;              /* Reserve: when the hold ends */
    const hf_failed_line *failed_lines; /* in order of first appearance */
    size_t failed_line_count;
    const hf_stock
        *stock; /* SetStock, AdjustStock: as it is afterwards; NULL where none was sent */
} hf_result;

/* What became of a batch. */
typedef struct hf_results {
    hf_verdict verdict; /* HF_OK: every command is; else that of the first command that is not */
    size_t count;       /* as many as commands were given, and in their order */
    const hf_result *items;
} hf_results;

/* One command; waits for its verdict. */
HF_API HF_MUST_CHECK hf_verdict hf_call(hf_client *client, const hf_command *command,
                                        const hf_call_options *options, hf_result **out);

/* Many commands in one round trip, 1 to 10,000 with at most 10,000 lines together, and at most 4
 * MiB on the wire. Each is judged on its own, in order, one right after the other in the log; one
 * that is refused does not stop the next. Returns hf_results.verdict: HF_OK only if every command
 * is. */
HF_API HF_MUST_CHECK hf_verdict hf_execute(hf_client *client, const hf_command *commands,
                                           size_t count, const hf_call_options *options,
                                           hf_results **out);

/* The common commands in one line each; everything else they could say has its default. */

/* Holds all lines of the order for ttl_ms (0: the ledger's default), or none. */
HF_API HF_MUST_CHECK hf_verdict hf_reserve(hf_client *client, const char *order_id,
                                           const hf_line *lines, size_t line_count, int64_t ttl_ms,
                                           hf_result **out);
/* Sells, or gives back, what the order still holds. */
HF_API HF_MUST_CHECK hf_verdict hf_deduct(hf_client *client, const char *order_id, hf_result **out);
HF_API HF_MUST_CHECK hf_verdict hf_release(hf_client *client, const char *order_id,
                                           hf_result **out);
/* request_id NULL: the library makes one; the result tells it. */
HF_API HF_MUST_CHECK hf_verdict hf_set_stock(hf_client *client, const char *sku, uint32_t warehouse,
                                             int64_t on_hand, const char *request_id,
                                             hf_result **out);
HF_API HF_MUST_CHECK hf_verdict hf_adjust_stock(hf_client *client, const char *sku,
                                                uint32_t warehouse, int64_t change,
                                                const char *reason, const char *request_id,
                                                hf_result **out);

/* Called exactly once for each accepted submission, on the library's thread. `results` belongs to
 * the callback: hf_free it, there or later. */
typedef void (*hf_results_callback)(void *user, hf_results *results);

/* As hf_execute, without waiting (one command goes out as a single call, not as a batch). 0:
 * accepted, and the callback will be called, perhaps before this returns. Negative: the hf_verdict
 * of the refusal (HF_INVALID_ARGUMENT, HF_OVERLOADED, HF_CLOSED), the callback will not be called,
 * and hf_last_error has the words. */
HF_API HF_MUST_CHECK int hf_submit(hf_client *client, const hf_command *commands, size_t count,
                                   const hf_call_options *options, hf_results_callback callback,
                                   void *user);

/* ---- reads: linearizable unless options->consistency says otherwise ---- */

typedef struct hf_stock_key {
    const char *sku;
    uint32_t warehouse;
} hf_stock_key;

typedef struct hf_stock_item {
    hf_verdict verdict; /* HF_OK or HF_SKU_NOT_FOUND */
    hf_stock stock;     /* sku and warehouse are always set; the rest with HF_OK */
} hf_stock_item;

typedef struct hf_stock_list {
    hf_verdict verdict;
    const char *message; /* never NULL */
    uint32_t attempts;
    uint64_t log_index; /* all items are as they were at this index */
    int64_t age_ms;     /* HF_STALE: everything acknowledged so long ago is in the answer; else 0 */
    size_t count;
    const hf_stock_item *items;
    const char *next_page_token; /* hf_list_stock: what the next page begins with; "": no more */
} hf_stock_list;

/* items[0] is the stock. HF_OK or HF_SKU_NOT_FOUND. */
HF_API HF_MUST_CHECK hf_verdict hf_get_stock(hf_client *client, const char *sku, uint32_t warehouse,
                                             const hf_call_options *options, hf_stock_list **out);
/* 1 to 10,000 at one log index, one item for each key, in order. HF_OK: answered; each item has its
 * own verdict. */
HF_API HF_MUST_CHECK hf_verdict hf_get_stocks(hf_client *client, const hf_stock_key *keys,
                                              size_t count, const hf_call_options *options,
                                              hf_stock_list **out);
/* By SKU, then warehouse. page_size 0: 100; at most 1,000. page_token NULL or "": from the start;
 * else the next_page_token of the page before. */
HF_API HF_MUST_CHECK hf_verdict hf_list_stock(hf_client *client, uint32_t page_size,
                                              const char *page_token,
                                              const hf_call_options *options, hf_stock_list **out);

typedef void (*hf_stock_callback)(void *user, hf_stock_list *list);
/* hf_get_stocks without waiting; the rules are hf_submit's. One key goes out as GetStock; the
 * list's verdict is HF_OK even where that SKU is not found: look at the item. */
HF_API HF_MUST_CHECK int hf_submit_get_stocks(hf_client *client, const hf_stock_key *keys,
                                              size_t count, const hf_call_options *options,
                                              hf_stock_callback callback, void *user);

typedef struct hf_availability {
    hf_verdict verdict; /* HF_OK: all of it is available; else the first failed line's reason */
    const char *message;
    uint32_t attempts;
    uint64_t log_index;
    int64_t age_ms; /* as in hf_stock_list */
    size_t failed_line_count;
    const hf_failed_line *failed_lines;
} hf_availability;

/* Are all these quantities available, at one log index? 1 to 10,000 lines; lines of one SKU and
 * warehouse are summed. Holds nothing. */
HF_API HF_MUST_CHECK hf_verdict hf_check_stock(hf_client *client, const hf_line *lines,
                                               size_t line_count, const hf_call_options *options,
                                               hf_availability **out);

typedef struct hf_order_line {
    const char *sku;
    uint32_t warehouse;
    int64_t reserved; /* what was ordered; never changes */
    int64_t deducted;
    int64_t released;
    int64_t expired;
    int64_t returned; /* of the deducted units */
    int64_t open;     /* what is still held */
} hf_order_line;

typedef struct hf_order {
    hf_verdict verdict; /* HF_OK or HF_ORDER_NOT_FOUND */
    const char *message;
    uint32_t attempts;
    uint64_t log_index;
    int64_t age_ms; /* as in hf_stock_list */
    /* with HF_OK */
    const char *order_id;
    hf_order_state state;
    size_t line_count;
    const hf_order_line *lines; /* by SKU, then warehouse */
    int64_t created_at_ms;
    int64_t expires_at_ms;
    int64_t closed_at_ms;
    const char *actor;
    const char *reason;
} hf_order;

HF_API HF_MUST_CHECK hf_verdict hf_get_order(hf_client *client, const char *order_id,
                                             const hf_call_options *options, hf_order **out);

/* The numbers are those of HistoryRow.Op in ledger.proto. */
typedef enum hf_history_op {
    HF_OP_SET = 1,
    HF_OP_ADJUST = 2,
    HF_OP_RESERVE = 3,
    HF_OP_DEDUCT = 4,
    HF_OP_RELEASE = 5,
    HF_OP_EXPIRE = 6
} hf_history_op;

/* "RESERVE"; a number that is not listed: "UNRECOGNISED". Static. */
HF_API const char *hf_history_op_name(hf_history_op op);

typedef struct hf_history_row {
    uint64_t log_index;
    uint32_t sub; /* order within the log entry */
    hf_history_op op;
    int64_t on_hand_change;
    int64_t on_hand_before;
    int64_t on_hand_after;
    int64_t reserved_change;
    int64_t reserved_before;
    int64_t reserved_after;
    const char *order_id;   /* these strings are "" where there is none */
    const char *request_id; /* of a command that only its request id tells from its repetition */
    int64_t time_ms;
    const char *actor;
    const char *reason;
    const char *remark;
    const char *trace_id;
} hf_history_row;

typedef struct hf_history {
    hf_verdict verdict; /* HF_OK or HF_SKU_NOT_FOUND */
    const char *message;
    uint32_t attempts;
    uint64_t log_index;
    int64_t age_ms; /* as in hf_stock_list */
    size_t count;
    const hf_history_row *rows; /* oldest first */
    const char *next_page_token;
} hf_history;

/* The changes of one SKU in one warehouse. Pages as in hf_list_stock. */
HF_API HF_MUST_CHECK hf_verdict hf_list_history(hf_client *client, const char *sku,
                                                uint32_t warehouse, uint32_t page_size,
                                                const char *page_token,
                                                const hf_call_options *options, hf_history **out);

/* ---- one node, for operators: asked of exactly this endpoint, "host:port", which need not be
 * among the client's. No other node answers for it, and it is asked once: a node that refuses
 * connections is HF_UNREACHABLE at once, not at the deadline. ---- */

typedef enum hf_server_state {
    HF_SERVER_UNSPECIFIED = 0,
    HF_SERVER_FOLLOWER = 1,
    HF_SERVER_CANDIDATE = 2,
    HF_SERVER_LEADER = 3
} hf_server_state;

typedef enum hf_member_role {
    HF_ROLE_UNSPECIFIED = 0,
    HF_ROLE_VOTER = 1,
    HF_ROLE_STANDBY = 2
} hf_member_role;

/* "LEADER"; "VOTER". Static. */
HF_API const char *hf_server_state_name(hf_server_state state);
HF_API const char *hf_member_role_name(hf_member_role role);

typedef struct hf_member {
    uint64_t node_id;
    hf_member_role role;
    const char *peer_address;
    const char *client_address; /* "": not heard of yet */
    bool connected;             /* seen from the node that answers */
    uint64_t match_index;       /* on the leader: what this member is known to have */
    bool heard;                 /* on the leader: heard from since its process began */
    uint64_t last_contact_ms;   /* where `heard`: so long ago; the leader of itself: 0 */
    bool clock_is_known;        /* to the node that answers: */
    int64_t clock_offset_ms;    /* its wall clock is so far ahead of the answering node's */
} hf_member;

/* A state on its way to a node that is too far behind for the log. */
typedef struct hf_fetching {
    uint64_t from_node_id;
    uint64_t snapshot_index;
    uint64_t bytes_done;
    uint64_t bytes_total; /* 0: not known yet */
    bool installing;      /* it is all here, and about to replace the state */
} hf_fetching;

typedef struct hf_status {
    hf_verdict verdict;
    const char *message;
    uint32_t attempts;
    /* with HF_OK */
    const char *cluster_id;
    uint64_t node_id;
    const char *incarnation;
    const char *version;
    hf_server_state state;
    uint64_t term;
    uint64_t leader_id; /* 0: none known */
    const char *leader_client_address;
    uint64_t commit_index;
    uint64_t applied_index;
    uint64_t last_index;
    uint64_t transferring_to; /* a leader that hands over: to this node; else 0 */
    uint64_t removed_index;   /* it was removed, by this entry or one before; else 0 */
    const char *digest;       /* of the state at applied_index, 32 hexadecimal digits */
    int64_t ledger_time_ms;
    size_t member_count;
    const hf_member *members;
    uint64_t disk_free_bytes;
    uint64_t disk_reserve_bytes; /* with less free, it takes no commands as leader; 0: none */
    const char *refuses;      /* why it refuses commands, or would as leader; empty: it does not */
    uint64_t log_first_index; /* where its log's files begin */
    uint64_t log_bytes;       /* of these files */
    uint64_t snapshot_index;  /* the entry that its last snapshot ends with; 0: none */
    int64_t snapshot_time_ms; /* 0: none was taken or installed since its process began */
    const hf_fetching *fetching; /* NULL: it fetches no state */
    /* On the leader: the last log index at which the digests of the members' states were compared
     * (0: none yet, or it does not lead), whether they were equal, and what is to be said where
     * they differ and none has a majority ("": nothing). */
    uint64_t digest_compared_index;
    bool digests_agree;
    const char *digest_alarm;
    uint32_t ledger_version;       /* what commands mean, as far as this node has applied */
    uint32_t ledger_version_known; /* the newest that its program knows */
    const char *clock_warning;     /* what is wrong with its clock; "": nothing that it knows of */
} hf_status;

HF_API HF_MUST_CHECK hf_verdict hf_get_status(hf_client *client, const char *endpoint,
                                              const hf_call_options *options, hf_status **out);

typedef struct hf_verification {
    hf_verdict verdict; /* HF_OK: the node answered; look at `sound` */
    const char *message;
    uint32_t attempts;
    /* with HF_OK */
    bool sound; /* no violation, and the digests are equal */
    uint64_t applied_index;
    const char *digest;            /* as kept by apply */
    const char *recomputed_digest; /* from the records */
    uint64_t stocks;
    uint64_t orders;
    uint64_t history_rows;
    uint64_t violation_count;
    size_t violation_text_count;
    const char *const *violations; /* the first hundred, in words */
} hf_verification;

/* The node reads its whole state at one log index, recomputes the digest and checks every
 * invariant: give a timeout that fits the size of the ledger. One attempt takes as long as the call
 * may. */
HF_API HF_MUST_CHECK hf_verdict hf_verify(hf_client *client, const char *endpoint,
                                          const hf_call_options *options, hf_verification **out);
/* The same at exactly this log index, so that nodes can be compared: each waits until it has
 * applied it, for 30 s at most (HF_UNREACHABLE then), and where nothing else is written the leader
 * writes empty entries until it is there, if it lies no more than 1,024 ahead. HF_INVALID_ARGUMENT:
 * the node is beyond it. 0: as hf_verify. */
HF_API HF_MUST_CHECK hf_verdict hf_verify_at(hf_client *client, const char *endpoint,
                                             uint64_t at_index, const hf_call_options *options,
                                             hf_verification **out);

typedef struct hf_snapshot {
    hf_verdict verdict;
    const char *message;
    uint32_t attempts;
    /* with HF_OK */
    uint64_t node_id;
    uint64_t snapshot_index; /* the entry that it ends with */
} hf_snapshot;

/* The node takes a snapshot of all that it has applied, and trims its log behind it. It refuses
 * while another node fetches one from it. */
HF_API HF_MUST_CHECK hf_verdict hf_take_snapshot(hf_client *client, const char *endpoint,
                                                 const hf_call_options *options, hf_snapshot **out);

/* ---- the cluster's members and leader, for operators. The leader is found as for commands.
 *
 * HF_OK: it is so now, for good. HF_REFUSED: it is not possible now, and nothing was done.
 * HF_OUTCOME_UNKNOWN: ask for the same again, or look at hf_get_status. What is so already is
 * HF_OK, with `unchanged`. ---- */

typedef struct hf_membership {
    hf_verdict verdict;
    bool may_have_executed; /* as in hf_result */
    const char *message;
    uint32_t attempts;
    /* with HF_OK */
    bool unchanged;
    uint64_t log_index;
    const char *cluster_id;
    size_t member_count;
    const hf_member *members; /* behind the change */
} hf_membership;

/* A new member, that gets the log and has no vote. */
HF_API HF_MUST_CHECK hf_verdict hf_add_server(hf_client *client, uint64_t node_id,
                                              const char *peer_address,
                                              const hf_call_options *options, hf_membership **out);
/* Its vote, for a standby that has caught up. */
HF_API HF_MUST_CHECK hf_verdict hf_promote_server(hf_client *client, uint64_t node_id,
                                                  const hf_call_options *options,
                                                  hf_membership **out);
/* No member any more. Not the leader itself: hand over first. */
HF_API HF_MUST_CHECK hf_verdict hf_remove_server(hf_client *client, uint64_t node_id,
                                                 const hf_call_options *options,
                                                 hf_membership **out);

typedef struct hf_leadership {
    hf_verdict verdict;
    bool may_have_executed;
    const char *message;
    uint32_t attempts;
    /* with HF_OK */
    bool unchanged;
    uint64_t leader_id;
    uint64_t term;
    const char *leader_client_address; /* "": not heard of yet */
} hf_leadership;

/* Has the leader hand over to this voter; 0: to the one that has most of the log. With 0 an attempt
 * that may have been executed is not repeated. */
HF_API HF_MUST_CHECK hf_verdict hf_transfer_leadership(hf_client *client, uint64_t node_id,
                                                       const hf_call_options *options,
                                                       hf_leadership **out);

typedef struct hf_upgrade {
    hf_verdict verdict;
    bool may_have_executed;
    const char *message;
    uint32_t attempts;
    /* with HF_OK */
    uint32_t ledger_version;
    bool unchanged;
    uint64_t log_index;
} hf_upgrade;

/* Raises the ledger's version, for good: behind it no release that does not know it can run. 0: to
 * the newest that every member knows. HF_REFUSED names those that are not ready. */
HF_API HF_MUST_CHECK hf_verdict hf_raise_ledger_version(hf_client *client, uint32_t to,
                                                        const hf_call_options *options,
                                                        hf_upgrade **out);

#ifdef __cplusplus
}
#endif

#endif
