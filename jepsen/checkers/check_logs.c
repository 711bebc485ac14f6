/*
 * check_logs.c - what nodes have written while they ran: no assertion, no crash, no sanitizer's
 * report. Reads every file NAME.log of the directory; what lies deeper are the nodes' disks, where
 * databases have files of that name.
 *
 * A node that stops by its own decision (a disk that fails) writes none of these marks.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "check.h"

static const char *const marks[] = {
    "AddressSanitizer",
    "LeakSanitizer",
    "ThreadSanitizer",
    "UndefinedBehaviorSanitizer",
    "MemorySanitizer",
    "runtime error:", /* UBSan's lines */
    "Assertion `",    /* assert */
    "assertion failed",
    "Segmentation fault",
    "segfault",
    "SIGSEGV",
    "SIGABRT",
    "stack smashing detected",
    "buffer overflow detected",
    "double free or corruption",
    "malloc(): ",
    "free(): invalid",
    "core dumped",
    "ended by a signal:", /* what the testbed writes of a node that it has not ended itself */
    "terminate called",   /* C++ below RocksDB */
    "pure virtual method called",
};

struct scan {
    struct check *check;
    int64_t files;
    int64_t lines;
};

static const char *mark_in(const char *line)
{
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (strstr(line, marks[i]) != NULL) {
            return marks[i];
        }
    }
    return NULL;
}

static void scan_file(struct scan *scan, const char *path)
{
    char *line = NULL;
    size_t room = 0;
    int64_t number = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        check_unknown(scan->check, CHECK_NAMES_NONE, "%s: can't be read: %s", path,
                      strerror(errno));
        return;
    }
    scan->files++;
    for (ssize_t len; (len = getline(&line, &room, file)) >= 0; number++) {
        for (ssize_t i = 0; i < len; i++) {
            line[i] = line[i] == '\0' ? ' ' : line[i]; /* a torn log must not hide its rest */
        }
        const char *mark = mark_in(line);
        if (mark != NULL) {
            line[strcspn(line, "\n")] = '\0';
            check_invalid(scan->check, CHECK_NAMES_NONE, "%s, line %" PRId64 ": %.200s", path,
                          number + 1, line);
        }
    }
    if (ferror(file)) {
        check_unknown(scan->check, CHECK_NAMES_NONE, "%s: can't be read to its end", path);
    }
    scan->lines += number;
    free(line);
    fclose(file);
}

static bool is_log(const char *name)
{
    size_t len = strlen(name);
    return len > 4 && strcmp(name + len - 4, ".log") == 0;
}

static void scan_directory(struct scan *scan, const char *directory)
{
    char path[PATH_MAX];
    struct dirent *entry;
    struct stat stat;
    DIR *open = opendir(directory);
    if (open == NULL) {
        check_unknown(scan->check, CHECK_NAMES_NONE, "%s: can't be read: %s", directory,
                      strerror(errno));
        return;
    }
    while ((entry = readdir(open)) != NULL) {
        int len = snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (entry->d_name[0] == '.' || len < 0 || (size_t)len >= sizeof path ||
            lstat(path, &stat) != 0) {
            continue;
        }
        if (S_ISREG(stat.st_mode) && is_log(entry->d_name)) {
            scan_file(scan, path);
        }
    }
    closedir(open);
}

void check_logs(struct check *check, const struct history *history, const char *directory)
{
    struct scan scan = {check, 0, 0};
    (void)history;
    if (directory == NULL) {
        return;
    }
    scan_directory(&scan, directory);
    if (scan.files > 0) {
        check_looked(check);
    }
    check_add_fact(check, "files", scan.files);
    check_add_fact(check, "lines", scan.lines);
}
