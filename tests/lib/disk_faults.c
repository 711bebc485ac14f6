/*
 * disk_faults.c - a disk that fails, for a real process: preloaded (LD_PRELOAD) into a node, it
 * stands between the node, RocksDB included, and the system calls that reach a file.
 *
 * DISK_FAULTS names the control file, which is read anew when it has been replaced; without the
 * file, or with an empty one, nothing fails. A line is
 *
 *   CALL TEXT FAULT
 *
 *   CALL   write (write, pwrite), sync (fsync, fdatasync, sync_file_range), allocate (fallocate),
 *          read (read, pread), name (rename, link, unlink) or free (statvfs)
 *   TEXT   stands in the file's path
 *   FAULT  EIO, ENOSPC or EROFS: the call fails without doing anything; or a number: it is made
 *          after so many milliseconds; of free (statvfs): so many bytes are free; or LIE: a sync
 *          that says yes and does nothing
 *
 * and the first line that fits counts. A sync that fails has not synced; what was written to the
 * page cache is there still, as on Linux, where a second sync would say that all is well.
 *
 * The path is the one that the kernel gives for the descriptor. Calls are made directly, past the C
 * library, but for statvfs, which is none of the kernel's: nothing here takes part in what it
 * wraps. Threads: any. A control file that can't be understood ends the process: a test must not
 * pass because nothing was injected.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MOST_RULES 16
#define TEXT_BYTES 128

enum call { CALL_WRITE, CALL_SYNC, CALL_ALLOCATE, CALL_READ, CALL_NAME, CALL_FREE, CALL_COUNT };

static const char *const call_names[CALL_COUNT] = {"write", "sync", "allocate",
                                                   "read",  "name", "free"};

struct rule {
    enum call call;
    char text[TEXT_BYTES];
    int code;    /* 0: none */
    long number; /* 0: none */
    bool lies;
};

static struct {
    pthread_mutex_t mutex;
    struct rule rules[MOST_RULES];
    size_t count;
    ino_t inode; /* of the control file that was read; 0: there was none */
    struct timespec changed;
} faults = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static _Noreturn void give_up(const char *what)
{
    char line[256];
    int len = snprintf(line, sizeof line, "disk_faults: %s\n", what);
    (void)syscall(SYS_write, STDERR_FILENO, line, (size_t)len);
    _exit(99);
}

static bool parse_rule(char *line, struct rule *rule)
{
    char *rest = line;
    const char *call = strsep(&rest, " ");
    const char *text = strsep(&rest, " ");
    const char *fault = rest;
    if (fault == NULL || strlen(text) >= sizeof rule->text) {
        return false;
    }
    *rule = (struct rule){.call = CALL_COUNT};
    for (int i = 0; i < CALL_COUNT; i++) {
        if (strcmp(call, call_names[i]) == 0) {
            rule->call = (enum call)i;
        }
    }
    strcpy(rule->text, text);
    char *end;
    rule->number = strtol(fault, &end, 10);
    rule->lies = rule->call == CALL_SYNC && strcmp(fault, "LIE") == 0;
    if (end == fault) {
        rule->code = strcmp(fault, "EIO") == 0      ? EIO
                     : strcmp(fault, "ENOSPC") == 0 ? ENOSPC
                     : strcmp(fault, "EROFS") == 0  ? EROFS
                                                    : 0;
    }
    return rule->call != CALL_COUNT &&
           (rule->lies || rule->code != 0 || (*end == '\0' && rule->number > 0));
}

/* The control file is replaced by a rename: it is read whole. */
static void read_rules(const char *path)
{
    char content[MOST_RULES * (TEXT_BYTES + 32)];
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    faults.count = 0;
    if (fd < 0) {
        give_up("the control file went away while it was read");
    }
    ssize_t len = syscall(SYS_read, fd, content, sizeof content - 1);
    (void)syscall(SYS_close, fd);
    if (len < 0) {
        give_up("the control file can't be read");
    }
    content[len] = '\0';
    char *rest = content;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        if (line[0] == '\0') {
            continue;
        }
        if (faults.count == MOST_RULES || !parse_rule(line, &faults.rules[faults.count])) {
            give_up("the control file can't be understood");
        }
        faults.count++;
    }
}

static void look_for_rules(void)
{
    const char *path = getenv("DISK_FAULTS");
    struct stat status;
    if (path == NULL || stat(path, &status) != 0) {
        faults.count = 0;
        faults.inode = 0;
        return;
    }
    if (status.st_ino != faults.inode || status.st_mtim.tv_sec != faults.changed.tv_sec ||
        status.st_mtim.tv_nsec != faults.changed.tv_nsec) {
        faults.inode = status.st_ino;
        faults.changed = status.st_mtim;
        read_rules(path);
    }
}

