/*
 * main.c - runs simulated clusters, one for each seed:
 *
 *   sim [--seed S] [--seeds N] [--ticks T] [--nodes K] [--trace] [--twice] [--print-digest]
 *       [--complete] [--climate NAME] [--without CHECK] [--plant BUG]
 *
 * runs seeds S to S + N - 1, about T events each; without --seed, fresh ones: from a seed that the
 * system's random source gives, and that is printed. --nodes fixes the size of all clusters;
 * --twice runs each seed a second time and compares; --complete fails if over all seeds some fault
 * never occurred, or recovery took long, or what the climate is for never came to pass (stats.h);
 * --climate bends the runs (plan.h); --without takes a check away, to see what else notices (it may
 * leave the others confused); --plant chooses a bug (base/planted.h), which only sim-planted can. A
 * seed that fails is printed with its check, what happened last, and the command that runs it
 * again. Exits with 1 if one has failed, with 2 for wrong arguments.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/limits.h"
#include "base/planted.h"
#include "cluster.h"
#include "last_words.h"

#define DEFAULT_EVENTS 20000

struct arguments {
    bool has_seed;
    struct cluster_options cluster;
    uint64_t seeds;
    bool twice;
    bool print_digest;
    bool complete;
    const char *climate; /* NULL: as it comes */
    const char *bug;     /* NULL: none */
};

static int usage(const char *program)
{
    fprintf(stderr,
            "usage: %s [--seed S] [--seeds N] [--ticks EVENTS] [--nodes K] [--trace] [--twice]\n"
            "           [--print-digest] [--complete] [--climate NAME] [--without CHECK]\n"
            "           [--plant BUG]\n",
            program);
    return 2;
}

static bool parse_number(const char *text, uint64_t *number)
{
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
}

static bool parse_check(const char *name, uint64_t *set)
{
    for (int check = 0; check < CHECK_COUNT; check++) {
        if (strcmp(check_name((enum check)check), name) == 0) {
            *set |= UINT64_C(1) << check;
            return true;
        }
    }
    return false;
}

static bool parse_arguments(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},    {"seeds", required_argument, NULL, 'n'},
        {"ticks", required_argument, NULL, 't'},   {"nodes", required_argument, NULL, 'm'},
        {"trace", no_argument, NULL, 'r'},         {"twice", no_argument, NULL, '2'},
        {"print-digest", no_argument, NULL, 'd'},  {"complete", no_argument, NULL, 'c'},
        {"climate", required_argument, NULL, 'w'}, {"without", required_argument, NULL, 'x'},
        {"plant", required_argument, NULL, 'p'},   {NULL, 0, NULL, 0},
    };
    uint64_t nodes = 0;
    bool valid = true;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 's':
            valid = valid && parse_number(optarg, &arguments->cluster.seed);
            arguments->has_seed = true;
            break;
        case 'n':
            valid = valid && parse_number(optarg, &arguments->seeds);
            break;
        case 't':
            valid = valid && parse_number(optarg, &arguments->cluster.events);
            break;
        case 'm':
            valid = valid && parse_number(optarg, &nodes) && nodes >= 1 && nodes <= LIMIT_NODES;
            break;
        case 'r':
            arguments->cluster.trace = stdout;
            break;
        case '2':
            arguments->twice = true;
            break;
        case 'd':
            arguments->print_digest = true;
            break;
        case 'c':
            arguments->complete = true;
            break;
        case 'w':
            arguments->climate = optarg;
            arguments->cluster.climate = plan_climate(optarg);
            valid = valid && arguments->cluster.climate != CLIMATE_COUNT;
            break;
        case 'x':
            valid = valid && parse_check(optarg, &arguments->cluster.deaf);
            break;
        case 'p':
            arguments->bug = optarg;
            valid = valid && planted_choose(optarg);
            break;
        default:
            valid = false;
        }
    }
    arguments->cluster.node_count = (size_t)nodes;
    return valid && arguments->seeds > 0 && optind == argc;
}

