/*
 * cluster_members.c - `holdfast cluster add`, `promote`, `remove` and `transfer-leader`: who the
 * members are, and which of them leads.
 *
 * The library finds the leader, and gives a change again until it is answered. What is done here
 * besides is what an operator would else do by hand: wait until a standby has caught up, hand the
 * leadership over before the leader is removed, choose who is to lead.
 *
 * Exit 0: it is so now, or was so already (and that is said). 1: the cluster refuses, in its words;
 * or a standby did not catch up in time. 3 and 4 as for every verb: a change whose outcome is not
 * known may be given again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "nodes.h"
#include "render.h"
#include "verb.h"

/* Between two looks at a standby that catches up. */
#define LOOK_EVERY_MS 200
/* Behind so many looks in vain the operator is told what is waited for. */
#define LOOKS_IN_SILENCE 10
/* How long a look may take: a node that hangs must not make the others wait. */
#define LOOK_TIMEOUT_MS 1000
/* Half of what is allowed: it still holds when the leader judges. */
#define CLOSE_ENTRIES (LIMIT_PROMOTION_LAG / 2)
/* A standby that looks ready may be refused for a moment: the leader is about to register its data
 * directory, or another change is on its way. So often it is asked again. */
#define PROMOTION_REFUSALS 25
/* The leader may change between the look and the request. */
#define REMOVAL_ATTEMPTS 3

static uint64_t now_ms(void)
{
    return clock_now_ns() / 1000000;
}

static bool read_id(struct verb *verb, uint64_t *id)
{
    struct error error;
    int64_t number;
    if (!parse_number("the node's id", verb->arguments.operands[0], 1, UINT32_MAX, &number,
                      &error)) {
        return verb_misused(verb, error.text);
    }
    *id = (uint64_t)number;
    return true;
}

/* For a verdict other than HF_OK. */
static void tell_failure(struct verb *verb, hf_verdict verdict, const char *message)
{
    if (verdict == HF_OUTCOME_UNKNOWN) {
        verb_fail(
            verb, EXIT_CODE_OUTCOME_UNKNOWN,
            "%s; to learn what became of it, run the same command again: what is done already "
            "is not done twice",
            message);
    } else {
        verb_fail_unanswered(verb, verdict, message, NULL);
    }
}

static bool look(struct verb *verb, struct nodes *nodes)
{
    struct endpoints endpoints;
    if (!verb_split_endpoints(verb, &endpoints)) {
        return false;
    }
    uint32_t timeout_ms =
        verb->timeout_ms < LOOK_TIMEOUT_MS ? (uint32_t)verb->timeout_ms : LOOK_TIMEOUT_MS;
    nodes_ask(nodes, verb->client, &endpoints, timeout_ms);
    endpoints_free(&endpoints);
    return true;
}

static size_t voters_of(const hf_membership *membership)
{
    size_t voters = 0;
    for (size_t i = 0; i < membership->member_count; i++) {
        voters += membership->members[i].role == HF_ROLE_VOTER;
    }
    return voters;
}

static void print_membership_json(const hf_membership *membership)
{
    struct buffer line = {0};
    struct json json = json_into(&line);
    render_membership(&json, membership);
    verb_print_line(&line);
    buffer_free(&line);
}

/* ---- add ---- */

static void print_added(const hf_membership *membership, uint64_t id, const char *peer_address)
{
    const char *role = "";
    for (size_t i = 0; i < membership->member_count; i++) {
        if (membership->members[i].node_id == id) {
            role = hf_member_role_name(membership->members[i].role);
        }
    }
    printf("node %" PRIu64 " is a member%s: %s\n", id, membership->unchanged ? " already" : "",
           role);
    printf("start it with an empty directory:\n"
           "  holdfastd --id %" PRIu64 " --data DIR --cluster-id %s --peer-address %s "
           "--client-address HOST:PORT\n"
           "and give it its vote when it has caught up:\n"
           "  holdfast cluster promote %" PRIu64 "\n",
           id, membership->cluster_id, peer_address, id);
}

