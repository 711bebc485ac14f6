/*
 * provenance.c - one line each from programs that know. Without a shell: a path is a path, whatever
 * is in it.
 */
#include "provenance.h"

#include <libgen.h>
#include <limits.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* The first line of its output; "unknown" if it can't be run or does not end with 0. */
static void ask(char *out, size_t size, const char *const *words)
{
    int ends[2];
    pid_t child;
    posix_spawn_file_actions_t actions;
    size_t len = 0;
    int status = -1;
    snprintf(out, size, "unknown");
    if (pipe(ends) != 0) {
        return;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    /* posix_spawn changes none of the words, whatever its type says. */
    char *const *argv = (char *const *)(uintptr_t)words;
    bool spawned = posix_spawnp(&child, words[0], &actions, NULL, argv, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (spawned) {
        char text[512];
        ssize_t got;
        while (len < sizeof text - 1 &&
               (got = read(ends[0], text + len, sizeof text - 1 - len)) > 0) {
            len += (size_t)got;
        }
        text[len] = '\0';
        text[strcspn(text, "\n")] = '\0';
        close(ends[0]);
        if (waitpid(child, &status, 0) == child && status == 0 && text[0] != '\0') {
            snprintf(out, size, "%.*s", (int)size - 1, text);
        }
        return;
    }
    close(ends[0]);
}

static void find_commit(char *out, size_t size)
{
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    self[len > 0 ? len : 0] = '\0';
    const char *const words[] = {"git",         "-C",      dirname(self), "describe", "--always",
                                 "--abbrev=40", "--dirty", "--exclude=*", NULL};
    ask(out, size, words);
}

void provenance_find(struct provenance *provenance, const char *program, const char *planted)
{
    struct utsname system;
    const char *const sum[] = {"sha256sum", "--", program, NULL};
    const char *const version[] = {program, "--version", NULL};
    find_commit(provenance->commit, sizeof provenance->commit);
    ask(provenance->sha256, sizeof provenance->sha256, sum);
    provenance->sha256[strcspn(provenance->sha256, " ")] = '\0';
    if (planted != NULL) {
        (void)setenv("HOLDFAST_PLANTED", planted, 1); /* it says nothing without */
    }
    ask(provenance->version, sizeof provenance->version, version);
    (void)unsetenv("HOLDFAST_PLANTED");
    if (uname(&system) == 0) {
        snprintf(provenance->kernel, sizeof provenance->kernel, "%s %s %s", system.sysname,
                 system.release, system.machine);
    } else {
        snprintf(provenance->kernel, sizeof provenance->kernel, "unknown");
    }
}
