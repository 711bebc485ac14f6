/*
 * bulk_sender.c - the happy path of a part: nothing waits and the bucket is not empty, so it leaves
 * at once; else it waits in line until the timer says that the next may leave.
 *
 * Invariant: the timer runs exactly while something waits.
 */
#include "bulk_sender.h"

#include <assert.h>
#include <string.h>

/* What may leave at once: enough that timers of a millisecond, on a loop that has other work, keep
 * up with the rate; little beside what a network carries in one. */
#define BURST_BYTES (UINT64_C(4) * LIMIT_CHECKPOINT_PART_BYTES)

static void send_now(struct bulk_sender *sender, uint64_t peer_id,
                     const struct peer_message *message)
{
    const struct entry *data = message->checkpoint_part.data;
    token_bucket_take(&sender->bucket, uv_hrtime(), data != NULL ? data->data.len : 0);
    sender->send(sender->context, peer_id, message);
}

static void drop_first(struct bulk_sender *sender)
{
    peer_message_free(&sender->waiting[0].message);
    sender->waiting_count--;
    memmove(sender->waiting, sender->waiting + 1, sender->waiting_count * sizeof(struct bulk_part));
}

static void on_timer(uv_timer_t *timer)
{
    struct bulk_sender *sender = timer->data;
    uint64_t wait_ns = 0;
    while (sender->waiting_count > 0 &&
           (wait_ns = token_bucket_wait_ns(&sender->bucket, uv_hrtime())) == 0) {
        send_now(sender, sender->waiting[0].peer_id, &sender->waiting[0].message);
        drop_first(sender);
    }
    if (sender->waiting_count > 0) {
        uv_update_time(timer->loop);
        uv_timer_start(timer, on_timer, wait_ns / 1000000 + 1, 0);
    }
}

void bulk_sender_open(struct bulk_sender *sender, uv_loop_t *loop, uint64_t rate,
                      void (*send)(void *context, uint64_t peer_id,
                                   const struct peer_message *message),
                      void *context)
{
    *sender = (struct bulk_sender){
        .bucket = token_bucket_of(rate, BURST_BYTES), .send = send, .context = context};
    uv_timer_init(loop, &sender->timer);
    sender->timer.data = sender;
}

static void queue_part(struct bulk_sender *sender, uint64_t peer_id,
                       const struct peer_message *part)
{
    size_t place = 0;
    while (place < sender->waiting_count && sender->waiting[place].peer_id != peer_id) {
        place++;
    }
    if (place == LIMIT_NODES) {
        return;
    }
    if (place < sender->waiting_count) {
        peer_message_free(&sender->waiting[place].message);
    } else {
        sender->waiting_count++;
    }
    sender->waiting[place] = (struct bulk_part){peer_id, peer_message_copy(part)};
}

void bulk_sender_send(struct bulk_sender *sender, uint64_t peer_id,
                      const struct peer_message *message)
{
    if (message->type != PEER_CHECKPOINT_PART) {
        sender->send(sender->context, peer_id, message);
    } else if (sender->waiting_count == 0 &&
               token_bucket_wait_ns(&sender->bucket, uv_hrtime()) == 0) {
        send_now(sender, peer_id, message);
    } else {
        queue_part(sender, peer_id, message);
        if (!uv_is_active((uv_handle_t *)&sender->timer)) {
            on_timer(&sender->timer);
        }
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct bulk_sender *sender = handle->data;
    sender->closed(sender->context);
}

void bulk_sender_close(struct bulk_sender *sender, void (*closed)(void *context))
{
    while (sender->waiting_count > 0) {
        drop_first(sender);
    }
    sender->closed = closed;
    uv_close((uv_handle_t *)&sender->timer, on_closed);
}