int verb_cluster_add(int argc, char **argv)
{
    struct verb verb = {0};
    const struct command_option options[] = {{.kind = OPTION_END}};
    struct command_syntax syntax = {
        .verb = "cluster add",
        .operands = "ID PEER_ADDRESS",
        .summary =
            "Makes a new node a member without a vote, and prints the command that starts it.\n"
            "PEER_ADDRESS is where the other nodes reach it.",
        .options = options,
        .operands_min = 2,
        .operands_max = 2,
    };
    uint64_t id = 0;
    if (!verb_begin(&verb, &syntax, argc, argv)) {
        return verb.exit_code;
    }
    if (read_id(&verb, &id) && verb_connect(&verb)) {
        const char *peer_address = verb.arguments.operands[1];
        hf_membership *membership;
        hf_verdict verdict = hf_add_server(verb.client, id, peer_address, NULL, &membership);
        if (verdict != HF_OK) {
            tell_failure(&verb, verdict, membership->message);
        } else if (verb.output == OUTPUT_JSON) {
            print_membership_json(membership);
        } else {
            print_added(membership, id, peer_address);
        }
        hf_free(membership);
    }
    return verb_end(&verb);
}

/* ---- promote ---- */

static void show_progress(uint64_t id, uint64_t lacks)
{
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r\033[Knode %" PRIu64 " lacks %" PRIu64 " entries", id, lacks);
        fflush(stderr);
    }
}

static void end_progress(void)
{
    if (isatty(STDERR_FILENO)) {
        fputs("\r\033[K", stderr);
    }
}

enum standby { STANDBY_READY, STANDBY_BEHIND, STANDBY_SILENT, STANDBY_UNKNOWN, STANDBY_NONE };

/* As the leader sees it. NONE: no member, or one that has its vote; the leader says so. */
static enum standby look_at_standby(const struct nodes *nodes, uint64_t id, uint64_t *lacks)
{
    const hf_status *leader = nodes_leader(nodes);
    if (leader == NULL) {
        return STANDBY_UNKNOWN;
    }
    const hf_member *member = member_of(leader, id);
    if (member == NULL || member->role == HF_ROLE_VOTER) {
        return STANDBY_NONE;
    }
    *lacks =
        leader->last_index > member->match_index ? leader->last_index - member->match_index : 0;
    if (!member->heard || !member->connected) {
        return STANDBY_SILENT;
    }
    /* What the leader's log does not have any more comes with a whole state, however little it is.
     */
    bool needs_state = member->match_index + 1 < leader->log_first_index;
    return *lacks <= CLOSE_ENTRIES && !needs_state ? STANDBY_READY : STANDBY_BEHIND;
}

static void tell_not_ready(struct verb *verb, uint64_t id, enum standby standby, uint64_t lacks)
{
    switch (standby) {
    case STANDBY_SILENT:
        verb_fail(verb, EXIT_CODE_REFUSED,
                  "node %" PRIu64 " is not heard from: is it started, with the address that it was "
                  "added with?",
                  id);
        break;
    case STANDBY_BEHIND:
        verb_fail(verb, EXIT_CODE_REFUSED,
                  "node %" PRIu64 " still lacks %" PRIu64 " entries; it goes on catching up: ask "
                  "again, or with a longer --timeout",
                  id, lacks);
        break;
    case STANDBY_UNKNOWN:
    case STANDBY_READY:
    case STANDBY_NONE:
        verb_fail(verb, EXIT_CODE_UNREACHED,
                  "no node that answered leads; see: holdfast cluster "
                  "status");
        break;
    }
}

/* It may take as long as --timeout says: nobody should have to guess why. */
static void tell_waiting(uint64_t id, enum standby standby)
{
    if (standby == STANDBY_SILENT) {
        fprintf(stderr,
                "holdfast cluster promote: node %" PRIu64 " is not heard from yet: waiting; is it "
                "started, with the address that it was added with?\n",
                id);
    } else if (standby == STANDBY_UNKNOWN) {
        fputs("holdfast cluster promote: no node that answers leads yet: waiting; see: holdfast "
              "cluster status\n",
              stderr);
    }
}

static void pause_between_looks(void)
{
    const struct timespec pause = {.tv_nsec = LOOK_EVERY_MS * 1000000L};
    nanosleep(&pause, NULL);
}

