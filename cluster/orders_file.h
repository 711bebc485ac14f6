/*
 * orders_file.h - a file of orders, read and checked as a whole: CSV with the header
 * `time,invoice,stock_code,quantity`, plain or compressed with gzip.
 *
 * Ownership: struct orders owns its ids and rows until orders_free.
 * Errors: one line that names the file and, where a line is at fault, its number.
 */
#ifndef CLUSTER_ORDERS_FILE_H
#define CLUSTER_ORDERS_FILE_H

#include "csv.h"
#include "id_table.h"

struct order_row {
    uint32_t invoice; /* numbers of the tables below, so in order of first appearance */
    uint32_t sku;
    int64_t quantity; /* of either sign, at most LIMIT_QUANTITY away from 0 */
};

struct orders {
    struct id_table invoices;
    struct id_table skus;
    struct order_row *rows;
    size_t row_count;
};

/* On failure nothing is left to free. */
bool orders_read(struct orders *orders, csv_source source, void *user, struct error *error);
bool orders_read_file(struct orders *orders, const char *path, struct error *error);
void orders_free(struct orders *orders);

#endif
