/*
 * frame_decode.c - messages out of frames.
 *
 * Invariants:
 * - What frame_decode accepts, every rule of this file holds for: the CRC matches; the entries'
 *   lengths sum up to the body exactly; their types are known; their terms never fall and lie
 *   between prev_log_term and the message's term (Raft's log matching, Ongaro 2014, section
 *   3.5, asks as much); their indexes follow prev_log_index without a gap, since they are counted
 *   and not sent.
 * - Nothing is allocated by a number from the wire before that number is checked: the frame's
 *   length against the caller's limit, the header's against LIMIT_PEER_HEADER_BYTES, the count of
 *   entries against LIMIT_APPEND_ENTRIES, an entry's length against what the body holds.
 *
 * The CRC guards against what TCP's weak sum lets through and against our own mistakes, not against
 * somebody who forges frames: that is TLS's work.
 */
#include "frame.h"

#include <assert.h>
#include <inttypes.h>

#include "base/codec.h"
#include "base/hash.h"
#include "frame_wire.h"

bool frame_measure(struct bytes input, size_t limit_bytes, size_t *total_bytes, struct error *error)
{
    *total_bytes = 0;
    if (input.len < FRAME_PREFIX_BYTES) {
        return true;
    }
    struct reader in = reader_of(input);
    if (read_u32(&in) != FRAME_MAGIC) {
        return error_set(error, "these bytes are not Holdfast's peer protocol");
    }
    size_t header_bytes = read_u32(&in);
    size_t body_bytes = read_u32(&in);
    if (header_bytes > LIMIT_PEER_HEADER_BYTES) {
        return error_set(error, "a frame claims a header of %zu bytes, %u are allowed",
                         header_bytes, LIMIT_PEER_HEADER_BYTES);
    }
    /* Two 32-bit numbers and a few: no overflow in a 64-bit size. */
    _Static_assert(sizeof(size_t) >= 8, "sizes have 64 bits");
    size_t total = FRAME_PREFIX_BYTES + header_bytes + body_bytes;
    if (total > limit_bytes) {
        return error_set(error, "a frame claims %zu bytes, %zu are allowed", total, limit_bytes);
    }
    *total_bytes = total;
    return true;
}

/* A text from the wire, fit for a log line: no control characters, cut at the limit. */
static void copy_text(char *out, size_t size, const char *text)
{
    size_t i = 0;
    for (; i + 1 < size && text[i] != '\0'; i++) {
        unsigned char c = (unsigned char)text[i];
        out[i] = c < 0x20 || c >= 0x7f ? '?' : text[i];
    }
    out[i] = '\0';
}

/* Fields we don't know are let pass here: newer releases may add some, and must still be told why
 * they are refused. */
static bool decode_hello(const Hello *proto, struct hello *hello, struct error *error)
{
    if (strlen(proto->client_address) > LIMIT_ADDRESS_BYTES) {
        return error_set(error, "a hello has a client address of %zu bytes, %d are allowed",
                         strlen(proto->client_address), LIMIT_ADDRESS_BYTES);
    }
    if (strlen(proto->peer_address) > LIMIT_ADDRESS_BYTES) {
        return error_set(error, "a hello has a peer address of %zu bytes, %d are allowed",
                         strlen(proto->peer_address), LIMIT_ADDRESS_BYTES);
    }
    *hello = (struct hello){
        .protocol_version = proto->protocol_version,
        .cluster_id = proto->cluster_id,
        .node_id = proto->node_id,
        .to_node_id = proto->to_node_id,
        .incarnation = proto->incarnation,
        .session = proto->session,
        .connection = proto->connection,
        .purpose = proto->purpose,
    };
    copy_text(hello->client_address, sizeof hello->client_address, proto->client_address);
    copy_text(hello->peer_address, sizeof hello->peer_address, proto->peer_address);
    return true;
}

static bool decode_answer(const Answer *proto, struct frame_content *content, struct error *error)
{
    if (proto->hello == NULL) {
        return error_set(error, "an answer does not say from whom it is");
    }
    copy_text(content->refusal, sizeof content->refusal, proto->refusal);
    content->removed_index = proto->removed_index;
    return decode_hello(proto->hello, &content->hello, error);
}

/* Within one protocol version there are no unknown fields: what we would silently leave out might
 * be what makes the message safe. */
static bool knows_all(const ProtobufCMessage *message)
{
    return message->n_unknown_fields == 0;
}

