/*
 * test_sandbox.c - whatever ends a run, nothing is left of it. Each case is a child of the test
 * that enters a sandbox of its own, and is then treated badly.
 *
 * That nothing is left is seen by a pipe whose writing end every process of the run holds - it ends
 * when the last of them has - and by the loop device: no device has the run's file any more.
 */
#include "../../lib/cmocka_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disk.h"
#include "network.h"
#include "sandbox.h"

#define PATIENCE_MS 30000
#define DISK_BYTES  ((uint64_t)16 << 20)

static char work[] = "/tmp/test_sandbox.XXXXXX";

struct run {
    pid_t outside;
    int words; /* what it says */
};

/* `inside` runs in a sandbox; what it writes to the descriptor is read by the test. */
static struct run start(int (*inside)(int words))
{
    int channel[2];
    struct error error;
    assert_int_equal(pipe2(channel, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(channel[0]);
        if (!sandbox_enter(&error)) {
            fprintf(stderr, "%s\n", error.text);
            _exit(99);
        }
        _exit(inside(channel[1]));
    }
    (void)close(channel[1]);
    return (struct run){pid, channel[0]};
}

/* One line, or what there is of it before the last process ends. */
static void read_line(const struct run *run, char *line, size_t room)
{
    size_t len = 0;
    struct pollfd words = {.fd = run->words, .events = POLLIN};
    while (len + 1 < room) {
        assert_int_equal(poll(&words, 1, PATIENCE_MS), 1);
        ssize_t got = read(run->words, line + len, 1);
        assert_true(got >= 0);
        if (got == 0 || line[len] == '\n') {
            break;
        }
        len++;
    }
    line[len] = '\0';
}

static void expect_line(const struct run *run, const char *expected)
{
    char line[128];
    read_line(run, line, sizeof line);
    assert_string_equal(line, expected);
}

static int status_of(const struct run *run)
{
    int status;
    assert_int_equal(waitpid(run->outside, &status, 0), run->outside);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The pipe's end is the last process' end. */
static void expect_nobody(const struct run *run)
{
    char line[128];
    read_line(run, line, sizeof line);
    assert_string_equal(line, "");
    (void)close(run->words);
}

/* Is a file of this test behind some loop device? */
static bool is_disk_held(void)
{
    bool found = false;
    DIR *devices = opendir("/sys/block");
    assert_non_null(devices);
    for (struct dirent *entry; (entry = readdir(devices)) != NULL;) {
        char path[300];
        char file[512] = "";
        snprintf(path, sizeof path, "/sys/block/%.200s/loop/backing_file", entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            (void)!read(fd, file, sizeof file - 1);
            (void)close(fd);
        }
        found = found || strstr(file, work + strlen("/tmp/")) != NULL;
    }
    closedir(devices);
    return found;
}

static void expect_no_disk(void)
{
    for (int left = PATIENCE_MS / 10; is_disk_held() && left > 0; left--) {
        (void)poll(NULL, 0, 10); /* the kernel frees mounts a moment after their last process */
    }
    assert_false(is_disk_held());
}

/* ---- what happens inside ---- */

static int be_fine(int words)
{
    dprintf(words, "%d\n", (int)getpid());
    return 7;
}

static int abort_inside(int words)
{
    (void)words;
    abort();
}

static void wait_for_end(void)
{
    for (;;) {
        (void)pause();
    }
}

/* All that a run has: a network, a disk, a child that holds on to everything. */
static int use_all(int words)
{
    struct error error = {.text = ""};
    struct disk disk;
    char path[128];
    snprintf(path, sizeof path, "%s/disk", work);
    if (network_open(3, 1, &error) == NULL || !disk_open(&disk, path, DISK_BYTES, &error)) {
        dprintf(words, "%s\n", error.text);
        return 1;
    }
    pid_t child = fork();
    if (child == 0) {
        (void)setsid();
        (void)signal(SIGTERM, SIG_IGN);
        (void)signal(SIGINT, SIG_IGN);
        if (chdir(path) == 0 && open("held", O_RDWR | O_CREAT, 0644) >= 0) {
            dprintf(words, "ready\n");
        }
    }
    wait_for_end();
    return 0;
}

static int address_taken(int words)
{
    struct error error = {.text = ""};
    struct network *network = network_open(2, 1, &error);
    dprintf(words, "%s\n", network != NULL ? network_address(network, 1) : error.text);
    wait_for_end();
    return 0;
}

static volatile sig_atomic_t asked_to_end;

static void note_signal(int signal)
{
    asked_to_end = signal;
}

static int end_politely(int words)
{
    sigset_t block;
    sigset_t before;
    sigemptyset(&block);
    sigaddset(&block, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &block, &before);
    (void)signal(SIGINT, note_signal);
    dprintf(words, "ready\n");
    while (asked_to_end == 0) {
        (void)sigsuspend(&before);
    }
    dprintf(words, "asked by %d\n", (int)asked_to_end);
    return 3;
}

/* ---- cases ---- */

static void test_exit_status(void **state)
{
    (void)state;
    struct run run = start(be_fine);
    expect_line(&run, "2"); /* the second process of its namespace */
    assert_int_equal(status_of(&run), 7);
    expect_nobody(&run);
}

static void test_crash(void **state)
{
    (void)state;
    struct run run = start(abort_inside);
    assert_int_equal(status_of(&run), 128 + SIGABRT);
    expect_nobody(&run);
}

static void test_signal_is_passed_on(void **state)
{
    (void)state;
    struct run run = start(end_politely);
    expect_line(&run, "ready");
    assert_int_equal(kill(run.outside, SIGINT), 0);
    expect_line(&run, "asked by 2");
    assert_int_equal(status_of(&run), 3);
    expect_nobody(&run);
}

static void end_by(int signal)
{
    struct run run = start(use_all);
    expect_line(&run, "ready");
    assert_true(is_disk_held());
    assert_int_equal(kill(run.outside, signal), 0);
    assert_int_equal(status_of(&run), 128 + signal);
    expect_nobody(&run);
    expect_no_disk();
    char path[128];
    snprintf(path, sizeof path, "%s/disk", work);
    assert_int_equal(rmdir(path), 0); /* empty, and no mount */
}

static void test_nothing_is_left(void **state)
{
    (void)state;
    end_by(SIGKILL);
    end_by(SIGINT);
    end_by(SIGTERM);
}

static void test_two_at_once(void **state)
{
    (void)state;
    struct run one = start(address_taken);
    struct run other = start(address_taken);
    expect_line(&one, "10.77.0.1");
    expect_line(&other, "10.77.0.1");
    for (int i = 0; i < 2; i++) {
        const struct run *run = i == 0 ? &one : &other;
        assert_int_equal(kill(run->outside, SIGKILL), 0);
        assert_int_equal(status_of(run), 128 + SIGKILL);
        expect_nobody(run);
    }
}

int main(void)
{
    if (geteuid() != 0) {
        printf("1..0 # SKIP namespaces need root\n");
        return 0;
    }
    if (mkdtemp(work) == NULL) {
        perror(work);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_status),         cmocka_unit_test(test_crash),
        cmocka_unit_test(test_signal_is_passed_on), cmocka_unit_test(test_nothing_is_left),
        cmocka_unit_test(test_two_at_once),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)rmdir(work);
    return failed;
}
