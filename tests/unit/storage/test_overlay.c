/*
 * test_overlay.c - the overlay against a plain list of what was put.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "overlay.h"

static struct bytes key_of(char *text, size_t size, uint64_t id)
{
    return bytes_of(text, (size_t)snprintf(text, size, "key-%04u", (unsigned)id));
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static void test_empty(void **state)
{
    (void)state;
    struct overlay *overlay = overlay_new();
    const struct overlay_record *const *records;
    assert_null(overlay_find(overlay, 'S', BYTES_LITERAL("x")));
    assert_int_equal(overlay_count(overlay), 0);
    assert_int_equal(overlay_range(overlay, 'S', BYTES_LITERAL(""), BYTES_LITERAL(""), &records),
                     0);
    overlay_reset(overlay);
    overlay_free(overlay);
}

static void test_kinds_and_keys_are_apart(void **state)
{
    (void)state;
    struct overlay *overlay = overlay_new();
    overlay_put(overlay, 'S', BYTES_LITERAL("a"), BYTES_LITERAL("1"));
    overlay_put(overlay, 'O', BYTES_LITERAL("a"), BYTES_LITERAL("2"));
    overlay_put(overlay, 'S', BYTES_LITERAL("a\0"), BYTES_LITERAL("3"));
    overlay_put(overlay, 'S', BYTES_LITERAL(""), BYTES_LITERAL(""));
    assert_int_equal(overlay_count(overlay), 4);
    assert_true(
        bytes_equal(overlay_find(overlay, 'S', BYTES_LITERAL("a"))->value, BYTES_LITERAL("1")));
    assert_true(
        bytes_equal(overlay_find(overlay, 'O', BYTES_LITERAL("a"))->value, BYTES_LITERAL("2")));
    assert_true(
        bytes_equal(overlay_find(overlay, 'S', BYTES_LITERAL("a\0"))->value, BYTES_LITERAL("3")));
    assert_int_equal(overlay_find(overlay, 'S', BYTES_LITERAL(""))->value.len, 0);
    assert_null(overlay_find(overlay, 'O', BYTES_LITERAL("")));
    assert_null(overlay_find(overlay, 'H', BYTES_LITERAL("a")));
    overlay_free(overlay);
}

/* Views of the overlay itself may be put into it. */
static void test_put_of_own_views(void **state)
{
    (void)state;
    struct overlay *overlay = overlay_new();
    overlay_put(overlay, 'S', BYTES_LITERAL("a"), BYTES_LITERAL("0123456789"));
    struct bytes value = overlay_find(overlay, 'S', BYTES_LITERAL("a"))->value;
    overlay_put(overlay, 'S', BYTES_LITERAL("a"), bytes_of(value.data + 2, 5));
    assert_true(
        bytes_equal(overlay_find(overlay, 'S', BYTES_LITERAL("a"))->value, BYTES_LITERAL("23456")));
    value = overlay_find(overlay, 'S', BYTES_LITERAL("a"))->value;
    overlay_put(overlay, 'O', value, value);
    assert_true(bytes_equal(overlay_find(overlay, 'O', BYTES_LITERAL("23456"))->value,
                            BYTES_LITERAL("23456")));
    overlay_free(overlay);
}

enum { IDS = 5000 };

struct model {
    struct {
        uint64_t stamp; /* 0: no change */
        size_t len;
        bool removed;
    } records[2][IDS];
    size_t count;
};

static const uint8_t kinds[2] = {'S', 'E'};

static void check_record(const struct overlay_record *record, const struct model *model,
                         size_t kind, uint64_t id)
{
    char text[16];
    struct bytes key = key_of(text, sizeof text, id);
    assert_non_null(record);
    assert_int_equal(record->kind_and_key.data[0], kinds[kind]);
    assert_true(
        bytes_equal(bytes_of(record->kind_and_key.data + 1, record->kind_and_key.len - 1), key));
    assert_int_equal(record->removed, model->records[kind][id].removed);
    size_t len = record->removed ? 0 : model->records[kind][id].len;
    assert_int_equal(record->value.len, len);
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(record->value.data[i], (uint8_t)(model->records[kind][id].stamp + i));
    }
}