static bool decode_clock(const Clock *proto, struct peer_clock *clock, struct error *error)
{
    if (proto == NULL || !knows_all(&proto->base)) {
        return error_set(error, "a message has no clock, or one this release does not know");
    }
    *clock = (struct peer_clock){
        .now_ms = proto->now_ms,
        .echo_ms = proto->echo_ms,
        .confirmed_ago_ms = proto->confirmed_ago_ms,
    };
    return true;
}

/* Whatever a message says of Unix time must be one that this project can count with. */
static bool is_time(int64_t time_ms)
{
    return time_ms >= 0 && time_ms <= LIMIT_TIME_MS;
}

static bool check_entries(const AppendEntries *append, struct bytes body, struct error *error)
{
    if (append->n_entries > LIMIT_APPEND_ENTRIES) {
        return error_set(error, "an AppendEntries has %zu entries, %d are allowed",
                         append->n_entries, LIMIT_APPEND_ENTRIES);
    }
    if (append->prev_log_index > UINT64_MAX - append->n_entries) {
        return error_set(error, "an AppendEntries follows index %" PRIu64 ", the end of all logs",
                         append->prev_log_index);
    }
    uint64_t term = append->prev_log_term;
    size_t left = body.len;
    for (size_t i = 0; i < append->n_entries; i++) {
        const Entry *entry = append->entries[i];
        if (!knows_all(&entry->base) || entry->type < ENTRY_COMMAND || entry->type > ENTRY_CHANGE) {
            return error_set(error, "entry %zu of an AppendEntries is of unknown type %" PRIu32,
                             i + 1, entry->type);
        }
        if (entry->term == 0 || entry->term < term || entry->term > append->term) {
            return error_set(error,
                             "entry %zu of an AppendEntries has term %" PRIu64
                             ", which does not lie between %" PRIu64 " before it and the leader's "
                             "%" PRIu64,
                             i + 1, entry->term, term, append->term);
        }
        if (entry->length > LIMIT_ENTRY_BYTES || entry->length > left) {
            return error_set(error,
                             "entry %zu of an AppendEntries claims %" PRIu32
                             " bytes, the frame has %zu left",
                             i + 1, entry->length, left);
        }
        term = entry->term;
        left -= entry->length;
    }
    if (left != 0) {
        return error_set(error, "%zu bytes follow the last entry of an AppendEntries", left);
    }
    return true;
}

static bool decode_append_entries(const AppendEntries *proto, struct bytes body,
                                  struct peer_message *message, struct error *error)
{
    if (!check_entries(proto, body, error) ||
        !decode_clock(proto->clock, &message->append_entries.clock, error)) {
        return false;
    }
    if (!is_time(proto->ledger_time_ms)) {
        return error_set(error, "an AppendEntries tells the ledger time %" PRId64 " ms",
                         proto->ledger_time_ms);
    }
    message->type = PEER_APPEND_ENTRIES;
    message->append_entries.ledger_time_ms = proto->ledger_time_ms;
    message->append_entries.term = proto->term;
    message->append_entries.prev_log_index = proto->prev_log_index;
    message->append_entries.prev_log_term = proto->prev_log_term;
    message->append_entries.leader_commit = proto->leader_commit;
    message->append_entries.entries = NULL;
    message->append_entries.entry_count = proto->n_entries;
    if (proto->n_entries > 0) {
        message->append_entries.entries =
            memory_alloc(proto->n_entries * sizeof *message->append_entries.entries);
    }
    /* The one copy: an entry outlives the receive buffer and must not pin all of it. */
    struct reader in = reader_of(body);
    for (size_t i = 0; i < proto->n_entries; i++) {
        const Entry *entry = proto->entries[i];
        message->append_entries.entries[i] =
            entry_new_copy(proto->prev_log_index + 1 + i, entry->term, (enum entry_type)entry->type,
                           read_raw(&in, entry->length));
    }
    assert(reader_finished(&in));
    return true;
}

