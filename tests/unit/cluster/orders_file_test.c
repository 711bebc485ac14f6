/*
 * orders_file_test.c - CSV and files of orders: what is read, and what is refused with which line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "base/limits.h"
#include "orders_file.h"

/* ---- fixture: a source that hands out memory, a few bytes at a time ---- */

struct memory_source {
    const char *data;
    size_t left;
    size_t step;
};

static long read_memory(void *user, void *into, size_t size, struct error *error)
{
    struct memory_source *source = user;
    (void)error;
    size_t len = source->left < source->step ? source->left : source->step;
    len = len < size ? len : size;
    if (len > 0) {
        memcpy(into, source->data, len);
    }
    source->data += len;
    source->left -= len;
    return (long)len;
}

static bool read_orders(struct orders *orders, const char *data, size_t len, struct error *error)
{
    struct memory_source source = {data, len, 3};
    return orders_read(orders, read_memory, &source, error);
}

#define HEADER "time,invoice,stock_code,quantity\n"

static void assert_refused(const char *data, size_t len, const char *part)
{
    struct orders orders;
    struct error error = {""};
    assert_false(read_orders(&orders, data, len, &error));
    if (strstr(error.text, part) == NULL) {
        fail_msg("\"%s\" does not speak of \"%s\"", error.text, part);
    }
}

#define REFUSED(text, part) assert_refused(text, sizeof(text) - 1, part)

static void assert_row(const struct orders *orders, size_t row, const char *invoice,
                       const char *sku, int64_t quantity)
{
    assert_true(row < orders->row_count);
    assert_string_equal(id_table_text(&orders->invoices, orders->rows[row].invoice), invoice);
    assert_string_equal(id_table_text(&orders->skus, orders->rows[row].sku), sku);
    assert_int_equal(orders->rows[row].quantity, quantity);
}

/* ---- cases ---- */

static void rows_and_numbers_in_order_of_appearance(void **state)
{
    (void)state;
    struct orders orders;
    struct error error;
    static const char text[] = HEADER "2010-12-01 08:26:00,536365,85123A,6\n"
                                      "t,C1,85123a,-2\n"
                                      "t,536365,85123a,+03";
    assert_true(read_orders(&orders, text, sizeof text - 1, &error));
    assert_int_equal(orders.row_count, 3);
    assert_int_equal(orders.skus.count, 2); /* they differ by case alone */
    assert_int_equal(orders.invoices.count, 2);
    assert_row(&orders, 0, "536365", "85123A", 6);
    assert_row(&orders, 1, "C1", "85123a", -2);
    assert_row(&orders, 2, "536365", "85123a", 3);
    assert_int_equal(orders.rows[2].invoice, 0);
    orders_free(&orders);
}

static void quotes_crlf_mark_and_empty_lines(void **state)
{
    (void)state;
    struct orders orders;
    struct error error;
    static const char text[] = "\xef\xbb\xbf\"time\",invoice,stock_code,\"quantity\"\r\n"
                               "\r\n"
                               ",\"a,\"\"b\"\"\r\nc\",\"\xc3\xa9\",\"7\"\r\n"
                               "\n"
                               ",d,e,8\r\n";
    assert_true(read_orders(&orders, text, sizeof text - 1, &error));
    assert_int_equal(orders.row_count, 2);
    assert_row(&orders, 0, "a,\"b\"\r\nc", "\xc3\xa9", 7);
    assert_row(&orders, 1, "d", "e", 8);
    orders_free(&orders);
}

static void header_alone_is_a_file_without_orders(void **state)
{
    (void)state;
    struct orders orders;
    struct error error;
    assert_true(read_orders(&orders, HEADER, sizeof HEADER - 1, &error));
    assert_int_equal(orders.row_count, 0);
    orders_free(&orders);
}

static void wrong_headers(void **state)
{
    (void)state;
    REFUSED("", "empty");
    REFUSED("t,a,b,1\n", "line 1: the header is not time,invoice,stock_code,quantity");
    REFUSED("\ntime,invoice,quantity,stock_code\n", "line 2: the header");
    REFUSED("time,invoice,stock_code\n", "the header");
    REFUSED("time,invoice,stock_code,quantity,more\n", "the header");
    REFUSED("Time,invoice,stock_code,quantity\n", "the header");
}

