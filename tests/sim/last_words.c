/*
 * last_words.c - signals, and what is said behind them.
 *
 * The seed is told first, by a plain write of words that were made in advance; then, as far as the
 * process still can, what happened last - a second fault, or a lock that is held, ends that.
 *
 * A sanitizer handles faults itself; it is told here to end each finding with SIGABRT, and so comes
 * by as well, also when nobody has set its options.
 */
#include "last_words.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster.h"

#define SECONDS_PER_SEED   120
#define EVENTS_PER_SECOND  5000 /* of a run that is longer than usual, at the very least */
#define SECONDS_TO_TELL    10
#define SIGNAL_STACK_BYTES ((size_t)1 << 18)

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define FAULTS_ARE_HANDLED true
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define FAULTS_ARE_HANDLED true
#endif
#ifndef FAULTS_ARE_HANDLED
#define FAULTS_ARE_HANDLED false
#endif

/* The runtimes of the sanitizers, if there are any, look for these. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void)
{
    return "abort_on_error=1";
}

const char *__ubsan_default_options(void)
{
    return "halt_on_error=1:abort_on_error=1:print_stacktrace=1";
}

static char whose[64]; /* empty: no seed runs */
static char how_again[512];

static const char *words_for(int number)
{
    switch (number) {
    case SIGABRT:
        return "an assertion, or a sanitizer's finding";
    case SIGALRM:
        return "it does not end";
    case SIGTERM:
        return "it was told to end";
    default:
        return "a fault of the program";
    }
}

static bool say(const char *words)
{
    size_t left = strlen(words);
    while (left > 0) {
        ssize_t written = write(STDOUT_FILENO, words, left);
        if (written <= 0) {
            return false;
        }
        words += written;
        left -= (size_t)written;
    }
    return true;
}

static void on_signal(int number)
{
    if (whose[0] == '\0') {
        _exit(1);
    }
    bool said = say(whose) && say(words_for(number)) && say("\n") && say(how_again);
    if (said) {
        signal(SIGALRM, SIG_DFL);
        alarm(SECONDS_TO_TELL);
        cluster_print_last(stdout);
        fflush(stdout);
    }
    _exit(1);
}

void last_words_prepare(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE};
    static char stack[SIGNAL_STACK_BYTES]; /* the other one may have overflowed */
    const stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGABRT, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (!FAULTS_ARE_HANDLED && sigaltstack(&other, NULL) == 0) {
        action.sa_flags |= SA_ONSTACK;
        for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
            sigaction(faults[i], &action, NULL);
        }
    }
}

void last_words_begin(uint64_t seed, uint64_t events, const char *replay, bool untimed)
{
    snprintf(how_again, sizeof how_again, "%s", replay);
    snprintf(whose, sizeof whose, "seed %" PRIu64 " FAILED: ", seed);
    if (!untimed) {
        alarm((unsigned)(SECONDS_PER_SEED + events / EVENTS_PER_SECOND));
    }
}

void last_words_end(void)
{
    alarm(0);
    whose[0] = '\0';
}
