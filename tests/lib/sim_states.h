/*
 * sim_states.h - the state databases of one simulated node, by path: what its core's open_state
 * opens (node/core/core.h), over the node's disk.
 *
 * The records of a database are in memory (sim_state.h). Its directory is on the disk, and a file
 * in it, OPEN, ties the two together: a directory that is removed, whose name a power cut loses, or
 * that is filled with another state, takes the database with it. A directory that has been filled
 * with the files of a checkpoint (sim_state_files.h), and never been opened, is loaded.
 *
 * Ownership: the disk outlives it. Threads: one.
 */
#ifndef TESTS_SIM_STATES_H
#define TESTS_SIM_STATES_H

#include "sim_files.h"
#include "sim_state.h"

struct sim_states;

struct sim_states *sim_states_new(struct sim_disk *disk);
void sim_states_free(struct sim_states *states); /* all that was opened must be closed */

/* Opens what the path holds; an empty one where there is nothing. */
bool sim_states_open(struct sim_states *states, const char *path, struct state_store *out,
                     struct error *error);
/* The process is gone, or the machine's power: each is back at its last flush, as sim_state_crash.
 * Together with sim_disk_kill or sim_disk_crash, behind it. */
void sim_states_crash(struct sim_states *states);
/* As sim_state_fail_at, of all that are there or will be. */
void sim_states_fail_at(struct sim_states *states, uint64_t n);
/* As sim_state_failures, of all that there are and ever were. */
uint64_t sim_states_failures(const struct sim_states *states);

/* What is at the path, or NULL. */
struct sim_state *sim_states_at(struct sim_states *states, const char *path);
/* How many there are, whose directories are there. */
size_t sim_states_count(struct sim_states *states);

#endif
