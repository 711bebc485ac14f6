/*
 * csv.c - RFC 4180 as a machine of four states over the bytes of one record.
 *
 * The invariant: record[field_start..record_len) is the text of the field under way; fields before
 * it are complete. The happy path: bytes until a line break outside of quotes.
 * What can fail: the source; a form that the RFC rules out; a bound.
 */
#include "csv.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/limits.h"

#define BLOCK_BYTES (64u << 10)
#define END_OF_FILE (-1)
#define FAILED      (-2)

enum field_state {
    FIELD_START,    /* nothing of the field has come */
    FIELD_PLAIN,    /* unquoted text */
    FIELD_QUOTED,   /* inside quotes */
    FIELD_UNQUOTED, /* behind the closing quote */
};

void csv_open(struct csv_reader *csv, csv_source source, void *user)
{
    *csv = (struct csv_reader){
        .source = source,
        .user = user,
        .next_line = 1,
        .block = memory_alloc(BLOCK_BYTES),
        .record = memory_alloc(LIMIT_CSV_RECORD_BYTES),
    };
}

void csv_close(struct csv_reader *csv)
{
    free(csv->block);
    free(csv->record);
    *csv = (struct csv_reader){0};
}

/* Fills the block to its end, or to the input's: a source may hand out less than it is asked for.
 */
static bool fill_block(struct csv_reader *csv, struct error *error)
{
    csv->block_at = 0;
    csv->block_len = 0;
    while (csv->block_len < BLOCK_BYTES) {
        long len = csv->source(csv->user, csv->block + csv->block_len, BLOCK_BYTES - csv->block_len,
                               error);
        if (len < 0) {
            return false;
        }
        if (len == 0) {
            break;
        }
        csv->block_len += (size_t)len;
    }
    csv->total_bytes += csv->block_len;
    if (csv->total_bytes > LIMIT_CSV_BYTES) {
        return error_set(error, "more than %" PRIu64 " MiB of text", LIMIT_CSV_BYTES >> 20);
    }
    return true;
}

/* The next byte, END_OF_FILE or FAILED. */
static int next_byte(struct csv_reader *csv, struct error *error)
{
    if (csv->block_at == csv->block_len) {
        if (!fill_block(csv, error)) {
            return FAILED;
        }
        if (csv->block_len == 0) {
            return END_OF_FILE;
        }
    }
    return csv->block[csv->block_at++];
}

static int peek_byte(struct csv_reader *csv, struct error *error)
{
    int byte = next_byte(csv, error);
    if (byte >= 0) {
        csv->block_at--;
    }
    return byte;
}

static bool fail_at(const struct csv_reader *csv, struct error *error, const char *what)
{
    return error_set(error, "line %" PRIu64 ": %s", csv->line, what);
}

static bool add_byte(struct csv_reader *csv, int byte, struct error *error)
{
    if (byte == '\0') {
        return fail_at(csv, error, "a NUL byte: this is no text");
    }
    if (csv->record_len == LIMIT_CSV_RECORD_BYTES) {
        return fail_at(csv, error, "longer than a record may be (64 KiB); is a quote left open?");
    }
    csv->record[csv->record_len++] = (uint8_t)byte;
    return true;
}

static bool end_field(struct csv_reader *csv, struct error *error)
{
    if (csv->field_count == CSV_FIELDS) {
        return fail_at(csv, error, "too many fields");
    }
    csv->field[csv->field_count++] =
        bytes_of(csv->record + csv->field_start, csv->record_len - csv->field_start);
    csv->field_start = csv->record_len;
    return true;
}

/* One byte inside quotes: text, or a quote that is doubled, or the closing one. */
static bool on_quoted(struct csv_reader *csv, int byte, enum field_state *state,
                      struct error *error)
{
    if (byte != '"') {
        csv->next_line += byte == '\n';
        return add_byte(csv, byte, error);
    }
    int next = peek_byte(csv, error);
    if (next == FAILED) {
        return false;
    }
    if (next == '"') {
        csv->block_at++;
        return add_byte(csv, '"', error);
    }
    *state = FIELD_UNQUOTED;
    return true;
}

/* One byte outside of quotes that neither ends the field nor the record. */
static bool on_text(struct csv_reader *csv, int byte, enum field_state *state, struct error *error)
{
    if (byte == '"' && *state == FIELD_START) {
        *state = FIELD_QUOTED;
        return true;
    }
    if (*state == FIELD_UNQUOTED) {
        return fail_at(csv, error, "text behind a closing quote");
    }
    if (byte == '"') {
        return fail_at(csv, error, "a quote inside a field that does not begin with one");
    }
    *state = FIELD_PLAIN;
    return add_byte(csv, byte, error);
}

/* A CR outside of quotes must belong to a CRLF, which is left to be read as LF. */
static bool check_carriage_return(struct csv_reader *csv, struct error *error)
{
    int next = peek_byte(csv, error);
    if (next == FAILED) {
        return false;
    }
    if (next != '\n') {
        return fail_at(csv, error, "a carriage return without a line feed");
    }
    return true;
}

static bool read_record(struct csv_reader *csv, int byte, struct error *error)
{
    enum field_state state = FIELD_START;
    for (;; byte = next_byte(csv, error)) {
        if (byte == FAILED) {
            return false;
        }
        if (byte == END_OF_FILE && state == FIELD_QUOTED) {
            return fail_at(csv, error, "a quote is opened in this record and never closed");
        }
        if (state == FIELD_QUOTED) {
            if (!on_quoted(csv, byte, &state, error)) {
                return false;
            }
        } else if (byte == ',') {
            if (!end_field(csv, error)) {
                return false;
            }
            state = FIELD_START;
        } else if (byte == '\n' || byte == END_OF_FILE) {
            csv->next_line += byte == '\n';
            return end_field(csv, error);
        } else if (byte == '\r') {
            if (!check_carriage_return(csv, error)) {
                return false;
            }
        } else if (!on_text(csv, byte, &state, error)) {
            return false;
        }
    }
}

static bool skip_byte_order_mark(struct csv_reader *csv, struct error *error)
{
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf};
    if (peek_byte(csv, error) == FAILED) {
        return false;
    }
    if (csv->block_len >= sizeof mark && memcmp(csv->block, mark, sizeof mark) == 0) {
        csv->block_at = sizeof mark;
    }
    return true;
}

static enum csv_outcome read_next(struct csv_reader *csv, struct error *error)
{
    csv->line = csv->next_line;
    csv->field_count = 0;
    csv->record_len = 0;
    csv->field_start = 0;
    int first = next_byte(csv, error);
    if (first == END_OF_FILE) {
        return CSV_END;
    }
    return first != FAILED && read_record(csv, first, error) ? CSV_RECORD : CSV_FAILED;
}

enum csv_outcome csv_read(struct csv_reader *csv, struct error *error)
{
    if (csv->total_bytes == 0 && !skip_byte_order_mark(csv, error)) {
        return CSV_FAILED;
    }
    for (;;) {
        enum csv_outcome outcome = read_next(csv, error);
        bool empty = csv->field_count == 1 && csv->record_len == 0;
        if (outcome != CSV_RECORD || !empty) {
            return outcome;
        }
    }
}
