/*
 * main.c - holdfastd: read the options, start the node, run the loop until SIGTERM or SIGINT. Exit
 * 0 after a clean stop, 1 when the node can't go on or can't start, 2 for options that are wrong.
 * --force-new-cluster: 0 when the directory is made, 1 when it is not.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "build.h"
#include "identity.h"
#include "node.h"
#include "recovery.h"

struct daemon {
    struct node node;
    uv_signal_t terminate;
    uv_signal_t interrupt;
};

static void on_stopped(void *context)
{
    struct daemon *daemon = context;
    uv_close((uv_handle_t *)&daemon->terminate, NULL);
    uv_close((uv_handle_t *)&daemon->interrupt, NULL);
    /* libuv has given the signals back: one more would end the process with another status, for
     * nothing. */
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    struct daemon *daemon = handle->data;
    node_stop(&daemon->node, on_stopped, daemon);
}

static void watch(struct daemon *daemon, uv_loop_t *loop, uv_signal_t *handle, int number)
{
    uv_signal_init(loop, handle);
    handle->data = daemon;
    uv_signal_start(handle, on_signal, number);
}

/* A login shell usually gives 1,024 descriptors: less than the connections a node takes. Take what
 * is allowed, and say so if it is little. */
static void allow_descriptors(void)
{
    const rlim_t wanted = LIMIT_CONNECTIONS + NODE_OWN_DESCRIPTORS;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) {
        return;
    }
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted) {
        log_warning(
            "descriptors", LOG_NUMBER("allowed", limit.rlim_cur), LOG_NUMBER("wanted", wanted),
            LOG_TEXT("message",
                     "fewer clients than the limit can connect: raise the limit of open files"));
    }
}

static int refuse_options(struct node_options *options, const struct error *error)
{
    log_error("options", LOG_TEXT("message", error->text));
    options_free(options);
    return 2;
}

static int force_new_cluster(struct node_options *options)
{
    struct error error;
    enum recovery_end end = recovery_run(options, &error);
    if (end == RECOVERY_FAILED) {
        log_error("force-new-cluster", LOG_TEXT("message", error.text));
    }
    options_free(options);
    return end == RECOVERY_DONE ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct node_options options;
    struct error error = {""};
    switch (options_read(&options, argc, argv, &error)) {
    case OPTIONS_HELP:
        options_print_help();
        return 0;
    case OPTIONS_VERSION:
        printf("holdfastd %s\nledger version %u\npeer protocol %d\n", HOLDFAST_VERSION,
               build_ledger_version_known(), PEER_PROTOCOL_VERSION);
        return 0;
    case OPTIONS_REFUSED:
        return refuse_options(&options, &error);
    case OPTIONS_RUN:
        break;
    }
    switch (identity_find(&options, &error)) {
    case IDENTITY_NOT_TOLD:
        return refuse_options(&options, &error);
    case IDENTITY_UNREADABLE:
        log_fatal("start", error.text);
    case IDENTITY_FOUND:
        break;
    }
    log_configure(options.log_level, options.id);
    if (options.force_new_cluster != NULL) {
        return force_new_cluster(&options);
    }
    struct error doubt;
    if (options_doubt(&options, &doubt)) {
        log_warning("options", LOG_TEXT("message", doubt.text));
    }
    signal(SIGPIPE, SIG_IGN);
    allow_descriptors();

    uv_loop_t loop;
    if (uv_loop_init(&loop) != 0) {
        log_fatal("start", "the event loop can't be set up");
    }
    struct daemon *daemon = memory_zalloc(sizeof *daemon);
    /* Before the start: whoever sees the line "started" may stop the node, and sees it end with 0.
     * Signals are looked at when the loop runs, so the node is complete by then. */
    watch(daemon, &loop, &daemon->terminate, SIGTERM);
    watch(daemon, &loop, &daemon->interrupt, SIGINT);
    if (!node_start(&daemon->node, &loop, &options, &error)) {
        log_fatal("start", error.text);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    int status = uv_loop_close(&loop);
    free(daemon);
    options_free(&options);
    if (status != 0) {
        log_fatal("stop", "handles were left open");
    }
    return 0;
}
