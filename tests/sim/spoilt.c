/*
 * spoilt.c - behind a storm: states that went wrong in it are found by the nodes themselves, or,
 * where states that were handed on have left nobody to tell, by those who run them (decision 011);
 * and in the end each state that was handed on counts again.
 *
 * What can fail: a wrong one goes on though a majority is right, each by itself (liveness).
 */
#include "cluster_internal.h"
#include "witnesses.h"

/* States that differ for so long are not told apart any more. */
#define UNDECIDED_TIMEOUTS 15

static bool somebody_is_spoilt(const struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->plan.node_count; i++) {
        if (cluster->nodes[i].spoilt_from != 0 && !cluster->nodes[i].is_retired) {
            return true;
        }
    }
    return false;
}

/* Commands come, one after the other, until an index is compared; nobody may be left then. */
static bool spoilt_have_stopped(struct cluster *cluster)
{
    if (!somebody_is_spoilt(cluster) && cluster->asked == NULL) {
        return true;
    }
    if (cluster_serves(cluster)) {
        cluster->majority_serves = false;
    }
    return false;
}

static bool somebody_has_copy(const struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->plan.node_count; i++) {
        const struct sim_node *node = &cluster->nodes[i];
        if (node->is_up && membership_has(&cluster->membership, node) && sim_node_has_copy(node)) {
            return true;
        }
    }
    return false;
}

/* The leader has an alarm where all have come, and has had one for a while; and there is a reason
 * why those who are right are no majority: some have their state from others. */
static bool is_undecided(struct cluster *cluster)
{
    struct sim_node *leader = cluster_leader(cluster);
    struct digests_status status = {.alarm = ""};
    bool all_have_come = true;
    if (leader != NULL) {
        digests_status_get(leader->core.digests, &status);
    }
    for (size_t i = 0; i < cluster->plan.node_count; i++) {
        const struct sim_node *node = &cluster->nodes[i];
        all_have_come = all_have_come &&
                        (node->is_wiped ||
                         (node->is_up && core_applied_index(&node->core) >= status.compared_index));
    }
    if (*status.alarm == '\0' || !all_have_come || !somebody_has_copy(cluster)) {
        cluster->undecided_us = 0;
        return false;
    }
    uint64_t now_us = cluster->world.now_us;
    cluster->undecided_us = cluster->undecided_us != 0 ? cluster->undecided_us : now_us;
    return now_us - cluster->undecided_us >
           UINT64_C(1000) * UNDECIDED_TIMEOUTS * cluster->plan.election_timeout_ms;
}

static bool spoilt_are_dealt_with(struct cluster *cluster)
{
    return spoilt_have_stopped(cluster) || faults_sound_nodes(&cluster->faults) == 0 ||
           is_undecided(cluster);
}

/* So many sound ones that none of them has its state from another one, or two from a third. */
static size_t independent_sound_nodes(const struct cluster *cluster)
{
    struct witness sound[LIMIT_NODES];
    size_t count = 0;
    for (size_t i = 0; i < cluster->plan.node_count; i++) {
        const struct sim_node *node = &cluster->nodes[i];
        if (node->is_up && !node->is_wiped && node->spoilt_from == 0) {
            sound[count].id = i + 1;
            data_directory_lineage(node->core.directory, &sound[count++].lineage);
        }
    }
    return witnesses_most(sound, count);
}

/* What a wrong state was given to is wrong as well, and nodes alone can't tell which are. Their
 * operator can, here, and stops them; but where most of the states are wrong there is nothing to go
 * on with. No right one may have stopped, in any case: that is fail-stop's to find. */
static void decide_for_them(struct cluster *cluster)
{
    size_t majority = cluster->plan.founder_count / 2 + 1;
    world_count(&cluster->world, STAT_UNDECIDED);
    if (independent_sound_nodes(cluster) >= majority) {
        world_fail(
            &cluster->world, CHECK_LIVENESS,
            "a majority of the states is right, each by itself, and those that are wrong go on");
        return;
    }
    if (faults_sound_nodes(&cluster->faults) < majority) {
        cluster->is_beyond_repair = true;
        world_count(&cluster->world, STAT_BEYOND_REPAIR);
        if (cluster->world.stats.counts[STAT_SPOILT_COPIES] == 0) {
            world_fail(&cluster->world, CHECK_LIVENESS,
                       "most states are wrong, and none is a copy");
        }
        return;
    }
    for (size_t i = 0; i < cluster->plan.node_count; i++) {
        if (cluster->nodes[i].spoilt_from != 0 && !cluster->nodes[i].is_retired) {
            sim_node_retire(&cluster->nodes[i]);
        }
    }
}

/* The sound ones are a majority, and hear each other: they find out, if they can. */
void spoilt_find(struct cluster *cluster)
{
    if (!somebody_is_spoilt(cluster)) {
        return;
    }
    faults_mend_all(&cluster->faults);
    world_run_until(&cluster->world, cluster_awake_at_us(cluster));
    cluster->undecided_us = 0;
    cluster_wait(cluster, spoilt_are_dealt_with);
    if (!cluster->world.failed && somebody_is_spoilt(cluster)) {
        decide_for_them(cluster);
    }
}

static bool all_are_borne_out(struct cluster *cluster)
{
    if (!somebody_has_copy(cluster) && cluster->asked == NULL) {
        return true;
    }
    if (cluster_serves(cluster)) {
        cluster->majority_serves = false;
    }
    return false;
}

/* Where all voters are there, each state counts again, wherever it came from, once it was compared.
 */
void spoilt_wait_until_borne_out(struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->plan.node_count; i++) {
        if (cluster->nodes[i].is_wiped) {
            return;
        }
    }
    cluster->majority_serves = false;
    cluster_wait(cluster, all_are_borne_out);
}
