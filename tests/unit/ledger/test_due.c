/*
 * test_due.c - what time does: expiry and trimming, at their boundaries, bounded, in order; outage
 * credit; the time of the next thing due.
 */
#include "fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "machine.h"

static const struct fixture_case cases[] = {
    {"a hold of 30 minutes when none is asked for", "set A 10      => OK 10/0 v1\n"
                                                    "reserve o A=4 => OK ACTIVE\n"
                                                    "due           => 1800001\n"
                                                    "wait 30m\n"
                                                    "tick\n"
                                                    "order o       => ACTIVE A=4:0/0/0\n"
                                                    "wait 1ms\n"
                                                    "order o       => ACTIVE A=4:0/0/0\n"
                                                    "tick\n"
                                                    "order o       => EXPIRED A=4:0/0/4\n"
                                                    "stock A       => 10/0 v1\n"
                                                    "history A     => SET(10,0) RESERVE(10,4) "
                                                    "EXPIRE(10,0)\n"
                                                    "count E       => 0\n"},
    {"expiry comes before the commands of its entry",
     "set A 4              => OK 4/0 v1\n"
     "reserve o A=4 ttl=1s => OK ACTIVE\n"
     "wait 1s\n"
     "reserve p A=4        => INSUFFICIENT_STOCK | A 4>0 INSUFFICIENT_STOCK\n"
     "deduct o             => OK DEDUCTED\n"
     "adjust A +4          => OK 4/0 v3\n"
     "reserve q A=4 ttl=1s => OK ACTIVE\n"
     "wait 1001ms\n"
     "+ reserve p A=4      => OK ACTIVE\n"
     "deduct q             => ORDER_EXPIRED EXPIRED\n"},
    {"what is closed has nothing to expire", "set A 10             => OK 10/0 v1\n"
                                             "reserve d A=1 ttl=1s => OK ACTIVE\n"
                                             "reserve r A=1 ttl=1s => OK ACTIVE\n"
                                             "deduct d             => OK DEDUCTED\n"
                                             "release r            => OK RELEASED existed\n"
                                             "count E              => 0\n"
                                             "wait 2s\n"
                                             "tick\n"
                                             "order d              => DEDUCTED A=1:1/0/0\n"
                                             "order r              => RELEASED A=1:0/1/0\n"},
    {"what is open of a part-deducted order expires", "set A 10             => OK 10/0 v1\n"
                                                      "set B 10             => OK 10/0 v1\n"
                                                      "reserve o A=4 B=1 ttl=1s => OK ACTIVE\n"
                                                      "deduct o A=1 B=1     => OK ACTIVE\n"
                                                      "release o A=1        => OK ACTIVE existed\n"
                                                      "wait 2s\n"
                                                      "tick\n"
                                                      "order o => EXPIRED A=4:1/1/2 B=1:1/0/0\n"
                                                      "stock A => 9/0 v2\n"
                                                      "history B => SET(10,0) RESERVE(10,1) "
                                                      "DEDUCT(9,0)\n"},
    {"an outage does not count against holds", "set A 10              => OK 10/0 v1\n"
                                               "reserve o A=1 ttl=10s => OK ACTIVE\n"
                                               "wait 25s\n"
                                               "credit 20s\n"
                                               "tick\n"
                                               "order o               => ACTIVE A=1:0/0/0\n"
                                               "due                   => 5001\n"
                                               "wait 5s\n"
                                               "tick\n"
                                               "order o               => ACTIVE A=1:0/0/0\n"
                                               "wait 1ms\n"
                                               "tick\n"
                                               "order o               => EXPIRED A=1:0/0/1\n"},
    {"a hold made after an outage lasts as long as any", "wait 100s\n"
                                                         "credit 60s\n"
                                                         "set A 10              => OK 10/0 v1\n"
                                                         "reserve o A=1 ttl=10s => OK ACTIVE\n"
                                                         "due                   => 10001\n"},
    {"a credit beyond the time that passed counts as that time",
     "set A 10              => OK 10/0 v1\n"
     "reserve o A=1 ttl=10s => OK ACTIVE\n"
     "wait 4s\n"
     "credit 20s\n"
     "tick\n"
     "due                   => 10001\n"},
    {"time never runs back", "set A 10              => OK 10/0 v1\n"
                             "reserve o A=1 ttl=10s => OK ACTIVE\n"
                             "wait 9s\n"
                             "tick\n"
                             "wait -5s\n"
                             "credit 1s\n"
                             "reserve p A=1 ttl=10s => OK ACTIVE\n"
                             "due                   => 6001\n"
                             "wait 6001ms\n"
                             "tick\n"
                             "order o               => EXPIRED A=1:0/0/1\n"
                             "order p               => ACTIVE A=1:0/0/0\n"
                             "wait 8999ms\n"
                             "tick\n"
                             "order p               => ACTIVE A=1:0/0/0\n"
                             "wait 1ms\n"
                             "tick\n"
                             "order p               => EXPIRED A=1:0/0/1\n"},

    /* ---- trimming ---- */
    {"closed orders live 90 days", "set A 10      => OK 10/0 v1\n"
                                   "reserve o A=1 => OK ACTIVE\n"
                                   "deduct o      => OK DEDUCTED\n"
                                   "wait 90d\n"
                                   "tick\n"
                                   "deduct o      => OK replayed DEDUCTED\n"
                                   "due           => 1\n"
                                   "wait 1ms\n"
                                   "tick\n"
                                   "order o       => absent\n"
                                   "count P       => 0\n"
                                   "due           => never\n"
                                   "reserve o A=1 => OK ACTIVE\n"},
    {"orders that are open are not trimmed", "set A 10             => OK 10/0 v1\n"
                                             "reserve o A=1 ttl=7d => OK ACTIVE\n"
                                             "wait 7d\n"
                                             "tick\n"
                                             "order o              => ACTIVE A=1:0/0/0\n"
                                             "wait 84d\n"
                                             "tick\n"
                                             "wait 89d\n"
                                             "tick\n"
                                             "order o              => EXPIRED A=1:0/0/1\n"
                                             "wait 2d\n"
                                             "tick\n"
                                             "order o              => absent\n"},
    {"tombstones live 24 hours", "set A 10      => OK 10/0 v1\n"
                                 "wait 1s\n"
                                 "release o     => OK RELEASED\n"
                                 "wait 24h\n"
                                 "reserve o A=1 => ORDER_RELEASED RELEASED\n"
                                 "wait 1ms\n"
                                 "reserve o A=1 => OK ACTIVE\n"},
    {"a reacquired order lives 90 days from then", "set A 10             => OK 10/0 v1\n"
                                                   "reserve o A=1 ttl=1s => OK ACTIVE\n"
                                                   "wait 2s\n"
                                                   "tick\n"
                                                   "wait 80d\n"
                                                   "deduct o reacquire   => OK DEDUCTED\n"
                                                   "count P              => 1\n"
                                                   "wait 89d\n"
                                                   "tick\n"
                                                   "order o              => DEDUCTED A=1:1/0/0\n"
                                                   "wait 2d\n"
                                                   "tick\n"
                                                   "order o              => absent\n"},

    /* ---- the next thing due ---- */
    {"nothing is due in a new ledger", "due => never\ntick\ndue => never\n"},
    {"the next due is the nearest, and follows removals when it has come",
     "set A 10 id=r         => OK 10/0 v1\n"
     "due                   => 86400001\n"
     "reserve o A=1 ttl=60s => OK ACTIVE\n"
     "reserve p A=1 ttl=20s => OK ACTIVE\n"
     "due                   => 20001\n"
     "release p             => OK RELEASED existed\n"
     "wait 20001ms\n"
     "tick\n"
     "due                   => 40000\n"
     "release o             => OK RELEASED existed\n"
     "wait 40s\n"
     "tick\n"
     "due                   => 86340000\n"},
};