static void check_range(struct overlay *overlay, const struct model *model, size_t kind,
                        uint64_t from, uint64_t to)
{
    char from_text[16];
    char to_text[16];
    const struct overlay_record *const *records;
    size_t count =
        overlay_range(overlay, kinds[kind], key_of(from_text, sizeof from_text, from),
                      to < IDS ? key_of(to_text, sizeof to_text, to) : bytes_of(NULL, 0), &records);
    size_t seen = 0;
    for (uint64_t id = from; id < to; id++) {
        if (model->records[kind][id].stamp != 0) {
            assert_true(seen < count);
            check_record(records[seen++], model, kind, id);
        }
    }
    assert_int_equal(seen, count);
}

static void count_record(void *context, const struct overlay_record *record)
{
    size_t *count = context;
    assert_true(record->kind_and_key.len > 1);
    ++*count;
}

static void test_against_a_list(void **state)
{
    (void)state;
    struct model *model = calloc(1, sizeof *model);
    assert_non_null(model);
    struct overlay *overlay = overlay_new();
    uint64_t random = 3;
    uint64_t stamp = 0;
    uint8_t value[600];
    char text[16];
    for (int round = 0; round < 12; round++) {
        /* Rounds of very different sizes, so that table and arena grow, shrink and are reused. */
        int changes = round % 3 == 0 ? 30000 : 200;
        for (int i = 0; i < changes; i++) {
            size_t kind = next_random(&random) % 2;
            uint64_t id = next_random(&random) % IDS;
            struct bytes key = key_of(text, sizeof text, id);
            model->count += model->records[kind][id].stamp == 0;
            model->records[kind][id].stamp = ++stamp;
            model->records[kind][id].removed = next_random(&random) % 4 == 0;
            if (model->records[kind][id].removed) {
                overlay_remove(overlay, kinds[kind], key);
                continue;
            }
            size_t len = next_random(&random) % sizeof value;
            model->records[kind][id].len = len;
            for (size_t k = 0; k < len; k++) {
                value[k] = (uint8_t)(stamp + k);
            }
            overlay_put(overlay, kinds[kind], key, bytes_of(value, len));
        }
        assert_int_equal(overlay_count(overlay), model->count);
        size_t visited = 0;
        overlay_each(overlay, count_record, &visited);
        assert_int_equal(visited, model->count);
        for (size_t kind = 0; kind < 2; kind++) {
            for (uint64_t id = 0; id < IDS; id++) {
                const struct overlay_record *record =
                    overlay_find(overlay, kinds[kind], key_of(text, sizeof text, id));
                if (model->records[kind][id].stamp == 0) {
                    assert_null(record);
                } else {
                    check_record(record, model, kind, id);
                }
            }
            check_range(overlay, model, kind, 0, IDS);
            for (int i = 0; i < 20; i++) {
                uint64_t from = next_random(&random) % IDS;
                check_range(overlay, model, kind, from, from + next_random(&random) % (IDS - from));
            }
        }
        overlay_reset(overlay);
        memset(model, 0, sizeof *model);
        assert_int_equal(overlay_count(overlay), 0);
    }
    overlay_free(overlay);
    free(model);
}

/* One value larger than any chunk. */
static void test_huge_value(void **state)
{
    (void)state;
    struct overlay *overlay = overlay_new();
    size_t len = 3u << 20;
    uint8_t *value = memory_zalloc(len);
    value[len - 1] = 7;
    for (int i = 0; i < 5; i++) {
        overlay_put(overlay, 'O', BYTES_LITERAL("a"), bytes_of(value, len));
        assert_true(bytes_equal(overlay_find(overlay, 'O', BYTES_LITERAL("a"))->value,
                                bytes_of(value, len)));
        overlay_reset(overlay);
        assert_null(overlay_find(overlay, 'O', BYTES_LITERAL("a")));
    }
    free(value);
    overlay_free(overlay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_kinds_and_keys_are_apart),
        cmocka_unit_test(test_put_of_own_views),
        cmocka_unit_test(test_against_a_list),
        cmocka_unit_test(test_huge_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
