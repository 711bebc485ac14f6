/*
 * replica_leader_test.c - a leader's barrier (rule 10), its limits, frames and timers (rule 14).
 */
#include "replica_fixture.h"

#include <stdlib.h>
#include <string.h>

/* ---- rule 10 ---- */

/* All that is in the log is committed: libraft itself makes no entry for the new term. */
static void a_new_leader_submits_a_barrier(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    struct replica_status status;
    fixture_start_follower(fixture, 3, 1);
    assert_true(fixture_tick(fixture));
    assert_true(fixture_receive(fixture, 2, fixture_vote_result(1, 2, true, true)));
    assert_false(replica_can_submit(fixture->replica));
    assert_true(fixture_receive(fixture, 2, fixture_vote_result(2, 2, true, false)));
    assert_int_equal(fixture->state, REPLICA_LEADER);
    assert_false(fixture->could_submit); /* nothing comes before the barrier */
    assert_int_equal(fixture->barriers, 1);
    assert_int_equal(fixture->log_last, 2);
    assert_int_equal(fixture->log[2]->type, ENTRY_COMMAND);
    assert_true(bytes_equal(fixture->log[2]->data, BYTES_LITERAL("barrier 2")));
    assert_true(replica_can_submit(fixture->replica));
    replica_status_get(fixture->replica, &status);
    assert_false(status.barrier_applied);

    assert_true(fixture_sync_all(fixture));
    assert_true(fixture_receive(fixture, 2, fixture_append_success(2, 2)));
    replica_status_get(fixture->replica, &status);
    assert_true(status.barrier_applied);
    assert_int_equal(fixture->barriers, 1);
    fixture_free(fixture);
}

/* With entries of unknown fate in its log libraft adds a no-op of its own, in its own memory. */
static void the_librarys_no_op_is_taken_too(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_found(fixture, 3);
    fixture_disk_append(fixture, 1, ENTRY_COMMAND, BYTES_LITERAL("fate unknown"));
    fixture->term = 1;
    fixture->applied_index = 1;
    assert_true(fixture_start(fixture, 1, 3));
    assert_true(fixture_tick(fixture));
    assert_true(fixture_receive(fixture, 2, fixture_vote_result(1, 2, true, true)));
    assert_true(fixture_receive(fixture, 2, fixture_vote_result(2, 2, true, false)));
    assert_int_equal(fixture->log_last, 4);
    assert_int_equal(fixture->log[3]->type, ENTRY_BARRIER);
    assert_int_equal(fixture->log[3]->data.len, 8);
    assert_int_equal(fixture->log[4]->type, ENTRY_COMMAND);
    assert_true(fixture_sync_all(fixture));
    assert_int_equal(fixture->applied_index, 1);
    assert_true(fixture_receive(fixture, 2, fixture_append_success(2, 4)));
    assert_int_equal(fixture->applied_index, 4);
    fixture_free(fixture);
}

static void a_lost_leadership_ends_submitting(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    fixture_submit(fixture, "x");
    assert_true(fixture_receive(fixture, 2, fixture_append(5, 1, 1, 1)));
    assert_int_equal(fixture->state, REPLICA_FOLLOWER);
    assert_int_equal(fixture->leader_id, 2);
    assert_false(replica_can_submit(fixture->replica));
    struct replica_status status;
    replica_status_get(fixture->replica, &status);
    assert_false(status.barrier_applied);
    fixture_free(fixture);
}

/* ---- rule 14: limits ---- */

static void entries_in_flight_are_bounded(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    uint64_t first = fixture_submit(fixture, "x");
    size_t count = 1;
    while (replica_can_submit(fixture->replica)) {
        fixture_submit(fixture, "x");
        count++;
    }
    assert_int_equal(count, LIMIT_INFLIGHT_ENTRIES);
    assert_true(fixture_sync_all(fixture));
    assert_true(fixture_receive(fixture, 2, fixture_append_success(2, first)));
    assert_true(replica_can_submit(fixture->replica)); /* one was applied: there is one place */
    fixture_submit(fixture, "x");
    assert_false(replica_can_submit(fixture->replica));
    fixture_free(fixture);
}

