/*
 * csv.h - reads CSV (RFC 4180) record by record from any source of bytes.
 *
 * Lines end in LF or CRLF; a byte order mark in front is skipped, and so are empty lines. A quoted
 * field may hold commas, line breaks and doubled quotes. Everything else that RFC 4180 rules out is
 * an error with its line number: a quote inside an unquoted field, text behind a closing quote, a
 * carriage return by itself, a NUL, a quote that is never closed.
 *
 * Bounds: a record has LIMIT_CSV_RECORD_BYTES and CSV_FIELDS at most, the whole input
 * LIMIT_CSV_BYTES. Ownership: fields point into the reader until the next csv_read.
 */
#ifndef CLUSTER_CSV_H
#define CLUSTER_CSV_H

#include "base/bytes.h"
#include "base/error.h"

#define CSV_FIELDS 16

/* Up to `size` bytes: how many came, 0 at the end, -1 and `error` on failure. */
typedef long (*csv_source)(void *user, void *into, size_t size, struct error *error);

enum csv_outcome { CSV_RECORD, CSV_END, CSV_FAILED };

struct csv_reader {
    csv_source source;
    void *user;
    struct bytes field[CSV_FIELDS]; /* of the record read last */
    size_t field_count;
    uint64_t line; /* on which that record begins; from 1 */

    /* private */
    uint8_t *block;
    size_t block_at;
    size_t block_len;
    uint64_t total_bytes;
    uint64_t next_line;
    uint8_t *record; /* the fields' text, unquoted, one after the other */
    size_t record_len;
    size_t field_start;
};

void csv_open(struct csv_reader *csv, csv_source source, void *user);
/* CSV_FAILED: the text begins with "line N: " where the input is at fault. */
enum csv_outcome csv_read(struct csv_reader *csv, struct error *error);
void csv_close(struct csv_reader *csv);

#endif
