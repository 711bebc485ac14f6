/*
 * stand_in_cluster.c - libholdfast's calls on nodes and members, for the verbs' tests:
 * stand_in_client.c is the ledger.
 *
 * A cluster: ports 101, 102, ... are nodes 1, 2, ...; 1 leads, 4 is a standby that lacks much of
 * the log, less each time that somebody looks (never with STAND_IN_STUCK), and is refused its vote
 * so often besides (STAND_IN_REFUSALS); 3 is not there.
 *
 * Nodes: those with an odd port answer, and those of the cluster above; port 5 has another digest,
 * port 7 a violation, port 15 another digest than it keeps; port 11 stands at another index than
 * the others, where it may; port 13 has passed what is less than 100. STAND_IN_MEMBERS: the ports
 * of the members, ids from 1; STAND_IN_LEADER: one of them. Any other port is then no member's, and
 * tells of them.
 */
#include <assert.h>
#include <holdfast/holdfast.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"

/* ---- members ---- */

enum { CLUSTER_PORT = 100, CLUSTER_MOST = 9, LAST_INDEX = 10000 };

static struct {
    pthread_mutex_t lock;
    hf_member members[CLUSTER_MOST];
    size_t count;
    uint64_t leader_id;
    uint64_t term;
    int refusals; /* of a standby that is near enough */
} stand_in_cluster = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .members = {{1, HF_ROLE_VOTER, "h:1", "127.0.0.1:101", true, LAST_INDEX, true, 0},
                {2, HF_ROLE_VOTER, "h:2", "127.0.0.1:102", true, LAST_INDEX, true, 17},
                {3, HF_ROLE_VOTER, "h:3", "", false, 9000, true, 60000},
                {4, HF_ROLE_STANDBY, "h:4", "127.0.0.1:104", true, 4000, true, 18}},
    .count = 4,
    .leader_id = 1,
    .term = 3,
};

/* Under the lock. */
static hf_member *cluster_member(uint64_t id)
{
    for (size_t i = 0; i < stand_in_cluster.count; i++) {
        if (stand_in_cluster.members[i].node_id == id) {
            return &stand_in_cluster.members[i];
        }
    }
    return NULL;
}

static const hf_member *copy_members(void)
{
    /* Kept to the end: what is handed out is one block each, and this is none of them. */
    static hf_member copies[1024][CLUSTER_MOST];
    static size_t used;
    assert(used < 1024);
    memcpy(copies[used], stand_in_cluster.members, sizeof copies[used]);
    return copies[used++];
}

static void fill_cluster_status(hf_status *status, uint64_t id)
{
    pthread_mutex_lock(&stand_in_cluster.lock);
    status->node_id = id;
    status->state = id == stand_in_cluster.leader_id ? HF_SERVER_LEADER : HF_SERVER_FOLLOWER;
    status->term = stand_in_cluster.term;
    status->commit_index = status->last_index = LAST_INDEX;
    status->applied_index = id == 4 ? 4000 : LAST_INDEX;
    status->members = copy_members();
    status->member_count = stand_in_cluster.count;
    hf_member *standby = cluster_member(4);
    if (id == stand_in_cluster.leader_id && standby != NULL && getenv("STAND_IN_STUCK") == NULL) {
        standby->match_index += (LAST_INDEX - standby->match_index) * 3 / 4;
    }
    pthread_mutex_unlock(&stand_in_cluster.lock);
}

static hf_membership *membership(hf_verdict verdict, const char *message, bool unchanged)
{
    hf_membership *answer = memory_zalloc(sizeof *answer);
    *answer = (hf_membership){.verdict = verdict,
                              .message = message,
                              .unchanged = unchanged,
                              .log_index = LAST_INDEX + 1,
                              .cluster_id = "00000000000000c1",
                              .member_count = stand_in_cluster.count,
                              .members = copy_members()};
    return answer;
}

hf_verdict hf_add_server(hf_client *client, uint64_t node_id, const char *peer_address,
                         const hf_call_options *options, hf_membership **out)
{
    (void)client;
    (void)options;
    pthread_mutex_lock(&stand_in_cluster.lock);
    const hf_member *member = cluster_member(node_id);
    if (member != NULL && strcmp(member->peer_address, peer_address) != 0) {
        *out = membership(HF_REFUSED, "a member already", false);
    } else if (member != NULL) {
        *out = membership(HF_OK, "done", true);
    } else if (node_id == 8) {
        *out = membership(HF_OUTCOME_UNKNOWN, "leadership was lost", false);
    } else {
        stand_in_cluster.members[stand_in_cluster.count++] =
            (hf_member){.node_id = node_id,
                        .role = HF_ROLE_STANDBY,
                        .peer_address = peer_address,
                        .client_address = ""};
        *out = membership(HF_OK, "done", false);
    }
    pthread_mutex_unlock(&stand_in_cluster.lock);
    return (*out)->verdict;
}

