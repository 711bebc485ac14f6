/*
 * cluster_service.c - what this node knows of itself and the others (Status), the audit of its
 * state (Verify), and the way in for changes of the members and the leader: the form is checked
 * here, the rest is cluster_change.c's.
 *
 * A Verify is an audit of the core's (core/audit.h), with its findings as the answer.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/address.h"
#include "cluster_change.h"
#include "cluster_members.h"
#include "core/timekeeping.h"
#include "message_check.h"
#include "node.h"
#include "proto_time.h"
#include "reply.h"
#include "service.h"
#include "snapshot_service.h"

#define DIGEST_TEXT_BYTES 33

static char *digest_text(char text[DIGEST_TEXT_BYTES], struct hash128 digest)
{
    snprintf(text, DIGEST_TEXT_BYTES, "%016" PRIx64 "%016" PRIx64, digest.high, digest.low);
    return text;
}

void cluster_service_status(void *context, struct rpc_call *call, struct bytes message)
{
    struct node *node = context;
    struct error error;
    if (!message_check(&holdfast__v1__status_request__descriptor, message, &error)) {
        rpc_call_fail(call, RPC_INVALID_ARGUMENT, "%s", error.text);
        return;
    }
    struct replica_status status;
    replica_status_get(node->core.replica, &status);
    struct cluster_members members;
    cluster_members_fill(node, &members);
    char digest[DIGEST_TEXT_BYTES];
    char cluster_id[CLUSTER_ID_TEXT_BYTES];
    char incarnation[CLUSTER_ID_TEXT_BYTES];
    char clock_warning[CLOCK_WARNING_BYTES];
    Google__Protobuf__Timestamp ledger_time;
    Holdfast__V1__StatusResponse response = HOLDFAST__V1__STATUS_RESPONSE__INIT;
    response.cluster_id = cluster_id_text(cluster_id, node->core.cluster_id);
    response.node_id = node->options->id;
    response.version = (char *)(uintptr_t)HOLDFAST_VERSION;
    response.state = (Holdfast__V1__StatusResponse__State)status.state;
    response.term = status.term;
    response.leader_id = status.leader_id;
    response.leader_client_address =
        (char *)(uintptr_t)cluster_client_address(node, status.leader_id);
    response.commit_index = status.commit_index;
    response.applied_index = status.applied_index;
    response.last_index = status.last_index;
    response.digest = digest_text(digest, ledger_digest(node->core.ledger));
    response.ledger_time = proto_time_to(&ledger_time, ledger_time_ms(node->core.ledger));
    struct digests_status digests;
    digests_status_get(node->core.digests, &digests);
    response.digest_compared_index = digests.compared_index;
    response.digests_agree = digests.agree;
    response.digest_alarm = (char *)(uintptr_t)digests.alarm;
    response.ledger_version = ledger_version(node->core.ledger);
    response.ledger_version_known = node->core.config.ledger_version_known;
    core_clock_warning(&node->core, clock_warning);
    response.clock_warning = clock_warning;
    response.n_members = members.count;
    response.members = members.pointers;
    struct snapshot_description snapshots;
    snapshot_service_describe(node, &snapshots, &response);
    response.incarnation =
        cluster_id_text(incarnation, data_directory_incarnation(node->core.directory));
    response.transferring_to = status.transferring_to;
    response.removed_index = node->core.removed_index;

    struct error refuses = {""};
    disk_watch_free_bytes(node->core.disk_watch, &response.disk_free_bytes); /* 0: not yet known */
    disk_watch_refuses(node->core.disk_watch, &refuses);
    response.disk_reserve_bytes = node->options->disk_reserve_bytes;
    response.refuses = refuses.text;

    struct buffer out = {0};
    reply_pack(&out, &response.base);
    rpc_call_reply_take(call, &out);
}

/* A Verify while its audit runs. */
struct verify {
    struct audit audit; /* first: what ends is this */
    struct node *node;
    struct rpc_call *call;
};

static void reply_verify(const struct verify *verify)
{
    const struct ledger_audit *result = &verify->audit.result;
    enum { SHOWN = sizeof result->violations / sizeof result->violations[0] };
    char stored[DIGEST_TEXT_BYTES];
    char recomputed[DIGEST_TEXT_BYTES];
    char *violations[SHOWN];
    size_t shown = result->violation_count < SHOWN ? (size_t)result->violation_count : SHOWN;
    for (size_t i = 0; i < shown; i++) {
        violations[i] = (char *)(uintptr_t)result->violations[i];
    }
    Holdfast__V1__VerifyResponse response = HOLDFAST__V1__VERIFY_RESPONSE__INIT;
    response.applied_index = verify->audit.applied_index;
    response.digest = digest_text(stored, result->stored_digest);
    response.recomputed_digest = digest_text(recomputed, result->recomputed_digest);
    response.stocks = result->stocks;
    response.orders = result->orders;
    response.history_rows = result->history_rows;
    response.violation_count = result->violation_count;
    response.n_violations = shown;
    response.violations = violations;
    struct buffer out = {0};
    reply_pack(&out, &response.base);
    rpc_call_reply_take(verify->call, &out);
}

static enum rpc_status status_of(enum audit_refusal why)
{
    switch (why) {
    case AUDIT_BUSY:
        return RPC_RESOURCE_EXHAUSTED;
    case AUDIT_BEHIND:
        return RPC_OUT_OF_RANGE;
    case AUDIT_GIVEN_UP:
        return RPC_UNAVAILABLE;
    case AUDIT_FAILED:
        break;
    }
    return RPC_INTERNAL;
}

