/*
 * playground.c - `holdfast playground`: a cluster of one or three nodes on this machine, in the
 * foreground, until SIGINT, SIGTERM or SIGHUP.
 *
 * The happy path: the directory is made (or reused, with the number of nodes and the port it was
 * made with), the ports are seen to be free, every node is started, and when each answers and a
 * leader serves a read, the line "ready: ..." goes to stdout. From then on nodes may die and be
 * started again by hand; that is what a playground is for. At the end every node gets SIGTERM,
 * after ten seconds SIGKILL, and a directory that was not asked for is removed.
 *
 * What can fail: no holdfastd, a directory that can't be used, a port in use (exit 2); a node that
 * dies before the cluster is ready (1, with the end of its log); no leader in time (3).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "playground_node.h"
#include "table.h"
#include "verb.h"

#define DEFAULT_PORT     7070
#define START_TIMEOUT_MS 30000
#define STOP_TIMEOUT_MS  10000
#define PROBE_TIMEOUT_MS 500
#define PROBE_PAUSE_MS   50

struct playground {
    struct verb *verb;
    int node_count;
    int64_t port;
    bool nodes_given;
    bool port_given;
    const char *given_directory;
    const char *given_holdfastd;

    char directory[PATH_MAX];
    bool new_directory; /* nothing in it says with what its nodes were made */
    char holdfastd[PATH_MAX];
    struct playground_node nodes[PLAYGROUND_NODES];
    struct buffer endpoints; /* a string */
    sigset_t signals;        /* blocked, and waited for */
    bool stopping;           /* a signal asked for it */
};

/* ---- the binary ---- */

static bool is_program(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

static bool use_program(struct playground *playground, const char *path)
{
    return is_program(path) && realpath(path, playground->holdfastd) != NULL;
}

/* Beside this program where both are installed, in the build tree, then on the PATH. */
static bool find_holdfastd(struct playground *playground)
{
    char self[PATH_MAX];
    char path[2 * PATH_MAX];
    if (playground->given_holdfastd != NULL) {
        return use_program(playground, playground->given_holdfastd) ||
               verb_fail(playground->verb, EXIT_CODE_USAGE, "%s is no program",
                         playground->given_holdfastd);
    }
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    self[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash != NULL) {
        *slash = '\0';
        static const char *const places[] = {"holdfastd", "../node/holdfastd"};
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
            snprintf(path, sizeof path, "%s/%s", self, places[i]);
            if (use_program(playground, path)) {
                return true;
            }
        }
    }
    char *search = memory_strdup(getenv("PATH") != NULL ? getenv("PATH") : "");
    bool found = false;
    char *rest = search;
    for (char *each; !found && (each = strsep(&rest, ":")) != NULL;) {
        snprintf(path, sizeof path, "%.*s/holdfastd", PATH_MAX, each);
        found = *each != '\0' && use_program(playground, path);
    }
    free(search);
    return found || verb_fail(playground->verb, EXIT_CODE_USAGE,
                              "holdfastd was found neither beside this program nor on the PATH; "
                              "name it with --holdfastd");
}

/* ---- the directory ---- */

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static bool make_temporary_directory(struct playground *playground)
{
    const char *parent = getenv("TMPDIR");
    char made[PATH_MAX];
    int len = snprintf(made, sizeof made, "%s/holdfast-playground-XXXXXX",
                       parent != NULL && *parent != '\0' ? parent : "/tmp");
    if (len >= (int)sizeof made || mkdtemp(made) == NULL ||
        realpath(made, playground->directory) == NULL) {
        return verb_fail(playground->verb, EXIT_CODE_USAGE,
                         "no temporary directory (%s): %s; name one with --dir", made,
                         strerror(errno));
    }
    playground->new_directory = true;
    return true;
}

/* The first line of DIR/playground: what the nodes in it were made with. */
#define LAYOUT_FORMAT "nodes %d port %d\n"

static bool read_layout(struct playground *playground, const char *path, FILE *file)
{
    char line[64];
    int nodes = 0;
    int port = 0;
    bool read = fgets(line, sizeof line, file) != NULL &&
                sscanf(line, LAYOUT_FORMAT, &nodes, &port) == 2 /* NOLINT(cert-err34-c) */ &&
                (nodes == 1 || nodes == 3) && port > 0 && port + 2 * nodes - 1 <= UINT16_MAX;
    fclose(file);
    if (!read) {
        return verb_fail(playground->verb, EXIT_CODE_USAGE, "%s is no playground's file", path);
    }
    bool differs = (playground->nodes_given && playground->node_count != nodes) ||
                   (playground->port_given && playground->port != port);
    if (differs) {
        return verb_fail(playground->verb, EXIT_CODE_USAGE,
                         "%s holds a cluster of --nodes %d --port %d; use those, or another --dir",
                         playground->directory, nodes, port);
    }
    playground->node_count = nodes;
    playground->port = port;
    return true;
}

