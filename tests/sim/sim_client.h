/*
 * sim_client.h - order services: each makes one request after the other, and asks again, under the
 * same identity and of any node, until it is answered or it gives up.
 *
 * What a client does about a failure is what the client library does: a request that surely was not
 * executed, or whose outcome is unknown, is sent again as it was, with its requested_at; a timeout
 * is an unknown outcome, and may cancel what waits. What is sent behind an unknown outcome says
 * that it was sent before.
 */
#ifndef TESTS_SIM_CLIENT_H
#define TESTS_SIM_CLIENT_H

#include "operation.h"
#include "sim_clock.h"

struct sim_clients;

struct sim_client {
    struct sim_clients *all;
    size_t number;
    struct sim_clock clock;
    uint64_t made; /* requests so far */
    bool has_request;
    struct request request;
    unsigned attempts; /* at this request */
    bool is_in_doubt;  /* one of them may have been executed, or may be yet */
    uint64_t asked;    /* attempts ever: tells a timeout whether it is this one's */
    uint64_t planned;  /* steps ever: tells a step whether it is the last one planned */
    struct operation *current;
    size_t node;         /* the one that answered last */
    uint64_t seen_index; /* the highest that an answer has named */
};

struct sim_clients {
    struct operations operations;
    const struct plan *plan;
    size_t node_count;
    bool is_running;
    uint64_t total; /* requests of all clients */
    size_t count;
    struct sim_client clients[SIM_CLIENTS];
};

void sim_clients_init(struct sim_clients *clients, struct world *world, struct checks *checks,
                      struct sim_node *nodes, const struct plan *plan);
void sim_clients_free(struct sim_clients *clients);
void sim_clients_go(struct sim_clients *clients);
/* They finish what they have asked, and ask nothing more. */
void sim_clients_rest(struct sim_clients *clients);

#endif
