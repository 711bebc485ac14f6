/*
 * status.c - the table of status.h as look-ups.
 */
#include "rpc/status.h"

static const struct {
    const char *name;
    const char *text;
    int http;
} statuses[] = {
#define X(name, number, http, text) [number] = {#name, text, http},
    RPC_STATUSES(X)
#undef X
};

enum rpc_status rpc_status_of_number(long number)
{
    long count = (long)(sizeof statuses / sizeof statuses[0]);
    return number >= 0 && number < count ? (enum rpc_status)number : RPC_UNKNOWN;
}

const char *rpc_status_name(enum rpc_status status)
{
    return statuses[rpc_status_of_number((long)status)].name;
}

const char *rpc_status_text(enum rpc_status status)
{
    return statuses[rpc_status_of_number((long)status)].text;
}

int rpc_status_http(enum rpc_status status)
{
    return statuses[rpc_status_of_number((long)status)].http;
}
