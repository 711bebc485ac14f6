/*
 * grpc_framing.h - the parts of gRPC's wire format that stand above HTTP/2: messages with their
 * length in front, timeouts, percent-encoded status messages, content types. Pure: bytes in, bytes
 * out.
 *
 * Source: the gRPC project's PROTOCOL-HTTP2.md and compression.md.
 */
#ifndef RPC_GRPC_FRAMING_H
#define RPC_GRPC_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* ---- messages ---- */

#define GRPC_PREFIX_BYTES 5

void grpc_prefix_write(uint8_t prefix[GRPC_PREFIX_BYTES], size_t message_bytes);

/* The one message of one direction of a unary call, as it comes in, cut anywhere. */
struct grpc_message_reader {
    struct buffer body; /* grows as bytes come: a length that is only announced costs nothing */
    uint32_t announced_bytes;
    uint8_t prefix[GRPC_PREFIX_BYTES];
    uint8_t prefix_bytes;
};

enum grpc_progress {
    GRPC_MESSAGE_INCOMPLETE,
    GRPC_MESSAGE_COMPLETE,
    GRPC_MESSAGE_COMPRESSED, /* the rest is what can be wrong with it */
    GRPC_MESSAGE_BAD_FLAG,
    GRPC_MESSAGE_TOO_LARGE,
    GRPC_MESSAGE_SECOND,
};

/* Takes the next bytes; says how far the message is with all of them. After one of the faults the
 * reader takes nothing more: reset it. */
enum grpc_progress grpc_message_reader_feed(struct grpc_message_reader *reader, struct bytes data,
                                            size_t limit_bytes);
/* For the next message; the body's memory is kept. */
void grpc_message_reader_reset(struct grpc_message_reader *reader);
/* Has anything of a message come? */
static inline bool grpc_message_reader_begun(const struct grpc_message_reader *reader)
{
    return reader->prefix_bytes != 0;
}

/* ---- headers ---- */

/* A timeout such as "250m", rounded up to milliseconds. False when it is not at most 8 digits and a
 * unit. */
bool grpc_timeout_parse(struct bytes text, uint64_t *timeout_ms);

#define GRPC_TIMEOUT_TEXT_BYTES 16
/* The text of a timeout, never longer than asked for by more than its last digit's unit. */
void grpc_timeout_format(uint64_t timeout_ms, char out[GRPC_TIMEOUT_TEXT_BYTES]);

/* Appends the text, everything outside printable ASCII and '%' itself as %XX. */
void grpc_percent_encode(struct buffer *out, struct bytes text);
/* Appends the decoded text; a broken escape stays as it is. */
void grpc_percent_decode(struct buffer *out, struct bytes text);

/* "application/grpc", alone or with +format or ;parameters. */
bool grpc_content_type_matches(struct bytes content_type);

#endif
