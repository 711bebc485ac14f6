/*
 * main.c - `holdfast`: finds the verb in the table and hands it the rest of the command line.
 */
#include <signal.h>
#include <stdio.h>

#include "verb.h"

static const struct verb_entry {
    const char *noun; /* "stock"; NULL where the verb is one word */
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
} verbs[] = {
    {NULL, "playground", "run a cluster on this machine, in the foreground", verb_playground},
    {"stock", "set", "create a SKU's stock, or set it", verb_stock_set},
    {"stock", "adjust", "add to a stock or take from it, with a reason", verb_stock_adjust},
    {"stock", "get", "show stocks", verb_stock_get},
    {"stock", "list", "show all stocks", verb_stock_list},
    {"stock", "check", "are these quantities available?", verb_stock_check},
    {"stock", "history", "show the changes of a stock", verb_stock_history},
    {"order", "reserve", "hold the lines of an order, all or nothing", verb_order_reserve},
    {"order", "deduct", "turn a hold into a sale", verb_order_deduct},
    {"order", "release", "give a hold back", verb_order_release},
    {"order", "get", "show an order", verb_order_get},
    {NULL, "replay", "run a file of real orders through the cluster", verb_replay},
    {"cluster", "status", "ask each node how it is", verb_cluster_status},
    {"cluster", "verify", "have all nodes check their whole states and compare them",
     verb_cluster_verify},
    {"cluster", "add", "make room for a new node, without a vote", verb_cluster_add},
    {"cluster", "promote", "give a node its vote when it has caught up", verb_cluster_promote},
    {"cluster", "remove", "take a node out of the cluster", verb_cluster_remove},
    {"cluster", "transfer-leader", "have another node lead", verb_cluster_transfer_leader},
    {"cluster", "snapshot", "have each node take a snapshot now", verb_cluster_snapshot},
    {"cluster", "upgrade", "raise the ledger's version when all nodes know it",
     verb_cluster_upgrade},
    {NULL, "bench", "measure how many orders a second the cluster takes", verb_bench},
};

#define VERB_COUNT (sizeof verbs / sizeof *verbs)

static bool same(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* All verbs, or those of one noun. */
static void print_help(FILE *out, const char *noun)
{
    fprintf(out, "usage: holdfast %s [operand]... [option]...\n\n", noun != NULL ? noun : "VERB");
    for (size_t i = 0; i < VERB_COUNT; i++) {
        const struct verb_entry *verb = &verbs[i];
        if (noun == NULL || same(noun, verb->noun)) {
            char name[32];
            snprintf(name, sizeof name, "%s%s%s", verb->noun != NULL ? verb->noun : "",
                     verb->noun != NULL ? " " : "", verb->name);
            fprintf(out, "  %-24s  %s\n", name, verb->summary);
        }
    }
    fputs("\nholdfast VERB --help tells more; --version tells the version.\n", out);
}

static bool is_noun(const char *word)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (same(verbs[i].noun, word)) {
            return true;
        }
    }
    return false;
}

static bool asks_for_help(const char *word)
{
    return same(word, "--help") || same(word, "-h") || same(word, "help");
}

/* NULL where no verb has this name; `words` tells how many words of argv it took. */
static const struct verb_entry *find_verb(int argc, char **argv, int *words)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        const struct verb_entry *verb = &verbs[i];
        *words = verb->noun != NULL ? 2 : 1;
        if (argc > *words && same(argv[*words], verb->name) &&
            (verb->noun == NULL || same(argv[1], verb->noun))) {
            return verb;
        }
    }
    return NULL;
}

static int flush_help(void)
{
    if (fflush(stdout) != 0) {
        perror("holdfast: standard output");
        return EXIT_CODE_USAGE;
    }
    return EXIT_CODE_DONE;
}

static int run_without_verb(int argc, char **argv)
{
    const char *noun = argc > 1 && is_noun(argv[1]) ? argv[1] : NULL;
    const char *next = argc > (noun != NULL ? 2 : 1) ? argv[noun != NULL ? 2 : 1] : NULL;
    if (asks_for_help(next)) {
        print_help(stdout, noun);
        return flush_help();
    }
    if (same(next, "--version") || same(next, "-V")) {
        printf("holdfast %s\n", HOLDFAST_VERSION);
        return flush_help();
    }
    if (next != NULL) {
        fprintf(stderr, "holdfast: no verb \"%s%s%.64s\"\n\n", noun != NULL ? noun : "",
                noun != NULL ? " " : "", next);
    }
    print_help(stderr, noun);
    return EXIT_CODE_USAGE;
}

int main(int argc, char **argv)
{
    /* A closed socket or pipe is an error of the write, and no end of the process. */
    signal(SIGPIPE, SIG_IGN);
    int words;
    const struct verb_entry *verb = find_verb(argc, argv, &words);
    if (verb == NULL) {
        return run_without_verb(argc, argv);
    }
    return verb->run(argc - 1 - words, argv + 1 + words);
}
