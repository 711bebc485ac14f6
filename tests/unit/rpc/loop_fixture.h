/*
 * loop_fixture.h - a server with a few methods on a loop of its own, and running that loop until
 * something has come true. No test waits for a time: it waits for a condition, and fails when it
 * does not come true within ten seconds.
 */
#ifndef TEST_LOOP_FIXTURE_H
#define TEST_LOOP_FIXTURE_H

#include <uv.h>

#include "base/bytes.h"
#include "rpc/client.h"
#include "rpc/server.h"

struct loop_fixture {
    uv_loop_t loop;
    struct rpc_server *server;
    char address[64];
    struct rpc_call *held[2048]; /* by /test.Test/Hold, not answered */
    size_t held_count;
    size_t echoed;
    size_t cancelled;
    size_t notices;
    char notice[512]; /* the last */
    bool drained;
    bool server_closed;
    bool client_closed;
    size_t reply_bytes; /* what /test.Test/Large replies with */
};

void loop_fixture_open(struct loop_fixture *fixture, const struct rpc_server_limits *limits);
/* Closes the server if there is one, and the loop; no handle may be left. */
void loop_fixture_close(struct loop_fixture *fixture);
void loop_fixture_answer_held(struct loop_fixture *fixture);

bool flag_is_set(void *flag);
void set_flag(void *flag);
void run_until(uv_loop_t *loop, bool (*condition)(void *context), void *context);
/* Runs the loop for so long, for what must not happen. */
void run_for(uv_loop_t *loop, uint64_t ms);

#endif
