/*
 * against.c - runs a workload against a cluster that is there, and has the history analysed.
 *
 *   against --endpoints HOST:PORT,... --workload NAME --store DIR [--time SECONDS] [--clients N]
 *           [--rate OPERATIONS_A_SECOND] [--stocks N] [--timeout MS] [--seed N] [--resends]
 *
 * It does the cluster no harm: whoever wants to see the ledger under faults makes them meanwhile,
 * by hand, and heals them before the time is up. The stocks and orders are new ones; their names
 * carry the seed. DIR must not be there, or be empty. A signal (INT, TERM) ends the time at once.
 *
 * Exit 0 valid, 1 invalid, 2 it could not be run, 3 unknown.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "clock.h"
#include "load.h"
#include "report.h"

struct arguments {
    const char *endpoints;
    const char *workload;
    const char *store;
    uint64_t time_s;
    uint64_t clients;
    uint64_t rate;
    uint64_t stocks;
    uint64_t timeout_ms;
    uint64_t seed;
    bool resends;
};

static int usage(void)
{
    fprintf(stderr, "usage: against --endpoints HOST:PORT,... --workload NAME --store DIR\n"
                    "               [--time SECONDS] [--clients N] [--rate OPERATIONS_A_SECOND]\n"
                    "               [--stocks N] [--timeout MS] [--seed N] [--resends]\n"
                    "workloads:\n");
    for (const struct workload *const *each = workloads; *each != NULL; each++) {
        fprintf(stderr, "  %-12s %s\n", (*each)->name, (*each)->help);
    }
    return REPORT_UNREADABLE;
}

static bool read_number(const char *name, const char *text, uint64_t most, uint64_t *number)
{
    char *end;
    errno = 0;
    unsigned long long read = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || read > most) {
        fprintf(stderr, "against: --%s %s: a number up to %" PRIu64 " is wanted\n", name, text,
                most);
        return false;
    }
    *number = read;
    return true;
}

static bool read_arguments(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {
        {"endpoints", required_argument, NULL, 'e'},
        {"workload", required_argument, NULL, 'w'},
        {"store", required_argument, NULL, 'd'},
        {"time", required_argument, NULL, 't'},
        {"clients", required_argument, NULL, 'c'},
        {"rate", required_argument, NULL, 'r'},
        {"stocks", required_argument, NULL, 'k'},
        {"timeout", required_argument, NULL, 'm'},
        {"seed", required_argument, NULL, 's'},
        {"resends", no_argument, NULL, 'R'},
        {NULL, 0, NULL, 0},
    };
    bool fine = true;
    int at = 0;
    for (int c; fine && (c = getopt_long(argc, argv, "", options, &at)) != -1;) {
        const char *name = options[at].name;
        switch (c) {
        case 'e':
            arguments->endpoints = optarg;
            break;
        case 'w':
            arguments->workload = optarg;
            break;
        case 'd':
            arguments->store = optarg;
            break;
        case 't':
            fine = read_number(name, optarg, 86400, &arguments->time_s);
            break;
        case 'c':
            fine = read_number(name, optarg, LOAD_CLIENTS, &arguments->clients);
            break;
        case 'r':
            fine = read_number(name, optarg, 1000000, &arguments->rate);
            break;
        case 'k':
            fine = read_number(name, optarg, WORKLOAD_STOCKS, &arguments->stocks);
            break;
        case 'm':
            fine = read_number(name, optarg, 600000, &arguments->timeout_ms);
            break;
        case 's':
            fine = read_number(name, optarg, UINT32_MAX, &arguments->seed);
            break;
        case 'R':
            arguments->resends = true;
            break;
        default:
            fine = false;
            break;
        }
    }
    return fine && optind == argc && arguments->endpoints != NULL && arguments->workload != NULL &&
           arguments->store != NULL;
}

/* ---- the run ---- */

static const char *endpoints_of(void *context, uint32_t client_number)
{
    const struct arguments *arguments = context;
    (void)client_number;
    return arguments->endpoints;
}

