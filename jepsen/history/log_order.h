/*
 * log_order.h - the order that the ledger's answers name: by log index, then position.
 *
 * A key is such a place. A read's key lies behind everything of its index. Keys hold indexes below
 * 2^32.
 */
#ifndef JEPSEN_LOG_ORDER_H
#define JEPSEN_LOG_ORDER_H

#include "history.h"

#define LOG_INDEX_MOST UINT32_MAX
#define KEY_NEVER      UINT64_MAX

static inline uint64_t key_of_index(uint64_t log_index)
{
    return log_index << 32 | UINT32_MAX;
}
static inline uint64_t key_of(const struct operation *operation)
{
    return operation_is_command(operation) ? operation->log_index << 32 | operation->log_position
                                           : key_of_index(operation->log_index);
}

/* Does its answer show how far the log has come for clients? */
static inline bool has_key(const struct operation *operation)
{
    return operation_answered(operation) && operation->function != FUNCTION_READ_DIGEST;
}

/* The operations that have a key, by it; the caller frees. */
uint32_t *log_order(const struct history *history, uint32_t *count);

#endif