static bool decode_install_snapshot(const InstallSnapshot *proto, struct peer_message *message,
                                    struct error *error)
{
    if (proto->configuration.len > LIMIT_CONFIGURATION_BYTES) {
        return error_set(error, "a snapshot has members of %zu bytes, %u are allowed",
                         proto->configuration.len, LIMIT_CONFIGURATION_BYTES);
    }
    message->type = PEER_INSTALL_SNAPSHOT;
    message->install_snapshot.term = proto->term;
    message->install_snapshot.index = proto->index;
    message->install_snapshot.last_term = proto->last_term;
    message->install_snapshot.checkpoint =
        (struct hash128){proto->checkpoint_low, proto->checkpoint_high};
    message->install_snapshot.configuration =
        entry_new_copy(proto->configuration_index, proto->last_term, ENTRY_CHANGE,
                       bytes_of(proto->configuration.data, proto->configuration.len));
    return true;
}

static void decode_checkpoint_ask(const CheckpointAsk *proto, struct peer_message *message)
{
    message->type = PEER_CHECKPOINT_ASK;
    message->checkpoint_ask.checkpoint =
        (struct hash128){proto->checkpoint_low, proto->checkpoint_high};
    message->checkpoint_ask.file = proto->file;
    message->checkpoint_ask.offset = proto->offset;
    message->checkpoint_ask.max_bytes = proto->max_bytes;
}

static bool decode_checkpoint_part(const CheckpointPart *proto, struct bytes body,
                                   struct peer_message *message, struct error *error)
{
    if (body.len > LIMIT_CHECKPOINT_PART_BYTES || (body.len == 0) != proto->gone) {
        return error_set(error, "a part of a checkpoint has %zu bytes, not 1 to %u", body.len,
                         LIMIT_CHECKPOINT_PART_BYTES);
    }
    message->type = PEER_CHECKPOINT_PART;
    message->checkpoint_part.checkpoint =
        (struct hash128){proto->checkpoint_low, proto->checkpoint_high};
    message->checkpoint_part.file = proto->file;
    message->checkpoint_part.offset = proto->offset;
    message->checkpoint_part.size = proto->size;
    message->checkpoint_part.data = proto->gone ? NULL : entry_new_copy(0, 0, ENTRY_COMMAND, body);
    return true;
}

/* Reports stand at indexes that an entry can have; what they say of them, the owner judges. */
static bool decode_digest_report(const DigestReport *proto, struct peer_message *message,
                                 struct error *error)
{
    message->type = PEER_DIGEST_REPORT;
    message->digest_report.index = proto->index;
    message->digest_report.digest = (struct hash128){proto->digest_low, proto->digest_high};
    message->digest_report.lineage = (struct lineage){0};
    if (proto->n_lineage > LIMIT_LINEAGE) {
        return error_set(error, "a state stems from %zu others, not from %d at most",
                         proto->n_lineage, LIMIT_LINEAGE);
    }
    for (size_t i = 0; i < proto->n_lineage; i++) {
        lineage_add(&message->digest_report.lineage, proto->lineage[i]);
    }
    return (proto->index > 0 && proto->index < LIMIT_RAFT_NUMBER) ||
           error_set(error, "a digest is reported at index %" PRIu64 ", which no entry has",
                     proto->index);
}

static bool decode_digest_differs(const DigestDiffers *proto, struct peer_message *message,
                                  struct error *error)
{
    message->type = PEER_DIGEST_DIFFERS;
    message->digest_differs.index = proto->index;
    message->digest_differs.digest = (struct hash128){proto->digest_low, proto->digest_high};
    message->digest_differs.majority = (struct hash128){proto->majority_low, proto->majority_high};
    return (proto->index > 0 && proto->index < LIMIT_RAFT_NUMBER) ||
           error_set(error, "digests differ at index %" PRIu64 ", which no entry has",
                     proto->index);
}

static bool decode_digest_borne_out(const DigestBorneOut *proto, struct peer_message *message,
                                    struct error *error)
{
    message->type = PEER_DIGEST_BORNE_OUT;
    message->digest_borne_out.index = proto->index;
    message->digest_borne_out.digest = (struct hash128){proto->digest_low, proto->digest_high};
    return (proto->index > 0 && proto->index < LIMIT_RAFT_NUMBER) ||
           error_set(error, "a digest is borne out at index %" PRIu64 ", which no entry has",
                     proto->index);
}

/* A wall clock may show anything, and one that shows what nobody can count with must not cost the
 * node its connections: it is told as what it is nearest to. */
static void decode_pong(const Pong *proto, struct peer_message *message)
{
    int64_t wall_ms = proto->wall_ms < 0 ? 0 : proto->wall_ms;
    message->type = PEER_PONG;
    message->pong.echo_ms = proto->echo_ms;
    message->pong.wall_ms = wall_ms < LIMIT_TIME_MS ? wall_ms : LIMIT_TIME_MS;
    message->pong.ledger_version_known = proto->ledger_version_known;
}

