/*
 * loop_fixture.c - the tests' server: /test.Test/Echo, Hold (never answers by itself), Fail, Large,
 * Slow (answers on a later turn).
 */
#include "loop_fixture.h"

#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#define PATIENCE_MS 10000

static void on_echo(void *context, struct rpc_call *call, struct bytes message)
{
    struct loop_fixture *fixture = context;
    fixture->echoed++;
    const char *echo = rpc_call_metadata(call, "echo-header");
    if (echo != NULL) {
        rpc_call_set_metadata(call, "echo-header", echo);
    }
    rpc_call_reply(call, message);
}

static void on_cancelled(void *context, struct rpc_call *call)
{
    (void)call;
    struct loop_fixture *fixture = context;
    fixture->cancelled++;
}

static void on_hold(void *context, struct rpc_call *call, struct bytes message)
{
    (void)message;
    struct loop_fixture *fixture = context;
    assert_true(fixture->held_count < sizeof fixture->held / sizeof fixture->held[0]);
    fixture->held[fixture->held_count] = call;
    fixture->held_count++;
    rpc_call_set_cancelled(call, on_cancelled, fixture);
}

static void on_fail(void *context, struct rpc_call *call, struct bytes message)
{
    (void)context;
    rpc_call_set_metadata(call, "holdfast-leader", "10.0.0.7:7070");
    rpc_call_fail(call, RPC_FAILED_PRECONDITION, "%.*s", (int)message.len,
                  (const char *)message.data);
}

static void on_large(void *context, struct rpc_call *call, struct bytes message)
{
    (void)message;
    struct loop_fixture *fixture = context;
    struct buffer reply = {0};
    memset(buffer_reserve(&reply, fixture->reply_bytes), 'L', fixture->reply_bytes);
    reply.len = fixture->reply_bytes;
    rpc_call_reply_take(call, &reply);
}

static void on_notice(void *context, const char *text)
{
    struct loop_fixture *fixture = context;
    fixture->notices++;
    snprintf(fixture->notice, sizeof fixture->notice, "%s", text);
}

void loop_fixture_open(struct loop_fixture *fixture, const struct rpc_server_limits *limits)
{
    *fixture = (struct loop_fixture){.reply_bytes = 1000};
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    static const struct rpc_method methods[] = {
        {"/test.Test/Echo", on_echo},
        {"/test.Test/Hold", on_hold},
        {"/test.Test/Fail", on_fail},
        {"/test.Test/Large", on_large},
    };
    struct rpc_server_config config = {
        .address = "127.0.0.1:0",
        .methods = methods,
        .method_count = sizeof methods / sizeof methods[0],
        .context = fixture,
        .on_notice = on_notice,
    };
    if (limits != NULL) {
        config.limits = *limits;
    }
    struct error error = {""};
    fixture->server = rpc_server_open(&fixture->loop, &config, &error);
    if (fixture->server == NULL) {
        fail_msg("%s", error.text);
    }
    snprintf(fixture->address, sizeof fixture->address, "127.0.0.1:%u",
             rpc_server_port(fixture->server));
}

void loop_fixture_answer_held(struct loop_fixture *fixture)
{
    for (size_t i = 0; i < fixture->held_count; i++) {
        rpc_call_reply(fixture->held[i], BYTES_LITERAL("held"));
    }
    fixture->held_count = 0;
}

void loop_fixture_close(struct loop_fixture *fixture)
{
    if (fixture->server != NULL) {
        rpc_server_close(fixture->server, set_flag, &fixture->server_closed);
        fixture->server = NULL;
        run_until(&fixture->loop, flag_is_set, &fixture->server_closed);
    }
    loop_fixture_answer_held(fixture);
    uv_run(&fixture->loop, UV_RUN_NOWAIT);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
}

bool flag_is_set(void *flag)
{
    return *(bool *)flag;
}

void set_flag(void *flag)
{
    *(bool *)flag = true;
}

static void set_time_up(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

static void timer_closed(uv_handle_t *handle)
{
    free(handle);
}

static uv_timer_t *start_timer(uv_loop_t *loop, uint64_t ms, bool *time_up)
{
    uv_timer_t *timer = memory_zalloc(sizeof *timer);
    uv_timer_init(loop, timer);
    timer->data = time_up;
    uv_timer_start(timer, set_time_up, ms, 0);
    return timer;
}

void run_until(uv_loop_t *loop, bool (*condition)(void *context), void *context)
{
    bool time_up = false;
    uv_timer_t *timer = start_timer(loop, PATIENCE_MS, &time_up);
    while (!condition(context) && !time_up) {
        uv_run(loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)timer, timer_closed);
    uv_run(loop, UV_RUN_NOWAIT);
    if (time_up) {
        fail_msg("the condition did not come true within %d ms", PATIENCE_MS);
    }
}

void run_for(uv_loop_t *loop, uint64_t ms)
{
    bool time_up = false;
    uv_timer_t *timer = start_timer(loop, ms, &time_up);
    while (!time_up) {
        uv_run(loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)timer, timer_closed);
    uv_run(loop, UV_RUN_NOWAIT);
}
