/*
 * nodes_ask.c - what the nodes say of themselves, asked through the client library from the
 * operator's host, which no fault touches.
 *
 * The library's connections live on its own thread, in the network that this thread was started in:
 * so a client is opened by a thread that has moved to the operator's host, and used from anywhere.
 *
 * What can fail: a node that does not answer within ASK_MS counts as saying nothing.
 */
#include <assert.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "clock.h"
#include "nodes_internal.h"

#define ASK_MS  1000
#define LOOK_MS 50 /* between two looks at a cluster that is not healthy yet */

/* ---- endpoints ---- */

/* Under the mutex. */
static char *format_endpoints(const struct nodes *nodes)
{
    struct buffer text = {0};
    uint32_t count = 0;
    /* The newest, where there are more than a client takes. */
    for (uint32_t id = nodes->last; id >= 1 && count < LIMIT_CLIENT_GIVEN_ENDPOINTS; id--) {
        if (nodes->nodes[id].life != NODE_GONE && nodes->nodes[id].life != NODE_ABSENT) {
            buffer_printf(&text, "%s%s", count++ > 0 ? "," : "", nodes->nodes[id].endpoint);
        }
    }
    buffer_append(&text, "", 1);
    return (char *)text.data;
}

const char *nodes_endpoints(struct nodes *nodes)
{
    pthread_mutex_lock(&nodes->mutex);
    if (nodes->endpoints == NULL) {
        nodes->endpoints = format_endpoints(nodes);
        nodes->endpoints_given =
            memory_realloc(nodes->endpoints_given,
                           (nodes->endpoints_given_count + 1) * sizeof *nodes->endpoints_given);
        nodes->endpoints_given[nodes->endpoints_given_count++] = nodes->endpoints;
    }
    const char *endpoints = nodes->endpoints;
    pthread_mutex_unlock(&nodes->mutex);
    return endpoints;
}

uint32_t nodes_present(struct nodes *nodes, uint32_t n)
{
    uint32_t ids[NODES_MOST];
    uint32_t count = 0;
    pthread_mutex_lock(&nodes->mutex);
    for (uint32_t id = 1; id <= nodes->last; id++) {
        if (nodes->nodes[id].life != NODE_GONE && nodes->nodes[id].life != NODE_ABSENT) {
            ids[count++] = id;
        }
    }
    pthread_mutex_unlock(&nodes->mutex);
    assert(count > 0);
    return ids[n % count];
}

/* ---- clients ---- */

struct opening {
    struct nodes *nodes;
    const char *endpoints;
    hf_client *client;
    struct error *error;
};

static void *open_on_operator_host(void *argument)
{
    struct opening *opening = argument;
    hf_options options;
    hf_options_init(&options);
    options.endpoints = opening->endpoints;
    if (network_enter(opening->nodes->network, opening->nodes->operator_host, opening->error)) {
        opening->client = hf_client_open(&options);
        if (opening->client == NULL) {
            error_set(opening->error, "can't open a client: %s", hf_last_error());
        }
    }
    return NULL;
}

hf_client *nodes_open_client(struct nodes *nodes, const char *endpoints, struct error *error)
{
    struct opening opening = {nodes, endpoints, NULL, error};
    pthread_t thread;
    int code = pthread_create(&thread, NULL, open_on_operator_host, &opening);
    if (code != 0) {
        error_set(error, "can't start a thread: %s", strerror(code));
        return NULL;
    }
    pthread_join(thread, NULL);
    return opening.client;
}

hf_client *nodes_operator(struct nodes *nodes, struct error *error)
{
    const char *endpoints = nodes_endpoints(nodes);
    if (nodes->operator_client == NULL || strcmp(endpoints, nodes->operator_endpoints) != 0) {
        hf_client_close(nodes->operator_client);
        free(nodes->operator_endpoints);
        nodes->operator_endpoints = memory_strdup(endpoints);
        nodes->operator_client = nodes_open_client(nodes, endpoints, error);
    }
    return nodes->operator_client;
}

/* ---- questions ---- */

/* What one node says; NULL: nothing. Free it with hf_free. */
static hf_status *ask(struct nodes *nodes, uint32_t id)
{
    const hf_call_options options = {.timeout_ms = ASK_MS, .attempt_timeout_ms = ASK_MS};
    hf_status *status;
    if (hf_get_status(nodes->watcher, nodes_of(nodes, id)->endpoint, &options, &status) == HF_OK) {
        return status;
    }
    hf_free(status);
    return NULL;
}

