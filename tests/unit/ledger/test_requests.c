/*
 * test_requests.c - exactly once by request id: the first verdict again, refusals too; which fields
 * count; how long a record lives and when a request is too old, to the millisecond.
 */
#include "fixture.h"

#include <stdio.h>

#include "base/limits.h"
#include "machine.h"

static const struct fixture_case cases[] = {
    {"the first verdict again", "set A 10 id=r1       => OK 10/0 v1\n"
                                "set A 10 id=r1       => OK replayed 10/0 v1\n"
                                "adjust A +5 id=r2    => OK 15/0 v2\n"
                                "adjust A +5 id=r2    => OK replayed 15/0 v2\n"
                                "adjust A -1 id=r3    => OK 14/0 v3\n"
                                "adjust A +5 id=r2    => OK replayed 15/0 v2\n"
                                "stock A              => 14/0 v3\n"
                                "history A            => SET(10,0) ADJUST(15,0) ADJUST(14,0)\n"},
    {"refusals are repeated too, even if they would be granted now",
     "adjust A +5 id=r1    => SKU_NOT_FOUND\n"
     "set A 10             => OK 10/0 v1\n"
     "adjust A +5 id=r1    => SKU_NOT_FOUND replayed\n"
     "adjust A -11 id=r2   => INSUFFICIENT_STOCK 10/0 v1\n"
     "adjust A +5          => OK 15/0 v2\n"
     "adjust A -11 id=r2   => INSUFFICIENT_STOCK replayed 10/0 v1\n"
     "set A 1 version=9 id=r3 => VERSION_MISMATCH 15/0 v2\n"
     "set A 1 version=9 id=r3 => VERSION_MISMATCH replayed 15/0 v2\n"
     "stock A              => 15/0 v2\n"},
    {"other fields under the same id", "set A 10 id=r            => OK 10/0 v1\n"
                                       "set A 11 id=r            => IDEMPOTENCY_MISMATCH\n"
                                       "set B 10 id=r            => IDEMPOTENCY_MISMATCH\n"
                                       "set A@2 10 id=r          => IDEMPOTENCY_MISMATCH\n"
                                       "set A 10 version=0 id=r  => IDEMPOTENCY_MISMATCH\n"
                                       "set A 10 reason=x id=r   => IDEMPOTENCY_MISMATCH\n"
                                       "adjust A 10 no-reason id=r => MALFORMED_COMMAND\n"
                                       "adjust A 10 id=r         => IDEMPOTENCY_MISMATCH\n"
                                       "release o A=1 id=r       => IDEMPOTENCY_MISMATCH\n"
                                       "set A 10 id=r            => OK replayed 10/0 v1\n"
                                       "set A@1 10 id=r          => OK replayed 10/0 v1\n"
                                       "stock A                  => 10/0 v1\n"},
    {"who asks, remarks and times don't count",
     "adjust A +1 id=q                    => SKU_NOT_FOUND\n"
     "set A 10 id=r actor=anna remark=one => OK 10/0 v1\n"
     "set A 10 id=r actor=bob remark=two at=-1m => OK replayed 10/0 v1\n"},
    {"flags count", "set A 10             => OK 10/0 v1\n"
                    "reserve o A=4        => OK ACTIVE\n"
                    "deduct o A=1 id=d    => OK ACTIVE\n"
                    "deduct o A=1 final id=d => IDEMPOTENCY_MISMATCH\n"
                    "deduct o A=1 reacquire id=d => IDEMPOTENCY_MISMATCH\n"
                    "deduct o A=1 id=d    => OK replayed ACTIVE\n"},
    {"lines are compared summed and sorted",
     "set A 10                => OK 10/0 v1\n"
     "set B 10                => OK 10/0 v1\n"
     "reserve o A=5 B=5       => OK ACTIVE\n"
     "deduct o B=1 A=3 id=d   => OK ACTIVE\n"
     "deduct o A=1 B=1 A@1=2 id=d => OK replayed ACTIVE\n"
     "deduct o A=2 B=1 id=d   => IDEMPOTENCY_MISMATCH\n"
     "order o                 => ACTIVE A=5:3/0/0 B=5:1/0/0\n"
     "stock A                 => 7/2 v2\n"},
    {"a partial deduct and its repetition after the order's end",
     "set A 10          => OK 10/0 v1\n"
     "reserve o A=2     => OK ACTIVE\n"
     "deduct o A=1 id=1 => OK ACTIVE\n"
     "deduct o A=1 id=2 => OK DEDUCTED\n"
     "deduct o A=1 id=1 => OK replayed ACTIVE\n"
     "deduct o A=1 id=2 => OK replayed DEDUCTED\n"
     "deduct o A=1 id=3 => ORDER_DEDUCTED DEDUCTED\n"
     "deduct o A=1 id=3 => ORDER_DEDUCTED replayed DEDUCTED\n"
     "stock A           => 8/0 v3\n"},
    {"a refusal's lines are repeated", "set A 10          => OK 10/0 v1\n"
                                       "reserve o A=2     => OK ACTIVE\n"
                                       "release o B=1 A=3 id=1 => QUANTITY_EXCEEDS_OPEN ACTIVE "
                                       "existed | B 1>0 QUANTITY_EXCEEDS_OPEN | A 3>2 "
                                       "QUANTITY_EXCEEDS_OPEN\n"
                                       "release o         => OK RELEASED existed\n"
                                       "release o A=3 B=1 id=1 => QUANTITY_EXCEEDS_OPEN replayed "
                                       "ACTIVE existed | B 1>0 QUANTITY_EXCEEDS_OPEN | A 3>2 "
                                       "QUANTITY_EXCEEDS_OPEN\n"},
    {"orders as a whole keep no request record", "set A 10           => OK 10/0 v1\n"
                                                 "reserve o A=1 id=r => OK ACTIVE\n"
                                                 "reserve p A=1 id=r => OK ACTIVE\n"
                                                 "deduct o id=r      => OK DEDUCTED\n"
                                                 "release p id=r     => OK RELEASED existed\n"
                                                 "count R            => 1\n"},
    {"what fails by form or overflow keeps none either",
     "set A 10                => OK 10/0 v1\n"
     "deduct o A=9007199254740991 A=1 id=r => OVERFLOW\n"
     "deduct o A=0 id=r       => MALFORMED_COMMAND\n"
     "count R                 => 1\n"
     "deduct o A=1 id=r       => ORDER_NOT_FOUND\n"
     "count R                 => 2\n"},
    {"the request id is looked at before the order's state",
     "set A 10          => OK 10/0 v1\n"
     "deduct o A=1 id=r => ORDER_NOT_FOUND\n"
     "reserve o A=1     => OK ACTIVE\n"
     "deduct o A=1 id=r => ORDER_NOT_FOUND replayed\n"
     "deduct p A=1 id=r => IDEMPOTENCY_MISMATCH\n"},
    /* ---- the answer to a request is final ---- */
    {"an attempt that comes behind a refusal is refused alike",
     "set A 1                   => OK 1/0 v1\n"
     "reserve o A=2 id=r resent => INSUFFICIENT_STOCK | A 2>1 INSUFFICIENT_STOCK\n"
     "count R                   => 2\n"
     "adjust A +1               => OK 2/0 v2\n"
     "reserve o A=2 id=r        => INSUFFICIENT_STOCK replayed | A 2>1 INSUFFICIENT_STOCK\n"
     "reserve o A=2 id=r resent => INSUFFICIENT_STOCK replayed | A 2>1 INSUFFICIENT_STOCK\n"
     "order o                   => absent\n"
     "stock A                   => 2/0 v2\n"},
    {"another request for the order is a new one",
     "set A 1                   => OK 1/0 v1\n"
     "reserve o A=2 id=r resent => INSUFFICIENT_STOCK | A 2>1 INSUFFICIENT_STOCK\n"
     "adjust A +1               => OK 2/0 v2\n"
     "reserve o A=2 id=s        => OK ACTIVE\n"
     "reserve o A=2 id=r        => INSUFFICIENT_STOCK replayed | A 2>1 INSUFFICIENT_STOCK\n"
     "reserve o A=2             => OK replayed ACTIVE\n"
     "order o                   => ACTIVE A=2:0/0/0\n"},
    {"a first attempt's refusal is not kept: it may be the only one",
     "set A 1            => OK 1/0 v1\n"
     "reserve o A=2 id=r => INSUFFICIENT_STOCK | A 2>1 INSUFFICIENT_STOCK\n"
     "deduct o id=d      => ORDER_NOT_FOUND\n"
     "count R            => 1\n"
     "adjust A +1        => OK 2/0 v2\n"
     "reserve o A=2 id=r => OK ACTIVE\n"},
    {"what was granted the order tells", "set A 2                    => OK 2/0 v1\n"
                                         "reserve o A=2 id=r resent  => OK ACTIVE\n"
                                         "reserve o A=2 id=r         => OK replayed ACTIVE\n"
                                         "deduct o id=d resent       => OK DEDUCTED\n"
                                         "deduct o id=d              => OK replayed DEDUCTED\n"
                                         "release p id=e resent      => OK RELEASED\n"
                                         "release p id=e             => OK replayed RELEASED\n"
                                         "count R                    => 1\n"},
    {"a refused deduct does not sell what is held later",
     "set A 2              => OK 2/0 v1\n"
     "deduct o id=d resent => ORDER_NOT_FOUND\n"
     "reserve o A=2        => OK ACTIVE\n"
     "deduct o id=d        => ORDER_NOT_FOUND replayed\n"
     "deduct o             => OK DEDUCTED\n"},
    {"nor one that wanted to reacquire",
     "set A 2                        => OK 2/0 v1\n"
     "reserve o A=2 ttl=1s           => OK ACTIVE\n"
     "wait 2s\n"
     "reserve p A=1                  => OK ACTIVE\n"
     "deduct o reacquire id=d resent => INSUFFICIENT_STOCK EXPIRED | A 2>1 INSUFFICIENT_STOCK\n"
     "release p                      => OK RELEASED existed\n"
     "deduct o reacquire id=d        => INSUFFICIENT_STOCK replayed EXPIRED | A 2>1 "
     "INSUFFICIENT_STOCK\n"
     "deduct o reacquire             => OK DEDUCTED\n"},
    {"of what a whole deduct lacked, the first line is kept",
     "set A 2                        => OK 2/0 v1\n"
     "set B 2                        => OK 2/0 v1\n"
     "reserve o A=2 B=2 ttl=1s       => OK ACTIVE\n"
     "wait 2s\n"
     "reserve p A=1 B=1              => OK ACTIVE\n"
     "deduct o reacquire id=d resent => INSUFFICIENT_STOCK EXPIRED | A 2>1 INSUFFICIENT_STOCK | B "
     "2>1 INSUFFICIENT_STOCK\n"
     "deduct o reacquire id=d        => INSUFFICIENT_STOCK replayed EXPIRED | A 2>1 "
     "INSUFFICIENT_STOCK\n"},
    {"nor does a release", "set A 2                => OK 2/0 v1\n"
                           "reserve o A=2          => OK ACTIVE\n"
                           "deduct o               => OK DEDUCTED\n"
                           "release o id=e resent  => ORDER_DEDUCTED DEDUCTED existed\n"
                           "release o id=e         => ORDER_DEDUCTED replayed DEDUCTED existed\n"
                           "count R                => 2\n"},
    {"lines that were refused are not added later",
     "set A 2                         => OK 2/0 v1\n"
     "reserve o A=1                   => OK ACTIVE\n"
     "reserve o B=1 add id=r resent   => SKU_NOT_FOUND ACTIVE | B 1>0 SKU_NOT_FOUND\n"
     "set B 2                         => OK 2/0 v1\n"
     "reserve o B=1 id=r              => IDEMPOTENCY_MISMATCH\n"
     "reserve o B=1 add id=r ttl=9s   => SKU_NOT_FOUND replayed ACTIVE | B 1>0 SKU_NOT_FOUND\n"
     "reserve o B=1 add               => OK ACTIVE\n"},
    {"one id, one request", "set A 1 id=r              => OK 1/0 v1\n"
                            "reserve o A=1 id=r        => IDEMPOTENCY_MISMATCH\n"
                            "reserve o A=2 id=s resent => INSUFFICIENT_STOCK | A 2>1 "
                            "INSUFFICIENT_STOCK\n"
                            "reserve p A=2 id=s        => IDEMPOTENCY_MISMATCH\n"
                            "deduct o id=s             => IDEMPOTENCY_MISMATCH\n"
                            "set A 2 id=s              => IDEMPOTENCY_MISMATCH\n"
                            "order o                   => absent\n"},
    {"resent without an id is a repetition by the order alone",
     "set A 1              => OK 1/0 v1\n"
     "reserve o A=2 resent => INSUFFICIENT_STOCK | A 2>1 INSUFFICIENT_STOCK\n"
     "count R              => 1\n"},
    {"a stamp that lies ahead is refused for good if it is resent",
     "adjust A +1 id=a at=3600001ms resent => REQUEST_EXPIRED\n"
     "adjust A +1 id=b at=3600001ms        => REQUEST_EXPIRED\n"
     "count R             => 1\n"
     "wait 1ms\n"
     "adjust A +1 id=a at=3600000ms => REQUEST_EXPIRED replayed\n"
     "adjust A +1 id=b at=3600000ms => SKU_NOT_FOUND\n"},
    {"in one entry", "+ set A 10 id=r => OK 10/0 v1\n"
                     "+ set A 10 id=r => OK replayed 10/0 v1\n"
                     "set A 11 id=r   => IDEMPOTENCY_MISMATCH\n"},

    /* ---- time ---- */
    {"a record lives 24 hours", "set A 10 id=r => OK 10/0 v1\n"
                                "wait 24h\n"
                                "set A 10 id=r => OK replayed 10/0 v1\n"
                                "count R       => 1\n"
                                "due           => 1\n"
                                "wait 1ms\n"
                                "set A 11 id=r => OK 11/0 v2\n"
                                "count R       => 1\n"
                                "count P       => 1\n"},
    {"a request older than 23 hours is not taken as new",
     "set A 10 id=1          => OK 10/0 v1\n"
     "adjust A +1 id=2 at=-23h      => OK 11/0 v2\n"
     "adjust A +1 id=3 at=-82800001ms => REQUEST_EXPIRED\n"
     "adjust A +1 id=3 at=-82800001ms => REQUEST_EXPIRED\n"
     "adjust A +1 id=3 at=0s => OK 12/0 v3\n"
     "stock A                => 12/0 v3\n"},
    {"but it is repeated as long as it is known", "set A 10 id=r at=-22h => OK 10/0 v1\n"
                                                  "wait 24h\n"
                                                  "set A 10 id=r at=-46h => OK replayed 10/0 v1\n"
                                                  "wait 1ms\n"
                                                  "set A 10 id=r at=-46h => REQUEST_EXPIRED\n"},
    {"a request from further ahead than the margin", "set A 10 id=1 at=1h => OK 10/0 v1\n"
                                                     "set A 11 id=2 at=3600001ms => "
                                                     "REQUEST_EXPIRED\n"},
    {"a record lives 24 hours of ledger time, whenever the request was made",
     "set A 10 id=1 at=1h   => OK 10/0 v1\n"
     "set B 10 id=2 at=-23h => OK 10/0 v1\n"
     "wait 24h\n"
     "set A 10 id=1 at=-23h => OK replayed 10/0 v1\n"
     "set B 10 id=2 at=-47h => OK replayed 10/0 v1\n"
     "wait 1ms\n"
     "tick\n"
     "count R               => 0\n"
     "set A 10 id=1 at=-82800001ms => REQUEST_EXPIRED\n"},
    {"an old whole deduct or release goes by the order's state",
     "set A 10               => OK 10/0 v1\n"
     "reserve o A=1          => OK ACTIVE\n"
     "deduct o at=-30h       => OK DEDUCTED\n"
     "release o at=-30h      => ORDER_DEDUCTED DEDUCTED existed\n"
     "release p at=-30h      => OK RELEASED\n"},
    {"under a request id it acts only while its refusal would be known",
     "set A 10                     => OK 10/0 v1\n"
     "deduct o id=d resent at=0s   => ORDER_NOT_FOUND\n"
     "release p id=e at=-82800001ms => REQUEST_EXPIRED\n"
     "order p                      => absent\n"
     "wait 24h\n"
     "reserve o A=1                => OK ACTIVE\n"
     "deduct o id=d at=-24h        => ORDER_NOT_FOUND replayed\n"
     "wait 1ms\n"
     "tick\n"
     "count R                      => 0\n"
     "deduct o id=d at=-86400001ms => REQUEST_EXPIRED ACTIVE\n"
     "release o id=e at=-82800001ms => REQUEST_EXPIRED ACTIVE existed\n"
     "release o id=e at=-23h       => OK RELEASED existed\n"
     "release o id=e at=-82800001ms => OK replayed RELEASED existed\n"},
    {"a reserve whose tombstone may be gone", "set A 10 => OK 10/0 v1\n"
                                              "reserve o A=1 at=-82800001ms => REQUEST_EXPIRED\n"
                                              "reserve o A=1 at=2h => REQUEST_EXPIRED\n"
                                              "order o => absent\n"
                                              "reserve o A=1 at=-23h => OK ACTIVE\n"
                                              "wait 20m\n"
                                              "reserve o A=1 at=-24h => OK replayed ACTIVE\n"
                                              "reserve o B=1 add at=-24h => REQUEST_EXPIRED "
                                              "ACTIVE\n"},
};