static void bytes_in_flight_are_bounded(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    uint64_t index = 0;
    size_t bytes = 0;
    while (replica_can_submit(fixture->replica)) {
        struct buffer data = {0};
        memset(buffer_reserve(&data, 5u << 20), 'x', 5u << 20);
        data.len = 5u << 20;
        bytes += data.len;
        assert_true(replica_submit(fixture->replica, entry_new_take(ENTRY_COMMAND, &data),
                                   fixture->now_ms, &index, &fixture->error));
    }
    assert_true(bytes >= LIMIT_INFLIGHT_BYTES && bytes < LIMIT_INFLIGHT_BYTES + LIMIT_ENTRY_BYTES);
    assert_true(fixture_sync_all(fixture));
    assert_true(fixture_receive(fixture, 2, fixture_append_success(2, index)));
    while (replica_next_ms(fixture->replica) == fixture->now_ms) {
        assert_true(fixture_tick(fixture)); /* a turn applies a bounded number of bytes */
    }
    assert_int_equal(fixture->applied_index, index);
    assert_int_equal(fixture->replica->inflight_bytes, 0);
    assert_int_equal(fixture->replica->unsynced_bytes, 0);
    assert_true(replica_can_submit(fixture->replica));
    fixture_free(fixture);
}

/* A follower whose disk stands still takes heartbeats only, and catches up afterwards. */
static void a_slow_disk_does_not_fill_the_memory(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_follower(fixture, 3, 1);
    struct buffer data = {0};
    memset(buffer_reserve(&data, 4u << 20), 'x', 4u << 20);
    data.len = 4u << 20;
    for (uint64_t i = 0; i < 20; i++) {
        struct peer_message append = fixture_append(1, 1 + i, 1, 1);
        fixture_append_entry(&append, 1, ENTRY_COMMAND, buffer_bytes(&data));
        assert_true(fixture_receive(fixture, 2, append));
    }
    uint64_t taken = fixture->log_last;
    assert_true(fixture->replica->tail.bytes <= LIMIT_UNSYNCED_BYTES + 2 * data.len);
    assert_true(taken < 20);
    assert_int_equal(fixture->replica->dropped_count, 21 - taken);
    /* Its timer is reset all the same: no election while the leader is heard. */
    fixture->now_ms = replica_next_ms(fixture->replica) - 1;
    struct peer_message append = fixture_append(1, taken, 1, 1);
    fixture_append_entry(&append, 1, ENTRY_COMMAND, buffer_bytes(&data));
    assert_true(fixture_receive(fixture, 2, append));
    assert_int_equal(fixture->log_last, taken);
    assert_true(replica_next_ms(fixture->replica) >= fixture->now_ms + 300);

    assert_true(fixture_sync_all(fixture));
    append = fixture_append(1, taken, 1, 1);
    fixture_append_entry(&append, 1, ENTRY_COMMAND, buffer_bytes(&data));
    assert_true(fixture_receive(fixture, 2, append));
    assert_int_equal(fixture->log_last, taken + 1);
    buffer_free(&data);
    fixture_free(fixture);
}

static void writes_in_flight_are_bounded(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_follower(fixture, 3, 1);
    for (uint64_t i = 0; i < UINT64_C(2) * LIMIT_LOG_WRITES; i++) {
        struct peer_message append = fixture_append(1, fixture->log_last, 1, 1);
        fixture_append_entry(&append, 1, ENTRY_CHANGE, fixture_configuration(3));
        fixture_append_entry(&append, 1, ENTRY_CHANGE, fixture_configuration(3));
        fixture_append_entry(&append, 1, ENTRY_CHANGE, fixture_configuration(3));
        assert_true(fixture_receive(fixture, 2, append));
    }
    assert_true(fixture->write_count < LIMIT_LOG_WRITES);
    assert_true(fixture_sync_all(fixture));
    fixture_free(fixture);
}

/* ---- frames ---- */

/* A follower far behind: libraft sends all at once, frames leave within bounds and in order, from
 * disk where memory has them no longer. */
