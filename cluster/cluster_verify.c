/*
 * cluster_verify.c - `holdfast cluster verify`: all members read their whole state at one log
 * index, at the same time and while they serve, and what they find is compared.
 *
 * The happy path: an endpoint tells who the members are, and where; the leader how far the log is,
 * and how fast it grows. All members are asked to verify at an index a little ahead of that, which
 * none of them has passed when it is asked. Digests recomputed from the records are compared, each
 * with the one that its node keeps and with the other nodes', and each node's violations are told.
 *
 * What can fail: a node can't be asked, or can't come to the index (exit 3: what was not checked is
 * not known to be good); a node is further already (all are asked again, further ahead); something
 * is wrong with a node, or nodes differ (exit 1, which counts more). Where no leader is known
 * nothing can be written, so each node verifies where it stands, and those at one index are
 * compared.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/limits.h"
#include "nodes.h"
#include "render.h"
#include "verb.h"

/* A look at a node that may be down. */
#define STATUS_TIMEOUT_MS 5000
/* From one look at the leader's log to the next: how many entries come in so much time? */
#define PACE_MS 100
/* So much time shall the nodes have to hear of the index, and so many entries at least, before it
 * is passed; the leader writes LIMIT_AUDIT_ENTRIES at most by itself. */
#define AHEAD_MS              500
#define AHEAD_ENTRIES         64
#define AHEAD_ENTRIES_AT_MOST (LIMIT_AUDIT_ENTRIES - 24)
/* With the double distance each time. */
#define ATTEMPTS 4

struct asked_node {
    struct verify_run *run;
    uint64_t id;
    const char *endpoint; /* "": not known */
    hf_verdict verdict;
    hf_verification *answer; /* NULL: not asked */
    bool is_checked;         /* it has answered, and could be compared */
    bool is_wrong;
};

struct verify_run {
    struct verb *verb;
    struct nodes known; /* who they are, and where */
    struct asked_node nodes[LIMIT_NODES];
    size_t count;
    const char *leader; /* its endpoint; "": none known */
    uint64_t at_index;  /* 0: where each of them stands */
};

static const char *const headings[] = {">NODE",   "ENDPOINT", ">INDEX",      "DIGEST", ">STOCKS",
                                       ">ORDERS", ">HISTORY", ">VIOLATIONS", NULL};

/* ---- who and where ---- */

static uint32_t status_timeout_ms(const struct verb *verb)
{
    return (uint32_t)(verb->timeout_ms < STATUS_TIMEOUT_MS ? verb->timeout_ms : STATUS_TIMEOUT_MS);
}

/* An endpoint that is no member's, as far as anybody knows, is told of here; members, behind. */
static bool tell_silent_endpoints(struct verify_run *run)
{
    bool answered = false;
    for (size_t i = 0; i < run->known.count; i++) {
        const struct node_answer *answer = &run->known.items[i];
        answered = answered || node_answered(answer);
        if (!node_answered(answer) && answer->node_id == 0) {
            verb_fail_node(run->verb, answer->endpoint, answer->status->verdict,
                           answer->status->message);
        }
    }
    return answered;
}

static bool find_members(struct verify_run *run, const struct endpoints *endpoints)
{
    nodes_ask(&run->known, run->verb->client, endpoints, status_timeout_ms(run->verb));
    if (!tell_silent_endpoints(run)) {
        return run->verb->exit_code != EXIT_CODE_USAGE &&
               verb_fail(run->verb, EXIT_CODE_UNREACHED,
                         "no node answered; is a cluster running? start one with: holdfast "
                         "playground");
    }
    const hf_status *authority = nodes_authority(&run->known);
    const hf_status *leader = nodes_leader(&run->known);
    run->leader = leader != NULL ? nodes_endpoint_of(&run->known, leader->node_id) : "";
    for (size_t i = 0; i < authority->member_count && i < LIMIT_NODES; i++) {
        uint64_t id = authority->members[i].node_id;
        run->nodes[run->count++] = (struct asked_node){
            .run = run, .id = id, .endpoint = nodes_endpoint_of(&run->known, id)};
    }
    return true;
}

/* ---- the index ---- */

