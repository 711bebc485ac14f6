/*
 * client.h - a client from the inside: the background thread with its loop, the queue by which the
 * program's threads hand calls over to it, and the way of a request through both.
 *
 *     program's thread                         loop's thread
 *     request_begin, encode
 *     request_wait -> hand_over  --queue-->    on_wake -> dispatch_begin ... -> on_call_ended
 *          wait              <--semaphore--    wake_waiter
 *
 * Invariants. A call is handed over only while the client is not closing; `closing` and the queue
 * change under one lock, and uv_async_send is called under it, so the loop never sees a call after
 * it has begun to close. hf_client_close waits until nobody is between request_begin and the
 * hand-over
 * (`inside`); whoever waits for an answer touches only memory of its own.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "call.h"
#include "encode.h"

/* One public call while it is in the program's thread. */
struct request {
    hf_client *client;
    struct call *call; /* NULL once handed over */
    void *object;
    hf_verdict refusal; /* HF_OK: none so far */
    bool inside;
    bool takes_freshness; /* its options may say how fresh the answer must be */
    struct error error;   /* the words of the refusal */
};

enum request_mode { REQUEST_WAITS, REQUEST_SUBMITS };

/* Begins a request for an object of the shape, with about room_bytes more for what it points to.
 * False: refused already (no client, closed, a blocking call within a callback); go on to
 * request_wait or request_submit all the same, they tell. */
bool request_begin(struct request *request, hf_client *client, enum request_mode mode,
                   const struct reply_shape *shape, size_t room_bytes);
/* What commands get where they do not say; only after request_begin was true. */
struct encode_defaults request_defaults(const struct request *request);
/* Refuses with HF_INVALID_ARGUMENT unless `good`; request->error has the words then. */
void request_check(struct request *request, bool good);

/* Hands the call over, waits for its end; the object is complete, whatever the verdict, and is
 * taken with request_take. */
hf_verdict request_wait(struct request *request, const char *path, const hf_call_options *options);
/* The object; or where it is not wanted NULL, and it is freed. */
void *request_take(struct request *request, bool wanted);

/* Hands the call over; one callback of the two. 0, or the refusal, negative: then nothing is left,
 * and hf_last_error has the words. */
int request_submit(struct request *request, const char *path, const hf_call_options *options,
                   hf_results_callback on_results, hf_stock_callback on_stocks, void *user);

#endif
