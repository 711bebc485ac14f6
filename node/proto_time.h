/*
 * proto_time.h - milliseconds inside, google.protobuf.Timestamp and Duration outside.
 */
#ifndef NODE_PROTO_TIME_H
#define NODE_PROTO_TIME_H

#include "base/error.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"

#include <stdint.h>

/* NULL reads as 0. Refuses times before 1970 and after 9999, and nanoseconds out of range; `field`
 * is for the words. */
bool proto_time_from(const Google__Protobuf__Timestamp *time, const char *field, int64_t *ms,
                     struct error *error);
bool proto_duration_from(const Google__Protobuf__Duration *duration, const char *field, int64_t *ms,
                         struct error *error);
/* Fills `time` and returns it; NULL for 0, so that the field is left out. */
Google__Protobuf__Timestamp *proto_time_to(Google__Protobuf__Timestamp *time, int64_t ms);
/* Fills `duration`; 0 is a duration too. */
Google__Protobuf__Duration *proto_duration_to(Google__Protobuf__Duration *duration, uint64_t ms);

#endif
