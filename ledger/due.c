/*
 * due.c - what time does: orders expire, records end by age. Both at the head of each entry, from
 * rows whose keys begin with the time: oldest first, then by id.
 *
 * Bounded: one entry expires and trims no more than a fixed number, plus what its own commands can
 * have made - else a backlog could grow for ever under entries that carry thousands of commands. A
 * command makes at most one order to expire, and two records to trim: its request's and an order's;
 * records of lines are less than four times as long as the lines in the entry.
 *
 * The expiry clock: an order is expired exactly when it has been swept. The clock is min(hold time,
 * the oldest order still due), where orders of the same millisecond go by id; everything before it
 * has been swept, nothing behind it, so the records alone tell, and no verdict and no read has to
 * ask how far a sweep has come. An order whose expiry is equal to the hold time still lives.
 *
 * What can fail: the store, or a row that names no such record (never, by order.c's invariants).
 */
#include "machine.h"

#include <inttypes.h>

#include "base/codec.h"

/* The keys of the first rows that lie before `now`. */
struct due_scan {
    struct buffer *keys; /* each with its length */
    int64_t now_ms;
    uint32_t limit;
    uint32_t count;
    int64_t next_ms; /* time of the first row not taken; INT64_MAX: none */
    bool damaged;
};

static bool due_scan_visit(void *context, struct bytes key, struct bytes value)
{
    struct due_scan *scan = context;
    struct reader in = reader_of(key);
    uint64_t when = read_u64_be(&in);
    (void)value;
    if (in.failed || when > LIMIT_DUE_MS) {
        scan->damaged = true;
        return false;
    }
    if ((int64_t)when >= scan->now_ms || scan->count == scan->limit) {
        scan->next_ms = (int64_t)when;
        return false;
    }
    write_bytes16(scan->keys, key);
    scan->count++;
    return true;
}

/* `first_ms` is a lower bound of all rows of the kind: rows removed below it need not be passed. */
static bool scan_due(struct ledger *ledger, enum ledger_kind kind, int64_t first_ms,
                     struct due_scan *scan, struct error *error)
{
    struct ledger_key from = ledger_key_due_from(kind, first_ms);
    buffer_clear(scan->keys);
    if (!ledger->store.ops->scan(ledger->store.store, kind, ledger_key_bytes(&from),
                                 bytes_of(NULL, 0), due_scan_visit, scan, error)) {
        return false;
    }
    return !scan->damaged ||
           ledger_contradiction(error, "a row of kind %c has a key that holds no time", kind);
}

bool ledger_load_due(struct ledger *ledger, struct error *error)
{
    /* Nothing is before time 0: no row is taken, the first one is noted. */
    struct due_scan expiry = {.keys = &ledger->due, .next_ms = INT64_MAX};
    struct due_scan purge = expiry;
    if (!scan_due(ledger, LEDGER_KIND_EXPIRY, 0, &expiry, error) ||
        !scan_due(ledger, LEDGER_KIND_PURGE, 0, &purge, error)) {
        return false;
    }
    ledger->first_expiry_hold_ms = expiry.next_ms;
    ledger->first_purge_ms = purge.next_ms;
    return true;
}

/* ---- expiry ---- */

static bool expire_order(struct ledger *ledger, struct bytes order_id, struct error *error)
{
    return ledger_give_back_open(ledger, order_id, HISTORY_EXPIRE, NULL, error) &&
           ledger_settle_order(ledger, order_id, ORDER_EXPIRED, error);
}

static bool load_due_order(struct ledger *ledger, struct bytes key, int64_t *expires_hold_ms,
                           struct bytes *order_id, struct error *error)
{
    const struct order_slot *order = &ledger->order;
    if (!ledger_key_read_expiry(key, expires_hold_ms, order_id)) {
        return ledger_contradiction(error, "an expiry row's key holds no order id");
    }
    if (!ledger_load_order(ledger, *order_id, error)) {
        return false;
    }
    return (order->found && order->record.state == ORDER_ACTIVE &&
            order->record.expires_hold_ms == *expires_hold_ms) ||
           ledger_contradiction(error, "an expiry row names order %.*s, which is not due then",
                                (int)order_id->len, (const char *)order_id->data);
}

static bool sweep_expiry(struct ledger *ledger, uint32_t order_limit, uint64_t line_limit,
                         struct error *error)
{
    struct due_scan scan = {
        .keys = &ledger->due,
        .now_ms = ledger_hold_now_ms(ledger),
        .limit = order_limit,
        .next_ms = INT64_MAX,
    };
    if (ledger->first_expiry_hold_ms >= scan.now_ms) {
        return true;
    }
    if (!scan_due(ledger, LEDGER_KIND_EXPIRY, ledger->first_expiry_hold_ms, &scan, error)) {
        return false;
    }
    struct reader keys = reader_of(buffer_bytes(scan.keys));
    uint64_t lines = 0;
    while (reader_left(&keys) > 0) {
        int64_t expires_hold_ms;
        struct bytes order_id;
        if (!load_due_order(ledger, read_bytes16(&keys), &expires_hold_ms, &order_id, error)) {
            return false;
        }
        lines += ledger->order.record.line_count;
        if (lines > line_limit) {
            scan.next_ms = expires_hold_ms;
            break;
        }
        if (!expire_order(ledger, order_id, error)) {
            return false;
        }
    }
    ledger->first_expiry_hold_ms = scan.next_ms;
    return true;
}

