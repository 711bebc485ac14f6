/*
 * directory.c - directories of runs. Two runs that begin in the same millisecond: the second takes
 * the next one.
 */
#include "directory.h"

#include <errno.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TRIES 1000

static bool make(const char *path, struct error *error)
{
    return mkdir(path, 0755) == 0 || errno == EEXIST ||
           error_set(error, "%s: can't be made: %s", path, strerror(errno));
}

static bool join(char out[PATH_MAX], const char *directory, const char *name, struct error *error)
{
    int len = snprintf(out, PATH_MAX, "%s/%s", directory, name);
    return (len >= 0 && len < PATH_MAX) || error_set(error, "%s: the path is too long", directory);
}

/* Made beside and renamed, so that it always leads somewhere. */
static bool link_latest(const char *directory, const char *target, struct error *error)
{
    char path[PATH_MAX];
    char beside[PATH_MAX];
    char name[64];
    snprintf(name, sizeof name, ".latest.%ld", (long)getpid());
    if (!join(path, directory, "latest", error) || !join(beside, directory, name, error)) {
        return false;
    }
    (void)unlink(beside); /* of a run that died here */
    if (symlink(target, beside) != 0 || rename(beside, path) != 0) {
        int why = errno;
        (void)unlink(beside);
        return error_set(error, "%s: can't be linked to %s: %s", path, target, strerror(why));
    }
    return true;
}

/* 20261120T171500.123Z */
static void format_time(char out[64], int64_t add_ms)
{
    struct timespec now = {0};
    struct tm parts;
    char seconds[32];
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + add_ms;
    time_t at = (time_t)(ms / 1000);
    gmtime_r(&at, &parts);
    strftime(seconds, sizeof seconds, "%Y%m%dT%H%M%S", &parts);
    snprintf(out, 64, "%s.%03dZ", seconds, (int)(ms % 1000));
}

bool directory_make(const char *store, const char *name, char path[PATH_MAX], struct error *error)
{
    char root[PATH_MAX];
    char kind[PATH_MAX];
    char at[64];
    if (!make(store, error)) {
        return false;
    }
    if (realpath(store, root) == NULL) {
        return error_set(error, "%s: %s", store, strerror(errno));
    }
    if (!join(kind, root, name, error) || !make(kind, error)) {
        return false;
    }
    bool made = false;
    for (int tries = 0; !made && tries < TRIES; tries++) {
        format_time(at, tries);
        if (!join(path, kind, at, error)) {
            return false;
        }
        made = mkdir(path, 0755) == 0;
        if (!made && errno != EEXIST) {
            break;
        }
    }
    char target[PATH_MAX];
    if (!made) {
        return error_set(error, "%s: can't be made: %s", path, strerror(errno));
    }
    return link_latest(kind, at, error) && join(target, name, at, error) &&
           link_latest(root, target, error);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

bool directory_remove(const char *path, struct error *error)
{
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0 ||
           error_set(error, "%s: can't be removed: %s", path, strerror(errno));
}