static void audit_ended(struct audit *audit)
{
    struct verify *verify = (struct verify *)audit;
    struct node *node = verify->node;
    if (audit->ok) {
        reply_verify(verify);
    } else {
        bool stopping = node->stopping.state != STOPPING_NOT;
        rpc_call_fail(verify->call, stopping ? RPC_UNAVAILABLE : status_of(audit->why), "%s%s",
                      stopping ? "this node is stopping: " : "", audit->error.text);
    }
    free(verify);
}

static void verify_cancelled(void *context, struct rpc_call *call)
{
    struct verify *verify = context;
    (void)call;
    audit_cancel(&verify->audit);
}

void cluster_service_verify(void *context, struct rpc_call *call, struct bytes message)
{
    struct node *node = context;
    struct error error;
    if (!message_check(&holdfast__v1__verify_request__descriptor, message, &error)) {
        rpc_call_fail(call, RPC_INVALID_ARGUMENT, "%s", error.text);
        return;
    }
    Holdfast__V1__VerifyRequest *request =
        holdfast__v1__verify_request__unpack(NULL, message.len, message.data);
    if (request == NULL) {
        rpc_call_fail(call, RPC_INVALID_ARGUMENT, "the request can't be decoded");
        return;
    }
    struct verify *verify = memory_zalloc(sizeof *verify);
    enum audit_refusal why;
    verify->audit.ended = audit_ended;
    verify->audit.at_index = request->at_index;
    verify->node = node;
    verify->call = call;
    holdfast__v1__verify_request__free_unpacked(request, NULL);
    if (!audit_start(&verify->audit, &node->core, &why, &error)) {
        rpc_call_fail(call, status_of(why), "%s", error.text);
        free(verify);
        return;
    }
    rpc_call_set_cancelled(call, verify_cancelled, verify);
}

/* ---- changes ---- */

/* The request, in the node's arena until the next one; NULL: answered. */
static void *decode(struct node *node, struct rpc_call *call,
                    const ProtobufCMessageDescriptor *descriptor, struct bytes message)
{
    struct error error;
    if (!message_check(descriptor, message, &error)) {
        rpc_call_fail(call, RPC_INVALID_ARGUMENT, "%s", error.text);
        return NULL;
    }
    arena_reset(&node->arena);
    void *request =
        protobuf_c_message_unpack(descriptor, &node->arena.allocator, message.len, message.data);
    if (request == NULL) {
        rpc_call_fail(call, RPC_INVALID_ARGUMENT, "%s is malformed", descriptor->short_name);
    }
    return request;
}

/* The range of holdfastd's --id. */
static bool check_node_id(uint64_t id, uint64_t lowest, struct error *error)
{
    return (id >= lowest && id <= UINT32_MAX) ||
           error_set(error, "node_id is %" PRIu64 "; from %" PRIu64 " to %u", id, lowest,
                     UINT32_MAX);
}

static bool check_peer_address(const char *text, struct error *error)
{
    struct address address;
    if (!address_parse(text, ADDRESS_TO_CONNECT, &address, error)) {
        return error_wrap(error, "peer_address");
    }
    return (strcmp(address.host, "0.0.0.0") != 0 && strcmp(address.host, "::") != 0) ||
           error_set(error,
                     "peer_address: %s is nowhere that others can connect to: give the new node's "
                     "own address",
                     text);
}

static void change_members(struct node *node, struct rpc_call *call,
                           const struct replica_change *change)
{
    struct error error;
    if (!check_node_id(change->id, 1, &error) ||
        (change->address != NULL && !check_peer_address(change->address, &error))) {
        rpc_call_fail(call, RPC_INVALID_ARGUMENT, "%s", error.text);
        return;
    }
    cluster_change_members(node, call, change);
}

void cluster_service_add_server(void *context, struct rpc_call *call, struct bytes message)
{
    const Holdfast__V1__AddServerRequest *request =
        decode(context, call, &holdfast__v1__add_server_request__descriptor, message);
    if (request != NULL) {
        const struct replica_change change = {REPLICA_ADD_STANDBY, request->node_id,
                                              request->peer_address};
        change_members(context, call, &change);
    }
}

void cluster_service_promote_server(void *context, struct rpc_call *call, struct bytes message)
{
    const Holdfast__V1__PromoteServerRequest *request =
        decode(context, call, &holdfast__v1__promote_server_request__descriptor, message);
    if (request != NULL) {
        const struct replica_change change = {.kind = REPLICA_PROMOTE, .id = request->node_id};
        change_members(context, call, &change);
    }
}

void cluster_service_remove_server(void *context, struct rpc_call *call, struct bytes message)
{
    const Holdfast__V1__RemoveServerRequest *request =
        decode(context, call, &holdfast__v1__remove_server_request__descriptor, message);
    if (request != NULL) {
        const struct replica_change change = {.kind = REPLICA_REMOVE, .id = request->node_id};
        change_members(context, call, &change);
    }
}

void cluster_service_transfer_leadership(void *context, struct rpc_call *call, struct bytes message)
{
    struct error error;
    const Holdfast__V1__TransferLeadershipRequest *request =
        decode(context, call, &holdfast__v1__transfer_leadership_request__descriptor, message);
    if (request == NULL) {
        return;
    }
    if (!check_node_id(request->node_id, 0, &error)) {
        rpc_call_fail(call, RPC_INVALID_ARGUMENT, "%s", error.text);
        return;
    }
    cluster_change_leader(context, call, request->node_id);
}
