/*
 * client_fixture.h - a client of a test, and what came of its calls.
 */
#ifndef TESTS_RPC_CLIENT_FIXTURE_H
#define TESTS_RPC_CLIENT_FIXTURE_H

#include "cmocka_all.h"

#include "loop_fixture.h"

/* What came of a call. */
struct result {
    bool done;
    enum rpc_status status;
    bool never_sent;
    bool answered;
    char message[600];
    struct buffer body;
    char leader[64];
};

struct states {
    enum rpc_client_state last;
    size_t changes;
    char reason[600];
};

void on_outcome(void *context, const struct rpc_outcome *outcome);
void assert_outcome(const struct result *result, enum rpc_status status, bool never_sent);
void on_state(void *context, enum rpc_client_state state, const char *reason);
struct rpc_client *open_client(uv_loop_t *loop, const char *address, struct states *states);
void close_client(uv_loop_t *loop, struct rpc_client *client);
struct rpc_request *call(struct rpc_client *client, const char *path, struct bytes message,
                         uint64_t deadline_ms, struct result *result);

#endif