static void wrong_lines_are_named(void **state)
{
    (void)state;
    REFUSED(HEADER "t,a,b,1\nt,a,b\n", "line 3: 3 fields instead of 4");
    REFUSED(HEADER "x\n", "line 2: 1 field instead of 4");
    REFUSED(HEADER "t,a,b,1,2\n", "line 2: 5 fields instead of 4");
    REFUSED(HEADER "t,a,b,x\n", "line 2: the quantity: \"x\" is not a whole number");
    REFUSED(HEADER "t,a,b,\n", "line 2: the quantity");
    REFUSED(HEADER "t,a,b, 1\n", "line 2: the quantity");
    REFUSED(HEADER "t,a,b,1.5\n", "line 2: the quantity");
    REFUSED(HEADER "t,a,b,9007199254740992\n", "line 2: the quantity");
    REFUSED(HEADER "t,a,b,-9007199254740992\n", "line 2: the quantity");
    REFUSED(HEADER "t,a,b,00000000000000000000000000000000000001\n", "line 2: the quantity has 38");
    REFUSED(HEADER "t,,b,1\n", "line 2: the invoice is empty");
    REFUSED(HEADER "t,a,,1\n", "line 2: the stock code is empty");
    REFUSED(HEADER "t,a,\xff,1\n", "line 2: the stock code is not valid UTF-8");
    REFUSED(HEADER "t,a,b,1\n,,,,,,,,,,,,,,,,,\n", "line 3: too many fields");
    REFUSED(HEADER "t,a,b\r,1\n", "line 2: a carriage return without a line feed");
    REFUSED(HEADER "t,a,b\"c,1\n", "line 2: a quote inside a field");
    REFUSED(HEADER "t,a,\"b\"c,1\n", "line 2: text behind a closing quote");
    REFUSED(HEADER "t,a,\"b\"\"\"x,1\n", "line 2: text behind a closing quote");
    REFUSED(HEADER "t,a,b,1\nt,\"a\nb\n,1\n", "line 3: a quote is opened in this record");
    REFUSED(HEADER "t,a,b,1\nt,a,\0,1\n", "line 3: a NUL byte");
    /* Lines inside of quotes count for what comes behind them. */
    REFUSED(HEADER "t,\"a\n\n\",b,1\nbad\n", "line 5: 1 field");
}

static void long_ids_and_records_are_bounded(void **state)
{
    (void)state;
    struct buffer text = {0};
    buffer_printf(&text, HEADER "t,%0255d,b,1\n", 0);
    struct orders orders;
    struct error error;
    assert_true(read_orders(&orders, (const char *)text.data, text.len, &error));
    orders_free(&orders);
    buffer_printf(&text, "t,%0256d,b,1\n", 0);
    assert_refused((const char *)text.data, text.len, "line 3: the invoice is 256 bytes long");
    buffer_clear(&text);
    buffer_printf(&text, HEADER "t,\"");
    memset(buffer_reserve(&text, LIMIT_CSV_RECORD_BYTES), '\n', LIMIT_CSV_RECORD_BYTES);
    text.len += LIMIT_CSV_RECORD_BYTES;
    assert_refused((const char *)text.data, text.len, "line 2: longer than a record may be");
    buffer_free(&text);
}

static void rubbish_is_refused_and_never_more(void **state)
{
    (void)state;
    uint32_t seed = 12345;
    for (int round = 0; round < 2000; round++) {
        char data[200];
        size_t len = sizeof HEADER - 1;
        memcpy(data, HEADER, len);
        /* Bytes that mean something to the parser, and some that don't. */
        for (; len < sizeof data; len++) {
            static const char alphabet[] = "\",\r\n\0a1-\xff\xc3";
            seed = seed * 1664525 + 1013904223;
            data[len] = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
        }
        struct orders orders;
        struct error error = {""};
        if (read_orders(&orders, data, len, &error)) {
            orders_free(&orders);
        } else {
            assert_non_null(strstr(error.text, "line "));
        }
    }
}

/* ---- files ---- */

