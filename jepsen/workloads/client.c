/*
 * client.c - the recording client's life, and how an operation gets into the history.
 *
 * Happy path: recording_invoke stamps the invocation; the library's call; recording_complete stamps
 * the answer. What lies between the two is as little as can be: the wider the interval, the weaker
 * what checkers can say. Fails: opening the library's client.
 *
 * Texts of errors stand in the history once for each operation that had no answer. Words that
 * differ each time (an address, a number of attempts) would make it long for nothing, so the
 * verdict's name is recorded, and the library's words only where they say why a node refused.
 */
#include "client.h"

#include <assert.h>
#include <stdlib.h>

#include "recording.h"

static void take_process(struct client *client)
{
    client->process = atomic_fetch_add(client->processes, 1);
    assert(client->process < EVENT_PROCESSES);
}

static bool open_library(struct client *client, struct error *error)
{
    hf_options options;
    hf_options_init(&options);
    options.endpoints = client->endpoints;
    options.timeout_ms = client->timeout_ms;
    options.no_resend = !client->resends;
    client->library = hf_client_open(&options);
    return client->library != NULL ||
           error_set(error, "%s: %s", client->endpoints, hf_last_error());
}

struct client *client_open(const struct client_options *options, struct error *error)
{
    struct client *client = memory_zalloc(sizeof *client);
    client->recorder = options->recorder;
    client->processes = options->processes;
    client->endpoints = memory_strdup(options->endpoints);
    client->timeout_ms = options->timeout_ms;
    client->resends = options->resends;
    client->seed = options->seed;
    client->random = (struct random){options->seed};
    if (!open_library(client, error)) {
        client_close(client);
        return NULL;
    }
    take_process(client);
    return client;
}

bool client_reopen(struct client *client, struct error *error)
{
    hf_client *before = client->library;
    if (!open_library(client, error)) {
        client->library = before;
        return false;
    }
    hf_client_close(before);
    return true;
}

bool client_set_endpoints(struct client *client, const char *endpoints, struct error *error)
{
    if (strcmp(client->endpoints, endpoints) == 0) {
        return true;
    }
    char *before = client->endpoints;
    client->endpoints = memory_strdup(endpoints);
    if (!client_reopen(client, error)) {
        free(client->endpoints);
        client->endpoints = before;
        return false;
    }
    free(before);
    return true;
}

void client_close(struct client *client)
{
    if (client == NULL) {
        return;
    }
    hf_client_close(client->library);
    hf_free(client->answer);
    buffer_free(&client->lines);
    buffer_free(&client->answered);
    buffer_free(&client->row_texts);
    free(client->endpoints);
    free(client);
}

struct random *client_random(struct client *client)
{
    return &client->random;
}

uint64_t client_log_index(const struct client *client)
{
    return client->log_index;
}

uint64_t client_operations(const struct client *client)
{
    return atomic_load_explicit(&client->operations, memory_order_relaxed);
}

/* ---- recording ---- */

void recording_invoke(struct client *client, struct event *asked)
{
    hf_free(client->answer);
    client->answer = NULL;
    asked->type = EVENT_INVOKE;
    asked->process = client->process;
    recorder_add(client->recorder, *asked);
    atomic_fetch_add_explicit(&client->operations, 1, memory_order_relaxed);
}

enum client_outcome recording_complete(struct client *client, const struct event *asked,
                                       struct event *answer)
{
    assert(asked->process == client->process);
    answer->function = asked->function;
    answer->process = asked->process;
    answer->order = asked->order;
    recorder_add(client->recorder, *answer);
    if (answer->log_index > client->log_index) {
        client->log_index = answer->log_index;
    }
    if (answer->type == EVENT_INFO) {
        take_process(client);
        return CLIENT_UNKNOWN;
    }
    if (answer->type == EVENT_OK) {
        return CLIENT_OK;
    }
    return answer->verdict > 0 ? CLIENT_REFUSED : CLIENT_FAILED;
}

static struct bytes words_of(hf_verdict verdict, const char *message)
{
    bool tells = verdict == HF_INVALID_ARGUMENT || verdict == HF_REFUSED || verdict == HF_DENIED;
    return bytes_of_string(tells ? message : hf_verdict_name(verdict));
}

enum client_outcome recording_give_up(struct client *client, const struct event *asked,
                                      hf_verdict verdict, const char *message,
                                      bool may_have_executed)
{
    struct event answer = {.type = may_have_executed ? EVENT_INFO : EVENT_FAIL,
                           .error = words_of(verdict, message)};
    return recording_complete(client, asked, &answer);
}

/* ---- the library's, as the history has it ---- */

static void *room_for(struct buffer *buffer, size_t count, size_t size)
{
    buffer_clear(buffer);
    return buffer_reserve(buffer, count * size);
}

const struct event_line *recording_lines(struct client *client, const hf_line *lines, size_t count)
{
    struct event_line *copies = room_for(&client->lines, count, sizeof *copies);
    for (size_t i = 0; i < count; i++) {
        copies[i] = (struct event_line){bytes_of_string(lines[i].sku), lines[i].warehouse,
                                        lines[i].quantity};
    }
    return copies;
}

const struct event_failed_line *recording_failed(struct client *client,
                                                 const hf_failed_line *failed, size_t count)
{
    struct event_failed_line *copies = room_for(&client->answered, count, sizeof *copies);
    for (size_t i = 0; i < count; i++) {
        copies[i] = (struct event_failed_line){bytes_of_string(failed[i].sku), failed[i].warehouse,
                                               failed[i].requested, failed[i].available,
                                               (int)failed[i].reason};
    }
    return copies;
}
