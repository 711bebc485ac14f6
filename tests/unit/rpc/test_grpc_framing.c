/*
 * test_grpc_framing.c - the pure half of gRPC's wire format, case by case.
 */
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "grpc_framing.h"
#include "rpc/status.h"

#define LIMIT 1000

static enum grpc_progress feed_split(struct grpc_message_reader *reader, struct bytes all,
                                     size_t split)
{
    enum grpc_progress first = grpc_message_reader_feed(reader, bytes_of(all.data, split), LIMIT);
    if (first != GRPC_MESSAGE_INCOMPLETE && split != all.len) {
        if (first != GRPC_MESSAGE_COMPLETE) {
            return first;
        }
    }
    return split == all.len ? first
                            : grpc_message_reader_feed(
                                  reader, bytes_of(all.data + split, all.len - split), LIMIT);
}

static void message_is_read_whichever_way_it_is_cut(void **state)
{
    (void)state;
    uint8_t wire[GRPC_PREFIX_BYTES + 20];
    grpc_prefix_write(wire, 20);
    for (size_t i = 0; i < 20; i++) {
        wire[GRPC_PREFIX_BYTES + i] = (uint8_t)(i * 7);
    }
    struct grpc_message_reader reader = {0};
    for (size_t split = 0; split <= sizeof wire; split++) {
        assert_int_equal(feed_split(&reader, bytes_of(wire, sizeof wire), split),
                         GRPC_MESSAGE_COMPLETE);
        assert_int_equal(reader.body.len, 20);
        assert_memory_equal(reader.body.data, wire + GRPC_PREFIX_BYTES, 20);
        grpc_message_reader_reset(&reader);
    }
    /* And byte by byte, with empty pieces between. */
    for (size_t i = 0; i < sizeof wire; i++) {
        assert_false(i != 0 && !grpc_message_reader_begun(&reader));
        grpc_message_reader_feed(&reader, bytes_of(NULL, 0), LIMIT);
        assert_int_equal(grpc_message_reader_feed(&reader, bytes_of(wire + i, 1), LIMIT),
                         i + 1 < sizeof wire ? GRPC_MESSAGE_INCOMPLETE : GRPC_MESSAGE_COMPLETE);
    }
    buffer_free(&reader.body);
}

static void empty_message_is_a_message(void **state)
{
    (void)state;
    struct grpc_message_reader reader = {0};
    const uint8_t wire[5] = {0};
    assert_int_equal(grpc_message_reader_feed(&reader, bytes_of(wire, 4), LIMIT),
                     GRPC_MESSAGE_INCOMPLETE);
    assert_int_equal(grpc_message_reader_feed(&reader, bytes_of(wire, 1), LIMIT),
                     GRPC_MESSAGE_COMPLETE);
    assert_int_equal(reader.body.len, 0);
    assert_int_equal(grpc_message_reader_feed(&reader, bytes_of(wire, 1), LIMIT),
                     GRPC_MESSAGE_SECOND);
    buffer_free(&reader.body);
}

static void second_message_is_told_apart(void **state)
{
    (void)state;
    const uint8_t wire[] = {0, 0, 0, 0, 1, 'a', 0, 0, 0, 0, 1, 'b'};
    for (size_t split = 0; split <= sizeof wire; split++) {
        struct grpc_message_reader reader = {0};
        assert_int_equal(feed_split(&reader, bytes_of(wire, sizeof wire), split),
                         GRPC_MESSAGE_SECOND);
        buffer_free(&reader.body);
    }
}

static void length_is_checked_before_memory_is_taken(void **state)
{
    (void)state;
    struct grpc_message_reader reader = {0};
    uint8_t wire[5];
    grpc_prefix_write(wire, LIMIT + 1);
    assert_int_equal(grpc_message_reader_feed(&reader, bytes_of(wire, 5), LIMIT),
                     GRPC_MESSAGE_TOO_LARGE);
    assert_null(reader.body.data);
    assert_int_equal(reader.announced_bytes, LIMIT + 1);
    grpc_message_reader_reset(&reader);
    const uint8_t huge[5] = {0, 0xff, 0xff, 0xff, 0xff};
    assert_int_equal(grpc_message_reader_feed(&reader, bytes_of(huge, 5), LIMIT),
                     GRPC_MESSAGE_TOO_LARGE);
    assert_null(reader.body.data);
    grpc_message_reader_reset(&reader);
    /* What is only announced is not taken, either. */
    assert_int_equal(grpc_message_reader_feed(&reader, bytes_of(huge, 5), UINT32_MAX),
                     GRPC_MESSAGE_INCOMPLETE);
    assert_true(reader.body.capacity < (1u << 20));
    buffer_free(&reader.body);
}

static void flags_other_than_zero_are_faults(void **state)
{
    (void)state;
    for (unsigned flag = 1; flag < 256; flag++) {
        struct grpc_message_reader reader = {0};
        const uint8_t byte = (uint8_t)flag;
        assert_int_equal(grpc_message_reader_feed(&reader, bytes_of(&byte, 1), LIMIT),
                         flag == 1 ? GRPC_MESSAGE_COMPRESSED : GRPC_MESSAGE_BAD_FLAG);
    }
}

