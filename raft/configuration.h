/*
 * configuration.h - the members of a cluster, as an ENTRY_CHANGE carries them: libraft's own
 * encoding, checked by us first, for libraft reads it without bounds (configuration.c of 0.22.1:
 * "use 'if' instead of assert for checking buffer boundaries").
 *
 * Layout, little-endian: u8 format = 1, u64 count, then for each server u64 id, its address with
 * the closing NUL, u8 role; zeros up to a multiple of eight bytes.
 */
#ifndef RAFT_CONFIGURATION_H
#define RAFT_CONFIGURATION_H

#include <raft.h>

#include "base/bytes.h"
#include "base/error.h"
#include "raft/replica.h"

/* May these bytes be handed to libraft? One to LIMIT_NODES servers, ids that differ and are not 0,
 * addresses that differ and have 1 to LIMIT_ADDRESS_BYTES bytes, roles VOTER or STANDBY (rule
 * 11: never SPARE), at least one voter, zeros at the end and nothing else. */
bool configuration_is_sound(struct bytes encoded, struct error *why);

/* Members in the order given, checked as above. The bytes are appended to `out`. */
bool configuration_encode(const struct replica_member *members, size_t count, struct buffer *out,
                          struct error *error);

/* Decodes bytes that configuration_is_sound has passed. The caller closes the result, unless
 * libraft takes it over. */
bool configuration_decode(struct bytes encoded, struct raft_configuration *out,
                          struct error *error);

/* Bytes as libraft takes them: it only reads them (configuration.c, configurationDecode), but asks
 * for a pointer to what may be written. */
static inline struct raft_buffer configuration_raft_buffer(struct bytes encoded)
{
    struct raft_buffer buffer = {NULL, encoded.len};
    memcpy(&buffer.base, &encoded.data, sizeof buffer.base);
    return buffer;
}

size_t configuration_voter_count(const struct raft_configuration *configuration);
bool configuration_has(const struct raft_configuration *configuration, uint64_t id);

#endif
