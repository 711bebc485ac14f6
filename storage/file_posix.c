/*
 * file_posix.c - the file system of the machine.
 *
 * The happy path is one system call per operation. What can fail: any of them, told with the path
 * and errno's words. Reads and writes go on after EINTR and after a short count; a write that comes
 * back short and then fails has left part of its bytes, which the callers' formats expect of a disk
 * anyway. fdatasync is never repeated: after a failed one the kernel may have dropped the pages
 * (and would answer the second call with success), so the caller must stop.
 */
#include "storage/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* What group members may do with a node's files: read them, for a backup. */
#define FILE_MODE      0640
#define DIRECTORY_MODE 0750
/* Zeros written at once where a file system can't allocate blocks. */
#define ZERO_BYTES (1u << 16)
/* Descriptors that nftw may hold while it removes a tree. */
#define TREE_DESCRIPTORS 16

struct file {
    int fd;
    char path[];
};

static bool failed(struct error *error, const char *what, const char *path, int code)
{
    char words[128];
    return error_set(error, "%s: can't %s: %s%s", path, what,
                     strerror_r(code, words, sizeof words), /* GNU's: returns the text */
                     error_disk_advice(code));
}

/* The same, with the place in the file. */
static bool failed_at(struct error *error, const char *what, const struct file *file,
                      uint64_t offset, int code)
{
    char words[64];
    snprintf(words, sizeof words, "%s at offset %" PRIu64, what, offset);
    return failed(error, words, file->path, code);
}

static struct file *posix_open(void *context, const char *path, bool create, struct error *error)
{
    (void)context;
    int fd;
    do {
        fd = open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), FILE_MODE);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        failed(error, create ? "open or create it for writing" : "open it for writing", path,
               errno);
        return NULL;
    }
    size_t len = strlen(path) + 1;
    struct file *file = memory_alloc(sizeof *file + len);
    file->fd = fd;
    memcpy(file->path, path, len);
    return file;
}

static void posix_close(struct file *file)
{
    /* What had to be durable was synced; Linux releases the descriptor whatever close says. */
    close(file->fd);
    free(file);
}

static bool posix_size(struct file *file, uint64_t *size, struct error *error)
{
    struct stat status;
    if (fstat(file->fd, &status) != 0) {
        return failed(error, "find its size", file->path, errno);
    }
    *size = (uint64_t)status.st_size;
    return true;
}

static bool posix_write(struct file *file, uint64_t offset, const void *data, size_t len,
                        struct error *error)
{
    const uint8_t *next = data;
    while (len > 0) {
        ssize_t written = pwrite(file->fd, next, len, (off_t)offset);
        if (written < 0) {
            if (errno == EINTR) {
                continue;
            }
            return failed_at(error, "write to it", file, offset, errno);
        }
        next += written;
        offset += (uint64_t)written;
        len -= (size_t)written;
    }
    return true;
}

static bool posix_read(struct file *file, uint64_t offset, void *data, size_t len, size_t *got,
                       struct error *error)
{
    uint8_t *next = data;
    *got = 0;
    while (*got < len) {
        ssize_t count = pread(file->fd, next + *got, len - *got, (off_t)(offset + *got));
        if (count < 0) {
            if (errno == EINTR) {
                continue;
            }
            return failed_at(error, "read it", file, offset + *got, errno);
        }
        if (count == 0) {
            break;
        }
        *got += (size_t)count;
    }
    return true;
}

/* Where fallocate is not to be had, blocks are taken by writing them. */
static bool write_zeros(struct file *file, uint64_t from, uint64_t to, struct error *error)
{
    static const uint8_t zeros[ZERO_BYTES];
    while (from < to) {
        size_t part = to - from < sizeof zeros ? (size_t)(to - from) : sizeof zeros;
        if (!posix_write(file, from, zeros, part, error)) {
            return false;
        }
        from += part;
    }
    return true;
}

static bool posix_allocate(struct file *file, uint64_t size, struct error *error)
{
    uint64_t now = 0;
    if (!posix_size(file, &now, error)) {
        return false;
    }
    if (size == 0) {
        return true;
    }
    int result;
    do {
        result = fallocate(file->fd, 0, 0, (off_t)size);
    } while (result != 0 && errno == EINTR);
    if (result == 0) {
        return true;
    }
    if (errno != EOPNOTSUPP && errno != ENOSYS) {
        return failed(error, "allocate space for it", file->path, errno);
    }
    return write_zeros(file, now, size, error);
}

