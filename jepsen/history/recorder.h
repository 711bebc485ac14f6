/*
 * recorder.h - writes history.edn while the run goes.
 *
 * Any number of threads record; the recorder stamps each event with its place and its time, in one
 * order under one lock: what is recorded before a request is sent stands before everything that is
 * recorded after its answer has come. Record an invocation right before it is sent, a completion
 * right after the answer has been received.
 *
 * Lines reach the file in blocks of 64 KiB and at each recorder_flush; call that every second or
 * so: a run that dies leaves what it had up to then, at worst with half a line at the end, which
 * readers leave out. Memory: one block.
 *
 * Errors: a write that fails is kept; from then on nothing is written, recorder_failed tells, and
 * recorder_close returns false. A run with a broken history is worth nothing: end it.
 */
#ifndef JEPSEN_RECORDER_H
#define JEPSEN_RECORDER_H

#include "event.h"

struct recorder;

/* Makes the file, which must not be there; time counts from now. NULL: the error tells. */
struct recorder *recorder_open(const char *path, struct error *error);
/* `event` needs no index and no time. Returns its time, in ns since the run began. */
int64_t recorder_add(struct recorder *recorder, struct event event);
/* Now, in the recorder's time. */
int64_t recorder_now_ns(const struct recorder *recorder);
bool recorder_flush(struct recorder *recorder);
bool recorder_failed(struct recorder *recorder, struct error *error);
/* Writes and syncs what is left, and frees. */
bool recorder_close(struct recorder *recorder, struct error *error);

#endif
