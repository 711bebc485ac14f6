/*
 * cluster_service.c - what this node knows of itself and the others (Status), and the audit of its
 * state (Verify).
 *
 * A Verify is an audit of the core's (core/audit.h), with its findings as the answer.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "holdfast/v1/cluster.pb-c.h"
#include "message_check.h"
#include "node.h"
#include "proto_time.h"
#include "reply.h"
#include "service.h"

#define DIGEST_TEXT_BYTES 33

static char *digest_text(char text[DIGEST_TEXT_BYTES], struct hash128 digest)
{
    snprintf(text, DIGEST_TEXT_BYTES, "%016" PRIx64 "%016" PRIx64, digest.high, digest.low);
    return text;
}

static char *id_text(char text[17], uint64_t id)
{
    snprintf(text, 17, "%016" PRIx64, id);
    return text;
}

static const char *client_address_of(const struct node *node, uint64_t id)
{
    if (id == node->options->id) {
        return node->options->advertise_client;
    }
    const char *address = id != 0 ? transport_client_address(node->transport, id) : NULL;
    return address != NULL ? address : "";
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
    struct replica_member members[LIMIT_NODES];
    size_t count = replica_members(node->core.replica, members, LIMIT_NODES);

    Holdfast__V1__Member member_messages[LIMIT_NODES];
    Holdfast__V1__Member *member_pointers[LIMIT_NODES];
    for (size_t i = 0; i < count; i++) {
        Holdfast__V1__Member *member = &member_messages[i];
        holdfast__v1__member__init(member);
        bool self = members[i].id == node->options->id;
        member->node_id = members[i].id;
        member->role = members[i].role == REPLICA_VOTER ? HOLDFAST__V1__MEMBER__ROLE__VOTER
                                                        : HOLDFAST__V1__MEMBER__ROLE__STANDBY;
        /* protobuf-c's strings are not const; packing does not change them */
        member->peer_address = (char *)(uintptr_t)members[i].address;
        member->client_address = (char *)(uintptr_t)client_address_of(node, members[i].id);
        member->connected = self || transport_is_connected(node->transport, members[i].id);
        member->match_index = self && core_leads(&node->core)
                                  ? status.durable_index
                                  : replica_match_index(node->core.replica, members[i].id);
        member_pointers[i] = member;
    }
    char digest[DIGEST_TEXT_BYTES];
    char cluster_id[17];
    char incarnation[17];
    Google__Protobuf__Timestamp ledger_time;
    Holdfast__V1__StatusResponse response = HOLDFAST__V1__STATUS_RESPONSE__INIT;
    response.cluster_id = id_text(cluster_id, node->core.cluster_id);
    response.node_id = node->options->id;
    response.version = (char *)(uintptr_t)HOLDFAST_VERSION;
    response.state = (Holdfast__V1__StatusResponse__State)status.state;
    response.term = status.term;
    response.leader_id = status.leader_id;
    response.leader_client_address = (char *)(uintptr_t)client_address_of(node, status.leader_id);
    response.commit_index = status.commit_index;
    response.applied_index = status.applied_index;
    response.last_index = status.last_index;
    response.digest = digest_text(digest, ledger_digest(node->core.ledger));
    response.ledger_time = proto_time_to(&ledger_time, ledger_time_ms(node->core.ledger));
    response.n_members = count;
    response.members = member_pointers;
    response.incarnation = id_text(incarnation, data_directory_incarnation(node->core.directory));
    struct digests_status digests;
    digests_status_get(node->core.digests, &digests);
    response.digest_compared_index = digests.compared_index;
    response.digests_agree = digests.agree;
    response.digest_alarm = (char *)(uintptr_t)digests.alarm;

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
        rpc_call_fail(verify->call, status_of(audit->why), "%s", audit->error.text);
    }
    free(verify);
    node_audit_ended(node);
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
