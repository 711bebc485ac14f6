/*
 * programs.c - where the node's program and the preloaded libraries are.
 */
#include "programs.h"

#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/planted.h"

/* PATH_MAX bytes at `out`; false: it is not there. */
static bool find(char *out, const char *path)
{
    return realpath(path, out) != NULL && access(out, R_OK) == 0;
}

static bool find_named(char *out, const char *option, const char *path, struct error *error)
{
    return find(out, path) || error_set(error, "--%s %s: %s", option, path, strerror(errno));
}

/* Relative to the directory that this program lies in; "" if it is not there. */
static void find_built(char *out, const char *relative)
{
    char self[PATH_MAX];
    char path[2 * PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    self[len > 0 ? len : 0] = '\0';
    snprintf(path, sizeof path, "%s/%s", dirname(self), relative);
    if (!find(out, path)) {
        out[0] = '\0';
    }
}

/* Debian keeps it in a directory that is named by the machine. The one for programs with threads.
 */
static void find_faketime(char *out)
{
    static const char *const places[] = {"/usr/lib/*/faketime/libfaketimeMT.so.1",
                                         "/usr/lib*/faketime/libfaketimeMT.so.1"};
    out[0] = '\0';
    for (size_t i = 0; out[0] == '\0' && i < sizeof places / sizeof *places; i++) {
        glob_t found;
        if (glob(places[i], 0, NULL, &found) == 0) {
            if (!find(out, found.gl_pathv[0])) {
                out[0] = '\0';
            }
            globfree(&found);
        }
    }
}

/* A program that does not know its bug ends at once; who looks for one that is caught must not take
 * that for it. */
static bool is_planted(const char *name)
{
    static const char *const names[] = {
#define X(id, text, broken, what) text,
        PLANTED_BUGS(X)
#undef X
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

bool programs_find(struct programs *programs, const struct chaos_options *options,
                   struct error *error)
{
    if (options->program != NULL) {
        if (!find_named(programs->node, "program", options->program, error)) {
            return false;
        }
    } else if (options->planted != NULL && !is_planted(options->planted)) {
        return error_set(error, "--planted: there is no bug '%s': docs/planted-bugs.md names them",
                         options->planted);
    } else {
        find_built(programs->node,
                   options->planted == NULL ? "../node/holdfastd" : "planted/holdfastd-planted");
    }
    if (programs->node[0] == '\0' || access(programs->node, X_OK) != 0) {
        return error_set(error, "there is no holdfastd to test: build it, or name it by --program");
    }
    if (options->disk_faults != NULL) {
        if (!find_named(programs->disk_faults, "disk-faults", options->disk_faults, error)) {
            return false;
        }
    } else {
        find_built(programs->disk_faults, "../tests/lib/libdisk_faults.so");
    }
    if (options->faketime != NULL) {
        return find_named(programs->faketime, "faketime", options->faketime, error);
    }
    find_faketime(programs->faketime);
    return true;
}

static const char *what_lacks(const struct nemesis *nemesis, const struct chaos_options *options,
                              const struct programs *programs)
{
    if (nemesis->needs_disk_faults && programs->disk_faults[0] == '\0') {
        return "the library disk_faults (--disk-faults)";
    }
    if (nemesis->needs_clock_faults && programs->faketime[0] == '\0') {
        return "libfaketime (--faketime)";
    }
    return options->node_count < nemesis->least_nodes ? "more nodes (--nodes)" : NULL;
}

bool programs_check_nemeses(struct chaos_options *options, const struct programs *programs,
                            struct error *error)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < options->nemesis_count; i++) {
        const struct nemesis *nemesis = options->nemeses[i];
        const char *lacks = what_lacks(nemesis, options, programs);
        if (lacks == NULL) {
            options->nemeses[kept++] = nemesis;
        } else if (!options->all_nemeses) {
            return error_set(error, "%s needs %s", nemesis->name, lacks);
        } else {
            fprintf(stderr, "chaos: without %s, which needs %s\n", nemesis->name, lacks);
        }
    }
    options->nemesis_count = kept;
    return true;
}