_Static_assert(LIMIT_LINES <= LIMIT_EXPIRED_LINES_PER_ENTRY, "each entry can expire any order");
_Static_assert(LIMIT_LINES *(LIMIT_ID_BYTES + 46) + 1024 < LIMIT_TRIMMED_BYTES_PER_ENTRY,
               "each entry can trim any order");

/* ---- trimming ---- */

/* When the record behind a purge row is to end; false if it can't be read. */
static bool read_purge_time(struct ledger *ledger, enum ledger_kind kind, struct bytes value,
                            int64_t *purge_ms, struct error *error)
{
    if (kind == LEDGER_KIND_ORDER) {
        struct order_record order;
        if (!order_record_decode(value, &order, &ledger->order.lines, error)) {
            return false;
        }
        *purge_ms = order.purge_ms;
        return true;
    }
    struct request_record request;
    if (!request_record_decode(value, &request, &ledger->failed, error)) {
        return false;
    }
    *purge_ms = request.purge_ms;
    return true;
}

/* Trims one record. *bytes_left falls by its size; below 0 the record is left for the next entry.
 */
static bool trim_record(struct ledger *ledger, int64_t when_ms, enum ledger_kind kind,
                        struct bytes id, int64_t *bytes_left, struct error *error)
{
    struct ledger_key key =
        kind == LEDGER_KIND_ORDER ? ledger_key_order(id) : ledger_key_request(id);
    struct ledger_key row = ledger_key_purge(when_ms, kind, id);
    struct bytes value;
    bool found;
    int64_t purge_ms = 0;
    if (!ledger_load(ledger, &key, &value, &found, error) ||
        (found && !read_purge_time(ledger, kind, value, &purge_ms, error))) {
        return false;
    }
    if (!found || purge_ms != when_ms) {
        return ledger_contradiction(error,
                                    "a purge row names record %c %.*s, which does not end then",
                                    kind, (int)id.len, (const char *)id.data);
    }
    *bytes_left -= (int64_t)value.len;
    return *bytes_left < 0 ||
           (ledger_remove(ledger, &key, ledger_record_hash(&key, value), error) &&
            ledger_remove_row(ledger, &row, error));
}

static bool sweep_purge(struct ledger *ledger, uint32_t limit, int64_t byte_limit,
                        struct error *error)
{
    struct due_scan scan = {
        .keys = &ledger->due,
        .now_ms = ledger_now_ms(ledger),
        .limit = limit,
        .next_ms = INT64_MAX,
    };
    if (ledger->first_purge_ms >= scan.now_ms) {
        return true;
    }
    if (!scan_due(ledger, LEDGER_KIND_PURGE, ledger->first_purge_ms, &scan, error)) {
        return false;
    }
    struct reader keys = reader_of(buffer_bytes(scan.keys));
    while (reader_left(&keys) > 0) {
        int64_t when_ms;
        enum ledger_kind kind;
        struct bytes id;
        if (!ledger_key_read_purge(read_bytes16(&keys), &when_ms, &kind, &id)) {
            return ledger_contradiction(error, "a purge row's key names no record");
        }
        if (!trim_record(ledger, when_ms, kind, id, &byte_limit, error)) {
            return false;
        }
        if (byte_limit < 0) {
            scan.next_ms = when_ms;
            break;
        }
    }
    ledger->first_purge_ms = scan.next_ms;
    return true;
}

bool ledger_sweep(struct ledger *ledger, uint32_t command_count, size_t entry_bytes,
                  struct error *error)
{
    return sweep_expiry(ledger, LIMIT_EXPIRED_ORDERS_PER_ENTRY + command_count,
                        LIMIT_EXPIRED_LINES_PER_ENTRY + entry_bytes / LEDGER_LINE_LEAST_BYTES,
                        error) &&
           sweep_purge(ledger, LIMIT_TRIMMED_RECORDS_PER_ENTRY + 2 * command_count,
                       (int64_t)(LIMIT_TRIMMED_BYTES_PER_ENTRY + 8 * entry_bytes), error);
}

bool ledger_has_holds(const struct ledger *ledger)
{
    return ledger->first_expiry_hold_ms != INT64_MAX;
}

int64_t ledger_next_due_ms(const struct ledger *ledger)
{
    /* A row is due once the time lies behind it. */
    int64_t expiry = ledger->first_expiry_hold_ms == INT64_MAX
                         ? INT64_MAX
                         : ledger->first_expiry_hold_ms + ledger->clock.credits_ms + 1;
    int64_t purge = ledger->first_purge_ms == INT64_MAX ? INT64_MAX : ledger->first_purge_ms + 1;
    return expiry < purge ? expiry : purge;
}