/* What runs the seed again: into the text, whose room is enough for all options. */
static void say_replay(char *text, size_t size, const char *program,
                       const struct arguments *arguments, const struct cluster_options *options)
{
    size_t len = 0;
#define SAY(...)                                                                                   \
    len = len < size ? len + (size_t)snprintf(text + len, size - len, __VA_ARGS__) : len
    SAY("  replay: %s --seed %" PRIu64 " --ticks %" PRIu64, program, options->seed,
        options->events);
    if (options->node_count != 0) {
        SAY(" --nodes %zu", options->node_count);
    }
    if (arguments->climate != NULL) {
        SAY(" --climate %s", arguments->climate);
    }
    for (int check = 0; check < CHECK_COUNT; check++) {
        if ((options->deaf >> check & 1) != 0) {
            SAY(" --without %s", check_name((enum check)check));
        }
    }
    if (arguments->bug != NULL) {
        SAY(" --plant %s", arguments->bug);
    }
    SAY(" --trace\n");
#undef SAY
}

static bool run_seed(const char *program, const struct arguments *arguments,
                     const struct cluster_options *options, struct cluster_result *result)
{
    char replay[512];
    say_replay(replay, sizeof replay, program, arguments, options);
    last_words_begin(options->seed, options->events * (arguments->twice ? 2 : 1), replay,
                     options->trace != NULL);
    cluster_run(options, result, stdout);
    if (result->failed) {
        printf("seed %" PRIu64 " FAILED (%zu nodes, event %" PRIu64 "): %s: %s\n", options->seed,
               result->node_count, result->event_count, check_name(result->failed_check),
               result->failure.text);
        fputs(replay, stdout);
        return false;
    }
    if (arguments->twice) {
        struct cluster_result again;
        cluster_run(options, &again, stdout);
        if (again.digest != result->digest || again.event_count != result->event_count) {
            printf("seed %" PRIu64 " FAILED: it ran differently the second time\n", options->seed);
            fputs(replay, stdout);
            return false;
        }
    }
    if (arguments->print_digest) {
        printf("seed %" PRIu64 ": %zu nodes, %" PRIu64 " events, %" PRIu64 " ms, term %" PRIu64
               ", recovered in %" PRIu64 " ms, slowest quiet answer %" PRIu64
               " us, digest %016" PRIx64 "\n",
               options->seed, result->node_count, result->event_count, result->simulated_ms,
               result->term, result->recovered_ms, result->slowest_ack_us, result->digest);
    }
    return true;
}

static double processor_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

/* Short enough to be typed; far from any fixed list. */
static bool draw_fresh_seed(uint64_t *seed)
{
    uint32_t drawn;
    if (getrandom(&drawn, sizeof drawn, 0) != sizeof drawn) {
        fprintf(stderr, "the system gives no random bytes: name a --seed\n");
        return false;
    }
    *seed = UINT64_C(1000000000) + drawn;
    printf("fresh seeds from %" PRIu64 "\n", *seed);
    return true;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.cluster = {.events = DEFAULT_EVENTS}, .seeds = 1};
    struct stats stats = {0};
    uint64_t failures = 0;
    uint64_t events = 0;
    if (!parse_arguments(argc, argv, &arguments)) {
        return usage(argv[0]);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    last_words_prepare();
    if (!arguments.has_seed && !draw_fresh_seed(&arguments.cluster.seed)) {
        return 2;
    }
    double begin = processor_seconds();
    for (uint64_t i = 0; i < arguments.seeds; i++) {
        struct cluster_options options = arguments.cluster;
        struct cluster_result result;
        options.seed += i;
        failures += !run_seed(argv[0], &arguments, &options, &result);
        last_words_end();
        events += result.event_count;
        stats_add(&stats, &result.stats);
    }
    double seconds = processor_seconds() - begin;
    stats_print(&stats);
    printf("%" PRIu64 " seeds from %" PRIu64 ", %" PRIu64
           " events, %.0f a minute of processor time, "
           "%" PRIu64 " failed\n",
           arguments.seeds, arguments.cluster.seed, events,
           (double)events * (arguments.twice ? 2 : 1) * 60 / (seconds > 0 ? seconds : 1), failures);
    bool complete = !arguments.complete || stats_are_complete(&stats, arguments.climate);
    return failures == 0 && complete ? 0 : 1;
}
