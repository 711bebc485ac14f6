/*
 * transport_private.h - what the parts of the transport share: transport.c (open, close, timers,
 * sending), peers.c (who is a peer), accept.c (who comes to us), dial.c (whom we go to), bulk.c
 * (checkpoints, both ways).
 */
#ifndef RAFT_TRANSPORT_PRIVATE_H
#define RAFT_TRANSPORT_PRIVATE_H

#include <sys/queue.h>
#include <uv.h>

#include "base/address.h"
#include "base/random.h"
#include "connection.h"
#include "raft/transport.h"

/* What one gathered write can have: the limit, or one frame that alone exceeds it. */
#define TRANSPORT_PARTS (LIMIT_PEER_WRITE_PARTS + LIMIT_APPEND_ENTRIES + 1)
#define NO_DEADLINE     UINT64_MAX

/* dial.c has the transitions. */
enum dial_state {
    DIAL_WAITING = 1, /* until deadline_ms */
    DIAL_RESOLVING,   /* its host name is being looked up; no deadline, the resolver has its own */
    DIAL_CONNECTING,  /* to candidates[candidate_next - 1] */
    DIAL_GREETING,    /* hello sent */
    DIAL_CONNECTED,   /* welcome: messages may be sent */
};

/* bulk.c: a connection each way for what is too large to wait behind. */
enum bulk_state {
    BULK_NONE,
    BULK_CONNECTING,
    BULK_GREETING, /* hello sent */
    BULK_CONNECTED,
};

struct bulk {
    enum bulk_state state;
    uint64_t deadline_ms;
    struct connection *outgoing; /* all states but NONE */
    struct frame *question;      /* leaves once it is CONNECTED; NULL: none waits */

    struct connection *incoming;
    uint64_t incoming_session;
    uint64_t incoming_number;
};

/* A host name that is being looked up; libuv has it until it calls back. */
struct dial_lookup {
    uv_getaddrinfo_t request;
    struct transport *transport;
    struct peer *peer; /* NULL: it is not wanted any more */
};

struct peer {
    struct transport *transport;
    uint64_t id;    /* 0: the place is free */
    bool is_member; /* else a guest: peers.c */
    char address_text[LIMIT_ADDRESS_BYTES + 1];
    struct address address;
    bool has_address; /* else it is not dialled */

    /* dial.c: our connection to the peer */
    enum dial_state state;
    uint64_t deadline_ms;
    struct connection *outgoing; /* CONNECTING, GREETING, CONNECTED */
    struct dial_lookup *lookup;  /* RESOLVING */
    struct sockaddr_storage candidates[LIMIT_PEER_CANDIDATES];
    size_t candidate_count;
    size_t candidate_next;
    uint64_t attempt_ms; /* when the last attempt began */
    unsigned failures;
    uint64_t connected_ms;
    char told[LIMIT_PEER_REASON_BYTES + 1]; /* the last reason why it is not connected */

    /* accept.c: the peer's connection to us */
    struct connection *incoming;
    uint64_t incoming_session;
    uint64_t incoming_number;
    uint64_t incoming_incarnation;

    struct bulk bulk;

    char client_address[LIMIT_ADDRESS_BYTES + 1]; /* from its last hello; empty: none yet */
};

TAILQ_HEAD(connection_list, connection);

struct transport {
    uv_loop_t *loop;
    struct transport_events events;
    struct hello self; /* to_node_id and connection are filled in for each hello */

    uv_tcp_t listener;
    uv_timer_t timer;     /* the nearest of all deadlines */
    uv_prepare_t prepare; /* the end of a turn: what was queued in it leaves */
    struct connection_list dirty;
    uv_buf_t parts[TRANSPORT_PARTS];

    struct connection_list strangers; /* in the order of their deadlines */
    size_t stranger_count;
    uint64_t report_window_ms;
    unsigned reports_in_window;
    char report_last[LIMIT_PEER_REASON_BYTES + 1];
    uint64_t report_last_ms;

    struct random random; /* spreads retries */
    uint64_t connections_made;
    struct transport_statistics statistics;

    bool closing;
    size_t held; /* handles and requests that libuv still has */
    void (*closed)(void *context);
    void *closed_context;

    size_t peer_count;
    struct peer *peers;
};

/* peers.c */
void peers_open(struct transport *transport);
/* NULL: none has this id. */
struct peer *transport_find_peer(const struct transport *transport, uint64_t id);
/* The peer that an acceptable hello is from, known already or new: a guest. NULL and why: there is
 * no room. */
struct peer *peers_host(struct transport *transport, const struct hello *theirs, struct error *why);
/* A connection with the peer has ended: a guest may be gone behind this. */
void peer_rest(struct peer *peer);

/* transport.c */
void transport_hold(struct transport *transport);
void transport_let_go(struct transport *transport);
void transport_flush_soon(struct transport *transport);
/* Call after any deadline has changed. */
void transport_arm_timer(struct transport *transport);
/* Asks the owner about a hello that is right in all else. *removed_index: not 0 if it is refused
 * because the node was removed. */
bool transport_admits(struct transport *transport, const struct hello *theirs,
                      uint64_t *removed_index, struct error *why);
void transport_keep_client_address(struct peer *peer, const struct hello *hello);

/* What somebody who reached our port, or a peer, did wrong: for the log, within limits (accept.c).
 */
void transport_report(struct transport *transport, const char *who, const char *reason);

/* accept.c */
int accept_begin(struct transport *transport);
void accept_expire(struct transport *transport, uint64_t now_ms);
uint64_t accept_deadline(const struct transport *transport);
void accept_close(struct transport *transport);

/* dial.c */
void dial_begin(struct peer *peer);
void dial_expire(struct peer *peer, uint64_t now_ms);
void dial_hurry(struct peer *peer);
void dial_close(struct peer *peer);
/* The connection to the peer that owns it stands: begins to read, and says hello. False: it has
 * failed. */
bool dial_greet(struct connection *connection, enum hello_purpose purpose);
/* Is the answer to our hello one of the peer we mean, and admitted? */
bool dial_accepts(struct peer *peer, const struct hello *theirs, struct error *why);
/* Where the peer was reached; NULL while it is not connected. */
const struct sockaddr *dial_reached(const struct peer *peer);

/* bulk.c */
void bulk_begin(struct peer *peer);
/* Takes the frame over. False: it is dropped. */
bool bulk_ask(struct peer *peer, struct frame *question);
bool bulk_give(struct peer *peer, struct frame *part);
bool bulk_is_older(const struct peer *peer, const struct hello *hello);
/* A connection that the peer has made for it: its messages are bulk.c's from now on. */
void bulk_take(struct peer *peer, struct connection *connection, const struct hello *hello);
void bulk_expire(struct peer *peer, uint64_t now_ms);
void bulk_close(struct peer *peer);

#endif