static bool look_at_leader(const struct verify_run *run, uint64_t *last_index)
{
    const hf_call_options options = {.timeout_ms = status_timeout_ms(run->verb)};
    hf_status *status;
    bool ok = hf_get_status(run->verb->client, run->leader, &options, &status) == HF_OK &&
              status->state == HF_SERVER_LEADER;
    *last_index = ok ? status->last_index : 0;
    hf_free(status);
    return ok;
}

static void choose_index(struct verify_run *run, unsigned attempt)
{
    const struct timespec pace = {.tv_nsec = PACE_MS * 1000000L};
    uint64_t before;
    uint64_t last;
    run->at_index = 0;
    if (run->leader[0] == '\0' || !look_at_leader(run, &before)) {
        return;
    }
    nanosleep(&pace,
              NULL); /* cut short by a signal, the pace is taken for slower: and asked again */
    if (look_at_leader(run, &last)) {
        uint64_t grown = last > before ? last - before : 0;
        uint64_t ahead = (AHEAD_ENTRIES + grown * AHEAD_MS / PACE_MS) << attempt;
        run->at_index = last + (ahead < AHEAD_ENTRIES_AT_MOST ? ahead : AHEAD_ENTRIES_AT_MOST);
    }
}

/* ---- asking ---- */

static void ask(void *item)
{
    struct asked_node *node = item;
    hf_free(node->answer);
    node->answer = NULL;
    if (node->endpoint[0] != '\0') {
        node->verdict = hf_verify_at(node->run->verb->client, node->endpoint, node->run->at_index,
                                     NULL, &node->answer);
    }
}

/* A node says so with INVALID_ARGUMENT: the index, which is all that it is asked, is behind it. */
static bool some_have_passed(const struct verify_run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        if (run->nodes[i].answer != NULL && run->nodes[i].verdict == HF_INVALID_ARGUMENT) {
            return run->at_index != 0;
        }
    }
    return false;
}

/* ---- judging ---- */

static bool has_answered(const struct asked_node *node)
{
    return node->answer != NULL && node->verdict == HF_OK;
}

static bool fail_node(struct asked_node *node, const char *what, const char *words)
{
    node->is_wrong = true;
    return verb_fail(node->run->verb, EXIT_CODE_REFUSED, "node %" PRIu64 " (%s): %s%s", node->id,
                     node->endpoint, what, words);
}

/* What is wrong with one node by itself. */
static void check_node(struct asked_node *node)
{
    const hf_verification *found = node->answer;
    char words[200];
    for (size_t i = 0; i < found->violation_text_count; i++) {
        fail_node(node, "violation: ", found->violations[i]);
    }
    if (strcmp(found->digest, found->recomputed_digest) != 0) {
        snprintf(words, sizeof words,
                 "the digest that it keeps is %.40s, but its records give %.40s: they were changed "
                 "by something else than commands",
                 found->digest, found->recomputed_digest);
        fail_node(node, "", words);
    }
    if (!found->sound && !node->is_wrong) {
        snprintf(words, sizeof words, "%" PRIu64 " violations", found->violation_count);
        fail_node(node, "", words);
    }
}

static bool are_comparable(const struct asked_node *a, const struct asked_node *b)
{
    return has_answered(a) && has_answered(b) &&
           a->answer->applied_index == b->answer->applied_index;
}

static bool are_equal(const struct asked_node *a, const struct asked_node *b)
{
    return strcmp(a->answer->recomputed_digest, b->answer->recomputed_digest) == 0;
}

/* How many nodes stand at its index, and how many of them in its state. */
static void count_alike(const struct verify_run *run, const struct asked_node *node,
                        size_t *comparable, size_t *equal)
{
    *comparable = 0;
    *equal = 0;
    for (size_t i = 0; i < run->count; i++) {
        if (are_comparable(node, &run->nodes[i])) {
            *comparable += 1;
            *equal += are_equal(node, &run->nodes[i]);
        }
    }
}

