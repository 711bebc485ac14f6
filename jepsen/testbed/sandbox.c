/*
 * sandbox.c - a run's namespaces.
 *
 * Three processes:
 *
 *   outside   the one that people started: passes signals on, waits, exits as the run did
 *   init      the first of the PID namespace: reaps orphans, passes signals on, and ends with the
 *             run. The kernel ends all others of the namespace with it
 *   run       sandbox_enter returns here
 *
 * The run is not the namespace's first process itself, for the kernel keeps signals without a
 * handler from that one: an abort() would not end it, nor would SIGTERM.
 *
 * Whoever is killed takes the others along: init dies with its parent (PR_SET_PDEATHSIG), all
 * others with init. Init leads a session of its own, so that a terminal's signals come through the
 * outside alone, once.
 *
 * What can fail: clone, unshare and mount without root (EPERM), fork without room. Setting up takes
 * place in init; its words come back through a pipe, so that the caller gets them as an error. The
 * same pipe tells init that its parent is there: a parent that died before PR_SET_PDEATHSIG took
 * hold has closed its end.
 */
#include "sandbox.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What is waited for, with sigwaitinfo, by the two that only wait. */
static sigset_t waited_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    return set;
}

/* As a shell tells it. */
static int exit_code(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Until `child` ends; the children of others that end meanwhile are reaped. Returns its exit code.
 */
static int wait_for(pid_t child)
{
    const sigset_t set = waited_signals();
    for (;;) {
        int status;
        pid_t ended;
        while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
            if (ended == child) {
                return exit_code(status);
            }
        }
        if (ended < 0 && errno != EINTR) {
            fprintf(stderr, "sandbox: can't wait for process %d: %s\n", (int)child,
                    strerror(errno));
            return EXIT_FAILURE;
        }
        int signal = sigwaitinfo(&set, NULL);
        if (signal > 0 && signal != SIGCHLD) {
            (void)kill(child, signal); /* it is not reaped yet: its id is nobody else's */
        }
    }
}

static bool set_up(struct error *error)
{
    if (unshare(CLONE_NEWNS | CLONE_NEWNET) != 0) {
        return error_set(error, "can't make a mount and a network namespace: %s", strerror(errno));
    }
    /* Nothing of ours goes out; what is mounted outside later does not come in. */
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        return error_set(error, "can't make the mounts private: %s", strerror(errno));
    }
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0) {
        return error_set(error, "can't mount /proc anew: %s", strerror(errno));
    }
    return true;
}

/* The first process of the namespace. Returns in the run only. */
static void be_init(int channel, const sigset_t *signals_before)
{
    struct error error = {.text = ""};
    struct pollfd parent = {.fd = channel, .events = 0};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || poll(&parent, 1, 0) < 0) {
        error_set(&error, "can't ask to end with the parent: %s", strerror(errno));
    } else if ((parent.revents & POLLHUP) != 0) {
        _exit(EXIT_FAILURE); /* nobody is there to be told */
    }
    pid_t run = -1;
    if (error.text[0] == '\0' && set_up(&error)) {
        if (setsid() < 0) {
            error_set(&error, "can't begin a session: %s", strerror(errno));
        } else if ((run = fork()) < 0) {
            error_set(&error, "can't make a process: %s", strerror(errno));
        }
    }
    if (run == 0) {
        (void)close(channel);
        (void)sigprocmask(SIG_SETMASK, signals_before, NULL);
        return;
    }
    ssize_t sent = send(channel, &error, sizeof error, MSG_NOSIGNAL);
    (void)close(channel);
    _exit(run > 0 && sent == (ssize_t)sizeof error ? wait_for(run) : EXIT_FAILURE);
}

bool sandbox_enter(struct error *error)
{
    int channel[2];
    const sigset_t set = waited_signals();
    sigset_t before;
    if (geteuid() != 0) {
        return error_set(error, "namespaces need root: start this as root");
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) != 0) {
        return error_set(error, "can't make a pair of sockets: %s", strerror(errno));
    }
    (void)fflush(NULL); /* what is buffered must not be written by both */
    (void)sigprocmask(SIG_BLOCK, &set, &before);

    /* Not unshare and fork: that would leave the caller, where this fails, unable to fork ever
     * again. What the C library does around a fork is not needed by init, and the run is forked by
     * it. */
    long init = syscall(SYS_clone, (unsigned long)(CLONE_NEWPID | SIGCHLD), NULL, NULL, NULL, 0UL);
    if (init == 0) {
        (void)close(channel[0]);
        be_init(channel[1], &before);
        return true;
    }
    (void)close(channel[1]);
    if (init < 0) {
        error_set(error, "can't make a process in a PID namespace of its own: %s", strerror(errno));
    } else {
        if (recv(channel[0], error, sizeof *error, 0) != (ssize_t)sizeof *error) {
            error_set(error, "the first process of the namespace ended before it had set it up");
        }
        int code = wait_for((pid_t)init);
        if (error->text[0] == '\0') {
            _exit(code);
        }
    }
    (void)close(channel[0]);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return error_wrap(error, "no sandbox");
}
