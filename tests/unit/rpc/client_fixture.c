#include "client_fixture.h"

#include <stdio.h>

void on_outcome(void *context, const struct rpc_outcome *outcome)
{
    struct result *result = context;
    assert_false(result->done); /* exactly once */
    result->done = true;
    result->status = outcome->status;
    result->never_sent = outcome->never_sent;
    result->answered = outcome->answered;
    assert_false(outcome->never_sent && outcome->answered);
    snprintf(result->message, sizeof result->message, "%s", outcome->message);
    buffer_append_bytes(&result->body, outcome->body);
    const char *leader = rpc_outcome_metadata(outcome, "holdfast-leader");
    snprintf(result->leader, sizeof result->leader, "%s", leader != NULL ? leader : "");
}

void assert_outcome(const struct result *result, enum rpc_status status, bool never_sent)
{
    if (!result->done || result->status != status || result->never_sent != never_sent) {
        fail_msg("%s %s %s \"%s\", wanted %s %s", result->done ? "ended" : "not ended",
                 rpc_status_name(result->status), result->never_sent ? "never sent" : "sent",
                 result->message, rpc_status_name(status), never_sent ? "never sent" : "sent");
    }
}

void on_state(void *context, enum rpc_client_state state, const char *reason)
{
    struct states *states = context;
    states->last = state;
    states->changes++;
    snprintf(states->reason, sizeof states->reason, "%s", reason != NULL ? reason : "");
}

struct rpc_client *open_client(uv_loop_t *loop, const char *address, struct states *states)
{
    struct error error = {""};
    struct rpc_client_config config = {.address = address};
    if (states != NULL) {
        *states = (struct states){0};
        config.on_state = on_state;
        config.context = states;
    }
    struct rpc_client *client = rpc_client_open(loop, &config, &error);
    if (client == NULL) {
        fail_msg("%s", error.text);
    }
    return client;
}

void close_client(uv_loop_t *loop, struct rpc_client *client)
{
    bool closed = false;
    rpc_client_close(client, set_flag, &closed);
    run_until(loop, flag_is_set, &closed);
}

struct rpc_request *call(struct rpc_client *client, const char *path, struct bytes message,
                         uint64_t deadline_ms, struct result *result)
{
    *result = (struct result){0};
    struct rpc_request *request =
        rpc_client_call(client, path, message, deadline_ms, NULL, 0, on_outcome, result);
    assert_false(result->done); /* never from within */
    return request;
}
