/*
 * encode.h - from the public structs to the bytes of a request, in the caller's thread, once per
 * call: every attempt sends the same bytes, and so the same identity; one behind an attempt that
 * may have been executed says so at their end.
 *
 * Ownership: the buffer and what is put into the arena belong to the caller. Errors: false, and the
 * reason names the field.
 */
#ifndef CLIENT_ENCODE_H
#define CLIENT_ENCODE_H

#include "arena.h"
#include "base/error.h"
#include "holdfast/holdfast.h"

/* What a command gets where it does not say. */
struct encode_defaults {
    const char *actor; /* may be NULL */
    int64_t now_ms;    /* Unix time */
};

/* The method of a single command of a kind that encode_command has accepted. */
const char *encode_command_path(hf_command_kind kind);

/* Says of a request with commands, whose bytes these are, that it is sent again. Nothing else
 * changes: an encoded message may be followed by further fields. */
void encode_resent(struct buffer *out);

/* One command as the request of its own method; `result` gets the request id (copied into `kept`,
 * made where none was given) and the time it is sent under. */
bool encode_command(struct buffer *out, const hf_command *command,
                    const struct encode_defaults *defaults, hf_result *result, struct arena *kept,
                    struct error *error);
/* Many as an ExecuteRequest; one result each. */
bool encode_batch(struct buffer *out, const hf_command *commands, size_t count,
                  const struct encode_defaults *defaults, hf_result *results, struct arena *kept,
                  struct error *error);

/* Reads. */
struct encode_freshness {
    hf_consistency consistency;
    uint64_t min_log_index;
};
bool encode_get_stock(struct buffer *out, const hf_stock_key *key,
                      const struct encode_freshness *freshness, struct error *error);
bool encode_get_stocks(struct buffer *out, const hf_stock_key *keys, size_t count,
                       const struct encode_freshness *freshness, struct error *error);
bool encode_check_stock(struct buffer *out, const hf_line *lines, size_t count,
                        const struct encode_freshness *freshness, struct error *error);
bool encode_list_stock(struct buffer *out, uint32_t page_size, const char *page_token,
                       const struct encode_freshness *freshness, struct error *error);
bool encode_get_order(struct buffer *out, const char *order_id,
                      const struct encode_freshness *freshness, struct error *error);
bool encode_list_history(struct buffer *out, const hf_stock_key *key, uint32_t page_size,
                         const char *page_token, const struct encode_freshness *freshness,
                         struct error *error);

/* Can't fail. */
void encode_verify(struct buffer *out, uint64_t at_index);

#endif