/* ---- bounded sweeps ---- */

static void command_at(struct fixture *fixture, const char *format, int number)
{
    char line[256];
    snprintf(line, sizeof line, format, number, number);
    fixture_run(fixture, line);
}

static void a_backlog_is_expired_oldest_first_then_by_id(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_run(&fixture, "set A 1000 => OK 1000/0 v1\n");
    /* 450 orders of one millisecond, and one that expires before all of them but is made last. */
    for (int i = 0; i < 450; i++) {
        command_at(&fixture, "reserve o%03d A=1 ttl=10s => OK ACTIVE\n", i);
    }
    fixture_run(&fixture, "reserve z A=1 ttl=5s => OK ACTIVE\nwait 11s\n");
    fixture_run(&fixture, "tick\ncount E => 251\n"
                          "order z    => EXPIRED A=1:0/0/1\n"
                          "order o198 => EXPIRED A=1:0/0/1\n"
                          /* behind the expiry clock: no read and no verdict calls it expired yet */
                          "order o199 => ACTIVE A=1:0/0/0\n"
                          "stock A    => 1000/251 v1\n"
                          "due        => -999\n");
    /* A command adds one to what its entry may expire: o199 .. o399. */
    fixture_run(&fixture, "deduct o400 => OK DEDUCTED\ncount E => 49\n"
                          "deduct o399 => ORDER_EXPIRED EXPIRED\ncount E => 0\n");
    fixture_run(&fixture, "due => 86389001\n");
    fixture_close(&fixture);
}

