/*
 * test_entry.c - entries and commands to bytes and back; every cut and every impossible byte
 * refused.
 */
#include "cmocka_with_headers.h"

#include <stdlib.h>

#include "ledger/command.h"
#include "text.h"

static const struct ledger_line two_lines[] = {
    {TEXT_INIT("SKU-2"), 7, 3},
    {TEXT_INIT("SKU-1"), 0, INT64_C(9007199254740991)},
};

static const struct ledger_command samples[] = {
    {.kind = LEDGER_SET_STOCK,
     .request_id = TEXT_INIT("req-1"),
     .requested_at_ms = 1790000000000,
     .actor = TEXT_INIT("anna"),
     .reason = TEXT_INIT("opening"),
     .remark = TEXT_INIT("first\nline"),
     .trace_id = TEXT_INIT("4bf92f35"),
     .sku = TEXT_INIT("SKU-1"),
     .warehouse = 3,
     .quantity = 500,
     .has_expected_version = true,
     .expected_version = 41},
    {.kind = LEDGER_ADJUST_STOCK,
     .request_id = TEXT_INIT("r"),
     .reason = TEXT_INIT("DAMAGE"),
     .sku = TEXT_INIT("\xc3\xa4\xe2\x82\xac"),
     .quantity = -7},
    {.kind = LEDGER_RESERVE,
     .order_id = TEXT_INIT("o-1"),
     .lines = two_lines,
     .line_count = 2,
     .has_ttl = true,
     .ttl_ms = 60000,
     .mode = LEDGER_RESERVE_ADD_LINES},
    {.kind = LEDGER_DEDUCT, .order_id = TEXT_INIT("o-1"), .reacquire = true},
    {.kind = LEDGER_DEDUCT,
     .request_id = TEXT_INIT("d"),
     .order_id = TEXT_INIT("o-1"),
     .lines = two_lines,
     .line_count = 1,
     .final = true},
    {.kind = LEDGER_RELEASE,
     .resent = true,
     .order_id = TEXT_INIT("o-2"),
     .actor = TEXT_INIT("bob")},
    {.kind = LEDGER_REGISTER_NODE, .node_id = 3, .incarnation = UINT64_MAX},
    {.kind = LEDGER_RAISE_VERSION, .version = UINT16_MAX},
};
#define SAMPLE_COUNT ((uint32_t)(sizeof samples / sizeof samples[0]))

static const struct ledger_entry_header header = {
    .format = LEDGER_ENTRY_FORMAT,
    .ledger_version = LEDGER_VERSION,
    .time_ms = 1790000000123,
    .outage_credit_ms = 450,
};

static void assert_bytes_equal(struct bytes a, struct bytes b)
{
    assert_int_equal(a.len, b.len);
    if (a.len != 0) {
        assert_memory_equal(a.data, b.data, a.len);
    }
}

static void assert_command_equal(const struct ledger_command *a, const struct ledger_command *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_bytes_equal(a->request_id, b->request_id);
    assert_int_equal(a->requested_at_ms, b->requested_at_ms);
    assert_bytes_equal(a->actor, b->actor);
    assert_bytes_equal(a->reason, b->reason);
    assert_bytes_equal(a->remark, b->remark);
    assert_bytes_equal(a->trace_id, b->trace_id);
    assert_bytes_equal(a->sku, b->sku);
    assert_int_equal(a->warehouse, b->warehouse);
    assert_int_equal(a->quantity, b->quantity);
    assert_int_equal(a->has_expected_version, b->has_expected_version);
    assert_int_equal(a->expected_version, b->expected_version);
    assert_bytes_equal(a->order_id, b->order_id);
    assert_int_equal(a->has_ttl, b->has_ttl);
    assert_int_equal(a->ttl_ms, b->ttl_ms);
    assert_int_equal(a->mode, b->mode);
    assert_int_equal(a->final, b->final);
    assert_int_equal(a->reacquire, b->reacquire);
    assert_int_equal(a->resent, b->resent);
    assert_int_equal(a->node_id, b->node_id);
    assert_int_equal(a->incarnation, b->incarnation);
    assert_int_equal(a->line_count, b->line_count);
    for (uint32_t i = 0; i < a->line_count; i++) {
        assert_bytes_equal(a->lines[i].sku, b->lines[i].sku);
        assert_int_equal(a->lines[i].warehouse, b->lines[i].warehouse);
        assert_int_equal(a->lines[i].quantity, b->lines[i].quantity);
    }
}