hf_verdict hf_promote_server(hf_client *client, uint64_t node_id, const hf_call_options *options,
                             hf_membership **out)
{
    (void)client;
    (void)options;
    pthread_mutex_lock(&stand_in_cluster.lock);
    hf_member *member = cluster_member(node_id);
    if (member == NULL) {
        *out = membership(HF_REFUSED, "no member: add it first", false);
    } else if (member->role == HF_ROLE_VOTER) {
        *out = membership(HF_OK, "done", true);
    } else if (LAST_INDEX - member->match_index > LIMIT_PROMOTION_LAG) {
        *out = membership(HF_REFUSED, "lacks too much", false);
    } else if (getenv("STAND_IN_REFUSALS") != NULL &&
               stand_in_cluster.refusals++ < atoi(getenv("STAND_IN_REFUSALS"))) {
        *out = membership(HF_REFUSED, "has not registered its data directory", false);
    } else {
        member->role = HF_ROLE_VOTER;
        *out = membership(HF_OK, "done", false);
    }
    pthread_mutex_unlock(&stand_in_cluster.lock);
    return (*out)->verdict;
}

hf_verdict hf_remove_server(hf_client *client, uint64_t node_id, const hf_call_options *options,
                            hf_membership **out)
{
    (void)client;
    (void)options;
    pthread_mutex_lock(&stand_in_cluster.lock);
    hf_member *member = cluster_member(node_id);
    if (member == NULL) {
        *out = membership(HF_OK, "done", true);
    } else if (node_id == stand_in_cluster.leader_id) {
        *out = membership(HF_REFUSED, "leads: hand over first", false);
    } else {
        *member = stand_in_cluster.members[--stand_in_cluster.count];
        *out = membership(HF_OK, "done", false);
    }
    pthread_mutex_unlock(&stand_in_cluster.lock);
    return (*out)->verdict;
}

hf_verdict hf_transfer_leadership(hf_client *client, uint64_t node_id,
                                  const hf_call_options *options, hf_leadership **out)
{
    (void)client;
    (void)options;
    assert(node_id != 0); /* the verb chooses, so that it can be asked for twice */
    *out = memory_zalloc(sizeof **out);
    pthread_mutex_lock(&stand_in_cluster.lock);
    const hf_member *member = cluster_member(node_id);
    bool may_lead = member != NULL && member->role == HF_ROLE_VOTER;
    (*out)->verdict = may_lead ? HF_OK : HF_REFUSED;
    (*out)->message = may_lead ? "done" : "has no vote";
    (*out)->unchanged = node_id == stand_in_cluster.leader_id;
    if (may_lead && !(*out)->unchanged) {
        stand_in_cluster.leader_id = node_id;
        stand_in_cluster.term++;
    }
    (*out)->leader_id = stand_in_cluster.leader_id;
    (*out)->term = stand_in_cluster.term;
    (*out)->leader_client_address = "";
    pthread_mutex_unlock(&stand_in_cluster.lock);
    return (*out)->verdict;
}

/* ---- nodes ---- */

static int port_of(const char *endpoint)
{
    const char *colon = strrchr(endpoint, ':');
    return colon != NULL ? atoi(colon + 1) : 0;
}

enum { OUTSIDER_ID = 99 };

static hf_member members[9];
static char member_addresses[9][32];

static size_t fill_members(void)
{
    const char *ports = getenv("STAND_IN_MEMBERS");
    size_t count = 0;
    for (; ports != NULL && *ports != '\0' && count < 9; count++) {
        char *end;
        long port = strtol(ports, &end, 10);
        ports = *end == ',' ? end + 1 : end;
        if (port != 0) { /* 0: not heard of */
            snprintf(member_addresses[count], sizeof member_addresses[0], "127.0.0.1:%ld", port);
        }
        members[count] = (hf_member){.node_id = count + 1,
                                     .role = HF_ROLE_VOTER,
                                     .peer_address = "127.0.0.1:9",
                                     .client_address = member_addresses[count],
                                     .connected = true,
                                     .match_index = 12};
    }
    return count;
}

/* As one of STAND_IN_MEMBERS, or none of them. */
static void fill_member_status(hf_status *status, size_t count, int port)
{
    const char *leader = getenv("STAND_IN_LEADER");
    status->node_id = OUTSIDER_ID;
    for (size_t i = 0; i < count; i++) {
        if (port_of(members[i].client_address) == port) {
            status->node_id = members[i].node_id;
        }
    }
    status->state = leader != NULL && atoi(leader) == port ? HF_SERVER_LEADER : HF_SERVER_FOLLOWER;
}

