/*
 * model_test.c - the ledger against the model, on random sequences from seeds.
 *
 *   model-test --seed S [--seeds N] [--commands C] [--verbose]
 *   model-test --replay FILE...
 *   model-test --seed S --print
 *
 * A seed that shows a difference is shrunk, printed as a script with the answers the model expects,
 * and as entries that --replay takes (for tests/model/regressions). Exit 0: no difference; 1: one
 * was found; 2: wrong usage, or a file that can't be read.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "generate.h"
#include "script.h"
#include "shrink.h"
#include "side_by_side.h"

enum { SHRINK_WORK = 3000000 /* about half a minute */, COMPARE_ALL_EVERY = 40 };

struct options {
    uint64_t seed;
    uint64_t seeds;
    uint32_t commands;
    bool verbose;
    bool print;
    bool replay;
};

static bool still_differs(void *context, const struct sequence *sequence)
{
    struct error ignored;
    (void)context;
    struct side_by_side run = {.compare_all_every = 0};
    return !side_by_side_run(&run, sequence, &ignored);
}

static void print_buffer(struct buffer *text)
{
    fwrite(text->data, 1, text->len, stdout);
    buffer_clear(text);
}

/* What was found, as short as it gets. */
static void report(struct sequence *sequence, struct command_pool *pool,
                   const struct error *difference)
{
    struct shrink shrink = {.fails = still_differs, .work_left = SHRINK_WORK};
    struct buffer text = {0};
    struct error now = *difference;
    struct side_by_side run = {0};
    uint64_t before = sequence_command_count(sequence);
    printf("difference: %s\n", difference->text);
    fflush(stdout);
    shrink_sequence(&shrink, sequence, pool);
    if (side_by_side_run(&run, sequence, &now)) {
        printf("it shows only when everything is compared in between: not shrunk\n");
        return;
    }
    printf("shrunk from %" PRIu64 " commands to %" PRIu64 " in %" PRIu32 " attempts: %s\n", before,
           sequence_command_count(sequence), shrink.attempts, now.text);
    printf("---- as a script (tests/unit/ledger/fixture.h), with the model's answers\n");
    script_print(sequence, &text);
    print_buffer(&text);
    printf("---- as entries (model-test --replay FILE)\n");
    sequence_write(sequence, &text);
    print_buffer(&text);
    printf("----\n");
    buffer_free(&text);
}

static bool run_sequence(struct side_by_side *run, struct sequence *sequence,
                         struct command_pool *pool)
{
    struct error difference = {""};
    bool same = side_by_side_run(run, sequence, &difference);
    if (!same) {
        report(sequence, pool, &difference);
    }
    return same;
}

/* ---- what was met ---- */

static const struct {
    enum ledger_command_kind kind;
    const char *name;
    enum ledger_verdict verdicts[14]; /* that a long run must meet; ends with 0 */
} kinds[] = {
    {LEDGER_SET_STOCK,
     "SetStock",
     {LEDGER_OK, LEDGER_ALREADY_EXISTS, LEDGER_VERSION_MISMATCH, LEDGER_BELOW_RESERVED,
      LEDGER_IDEMPOTENCY_MISMATCH, LEDGER_REQUEST_EXPIRED, LEDGER_MALFORMED_COMMAND}},
    {LEDGER_ADJUST_STOCK,
     "AdjustStock",
     {LEDGER_OK, LEDGER_SKU_NOT_FOUND, LEDGER_VERSION_MISMATCH, LEDGER_INSUFFICIENT_STOCK,
      LEDGER_OVERFLOW, LEDGER_IDEMPOTENCY_MISMATCH, LEDGER_REQUEST_EXPIRED,
      LEDGER_MALFORMED_COMMAND}},
    {LEDGER_RESERVE,
     "Reserve",
     {LEDGER_OK, LEDGER_SKU_NOT_FOUND, LEDGER_INSUFFICIENT_STOCK, LEDGER_OVERFLOW,
      LEDGER_ORDER_CONFLICT, LEDGER_ORDER_EXPIRED, LEDGER_ORDER_RELEASED, LEDGER_ORDER_DEDUCTED,
      LEDGER_LIMIT_EXCEEDED, LEDGER_REQUEST_EXPIRED, LEDGER_MALFORMED_COMMAND}},
    {LEDGER_DEDUCT,
     "Deduct",
     {LEDGER_OK, LEDGER_INSUFFICIENT_STOCK, LEDGER_OVERFLOW, LEDGER_ORDER_NOT_FOUND,
      LEDGER_ORDER_EXPIRED, LEDGER_ORDER_RELEASED, LEDGER_ORDER_DEDUCTED,
      LEDGER_QUANTITY_EXCEEDS_OPEN, LEDGER_IDEMPOTENCY_MISMATCH, LEDGER_REQUEST_EXPIRED,
      LEDGER_MALFORMED_COMMAND}},
    {LEDGER_RELEASE,
     "Release",
     {LEDGER_OK, LEDGER_OVERFLOW, LEDGER_ORDER_NOT_FOUND, LEDGER_ORDER_EXPIRED,
      LEDGER_ORDER_RELEASED, LEDGER_ORDER_DEDUCTED, LEDGER_QUANTITY_EXCEEDS_OPEN,
      LEDGER_IDEMPOTENCY_MISMATCH, LEDGER_REQUEST_EXPIRED, LEDGER_MALFORMED_COMMAND}},
    {LEDGER_REGISTER_NODE,
     "RegisterNode",
     {LEDGER_OK, LEDGER_ALREADY_EXISTS, LEDGER_MALFORMED_COMMAND}},
    {LEDGER_RAISE_VERSION,
     "RaiseVersion",
     {LEDGER_OK, LEDGER_VERSION_MISMATCH, LEDGER_MALFORMED_COMMAND}},
};
enum { KINDS = sizeof kinds / sizeof kinds[0], COVERAGE_FROM_COMMANDS = 200000 };

