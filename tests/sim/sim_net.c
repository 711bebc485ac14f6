/*
 * sim_net.c - messages and connections between simulated nodes.
 *
 * Invariant: a flight is in the free list, or an event of the world holds it.
 */
#include "sim_net.h"

#include <assert.h>
#include <stdlib.h>

#include "transport/frame.h"

#define CHUNK_FLIGHTS 256

struct flight {
    struct flight *next_free;
    bool is_live;
    size_t from;
    size_t to;
    uint64_t connection;
    uint64_t number; /* 0: in bulk, it overtakes nobody */
    struct peer_message message;
};

void sim_net_init(struct sim_net *net, struct world *world, size_t node_count,
                  const struct sim_net_events *events)
{
    *net = (struct sim_net){.world = world, .node_count = node_count, .events = *events};
}

void sim_net_free(struct sim_net *net)
{
    for (size_t i = 0; i < net->chunk_count; i++) {
        for (size_t k = 0; k < CHUNK_FLIGHTS; k++) {
            if (net->chunks[i][k].is_live) {
                peer_message_free(&net->chunks[i][k].message);
            }
        }
        free(net->chunks[i]);
    }
    free((void *)net->chunks);
}

static struct flight *flight_new(struct sim_net *net)
{
    if (net->free == NULL) {
        struct flight *chunk = memory_zalloc(CHUNK_FLIGHTS * sizeof *chunk);
        net->chunks =
            memory_realloc((void *)net->chunks, (net->chunk_count + 1) * sizeof(struct flight *));
        net->chunks[net->chunk_count++] = chunk;
        for (size_t i = CHUNK_FLIGHTS; i > 0; i--) {
            chunk[i - 1].next_free = net->free;
            net->free = &chunk[i - 1];
        }
    }
    struct flight *flight = net->free;
    net->free = flight->next_free;
    flight->is_live = true;
    return flight;
}

static void flight_land(struct sim_net *net, struct flight *flight)
{
    flight->is_live = false;
    flight->next_free = net->free;
    net->free = flight;
}

/* ---- messages ---- */

static bool is_lost_on_arrival(struct sim_net *net, const struct sim_net_link *link,
                               const struct flight *flight)
{
    if (link->cut) {
        return true;
    }
    if (flight->connection == link->connection) {
        return false;
    }
    if (!sim_random_chance(&net->world->random, net->old_permille)) {
        return true;
    }
    world_count(net->world, STAT_FROM_OLD_CONNECTIONS);
    return false;
}

static void arrive(void *owner, void *object, uint64_t value)
{
    struct sim_net *net = owner;
    struct flight *flight = object;
    struct sim_net_link *link = &net->links[flight->from][flight->to];
    uint64_t ready_at_us = net->events.ready_at_us(net->events.context, flight->to);
    if (ready_at_us > net->world->now_us) {
        world_was_idle(net->world);
        world_at(net->world, ready_at_us, arrive, net, flight, value);
        return;
    }
    if (is_lost_on_arrival(net, link, flight)) {
        world_count(net->world, STAT_LOST);
        peer_message_free(&flight->message);
        flight_land(net, flight);
        return;
    }
    world_count(net->world, STAT_MESSAGES);
    if (flight->number != 0 && flight->number < link->arrived) {
        world_count(net->world, STAT_OVERTAKEN);
    } else if (flight->number != 0) {
        link->arrived = flight->number;
    }
    struct peer_message message = flight->message;
    size_t from = flight->from;
    size_t to = flight->to;
    flight_land(net, flight);
    net->events.received(net->events.context, from, to, &message);
}

bool sim_net_code(const struct peer_message *message, struct peer_message *decoded,
                  struct error *error)
{
    struct frame *frame = frame_of_message(message);
    struct buffer wire = {0};
    for (size_t i = 0; i < frame_part_count(frame); i++) {
        buffer_append_bytes(&wire, frame_part(frame, i));
    }
    size_t measured = 0;
    struct frame_content content;
    bool ok = frame_measure(buffer_bytes(&wire), LIMIT_PEER_FRAME_BYTES, &measured, error) &&
              (measured == wire.len ||
               error_set(error, "a frame of %zu bytes measures %zu", wire.len, measured)) &&
              frame_decode(buffer_bytes(&wire), &content, error);
    if (ok) {
        assert(content.kind == FRAME_MESSAGE);
        *decoded = content.message;
    }
    frame_free(frame);
    buffer_free(&wire);
    return ok;
}