static bool decode_message(const Header *header, struct bytes body, struct peer_message *message,
                           struct error *error)
{
    const ProtobufCMessage *inner = NULL;
    message->sent_term = header->sent_term;
    switch (header->body_case) {
    case HOLDFAST__PEER__V1__HEADER__BODY_REQUEST_VOTE:
        inner = &header->request_vote->base;
        message->type = PEER_REQUEST_VOTE;
        message->request_vote.term = header->request_vote->term;
        message->request_vote.candidate_id = header->request_vote->candidate_id;
        message->request_vote.last_log_index = header->request_vote->last_log_index;
        message->request_vote.last_log_term = header->request_vote->last_log_term;
        message->request_vote.disrupt_leader = header->request_vote->disrupt_leader;
        message->request_vote.pre_vote = header->request_vote->pre_vote;
        break;
    case HOLDFAST__PEER__V1__HEADER__BODY_REQUEST_VOTE_RESULT:
        inner = &header->request_vote_result->base;
        message->type = PEER_REQUEST_VOTE_RESULT;
        message->request_vote_result.term = header->request_vote_result->term;
        message->request_vote_result.vote_granted = header->request_vote_result->vote_granted;
        message->request_vote_result.pre_vote = header->request_vote_result->pre_vote;
        break;
    case HOLDFAST__PEER__V1__HEADER__BODY_APPEND_ENTRIES:
        inner = &header->append_entries->base;
        break;
    case HOLDFAST__PEER__V1__HEADER__BODY_APPEND_ENTRIES_RESULT:
        inner = &header->append_entries_result->base;
        message->type = PEER_APPEND_ENTRIES_RESULT;
        message->append_entries_result.term = header->append_entries_result->term;
        message->append_entries_result.rejected = header->append_entries_result->rejected;
        message->append_entries_result.last_log_index =
            header->append_entries_result->last_log_index;
        message->append_entries_result.capacity = header->append_entries_result->capacity;
        break;
    case HOLDFAST__PEER__V1__HEADER__BODY_TIMEOUT_NOW:
        inner = &header->timeout_now->base;
        message->type = PEER_TIMEOUT_NOW;
        message->timeout_now.term = header->timeout_now->term;
        message->timeout_now.last_log_index = header->timeout_now->last_log_index;
        message->timeout_now.last_log_term = header->timeout_now->last_log_term;
        break;
    case HOLDFAST__PEER__V1__HEADER__BODY_INSTALL_SNAPSHOT:
        inner = &header->install_snapshot->base;
        break;
    case HOLDFAST__PEER__V1__HEADER__BODY_READ_INDEX:
        inner = &header->read_index->base;
        message->type = PEER_READ_INDEX;
        message->read_index.round = header->read_index->round;
        break;
    case HOLDFAST__PEER__V1__HEADER__BODY_READ_INDEX_RESULT:
        inner = &header->read_index_result->base;
        message->type = PEER_READ_INDEX_RESULT;
        message->read_index_result.round = header->read_index_result->round;
        message->read_index_result.term = header->read_index_result->term;
        break;
    case HOLDFAST__PEER__V1__HEADER__BODY_READ_ASK:
        inner = &header->read_ask->base;
        message->type = PEER_READ_ASK;
        message->read_ask.round = header->read_ask->round;
        break;
    case HOLDFAST__PEER__V1__HEADER__BODY_READ_ANSWER:
        inner = &header->read_answer->base;
        message->type = PEER_READ_ANSWER;
        message->read_answer.round = header->read_answer->round;
        message->read_answer.index = header->read_answer->index;
        break;
    case HOLDFAST__PEER__V1__HEADER__BODY_CHECKPOINT_ASK:
        inner = &header->checkpoint_ask->base;
        decode_checkpoint_ask(header->checkpoint_ask, message);
        break;
    case HOLDFAST__PEER__V1__HEADER__BODY_CHECKPOINT_PART:
        inner = &header->checkpoint_part->base;
        break;
    case HOLDFAST__PEER__V1__HEADER__BODY_DIGEST_REPORT:
        inner = &header->digest_report->base;
        break;
    case HOLDFAST__PEER__V1__HEADER__BODY_DIGEST_DIFFERS:
        inner = &header->digest_differs->base;
        break;
    case HOLDFAST__PEER__V1__HEADER__BODY_DIGEST_BORNE_OUT:
        inner = &header->digest_borne_out->base;
        break;
    case HOLDFAST__PEER__V1__HEADER__BODY_PING:
        inner = &header->ping->base;
        message->type = PEER_PING;
        message->ping.clock_ms = header->ping->clock_ms;
        break;
    case HOLDFAST__PEER__V1__HEADER__BODY_PONG:
        inner = &header->pong->base;
        decode_pong(header->pong, message);
        break;
    default:
        return error_set(error, "a frame is of a kind this release does not know");
    }
    if (!knows_all(inner) || !knows_all(&header->base)) {
        return error_set(error, "a message has fields this release does not know");
    }
    if (header->body_case == HOLDFAST__PEER__V1__HEADER__BODY_APPEND_ENTRIES) {
        return decode_append_entries(header->append_entries, body, message, error);
    }
    if (header->body_case == HOLDFAST__PEER__V1__HEADER__BODY_CHECKPOINT_PART) {
        return decode_checkpoint_part(header->checkpoint_part, body, message, error);
    }
    if (header->body_case == HOLDFAST__PEER__V1__HEADER__BODY_APPEND_ENTRIES_RESULT &&
        !decode_clock(header->append_entries_result->clock, &message->append_entries_result.clock,
                      error)) {
        return false;
    }
    if (body.len != 0) {
        return error_set(error, "%zu bytes follow a message without entries", body.len);
    }
    if (header->body_case == HOLDFAST__PEER__V1__HEADER__BODY_DIGEST_REPORT) {
        return decode_digest_report(header->digest_report, message, error);
    }
    if (header->body_case == HOLDFAST__PEER__V1__HEADER__BODY_DIGEST_DIFFERS) {
        return decode_digest_differs(header->digest_differs, message, error);
    }
    if (header->body_case == HOLDFAST__PEER__V1__HEADER__BODY_DIGEST_BORNE_OUT) {
        return decode_digest_borne_out(header->digest_borne_out, message, error);
    }
    return header->body_case != HOLDFAST__PEER__V1__HEADER__BODY_INSTALL_SNAPSHOT ||
           decode_install_snapshot(header->install_snapshot, message, error);
}