static void build_samples(struct buffer *entry)
{
    ledger_entry_begin(entry, &header);
    for (uint32_t i = 0; i < SAMPLE_COUNT; i++) {
        ledger_command_encode(entry, &samples[i]);
    }
    ledger_entry_finish(entry, SAMPLE_COUNT);
}

/* Reads to the end: how many commands, or -1 if the entry is refused (why is then in the error). */
static int read_all(struct bytes bytes, struct error *error)
{
    struct ledger_entry_reader reader;
    struct ledger_command command;
    struct ledger_command_lines lines = {0};
    int count = 0;
    if (!ledger_entry_open(&reader, bytes, error)) {
        return -1;
    }
    while (ledger_entry_next(&reader, &command, &lines, error)) {
        count++;
    }
    ledger_command_lines_free(&lines);
    return error->text[0] == '\0' ? count : -1;
}

static void every_kind_comes_back_as_it_was(void **state)
{
    (void)state;
    struct buffer entry = {0};
    struct ledger_entry_reader reader;
    struct ledger_command command;
    struct ledger_command_lines lines = {0};
    struct error error;
    build_samples(&entry);

    assert_true(ledger_entry_open(&reader, buffer_bytes(&entry), &error));
    assert_int_equal(reader.header.time_ms, header.time_ms);
    assert_int_equal(reader.header.outage_credit_ms, header.outage_credit_ms);
    assert_int_equal(reader.header.count, SAMPLE_COUNT);
    for (uint32_t i = 0; i < SAMPLE_COUNT; i++) {
        assert_true(ledger_entry_next(&reader, &command, &lines, &error));
        assert_command_equal(&command, &samples[i]);
    }
    assert_false(ledger_entry_next(&reader, &command, &lines, &error));
    assert_string_equal(error.text, "");
    ledger_command_lines_free(&lines);
    buffer_free(&entry);
}

static void commands_encoded_before_are_appended_as_they_are(void **state)
{
    (void)state;
    struct buffer direct = {0};
    struct buffer gathered = {0};
    build_samples(&direct);
    ledger_entry_begin(&gathered, &header);
    for (uint32_t i = 0; i < SAMPLE_COUNT; i++) {
        struct buffer encoded = {0};
        ledger_command_encode(&encoded, &samples[i]);
        ledger_entry_append_encoded(&gathered, buffer_bytes(&encoded));
        buffer_free(&encoded);
    }
    ledger_entry_finish(&gathered, SAMPLE_COUNT);
    assert_bytes_equal(buffer_bytes(&direct), buffer_bytes(&gathered));
    buffer_free(&direct);
    buffer_free(&gathered);
}

static void an_empty_entry_is_a_tick(void **state)
{
    (void)state;
    struct buffer entry = {0};
    struct error error;
    ledger_entry_begin(&entry, &header);
    ledger_entry_finish(&entry, 0);
    assert_int_equal(read_all(buffer_bytes(&entry), &error), 0);
    buffer_free(&entry);
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    struct buffer entry = {0};
    struct error error;
    build_samples(&entry);
    assert_int_equal(read_all(buffer_bytes(&entry), &error), (int)SAMPLE_COUNT);
    for (size_t len = 0; len < entry.len; len++) {
        /* A copy of its own, so that a read past the end is one past an allocation. */
        void *cut = memory_copy(entry.data, len);
        assert_int_equal(read_all(bytes_of(cut, len), &error), -1);
        assert_non_null(strstr(error.text, "damaged"));
        free(cut);
    }
    buffer_append(&entry, "", 1);
    assert_int_equal(read_all(buffer_bytes(&entry), &error), -1);
    buffer_free(&entry);
}

/* No flipped byte may lead to a read outside the entry (AddressSanitizer watches) or to an
 * assertion.
 */
