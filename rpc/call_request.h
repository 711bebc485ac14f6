/*
 * call_request.h - what a request must be before its handler sees it: headers, then one message.
 * Nothing is sent from here; each check says what to answer instead.
 */
#ifndef RPC_CALL_REQUEST_H
#define RPC_CALL_REQUEST_H

#include "call.h"

struct call_refusal {
    int http_status; /* 405 or 415: no gRPC, answered in plain HTTP; else 0, and */
    enum rpc_status status;
    bool tell_encodings; /* grpc-accept-encoding goes with it */
    char text[300];
};

void call_take_header(struct rpc_call *call, struct bytes name, struct bytes value);
/* The headers are whole. False: refuse. */
bool call_check_headers(struct rpc_call *call, struct call_refusal *why);
/* Bytes of the message, counted in the registry's total. */
bool call_take_message(struct rpc_call *call, struct bytes data, struct call_refusal *why);
/* The request is whole. */
bool call_check_message(struct rpc_call *call, struct call_refusal *why);

#endif
