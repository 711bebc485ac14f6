/*
 * addresses.h - can this node listen where it was told to? Asked before a new data directory is
 * made: a start with a wrong address is to leave nothing behind. Whoever takes an address between
 * the question and the start is found by the start itself.
 */
#ifndef NODE_ADDRESSES_H
#define NODE_ADDRESSES_H

#include "options.h"

/* False, and which address can't be had, and why. Looks names up, which may block. */
bool addresses_are_free(const struct node_options *options, struct error *error);

#endif
