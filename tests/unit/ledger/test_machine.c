/*
 * test_machine.c - the state machine as a whole: determinism, restarts, failures of the store,
 * damaged entries, what a command costs; long random runs under audit.
 */
#include "fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "random_commands.h"

struct run {
    struct memory_store *store;
    struct ledger *ledger;
    struct hash128 answers; /* of all results so far */
    uint64_t verdicts[32];
};

static void run_open(struct run *run)
{
    struct error error;
    *run = (struct run){.store = memory_store_new()};
    run->ledger = ledger_open(memory_store_interface(run->store), &error);
    assert_non_null(run->ledger);
}

static void run_close(struct run *run)
{
    ledger_close(run->ledger);
    memory_store_free(run->store);
}

static void run_reopen(struct run *run)
{
    struct error error;
    ledger_close(run->ledger);
    run->ledger = ledger_open(memory_store_interface(run->store), &error);
    assert_non_null(run->ledger);
}

/* Every field of every answer, as one number. */
static void note_answer(void *context, uint32_t position, const struct ledger_result *result)
{
    struct run *run = context;
    struct buffer text = {0};
    buffer_printf(&text, "%" PRIu32 " %d %d %" PRIu64 " %d %d %" PRId64 " %d %" PRId64 " %" PRIu64,
                  position, (int)result->verdict, result->replayed, result->log_index,
                  (int)result->order_state, result->existed, result->expires_at_ms,
                  result->has_stock, result->stock.on_hand, result->stock.version);
    for (uint32_t i = 0; i < result->failed_line_count; i++) {
        const struct ledger_failed_line *line = &result->failed_lines[i];
        buffer_append_bytes(&text, line->sku);
        buffer_printf(&text, " %" PRIu32 " %" PRId64 " %" PRId64 " %d", line->warehouse,
                      line->requested, line->available, (int)line->reason);
    }
    run->answers = hash128_add(run->answers, hash128_of(buffer_bytes(&text)));
    run->verdicts[result->verdict]++;
    buffer_free(&text);
}

static void run_apply(struct run *run, uint64_t index, const struct buffer *entry)
{
    struct error error;
    if (!ledger_apply(run->ledger, index, buffer_bytes(entry), note_answer, run, &error)) {
        fail_msg("%s", error.text);
    }
}

static void run_audit(const struct run *run, uint64_t seed, uint64_t index)
{
    struct ledger_audit *audit = memory_alloc(sizeof *audit);
    struct error error;
    assert_true(ledger_audit_run(memory_store_interface(run->store), audit, &error));
    if (audit->violation_count != 0) {
        fail_msg("seed %" PRIu64 ", index %" PRIu64 ": %s", seed, index, audit->violations[0]);
    }
    assert_true(hash128_equal(audit->recomputed_digest, ledger_digest(run->ledger)));
    free(audit);
}

/* The same entries: one ledger never closed, one closed before every third entry, one that is fed a
 * copy of the first's records half-way. Same answers, same bytes, same digest; and the audit. */
static void run_seed(uint64_t seed, uint64_t entries)
{
    struct random_commands random;
    struct buffer entry = {0};
    struct run steady;
    struct run restarted;
    struct run late = {0};
    run_open(&steady);
    run_open(&restarted);
    random_commands_start(&random, seed, FIXTURE_START_MS);
    for (uint64_t index = 1; index <= entries; index++) {
        random_entry(&random, &entry);
        run_apply(&steady, index, &entry);
        if (index % 3 == 0) {
            run_reopen(&restarted);
        }
        run_apply(&restarted, index, &entry);
        if (index == entries / 2) {
            struct error error;
            late.store = memory_store_copy(steady.store);
            late.ledger = ledger_open(memory_store_interface(late.store), &error);
            assert_non_null(late.ledger);
        } else if (index > entries / 2) {
            run_apply(&late, index, &entry);
        }
        assert_true(hash128_equal(ledger_digest(steady.ledger), ledger_digest(restarted.ledger)));
        assert_true(hash128_equal(steady.answers, restarted.answers));
        /* The hint may be early, never late: never later than what a fresh look finds. */
        assert_true(ledger_next_due_ms(steady.ledger) <= ledger_next_due_ms(restarted.ledger) ||
                    index % 3 != 0);
        if (index % 500 == 0) {
            run_audit(&steady, seed, index);
        }
    }
    run_audit(&steady, seed, entries);
    assert_true(memory_store_equal(steady.store, restarted.store));
    assert_true(memory_store_equal(steady.store, late.store));
    /* A run that meets only a few verdicts would prove little. */
    const enum ledger_verdict expected[] = {
        LEDGER_OK,
        LEDGER_SKU_NOT_FOUND,
        LEDGER_ALREADY_EXISTS,
        LEDGER_INSUFFICIENT_STOCK,
        LEDGER_VERSION_MISMATCH,
        LEDGER_BELOW_RESERVED,
        LEDGER_ORDER_NOT_FOUND,
        LEDGER_ORDER_CONFLICT,
        LEDGER_ORDER_EXPIRED,
        LEDGER_ORDER_RELEASED,
        LEDGER_ORDER_DEDUCTED,
        LEDGER_QUANTITY_EXCEEDS_OPEN,
        LEDGER_IDEMPOTENCY_MISMATCH,
        LEDGER_REQUEST_EXPIRED,
        LEDGER_MALFORMED_COMMAND,
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        if (steady.verdicts[expected[i]] == 0) {
            fail_msg("seed %" PRIu64 " never met %s", seed, ledger_verdict_name(expected[i]));
        }
    }
    run_close(&steady);
    run_close(&restarted);
    run_close(&late);
    buffer_free(&entry);
}

