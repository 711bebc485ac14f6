/*
 * audit.c - proof: reads every record of a store and checks every invariant that ledger.h names,
 * trusting nothing - neither keys nor sums nor the ledger's own code paths.
 *
 * How: stocks first, into an array sorted as their keys are. Orders add their open units to it.
 * History comes in the same order as stocks, each stock's rows oldest first, and must lead from
 * nothing to what the stock is now. Rows of expiry and purge are counted and looked up from the
 * records' side: if every record has its row and there are as many rows as records, there is no
 * other row. The digest is summed over everything that was read.
 *
 * Every violation is counted, the first hundred are put into words. What can fail: only the store.
 */
#include "machine.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/codec.h"

/* Records are handled a page at a time, since a visitor must not call the store. */
enum { PAGE_RECORDS = 256, PAGE_BYTES = 1 << 20 };

struct stock_total {
    size_t key_at; /* in audit_run.keys */
    size_t key_len;
    struct stock_record stock;
    uint64_t held; /* by open lines of orders */
    /* what the history says, row by row */
    int64_t on_hand;
    int64_t reserved;
    uint64_t version;
    bool begun;
};

struct audit_run {
    struct ledger_store store;
    struct ledger_audit *audit;
    const atomic_bool *stop; /* NULL: nobody will */
    struct stock_total *totals;
    uint32_t total_count;
    uint32_t total_capacity;
    uint32_t history_at; /* the total that the last history row belonged to */
    struct buffer keys;
    struct buffer full_key; /* kind and key of the record at hand */
    struct order_lines order_lines;
    struct failed_lines failed_lines;
    struct clock_record clock;
    bool has_clock;
    bool has_digest;
    uint64_t rows_of_expiry;
    uint64_t rows_of_purge;
    uint64_t records_to_expire;
    uint64_t records_to_purge;
};