static void tell_difference(struct asked_node *node, const struct asked_node *other,
                            bool is_majority)
{
    const hf_verification *a = node->answer;
    const hf_verification *b = other->answer;
    char words[400];
    snprintf(words, sizeof words,
             "at log index %" PRIu64 " its records (%" PRIu64 " stocks, %" PRIu64
             " orders, %" PRIu64 " history rows) give digest %.40s, those of %s (%" PRIu64
             ", %" PRIu64 ", %" PRIu64 ") %.40s",
             a->applied_index, a->stocks, a->orders, a->history_rows, a->recomputed_digest,
             is_majority ? "most others" : "another node", b->stocks, b->orders, b->history_rows,
             b->recomputed_digest);
    fail_node(node, "differs: ", words);
}

/* Of those that stand at the node's index in another state: one whose state most are in. */
static const struct asked_node *find_other(const struct verify_run *run,
                                           const struct asked_node *node, size_t *most)
{
    const struct asked_node *other = NULL;
    *most = 0;
    for (size_t i = 0; i < run->count; i++) {
        size_t comparable;
        size_t equal;
        if (!are_comparable(node, &run->nodes[i]) || are_equal(node, &run->nodes[i])) {
            continue;
        }
        count_alike(run, &run->nodes[i], &comparable, &equal);
        if (equal > *most) {
            *most = equal;
            other = &run->nodes[i];
        }
    }
    return other;
}

/* Nodes at one index must be in one state. Who differs from most of them is named; where there is
 * no such state, all that differ are. */
static void compare(struct verify_run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        struct asked_node *node = &run->nodes[i];
        size_t comparable;
        size_t equal;
        size_t most;
        if (!has_answered(node)) {
            continue;
        }
        count_alike(run, node, &comparable, &equal);
        node->is_checked = comparable > 1 || run->count == 1;
        if (equal * 2 <= comparable) {
            const struct asked_node *other = find_other(run, node, &most);
            assert(other != NULL); /* fewer are equal than comparable */
            tell_difference(node, other, most * 2 > comparable);
        }
    }
}

/* ---- telling ---- */

static const char *reason_of(const struct asked_node *node)
{
    if (node->endpoint[0] == '\0') {
        return "it has not been heard of, so where it serves clients is not known";
    }
    return node->answer->message;
}

static void tell_silent(struct asked_node *node)
{
    const char *reason = reason_of(node);
    const char *cause = reason;
    int len = node->answer != NULL && node->verdict == HF_UNREACHABLE
                  ? verb_cause_of(reason, &cause)
                  : (int)strlen(reason);
    verb_fail(node->run->verb, EXIT_CODE_UNREACHED, "node %" PRIu64 " (%s): %.*s", node->id,
              node->endpoint[0] != '\0' ? node->endpoint : "address unknown", len, cause);
}

static void print_rows(struct verify_run *run)
{
    struct table table;
    table_begin(&table, stdout, headings);
    for (size_t i = 0; i < run->count; i++) {
        const struct asked_node *node = &run->nodes[i];
        if (run->verb->output == OUTPUT_JSON) {
            struct buffer line = {0};
            struct json json = json_into(&line);
            render_verification(&json, node->id, node->endpoint, node->answer,
                                has_answered(node) ? NULL : reason_of(node));
            verb_print_line(&line);
            buffer_free(&line);
        } else if (has_answered(node)) {
            table_uint(&table, node->id);
            table_text(&table, node->endpoint);
            table_uint(&table, node->answer->applied_index);
            table_text(&table, node->answer->recomputed_digest);
            table_uint(&table, node->answer->stocks);
            table_uint(&table, node->answer->orders);
            table_uint(&table, node->answer->history_rows);
            table_uint(&table, node->answer->violation_count);
        }
    }
    if (run->verb->output == OUTPUT_TABLE) {
        table_flush(&table);
    }
    buffer_free(&table.cells);
}

static void list_ids(struct json *json, const char *key, const struct verify_run *run,
                     bool (*belongs)(const struct asked_node *node))
{
    json_key(json, key);
    json_array_begin(json);
    for (size_t i = 0; i < run->count; i++) {
        if (belongs(&run->nodes[i])) {
            json_uint(json, run->nodes[i].id);
        }
    }
    json_array_end(json);
}

static bool is_wrong(const struct asked_node *node)
{
    return node->is_wrong;
}

