/*
 * sim_net.c - messages between simulated nodes.
 */
#include "sim_net.h"

#include <stdlib.h>

struct flight {
    size_t from;
    size_t to;
    uint64_t connection;
    struct peer_message message;
};

void sim_net_init(struct sim_net *net, struct world *world, size_t node_count)
{
    *net = (struct sim_net){.world = world, .node_count = node_count};
}

static void flight_free(void *payload)
{
    struct flight *flight = payload;
    peer_message_free(&flight->message);
    free(flight);
}

static void arrive(void *owner, void *payload)
{
    struct sim_net *net = owner;
    struct flight *flight = payload;
    struct sim_net_link *link = &net->links[flight->from][flight->to];
    bool old = flight->connection != link->connection;
    if (link->cut || (old && sim_random_chance(&net->world->random, 500))) {
        flight_free(flight);
        return;
    }
    net->received(net->context, flight->from, flight->to, &flight->message);
    free(flight);
}

static void fly(struct sim_net *net, size_t from, size_t to, const struct peer_message *message)
{
    struct sim_net_link *link = &net->links[from][to];
    struct random *random = &net->world->random;
    const struct sim_net_weather *weather = &net->weather;
    uint64_t takes_us = sim_random_between(random, weather->least_us, weather->most_us);
    if (sim_random_chance(random, weather->late_permille)) {
        takes_us += sim_random_below(random, weather->late_us + 1);
    }
    uint64_t at_us = net->world->now_us + takes_us;
    if (weather->in_order && at_us < link->last_at_us) {
        at_us = link->last_at_us;
    }
    link->last_at_us = at_us;
    struct flight *flight = memory_alloc(sizeof *flight);
    *flight = (struct flight){from, to, link->connection, peer_message_copy(message)};
    world_at(net->world, at_us, arrive, net, flight, flight_free);
}

void sim_net_send(struct sim_net *net, size_t from, size_t to, const struct peer_message *message)
{
    struct sim_net_link *link = &net->links[from][to];
    if (link->cut || !link->connected ||
        sim_random_chance(&net->world->random, net->weather.loss_permille)) {
        return;
    }
    fly(net, from, to, message);
    if (sim_random_chance(&net->world->random, net->weather.twice_permille)) {
        fly(net, from, to, message);
    }
}

void sim_net_cut(struct sim_net *net, size_t from, size_t to, bool cut)
{
    net->links[from][to].cut = cut;
}

struct reconnection {
    size_t from;
    size_t to;
    uint64_t connection;
};

static void reconnect(void *owner, void *payload)
{
    struct sim_net *net = owner;
    struct reconnection *reconnection = payload;
    struct sim_net_link *link = &net->links[reconnection->from][reconnection->to];
    if (link->connection == reconnection->connection && !link->connected) {
        link->connected = true;
        net->connected(net->context, reconnection->from, reconnection->to);
    }
    free(reconnection);
}

void sim_net_break(struct sim_net *net, size_t from, size_t to, bool again)
{
    struct sim_net_link *link = &net->links[from][to];
    struct reconnection reconnection = {from, to, ++link->connection};
    link->connected = false;
    if (again) {
        world_at(net->world, net->world->now_us + sim_random_below(&net->world->random, 50000),
                 reconnect, net, memory_copy(&reconnection, sizeof reconnection), free);
    }
}
