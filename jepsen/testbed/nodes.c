/*
 * nodes.c - lives and disks of the nodes under test.
 *
 * A node is a child process (nodes_spawn.c). What ends it is noticed by waitpid alone; whoever
 * ended without having been told to leaves a line in its log, which names the signal, so that
 * check_logs sees a crash that said nothing itself.
 *
 * Invariants: a pid is signalled only while it is not reaped, so it is ours. An id is given once.
 * Lives change under the mutex.
 *
 * What can fail: disks (disk.c), a new process, the control files. A node that does not end by
 * SIGTERM in time is no failure of the testbed, but a finding: it is aborted, for its core, and its
 * log says so.
 */
#include "nodes.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "nodes_internal.h"

#define CLIENT_PORT 7070
#define PEER_PORT   7071
#define END_MS      60000 /* under sanitizers, on a busy machine */
#define ABORT_MS    20000 /* a core is written meanwhile */

struct node *nodes_of(struct nodes *nodes, uint32_t id)
{
    assert(id >= 1 && id <= NODES_MOST);
    return &nodes->nodes[id];
}

static void set_life(struct nodes *nodes, struct node *node, enum node_life life)
{
    pthread_mutex_lock(&nodes->mutex);
    if ((node->life == NODE_ABSENT) != (life == NODE_ABSENT) || life == NODE_GONE) {
        nodes->endpoints = NULL;
    }
    node->life = life;
    pthread_mutex_unlock(&nodes->mutex);
}

char *nodes_format(const char *format, ...)
{
    char *text;
    va_list arguments;
    va_start(arguments, format);
    int len = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (len < 0) {
        abort(); /* no memory: as memory_alloc */
    }
    return text;
}

