/*
 * options.c - the command line of `chaos`: a table of options, the words of each, and what they
 * must keep to with one another.
 *
 * Fails: an unknown option, a value that does not parse or is out of bounds, a name that no
 * workload or nemesis has, options that contradict each other. The error names the word, and what
 * would do.
 */
#include "options.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum option_kind {
    KIND_FLAG,
    KIND_WORKLOAD,
    KIND_NEMESIS,
    KIND_FIRST,
    KIND_COUNT,
    KIND_TIME,
    KIND_SEED,
    KIND_TEXT
};

#define HOUR_MS INT64_C(3600000)

static const struct option {
    const char *name;
    const char *value; /* NULL: a flag */
    enum option_kind kind;
    size_t offset; /* in struct chaos_options */
    int64_t min;
    int64_t max;
    const char *help;
} option_table[] = {
    {"workload", "W", KIND_WORKLOAD, 0, 0, 0,
     "what clients do; all: a run of each (default orders)"},
    {"nemesis", "N,...", KIND_NEMESIS, 0, 0, 0,
     "what goes wrong: these, none, or all that this machine can do (default all)"},
    {"first", "N,...", KIND_FIRST, 0, 0, 0,
     "of these nemeses, those whose turn comes before that of others: what earlier runs had not"},
    {"time", "T", KIND_TIME, offsetof(struct chaos_options, time_ms), 5000, 24 * HOUR_MS,
     "how long clients and nemeses are at it, as 90s, 2m, 1h (default 2m)"},
    {"seed", "S", KIND_SEED, offsetof(struct chaos_options, seed), 0, 0,
     "what workloads and faults are drawn from (default: a fresh one, printed)"},
    {"nodes", "K", KIND_COUNT, offsetof(struct chaos_options, node_count), 1, CHAOS_NODES_MOST,
     "of the cluster (default 5)"},
    {"clients", "C", KIND_COUNT, offsetof(struct chaos_options, client_count), 1,
     CHAOS_CLIENTS_MOST, "that work at once (default 20)"},
    {"rate", "R", KIND_COUNT, offsetof(struct chaos_options, rate), 1, 100000,
     "operations a second at most, of all clients together (default 800)"},
    {"soak", "T", KIND_TIME, offsetof(struct chaos_options, soak_ms), 60000, 240 * HOUR_MS,
     "run after run, workload after workload, seed after seed, for so long or until one is not "
     "valid"},
    {"planted", "BUG", KIND_TEXT, offsetof(struct chaos_options, planted), 0, 0,
     "nodes run with this bug, planted on purpose (docs/planted-bugs.md)"},
    {"program", "FILE", KIND_TEXT, offsetof(struct chaos_options, program), 0, 0,
     "the holdfastd to test (default: that of this build, with or without bugs)"},
    {"store", "DIR", KIND_TEXT, offsetof(struct chaos_options, store), 0, 0,
     "where runs are kept (default store)"},
    {"disk-faults", "LIB", KIND_TEXT, offsetof(struct chaos_options, disk_faults), 0, 0,
     "the preloaded library that makes disks fail (default: that of this build)"},
    {"faketime", "LIB", KIND_TEXT, offsetof(struct chaos_options, faketime), 0, 0,
     "libfaketimeMT, for clocks that are wrong (default: the system's)"},
    {"list", NULL, KIND_FLAG, CHAOS_LIST, 0, 0, "name all workloads and nemeses, and end"},
    {"help", NULL, KIND_FLAG, CHAOS_HELP, 0, 0, "this"},
};
#define OPTION_COUNT (sizeof option_table / sizeof *option_table)

static bool parse_digits(const char *text, size_t len, int64_t max, int64_t *out)
{
    int64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || value > (max - (text[i] - '0')) / 10) {
            return false;
        }
        value = value * 10 + (text[i] - '0');
    }
    *out = value;
    return len > 0;
}

