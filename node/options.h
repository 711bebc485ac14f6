/*
 * options.h - what holdfastd can be told: as a flag (--name VALUE or --name=VALUE), as
 * HOLDFAST_NAME in the environment, or as `name = value` in the file that --config names. A flag
 * counts before the environment, the environment before the file.
 *
 * Ownership: options own their strings until options_free.
 * Errors: an unknown name, a value that does not parse, or something needed that is missing: false,
 * with the name and where it stood.
 */
#ifndef NODE_OPTIONS_H
#define NODE_OPTIONS_H

#include "base/error.h"
#include "base/limits.h"
#include "log.h"
#include "raft/replica.h"

struct node_options {
    uint64_t id; /* 0: as the data directory says (identity.h) */
    char *data;
    char *client_address;    /* where clients connect */
    char *peer_address;      /* where other nodes connect; default: advertise_peer. NULL: as the
                                members' list on disk says */
    char *advertise_client;  /* what others are told; default: client_address */
    char *advertise_peer;    /* default: as in the initial cluster, else peer_address. NULL: as on
                                disk */
    char *initial_cluster;   /* NULL: not given */
    uint64_t cluster_id;     /* 0: not given */
    char *force_new_cluster; /* a directory to make, instead of running (recovery.h); NULL: run */
    uint64_t confirmed_cluster_id;
    uint32_t election_timeout_ms;
    uint32_t heartbeat_ms;
    uint64_t disk_reserve_bytes;
    enum log_level log_level;
    uint64_t snapshot_log_entries; /* a snapshot when the log has grown by this, */
    uint64_t snapshot_log_bytes;   /* or by this */
    uint64_t held_log_bytes;       /* while another node fetches a state: not before this */
    uint64_t log_segment_bytes;
    uint64_t snapshot_rate_bytes;               /* per second; 0: no limit */
    struct replica_member members[LIMIT_NODES]; /* parsed from initial_cluster: may be none */
    size_t member_count;
};

enum options_outcome { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_REFUSED };

enum options_outcome options_read(struct node_options *options, int argc, char **argv,
                                  struct error *error);
/* True, and words, for options that are allowed but can hardly be meant. */
bool options_doubt(const struct node_options *options, struct error *doubt);
void options_free(struct node_options *options);
void options_print_help(void);

#endif
