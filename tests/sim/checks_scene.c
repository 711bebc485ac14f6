/*
 * checks_scene.c - good news about nodes that do not exist (checks_scene.h).
 */
#include "checks_scene.h"

#include "cmocka_test.h"
#include "configuration.h"

#include <string.h>

static bool has(unsigned nodes, const struct scene *scene, size_t node)
{
    return node < scene->count && (nodes >> node & 1) != 0;
}

void scene_begin(struct scene *scene, size_t nodes)
{
    *scene = (struct scene){.count = nodes};
    world_init(&scene->world, 1, NULL);
    scene->checks = checks_new(&scene->world, nodes);
    struct entry *first = scene_members(scene, 1, 1, ALL, 0);
    for (size_t node = 0; node < nodes; node++) {
        struct error error;
        scene->stores[node] = memory_store_new();
        scene->ledgers[node] = ledger_open(memory_store_interface(scene->stores[node]), &error);
        assert_non_null(scene->ledgers[node]);
        checks_hard_state(scene->checks, node, 0, 0);
        checks_log_found(scene->checks, node, 1, NULL, 0);
        checks_started(scene->checks, node, 0, (struct hash128){0, 0});
        scene_ask(scene, node, first);
        checks_log_durable(scene->checks, node, 1);
    }
}

static void scene_end(struct scene *scene)
{
    for (size_t node = 0; node < scene->count; node++) {
        ledger_close(scene->ledgers[node]);
        memory_store_free(scene->stores[node]);
    }
    for (size_t i = 0; i < scene->entry_count; i++) {
        entry_release(scene->entries[i]);
    }
    checks_free(scene->checks);
    world_free(&scene->world);
}

void scene_passes(struct scene *scene)
{
    if (scene->world.failed) {
        fail_msg("%s: %s", check_name(scene->world.failed_check), scene->world.failure.text);
    }
    scene_end(scene);
}

void scene_fails(struct scene *scene, enum check check, const char *words)
{
    if (!scene->world.failed) {
        fail_msg("%s did not see: %s", check_name(check), words);
    }
    if (scene->world.failed_check != check || strstr(scene->world.failure.text, words) == NULL) {
        fail_msg("%s: %s; not %s: %s", check_name(scene->world.failed_check),
                 scene->world.failure.text, check_name(check), words);
    }
    scene_end(scene);
}

/* ---- entries ---- */

struct entry *scene_entry(struct scene *scene, uint64_t index, uint64_t term, struct bytes data)
{
    assert_true(scene->entry_count < SCENE_ENTRIES);
    struct entry *entry = entry_new_copy(index, term, ENTRY_COMMAND, data);
    scene->entries[scene->entry_count++] = entry;
    return entry;
}

struct entry *scene_members(struct scene *scene, uint64_t index, uint64_t term, unsigned voters,
                            unsigned standbys)
{
    static const char *const addresses[] = {"n1", "n2", "n3", "n4", "n5", "n6", "n7"};
    struct replica_member members[LIMIT_NODES];
    size_t count = 0;
    struct buffer data = {0};
    struct error error;
    for (size_t node = 0; node < scene->count; node++) {
        if (has(voters | standbys, scene, node)) {
            enum replica_role role = has(voters, scene, node) ? REPLICA_VOTER : REPLICA_STANDBY;
            members[count++] = (struct replica_member){node + 1, role, addresses[node]};
        }
    }
    assert_true(configuration_encode(members, count, &data, &error));
    struct entry *entry = entry_new_copy(index, term, ENTRY_CHANGE, buffer_bytes(&data));
    buffer_free(&data);
    assert_true(scene->entry_count < SCENE_ENTRIES);
    scene->entries[scene->entry_count++] = entry;
    return entry;
}

struct entry *scene_commands(struct scene *scene, uint64_t index, uint64_t term,
                             const struct buffer *commands, uint32_t count)
{
    struct buffer data = {0};
    const struct ledger_entry_header header = {.format = LEDGER_ENTRY_FORMAT,
                                               .ledger_version = LEDGER_VERSION,
                                               .time_ms =
                                                   1700000000000 + (int64_t)scene->entry_count};
    ledger_entry_begin(&data, &header);
    ledger_entry_append_encoded(&data, buffer_bytes(commands));
    ledger_entry_finish(&data, count);
    struct entry *entry = scene_entry(scene, index, term, buffer_bytes(&data));
    buffer_free(&data);
    return entry;
}

struct entry *scene_barrier(struct scene *scene, uint64_t index, uint64_t term)
{
    const struct buffer nothing = {0};
    return scene_commands(scene, index, term, &nothing, 0);
}

/* ---- elections ---- */

void scene_hear(struct scene *scene, size_t node, uint64_t term)
{
    if (term > scene->terms[node]) {
        scene->terms[node] = term;
        checks_hard_state(scene->checks, node, term, 0);
        checks_role(scene->checks, node, REPLICA_FOLLOWER, term);
    }
}

void scene_vote(struct scene *scene, size_t node, size_t candidate, uint64_t term)
{
    scene->terms[node] = term;
    checks_hard_state(scene->checks, node, term, candidate + 1);
    if (node != candidate) {
        const struct peer_message vote = {
            .type = PEER_REQUEST_VOTE_RESULT,
            .sent_term = term,
            .request_vote_result = {.term = term, .vote_granted = true},
        };
        checks_sent(scene->checks, node, candidate, &vote);
    }
}

void scene_pre_votes(struct scene *scene, size_t candidate, uint64_t term)
{
    const struct peer_message vote = {
        .type = PEER_REQUEST_VOTE_RESULT,
        .sent_term = term - 1,
        .request_vote_result = {.term = term, .vote_granted = true, .pre_vote = true},
    };
    for (size_t node = 0; node < scene->count; node++) {
        if (node != candidate) {
            checks_sent(scene->checks, node, candidate, &vote);
        }
    }
}

