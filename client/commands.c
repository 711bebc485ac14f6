/*
 * commands.c - the public calls that change the ledger: hf_call, hf_execute, hf_submit, and the
 * common commands in one line each.
 *
 * Each is: begin a request, encode it, hand it over, wait or not.
 */
#include "client.h"

#include "base/limits.h"

#define EXECUTE_PATH "/holdfast.v1.Ledger/Execute"
/* What a granted command's result usually points to: words, ids, a stock. */
#define RESULT_ROOM_BYTES 384

hf_verdict hf_call(hf_client *client, const hf_command *command, const hf_call_options *options,
                   hf_result **out)
{
    struct request request;
    const char *path = NULL;
    if (request_begin(&request, client, REQUEST_WAITS, &REPLY_RESULT, RESULT_ROOM_BYTES)) {
        struct encode_defaults defaults = request_defaults(&request);
        bool encoded = encode_command(&request.call->request, command, &defaults, request.object,
                                      object_arena(request.object), &request.error);
        request_check(&request, encoded);
        path = encoded ? encode_command_path(command->kind) : NULL;
    }
    hf_verdict verdict = request_wait(&request, path, options);
    hf_result *result = request_take(&request, out != NULL);
    if (out != NULL) {
        *out = result;
    }
    return verdict;
}

static bool check_count(const hf_command *commands, size_t count, struct error *error)
{
    if (commands == NULL) {
        return error_set(error, "commands is NULL");
    }
    return (count >= 1 && count <= LIMIT_BATCH_COMMANDS) ||
           error_set(error, "%zu commands; from 1 to %d", count, LIMIT_BATCH_COMMANDS);
}

/* Encodes what hf_execute and hf_submit send; the path, or NULL when it is refused. */
static const char *encode_commands(struct request *request, const hf_command *commands,
                                   size_t count)
{
    struct arena *kept = object_arena(request->object);
    if (!check_count(commands, count, &request->error)) {
        request_check(request, false);
        return NULL;
    }
    struct encode_defaults defaults = request_defaults(request);
    hf_result *results = decode_prepare_results(request->object, count);
    bool encoded = count == 1 ? encode_command(&request->call->request, commands, &defaults,
                                               results, kept, &request->error)
                              : encode_batch(&request->call->request, commands, count, &defaults,
                                             results, kept, &request->error);
    request_check(request, encoded);
    if (!encoded) {
        return NULL;
    }
    return count == 1 ? encode_command_path(commands[0].kind) : EXECUTE_PATH;
}

static const struct reply_shape *shape_of(size_t count)
{
    return count == 1 ? &REPLY_RESULTS_OF_ONE : &REPLY_RESULTS;
}

static size_t room_of(size_t count)
{
    return (count < LIMIT_BATCH_COMMANDS ? count : LIMIT_BATCH_COMMANDS) *
           (sizeof(hf_result) + RESULT_ROOM_BYTES / 4);
}

hf_verdict hf_execute(hf_client *client, const hf_command *commands, size_t count,
                      const hf_call_options *options, hf_results **out)
{
    struct request request;
    const char *path = NULL;
    if (request_begin(&request, client, REQUEST_WAITS, shape_of(count), room_of(count))) {
        path = encode_commands(&request, commands, count);
    }
    hf_verdict verdict = request_wait(&request, path, options);
    hf_results *results = request_take(&request, out != NULL);
    if (out != NULL) {
        *out = results;
    }
    return verdict;
}

int hf_submit(hf_client *client, const hf_command *commands, size_t count,
              const hf_call_options *options, hf_results_callback callback, void *user)
{
    struct request request;
    const char *path = NULL;
    if (request_begin(&request, client, REQUEST_SUBMITS, shape_of(count), room_of(count))) {
        path = encode_commands(&request, commands, count);
    }
    return request_submit(&request, path, options, callback, NULL, user);
}

/* ---- in one line each ---- */

hf_verdict hf_reserve(hf_client *client, const char *order_id, const hf_line *lines,
                      size_t line_count, int64_t ttl_ms, hf_result **out)
{
    hf_command command = {.kind = HF_RESERVE,
                          .order_id = order_id,
                          .lines = lines,
                          .line_count = line_count,
                          .ttl_ms = ttl_ms};
    return hf_call(client, &command, NULL, out);
}

hf_verdict hf_deduct(hf_client *client, const char *order_id, hf_result **out)
{
    hf_command command = {.kind = HF_DEDUCT, .order_id = order_id};
    return hf_call(client, &command, NULL, out);
}

hf_verdict hf_release(hf_client *client, const char *order_id, hf_result **out)
{
    hf_command command = {.kind = HF_RELEASE, .order_id = order_id};
    return hf_call(client, &command, NULL, out);
}

hf_verdict hf_set_stock(hf_client *client, const char *sku, uint32_t warehouse, int64_t on_hand,
                        const char *request_id, hf_result **out)
{
    hf_command command = {.kind = HF_SET_STOCK,
                          .sku = sku,
                          .warehouse = warehouse,
                          .quantity = on_hand,
                          .request_id = request_id};
    return hf_call(client, &command, NULL, out);
}

hf_verdict hf_adjust_stock(hf_client *client, const char *sku, uint32_t warehouse, int64_t change,
                           const char *reason, const char *request_id, hf_result **out)
{
    hf_command command = {.kind = HF_ADJUST_STOCK,
                          .sku = sku,
                          .warehouse = warehouse,
                          .quantity = change,
                          .reason = reason,
                          .request_id = request_id};
    return hf_call(client, &command, NULL, out);
}
