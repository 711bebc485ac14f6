/*
 * cluster.c - the public calls that change the cluster's members, its leader, and the ledger's
 * version: encode, hand over, wait, decode. They go wherever commands go: the leader, and where it
 * isn't known the node that names it.
 *
 * A change of members may be given again after an attempt that nothing is known of: what is done
 * already is answered with `unchanged`. A hand-over to nobody in particular may not: the second one
 * would hand the leadership on.
 */
#include <assert.h>

#include "client.h"
#include "holdfast/v1/cluster.pb-c.h"

#define ROOM_BYTES 1024

#define CLUSTER "/holdfast.v1.Cluster/"

static void pack(struct request *request, const ProtobufCMessage *message)
{
    struct buffer *out = &request->call->request;
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *end = buffer_reserve(out, size);
    size_t packed = protobuf_c_message_pack(message, end);
    assert(packed == size);
    out->len += packed;
}

static hf_verdict change_members(struct request *request, const char *path,
                                 const hf_call_options *options, hf_membership **out)
{
    hf_verdict verdict = request_wait(request, path, options);
    hf_membership *membership = request_take(request, out != NULL);
    if (out != NULL) {
        *out = membership;
    }
    return verdict;
}

hf_verdict hf_add_server(hf_client *client, uint64_t node_id, const char *peer_address,
                         const hf_call_options *options, hf_membership **out)
{
    struct request request;
    if (request_begin(&request, client, REQUEST_WAITS, &REPLY_MEMBERSHIP, ROOM_BYTES)) {
        if (peer_address == NULL) {
            request_check(&request, error_set(&request.error, "peer_address is NULL"));
        } else {
            Holdfast__V1__AddServerRequest message = HOLDFAST__V1__ADD_SERVER_REQUEST__INIT;
            message.node_id = node_id;
            /* protobuf-c's strings are not const; packing does not change them */
            message.peer_address = (char *)(uintptr_t)peer_address;
            pack(&request, &message.base);
        }
    }
    return change_members(&request, CLUSTER "AddServer", options, out);
}

hf_verdict hf_promote_server(hf_client *client, uint64_t node_id, const hf_call_options *options,
                             hf_membership **out)
{
    struct request request;
    if (request_begin(&request, client, REQUEST_WAITS, &REPLY_MEMBERSHIP, ROOM_BYTES)) {
        Holdfast__V1__PromoteServerRequest message = HOLDFAST__V1__PROMOTE_SERVER_REQUEST__INIT;
        message.node_id = node_id;
        pack(&request, &message.base);
    }
    return change_members(&request, CLUSTER "PromoteServer", options, out);
}

hf_verdict hf_remove_server(hf_client *client, uint64_t node_id, const hf_call_options *options,
                            hf_membership **out)
{
    struct request request;
    if (request_begin(&request, client, REQUEST_WAITS, &REPLY_MEMBERSHIP, ROOM_BYTES)) {
        Holdfast__V1__RemoveServerRequest message = HOLDFAST__V1__REMOVE_SERVER_REQUEST__INIT;
        message.node_id = node_id;
        pack(&request, &message.base);
    }
    return change_members(&request, CLUSTER "RemoveServer", options, out);
}

hf_verdict hf_transfer_leadership(hf_client *client, uint64_t node_id,
                                  const hf_call_options *options, hf_leadership **out)
{
    struct request request;
    if (request_begin(&request, client, REQUEST_WAITS, &REPLY_LEADERSHIP, ROOM_BYTES)) {
        Holdfast__V1__TransferLeadershipRequest message =
            HOLDFAST__V1__TRANSFER_LEADERSHIP_REQUEST__INIT;
        message.node_id = node_id;
        pack(&request, &message.base);
        request.call->is_asked_once = node_id == 0;
    }
    hf_verdict verdict = request_wait(&request, CLUSTER "TransferLeadership", options);
    hf_leadership *leadership = request_take(&request, out != NULL);
    if (out != NULL) {
        *out = leadership;
    }
    return verdict;
}

hf_verdict hf_raise_ledger_version(hf_client *client, uint32_t to, const hf_call_options *options,
                                   hf_upgrade **out)
{
    struct request request;
    if (request_begin(&request, client, REQUEST_WAITS, &REPLY_UPGRADE, ROOM_BYTES)) {
        Holdfast__V1__RaiseLedgerVersionRequest message =
            HOLDFAST__V1__RAISE_LEDGER_VERSION_REQUEST__INIT;
        message.to = to;
        pack(&request, &message.base);
    }
    hf_verdict verdict = request_wait(&request, CLUSTER "RaiseLedgerVersion", options);
    hf_upgrade *upgrade = request_take(&request, out != NULL);
    if (out != NULL) {
        *out = upgrade;
    }
    return verdict;
}
