/*
 * ground.c - which nodes there are, and how they are called. Nothing can fail.
 */
#include "ground.h"

#include <assert.h>

uint32_t ground_draw(struct nemesis_ground *ground, uint32_t n)
{
    assert(n > 0);
    return (uint32_t)(random_next(&ground->random) % n);
}

void ground_shuffle(struct nemesis_ground *ground, struct ground_ids *ids)
{
    for (uint32_t i = ids->count; i > 1; i--) {
        uint32_t at = ground_draw(ground, i);
        uint32_t id = ids->ids[i - 1];
        ids->ids[i - 1] = ids->ids[at];
        ids->ids[at] = id;
    }
}

struct ground_ids ground_members(struct nemesis_ground *ground)
{
    struct ground_ids members = {.count = 0};
    for (uint32_t id = 1; id <= nodes_last(ground->nodes); id++) {
        enum node_life life = nodes_life(ground->nodes, id);
        if (life != NODE_ABSENT && life != NODE_GONE) {
            members.ids[members.count++] = id;
        }
    }
    return members;
}

struct ground_ids ground_living(struct nemesis_ground *ground, enum node_life life)
{
    struct ground_ids found = {.count = 0};
    for (uint32_t id = 1; id <= nodes_last(ground->nodes); id++) {
        if (nodes_life(ground->nodes, id) == life) {
            found.ids[found.count++] = id;
        }
    }
    return found;
}

struct ground_ids ground_leader_first(struct nemesis_ground *ground)
{
    struct ground_ids members = ground_members(ground);
    uint32_t leader = nodes_leader(ground->nodes);
    ground_shuffle(ground, &members);
    for (uint32_t i = 1; i < members.count; i++) {
        if (members.ids[i] == leader) {
            members.ids[i] = members.ids[0];
            members.ids[0] = leader;
        }
    }
    return members;
}

struct ground_ids ground_clients(struct nemesis_ground *ground)
{
    struct ground_ids hosts = {.count = ground->client_host_count};
    for (uint32_t i = 0; i < hosts.count; i++) {
        hosts.ids[i] = ground->first_client_host + i;
    }
    return hosts;
}

void ground_write_host(struct buffer *out, const struct nemesis_ground *ground, uint32_t host)
{
    bool client = host >= ground->first_client_host;
    buffer_printf(out, "\"%c%u\"", client ? 'c' : 'n',
                  client ? host - ground->first_client_host + 1 : host);
}

void ground_write_hosts(struct buffer *out, const struct nemesis_ground *ground,
                        const struct ground_ids *hosts)
{
    buffer_printf(out, "[");
    for (uint32_t i = 0; i < hosts->count; i++) {
        buffer_printf(out, "%s", i > 0 ? " " : "");
        ground_write_host(out, ground, hosts->ids[i]);
    }
    buffer_printf(out, "]");
}
