/*
 * replay_plan_test.c - the plan against cases written by hand from its definition, and against a
 * second, naive reading of the definition on random files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "replay_plan.h"

/* ---- fixture ---- */

struct text_source {
    const char *next;
    size_t left;
};

static long read_text(void *user, void *into, size_t size, struct error *error)
{
    struct text_source *source = user;
    (void)error;
    size_t len = source->left < size ? source->left : size;
    memcpy(into, source->next, len);
    source->next += len;
    source->left -= len;
    return (long)len;
}

static void load(struct orders *orders, const char *rows)
{
    struct buffer text = {0};
    struct error error;
    buffer_printf(&text, "time,invoice,stock_code,quantity\n%s", rows);
    struct text_source source = {(const char *)text.data, text.len};
    if (!orders_read(orders, read_text, &source, &error)) {
        fail_msg("%s", error.text);
    }
    buffer_free(&text);
}

/* "a: x=1 y=2; C1 returns: z=3; skipped 1" */
static void describe(const struct replay_plan *plan, const struct orders *orders,
                     struct buffer *out)
{
    for (size_t i = 0; i < plan->invoice_count; i++) {
        const struct plan_invoice *invoice = &plan->invoices[i];
        buffer_printf(out, "%s%s:", id_table_text(&orders->invoices, invoice->invoice),
                      invoice->is_return ? " returns" : "");
        for (size_t k = 0; k < invoice->line_count; k++) {
            const struct plan_line *line = &plan->lines[invoice->first_line + k];
            buffer_printf(out, " %s=%lld", id_table_text(&orders->skus, line->sku),
                          (long long)line->quantity);
        }
        buffer_printf(out, "; ");
    }
    buffer_printf(out, "skipped %zu", plan->skipped_count);
    buffer_append(out, "", 1);
}

static void assert_plan(const char *rows, const char *expected)
{
    struct orders orders;
    struct replay_plan plan;
    struct error error;
    struct buffer text = {0};
    load(&orders, rows);
    assert_true(replay_plan_make(&plan, &orders, &error));
    describe(&plan, &orders, &text);
    assert_string_equal((const char *)text.data, expected);
    buffer_free(&text);
    replay_plan_free(&plan);
    orders_free(&orders);
}

static void assert_no_plan(const char *rows, const char *expected)
{
    struct orders orders;
    struct replay_plan plan;
    struct error error;
    load(&orders, rows);
    assert_false(replay_plan_make(&plan, &orders, &error));
    assert_string_equal(error.text, expected);
    orders_free(&orders);
}

/* ---- by hand ---- */

static void nothing_gives_nothing(void **state)
{
    (void)state;
    assert_plan("", "skipped 0");
}

static void lines_of_an_invoice_need_not_stand_together(void **state)
{
    (void)state;
    assert_plan("t,1,x,1\nt,2,x,2\nt,1,y,3\nt,2,y,4\n", "1: x=1 y=3; 2: x=2 y=4; skipped 0");
}

static void quantities_are_summed_per_sku_in_order_of_first_appearance(void **state)
{
    (void)state;
    assert_plan("t,1,y,1\nt,1,x,5\nt,1,y,2\nt,1,X,1\nt,1,x,1\n", "1: y=3 x=6 X=1; skipped 0");
}

static void lines_of_zero_or_less_are_left_out_of_orders(void **state)
{
    (void)state;
    assert_plan("t,1,x,-4\nt,1,y,2\nt,1,x,3\nt,1,z,0\n", "1: y=2 x=3; skipped 0");
}

static void an_invoice_without_a_line_left_is_skipped(void **state)
{
    (void)state;
    assert_plan("t,1,x,-4\nt,2,y,0\nt,3,z,1\nt,C4,z,5\n", "3: z=1; skipped 3");
}

static void returns_sum_what_is_negative(void **state)
{
    (void)state;
    assert_plan("t,C1,x,-4\nt,C1,y,2\nt,C1,x,-3\nt,C1,z,0\nt,C1,w,-1\n",
                "C1 returns: x=7 w=1; skipped 0");
}

static void only_a_capital_c_in_front_makes_a_return(void **state)
{
    (void)state;
    assert_plan("t,c1,x,1\nt,1C,x,2\nt,C,x,-3\nt,A1,x,4\n",
                "c1: x=1; 1C: x=2; C returns: x=3; A1: x=4; skipped 0");
}

static void order_is_that_of_first_appearance_even_of_a_line_that_does_not_count(void **state)
{
    (void)state;
    assert_plan("t,1,x,0\nt,2,x,1\nt,1,x,1\n", "1: x=1; 2: x=1; skipped 0");
}

