/*
 * configuration.c - checks, encodes and decodes the members of a cluster.
 *
 * Bytes from the network or the disk pass configuration_is_sound before libraft sees them; it walks
 * the layout with a bounds-checked reader and refuses what libraft would only assert. Encoding and
 * decoding proper are libraft's, so that both always agree.
 */
#include "configuration.h"

#include <inttypes.h>

#include "base/codec.h"
#include "base/limits.h"

#define CONFIGURATION_FORMAT 1

struct server_view {
    uint64_t id;
    struct bytes address;
};

static bool check_server(const struct server_view *servers, size_t position, uint8_t role,
                         struct error *why)
{
    const struct server_view *server = &servers[position];
    if (server->id == 0) {
        return error_set(why, "member %zu has the id 0", position + 1);
    }
    if (server->address.len == 0 || server->address.len > LIMIT_ADDRESS_BYTES) {
        return error_set(why, "the address of member %" PRIu64 " has %zu bytes, not 1 to %d",
                         server->id, server->address.len, LIMIT_ADDRESS_BYTES);
    }
    if (role != RAFT_VOTER && role != RAFT_STANDBY) {
        return error_set(why, "member %" PRIu64 " has the unknown role %u", server->id, role);
    }
    for (size_t i = 0; i < position; i++) {
        if (servers[i].id == server->id) {
            return error_set(why, "the id %" PRIu64 " is given twice", server->id);
        }
        if (bytes_equal(servers[i].address, server->address)) {
            return error_set(why, "members %" PRIu64 " and %" PRIu64 " have the same address",
                             servers[i].id, server->id);
        }
    }
    return true;
}

static struct bytes read_address(struct reader *in)
{
    size_t left = reader_left(in);
    const uint8_t *end = left != 0 ? memchr(in->next, 0, left) : NULL;
    if (end == NULL) {
        in->failed = true;
        return (struct bytes){NULL, 0};
    }
    struct bytes address = read_raw(in, (size_t)(end - in->next));
    read_u8(in);
    return address;
}

bool configuration_is_sound(struct bytes encoded, struct error *why)
{
    struct reader in = reader_of(encoded);
    struct server_view servers[LIMIT_NODES];
    size_t voters = 0;
    uint8_t format = read_u8(&in);
    uint64_t count = read_u64(&in);
    if (in.failed || format != CONFIGURATION_FORMAT) {
        return error_set(why, "not a configuration of format %d", CONFIGURATION_FORMAT);
    }
    if (count == 0 || count > LIMIT_NODES) {
        return error_set(why, "a configuration has 1 to %d members, not %" PRIu64, LIMIT_NODES,
                         count);
    }
    for (size_t i = 0; i < count; i++) {
        servers[i].id = read_u64(&in);
        servers[i].address = read_address(&in);
        uint8_t role = read_u8(&in);
        if (in.failed) {
            return error_set(why, "the configuration ends inside member %zu", i + 1);
        }
        if (!check_server(servers, i, role, why)) {
            return false;
        }
        voters += role == RAFT_VOTER;
    }
    if (voters == 0) {
        return error_set(why, "no member has a vote");
    }
    size_t padding = (8 - (encoded.len - reader_left(&in)) % 8) % 8;
    bool zeros = reader_left(&in) == padding;
    while (zeros && reader_left(&in) > 0) {
        zeros = read_u8(&in) == 0;
    }
    if (!zeros) {
        return error_set(why, "the configuration goes on behind its last member");
    }
    return true;
}

bool configuration_encode(const struct replica_member *members, size_t count, struct buffer *out,
                          struct error *error)
{
    struct raft_configuration configuration;
    struct raft_buffer encoded = {NULL, 0};
    size_t begin = out->len;
    int rv = 0;
    if (count == 0 || count > LIMIT_NODES) {
        return error_set(error, "a cluster has 1 to %d members, not %zu", LIMIT_NODES, count);
    }
    raft_configuration_init(&configuration);
    for (size_t i = 0; i < count && rv == 0; i++) {
        bool known_role = members[i].role == REPLICA_VOTER || members[i].role == REPLICA_STANDBY;
        if (members[i].id == 0 || members[i].address == NULL || !known_role) {
            raft_configuration_close(&configuration);
            return error_set(error, "member %zu lacks an id, an address or a role", i + 1);
        }
        rv = raft_configuration_add(&configuration, members[i].id, members[i].address,
                                    members[i].role == REPLICA_VOTER ? RAFT_VOTER : RAFT_STANDBY);
        if (rv != 0) {
            error_set(error, "member %" PRIu64 " at %s: %s", members[i].id, members[i].address,
                      raft_strerror(rv));
        }
    }
    if (rv == 0) {
        rv = raft_configuration_encode(&configuration, &encoded);
        if (rv != 0) {
            error_set(error, "encoding the members: %s", raft_strerror(rv));
        }
    }
    raft_configuration_close(&configuration);
    if (rv != 0) {
        return false;
    }
    buffer_append(out, encoded.base, encoded.len);
    raft_free(encoded.base);
    if (!configuration_is_sound(bytes_of(out->data + begin, out->len - begin), error)) {
        out->len = begin;
        return false;
    }
    return true;
}

bool configuration_decode(struct bytes encoded, struct raft_configuration *out, struct error *error)
{
    struct raft_buffer buffer = configuration_raft_buffer(encoded);
    int rv = raft_configuration_decode(&buffer, out);
    if (rv != 0) {
        return error_set(error, "decoding a configuration: %s", raft_strerror(rv));
    }
    return true;
}

size_t configuration_voter_count(const struct raft_configuration *configuration)
{
    size_t voters = 0;
    for (unsigned i = 0; i < configuration->n; i++) {
        voters += configuration->servers[i].role == RAFT_VOTER;
    }
    return voters;
}

bool configuration_has(const struct raft_configuration *configuration, uint64_t id)
{
    for (unsigned i = 0; i < configuration->n; i++) {
        if (configuration->servers[i].id == id) {
            return true;
        }
    }
    return false;
}
