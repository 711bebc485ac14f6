/*
 * message.c - the one message that owns memory: AppendEntries with its entries.
 */
#include "raft/message.h"

#include <stdlib.h>

void peer_message_free(struct peer_message *message)
{
    if (message->type != PEER_APPEND_ENTRIES) {
        return;
    }
    for (size_t i = 0; i < message->append_entries.entry_count; i++) {
        entry_release(message->append_entries.entries[i]);
    }
    free((void *)message->append_entries.entries);
    message->append_entries.entries = NULL;
    message->append_entries.entry_count = 0;
}