static void timeouts_are_parsed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms; /* UINT64_MAX: malformed */
    } cases[] = {
        {"1H", 3600000},     {"2M", 120000},
        {"3S", 3000},        {"4m", 4},
        {"5000u", 5},        {"5001u", 6},
        {"1u", 1},           {"6000000n", 6},
        {"1n", 1},           {"0n", 0},
        {"0S", 0},           {"99999999H", UINT64_C(99999999) * 3600000},
        {"00000001S", 1000}, {"123456789S", UINT64_MAX},
        {"", UINT64_MAX},    {"S", UINT64_MAX},
        {"1", UINT64_MAX},   {"1s", UINT64_MAX},
        {"1h", UINT64_MAX},  {"-1S", UINT64_MAX},
        {"+1S", UINT64_MAX}, {" 1S", UINT64_MAX},
        {"1 S", UINT64_MAX}, {"1.5S", UINT64_MAX},
        {"1SS", UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t ms = 0;
        bool parsed = grpc_timeout_parse(bytes_of_string(cases[i].text), &ms);
        assert_int_equal(parsed, cases[i].ms != UINT64_MAX);
        if (parsed) {
            assert_int_equal(ms, cases[i].ms);
        }
    }
}

static void timeouts_survive_formatting(void **state)
{
    (void)state;
    static const uint64_t cases[] = {0, 1, 999, 99999999, 100000000, 99999999999, UINT64_MAX};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[GRPC_TIMEOUT_TEXT_BYTES];
        uint64_t back = 0;
        grpc_timeout_format(cases[i], text);
        assert_true(grpc_timeout_parse(bytes_of_string(text), &back));
        assert_true(back <= cases[i]);
        if (cases[i] <= 99999999) {
            assert_int_equal(back, cases[i]);
        }
        if (cases[i] < UINT64_MAX) {
            assert_true(cases[i] - back < 60000);
        }
    }
}

static void check_percent(const char *plain, const char *encoded)
{
    struct buffer out = {0};
    grpc_percent_encode(&out, bytes_of_string(plain));
    assert_true(bytes_equal(buffer_bytes(&out), bytes_of_string(encoded)));
    buffer_clear(&out);
    grpc_percent_decode(&out, bytes_of_string(encoded));
    assert_true(bytes_equal(buffer_bytes(&out), bytes_of_string(plain)));
    buffer_free(&out);
}

static void messages_are_percent_encoded(void **state)
{
    (void)state;
    check_percent("", "");
    check_percent("plain words, ~ and \"more\"", "plain words, ~ and \"more\"");
    check_percent("100%", "100%25");
    check_percent("a\tb\r\nc\x7f", "a%09b%0D%0Ac%7F");
    check_percent("Stück ☃", "St%C3%BCck %E2%98%83");
}

static void broken_escapes_stay_as_they_are(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"%", "%"},       {"a%4", "a%4"},  {"%zz", "%zz"},
        {"%4g1", "%4g1"}, {"%c3%bc", "ü"}, {"%%41", "%A"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer out = {0};
        grpc_percent_decode(&out, bytes_of_string(cases[i][0]));
        assert_true(bytes_equal(buffer_bytes(&out), bytes_of_string(cases[i][1])));
        buffer_free(&out);
    }
}

static void content_types_are_recognized(void **state)
{
    (void)state;
    static const char *const yes[] = {"application/grpc", "application/grpc+proto",
                                      "application/grpc+json", "Application/GRPC",
                                      "application/grpc;charset=utf-8"};
    static const char *const no[] = {"",
                                     "application/json",
                                     "application/grp",
                                     "application/grpc-web",
                                     "application/grpc-web+proto",
                                     "application/grpcx",
                                     "text/plain"};
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        assert_true(grpc_content_type_matches(bytes_of_string(yes[i])));
    }
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
        assert_false(grpc_content_type_matches(bytes_of_string(no[i])));
    }
}

static void statuses_are_one_table(void **state)
{
    (void)state;
    assert_int_equal(RPC_UNAUTHENTICATED, 16);
    assert_string_equal(rpc_status_name(RPC_RESOURCE_EXHAUSTED), "RESOURCE_EXHAUSTED");
    assert_int_equal(rpc_status_http(RPC_UNAVAILABLE), 503);
    assert_int_equal(rpc_status_of_number(17), RPC_UNKNOWN);
    assert_int_equal(rpc_status_of_number(-1), RPC_UNKNOWN);
    for (long i = 0; i <= 16; i++) {
        assert_int_equal(rpc_status_of_number(i), i);
        assert_true(rpc_status_text((enum rpc_status)i)[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_is_read_whichever_way_it_is_cut),
        cmocka_unit_test(empty_message_is_a_message),
        cmocka_unit_test(second_message_is_told_apart),
        cmocka_unit_test(length_is_checked_before_memory_is_taken),
        cmocka_unit_test(flags_other_than_zero_are_faults),
        cmocka_unit_test(timeouts_are_parsed),
        cmocka_unit_test(timeouts_survive_formatting),
        cmocka_unit_test(messages_are_percent_encoded),
        cmocka_unit_test(broken_escapes_stay_as_they_are),
        cmocka_unit_test(content_types_are_recognized),
        cmocka_unit_test(statuses_are_one_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
