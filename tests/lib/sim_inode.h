/*
 * sim_inode.h - one file or directory of the disk in memory (sim_files.h), whatever its names: what
 * programs see of it, what a power cut leaves of it, and what lies between the two.
 *
 * Ownership: an inode lives as long as somebody holds it: each name, durable or not, and each
 * handle. Those that live are in the disk's list. Cost: a write copies its bytes twice and a sync
 * once; neither depends on the file's size, nor does an allocation.
 */
#ifndef TESTS_SIM_INODE_H
#define TESTS_SIM_INODE_H

#include "base/bytes.h"
#include "base/random.h"

struct sim_content {
    uint64_t size;
    struct buffer written; /* bytes behind it, up to the size, are zero */
};

/* A write, or an allocation, that no sync has covered. */
struct sim_pending {
    bool is_allocation;
    uint64_t offset; /* of an allocation: the least size */
    size_t len;
    size_t data_at; /* in pending_data */
};

struct sim_inode {
    bool is_directory; /* then there are no bytes: its names are in sim_names.h */
    size_t references;
    struct sim_inode *next; /* the disk's list */
    struct sim_inode **link;
    struct file *locked_by;

    struct sim_content now;     /* what programs see */
    struct sim_content durable; /* what a power cut leaves for certain */
    struct sim_pending *pending;
    size_t pending_count;
    size_t pending_capacity;
    struct buffer pending_data;
    /* Where the two contents may differ; outside they are the same up to the durable size. */
    uint64_t differ_from;
    uint64_t differ_to;
    bool gave_up; /* a failed sync left a difference that no later sync mends */
};

/* Held by the caller, once. */
struct sim_inode *sim_inode_new(struct sim_inode **list, bool is_directory);
void sim_inode_hold(struct sim_inode *inode);
void sim_inode_release(struct sim_inode *inode); /* the last one frees it */

void sim_inode_write(struct sim_inode *inode, uint64_t offset, struct bytes data);
/* At least this long; new bytes are zero. */
void sim_inode_allocate(struct sim_inode *inode, uint64_t size);
/* As much as there is of what is asked for. */
size_t sim_inode_read(const struct sim_inode *inode, uint64_t offset, void *data, size_t len);

void sim_inode_sync(struct sim_inode *inode);
/* Of what is pending some reaches the disk - sector by sector, the last write also with a first
 * part that ends anywhere - and the rest never will, though it reads as written. */
void sim_inode_sync_in_part(struct sim_inode *inode, struct random *random);
/* What is durable is what programs see; what was pending is forgotten. */
void sim_inode_revert(struct sim_inode *inode);

/* All that programs see; valid until the next call. */
struct bytes sim_inode_content(struct sim_inode *inode);
/* Durable and seen, at once. `content` may be a view of the inode's own. */
void sim_inode_set_content(struct sim_inode *inode, struct bytes content);
/* XORs a byte that programs see, and where it is durable that too. */
void sim_inode_flip(struct sim_inode *inode, uint64_t offset, uint8_t mask);

#endif
