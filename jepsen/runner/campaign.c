/*
 * campaign.c - happy path: a child for each run, its result in shared memory, a sum at the end.
 *
 * Interrupts reach the run through its own handlers, and end the campaign behind it. A run that
 * dies of a signal is a RUN_FAILED.
 */
#include "campaign.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "directory.h"
#include "schedule.h"

struct sum {
    uint32_t runs;
    uint32_t turns[CHAOS_CHOSEN_MOST]; /* as in struct run_result */
    uint64_t operations;
    uint64_t answered;
    uint64_t unknown;
    uint64_t faults;
    int64_t longest_ms;
};

struct kept {
    char *directories[CAMPAIGN_KEPT];
    uint32_t count;
};

static volatile sig_atomic_t interrupted;
static volatile sig_atomic_t running; /* the child */

/* Passed on: a terminal reaches the child as well, which takes both for one (interrupt.h). */
static void on_signal(int number)
{
    int saved = errno;
    interrupted = 1;
    if (running > 0) {
        kill(running, number);
    }
    errno = saved;
}

/* Signals wait while the child is made, so that none is lost between. */
static enum run_status run_child(const struct run_options *options, struct run_result *result)
{
    sigset_t ends;
    sigset_t before;
    int status;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, &before);
    fflush(NULL);
    pid_t parent = getpid();
    pid_t child = fork();
    if (child == 0) {
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* and the sandbox goes with it */
        if (getppid() != parent) {
            _exit((int)RUN_FAILED);
        }
        sigprocmask(SIG_SETMASK, &before, NULL);
        exit((int)run_execute(options, result));
    }
    running = child;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (child < 0) {
        fprintf(stderr, "chaos: no process for a run: %s\n", strerror(errno));
        return RUN_FAILED;
    }
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            fprintf(stderr, "chaos: the run can't be waited for: %s\n", strerror(errno));
            return RUN_FAILED;
        }
    }
    running = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) > (int)RUN_UNKNOWN) {
        fprintf(stderr, "chaos: the run ended by signal %d\n",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status) - 128);
        return RUN_FAILED;
    }
    return (enum run_status)WEXITSTATUS(status);
}

/* Of valid runs the newest stay. */
static void keep(struct kept *kept, const char *directory)
{
    struct error error;
    if (kept->count == CAMPAIGN_KEPT) {
        if (!directory_remove(kept->directories[0], &error)) {
            fprintf(stderr, "chaos: %s\n", error.text);
        }
        free(kept->directories[0]);
        kept->count--;
        memmove(kept->directories, kept->directories + 1, kept->count * sizeof *kept->directories);
    }
    kept->directories[kept->count++] = memory_strdup(directory);
}

static void add(struct sum *sum, const struct run_result *result)
{
    sum->runs++;
    sum->operations += result->operations;
    sum->answered += result->answered;
    sum->unknown += result->unknown;
    sum->faults += result->faults;
    if (result->longest_ms > sum->longest_ms) {
        sum->longest_ms = result->longest_ms;
    }
    for (uint32_t i = 0; i < CHAOS_CHOSEN_MOST; i++) {
        sum->turns[i] += result->turns[i];
    }
}

/* How many nemeses have had a turn, of all that were chosen. */
static void print_met(const struct sum *sum, const struct chaos_options *options)
{
    uint32_t met = 0;
    const char *before = "; not: ";
    for (uint32_t i = 0; i < options->nemesis_count; i++) {
        met += sum->turns[i] > 0;
    }
    printf("nemeses: %u of %u", met, options->nemesis_count);
    for (uint32_t i = 0; i < options->nemesis_count; i++) {
        if (sum->turns[i] == 0) {
            printf("%s%s", before, options->nemeses[i]->name);
            before = ", ";
        }
    }
    printf("\n");
}

static void print_sum(const struct sum *sum, const struct chaos_options *options, int64_t took_ms,
                      enum run_status status)
{
    static const char *const words[] = {"all valid", "the last one invalid",
                                        "the last one could not run", "the last one unknown"};
    printf("\n%u runs in %" PRId64 " s: %" PRIu64 " operations, %" PRIu64 " answered, %" PRIu64
           " of unknown outcome, %" PRIu64 " faults, longest recovery %" PRId64 " ms; %s\n",
           sum->runs, took_ms / 1000, sum->operations, sum->answered, sum->unknown, sum->faults,
           sum->longest_ms, words[status]);
    if (options->nemesis_count > 0) {
        print_met(sum, options);
    }
}

static bool fresh_seed(uint64_t *seed)
{
    uint32_t random; /* short, for people who type it */
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) {
        fprintf(stderr, "chaos: no seed can be drawn: %s\n", strerror(errno));
        return false;
    }
    *seed = random;
    return true;
}

/* Run `number` of the campaign. */
static enum run_status run_one(const struct chaos_options *options, uint32_t number,
                               struct run_result *result, struct kept *kept)
{
    struct run_options run = {
        .chaos = options,
        .workload = options->workloads[number % options->workload_count],
        .seed = options->seed + number,
    };
    *result = (struct run_result){.operations = 0}; /* also for a run that dies */
    enum run_status status = run_child(&run, result);
    if (status == RUN_VALID && options->soak_ms > 0) {
        keep(kept, result->directory);
    }
    return status;
}

enum run_status campaign_execute(const struct chaos_options *given)
{
    struct chaos_options options = *given;
    struct sum sum = {0};
    struct kept kept = {.count = 0};
    struct sigaction action = {.sa_handler = on_signal};
    int64_t began_ms = clock_now_ms();
    enum run_status status = RUN_VALID;
    struct run_result *result =
        mmap(NULL, sizeof *result, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!options.seed_given && !fresh_seed(&options.seed)) {
        return RUN_FAILED;
    }
    if (result == MAP_FAILED || sigaction(SIGINT, &action, NULL) != 0 ||
        sigaction(SIGTERM, &action, NULL) != 0) {
        fprintf(stderr, "chaos: %s\n", strerror(errno));
        return RUN_FAILED;
    }
    bool more = true;
    for (uint32_t number = 0; more; number++) {
        status = run_one(&options, number, result, &kept);
        add(&sum, result);
        options.first_count =
            schedule_owed(options.nemeses, sum.turns, options.nemesis_count, options.first);
        more = status == RUN_VALID && interrupted == 0 &&
               (options.soak_ms > 0 ? clock_now_ms() - began_ms < options.soak_ms
                                    : number + 1 < options.workload_count);
    }
    if (options.soak_ms > 0 || options.workload_count > 1) {
        print_sum(&sum, &options, clock_now_ms() - began_ms, status);
    }
    for (uint32_t i = 0; i < kept.count; i++) {
        free(kept.directories[i]);
    }
    munmap(result, sizeof *result);
    return status;
}
