/*
 * replica_fixture.c - the world around one replica under test.
 */
#include "replica_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void trace(struct fixture *fixture, char what)
{
    assert_true(fixture->trace_len + 1 < FIXTURE_TRACE);
    fixture->trace[fixture->trace_len++] = what;
    fixture->trace[fixture->trace_len] = '\0';
}

static bool store_hard_state(void *context, uint64_t term, uint64_t voted_for, struct error *error)
{
    struct fixture *fixture = context;
    if (fixture->fail_store) {
        return error_set(error, "the hard state's disk is full");
    }
    trace(fixture, 'H');
    fixture->term = term;
    fixture->vote = voted_for;
    return true;
}

static void cut_log(struct fixture *fixture, uint64_t first_index)
{
    while (fixture->log_last >= first_index && fixture->log_last >= fixture->log_first) {
        entry_release(fixture->log[fixture->log_last]);
        fixture->log[fixture->log_last--] = NULL;
    }
}

static void write_log(void *context, uint64_t generation, uint64_t first_index,
                      struct entry *const *entries, size_t count)
{
    struct fixture *fixture = context;
    trace(fixture, 'W');
    cut_log(fixture, first_index);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(entries[i]->index, first_index + i);
        assert_true(fixture->log_last + 1 < FIXTURE_LOG);
        fixture->log[++fixture->log_last] = entry_reference(entries[i]);
    }
    assert_true(fixture->write_count < FIXTURE_SENT);
    fixture->writes[fixture->write_count++] = (struct fixture_write){
        .generation = generation, .first_index = first_index, .last_index = fixture->log_last};
}

static size_t read_log(void *context, uint64_t first_index, size_t max_count, size_t max_bytes,
                       struct entry **entries, struct error *error)
{
    struct fixture *fixture = context;
    size_t count = 0;
    size_t bytes = 0;
    fixture->reads++;
    assert_true(first_index >= fixture->log_first);
    if (fixture->fail_read) {
        error_set(error, "the log's disk gives an input/output error");
        return 0;
    }
    while (count < max_count && first_index + count <= fixture->log_last &&
           (count == 0 || bytes + fixture->log[first_index + count]->data.len <= max_bytes)) {
        entries[count] = entry_reference(fixture->log[first_index + count]);
        bytes += entries[count++]->data.len;
    }
    return count;
}

static void send_message(void *context, uint64_t peer_id, const struct peer_message *message)
{
    struct fixture *fixture = context;
    struct replica_status status;
    trace(fixture, 'M');
    replica_status_get(fixture->replica, &status);
    assert_true(message->type != PEER_APPEND_ENTRIES ||
                message->append_entries.leader_commit <= status.commit_index);
    assert_true(fixture->sent_count < FIXTURE_SENT);
    fixture->sent[fixture->sent_count++] =
        (struct fixture_sent){peer_id, peer_message_copy(message)};
}

static bool apply(void *context, const struct entry *entry, struct error *error)
{
    struct fixture *fixture = context;
    if (fixture->fail_apply) {
        return error_set(error, "the state's disk is full");
    }
    if (fixture->call_back) {
        replica_tick(fixture->replica, fixture->now_ms, error);
    }
    trace(fixture, 'A');
    assert_int_equal(entry->index, fixture->applied_index + 1);
    fixture->applied_index = entry->index;
    return true;
}

static void make_barrier(void *context, uint64_t term, struct buffer *out)
{
    struct fixture *fixture = context;
    fixture->barriers++;
    buffer_printf(out, "barrier %llu", (unsigned long long)term);
}

static void state_changed(void *context, enum replica_state state, uint64_t term,
                          uint64_t leader_id)
{
    struct fixture *fixture = context;
    trace(fixture, 'S');
    fixture->state = state;
    fixture->state_term = term;
    fixture->leader_id = leader_id;
    fixture->could_submit = replica_can_submit(fixture->replica);
}

static void read_ended(struct fixture *fixture, uint64_t round, uint64_t index)
{
    assert_true(fixture->reads_ended_count < FIXTURE_READS);
    fixture->reads_ended[fixture->reads_ended_count++] = (struct fixture_read){round, index};
}

static void read_confirmed(void *context, uint64_t round, uint64_t index)
{
    assert_int_not_equal(index, 0);
    read_ended(context, round, index);
}

