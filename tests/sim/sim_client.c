/*
 * sim_client.c - what a client does next.
 *
 * Invariant: a client has at most one attempt under way, and while it has one, a timeout of its own
 * number. While it has none, one step of its own number is in the world's queue - unless it rests.
 */
#include "sim_client.h"

#define ATTEMPTS_MOST 12

static void step(void *owner, void *object, uint64_t value);

static struct world *world_of(const struct sim_client *client)
{
    return client->all->operations.world;
}

static void step_after(struct sim_client *client, uint64_t us)
{
    world_after(world_of(client), us, step, client, NULL, ++client->planned);
}

static void think(struct sim_client *client)
{
    client->has_request = false;
    step_after(client,
               sim_random_below(&world_of(client)->random, 2 * client->all->plan->think_us));
}

static void ask_again(struct sim_client *client)
{
    struct random *random = &world_of(client)->random;
    if (client->attempts >= ATTEMPTS_MOST || sim_random_chance(random, 30)) {
        think(client);
        return;
    }
    client->node = (size_t)sim_random_below(random, client->all->node_count);
    step_after(client, sim_random_between(random, 1000, 20000 * client->attempts));
}

static void heard(void *context, struct operation *operation)
{
    struct sim_client *client = context;
    client->current = NULL;
    if (operation->outcome == OUTCOME_ANSWERED) {
        if (operation->shown_index > client->seen_index) {
            client->seen_index = operation->shown_index;
        }
        think(client);
    } else {
        client->is_in_doubt |= operation->outcome != OUTCOME_NOT_EXECUTED;
        ask_again(client);
    }
}

static void time_out(void *owner, void *object, uint64_t value)
{
    struct sim_client *client = owner;
    (void)object;
    if (client->current == NULL || client->asked != value) {
        world_was_idle(world_of(client));
        return;
    }
    operation_forget(client->current, sim_random_chance(&world_of(client)->random, 400));
    client->current = NULL;
    client->is_in_doubt = true;
    ask_again(client);
}

static void make_request(struct sim_client *client)
{
    struct world *world = world_of(client);
    const struct request_origin origin = {
        .client = client->number,
        .made = client->made++,
        .total = client->all->total++,
        .wall_ms = sim_clock_wall_ms(&client->clock, world->now_us),
    };
    request_draw(&client->request, &world->random, client->all->plan, &origin);
    client->has_request = true;
    client->attempts = 0;
    client->is_in_doubt = false;
}

static void step(void *owner, void *object, uint64_t value)
{
    struct sim_client *client = owner;
    struct sim_clients *all = client->all;
    (void)object;
    if (!all->is_running || value != client->planned) {
        world_was_idle(world_of(client));
        return;
    }
    if (!client->has_request) {
        make_request(client);
    }
    client->request.min_index = client->request.has_floor ? client->seen_index : 0;
    bool is_retry = client->attempts++ > 0;
    if (is_retry) {
        world_count(world_of(client), STAT_RETRIES);
    }
    if (client->is_in_doubt && !client->request.is_read) {
        request_sent_before(&client->request);
    }
    client->current = operation_ask(&all->operations, &client->request,
                                    &all->operations.nodes[client->node], is_retry, heard, client);
    world_after(world_of(client), all->plan->client_timeout_us, time_out, client, NULL,
                ++client->asked);
}

void sim_clients_init(struct sim_clients *clients, struct world *world, struct checks *checks,
                      struct sim_node *nodes, const struct plan *plan)
{
    memset(clients, 0, sizeof *clients);
    clients->operations = (struct operations){.world = world, .checks = checks, .nodes = nodes};
    clients->plan = plan;
    clients->node_count = plan->node_count;
    clients->count = plan->client_count;
    for (size_t i = 0; i < clients->count; i++) {
        struct sim_client *client = &clients->clients[i];
        client->all = clients;
        client->number = i;
        client->clock.wall_offset_ms =
            (int64_t)sim_random_below(&world->random, (uint64_t)plan->wall_skew_ms * 2 + 1) -
            plan->wall_skew_ms;
    }
}

void sim_clients_free(struct sim_clients *clients)
{
    operations_free(&clients->operations);
}

void sim_clients_go(struct sim_clients *clients)
{
    clients->is_running = true;
    clients->operations.loss_permille = clients->plan->client_loss_permille;
    clients->operations.held_up_permille = clients->plan->held_up_permille;
    clients->operations.held_up_us = clients->plan->held_up_us;
    for (size_t i = 0; i < clients->count; i++) {
        if (clients->clients[i].current == NULL) {
            think(&clients->clients[i]);
        }
    }
}

void sim_clients_rest(struct sim_clients *clients)
{
    clients->is_running = false;
    clients->operations.loss_permille = 0;
    clients->operations.held_up_permille = 0;
}
