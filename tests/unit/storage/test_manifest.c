/*
 * test_manifest.c - the record and its two slots: any one fault is survived without forgetting what
 * was acknowledged, two are refused.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "manifest.h"

static const struct manifest sample = {
    .sequence = 41,
    .cluster_id = 0x1122334455667788,
    .node_id = 3,
    .incarnation = 0xabcdef,
    .term = 17,
    .voted_for = 2,
    .state_generation = 5,
    .log_begun = true,
    .snapshot =
        {
            .index = 900,
            .term = 16,
            .configuration_index = 7,
            .configuration_len = 5,
            .configuration = {'a', 0, 'c', 'd', 'e'},
        },
    .lineage = {.count = 3, .ids = {9, 0x1122334455667788, 4}},
};

static void expect_same(const struct manifest *a, const struct manifest *b)
{
    assert_int_equal(a->sequence, b->sequence);
    assert_int_equal(a->cluster_id, b->cluster_id);
    assert_int_equal(a->node_id, b->node_id);
    assert_int_equal(a->incarnation, b->incarnation);
    assert_int_equal(a->term, b->term);
    assert_int_equal(a->voted_for, b->voted_for);
    assert_int_equal(a->state_generation, b->state_generation);
    assert_int_equal(a->log_begun, b->log_begun);
    assert_int_equal(a->snapshot.index, b->snapshot.index);
    assert_int_equal(a->snapshot.term, b->snapshot.term);
    assert_int_equal(a->snapshot.configuration_index, b->snapshot.configuration_index);
    assert_int_equal(a->snapshot.configuration_len, b->snapshot.configuration_len);
    assert_memory_equal(a->snapshot.configuration, b->snapshot.configuration,
                        a->snapshot.configuration_len);
    assert_true(lineage_is_equal(&a->lineage, &b->lineage));
}

static void put_slot(uint8_t *file, size_t slot, const struct manifest *manifest)
{
    struct buffer encoded = {0};
    manifest_encode(manifest, &encoded);
    assert_int_equal(encoded.len, MANIFEST_SLOT_BYTES);
    memcpy(file + slot * MANIFEST_SLOT_BYTES, encoded.data, encoded.len);
    buffer_free(&encoded);
}

static struct manifest next_of(const struct manifest *manifest)
{
    struct manifest next = *manifest;
    next.sequence++;
    next.term++;
    next.voted_for = 1;
    return next;
}

static void expect_choice(const uint8_t *file, const struct manifest *expected)
{
    struct manifest chosen;
    struct error error = {""};
    if (!manifest_choose(bytes_of(file, MANIFEST_BYTES), "/m", &chosen, &error)) {
        fail_msg("%s", error.text);
    }
    expect_same(&chosen, expected);
}

static void expect_refusal(struct bytes file, const char *words)
{
    struct manifest chosen;
    struct error error = {""};
    assert_false(manifest_choose(file, "/m", &chosen, &error));
    if (strncmp(error.text, "/m ", 3) != 0 || strstr(error.text, words) == NULL) {
        fail_msg("'%s' expected in: %s", words, error.text);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    uint8_t file[MANIFEST_BYTES];
    put_slot(file, 0, &sample);
    put_slot(file, 1, &sample);
    expect_choice(file, &sample);
    /* The layout is forever. */
    const uint8_t head[] = {'H', 'F', 'M', 'F', 2, 0, 0, 0};
    assert_memory_equal(file, head, sizeof head);
    const uint8_t fields[] = {1,    0,    0,    0,    41,   0,    0, 0, 0, 0, 0, 0, 0x88, 0x77,
                              0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 3, 0, 0, 0, 0, 0, 0,    0};
    assert_memory_equal(file + 12, fields, sizeof fields);
    assert_int_equal(file[48], 17);
    assert_int_equal(file[56], 2);
    assert_int_equal(file[64], 5);
    const uint8_t snapshot[] = {0x84, 3, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0,   0, 0,   0,   0,  7,
                                0,    0, 0, 0, 0, 0, 0, 5, 0,  0, 0, 'a', 0, 'c', 'd', 'e'};
    assert_memory_equal(file + 72, snapshot, sizeof snapshot);
}

static void set_crc(uint8_t *slot)
{
    uint32_t crc = crc32c(crc32c(0, slot, 8), slot + 12, MANIFEST_SLOT_BYTES - 12);
    for (size_t i = 0; i < 4; i++) {
        slot[8 + i] = (uint8_t)(crc >> (8 * i));
    }
}

/* What was written before there were snapshots: none, no word about the log. */
static struct manifest old_sample(uint8_t *slot)
{
    struct manifest old = sample;
    old.log_begun = false;
    old.snapshot = (struct snapshot){0};
    put_slot(slot, 0, &old);
    slot[4] = 1;
    set_crc(slot);
    return old;
}

static void test_old_format(void **state)
{
    (void)state;
    uint8_t file[MANIFEST_BYTES];
    const struct manifest old = old_sample(file);
    old_sample(file + MANIFEST_SLOT_BYTES);
    expect_choice(file, &old);
    /* The first open writes it again, and is interrupted: one slot of each format. */
    put_slot(file, 0, &old);
    expect_choice(file, &old);
    old_sample(file);
    put_slot(file, 1, &old);
    expect_choice(file, &old);
    const struct manifest next = next_of(&sample);
    put_slot(file, 0, &next);
    expect_choice(file, &next);
}