static void long_appends_leave_in_frames(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_found(fixture, 3);
    while (fixture->log_last < 3000) {
        fixture_disk_append(fixture, 1 + fixture->log_last / 1000, ENTRY_COMMAND,
                            BYTES_LITERAL("x"));
    }
    fixture->term = 3;
    fixture->applied_index = 3000;
    assert_true(fixture_start(fixture, 1, 3));
    assert_true(fixture_tick(fixture));
    assert_true(fixture_receive(fixture, 2, fixture_vote_result(3, 4, true, true)));
    assert_true(fixture_receive(fixture, 2, fixture_vote_result(4, 4, true, false)));
    assert_int_equal(fixture->state, REPLICA_LEADER);
    fixture_forget(fixture);
    /* It has entry 1 and nothing else. */
    assert_true(fixture_receive(fixture, 3, fixture_append_rejection(4, 3000, 1)));
    uint64_t next = 2;
    uint64_t last_term = 1;
    for (size_t i = 0; i < fixture->sent_count; i++) {
        const struct peer_message *append = &fixture->sent[i].message;
        assert_int_equal(fixture->sent[i].peer_id, 3);
        assert_int_equal(append->append_entries.prev_log_index, next - 1);
        assert_int_equal(append->append_entries.prev_log_term, last_term);
        assert_in_range(append->append_entries.entry_count, 1, LIMIT_APPEND_ENTRIES);
        next += append->append_entries.entry_count;
        last_term = append->append_entries.entries[append->append_entries.entry_count - 1]->term;
    }
    assert_int_equal(fixture->sent_count, 2);
    assert_int_equal(next - 1, LIMIT_RAFT_INFLIGHT_ENTRIES);
    assert_true(fixture->reads > 0);
    fixture_free(fixture);
}

/* What this very leader wrote, and its tail holds no longer, reaches a follower far behind. */
static void what_was_evicted_is_read_back(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture->limits = (struct replica_limits){
        .tail_entries = 12, .unsynced_entries = 8, .append_entries = 4, .apply_turn_entries = 3};
    fixture_start_leader(fixture, 3, 1);
    uint64_t term = fixture->state_term;
    const uint64_t matched = fixture->log_last; /* by 3, which hears nothing of what follows */
    uint64_t index = 0;
    for (size_t i = 0; i < 40; i++) {
        index = fixture_submit(fixture, "x");
        assert_true(fixture_sync_all(fixture));
        assert_true(fixture_receive(fixture, 2, fixture_append_success(term, index)));
    }
    struct replica_status status;
    replica_status_get(fixture->replica, &status);
    assert_int_equal(status.tail_first_index, index + 1 - 12);
    assert_int_equal(status.evicted_count, index - 12 - 1); /* entry 1 was on disk */
    assert_int_equal(fixture->reads, 0);
    fixture_forget(fixture);
    assert_true(fixture_receive(fixture, 3, fixture_append_rejection(term, index, matched)));
    uint64_t next = matched + 1;
    for (size_t i = 0; i < fixture->sent_count; i++) {
        const struct peer_message *append = &fixture->sent[i].message;
        assert_int_equal(append->append_entries.prev_log_index, next - 1);
        assert_in_range(append->append_entries.entry_count, 1, 4);
        next += append->append_entries.entry_count;
    }
    assert_int_equal(next - 1, index);
    assert_true(fixture->reads > 0);
    replica_status_get(fixture->replica, &status);
    assert_int_equal(status.split_count, 1);
    assert_int_equal(status.cut_count, 0);
    fixture_free(fixture);
}

static void big_entries_leave_in_frames(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_found(fixture, 3);
    static uint8_t megabyte[LIMIT_APPEND_BYTES];
    while (fixture->log_last < 12) {
        fixture_disk_append(fixture, 1, ENTRY_COMMAND, bytes_of(megabyte, sizeof megabyte));
    }
    fixture->term = 1;
    fixture->applied_index = 12;
    assert_true(fixture_start(fixture, 1, 3));
    assert_true(fixture_tick(fixture));
    assert_true(fixture_receive(fixture, 2, fixture_vote_result(1, 2, true, true)));
    assert_true(fixture_receive(fixture, 2, fixture_vote_result(2, 2, true, false)));
    fixture_forget(fixture);
    assert_true(fixture_receive(fixture, 3, fixture_append_rejection(2, 12, 1)));
    /* One frame each, and no more than a turn may cost. */
    assert_int_equal(fixture->sent_count, LIMIT_APPEND_TURN_BYTES / LIMIT_APPEND_BYTES);
    for (size_t i = 0; i < fixture->sent_count; i++) {
        assert_int_equal(fixture->sent[i].message.append_entries.entry_count, 1);
        assert_int_equal(fixture->sent[i].message.append_entries.prev_log_index, 1 + i);
    }
    /* What was left out follows when the first part is acknowledged. */
    fixture_forget(fixture);
    assert_true(fixture_receive(fixture, 3, fixture_append_success(2, 5)));
    assert_int_equal(fixture->sent[0].message.append_entries.prev_log_index, 5);
    fixture_free(fixture);
}

