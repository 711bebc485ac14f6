/*
 * playground_node.c - a node's files and process.
 *
 * What can fail: files that can't be written, a process that can't be started. That the node itself
 * fails shows later, by its exit.
 */
#include "playground_node.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_TAIL_BYTES 4096
#define LOG_TAIL_LINES 5

static char *path_of(const char *directory, int id, const char *suffix)
{
    struct buffer path = {0};
    buffer_printf(&path, "%s/node-%d%s", directory, id, suffix);
    buffer_append(&path, "", 1);
    return (char *)path.data;
}

void playground_nodes_init(struct playground_node *nodes, int count, const char *directory,
                           int base_port)
{
    assert(count >= 1 && count <= PLAYGROUND_NODES);
    for (int i = 0; i < count; i++) {
        struct playground_node *node = &nodes[i];
        *node = (struct playground_node){
            .id = i + 1,
            .data = path_of(directory, i + 1, ""),
            .log = path_of(directory, i + 1, ".log"),
            .command = path_of(directory, i + 1, ".command"),
            .pid_file = path_of(directory, i + 1, ".pid"),
        };
        snprintf(node->client_address, sizeof node->client_address, "127.0.0.1:%d", base_port + i);
        snprintf(node->peer_address, sizeof node->peer_address, "127.0.0.1:%d",
                 base_port + count + i);
    }
}

void playground_nodes_free(struct playground_node *nodes, int count)
{
    for (int i = 0; i < count; i++) {
        free(nodes[i].data);
        free(nodes[i].log);
        free(nodes[i].command);
        free(nodes[i].pid_file);
    }
}

void playground_endpoints(const struct playground_node *nodes, int count, struct buffer *out)
{
    for (int i = 0; i < count; i++) {
        buffer_printf(out, "%s%s", i > 0 ? "," : "", nodes[i].client_address);
    }
}

/* ---- the script ---- */

/* As one word of a POSIX shell, whatever it holds. */
static void append_quoted(struct buffer *out, const char *word)
{
    buffer_append(out, "'", 1);
    for (; *word != '\0'; word++) {
        if (*word == '\'') {
            buffer_printf(out, "'\\''");
        } else {
            buffer_append(out, word, 1);
        }
    }
    buffer_append(out, "'", 1);
}

static void append_script(struct buffer *out, const struct playground_node *node,
                          const char *holdfastd, const char *initial_cluster)
{
    buffer_printf(out,
                  "#!/bin/sh\n# Starts node %d of this playground; it runs until it is "
                  "stopped or killed.\npid=$(cat ",
                  node->id);
    append_quoted(out, node->pid_file);
    /* As runs_node: the one that runs keeps its pid file, by which the playground stops it. */
    buffer_printf(out, " 2>/dev/null)\nif grep -qszxF -e ");
    append_quoted(out, node->data);
    buffer_printf(out,
                  " \"/proc/$pid/cmdline\"; then\n"
                  "    echo \"node %d runs already, as process $pid\" >&2\n    exit 1\nfi\n"
                  "echo $$ >",
                  node->id);
    append_quoted(out, node->pid_file);
    buffer_printf(out, "\nexec ");
    append_quoted(out, holdfastd);
    buffer_printf(out, " --id %d --data ", node->id);
    append_quoted(out, node->data);
    buffer_printf(out, " --client-address %s --peer-address %s --initial-cluster %s \\\n    >>",
                  node->client_address, node->peer_address, initial_cluster);
    append_quoted(out, node->log);
    buffer_printf(out, " 2>&1 </dev/null\n");
}

static bool write_file(const char *path, mode_t mode, struct bytes text, struct error *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0) {
        return error_set(error, "%s: %s", path, strerror(errno));
    }
    ssize_t written = write(fd, text.data, text.len);
    int failure = written < 0 ? errno : ENOSPC;
    if (close(fd) != 0 || written != (ssize_t)text.len) {
        return error_set(error, "%s could not be written: %s", path, strerror(failure));
    }
    return true;
}

bool playground_node_prepare(const struct playground_node *node, const char *holdfastd,
                             const char *initial_cluster, struct error *error)
{
    if (mkdir(node->data, 0700) != 0 && errno != EEXIST) {
        return error_set(error, "%s could not be made: %s", node->data, strerror(errno));
    }
    struct buffer script = {0};
    append_script(&script, node, holdfastd, initial_cluster);
    bool done = write_file(node->command, 0755, buffer_bytes(&script), error);
    buffer_free(&script);
    return done;
}

/* ---- the process ---- */

/* In the child, between fork and exec: only calls that are safe there. */
static void become_node(const struct playground_node *node, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    char *const argv[] = {(char *)"sh", node->command, NULL};
    bool ready = setpgid(0, 0) == 0 /* a Ctrl-C is for the playground, which stops the nodes */
                 && signal(SIGPIPE, SIG_DFL) != SIG_ERR &&
                 sigprocmask(SIG_SETMASK, &none, NULL) == 0 &&
                 prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
                 getppid() == parent; /* else it died before the line above */
    if (ready) {
        execv("/bin/sh", argv);
    }
    _exit(127);
}

bool playground_node_start(struct playground_node *node, struct error *error)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        return error_set(error, "no process for node %d: %s", node->id, strerror(errno));
    }
    if (pid == 0) {
        become_node(node, parent);
    }
    node->pid = pid;
    return true;
}

/* Up to `size` bytes of the file's end; fewer, or none, if it can't be read. */
static size_t read_tail(const char *path, char *into, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    off_t end = lseek(fd, 0, SEEK_END);
    off_t start = end > (off_t)size ? end - (off_t)size : 0;
    ssize_t len = end < 0 ? -1 : pread(fd, into, size, start);
    close(fd);
    return len > 0 ? (size_t)len : 0;
}

void playground_node_append_log_tail(const struct playground_node *node, struct buffer *out)
{
    char tail[LOG_TAIL_BYTES];
    size_t len = read_tail(node->log, tail, sizeof tail);
    while (len > 0 && tail[len - 1] == '\n') {
        len--;
    }
    size_t start = len;
    for (int lines = 0; start > 0; start--) {
        lines += tail[start - 1] == '\n';
        if (lines == LOG_TAIL_LINES) {
            break;
        }
    }
    for (size_t i = start; i < len; i++) {
        if (i == start || tail[i - 1] == '\n') {
            buffer_printf(out, "  ");
        }
        buffer_append(out, &tail[i], 1);
    }
    if (len > start) {
        buffer_append(out, "\n", 1);
    }
}

/* A pid may have gone to somebody else: its command line must name this node's data. */
static bool runs_node(pid_t pid, const struct playground_node *node)
{
    char path[64];
    char command_line[8192];
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t len = read(fd, command_line, sizeof command_line);
    close(fd);
    return len > 0 && memmem(command_line, (size_t)len, node->data, strlen(node->data) + 1) != NULL;
}

pid_t playground_node_adopted(const struct playground_node *node)
{
    char text[32];
    size_t len = read_tail(node->pid_file, text, sizeof text - 1);
    text[len] = '\0';
    char *end;
    long pid = strtol(text, &end, 10);
    if (end == text || pid <= 1 || pid > INT32_MAX || (pid_t)pid == node->pid) {
        return 0;
    }
    return runs_node((pid_t)pid, node) ? (pid_t)pid : 0;
}
