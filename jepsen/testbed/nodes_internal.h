/*
 * nodes_internal.h - what nodes.c (lives and disks), nodes_spawn.c (processes) and nodes_ask.c
 * (questions) share.
 */
#ifndef JEPSEN_NODES_INTERNAL_H
#define JEPSEN_NODES_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "disk.h"
#include "nodes.h"

struct node {
    enum node_life life;
    bool joins;        /* it did not found the cluster */
    pid_t pid;         /* RUNNING, PAUSED */
    int exit_status;   /* of its last end; 0: none yet */
    bool by_itself;    /* ... which nobody had told it to */
    struct disk disk;  /* path NULL: none of its own */
    char *directory;   /* the disk's mount, or a plain directory */
    char *data;        /* in it */
    char *log;         /* files in the store */
    char *disk_faults; /* control files */
    char *clock;
    char endpoint[32];
    char peer_address[32];
};

struct nodes {
    struct network *network;
    uint32_t founders;
    uint32_t election_timeout_ms;
    uint32_t end_timeout_ms;
    uint64_t disk_bytes;
    char *directory; /* all paths are absolute */
    char *program;
    char *planted;
    char *disk_faults_library;
    char *faketime_library;
    char **flags;
    char cluster_id[32]; /* "": not asked for yet */
    uint32_t operator_host;

    /* Lives change under it, and are read under it by those who may ask at any time. */
    pthread_mutex_t mutex;
    atomic_uint last;
    struct node nodes[NODES_MOST + 1]; /* by id */
    char *endpoints;                   /* NULL: to be made anew */
    char **endpoints_given;            /* all that were ever handed out */
    size_t endpoints_given_count;

    hf_client *watcher;         /* for questions to one node; any thread */
    hf_client *operator_client; /* knows the endpoints; the nemesis' thread */
    char *operator_endpoints;
};

struct node *nodes_of(struct nodes *nodes, uint32_t id);
/* The caller frees it. */
char *nodes_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A new process, that is the node; -1: none, and the error tells. */
pid_t nodes_spawn(struct nodes *nodes, uint32_t id, struct error *error);
/* A client of the library whose connections begin on the operator's host. */
hf_client *nodes_open_client(struct nodes *nodes, const char *endpoints, struct error *error);
/* Sets nodes->cluster_id. */
bool nodes_learn_cluster_id(struct nodes *nodes, struct error *error);

#endif
