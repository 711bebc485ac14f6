/*
 * recording.h - the parts of the recording client among themselves: who records, as which process.
 *
 * Invariants. Between recording_invoke and recording_complete nothing else is recorded by this
 * client, and the process is the same. Behind an info the client's process is a new one.
 */
#ifndef JEPSEN_RECORDING_H
#define JEPSEN_RECORDING_H

#include "client.h"

struct client {
    struct recorder *recorder;
    atomic_uint *processes;
    hf_client *library;
    char *endpoints;
    uint32_t timeout_ms;
    bool resends;
    struct random random;
    uint32_t process;
    uint32_t requests; /* request ids made so far */
    uint64_t seed;
    uint64_t log_index; /* the largest that it was told */
    atomic_uint_fast64_t operations;
    void *answer;            /* the last, of the library's */
    struct buffer lines;     /* struct event_line, of the operation at hand */
    struct buffer answered;  /* its answer's stocks, lines, failed lines or rows */
    struct buffer row_texts; /* what rows point into */
};

/* Forgets the last answer, and records that this is asked. */
void recording_invoke(struct client *client, struct event *asked);
/* Records what became of it: `answer` has its type and what was answered; function, process and
 * order are those of `asked`. */
enum client_outcome recording_complete(struct client *client, const struct event *asked,
                                       struct event *answer);
/* There was no answer: an info if it may have been executed, else a fail. */
enum client_outcome recording_give_up(struct client *client, const struct event *asked,
                                      hf_verdict verdict, const char *message,
                                      bool may_have_executed);

/* Copies of the library's, in the client's buffers; valid until the next operation. */
const struct event_line *recording_lines(struct client *client, const hf_line *lines, size_t count);
const struct event_failed_line *recording_failed(struct client *client,
                                                 const hf_failed_line *failed, size_t count);

#endif