static bool layout_path(struct playground *playground, char *path, size_t size)
{
    int len = snprintf(path, size, "%s/playground", playground->directory);
    return len < (int)size ||
           verb_fail(playground->verb, EXIT_CODE_USAGE, "%s: too long", playground->directory);
}

/* Only once the ports are known to be good: another attempt may then choose others. */
static bool write_layout(struct playground *playground)
{
    char path[PATH_MAX];
    if (!playground->new_directory) {
        return true;
    }
    if (!layout_path(playground, path, sizeof path)) {
        return false;
    }
    FILE *file = fopen(path, "we");
    bool written = file != NULL &&
                   fprintf(file, LAYOUT_FORMAT, playground->node_count, (int)playground->port) > 0;
    int failure = errno;
    if (file != NULL && fclose(file) != 0) {
        written = false;
        failure = errno;
    }
    return written ||
           verb_fail(playground->verb, EXIT_CODE_USAGE, "%s: %s", path, strerror(failure));
}

static bool use_directory(struct playground *playground)
{
    if (playground->given_directory == NULL) {
        return make_temporary_directory(playground);
    }
    if ((mkdir(playground->given_directory, 0700) != 0 && errno != EEXIST) ||
        realpath(playground->given_directory, playground->directory) == NULL) {
        return verb_fail(playground->verb, EXIT_CODE_USAGE, "--dir: %s can't be made: %s",
                         playground->given_directory, strerror(errno));
    }
    char path[PATH_MAX];
    if (!layout_path(playground, path, sizeof path)) {
        return false;
    }
    FILE *file = fopen(path, "re");
    playground->new_directory = file == NULL && errno == ENOENT;
    if (file == NULL && !playground->new_directory) {
        return verb_fail(playground->verb, EXIT_CODE_USAGE, "%s: %s", path, strerror(errno));
    }
    return file == NULL || read_layout(playground, path, file);
}

static void leave_directory(struct playground *playground)
{
    if (playground->given_directory == NULL && *playground->directory != '\0' &&
        nftw(playground->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0) {
        fprintf(stderr, "holdfast playground: %s could not be removed: %s\n", playground->directory,
                strerror(errno));
    }
}

/* ---- the ports ---- */

static bool port_is_free(int port, int *failure)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool usable = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
                  bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 1) == 0;
    *failure = errno;
    if (fd >= 0) {
        close(fd);
    }
    return usable;
}

static int last_port(const struct playground *playground)
{
    return (int)playground->port + 2 * playground->node_count - 1;
}

static bool check_port_range(struct playground *playground)
{
    return last_port(playground) <= UINT16_MAX ||
           verb_fail(playground->verb, EXIT_CODE_USAGE,
                     "ports %d to %d are needed, and 65535 is the last", (int)playground->port,
                     last_port(playground));
}

/* A node would find out too; here it can be said plainly. */
static bool check_ports(struct playground *playground)
{
    int first = (int)playground->port;
    int last = last_port(playground);
    for (int port = first; port <= last; port++) {
        int failure;
        if (!port_is_free(port, &failure)) {
            return verb_fail(playground->verb, EXIT_CODE_USAGE,
                             "port %d can't be used: %s; ports %d to %d are needed, choose others "
                             "with --port",
                             port, strerror(failure), first, last);
        }
    }
    return true;
}

/* ---- signals and children ---- */

static void say_exit(const struct playground_node *node, int status, struct buffer *out)
{
    if (WIFSIGNALED(status)) {
        buffer_printf(out, "node %d was killed by signal %d (%s)", node->id, WTERMSIG(status),
                      strsignal(WTERMSIG(status)));
    } else {
        buffer_printf(out, "node %d ended with exit status %d", node->id, WEXITSTATUS(status));
    }
}

/* Takes in every child that has ended; the first of them, NULL if none has. */
static struct playground_node *reap(struct playground *playground, struct buffer *text)
{
    struct playground_node *first = NULL;
    for (int i = 0; i < playground->node_count; i++) {
        struct playground_node *node = &playground->nodes[i];
        int status;
        if (node->pid > 0 && waitpid(node->pid, &status, WNOHANG) == node->pid) {
            node->pid = 0;
            if (first == NULL) {
                first = node;
                say_exit(node, status, text);
            }
        }
    }
    return first;
}

/* Waits for a signal; true if it asks the playground to stop. timeout_ms < 0: without end. */
static bool wait_signal(struct playground *playground, int timeout_ms)
{
    struct timespec timeout = {timeout_ms / 1000, (long)(timeout_ms % 1000) * 1000000};
    int signal_number = timeout_ms < 0 ? sigwaitinfo(&playground->signals, NULL)
                                       : sigtimedwait(&playground->signals, NULL, &timeout);
    return signal_number > 0 && signal_number != SIGCHLD;
}

