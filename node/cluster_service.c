/*
 * cluster_service.c - what this node knows of itself and the others (Status), and the audit of its
 * state (Verify).
 *
 * An audit reads a frozen view of the database in libuv's pool, so that the loop goes on; one at a
 * time, for it costs a full read.
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
    replica_status_get(node->replica, &status);
    struct replica_member members[LIMIT_NODES];
    size_t count = replica_members(node->replica, members, LIMIT_NODES);

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
        member->match_index = self && node_leads(node)
                                  ? status.durable_index
                                  : replica_match_index(node->replica, members[i].id);
        member_pointers[i] = member;
    }
    char digest[DIGEST_TEXT_BYTES];
    char cluster_id[17];
    char incarnation[17];
    Google__Protobuf__Timestamp ledger_time;
    Holdfast__V1__StatusResponse response = HOLDFAST__V1__STATUS_RESPONSE__INIT;
    response.cluster_id = id_text(cluster_id, node->cluster_id);
    response.node_id = node->options->id;
    response.version = (char *)(uintptr_t)HOLDFAST_VERSION;
    response.state = (Holdfast__V1__StatusResponse__State)status.state;
    response.term = status.term;
    response.leader_id = status.leader_id;
    response.leader_client_address = (char *)(uintptr_t)client_address_of(node, status.leader_id);
    response.commit_index = status.commit_index;
    response.applied_index = status.applied_index;
    response.last_index = status.last_index;
    response.digest = digest_text(digest, ledger_digest(node->ledger));
    response.ledger_time = proto_time_to(&ledger_time, ledger_time_ms(node->ledger));
    response.n_members = count;
    response.members = member_pointers;
    response.incarnation = id_text(incarnation, data_directory_incarnation(node->directory));

    struct buffer out = {0};
    reply_pack(&out, &response.base);
    rpc_call_reply_take(call, &out);
}

struct audit {
    uv_work_t work;
    struct node *node;
    struct rpc_call *call;
    struct state_db_view *view;
    struct ledger_audit result;
    struct error error;
    bool ok;
};

static void audit_run(uv_work_t *work)
{
    struct audit *audit = work->data;
    audit->ok = ledger_audit_run(state_db_view_store(audit->view), &audit->result, &audit->error);
}

static void audit_run_done(uv_work_t *work, int status)
{
    (void)status; /* audits are never cancelled */
    struct audit *audit = work->data;
    if (!audit->ok) {
        rpc_call_fail(audit->call, RPC_INTERNAL, "the state can't be read: %s", audit->error.text);
    } else {
        const struct ledger_audit *result = &audit->result;
        char stored[DIGEST_TEXT_BYTES];
        char recomputed[DIGEST_TEXT_BYTES];
        const size_t most = sizeof result->violations / sizeof result->violations[0];
        char *violations[sizeof result->violations / sizeof result->violations[0]];
        size_t shown = result->violation_count < most ? (size_t)result->violation_count : most;
        for (size_t i = 0; i < shown; i++) {
            violations[i] = audit->result.violations[i];
        }
        Holdfast__V1__VerifyResponse response = HOLDFAST__V1__VERIFY_RESPONSE__INIT;
        response.applied_index = state_db_view_applied_index(audit->view);
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
        rpc_call_reply_take(audit->call, &out);
    }
    state_db_view_close(audit->view);
    node_audit_ended(audit->node);
    free(audit);
}

void cluster_service_verify(void *context, struct rpc_call *call, struct bytes message)
{
    struct node *node = context;
    struct error error;
    if (!message_check(&holdfast__v1__verify_request__descriptor, message, &error)) {
        rpc_call_fail(call, RPC_INVALID_ARGUMENT, "%s", error.text);
        return;
    }
    if (node->audits > 0) {
        rpc_call_fail(call, RPC_RESOURCE_EXHAUSTED, "another Verify is running on this node");
        return;
    }
    struct audit *audit = memory_zalloc(sizeof *audit);
    audit->node = node;
    audit->call = call;
    audit->work.data = audit;
    audit->view = state_db_view_open(node->db);
    node->audits++;
    int status = uv_queue_work(node->loop, &audit->work, audit_run, audit_run_done);
    if (status != 0) {
        rpc_call_fail(call, RPC_INTERNAL, "can't start the audit: %s", uv_strerror(status));
        state_db_view_close(audit->view);
        node->audits--;
        free(audit);
    }
}