/* False: it did not come close in time, and that has been said. */
static bool wait_until_close(struct verb *verb, uint64_t id, uint64_t end_ms, bool *is_standby)
{
    uint64_t lacks = 0;
    for (unsigned looks = 1;; looks++) {
        struct nodes nodes;
        if (!look(verb, &nodes)) {
            return false;
        }
        enum standby standby = look_at_standby(&nodes, id, &lacks);
        nodes_free(&nodes);
        if (standby == STANDBY_READY || standby == STANDBY_NONE) {
            end_progress();
            *is_standby = standby == STANDBY_READY;
            return true;
        }
        if (now_ms() + LOOK_EVERY_MS > end_ms) {
            end_progress();
            tell_not_ready(verb, id, standby, lacks);
            return false;
        }
        if (standby == STANDBY_BEHIND) {
            show_progress(id, lacks);
        } else if (looks == LOOKS_IN_SILENCE) {
            tell_waiting(id, standby);
        }
        pause_between_looks();
    }
}

/* False: it was refused, which changes nothing, and may be asked again. */
static bool promote(struct verb *verb, uint64_t id, bool may_ask_again)
{
    hf_membership *membership;
    hf_verdict verdict = hf_promote_server(verb->client, id, NULL, &membership);
    if (verdict == HF_REFUSED && may_ask_again) {
        hf_free(membership);
        return false;
    }
    if (verdict != HF_OK) {
        tell_failure(verb, verdict, membership->message);
    } else if (verb->output == OUTPUT_JSON) {
        print_membership_json(membership);
    } else {
        printf("node %" PRIu64 " has a vote%s, one of %zu\n", id,
               membership->unchanged ? " already" : "", voters_of(membership));
    }
    hf_free(membership);
    return true;
}

static void promote_when_ready(struct verb *verb, uint64_t id)
{
    uint64_t end_ms = now_ms() + (uint64_t)verb->timeout_ms;
    bool is_standby;
    for (unsigned refusals = 0; wait_until_close(verb, id, end_ms, &is_standby); refusals++) {
        bool may_ask_again =
            is_standby && refusals < PROMOTION_REFUSALS && now_ms() + LOOK_EVERY_MS <= end_ms;
        if (promote(verb, id, may_ask_again)) {
            return;
        }
        pause_between_looks();
    }
}

int verb_cluster_promote(int argc, char **argv)
{
    /* Catching up may mean a whole state: as long as a call may last. */
    struct verb verb = {.timeout_ms = LIMIT_DEADLINE_MS};
    bool no_wait = false;
    const struct command_option options[] = {
        {.kind = OPTION_FLAG,
         .name = "no-wait",
         .target = &no_wait,
         .help = "ask once, and don't wait until the node has caught up"},
        {.kind = OPTION_END},
    };
    struct command_syntax syntax = {
        .verb = "cluster promote",
        .operands = "ID",
        .summary = "Waits until the node has caught up, and gives it its vote.",
        .options = options,
        .operands_min = 1,
        .operands_max = 1,
    };
    uint64_t id = 0;
    if (!verb_begin(&verb, &syntax, argc, argv)) {
        return verb.exit_code;
    }
    if (read_id(&verb, &id) && verb_connect(&verb)) {
        if (no_wait) {
            promote(&verb, id, false);
        } else {
            promote_when_ready(&verb, id);
        }
    }
    return verb_end(&verb);
}

/* ---- transfer-leader ---- */

static void print_leader(struct verb *verb, const hf_leadership *leadership)
{
    if (verb->output == OUTPUT_JSON) {
        struct buffer line = {0};
        struct json json = json_into(&line);
        render_leadership(&json, leadership);
        verb_print_line(&line);
        buffer_free(&line);
    } else {
        printf("node %" PRIu64 " leads%s, in term %" PRIu64 "\n", leadership->leader_id,
               leadership->unchanged ? " already" : "", leadership->term);
    }
}

/* To whom, where the operator did not say: an id, so that it can be asked for twice. 0: the leader
 * is to choose, or to say why it can't. */
static bool choose_leader(struct verb *verb, uint64_t *to)
{
    struct nodes nodes;
    if (!look(verb, &nodes)) {
        return false;
    }
    const hf_status *leader = nodes_leader(&nodes);
    *to = leader != NULL ? nodes_best_voter(leader) : 0;
    nodes_free(&nodes);
    return true;
}

