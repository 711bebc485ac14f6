/*
 * stage.c - happy path: network, nodes, load, in this order; closed the other way round.
 */
#include "stage.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "directory.h"

#define NODE_HOSTS        NODES_MOST /* members come and go, and no number is used again */
#define CLIENT_HOSTS_MOST 8
#define CLIENT_TIMEOUT_MS 3000
#define DISK_BYTES        (UINT64_C(1) << 30) /* sparse */
#define ELECTION_MS       500 /* two cores run all of it: 300, the program's own, is too nervous */

static bool enter(void *context, uint32_t client_number, struct error *error)
{
    const struct stage *stage = context;
    return network_enter(
        stage->network, stage->first_client_host + client_number % stage->client_host_count, error);
}

static const char *endpoints_of(void *context, uint32_t client_number)
{
    struct stage *stage = context;
    if (client_number % 4 == 3) {
        return nodes_endpoint(stage->nodes, nodes_present(stage->nodes, client_number / 4));
    }
    return nodes_endpoints(stage->nodes);
}

static bool open_nodes(struct stage *stage, const struct stage_options *options,
                       struct error *error)
{
    /* Snapshots are taken, and logs trimmed, several times in a run of a minute. */
    static const char *const flags[] = {"--snapshot-log-entries", "4000", "--log-segment-bytes",
                                        "1048576", NULL};
    struct nodes_options nodes_options = {
        .network = stage->network,
        .count = options->chaos->node_count,
        .directory = options->directory,
        .program = options->program,
        .planted = options->chaos->planted,
        .election_timeout_ms = ELECTION_MS,
        .disk_bytes = DISK_BYTES,
        .disk_faults_library = options->disk_faults,
        .faketime_library = options->faketime,
        .flags = flags,
    };
    stage->nodes = nodes_open(&nodes_options, error);
    for (uint32_t id = 1; stage->nodes != NULL && id <= nodes_options.count; id++) {
        if (!nodes_start(stage->nodes, id, error)) {
            return false;
        }
    }
    return stage->nodes != NULL;
}

bool stage_open(struct stage *stage, const struct stage_options *options, struct error *error)
{
    uint32_t clients = options->chaos->client_count;
    *stage = (struct stage){
        .first_client_host = NODE_HOSTS + 1,
        .client_host_count = clients < CLIENT_HOSTS_MOST ? clients : CLIENT_HOSTS_MOST,
    };
    stage->network = network_open(NODE_HOSTS + stage->client_host_count + 1, options->seed, error);
    if (stage->network == NULL || !open_nodes(stage, options, error)) {
        return false;
    }
    struct load_options load_options = {
        .workload = options->workload,
        .recorder = options->recorder,
        .endpoints = endpoints_of,
        .enter = enter,
        .context = stage,
        .client_count = clients,
        .rate = options->chaos->rate,
        .timeout_ms = CLIENT_TIMEOUT_MS,
        .resends = true,
        .seed = options->seed,
    };
    stage->load = load_open(&load_options, error);
    return stage->load != NULL;
}

bool stage_end_nodes(struct stage *stage, struct error *error)
{
    bool fine = true;
    for (uint32_t id = 1; id <= nodes_last(stage->nodes); id++) {
        struct error this_error;
        if (nodes_life(stage->nodes, id) == NODE_RUNNING &&
            !nodes_terminate(stage->nodes, id, &this_error) && fine) {
            *error = this_error;
            fine = false;
        }
    }
    return fine;
}

void stage_close(struct stage *stage)
{
    load_close(stage->load);
    nodes_close(stage->nodes, true);
    network_close(stage->network);
}

bool stage_remove_disks(const char *directory, struct error *error)
{
    for (uint32_t id = 1; id <= NODES_MOST; id++) {
        char path[PATH_MAX + 16];
        snprintf(path, sizeof path, "%s/n%u", directory, id);
        if (access(path, F_OK) == 0 && !directory_remove(path, error)) {
            return false;
        }
    }
    return true;
}
