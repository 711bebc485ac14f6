/*
 * reply.h - from the ledger's structs to the protobuf bytes that clients get.
 *
 * Ownership: scratch memory is the replier's own, reused from reply to reply. Threads: one at a
 * time.
 */
#ifndef NODE_REPLY_H
#define NODE_REPLY_H

#include "arena.h"
#include "base/bytes.h"
#include "holdfast/v1/ledger.pb-c.h"
#include "ledger/ledger.h"

/* Appends a packed message; its size is known first, so that it is packed in place. */
void reply_pack(struct buffer *out, const ProtobufCMessage *message);
/* A packed message as a length-delimited field of another one: how ExecuteResponse is built result
 * by result. */
void reply_pack_field(struct buffer *out, unsigned field_number, const ProtobufCMessage *message);

/* NUL-terminated copy in the arena. */
char *reply_string(struct arena *arena, struct bytes text);

/* Fill protobuf structs whose parts live in the arena. `ledger` gives the credits that turn hold
 * time into ledger time. */
Holdfast__V1__CommandResult *reply_result(struct arena *arena, const struct ledger_result *result);
Holdfast__V1__Stock *reply_stock(struct arena *arena, struct bytes sku, uint32_t warehouse,
                                 const struct stock_record *stock);
Holdfast__V1__Order *reply_order(struct arena *arena, struct bytes order_id,
                                 const struct order_record *order, int64_t credits_ms);
Holdfast__V1__HistoryRow *reply_history(struct arena *arena, const struct history_record *row);
Holdfast__V1__FailedLine **
reply_failed_lines(struct arena *arena, const struct ledger_failed_line *lines, uint32_t count);

#endif