static void read_failed(void *context, uint64_t round)
{
    read_ended(context, round, 0);
}

static bool describe_snapshot(void *context, uint64_t peer_id, uint64_t index,
                              struct hash128 *checkpoint)
{
    struct fixture *fixture = context;
    assert_int_not_equal(peer_id, 0);
    fixture->described_index = index;
    *checkpoint = fixture->checkpoint;
    return fixture->has_checkpoint;
}

static void fetch_snapshot(void *context, uint64_t peer_id, const struct replica_snapshot *snapshot,
                           struct hash128 checkpoint)
{
    struct fixture *fixture = context;
    fixture->fetches++;
    fixture->fetch_peer = peer_id;
    fixture->fetched_index = snapshot->index;
    fixture->fetched_checkpoint = checkpoint;
}

static void install_snapshot(void *context, const struct replica_snapshot *snapshot)
{
    struct fixture *fixture = context;
    trace(fixture, 'I');
    for (size_t i = 0; i < fixture->write_count; i++) {
        assert_true(fixture->writes[i].completed);
    }
    fixture->installs++;
    fixture->installing = *snapshot;
}

bool fixture_installed(struct fixture *fixture)
{
    cut_log(fixture, 1);
    fixture->log_first = fixture->installing.index + 1;
    fixture->log_last = fixture->installing.index;
    fixture->applied_index = fixture->installing.index;
    return replica_snapshot_installed(fixture->replica, fixture->now_ms, &fixture->error);
}

struct fixture *fixture_new(void)
{
    struct fixture *fixture = memory_zalloc(sizeof *fixture);
    fixture->now_ms = 1000;
    fixture->log_first = 1;
    return fixture;
}

void fixture_forget(struct fixture *fixture)
{
    for (size_t i = 0; i < fixture->sent_count; i++) {
        peer_message_free(&fixture->sent[i].message);
    }
    fixture->sent_count = 0;
    fixture->trace_len = 0;
    fixture->trace[0] = '\0';
}

void fixture_free(struct fixture *fixture)
{
    replica_close(fixture->replica);
    fixture_forget(fixture);
    cut_log(fixture, 1);
    free(fixture);
}

static void members_fill(struct replica_member *members, char (*addresses)[32], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        snprintf(addresses[i], sizeof addresses[i], "m%zu:7000", i + 1);
        members[i] = (struct replica_member){i + 1, REPLICA_VOTER, addresses[i]};
    }
}

struct bytes fixture_configuration(size_t member_count)
{
    static uint8_t bytes[1024];
    struct buffer encoded = {0};
    struct replica_member members[LIMIT_NODES];
    char addresses[LIMIT_NODES][32];
    struct error error;
    uint64_t cluster_id;
    members_fill(members, addresses, member_count);
    assert_true(replica_bootstrap_entry(members, member_count, &encoded, &cluster_id, &error));
    size_t len = encoded.len;
    assert_true(len <= sizeof bytes);
    memcpy(bytes, encoded.data, len);
    buffer_free(&encoded);
    return bytes_of(bytes, len);
}

void fixture_disk_append(struct fixture *fixture, uint64_t term, enum entry_type type,
                         struct bytes data)
{
    uint64_t index = ++fixture->log_last;
    fixture->log[index] = entry_new_copy(index, term, type, data);
}

void fixture_found(struct fixture *fixture, size_t member_count)
{
    fixture_disk_append(fixture, 1, ENTRY_CHANGE, fixture_configuration(member_count));
}

