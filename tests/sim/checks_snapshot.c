/*
 * checks_snapshot.c - the checks of snapshots: the points that are named, what the log may lose
 * behind them, and the states that are installed.
 *
 * A log is kept here as if it had never been trimmed: what a durable state holds of it is as good
 * as on the disk. So a trim changes nothing but must be covered, and an install puts onto the disk
 * what is committed up to its index, whoever made the state.
 */
#include "checks_internal.h"

#include <stdlib.h>

/* Is this a point of the committed log, with the members as of it? `what` it is that says so. */
static bool is_point(struct checks *checks, size_t node, const char *what, uint64_t index,
                     uint64_t term, uint64_t configuration_index, struct bytes configuration)
{
    const struct committed *committed = checks_committed_at(checks, index);
    if (committed == NULL) {
        world_fail(checks->world, CHECK_SNAPSHOT,
                   "n%zu %s a snapshot at %" PRIu64 ", committed are %" PRIu64 " entries", node + 1,
                   what, index, checks->committed_last);
        return false;
    }
    const struct entry *members = committed->known->configuration->entry;
    if (committed->known->entry->term != term || members->index != configuration_index ||
        !bytes_equal(members->data, configuration)) {
        world_fail(checks->world, CHECK_SNAPSHOT,
                   "n%zu %s a snapshot at %" PRIu64 " of term %" PRIu64 " with the members of "
                   "entry %" PRIu64 "; there stands an entry of term %" PRIu64
                   ", the members are those of entry %" PRIu64,
                   node + 1, what, index, term, configuration_index, committed->known->entry->term,
                   members->index);
        return false;
    }
    return true;
}

void checks_snapshot(struct checks *checks, size_t node, const struct snapshot *snapshot,
                     uint64_t flushed_index)
{
    struct node_view *view = &checks->nodes[node];
    if (checks->world->failed || view->lost) {
        return;
    }
    trace_note(&checks->world->trace, node, TRACE_SNAPSHOT, snapshot->index, snapshot->term);
    if (!is_point(checks, node, "stores", snapshot->index, snapshot->term,
                  snapshot->configuration_index,
                  bytes_of(snapshot->configuration, snapshot->configuration_len))) {
        return;
    }
    if (flushed_index < snapshot->index) {
        world_fail(checks->world, CHECK_SNAPSHOT,
                   "n%zu stores a snapshot at %" PRIu64
                   ", its state on the disk stands at %" PRIu64,
                   node + 1, snapshot->index, flushed_index);
    }
    view->snapshot_index = snapshot->index;
}

void checks_trimmed(struct checks *checks, size_t node, uint64_t first_index,
                    uint64_t flushed_index)
{
    const struct node_view *view = &checks->nodes[node];
    if (checks->world->failed || view->lost) {
        return;
    }
    trace_note(&checks->world->trace, node, TRACE_TRIMMED, first_index);
    if (first_index > view->snapshot_index + 1 || first_index > flushed_index + 1) {
        world_fail(checks->world, CHECK_SNAPSHOT,
                   "n%zu: its log begins at %" PRIu64 ", its snapshot is at %" PRIu64
                   " and its state on the disk at %" PRIu64,
                   node + 1, first_index, view->snapshot_index, flushed_index);
    }
}

/* ---- a state from another node ---- */

/* What is committed up to here, as a log. The caller frees it. NULL: the run has failed. */
static struct known **committed_log(struct checks *checks, size_t node, uint64_t index)
{
    if (index == 0 || index > checks->committed_last) {
        world_fail(checks->world, CHECK_SNAPSHOT,
                   "n%zu installs a snapshot at %" PRIu64 ", committed are %" PRIu64 " entries",
                   node + 1, index, checks->committed_last);
        return NULL;
    }
    struct known **items = memory_alloc(index * sizeof(struct known *));
    for (uint64_t i = 0; i < index; i++) {
        items[i] = checks->committed[i].known;
    }
    return items;
}

void checks_installing(struct checks *checks, size_t node, uint64_t index)
{
    const struct node_view *view = &checks->nodes[node];
    if (checks->world->failed) {
        return;
    }
    trace_note(&checks->world->trace, node, TRACE_INSTALLING, index);
    if (index <= view->commit_index) {
        world_fail(checks->world, CHECK_SNAPSHOT,
                   "n%zu installs a snapshot at %" PRIu64 ", its commit index is %" PRIu64,
                   node + 1, index, view->commit_index);
        return;
    }
    struct known **items = committed_log(checks, node, index);
    if (items != NULL) {
        checks_log_replace_asked(checks, node, items, index);
        free((void *)items);
    }
}

void checks_installed(struct checks *checks, size_t node, const struct snapshot *snapshot)
{
    struct node_view *view = &checks->nodes[node];
    if (checks->world->failed) {
        return;
    }
    trace_note(&checks->world->trace, node, TRACE_INSTALLED, snapshot->index);
    if (snapshot->index < view->applied_most) {
        world_fail(checks->world, CHECK_SNAPSHOT,
                   "n%zu installs a state at %" PRIu64 ", its own has come to %" PRIu64, node + 1,
                   snapshot->index, view->applied_most);
        return;
    }
    struct known **items = committed_log(checks, node, snapshot->index);
    if (items != NULL) {
        checks_log_replace_disk(checks, node, items, snapshot->index);
        free((void *)items);
        view->applied_most = snapshot->index;
    }
}

void checks_replaced(struct checks *checks, size_t node, uint64_t applied_index,
                     struct hash128 digest)
{
    struct node_view *view = &checks->nodes[node];
    const struct committed *committed = checks_committed_at(checks, applied_index);
    if (checks->world->failed) {
        return;
    }
    trace_note(&checks->world->trace, node, TRACE_REPLACED, applied_index, digest.low);
    bool is_right = view->is_spoilt || (committed != NULL && committed->applied &&
                                        hash128_equal(digest, committed->digest));
    if (applied_index != view->snapshot_index || committed == NULL || !is_right) {
        world_fail(checks->world, CHECK_SNAPSHOT,
                   "n%zu goes on with a state at %" PRIu64 ", digest %016" PRIx64
                   ", behind a snapshot at %" PRIu64 "; what is committed makes digest %016" PRIx64,
                   node + 1, applied_index, digest.low, view->snapshot_index,
                   committed != NULL ? committed->digest.low : 0);
        return;
    }
    view->applied_index = applied_index;
    checks_version_at(checks, node, committed);
}

void checks_offered(struct checks *checks, size_t node, const struct peer_message *message)
{
    const struct entry *configuration = message->install_snapshot.configuration;
    checks_leads(checks, node, message->install_snapshot.term);
    is_point(checks, node, "offers", message->install_snapshot.index,
             message->install_snapshot.last_term, configuration->index, configuration->data);
}