static bool is_unchecked(const struct asked_node *node)
{
    return !node->is_checked && !node->is_wrong;
}

static size_t count_of(const struct verify_run *run, bool (*belongs)(const struct asked_node *node))
{
    size_t count = 0;
    for (size_t i = 0; i < run->count; i++) {
        count += belongs(&run->nodes[i]);
    }
    return count;
}

static void print_verdict(struct verify_run *run)
{
    struct verb *verb = run->verb;
    size_t wrong = count_of(run, is_wrong);
    size_t unchecked = count_of(run, is_unchecked);
    const char *verdict = wrong > 0 ? "WRONG" : unchecked > 0 ? "INCOMPLETE" : "EQUAL";
    verb->exit_code = wrong > 0       ? EXIT_CODE_REFUSED
                      : unchecked > 0 ? EXIT_CODE_UNREACHED
                                      : EXIT_CODE_DONE;
    struct buffer line = {0};
    if (verb->output == OUTPUT_JSON) {
        struct json json = json_into(&line);
        json_object_begin(&json);
        json_field_text(&json, "verdict", verdict);
        json_field_uint(&json, "log_index", run->at_index);
        json_field_uint(&json, "nodes", run->count);
        list_ids(&json, "wrong", run, is_wrong);
        list_ids(&json, "unchecked", run, is_unchecked);
        json_object_end(&json);
    } else {
        char text[200];
        char at[64] = "where they stand";
        if (run->at_index != 0) {
            snprintf(at, sizeof at, "at log index %" PRIu64, run->at_index);
        }
        snprintf(text, sizeof text,
                 "%s: of %zu nodes %s, %zu equal and sound, %zu wrong, %zu not checked", verdict,
                 run->count, at, run->count - wrong - unchecked, wrong, unchecked);
        buffer_append(&line, text, strlen(text));
    }
    verb_print_line(&line);
    buffer_free(&line);
}

static void judge(struct verify_run *run)
{
    print_rows(run);
    fflush(stdout); /* before what is said of it, where both are one terminal */
    for (size_t i = 0; i < run->count; i++) {
        if (has_answered(&run->nodes[i])) {
            check_node(&run->nodes[i]);
        } else {
            tell_silent(&run->nodes[i]);
        }
    }
    compare(run);
    if (run->at_index == 0) {
        fprintf(stderr, "holdfast cluster verify: no leader is known: each node was read where it "
                        "stands, and only those at one log index could be compared\n");
    }
    print_verdict(run);
}

static void verify_all(struct verb *verb, const struct endpoints *endpoints)
{
    struct verify_run *run = memory_zalloc(sizeof *run);
    run->verb = verb;
    if (find_members(run, endpoints)) {
        unsigned attempt = 0;
        do {
            choose_index(run, attempt++);
            nodes_ask_each(ask, run->nodes, run->count, sizeof run->nodes[0]);
        } while (attempt < ATTEMPTS && some_have_passed(run));
        judge(run);
    }
    for (size_t i = 0; i < run->count; i++) {
        hf_free(run->nodes[i].answer);
    }
    nodes_free(&run->known);
    free(run);
}

int verb_cluster_verify(int argc, char **argv)
{
    /* The whole state is read: as long as a call may last. */
    struct verb verb = {.timeout_ms = LIMIT_DEADLINE_MS};
    const struct command_option options[] = {{.kind = OPTION_END}};
    struct command_syntax syntax = {
        .verb = "cluster verify",
        .operands = "",
        .summary = "Has all members, whom any endpoint names, read their whole states at one log\n"
                   "index, recompute the digests and check every invariant of the ledger, and\n"
                   "compares them. Exit 1 if anything is wrong, else 3 if a node was not checked.",
        .options = options,
    };
    struct endpoints endpoints;
    if (!verb_begin(&verb, &syntax, argc, argv)) {
        return verb.exit_code;
    }
    if (!verb_split_endpoints(&verb, &endpoints)) {
        return verb_end(&verb);
    }
    if (verb_connect(&verb)) {
        verify_all(&verb, &endpoints);
    }
    endpoints_free(&endpoints);
    return verb_end(&verb);
}