static void violation(struct audit_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void violation(struct audit_run *run, const char *format, ...)
{
    struct ledger_audit *audit = run->audit;
    size_t places = sizeof audit->violations / sizeof audit->violations[0];
    if (audit->violation_count < places) {
        char *text = audit->violations[audit->violation_count];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(text, sizeof audit->violations[0], format, arguments);
        va_end(arguments);
    }
    audit->violation_count++;
}

/* ---- paging ---- */

typedef bool (*record_check)(struct audit_run *run, struct bytes key, struct bytes value,
                             struct error *error);

struct page {
    struct buffer records; /* key, value, key, value */
    uint32_t count;
    bool full;
};

static bool page_visit(void *context, struct bytes key, struct bytes value)
{
    struct page *page = context;
    if (page->count == PAGE_RECORDS || page->records.len >= PAGE_BYTES) {
        page->full = true;
        return false;
    }
    write_bytes32(&page->records, key);
    write_bytes32(&page->records, value);
    page->count++;
    return true;
}

static void add_to_digest(struct audit_run *run, enum ledger_kind kind, struct bytes key,
                          struct bytes value)
{
    if (kind == LEDGER_KIND_META && !ledger_meta_in_digest(key)) {
        return;
    }
    struct buffer *full = &run->full_key;
    buffer_clear(full);
    write_u8(full, (uint8_t)kind);
    buffer_append_bytes(full, key);
    run->audit->recomputed_digest =
        hash128_add(run->audit->recomputed_digest, hash128_of_pair(buffer_bytes(full), value));
}

static bool check_page(struct audit_run *run, enum ledger_kind kind, const struct page *page,
                       record_check check, struct buffer *next_key, struct error *error)
{
    struct reader in = reader_of(buffer_bytes(&page->records));
    for (uint32_t i = 0; i < page->count; i++) {
        struct bytes key = read_bytes32(&in);
        struct bytes value = read_bytes32(&in);
        add_to_digest(run, kind, key, value);
        if (!check(run, key, value, error)) {
            return false;
        }
        if (i + 1 == page->count) {
            buffer_clear(next_key);
            buffer_append_bytes(next_key, key);
            write_u8(next_key, 0); /* the least key behind this one */
        }
    }
    return true;
}

static bool check_kind(struct audit_run *run, enum ledger_kind kind, record_check check,
                       struct error *error)
{
    struct page page = {0};
    struct buffer next_key = {0};
    bool read;
    do {
        if (run->stop != NULL && atomic_load(run->stop)) {
            read = error_set(error, "the audit was told to stop");
            break;
        }
        buffer_clear(&page.records);
        page.count = 0;
        page.full = false;
        read = run->store.ops->scan(run->store.store, kind, buffer_bytes(&next_key),
                                    bytes_of(NULL, 0), page_visit, &page, error) &&
               check_page(run, kind, &page, check, &next_key, error);
    } while (read && page.full);
    buffer_free(&page.records);
    buffer_free(&next_key);
    return read;
}

/* Is the row there, as it should be? */
static bool check_row(struct audit_run *run, const struct ledger_key *row, const char *what,
                      struct bytes id, struct error *error)
{
    struct bytes value;
    enum store_result result = run->store.ops->get(run->store.store, ledger_key_kind(row),
                                                   ledger_key_bytes(row), &value, error);
    if (result == STORE_ERROR) {
        return false;
    }
    if (result == STORE_ABSENT) {
        violation(run, "%s of %.*s is missing", what, (int)id.len, (const char *)id.data);
    } else if (!bytes_equal(value, bytes_of(ledger_row_mark, sizeof ledger_row_mark))) {
        violation(run, "%s of %.*s has a strange value", what, (int)id.len, (const char *)id.data);
    }
    return true;
}

static bool is_id(struct bytes id)
{
    struct error why;
    return ledger_id_check("id", id, &why);
}

/* ---- meta ---- */

static bool check_meta(struct audit_run *run, struct bytes key, struct bytes value,
                       struct error *error)
{
    (void)error;
    struct error why;
    if (bytes_equal(key, BYTES_LITERAL(LEDGER_META_CLOCK))) {
        run->has_clock = true;
        if (!clock_record_decode(value, &run->clock, &why)) {
            violation(run, "%s", why.text);
        }
    } else if (bytes_equal(key, BYTES_LITERAL(LEDGER_META_DIGEST))) {
        run->has_digest = true;
        if (!digest_record_decode(value, &run->audit->stored_digest, &why)) {
            violation(run, "%s", why.text);
        }
    }
    return true;
}

/* ---- stocks ---- */

static bool check_stock(struct audit_run *run, struct bytes key, struct bytes value,
                        struct error *error)
{
    (void)error;
    struct error why;
    struct bytes sku;
    uint32_t warehouse;
    struct stock_total total = {.key_at = run->keys.len, .key_len = key.len};
    struct stock_record *stock = &total.stock;
    run->audit->stocks++;
    if (!ledger_key_read_stock(key, &sku, &warehouse)) {
        violation(run, "a stock's key of %zu bytes names no SKU", key.len);
        return true;
    }
    if (!stock_record_decode(value, stock, &why)) {
        violation(run, "stock %.*s@%" PRIu32 ": %s", (int)sku.len, (const char *)sku.data,
                  warehouse, why.text);
        return true;
    }
    if (stock->reserved > stock->on_hand) { /* the decoder takes neither below 0 */
        violation(run, "stock %.*s@%" PRIu32 ": on_hand %" PRId64 ", reserved %" PRId64,
                  (int)sku.len, (const char *)sku.data, warehouse, stock->on_hand, stock->reserved);
    }
    if (run->has_clock && stock->last_index > run->clock.last_index) {
        violation(run, "stock %.*s@%" PRIu32 ": changed at index %" PRIu64 ", beyond the clock's",
                  (int)sku.len, (const char *)sku.data, warehouse, stock->last_index);
    }
    buffer_append_bytes(&run->keys, key);
    run->totals =
        array_grow(run->totals, &run->total_capacity, run->total_count + 1, sizeof *run->totals);
    run->totals[run->total_count++] = total;
    return true;
}

static struct bytes total_key(const struct audit_run *run, const struct stock_total *total)
{
    return bytes_of(run->keys.data + total->key_at, total->key_len);
}

static struct stock_total *find_total(struct audit_run *run, struct bytes key)
{
    uint32_t low = 0;
    uint32_t high = run->total_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = bytes_compare(total_key(run, &run->totals[middle]), key);
        if (order == 0) {
            return &run->totals[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* ---- orders ---- */

static int64_t check_order_lines(struct audit_run *run, struct bytes id,
                                 const struct order_record *order)
{
    int64_t open_lines = 0;
    for (uint32_t i = 0; i < order->line_count; i++) {
        const struct order_line *line = &order->lines[i];
        if (i > 0 &&
            stock_compare(line[-1].sku, line[-1].warehouse, line->sku, line->warehouse) >= 0) {
            violation(run, "order %.*s: line %" PRIu32 " is out of order", (int)id.len,
                      (const char *)id.data, i + 1);
        }
        struct ledger_key key = ledger_key_stock(line->sku, line->warehouse);
        struct stock_total *total = find_total(run, ledger_key_bytes(&key));
        if (total == NULL) {
            violation(run, "order %.*s: line %" PRIu32 " names a stock that is not there",
                      (int)id.len, (const char *)id.data, i + 1);
        } else {
            total->held += (uint64_t)order_line_open(line);
        }
        open_lines += order_line_open(line) > 0;
    }
    return open_lines;
}

static bool check_order(struct audit_run *run, struct bytes id, struct bytes value,
                        struct error *error)
{
    struct error why;
    struct order_record order;
    run->audit->orders++;
    if (!is_id(id)) {
        violation(run, "an order's key of %zu bytes is no id", id.len);
        return true;
    }
    if (!order_record_decode(value, &order, &run->order_lines, &why)) {
        violation(run, "order %.*s: %s", (int)id.len, (const char *)id.data, why.text);
        return true;
    }
    bool open = check_order_lines(run, id, &order) > 0;
    if (open != (order.state == ORDER_ACTIVE) || open != (order.closed_ms == 0) ||
        open != (order.purge_ms == 0)) {
        violation(run, "order %.*s: state %d, closed at %" PRId64 ", trimmed at %" PRId64 ", %s",
                  (int)id.len, (const char *)id.data, (int)order.state, order.closed_ms,
                  order.purge_ms, open ? "and lines are open" : "and no line is open");
    }
    if (order.tombstone != (order.line_count == 0)) {
        violation(run, "order %.*s: %s", (int)id.len, (const char *)id.data,
                  order.tombstone ? "a tombstone with lines" : "no lines and no tombstone");
    }
    if (open) {
        struct ledger_key row = ledger_key_expiry(order.expires_hold_ms, id);
        run->records_to_expire++;
        return check_row(run, &row, "the expiry row of order", id, error);
    }
    struct ledger_key row = ledger_key_purge(order.purge_ms, LEDGER_KIND_ORDER, id);
    run->records_to_purge++;
    return check_row(run, &row, "the purge row of order", id, error);
}

/* ---- history ---- */

static void check_history_row(struct audit_run *run, struct stock_total *total, struct bytes sku,
                              uint32_t warehouse, uint64_t index, const struct history_record *row)
{
    if (row->on_hand_before != total->on_hand || row->reserved_before != total->reserved) {
        violation(run,
                  "history of %.*s@%" PRIu32 ": the row at index %" PRIu64 " begins at %" PRId64
                  ", %" PRId64 ", the one before ended at %" PRId64 ", %" PRId64,
                  (int)sku.len, (const char *)sku.data, warehouse, index, row->on_hand_before,
                  row->reserved_before, total->on_hand, total->reserved);
    }
    bool changed = row->on_hand_after != row->on_hand_before;
    if (total->begun && !changed && row->reserved_after == row->reserved_before) {
        violation(run, "history of %.*s@%" PRIu32 ": the row at index %" PRIu64 " changes nothing",
                  (int)sku.len, (const char *)sku.data, warehouse, index);
    }
    total->version += changed || !total->begun;
    total->begun = true;
    total->on_hand = row->on_hand_after;
    total->reserved = row->reserved_after;
}

static bool check_history(struct audit_run *run, struct bytes key, struct bytes value,
                          struct error *error)
{
    (void)error;
    struct error why;
    struct bytes sku;
    uint32_t warehouse;
    uint64_t index;
    uint32_t sub;
    struct history_record row;
    run->audit->history_rows++;
    if (!ledger_key_read_history(key, &sku, &warehouse, &index, &sub)) {
        violation(run, "a history row's key of %zu bytes names no SKU", key.len);
        return true;
    }
    if (!history_record_decode(value, &row, &why)) {
        violation(run, "history of %.*s@%" PRIu32 " at index %" PRIu64 ": %s", (int)sku.len,
                  (const char *)sku.data, warehouse, index, why.text);
        return true;
    }
    /* The stock's key is what stands before index and sub. Rows come in the order of stocks. */
    struct bytes stock_key = bytes_of(key.data, key.len - 12);
    while (run->history_at < run->total_count &&
           bytes_compare(total_key(run, &run->totals[run->history_at]), stock_key) < 0) {
        run->history_at++;
    }
    if (run->history_at == run->total_count ||
        !bytes_equal(total_key(run, &run->totals[run->history_at]), stock_key)) {
        violation(run, "history of %.*s@%" PRIu32 ": the stock is not there", (int)sku.len,
                  (const char *)sku.data, warehouse);
        return true;
    }
    check_history_row(run, &run->totals[run->history_at], sku, warehouse, index, &row);
    return true;
}

/* ---- the rest ---- */

static bool check_request(struct audit_run *run, struct bytes id, struct bytes value,
                          struct error *error)
{
    struct error why;
    struct request_record request;
    if (!is_id(id)) {
        violation(run, "a request's key of %zu bytes is no id", id.len);
        return true;
    }
    if (!request_record_decode(value, &request, &run->failed_lines, &why)) {
        violation(run, "request %.*s: %s", (int)id.len, (const char *)id.data, why.text);
        return true;
    }
    struct ledger_key row = ledger_key_purge(request.purge_ms, LEDGER_KIND_REQUEST, id);
    run->records_to_purge++;
    return check_row(run, &row, "the purge row of request", id, error);
}

static bool check_node(struct audit_run *run, struct bytes key, struct bytes value,
                       struct error *error)
{
    (void)error;
    struct error why;
    struct node_record node;
    if (key.len != 8 || !node_record_decode(value, &node, &why)) {
        violation(run, "a node's record can't be read");
    }
    return true;
}

static bool count_expiry(struct audit_run *run, struct bytes key, struct bytes value,
                         struct error *error)
{
    (void)key;
    (void)value;
    (void)error;
    run->rows_of_expiry++;
    return true;
}

static bool count_purge(struct audit_run *run, struct bytes key, struct bytes value,
                        struct error *error)
{
    (void)key;
    (void)value;
    (void)error;
    run->rows_of_purge++;
    return true;
}

static void check_totals(struct audit_run *run)
{
    for (uint32_t i = 0; i < run->total_count; i++) {
        const struct stock_total *total = &run->totals[i];
        const struct stock_record *stock = &total->stock;
        struct bytes key = total_key(run, total);
        struct bytes sku;
        uint32_t warehouse;
        ledger_key_read_stock(key, &sku, &warehouse);
        if ((uint64_t)stock->reserved != total->held) {
            violation(run, "stock %.*s@%" PRIu32 ": reserved %" PRId64 ", orders hold %" PRIu64,
                      (int)sku.len, (const char *)sku.data, warehouse, stock->reserved,
                      total->held);
        }
        if (stock->on_hand != total->on_hand || stock->reserved != total->reserved) {
            violation(run,
                      "stock %.*s@%" PRIu32 ": on_hand %" PRId64 ", reserved %" PRId64
                      ", its history ends at %" PRId64 ", %" PRId64,
                      (int)sku.len, (const char *)sku.data, warehouse, stock->on_hand,
                      stock->reserved, total->on_hand, total->reserved);
        }
        if (stock->version != total->version) {
            violation(run, "stock %.*s@%" PRIu32 ": version %" PRIu64 ", its history says %" PRIu64,
                      (int)sku.len, (const char *)sku.data, warehouse, stock->version,
                      total->version);
        }
    }
}

static void check_sums(struct audit_run *run)
{
    const struct ledger_audit *audit = run->audit;
    check_totals(run);
    if (run->rows_of_expiry != run->records_to_expire) {
        violation(run, "%" PRIu64 " expiry rows for %" PRIu64 " orders with open lines",
                  run->rows_of_expiry, run->records_to_expire);
    }
    if (run->rows_of_purge != run->records_to_purge) {
        violation(run, "%" PRIu64 " purge rows for %" PRIu64 " records that end by age",
                  run->rows_of_purge, run->records_to_purge);
    }
    if (run->has_clock != run->has_digest) {
        violation(run, "of clock and digest only one is there");
    }
    if (!hash128_equal(audit->stored_digest, audit->recomputed_digest)) {
        violation(run, "the stored digest is not that of the records");
    }
}

bool ledger_audit_run(struct ledger_store store, struct ledger_audit *audit, struct error *error)
{
    return ledger_audit_run_until(store, NULL, audit, error);
}

bool ledger_audit_run_until(struct ledger_store store, const atomic_bool *stop,
                            struct ledger_audit *audit, struct error *error)
{
    struct audit_run run = {.store = store, .audit = audit, .stop = stop};
    *audit = (struct ledger_audit){0};
    bool read = check_kind(&run, LEDGER_KIND_META, check_meta, error) &&
                check_kind(&run, LEDGER_KIND_STOCK, check_stock, error) &&
                check_kind(&run, LEDGER_KIND_ORDER, check_order, error) &&
                check_kind(&run, LEDGER_KIND_HISTORY, check_history, error) &&
                check_kind(&run, LEDGER_KIND_REQUEST, check_request, error) &&
                check_kind(&run, LEDGER_KIND_NODE, check_node, error) &&
                check_kind(&run, LEDGER_KIND_EXPIRY, count_expiry, error) &&
                check_kind(&run, LEDGER_KIND_PURGE, count_purge, error);
    if (read) {
        check_sums(&run);
    }
    free(run.totals);
    buffer_free(&run.keys);
    buffer_free(&run.full_key);
    order_lines_free(&run.order_lines);
    failed_lines_free(&run.failed_lines);
    return read;
}