/* The path is asked for only where a rule for the call exists. */
static bool find_rule(enum call call, int fd, const char *path, struct rule *found)
{
    char target[PATH_MAX];
    bool is_found = false;
    int saved = errno;
    pthread_mutex_lock(&faults.mutex);
    look_for_rules();
    for (size_t i = 0; i < faults.count && !is_found; i++) {
        const struct rule *rule = &faults.rules[i];
        if (rule->call != call) {
            continue;
        }
        if (path == NULL) {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
            ssize_t len = readlink(link, target, sizeof target - 1);
            target[len > 0 ? len : 0] = '\0';
            path = target;
        }
        is_found = strstr(path, rule->text) != NULL;
        *found = *rule;
    }
    pthread_mutex_unlock(&faults.mutex);
    errno = saved;
    return is_found;
}

/* Must this call fail, on the path, or on the descriptor where that is NULL? Sets errno. A delay is
 * spent here. */
static bool fails(enum call call, int fd, const char *path)
{
    struct rule rule;
    if (!find_rule(call, fd, path, &rule)) {
        return false;
    }
    if (rule.number > 0) {
        struct timespec delay = {rule.number / 1000, rule.number % 1000 * 1000000};
        nanosleep(&delay, NULL);
    }
    if (rule.code != 0) {
        errno = rule.code;
    }
    return rule.code != 0;
}

/* What a sync gives without being made: -1, or 0 of a lie; 1: it must be made. */
static int sync_fate(int fd)
{
    struct rule rule;
    if (find_rule(CALL_SYNC, fd, NULL, &rule) && rule.lies) {
        return 0;
    }
    return fails(CALL_SYNC, fd, NULL) ? -1 : 1;
}

/* ---- the calls ---- */

#define WRAPPER __attribute__((visibility("default")))

WRAPPER ssize_t write(int fd, const void *data, size_t len)
{
    return fails(CALL_WRITE, fd, NULL) ? -1 : syscall(SYS_write, fd, data, len);
}

WRAPPER ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
    return fails(CALL_WRITE, fd, NULL) ? -1 : syscall(SYS_pwrite64, fd, data, len, offset);
}

WRAPPER ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
    return pwrite(fd, data, len, offset);
}

WRAPPER ssize_t read(int fd, void *data, size_t len)
{
    return fails(CALL_READ, fd, NULL) ? -1 : syscall(SYS_read, fd, data, len);
}

WRAPPER ssize_t pread(int fd, void *data, size_t len, off_t offset)
{
    return fails(CALL_READ, fd, NULL) ? -1 : syscall(SYS_pread64, fd, data, len, offset);
}

WRAPPER ssize_t pread64(int fd, void *data, size_t len, off64_t offset)
{
    return pread(fd, data, len, offset);
}

WRAPPER int fsync(int fd)
{
    int fate = sync_fate(fd);
    return fate <= 0 ? fate : (int)syscall(SYS_fsync, fd);
}

WRAPPER int fdatasync(int fd)
{
    int fate = sync_fate(fd);
    return fate <= 0 ? fate : (int)syscall(SYS_fdatasync, fd);
}

WRAPPER int sync_file_range(int fd, off64_t offset, off64_t len, unsigned flags)
{
    /* Without a flag nothing is synced: RocksDB asks so whether there is such a call. */
    return flags != 0 && fails(CALL_SYNC, fd, NULL)
               ? -1
               : (int)syscall(SYS_sync_file_range, fd, offset, len, flags);
}

WRAPPER int fallocate(int fd, int mode, off_t offset, off_t len)
{
    return fails(CALL_ALLOCATE, fd, NULL) ? -1 : (int)syscall(SYS_fallocate, fd, mode, offset, len);
}

WRAPPER int fallocate64(int fd, int mode, off64_t offset, off64_t len)
{
    return fallocate(fd, mode, offset, len);
}

WRAPPER int rename(const char *from, const char *to)
{
    return fails(CALL_NAME, -1, from)
               ? -1
               : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

WRAPPER int link(const char *from, const char *to)
{
    return fails(CALL_NAME, -1, from) ? -1
                                      : (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

WRAPPER int unlink(const char *path)
{
    return fails(CALL_NAME, -1, path) ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

/* One type on 64 bits, and two names. */
static int free_of(const char *name, const char *path, void *status)
{
    struct rule rule;
    bool is_found = find_rule(CALL_FREE, -1, path, &rule);
    int (*real)(const char *, void *);
    if (is_found && rule.code != 0) {
        errno = rule.code;
        return -1;
    }
    *(void **)&real = dlsym(RTLD_NEXT, name);
    if (real == NULL) {
        give_up("the C library has no statvfs");
    }
    int result = real(path, status);
    if (result == 0 && is_found) {
        struct statvfs *told = status;
        told->f_bavail = (fsblkcnt_t)rule.number / told->f_frsize;
    }
    return result;
}

WRAPPER int statvfs(const char *path, struct statvfs *status)
{
    return free_of("statvfs", path, status);
}

WRAPPER int statvfs64(const char *path, struct statvfs64 *status)
{
    return free_of("statvfs64", path, status);
}
