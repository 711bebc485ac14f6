/*
 * frame_wire.h - what frame_encode.c and frame_decode.c have in common: how a frame begins, and
 * short names for peer.proto's messages.
 */
#ifndef RAFT_TRANSPORT_FRAME_WIRE_H
#define RAFT_TRANSPORT_FRAME_WIRE_H

#include "peer.pb-c.h"

#define FRAME_MAGIC UINT32_C(0x72506648) /* "HfPr" */

typedef Holdfast__Peer__V1__Header Header;
typedef Holdfast__Peer__V1__Hello Hello;
typedef Holdfast__Peer__V1__Answer Answer;
typedef Holdfast__Peer__V1__Entry Entry;
typedef Holdfast__Peer__V1__Clock Clock;
typedef Holdfast__Peer__V1__RequestVote RequestVote;
typedef Holdfast__Peer__V1__RequestVoteResult RequestVoteResult;
typedef Holdfast__Peer__V1__AppendEntries AppendEntries;
typedef Holdfast__Peer__V1__AppendEntriesResult AppendEntriesResult;
typedef Holdfast__Peer__V1__TimeoutNow TimeoutNow;
typedef Holdfast__Peer__V1__InstallSnapshot InstallSnapshot;
typedef Holdfast__Peer__V1__ReadIndex ReadIndex;
typedef Holdfast__Peer__V1__ReadIndexResult ReadIndexResult;
typedef Holdfast__Peer__V1__ReadAsk ReadAsk;
typedef Holdfast__Peer__V1__ReadAnswer ReadAnswer;
typedef Holdfast__Peer__V1__CheckpointAsk CheckpointAsk;
typedef Holdfast__Peer__V1__CheckpointPart CheckpointPart;
typedef Holdfast__Peer__V1__DigestBorneOut DigestBorneOut;
typedef Holdfast__Peer__V1__DigestReport DigestReport;
typedef Holdfast__Peer__V1__DigestDiffers DigestDiffers;
typedef Holdfast__Peer__V1__Ping Ping;
typedef Holdfast__Peer__V1__Pong Pong;

#endif
