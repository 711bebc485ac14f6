#include "frame_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/hash.h"

struct buffer frame_flatten(struct frame *frame)
{
    struct buffer bytes = {0};
    for (size_t i = 0; i < frame_part_count(frame); i++) {
        buffer_append_bytes(&bytes, frame_part(frame, i));
    }
    assert_int_equal(bytes.len, frame->total_bytes);
    frame_free(frame);
    return bytes;
}

void frame_put_u32(uint8_t *at, uint32_t value)
{
    for (size_t i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

void frame_seal(struct buffer *bytes)
{
    uint32_t crc = crc32c(0, bytes->data, 12);
    frame_put_u32(bytes->data + 12, crc32c(crc, bytes->data + 16, bytes->len - 16));
}

/* A sealed frame of any header and body, right or wrong. */
struct buffer frame_forge(struct bytes header, struct bytes body)
{
    struct buffer bytes = {0};
    buffer_append(&bytes, "HfPr", 4);
    write_u32(&bytes, (uint32_t)header.len);
    write_u32(&bytes, (uint32_t)body.len);
    write_u32(&bytes, 0);
    buffer_append_bytes(&bytes, header);
    buffer_append_bytes(&bytes, body);
    frame_seal(&bytes);
    return bytes;
}

struct buffer frame_forge_proto(const Header *header, size_t body_len)
{
    struct buffer packed = {0};
    buffer_reserve(&packed, holdfast__peer__v1__header__get_packed_size(header) + 1);
    packed.len = holdfast__peer__v1__header__pack(header, packed.data);
    uint8_t *body = memory_zalloc(body_len);
    struct buffer bytes = frame_forge(buffer_bytes(&packed), bytes_of(body, body_len));
    free(body);
    buffer_free(&packed);
    return bytes;
}

bool frame_measure_and_decode(struct bytes bytes, struct frame_content *content,
                              struct error *error)
{
    size_t total;
    if (!frame_measure(bytes, LIMIT_PEER_FRAME_BYTES, &total, error)) {
        return false;
    }
    if (total == 0 || total > bytes.len) {
        return error_set(error, "incomplete");
    }
    return frame_decode(bytes_of(bytes.data, total), content, error);
}

void frame_must_decode(struct buffer bytes, struct frame_content *content)
{
    struct error error;
    size_t total;
    assert_true(frame_measure(buffer_bytes(&bytes), bytes.len, &total, &error));
    assert_int_equal(total, bytes.len);
    if (!frame_decode(buffer_bytes(&bytes), content, &error)) {
        fail_msg("refused: %s", error.text);
    }
    buffer_free(&bytes);
}

void frame_must_be_refused(struct buffer bytes, const char *says)
{
    struct error error = {{0}};
    struct frame_content content;
    assert_false(frame_measure_and_decode(buffer_bytes(&bytes), &content, &error));
    if (strstr(error.text, says) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", error.text, says);
    }
    buffer_free(&bytes);
}

void frame_round_trip(const struct peer_message *message, struct peer_message *out)
{
    struct frame_content content;
    frame_must_decode(frame_flatten(frame_of_message(message)), &content);
    assert_int_equal(content.kind, FRAME_MESSAGE);
    *out = content.message;
    assert_int_equal(out->type, message->type);
    assert_int_equal(out->sent_term, message->sent_term);
}

/* An AppendEntries of `count` entries behind prev_index, of growing lengths from 0. */
struct peer_message some_append(size_t count, uint64_t prev_index)
{
    struct peer_message message = {.type = PEER_APPEND_ENTRIES, .sent_term = 9};
    message.append_entries.term = 9;
    message.append_entries.prev_log_index = prev_index;
    message.append_entries.prev_log_term = 3;
    message.append_entries.leader_commit = 41;
    message.append_entries.clock = (struct peer_clock){UINT64_MAX, 12, 13};
    message.append_entries.ledger_time_ms = LIMIT_TIME_MS;
    message.append_entries.entries = memory_alloc(count * sizeof *message.append_entries.entries);
    message.append_entries.entry_count = count;
    for (size_t i = 0; i < count; i++) {
        uint8_t bytes[64];
        memset(bytes, (int)('a' + i % 26), sizeof bytes);
        message.append_entries.entries[i] =
            entry_new_copy(prev_index + 1 + i, 3 + i * 6 / count, (enum entry_type)(1 + i % 3),
                           bytes_of(bytes, i % sizeof bytes));
    }
    return message;
}

struct buffer some_frame(void)
{
    struct peer_message message = some_append(5, 100);
    struct buffer bytes = frame_flatten(frame_of_message(&message));
    peer_message_free(&message);
    return bytes;
}

struct hello some_hello(void)
{
    return (struct hello){.protocol_version = 1,
                          .cluster_id = UINT64_MAX - 1,
                          .node_id = 2,
                          .to_node_id = 3,
                          .incarnation = UINT64_MAX,
                          .session = 77,
                          .connection = 5,
                          .client_address = "[2001:db8::7]:8000",
                          .peer_address = "seven:7000"};
}
