/*
 * test_state_db_kill.c - 200 times kill -9 in the middle of work, with write buffers of 64 KiB: on
 * each reopening the database is what a replay up to its applied index gives, record for record
 * and in its digest.
 *
 * The entries are a small stand-in for the ledger's: what entry i changes follows from i alone. It
 * keeps a running digest in a record of its own, as the ledger does. The parent keeps the replay
 * (the model) and never opens the database; a child opens it, compares, reports, and goes on
 * applying until it is killed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/hash.h"
#include "storage/file.h"
#include "storage/state_db.h"

enum { ROUNDS = 200, KINDS = 4, IDS = 1500, LONGEST_MS = 25 };

static const enum ledger_kind kinds[KINDS] = {LEDGER_KIND_STOCK, LEDGER_KIND_ORDER,
                                              LEDGER_KIND_HISTORY, LEDGER_KIND_EXPIRY};

/* Which entry wrote each record last; 0: absent. */
struct model {
    uint64_t index;
    uint64_t writers[KINDS][IDS];
    struct hash128 digest;
};

static uint64_t mix(uint64_t value)
{
    value = (value ^ (value >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    value = (value ^ (value >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return value ^ (value >> 33);
}

struct change {
    size_t kind;
    uint64_t id;
    bool removal;
};

/* The nth change of entry `index`; false if it has no more. */
static bool change_of(uint64_t index, uint64_t nth, struct change *change)
{
    uint64_t random = mix(index * 64 + nth);
    if (nth >= 1 + mix(index) % 10) {
        return false;
    }
    *change = (struct change){
        .kind = random % KINDS,
        /* Some ids are hot. */
        .id = (random >> 8) % (random >> 40 & 1 ? 20 : IDS),
        .removal = (random >> 32) % 4 == 0,
    };
    return true;
}

struct record {
    char key_text[32];
    uint8_t value_data[400];
    struct bytes key;
    struct bytes value;
};

static void make_record(struct record *record, size_t kind, uint64_t id, uint64_t writer)
{
    int len = snprintf(record->key_text, sizeof record->key_text, "id-%06" PRIu64, id);
    record->key = bytes_of(record->key_text, (size_t)len);
    uint64_t seed = mix(writer * 8 + kind);
    size_t value_len = seed % sizeof record->value_data;
    for (size_t i = 0; i < value_len; i++) {
        record->value_data[i] = (uint8_t)(seed + i * 37);
    }
    record->value = bytes_of(record->value_data, value_len);
}

static struct hash128 hash_of(struct bytes key, struct bytes value)
{
    return hash128_of_pair(key, value);
}

static void advance_model(struct model *model, uint64_t index)
{
    struct record record;
    while (model->index < index) {
        model->index++;
        struct change change;
        for (uint64_t nth = 0; change_of(model->index, nth, &change); nth++) {
            uint64_t *writer = &model->writers[change.kind][change.id];
            if (*writer != 0) {
                make_record(&record, change.kind, change.id, *writer);
                model->digest = hash128_subtract(model->digest, hash_of(record.key, record.value));
            }
            *writer = change.removal ? 0 : model->index;
            if (*writer != 0) {
                make_record(&record, change.kind, change.id, *writer);
                model->digest = hash128_add(model->digest, hash_of(record.key, record.value));
            }
        }
    }
}

/* ---- the child ---- */

struct report {
    uint64_t applied_index;
    char failure[500]; /* "": all was right */
};

/* The digest is kept by what the store shows, not by what the model knows. */
static bool apply_entry(struct ledger_store store, uint64_t index, struct hash128 *digest,
                        struct error *error)
{
    struct record record;
    struct change change;
    for (uint64_t nth = 0; change_of(index, nth, &change); nth++) {
        enum ledger_kind kind = kinds[change.kind];
        struct bytes old;
        make_record(&record, change.kind, change.id, index);
        enum store_result found = store.ops->get(store.store, kind, record.key, &old, error);
        if (found == STORE_ERROR) {
            return false;
        }
        if (found == STORE_FOUND) {
            *digest = hash128_subtract(*digest, hash_of(record.key, old));
        }
        bool done = change.removal
                        ? store.ops->remove(store.store, kind, record.key, error)
                        : store.ops->put(store.store, kind, record.key, record.value, error);
        if (!done) {
            return false;
        }
        if (!change.removal) {
            *digest = hash128_add(*digest, hash_of(record.key, record.value));
        }
    }
    struct buffer value = {0};
    write_u64(&value, digest->low);
    write_u64(&value, digest->high);
    bool stored = store.ops->put(store.store, LEDGER_KIND_META, BYTES_LITERAL("digest"),
                                 buffer_bytes(&value), error);
    buffer_free(&value);
    return stored;
}

struct comparison {
    const struct model *model;
    size_t kind;
    uint64_t next_id;
    struct hash128 digest;
    bool differs;
};

static void skip_absent(struct comparison *comparison)
{
    while (comparison->next_id < IDS &&
           comparison->model->writers[comparison->kind][comparison->next_id] == 0) {
        comparison->next_id++;
    }
}

static bool compare_record(void *context, struct bytes key, struct bytes value)
{
    struct comparison *comparison = context;
    struct record record;
    skip_absent(comparison);
    if (comparison->next_id == IDS) {
        comparison->differs = true;
        return false;
    }
    make_record(&record, comparison->kind, comparison->next_id,
                comparison->model->writers[comparison->kind][comparison->next_id]);
    comparison->differs = !bytes_equal(record.key, key) || !bytes_equal(record.value, value);
    comparison->digest = hash128_add(comparison->digest, hash_of(key, value));
    comparison->next_id++;
    return !comparison->differs;
}

static bool read_digest(struct ledger_store store, struct hash128 *digest, struct error *error)
{
    struct bytes value;
    *digest = (struct hash128){0, 0};
    switch (store.ops->get(store.store, LEDGER_KIND_META, BYTES_LITERAL("digest"), &value, error)) {
    case STORE_ERROR:
        return false;
    case STORE_ABSENT:
        return true;
    case STORE_FOUND:
        break;
    }
    struct reader in = reader_of(value);
    digest->low = read_u64(&in);
    digest->high = read_u64(&in);
    return reader_finished(&in) || error_set(error, "the digest's record is broken");
}

static bool compare_all(struct ledger_store store, const struct model *model,
                        struct hash128 *digest, struct error *error)
{
    struct comparison comparison = {.model = model};
    for (size_t kind = 0; kind < KINDS; kind++) {
        comparison.kind = kind;
        comparison.next_id = 0;
        if (!store.ops->scan(store.store, kinds[kind], bytes_of(NULL, 0), bytes_of(NULL, 0),
                             compare_record, &comparison, error)) {
            return false;
        }
        skip_absent(&comparison);
        if (comparison.differs || comparison.next_id < IDS) {
            return error_set(error, "kind %c differs from the replay near id %" PRIu64,
                             (char)kinds[kind], comparison.next_id);
        }
    }
    if (!read_digest(store, digest, error)) {
        return false;
    }
    return (hash128_equal(*digest, model->digest) &&
            hash128_equal(comparison.digest, model->digest)) ||
           error_set(error, "the digest differs from the replay's");
}

static void send_report(int fd, const struct report *report)
{
    if (write(fd, report, sizeof *report) != (ssize_t)sizeof *report) {
        _exit(3);
    }
}

static void run_child(const char *path, struct model *model, _Atomic uint64_t *committed, int fd)
{
    const struct state_db_options options = {.path = path, .write_buffer_bytes = 64u << 10};
    struct report report = {0};
    struct error error = {""};
    struct hash128 digest = {0, 0};
    struct state_db *db = state_db_open(&options, &error);
    if (db != NULL) {
        report.applied_index = state_db_applied_index(db);
    }
    bool right = db != NULL && report.applied_index >= model->index;
    if (right) {
        advance_model(model, report.applied_index);
        right = compare_all(state_db_store(db), model, &digest, &error);
    } else if (db != NULL) {
        error_set(&error, "the applied index ran back to %" PRIu64 " from %" PRIu64,
                  report.applied_index, model->index);
    }
    if (!right) {
        snprintf(report.failure, sizeof report.failure, "%.490s", error.text);
    }
    send_report(fd, &report);
    if (!right) {
        _exit(1);
    }
    /* Until it is killed, or the parent has gone. */
    for (uint64_t index = report.applied_index + 1; getppid() != 1; index++) {
        if (!apply_entry(state_db_store(db), index, &digest, &error) ||
            !state_db_commit(db, index, &error)) {
            fprintf(stderr, "%s\n", error.text);
            _exit(2);
        }
        atomic_store(committed, index);
    }
    _exit(0);
}

/* ---- the parent ---- */

static struct report kill_one(const char *path, struct model *model, _Atomic uint64_t *committed,
                              uint64_t round)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        run_child(path, model, committed, ends[1]);
    }
    close(ends[1]);
    struct report report;
    ssize_t got = read(ends[0], &report, sizeof report);
    close(ends[0]);
    if (got == (ssize_t)sizeof report && report.failure[0] == '\0') {
        /* The moment of the kill is what this test varies. */
        const struct timespec pause = {.tv_nsec =
                                           (long)(mix(round) % (LONGEST_MS * UINT64_C(1000000)))};
        nanosleep(&pause, NULL);
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(got, sizeof report);
    if (report.failure[0] != '\0') {
        fail_msg("round %" PRIu64 ": %s", round, report.failure);
    }
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return report;
}

static void test_kill_at_any_moment(void **state)
{
    (void)state;
    char path[] = "/tmp/holdfast-kill-XXXXXX";
    assert_non_null(mkdtemp(path));
    _Atomic uint64_t *committed =
        mmap(NULL, sizeof *committed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(committed != MAP_FAILED);
    struct model *model = calloc(1, sizeof *model);
    assert_non_null(model);
    uint64_t went_back = 0; /* rounds that lost what was not flushed */
    uint64_t went_on = 0;   /* rounds that kept something new */
    for (uint64_t round = 0; round <= ROUNDS; round++) {
        uint64_t before = atomic_load(committed);
        uint64_t kept = model->index;
        struct report report = kill_one(path, model, committed, round);
        assert_true(report.applied_index <= before);
        went_back += report.applied_index < before;
        went_on += report.applied_index > kept;
        advance_model(model, report.applied_index);
    }
    /* Else the test has not shown what it is for. */
    assert_true(went_back > ROUNDS / 4);
    assert_true(went_on > ROUNDS / 4);
    assert_true(model->index > 1000);
    free(model);
    munmap((void *)committed, sizeof *committed);
    struct error error;
    assert_true(file_system_posix.remove_tree(NULL, path, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