static char *write_temporary(const void *data, size_t len)
{
    char *path = memory_strdup("/tmp/holdfast-orders-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    close(fd);
    return path;
}

static struct buffer compressed(const char *text, size_t len)
{
    char *path = write_temporary("", 0);
    gzFile file = gzopen(path, "wb");
    assert_int_equal(gzwrite(file, text, (unsigned)len), (int)len);
    assert_int_equal(gzclose(file), Z_OK);
    struct buffer out = {0};
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    out.len = fread(buffer_reserve(&out, 1 << 20), 1, 1 << 20, in);
    fclose(in);
    unlink(path);
    free(path);
    return out;
}

static struct buffer many_orders(void)
{
    struct buffer text = {0};
    buffer_printf(&text, HEADER);
    for (int i = 0; i < 5000; i++) {
        buffer_printf(&text, "2010-12-01,%d,sku-%d,%d\n", i / 3, i * 7919 % 997, i % 50);
    }
    return text;
}

static void plain_and_compressed_files_read_alike(void **state)
{
    (void)state;
    struct buffer text = many_orders();
    struct buffer gz = compressed((const char *)text.data, text.len);
    const struct buffer *const forms[] = {&text, &gz};
    for (size_t i = 0; i < 2; i++) {
        char *path = write_temporary(forms[i]->data, forms[i]->len);
        struct orders orders;
        struct error error;
        assert_true(orders_read_file(&orders, path, &error));
        assert_int_equal(orders.row_count, 5000);
        assert_int_equal(orders.skus.count, 997);
        assert_row(&orders, 4999, "1666", "sku-199", 49);
        orders_free(&orders);
        unlink(path);
        free(path);
    }
    buffer_free(&gz);
    buffer_free(&text);
}

static void a_file_cut_short_is_refused_wherever_it_is_cut(void **state)
{
    (void)state;
    struct buffer text = many_orders();
    struct buffer gz = compressed((const char *)text.data, text.len);
    for (size_t len = 1; len < gz.len; len += gz.len / 97) {
        char *path = write_temporary(gz.data, len);
        struct orders orders;
        struct error error = {""};
        assert_false(orders_read_file(&orders, path, &error));
        assert_non_null(strstr(error.text, path));
        unlink(path);
        free(path);
    }
    char *path = write_temporary(gz.data, gz.len - 1); /* even in the trailer */
    struct orders orders;
    struct error error = {""};
    assert_false(orders_read_file(&orders, path, &error));
    assert_non_null(strstr(error.text, "cut short"));
    unlink(path);
    free(path);
    buffer_free(&gz);
    buffer_free(&text);
}

static void a_corrupt_file_is_refused(void **state)
{
    (void)state;
    struct buffer text = many_orders();
    struct buffer gz = compressed((const char *)text.data, text.len);
    gz.data[gz.len / 2] ^= 0x55;
    char *path = write_temporary(gz.data, gz.len);
    struct orders orders;
    struct error error = {""};
    assert_false(orders_read_file(&orders, path, &error));
    unlink(path);
    free(path);
    buffer_free(&gz);
    buffer_free(&text);
}

static void what_is_no_file_is_named(void **state)
{
    (void)state;
    struct orders orders;
    struct error error = {""};
    assert_false(orders_read_file(&orders, "/nonexistent/x.csv", &error));
    assert_string_equal(error.text, "/nonexistent/x.csv: No such file or directory");
    assert_false(orders_read_file(&orders, "/tmp", &error));
    assert_non_null(strstr(error.text, "Is a directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_and_numbers_in_order_of_appearance),
        cmocka_unit_test(quotes_crlf_mark_and_empty_lines),
        cmocka_unit_test(header_alone_is_a_file_without_orders),
        cmocka_unit_test(wrong_headers),
        cmocka_unit_test(wrong_lines_are_named),
        cmocka_unit_test(long_ids_and_records_are_bounded),
        cmocka_unit_test(rubbish_is_refused_and_never_more),
        cmocka_unit_test(plain_and_compressed_files_read_alike),
        cmocka_unit_test(a_file_cut_short_is_refused_wherever_it_is_cut),
        cmocka_unit_test(a_corrupt_file_is_refused),
        cmocka_unit_test(what_is_no_file_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
