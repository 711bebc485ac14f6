/*
 * fetching_internal.h - what fetching.c and fetching_install.c share. fetching.h tells of both.
 */
#ifndef NODE_CORE_FETCHING_INTERNAL_H
#define NODE_CORE_FETCHING_INTERNAL_H

#include "core.h"
#include "fetching.h"
#include "storage/checkpoint.h"

enum fetching_phase {
    FETCHING_IDLE,
    FETCHING_WAITING,
    FETCHING_LIST,
    FETCHING_OPENING,
    FETCHING_PARTS,
    FETCHING_WRITING,
    FETCHING_CHECKING,
    FETCHING_STAGED,
    FETCHING_INSTALLING,
    FETCHING_CLEANING,
};

struct offer {
    uint64_t peer_id; /* 0: none */
    struct snapshot snapshot;
    struct hash128 checkpoint;
};

struct fetching {
    struct pool_work work; /* first */
    struct core *core;
    enum fetching_phase phase;
    struct offer offer; /* what is fetched */
    struct offer next;  /* what is to be fetched instead */
    uint64_t begun_ms;
    struct fetching_installed installed;

    /* The question that waits for an answer. */
    uint32_t file;
    uint64_t offset;
    uint64_t asked_ms;
    unsigned asks;
    unsigned wrong;

    struct buffer list_bytes;
    struct checkpoint_list list;
    struct lineage lineage; /* of the state that is fetched */
    char *path;             /* where it is staged */
    bool is_left;           /* something may lie there, since left_ms */
    uint64_t left_ms;
    struct checkpoint_receiver *receiver;
    struct state_store state; /* opened there; ops NULL: not */
    uint64_t held_until_ms;   /* no other one is fetched before */

    /* In the pool, or on its way there. */
    bool is_refused;
    bool ok;
    bool is_foreign; /* it can't be opened, and our disk is not to blame */
    struct error error;
    struct entry *part;
    enum checkpoint_taken taken;
    uint64_t missing_bytes; /* which the disk has no room for */
    uint64_t bytes;         /* as the receiver counted when it was last here */
    uint64_t total_bytes;
    struct state_store old_state;
    char *old_checkpoint;
};

/* ---- fetching.c ---- */

/* The phase's work goes to the pool. */
void fetching_run_step(struct fetching *fetching, enum fetching_phase phase,
                       void (*run)(struct pool_work *work), void (*done)(struct pool_work *work));
/* What one fetch holds in memory; the staged files stay. */
void fetching_forget(struct fetching *fetching);
/* Removes the state that was replaced, or what was staged. */
void fetching_clean(struct fetching *fetching);
/* What was staged is of no use. */
void fetching_drop_staged(struct fetching *fetching);

/* ---- fetching_install.c ---- */

/* What is staged is installed, if nothing reads the state that goes and it is still wanted; else it
 * is tried again, or dropped. */
void fetching_try_install(struct fetching *fetching);

#endif