bool chaos_parse_duration(const char *text, int64_t min_ms, int64_t max_ms, int64_t *out_ms,
                          struct error *error)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", HOUR_MS}, {"", 1000}};
    int64_t sum_ms = 0;
    const char *at = text;
    do {
        int64_t number;
        size_t digits = strspn(at, "0123456789");
        size_t letters = strcspn(at + digits, "0123456789");
        size_t unit = 0;
        while (unit < sizeof units / sizeof *units &&
               (strlen(units[unit].name) != letters ||
                strncmp(units[unit].name, at + digits, letters) != 0)) {
            unit++;
        }
        if (unit == sizeof units / sizeof *units || (letters == 0 && at != text) ||
            !parse_digits(at, digits, max_ms, &number)) {
            return error_set(error, "'%s' is not a duration such as 90s, 2m or 1h30m", text);
        }
        sum_ms += number > max_ms / units[unit].ms ? max_ms + 1 : number * units[unit].ms;
        at += digits + letters;
    } while (*at != '\0' && sum_ms <= max_ms);
    if (sum_ms < min_ms || sum_ms > max_ms) {
        return error_set(error, "'%s' is not from %" PRId64 " s to %" PRId64 " s", text,
                         min_ms / 1000, max_ms / 1000);
    }
    *out_ms = sum_ms;
    return true;
}

static bool parse_workloads(struct chaos_options *options, const char *text,
                            const struct chaos_catalogue *catalogue, struct error *error)
{
    options->workload_count = 0;
    for (uint32_t i = 0; catalogue->workloads[i] != NULL; i++) {
        if (strcmp(text, "all") == 0 || strcmp(text, catalogue->workloads[i]->name) == 0) {
            options->workloads[options->workload_count++] = catalogue->workloads[i];
        }
    }
    return options->workload_count > 0 ||
           error_set(error, "there is no workload '%s': --list names them", text);
}

static bool add_nemesis(const struct nemesis **list, uint32_t *count, struct bytes name,
                        const struct chaos_catalogue *catalogue, struct error *error)
{
    for (uint32_t i = 0; i < *count; i++) {
        if (bytes_equal(name, bytes_of_string(list[i]->name))) {
            return error_set(error, "'%.*s' is named twice", (int)name.len,
                             (const char *)name.data);
        }
    }
    for (uint32_t i = 0; catalogue->nemeses[i] != NULL; i++) {
        if (bytes_equal(name, bytes_of_string(catalogue->nemeses[i]->name))) {
            list[(*count)++] = catalogue->nemeses[i];
            return true;
        }
    }
    return error_set(error, "there is no nemesis '%.*s': --list names them", (int)name.len,
                     (const char *)name.data);
}

/* Names with commas between. */
static bool parse_names(const struct nemesis **list, uint32_t *count, const char *text,
                        const struct chaos_catalogue *catalogue, struct error *error)
{
    *count = 0;
    for (const char *at = text;; at++) {
        size_t len = strcspn(at, ",");
        if (!add_nemesis(list, count, bytes_of(at, len), catalogue, error)) {
            return false;
        }
        at += len;
        if (*at == '\0') {
            return true;
        }
    }
}

static bool parse_nemeses(struct chaos_options *options, const char *text,
                          const struct chaos_catalogue *catalogue, struct error *error)
{
    options->nemesis_count = 0;
    options->all_nemeses = strcmp(text, "all") == 0;
    if (options->all_nemeses) {
        while (catalogue->nemeses[options->nemesis_count] != NULL) {
            options->nemeses[options->nemesis_count] = catalogue->nemeses[options->nemesis_count];
            options->nemesis_count++;
        }
        return true;
    }
    return strcmp(text, "none") == 0 ||
           parse_names(options->nemeses, &options->nemesis_count, text, catalogue, error);
}

static bool parse_seed(const char *text, uint64_t *out, struct error *error)
{
    char *end;
    errno = 0;
    unsigned long long seed = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0) {
        return error_set(error, "'%s' is not a number from 0 to 2^64-1", text);
    }
    *out = seed;
    return true;
}

static bool parse_count(const struct option *option, const char *text, uint32_t *out,
                        struct error *error)
{
    int64_t number;
    if (!parse_digits(text, strlen(text), option->max, &number) || number < option->min) {
        return error_set(error, "'%s' is not a number from %" PRId64 " to %" PRId64, text,
                         option->min, option->max);
    }
    *out = (uint32_t)number;
    return true;
}

