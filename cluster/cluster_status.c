/*
 * cluster_status.c - `holdfast cluster status`: the endpoints, and the members that they tell of, a
 * line for each; each is asked and answers for itself. Exit 0 as soon as one node answers; a node
 * that refuses commands, and states that differ, are told of on stderr.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "nodes.h"
#include "render.h"
#include "verb.h"

/* How long a node may take to say how it is, while nobody says otherwise. */
#define STATUS_TIMEOUT_MS 3000

/* ---- status ---- */

static const char *const status_headings[] = {
    ">NODE",     "ROLE",       "STATE",         ">TERM",   ">COMMIT", ">APPLIED", ">LAG", ">LOG",
    ">LOG SIZE", ">DISK FREE", ">LAST CONTACT", "VERSION", "CLUSTER", "ADDRESS",  NULL};

static void table_unknown(struct table *table, int cells)
{
    for (int i = 0; i < cells; i++) {
        table_text(table, "-");
    }
}

static void tabulate_size(struct table *table, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    char text[32];
    size_t unit = 0;
    double value = (double)bytes;
    while (value >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1024;
        unit++;
    }
    snprintf(text, sizeof text, "%.*f %s", unit == 0 ? 0 : 1, value, units[unit]);
    table_text(table, text);
}

/* A follower that fetches a state has nothing else to tell. */
static void tabulate_state(struct table *table, const hf_status *status)
{
    char text[64];
    const hf_fetching *fetching = status->fetching;
    if (status->removed_index != 0) {
        table_text(table, "REMOVED");
    } else if (status->state == HF_SERVER_LEADER && status->transferring_to != 0) {
        table_text(table, "HANDS OVER");
    } else if (fetching != NULL && fetching->installing) {
        table_text(table, "INSTALLS A STATE");
    } else if (fetching != NULL) {
        uint64_t percent =
            fetching->bytes_total != 0
                ? (uint64_t)(100.0 * (double)fetching->bytes_done / (double)fetching->bytes_total)
                : 0;
        snprintf(text, sizeof text, "FETCHES A STATE, %" PRIu64 " %%", percent);
        table_text(table, text);
    } else {
        table_text(table, hf_server_state_name(status->state));
    }
}

/* The numbers that only the node itself knows. */
static void tabulate_own(struct table *table, const hf_status *status, const hf_status *authority)
{
    uint64_t commit = authority->commit_index > status->commit_index ? authority->commit_index
                                                                     : status->commit_index;
    table_uint(table, status->term);
    table_uint(table, status->commit_index);
    table_uint(table, status->applied_index);
    table_uint(table, commit - status->applied_index);
    table_uint(table, status->last_index + 1 > status->log_first_index
                          ? status->last_index + 1 - status->log_first_index
                          : 0);
    tabulate_size(table, status->log_bytes);
    if (status->disk_free_bytes != 0) {
        tabulate_size(table, status->disk_free_bytes);
    } else {
        table_text(table, "-"); /* not known yet */
    }
}

/* Since the leader last heard from this member. */
static void tabulate_contact(struct table *table, const hf_status *authority,
                             const hf_member *member)
{
    char text[32];
    bool known = member != NULL && member->heard && member->node_id != authority->node_id;
    snprintf(text, sizeof text, "%" PRIu64 " ms", known ? member->last_contact_ms : 0);
    table_text(table, known ? text : "-");
}

static void tabulate_node(struct table *table, const struct node_answer *answer,
                          const hf_status *authority)
{
    const hf_member *member = answer->node_id != 0 ? member_of(authority, answer->node_id) : NULL;
    if (answer->node_id != 0) {
        table_uint(table, answer->node_id);
    } else {
        table_text(table, "?");
    }
    table_text(table, member != NULL         ? hf_member_role_name(member->role)
                      : answer->node_id != 0 ? "NO MEMBER"
                                             : "-");
    if (node_answered(answer)) {
        tabulate_state(table, answer->status);
        tabulate_own(table, answer->status, authority);
    } else {
        table_text(table, "UNREACHED");
        table_unknown(table, 7);
    }
    tabulate_contact(table, authority, member);
    table_text(table, node_answered(answer) ? answer->status->version : "-");
    table_text(table, node_answered(answer) ? answer->status->cluster_id : "-");
    table_text(table, answer->endpoint[0] != '\0' ? answer->endpoint : "unknown");
}