/* INT and TERM are blocked in all threads, and waited for here. */
static void wait_for_the_end(uint64_t time_s)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    int64_t until_ns = clock_now_ns() + (int64_t)time_s * 1000000000;
    for (;;) {
        int64_t left_ns = until_ns - clock_now_ns();
        if (left_ns <= 0) {
            return;
        }
        struct timespec left = {left_ns / 1000000000, left_ns % 1000000000};
        if (sigtimedwait(&ends, NULL, &left) > 0) {
            return;
        }
    }
}

static void block_signals(void)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
}

static bool write_test(const struct arguments *arguments, const struct workload *workload,
                       struct error *error)
{
    const struct store_note notes[] = {
        {"name", workload->name, 0},
        {"workload", workload->name, 0},
        {"endpoints", arguments->endpoints, 0},
        {"seed", NULL, (int64_t)arguments->seed},
        {"time-s", NULL, (int64_t)arguments->time_s},
        {"clients", NULL, (int64_t)arguments->clients},
        {"rate", NULL, (int64_t)arguments->rate},
        {"timeout-ms", NULL, (int64_t)arguments->timeout_ms},
        {"resends", NULL, arguments->resends},
    };
    struct check_options options = check_options_default();
    if (workload->judge != NULL) {
        workload->judge(&options);
    }
    return store_write_test(arguments->store, notes, sizeof notes / sizeof *notes, &options, error);
}

/* From begin to end. */
static bool run_load(struct load *load, uint64_t time_s, struct error *error)
{
    if (!load_begin(load, error)) {
        return error_wrap(error, "begin");
    }
    if (!load_start(load, error)) {
        return false;
    }
    wait_for_the_end(time_s);
    bool stopped = load_stop(load, error);
    fprintf(stderr, "%" PRIu64 " operations; reading everything\n", load_operations(load));
    return stopped && (load_end(load, error) || error_wrap(error, "end"));
}

static bool run(struct arguments *arguments, const struct workload *workload, struct error *error)
{
    if (mkdir(arguments->store, 0755) != 0 && errno != EEXIST) {
        return error_set(error, "%s: can't be made: %s", arguments->store, strerror(errno));
    }
    struct buffer path = {0};
    buffer_printf(&path, "%s/history.edn%c", arguments->store, '\0');
    struct recorder *recorder = recorder_open((const char *)path.data, error);
    buffer_free(&path);
    if (recorder == NULL) {
        return false;
    }
    struct load_options options = {
        .workload = workload,
        .recorder = recorder,
        .endpoints = endpoints_of,
        .context = arguments,
        .client_count = (uint32_t)arguments->clients,
        .stock_count = (uint32_t)arguments->stocks,
        .rate = (uint32_t)arguments->rate,
        .timeout_ms = (uint32_t)arguments->timeout_ms,
        .resends = arguments->resends,
        .seed = arguments->seed,
    };
    struct load *load = load_open(&options, error);
    bool fine = load != NULL && write_test(arguments, workload, error) &&
                run_load(load, arguments->time_s, error);
    load_close(load);
    struct error close_error;
    if (!recorder_close(recorder, &close_error) && fine) {
        *error = close_error;
        fine = false;
    }
    return fine;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.time_s = 10, .clients = 8, .timeout_ms = 5000};
    uint32_t seed;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        perror("against: getrandom");
        return REPORT_UNREADABLE;
    }
    arguments.seed = seed;
    if (!read_arguments(argc, argv, &arguments)) {
        return usage();
    }
    const struct workload *workload = workload_find(arguments.workload);
    if (workload == NULL) {
        fprintf(stderr, "against: no workload is called %s\n", arguments.workload);
        return usage();
    }
    block_signals();
    struct error error;
    bool fine = run(&arguments, workload, &error);
    if (!fine) {
        fprintf(stderr, "against: %s\n", error.text);
        return REPORT_UNREADABLE;
    }
    enum report_status status = report_run(arguments.store, false, &error);
    if (status == REPORT_UNREADABLE) {
        fprintf(stderr, "against: %s\n", error.text);
    }
    return (int)status;
}