static void same_entries_same_bytes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        run_seed(seed, 3000);
    }
}

/* The bytes of records, and what commands do to them, are the same for every build of this ledger
 * version: nodes of two builds meet in one cluster. After a release, whoever changes this
 * number on purpose raises LEDGER_VERSION. */
static void version_1_is_pinned(void **state)
{
    (void)state;
    struct random_commands random;
    struct buffer entry = {0};
    struct run run;
    char digest[64];
    run_open(&run);
    random_commands_start(&random, 7, FIXTURE_START_MS);
    for (uint64_t index = 1; index <= 2000; index++) {
        random_entry(&random, &entry);
        run_apply(&run, index, &entry);
    }
    struct hash128 hash = ledger_digest(run.ledger);
    snprintf(digest, sizeof digest, "%016" PRIx64 "%016" PRIx64, hash.high, hash.low);
    assert_string_equal(digest, "bee3ac2a7850034d5e2e7a704eededc2");
    run_close(&run);
    buffer_free(&entry);
}

/* Wherever the store fails, apply says so; started again from the last commit, the entry goes
 * through. */
static void every_failure_of_the_store_is_reported(void **state)
{
    (void)state;
    struct random_commands random;
    struct buffer entry = {0};
    struct run run;
    uint64_t failures = 0;
    run_open(&run);
    random_commands_start(&random, 99, FIXTURE_START_MS);
    for (uint64_t index = 1; index <= 150; index++) {
        random_entry(&random, &entry);
        struct memory_store *committed = memory_store_copy(run.store);
        for (uint64_t call = 1;; call++) {
            struct error error = {""};
            memory_store_fail_at(run.store, call);
            bool applied =
                ledger_apply(run.ledger, index, buffer_bytes(&entry), NULL, NULL, &error);
            memory_store_fail_at(run.store, 0);
            if (applied) {
                break;
            }
            assert_non_null(strstr(error.text, "this failure was planned"));
            failures++;
            ledger_close(run.ledger);
            memory_store_free(run.store);
            run.store = memory_store_copy(committed);
            run.ledger = ledger_open(memory_store_interface(run.store), &error);
            assert_non_null(run.ledger);
        }
        memory_store_free(committed);
    }
    assert_true(failures > 1000);
    run_audit(&run, 99, 150);

    struct ledger_audit *audit = memory_alloc(sizeof *audit);
    struct error error;
    memory_store_fail_at(run.store, 5);
    assert_false(ledger_audit_run(memory_store_interface(run.store), audit, &error));
    free(audit);
    ledger_close(run.ledger);
    for (uint64_t call = 1; call <= 4; call++) { /* clock, digest, both kinds of due rows */
        memory_store_fail_at(run.store, call);
        run.ledger = ledger_open(memory_store_interface(run.store), &error);
        assert_null(run.ledger);
        assert_non_null(strstr(error.text, "this failure was planned"));
    }
    memory_store_free(run.store);
    buffer_free(&entry);
}

static void a_damaged_entry_stops_apply(void **state)
{
    (void)state;
    struct fixture fixture;
    struct error error;
    fixture_open(&fixture);
    fixture_run(&fixture, "set A 10 => OK 10/0 v1\n");
    struct buffer entry = {0};
    memcpy(buffer_reserve(&entry, fixture.entry.len), fixture.entry.data, fixture.entry.len);
    entry.len = fixture.entry.len - 1;
    struct memory_store *before = memory_store_copy(fixture.store);
    struct ledger *ledger = ledger_open(memory_store_interface(before), &error);
    assert_false(ledger_apply(ledger, 100, buffer_bytes(&entry), NULL, NULL, &error));
    assert_non_null(strstr(error.text, "log entry 100"));
    assert_non_null(strstr(error.text, "damaged"));
    ledger_close(ledger);
    memory_store_free(before);
    buffer_free(&entry);
    fixture_close(&fixture);
}

static void no_index_is_applied_twice(void **state)
{
    (void)state;
    struct fixture fixture;
    struct error error;
    fixture_open(&fixture);
    fixture_run(&fixture, "set A 10 => OK 10/0 v1\n");
    assert_false(ledger_apply(fixture.ledger, fixture.index, buffer_bytes(&fixture.entry), NULL,
                              NULL, &error));
    assert_non_null(strstr(error.text, "can't be applied"));
    fixture_run(&fixture, "stock A => 10/0 v1\n");
    fixture_close(&fixture);
}