static void block_signals(struct playground *playground)
{
    sigemptyset(&playground->signals);
    sigaddset(&playground->signals, SIGINT);
    sigaddset(&playground->signals, SIGTERM);
    sigaddset(&playground->signals, SIGHUP);
    sigaddset(&playground->signals, SIGCHLD);
    /* Before the client's thread starts, so that it inherits the mask. */
    pthread_sigmask(SIG_BLOCK, &playground->signals, NULL);
}

/* ---- start ---- */

static bool start_nodes(struct playground *playground)
{
    struct error error;
    struct buffer cluster = {0};
    playground_nodes_init(playground->nodes, playground->node_count, playground->directory,
                          (int)playground->port);
    for (int i = 0; i < playground->node_count; i++) {
        buffer_printf(&cluster, "%s%d=%s", i > 0 ? "," : "", i + 1,
                      playground->nodes[i].peer_address);
    }
    buffer_append(&cluster, "", 1);
    bool done = true;
    for (int i = 0; done && i < playground->node_count; i++) {
        done = playground_node_prepare(&playground->nodes[i], playground->holdfastd,
                                       (const char *)cluster.data, &error) &&
               playground_node_start(&playground->nodes[i], &error);
    }
    buffer_free(&cluster);
    return done || verb_fail(playground->verb, EXIT_CODE_USAGE, "%s", error.text);
}

static bool every_node_answers(struct playground *playground, const hf_call_options *probe)
{
    for (int i = 0; i < playground->node_count; i++) {
        hf_status *status;
        hf_verdict verdict = hf_get_status(playground->verb->client,
                                           playground->nodes[i].client_address, probe, &status);
        hf_free(status);
        if (verdict != HF_OK) {
            return false;
        }
    }
    return true;
}

static bool leader_serves(struct playground *playground, const hf_call_options *probe)
{
    return hf_list_stock(playground->verb->client, 1, NULL, probe, NULL) == HF_OK;
}

/* True when the cluster is ready; false when it can't be, or a signal ended the wait. */
static bool await_ready(struct playground *playground)
{
    const hf_call_options probe = {.timeout_ms = PROBE_TIMEOUT_MS};
    struct verb *verb = playground->verb;
    uint64_t until_ns = clock_now_ns() + (uint64_t)verb->timeout_ms * UINT64_C(1000000);
    while (clock_now_ns() < until_ns) {
        struct buffer text = {0};
        struct playground_node *dead = reap(playground, &text);
        if (dead != NULL) {
            verb_fail(verb, EXIT_CODE_REFUSED, "%.*s; the end of its log:", (int)text.len,
                      (const char *)text.data);
            buffer_clear(&text);
            playground_node_append_log_tail(dead, &text);
            fwrite(text.data, 1, text.len, stderr);
        }
        buffer_free(&text);
        if (dead != NULL) {
            return false;
        }
        if (every_node_answers(playground, &probe) && leader_serves(playground, &probe)) {
            return true;
        }
        playground->stopping = wait_signal(playground, PROBE_PAUSE_MS);
        if (playground->stopping) {
            return false;
        }
    }
    return verb_fail(verb, EXIT_CODE_UNREACHED, "no leader serves after %lld ms; see %s/node-*.log",
                     (long long)verb->timeout_ms, playground->directory);
}

static void announce(struct playground *playground)
{
    const char *endpoints = (const char *)playground->endpoints.data;
    printf("ready: %s\n", endpoints);
    fflush(stdout); /* verb_end sees to a failure */
    fprintf(stderr,
            "\nData and logs are in %s. Try, in another terminal:\n\n"
            "  holdfast stock set apple 10 --endpoints %s\n"
            "  holdfast order reserve order-1 apple=3 --endpoints %s\n"
            "  holdfast stock get apple --endpoints %s\n\n"
            "Ctrl-C stops the cluster.\n",
            playground->directory, endpoints, endpoints, endpoints);
}

/* ---- run, stop ---- */

static void run_until_stopped(struct playground *playground)
{
    while (!playground->stopping) {
        struct buffer text = {0};
        playground->stopping = wait_signal(playground, -1);
        for (struct playground_node *node; (node = reap(playground, &text)) != NULL;) {
            fprintf(stderr, "%.*s; start it again with: sh %s\n", (int)text.len,
                    (const char *)text.data, node->command);
            buffer_clear(&text);
        }
        buffer_free(&text);
    }
}