/* ---- the stored reply is bounded ---- */

static void count_failed(void *context, uint32_t position, const struct ledger_result *result)
{
    (void)position;
    assert_int_equal(result->verdict, LEDGER_QUANTITY_EXCEEDS_OPEN);
    *(uint32_t *)context = result->failed_line_count;
    for (uint32_t i = 0; i < result->failed_line_count; i++) {
        assert_int_equal(result->failed_lines[i].warehouse, 500 - i);
    }
}

static void a_long_refusal_is_kept_in_part(void **state)
{
    (void)state;
    struct fixture fixture;
    struct ledger_line lines[150];
    uint32_t first = 0;
    uint32_t again = 0;
    fixture_open(&fixture);
    fixture_run(&fixture, "set A 10      => OK 10/0 v1\n"
                          "reserve o A=1 => OK ACTIVE\n");
    for (uint32_t i = 0; i < 150; i++) {
        lines[i] = (struct ledger_line){TEXT("A"), 500 - i, 1};
    }
    struct ledger_command command = {.kind = LEDGER_RELEASE,
                                     .request_id = TEXT("r"),
                                     .order_id = TEXT("o"),
                                     .lines = lines,
                                     .line_count = 150};
    fixture_apply(&fixture, &command, count_failed, &first);
    fixture_apply(&fixture, &command, count_failed, &again);
    assert_int_equal(first, 150);
    assert_int_equal(again, LIMIT_STORED_FAILED_LINES);
    fixture_close(&fixture);
}

/* ---- no time is left between the record's end and the request's ---- */

static void the_window_leaves_no_gap(void **state)
{
    (void)state;
    const struct ledger_settings settings = ledger_settings_default();
    /* For any requested_at that is taken as new at some time t0, and any t1 >= t0 at which it would
     * be taken as new again, the record of t0 must still live at t1. */
    for (int64_t ahead = -settings.request_retention_ms; ahead <= settings.request_margin_ms;
         ahead += settings.request_margin_ms / 4) {
        struct ledger ledger = {.settings = settings, .clock.time_ms = FIXTURE_START_MS};
        struct ledger_command command = {.requested_at_ms = FIXTURE_START_MS + ahead};
        if (!ledger_request_is_timely(&ledger, &command)) {
            continue;
        }
        int64_t record_end = FIXTURE_START_MS + settings.request_retention_ms;
        ledger.clock.time_ms = record_end + 1;
        assert_false(ledger_request_is_timely(&ledger, &command));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_refusal_is_kept_in_part),
        cmocka_unit_test(the_window_leaves_no_gap),
    };
    return fixture_run_cases("ledger/requests", cases, sizeof cases / sizeof cases[0], tests,
                             sizeof tests / sizeof tests[0]);
}
