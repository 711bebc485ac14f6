/*
 * processes.c - nodes that are killed, restarted or stopped for a while.
 *
 * The state is the nodes that were hit. Behind the fault each runs again, whatever another nemesis
 * has done to it meanwhile: who is down is started, who is paused goes on, who is gone stays so.
 *
 * Fails: a process that can't be killed, paused or started; the run ends.
 */
#include "ground.h"

#include <stdlib.h>

typedef bool (*node_action)(struct nodes *nodes, uint32_t id, struct error *error);

static bool hit(struct nemesis_ground *ground, struct ground_ids hits, node_action action,
                void **state, struct buffer *value, struct error *error)
{
    buffer_printf(value, "{:nodes ");
    ground_write_hosts(value, ground, &hits);
    buffer_printf(value, "}");
    for (uint32_t i = 0; i < hits.count; i++) {
        if (!action(ground->nodes, hits.ids[i], error)) {
            return false;
        }
    }
    *state = memory_copy(&hits, sizeof hits);
    return true;
}

/* Nobody is left out who runs, but what another nemesis holds is left alone. */
static struct ground_ids some_running(struct nemesis_ground *ground, uint32_t most)
{
    struct ground_ids running = ground_living(ground, NODE_RUNNING);
    ground_shuffle(ground, &running);
    running.count = running.count < most ? running.count : most;
    return running;
}

static struct ground_ids the_leader(struct nemesis_ground *ground)
{
    struct ground_ids found = {.count = 1};
    found.ids[0] = nodes_leader(ground->nodes);
    if (found.ids[0] == 0 || nodes_life(ground->nodes, found.ids[0]) != NODE_RUNNING) {
        found = some_running(ground, 1);
    }
    return found;
}

static struct ground_ids a_majority(struct nemesis_ground *ground)
{
    return some_running(ground, ground_members(ground).count / 2 + 1);
}

/* ---- kill -9 ---- */

static bool kill_one(struct nemesis_ground *ground, void **state, struct buffer *value,
                     struct error *error)
{
    return hit(ground, some_running(ground, 1), nodes_kill, state, value, error);
}

static bool kill_leader(struct nemesis_ground *ground, void **state, struct buffer *value,
                        struct error *error)
{
    return hit(ground, the_leader(ground), nodes_kill, state, value, error);
}

static bool kill_majority(struct nemesis_ground *ground, void **state, struct buffer *value,
                          struct error *error)
{
    return hit(ground, a_majority(ground), nodes_kill, state, value, error);
}

static bool kill_all(struct nemesis_ground *ground, void **state, struct buffer *value,
                     struct error *error)
{
    return hit(ground, some_running(ground, NODES_MOST), nodes_kill, state, value, error);
}

static bool start_again(struct nemesis_ground *ground, void *state, struct buffer *value,
                        struct error *error)
{
    struct ground_ids *hits = state;
    struct ground_ids started = {.count = 0};
    bool fine = true;
    for (uint32_t i = 0; fine && i < hits->count; i++) {
        if (nodes_life(ground->nodes, hits->ids[i]) == NODE_DOWN) {
            fine = nodes_start(ground->nodes, hits->ids[i], error);
            started.ids[started.count++] = hits->ids[i];
        }
    }
    buffer_printf(value, "{:started ");
    ground_write_hosts(value, ground, &started);
    buffer_printf(value, "}");
    free(hits);
    return fine;
}

/* ---- SIGTERM ---- */

static bool restart_all(struct nemesis_ground *ground, void **state, struct buffer *value,
                        struct error *error)
{
    return hit(ground, some_running(ground, NODES_MOST), nodes_terminate, state, value, error);
}

/* One after the other, as an operator does it: the next one when all are well again, or when that
 * has taken too long, for other faults may be on. */
#define ROLL_LOOK_MS 20
#define ROLL_TURNS   15

struct rolling {
    struct ground_ids left; /* from the end */
    uint32_t turns;         /* since the last one */
    uint32_t restarted;
};

static bool roll(struct nemesis_ground *ground, void *state, struct error *error)
{
    struct rolling *rolling = state;
    struct error why;
    bool patient = rolling->restarted > 0 && ++rolling->turns < ROLL_TURNS;
    if (rolling->left.count == 0 ||
        (patient && !nodes_wait_healthy(ground->nodes, ROLL_LOOK_MS, &why))) {
        return true;
    }
    uint32_t id = rolling->left.ids[--rolling->left.count];
    rolling->turns = 0;
    rolling->restarted++;
    return nodes_life(ground->nodes, id) != NODE_RUNNING ||
           (nodes_terminate(ground->nodes, id, error) && nodes_start(ground->nodes, id, error));
}

