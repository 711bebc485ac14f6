/*
 * nodes.h - every node of a cluster asked for its status, all at the same time: the endpoints that
 * were given, and from what they answer the other members. And asked for anything else.
 *
 * Bounds: each question takes as long as it may, and there are two rounds of them, three where
 * nobody who was asked first knows the leader.
 */
#ifndef CLUSTER_NODES_H
#define CLUSTER_NODES_H

#include "verb.h"

#define NODES_MOST (LIMIT_CLIENT_GIVEN_ENDPOINTS + LIMIT_NODES)

struct node_answer {
    char *endpoint;    /* "": a member whose client address nobody knows; it was not asked */
    uint64_t node_id;  /* as it says, or as the others say of this address; 0: not known */
    hf_status *status; /* NULL: not asked */
};

struct nodes {
    struct node_answer items[NODES_MOST]; /* the given endpoints first, in their order */
    size_t count;
};

/* Asks. The client is open. Fills what nodes_free frees. */
void nodes_ask(struct nodes *nodes, hf_client *client, const struct endpoints *endpoints,
               uint32_t timeout_ms);
void nodes_free(struct nodes *nodes);

/* Calls `ask` with each of so many items, NODES_MOST at most, all at the same time; returns when
 * all calls have. The items are apart: none is touched by two. */
void nodes_ask_each(void (*ask)(void *item), void *items, size_t count, size_t item_bytes);

bool node_answered(const struct node_answer *answer);
/* Who leads, by its own word, in the highest term; NULL: nobody who answered. */
const hf_status *nodes_leader(const struct nodes *nodes);
/* Whose list of members counts: the leader's, else that of the node that knows of most commits;
 * NULL: nobody answered. */
const hf_status *nodes_authority(const struct nodes *nodes);

/* Where clients reach this node: as it was asked, if it answered there; "": nobody knows. */
const char *nodes_endpoint_of(const struct nodes *nodes, uint64_t node_id);

/* NULL: no member. */
const hf_member *member_of(const hf_status *status, uint64_t node_id);
/* The voter, other than this one, that the leader has heard from and that has most of the log. 0:
 * there is none. */
uint64_t nodes_best_voter(const hf_status *leader);

#endif
