/*
 * bootstrap.c - entry 1 of every log: the members that found the cluster (rule 0).
 *
 * All members make the same bytes from the same members, in whatever order they were given, and the
 * cluster id is a hash of these bytes: nodes that were told different things have different cluster
 * ids and refuse each other, instead of agreeing on logs that differ in their first entry.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "configuration.h"

static int compare_ids(const void *left, const void *right)
{
    uint64_t a = ((const struct replica_member *)left)->id;
    uint64_t b = ((const struct replica_member *)right)->id;
    return (a > b) - (a < b);
}

uint64_t replica_cluster_id(struct bytes bootstrap)
{
    return hash128_of(bootstrap).low;
}

bool replica_address_in(struct bytes configuration, uint64_t id,
                        char address[LIMIT_ADDRESS_BYTES + 1])
{
    struct raft_configuration decoded;
    struct error error;
    bool found = false;
    if (!configuration_is_sound(configuration, &error) ||
        !configuration_decode(configuration, &decoded, &error)) {
        return false;
    }
    for (unsigned i = 0; i < decoded.n; i++) {
        if (decoded.servers[i].id == id) {
            snprintf(address, LIMIT_ADDRESS_BYTES + 1, "%s", decoded.servers[i].address);
            found = true;
        }
    }
    raft_configuration_close(&decoded);
    return found;
}

bool replica_bootstrap_entry(const struct replica_member *members, size_t count, struct buffer *out,
                             uint64_t *cluster_id, struct error *error)
{
    size_t begin = out->len;
    struct replica_member *sorted = memory_copy(members, count * sizeof *members);
    qsort(sorted, count, sizeof *sorted, compare_ids);
    bool encoded = configuration_encode(sorted, count, out, error);
    free(sorted);
    if (encoded) {
        *cluster_id = replica_cluster_id(bytes_of(out->data + begin, out->len - begin));
    }
    return encoded;
}
