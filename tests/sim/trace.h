/*
 * trace.h - the last things that happened on each node of a simulated cluster, kept in a ring per node and written in
 * words only when somebody wants to read them: noting costs a few stores, so it is always on.
 *
 * The digest of all notes is the run's fingerprint: the same seed gives the same one, twice, and across compilers.
 */
#ifndef TESTS_SIM_TRACE_H
#define TESTS_SIM_TRACE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What happened: an X-macro table gives each a name and a format for its two or three numbers ("receives append from
 * node %u: prev %u, %u entries"). */
enum trace_event;

#endif
