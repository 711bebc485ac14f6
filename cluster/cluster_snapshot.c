/*
 * cluster_snapshot.c - `holdfast cluster snapshot`: each endpoint takes a snapshot now, and trims
 * its log behind it.
 *
 * One line or row for each that did. Exit 3 if any did not: its line on stderr says why.
 */
#include <stdio.h>

#include "base/limits.h"
#include "render.h"
#include "verb.h"

static const char *const snapshot_headings[] = {"ENDPOINT", ">NODE", ">SNAPSHOT", NULL};

static void print_snapshot(const struct verb *verb, const char *endpoint,
                           const hf_snapshot *snapshot, struct table *table)
{
    if (verb->output == OUTPUT_JSON) {
        struct buffer line = {0};
        struct json json = json_into(&line);
        render_snapshot(&json, endpoint, snapshot);
        verb_print_line(&line);
        buffer_free(&line);
    } else if (snapshot->verdict == HF_OK) {
        table_text(table, endpoint);
        table_uint(table, snapshot->node_id);
        table_uint(table, snapshot->snapshot_index);
    }
}

static void take_all(struct verb *verb, const struct endpoints *endpoints)
{
    struct table table;
    size_t taken = 0;
    table_begin(&table, stdout, snapshot_headings);
    for (size_t i = 0; i < endpoints->count; i++) {
        hf_snapshot *snapshot;
        hf_verdict verdict = hf_take_snapshot(verb->client, endpoints->each[i], NULL, &snapshot);
        print_snapshot(verb, endpoints->each[i], snapshot, &table);
        if (verdict == HF_OK) {
            taken++;
        } else {
            verb_fail_node(verb, endpoints->each[i], verdict, snapshot->message);
        }
        hf_free(snapshot);
    }
    if (verb->output == OUTPUT_TABLE && taken > 0) {
        table_flush(&table);
    }
    buffer_free(&table.cells);
}

int verb_cluster_snapshot(int argc, char **argv)
{
    /* A node says itself when it has waited for too long. */
    struct verb verb = {.timeout_ms = 60000};
    const struct command_option options[] = {{.kind = OPTION_END}};
    struct command_syntax syntax = {
        .verb = "cluster snapshot",
        .operands = "",
        .summary =
            "Has each endpoint take a snapshot now, of all that it has applied, and trim its\n"
            "log behind it. Exit 3 if one did not.",
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
        take_all(&verb, &endpoints);
    }
    endpoints_free(&endpoints);
    return verb_end(&verb);
}