/* The largest snapshot there can be; a longer configuration was written by nobody. */
static void test_full_configuration(void **state)
{
    (void)state;
    uint8_t file[MANIFEST_BYTES];
    struct manifest full = sample;
    full.snapshot.configuration_len = LIMIT_CONFIGURATION_BYTES;
    memset(full.snapshot.configuration, 0xab, LIMIT_CONFIGURATION_BYTES);
    put_slot(file, 0, &full);
    put_slot(file, 1, &full);
    expect_choice(file, &full);
    for (size_t i = 0; i < 2; i++) {
        uint8_t *slot = file + i * MANIFEST_SLOT_BYTES;
        slot[96]++;
        set_crc(slot);
    }
    expect_refusal(bytes_of(file, sizeof file), "neither of its two records can be read");
}

static void test_every_byte_flipped_in_either_slot(void **state)
{
    (void)state;
    uint8_t file[MANIFEST_BYTES];
    put_slot(file, 0, &sample);
    put_slot(file, 1, &sample);
    for (size_t at = 0; at < MANIFEST_BYTES; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            file[at] ^= (uint8_t)(1u << bit);
            expect_choice(file, &sample);
            file[at] ^= (uint8_t)(1u << bit);
        }
    }
    for (size_t at = 0; at < MANIFEST_SLOT_BYTES; at += 7) {
        file[at] ^= 1;
        file[MANIFEST_BYTES - 1 - at] ^= 1;
        expect_refusal(bytes_of(file, sizeof file), "neither of its two records can be read");
        file[at] ^= 1;
        file[MANIFEST_BYTES - 1 - at] ^= 1;
    }
}

/* Every state that a crash can leave: slot 0 torn at each byte, done, then slot 1 torn. The choice
 * is the old record or the new one; the old one only while no slot holds the new one wholly. */
static void test_torn_at_every_byte(void **state)
{
    (void)state;
    const struct manifest next = next_of(&sample);
    uint8_t before[MANIFEST_BYTES];
    uint8_t after[MANIFEST_BYTES];
    uint8_t file[MANIFEST_BYTES];
    put_slot(before, 0, &sample);
    put_slot(before, 1, &sample);
    put_slot(after, 0, &next);
    put_slot(after, 1, &next);
    size_t changed = 0; /* where the two records begin to differ, and stop */
    size_t same_from = 0;
    for (size_t i = 0; i < MANIFEST_SLOT_BYTES; i++) {
        if (before[i] != after[i]) {
            changed = changed == 0 ? i : changed;
            same_from = i + 1;
        }
    }
    for (size_t cut = 0; cut <= MANIFEST_BYTES; cut++) {
        memcpy(file, after, cut);
        memcpy(file + cut, before + cut, MANIFEST_BYTES - cut);
        expect_choice(file, cut >= same_from ? &next : &sample);
    }
    assert_true(changed > 0 && same_from > changed);
}

/* A crash between the slots, then damage to either of them: what was acknowledged is still there.
 */
static void test_crash_between_and_damage(void **state)
{
    (void)state;
    const struct manifest next = next_of(&sample);
    uint8_t file[MANIFEST_BYTES];
    put_slot(file, 0, &next);
    put_slot(file, 1, &sample);
    expect_choice(file, &next);
    for (size_t at = 0; at < MANIFEST_SLOT_BYTES; at++) {
        file[at] ^= 0x40;
        expect_choice(file, &sample);
        file[at] ^= 0x40;
        file[MANIFEST_SLOT_BYTES + at] ^= 0x40;
        expect_choice(file, &next);
        file[MANIFEST_SLOT_BYTES + at] ^= 0x40;
    }
    /* A disk that lost its write to slot 0 and said nothing. */
    put_slot(file, 0, &sample);
    put_slot(file, 1, &next);
    expect_choice(file, &next);
}

static void test_contradictions(void **state)
{
    (void)state;
    uint8_t file[MANIFEST_BYTES];
    struct manifest other = sample;
    other.voted_for = 3; /* two votes of one sequence */
    put_slot(file, 0, &sample);
    put_slot(file, 1, &other);
    expect_refusal(bytes_of(file, sizeof file), "contradict");
    other = sample;
    other.snapshot.configuration[4]++;
    put_slot(file, 1, &other);
    expect_refusal(bytes_of(file, sizeof file), "contradict");
    other = next_of(&sample);
    other.node_id = 4;
    put_slot(file, 1, &other);
    expect_refusal(bytes_of(file, sizeof file), "contradict");
}

static void test_short_files(void **state)
{
    (void)state;
    uint8_t file[MANIFEST_BYTES];
    put_slot(file, 0, &sample);
    put_slot(file, 1, &sample);
    for (size_t len = 0; len < MANIFEST_SLOT_BYTES; len += 13) {
        expect_refusal(bytes_of(file, len), "neither");
    }
    struct manifest chosen;
    struct error error;
    assert_true(manifest_choose(bytes_of(file, MANIFEST_BYTES - 1), "/m", &chosen, &error));
    expect_same(&chosen, &sample);
}

static void test_newer_format(void **state)
{
    (void)state;
    uint8_t file[MANIFEST_BYTES];
    put_slot(file, 0, &sample);
    put_slot(file, 1, &sample);
    file[MANIFEST_SLOT_BYTES + 4] = 3;
    set_crc(file + MANIFEST_SLOT_BYTES);
    expect_refusal(bytes_of(file, sizeof file), "has format 3, this program reads formats up to 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_old_format),
        cmocka_unit_test(test_full_configuration),
        cmocka_unit_test(test_every_byte_flipped_in_either_slot),
        cmocka_unit_test(test_torn_at_every_byte),
        cmocka_unit_test(test_crash_between_and_damage),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_short_files),
        cmocka_unit_test(test_newer_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
