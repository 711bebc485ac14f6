/*
 * checks_log.c - what each node's log holds: as it was asked for, and on its disk.
 *
 * Log Matching costs nothing here: there is one record per (index, term), with the term of the
 * entry before it; who asks for that pair must ask for the same bytes behind the same entry. Then
 * two logs that have one record in common have all records before it in common, by induction, and
 * "is this log the same up to there" is the comparison of two pointers.
 *
 * A disk follows its log in whole writes and in their order. After a crash it has what was durable,
 * and of the writes under way some first ones, the last of these perhaps in part.
 */
#include "checks_internal.h"

#include <stdlib.h>
#include <string.h>

struct known *checks_log_at(const struct known_log *log, uint64_t index)
{
    return index >= 1 && index <= log->last ? log->items[index - 1] : NULL;
}

static uint64_t term_at(const struct known_log *log, uint64_t index)
{
    const struct known *known = checks_log_at(log, index);
    return known != NULL ? known->entry->term : 0;
}

bool checks_same_entry(const struct entry *a, const struct entry *b)
{
    return a == b || (a->index == b->index && a->term == b->term && a->type == b->type &&
                      bytes_equal(a->data, b->data));
}

/* Cuts the log at first_index and puts these there. */
static void log_put(struct known_log *log, uint64_t first_index, struct known *const *items,
                    size_t count)
{
    uint64_t last = first_index - 1 + count;
    if (last > log->capacity) {
        log->capacity = last * 2 + 64;
        log->items = memory_realloc((void *)log->items, log->capacity * sizeof(struct known *));
    }
    if (count > 0) {
        memcpy((void *)&log->items[first_index - 1], (const void *)items,
               count * sizeof(struct known *));
    }
    log->last = last;
}

static void drop_writes(struct node_view *view)
{
    while (view->first_write != NULL) {
        struct asked_write *write = view->first_write;
        view->first_write = write->next;
        free(write);
    }
    view->last_write = NULL;
}

/* ---- entries by (index, term) ---- */

static struct known *find_known(const struct checks *checks, uint64_t index, uint64_t term)
{
    struct known *known = index < checks->known_capacity ? checks->known[index] : NULL;
    while (known != NULL && known->entry->term != term) {
        known = known->next;
    }
    return known;
}

/* NULL: the run has failed. */
static struct known *add_known(struct checks *checks, size_t node, struct entry *entry,
                               const struct known *previous)
{
    checks->known = checks_room((void *)checks->known, &checks->known_capacity, entry->index,
                                sizeof(struct known *));
    struct known *known = memory_alloc(sizeof *known);
    *known = (struct known){.next = checks->known[entry->index],
                            .entry = entry_reference(entry),
                            .prev_term = previous != NULL ? previous->entry->term : 0};
    checks->known[entry->index] = known;
    if (!checks_configuration_read(checks, node, known, previous)) {
        return NULL;
    }
    if (previous != NULL && entry->type == ENTRY_CHANGE) {
        checks_configuration_made(checks, node, known, previous);
    }
    return known;
}

/* Entries are made by the leader of their term, and by nobody else. Every node makes entry 1 by
 * itself. */
static bool may_make(const struct checks *checks, size_t node, const struct entry *entry)
{
    if (entry->index == 1) {
        return true;
    }
    return entry->term < checks->term_capacity && checks->terms[entry->term].has_leader &&
           checks->terms[entry->term].leader == node;
}

/* The record of an entry that the node's log shall have behind the previous one. NULL: the run has
 * failed. */
static struct known *know(struct checks *checks, size_t node, struct entry *entry,
                          const struct known *previous)
{
    uint64_t prev_term = previous != NULL ? previous->entry->term : 0;
    struct known *known = find_known(checks, entry->index, entry->term);
    if (known == NULL) {
        if (may_make(checks, node, entry)) {
            return add_known(checks, node, entry, previous);
        }
        world_fail(checks->world, CHECK_LOG_MATCHING,
                   "n%zu writes an entry %" PRIu64 " of term %" PRIu64
                   " that the leader of this term has not made",
                   node + 1, entry->index, entry->term);
        return NULL;
    }
    if (!checks_same_entry(known->entry, entry)) {
        world_fail(checks->world, CHECK_LOG_MATCHING,
                   "n%zu writes another entry %" PRIu64 " of term %" PRIu64 " than others have",
                   node + 1, entry->index, entry->term);
        return NULL;
    }
    if (known->prev_term != prev_term) {
        world_fail(checks->world, CHECK_LOG_MATCHING,
                   "n%zu writes entry %" PRIu64 " of term %" PRIu64 " behind one of term %" PRIu64
                   ", others have it behind one of term %" PRIu64,
                   node + 1, entry->index, entry->term, prev_term, known->prev_term);
        return NULL;
    }
    return known;
}