void scene_elect(struct scene *scene, size_t node, uint64_t term, unsigned voters,
                 const struct entry *last)
{
    const struct peer_message request = {
        .type = PEER_REQUEST_VOTE,
        .sent_term = term,
        .request_vote = {.term = term,
                         .candidate_id = node + 1,
                         .last_log_index = last->index,
                         .last_log_term = last->term},
    };
    scene_pre_votes(scene, node, term);
    scene_vote(scene, node, node, term);
    checks_role(scene->checks, node, REPLICA_CANDIDATE, term);
    if (scene->count > 1) {
        checks_sent(scene->checks, node, (node + 1) % scene->count, &request);
    }
    for (size_t voter = 0; voter < scene->count; voter++) {
        if (voter != node && has(voters, scene, voter)) {
            scene_vote(scene, voter, node, term);
        }
    }
    checks_role(scene->checks, node, REPLICA_LEADER, term);
}

/* ---- logs ---- */

void scene_ask(struct scene *scene, size_t node, struct entry *entry)
{
    checks_log_asked(scene->checks, node, entry->index, &entry, 1);
}

void scene_store(struct scene *scene, unsigned nodes, struct entry *entry)
{
    for (size_t node = 0; node < scene->count; node++) {
        if (has(nodes, scene, node)) {
            if (entry->index > 1) {
                scene_hear(scene, node, entry->term);
            }
            scene_ask(scene, node, entry);
            checks_log_durable(scene->checks, node, 1);
        }
    }
}

void scene_find(struct scene *scene, size_t node, struct entry *const *entries, size_t count)
{
    struct log_record records[SCENE_ENTRIES];
    assert_true(count <= SCENE_ENTRIES);
    for (size_t i = 0; i < count; i++) {
        records[i] = (struct log_record){entries[i]->index, entries[i]->term,
                                         (uint8_t)entries[i]->type, entries[i]->data};
    }
    checks_log_found(scene->checks, node, count > 0 ? records[0].index : 1, records, count);
}

/* ---- commands ---- */

uint64_t scene_set_stock(struct scene *scene, const char *sku, int64_t on_hand, struct buffer *out)
{
    char text[CHECKS_TRACE_ID_BYTES];
    size_t begin = out->len;
    uint64_t operation = checks_invoke(scene->checks);
    struct bytes trace_id = checks_trace_id(operation, text);
    const struct ledger_command command = {.kind = LEDGER_SET_STOCK,
                                           .request_id = trace_id,
                                           .trace_id = trace_id,
                                           .sku = bytes_of_string(sku),
                                           .quantity = on_hand};
    ledger_command_encode(out, &command);
    checks_asked(scene->checks, operation, bytes_of(out->data + begin, out->len - begin));
    return operation;
}

/* ---- states ---- */

void scene_commit(struct scene *scene, unsigned nodes, uint64_t index)
{
    for (size_t node = 0; node < scene->count; node++) {
        if (has(nodes, scene, node)) {
            checks_commit_index(scene->checks, node, index);
        }
    }
}

static void take_result(void *context, uint32_t position, const struct ledger_result *result)
{
    struct ledger_result *out = context;
    (void)position;
    if (out != NULL) {
        *out = *result;
    }
}

void scene_apply_untold(struct scene *scene, size_t node, const struct entry *entry,
                        struct ledger_result *result)
{
    struct error error;
    if (entry->type == ENTRY_COMMAND) {
        assert_true(ledger_apply(scene->ledgers[node], entry->index, entry->data, take_result,
                                 result, &error));
    }
}

void scene_apply(struct scene *scene, unsigned nodes, const struct entry *entry)
{
    for (size_t node = 0; node < scene->count; node++) {
        if (has(nodes, scene, node)) {
            scene_apply_untold(scene, node, entry, NULL);
            checks_applied(scene->checks, node, entry->index, scene->ledgers[node]);
        }
    }
}

/* ---- beginnings ---- */

void scene_lead(struct scene *scene)
{
    scene_begin(scene, 3);
    scene_elect(scene, 0, 2, N(1), scene->entries[0]);
    scene_commit(scene, N(0), 1);
    scene_apply(scene, N(0), scene->entries[0]);
}

struct entry *scene_take(struct scene *scene, uint64_t index, struct buffer *commands,
                         uint32_t count)
{
    struct entry *entry = scene_commands(scene, index, 2, commands, count);
    scene_store(scene, N(0) | N(1), entry);
    scene_commit(scene, N(0), index);
    buffer_free(commands);
    return entry;
}

struct entry *scene_run(struct scene *scene, struct entry *entry, struct ledger_result *result)
{
    scene_apply_untold(scene, 0, entry, result);
    checks_applied(scene->checks, 0, entry->index, scene->ledgers[0]);
    return entry;
}

struct entry *scene_answer(struct scene *scene, struct ledger_result *result)
{
    struct buffer commands = {0};
    scene_lead(scene);
    uint64_t operation = scene_set_stock(scene, "apple", 5, &commands);
    struct entry *entry = scene_take(scene, 2, &commands, 1);
    scene_run(scene, entry, result);
    checks_result(scene->checks, operation, 0, result);
    return entry;
}

uint64_t scene_second(struct scene *scene, struct ledger_result *result)
{
    struct buffer commands = {0};
    scene_answer(scene, result);
    uint64_t operation = scene_set_stock(scene, "apple", 7, &commands);
    scene_run(scene, scene_take(scene, 3, &commands, 1), result);
    return operation;
}
