/*
 * interrupt.c - the handler writes to an eventfd, whose count is never read, so that every later
 * wait returns at once.
 */
#include "interrupt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"

#define SAME_NS INT64_C(250000000)

static int event = -1;
static atomic_llong first_ns;

static void on_signal(int number)
{
    int saved = errno;
    long long none = 0;
    if (!atomic_compare_exchange_strong(&first_ns, &none, clock_now_ns())) {
        if (clock_now_ns() - none > SAME_NS) {
            _exit(128 + number);
        }
    } else {
        uint64_t one = 1;
        ssize_t written = write(event, &one, sizeof one); /* fails only if it is full, of others */
        (void)written;
    }
    errno = saved;
}

bool interrupt_watch(struct error *error)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    if (event >= 0) {
        close(event);
    }
    atomic_store(&first_ns, 0);
    event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event < 0 || sigaction(SIGINT, &action, NULL) != 0 ||
        sigaction(SIGTERM, &action, NULL) != 0) {
        return error_set(error, "signals can't be watched: %s", strerror(errno));
    }
    return true;
}

bool interrupt_came(void)
{
    return atomic_load(&first_ns) != 0;
}

bool interrupt_wait(int64_t time_ms)
{
    int64_t until_ns = clock_now_ns() + time_ms * 1000000;
    while (!interrupt_came()) {
        struct pollfd watched = {.fd = event, .events = POLLIN};
        int64_t left_ms = (until_ns - clock_now_ns() + 999999) / 1000000;
        if (left_ms <= 0) {
            return false;
        }
        poll(&watched, 1, left_ms > 1000 ? 1000 : (int)left_ms);
    }
    return true;
}