/* A node that somebody started again is no child of ours, and is stopped like the others. */
static void open_adopted(struct playground *playground, struct pollfd *adopted)
{
    for (int i = 0; i < playground->node_count; i++) {
        pid_t pid = playground_node_adopted(&playground->nodes[i]);
        adopted[i] = (struct pollfd){.fd = pid > 0 ? pidfd_open(pid, 0) : -1, .events = POLLIN};
    }
}

static void signal_all(struct playground *playground, const struct pollfd *adopted, int signal)
{
    for (int i = 0; i < playground->node_count; i++) {
        if (playground->nodes[i].pid > 0) {
            kill(playground->nodes[i].pid, signal);
        }
        if (adopted[i].fd >= 0) {
            pidfd_send_signal(adopted[i].fd, signal, NULL, 0);
        }
    }
}

/* Closes the descriptors of those that have ended; true once every node has. */
static bool all_ended(struct playground *playground, struct pollfd *adopted)
{
    struct buffer ignored = {0};
    reap(playground, &ignored);
    buffer_free(&ignored);
    bool ended = true;
    poll(adopted, (nfds_t)playground->node_count, 0);
    for (int i = 0; i < playground->node_count; i++) {
        if (adopted[i].fd >= 0 && (adopted[i].revents & POLLIN) != 0) {
            close(adopted[i].fd);
            adopted[i].fd = -1;
        }
        ended = ended && playground->nodes[i].pid == 0 && adopted[i].fd < 0;
    }
    return ended;
}

static void stop_nodes(struct playground *playground)
{
    struct pollfd adopted[PLAYGROUND_NODES];
    open_adopted(playground, adopted);
    uint64_t until_ns = clock_now_ns() + STOP_TIMEOUT_MS * UINT64_C(1000000);
    bool killed = false;
    signal_all(playground, adopted, SIGTERM);
    while (!all_ended(playground, adopted)) {
        /* A second Ctrl-C means: now. */
        bool impatient = wait_signal(playground, PROBE_PAUSE_MS);
        if (!killed && (impatient || clock_now_ns() > until_ns)) {
            fputs("holdfast playground: nodes that have not stopped are killed\n", stderr);
            signal_all(playground, adopted, SIGKILL);
            killed = true;
        }
    }
}

static void run(struct playground *playground)
{
    if (!check_port_range(playground) || !find_holdfastd(playground) ||
        !use_directory(playground)) {
        return;
    }
    if (check_ports(playground) && write_layout(playground)) {
        block_signals(playground);
        bool started = start_nodes(playground);
        playground_endpoints(playground->nodes, playground->node_count, &playground->endpoints);
        buffer_append(&playground->endpoints, "", 1);
        playground->verb->endpoints = (const char *)playground->endpoints.data;
        if (started && verb_connect(playground->verb) && await_ready(playground)) {
            announce(playground);
            run_until_stopped(playground);
        }
        stop_nodes(playground);
        playground_nodes_free(playground->nodes, playground->node_count);
    }
    leave_directory(playground);
}

int verb_playground(int argc, char **argv)
{
    struct verb verb = {.timeout_ms = START_TIMEOUT_MS};
    struct playground playground = {.verb = &verb, .port = DEFAULT_PORT};
    static const char *const counts[] = {"1", "3", NULL};
    int count_choice = 1;
    const struct command_option options[] = {
        {.kind = OPTION_CHOICE,
         .name = "nodes",
         .target = &count_choice,
         .given = &playground.nodes_given,
         .value_name = "1|3",
         .choices = counts,
         .help = "how many nodes (default: 3)"},
        {.kind = OPTION_TEXT,
         .name = "dir",
         .target = &playground.given_directory,
         .value_name = "DIR",
         .max = PATH_MAX,
         .help = "keep data and logs here (default: a directory that goes away at the end)"},
        {.kind = OPTION_NUMBER,
         .name = "port",
         .target = &playground.port,
         .given = &playground.port_given,
         .value_name = "BASE",
         .min = 1,
         .max = UINT16_MAX,
         .help = "the first of two ports for each node (default: 7070)"},
        {.kind = OPTION_TEXT,
         .name = "holdfastd",
         .target = &playground.given_holdfastd,
         .value_name = "PROGRAM",
         .max = PATH_MAX,
         .help = "the node's program (default: beside this one, else on the PATH)"},
        {.kind = OPTION_END},
    };
    struct command_syntax syntax = {
        .verb = "playground",
        .operands = "",
        .summary = "Runs a cluster on this machine, in the foreground, until Ctrl-C. Prints\n"
                   "\"ready: ENDPOINTS\" when it serves.",
        .options = options,
    };
    if (!verb_begin(&verb, &syntax, argc, argv)) {
        return verb.exit_code;
    }
    playground.node_count = count_choice == 0 ? 1 : 3;
    run(&playground);
    int code = verb_end(&verb);
    buffer_free(&playground.endpoints);
    return code;
}