static void a_late_entry_finds_orders_behind_the_clock_alive(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_run(&fixture, "set A 1000 => OK 1000/0 v1\n");
    for (int i = 0; i < 210; i++) {
        command_at(&fixture, "reserve o%03d A=1 ttl=10s => OK ACTIVE\n", i);
    }
    fixture_run(&fixture, "wait 1h\n"
                          "reserve o209 A=1 => OK replayed ACTIVE\n"
                          "deduct o209      => ORDER_EXPIRED EXPIRED\n");
    fixture_close(&fixture);
}

static void one_entry_expires_a_bounded_number_of_lines(void **state)
{
    (void)state;
    enum { ORDERS = 3, LINES = 4000 };
    struct fixture fixture;
    struct ledger_line *lines = calloc(LINES, sizeof *lines);
    char ids[ORDERS][16];
    fixture_open(&fixture);
    for (uint32_t i = 0; i < LINES; i++) {
        lines[i] = (struct ledger_line){TEXT("A"), i + 1, 1};
        struct ledger_command set = {.kind = LEDGER_SET_STOCK,
                                     .request_id = TEXT("x"),
                                     .sku = TEXT("A"),
                                     .warehouse = i + 1,
                                     .quantity = ORDERS};
        char id[16];
        snprintf(id, sizeof id, "s%u", (unsigned)i);
        set.request_id = bytes_of_string(id);
        fixture_apply(&fixture, &set, NULL, NULL);
    }
    for (int i = 0; i < ORDERS; i++) {
        snprintf(ids[i], sizeof ids[i], "o%d", i);
        struct ledger_command reserve = {.kind = LEDGER_RESERVE,
                                         .order_id = bytes_of_string(ids[i]),
                                         .lines = lines,
                                         .line_count = LINES,
                                         .has_ttl = true,
                                         .ttl_ms = 1000};
        fixture_apply(&fixture, &reserve, NULL, NULL);
    }
    fixture_run(&fixture, "count E => 3\nwait 2s\n"
                          "tick\ncount E => 1\n" /* 8,000 lines; 12,000 would be beyond the limit */
                          "tick\ncount E => 0\n");
    free(lines);
    fixture_close(&fixture);
}

static void trimming_is_bounded(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    for (int i = 0; i < 500; i++) {
        command_at(&fixture, "release o%d => OK RELEASED\n", i);
    }
    fixture_run(&fixture, "wait 25h\ntick\ncount O => 300\ncount P => 300\n"
                          "release p => OK RELEASED\ncount O => 99\n" /* 200, and 2 for a command */
                          "tick\ncount O => 1\ncount P => 1\n");
    fixture_close(&fixture);
}

/* Records may be large: bytes are bounded too. */
static void trimming_is_bounded_in_bytes(void **state)
{
    (void)state;
    enum { ORDERS = 6, LINES = LIMIT_LINES };
    struct fixture fixture;
    struct ledger_line *lines = calloc(LINES, sizeof *lines);
    char sku[101];
    fixture_open(&fixture);
    memset(sku, 'x', sizeof sku - 1);
    sku[sizeof sku - 1] = '\0';
    for (uint32_t i = 0; i < LINES; i++) {
        char id[16];
        snprintf(id, sizeof id, "s%" PRIu32, i);
        lines[i] = (struct ledger_line){bytes_of_string(sku), i + 1, 1};
        struct ledger_command set = {.kind = LEDGER_SET_STOCK,
                                     .request_id = bytes_of_string(id),
                                     .sku = bytes_of_string(sku),
                                     .warehouse = i + 1,
                                     .quantity = 1};
        fixture_apply(&fixture, &set, NULL, NULL);
    }
    for (int i = 0; i < ORDERS; i++) { /* each record: 10,000 lines of 146 bytes */
        char id[16];
        snprintf(id, sizeof id, "o%d", i);
        struct ledger_command command = {.kind = LEDGER_RESERVE,
                                         .order_id = bytes_of_string(id),
                                         .lines = lines,
                                         .line_count = LINES};
        fixture_apply(&fixture, &command, NULL, NULL);
        command = (struct ledger_command){.kind = LEDGER_RELEASE, .order_id = bytes_of_string(id)};
        fixture_apply(&fixture, &command, NULL, NULL);
    }
    fixture_run(&fixture, "wait 2d\n");
    for (int i = 0; i < LINES / LIMIT_TRIMMED_RECORDS_PER_ENTRY; i++) {
        fixture_run(&fixture, "tick\n");
    }
    fixture_run(&fixture, "count R => 0\ncount O => 6\nwait 90d\n"
                          "tick\ncount O => 4\ncount P => 4\n"
                          "tick\ncount O => 2\n"
                          "tick\ncount O => 0\ncount P => 0\n");
    free(lines);
    fixture_close(&fixture);
}