static bool take_value(struct chaos_options *options, const struct option *option, char *text,
                       const struct chaos_catalogue *catalogue, struct error *error)
{
    void *target = (char *)options + option->offset;
    bool fine = true;
    switch (option->kind) {
    case KIND_FLAG:
        options->task = (enum chaos_task)option->offset;
        break;
    case KIND_WORKLOAD:
        fine = parse_workloads(options, text, catalogue, error);
        break;
    case KIND_NEMESIS:
        fine = parse_nemeses(options, text, catalogue, error);
        break;
    case KIND_FIRST:
        fine = parse_names(options->first, &options->first_count, text, catalogue, error);
        break;
    case KIND_COUNT:
        fine = parse_count(option, text, target, error);
        break;
    case KIND_TIME:
        fine = chaos_parse_duration(text, option->min, option->max, target, error);
        break;
    case KIND_SEED:
        fine = parse_seed(text, target, error);
        options->seed_given = true;
        break;
    case KIND_TEXT:
        fine = *text != '\0' || error_set(error, "it is empty");
        *(const char **)target = text;
        break;
    }
    return fine || error_wrap(error, "--%s", option->name);
}

static const struct option *find_option(struct bytes name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (bytes_equal(name, bytes_of_string(option_table[i].name))) {
            return &option_table[i];
        }
    }
    return NULL;
}

/* Takes argv[*at], and the value behind it. */
static bool take_word(struct chaos_options *options, int argc, char **argv, int *at, uint64_t *seen,
                      const struct chaos_catalogue *catalogue, struct error *error)
{
    char *word = argv[*at];
    if (strcmp(word, "-h") == 0) {
        options->task = CHAOS_HELP;
        return true;
    }
    if (strncmp(word, "--", 2) != 0) {
        return error_set(error, "'%s': options begin with --, see --help", word);
    }
    size_t len = strcspn(word + 2, "=");
    const struct option *option = find_option(bytes_of(word + 2, len));
    char *value = word[2 + len] == '=' ? word + 2 + len + 1 : NULL;
    if (option == NULL) {
        return error_set(error, "there is no option '%.*s': see --help", (int)len + 2, word);
    }
    uint64_t bit = UINT64_C(1) << (option - option_table);
    if ((*seen & bit) != 0) {
        return error_set(error, "--%s is given twice", option->name);
    }
    *seen |= bit;
    if (option->kind == KIND_FLAG && value != NULL) {
        return error_set(error, "--%s takes no value", option->name);
    }
    if (option->kind != KIND_FLAG && value == NULL) {
        if (*at + 1 == argc) {
            return error_set(error, "--%s needs a value: %s", option->name, option->value);
        }
        value = argv[++*at];
    }
    return take_value(options, option, value, catalogue, error);
}

static bool check_together(const struct chaos_options *options, struct error *error)
{
    if (options->time_ms / 1000 * options->rate > CHAOS_OPERATIONS_MOST) {
        return error_set(error,
                         "--time and --rate make up to %" PRId64
                         " operations, more than the %" PRId64
                         " that can be analysed in memory: lower one of them",
                         options->time_ms / 1000 * options->rate, CHAOS_OPERATIONS_MOST);
    }
    if (options->soak_ms > 0 && options->soak_ms < options->time_ms) {
        return error_set(error, "--soak is shorter than the --time of one run");
    }
    for (uint32_t i = 0; i < options->first_count; i++) {
        if (!nemesis_is_among(options->first[i], options->nemeses, options->nemesis_count)) {
            return error_set(error, "--first: '%s' is not one of --nemesis",
                             options->first[i]->name);
        }
    }
    return true;
}

bool chaos_options_parse(struct chaos_options *options, int argc, char **argv,
                         const struct chaos_catalogue *catalogue, struct error *error)
{
    uint64_t seen = 0;
    *options = (struct chaos_options){
        .task = CHAOS_RUN,
        .node_count = 5,
        .client_count = 20,
        .rate = 800,
        .time_ms = 120000,
        .store = "store",
    };
    for (int at = 1; at < argc; at++) {
        if (!take_word(options, argc, argv, &at, &seen, catalogue, error)) {
            return false;
        }
    }
    uint64_t workload = UINT64_C(1) << (find_option(BYTES_LITERAL("workload")) - option_table);
    uint64_t nemesis = UINT64_C(1) << (find_option(BYTES_LITERAL("nemesis")) - option_table);
    if ((seen & workload) == 0 &&
        !parse_workloads(options, options->soak_ms > 0 ? "all" : "orders", catalogue, error)) {
        return false;
    }
    if ((seen & nemesis) == 0 && !parse_nemeses(options, "all", catalogue, error)) {
        return false;
    }
    return check_together(options, error);
}

