/*
 * Frames that are torn, flipped, forged or random: they are refused, or decode to something that
 * keeps every rule of frame_decode.c.
 */
#include "frame_fixture.h"

#include <string.h>

typedef Holdfast__Peer__V1__Entry Entry;
typedef Holdfast__Peer__V1__AppendEntries AppendEntries;
typedef Holdfast__Peer__V1__AppendEntriesResult AppendEntriesResult;
typedef Holdfast__Peer__V1__Clock Clock;

#define FUZZ_ROUNDS 20000

/* ---- damage ---- */

static void every_truncation_is_incomplete(void **state)
{
    (void)state;
    struct buffer bytes = some_frame();
    struct error error;
    for (size_t len = 0; len < bytes.len; len++) {
        size_t total;
        assert_true(frame_measure(bytes_of(bytes.data, len), bytes.len, &total, &error));
        assert_int_equal(total, len < FRAME_PREFIX_BYTES ? 0 : bytes.len);
    }
    buffer_free(&bytes);
}

/* Even when the lengths agree with what is left. */
static void every_shortened_frame_is_refused(void **state)
{
    (void)state;
    struct buffer bytes = some_frame();
    uint32_t header_len = bytes.data[4]; /* it is short */
    assert_int_equal(bytes.data[5], 0);
    for (size_t len = FRAME_PREFIX_BYTES; len < bytes.len; len++) {
        struct error error;
        struct frame_content content;
        struct buffer shorter = {0};
        buffer_append(&shorter, bytes.data, len);
        uint32_t rest = (uint32_t)(len - FRAME_PREFIX_BYTES);
        frame_put_u32(shorter.data + 4, rest < header_len ? rest : header_len);
        frame_put_u32(shorter.data + 8, rest < header_len ? 0 : rest - header_len);
        assert_false(frame_measure_and_decode(buffer_bytes(&shorter), &content, &error));
        assert_non_null(strstr(error.text, "damaged"));
        /* Sealed again, as a forger would: a shorter header may be a header, but then it lacks
         * entries. */
        frame_seal(&shorter);
        if (frame_measure_and_decode(buffer_bytes(&shorter), &content, &error)) {
            assert_int_equal(content.kind, FRAME_MESSAGE);
            peer_message_free(&content.message);
        }
        buffer_free(&shorter);
    }
    buffer_free(&bytes);
}

