/*
 * digests.c - asks each node in a thread of its own. Happy path: the leader's applied index, some
 * more, all answers within a second or two.
 *
 * A node whose records break the ledger's invariants is a moment of the history, :not-sound, that
 * the checker `digests` calls invalid: others may have the same digest.
 */
#include "digests.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define AHEAD 200 /* entries; a leader writes up to 1,024 empty ones to get there */

struct question {
    const struct digests_options *options;
    uint32_t node;
    uint64_t at_index;
    char endpoint[64];
    pthread_t thread;
    bool told;
    bool failed;
    struct error error;
};

static void record_unsound(const struct question *question, const hf_verification *answer)
{
    struct buffer value = {0};
    const char *first = answer->violation_text_count > 0 ? answer->violations[0]
                                                         : "the digest is not that of the records";
    buffer_printf(&value, "{:node \"n%u\" :violations %" PRIu64 " :first ", question->node,
                  answer->violation_count);
    event_write_string(&value, bytes_of_string(first));
    buffer_printf(&value, "}");
    recorder_add(question->options->recorder, (struct event){
                                                  .type = EVENT_INFO,
                                                  .function = FUNCTION_FAULT,
                                                  .process = EVENT_NEMESIS,
                                                  .fault = BYTES_LITERAL("not-sound"),
                                                  .fault_value = buffer_bytes(&value),
                                              });
    buffer_free(&value);
}

static void *ask(void *context)
{
    struct question *question = context;
    const struct digests_options *options = question->options;
    const hf_verification *answer = NULL;
    if (!network_enter(options->network, options->host, &question->error)) {
        question->failed = true;
        return NULL;
    }
    struct client_options client_options = {
        .recorder = options->recorder,
        .processes = options->processes,
        .endpoints = question->endpoint,
        .timeout_ms = options->timeout_ms,
        .seed = question->node,
    };
    struct client *client = client_open(&client_options, &question->error);
    if (client == NULL) {
        question->failed = true;
        return NULL;
    }
    question->told =
        client_read_digest(client, question->node, question->endpoint, question->at_index,
                           options->timeout_ms, &answer) == CLIENT_OK;
    if (question->told && answer != NULL && !answer->sound) {
        record_unsound(question, answer);
    }
    client_close(client);
    return NULL;
}

/* The highest that any node says; 0: nobody answers. */
static uint64_t find_applied(struct nodes *nodes, struct error *error)
{
    uint64_t applied = 0;
    hf_client *asker = nodes_operator(nodes, error);
    hf_call_options call = {.timeout_ms = 1000};
    for (uint32_t id = 1; asker != NULL && id <= nodes_last(nodes); id++) {
        hf_status *status = NULL;
        if (nodes_life(nodes, id) == NODE_RUNNING &&
            hf_get_status(asker, nodes_endpoint(nodes, id), &call, &status) == HF_OK &&
            status->applied_index > applied) {
            applied = status->applied_index;
        }
        hf_free(status);
    }
    return applied;
}

bool digests_read(const struct digests_options *options, uint32_t *told, struct error *error)
{
    struct question *questions = memory_zalloc((NODES_MOST + 1) * sizeof *questions);
    uint32_t count = 0;
    bool fine = true;
    error->text[0] = '\0';
    uint64_t applied = find_applied(options->nodes, error);
    *told = 0;
    for (uint32_t id = 1; fine && applied > 0 && id <= nodes_last(options->nodes); id++) {
        struct question *question = &questions[count];
        if (nodes_life(options->nodes, id) != NODE_RUNNING) {
            continue;
        }
        *question = (struct question){.options = options, .node = id, .at_index = applied + AHEAD};
        snprintf(question->endpoint, sizeof question->endpoint, "%s",
                 nodes_endpoint(options->nodes, id));
        int status = pthread_create(&question->thread, NULL, ask, question);
        if (status != 0) {
            fine = error_set(error, "no thread to ask node %u: %s", id, strerror(status));
        } else {
            count++;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        pthread_join(questions[i].thread, NULL);
        *told += questions[i].told;
        if (questions[i].failed && fine) {
            *error = questions[i].error;
            fine = false;
        }
    }
    free(questions);
    return fine && (error->text[0] == '\0');
}
