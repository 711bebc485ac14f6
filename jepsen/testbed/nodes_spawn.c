/*
 * nodes_spawn.c - a node's process: forked, moved to its host's network, its output appended to its
 * log, its libraries preloaded, its words and environment made of what the run and the node are.
 *
 * What can fail: the log, fork. Behind fork nobody is left to tell but the log: a program that
 * can't be run, or a host that can't be entered, leaves a line there and ends with 127.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/bytes.h"
#include "nodes_internal.h"

#define WORDS_MOST 128

/* A list of strings up to a NULL; owns them. */
struct words {
    char *items[WORDS_MOST + 1];
    size_t count;
};

static void words_add(struct words *words, char *word)
{
    assert(words->count < WORDS_MOST);
    words->items[words->count++] = word;
}

static void words_free(struct words *words)
{
    for (size_t i = 0; i < words->count; i++) {
        free(words->items[i]);
    }
}

static void flags_of(struct nodes *nodes, uint32_t id, struct words *words)
{
    const struct node *node = nodes_of(nodes, id);
    words_add(words, memory_strdup(nodes->program));
    words_add(words, nodes_format("--id=%u", id));
    words_add(words, nodes_format("--data=%s", node->data));
    words_add(words, nodes_format("--client-address=%s", node->endpoint));
    words_add(words, nodes_format("--peer-address=%s", node->peer_address));
    if (nodes->election_timeout_ms > 0) {
        words_add(words, nodes_format("--election-timeout-ms=%u", nodes->election_timeout_ms));
    }
    words_add(words,
              nodes_format("--disk-reserve=%llu", (unsigned long long)nodes->disk_bytes / 4));
    for (char **flag = nodes->flags; *flag != NULL; flag++) {
        words_add(words, memory_strdup(*flag));
    }
    if (node->joins) {
        words_add(words, nodes_format("--cluster-id=%s", nodes->cluster_id));
        return;
    }
    struct buffer founders = {0};
    for (uint32_t i = 1; i <= nodes->founders; i++) {
        buffer_printf(&founders, "%s%u=%s", i > 1 ? "," : "", i, nodes_of(nodes, i)->peer_address);
    }
    words_add(words,
              nodes_format("--initial-cluster=%.*s", (int)founders.len, (char *)founders.data));
    buffer_free(&founders);
}

static bool is_set_here(const char *variable)
{
    static const char *const ours[] = {
        "LD_PRELOAD=",   "DISK_FAULTS=",         "ASAN_OPTIONS=", "FAKETIME",
        "NO_FAKE_STAT=", "DONT_FAKE_MONOTONIC=", "HOLDFAST_"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (strncmp(variable, ours[i], strlen(ours[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void environment_of(const struct nodes *nodes, const struct node *node, struct words *words)
{
    const char *disk_faults = nodes->disk_faults_library;
    const char *faketime = nodes->faketime_library;
    const char *sanitizer = getenv("ASAN_OPTIONS");
    for (char **variable = environ; *variable != NULL && words->count < WORDS_MOST - 16;
         variable++) {
        if (!is_set_here(*variable)) {
            words_add(words, memory_strdup(*variable));
        }
    }
    if (disk_faults != NULL || faketime != NULL) {
        words_add(words, nodes_format("LD_PRELOAD=%s%s%s", disk_faults != NULL ? disk_faults : "",
                                      disk_faults != NULL && faketime != NULL ? ":" : "",
                                      faketime != NULL ? faketime : ""));
        /* Its own library has to come first, says the sanitizer; it works behind these too. */
        words_add(words,
                  nodes_format("ASAN_OPTIONS=%s%sverify_asan_link_order=0",
                               sanitizer != NULL ? sanitizer : "", sanitizer != NULL ? ":" : ""));
    } else if (sanitizer != NULL) {
        words_add(words, nodes_format("ASAN_OPTIONS=%s", sanitizer));
    }
    if (disk_faults != NULL) {
        words_add(words, nodes_format("DISK_FAULTS=%s", node->disk_faults));
    }
    if (faketime != NULL) {
        words_add(words, nodes_format("FAKETIME_TIMESTAMP_FILE=%s", node->clock));
        words_add(words, memory_strdup("FAKETIME_CACHE_DURATION=1"));
        words_add(words, memory_strdup("FAKETIME_DONT_FAKE_MONOTONIC=1"));
        words_add(words, memory_strdup("NO_FAKE_STAT=1"));
    }
    if (nodes->planted != NULL) {
        words_add(words, nodes_format("HOLDFAST_PLANTED=%s", nodes->planted));
    }
}

/* In the child: nothing that takes a lock. */
static _Noreturn void become(struct nodes *nodes, uint32_t id, int log, int nothing,
                             const struct words *arguments, const struct words *environment)
{
    struct error error = {.text = ""};
    sigset_t none;
    const struct rlimit core = {RLIM_INFINITY, RLIM_INFINITY};
    sigemptyset(&none);
    if (dup2(log, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0 &&
        dup2(nothing, STDIN_FILENO) >= 0 && network_enter(nodes->network, id, &error)) {
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)setrlimit(RLIMIT_CORE, &core); /* what can't be had is no reason not to run */
        if (chdir(nodes->directory) == 0) {
            (void)execve(nodes->program, arguments->items, environment->items);
        }
        error_set(&error, "can't run %s: %s", nodes->program, strerror(errno));
    }
    dprintf(log, "(%s)\n", error.text);
    _exit(127);
}

pid_t nodes_spawn(struct nodes *nodes, uint32_t id, struct error *error)
{
    const struct node *node = nodes_of(nodes, id);
    struct words arguments = {0};
    struct words environment = {0};
    flags_of(nodes, id, &arguments);
    environment_of(nodes, node, &environment);
    int log = open(node->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    pid_t pid = -1;
    if (log < 0 || nothing < 0) {
        error_set(error, "can't open %s: %s", node->log, strerror(errno));
    } else if ((pid = fork()) == 0) {
        become(nodes, id, log, nothing, &arguments, &environment);
    } else if (pid < 0) {
        error_set(error, "can't make a process for node %u: %s", id, strerror(errno));
    }
    if (log >= 0) {
        (void)close(log);
    }
    if (nothing >= 0) {
        (void)close(nothing);
    }
    words_free(&arguments);
    words_free(&environment);
    return pid;
}