hf_verdict hf_get_status(hf_client *client, const char *endpoint, const hf_call_options *options,
                         hf_status **out)
{
    (void)client;
    (void)options;
    static const hf_member member = {.node_id = 1,
                                     .role = HF_ROLE_VOTER,
                                     .peer_address = "127.0.0.1:9",
                                     .client_address = "",
                                     .connected = true,
                                     .match_index = 12,
                                     .heard = true};
    static char leader[32];
    int port = port_of(endpoint);
    bool is_of_cluster = port > CLUSTER_PORT && port <= CLUSTER_PORT + CLUSTER_MOST;
    bool answers = port % 2 == 1 || is_of_cluster;
    pthread_mutex_lock(&stand_in_cluster.lock);
    size_t told = fill_members();
    if (getenv("STAND_IN_LEADER") != NULL) {
        snprintf(leader, sizeof leader, "127.0.0.1:%s", getenv("STAND_IN_LEADER"));
    }
    pthread_mutex_unlock(&stand_in_cluster.lock);
    hf_status *status = memory_zalloc(sizeof *status);
    *status = (hf_status){.verdict = answers ? HF_OK : HF_UNREACHABLE,
                          .message = answers ? "done" : "connection refused",
                          .cluster_id = "c",
                          .node_id = 1,
                          .incarnation = "i",
                          .refuses = "",
                          .version = "0",
                          .state = HF_SERVER_LEADER,
                          .term = 3,
                          .leader_client_address = leader,
                          .last_index = 12,
                          .digest = "00",
                          .clock_warning = "",
                          .digest_alarm = port == 9 ? "they differ" : "",
                          .member_count = told != 0 ? told : 1,
                          .members = told != 0 ? members : &member};
    if (told != 0) {
        fill_member_status(status, told, port);
    }
    if (is_of_cluster) {
        fill_cluster_status(status, (uint64_t)(port - CLUSTER_PORT));
    }
    if (out != NULL) {
        *out = status;
    } else {
        free(status);
    }
    return answers ? HF_OK : HF_UNREACHABLE;
}

/* Knows versions up to 3. */
hf_verdict hf_raise_ledger_version(hf_client *client, uint32_t to, const hf_call_options *options,
                                   hf_upgrade **out)
{
    (void)client;
    (void)options;
    *out = memory_zalloc(sizeof **out);
    **out = (hf_upgrade){.verdict = to <= 3 ? HF_OK : HF_REFUSED,
                         .message = to <= 3 ? "done" : "node 2 knows 3",
                         .ledger_version = to != 0 ? to : 3,
                         .unchanged = to == 1,
                         .log_index = 99};
    return (*out)->verdict;
}

hf_verdict hf_take_snapshot(hf_client *client, const char *endpoint, const hf_call_options *options,
                            hf_snapshot **out)
{
    (void)client;
    (void)options;
    int port = port_of(endpoint);
    hf_verdict verdict = port % 2 == 1 ? HF_OK : HF_UNREACHABLE;
    *out = memory_zalloc(sizeof **out);
    **out =
        (hf_snapshot){.verdict = verdict,
                      .message = verdict == HF_OK ? "done" : "another node fetches the snapshot",
                      .node_id = (uint64_t)port,
                      .snapshot_index = 4711};
    return verdict;
}

/* Called from several threads. */
hf_verdict hf_verify_at(hf_client *client, const char *endpoint, uint64_t at_index,
                        const hf_call_options *options, hf_verification **out)
{
    (void)client;
    (void)options;
    static const char *const texts[] = {"on_hand of \"x\" is -1"};
    int port = port_of(endpoint);
    hf_verdict verdict = port % 2 == 1 ? HF_OK : HF_UNREACHABLE;
    const char *digest = port == 5 ? "bb" : "aa";
    if (port == 13 && at_index != 0 && at_index < 100) {
        verdict = HF_INVALID_ARGUMENT;
    }
    *out = memory_zalloc(sizeof **out);
    **out = (hf_verification){.verdict = verdict,
                              .message = verdict == HF_OK            ? "done"
                                         : verdict == HF_UNREACHABLE ? "connection refused"
                                                                     : "it is passed",
                              .sound = port != 7 && port != 15,
                              .applied_index = at_index != 0 ? at_index
                                               : port == 11  ? 13
                                                             : 12,
                              .digest = port == 15 ? "cc" : digest,
                              .recomputed_digest = digest,
                              .violation_count = port == 7,
                              .violation_text_count = port == 7,
                              .violations = texts};
    return verdict;
}