static void print_met(const struct side_by_side *run)
{
    for (size_t i = 0; i < KINDS; i++) {
        printf("  %-13s", kinds[i].name);
        for (int verdict = 1; verdict <= LEDGER_MALFORMED_COMMAND; verdict++) {
            uint64_t count = run->verdicts[kinds[i].kind][verdict];
            if (count != 0) {
                printf(" %s %" PRIu64, ledger_verdict_name((enum ledger_verdict)verdict), count);
            }
        }
        printf("\n");
    }
}

/* A run that meets only a few answers would prove little. */
static bool met_enough(const struct side_by_side *run)
{
    bool enough = true;
    if (run->commands < COVERAGE_FROM_COMMANDS) {
        return true;
    }
    for (size_t i = 0; i < KINDS; i++) {
        for (const enum ledger_verdict *verdict = kinds[i].verdicts; *verdict != 0; verdict++) {
            if (run->verdicts[kinds[i].kind][*verdict] == 0) {
                printf("never met: %s of a %s\n", ledger_verdict_name(*verdict), kinds[i].name);
                enough = false;
            }
        }
    }
    if (run->replayed == 0 || run->expired_orders == 0 || run->trimmed_records == 0) {
        printf("never met: a repetition, an expiry or a trimming\n");
        enough = false;
    }
    return enough;
}

/* ---- modes ---- */

static bool run_seeds(const struct options *options, const char *program)
{
    struct side_by_side run = {.compare_all_every = COMPARE_ALL_EVERY};
    bool same = true;
    for (uint64_t seed = options->seed; same && seed - options->seed < options->seeds; seed++) {
        struct command_pool *pool = command_pool_new();
        struct sequence sequence = {0};
        generate_sequence(&sequence, pool, seed, options->commands);
        same = run_sequence(&run, &sequence, pool);
        if (!same) {
            printf("seed %" PRIu64 " failed: %s --seed %" PRIu64 " --commands %" PRIu32 "\n", seed,
                   program, seed, options->commands);
        }
        sequence_free(&sequence);
        command_pool_free(pool);
    }
    printf("%" PRIu64 " sequences from seed %" PRIu64 ": %" PRIu64 " entries, %" PRIu64
           " commands, %" PRIu64 " repeated, %" PRIu64 " orders expired and %" PRIu64
           " records trimmed by ticks: %s\n",
           run.runs, options->seed, run.entries, run.commands, run.replayed, run.expired_orders,
           run.trimmed_records, same ? "no difference" : "FAILED");
    if (options->verbose) {
        print_met(&run);
    }
    return same && met_enough(&run);
}

static bool print_seed(const struct options *options)
{
    struct command_pool *pool = command_pool_new();
    struct sequence sequence = {0};
    struct buffer text = {0};
    generate_sequence(&sequence, pool, options->seed, options->commands);
    script_print(&sequence, &text);
    print_buffer(&text);
    buffer_free(&text);
    sequence_free(&sequence);
    command_pool_free(pool);
    return true;
}

/* 0, 1 or 2, as the program exits. */
static int replay_file(const char *path)
{
    struct command_pool *pool = command_pool_new();
    struct sequence sequence = {0};
    struct error error;
    struct side_by_side run = {.compare_all_every = 1};
    int status = 2;
    if (!sequence_read(&sequence, pool, path, &error)) {
        fprintf(stderr, "model-test: %s\n", error.text);
    } else {
        status = run_sequence(&run, &sequence, pool) ? 0 : 1;
        printf("%s: %" PRIu64 " commands: %s\n", path, run.commands,
               status == 0 ? "no difference" : "FAILED");
    }
    sequence_free(&sequence);
    command_pool_free(pool);
    return status;
}

static bool read_number(const char *text, uint64_t least, uint64_t most, uint64_t *number)
{
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && text[0] != '-' && *number >= least &&
           *number <= most;
}

static int usage(void)
{
    fprintf(stderr, "usage: model-test --seed S [--seeds N] [--commands C] [--verbose]\n"
                    "       model-test --seed S --print\n"
                    "       model-test --replay FILE...\n");
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option names[] = {
        {"seed", required_argument, NULL, 's'},
        {"seeds", required_argument, NULL, 'n'},
        {"commands", required_argument, NULL, 'c'},
        {"verbose", no_argument, NULL, 'v'},
        {"print", no_argument, NULL, 'p'},
        {"replay", no_argument, NULL, 'r'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {.seed = 1, .seeds = 1, .commands = 2000};
    uint64_t number = 0;
    int name;
    while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (name == 's' && read_number(optarg, 0, UINT64_MAX, &number)) {
            options.seed = number;
        } else if (name == 'n' && read_number(optarg, 1, UINT64_MAX, &number)) {
            options.seeds = number;
        } else if (name == 'c' && read_number(optarg, 1, 10000000, &number)) {
            options.commands = (uint32_t)number;
        } else if (name == 'v') {
            options.verbose = true;
        } else if (name == 'p') {
            options.print = true;
        } else if (name == 'r') {
            options.replay = true;
        } else {
            return usage();
        }
    }
    if (options.replay == (optind == argc)) {
        return usage();
    }
    int status = 0;
    for (int i = optind; i < argc; i++) {
        int one = replay_file(argv[i]);
        status = one > status ? one : status;
    }
    if (!options.replay) {
        bool good = options.print ? print_seed(&options) : run_seeds(&options, argv[0]);
        status = good ? 0 : 1;
    }
    return status;
}