static bool write_file(const char *path, int flags, const char *text, struct error *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
    size_t len = strlen(text);
    bool ok = fd >= 0 && write(fd, text, len) == (ssize_t)len;
    if (!ok) {
        error_set(error, "can't write %s: %s", path, strerror(errno));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}

/* Whoever reads it finds the old or the new text. */
static bool replace_file(const char *path, const char *text, struct error *error)
{
    char *beside = nodes_format("%s.new", path);
    bool ok = write_file(beside, O_TRUNC, text, error);
    if (ok && rename(beside, path) != 0) {
        ok = error_set(error, "can't write %s: %s", path, strerror(errno));
    }
    free(beside);
    return ok;
}

/* ---- ends ---- */

/* Whom we kill dies of that signal and no other; who is told to end does so in order, or, if it had
 * just been started, of the signal. A crash meanwhile is a crash. */
static bool is_as_told(int status, int signal)
{
    return WIFSIGNALED(status) ? WTERMSIG(status) == signal
                               : signal == SIGTERM && WEXITSTATUS(status) == 0;
}

/* It was waited for: what it left as a status is this. `signal` is what we had sent; 0: nothing. */
static void ended(struct nodes *nodes, struct node *node, int status, int signal)
{
    node->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    node->by_itself = signal == 0;
    set_life(nodes, node, NODE_DOWN);
    if (is_as_told(status, signal)) {
        return;
    }
    char line[128];
    struct error error;
    if (WIFEXITED(status)) {
        snprintf(line, sizeof line, "(the node has ended %s, with status %d)\n",
                 signal == 0 ? "by itself" : "as it was told to", node->exit_status);
    } else {
        const char *name = sigabbrev_np(WTERMSIG(status));
        snprintf(line, sizeof line, "(the node was ended by a signal: SIG%s%s)\n",
                 name != NULL ? name : "?", WCOREDUMP(status) ? ", core dumped" : "");
    }
    if (!write_file(node->log, O_APPEND, line, &error)) {
        fprintf(stderr, "nodes: %s; the line was: %s", error.text, line);
    }
}

static bool runs(const struct node *node)
{
    return node->life == NODE_RUNNING || node->life == NODE_PAUSED;
}

static void notice_end(struct nodes *nodes, struct node *node)
{
    int status;
    if (runs(node) && waitpid(node->pid, &status, WNOHANG) == node->pid) {
        ended(nodes, node, status, 0);
    }
}

/* False: it has not ended within the time. */
static bool wait_end(struct nodes *nodes, struct node *node, int timeout_ms, int signal)
{
    struct pollfd process = {.fd = pidfd_open(node->pid, 0), .events = POLLIN};
    int status;
    if (process.fd >= 0) {
        while (poll(&process, 1, timeout_ms) < 0 && errno == EINTR) {
        }
        (void)close(process.fd);
    }
    pid_t got = waitpid(node->pid, &status, WNOHANG);
    if (got == node->pid) {
        ended(nodes, node, status, signal);
    }
    return got == node->pid;
}

/* Of one that runs. `told` is the signal that it may end by, or in order, without a word. */
static bool end_by(struct nodes *nodes, struct node *node, int signal, int told,
                   uint32_t timeout_ms)
{
    (void)kill(node->pid, signal);
    if (node->life == NODE_PAUSED) {
        (void)kill(node->pid, SIGCONT);
    }
    return wait_end(nodes, node, (int)timeout_ms, told);
}

static bool kill_running(struct nodes *nodes, uint32_t id, int told, struct error *error)
{
    return end_by(nodes, nodes_of(nodes, id), SIGKILL, told, END_MS) ||
           error_set(error, "node %u has not ended within %d s of SIGKILL", id, END_MS / 1000);
}

bool nodes_kill(struct nodes *nodes, uint32_t id, struct error *error)
{
    struct node *node = nodes_of(nodes, id);
    notice_end(nodes, node);
    return !runs(node) || kill_running(nodes, id, SIGKILL, error);
}

bool nodes_terminate(struct nodes *nodes, uint32_t id, struct error *error)
{
    struct node *node = nodes_of(nodes, id);
    char line[128];
    notice_end(nodes, node);
    if (!runs(node) || end_by(nodes, node, SIGTERM, SIGTERM, nodes->end_timeout_ms)) {
        return true;
    }
    snprintf(line, sizeof line, "(the node had not ended %u ms after SIGTERM: SIGABRT)\n",
             nodes->end_timeout_ms);
    return write_file(node->log, O_APPEND, line, error) &&
           (end_by(nodes, node, SIGABRT, SIGTERM, ABORT_MS) ||
            kill_running(nodes, id, SIGTERM, error));
}

bool nodes_wait_end(struct nodes *nodes, uint32_t id, uint32_t timeout_ms, struct error *error)
{
    struct node *node = nodes_of(nodes, id);
    notice_end(nodes, node);
    return !runs(node) || wait_end(nodes, node, (int)timeout_ms, 0) ||
           error_set(error, "node %u still runs after %u ms", id, timeout_ms);
}

enum node_life nodes_life(struct nodes *nodes, uint32_t id)
{
    struct node *node = nodes_of(nodes, id);
    notice_end(nodes, node);
    return node->life;
}

bool nodes_ended_by_itself(struct nodes *nodes, uint32_t id)
{
    return nodes_life(nodes, id) == NODE_DOWN && nodes_of(nodes, id)->by_itself;
}

static bool signal_and_set(struct nodes *nodes, uint32_t id, enum node_life from, int signal,
                           enum node_life to, struct error *error)
{
    struct node *node = nodes_of(nodes, id);
    notice_end(nodes, node);
    if (node->life != from) {
        return error_set(error, "node %u can't be sent SIG%s: it is not %s", id,
                         sigabbrev_np(signal), from == NODE_PAUSED ? "paused" : "running");
    }
    if (kill(node->pid, signal) != 0) {
        return error_set(error, "node %u: SIG%s: %s", id, sigabbrev_np(signal), strerror(errno));
    }
    set_life(nodes, node, to);
    return true;
}

bool nodes_pause(struct nodes *nodes, uint32_t id, struct error *error)
{
    return signal_and_set(nodes, id, NODE_RUNNING, SIGSTOP, NODE_PAUSED, error);
}

bool nodes_resume(struct nodes *nodes, uint32_t id, struct error *error)
{
    return signal_and_set(nodes, id, NODE_PAUSED, SIGCONT, NODE_RUNNING, error);
}

/* ---- starts ---- */

bool nodes_start(struct nodes *nodes, uint32_t id, struct error *error)
{
    struct node *node = nodes_of(nodes, id);
    notice_end(nodes, node);
    if (node->life != NODE_DOWN) {
        return error_set(error, "node %u can't be started: it %s", id,
                         node->life == NODE_ABSENT ? "was never there"
                         : node->life == NODE_GONE ? "is gone"
                                                   : "runs already");
    }
    if (node->joins && !nodes_learn_cluster_id(nodes, error)) {
        return error_wrap(error, "node %u can't join", id);
    }
    pid_t pid = nodes_spawn(nodes, id, error);
    if (pid > 0) {
        node->pid = pid;
        node->by_itself = false;
        set_life(nodes, node, NODE_RUNNING);
    }
    return pid > 0;
}

/* ---- disks ---- */

bool nodes_wipe(struct nodes *nodes, uint32_t id, struct error *error)
{
    struct node *node = nodes_of(nodes, id);
    if (!nodes_kill(nodes, id, error)) {
        return false;
    }
    if (node->life != NODE_DOWN) {
        return error_set(error, "node %u has no disk to be wiped", id);
    }
    set_life(nodes, node, NODE_GONE);
    if (node->disk.path != NULL) {
        disk_close(&node->disk);
        return true;
    }
    const char *const remove[] = {"rm", "-rf", "--", node->directory, NULL};
    return disk_run_program(remove, error);
}

bool nodes_cut_power_of(struct nodes *nodes, const uint32_t *ids, uint32_t count,
                        struct error *error)
{
    for (uint32_t i = 0; i < count; i++) {
        struct node *node = nodes_of(nodes, ids[i]);
        if (node->disk.path == NULL) {
            return error_set(error, "node %u has no disk of its own whose power could be cut",
                             ids[i]);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!disk_cut_power(&nodes_of(nodes, ids[i])->disk, error)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        struct disk *disk = &nodes_of(nodes, ids[i])->disk;
        if (!nodes_kill(nodes, ids[i], error) || !disk_unmount(disk, error) ||
            !disk_mount(disk, error)) {
            return false;
        }
    }
    return true;
}

bool nodes_cut_power(struct nodes *nodes, uint32_t id, struct error *error)
{
    return nodes_cut_power_of(nodes, &id, 1, error);
}

bool nodes_set_disk_faults(struct nodes *nodes, uint32_t id, const char *rules, struct error *error)
{
    return nodes->disk_faults_library == NULL
               ? error_set(error, "disks can't be made to fail: disk_faults is not preloaded")
               : replace_file(nodes_of(nodes, id)->disk_faults, rules != NULL ? rules : "", error);
}

bool nodes_set_clock(struct nodes *nodes, uint32_t id, const char *offset, struct error *error)
{
    bool none = offset == NULL || offset[0] == '\0';
    char text[64];
    /* libfaketime keeps a rate until it reads another one: so there always is one. */
    snprintf(text, sizeof text, "%s%s", none ? "+0" : offset,
             none || strchr(offset, 'x') == NULL ? " x1" : "");
    return nodes->faketime_library == NULL
               ? error_set(error, "clocks can't be changed: libfaketime is not preloaded")
               : replace_file(nodes_of(nodes, id)->clock, text, error);
}

/* ---- all of them ---- */

uint32_t nodes_most(const struct nodes *nodes)
{
    return nodes->operator_host - 1 < NODES_MOST ? nodes->operator_host - 1 : NODES_MOST;
}

uint32_t nodes_add(struct nodes *nodes, struct error *error)
{
    uint32_t id = nodes->last + 1;
    if (id > nodes_most(nodes)) {
        error_set(error, "there is no host for another node: this run has had %u", id - 1);
        return 0;
    }
    struct node *node = nodes_of(nodes, id);
    const char *address = network_address(nodes->network, id);
    *node = (struct node){.joins = id > nodes->founders, .disk.loop_fd = -1};
    snprintf(node->endpoint, sizeof node->endpoint, "%s:%d", address, CLIENT_PORT);
    snprintf(node->peer_address, sizeof node->peer_address, "%s:%d", address, PEER_PORT);
    node->directory = nodes_format("%s/n%u", nodes->directory, id);
    node->data = nodes_format("%s/data", node->directory);
    node->log = nodes_format("%s/n%u.log", nodes->directory, id);
    node->disk_faults = nodes_format("%s/n%u.faults", nodes->directory, id);
    node->clock = nodes_format("%s/n%u.clock", nodes->directory, id);
    bool ok = true;
    if (nodes->disk_bytes > 0) {
        ok = disk_open(&node->disk, node->directory, nodes->disk_bytes, error);
    } else if (mkdir(node->directory, 0755) != 0) {
        ok = error_set(error, "can't make %s: %s", node->directory, strerror(errno));
    }
    ok = ok &&
         (nodes->disk_faults_library == NULL || nodes_set_disk_faults(nodes, id, "", error)) &&
         (nodes->faketime_library == NULL || nodes_set_clock(nodes, id, "", error));
    /* Also where it has failed: nodes_close frees what there is of it. */
    atomic_store(&nodes->last, id);
    if (ok) {
        set_life(nodes, node, NODE_DOWN);
    }
    return ok ? id : 0;
}

/* NULL stays NULL. */
static bool resolve(const char *path, char **resolved, struct error *error)
{
    *resolved = path != NULL ? realpath(path, NULL) : NULL;
    return path == NULL || *resolved != NULL || error_set(error, "%s: %s", path, strerror(errno));
}

struct nodes *nodes_open(const struct nodes_options *options, struct error *error)
{
    uint32_t host_count = network_host_count(options->network);
    assert(options->count >= 1 && options->count <= NODES_MOST && host_count > options->count);
    struct nodes *nodes = memory_zalloc(sizeof *nodes);
    nodes->network = options->network;
    nodes->founders = options->count;
    nodes->election_timeout_ms = options->election_timeout_ms;
    nodes->end_timeout_ms = options->end_timeout_ms != 0 ? options->end_timeout_ms : END_MS;
    nodes->disk_bytes = options->disk_bytes;
    nodes->operator_host = host_count;
    pthread_mutex_init(&nodes->mutex, NULL);
    nodes->planted = options->planted != NULL ? memory_strdup(options->planted) : NULL;
    size_t flag_count = 0;
    while (options->flags != NULL && options->flags[flag_count] != NULL) {
        flag_count++;
    }
    nodes->flags = memory_zalloc((flag_count + 1) * sizeof *nodes->flags);
    for (size_t i = 0; i < flag_count; i++) {
        nodes->flags[i] = memory_strdup(options->flags[i]);
    }
    bool ok = resolve(options->directory, &nodes->directory, error) &&
              resolve(options->program, &nodes->program, error) &&
              resolve(options->disk_faults_library, &nodes->disk_faults_library, error) &&
              resolve(options->faketime_library, &nodes->faketime_library, error);
    /* Their addresses are in each other's flags: all are there before the first one starts. */
    for (uint32_t i = 1; i <= options->count && ok; i++) {
        ok = nodes_add(nodes, error) != 0;
    }
    if (ok) {
        nodes->watcher = nodes_open_client(nodes, nodes_endpoints(nodes), error);
    }
    if (nodes->watcher == NULL) {
        nodes_close(nodes, false);
        return NULL;
    }
    return nodes;
}

/* The disk's contents, as an ordinary directory in its place. */
static bool keep_contents(struct node *node, struct error *error)
{
    char *kept = nodes_format("%s.kept", node->directory);
    const char *const copy[] = {"cp", "-a", "--sparse=always", "--", node->directory, kept, NULL};
    bool ok = disk_run_program(copy, error); /* where it fails, what there is of it stays */
    disk_close(&node->disk);
    if (rename(kept, node->directory) != 0 && ok) {
        ok = error_set(error, "can't rename %s: %s", kept, strerror(errno));
    }
    free(kept);
    return ok;
}

static void close_node(struct nodes *nodes, uint32_t id, bool keep_data)
{
    struct node *node = nodes_of(nodes, id);
    struct error error;
    if (!nodes_kill(nodes, id, &error) ||
        (keep_data && node->disk.path != NULL && !keep_contents(node, &error))) {
        fprintf(stderr, "nodes: %s\n", error.text);
    }
    disk_close(&node->disk);
    const char *const remove[] = {"rm", "-rf", "--", node->directory, NULL};
    if (!keep_data && !disk_run_program(remove, &error)) {
        fprintf(stderr, "nodes: %s\n", error.text);
    }
    (void)unlink(node->disk_faults);
    (void)unlink(node->clock);
    free(node->directory);
    free(node->data);
    free(node->log);
    free(node->disk_faults);
    free(node->clock);
}

void nodes_close(struct nodes *nodes, bool keep_data)
{
    if (nodes == NULL) {
        return;
    }
    hf_client_close(nodes->operator_client);
    hf_client_close(nodes->watcher);
    for (uint32_t id = 1; id <= nodes->last; id++) {
        close_node(nodes, id, keep_data);
    }
    for (size_t i = 0; i < nodes->endpoints_given_count; i++) {
        free(nodes->endpoints_given[i]);
    }
    free(nodes->endpoints_given);
    free(nodes->operator_endpoints);
    for (char **flag = nodes->flags; *flag != NULL; flag++) {
        free(*flag);
    }
    free((void *)nodes->flags);
    free(nodes->directory);
    free(nodes->program);
    free(nodes->planted);
    free(nodes->disk_faults_library);
    free(nodes->faketime_library);
    pthread_mutex_destroy(&nodes->mutex);
    free(nodes);
}

uint32_t nodes_last(const struct nodes *nodes)
{
    return nodes->last;
}

static const struct node *given(const struct nodes *nodes, uint32_t id)
{
    assert(id >= 1 && id <= nodes->last);
    return &nodes->nodes[id];
}

int nodes_exit_status(const struct nodes *nodes, uint32_t id)
{
    return given(nodes, id)->exit_status;
}

const char *nodes_data(const struct nodes *nodes, uint32_t id)
{
    return given(nodes, id)->data;
}

const char *nodes_log(const struct nodes *nodes, uint32_t id)
{
    return given(nodes, id)->log;
}

const char *nodes_endpoint(const struct nodes *nodes, uint32_t id)
{
    return given(nodes, id)->endpoint;
}

const char *nodes_peer_address(const struct nodes *nodes, uint32_t id)
{
    return given(nodes, id)->peer_address;
}
