/*
 * way_back.h - what an operator can do about a damaged node, said the same way everywhere.
 *
 * A node that has lost part of its log or its vote must not take part again under its old id: it
 * would deny what it once acknowledged, and the others refuse its new incarnation (Raft rule 0).
 * The state database holds nothing that the log has not: it may be made anew from it.
 */
#ifndef BASE_WAY_BACK_H
#define BASE_WAY_BACK_H

#define WAY_BACK_NODE                                                                              \
    "the other nodes have all that was acknowledged; keep this directory, and replace this node "  \
    "by one with a new id"
#define WAY_BACK_STATE "move the state database away and start again: it is made anew from the log"

#endif