static bool start_rolling(struct nemesis_ground *ground, void **state, struct buffer *value,
                          struct error *error)
{
    struct rolling *rolling = memory_zalloc(sizeof *rolling);
    rolling->left = some_running(ground, NODES_MOST);
    buffer_printf(value, "{:nodes ");
    ground_write_hosts(value, ground, &rolling->left);
    buffer_printf(value, "}");
    *state = rolling;
    return roll(ground, rolling, error);
}

static bool stop_rolling(struct nemesis_ground *ground, void *state, struct buffer *value,
                         struct error *error)
{
    struct rolling *rolling = state;
    (void)ground;
    (void)error;
    buffer_printf(value, "{:restarted %u}", rolling->restarted);
    free(rolling);
    return true;
}

/* ---- SIGSTOP ---- */

static bool pause_one(struct nemesis_ground *ground, void **state, struct buffer *value,
                      struct error *error)
{
    return hit(ground, some_running(ground, 1), nodes_pause, state, value, error);
}

static bool pause_leader(struct nemesis_ground *ground, void **state, struct buffer *value,
                         struct error *error)
{
    return hit(ground, the_leader(ground), nodes_pause, state, value, error);
}

static bool pause_majority(struct nemesis_ground *ground, void **state, struct buffer *value,
                           struct error *error)
{
    return hit(ground, a_majority(ground), nodes_pause, state, value, error);
}

static bool go_on(struct nemesis_ground *ground, void *state, struct buffer *value,
                  struct error *error)
{
    struct ground_ids *hits = state;
    struct ground_ids resumed = {.count = 0};
    bool fine = true;
    for (uint32_t i = 0; fine && i < hits->count; i++) {
        if (nodes_life(ground->nodes, hits->ids[i]) == NODE_PAUSED) {
            fine = nodes_resume(ground->nodes, hits->ids[i], error);
            resumed.ids[resumed.count++] = hits->ids[i];
        }
    }
    buffer_printf(value, "{:resumed ");
    ground_write_hosts(value, ground, &resumed);
    buffer_printf(value, "}");
    free(hits);
    return fine;
}

#define KIND "process"

const struct nemesis nemesis_kill_one = {
    .name = "kill-one",
    .kind = KIND,
    .help = "kill -9 of a node",
    .start = kill_one,
    .stop = start_again,
};
const struct nemesis nemesis_kill_leader = {
    .name = "kill-leader",
    .kind = KIND,
    .help = "kill -9 of the leader",
    .start = kill_leader,
    .stop = start_again,
};
const struct nemesis nemesis_kill_majority = {
    .name = "kill-majority",
    .kind = KIND,
    .help = "kill -9 of a majority",
    .start = kill_majority,
    .stop = start_again,
};
const struct nemesis nemesis_kill_all = {
    .name = "kill-all",
    .kind = KIND,
    .help = "kill -9 of all nodes",
    .start = kill_all,
    .stop = start_again,
};
const struct nemesis nemesis_restart_all = {
    .name = "restart-all",
    .kind = KIND,
    .help = "SIGTERM of all nodes, and a start of all",
    .start = restart_all,
    .stop = start_again,
};
const struct nemesis nemesis_restart_rolling = {
    .name = "restart-rolling",
    .kind = KIND,
    .help = "SIGTERM and start of one node after the other",
    .start = start_rolling,
    .stop = stop_rolling,
    .turn = roll,
};
const struct nemesis nemesis_pause_one = {
    .name = "pause-one",
    .kind = KIND,
    .help = "SIGSTOP of a node",
    .start = pause_one,
    .stop = go_on,
};
const struct nemesis nemesis_pause_leader = {
    .name = "pause-leader",
    .kind = KIND,
    .help = "SIGSTOP of the leader",
    .start = pause_leader,
    .stop = go_on,
};
const struct nemesis nemesis_pause_majority = {
    .name = "pause-majority",
    .kind = KIND,
    .help = "SIGSTOP of a majority",
    .start = pause_majority,
    .stop = go_on,
};
