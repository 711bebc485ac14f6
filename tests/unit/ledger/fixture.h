/*
 * fixture.h - a ledger over a store in memory, driven by scripts that read like the rules they
 * test.
 *
 * One step a line; what stands behind "=>" is the whole answer, compared as text. Empty lines and
 * lines that begin with '#' are passed over; "+ command" puts the command into the same entry as
 * the next one.
 *
 *   set SKU N                    => VERDICT [replayed] [on_hand/reserved vVERSION]
 *   adjust SKU +N|-N             => the same
 *   reserve ORDER SKU=N...       => VERDICT [replayed] [STATE] [| SKU asked>available WHY]...
 *   deduct ORDER [SKU=N...]      => the same
 *   release ORDER [SKU=N...]     => the same, with "existed" behind the state
 *   register NODE INCARNATION    => VERDICT
 *
 *   tick                         an entry without commands
 *   wait DURATION                time passes: 10ms 5s 3m 2h 1d, a sign is allowed
 *   credit DURATION              outage credit of the next entry
 *
 *   stock SKU                    => on_hand/reserved vVERSION, or absent
 *   order ORDER                  => STATE [tombstone] SKU=reserved:deducted/released/expired...
 *   history SKU                  => OP(on_hand,reserved)... after each row
 *   due                          => next due, from now, in ms, or never
 *   count KIND                   => how many records of that kind letter
 *
 * SKUs are written SKU or SKU@WAREHOUSE. Options, anywhere behind the verb: id=R no-id actor=T
 * reason=T remark=T at=DURATION (requested_at, from now) version=N ttl=DURATION add final reacquire
 * resent
 *
 * Commands that need a request id get a fresh one unless they say id= or no-id; adjust has the
 * reason TEST unless it says reason=.
 */
#ifndef TESTS_UNIT_LEDGER_FIXTURE_H
#define TESTS_UNIT_LEDGER_FIXTURE_H

#include "cmocka_with_headers.h"

#include "ledger/ledger.h"
#include "memory_store.h"
#include "text.h"

struct fixture {
    struct memory_store *store;
    struct ledger *ledger;
    uint64_t index;
    int64_t time_ms;
    int64_t credit_ms;
    uint64_t request_count;
    struct buffer entry; /* being built */
    uint32_t entry_count;
    char expected[16][1024]; /* of the commands in it */
    char lines[16][2048];    /* the steps they came from */
    uint32_t visited;
};

#define FIXTURE_START_MS INT64_C(1000000000000)

void fixture_open(struct fixture *fixture);
/* Audits and frees. */
void fixture_close(struct fixture *fixture);
/* Frees what a test has broken on purpose. */
void fixture_abandon(struct fixture *fixture);
/* Closes the ledger and opens another one on the same store. */
void fixture_reopen(struct fixture *fixture);
void fixture_run(struct fixture *fixture, const char *script);
/* Fails unless every invariant holds. */
void fixture_audit(struct fixture *fixture);

/* One command in an entry of its own. The result's views end with the call; `visit` may be NULL. */
void fixture_apply(struct fixture *fixture, const struct ledger_command *command,
                   ledger_result_visit visit, void *context);

/* A table of scripts, each of them a cmocka test with a fixture of its own. */
struct fixture_case {
    const char *name;
    const char *script;
};
/* The table, then the other tests (may be NULL, 0). */
int fixture_run_cases(const char *group, const struct fixture_case *cases, size_t count,
                      const struct CMUnitTest *others, size_t other_count);

#endif
