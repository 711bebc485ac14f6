/*
 * sandbox.h - namespaces in which a whole run lives, so that nothing is left of it, however it
 * ends.
 *
 * sandbox_enter makes a process in a PID, mount and network namespace of its own and goes on there.
 * When that process ends - by itself, by Ctrl-C, by kill -9, by a crash - the kernel ends every
 * process of the run, and with them go its namespaces, devices, addresses, mounts and loop devices.
 * Two runs can't meet: each has its own 10.77.0.0/24 and its own mounts.
 *
 * The process outside waits, passes SIGINT, SIGTERM and SIGHUP on, and exits as the one inside did
 * (128 + N for signal N). If it is killed, so is the one inside. Inside, signals have their usual
 * effects, and a terminal's Ctrl-C reaches the entering process alone, not what it has started.
 *
 * Threads: the caller must have no other yet.
 */
#ifndef JEPSEN_SANDBOX_H
#define JEPSEN_SANDBOX_H

#include <stdbool.h>

#include "base/error.h"

/* Returns in the inner process only. False: it is not permitted here (no root), or has failed; then
 * nothing has changed. */
bool sandbox_enter(struct error *error);

#endif
