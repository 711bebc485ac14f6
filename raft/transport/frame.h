/*
 * frame.h - messages between members as bytes: no I/O, no clock, no state.
 *
 * Layout, integers little-endian:
 *
 *     0   4  magic "HfPr"
 *     4   4  length of the header
 *     8   4  length of the body
 *    12   4  CRC-32C of the 12 bytes above, the header and the body
 *    16      header: Header of peer.proto
 *            body: the bytes of AppendEntries' entries, one behind the other; empty for all else
 *
 * The 16 bytes and the hello are forever (peer.proto says why).
 *
 * Ownership: an encoded frame owns its header and holds references to its entries, whose bytes are
 * never copied. A decoded message owns its entries: peer_message_free.
 * Errors: encoding can't fail; a message beyond the limits is our own mistake. Decoding takes any
 * bytes and refuses with a reason.
 */
#ifndef RAFT_TRANSPORT_FRAME_H
#define RAFT_TRANSPORT_FRAME_H

#include <sys/queue.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/limits.h"
#include "hello.h"
#include "raft/message.h"

#define FRAME_PREFIX_BYTES 16

/* ---- out ---- */

struct frame {
    STAILQ_ENTRY(frame) next; /* in the queue of a connection */
    struct buffer head;       /* prefix and header */
    struct entry **entries;   /* references */
    size_t entry_count;
    size_t total_bytes;
};

struct frame *frame_of_message(const struct peer_message *message);
struct frame *frame_of_hello(const struct hello *hello);
/* `refusal` empty: welcome. Longer than LIMIT_PEER_REASON_BYTES: cut. */
struct frame *frame_of_answer(const struct hello *hello, const char *refusal);
/* Refused because it was removed, by the log's entry there or one before; 0: as frame_of_answer. */
struct frame *frame_of_removal(const struct hello *hello, const char *refusal,
                               uint64_t removed_index);
void frame_free(struct frame *frame);

/* What is to be written, in order: the head, then each entry's bytes (which may be empty). */
static inline size_t frame_part_count(const struct frame *frame)
{
    return 1 + frame->entry_count;
}

static inline struct bytes frame_part(const struct frame *frame, size_t i)
{
    return i == 0 ? buffer_bytes(&frame->head) : frame->entries[i - 1]->data;
}

/* ---- in ---- */

/* How long is the frame that begins the input? 0 while too little of it is there to tell. False and
 * an error if it is no frame, or larger than `limit_bytes`: nothing needs to be allocated for it.
 */
bool frame_measure(struct bytes input, size_t limit_bytes, size_t *total_bytes,
                   struct error *error);

enum frame_kind { FRAME_HELLO = 1, FRAME_ANSWER = 2, FRAME_MESSAGE = 3 };

struct frame_content {
    enum frame_kind kind;
    union {
        struct {
            struct hello hello;                        /* HELLO, ANSWER */
            char refusal[LIMIT_PEER_REASON_BYTES + 1]; /* ANSWER; control characters taken out */
            uint64_t removed_index;                    /* ANSWER; as of frame_of_removal */
        };
        struct peer_message message; /* MESSAGE */
    };
};

/* `frame` is exactly one frame, as measured. */
bool frame_decode(struct bytes frame, struct frame_content *content, struct error *error);

#endif
