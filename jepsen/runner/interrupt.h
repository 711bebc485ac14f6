/*
 * interrupt.h - Ctrl-C and SIGTERM: the first asks for an early end, which every wait of the runner
 * notices; the second ends the process at once. Two within a quarter of a second are one: a
 * terminal sends its own to every process, and the one outside the sandbox passes its own on.
 */
#ifndef JEPSEN_INTERRUPT_H
#define JEPSEN_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* Once in a process, before it makes threads; a child of it begins without an interrupt. */
bool interrupt_watch(struct error *error);
bool interrupt_came(void);
/* Waits so long, or until one comes: true. */
bool interrupt_wait(int64_t time_ms);

#endif
