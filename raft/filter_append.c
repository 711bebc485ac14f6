/*
 * filter_append.c - rule 7: a received AppendEntries is fed in parts.
 *
 * Each ENTRY_CHANGE begins a part of its own, and one part at least comes before it: libraft notes
 * the index of a new configuration as that of the first new entry of the message
 * (replication.c, replicationAppend calls membershipUncommittedChange with `index`), and keeps a
 * single uncommitted one, so that what was committed before must be settled - commit index moved,
 * CONFIGURATION fed - before the next arrives (dissertation, section 4.1: one change at a time).
 *
 * Each part's leader_commit is at most its own last index: libraft takes min(leader_commit, last
 * index of the message) for the new commit index whenever leader_commit is larger than the old one,
 * and moves back when a heartbeat's previous index lies behind (figure 3.1 says "if leaderCommit >
 * commitIndex", meaning what is known to match).
 *
 * Rule 14, from the follower's side: entries that can't be kept are dropped, the heartbeat in the
 * message still counts.
 */
#include <stdlib.h>

#include "base/planted.h"
#include "filter.h"

bool filter_append_next(const struct peer_message *append, struct filter_append_cursor *cursor,
                        struct filter_append_part *part)
{
    struct entry *const *entries = append->append_entries.entries;
    size_t count = append->append_entries.entry_count;
    size_t first = cursor->position;
    size_t end = first;
    if (cursor->begun && first == count) {
        return false;
    }
    /* The first part is an empty one when the message begins with a change. */
    bool may_begin_with_change = cursor->begun || PLANTED(COMMIT_NOT_SETTLED);
    while (end < count && (entries[end]->type != ENTRY_CHANGE ||
                           (end == first && may_begin_with_change) || PLANTED(APPEND_NOT_SPLIT))) {
        end++;
    }
    part->first = first;
    part->count = end - first;
    part->prev_log_index = append->append_entries.prev_log_index + first;
    part->prev_log_term =
        first > 0 ? entries[first - 1]->term : append->append_entries.prev_log_term;
    uint64_t last_index = part->prev_log_index + part->count;
    part->leader_commit = append->append_entries.leader_commit < last_index
                              ? append->append_entries.leader_commit
                              : last_index;
    if (PLANTED(COMMIT_NOT_BOUNDED)) {
        part->leader_commit = append->append_entries.leader_commit;
    }
    cursor->position = end;
    cursor->begun = true;
    return true;
}

void filter_append_drop_entries(struct peer_message *append)
{
    peer_message_free(append);
}