static bool decode_header(const Header *header, struct bytes body, struct frame_content *content,
                          struct error *error)
{
    switch (header->body_case) {
    case HOLDFAST__PEER__V1__HEADER__BODY_HELLO:
        content->kind = FRAME_HELLO;
        content->refusal[0] = '\0';
        return decode_hello(header->hello, &content->hello, error);
    case HOLDFAST__PEER__V1__HEADER__BODY_ANSWER:
        content->kind = FRAME_ANSWER;
        return decode_answer(header->answer, content, error);
    default:
        content->kind = FRAME_MESSAGE;
        return decode_message(header, body, &content->message, error);
    }
}

bool frame_decode(struct bytes frame, struct frame_content *content, struct error *error)
{
    assert(frame.len >= FRAME_PREFIX_BYTES);
    struct reader in = reader_of(frame);
    read_u32(&in); /* the magic was measured */
    uint32_t header_bytes = read_u32(&in);
    uint32_t body_bytes = read_u32(&in);
    uint32_t expected = read_u32(&in);
    struct bytes packed = read_raw(&in, header_bytes);
    struct bytes body = read_raw(&in, body_bytes);
    assert(reader_finished(&in));

    uint32_t crc = crc32c(0, frame.data, FRAME_PREFIX_BYTES - sizeof crc);
    crc = crc32c(crc, frame.data + FRAME_PREFIX_BYTES, frame.len - FRAME_PREFIX_BYTES);
    if (crc != expected) {
        return error_set(error,
                         "a frame of %zu bytes was damaged on the way (CRC-32C %08" PRIx32
                         ", it says %08" PRIx32 ")",
                         frame.len, crc, expected);
    }
    Header *header = holdfast__peer__v1__header__unpack(NULL, packed.len, packed.data);
    if (header == NULL) {
        return error_set(error, "a frame's header of %zu bytes can't be decoded", packed.len);
    }
    bool ok = decode_header(header, body, content, error);
    holdfast__peer__v1__header__free_unpacked(header, NULL);
    return ok;
}
