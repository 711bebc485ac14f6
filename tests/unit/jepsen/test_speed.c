/*
 * test_speed.c - what docs/jepsen.md promises of the two checkers that could be slow.
 *
 *   test_speed [OPERATIONS]   of the witness; 1000000 takes a minute to make and to read
 *
 * The witness costs a sort: a fifth of the promised million has a fifth of the promised minute.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "random_history.h"
#include "text_history.h"

#define MINUTE_NS INT64_C(60000000000)

static bool run(const char *what, checker_run checker, const struct random_shape *shape,
                int64_t limit_ns)
{
    struct history *history = random_history(shape);
    struct check_options options = check_options_default();
    struct check check;
    check_begin(&check, what, history);
    int64_t began_ns = clock_now_ns();
    checker(&check, history, &options);
    int64_t took_ns = clock_now_ns() - began_ns;
    uint32_t unknown = 0;
    for (uint32_t i = 0; i < history->operations.count; i++) {
        unknown += history->operations.items[i].outcome == OUTCOME_UNKNOWN;
    }
    bool fine = check.verdict == CHECK_VALID && took_ns <= limit_ns;
    printf("# %s: seed %" PRIu64 ", %" PRIu32 " operations, %" PRIu32
           " of unknown outcome: %s in %.2f s, of %.0f\n%s",
           what, shape->seed, history->operations.count, unknown, check_verdict_name(check.verdict),
           (double)took_ns / 1e9, (double)limit_ns / 1e9,
           check.reason_count > 0 ? check.reasons[0].text : "");
    check_free(&check);
    history_free(history);
    return fine;
}

int main(int argc, char **argv)
{
    uint32_t operations = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 200000;
    struct random_shape many = {.seed = 4,
                                .operations = operations,
                                .processes = 32,
                                .skus = 50,
                                .lines = 3,
                                .unknown = 5,
                                .twice = 5,
                                .final_reads = true};
    bool fine = run("witness", check_witness, &many, MINUTE_NS * operations / 1000000);
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct random_shape single = {.seed = seed,
                                      .operations = 10000,
                                      .processes = 16,
                                      .skus = 20,
                                      .lines = 1,
                                      .unknown = 20,
                                      .twice = 5,
                                      .final_reads = true};
        fine &= run("linearizable", check_linearizable, &single, MINUTE_NS);
    }
    return fine ? 0 : 1;
}
