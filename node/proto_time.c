/*
 * proto_time.c - with the ranges that the well-known types themselves define.
 */
#include "proto_time.h"

#include <stddef.h>

#define LAST_SECOND      INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define LONGEST_SECONDS  INT64_C(315576000000) /* Duration's own bound: 10,000 years */
#define NANOS_PER_MS     1000000
#define NANOS_PER_SECOND 1000000000

bool proto_time_from(const Google__Protobuf__Timestamp *time, const char *field, int64_t *ms,
                     struct error *error)
{
    *ms = 0;
    if (time == NULL) {
        return true;
    }
    if (time->seconds < 0 || time->seconds > LAST_SECOND || time->nanos < 0 ||
        time->nanos >= NANOS_PER_SECOND) {
        return error_set(error, "%s is not a time between 1970 and 9999", field);
    }
    *ms = time->seconds * 1000 + time->nanos / NANOS_PER_MS;
    return true;
}

bool proto_duration_from(const Google__Protobuf__Duration *duration, const char *field, int64_t *ms,
                         struct error *error)
{
    if (duration->seconds < 0 || duration->seconds > LONGEST_SECONDS || duration->nanos < 0 ||
        duration->nanos >= NANOS_PER_SECOND) {
        return error_set(error, "%s is not a duration of 0 to 10,000 years", field);
    }
    *ms = duration->seconds * 1000 + duration->nanos / NANOS_PER_MS;
    return true;
}

Google__Protobuf__Timestamp *proto_time_to(Google__Protobuf__Timestamp *time, int64_t ms)
{
    if (ms <= 0) {
        return NULL;
    }
    *time = (Google__Protobuf__Timestamp)GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    time->seconds = ms / 1000;
    time->nanos = (int32_t)(ms % 1000) * NANOS_PER_MS;
    return time;
}

Google__Protobuf__Duration *proto_duration_to(Google__Protobuf__Duration *duration, uint64_t ms)
{
    *duration = (Google__Protobuf__Duration)GOOGLE__PROTOBUF__DURATION__INIT;
    duration->seconds = (int64_t)(ms / 1000);
    duration->nanos = (int32_t)(ms % 1000) * NANOS_PER_MS;
    return duration;
}