static void every_flipped_byte_is_read_or_refused(void **state)
{
    (void)state;
    struct buffer entry = {0};
    struct error error;
    build_samples(&entry);
    for (size_t at = 0; at < entry.len; at++) {
        for (int bit = 0; bit < 8; bit++) {
            entry.data[at] ^= (uint8_t)(1 << bit);
            int count = read_all(buffer_bytes(&entry), &error);
            assert_true(count == -1 || count == (int)SAMPLE_COUNT);
            entry.data[at] ^= (uint8_t)(1 << bit);
        }
    }
    buffer_free(&entry);
}

static void refuse(struct ledger_entry_header changed, const char *words)
{
    struct buffer entry = {0};
    struct error error;
    ledger_entry_begin(&entry, &changed);
    ledger_entry_finish(&entry, 0);
    assert_int_equal(read_all(buffer_bytes(&entry), &error), -1);
    assert_non_null(strstr(error.text, words));
    buffer_free(&entry);
}

static void headers_of_others_are_refused(void **state)
{
    (void)state;
    struct ledger_entry_header changed = header;
    changed.format = LEDGER_ENTRY_FORMAT + 1;
    refuse(changed, "upgrade this node");
    changed = header;
    changed.format = 0;
    refuse(changed, "damaged");
    changed = header;
    changed.ledger_version = 0;
    refuse(changed, "damaged");
    changed = header;
    changed.time_ms = -1;
    refuse(changed, "damaged");
    changed = header;
    changed.outage_credit_ms = -1;
    refuse(changed, "damaged");
    changed = header;
    changed.time_ms = INT64_MAX;
    refuse(changed, "damaged");
}

static void unknown_kinds_flags_and_modes_are_refused(void **state)
{
    (void)state;
    enum { KIND_AT = 24, FLAGS_AT = 25, RESENT = 16 };
    struct buffer entry = {0};
    struct error error;
    ledger_entry_begin(&entry, &header);
    ledger_command_encode(&entry, &samples[5]); /* a Release: only this flag is its own */
    ledger_entry_finish(&entry, 1);
    assert_int_equal(read_all(buffer_bytes(&entry), &error), 1);
    for (int bit = 0; bit < 8; bit++) {
        entry.data[FLAGS_AT] = (uint8_t)(1 << bit);
        assert_int_equal(read_all(buffer_bytes(&entry), &error), 1 << bit == RESENT ? 1 : -1);
    }
    entry.data[FLAGS_AT] = 0;
    for (int kind = 0; kind < 256; kind++) {
        entry.data[KIND_AT] = (uint8_t)kind;
        bool known = kind >= LEDGER_RESERVE && kind <= LEDGER_RELEASE;
        /* RegisterNode and the stock commands have other fields: these bytes are too long or short
         * for them. */
        assert_int_equal(read_all(buffer_bytes(&entry), &error), known ? 1 : -1);
    }
    entry.data[KIND_AT] = LEDGER_RELEASE;
    entry.data[entry.len - 5] = 2; /* mode */
    assert_int_equal(read_all(buffer_bytes(&entry), &error), -1);
    buffer_free(&entry);
}

static void a_line_count_beyond_the_bytes_is_refused_before_room_is_made(void **state)
{
    (void)state;
    struct buffer entry = {0};
    struct error error;
    ledger_entry_begin(&entry, &header);
    ledger_command_encode(&entry, &samples[5]);
    ledger_entry_finish(&entry, 1);
    memset(entry.data + entry.len - 4, 0xff, 4);
    assert_int_equal(read_all(buffer_bytes(&entry), &error), -1);
    buffer_free(&entry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_comes_back_as_it_was),
        cmocka_unit_test(commands_encoded_before_are_appended_as_they_are),
        cmocka_unit_test(an_empty_entry_is_a_tick),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(every_flipped_byte_is_read_or_refused),
        cmocka_unit_test(headers_of_others_are_refused),
        cmocka_unit_test(unknown_kinds_flags_and_modes_are_refused),
        cmocka_unit_test(a_line_count_beyond_the_bytes_is_refused_before_room_is_made),
    };
    return cmocka_run_group_tests_name("ledger/entry", tests, NULL, NULL);
}
