/*
 * ledger_kill_test.c - the real ledger on the real state database, killed 200 times.
 *
 * A child opens the database (write buffers of 64 KiB, so that flushes happen all the time), tells
 * the parent what index it stands at and with what digest, and goes on applying entries until
 * SIGKILL. The parent applies the same entries to a ledger in memory: at every reopen the child's
 * digest must be that of a replay up to its applied index. Every tenth child also audits all
 * records.
 *
 * The parent never opens the database: RocksDB's threads would not survive the fork.
 */
#include "cmocka_test.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ledger/ledger.h"
#include "memory_store.h"
#include "sim_random.h"
#include "storage/state_db.h"

#define ROUNDS        200
#define AUDIT_EVERY   10
#define SKUS          20
#define ORDERS        400
#define ENTRY_STEP_MS 40

struct report {
    uint64_t applied;
    struct hash128 digest;
    uint64_t violations;
};

/* The entry at an index is a function of the index alone. */
static void make_entry(uint64_t index, struct buffer *out)
{
    struct random random = {index * 7919 + 1};
    struct ledger_entry_header header = {
        .format = LEDGER_ENTRY_FORMAT,
        .ledger_version = LEDGER_VERSION,
        .time_ms = 1700000000000 + (int64_t)index * ENTRY_STEP_MS,
        .outage_credit_ms = index % 50 == 0 ? 10 : 0,
    };
    buffer_clear(out);
    ledger_entry_begin(out, &header);
    uint32_t count = (uint32_t)sim_random_between(&random, 0, 8);
    for (uint32_t i = 0; i < count; i++) {
        char sku[2][32];
        char order[32];
        char request[64];
        struct ledger_line lines[2];
        for (int k = 0; k < 2; k++) {
            snprintf(sku[k], sizeof sku[k], "sku-%d", (int)sim_random_below(&random, SKUS));
            lines[k] = (struct ledger_line){bytes_of_string(sku[k]), 1,
                                            (int64_t)sim_random_between(&random, 1, 5)};
        }
        snprintf(order, sizeof order, "order-%d-%d", (int)(index / 100),
                 (int)sim_random_below(&random, ORDERS));
        snprintf(request, sizeof request, "request-%d", (int)sim_random_below(&random, 100000));
        struct ledger_command command = {.order_id = bytes_of_string(order)};
        switch (sim_random_below(&random, 8)) {
        case 0:
            command = (struct ledger_command){.kind = LEDGER_SET_STOCK,
                                              .sku = bytes_of_string(sku[0]),
                                              .quantity = 100000,
                                              .request_id = bytes_of_string(request)};
            break;
        case 1:
            command.kind = LEDGER_DEDUCT;
            break;
        case 2:
            command.kind = LEDGER_RELEASE;
            break;
        default:
            command.kind = LEDGER_RESERVE;
            command.lines = lines;
            command.line_count = 2;
            command.has_ttl = true;
            command.ttl_ms = (int64_t)sim_random_between(&random, 500, 20000);
            break;
        }
        ledger_command_encode(out, &command);
    }
    ledger_entry_finish(out, count);
}

/* ---- the child ---- */

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "child: %s: %s\n", what, why);
    _exit(1);
}

static _Noreturn void run_child(const char *path, int out, bool audited)
{
    struct error error;
    struct state_db_options options = {.path = path, .write_buffer_bytes = 64 << 10};
    struct state_db *db = state_db_open(&options, &error);
    if (db == NULL) {
        die("open", error.text);
    }
    struct ledger *ledger = ledger_open(state_db_store(db), &error);
    if (ledger == NULL) {
        die("ledger", error.text);
    }
    struct report report = {.applied = state_db_applied_index(db), .digest = ledger_digest(ledger)};
    if (audited) {
        static struct ledger_audit audit;
        if (!ledger_audit_run(state_db_store(db), &audit, &error)) {
            die("audit", error.text);
        }
        report.violations =
            audit.violation_count + !hash128_equal(audit.stored_digest, audit.recomputed_digest);
    }
    if (write(out, &report, sizeof report) != sizeof report) {
        die("report", strerror(errno));
    }
    struct buffer entry = {0};
    for (uint64_t index = report.applied + 1;; index++) {
        make_entry(index, &entry);
        if (!ledger_apply(ledger, index, buffer_bytes(&entry), NULL, NULL, &error)) {
            die("apply", error.text);
        }
        if (!state_db_commit(db, index, &error)) {
            die("commit", error.text);
        }
    }
}

/* ---- the reference ---- */

struct reference {
    struct memory_store *store;
    struct ledger *ledger;
    uint64_t applied;
    struct hash128 *digests; /* by index */
    size_t capacity;
};

static struct hash128 reference_digest(struct reference *reference, uint64_t index)
{
    struct buffer entry = {0};
    while (reference->applied < index) {
        struct error error;
        uint64_t next = reference->applied + 1;
        make_entry(next, &entry);
        assert_true(
            ledger_apply(reference->ledger, next, buffer_bytes(&entry), NULL, NULL, &error));
        if (next >= reference->capacity) {
            reference->capacity *= 2;
            reference->digests = memory_realloc(reference->digests,
                                                reference->capacity * sizeof *reference->digests);
        }
        reference->digests[next] = ledger_digest(reference->ledger);
        reference->applied = next;
    }
    buffer_free(&entry);
    return reference->digests[index];
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void test_digest_after_every_kill(void **state)
{
    (void)state;
    char directory[] = "/tmp/holdfast-ledger-kill-XXXXXX";
    assert_non_null(mkdtemp(directory));
    char path[64];
    snprintf(path, sizeof path, "%s/state.1", directory);
    struct error error;
    struct reference reference = {.store = memory_store_new(), .capacity = 1024};
    reference.ledger = ledger_open(memory_store_interface(reference.store), &error);
    assert_non_null(reference.ledger);
    reference.digests = memory_zalloc(reference.capacity * sizeof *reference.digests);
    reference.digests[0] = ledger_digest(reference.ledger);

    struct random random = {20261120};
    uint64_t last = 0;
    unsigned advanced = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        int channel[2];
        assert_int_equal(pipe(channel), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(channel[0]);
            run_child(path, channel[1], round % AUDIT_EVERY == AUDIT_EVERY - 1);
        }
        close(channel[1]);
        struct report report;
        ssize_t got = read(channel[0], &report, sizeof report);
        /* A random moment of its work: the time is what is under test. */
        struct timespec pause = {0, (long)sim_random_between(&random, 0, 25000) * 1000};
        nanosleep(&pause, NULL);
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        close(channel[0]);
        assert_int_equal(got, sizeof report);
        assert_true(WIFSIGNALED(status));    /* killed, not ended by a failure of its own */
        assert_true(report.applied >= last); /* what has been flushed once stays */
        assert_true(hash128_equal(report.digest, reference_digest(&reference, report.applied)));
        assert_int_equal(report.violations, 0);
        advanced += report.applied > last;
        last = report.applied;
    }
    print_message("%u kills, the last reopen at index %llu\n", ROUNDS, (unsigned long long)last);
    assert_true(advanced > ROUNDS / 20); /* it did get on in between */
    ledger_close(reference.ledger);
    memory_store_free(reference.store);
    free(reference.digests);
    nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_digest_after_every_kill)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
