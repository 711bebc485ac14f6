/*
 * filter_append.c - rule 7: a received AppendEntries is fed in parts.
 *
 * Each ENTRY_CHANGE begins a part of its own, and one part at least comes before it: libraft notes
 * the index of a new configuration as that of the first new entry of the message
 * (replication.c, replicationAppend calls membershipUncommittedChange with `index`), and keeps a
 * single uncommitted one, so that the change before must be settled - CONFIGURATION fed - before
 * the next arrives; else, if the next is undone, it goes back to the one before both.
 *
 * The message may not say that the one before is committed: a leader that has started again does
 * not know yet. But it is, for whoever made the next one knew that (dissertation, section 4.1: one
 * change at a time); and that it is in our log as in the leader's, the part before has shown, which
 * was accepted (receive.c, settle_before).
 *
 * Each part's leader_commit is at most its own last index: libraft takes min(leader_commit, last
 * index of the message) for the new commit index whenever leader_commit is larger than the old one,
 * and moves back when a heartbeat's previous index lies behind (figure 3.1 says "if leaderCommit >
 * commitIndex", meaning what is known to match).
 *
 * Rule 12: libraft does not know the terms of what a snapshot has taken out of its log, and rejects
 * what follows such an entry, for ever if the leader knows that we have it (rule 5's rejection that
 * is older than that knowledge). All of it is committed, so the leader of our term has the same
 * (dissertation, section 3.6.3, Leader Completeness): the message counts from the snapshot on.
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
    bool may_begin_with_change = cursor->begun || PLANTED(CHANGE_NOT_SETTLED);
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

void filter_append_skip_trimmed(struct peer_message *append, uint64_t first_index,
                                uint64_t snapshot_index, uint64_t snapshot_term)
{
    uint64_t prev = append->append_entries.prev_log_index;
    if (prev + 1 > first_index || prev >= snapshot_index) {
        return;
    }
    struct entry **entries = append->append_entries.entries;
    size_t count = append->append_entries.entry_count;
    uint64_t covered = snapshot_index - prev;
    size_t skipped = covered < count ? (size_t)covered : count;
    for (size_t i = 0; i < skipped; i++) {
        entry_release(entries[i]);
    }
    if (count > 0) {
        memmove((void *)entries, (void *)(entries + skipped),
                (count - skipped) * sizeof(struct entry *));
    }
    append->append_entries.entry_count = count - skipped;
    append->append_entries.prev_log_index = snapshot_index;
    append->append_entries.prev_log_term = snapshot_term;
}

void filter_append_drop_entries(struct peer_message *append)
{
    peer_message_free(append);
}
