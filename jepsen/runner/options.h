/*
 * options.h - what `chaos` can be told on its command line.
 *
 * Ownership: strings point into argv, workloads and nemeses into their tables: all must outlive the
 * options. Errors: one line that names the word at fault. Nothing here prints or exits.
 */
#ifndef JEPSEN_OPTIONS_H
#define JEPSEN_OPTIONS_H

#include "base/bytes.h"
#include "nemesis.h"
#include "workload.h"

#define CHAOS_NODES_MOST   9
#define CHAOS_CLIENTS_MOST 256
#define CHAOS_CHOSEN_MOST  64
/* A run's history is analysed in memory, 300 bytes an operation or so. */
#define CHAOS_OPERATIONS_MOST INT64_C(20000000)

enum chaos_task { CHAOS_RUN, CHAOS_LIST, CHAOS_HELP };

struct chaos_options {
    enum chaos_task task;
    const struct workload *workloads[CHAOS_CHOSEN_MOST]; /* one run each */
    uint32_t workload_count;
    const struct nemesis *nemeses[CHAOS_CHOSEN_MOST]; /* 0 of them: no faults */
    uint32_t nemesis_count;
    bool all_nemeses; /* those that this machine can do, not each by name */
    const struct nemesis *first[CHAOS_CHOSEN_MOST]; /* of them; their turn comes before others' */
    uint32_t first_count;
    uint32_t node_count;
    uint32_t client_count;
    uint32_t rate; /* operations a second, of all clients together */
    int64_t time_ms;
    int64_t soak_ms; /* 0: each workload once */
    uint64_t seed;
    bool seed_given;
    const char *planted;     /* NULL: none */
    const char *program;     /* NULL: the one of this build */
    const char *disk_faults; /* NULL: likewise */
    const char *faketime;    /* NULL: where the system has it */
    const char *store;
};

/* What there is to choose from, each up to a NULL. */
struct chaos_catalogue {
    const struct workload *const *workloads;
    const struct nemesis *const *nemeses;
};

bool chaos_options_parse(struct chaos_options *options, int argc, char **argv,
                         const struct chaos_catalogue *catalogue, struct error *error);
void chaos_options_help(struct buffer *out);
/* Workloads and nemeses, each with its line. */
void chaos_options_list(struct buffer *out, const struct chaos_catalogue *catalogue);
/* The options of one run as words that make the same run again: "--workload orders --seed 7 ...".
 */
void chaos_options_write(struct buffer *out, const struct chaos_options *options,
                         const struct workload *workload, uint64_t seed);
/* "orders-all", "orders-none", "orders-kill-one+pause-one": the directory of such runs. */
void chaos_options_name(struct buffer *out, const struct chaos_options *options,
                        const struct workload *workload);

/* 90, 90s, 2m, 1h, 1h30m, 500ms: milliseconds from `min` to `max`. */
bool chaos_parse_duration(const char *text, int64_t min_ms, int64_t max_ms, int64_t *out_ms,
                          struct error *error);

#endif