/* ---- rule 14: timers ---- */

static void a_timeout_is_never_early(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_follower(fixture, 3, 1);
    uint64_t deadline = replica_next_ms(fixture->replica);
    assert_in_range(deadline - fixture->now_ms, 300, 600);
    while (fixture->now_ms < deadline - 1) {
        fixture->now_ms++;
        assert_true(replica_tick(fixture->replica, fixture->now_ms, &fixture->error));
        assert_int_equal(fixture->state, REPLICA_FOLLOWER);
    }
    fixture->now_ms = deadline;
    assert_true(replica_tick(fixture->replica, fixture->now_ms, &fixture->error));
    assert_int_equal(fixture->state, REPLICA_CANDIDATE);
    fixture_free(fixture);
}

/* At a leader's TIMEOUT libraft asks who has answered since the last one. */
static void a_leaders_timeout_is_never_early(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    assert_true(fixture_tick(fixture));
    const uint64_t begin = fixture->now_ms;
    const uint64_t checked = fixture->replica->raft.election_timer_start;
    assert_int_equal(checked, begin);
    while (fixture->now_ms < begin + 74) {
        fixture->now_ms++;
        assert_true(replica_tick(fixture->replica, fixture->now_ms, &fixture->error));
        assert_true(fixture_receive(fixture, 2, fixture_append_success(2, 2)));
        assert_int_equal(fixture->replica->raft.election_timer_start, checked);
    }
    fixture->now_ms++;
    assert_true(replica_tick(fixture->replica, fixture->now_ms, &fixture->error));
    assert_int_equal(fixture->replica->raft.election_timer_start, fixture->now_ms);
    fixture_free(fixture);
}

/* libraft's deadline may lie in the past for good: a server of a role that it sends nothing to. The
 * loop must not spin on it. */
static void a_deadline_in_the_past_does_not_spin(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    fixture->replica->raft.configuration.servers[2].role = RAFT_SPARE;
    const uint64_t begin = fixture->now_ms;
    size_t ticks = 0;
    while (fixture->now_ms < begin + 1000) {
        assert_true(fixture_tick(fixture));
        assert_true(fixture_receive(fixture, 2, fixture_append_success(2, 2)));
        ticks++;
    }
    assert_int_equal(fixture->state, REPLICA_LEADER);
    assert_true(ticks <= 1000 / REPLICA_TIMER_GAP_MS + 1);
    fixture_free(fixture);
}

/* Events closer together than the gap must not put the deadline off. */
static void a_stream_of_events_does_not_starve_the_timer(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_follower(fixture, 3, 1);
    const uint64_t begin = fixture->now_ms;
    while (fixture->state == REPLICA_FOLLOWER && fixture->now_ms < begin + 2000) {
        fixture->now_ms++;
        /* An old leader goes on sending. */
        assert_true(fixture_receive(fixture, 2, fixture_vote(1, 2, 0, 0, false)));
        if (replica_next_ms(fixture->replica) <= fixture->now_ms) {
            assert_true(replica_tick(fixture->replica, fixture->now_ms, &fixture->error));
        }
    }
    assert_int_equal(fixture->state, REPLICA_CANDIDATE);
    assert_true(fixture->now_ms <= begin + 601);
    fixture_free(fixture);
}

