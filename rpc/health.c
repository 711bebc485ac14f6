/*
 * health.c - answers health checks: SERVING or NOT_SERVING for a service that was set, NOT_FOUND
 * for any other, INVALID_ARGUMENT for what is no HealthCheckRequest.
 */
#include "health.h"

#include <assert.h>
#include <stdlib.h>

#include "grpc/health/v1/health.pb-c.h"

void health_open(struct health *health)
{
    *health = (struct health){0};
    health_set(health, "", true);
}

void health_set(struct health *health, const char *service, bool serving)
{
    for (size_t i = 0; i < health->count; i++) {
        if (strcmp(health->entries[i].service, service) == 0) {
            health->entries[i].serving = serving;
            return;
        }
    }
    assert(health->count < LIMIT_HEALTH_SERVICES);
    health->entries[health->count].service = memory_strdup(service);
    health->entries[health->count].serving = serving;
    health->count++;
}

void health_close(struct health *health)
{
    for (size_t i = 0; i < health->count; i++) {
        free(health->entries[i].service);
    }
    *health = (struct health){0};
}

static void answer(struct rpc_call *call, bool serving)
{
    Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status = serving
                          ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
                          : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
    uint8_t packed[16];
    assert(grpc__health__v1__health_check_response__get_packed_size(&response) <= sizeof packed);
    size_t len = grpc__health__v1__health_check_response__pack(&response, packed);
    rpc_call_reply(call, bytes_of(packed, len));
}

void health_on_check(void *context, struct rpc_call *call, struct bytes message)
{
    struct health *health = context;
    Grpc__Health__V1__HealthCheckRequest *request =
        grpc__health__v1__health_check_request__unpack(NULL, message.len, message.data);
    if (request == NULL) {
        rpc_call_fail(call, RPC_INVALID_ARGUMENT, "the message is no HealthCheckRequest");
        return;
    }
    for (size_t i = 0; i < health->count; i++) {
        if (strcmp(health->entries[i].service, request->service) == 0) {
            answer(call, health->entries[i].serving);
            grpc__health__v1__health_check_request__free_unpacked(request, NULL);
            return;
        }
    }
    rpc_call_fail(call, RPC_NOT_FOUND, "unknown service %.255s", request->service);
    grpc__health__v1__health_check_request__free_unpacked(request, NULL);
}
