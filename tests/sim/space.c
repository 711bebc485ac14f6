/*
 * space.c - the names in a node's data directory, and how far its snapshot is behind its state.
 */
#include "space.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct look {
    char state[32]; /* the name of the one state's directory */
    struct error *left;
    bool is_tidy;
};

static bool visit(void *context, const char *name)
{
    struct look *look = context;
    bool belongs = strcmp(name, "lock") == 0 || strcmp(name, "manifest") == 0 ||
                   strcmp(name, "log") == 0 || strcmp(name, look->state) == 0;
    if (!belongs) {
        look->is_tidy =
            error_set(look->left, "%s is left on its disk, beside %s", name, look->state);
    }
    return look->is_tidy;
}

bool space_is_tidy(struct sim_node *node, struct error *left)
{
    const struct core *core = &node->core;
    const struct plan *plan = node->plan;
    struct look look = {.left = left, .is_tidy = true};
    struct error why;
    uint64_t behind = core_applied_index(core) - node->snapshot_seen;
    snprintf(look.state, sizeof look.state, "state.%" PRIu64,
             data_directory_generation(core->directory));
    if (!node->files.list(node->files.context, core->config.data, visit, &look, &why)) {
        return error_set(left, "its directory can't be listed: %s", why.text);
    }
    if (look.is_tidy && plan->snapshot_log_entries != 0 && behind > plan->snapshot_log_entries) {
        return error_set(left,
                         "its last snapshot is %" PRIu64 " entries behind its state, at most "
                         "%" PRIu64 " are allowed",
                         behind, plan->snapshot_log_entries);
    }
    return look.is_tidy;
}

uint64_t space_most_ms(const struct plan *plan)
{
    /* A fetch that is given up, in all its steps; what it left; a checkpoint. Clocks may be slow.
     */
    uint64_t offers_ms = 2 * REPLICA_OFFER_ELECTION_TIMEOUTS * plan->election_timeout_ms;
    uint64_t ms = 12 * plan->checkpoint_ask_ms + plan->staging_kept_ms +
                  (plan->checkpoint_kept_ms < offers_ms ? offers_ms : plan->checkpoint_kept_ms);
    return ms + ms / 20 + 2000;
}
