/*
 * cluster_status.c - `holdfast cluster status` and `cluster verify`: each endpoint is asked and
 * answers for itself.
 *
 * status: exit 0 as soon as one node answers; a node that refuses commands is told of on stderr.
 * verify: exit 1 on a violation, on a digest that the records don't confirm, and where nodes at one
 * applied index have different digests; else 3 if a node could not be asked, for what was not
 * checked is not known to be good.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "render.h"
#include "verb.h"

/* Says that a node gave no answer, and remembers how bad that is: wrong usage before unreached. */
static void note_silent_node(struct verb *verb, const char *endpoint, hf_verdict verdict,
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
        note_silent_node(verb, endpoint, verdict, status->message);
    }
    if (verb->output == OUTPUT_TABLE) {
        if (verdict == HF_OK) {
            tabulate_status(table, endpoint, status);
            if (status->refuses[0] != '\0') {
                fprintf(stderr, "holdfast cluster status: %s: %s\n", endpoint, status->refuses);
            }
        }
    } else {
        struct buffer line = {0};
        struct json json = json_into(&line);
        render_status(&json, endpoint, status);
        verb_print_line(&line);
        buffer_free(&line);
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

/* ---- verify ---- */

static const char *const verify_headings[] = {"ENDPOINT", ">APPLIED", "DIGEST",      ">STOCKS",
                                              ">ORDERS",  ">HISTORY", ">VIOLATIONS", NULL};

static void print_verification(struct verb *verb, const char *endpoint,
                               const hf_verification *verification, struct table *table)
{
    if (verb->output == OUTPUT_JSON) {
        struct buffer line = {0};
        struct json json = json_into(&line);
        render_verification(&json, endpoint, verification);
        verb_print_line(&line);
        buffer_free(&line);
    } else if (verification->verdict == HF_OK) {
        table_text(table, endpoint);
        table_uint(table, verification->applied_index);
        table_text(table, verification->digest);
        table_uint(table, verification->stocks);
        table_uint(table, verification->orders);
        table_uint(table, verification->history_rows);
        table_uint(table, verification->violation_count);
    }
}

/* What is wrong with one node by itself. */
static bool check_node(struct verb *verb, const char *endpoint, const hf_verification *verification)
{
    for (size_t i = 0; i < verification->violation_text_count; i++) {
        verb_fail(verb, EXIT_CODE_REFUSED, "%s: violation: %s", endpoint,
                  verification->violations[i]);
    }
    bool digests_equal = strcmp(verification->digest, verification->recomputed_digest) == 0;
    if (!digests_equal) {
        verb_fail(verb, EXIT_CODE_REFUSED, "%s: the digest is %s, but the records give %s",
                  endpoint, verification->digest, verification->recomputed_digest);
    }
    return digests_equal && verification->sound && verification->violation_count == 0;
}

/* Nodes that have applied the same must be in the same state. Of others nothing is known, and it is
 * said: their digests differ, and that must not look like a finding. */
static bool check_pairs(struct verb *verb, const struct endpoints *endpoints,
                        hf_verification *const *verifications)
{
    bool equal = true;
    bool compared = true;
    for (size_t i = 0; i < endpoints->count; i++) {
        for (size_t k = i + 1; k < endpoints->count; k++) {
            const hf_verification *a = verifications[i];
            const hf_verification *b = verifications[k];
            if (a == NULL || b == NULL) {
                continue;
            }
            if (a->applied_index != b->applied_index) {
                compared = false;
            } else if (strcmp(a->digest, b->digest) != 0) {
                equal = verb_fail(verb, EXIT_CODE_REFUSED,
                                  "%s and %s have different digests at index %llu: %s and %s",
                                  endpoints->each[i], endpoints->each[k],
                                  (unsigned long long)a->applied_index, a->digest, b->digest);
            }
        }
    }
    if (!compared) {
        fprintf(stderr, "holdfast cluster verify: nodes at different indexes have different "
                        "digests, which can't be compared; ask again while nothing is written\n");
    }
    return equal;
}

static void verify_all(struct verb *verb, const struct endpoints *endpoints)
{
    struct table table;
    hf_verification *verifications[LIMIT_CLIENT_GIVEN_ENDPOINTS] = {NULL};
    bool sound = true;
    size_t answered = 0;
    table_begin(&table, stdout, verify_headings);
    for (size_t i = 0; i < endpoints->count; i++) {
        hf_verification *answer;
        hf_verdict verdict = hf_verify(verb->client, endpoints->each[i], NULL, &answer);
        print_verification(verb, endpoints->each[i], answer, &table);
        if (verdict == HF_OK) {
            sound = check_node(verb, endpoints->each[i], answer) && sound;
            verifications[i] = answer;
            answered++;
        } else {
            note_silent_node(verb, endpoints->each[i], verdict, answer->message);
            hf_free(answer);
        }
    }
    if (verb->output == OUTPUT_TABLE && answered > 0) {
        table_flush(&table);
    }
    buffer_free(&table.cells);
    sound = check_pairs(verb, endpoints, verifications) && sound;
    if (!sound) {
        verb->exit_code = EXIT_CODE_REFUSED;
    }
    for (size_t i = 0; i < endpoints->count; i++) {
        hf_free(verifications[i]);
    }
}

int verb_cluster_verify(int argc, char **argv)
{
    /* The whole state is read: as long as a call may last. */
    struct verb verb = {.timeout_ms = LIMIT_DEADLINE_MS};
    const struct command_option options[] = {{.kind = OPTION_END}};
    struct command_syntax syntax = {
        .verb = "cluster verify",
        .operands = "",
        .summary = "Has each endpoint read its whole state at one log index, recompute its digest\n"
                   "and check every invariant of the ledger. Exit 1 if anything is wrong.",
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
        verify_all(&verb, &endpoints);
    }
    endpoints_free(&endpoints);
    return verb_end(&verb);
}
