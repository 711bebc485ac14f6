/*
 * client.h - a client of the cluster that records what it saw: each call is an invocation and a
 * completion in the history, under a process of its own.
 *
 * Nothing is retried silently: by default an attempt that may have been executed is not repeated
 * and is an info; a client made with `resends` leaves repetition to the library, as order services
 * do, and the history has `:attempts`. After an info the client goes on as a new process.
 *
 * ok, fail, info: HF_OK is ok; another verdict of the ledger is a fail with a verdict; of negative
 * ones HF_OUTCOME_UNKNOWN and what may have been executed are info, the rest a fail with an error.
 * A read that got no answer is a fail. Repeated reads are one operation: nothing is executed.
 *
 * Identities: a command that only a request id tells from its repetition gets one here where it
 * names none, for the history has to name what was sent.
 *
 * Threads: one client, one thread; any number of clients on one recorder. Ownership: answers belong
 * to the client and live until its next call.
 */
#ifndef JEPSEN_CLIENT_H
#define JEPSEN_CLIENT_H

#include <stdatomic.h>

#include "base/random.h"
#include "recorder.h"

struct client_options {
    struct recorder *recorder;
    atomic_uint *processes; /* the next process' number; shared by all clients of a run */
    const char *endpoints;
    uint32_t timeout_ms;
    bool resends;
    uint64_t seed;
};

struct client;

struct client *client_open(const struct client_options *options, struct error *error);
void client_close(struct client *client);
struct random *client_random(struct client *client);
/* Ends the library's client and goes on with another, as a program that has been restarted. False:
 * there can't be another, and it stays as it is. */
bool client_reopen(struct client *client, struct error *error);
/* The cluster's members have changed: the same, with these; nothing, where it has them already. */
bool client_set_endpoints(struct client *client, const char *endpoints, struct error *error);
/* The largest log index that it has been told; 0: none. */
uint64_t client_log_index(const struct client *client);
/* Operations that it has recorded; any thread. */
uint64_t client_operations(const struct client *client);

enum client_outcome { CLIENT_OK, CLIENT_REFUSED, CLIENT_FAILED, CLIENT_UNKNOWN };

/* A command; recorded, and answered in *answer (NULL where there was none). */
enum client_outcome client_command(struct client *client, const hf_command *command,
                                   const hf_result **answer);
enum client_outcome client_read_stock(struct client *client, const hf_line *stocks, size_t count,
                                      const hf_call_options *options, const hf_stock_list **answer);
enum client_outcome client_check_stock(struct client *client, const hf_line *lines, size_t count,
                                       const hf_call_options *options,
                                       const hf_availability **answer);
enum client_outcome client_read_order(struct client *client, const char *order,
                                      const hf_call_options *options, const hf_order **answer);
/* All pages, as one operation, at one index or later ones; recorded with the last page's index.
 * row_count may be NULL. */
enum client_outcome client_read_history(struct client *client, const char *sku, uint32_t warehouse,
                                        uint32_t *row_count);
/* One node's digest at exactly this index, recomputed from its records (hf_verify_at); 0: at what
 * it has applied. Look at `sound` too: a node whose records break an invariant may be equal to
 * others that do. */
enum client_outcome client_read_digest(struct client *client, uint32_t node, const char *endpoint,
                                       uint64_t at_index, uint32_t timeout_ms,
                                       const hf_verification **answer);

#endif
