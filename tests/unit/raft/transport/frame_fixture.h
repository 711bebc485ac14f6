/*
 * frame_fixture.h - frames made right and wrong, and taken apart.
 */
#ifndef TESTS_RAFT_TRANSPORT_FRAME_FIXTURE_H
#define TESTS_RAFT_TRANSPORT_FRAME_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frame.h"
#include "peer.pb-c.h"

typedef Holdfast__Peer__V1__Header Header;

struct buffer frame_flatten(struct frame *frame);
void frame_put_u32(uint8_t *at, uint32_t value);
void frame_seal(struct buffer *bytes);
/* A sealed frame of any header and body, right or wrong. */
struct buffer frame_forge(struct bytes header, struct bytes body);
struct buffer frame_forge_proto(const Header *header, size_t body_len);
bool frame_measure_and_decode(struct bytes bytes, struct frame_content *content,
                              struct error *error);
void frame_must_decode(struct buffer bytes, struct frame_content *content);
void frame_must_be_refused(struct buffer bytes, const char *says);
void frame_round_trip(const struct peer_message *message, struct peer_message *out);
/* An AppendEntries of `count` entries behind prev_index, of growing lengths from 0. */
struct peer_message some_append(size_t count, uint64_t prev_index);
struct buffer some_frame(void);
struct hello some_hello(void);

#endif
