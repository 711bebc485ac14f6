/*
 * snapshot_service.c - TakeSnapshot: a snapshot of this node now, answered when it is stored and
 * the log begins behind it (core/snapshots.h); and what Status and the node's log say of snapshots.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "holdfast/v1/cluster.pb-c.h"
#include "message_check.h"
#include "node.h"
#include "proto_time.h"
#include "reply.h"
#include "service.h"
#include "snapshot_service.h"

/* A call while its snapshot is taken. */
struct take_snapshot {
    struct snapshot_call snapshot; /* first: what ends is this */
    struct node *node;
    struct rpc_call *call;
};

static void snapshot_ended(struct snapshot_call *ended)
{
    struct take_snapshot *take = (struct take_snapshot *)ended;
    if (ended->ok) {
        Holdfast__V1__TakeSnapshotResponse response = HOLDFAST__V1__TAKE_SNAPSHOT_RESPONSE__INIT;
        response.snapshot_index = ended->index;
        response.node_id = take->node->options->id;
        struct buffer out = {0};
        reply_pack(&out, &response.base);
        rpc_call_reply_take(take->call, &out);
    } else {
        rpc_call_fail(take->call, RPC_DEADLINE_EXCEEDED, "no snapshot: %s", ended->error.text);
    }
    free(take);
}

void snapshot_service_take(void *context, struct rpc_call *call, struct bytes message)
{
    struct node *node = context;
    struct error error;
    if (!message_check(&holdfast__v1__take_snapshot_request__descriptor, message, &error)) {
        rpc_call_fail(call, RPC_INVALID_ARGUMENT, "%s", error.text);
        return;
    }
    struct take_snapshot *take = memory_zalloc(sizeof *take);
    take->snapshot.ended = snapshot_ended;
    take->node = node;
    take->call = call;
    if (!snapshots_call(node->core.snapshots, &take->snapshot, &error)) {
        rpc_call_fail(call, RPC_FAILED_PRECONDITION, "no snapshot: %s", error.text);
        free(take);
    }
}

void snapshot_service_describe(const struct node *node, struct snapshot_description *description,
                               Holdfast__V1__StatusResponse *response)
{
    const struct core *core = &node->core;
    struct fetching_progress progress;
    response->log_first_index = log_store_first_index(core->log);
    response->log_bytes = log_store_disk_bytes(core->log);
    response->snapshot_index = snapshots_stored_index(core->snapshots);
    int64_t taken_ms = snapshots_taken_ms(core->snapshots);
    if (taken_ms != 0) {
        response->snapshot_time = proto_time_to(&description->taken, taken_ms);
    }
    if (fetching_progress_get(core->fetching, &progress)) {
        Holdfast__V1__Fetching *fetching = &description->fetching;
        holdfast__v1__fetching__init(fetching);
        fetching->from_node_id = progress.peer_id;
        fetching->snapshot_index = progress.index;
        fetching->bytes_done = progress.bytes;
        fetching->bytes_total = progress.total_bytes;
        fetching->installing = progress.is_installing;
        response->fetching = fetching;
    }
}

void snapshot_service_log(struct node *node)
{
    struct snapshot_seen *seen = &node->snapshots_seen;
    uint64_t stored_index = snapshots_stored_index(node->core.snapshots);
    struct fetching_progress progress;
    struct fetching_installed installed;
    bool fetches = fetching_progress_get(node->core.fetching, &progress);
    if (fetches &&
        (progress.index != seen->fetched_index || progress.peer_id != seen->fetched_from)) {
        log_info("fetching", LOG_NUMBER("index", progress.index),
                 LOG_NUMBER("from", progress.peer_id));
    }
    if (fetching_installed_get(node->core.fetching, &installed) &&
        installed.count != seen->installed_count) {
        log_info("installed", LOG_NUMBER("index", installed.index),
                 LOG_NUMBER("from", installed.peer_id), LOG_NUMBER("bytes", installed.bytes),
                 LOG_NUMBER("took_ms", installed.took_ms));
        seen->installed_count = installed.count;
    } else if (stored_index != seen->index) {
        log_debug("snapshot", LOG_NUMBER("index", stored_index),
                  LOG_NUMBER("log_begins", log_store_first_index(node->core.log)));
    }
    seen->index = stored_index;
    seen->fetched_index = fetches ? progress.index : 0;
    seen->fetched_from = fetches ? progress.peer_id : 0;
}