/* Entries with many commands must not outrun the sweep. */
static void large_batches_keep_pace(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_run(&fixture, "set A 9000000 id=first => OK 9000000/0 v1\n");
    for (int round = 0; round < 6; round++) {
        struct buffer entry = {0};
        struct error error;
        struct ledger_entry_header header = {LEDGER_ENTRY_FORMAT, LEDGER_VERSION,
                                             fixture.time_ms + (round + 1) * INT64_C(172800000), 0,
                                             0};
        ledger_entry_begin(&entry, &header);
        for (int i = 0; i < 1000; i++) {
            char order[32];
            struct ledger_line line = {TEXT("A"), 1, 1};
            snprintf(order, sizeof order, "o%d-%d", round, i);
            struct ledger_command command = {.kind = LEDGER_RESERVE,
                                             .order_id = bytes_of_string(order),
                                             .lines = &line,
                                             .line_count = 1};
            ledger_command_encode(&entry, &command);
        }
        ledger_entry_finish(&entry, 1000);
        assert_true(ledger_apply(fixture.ledger, 100 + (uint64_t)round, buffer_bytes(&entry), NULL,
                                 NULL, &error));
        assert_int_equal(memory_store_count_kind(fixture.store, LEDGER_KIND_EXPIRY), 1000);
        buffer_free(&entry);
    }
    fixture_close(&fixture);
}

static void an_order_shows_when_it_ends(void *context, uint32_t position,
                                        const struct ledger_result *result)
{
    (void)position;
    *(int64_t *)context = result->expires_at_ms;
}

static void expires_at_is_in_ledger_time_as_of_now(void **state)
{
    (void)state;
    struct fixture fixture;
    struct ledger_line line = {TEXT("A"), 1, 1};
    struct ledger_command reserve = {
        .kind = LEDGER_RESERVE, .order_id = TEXT("o"), .lines = &line, .line_count = 1};
    int64_t expires_at_ms = 0;
    fixture_open(&fixture);
    fixture_run(&fixture, "set A 5 => OK 5/0 v1\n");
    fixture_apply(&fixture, &reserve, an_order_shows_when_it_ends, &expires_at_ms);
    assert_int_equal(expires_at_ms, FIXTURE_START_MS + 1800000);
    fixture_run(&fixture, "wait 60s\ncredit 40s\ntick\n");
    assert_int_equal(ledger_credits_ms(fixture.ledger), 40000);
    assert_int_equal(ledger_time_ms(fixture.ledger), FIXTURE_START_MS + 60000);
    fixture_apply(&fixture, &reserve, an_order_shows_when_it_ends, &expires_at_ms);
    assert_int_equal(expires_at_ms, FIXTURE_START_MS + 1840000);
    fixture_close(&fixture);
}

/* A leader that knows of no time before it credits without bound: nobody's hold was waiting. */
static void the_first_entry_credits_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_run(&fixture, "credit 60s\ntick\n");
    assert_int_equal(ledger_credits_ms(fixture.ledger), 0);
    fixture_run(&fixture, "wait 5s\ncredit 60s\ntick\n");
    assert_int_equal(ledger_credits_ms(fixture.ledger), 5000);
    fixture_close(&fixture);
}

/* The cache of the next due is one of the store: a ledger that was closed knows the same. */
static void what_is_due_survives_a_restart(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_run(&fixture, "set A 10 => OK 10/0 v1\nreserve o A=1 ttl=20s => OK ACTIVE\n");
    fixture_reopen(&fixture);
    fixture_run(&fixture, "due => 20001\nwait 20001ms\ntick\norder o => EXPIRED A=1:0/0/1\n");
    fixture_reopen(&fixture);
    fixture_run(&fixture, "due => 86380000\n"); /* the SetStock's request record */
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backlog_is_expired_oldest_first_then_by_id),
        cmocka_unit_test(a_late_entry_finds_orders_behind_the_clock_alive),
        cmocka_unit_test(one_entry_expires_a_bounded_number_of_lines),
        cmocka_unit_test(trimming_is_bounded),
        cmocka_unit_test(trimming_is_bounded_in_bytes),
        cmocka_unit_test(large_batches_keep_pace),
        cmocka_unit_test(expires_at_is_in_ledger_time_as_of_now),
        cmocka_unit_test(the_first_entry_credits_nothing),
        cmocka_unit_test(what_is_due_survives_a_restart),
    };
    return fixture_run_cases("ledger/due", cases, sizeof cases / sizeof cases[0], tests,
                             sizeof tests / sizeof tests[0]);
}
