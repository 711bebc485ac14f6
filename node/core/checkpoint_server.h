/*
 * checkpoint_server.h - a checkpoint of the state that other nodes may fetch: its name, the list of
 * its files, and answers to their questions for parts of it.
 *
 * The name is the hash of the list as it travels, and the list has the size and the sum of each
 * file: whoever asks by name gets that very state, or is told that it is gone.
 *
 * Bounds: one part at a time is read for each node that asks, LIMIT_CHECKPOINT_READERS at once; a
 * question beyond that is dropped, and comes again. How fast parts leave is its
 * owner's to say (core_env.send_bulk).
 * Threads: the loop's; files are read in the pool. Errors: a file that can't be read, or that is
 * not any more what the list says, ends the process (core_fail): our own state is made of it. What
 * others ask for is judged.
 */
#ifndef NODE_CORE_CHECKPOINT_SERVER_H
#define NODE_CORE_CHECKPOINT_SERVER_H

#include "audit.h"
#include "base/hash.h"
#include "base/limits.h"
#include "raft/message.h"
#include "storage/checkpoint.h"

struct core;
struct checkpoint_server;

/* One node that fetches. */
struct checkpoint_reading {
    struct pool_work work; /* first */
    struct checkpoint_server *server;
    uint64_t peer_id; /* 0: free */
    uint64_t asked_ms;
    struct checkpoint_reader *reader;
    uint32_t sum_file; /* what has left of this file, from its beginning up to here: its sum */
    uint64_t sum_offset;
    uint32_t sum;
    bool is_busy;
    uint32_t file; /* as in the message */
    uint64_t offset;
    size_t max_bytes;
    struct buffer data;
    bool ok;
    struct error error;
};

/* Zero-initialise but for `core`. */
struct checkpoint_server {
    struct core *core;
    char *path; /* NULL: nothing is offered */
    uint64_t index;
    struct hash128 name;
    struct checkpoint_list list;
    struct buffer encoded; /* the list as it travels */
    uint64_t asked_ms;     /* when anybody last wanted it */
    bool is_held;          /* nothing is read any more */
    struct checkpoint_reading readings[LIMIT_CHECKPOINT_READERS];
};

/* Offers the checkpoint at the path, with the state at `index`. Takes path and list over. */
void checkpoint_server_offer(struct checkpoint_server *server, char *path, uint64_t index,
                             struct checkpoint_list *list);
/* Nothing is offered any more. The path, which the caller frees, and whose directory it removes;
 * NULL: there was none. Nothing may be under way. */
char *checkpoint_server_withdraw(struct checkpoint_server *server);
/* Is a part being read? While held, none is begun. */
bool checkpoint_server_is_busy(const struct checkpoint_server *server);
/* A question (PEER_CHECKPOINT_ASK). */
void checkpoint_server_answer(struct checkpoint_server *server, uint64_t peer_id,
                              const struct peer_message *ask);

#endif
