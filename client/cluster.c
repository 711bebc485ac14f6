/*
 * cluster.c - the public calls that change the cluster's members, its leader, and the ledger's
 * version: encode, hand over, wait, decode. They go wherever commands go: the leader, and where it
 * isn't known the node that names it.
 *
 * A change of members may be given again after an attempt that nothing is known of: what is done
 * already is answered with `unchanged`. A hand-over to nobody in particular may not: the second one
 * would hand the leadership on.
 */
#include "cluster.h"

#include <assert.h>
#include <stdalign.h>

#include "client.h"

#define ROOM_BYTES    1024
#define SCRATCH_BYTES 4096

#define CLUSTER "/holdfast.v1.Cluster/"

const hf_member *cluster_members_of(struct arena *arena, Holdfast__V1__Member *const *members,
                                    size_t count)
{
    hf_member *items = arena_zalloc_array(arena, count, sizeof(*items));
    for (size_t i = 0; i < count; i++) {
        items[i] = (hf_member){
            .node_id = members[i]->node_id,
            .role = (hf_member_role)members[i]->role,
            .peer_address = arena_copy_string(arena, members[i]->peer_address),
            .client_address = arena_copy_string(arena, members[i]->client_address),
            .connected = members[i]->connected,
            .match_index = members[i]->match_index,
            .heard = members[i]->heard,
            .last_contact_ms = members[i]->last_contact_ms,
            .clock_is_known = members[i]->clock_case == HOLDFAST__V1__MEMBER__CLOCK_CLOCK_OFFSET_MS,
            .clock_offset_ms = members[i]->clock_offset_ms,
        };
    }
    return items;
}

/* ---- decoding ---- */

struct scratch {
    alignas(max_align_t) uint8_t room[SCRATCH_BYTES];
    struct arena arena;
};

/* The message, valid until arena_free(&scratch->arena). NULL: the bytes are none. */
static void *unpack(struct scratch *scratch, const ProtobufCMessageDescriptor *descriptor,
                    struct bytes reply, struct error *error)
{
    arena_init(&scratch->arena, scratch->room, sizeof(scratch->room));
    ProtobufCAllocator allocator = arena_allocator(&scratch->arena);
    void *message = protobuf_c_message_unpack(descriptor, &allocator, reply.len, reply.data);
    if (message == NULL) {
        error_set(error, "the reply of %zu bytes is no %s", reply.len, descriptor->name);
    }
    return message;
}

static hf_verdict decode_membership(void *object, struct bytes reply, uint32_t attempts,
                                    struct error *error)
{
    hf_membership *membership = object;
    struct arena *arena = object_arena(object);
    struct scratch scratch;
    const Holdfast__V1__ChangeMembersResponse *message =
        unpack(&scratch, &holdfast__v1__change_members_response__descriptor, reply, error);
    bool good = message != NULL;
    if (good && message->n_members == 0) { /* an empty reply must not read as done */
        good = error_set(error, "the reply names no member");
    }
    if (good) {
        membership->verdict = HF_OK;
        membership->message = hf_verdict_text(HF_OK);
        membership->attempts = attempts;
        membership->log_index = message->log_index;
        membership->unchanged = message->unchanged;
        membership->cluster_id = arena_copy_string(arena, message->cluster_id);
        membership->members = cluster_members_of(arena, message->members, message->n_members);
        membership->member_count = message->n_members;
    }
    arena_free(&scratch.arena);
    return good ? HF_OK : HF_VERDICT_UNSPECIFIED;
}

static void fail_membership(void *object, const struct reply_failure *failure)
{
    hf_membership *membership = object;
    membership->verdict = failure->verdict;
    membership->may_have_executed = failure->may_have_executed;
    membership->message = arena_copy_string(object_arena(object), failure->message);
    membership->attempts = failure->attempts;
    membership->cluster_id = "";
}

static const struct reply_shape REPLY_MEMBERSHIP = {sizeof(hf_membership), false, decode_membership,
                                                    fail_membership};

static hf_verdict decode_leadership(void *object, struct bytes reply, uint32_t attempts,
                                    struct error *error)
{
    hf_leadership *leadership = object;
    struct scratch scratch;
    const Holdfast__V1__TransferLeadershipResponse *message =
        unpack(&scratch, &holdfast__v1__transfer_leadership_response__descriptor, reply, error);
    bool good = message != NULL;
    if (good && message->leader_id == 0) {
        good = error_set(error, "the reply names no leader");
    }
    if (good) {
        leadership->verdict = HF_OK;
        leadership->message = hf_verdict_text(HF_OK);
        leadership->attempts = attempts;
        leadership->unchanged = message->unchanged;
        leadership->leader_id = message->leader_id;
        leadership->term = message->term;
        leadership->leader_client_address =
            arena_copy_string(object_arena(object), message->leader_client_address);
    }
    arena_free(&scratch.arena);
    return good ? HF_OK : HF_VERDICT_UNSPECIFIED;
}

static void fail_leadership(void *object, const struct reply_failure *failure)
{
    hf_leadership *leadership = object;
    leadership->verdict = failure->verdict;
    leadership->may_have_executed = failure->may_have_executed;
    leadership->message = arena_copy_string(object_arena(object), failure->message);
    leadership->attempts = failure->attempts;
    leadership->leader_client_address = "";
}

static const struct reply_shape REPLY_LEADERSHIP = {sizeof(hf_leadership), false, decode_leadership,
                                                    fail_leadership};

static hf_verdict decode_upgrade(void *object, struct bytes reply, uint32_t attempts,
                                 struct error *error)
{
    hf_upgrade *upgrade = object;
    struct scratch scratch;
    const Holdfast__V1__RaiseLedgerVersionResponse *message =
        unpack(&scratch, &holdfast__v1__raise_ledger_version_response__descriptor, reply, error);
    bool good = message != NULL;
    if (good && message->ledger_version == 0) {
        good = error_set(error, "the reply names no version");
    }
    if (good) {
        upgrade->verdict = HF_OK;
        upgrade->message = hf_verdict_text(HF_OK);
        upgrade->attempts = attempts;
        upgrade->ledger_version = message->ledger_version;
        upgrade->unchanged = message->unchanged;
        upgrade->log_index = message->log_index;
    }
    arena_free(&scratch.arena);
    return good ? HF_OK : HF_VERDICT_UNSPECIFIED;
}

static void fail_upgrade(void *object, const struct reply_failure *failure)
{
    hf_upgrade *upgrade = object;
    upgrade->verdict = failure->verdict;
    upgrade->may_have_executed = failure->may_have_executed;
    upgrade->message = arena_copy_string(object_arena(object), failure->message);
    upgrade->attempts = failure->attempts;
}

static const struct reply_shape REPLY_UPGRADE = {sizeof(hf_upgrade), false, decode_upgrade,
                                                 fail_upgrade};

/* ---- calls ---- */

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