static void every_flipped_bit_is_refused(void **state)
{
    (void)state;
    struct hello hello = some_hello();
    struct buffer frames[] = {some_frame(), frame_flatten(frame_of_hello(&hello)),
                              frame_flatten(frame_of_answer(&hello, "no"))};
    for (size_t f = 0; f < sizeof frames / sizeof frames[0]; f++) {
        for (size_t bit = 0; bit < frames[f].len * 8; bit++) {
            struct error error;
            struct frame_content content;
            frames[f].data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_false(frame_measure_and_decode(buffer_bytes(&frames[f]), &content, &error));
            frames[f].data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        buffer_free(&frames[f]);
    }
}

static void lengths_beyond_the_limit_are_refused_at_the_prefix(void **state)
{
    (void)state;
    static const struct {
        uint32_t header;
        uint32_t body;
        size_t limit;
        bool ok;
    } cases[] = {
        {10, LIMIT_PEER_FRAME_BYTES - 26, LIMIT_PEER_FRAME_BYTES, true},
        {10, LIMIT_PEER_FRAME_BYTES - 25, LIMIT_PEER_FRAME_BYTES, false},
        {LIMIT_PEER_HEADER_BYTES, 0, LIMIT_PEER_FRAME_BYTES, true},
        {LIMIT_PEER_HEADER_BYTES + 1, 0, LIMIT_PEER_FRAME_BYTES, false},
        {UINT32_MAX, UINT32_MAX, LIMIT_PEER_FRAME_BYTES, false},
        {0, UINT32_MAX, LIMIT_PEER_FRAME_BYTES, false},
        {LIMIT_PEER_HELLO_BYTES - 16, 0, LIMIT_PEER_HELLO_BYTES, true},
        {LIMIT_PEER_HELLO_BYTES - 15, 0, LIMIT_PEER_HELLO_BYTES, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t prefix[FRAME_PREFIX_BYTES] = "HfPr";
        frame_put_u32(prefix + 4, cases[i].header);
        frame_put_u32(prefix + 8, cases[i].body);
        struct error error;
        size_t total;
        bool ok = frame_measure(bytes_of(prefix, sizeof prefix), cases[i].limit, &total, &error);
        assert_int_equal(ok, cases[i].ok);
    }
    struct error error;
    size_t total;
    assert_false(frame_measure(BYTES_LITERAL("GET / HTTP/1.1\r\n"), 1 << 20, &total, &error));
    assert_non_null(strstr(error.text, "not Holdfast's peer protocol"));
}

/* ---- forgery ---- */

#define FORGED_ENTRIES 3

struct forged {
    Header header;
    AppendEntries append;
    Clock clock;
    Entry entries[FORGED_ENTRIES];
    Entry *pointers[FORGED_ENTRIES];
};

/* Right until the caller makes it wrong: three entries of 4 bytes. */
static void forge_append(struct forged *forged)
{
    forged->header = (Header)HOLDFAST__PEER__V1__HEADER__INIT;
    forged->append = (AppendEntries)HOLDFAST__PEER__V1__APPEND_ENTRIES__INIT;
    for (size_t i = 0; i < FORGED_ENTRIES; i++) {
        forged->entries[i] = (Entry)HOLDFAST__PEER__V1__ENTRY__INIT;
        forged->entries[i].term = 4 + i;
        forged->entries[i].type = ENTRY_COMMAND;
        forged->entries[i].length = 4;
        forged->pointers[i] = &forged->entries[i];
    }
    forged->append.term = 6;
    forged->append.prev_log_term = 4;
    forged->append.n_entries = FORGED_ENTRIES;
    forged->append.entries = forged->pointers;
    forged->clock = (Clock)HOLDFAST__PEER__V1__CLOCK__INIT;
    forged->append.clock = &forged->clock;
    forged->header.body_case = HOLDFAST__PEER__V1__HEADER__BODY_APPEND_ENTRIES;
    forged->header.append_entries = &forged->append;
}

static void entries_that_do_not_fit_their_frame_are_refused(void **state)
{
    (void)state;
    struct forged forged;
    struct frame_content content;
    forge_append(&forged);
    frame_must_decode(frame_forge_proto(&forged.header, 12), &content);
    peer_message_free(&content.message);

    frame_must_be_refused(frame_forge_proto(&forged.header, 13), "1 bytes follow the last entry");
    frame_must_be_refused(frame_forge_proto(&forged.header, 11),
                          "entry 3 of an AppendEntries claims 4 bytes");
    frame_must_be_refused(frame_forge_proto(&forged.header, 0),
                          "entry 1 of an AppendEntries claims 4 bytes");
    forged.entries[1].length = UINT32_MAX;
    frame_must_be_refused(frame_forge_proto(&forged.header, 12),
                          "entry 2 of an AppendEntries claims 4294967295");
    forge_append(&forged);
    forged.entries[0].length = LIMIT_ENTRY_BYTES + 1;
    frame_must_be_refused(frame_forge_proto(&forged.header, LIMIT_ENTRY_BYTES + 9),
                          "entry 1 of an AppendEntries");
    forge_append(&forged);
    forged.append.n_entries = 0;
    frame_must_be_refused(frame_forge_proto(&forged.header, 12), "12 bytes follow");
}

static void messages_without_their_clock_are_refused(void **state)
{
    (void)state;
    struct forged forged;
    forge_append(&forged);
    forged.append.clock = NULL;
    frame_must_be_refused(frame_forge_proto(&forged.header, 12), "no clock");
    AppendEntriesResult result = HOLDFAST__PEER__V1__APPEND_ENTRIES_RESULT__INIT;
    Header header = HOLDFAST__PEER__V1__HEADER__INIT;
    header.body_case = HOLDFAST__PEER__V1__HEADER__BODY_APPEND_ENTRIES_RESULT;
    header.append_entries_result = &result;
    frame_must_be_refused(frame_forge_proto(&header, 0), "no clock");
    /* header field 7, the result's field 5, an unknown field in it */
    static const uint8_t unknown[] = {0x3a, 4, 0x2a, 2, 0x78, 1};
    frame_must_be_refused(frame_forge(bytes_of(unknown, sizeof unknown), (struct bytes){0}),
                          "one this release does");
}

static void impossible_entries_are_refused(void **state)
{
    (void)state;
    struct forged forged;
    static const uint32_t types[] = {0, 4, UINT32_MAX};
    for (size_t i = 0; i < 3; i++) {
        forge_append(&forged);
        forged.entries[1].type = types[i];
        frame_must_be_refused(frame_forge_proto(&forged.header, 12), "unknown type");
    }
    forge_append(&forged);
    forged.entries[0].term = 3;
    frame_must_be_refused(frame_forge_proto(&forged.header, 12),
                          "entry 1 of an AppendEntries has term 3");
    forge_append(&forged);
    forged.entries[2].term = 4;
    frame_must_be_refused(frame_forge_proto(&forged.header, 12),
                          "entry 3 of an AppendEntries has term 4");
    forge_append(&forged);
    forged.entries[2].term = 7;
    frame_must_be_refused(frame_forge_proto(&forged.header, 12),
                          "entry 3 of an AppendEntries has term 7");
    forge_append(&forged);
    forged.append.prev_log_term = 0;
    forged.entries[0].term = 0;
    frame_must_be_refused(frame_forge_proto(&forged.header, 12),
                          "entry 1 of an AppendEntries has term 0");
    forge_append(&forged);
    forged.append.prev_log_index = UINT64_MAX - 2;
    frame_must_be_refused(frame_forge_proto(&forged.header, 12), "the end of all logs");
}

static void too_many_entries_are_refused(void **state)
{
    (void)state;
    struct forged forged;
    forge_append(&forged);
    Entry *pointers[LIMIT_APPEND_ENTRIES + 1];
    for (size_t i = 0; i <= LIMIT_APPEND_ENTRIES; i++) {
        pointers[i] = &forged.entries[0];
    }
    forged.append.entries = pointers;
    forged.append.n_entries = LIMIT_APPEND_ENTRIES + 1;
    frame_must_be_refused(frame_forge_proto(&forged.header, (LIMIT_APPEND_ENTRIES + 1) * 4),
                          "has 1025 entries");
}

static void bodies_without_entries_are_refused(void **state)
{
    (void)state;
    Holdfast__Peer__V1__TimeoutNow now = HOLDFAST__PEER__V1__TIMEOUT_NOW__INIT;
    Header header = HOLDFAST__PEER__V1__HEADER__INIT;
    header.body_case = HOLDFAST__PEER__V1__HEADER__BODY_TIMEOUT_NOW;
    header.timeout_now = &now;
    frame_must_be_refused(frame_forge_proto(&header, 1),
                          "1 bytes follow a message without entries");
}

/* Nobody's, at the end of a message: field 100, varint 1. */
static const uint8_t unknown_field[] = {0xa0, 0x06, 0x01};

static void unknown_fields_are_refused_in_messages(void **state)
{
    (void)state;
    /* of the header */
    struct peer_message now = {.type = PEER_TIMEOUT_NOW, .sent_term = 4};
    struct frame *frame = frame_of_message(&now);
    struct buffer packed = {0};
    buffer_append(&packed, frame->head.data + 16, frame->head.len - 16);
    frame_free(frame);
    buffer_append(&packed, unknown_field, sizeof unknown_field);
    frame_must_be_refused(frame_forge(buffer_bytes(&packed), (struct bytes){0}),
                          "fields this release does not know");
    buffer_free(&packed);
    /* of the message: header field 8, length 2 */
    static const uint8_t nested[] = {0x42, 2, 0x78, 0x01};
    frame_must_be_refused(frame_forge(bytes_of(nested, sizeof nested), (struct bytes){0}),
                          "fields this release does not know");
    /* of a question about reads: header field 10, length 2 */
    static const uint8_t read[] = {0x52, 2, 0x78, 0x01};
    frame_must_be_refused(frame_forge(bytes_of(read, sizeof read), (struct bytes){0}),
                          "fields this release does not know");
    /* of an entry: header field 6, AppendEntries' field 5 */
    static const uint8_t entry[] = {0x32, 10, 0x08, 1, 0x2a, 6, 0x08, 1, 0x10, 1, 0x78, 1};
    frame_must_be_refused(frame_forge(bytes_of(entry, sizeof entry), (struct bytes){0}),
                          "entry 1 of an AppendEntries");
    /* a kind of message that does not exist: field 100 */
    static const uint8_t kind[] = {0xa2, 0x06, 0};
    frame_must_be_refused(frame_forge(bytes_of(kind, sizeof kind), (struct bytes){0}),
                          "a kind this release");
    frame_must_be_refused(frame_forge((struct bytes){0}, (struct bytes){0}), "a kind this release");
}

static void unknown_fields_are_let_pass_in_hellos(void **state)
{
    (void)state;
    struct hello hello = some_hello();
    hello.client_address[0] = '\0';
    struct frame *frame = frame_of_hello(&hello);
    struct buffer packed = {0};
    buffer_append(&packed, frame->head.data + 16, frame->head.len - 16);
    frame_free(frame);
    assert_int_equal(packed.data[0], 0x12); /* header field 2, one byte of length */
    buffer_append(&packed, unknown_field, sizeof unknown_field);
    packed.data[1] = (uint8_t)(packed.data[1] + sizeof unknown_field);
    struct frame_content content;
    frame_must_decode(frame_forge(buffer_bytes(&packed), (struct bytes){0}), &content);
    assert_int_equal(content.kind, FRAME_HELLO);
    assert_int_equal(content.hello.session, 77);
    buffer_free(&packed);
}

static void answers_need_a_hello(void **state)
{
    (void)state;
    static const uint8_t answer[] = {0x1a, 0};
    frame_must_be_refused(frame_forge(bytes_of(answer, sizeof answer), (struct bytes){0}),
                          "from whom");
    Holdfast__Peer__V1__Hello hello = HOLDFAST__PEER__V1__HELLO__INIT;
    char address[LIMIT_ADDRESS_BYTES + 2];
    memset(address, 'a', sizeof address);
    address[sizeof address - 1] = '\0';
    hello.client_address = address;
    Header header = HOLDFAST__PEER__V1__HEADER__INIT;
    header.body_case = HOLDFAST__PEER__V1__HEADER__BODY_HELLO;
    header.hello = &hello;
    frame_must_be_refused(frame_forge_proto(&header, 0), "client address of 260 bytes");
}

/* ---- fuzz ---- */

static uint64_t fuzz_state;

static uint32_t fuzz_number(void)
{
    fuzz_state = fuzz_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(fuzz_state >> 33);
}

/* Whatever was accepted keeps the rules. */
static void check_content(struct frame_content *content)
{
    if (content->kind != FRAME_MESSAGE) {
        assert_true(strlen(content->hello.client_address) <= LIMIT_ADDRESS_BYTES);
        assert_true(strlen(content->refusal) <= LIMIT_PEER_REASON_BYTES);
        return;
    }
    struct peer_message *message = &content->message;
    assert_in_range(message->type, PEER_REQUEST_VOTE, PEER_DIGEST_BORNE_OUT);
    if (message->type == PEER_APPEND_ENTRIES) {
        uint64_t term = message->append_entries.prev_log_term;
        assert_true(message->append_entries.entry_count <= LIMIT_APPEND_ENTRIES);
        for (size_t i = 0; i < message->append_entries.entry_count; i++) {
            const struct entry *entry = message->append_entries.entries[i];
            assert_int_equal(entry->index, message->append_entries.prev_log_index + 1 + i);
            assert_true(entry->term >= term && entry->term <= message->append_entries.term);
            assert_in_range(entry->type, ENTRY_COMMAND, ENTRY_CHANGE);
            term = entry->term;
        }
    }
    peer_message_free(message);
}

static void random_bytes_do_no_harm(void **state)
{
    (void)state;
    fuzz_state = 20261120;
    size_t accepted = 0;
    for (size_t round = 0; round < FUZZ_ROUNDS; round++) {
        uint8_t header[96];
        size_t header_len = fuzz_number() % sizeof header;
        for (size_t i = 0; i < header_len; i++) {
            header[i] = (uint8_t)fuzz_number();
        }
        uint8_t body[32] = {0};
        struct buffer bytes =
            frame_forge(bytes_of(header, header_len), bytes_of(body, fuzz_number() % sizeof body));
        if (round % 4 == 0) { /* not even a frame */
            for (size_t i = 0; i < bytes.len; i++) {
                bytes.data[i] = (uint8_t)fuzz_number();
            }
        }
        struct frame_content content;
        struct error error = {{0}};
        if (frame_measure_and_decode(buffer_bytes(&bytes), &content, &error)) {
            accepted++;
            check_content(&content);
        } else {
            assert_true(error.text[0] != '\0');
        }
        buffer_free(&bytes);
    }
    assert_true(accepted < FUZZ_ROUNDS / 2);
}

/* Sealed again after the damage, so that it gets past the CRC. */
static void mutated_frames_do_no_harm(void **state)
{
    (void)state;
    fuzz_state = 42;
    struct hello hello = some_hello();
    struct buffer seeds[] = {some_frame(), frame_flatten(frame_of_hello(&hello)),
                             frame_flatten(frame_of_answer(&hello, "because"))};
    size_t accepted = 0;
    for (size_t round = 0; round < FUZZ_ROUNDS; round++) {
        const struct buffer *seed = &seeds[round % 3];
        struct buffer bytes = {0};
        buffer_append_bytes(&bytes, buffer_bytes(seed));
        for (size_t i = 0; i <= fuzz_number() % 3; i++) {
            size_t at = FRAME_PREFIX_BYTES + fuzz_number() % (bytes.len - FRAME_PREFIX_BYTES);
            bytes.data[at] = (uint8_t)fuzz_number();
        }
        frame_seal(&bytes);
        struct frame_content content;
        struct error error = {{0}};
        if (frame_measure_and_decode(buffer_bytes(&bytes), &content, &error)) {
            accepted++;
            check_content(&content);
        }
        buffer_free(&bytes);
    }
    assert_true(accepted > 0 && accepted < FUZZ_ROUNDS); /* both ways were walked */
    for (size_t i = 0; i < 3; i++) {
        buffer_free(&seeds[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_truncation_is_incomplete),
        cmocka_unit_test(every_shortened_frame_is_refused),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(lengths_beyond_the_limit_are_refused_at_the_prefix),
        cmocka_unit_test(entries_that_do_not_fit_their_frame_are_refused),
        cmocka_unit_test(messages_without_their_clock_are_refused),
        cmocka_unit_test(impossible_entries_are_refused),
        cmocka_unit_test(too_many_entries_are_refused),
        cmocka_unit_test(bodies_without_entries_are_refused),
        cmocka_unit_test(unknown_fields_are_refused_in_messages),
        cmocka_unit_test(unknown_fields_are_let_pass_in_hellos),
        cmocka_unit_test(answers_need_a_hello),
        cmocka_unit_test(random_bytes_do_no_harm),
        cmocka_unit_test(mutated_frames_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