/* Both followers answer what they are sent within a millisecond. */
static void quiet_spell(struct fixture *fixture, uint64_t index, size_t heartbeats)
{
    for (size_t i = 0; i < heartbeats; i++) {
        fixture_forget(fixture);
        assert_true(fixture_tick(fixture));
        fixture->now_ms += 1;
        for (uint64_t peer = 2; peer <= 3; peer++) {
            if (fixture_sent_count(fixture, peer, PEER_APPEND_ENTRIES) > 0) {
                assert_true(fixture_receive(fixture, peer, fixture_append_success(2, index)));
            }
        }
    }
}

/* Followers whose heartbeats fall due at different moments: each TIMEOUT would make libraft take
 * the other one for lost, and new entries would wait for the next heartbeat. */
static void staggered_heartbeats_do_not_lose_followers(void **state)
{
    (void)state;
    for (uint64_t stagger_ms = 1; stagger_ms < 75; stagger_ms += 7) {
        struct fixture *fixture = fixture_new();
        fixture_start_leader(fixture, 3, 1);
        quiet_spell(fixture, 2, 3);
        uint64_t index = fixture_submit(fixture, "x");
        assert_true(fixture_sync_all(fixture));
        assert_true(fixture_receive(fixture, 3, fixture_append_success(2, index)));
        /* 2 lost the entry, and a later message shows it: it alone is sent to at this moment. */
        fixture->now_ms += stagger_ms;
        fixture_forget(fixture);
        assert_true(fixture_receive(fixture, 2, fixture_append_rejection(2, index, index - 1)));
        assert_int_equal(fixture_sent_count(fixture, 2, PEER_APPEND_ENTRIES), 1);
        assert_int_equal(fixture_sent_count(fixture, 3, PEER_APPEND_ENTRIES), 0);
        assert_true(fixture_receive(fixture, 2, fixture_append_success(2, index)));

        quiet_spell(fixture, index, 40);
        fixture_forget(fixture);
        fixture_submit(fixture, "y");
        assert_int_equal(fixture_sent_count(fixture, 2, PEER_APPEND_ENTRIES), 1);
        assert_int_equal(fixture_sent_count(fixture, 3, PEER_APPEND_ENTRIES), 1);
        fixture_free(fixture);
    }
}

/* A stream of appends to one follower does not keep the heartbeats of another one away. */
static void heartbeats_reach_a_probed_follower_under_load(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_leader(fixture, 3, 1);
    uint64_t last_heard = fixture->now_ms; /* by 3, which never answers */
    for (int i = 0; i < 2000; i++) {
        fixture_forget(fixture);
        fixture->now_ms++;
        uint64_t index = fixture_submit(fixture, "x");
        assert_true(fixture_sync_all(fixture));
        assert_true(fixture_receive(fixture, 2, fixture_append_success(2, index)));
        if (replica_next_ms(fixture->replica) <= fixture->now_ms) {
            assert_true(replica_tick(fixture->replica, fixture->now_ms, &fixture->error));
        }
        if (fixture_sent_count(fixture, 3, PEER_APPEND_ENTRIES) > 0) {
            last_heard = fixture->now_ms;
        }
        assert_true(fixture->now_ms - last_heard <= 150);
    }
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_leader_submits_a_barrier),
        cmocka_unit_test(the_librarys_no_op_is_taken_too),
        cmocka_unit_test(a_lost_leadership_ends_submitting),
        cmocka_unit_test(entries_in_flight_are_bounded),
        cmocka_unit_test(bytes_in_flight_are_bounded),
        cmocka_unit_test(a_slow_disk_does_not_fill_the_memory),
        cmocka_unit_test(writes_in_flight_are_bounded),
        cmocka_unit_test(long_appends_leave_in_frames),
        cmocka_unit_test(what_was_evicted_is_read_back),
        cmocka_unit_test(big_entries_leave_in_frames),
        cmocka_unit_test(a_timeout_is_never_early),
        cmocka_unit_test(a_leaders_timeout_is_never_early),
        cmocka_unit_test(a_deadline_in_the_past_does_not_spin),
        cmocka_unit_test(a_stream_of_events_does_not_starve_the_timer),
        cmocka_unit_test(staggered_heartbeats_do_not_lose_followers),
        cmocka_unit_test(heartbeats_reach_a_probed_follower_under_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