static void put_meta(struct memory_store *store, const char *name, const void *value, size_t len)
{
    struct ledger_store face = memory_store_interface(store);
    struct error error;
    assert_true(face.ops->put(face.store, LEDGER_KIND_META, bytes_of_string(name),
                              bytes_of(value, len), &error));
}

static void a_state_of_a_newer_version_is_refused(void **state)
{
    (void)state;
    struct memory_store *store = memory_store_new();
    struct error error;
    struct buffer value = {0};
    clock_record_encode(&value, &(struct clock_record){LEDGER_VERSION + 1, 1, 0, 1});
    put_meta(store, "clock", value.data, value.len);
    assert_null(ledger_open(memory_store_interface(store), &error));
    assert_non_null(strstr(error.text, "ledger version 2, this program knows versions up to 1"));
    value.data[0] = 9;
    put_meta(store, "clock", value.data, value.len);
    assert_null(ledger_open(memory_store_interface(store), &error));
    assert_non_null(strstr(error.text, "newer version"));
    buffer_clear(&value);
    clock_record_encode(&value, &(struct clock_record){LEDGER_VERSION, 1, 0, 1});
    put_meta(store, "clock", value.data, value.len);
    assert_null(ledger_open(memory_store_interface(store), &error)); /* the digest is missing */
    assert_non_null(strstr(error.text, "contradicts itself"));
    buffer_free(&value);
    memory_store_free(store);
}

/* What the store's owner keeps under META is not the ledger's, and not in the digest. */
static void others_may_keep_meta_records(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    put_meta(fixture.store, "applied", "12345678", 8);
    fixture_run(&fixture, "set A 10 => OK 10/0 v1\n");
    put_meta(fixture.store, "applied", "12345679", 8);
    fixture_audit(&fixture);
    fixture_close(&fixture);
}

static uint64_t calls_of(struct fixture *fixture, const char *step)
{
    uint64_t before = memory_store_calls(fixture->store);
    fixture_run(fixture, step);
    return memory_store_calls(fixture->store) - before - 2; /* clock and digest of the entry */
}

/* The hot path: what one command asks of the store. A number that grows here costs on every node.
 */
static void a_command_costs_few_store_calls(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_run(&fixture, "set A 10 => OK 10/0 v1\n");
    /* get order, get stock; put stock, history, expiry, order */
    assert_int_equal(calls_of(&fixture, "reserve o A=1 => OK ACTIVE"), 6);
    /* get order, get stock; put stock, history; remove expiry; put purge, order */
    assert_int_equal(calls_of(&fixture, "deduct o => OK DEDUCTED"), 7);
    assert_int_equal(calls_of(&fixture, "deduct o => OK replayed DEDUCTED"), 1);
    assert_int_equal(calls_of(&fixture, "tick"), 0);
    /* Under a request id one get more, of an id that is mostly not there. */
    assert_int_equal(calls_of(&fixture, "reserve p A=1 id=r => OK ACTIVE"), 7);
    assert_int_equal(
        calls_of(&fixture, "reserve q A=9 id=s => INSUFFICIENT_STOCK | A 9>8 INSUFFICIENT_STOCK"),
        3);
    fixture_close(&fixture);
}

static void an_order_of_10000_lines(void **state)
{
    (void)state;
    struct fixture fixture;
    struct ledger_line *lines = calloc(LIMIT_LINES, sizeof *lines);
    fixture_open(&fixture);
    for (uint32_t i = 0; i < LIMIT_LINES; i++) {
        char id[16];
        snprintf(id, sizeof id, "s%" PRIu32, i);
        lines[i] = (struct ledger_line){TEXT("A"), (i * 7919) % LIMIT_LINES + 1, 1};
        struct ledger_command set = {.kind = LEDGER_SET_STOCK,
                                     .request_id = bytes_of_string(id),
                                     .sku = TEXT("A"),
                                     .warehouse = i + 1,
                                     .quantity = 1};
        fixture_apply(&fixture, &set, NULL, NULL);
    }
    struct ledger_command command = {
        .kind = LEDGER_RESERVE, .order_id = TEXT("o"), .lines = lines, .line_count = LIMIT_LINES};
    fixture_apply(&fixture, &command, NULL, NULL);
    fixture_run(&fixture, "stock A@10000 => 1/1 v1\n"
                          "reserve o A@1=1 add => OK replayed ACTIVE\n"
                          "reserve o B=1 add   => LIMIT_EXCEEDED ACTIVE\n"
                          "deduct o            => OK DEDUCTED\n"
                          "stock A@77          => 0/0 v2\n");
    free(lines);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_entries_same_bytes),
        cmocka_unit_test(version_1_is_pinned),
        cmocka_unit_test(every_failure_of_the_store_is_reported),
        cmocka_unit_test(a_damaged_entry_stops_apply),
        cmocka_unit_test(no_index_is_applied_twice),
        cmocka_unit_test(a_state_of_a_newer_version_is_refused),
        cmocka_unit_test(others_may_keep_meta_records),
        cmocka_unit_test(a_command_costs_few_store_calls),
        cmocka_unit_test(an_order_of_10000_lines),
    };
    return cmocka_run_group_tests_name("ledger/machine", tests, NULL, NULL);
}
