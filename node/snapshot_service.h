/*
 * snapshot_service.h - what Status and the node's log say of snapshots.
 */
#ifndef NODE_SNAPSHOT_SERVICE_H
#define NODE_SNAPSHOT_SERVICE_H

#include <stdint.h>

#include "holdfast/v1/cluster.pb-c.h"

struct node;

/* What a response points to: valid until it is packed. */
struct snapshot_description {
    Google__Protobuf__Timestamp taken;
    Holdfast__V1__Fetching fetching;
};

/* What the log has said. Zero-initialise. */
struct snapshot_seen {
    uint64_t index;
    uint64_t fetched_index; /* 0: nothing is fetched */
    uint64_t fetched_from;
    uint64_t installed_count;
};

/* Says what has changed since: called now and then. */
void snapshot_service_log(struct node *node);

void snapshot_service_describe(const struct node *node, struct snapshot_description *description,
                               Holdfast__V1__StatusResponse *response);

#endif