void chaos_options_help(struct buffer *out)
{
    buffer_printf(out, "chaos - runs a cluster of real nodes, breaks what can break, and checks "
                       "what its clients saw\n\nusage: chaos [OPTION]...\n\n");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        char left[64];
        snprintf(left, sizeof left, "--%s %s", option_table[i].name,
                 option_table[i].value != NULL ? option_table[i].value : "");
        buffer_printf(out, "  %-18s %s\n", left, option_table[i].help);
    }
    buffer_printf(out, "\nNeeds root: a run lives in namespaces of its own and leaves nothing "
                       "behind. Ctrl-C ends it early and\nanalyses what is there, a second one "
                       "ends it at once. Exit 0 valid, 1 invalid, 2 it could not run,\n3 "
                       "unknown. docs/jepsen.md has more.\n");
}

void chaos_options_list(struct buffer *out, const struct chaos_catalogue *catalogue)
{
    buffer_printf(out, "workloads\n");
    for (uint32_t i = 0; catalogue->workloads[i] != NULL; i++) {
        buffer_printf(out, "  %-24s %s\n", catalogue->workloads[i]->name,
                      catalogue->workloads[i]->help);
    }
    buffer_printf(out, "\nnemeses; of each kind at most one at a time\n");
    for (uint32_t i = 0; catalogue->nemeses[i] != NULL; i++) {
        buffer_printf(out, "  %-24s %-10s %s%s\n", catalogue->nemeses[i]->name,
                      catalogue->nemeses[i]->kind, catalogue->nemeses[i]->help,
                      catalogue->nemeses[i]->destroys ? " (alone)" : "");
    }
}

static void write_names(struct buffer *out, const struct nemesis *const *list, uint32_t count,
                        const char *between)
{
    for (uint32_t i = 0; i < count; i++) {
        buffer_printf(out, "%s%s", i > 0 ? between : "", list[i]->name);
    }
}

static void write_nemeses(struct buffer *out, const struct chaos_options *options,
                          const char *between)
{
    if (options->all_nemeses || options->nemesis_count == 0) {
        buffer_printf(out, "%s", options->all_nemeses ? "all" : "none");
    } else {
        write_names(out, options->nemeses, options->nemesis_count, between);
    }
}

static void write_duration(struct buffer *out, int64_t ms)
{
    if (ms % 1000 == 0) {
        buffer_printf(out, "%" PRId64 "s", ms / 1000);
    } else {
        buffer_printf(out, "%" PRId64 "ms", ms);
    }
}

/* In single quotes where a shell would make something else of it. */
static void write_word(struct buffer *out, const char *option, const char *text)
{
    if (text == NULL) {
        return;
    }
    buffer_printf(out, " --%s ", option);
    if (text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-")] ==
        '\0') {
        buffer_printf(out, "%s", text);
        return;
    }
    buffer_printf(out, "'");
    for (const char *at = text; *at != '\0'; at++) {
        buffer_append_bytes(out, *at == '\'' ? BYTES_LITERAL("'\\''") : bytes_of(at, 1));
    }
    buffer_printf(out, "'");
}

void chaos_options_write(struct buffer *out, const struct chaos_options *options,
                         const struct workload *workload, uint64_t seed)
{
    buffer_printf(out, "--workload %s --nemesis ", workload->name);
    write_nemeses(out, options, ",");
    if (options->first_count > 0) {
        buffer_printf(out, " --first ");
        write_names(out, options->first, options->first_count, ",");
    }
    buffer_printf(out, " --seed %" PRIu64 " --time ", seed);
    write_duration(out, options->time_ms);
    buffer_printf(out, " --nodes %u --clients %u --rate %u", options->node_count,
                  options->client_count, options->rate);
    write_word(out, "planted", options->planted);
    write_word(out, "program", options->program);
    write_word(out, "disk-faults", options->disk_faults);
    write_word(out, "faketime", options->faketime);
    write_word(out, "store", strcmp(options->store, "store") == 0 ? NULL : options->store);
}

void chaos_options_name(struct buffer *out, const struct chaos_options *options,
                        const struct workload *workload)
{
    buffer_printf(out, "%s-", workload->name);
    if (!options->all_nemeses && options->nemesis_count > 3) {
        buffer_printf(out, "%u-nemeses", options->nemesis_count);
    } else {
        write_nemeses(out, options, "+");
    }
}