bool fixture_start(struct fixture *fixture, uint64_t id, size_t member_count)
{
    struct replica_member members[LIMIT_NODES];
    char addresses[LIMIT_NODES][32];
    members_fill(members, addresses, member_count);
    struct replica_config config = {
        .id = id,
        .address = addresses[id - 1],
        .members = members,
        .member_count = fixture->joins ? 0 : member_count,
        .cluster_id = fixture->joins ? replica_cluster_id(fixture_configuration(member_count)) : 0,
        .seed = fixture->seed != 0 ? fixture->seed : (uint32_t)(77 * id),
        .limits = fixture->limits,
    };
    struct replica_env env = {
        .context = fixture,
        .store_hard_state = store_hard_state,
        .write_log = write_log,
        .read_log = read_log,
        .send = send_message,
        .apply = apply,
        .make_barrier = make_barrier,
        .state_changed = state_changed,
        .read_confirmed = read_confirmed,
        .read_failed = read_failed,
        .describe_snapshot = describe_snapshot,
        .fetch_snapshot = fetch_snapshot,
        .install_snapshot = install_snapshot,
    };
    struct replica_disk disk = {
        .term = fixture->term,
        .voted_for = fixture->vote,
        .snapshot = fixture->snapshot,
        .entries = fixture->log + fixture->log_first,
        .entry_count = fixture->log_last + 1 - fixture->log_first,
        .applied_index = fixture->applied_index,
    };
    fixture->replica = replica_open(&config, &env, &fixture->error);
    return fixture->replica != NULL &&
           replica_start(fixture->replica, &disk, fixture->now_ms, &fixture->error);
}

void fixture_start_follower(struct fixture *fixture, size_t member_count, uint64_t term)
{
    fixture_found(fixture, member_count);
    fixture->term = term;
    fixture->applied_index = 1;
    assert_true(fixture_start(fixture, 1, member_count));
    fixture_forget(fixture);
}

void fixture_start_leader(struct fixture *fixture, size_t member_count, uint64_t term)
{
    fixture_start_follower(fixture, member_count, term);
    assert_true(fixture_tick(fixture));
    assert_int_equal(fixture->state, REPLICA_CANDIDATE);
    for (uint64_t peer = 2; peer <= member_count; peer++) {
        assert_true(
            fixture_receive(fixture, peer, fixture_vote_result(term, term + 1, true, true)));
    }
    for (uint64_t peer = 2; peer <= member_count; peer++) {
        assert_true(
            fixture_receive(fixture, peer, fixture_vote_result(term + 1, term + 1, true, false)));
    }
    assert_int_equal(fixture->state, REPLICA_LEADER);
    assert_true(fixture_sync_all(fixture));
    for (uint64_t peer = 2; peer <= member_count; peer++) {
        assert_true(fixture_receive(fixture, peer, fixture_append_success(term + 1, 1)));
        assert_true(
            fixture_receive(fixture, peer, fixture_append_success(term + 1, fixture->log_last)));
    }
    assert_int_equal(fixture->applied_index, fixture->log_last);
    fixture_forget(fixture);
}

bool fixture_receive(struct fixture *fixture, uint64_t peer_id, struct peer_message message)
{
    return replica_receive(fixture->replica, peer_id, &message, fixture->now_ms, &fixture->error);
}

bool fixture_sync_one(struct fixture *fixture)
{
    for (size_t i = 0; i < fixture->write_count; i++) {
        struct fixture_write *write = &fixture->writes[i];
        if (!write->completed) {
            write->completed = true;
            return replica_log_written(fixture->replica, write->generation, write->last_index,
                                       fixture->now_ms, &fixture->error);
        }
    }
    fail_msg("no write is waiting");
    return false;
}

bool fixture_sync_all(struct fixture *fixture)
{
    for (size_t i = 0; i < fixture->write_count; i++) {
        if (!fixture->writes[i].completed && !fixture_sync_one(fixture)) {
            return false;
        }
    }
    return true;
}

bool fixture_tick(struct fixture *fixture)
{
    uint64_t next = replica_next_ms(fixture->replica);
    fixture->now_ms = next > fixture->now_ms ? next : fixture->now_ms;
    return replica_tick(fixture->replica, fixture->now_ms, &fixture->error);
}

uint64_t fixture_submit(struct fixture *fixture, const char *text)
{
    struct buffer bytes = {0};
    uint64_t index = 0;
    buffer_printf(&bytes, "%s", text);
    assert_true(replica_can_submit(fixture->replica));
    assert_true(replica_submit(fixture->replica, entry_new_take(ENTRY_COMMAND, &bytes),
                               fixture->now_ms, &index, &fixture->error));
    return index;
}

const struct peer_message *fixture_sent_last(const struct fixture *fixture, uint64_t peer_id,
                                             enum peer_message_type type)
{
    for (size_t i = fixture->sent_count; i > 0; i--) {
        const struct fixture_sent *sent = &fixture->sent[i - 1];
        if (sent->peer_id == peer_id && sent->message.type == type) {
            return &sent->message;
        }
    }
    return NULL;
}

