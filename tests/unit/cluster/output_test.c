/*
 * output_test.c - JSON escaping and form, tables, times, ids in order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "id_table.h"
#include "json.h"
#include "table.h"

static void assert_string_json(const char *text, size_t len, const char *expected)
{
    struct buffer out = {0};
    struct json json = json_into(&out);
    json_string(&json, bytes_of(text, len));
    buffer_append(&out, "", 1);
    assert_string_equal((const char *)out.data, expected);
    buffer_free(&out);
}

#define STRING_JSON(text, expected) assert_string_json(text, sizeof(text) - 1, expected)

static void strings_are_escaped(void **state)
{
    (void)state;
    STRING_JSON("", "\"\"");
    STRING_JSON("plain / text", "\"plain / text\"");
    STRING_JSON("a\"b\\c", "\"a\\\"b\\\\c\"");
    STRING_JSON("\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"");
    STRING_JSON("\0\x01\x1f\x7f", "\"\\u0000\\u0001\\u001f\\u007f\"");
    STRING_JSON("\xc3\xa9\xe2\x82\xac\xf0\x9f\x8d\x8e", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x8d\x8e\"");
}

static void what_is_not_utf8_is_replaced(void **state)
{
    (void)state;
    STRING_JSON("a\xff"
                "b",
                "\"a\xef\xbf\xbd"
                "b\"");
    STRING_JSON("\xc3", "\"\xef\xbf\xbd\"");
    STRING_JSON("\xe2\x82"
                "x",
                "\"\xef\xbf\xbd\xef\xbf\xbdx\"");
    STRING_JSON("\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""); /* a surrogate */
    STRING_JSON("\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\"");                 /* overlong */
}

static void levels_and_commas(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct json json = json_into(&out);
    json_object_begin(&json);
    json_field_text(&json, "a", NULL);
    json_key(&json, "b");
    json_array_begin(&json);
    json_int(&json, INT64_MIN);
    json_uint(&json, UINT64_MAX);
    json_object_begin(&json);
    json_object_end(&json);
    json_array_begin(&json);
    json_array_end(&json);
    json_array_end(&json);
    json_field_bool(&json, "c", true);
    json_field_decimal(&json, "d", 1.5, 3);
    json_field_decimal(&json, "e", 9007199254740991.0, 0);
    json_object_end(&json);
    buffer_append(&out, "", 1);
    assert_string_equal((const char *)out.data,
                        "{\"a\":\"\",\"b\":[-9223372036854775808,18446744073709551615,{},[]],"
                        "\"c\":true,\"d\":1.500,\"e\":9007199254740991}");
    buffer_free(&out);
}

static void times_are_rfc_3339(void **state)
{
    (void)state;
    char text[TIME_TEXT_BYTES];
    assert_string_equal(time_text(0, text), "1970-01-01T00:00:00.000Z");
    assert_string_equal(time_text(INT64_C(1795160100125), text), "2026-11-20T07:35:00.125Z");
    assert_string_equal(time_text(-1, text), "1969-12-31T23:59:59.999Z");
    assert_string_equal(time_text(INT64_C(253402300799999), text), "9999-12-31T23:59:59.999Z");
    time_text(INT64_MAX, text); /* whatever it says, it says it within bounds */
    time_text(INT64_MIN, text);
}

static void tables_align_grow_and_hide_controls(void **state)
{
    (void)state;
    static const char *const headings[] = {"SKU", ">N", "WHY", NULL};
    char *text = NULL;
    size_t len = 0;
    FILE *out = tmpfile();
    struct table table;
    table_begin(&table, out, headings);
    table_text(&table, "\xc3\xa9");
    table_int(&table, -5);
    table_text(&table, "");
    table_text(&table, "long");
    table_uint(&table, 1234);
    table_text(&table, "\x1b[2J\xc2\x9b\xff");
    table_flush(&table);
    table_text(&table, "longer");
    table_int(&table, 1);
    table_text(&table, "x");
    table_end(&table);
    rewind(out);
    text = calloc(1, 4096);
    len = fread(text, 1, 4095, out);
    assert_true(len > 0);
    assert_string_equal(text, "SKU      N  WHY\n"
                              "\xc3\xa9       -5  \n"
                              "long  1234  \\x1b[2J\\xc2\\x9b\\xff\n"
                              "longer     1  x\n");
    free(text);
    fclose(out);
}

static void ids_are_numbered_as_they_come(void **state)
{
    (void)state;
    struct id_table table = {0};
    char id[16];
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 10000; i++) {
            int len = snprintf(id, sizeof id, "id-%u", i);
            assert_int_equal(id_table_add(&table, bytes_of(id, (size_t)len)), i);
        }
    }
    assert_int_equal(table.count, 10000);
    assert_string_equal(id_table_text(&table, 9999), "id-9999");
    id_table_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(what_is_not_utf8_is_replaced),
        cmocka_unit_test(levels_and_commas),
        cmocka_unit_test(times_are_rfc_3339),
        cmocka_unit_test(tables_align_grow_and_hide_controls),
        cmocka_unit_test(ids_are_numbered_as_they_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
