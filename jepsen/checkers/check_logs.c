/*
 * check_logs.c - what nodes have written while they ran: no assertion, no crash, no sanitizer's
 * report, no state that is not that of the others. Reads every file NAME.log of the directory; what
 * lies deeper are the nodes' disks, where databases have files of that name.
 *
 * A node that stops by its own decision because its disk fails writes none of these marks. One that
 * stops because its state is wrong does, and by the time digests are compared it may have been
 * replaced: so that counts, unless the run has flipped bits of it.
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

/* node/core/digests.c */
static const char *const marks_of_states[] = {
    "that of a majority of the voters is",
    "and none has a majority of the voters",
};

struct scan {
    struct check *check;
    int64_t files;
    int64_t lines;
    bool flipped; /* states may have gone wrong on their disks */
};

static bool has_mark(const struct scan *scan, const char *line)
{
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (strstr(line, marks[i]) != NULL) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof marks_of_states / sizeof *marks_of_states; i++) {
        if (!scan->flipped && strstr(line, marks_of_states[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static bool has_flips(const struct history *history)
{
    static const char prefix[] = "start-flip-";
    for (uint32_t i = 0; i < history->faults.count; i++) {
        struct bytes word = names_text(&history->texts, history->faults.items[i].fault);
        if (word.len >= sizeof prefix - 1 && memcmp(word.data, prefix, sizeof prefix - 1) == 0) {
            return true;
        }
    }
    return false;
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
        if (has_mark(scan, line)) {
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
    struct scan scan = {.check = check, .flipped = has_flips(history)};
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