static void sums_beyond_the_limit_are_refused(void **state)
{
    (void)state;
    assert_plan("t,1,x,9007199254740990\nt,1,x,1\n", "1: x=9007199254740991; skipped 0");
    assert_no_plan("t,1,x,9007199254740991\nt,1,x,1\n",
                   "invoice 1: the quantities of x add up beyond 2^53-1");
    assert_no_plan("t,C1,x,-9007199254740991\nt,C1,x,-1\n",
                   "invoice C1: the quantities of x add up beyond 2^53-1");
}

static void an_order_of_too_many_skus_is_refused_a_return_is_not(void **state)
{
    (void)state;
    struct orders orders;
    struct replay_plan plan;
    struct error error;
    for (int returns = 0; returns <= 1; returns++) {
        struct buffer rows = {0};
        for (int i = 0; i <= LIMIT_LINES; i++) {
            buffer_printf(&rows, "t,%s1,sku-%d,%s1\n", returns ? "C" : "", i, returns ? "-" : "");
        }
        buffer_append(&rows, "", 1);
        load(&orders, (const char *)rows.data);
        bool made = replay_plan_make(&plan, &orders, &error);
        assert_int_equal(made, returns);
        if (made) {
            assert_int_equal(plan.invoices[0].line_count, LIMIT_LINES + 1);
            replay_plan_free(&plan);
        } else {
            assert_string_equal(error.text, "invoice 1 has 10001 SKUs, an order at most 10000");
        }
        orders_free(&orders);
        buffer_free(&rows);
    }
}

/* ---- against a second reading: for each invoice by number, for each of its SKUs, look at all
 * rows. Cubic, and without any of the plan's tables. ---- */

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 16;
}

static bool row_counts(const struct orders *orders, const struct order_row *row)
{
    bool returns = id_table_text(&orders->invoices, row->invoice)[0] == 'C';
    return returns ? row->quantity < 0 : row->quantity > 0;
}

static void describe_naively(const struct orders *orders, struct buffer *out)
{
    size_t skipped = 0;
    for (uint32_t invoice = 0; invoice < orders->invoices.count; invoice++) {
        const char *id = id_table_text(&orders->invoices, invoice);
        size_t lines = 0;
        for (size_t i = 0; i < orders->row_count; i++) {
            const struct order_row *row = &orders->rows[i];
            bool seen = row->invoice != invoice || !row_counts(orders, row);
            for (size_t k = 0; k < i && !seen; k++) {
                seen = orders->rows[k].invoice == invoice && orders->rows[k].sku == row->sku &&
                       row_counts(orders, &orders->rows[k]);
            }
            if (seen) {
                continue;
            }
            long long sum = 0;
            for (size_t k = 0; k < orders->row_count; k++) {
                const struct order_row *other = &orders->rows[k];
                bool same = other->invoice == invoice && other->sku == row->sku;
                sum += same && row_counts(orders, other) ? llabs((long long)other->quantity) : 0;
            }
            if (lines++ == 0) {
                buffer_printf(out, "%s%s:", id, id[0] == 'C' ? " returns" : "");
            }
            buffer_printf(out, " %s=%lld", id_table_text(&orders->skus, row->sku), sum);
        }
        if (lines > 0) {
            buffer_printf(out, "; ");
        }
        skipped += lines == 0;
    }
    buffer_printf(out, "skipped %zu", skipped);
    buffer_append(out, "", 1);
}

static void random_files_read_the_same_twice(void **state)
{
    (void)state;
    for (uint32_t round = 1; round <= 300; round++) {
        uint32_t seed = round;
        struct buffer rows = {0};
        uint32_t count = next_random(&seed) % 60;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t invoice = next_random(&seed) % 12;
            buffer_printf(&rows, "t,%s%u,s%u,%d\n", invoice % 3 == 0 ? "C" : "", invoice,
                          next_random(&seed) % 6, (int)(next_random(&seed) % 9) - 4);
        }
        buffer_append(&rows, "", 1);
        struct orders orders;
        load(&orders, (const char *)rows.data);
        struct buffer expected = {0};
        describe_naively(&orders, &expected);
        orders_free(&orders);
        assert_plan((const char *)rows.data, (const char *)expected.data);
        buffer_free(&expected);
        buffer_free(&rows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_gives_nothing),
        cmocka_unit_test(lines_of_an_invoice_need_not_stand_together),
        cmocka_unit_test(quantities_are_summed_per_sku_in_order_of_first_appearance),
        cmocka_unit_test(lines_of_zero_or_less_are_left_out_of_orders),
        cmocka_unit_test(an_invoice_without_a_line_left_is_skipped),
        cmocka_unit_test(returns_sum_what_is_negative),
        cmocka_unit_test(only_a_capital_c_in_front_makes_a_return),
        cmocka_unit_test(order_is_that_of_first_appearance_even_of_a_line_that_does_not_count),
        cmocka_unit_test(sums_beyond_the_limit_are_refused),
        cmocka_unit_test(an_order_of_too_many_skus_is_refused_a_return_is_not),
        cmocka_unit_test(random_files_read_the_same_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
