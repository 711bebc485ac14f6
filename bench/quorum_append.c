/*
 * quorum_append.c - the floor under one order at a time: a record of SIZE bytes appended and
 * fdatasync'ed to a preallocated file by three processes, the first of which waits until it and one
 * other have it. No Raft, no HTTP, no ledger: what disk and loopback cost by themselves.
 *
 *   quorum_append DIR [COUNT [SIZE]]     prints {"p50_ms":..,"p99_ms":..,"max_ms":..}
 *
 * Followers are forked, talk over loopback TCP, and end when their connection does.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FOLLOWERS  2
#define FILE_BYTES (64 << 20)

static void need(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "quorum_append: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static int open_log(const char *directory, int number)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/quorum_append.%d", directory, number);
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    need(file >= 0, path);
    unlink(path);
    need(posix_fallocate(file, 0, FILE_BYTES) == 0 && fsync(file) == 0, "preallocate");
    return file;
}

static void append(int file, off_t *offset, const char *record, size_t size)
{
    if (*offset + (off_t)size > FILE_BYTES) {
        *offset = 0;
    }
    need(pwrite(file, record, size, *offset) == (ssize_t)size && fdatasync(file) == 0, "append");
    *offset += (off_t)size;
}

/* A whole record; 0 when the leader has gone. */
static int read_record(int socket, char *record, size_t size)
{
    size_t got = 0;
    while (got < size) {
        ssize_t n = read(socket, record + got, size - got);
        if (n <= 0) {
            return 0;
        }
        got += (size_t)n;
    }
    return 1;
}

static void follow(int socket, const char *directory, int number, size_t size)
{
    int file = open_log(directory, number);
    off_t offset = 0;
    char *record = calloc(1, size);
    need(record != NULL, "memory");
    while (read_record(socket, record, size)) {
        append(file, &offset, record, size);
        need(write(socket, "", 1) == 1, "ack");
    }
    exit(0);
}

/* A connected pair of loopback TCP sockets without delay: what two nodes have between them. */
static void tcp_pair(int pair[2])
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    need(listener >= 0 && bind(listener, (struct sockaddr *)&address, len) == 0 &&
             listen(listener, 1) == 0 &&
             getsockname(listener, (struct sockaddr *)&address, &len) == 0,
         "listen");
    pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(pair[0] >= 0 && connect(pair[0], (struct sockaddr *)&address, len) == 0, "connect");
    pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    need(pair[1] >= 0, "accept");
    int on = 1;
    for (int i = 0; i < 2; i++) {
        setsockopt(pair[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    close(listener);
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: quorum_append DIR [COUNT [SIZE]]\n");
        return 2;
    }
    long count = argc > 2 ? strtol(argv[2], NULL, 10) : 3000;
    long size_given = argc > 3 ? strtol(argv[3], NULL, 10) : 256;
    if (count < 1 || count > 10000000 || size_given < 1 || size_given > 1 << 20) {
        fprintf(stderr, "quorum_append: COUNT is 1 to 10,000,000, SIZE 1 to 1,048,576\n");
        return 2;
    }
    size_t size = (size_t)size_given;
    struct pollfd acks[FOLLOWERS];
    for (int i = 0; i < FOLLOWERS; i++) {
        int pair[2];
        tcp_pair(pair);
        pid_t child = fork();
        need(child >= 0, "fork");
        if (child == 0) {
            for (int k = 0; k < i; k++) {
                close(acks[k].fd);
            }
            close(pair[0]);
            follow(pair[1], argv[1], i + 1, size);
        }
        close(pair[1]);
        acks[i] = (struct pollfd){.fd = pair[0], .events = POLLIN};
    }
    int file = open_log(argv[1], 0);
    off_t offset = 0;
    char *record = calloc(1, size);
    double *times = calloc((size_t)count, sizeof *times);
    need(record != NULL && times != NULL, "memory");
    long acked[FOLLOWERS] = {0};
    for (long i = 0; i < count; i++) {
        double begin = now_ms();
        for (int k = 0; k < FOLLOWERS; k++) {
            need(write(acks[k].fd, record, size) == (ssize_t)size, "send");
        }
        append(file, &offset, record, size);
        while (acked[0] <= i && acked[1] <= i) {
            need(poll(acks, FOLLOWERS, 10000) > 0, "no follower answers");
            for (int k = 0; k < FOLLOWERS; k++) {
                char bytes[64];
                if (acks[k].revents != 0) {
                    ssize_t n = read(acks[k].fd, bytes, sizeof bytes);
                    need(n > 0, "a follower died");
                    acked[k] += n;
                }
            }
        }
        times[i] = now_ms() - begin;
    }
    for (int k = 0; k < FOLLOWERS; k++) {
        close(acks[k].fd);
    }
    while (wait(NULL) > 0) {
    }
    qsort(times, (size_t)count, sizeof *times, compare);
    printf("{\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}\n", times[count / 2],
           times[count * 99 / 100], times[count - 1]);
    free(times);
    free(record);
    return 0;
}
