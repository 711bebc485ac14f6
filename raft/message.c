/*
 * message.c - the messages that own memory: AppendEntries with its entries, InstallSnapshot with
 * its configuration, CheckpointPart with its bytes.
 */
#include "raft/message.h"

#include <stdlib.h>

static void free_entries(struct peer_message *append)
{
    for (size_t i = 0; i < append->append_entries.entry_count; i++) {
        entry_release(append->append_entries.entries[i]);
    }
    free((void *)append->append_entries.entries);
    append->append_entries.entries = NULL;
    append->append_entries.entry_count = 0;
}

void peer_message_free(struct peer_message *message)
{
    if (message->type == PEER_APPEND_ENTRIES) {
        free_entries(message);
    } else if (message->type == PEER_INSTALL_SNAPSHOT) {
        entry_release(message->install_snapshot.configuration);
        message->install_snapshot.configuration = NULL;
    } else if (message->type == PEER_CHECKPOINT_PART) {
        entry_release(message->checkpoint_part.data);
        message->checkpoint_part.data = NULL;
    }
}

struct peer_message peer_message_copy(const struct peer_message *message)
{
    struct peer_message copy = *message;
    if (message->type == PEER_APPEND_ENTRIES) {
        size_t count = message->append_entries.entry_count;
        copy.append_entries.entries = memory_alloc(count * sizeof(struct entry *));
        for (size_t i = 0; i < count; i++) {
            copy.append_entries.entries[i] = entry_reference(message->append_entries.entries[i]);
        }
    } else if (message->type == PEER_INSTALL_SNAPSHOT) {
        entry_reference(copy.install_snapshot.configuration);
    } else if (message->type == PEER_CHECKPOINT_PART && copy.checkpoint_part.data != NULL) {
        entry_reference(copy.checkpoint_part.data);
    }
    return copy;
}
