/*
 * side_by_side.h - a sequence through the ledger and through the model, every answer and every
 * record compared.
 */
#ifndef TESTS_MODEL_SIDE_BY_SIDE_H
#define TESTS_MODEL_SIDE_BY_SIDE_H

#include "ledger/ledger.h"
#include "sequence.h"

struct side_by_side {
    /* Puts something between the ledger and its store, for the tests of the test. May be NULL. */
    struct ledger_store (*wrap)(void *context, struct ledger_store store);
    void *wrap_context;
    /* Everything is compared and audited after every so many entries (0: only at the end), whatever
     * is touched after each. */
    uint32_t compare_all_every;

    /* What came of it, added up over runs. */
    uint64_t runs;
    uint64_t entries;
    uint64_t commands;
    uint64_t verdicts[LEDGER_RAISE_VERSION + 1][LEDGER_MALFORMED_COMMAND + 1]; /* by kind */
    uint64_t replayed;
    uint64_t expired_orders;
    uint64_t trimmed_records;
};

/* True if there was no difference; else `difference` says where and what. */
bool side_by_side_run(struct side_by_side *run, const struct sequence *sequence,
                      struct error *difference);

#endif
