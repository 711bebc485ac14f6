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
    write_u32(slot, 0);
    write_u64(slot, manifest->sequence);
    write_u64(slot, manifest->cluster_id);
    write_u64(slot, manifest->node_id);
    write_u64(slot, manifest->incarnation);
    write_u64(slot, manifest->term);
    write_u64(slot, manifest->voted_for);
    write_u64(slot, manifest->state_generation);
    write_u64(slot, manifest->snapshot_index);
    write_u64(slot, manifest->snapshot_term);
    size_t rest = MANIFEST_SLOT_BYTES - slot->len;
    memset(buffer_reserve(slot, rest), 0, rest);
    slot->len += rest;
    struct buffer crc_place = {.data = slot->data + CRC_AT, .len = 0, .capacity = CRC_BYTES};
    write_u32(&crc_place, slot_crc(slot->data));
}

enum slot_finding { SLOT_VALID, SLOT_BROKEN, SLOT_OTHER_FORMAT };

static enum slot_finding decode_slot(struct bytes slot, struct manifest *manifest, uint32_t *format)
{
    if (slot.len < MANIFEST_SLOT_BYTES) {
        return SLOT_BROKEN;
    }
    struct reader in = reader_of(slot);
    uint32_t magic = read_u32(&in);
    *format = read_u32(&in);
    uint32_t crc = read_u32(&in);
    read_u32(&in);
    if (magic != MAGIC || crc != slot_crc(slot.data)) {
        return SLOT_BROKEN;
    }
    if (*format != MANIFEST_FORMAT) {
        return SLOT_OTHER_FORMAT;
    }
    manifest->sequence = read_u64(&in);
    manifest->cluster_id = read_u64(&in);
    manifest->node_id = read_u64(&in);
    manifest->incarnation = read_u64(&in);
    manifest->term = read_u64(&in);
    manifest->voted_for = read_u64(&in);
    manifest->state_generation = read_u64(&in);
    manifest->snapshot_index = read_u64(&in);
    manifest->snapshot_term = read_u64(&in);
    assert(!in.failed);
    return SLOT_VALID;
}

static bool same_node(const struct manifest *a, const struct manifest *b)
{
    return a->cluster_id == b->cluster_id && a->node_id == b->node_id &&
           a->incarnation == b->incarnation;
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
            return error_set(error,
                             "%s has format %u, this program reads format %u: use the version that "
                             "wrote it, or a later one",
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
        bool contradict = !same_node(&slots[0], &slots[1]) ||
                          (slots[0].sequence == slots[1].sequence &&
                           memcmp(&slots[0], &slots[1], sizeof slots[0]) != 0);
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