size_t fixture_sent_count(const struct fixture *fixture, uint64_t peer_id,
                          enum peer_message_type type)
{
    size_t count = 0;
    for (size_t i = 0; i < fixture->sent_count; i++) {
        count += fixture->sent[i].peer_id == peer_id && fixture->sent[i].message.type == type;
    }
    return count;
}

struct peer_message fixture_append(uint64_t term, uint64_t prev_index, uint64_t prev_term,
                                   uint64_t leader_commit)
{
    return (struct peer_message){
        .type = PEER_APPEND_ENTRIES,
        .sent_term = term,
        .append_entries = {.term = term,
                           .prev_log_index = prev_index,
                           .prev_log_term = prev_term,
                           .leader_commit = leader_commit},
    };
}

void fixture_append_entry(struct peer_message *message, uint64_t term, enum entry_type type,
                          struct bytes data)
{
    size_t count = message->append_entries.entry_count++;
    message->append_entries.entries =
        memory_realloc((void *)message->append_entries.entries,
                       message->append_entries.entry_count * sizeof(struct entry *));
    message->append_entries.entries[count] =
        entry_new_copy(message->append_entries.prev_log_index + 1 + count, term, type, data);
}

struct peer_message fixture_append_success(uint64_t term, uint64_t last_index)
{
    return (struct peer_message){
        .type = PEER_APPEND_ENTRIES_RESULT,
        .sent_term = term,
        .append_entries_result = {.term = term, .last_log_index = last_index},
    };
}

struct peer_message fixture_append_rejection(uint64_t term, uint64_t rejected, uint64_t last_index)
{
    return (struct peer_message){
        .type = PEER_APPEND_ENTRIES_RESULT,
        .sent_term = term,
        .append_entries_result = {.term = term, .rejected = rejected, .last_log_index = last_index},
    };
}

struct peer_message fixture_vote(uint64_t term, uint64_t candidate, uint64_t last_index,
                                 uint64_t last_term, bool pre_vote)
{
    return (struct peer_message){
        .type = PEER_REQUEST_VOTE,
        .sent_term = pre_vote ? term - 1 : term,
        .request_vote = {.term = term,
                         .candidate_id = candidate,
                         .last_log_index = last_index,
                         .last_log_term = last_term,
                         .pre_vote = pre_vote},
    };
}

struct peer_message fixture_vote_result(uint64_t sent_term, uint64_t term, bool granted,
                                        bool pre_vote)
{
    return (struct peer_message){
        .type = PEER_REQUEST_VOTE_RESULT,
        .sent_term = sent_term,
        .request_vote_result = {.term = term, .vote_granted = granted, .pre_vote = pre_vote},
    };
}

struct peer_message fixture_offer(uint64_t term, uint64_t index, uint64_t last_term,
                                  uint64_t configuration_index, size_t member_count,
                                  uint64_t checkpoint)
{
    return (struct peer_message){
        .type = PEER_INSTALL_SNAPSHOT,
        .sent_term = term,
        .install_snapshot = {.term = term,
                             .index = index,
                             .last_term = last_term,
                             .configuration =
                                 entry_new_copy(configuration_index, last_term, ENTRY_CHANGE,
                                                fixture_configuration(member_count)),
                             .checkpoint = {checkpoint, 1}},
    };
}

struct peer_message fixture_read_index(uint64_t term, uint64_t round)
{
    return (struct peer_message){
        .type = PEER_READ_INDEX, .sent_term = term, .read_index = {.round = round}};
}

struct peer_message fixture_read_index_result(uint64_t sent_term, uint64_t round, uint64_t term)
{
    return (struct peer_message){
        .type = PEER_READ_INDEX_RESULT,
        .sent_term = sent_term,
        .read_index_result = {.round = round, .term = term},
    };
}

struct peer_message fixture_read_ask(uint64_t term, uint64_t round)
{
    return (struct peer_message){
        .type = PEER_READ_ASK, .sent_term = term, .read_ask = {.round = round}};
}

struct peer_message fixture_read_answer(uint64_t sent_term, uint64_t round, uint64_t index)
{
    return (struct peer_message){
        .type = PEER_READ_ANSWER,
        .sent_term = sent_term,
        .read_answer = {.round = round, .index = index},
    };
}
