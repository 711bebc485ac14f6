/*
 * main.c - runs the simulation over seeds.
 *
 *   sim --seed S [--seeds N] [--ticks MS] [--nodes N] [--twice] [--trace] [--verbose]
 *
 * Exit code 0: all seeds passed. A seed that fails prints why and the command that replays it, byte
 * for byte. --twice runs each seed twice and compares what happened.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "cluster.h"

struct arguments {
    struct cluster_options cluster;
    uint64_t seeds;
    bool twice;
    bool verbose;
};

static int usage(const char *program)
{
    fprintf(stderr,
            "usage: %s --seed S [--seeds N] [--ticks MS] [--nodes N] [--twice] [--trace] "
            "[--verbose]\n",
            program);
    return 2;
}

static bool parse_number(const char *text, uint64_t *value)
{
    char *end = NULL;
    *value = strtoull(text, &end, 0);
    return *text != '\0' && *end == '\0';
}

static bool parse_arguments(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},  {"seeds", required_argument, NULL, 'n'},
        {"ticks", required_argument, NULL, 't'}, {"nodes", required_argument, NULL, 'm'},
        {"twice", no_argument, NULL, '2'},       {"trace", no_argument, NULL, 'r'},
        {"verbose", no_argument, NULL, 'v'},     {NULL, 0, NULL, 0},
    };
    uint64_t nodes = 0;
    bool valid = true;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 's':
            valid = valid && parse_number(optarg, &arguments->cluster.seed);
            break;
        case 'n':
            valid = valid && parse_number(optarg, &arguments->seeds);
            break;
        case 't':
            valid = valid && parse_number(optarg, &arguments->cluster.ticks_ms);
            break;
        case 'm':
            valid = valid && parse_number(optarg, &nodes) && nodes >= 1 && nodes <= LIMIT_NODES;
            break;
        case '2':
            arguments->twice = true;
            break;
        case 'r':
            arguments->cluster.trace = true;
            break;
        case 'v':
            arguments->verbose = true;
            break;
        default:
            valid = false;
        }
    }
    arguments->cluster.node_count = (size_t)nodes;
    return valid && optind == argc;
}

static void print_replay(const char *program, const struct cluster_options *options)
{
    printf("  replay: %s --seed %" PRIu64 " --ticks %" PRIu64, program, options->seed,
           options->ticks_ms);
    if (options->node_count != 0) {
        printf(" --nodes %zu", options->node_count);
    }
    printf(" --trace\n");
}

static bool run_seed(const char *program, const struct arguments *arguments,
                     const struct cluster_options *options, struct cluster_result *result)
{
    cluster_run(options, result);
    if (result->failed) {
        printf("seed %" PRIu64 " FAILED (%zu nodes): %s\n", options->seed, result->node_count,
               result->failure.text);
        print_replay(program, options);
        return false;
    }
    if (arguments->twice) {
        struct cluster_result again;
        cluster_run(options, &again);
        if (again.digest != result->digest || again.event_count != result->event_count) {
            printf("seed %" PRIu64 " FAILED: it ran differently the second time\n", options->seed);
            print_replay(program, options);
            return false;
        }
    }
    if (arguments->verbose) {
        printf("seed %" PRIu64 ": %zu nodes, %" PRIu64 " events, %" PRIu64 " of %" PRIu64
               " proposals acknowledged, term %" PRIu64 ", recovered in %" PRIu64
               " ms, slowest quiet acknowledgement %" PRIu64 " us, digest %016" PRIx64 "\n",
               options->seed, result->node_count, result->event_count, result->acknowledged_count,
               result->proposal_count, result->term, result->recovered_ms,
               result->worst_quiet_ack_us, result->digest);
    }
    return true;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.cluster = {.seed = 1, .ticks_ms = 10000}, .seeds = 1};
    uint64_t failures = 0;
    uint64_t events = 0;
    uint64_t acknowledged = 0;
    if (!parse_arguments(argc, argv, &arguments)) {
        return usage(argv[0]);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (uint64_t i = 0; i < arguments.seeds; i++) {
        struct cluster_options options = arguments.cluster;
        struct cluster_result result;
        options.seed += i;
        failures += !run_seed(argv[0], &arguments, &options, &result);
        events += result.event_count;
        acknowledged += result.acknowledged_count;
    }
    printf("%" PRIu64 " seeds, %" PRIu64 " events, %" PRIu64 " acknowledged, %" PRIu64 " failed\n",
           arguments.seeds, events, acknowledged, failures);
    return failures == 0 ? 0 : 1;
}
