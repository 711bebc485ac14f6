/*
 * forwarder.c - one HTTP/2 connection to the present leader. When the leader changes, the old
 * connection is closed once its calls are done, or at once if it has none; what is in flight there
 * is answered by it or by its end.
 */
#include "forwarder.h"

#include <assert.h>
#include <stdlib.h>

#include "rpc/client.h"

struct target {
    struct forwarder *forwarder;
    struct target *next; /* former leaders that still have calls */
    struct rpc_client *client;
    char *address;
    bool closing;
};

struct forwarder {
    uv_loop_t *loop;
    struct target *leader; /* NULL: none known */
    struct target *former;
    size_t open_targets;
    bool closing;
    void (*closed)(void *context);
    void *closed_context;
};

struct forwarded {
    struct target *target;
    struct rpc_call *call;
    struct rpc_request *request;
    bool is_read;
};

struct forwarder *forwarder_new(uv_loop_t *loop)
{
    struct forwarder *forwarder = memory_zalloc(sizeof *forwarder);
    forwarder->loop = loop;
    return forwarder;
}

const char *forwarder_leader(const struct forwarder *forwarder)
{
    return forwarder->leader != NULL ? forwarder->leader->address : NULL;
}

static void forwarder_finish(struct forwarder *forwarder)
{
    if (forwarder->closing && forwarder->open_targets == 0) {
        void (*closed)(void *) = forwarder->closed;
        void *context = forwarder->closed_context;
        free(forwarder);
        closed(context);
    }
}

static void on_target_closed(void *context)
{
    struct target *target = context;
    struct forwarder *forwarder = target->forwarder;
    forwarder->open_targets--;
    free(target->address);
    free(target);
    forwarder_finish(forwarder);
}

static void target_close(struct target *target)
{
    if (!target->closing) {
        target->closing = true;
        rpc_client_close(target->client, on_target_closed, target);
    }
}

/* A former leader whose last call is done is not needed any more. */
static void former_sweep(struct forwarder *forwarder)
{
    struct target **link = &forwarder->former;
    while (*link != NULL) {
        struct target *target = *link;
        if (rpc_client_call_count(target->client) == 0) {
            *link = target->next;
            target_close(target);
        } else {
            link = &target->next;
        }
    }
}

void forwarder_set_leader(struct forwarder *forwarder, const char *client_address)
{
    const char *present = forwarder_leader(forwarder);
    if (forwarder->closing || (present == NULL && client_address == NULL) ||
        (present != NULL && client_address != NULL && strcmp(present, client_address) == 0)) {
        return;
    }
    if (forwarder->leader != NULL) {
        forwarder->leader->next = forwarder->former;
        forwarder->former = forwarder->leader;
        forwarder->leader = NULL;
    }
    former_sweep(forwarder);
    if (client_address == NULL) {
        return;
    }
    struct target *target = memory_zalloc(sizeof *target);
    struct rpc_client_config config = {.address = client_address};
    struct error error;
    target->client = rpc_client_open(forwarder->loop, &config, &error);
    if (target->client == NULL) {
        free(target); /* an address that its own node advertised wrongly: as good as no leader */
        return;
    }
    target->forwarder = forwarder;
    target->address = memory_strdup(client_address);
    forwarder->open_targets++;
    forwarder->leader = target;
}

static void on_outcome(void *context, const struct rpc_outcome *outcome)
{
    struct forwarded *forwarded = context;
    struct rpc_call *call = forwarded->call;
    rpc_call_set_metadata(call, METADATA_LEADER, forwarded->target->address);
    if (outcome->status == RPC_OK) {
        rpc_call_reply(call, outcome->body);
    } else if (outcome->never_sent) {
        rpc_call_fail(call, RPC_UNAVAILABLE, "the leader can't be reached: %s", outcome->message);
    } else if (!outcome->answered) {
        rpc_call_fail(call, forwarded->is_read ? RPC_UNAVAILABLE : RPC_UNKNOWN,
                      "the leader gave no answer: %s", outcome->message);
    } else {
        rpc_call_fail(call, outcome->status, "%s", outcome->message);
    }
    free(forwarded);
}

static void on_cancelled(void *context, struct rpc_call *call)
{
    (void)call;
    struct forwarded *forwarded = context;
    rpc_client_cancel(forwarded->request);
}

void forwarder_forward(struct forwarder *forwarder, struct rpc_call *call, struct bytes message,
                       bool is_read)
{
    assert(forwarder->leader != NULL);
    struct forwarded *forwarded = memory_zalloc(sizeof *forwarded);
    forwarded->target = forwarder->leader;
    forwarded->call = call;
    forwarded->is_read = is_read;
    const struct rpc_metadata metadata = {METADATA_FORWARDED, "1"};
    forwarded->request =
        rpc_client_call(forwarder->leader->client, rpc_call_path(call), message,
                        rpc_call_deadline_ms(call), &metadata, 1, on_outcome, forwarded);
    rpc_call_set_cancelled(call, on_cancelled, forwarded);
}

void forwarder_close(struct forwarder *forwarder, void (*closed)(void *context), void *context)
{
    forwarder->closing = true;
    forwarder->closed = closed;
    forwarder->closed_context = context;
    forwarder->open_targets++; /* ours, until all have been told */
    if (forwarder->leader != NULL) {
        struct target *leader = forwarder->leader;
        forwarder->leader = NULL;
        target_close(leader);
    }
    while (forwarder->former != NULL) {
        struct target *target = forwarder->former;
        forwarder->former = target->next;
        target_close(target);
    }
    forwarder->open_targets--;
    forwarder_finish(forwarder);
}
