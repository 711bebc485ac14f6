/*
 * orders_file.c - from a file's bytes to rows of numbers.
 *
 * The happy path: zlib hands out text (it passes a file through that is not compressed), csv.c cuts
 * it into records, each becomes one row. Nothing is used before the last line has been checked.
 * What can fail: the file can't be read, is cut short or corrupt; a line is not of the form.
 */
#include "orders_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "arguments.h"
#include "base/limits.h"

enum column { COLUMN_TIME, COLUMN_INVOICE, COLUMN_STOCK_CODE, COLUMN_QUANTITY, COLUMN_COUNT };

static const char *const column_names[COLUMN_COUNT] = {"time", "invoice", "stock_code", "quantity"};

static bool check_header(const struct csv_reader *csv, struct error *error)
{
    bool same = csv->field_count == COLUMN_COUNT;
    for (size_t i = 0; same && i < COLUMN_COUNT; i++) {
        same = bytes_equal(csv->field[i], bytes_of_string(column_names[i]));
    }
    if (!same) {
        return error_set(error,
                         "line %" PRIu64 ": the header is not time,invoice,stock_code,quantity",
                         csv->line);
    }
    return true;
}

static bool read_quantity(struct bytes field, int64_t *quantity, struct error *error)
{
    char text[32];
    if (field.len >= sizeof text) {
        return error_set(error, "the quantity has %zu characters", field.len);
    }
    memcpy(text, field.data, field.len);
    text[field.len] = '\0';
    return parse_number("the quantity", text, -LIMIT_QUANTITY, LIMIT_QUANTITY, quantity, error);
}

static bool read_row(struct orders *orders, const struct csv_reader *csv, struct order_row *row,
                     struct error *error)
{
    if (csv->field_count != COLUMN_COUNT) {
        return error_set(error, "%zu field%s instead of %d", csv->field_count,
                         csv->field_count == 1 ? "" : "s", COLUMN_COUNT);
    }
    if (!check_id("the invoice", csv->field[COLUMN_INVOICE], error) ||
        !check_id("the stock code", csv->field[COLUMN_STOCK_CODE], error) ||
        !read_quantity(csv->field[COLUMN_QUANTITY], &row->quantity, error)) {
        return false;
    }
    row->invoice = id_table_add(&orders->invoices, csv->field[COLUMN_INVOICE]);
    row->sku = id_table_add(&orders->skus, csv->field[COLUMN_STOCK_CODE]);
    return true;
}

static bool read_rows(struct orders *orders, struct csv_reader *csv, struct error *error)
{
    size_t capacity = 0;
    for (;;) {
        enum csv_outcome outcome = csv_read(csv, error);
        if (outcome != CSV_RECORD) {
            return outcome == CSV_END;
        }
        if (orders->row_count == LIMIT_CSV_ROWS) {
            return error_set(error, "more than %u lines", LIMIT_CSV_ROWS);
        }
        if (orders->row_count == capacity) {
            capacity = capacity == 0 ? 4096 : capacity * 2;
            orders->rows = memory_realloc(orders->rows, capacity * sizeof *orders->rows);
        }
        if (!read_row(orders, csv, &orders->rows[orders->row_count], error)) {
            return error_wrap(error, "line %" PRIu64, csv->line);
        }
        orders->row_count++;
    }
}

bool orders_read(struct orders *orders, csv_source source, void *user, struct error *error)
{
    *orders = (struct orders){0};
    struct csv_reader csv;
    csv_open(&csv, source, user);
    enum csv_outcome header = csv_read(&csv, error);
    bool done = header == CSV_RECORD && check_header(&csv, error) && read_rows(orders, &csv, error);
    if (header == CSV_END) {
        error_set(error, "empty: not even a header");
    }
    csv_close(&csv);
    if (!done) {
        orders_free(orders);
    }
    return done;
}

static long read_gz(void *user, void *into, size_t size, struct error *error)
{
    gzFile file = user;
    int len = gzread(file, into, (unsigned)size);
    int code;
    const char *text = gzerror(file, &code);
    if (len > 0) {
        return len;
    }
    /* The end in the middle of a compressed stream is no error to gzread, but to us. */
    if (len == 0 && code != Z_BUF_ERROR) {
        return 0;
    }
    if (code == Z_BUF_ERROR) {
        error_set(error, "the compressed file is cut short");
    } else {
        error_set(error, "%s", code == Z_ERRNO ? strerror(errno) : text);
    }
    return -1;
}

bool orders_read_file(struct orders *orders, const char *path, struct error *error)
{
    errno = 0;
    gzFile file = gzopen(path, "rbe");
    if (file == NULL) {
        return error_set(error, "%.300s: %s", path, errno != 0 ? strerror(errno) : "out of memory");
    }
    bool done = orders_read(orders, read_gz, file, error);
    gzclose_r(file); /* every fault of the stream has shown in read_gz */
    return done || error_wrap(error, "%.300s", path);
}

void orders_free(struct orders *orders)
{
    id_table_free(&orders->invoices);
    id_table_free(&orders->skus);
    free(orders->rows);
    *orders = (struct orders){0};
}
