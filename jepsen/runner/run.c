/*
 * run.c - one run. Happy path: directory, sandbox, test.edn, recorder, stage, healthy, begin,
 * load and storm, healed and healthy, end, digests, all nodes down, their disks kept, analysis,
 * summary.
 *
 * Fails: what the testbed can't do (no root, no device, a node that can't be started): RUN_FAILED,
 * with words, but what was recorded is analysed all the same, and an invalid history counts for
 * more. A cluster that is not healthy again in time is no failure of the testbed: it is in the
 * history, and invalid.
 */
#include "run.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "directory.h"
#include "faults.h"
#include "interrupt.h"
#include "programs.h"
#include "provenance.h"
#include "sandbox.h"
#include "stage.h"
#include "store.h"
#include "storm.h"
#include "summary.h"

#define HEALTHY_LIMIT_MS  90000 /* behind a fault; installing a state takes its time */
#define DIGEST_TIMEOUT_MS 30000
#define DIGEST_PROCESSES  1000000000u /* far from those of the load's clients */
#define DIGEST_TRIES      5
#define LOOK_MS           20

struct run {
    const struct run_options *options;
    struct run_result *result;
    struct chaos_options chaos; /* without what this machine can't do */
    struct programs programs;
    struct recorder *recorder;
    struct stage stage;
    struct schedule schedule;
    struct storm storm;
    atomic_uint processes;
    struct check_options check;
    struct buffer name;
    struct error error; /* the first one */
    bool failed;
};

static bool fail(struct run *run, const struct error *error)
{
    if (!run->failed) {
        run->failed = true;
        run->error = *error;
    }
    return false;
}

/* ---- before ---- */

static bool write_test(struct run *run, struct error *error)
{
    const struct chaos_options *chaos = &run->chaos;
    struct provenance provenance;
    struct buffer again = {0};
    struct buffer faults = {0};
    char seed[32];
    provenance_find(&provenance, run->programs.node, chaos->planted);
    chaos_options_write(&again, run->options->chaos, run->options->workload, run->options->seed);
    buffer_append(&again, "", 1);
    for (uint32_t i = 0; i < chaos->nemesis_count; i++) {
        buffer_printf(&faults, "%s%s", i > 0 ? "," : "", chaos->nemeses[i]->name);
    }
    buffer_append(&faults, "", 1);
    snprintf(seed, sizeof seed, "%" PRIu64, run->options->seed); /* may be above what EDN reads */
    const struct store_note notes[] = {
        {"name", (const char *)run->name.data, 0},
        {"command", (const char *)again.data, 0},
        {"workload", run->options->workload->name, 0},
        {"nemeses", (const char *)faults.data, 0},
        {"seed", seed, 0},
        {"nodes", NULL, chaos->node_count},
        {"clients", NULL, chaos->client_count},
        {"rate", NULL, chaos->rate},
        {"time-ms", NULL, chaos->time_ms},
        {"planted", chaos->planted != NULL ? chaos->planted : "", 0},
        {"program", run->programs.node, 0},
        {"program-version", provenance.version, 0},
        {"program-sha256", provenance.sha256, 0},
        {"disk-faults", run->programs.disk_faults, 0},
        {"faketime", run->programs.faketime, 0},
        {"commit", provenance.commit, 0},
        {"kernel", provenance.kernel, 0},
        {"cpus", NULL, sysconf(_SC_NPROCESSORS_ONLN)},
    };
    bool fine = store_write_test(run->result->directory, notes, sizeof notes / sizeof *notes,
                                 &run->check, error);
    buffer_free(&again);
    buffer_free(&faults);
    return fine;
}

/* A run that did a fifth of what it was told to is worth its name, and one that was to have faults
 * and had none is not; the search has a minute. */
static void choose_measure(struct run *run)
{
    run->check = check_options_default();
    run->check.least_operations = (uint64_t)(run->chaos.time_ms / 1000) * run->chaos.rate / 5 + 100;
    run->check.least_faults = run->chaos.nemesis_count > 0;
    if (run->options->workload->judge != NULL) {
        run->options->workload->judge(&run->check);
    }
}

static bool prepare(struct run *run, struct error *error)
{
    run->chaos = *run->options->chaos;
    run->chaos.seed = run->options->seed;
    chaos_options_name(&run->name, run->options->chaos, run->options->workload);
    buffer_append(&run->name, "", 1);
    if (!programs_find(&run->programs, &run->chaos, error) ||
        !programs_check_nemeses(&run->chaos, &run->programs, error) ||
        !directory_make(run->chaos.store, (const char *)run->name.data, run->result->directory,
                        error)) {
        return false;
    }
    choose_measure(run);
    return write_test(run, error);
}

