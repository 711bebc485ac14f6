/*
 * cluster_status.c - `holdfast cluster status`: each endpoint is asked and answers for itself. Exit
 * 0 as soon as one node answers.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "render.h"
#include "verb.h"

void verb_note_silent_node(struct verb *verb, const char *endpoint, hf_verdict verdict,
                           const char *message)
{
    enum exit_code before = verb->exit_code;
    enum exit_code code = exit_code_of(verdict);
    code = code == EXIT_CODE_USAGE ? EXIT_CODE_USAGE : EXIT_CODE_UNREACHED;
    /* One node was asked, once: of all that the library has to say, only the cause is news. */
    const char *cause = message;
    int len = verdict == HF_UNREACHABLE ? verb_cause_of(message, &cause) : (int)strlen(message);
    verb_fail(verb, code, "%s: %.*s", endpoint, len, cause);
    verb->exit_code = before == EXIT_CODE_USAGE ? before : code;
}

/* ---- status ---- */

static const char *const status_headings[] = {"ENDPOINT", ">NODE",  "STATE",   ">TERM", ">COMMIT",
                                              ">APPLIED", "DIGEST", "VERSION", NULL};

static void tabulate_status(struct table *table, const char *endpoint, const hf_status *status)
{
    table_text(table, endpoint);
    table_uint(table, status->node_id);
    table_text(table, hf_server_state_name(status->state));
    table_uint(table, status->term);
    table_uint(table, status->commit_index);
    table_uint(table, status->applied_index);
    table_text(table, status->digest);
    table_text(table, status->version);
}

static bool ask_status(struct verb *verb, const char *endpoint, struct table *table)
{
    hf_status *status;
    hf_verdict verdict = hf_get_status(verb->client, endpoint, NULL, &status);
    if (verdict != HF_OK) {
        verb_note_silent_node(verb, endpoint, verdict, status->message);
    }
    if (verb->output == OUTPUT_TABLE) {
        if (verdict == HF_OK) {
            tabulate_status(table, endpoint, status);
        }
    } else {
        struct buffer line = {0};
        struct json json = json_into(&line);
        render_status(&json, endpoint, status);
        verb_print_line(&line);
        buffer_free(&line);
    }
    if (verdict == HF_OK && status->digest_alarm[0] != '\0') {
        fprintf(stderr, "holdfast cluster status: %s: ALARM: %s\n", endpoint, status->digest_alarm);
    }
    hf_free(status);
    return verdict == HF_OK;
}

int verb_cluster_status(int argc, char **argv)
{
    struct verb verb = {0};
    const struct command_option options[] = {{.kind = OPTION_END}};
    struct command_syntax syntax = {
        .verb = "cluster status",
        .operands = "",
        .summary = "Asks each endpoint how it is. Exit 3 only if none of them answers.",
        .options = options,
    };
    struct endpoints endpoints;
    if (!verb_begin(&verb, &syntax, argc, argv)) {
        return verb.exit_code;
    }
    if (!endpoints_split(&endpoints, verb.endpoints)) {
        verb_fail(&verb, EXIT_CODE_USAGE, "more than %d endpoints", LIMIT_CLIENT_GIVEN_ENDPOINTS);
        return verb_end(&verb);
    }
    if (verb_connect(&verb)) {
        struct table table;
        size_t answered = 0;
        table_begin(&table, stdout, status_headings);
        for (size_t i = 0; i < endpoints.count; i++) {
            answered += ask_status(&verb, endpoints.each[i], &table);
        }
        if (verb.output == OUTPUT_TABLE && answered > 0) {
            table_flush(&table);
        }
        buffer_free(&table.cells);
        if (answered > 0 && verb.exit_code == EXIT_CODE_UNREACHED) {
            verb.exit_code = EXIT_CODE_DONE;
        } else if (verb.exit_code == EXIT_CODE_UNREACHED) {
            verb_fail(
                &verb, EXIT_CODE_UNREACHED,
                "no node answered; is a cluster running? start one with: holdfast playground");
        }
    }
    endpoints_free(&endpoints);
    return verb_end(&verb);
}