int verb_cluster_transfer_leader(int argc, char **argv)
{
    struct verb verb = {0};
    const struct command_option options[] = {{.kind = OPTION_END}};
    struct command_syntax syntax = {
        .verb = "cluster transfer-leader",
        .operands = "[ID]",
        .summary =
            "Has the leader hand over: to this voter, or to the one that has most of the log.",
        .options = options,
        .operands_min = 0,
        .operands_max = 1,
    };
    uint64_t to = 0;
    if (!verb_begin(&verb, &syntax, argc, argv)) {
        return verb.exit_code;
    }
    bool is_named = verb.arguments.operand_count > 0;
    if ((!is_named || read_id(&verb, &to)) && verb_connect(&verb) &&
        (is_named || choose_leader(&verb, &to))) {
        hf_leadership *leadership;
        hf_verdict verdict = hf_transfer_leadership(verb.client, to, NULL, &leadership);
        if (verdict != HF_OK) {
            tell_failure(&verb, verdict, leadership->message);
        } else {
            print_leader(&verb, leadership);
        }
        hf_free(leadership);
    }
    return verb_end(&verb);
}

/* ---- remove ---- */

/* Where it leads, another one is to lead. False: that failed, and has been said. */
static bool hand_over_from(struct verb *verb, uint64_t id)
{
    struct nodes nodes;
    if (!look(verb, &nodes)) {
        return false;
    }
    const hf_status *leader = nodes_leader(&nodes);
    bool leads = leader != NULL && leader->node_id == id;
    uint64_t to = leads ? nodes_best_voter(leader) : 0;
    nodes_free(&nodes);
    if (!leads) {
        return true;
    }
    hf_leadership *leadership;
    hf_verdict verdict = hf_transfer_leadership(verb->client, to, NULL, &leadership);
    if (verdict != HF_OK) {
        tell_failure(verb, verdict, leadership->message);
    } else {
        fprintf(stderr, "node %" PRIu64 " led: node %" PRIu64 " leads now\n", id,
                leadership->leader_id);
    }
    hf_free(leadership);
    return verdict == HF_OK;
}

static void print_removed(struct verb *verb, const hf_membership *membership, uint64_t id)
{
    if (verb->output == OUTPUT_JSON) {
        print_membership_json(membership);
    } else if (membership->unchanged) {
        printf("node %" PRIu64 " is no member\n", id);
    } else {
        printf("node %" PRIu64
               " is no member any more; %zu voters are left. Stop it if it still runs; "
               "a new node in its place needs an id of its own\n",
               id, voters_of(membership));
    }
}

/* Hands over where that is needed. A refusal may mean that it leads again: worth another look. */
static void remove_node(struct verb *verb, uint64_t id)
{
    for (int attempt = 1; hand_over_from(verb, id); attempt++) {
        hf_membership *membership;
        hf_verdict verdict = hf_remove_server(verb->client, id, NULL, &membership);
        struct nodes nodes = {0};
        bool leads = verdict == HF_REFUSED && attempt < REMOVAL_ATTEMPTS && look(verb, &nodes) &&
                     nodes_leader(&nodes) != NULL && nodes_leader(&nodes)->node_id == id;
        nodes_free(&nodes);
        if (verdict == HF_OK) {
            print_removed(verb, membership, id);
        } else if (!leads) {
            tell_failure(verb, verdict, membership->message);
        }
        hf_free(membership);
        if (!leads) {
            return;
        }
    }
}

int verb_cluster_remove(int argc, char **argv)
{
    struct verb verb = {0};
    const struct command_option options[] = {{.kind = OPTION_END}};
    struct command_syntax syntax = {
        .verb = "cluster remove",
        .operands = "ID",
        .summary = "Takes a node out of the cluster; where it leads, it hands over first.",
        .options = options,
        .operands_min = 1,
        .operands_max = 1,
    };
    uint64_t id = 0;
    if (!verb_begin(&verb, &syntax, argc, argv)) {
        return verb.exit_code;
    }
    if (read_id(&verb, &id) && verb_connect(&verb)) {
        remove_node(&verb, id);
    }
    return verb_end(&verb);
}