static bool open_recorder(struct run *run, struct error *error)
{
    struct buffer path = {0};
    buffer_printf(&path, "%s/history.edn%c", run->result->directory, '\0');
    run->recorder = recorder_open((const char *)path.data, error);
    buffer_free(&path);
    return run->recorder != NULL;
}

/* NULL: not preloaded; only for faults that need it, for a preloaded node is another program. */
static const char *wanted(const struct run *run, bool clock)
{
    const char *library = clock ? run->programs.faketime : run->programs.disk_faults;
    for (uint32_t i = 0; i < run->chaos.nemesis_count; i++) {
        const struct nemesis *nemesis = run->chaos.nemeses[i];
        if (clock ? nemesis->needs_clock_faults : nemesis->needs_disk_faults) {
            return library;
        }
    }
    return NULL;
}

static bool open_stage(struct run *run, struct error *error)
{
    struct stage_options options = {
        .chaos = &run->chaos,
        .workload = run->options->workload,
        .recorder = run->recorder,
        .directory = run->result->directory,
        .program = run->programs.node,
        .disk_faults = wanted(run, false),
        .faketime = wanted(run, true),
        .seed = run->options->seed,
    };
    if (!stage_open(&run->stage, &options, error)) {
        return false;
    }
    run->storm = (struct storm){
        .ground = {.network = run->stage.network,
                   .nodes = run->stage.nodes,
                   .first_client_host = run->stage.first_client_host,
                   .client_host_count = run->stage.client_host_count},
        .recorder = run->recorder,
        .digests = {.recorder = run->recorder,
                    .network = run->stage.network,
                    .nodes = run->stage.nodes,
                    .processes = &run->processes,
                    .host = run->stage.first_client_host,
                    .timeout_ms = DIGEST_TIMEOUT_MS},
        .healthy_limit_ms = HEALTHY_LIMIT_MS,
    };
    return true;
}

/* ---- the run ---- */

/* All nodes' states at one index: a node may have been faster than the question once. A run whose
 * nodes were not compared in the end is none. */
static bool read_digests(struct run *run, struct error *error)
{
    uint32_t told = 0;
    for (uint32_t i = 0; i < DIGEST_TRIES && told < run->chaos.node_count; i++) {
        if (!digests_read(&run->storm.digests, &told, error)) {
            return false;
        }
    }
    return told >= run->chaos.node_count ||
           error_set(error, "only %u of %u nodes have told the digest of their state at one index",
                     told, run->chaos.node_count);
}

/* All faults are stopped. Clients go on until all is well, and each has been at it twice since: so
 * the last storm is judged by its recovery as all others are. */
static enum storm_end heal(struct run *run, struct error *error)
{
    enum storm_end end = storm_wait_healthy(&run->storm, true, error);
    uint64_t enough = load_operations(run->stage.load) + 2 * (uint64_t)run->chaos.client_count;
    int64_t until_ms = clock_now_ms() + run->check.recovery_limit_ms;
    while (end == STORM_OVER && load_operations(run->stage.load) < enough &&
           clock_now_ms() < until_ms) {
        (void)poll(NULL, 0, LOOK_MS);
    }
    return end;
}

/* Healed and healthy: read everything. */
static bool finish(struct run *run, struct error *error)
{
    return load_end(run->stage.load, error) && read_digests(run, error) &&
           storm_end_nodes(&run->storm, error);
}

static bool work(struct run *run, struct error *error)
{
    struct error stop_error;
    if (storm_wait_healthy(&run->storm, true, error) != STORM_OVER) {
        return error_wrap(error, "the new cluster does not get healthy");
    }
    if (!load_begin(run->stage.load, error) || !load_start(run->stage.load, error)) {
        return false;
    }
    enum storm_end end = storm_run(&run->storm, &run->schedule, run->chaos.time_ms, error);
    run->result->interrupted = interrupt_came();
    if (end == STORM_OVER || end == STORM_INTERRUPTED) {
        end = heal(run, error);
    }
    if (!load_stop(run->stage.load, &stop_error) && end != STORM_BROKEN) {
        *error = stop_error;
        end = STORM_BROKEN;
    }
    /* Not healthy: it is in the history, and there is nothing to be read. */
    return end == STORM_NOT_HEALTHY || (end == STORM_OVER && finish(run, error));
}

static void announce(const struct run *run)
{
    printf("%s: seed %" PRIu64 ", %u nodes, %u clients, %" PRId64 " s, %u nemeses\n%s\n",
           (const char *)run->name.data, run->options->seed, run->chaos.node_count,
           run->chaos.client_count, run->chaos.time_ms / 1000, run->chaos.nemesis_count,
           run->result->directory);
    fflush(stdout);
}

