/*
 * check.h - what every checker gives: a verdict, and the reasons, which name operations.
 *
 *   valid    the history is as it must be, as far as this checker looks
 *   unknown  the checker could not finish (time, memory, too much that nobody knows): does not pass
 *   invalid  it is not; each reason tells what contradicts what
 *   skipped  the history has nothing that this checker is about
 *
 * A checker never says invalid of a history that a correct ledger could have produced: what nobody
 * knows counts for the ledger. It may miss something; what it misses, another looks for.
 *
 * Ownership: a check owns its texts; check_free. It refers to the history while it is filled.
 */
#ifndef JEPSEN_CHECK_H
#define JEPSEN_CHECK_H

#include "history.h"

#define CHECK_REASONS 16 /* that are kept, of as many as there are */
#define CHECK_NAMED   6  /* operations that one reason names */
#define CHECK_FACTS   24

enum check_verdict { CHECK_SKIPPED, CHECK_VALID, CHECK_UNKNOWN, CHECK_INVALID };

struct check_reason {
    char *text;
    uint32_t operations[CHECK_NAMED];
    uint32_t count;
};

struct check_fact {
    const char *name; /* static; an EDN keyword without the colon */
    int64_t value;
};

struct check {
    const char *name; /* static */
    const struct history *history;
    enum check_verdict verdict;
    struct check_reason reasons[CHECK_REASONS]; /* for being invalid first, if it is */
    uint32_t reason_count;
    uint64_t found; /* reasons for this verdict, kept or not */
    struct check_fact facts[CHECK_FACTS];
    uint32_t fact_count;
    int64_t duration_ns;
};

/* Operations that a reason names; NAME_NONE is left out. */
struct check_named {
    uint32_t operations[CHECK_NAMED];
    uint32_t count;
};
#define CHECK_NAMES(...)                                                                           \
    ((struct check_named){{__VA_ARGS__},                                                           \
                          (uint32_t)(sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))})
#define CHECK_NAMES_NONE ((struct check_named){{0}, 0})

void check_begin(struct check *check, const char *name, const struct history *history);
/* There is something to look at: valid, unless a reason comes. */
void check_looked(struct check *check);
/* The operations' descriptions are appended to the text. */
void check_invalid(struct check *check, struct check_named named, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void check_unknown(struct check *check, struct check_named named, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void check_add_fact(struct check *check, const char *name, int64_t value);
/* 0: there is no such fact. */
int64_t check_fact(const struct check *check, const char *name);
const char *check_verdict_name(enum check_verdict verdict);
void check_free(struct check *check);

/* What a run promises, and what its checkers may take for granted. Kept in test.edn, so that a
 * stored run is analysed again by the same measure. */
struct check_options {
    uint64_t least_operations;       /* that must have been answered */
    int64_t least_answered_permille; /* of all operations */
    uint64_t least_faults;           /* that must have been there */
    int64_t search_limit_ms;         /* of the linearizability search, altogether */
    int64_t recovery_limit_ms;       /* from the end of a fault to the first answered command */
    int64_t expiry_slack_ms;         /* ledger time may run ahead of the clients' by so much */
    int64_t age_slack_ms;            /* a node's clock against the clients', for ages */
    int64_t default_ttl_ms;          /* of a Reserve that names none */
    uint64_t skip;                   /* checkers that don't run: bits by their place in the table */
};
struct check_options check_options_default(void);

/* ---- the checkers; each in its own file ---- */

typedef void (*checker_run)(struct check *check, const struct history *history,
                            const struct check_options *options);

void check_witness(struct check *, const struct history *, const struct check_options *);
void check_linearizable(struct check *, const struct history *, const struct check_options *);
void check_oversell(struct check *, const struct history *, const struct check_options *);
void check_conservation(struct check *, const struct history *, const struct check_options *);
void check_acknowledged(struct check *, const struct history *, const struct check_options *);
void check_stale(struct check *, const struct history *, const struct check_options *);
void check_rows(struct check *, const struct history *, const struct check_options *);
void check_set(struct check *, const struct history *, const struct check_options *);
void check_digests(struct check *, const struct history *, const struct check_options *);
void check_recovery(struct check *, const struct history *, const struct check_options *);
void check_enough(struct check *, const struct history *, const struct check_options *);
/* Not of the history: what nodes have left in `directory`, files NAME.log. */
void check_logs(struct check *check, const struct history *history, const char *directory);

/* ---- all of them ---- */

struct checker {
    const char *name;
    checker_run run; /* NULL: the logs */
};
extern const struct checker checkers[];
extern const uint32_t checker_count;
#define CHECKERS_MOST 16

struct analysis {
    struct check checks[CHECKERS_MOST];
    uint32_t count;
    enum check_verdict verdict; /* the worst */
};
/* Runs what the options don't skip; logs is the directory with the nodes' logs, NULL: there is
 * none. */
void analysis_run(struct analysis *analysis, const struct history *history, const char *logs,
                  const struct check_options *options);
void analysis_free(struct analysis *analysis);

#endif
