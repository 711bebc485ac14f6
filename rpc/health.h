/*
 * health.h - grpc.health.v1.Health/Check: which services serve, as they were told. Source: the gRPC
 * project's health-checking.md.
 */
#ifndef RPC_HEALTH_H
#define RPC_HEALTH_H

#include "base/limits.h"
#include "rpc/server.h"

#define HEALTH_CHECK_PATH "/grpc.health.v1.Health/Check"

struct health {
    struct {
        char *service;
        bool serving;
    } entries[LIMIT_HEALTH_SERVICES];
    size_t count;
};

void health_open(struct health *health); /* knows "", which serves */
void health_set(struct health *health, const char *service, bool serving);
void health_close(struct health *health);
/* The handler; its context is the struct health. */
void health_on_check(void *context, struct rpc_call *call, struct bytes message);

#endif