/* ---- asking ---- */

static bool may_ask(struct checks *checks, size_t node, uint64_t first_index,
                    struct entry *const *entries, size_t count)
{
    struct node_view *view = &checks->nodes[node];
    if (count == 0 || first_index == 0 || first_index > view->asked.last + 1) {
        world_fail(checks->world, CHECK_LOG_MATCHING,
                   "n%zu writes %zu entries at %" PRIu64 " of a log that ends at %" PRIu64,
                   node + 1, count, first_index, view->asked.last);
        return false;
    }
    if (first_index <= view->asked.last && view->role == REPLICA_LEADER) {
        world_fail(checks->world, CHECK_LOG_MATCHING,
                   "n%zu leads and cuts its own log, which ends at %" PRIu64 ", at %" PRIu64,
                   node + 1, view->asked.last, first_index);
        return false;
    }
    uint64_t prev_term = term_at(&view->asked, first_index - 1);
    for (size_t i = 0; i < count; i++) {
        const struct entry *entry = entries[i];
        if (entry->index != first_index + i || entry->term < prev_term || entry->term == 0) {
            world_fail(checks->world, CHECK_LOG_MATCHING,
                       "n%zu writes (%" PRIu64 ", term %" PRIu64 ") at %" PRIu64
                       " behind an entry of term %" PRIu64,
                       node + 1, entry->index, entry->term, first_index + i, prev_term);
            return false;
        }
        prev_term = entry->term;
    }
    if (prev_term > view->term && first_index > 1) {
        world_fail(checks->world, CHECK_SAID_DURABLE,
                   "n%zu writes an entry of term %" PRIu64 ", its disk has term %" PRIu64, node + 1,
                   prev_term, view->term);
        return false;
    }
    return true;
}

/* What is committed is never cut off, whoever else may have it. */
static void check_cut(struct checks *checks, size_t node, const struct asked_write *write)
{
    const struct known_log *log = &checks->nodes[node].asked;
    for (uint64_t index = write->first_index; index <= log->last; index++) {
        uint64_t place = index - write->first_index;
        const struct known *known = log->items[index - 1];
        if (known->committed && (place >= write->count || write->items[place] != known)) {
            world_fail(checks->world, CHECK_COMMITTED,
                       "n%zu cuts its log at %" PRIu64 ", its entry %" PRIu64 " of term %" PRIu64
                       " is committed",
                       node + 1, write->first_index, index, known->entry->term);
            return;
        }
        if (known->configuration == known && !known->committed) {
            world_count(checks->world, STAT_CHANGES_UNDONE);
        }
    }
}

void checks_log_asked(struct checks *checks, size_t node, uint64_t first_index,
                      struct entry *const *entries, size_t count)
{
    struct node_view *view = &checks->nodes[node];
    if (checks->world->failed || !may_ask(checks, node, first_index, entries, count)) {
        return;
    }
    checks_transfer_asked(checks, node, first_index);
    trace_note(&checks->world->trace, node, TRACE_LOG_ASKED, first_index, first_index + count - 1,
               entries[count - 1]->term);
    struct asked_write *write = memory_alloc(sizeof *write + count * sizeof(struct known *));
    *write = (struct asked_write){.first_index = first_index, .count = count};
    const struct known *previous = checks_log_at(&view->asked, first_index - 1);
    for (size_t i = 0; i < count; i++) {
        write->items[i] = know(checks, node, entries[i], previous);
        if (write->items[i] == NULL) {
            free(write);
            return;
        }
        previous = write->items[i];
    }
    check_cut(checks, node, write);
    log_put(&view->asked, first_index, write->items, count);
    if (view->last_write != NULL) {
        view->last_write->next = write;
    } else {
        view->first_write = write;
    }
    view->last_write = write;
}