/* By id; who is not known comes last. */
static int compare_ids(const void *a, const void *b)
{
    uint64_t left = (*(const struct node_answer *const *)a)->node_id - 1;
    uint64_t right = (*(const struct node_answer *const *)b)->node_id - 1;
    return (left > right) - (left < right);
}

static void print_table(const struct nodes *nodes)
{
    const struct node_answer *sorted[NODES_MOST];
    struct table table;
    for (size_t i = 0; i < nodes->count; i++) {
        sorted[i] = &nodes->items[i];
    }
    qsort((void *)sorted, nodes->count, sizeof sorted[0], compare_ids);
    table_begin(&table, stdout, status_headings);
    for (size_t i = 0; i < nodes->count; i++) {
        tabulate_node(&table, sorted[i], nodes_authority(nodes));
    }
    table_end(&table);
}

static void print_json(const struct nodes *nodes)
{
    struct buffer line = {0};
    for (size_t i = 0; i < nodes->count; i++) {
        const struct node_answer *answer = &nodes->items[i];
        struct json json = json_into(&line);
        if (answer->status != NULL) {
            render_status(&json, answer->endpoint, answer->status);
        } else {
            json_object_begin(&json);
            json_field_text(&json, "endpoint", "");
            json_field_text(&json, "error", "no node knows where this one's clients connect");
            json_field_uint(&json, "node_id", answer->node_id);
            json_object_end(&json);
        }
        verb_print_line(&line);
    }
    buffer_free(&line);
}

/* What should not stay unseen behind a table. */
static void tell_clocks(const struct nodes *nodes)
{
    for (size_t i = 0; i < nodes->count; i++) {
        const struct node_answer *answer = &nodes->items[i];
        if (node_answered(answer) && answer->status->clock_warning[0] != '\0') {
            fprintf(stderr, "warning: node %" PRIu64 ": %s\n", answer->node_id,
                    answer->status->clock_warning);
        }
    }
}

/* Who gave no answer, or takes no commands, and why; how many answered. */
static size_t tell_troubles(struct verb *verb, const struct nodes *nodes)
{
    size_t answered = 0;
    for (size_t i = 0; i < nodes->count; i++) {
        const struct node_answer *answer = &nodes->items[i];
        if (node_answered(answer)) {
            answered++;
            if (answer->status->refuses[0] != '\0') {
                fprintf(stderr, "holdfast cluster status: %s: %s\n", answer->endpoint,
                        answer->status->refuses);
            }
        } else if (answer->status != NULL) {
            verb_fail_node(verb, answer->endpoint, answer->status->verdict,
                           answer->status->message);
        } else {
            verb_fail(verb, EXIT_CODE_UNREACHED,
                      "node %" PRIu64 " was not asked: no node knows where its clients connect",
                      answer->node_id);
        }
    }
    return answered;
}

/* States that differ, as a leader has found. */
static void tell_alarms(const struct nodes *nodes)
{
    for (size_t i = 0; i < nodes->count; i++) {
        const struct node_answer *answer = &nodes->items[i];
        if (node_answered(answer) && answer->status->digest_alarm[0] != '\0') {
            fprintf(stderr, "holdfast cluster status: %s: ALARM: %s\n", answer->endpoint,
                    answer->status->digest_alarm);
        }
    }
}

int verb_cluster_status(int argc, char **argv)
{
    struct verb verb = {.timeout_ms = STATUS_TIMEOUT_MS};
    const struct command_option options[] = {{.kind = OPTION_END}};
    struct command_syntax syntax = {
        .verb = "cluster status",
        .operands = "",
        .summary =
            "Asks the endpoints, and the members that they tell of, how they are: a line for\n"
            "each. Exit 3 only if none of them answers.",
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
        struct nodes nodes;
        nodes_ask(&nodes, verb.client, &endpoints, (uint32_t)verb.timeout_ms);
        size_t answered = tell_troubles(&verb, &nodes);
        if (verb.output == OUTPUT_JSON) {
            print_json(&nodes);
        } else if (answered > 0) {
            print_table(&nodes);
            tell_clocks(&nodes);
        }
        if (answered > 0 && verb.exit_code == EXIT_CODE_UNREACHED) {
            verb.exit_code = EXIT_CODE_DONE;
        } else if (verb.exit_code == EXIT_CODE_UNREACHED) {
            verb_fail(
                &verb, EXIT_CODE_UNREACHED,
                "no node answered; is a cluster running? start one with: holdfast playground");
        }
        tell_alarms(&nodes);
        nodes_free(&nodes);
    }
    endpoints_free(&endpoints);
    return verb_end(&verb);
}
