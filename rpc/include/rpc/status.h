/*
 * status.h - the gRPC status codes in one table: name, number (gRPC's, forever), the HTTP status of
 * the JSON face, and the words for people.
 *
 * Source: the gRPC project's statuscodes.md; HTTP statuses as in google.rpc.Code.
 */
#ifndef RPC_STATUS_H
#define RPC_STATUS_H

#define RPC_STATUSES(X)                                                                            \
    X(OK, 0, 200, "done")                                                                          \
    X(CANCELLED, 1, 499, "the caller cancelled the call")                                          \
    X(UNKNOWN, 2, 500, "the outcome is not known")                                                 \
    X(INVALID_ARGUMENT, 3, 400, "the request is malformed")                                        \
    X(DEADLINE_EXCEEDED, 4, 504, "the deadline passed before the call was done")                   \
    X(NOT_FOUND, 5, 404, "no such thing")                                                          \
    X(ALREADY_EXISTS, 6, 409, "it exists already")                                                 \
    X(PERMISSION_DENIED, 7, 403, "the caller may not do this")                                     \
    X(RESOURCE_EXHAUSTED, 8, 429, "a limit is reached")                                            \
    X(FAILED_PRECONDITION, 9, 400, "the system is not in a state for this")                        \
    X(ABORTED, 10, 409, "the call was aborted; it may be tried again")                             \
    X(OUT_OF_RANGE, 11, 400, "a value is outside its range")                                       \
    X(UNIMPLEMENTED, 12, 501, "the server does not do this")                                       \
    X(INTERNAL, 13, 500, "the server or the wire broke a rule of its own")                         \
    X(UNAVAILABLE, 14, 503, "the server can't be reached or can't serve now")                      \
    X(DATA_LOSS, 15, 500, "data is lost or corrupt")                                               \
    X(UNAUTHENTICATED, 16, 401, "the caller did not say who it is")

enum rpc_status {
#define X(name, number, http, text) RPC_##name = (number),
    RPC_STATUSES(X)
#undef X
};

/* "RESOURCE_EXHAUSTED" and "a limit is reached"; a number outside the table is UNKNOWN's. */
const char *rpc_status_name(enum rpc_status status);
const char *rpc_status_text(enum rpc_status status);
int rpc_status_http(enum rpc_status status);

/* The status for a number from the wire; UNKNOWN for one outside the table, as gRPC wants it. */
enum rpc_status rpc_status_of_number(long number);

#endif