/* ---- the disk ---- */

/* Do the disks of a majority have it, wiped ones counted as having had it? A majority of the latest
 * configuration that is committed: to commit that one, a majority of it had to have all that was
 * committed before. */
static bool is_kept(const struct checks *checks, const struct known *known)
{
    return checks_is_majority(checks_configuration_committed(checks),
                              known->on_disks | checks->lost);
}

/* The disk has these from first_index on, and nothing behind them. */
static void disk_put(struct checks *checks, size_t node, uint64_t first_index,
                     struct known *const *items, size_t count)
{
    struct node_view *view = &checks->nodes[node];
    node_set bit = (node_set)1 << node;
    uint64_t last = first_index - 1 + count;
    if (view->lost) {
        log_put(&view->disk, first_index, items, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        items[i]->on_disks |= bit;
    }
    for (uint64_t index = first_index; index <= view->disk.last; index++) {
        struct known *before = view->disk.items[index - 1];
        if (index <= last && items[index - first_index] == before) {
            continue;
        }
        before->on_disks &= ~bit;
        if (before->committed && !is_kept(checks, before)) {
            const struct known *configuration = checks_configuration_committed(checks);
            world_fail(checks->world, CHECK_COMMITTED,
                       "n%zu: entry %" PRIu64 " of term %" PRIu64
                       " is committed and leaves its disk; %zu of %zu have it",
                       node + 1, index, before->entry->term,
                       checks_voters_among(configuration, before->on_disks),
                       checks_set_size(configuration->voters));
        }
    }
    log_put(&view->disk, first_index, items, count);
}

void checks_log_durable(struct checks *checks, size_t node, size_t writes)
{
    struct node_view *view = &checks->nodes[node];
    if (checks->world->failed) {
        return;
    }
    for (size_t i = 0; i < writes; i++) {
        struct asked_write *write = view->first_write;
        if (write == NULL) {
            world_fail(checks->world, CHECK_SAID_DURABLE,
                       "n%zu: %zu writes of its log are durable, %zu were under way", node + 1,
                       writes, i);
            return;
        }
        view->first_write = write->next;
        if (view->first_write == NULL) {
            view->last_write = NULL;
        }
        disk_put(checks, node, write->first_index, write->items, write->count);
        free(write);
    }
    trace_note(&checks->world->trace, node, TRACE_LOG_DURABLE, writes, view->disk.last);
}

/* ---- a start ---- */

/* Whose bytes are these? NULL: the run has failed. */
static struct known *recognise(struct checks *checks, size_t node, const struct log_record *record,
                               uint64_t index)
{
    struct known *known = checks_log_at(&checks->nodes[node].disk, index);
    if (known == NULL || known->entry->term != record->term) {
        known = find_known(checks, index, record->term);
    }
    if (known == NULL || record->index != index || record->type != (uint8_t)known->entry->type ||
        !bytes_equal(record->data, known->entry->data)) {
        world_fail(checks->world, CHECK_SAID_DURABLE,
                   "n%zu finds (%" PRIu64 ", term %" PRIu64 ") at %" PRIu64
                   " of its log, which nobody wrote there",
                   node + 1, record->index, record->term, index);
        return NULL;
    }
    return known;
}

static bool same_log(const struct known_log *a, const struct known_log *b)
{
    return a->last == b->last &&
           (a->last == 0 || memcmp((const void *)a->items, (const void *)b->items,
                                   a->last * sizeof(struct known *)) == 0);
}

/* May a crash have left this? What was durable, then write after write, entry after entry. */
static bool is_possible(const struct node_view *view, const struct known_log *found)
{
    if (same_log(&view->disk, found)) {
        return true;
    }
    struct known_log image = {0};
    bool possible = false;
    log_put(&image, 1, view->disk.items, view->disk.last);
    for (const struct asked_write *write = view->first_write; write != NULL && !possible;
         write = write->next) {
        for (size_t i = 0; i < write->count && !possible; i++) {
            log_put(&image, write->first_index + i, &write->items[i], 1);
            possible = image.last == found->last && same_log(&image, found);
        }
    }
    free((void *)image.items);
    return possible;
}

/* Where the logs part. */
static uint64_t first_difference(const struct known_log *a, const struct known_log *b)
{
    uint64_t index = 1;
    while (index <= a->last && index <= b->last && a->items[index - 1] == b->items[index - 1]) {
        index++;
    }
    return index;
}

/* What lies before first_index was trimmed: it was there, and is committed. */
static bool find_trimmed(struct checks *checks, size_t node, uint64_t first_index,
                         struct known_log *found)
{
    const struct known_log *disk = &checks->nodes[node].disk;
    const struct known *last = checks_log_at(disk, first_index - 1);
    if (first_index == 1) {
        return true;
    }
    if (last == NULL || !last->committed) {
        world_fail(checks->world, CHECK_SAID_DURABLE,
                   "n%zu finds a log that begins at %" PRIu64 ", and what was before is not %s",
                   node + 1, first_index, last == NULL ? "known" : "committed");
        return false;
    }
    log_put(found, 1, disk->items, (size_t)(first_index - 1));
    return true;
}

static bool find_log(struct checks *checks, size_t node, uint64_t first_index,
                     const struct log_record *records, size_t count, struct known_log *found)
{
    struct node_view *view = &checks->nodes[node];
    if (!find_trimmed(checks, node, first_index, found)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct known *known = recognise(checks, node, &records[i], first_index + i);
        if (known == NULL) {
            return false;
        }
        log_put(found, first_index + i, &known, 1);
    }
    if (!is_possible(view, found)) {
        uint64_t index = first_difference(found, &view->disk);
        world_fail(checks->world, CHECK_SAID_DURABLE,
                   "n%zu finds a log that ends at %" PRIu64 ", and has at %" PRIu64 " term %" PRIu64
                   "; durable were %" PRIu64 " entries, there term %" PRIu64,
                   node + 1, found->last, index, term_at(found, index), view->disk.last,
                   term_at(&view->disk, index));
        return false;
    }
    return true;
}

void checks_log_found(struct checks *checks, size_t node, uint64_t first_index,
                      const struct log_record *records, size_t count)
{
    struct node_view *view = &checks->nodes[node];
    struct known_log found = {0};
    if (checks->world->failed) {
        return;
    }
    if (find_log(checks, node, first_index, records, count, &found)) {
        trace_note(&checks->world->trace, node, TRACE_LOG_FOUND, found.last,
                   term_at(&found, found.last), first_index);
        uint64_t same = first_difference(&found, &view->disk) - 1;
        disk_put(checks, node, same + 1, found.items != NULL ? found.items + same : NULL,
                 (size_t)(found.last - same));
        log_put(&view->asked, 1, found.items, (size_t)found.last);
        drop_writes(view);
        view->role = REPLICA_FOLLOWER;
        view->role_term = 0;
        view->commit_index = 0;
        view->applied_index = 0;
        view->hands_to = 0;
    }
    free((void *)found.items);
}

/* ---- a state from another node ---- */

void checks_log_replace_asked(struct checks *checks, size_t node, struct known *const *items,
                              uint64_t count)
{
    log_put(&checks->nodes[node].asked, 1, items, (size_t)count);
}

void checks_log_replace_disk(struct checks *checks, size_t node, struct known *const *items,
                             uint64_t count)
{
    disk_put(checks, node, 1, items, (size_t)count);
    drop_writes(&checks->nodes[node]);
}

/* ---- the end of disks ---- */

void checks_log_wiped(struct checks *checks, size_t node)
{
    struct node_view *view = &checks->nodes[node];
    for (uint64_t i = 0; i < view->disk.last; i++) {
        view->disk.items[i]->on_disks &= ~((node_set)1 << node);
        view->disk.items[i]->on_lost |= (node_set)1 << node;
    }
    view->disk.last = 0;
    view->asked.last = 0;
    drop_writes(view);
}

void checks_log_free(struct checks *checks)
{
    for (size_t i = 0; i < checks->node_count; i++) {
        drop_writes(&checks->nodes[i]);
        free((void *)checks->nodes[i].asked.items);
        free((void *)checks->nodes[i].disk.items);
    }
    for (uint64_t i = 0; i < checks->known_capacity; i++) {
        while (checks->known[i] != NULL) {
            struct known *known = checks->known[i];
            checks->known[i] = known->next;
            entry_release(known->entry);
            free(known);
        }
    }
    free((void *)checks->known);
}
