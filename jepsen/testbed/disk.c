/*
 * disk.c - ext4 in a file: a sparse file, a loop device on it, mkfs.ext4, a mount.
 *
 * A power cut is ext4's own "shutdown" with the flag that leaves the journal where it is: from then
 * on nothing reaches the file, and what ext4 had in memory goes with the unmount. The next mount
 * replays the journal as after a crash. What was synced stays, what was not is gone;
 * tests/unit/jepsen/test_nodes.c proves both.
 *
 * What can fail: no loop device is to be had, no mkfs.ext4, no room for the file. The device that
 * LOOP_CTL_GET_FREE names may be taken by somebody else before it is ours (EBUSY): then the next
 * one is asked for.
 */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"

#define LOOP_CONTROL "/dev/loop-control"
#define LOOP_TRIES   100

/* linux/ext4.h, where the kernel's headers have it. */
#define EXT4_SHUTDOWN            _IOR('X', 125, uint32_t)
#define EXT4_SHUTDOWN_NO_JOURNAL 2

#define UNMOUNT_TRIES   500
#define UNMOUNT_WAIT_MS 10

bool disk_run_program(const char *const *arguments, struct error *error)
{
    char words[256] = "";
    size_t len = 0;
    int output[2];
    if (pipe2(output, O_CLOEXEC) != 0) {
        return error_set(error, "can't make a pipe: %s", strerror(errno));
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output[1], STDERR_FILENO);
    pid_t pid;
    int code = posix_spawnp(&pid, arguments[0], &actions, NULL, (char *const *)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    (void)close(output[1]);
    if (code != 0) {
        (void)close(output[0]);
        return error_set(error, "can't run %s: %s", arguments[0], strerror(code));
    }
    /* To its end, or it would be stopped by a full pipe; the beginning is kept. */
    char piece[256];
    for (;;) {
        ssize_t got = read(output[0], piece, sizeof piece);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            break;
        }
        size_t room = sizeof words - 1 - len;
        size_t kept = (size_t)got < room ? (size_t)got : room;
        memcpy(words + len, piece, kept);
        len += kept;
    }
    words[len] = '\0';
    words[strcspn(words, "\n")] = '\0';
    (void)close(output[0]);
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return (WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
           error_set(error, "%s failed: %s", arguments[0], words[0] != '\0' ? words : "no words");
}

/* A sparse file that has no name any more. */
static int make_file(const char *path, uint64_t bytes, struct error *error)
{
    struct buffer name = {0};
    buffer_printf(&name, "%s.image.XXXXXX", path);
    buffer_append(&name, "", 1);
    int fd = mkostemp((char *)name.data, O_CLOEXEC);
    if (fd < 0) {
        error_set(error, "can't make the disk %s: %s", (char *)name.data, strerror(errno));
    } else if (unlink((char *)name.data) != 0 || ftruncate(fd, (off_t)bytes) != 0) {
        error_set(error, "can't make the disk %s of %llu bytes: %s", (char *)name.data,
                  (unsigned long long)bytes, strerror(errno));
        (void)close(fd);
        fd = -1;
    }
    buffer_free(&name);
    return fd;
}

static bool attach(struct disk *disk, int control, int file, struct error *error)
{
    const struct loop_config config = {.fd = (uint32_t)file, .info.lo_flags = LO_FLAGS_AUTOCLEAR};
    for (int i = 0; i < LOOP_TRIES; i++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        if (number < 0) {
            return error_set(error, "no loop device is free: %s", strerror(errno));
        }
        snprintf(disk->device, sizeof disk->device, "/dev/loop%d", number);
        disk->loop_fd = open(disk->device, O_RDWR | O_CLOEXEC);
        if (disk->loop_fd < 0) {
            return error_set(error, "%s: %s", disk->device, strerror(errno));
        }
        if (ioctl(disk->loop_fd, LOOP_CONFIGURE, &config) == 0) {
            return true;
        }
        int code = errno;
        (void)close(disk->loop_fd);
        disk->loop_fd = -1;
        if (code != EBUSY) {
            return error_set(error, "can't set %s up: %s", disk->device, strerror(code));
        }
    }
    return error_set(error, "others take every free loop device");
}

static bool make_device(struct disk *disk, uint64_t bytes, struct error *error)
{
    int control = open(LOOP_CONTROL, O_RDWR | O_CLOEXEC);
    if (control < 0) {
        return error_set(error, "there are no loop devices here: %s: %s", LOOP_CONTROL,
                         strerror(errno));
    }
    int file = make_file(disk->path, bytes, error);
    bool ok = file >= 0 && attach(disk, control, file, error);
    if (file >= 0) {
        (void)close(file);
    }
    (void)close(control);
    return ok;
}

bool disk_open(struct disk *disk, const char *path, uint64_t bytes, struct error *error)
{
    *disk = (struct disk){.path = memory_strdup(path), .loop_fd = -1};
    if (mkdir(path, 0755) != 0) {
        error_set(error, "can't make the directory %s: %s", path, strerror(errno));
        free(disk->path);
        disk->path = NULL;
        return false;
    }
    bool ok = make_device(disk, bytes, error);
    if (ok) {
        const char *const mkfs[] = {"mkfs.ext4", "-q", "-F", disk->device, NULL};
        ok = disk_run_program(mkfs, error) && disk_mount(disk, error);
    }
    if (!ok) {
        disk_close(disk);
        error_wrap(error, "no disk at %s", path);
    }
    return ok;
}

bool disk_cut_power(struct disk *disk, struct error *error)
{
    uint32_t flag = EXT4_SHUTDOWN_NO_JOURNAL;
    int fd = open(disk->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && ioctl(fd, EXT4_SHUTDOWN, &flag) == 0;
    if (!ok) {
        error_set(error, "can't cut the power of %s: %s", disk->path, strerror(errno));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}

bool disk_unmount(struct disk *disk, struct error *error)
{
    int code = EBUSY;
    for (int i = 0; i < UNMOUNT_TRIES && code == EBUSY; i++) {
        code = umount2(disk->path, 0) == 0 ? 0 : errno;
        if (code == EBUSY) {
            (void)poll(NULL, 0, UNMOUNT_WAIT_MS);
        }
    }
    disk->is_mounted = code != 0;
    return code == 0 || error_set(error, "can't unmount %s: %s", disk->path, strerror(code));
}

bool disk_mount(struct disk *disk, struct error *error)
{
    disk->is_mounted = mount(disk->device, disk->path, "ext4", MS_NOATIME, NULL) == 0;
    return disk->is_mounted ||
           error_set(error, "can't mount %s at %s: %s", disk->device, disk->path, strerror(errno));
}

void disk_close(struct disk *disk)
{
    if (disk->path == NULL) {
        return;
    }
    if (disk->is_mounted) {
        (void)umount2(disk->path, MNT_DETACH); /* whoever is there still, holds it until he ends */
    }
    if (disk->loop_fd >= 0) {
        (void)close(disk->loop_fd);
    }
    (void)rmdir(disk->path);
    free(disk->path);
    *disk = (struct disk){.loop_fd = -1};
}
