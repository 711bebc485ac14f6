/*
 * nodes.c - rounds of questions: a thread for each, since the library's calls wait.
 *
 * What can fail: a thread that can't be started, whose question is then asked here, one after the
 * other; and every answer, which is the caller's to tell.
 */
#include "nodes.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

/* ---- at the same time ---- */

struct asking {
    void (*ask)(void *item);
    void *item;
    pthread_t thread;
    bool has_thread;
};

static void *run(void *argument)
{
    struct asking *asking = argument;
    asking->ask(asking->item);
    return NULL;
}

void nodes_ask_each(void (*ask)(void *item), void *items, size_t count, size_t item_bytes)
{
    struct asking askings[NODES_MOST];
    assert(count <= NODES_MOST);
    for (size_t i = 0; i < count; i++) {
        struct asking *asking = &askings[i];
        *asking = (struct asking){.ask = ask, .item = (char *)items + i * item_bytes};
        asking->has_thread = pthread_create(&asking->thread, NULL, run, asking) == 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (askings[i].has_thread) {
            int rc = pthread_join(askings[i].thread, NULL);
            assert(rc == 0); /* it is ours, and joined once */
        } else {
            run(&askings[i]);
        }
    }
}

/* ---- for their status ---- */

struct question {
    hf_client *client;
    struct node_answer *answer;
    uint32_t timeout_ms;
};

static void ask_status(void *item)
{
    const struct question *question = item;
    struct node_answer *answer = question->answer;
    const hf_call_options options = {.timeout_ms = question->timeout_ms};
    if (hf_get_status(question->client, answer->endpoint, &options, &answer->status) == HF_OK) {
        answer->node_id = answer->status->node_id;
    }
}

/* Those from `first` on that have an address. */
static void ask_from(struct nodes *nodes, size_t first, hf_client *client, uint32_t timeout_ms)
{
    struct question questions[NODES_MOST];
    size_t count = 0;
    for (size_t i = first; i < nodes->count; i++) {
        if (nodes->items[i].endpoint[0] != '\0') {
            questions[count++] = (struct question){client, &nodes->items[i], timeout_ms};
        }
    }
    nodes_ask_each(ask_status, questions, count, sizeof questions[0]);
}

static void add(struct nodes *nodes, const char *endpoint, uint64_t node_id)
{
    assert(nodes->count < NODES_MOST);
    nodes->items[nodes->count++] =
        (struct node_answer){.endpoint = memory_strdup(endpoint), .node_id = node_id};
}

/* The answer of this member, by its id, or by the address that was asked. */
static struct node_answer *find_member(struct nodes *nodes, const hf_member *member)
{
    for (size_t i = 0; i < nodes->count; i++) {
        struct node_answer *answer = &nodes->items[i];
        if (answer->node_id == member->node_id ||
            (!node_answered(answer) && answer->endpoint[0] != '\0' &&
             strcmp(answer->endpoint, member->client_address) == 0)) {
            return answer;
        }
    }
    return NULL;
}

/* Where the others connect to this member, as anybody who answered has heard it. */
static const char *client_address_of(const struct nodes *nodes, const hf_member *member)
{
    const char *address = member->client_address;
    for (size_t i = 0; i < nodes->count && address[0] == '\0'; i++) {
        const struct node_answer *answer = &nodes->items[i];
        const hf_member *same =
            node_answered(answer) ? member_of(answer->status, member->node_id) : NULL;
        address = same != NULL ? same->client_address : "";
    }
    return address;
}

/* The members that were not asked yet. */
static void add_members(struct nodes *nodes, const hf_status *authority)
{
    for (size_t i = 0; i < authority->member_count && nodes->count < NODES_MOST; i++) {
        const hf_member *member = &authority->members[i];
        struct node_answer *answer = find_member(nodes, member);
        if (answer != NULL) {
            answer->node_id = member->node_id;
        } else {
            add(nodes, client_address_of(nodes, member), member->node_id);
        }
    }
}

void nodes_ask(struct nodes *nodes, hf_client *client, const struct endpoints *endpoints,
               uint32_t timeout_ms)
{
    enum { ROUNDS = 3 };
    *nodes = (struct nodes){0};
    for (size_t i = 0; i < endpoints->count; i++) {
        add(nodes, endpoints->each[i], 0);
    }
    size_t asked = 0;
    for (int round = 0; round < ROUNDS && asked < nodes->count; round++) {
        ask_from(nodes, asked, client, timeout_ms);
        asked = nodes->count;
        const hf_status *authority = nodes_authority(nodes);
        if (authority != NULL) {
            add_members(nodes, authority);
        }
    }
}

void nodes_free(struct nodes *nodes)
{
    for (size_t i = 0; i < nodes->count; i++) {
        free(nodes->items[i].endpoint);
        hf_free(nodes->items[i].status);
    }
    *nodes = (struct nodes){0};
}

bool node_answered(const struct node_answer *answer)
{
    return answer->status != NULL && answer->status->verdict == HF_OK;
}

const char *nodes_endpoint_of(const struct nodes *nodes, uint64_t node_id)
{
    const char *endpoint = "";
    for (size_t i = 0; i < nodes->count; i++) {
        const struct node_answer *answer = &nodes->items[i];
        if (answer->node_id == node_id && (endpoint[0] == '\0' || node_answered(answer))) {
            endpoint = answer->endpoint;
        }
    }
    return endpoint;
}

const hf_status *nodes_leader(const struct nodes *nodes)
{
    const hf_status *leader = NULL;
    for (size_t i = 0; i < nodes->count; i++) {
        const struct node_answer *answer = &nodes->items[i];
        if (node_answered(answer) && answer->status->state == HF_SERVER_LEADER &&
            (leader == NULL || answer->status->term > leader->term)) {
            leader = answer->status;
        }
    }
    return leader;
}

const hf_status *nodes_authority(const struct nodes *nodes)
{
    const hf_status *authority = nodes_leader(nodes);
    for (size_t i = 0; i < nodes->count && nodes_leader(nodes) == NULL; i++) {
        const struct node_answer *answer = &nodes->items[i];
        if (node_answered(answer) &&
            (authority == NULL || answer->status->commit_index > authority->commit_index)) {
            authority = answer->status;
        }
    }
    return authority;
}

const hf_member *member_of(const hf_status *status, uint64_t node_id)
{
    for (size_t i = 0; i < status->member_count; i++) {
        if (status->members[i].node_id == node_id) {
            return &status->members[i];
        }
    }
    return NULL;
}

uint64_t nodes_best_voter(const hf_status *leader)
{
    const hf_member *best = NULL;
    for (size_t i = 0; i < leader->member_count; i++) {
        const hf_member *member = &leader->members[i];
        if (member->node_id != leader->node_id && member->role == HF_ROLE_VOTER && member->heard &&
            (best == NULL || member->match_index > best->match_index)) {
            best = member;
        }
    }
    return best != NULL ? best->node_id : 0;
}
