/*
 * table.c - aligned columns. Width is counted in characters of UTF-8, each as one column: wide for
 * the ids of a stock ledger, wrong by a blank for East Asian ones.
 */
#include "table.h"

#include <assert.h>
#include <inttypes.h>
#include <unistd.h>

/* C0, DEL, and what is not UTF-8; C1 (U+0080 to U+009F, which terminals also obey) is c2 80-9f. */
static bool is_control(struct bytes text, size_t *len)
{
    uint8_t c = text.data[0];
    *len = 1;
    if (c < 0x20 || c == 0x7f) {
        return true;
    }
    if (c == 0xc2 && text.len > 1 && text.data[1] >= 0x80 && text.data[1] <= 0x9f) {
        *len = 2;
        return true;
    }
    return false;
}

void append_printable(struct buffer *out, struct bytes text)
{
    bool utf8 = bytes_is_utf8(text);
    for (size_t i = 0; i < text.len;) {
        size_t len;
        bool hidden = is_control(bytes_of(text.data + i, text.len - i), &len);
        hidden = hidden || (!utf8 && text.data[i] >= 0x80);
        for (size_t k = 0; k < len; k++, i++) {
            if (hidden) {
                buffer_printf(out, "\\x%02x", (unsigned)text.data[i]);
            } else {
                buffer_append(out, &text.data[i], 1);
            }
        }
    }
}

static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return width;
}

static const char *heading_of(const struct table *table, size_t column, bool *right)
{
    const char *heading = table->headings[column];
    *right = *heading == '>';
    return heading + *right;
}

void table_begin(struct table *table, FILE *out, const char *const *headings)
{
    *table = (struct table){.out = out, .headings = headings};
    for (; headings[table->column_count] != NULL; table->column_count++) {
        assert(table->column_count < TABLE_COLUMNS);
        bool right;
        table->widths[table->column_count] =
            width_of(heading_of(table, table->column_count, &right));
    }
    assert(table->column_count > 0);
}

void table_bytes(struct table *table, struct bytes text)
{
    size_t start = table->cells.len;
    append_printable(&table->cells, text);
    buffer_append(&table->cells, "", 1);
    size_t column = table->cell_count++ % table->column_count;
    size_t width = width_of((const char *)table->cells.data + start);
    if (width > table->widths[column]) {
        table->widths[column] = width;
    }
}

void table_text(struct table *table, const char *text)
{
    table_bytes(table, bytes_of_string(text));
}

void table_int(struct table *table, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    table_text(table, text);
}

void table_uint(struct table *table, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    table_text(table, text);
}

static void write_blanks(FILE *out, size_t count)
{
    fprintf(out, "%*s", (int)count, "");
}

/* The last column is not padded: no line ends in blanks. */
static void write_cell(const struct table *table, size_t column, const char *text)
{
    bool right;
    heading_of(table, column, &right);
    size_t padding = table->widths[column] - width_of(text);
    bool last = column + 1 == table->column_count;
    write_blanks(table->out, (column > 0 ? 2 : 0) + (right ? padding : 0));
    fputs(text, table->out);
    write_blanks(table->out, right || last ? 0 : padding);
    if (last) {
        fputc('\n', table->out);
    }
}

static void write_heading(struct table *table)
{
    bool bold = isatty(fileno(table->out)) == 1;
    fputs(bold ? "\033[1m" : "", table->out);
    for (size_t column = 0; column < table->column_count; column++) {
        bool right;
        write_cell(table, column, heading_of(table, column, &right));
    }
    fputs(bold ? "\033[0m" : "", table->out);
    table->headed = true;
}

void table_flush(struct table *table)
{
    assert(table->cell_count % table->column_count == 0);
    if (!table->headed) {
        write_heading(table);
    }
    const char *text = (const char *)table->cells.data;
    for (size_t i = 0; i < table->cell_count; i++) {
        write_cell(table, i % table->column_count, text);
        text += strlen(text) + 1;
    }
    buffer_clear(&table->cells);
    table->cell_count = 0;
}

void table_end(struct table *table)
{
    table_flush(table);
    buffer_free(&table->cells);
}
