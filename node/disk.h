/*
 * disk.h - opening what a node has on disk: directory, log, state, ledger, in an order in which a
 * node that refuses has changed nothing.
 *
 * Ownership: what is opened belongs to the node; the entries that were found belong to struct
 * node_disk until node_disk_free. Errors: false, with what is damaged or missing and what can be
 * done.
 */
#ifndef NODE_DISK_H
#define NODE_DISK_H

#include "node.h"

/* The log as it was found, for the replica's start. Zero-initialise. */
struct node_disk {
    struct entry **entries;
    size_t count;
    size_t capacity;
    size_t member_count;
    struct registrations *logged; /* the first of each member */
    struct ledger_command_lines lines;
};

bool node_disk_open(struct node *node, struct node_disk *disk, struct error *error);
void node_disk_free(struct node_disk *disk);

#endif
