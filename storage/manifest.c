/*
 * manifest.c - the record's codec, and the choice between its two slots (manifest.h says why it is
 * a choice at all). Pure: no file. What can fail is what stands on the disk: both slots broken, a
 * newer format, or two valid slots that can't both have been written by one node.
 */
#include "manifest.h"

#include <assert.h>

#include "base/codec.h"
#include "base/hash.h"

#define MAGIC     0x464d4648u /* "HFMF" */
#define CRC_AT    8u
#define CRC_BYTES 4u

_Static_assert(LIMIT_CONFIGURATION_BYTES + 104 + 8 * LIMIT_LINEAGE <= MANIFEST_SLOT_BYTES,
               "it must fit a slot");

static uint32_t slot_crc(const uint8_t *slot)
{
    uint32_t crc = crc32c(0, slot, CRC_AT);
    return crc32c(crc, slot + CRC_AT + CRC_BYTES, MANIFEST_SLOT_BYTES - CRC_AT - CRC_BYTES);
}

void manifest_encode(const struct manifest *manifest, struct buffer *slot)
{
    buffer_clear(slot);
    write_u32(slot, MAGIC);
    write_u32(slot, MANIFEST_FORMAT);
    write_u32(slot, 0); /* the crc's place */
    write_u32(slot, manifest->log_begun ? 1 : 0);
    write_u64(slot, manifest->sequence);
    write_u64(slot, manifest->cluster_id);
    write_u64(slot, manifest->node_id);
    write_u64(slot, manifest->incarnation);
    write_u64(slot, manifest->term);
    write_u64(slot, manifest->voted_for);
    write_u64(slot, manifest->state_generation);
    const struct snapshot *snapshot = &manifest->snapshot;
    assert(snapshot->configuration_len <= LIMIT_CONFIGURATION_BYTES);
    write_u64(slot, snapshot->index);
    write_u64(slot, snapshot->term);
    write_u64(slot, snapshot->configuration_index);
    write_bytes32(slot, bytes_of(snapshot->configuration, snapshot->configuration_len));
    write_u32(slot, manifest->lineage.count);
    for (uint32_t i = 0; i < manifest->lineage.count; i++) {
        write_u64(slot, manifest->lineage.ids[i]);
    }
    size_t rest = MANIFEST_SLOT_BYTES - slot->len;
    memset(buffer_reserve(slot, rest), 0, rest);
    slot->len += rest;
    struct buffer crc_place = {.data = slot->data + CRC_AT, .len = 0, .capacity = CRC_BYTES};
    write_u32(&crc_place, slot_crc(slot->data));
}

enum slot_finding { SLOT_VALID, SLOT_BROKEN, SLOT_OTHER_FORMAT };

/* What format 1 has not reads as zeros there. False: a length that nobody wrote. */
static bool decode_snapshot(struct reader *in, struct snapshot *snapshot)
{
    snapshot->index = read_u64(in);
    snapshot->term = read_u64(in);
    snapshot->configuration_index = read_u64(in);
    struct bytes configuration = read_bytes32(in);
    if (in->failed || configuration.len > LIMIT_CONFIGURATION_BYTES) {
        return false;
    }
    snapshot->configuration_len = (uint32_t)configuration.len;
    memcpy(snapshot->configuration, configuration.data, configuration.len);
    return true;
}

static bool decode_lineage(struct reader *in, struct lineage *lineage)
{
    uint32_t count = read_u32(in);
    if (in->failed || count > LIMIT_LINEAGE) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        lineage->ids[i] = read_u64(in);
    }
    lineage->count = count;
    return true;
}

static enum slot_finding decode_slot(struct bytes slot, struct manifest *manifest, uint32_t *format)
{
    *manifest = (struct manifest){0};
    if (slot.len < MANIFEST_SLOT_BYTES) {
        return SLOT_BROKEN;
    }
    struct reader in = reader_of(slot);
    uint32_t magic = read_u32(&in);
    *format = read_u32(&in);
    uint32_t crc = read_u32(&in);
    manifest->log_begun = read_u32(&in) != 0;
    if (magic != MAGIC || crc != slot_crc(slot.data)) {
        return SLOT_BROKEN;
    }
    if (*format != MANIFEST_FORMAT && *format != MANIFEST_OLD_FORMAT) {
        return SLOT_OTHER_FORMAT;
    }
    manifest->sequence = read_u64(&in);
    manifest->cluster_id = read_u64(&in);
    manifest->node_id = read_u64(&in);
    manifest->incarnation = read_u64(&in);
    manifest->term = read_u64(&in);
    manifest->voted_for = read_u64(&in);
    manifest->state_generation = read_u64(&in);
    return decode_snapshot(&in, &manifest->snapshot) && decode_lineage(&in, &manifest->lineage)
               ? SLOT_VALID
               : SLOT_BROKEN;
}

static bool same_node(const struct manifest *a, const struct manifest *b)
{
    return a->cluster_id == b->cluster_id && a->node_id == b->node_id &&
           a->incarnation == b->incarnation;
}

static bool same_snapshot(const struct snapshot *a, const struct snapshot *b)
{
    return a->index == b->index && a->term == b->term &&
           a->configuration_index == b->configuration_index &&
           bytes_equal(bytes_of(a->configuration, a->configuration_len),
                       bytes_of(b->configuration, b->configuration_len));
}

/* Whatever their formats: an upgrade that is interrupted leaves one of each. */
static bool same_record(const struct manifest *a, const struct manifest *b)
{
    return same_node(a, b) && a->term == b->term && a->voted_for == b->voted_for &&
           a->state_generation == b->state_generation && a->log_begun == b->log_begun &&
           same_snapshot(&a->snapshot, &b->snapshot) && lineage_is_equal(&a->lineage, &b->lineage);
}

bool manifest_choose(struct bytes content, const char *path, struct manifest *manifest,
                     struct error *error)
{
    struct manifest slots[2];
    enum slot_finding findings[2];
    for (size_t i = 0; i < 2; i++) {
        size_t offset = i * MANIFEST_SLOT_BYTES;
        size_t left = content.len > offset ? content.len - offset : 0;
        size_t len = left < MANIFEST_SLOT_BYTES ? left : MANIFEST_SLOT_BYTES;
        uint32_t format;
        findings[i] =
            decode_slot(bytes_of(left > 0 ? content.data + offset : NULL, len), &slots[i], &format);
        if (findings[i] == SLOT_OTHER_FORMAT) {
            return error_set(
                error,
                "%s has format %u, this program reads formats up to %u: use the version "
                "that wrote it, or a later one",
                path, format, MANIFEST_FORMAT);
        }
    }
    if (findings[0] == SLOT_BROKEN && findings[1] == SLOT_BROKEN) {
        return error_set(error,
                         "%s is damaged: neither of its two records can be read, and with them the "
                         "node's vote is lost; " ADVICE_NODE_LOST,
                         path);
    }
    if (findings[0] == SLOT_VALID && findings[1] == SLOT_VALID) {
        bool contradict =
            !same_node(&slots[0], &slots[1]) ||
            (slots[0].sequence == slots[1].sequence && !same_record(&slots[0], &slots[1]));
        if (contradict) {
            return error_set(error,
                             "%s is damaged: its two records contradict each "
                             "other; " ADVICE_NODE_LOST,
                             path);
        }
        *manifest = slots[0].sequence >= slots[1].sequence ? slots[0] : slots[1];
        return true;
    }
    *manifest = findings[0] == SLOT_VALID ? slots[0] : slots[1];
    return true;
}
