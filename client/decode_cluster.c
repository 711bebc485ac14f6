/*
 * decode_cluster.c - the Cluster service's replies, as decode.c has the Ledger's: of one node, and
 * of changes of the cluster.
 *
 * A reply that is none: bytes that don't parse, and an empty one, which must not read as a status,
 * as sound, or as done.
 */
#include "decode.h"

#include "decode_parts.h"
#include "holdfast/v1/cluster.pb-c.h"

static const hf_member *members_of(struct arena *arena, Holdfast__V1__Member *const *members,
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

/* ---- one node ---- */

static void fill_status(hf_status *status, struct arena *arena,
                        const Holdfast__V1__StatusResponse *reply)
{
    status->cluster_id = decode_text(arena, reply->cluster_id);
    status->node_id = reply->node_id;
    status->incarnation = decode_text(arena, reply->incarnation);
    status->version = decode_text(arena, reply->version);
    status->state = (hf_server_state)reply->state;
    status->term = reply->term;
    status->leader_id = reply->leader_id;
    status->leader_client_address = decode_text(arena, reply->leader_client_address);
    status->commit_index = reply->commit_index;
    status->applied_index = reply->applied_index;
    status->last_index = reply->last_index;
    status->digest = decode_text(arena, reply->digest);
    status->ledger_time_ms = decode_timestamp_ms(reply->ledger_time);
    status->transferring_to = reply->transferring_to;
    status->digest_compared_index = reply->digest_compared_index;
    status->digests_agree = reply->digests_agree;
    status->digest_alarm = decode_text(arena, reply->digest_alarm);
    status->removed_index = reply->removed_index;
    status->ledger_version = reply->ledger_version;
    status->ledger_version_known = reply->ledger_version_known;
    status->clock_warning = decode_text(arena, reply->clock_warning);
    status->members = members_of(arena, reply->members, reply->n_members);
    status->member_count = reply->n_members;
    status->log_first_index = reply->log_first_index;
    status->log_bytes = reply->log_bytes;
    status->snapshot_index = reply->snapshot_index;
    status->snapshot_time_ms = decode_timestamp_ms(reply->snapshot_time);
    if (reply->fetching != NULL) {
        hf_fetching *fetching = arena_zalloc_array(arena, 1, sizeof(*fetching));
        *fetching = (hf_fetching){
            .from_node_id = reply->fetching->from_node_id,
            .snapshot_index = reply->fetching->snapshot_index,
            .bytes_done = reply->fetching->bytes_done,
            .bytes_total = reply->fetching->bytes_total,
            .installing = reply->fetching->installing,
        };
        status->fetching = fetching;
    }
    status->disk_free_bytes = reply->disk_free_bytes;
    status->disk_reserve_bytes = reply->disk_reserve_bytes;
    status->refuses = decode_text(arena, reply->refuses);
}

static hf_verdict decode_status(void *object, struct bytes reply, uint32_t attempts,
                                struct error *error)
{
    hf_status *status = object;
    struct scratch scratch;
    const Holdfast__V1__StatusResponse *message =
        decode_unpack(&scratch, &holdfast__v1__status_response__descriptor, reply, error);
    bool good = message != NULL;
    if (good && message->node_id == 0) { /* an empty reply must not read as a status */
        good = error_set(error, "the reply names no node");
    }
    if (good) {
        status->verdict = HF_OK;
        status->message = hf_verdict_text(HF_OK);
        status->attempts = attempts;
        fill_status(status, object_arena(object), message);
    }
    arena_free(&scratch.arena);
    return good ? HF_OK : HF_VERDICT_UNSPECIFIED;
}

static void fail_status(void *object, const struct reply_failure *failure)
{
    hf_status *status = object;
    status->verdict = failure->verdict;
    status->message = arena_copy_string(object_arena(object), failure->message);
    status->attempts = failure->attempts;
}

const struct reply_shape REPLY_STATUS = {sizeof(hf_status), true, decode_status, fail_status,
                                         .says_resent = false};

static void fill_verification(hf_verification *verification, struct arena *arena,
                              const Holdfast__V1__VerifyResponse *reply)
{
    verification->applied_index = reply->applied_index;
    verification->digest = decode_text(arena, reply->digest);
    verification->recomputed_digest = decode_text(arena, reply->recomputed_digest);
    verification->stocks = reply->stocks;
    verification->orders = reply->orders;
    verification->history_rows = reply->history_rows;
    verification->violation_count = reply->violation_count;
    const char **violations = arena_zalloc_array(arena, reply->n_violations, sizeof(*violations));
    for (size_t i = 0; i < reply->n_violations; i++) {
        violations[i] = decode_text(arena, reply->violations[i]);
    }
    verification->violations = violations;
    verification->violation_text_count = reply->n_violations;
    verification->sound = reply->violation_count == 0 && reply->n_violations == 0 &&
                          strcmp(verification->digest, verification->recomputed_digest) == 0;
}

static hf_verdict decode_verification(void *object, struct bytes reply, uint32_t attempts,
                                      struct error *error)
{
    hf_verification *verification = object;
    struct scratch scratch;
    const Holdfast__V1__VerifyResponse *message =
        decode_unpack(&scratch, &holdfast__v1__verify_response__descriptor, reply, error);
    bool good = message != NULL;
    if (good && (message->digest[0] == '\0' || message->recomputed_digest[0] == '\0')) {
        good = error_set(error, "the reply has no digest"); /* empty must not read as sound */
    }
    if (good) {
        verification->verdict = HF_OK;
        verification->message = hf_verdict_text(HF_OK);
        verification->attempts = attempts;
        fill_verification(verification, object_arena(object), message);
    }
    arena_free(&scratch.arena);
    return good ? HF_OK : HF_VERDICT_UNSPECIFIED;
}

static void fail_verification(void *object, const struct reply_failure *failure)
{
    hf_verification *verification = object;
    verification->verdict = failure->verdict;
    verification->message = arena_copy_string(object_arena(object), failure->message);
    verification->attempts = failure->attempts;
}

const struct reply_shape REPLY_VERIFICATION = {sizeof(hf_verification), true, decode_verification,
                                               fail_verification, .says_resent = false};

static hf_verdict decode_snapshot(void *object, struct bytes reply, uint32_t attempts,
                                  struct error *error)
{
    hf_snapshot *snapshot = object;
    struct scratch scratch;
    const Holdfast__V1__TakeSnapshotResponse *message =
        decode_unpack(&scratch, &holdfast__v1__take_snapshot_response__descriptor, reply, error);
    bool good = message != NULL;
    if (good && message->snapshot_index == 0) {
        good = error_set(error, "the reply names no snapshot");
    }
    if (good) {
        snapshot->verdict = HF_OK;
        snapshot->message = hf_verdict_text(HF_OK);
        snapshot->attempts = attempts;
        snapshot->node_id = message->node_id;
        snapshot->snapshot_index = message->snapshot_index;
    }
    arena_free(&scratch.arena);
    return good ? HF_OK : HF_VERDICT_UNSPECIFIED;
}

static void fail_snapshot(void *object, const struct reply_failure *failure)
{
    hf_snapshot *snapshot = object;
    snapshot->verdict = failure->verdict;
    snapshot->message = arena_copy_string(object_arena(object), failure->message);
    snapshot->attempts = failure->attempts;
}

/* Another one harms nobody. */
const struct reply_shape REPLY_SNAPSHOT = {sizeof(hf_snapshot), true, decode_snapshot,
                                           fail_snapshot, .says_resent = false};

/* ---- changes ---- */

static hf_verdict decode_membership(void *object, struct bytes reply, uint32_t attempts,
                                    struct error *error)
{
    hf_membership *membership = object;
    struct arena *arena = object_arena(object);
    struct scratch scratch;
    const Holdfast__V1__ChangeMembersResponse *message =
        decode_unpack(&scratch, &holdfast__v1__change_members_response__descriptor, reply, error);
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
        membership->members = members_of(arena, message->members, message->n_members);
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

const struct reply_shape REPLY_MEMBERSHIP = {sizeof(hf_membership), false, decode_membership,
                                             fail_membership, .says_resent = false};

static hf_verdict decode_leadership(void *object, struct bytes reply, uint32_t attempts,
                                    struct error *error)
{
    hf_leadership *leadership = object;
    struct scratch scratch;
    const Holdfast__V1__TransferLeadershipResponse *message = decode_unpack(
        &scratch, &holdfast__v1__transfer_leadership_response__descriptor, reply, error);
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

const struct reply_shape REPLY_LEADERSHIP = {sizeof(hf_leadership), false, decode_leadership,
                                             fail_leadership, .says_resent = false};

static hf_verdict decode_upgrade(void *object, struct bytes reply, uint32_t attempts,
                                 struct error *error)
{
    hf_upgrade *upgrade = object;
    struct scratch scratch;
    const Holdfast__V1__RaiseLedgerVersionResponse *message = decode_unpack(
        &scratch, &holdfast__v1__raise_ledger_version_response__descriptor, reply, error);
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

const struct reply_shape REPLY_UPGRADE = {sizeof(hf_upgrade), false, decode_upgrade, fail_upgrade,
                                          .says_resent = false};