/* Who runs, as far as is known without waiting for anybody's end. */
static uint32_t running_ids(struct nodes *nodes, uint32_t *ids)
{
    uint32_t count = 0;
    pthread_mutex_lock(&nodes->mutex);
    for (uint32_t id = 1; id <= nodes->last; id++) {
        if (nodes->nodes[id].life == NODE_RUNNING) {
            ids[count++] = id;
        }
    }
    pthread_mutex_unlock(&nodes->mutex);
    return count;
}

/* For ever: who joins while nobody answers needs it too. */
static void keep_cluster_id(struct nodes *nodes, const hf_status *status)
{
    if (nodes->cluster_id[0] == '\0') {
        snprintf(nodes->cluster_id, sizeof nodes->cluster_id, "%s", status->cluster_id);
    }
}

bool nodes_learn_cluster_id(struct nodes *nodes, struct error *error)
{
    uint32_t ids[NODES_MOST];
    uint32_t count = running_ids(nodes, ids);
    for (uint32_t i = 0; i < count && nodes->cluster_id[0] == '\0'; i++) {
        hf_status *status = ask(nodes, ids[i]);
        if (status != NULL) {
            keep_cluster_id(nodes, status);
        }
        hf_free(status);
    }
    return nodes->cluster_id[0] != '\0' ||
           error_set(error, "no node that runs tells the cluster's id");
}

/* What the leader of the highest term says; NULL: nobody leads. */
static hf_status *ask_leader(struct nodes *nodes)
{
    uint32_t ids[NODES_MOST];
    uint32_t count = running_ids(nodes, ids);
    hf_status *leader = NULL;
    for (uint32_t i = 0; i < count; i++) {
        hf_status *status = ask(nodes, ids[i]);
        if (status != NULL && status->state == HF_SERVER_LEADER &&
            (leader == NULL || status->term > leader->term)) {
            hf_free(leader);
            leader = status;
        } else {
            hf_free(status);
        }
    }
    return leader;
}

uint32_t nodes_leader(struct nodes *nodes)
{
    hf_status *leader = ask_leader(nodes);
    uint32_t id = leader != NULL ? (uint32_t)leader->node_id : 0;
    hf_free(leader);
    return id;
}

static bool is_voter(const hf_status *leader, uint32_t id)
{
    for (size_t i = 0; i < leader->member_count; i++) {
        if (leader->members[i].node_id == id) {
            return leader->members[i].role == HF_ROLE_VOTER;
        }
    }
    return false;
}

static bool is_node_healthy(struct nodes *nodes, uint32_t id, const hf_status *leader,
                            struct error *error)
{
    if (!is_voter(leader, id)) {
        return error_set(error, "node %u is no member that votes", id);
    }
    hf_status *status = ask(nodes, id);
    bool ok = true;
    if (status == NULL) {
        ok = error_set(error, "node %u does not answer", id);
    } else if (status->applied_index < leader->commit_index) {
        ok = error_set(error, "node %u has applied %" PRIu64 " of %" PRIu64, id,
                       status->applied_index, leader->commit_index);
    } else if (status->leader_id != leader->node_id || status->fetching != NULL) {
        ok = error_set(error, "node %u %s", id,
                       status->fetching != NULL ? "fetches a state" : "follows another leader");
    } else if (status->refuses[0] != '\0') {
        ok = error_set(error, "node %u refuses commands: %s", id, status->refuses);
    }
    hf_free(status);
    return ok;
}

static bool is_healthy(struct nodes *nodes, struct error *error)
{
    for (uint32_t id = 1; id <= nodes->last; id++) {
        enum node_life life = nodes_life(nodes, id);
        if (life != NODE_GONE && life != NODE_RUNNING) {
            return error_set(error, "node %u does not run%s", id,
                             life == NODE_PAUSED ? ", but is paused" : "");
        }
    }
    hf_status *leader = ask_leader(nodes);
    if (leader == NULL) {
        return error_set(error, "nobody leads");
    }
    keep_cluster_id(nodes, leader);
    bool ok = true;
    for (uint32_t id = 1; id <= nodes->last && ok; id++) {
        if (nodes_life(nodes, id) != NODE_GONE) {
            ok = is_node_healthy(nodes, id, leader, error);
        }
    }
    hf_free(leader);
    return ok;
}

bool nodes_wait_healthy(struct nodes *nodes, uint32_t timeout_ms, struct error *error)
{
    int64_t deadline_ms = clock_now_ms() + timeout_ms;
    while (!is_healthy(nodes, error)) {
        if (clock_now_ms() >= deadline_ms) {
            return error_wrap(error, "the cluster is not healthy after %u ms", timeout_ms);
        }
        (void)poll(NULL, 0, LOOK_MS);
    }
    return true;
}
