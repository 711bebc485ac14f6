/*
 * endpoints.h - which node to ask next. Pure: no clock, no I/O; connections are somebody else's.
 *
 * There is one preferred endpoint, the leader as far as is known. A reply that names the leader
 * moves it there; a failure of the preferred one moves it on. An endpoint that failed is suspect
 * for a while, which doubles with each further failure: it is not chosen while another can be, and
 * not preferred because somebody names it, for nodes go on naming a leader that has just died.
 *
 * Any node takes any call, so a wrong choice costs a detour and never an answer.
 *
 * Invariants: `preferred` is an entry; given endpoints are never dropped; at most
 * LIMIT_CLIENT_ENDPOINTS entries. Threads: one at a time. Clock: milliseconds, monotonic.
 */
#ifndef CLIENT_ENDPOINTS_H
#define CLIENT_ENDPOINTS_H

#include "base/error.h"
#include "base/limits.h"

#include <stddef.h>
#include <stdint.h>

enum endpoint_origin {
    ENDPOINT_GIVEN,  /* by the program: always kept */
    ENDPOINT_LEADER, /* named by a node: kept while there is room */
    ENDPOINT_ASKED,  /* asked for its own status: never chosen for a call that any node may take */
};

struct endpoint {
    char address[LIMIT_ADDRESS_BYTES + 1];
    enum endpoint_origin origin;
    uint32_t failures; /* in a row */
    uint64_t failed_at_ms;
    uint64_t suspect_until_ms;
    uint64_t used_at_ms;
    uint32_t calls;   /* in flight: not dropped while there are any */
    void *connection; /* the caller's; NULL at first */
};

struct endpoints {
    struct endpoint items[LIMIT_CLIENT_ENDPOINTS];
    size_t count;
    size_t preferred;
};

#define ENDPOINT_NONE SIZE_MAX

/* Takes "host:port,host:port" apart; what stands between the commas is checked only for length. A
 * repeated address counts once. `random` picks the first to prefer, so that many clients spread. */
bool endpoints_init(struct endpoints *endpoints, const char *list, uint64_t random,
                    struct error *error);

/* The endpoint for the next attempt. */
size_t endpoints_choose(const struct endpoints *endpoints, uint64_t now_ms);
/* For calls that need not go to the leader: beginning anywhere. */
size_t endpoints_choose_any(const struct endpoints *endpoints, uint64_t random, uint64_t now_ms);

/* The entry of an address; NONE: there is none. */
size_t endpoints_lookup(const struct endpoints *endpoints, const char *address);

/* The entry of an address, made if need be, in place of the one unused for longest where the table
 * is full; that one's connection is handed back in *dropped (else NULL) for the caller to close.
 * NONE: too long, or no place. */
size_t endpoints_find(struct endpoints *endpoints, const char *address, enum endpoint_origin origin,
                      uint64_t now_ms, void **dropped);

/* A call begins and ends on it. */
void endpoints_begin(struct endpoints *endpoints, size_t index, uint64_t now_ms);
/* It gave an answer. */
void endpoints_answered(struct endpoints *endpoints, size_t index);
/* It did not, or it could not help. One failure counts once, however many calls it ended: those
 * that began before the last failure was seen say nothing new. */
void endpoints_failed(struct endpoints *endpoints, size_t index, uint64_t began_at_ms,
                      uint64_t now_ms);
void endpoints_end(struct endpoints *endpoints, size_t index);

/* A node names the entry as the leader: it is preferred from now on, unless it is suspect. */
void endpoints_leader_named(struct endpoints *endpoints, size_t index, uint64_t now_ms);

#endif
