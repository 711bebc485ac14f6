/*
 * echo_server.c - a server for foreign clients to call: prints its port and a newline, serves until
 * its standard input ends, drains, and exits 0.
 *
 * /test.Test/Echo replies with the message (and the header echo-header, if it came); Hold never
 * replies by itself; Fail fails with FAILED_PRECONDITION and the message as its words; Large
 * replies with as many bytes as the message says; Deadline replies with the milliseconds left.
 */
#include <stdio.h>
#include <stdlib.h>

#include "rpc/server.h"

struct echo_server {
    uv_loop_t loop;
    struct rpc_server *server;
    uv_pipe_t input;
    char scratch[256];
};

static void on_echo(void *context, struct rpc_call *call, struct bytes message)
{
    (void)context;
    const char *echo = rpc_call_metadata(call, "echo-header");
    if (echo != NULL) {
        rpc_call_set_metadata(call, "echo-header", echo);
    }
    rpc_call_reply(call, message);
}

static void on_cancelled(void *context, struct rpc_call *call)
{
    (void)context;
    rpc_call_fail(call, RPC_CANCELLED, "nobody waits");
}

static void on_hold(void *context, struct rpc_call *call, struct bytes message)
{
    (void)message;
    rpc_call_set_cancelled(call, on_cancelled, context);
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
    (void)context;
    char digits[16] = "";
    memcpy(digits, message.data, message.len < 15 ? message.len : 15);
    size_t len = (size_t)strtoul(digits, NULL, 10);
    struct buffer reply = {0};
    memset(buffer_reserve(&reply, len), 'L', len);
    reply.len = len;
    rpc_call_reply_take(call, &reply);
}

static void on_deadline(void *context, struct rpc_call *call, struct bytes message)
{
    (void)message;
    struct echo_server *echo = context;
    char digits[32];
    int len = snprintf(digits, sizeof digits, "%llu",
                       (unsigned long long)(rpc_call_deadline_ms(call) - uv_now(&echo->loop)));
    rpc_call_reply(call, bytes_of(digits, (size_t)len));
}

static void on_drained(void *context)
{
    struct echo_server *echo = context;
    rpc_server_close(echo->server, NULL, NULL);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    struct echo_server *echo = handle->data;
    *out = uv_buf_init(echo->scratch, sizeof echo->scratch);
}

static void on_input(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer)
{
    (void)buffer;
    struct echo_server *echo = stream->data;
    if (len < 0) {
        uv_close((uv_handle_t *)stream, NULL);
        rpc_server_drain(echo->server, on_drained, echo);
    }
}

int main(void)
{
    static const struct rpc_method methods[] = {
        {"/test.Test/Echo", on_echo},         {"/test.Test/Hold", on_hold},
        {"/test.Test/Fail", on_fail},         {"/test.Test/Large", on_large},
        {"/test.Test/Deadline", on_deadline},
    };
    struct echo_server echo;
    struct error error;
    uv_loop_init(&echo.loop);
    const struct rpc_server_config config = {
        .address = "127.0.0.1:0",
        .methods = methods,
        .method_count = sizeof methods / sizeof methods[0],
        .context = &echo,
    };
    echo.server = rpc_server_open(&echo.loop, &config, &error);
    if (echo.server == NULL) {
        fprintf(stderr, "echo_server: %s\n", error.text);
        return 1;
    }
    printf("%u\n", rpc_server_port(echo.server));
    fflush(stdout);
    uv_pipe_init(&echo.loop, &echo.input, 0);
    echo.input.data = &echo;
    if (uv_pipe_open(&echo.input, 0) != 0 ||
        uv_read_start((uv_stream_t *)&echo.input, on_alloc, on_input) != 0) {
        fprintf(stderr, "echo_server: standard input must be a pipe\n");
        return 1;
    }
    uv_run(&echo.loop, UV_RUN_DEFAULT);
    int left = uv_loop_close(&echo.loop);
    if (left != 0) {
        fprintf(stderr, "echo_server: handles are left: %s\n", uv_strerror(left));
    }
    return left == 0 ? 0 : 1;
}
