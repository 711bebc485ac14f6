/*
 * rpc_echo.c - how many unary calls a second the server's one thread answers over loopback: a bare
 * echo, with the server and each client on a thread and a loop of its own.
 *
 *     rpc_echo [calls in flight per client] [clients] [seconds] [message bytes]
 *
 * Prints the calls per second, and per second of the server thread's own processor time: on a
 * machine whose cores the clients share, the second figure is what one server core could do.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "rpc/client.h"
#include "rpc/server.h"

#define CLIENTS_MAX 64

struct bench {
    unsigned inflight;
    unsigned clients;
    unsigned seconds;
    size_t message_bytes;
    char address[32];
};

struct server_thread {
    const struct bench *bench;
    uv_loop_t loop;
    struct rpc_server *server;
    uv_async_t stop;
    double cpu_seconds;
};

struct client_thread {
    const struct bench *bench;
    pthread_t thread;
    uv_loop_t loop;
    struct rpc_client *client;
    uint8_t *message;
    uint64_t end_ns;
    uint64_t answered;
    uint64_t failed;
    unsigned open;
};

static void on_echo(void *context, struct rpc_call *call, struct bytes message)
{
    (void)context;
    rpc_call_reply(call, message);
}

static void on_stop(uv_async_t *stop)
{
    struct server_thread *self = stop->data;
    uv_close((uv_handle_t *)stop, NULL);
    rpc_server_close(self->server, NULL, NULL);
}

static double thread_cpu_seconds(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static void *run_server(void *argument)
{
    struct server_thread *self = argument;
    uv_run(&self->loop, UV_RUN_DEFAULT);
    self->cpu_seconds = thread_cpu_seconds();
    return NULL;
}

static void start_call(struct client_thread *self);

static void on_outcome(void *context, const struct rpc_outcome *outcome)
{
    struct client_thread *self = context;
    self->open--;
    if (outcome->status == RPC_OK) {
        self->answered++;
    } else {
        self->failed++;
    }
    if (uv_hrtime() < self->end_ns) {
        start_call(self);
    } else if (self->open == 0) {
        rpc_client_close(self->client, NULL, NULL);
    }
}

static void start_call(struct client_thread *self)
{
    self->open++;
    rpc_client_call(self->client, "/bench.Echo/Echo",
                    bytes_of(self->message, self->bench->message_bytes), 0, NULL, 0, on_outcome,
                    self);
}

static void *run_client(void *argument)
{
    struct client_thread *self = argument;
    struct error error;
    uv_loop_init(&self->loop);
    self->message = memory_zalloc(self->bench->message_bytes);
    self->client = rpc_client_open(
        &self->loop, &(struct rpc_client_config){.address = self->bench->address}, &error);
    if (self->client == NULL) {
        fprintf(stderr, "rpc_echo: %s\n", error.text);
        exit(1);
    }
    self->end_ns = uv_hrtime() + (uint64_t)self->bench->seconds * 1000000000u;
    for (unsigned i = 0; i < self->bench->inflight; i++) {
        start_call(self);
    }
    uv_run(&self->loop, UV_RUN_DEFAULT);
    uv_loop_close(&self->loop);
    free(self->message);
    return NULL;
}

static unsigned argument(int count, char **values, int at, unsigned otherwise)
{
    return count > at ? (unsigned)strtoul(values[at], NULL, 10) : otherwise;
}

static void must(int status, const char *what)
{
    if (status != 0) {
        fprintf(stderr, "rpc_echo: %s failed\n", what);
        exit(1);
    }
}

int main(int count, char **values)
{
    struct bench bench = {
        .inflight = argument(count, values, 1, 256),
        .clients = argument(count, values, 2, 1),
        .seconds = argument(count, values, 3, 3),
        .message_bytes = argument(count, values, 4, 64),
    };
    if (bench.clients == 0 || bench.clients > CLIENTS_MAX || bench.inflight == 0) {
        fprintf(stderr,
                "usage: rpc_echo [in flight per client] [clients, at most %d] [seconds] "
                "[message bytes]\n",
                CLIENTS_MAX);
        return 2;
    }
    struct server_thread server = {.bench = &bench};
    struct error error;
    uv_loop_init(&server.loop);
    const struct rpc_method method = {"/bench.Echo/Echo", on_echo};
    server.server =
        rpc_server_open(&server.loop,
                        &(struct rpc_server_config){
                            .address = "127.0.0.1:0", .methods = &method, .method_count = 1},
                        &error);
    if (server.server == NULL) {
        fprintf(stderr, "rpc_echo: %s\n", error.text);
        return 1;
    }
    snprintf(bench.address, sizeof bench.address, "127.0.0.1:%u", rpc_server_port(server.server));
    must(uv_async_init(&server.loop, &server.stop, on_stop), "uv_async_init");
    server.stop.data = &server;
    pthread_t server_thread;
    must(pthread_create(&server_thread, NULL, run_server, &server), "starting a thread");
    static struct client_thread clients[CLIENTS_MAX];
    for (unsigned i = 0; i < bench.clients; i++) {
        clients[i].bench = &bench;
        must(pthread_create(&clients[i].thread, NULL, run_client, &clients[i]),
             "starting a thread");
    }
    uint64_t answered = 0;
    uint64_t failed = 0;
    for (unsigned i = 0; i < bench.clients; i++) {
        must(pthread_join(clients[i].thread, NULL), "joining a thread");
        answered += clients[i].answered;
        failed += clients[i].failed;
    }
    uv_async_send(&server.stop);
    must(pthread_join(server_thread, NULL), "joining a thread");
    uv_loop_close(&server.loop);
    printf("%.0f calls/s, %.0f calls per second of the server's core, %llu failed\n",
           (double)answered / bench.seconds, (double)answered / server.cpu_seconds,
           (unsigned long long)failed);
    return failed == 0 ? 0 : 1;
}