static void fly(struct sim_net *net, size_t from, size_t to, const struct peer_message *message,
                bool is_bulk)
{
    struct sim_net_link *link = &net->links[from][to];
    struct random *random = &net->world->random;
    const struct sim_net_weather *weather = &net->weather;
    uint64_t takes_us = sim_random_between(random, weather->least_us, weather->most_us);
    if (sim_random_chance(random, weather->late_permille)) {
        takes_us += sim_random_below(random, weather->late_us + 1);
        world_count(net->world, STAT_LATE);
    }
    uint64_t at_us = net->world->now_us + takes_us;
    if (weather->in_order && !is_bulk && at_us < link->last_at_us) {
        at_us = link->last_at_us;
    }
    if (!is_bulk) {
        link->last_at_us = at_us;
    }
    net->last_at_us = at_us > net->last_at_us ? at_us : net->last_at_us;
    struct flight *flight = flight_new(net);
    flight->from = from;
    flight->to = to;
    flight->connection = link->connection;
    flight->number = is_bulk ? 0 : ++link->sent;
    if (sim_random_chance(random, net->coded_permille)) {
        struct error error;
        world_count(net->world, STAT_CODED);
        if (!sim_net_code(message, &flight->message, &error)) {
            world_fail(net->world, CHECK_CODEC, "node %zu's message to node %zu: %s", from + 1,
                       to + 1, error.text);
            flight_land(net, flight);
            return;
        }
    } else {
        flight->message = peer_message_copy(message);
    }
    world_at(net->world, at_us, arrive, net, flight, 0);
}

void sim_net_set_weather(struct sim_net *net, const struct sim_net_weather *weather)
{
    net->weather = *weather;
    for (size_t a = 0; a < net->node_count; a++) {
        for (size_t b = 0; b < net->node_count; b++) {
            net->links[a][b].last_at_us = 0;
        }
    }
}

static void send(struct sim_net *net, size_t from, size_t to, const struct peer_message *message,
                 bool is_bulk)
{
    struct sim_net_link *link = &net->links[from][to];
    if (!link->connected) {
        return;
    }
    if (link->cut || sim_random_chance(&net->world->random, net->weather.loss_permille)) {
        world_count(net->world, STAT_LOST);
        return;
    }
    fly(net, from, to, message, is_bulk);
    if (sim_random_chance(&net->world->random, net->weather.twice_permille)) {
        world_count(net->world, STAT_TWICE);
        fly(net, from, to, message, is_bulk);
    }
}

void sim_net_send(struct sim_net *net, size_t from, size_t to, const struct peer_message *message)
{
    send(net, from, to, message, false);
}

void sim_net_send_bulk(struct sim_net *net, size_t from, size_t to,
                       const struct peer_message *message)
{
    send(net, from, to, message, true);
}

/* ---- connections ---- */

void sim_net_cut(struct sim_net *net, size_t from, size_t to, bool cut)
{
    net->links[from][to].cut = cut;
}

static void dial(struct sim_net *net, size_t from, size_t to, uint64_t after_us);

/* `value` is the number of the connection that ended: a later one makes this attempt void. */
static void say_hello(void *owner, void *object, uint64_t value)
{
    struct sim_net *net = owner;
    struct sim_net_link *link = object;
    size_t place = (size_t)(link - &net->links[0][0]);
    size_t from = place / LIMIT_NODES;
    size_t to = place % LIMIT_NODES;
    if (link->connected || link->connection != value) {
        world_was_idle(net->world);
        return;
    }
    /* One that sleeps answers late: as good as a cut. */
    uint64_t ready_us = net->events.ready_at_us(net->events.context, from);
    uint64_t peer_ready_us = net->events.ready_at_us(net->events.context, to);
    ready_us = peer_ready_us > ready_us ? peer_ready_us : ready_us;
    if (ready_us > net->world->now_us) {
        world_was_idle(net->world);
        world_at(net->world, ready_us, say_hello, net, link, value);
        return;
    }
    uint64_t pause_us = sim_random_between(&net->world->random, 50000, 1000000);
    if (link->cut || net->links[to][from].cut) {
        dial(net, from, to, pause_us);
        return;
    }
    switch (net->events.hello(net->events.context, from, to)) {
    case SIM_NET_WELCOME:
        link->connected = true;
        break;
    case SIM_NET_REFUSED:
        world_count(net->world, STAT_REFUSED_HELLOS);
        dial(net, from, to, pause_us);
        break;
    case SIM_NET_DOWN:
        break;
    }
}

static void dial(struct sim_net *net, size_t from, size_t to, uint64_t after_us)
{
    struct sim_net_link *link = &net->links[from][to];
    world_after(net->world, after_us, say_hello, net, link, link->connection);
}

static void hang_up(struct sim_net *net, size_t from, size_t to)
{
    net->links[from][to].connection++;
    net->links[from][to].connected = false;
}

void sim_net_break(struct sim_net *net, size_t from, size_t to)
{
    hang_up(net, from, to);
    dial(net, from, to, sim_random_below(&net->world->random, 50000));
}

void sim_net_up(struct sim_net *net, size_t node)
{
    for (size_t i = 0; i < net->node_count; i++) {
        if (i != node) {
            sim_net_break(net, node, i);
            sim_net_break(net, i, node);
        }
    }
}

void sim_net_down(struct sim_net *net, size_t node)
{
    for (size_t i = 0; i < net->node_count; i++) {
        if (i != node) {
            hang_up(net, node, i);
            hang_up(net, i, node);
        }
    }
}