static bool posix_sync(struct file *file, struct error *error)
{
    return fdatasync(file->fd) == 0 || failed(error, "sync it to disk", file->path, errno);
}

/* The process id that a holder left in the file, or 0. */
static long holder_of(struct file *file)
{
    char text[24] = "";
    size_t got = 0;
    struct error ignored; /* the id only makes a refusal clearer */
    if (!posix_read(file, 0, text, sizeof text - 1, &got, &ignored)) {
        return 0;
    }
    text[got] = '\0';
    char *end = text;
    long pid = strtol(text, &end, 10);
    return end != text && *end == '\n' && pid > 0 ? pid : 0;
}

static bool make_empty(struct file *file, struct error *error)
{
    int result;
    do {
        result = ftruncate(file->fd, 0);
    } while (result != 0 && errno == EINTR);
    return result == 0 || failed(error, "empty it", file->path, errno);
}

static bool posix_lock(struct file *file, struct error *error)
{
    int result;
    do {
        result = flock(file->fd, LOCK_EX | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    if (result != 0) {
        if (errno != EWOULDBLOCK) {
            return failed(error, "lock it", file->path, errno);
        }
        long pid = holder_of(file);
        if (pid != 0) {
            return error_set(error, "%s is in use by another node, process %ld", file->path, pid);
        }
        return error_set(error, "%s is in use by another node", file->path);
    }
    char text[24];
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    return make_empty(file, error) && posix_write(file, 0, text, (size_t)len, error);
}

static bool posix_list(void *context, const char *directory,
                       bool (*visit)(void *context, const char *name), void *visit_context,
                       struct error *error)
{
    (void)context;
    DIR *stream = opendir(directory);
    if (stream == NULL) {
        return failed(error, "open the directory", directory, errno);
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (entry == NULL) {
            int code = errno;
            closedir(stream);
            return code == 0 || failed(error, "read the directory", directory, code);
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        if (!visit(visit_context, entry->d_name)) {
            closedir(stream);
            return true;
        }
    }
}

static bool posix_remove(void *context, const char *path, struct error *error)
{
    (void)context;
    return unlink(path) == 0 || failed(error, "remove it", path, errno);
}

static int remove_visited(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static bool posix_remove_tree(void *context, const char *path, struct error *error)
{
    (void)context;
    /* Depth first, links not followed: nothing outside the tree is touched. */
    return nftw(path, remove_visited, TREE_DESCRIPTORS, FTW_DEPTH | FTW_PHYS) == 0 ||
           failed(error, "remove the directory with what is in it", path, errno);
}

static bool posix_rename(void *context, const char *from, const char *to, struct error *error)
{
    (void)context;
    return rename(from, to) == 0 || failed(error, "put it in its place", from, errno);
}

static bool posix_make_directory(void *context, const char *path, struct error *error)
{
    (void)context;
    if (mkdir(path, DIRECTORY_MODE) == 0) {
        return true;
    }
    int code = errno;
    struct stat status;
    if (code == EEXIST && stat(path, &status) == 0) {
        return S_ISDIR(status.st_mode) ||
               error_set(error, "%s is not a directory, and one is needed there", path);
    }
    return failed(error, "make the directory", path, code);
}

static bool posix_sync_directory(void *context, const char *directory, struct error *error)
{
    (void)context;
    int fd;
    do {
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return failed(error, "open the directory", directory, errno);
    }
    bool synced = fsync(fd) == 0;
    int code = errno;
    close(fd);
    return synced || failed(error, "sync the directory to disk", directory, code);
}

static bool posix_free_bytes(void *context, const char *directory, uint64_t *bytes,
                             struct error *error)
{
    (void)context;
    struct statvfs status;
    int result;
    do {
        result = statvfs(directory, &status);
    } while (result != 0 && errno == EINTR);
    if (result != 0) {
        return failed(error, "find the free space of its file system", directory, errno);
    }
    *bytes = (uint64_t)status.f_bavail * status.f_frsize; /* without what is root's */
    return true;
}

const struct file_system file_system_posix = {
    .context = NULL,
    .open = posix_open,
    .close = posix_close,
    .size = posix_size,
    .allocate = posix_allocate,
    .read = posix_read,
    .write = posix_write,
    .sync = posix_sync,
    .lock = posix_lock,
    .list = posix_list,
    .remove = posix_remove,
    .remove_tree = posix_remove_tree,
    .rename = posix_rename,
    .make_directory = posix_make_directory,
    .sync_directory = posix_sync_directory,
    .free_bytes = posix_free_bytes,
};
