/*
 * snapshot_service.h - what Status says of snapshots.
 */
#ifndef NODE_SNAPSHOT_SERVICE_H
#define NODE_SNAPSHOT_SERVICE_H

#include "holdfast/v1/cluster.pb-c.h"

struct node;

/* What a response points to: valid until it is packed. */
struct snapshot_description {
    Google__Protobuf__Timestamp taken;
    Holdfast__V1__Fetching fetching;
};

void snapshot_service_describe(const struct node *node, struct snapshot_description *description,
                               Holdfast__V1__StatusResponse *response);

#endif
