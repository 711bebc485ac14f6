/*
 * message_check.h - is this request one that every replica would read alike?
 *
 * Walks the bytes of a protobuf message along its descriptor before it is decoded, and refuses what
 * protobuf would let pass: fields that this version does not know (an older replica must not skip
 * what a newer one obeys: docs/architecture.md), enum values without a name, text that is not UTF-8
 * or hides a NUL, and more nested messages than any request needs.
 *
 * Threads: none. Errors: false, and words that name the field.
 */
#ifndef NODE_MESSAGE_CHECK_H
#define NODE_MESSAGE_CHECK_H

#include <protobuf-c/protobuf-c.h>

#include "base/bytes.h"
#include "base/error.h"

bool message_check(const ProtobufCMessageDescriptor *descriptor, struct bytes message,
                   struct error *error);

#endif