/* Until all nodes are down and the history is closed. */
static void make_history(struct run *run)
{
    struct error error;
    bool fine = open_recorder(run, &error) && open_stage(run, &error);
    if (fine) {
        const struct schedule_choice choice = {run->chaos.nemeses, run->chaos.nemesis_count,
                                               run->chaos.first, run->chaos.first_count};
        schedule_make(&run->schedule, &choice, run->options->seed, run->chaos.time_ms);
        fine = work(run, &error);
    }
    if (!fine) {
        fail(run, &error);
    }
    if (run->stage.nodes != NULL && !stage_end_nodes(&run->stage, &error)) {
        fail(run, &error);
    }
}

/* ---- after ---- */

/* By their places in the options, not in what this machine can do of them. */
static void note_turns(struct run *run, const struct history *history)
{
    const struct chaos_options *chaos = run->options->chaos;
    uint32_t count;
    struct fault_window *windows = fault_windows(history, &count);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < chaos->nemesis_count; k++) {
            run->result->turns[k] +=
                bytes_equal(windows[i].name, bytes_of_string(chaos->nemeses[k]->name));
        }
    }
    free(windows);
}

static void note_result(struct run *run, const struct history *history,
                        const struct analysis *analysis)
{
    struct run_result *result = run->result;
    note_turns(run, history);
    for (uint32_t i = 0; i < analysis->count; i++) {
        const struct check *check = &analysis->checks[i];
        if (strcmp(check->name, "enough") == 0) {
            result->operations = (uint64_t)check_fact(check, "operations");
            result->answered = (uint64_t)(check_fact(check, "ok") + check_fact(check, "refused"));
            result->unknown = (uint64_t)check_fact(check, "unknown");
        } else if (strcmp(check->name, "recovery") == 0) {
            result->faults = (uint32_t)check_fact(check, "faults");
            result->longest_ms = check_fact(check, "longest-ms");
        }
    }
}

static enum run_status status_of(enum check_verdict verdict)
{
    return verdict == CHECK_INVALID ? RUN_INVALID
           : verdict == CHECK_VALID ? RUN_VALID
                                    : RUN_UNKNOWN;
}

static enum run_status analyse(struct run *run)
{
    struct error error;
    struct analysis analysis;
    struct buffer path = {0};
    enum run_status status = RUN_FAILED;
    buffer_printf(&path, "%s/history.edn%c", run->result->directory, '\0');
    struct history *history = history_load((const char *)path.data, &error);
    buffer_free(&path);
    if (history == NULL) {
        fail(run, &error);
        return status;
    }
    printf("analysing %u events\n", history->events);
    fflush(stdout);
    analysis_run(&analysis, history, run->result->directory, &run->check);
    note_result(run, history, &analysis);
    if (!store_write_results(run->result->directory, (const char *)run->name.data, history,
                             &analysis, &error)) {
        fail(run, &error);
    }
    summary_print(run->options, run->result, history, &analysis);
    status = status_of(analysis.verdict);
    analysis_free(&analysis);
    history_free(history);
    return run->failed && status != RUN_INVALID ? RUN_FAILED : status;
}

static enum run_status run_inside(struct run *run)
{
    struct error error;
    enum run_status status = RUN_FAILED;
    if (!interrupt_watch(&error)) {
        fail(run, &error);
    } else {
        make_history(run);
        if (run->recorder != NULL && !recorder_close(run->recorder, &error)) {
            fail(run, &error);
        }
        /* Whatever becomes of the analysis: the disks are there to be looked at. */
        stage_close(&run->stage);
        if (run->recorder != NULL) {
            status = analyse(run);
        }
        if (status == RUN_VALID && !stage_remove_disks(run->result->directory, &error)) {
            fail(run, &error);
        }
    }
    schedule_free(&run->schedule);
    return status;
}

enum run_status run_execute(const struct run_options *options, struct run_result *result)
{
    struct run *run = memory_zalloc(sizeof *run);
    struct error error;
    enum run_status status = RUN_FAILED;
    *result = (struct run_result){.operations = 0};
    run->options = options;
    run->result = result;
    atomic_init(&run->processes, DIGEST_PROCESSES);
    if (!prepare(run, &error)) {
        fail(run, &error);
    } else {
        announce(run);
        if (!sandbox_enter(&error)) {
            fail(run, &error);
        } else {
            status = run_inside(run);
        }
    }
    if (run->failed) {
        fflush(stdout);
        fprintf(stderr, "chaos: %s\n", run->error.text);
    }
    buffer_free(&run->name);
    free(run);
    return status;
}
