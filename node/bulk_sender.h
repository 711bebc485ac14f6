/*
 * bulk_sender.h - questions for parts of a checkpoint, and the parts, on their way out: questions
 * at once, parts as fast as --snapshot-rate allows, one node's after the other's.
 *
 * Bounds: one part waits for each node; a newer one takes its place (who asked has asked again).
 * Threads: the loop's. Nothing here can fail: what is dropped is asked for again
 * (node/core/fetching.c).
 */
#ifndef NODE_BULK_SENDER_H
#define NODE_BULK_SENDER_H

#include <uv.h>

#include "base/limits.h"
#include "raft/message.h"
#include "token_bucket.h"

struct bulk_part {
    uint64_t peer_id;
    struct peer_message message;
};

struct bulk_sender {
    uv_timer_t timer; /* the next part may leave */
    struct token_bucket bucket;
    struct bulk_part waiting[LIMIT_NODES]; /* in the order in which they came */
    size_t waiting_count;
    void (*send)(void *context, uint64_t peer_id, const struct peer_message *message);
    void *context;
    void (*closed)(void *context);
};

/* `rate` in bytes per second, 0: no limit. `send` is called from within bulk_sender_send and from
 * the loop, until bulk_sender_close. */
void bulk_sender_open(struct bulk_sender *sender, uv_loop_t *loop, uint64_t rate,
                      void (*send)(void *context, uint64_t peer_id,
                                   const struct peer_message *message),
                      void *context);
/* The message stays the caller's. */
void bulk_sender_send(struct bulk_sender *sender, uint64_t peer_id,
                      const struct peer_message *message);
/* Drops what waits; `closed` when the loop has nothing of it any more. */
void bulk_sender_close(struct bulk_sender *sender, void (*closed)(void *context));

#endif
