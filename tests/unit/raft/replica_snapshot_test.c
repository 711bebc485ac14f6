/*
 * replica_snapshot_test.c - a log that does not begin at 1 (rule 12): starting behind a snapshot,
 * taking one, and what of it a leader sends and a follower is asked.
 */
#include "replica_fixture.h"

#include <string.h>

/* ---- starting ---- */

/* A snapshot at `index` of term 2, with three members that entry 1 made; the log follows from
 * `first` to `last`, up to the snapshot in term 2, then in term 3. */
static struct fixture *trimmed(uint64_t index, uint64_t first, uint64_t last)
{
    static uint8_t members[1024];
    struct fixture *fixture = fixture_new();
    struct bytes configuration = fixture_configuration(3);
    memcpy(members, configuration.data, configuration.len);
    fixture->term = 3;
    fixture->snapshot = (struct replica_snapshot){
        .index = index,
        .term = 2,
        .configuration_index = 1,
        .configuration = bytes_of(members, configuration.len),
    };
    fixture->applied_index = index;
    fixture->log_first = first;
    fixture->log_last = first - 1;
    while (fixture->log_last < last) {
        bool before = fixture->log_last + 1 <= index;
        fixture_disk_append(fixture, before ? 2 : 3, ENTRY_COMMAND, BYTES_LITERAL("x"));
    }
    return fixture;
}

static void start_is_refused(struct fixture *fixture, const char *because)
{
    assert_false(fixture_start(fixture, 1, 3));
    if (strstr(fixture->error.text, because) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", fixture->error.text, because);
    }
    fixture_free(fixture);
}

static void check_log(struct fixture *fixture, uint64_t first, uint64_t last, uint64_t commit)
{
    struct replica_status status;
    replica_status_get(fixture->replica, &status);
    assert_int_equal(status.first_index, first);
    assert_int_equal(status.last_index, last);
    assert_int_equal(status.durable_index, last);
    assert_int_equal(status.commit_index, commit);
    assert_int_equal(raft_last_index(&fixture->replica->raft), last);
}

static void a_log_begins_behind_its_snapshot_or_before(void **state)
{
    (void)state;
    const uint64_t firsts[] = {1, 2, 70, 100, 101};
    for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
        struct fixture *fixture = trimmed(100, firsts[i], 120);
        if (firsts[i] == 1) {
            entry_release(fixture->log[1]);
            fixture->log[1] = entry_new_copy(1, 1, ENTRY_CHANGE, fixture_configuration(3));
        }
        assert_true(fixture_start(fixture, 1, 3));
        check_log(fixture, firsts[i], 120, 100);
        assert_int_equal(raft_commit_index(&fixture->replica->raft), 100);
        /* What follows is appended, applied, and read from the disk. */
        assert_true(fixture_receive(fixture, 2, fixture_append(3, 120, 3, 120)));
        assert_int_equal(fixture->applied_index, 120);
        assert_int_equal(fixture_sent_last(fixture, 2, PEER_APPEND_ENTRIES_RESULT)
                             ->append_entries_result.rejected,
                         0);
        fixture_free(fixture);
    }
}

static void a_log_may_be_empty_behind_its_snapshot(void **state)
{
    (void)state;
    struct fixture *fixture = trimmed(100, 101, 100);
    assert_true(fixture_start(fixture, 1, 3));
    check_log(fixture, 101, 100, 100);
    struct peer_message append = fixture_append(3, 100, 2, 101);
    fixture_append_entry(&append, 3, ENTRY_COMMAND, BYTES_LITERAL("x"));
    assert_true(fixture_receive(fixture, 2, append));
    assert_true(fixture_sync_all(fixture));
    check_log(fixture, 101, 101, 101);
    assert_int_equal(fixture->applied_index, 101);
    fixture_free(fixture);
}

static void snapshots_that_contradict_the_log_are_refused(void **state)
{
    (void)state;
    start_is_refused(trimmed(100, 102, 120), "does not follow the snapshot");
    start_is_refused(trimmed(100, 70, 99), "does not follow the snapshot");

    struct fixture *fixture = trimmed(100, 90, 120);
    fixture->snapshot.term = 1; /* entry 100 is of term 2 */
    start_is_refused(fixture, "another history");

    fixture = trimmed(100, 101, 120);
    fixture->snapshot.term = 4;
    fixture->term = 4; /* entry 101 is of term 3 */
    start_is_refused(fixture, "another history");

    fixture = trimmed(100, 90, 120);
    entry_release(fixture->log[95]); /* a change that the snapshot knows nothing of */
    fixture->log[95] = entry_new_copy(95, 2, ENTRY_CHANGE, fixture_configuration(4));
    start_is_refused(fixture, "another history");

    fixture = trimmed(100, 90, 120);
    entry_release(fixture->log[95]);
    fixture->log[95] = entry_new_copy(95, 2, ENTRY_CHANGE, fixture_configuration(4));
    fixture->snapshot.configuration_index = 95; /* with other members */
    start_is_refused(fixture, "another history");

    fixture = trimmed(100, 90, 120);
    fixture->snapshot.configuration_index = 95; /* no change at all */
    start_is_refused(fixture, "another history");

    fixture = trimmed(100, 90, 120);
    fixture->snapshot.term = 4; /* above the stored one */
    start_is_refused(fixture, "snapshot on disk is damaged");

    fixture = trimmed(100, 90, 120);
    fixture->snapshot.configuration = BYTES_LITERAL("x");
    start_is_refused(fixture, "snapshot on disk is damaged");

    fixture = trimmed(100, 90, 120);
    fixture->applied_index = 99;
    start_is_refused(fixture, "the state is not the one");

    fixture = trimmed(100, 90, 120);
    fixture->applied_index = 121;
    start_is_refused(fixture, "lost entries");

    fixture = fixture_new();
    fixture->log_first = 2; /* without a snapshot */
    fixture->log_last = 1;
    fixture_disk_append(fixture, 1, ENTRY_COMMAND, BYTES_LITERAL("x"));
    fixture->term = 1;
    start_is_refused(fixture, "begins at entry 2");
}

/* The change at 95 is the snapshot's, the one at 110 is not: it may still be taken back, unless it
 * is applied, which makes a snapshot of what the start finds. */
static void the_cursor_of_rule_8_starts_at_the_snapshot(void **state)
{
    (void)state;
    static uint8_t members[1024];
    struct fixture *fixture = trimmed(100, 90, 120);
    struct replica_member found[LIMIT_NODES];
    struct bytes four = fixture_configuration(4);
    memcpy(members, four.data, four.len);
    entry_release(fixture->log[95]);
    fixture->log[95] = entry_new_copy(95, 2, ENTRY_CHANGE, fixture_configuration(4));
    fixture->snapshot.configuration_index = 95;
    fixture->snapshot.configuration = bytes_of(members, four.len);
    entry_release(fixture->log[110]);
    fixture->log[110] = entry_new_copy(110, 3, ENTRY_CHANGE, fixture_configuration(5));
    fixture->applied_index = 109;
    assert_true(fixture_start(fixture, 1, 3));
    assert_int_equal(fixture->replica->snapshot.index, 109);
    assert_int_equal(fixture->replica->change_count, 1);
    assert_int_equal(fixture->replica->raft.configuration_committed_index, 95);
    assert_int_equal(fixture->replica->raft.configuration_uncommitted_index, 110);
    assert_int_equal(replica_members(fixture->replica, found, LIMIT_NODES), 5);
    assert_true(fixture_receive(fixture, 2, fixture_append(3, 120, 3, 120)));
    assert_int_equal(fixture->replica->raft.configuration_committed_index, 110);
    assert_int_equal(fixture->replica->raft.configuration_uncommitted_index, 0);
    fixture_free(fixture);
}

/* Rule 11 without a configuration in the log. */
static void a_lone_voter_is_found_in_the_snapshot(void **state)
{
    (void)state;
    static uint8_t members[1024];
    struct fixture *fixture = trimmed(100, 101, 120);
    struct bytes one = fixture_configuration(1);
    memcpy(members, one.data, one.len);
    fixture->snapshot.configuration_index = 40;
    fixture->snapshot.configuration = bytes_of(members, one.len);
    assert_true(fixture_start(fixture, 1, 3));
    assert_int_equal(fixture->trace[0], 'H');
    assert_int_equal(fixture->term, 4);
    assert_int_equal(fixture->vote, 1);
    assert_int_equal(fixture->state, REPLICA_LEADER);
    assert_true(fixture_sync_all(fixture));
    assert_int_equal(fixture->applied_index, fixture->log_last);
    fixture_free(fixture);
}

/* ---- taking ---- */

/* A leader of three that has applied up to `last`, with one entry in term 2 for each. */
static struct fixture *leader_at(uint64_t last, uint32_t trailing_entries)
{
    struct fixture *fixture = fixture_new();
    fixture->limits.trailing_entries = trailing_entries;
    fixture_start_leader(fixture, 3, 1);
    while (fixture->log_last < last) {
        uint64_t index = fixture_submit(fixture, "x");
        assert_true(fixture_sync_all(fixture));
        assert_true(fixture_receive(fixture, 2, fixture_append_success(2, index)));
        assert_true(replica_tick(fixture->replica, fixture->now_ms, &fixture->error));
    }
    assert_int_equal(fixture->applied_index, last);
    fixture_forget(fixture);
    return fixture;
}

static uint64_t take(struct fixture *fixture, uint64_t index)
{
    struct replica_snapshot snapshot;
    uint64_t trim_up_to = UINT64_MAX;
    assert_true(replica_can_snapshot(fixture->replica));
    assert_true(replica_snapshot_at(fixture->replica, index, &snapshot, &fixture->error));
    assert_int_equal(snapshot.index, index);
    assert_true(replica_snapshot_taken(fixture->replica, &snapshot, fixture->now_ms, &trim_up_to,
                                       &fixture->error));
    return trim_up_to;
}

static void a_snapshot_trims_the_log_but_for_what_trails(void **state)
{
    (void)state;
    struct fixture *fixture = leader_at(100, 16);
    const struct raft *raft = &fixture->replica->raft;
    assert_int_equal(take(fixture, 80), 64);
    assert_int_equal(raft->trail.snapshot.index, 80);
    assert_int_equal(raft->trail.snapshot.term, 2);
    assert_int_equal(raft->trail.offset, 64);
    check_log(fixture, 65, 100, 100);
    /* The next one. */
    assert_int_equal(take(fixture, 95), 79);
    assert_int_equal(raft->trail.offset, 79);
    /* More is kept from now on; what is gone is gone. */
    fixture->replica->limits.trailing_entries = 30;
    assert_int_equal(take(fixture, 100), 70);
    assert_int_equal(raft->trail.offset, 79);
    check_log(fixture, 80, 100, 100);
    assert_false(replica_can_snapshot(fixture->replica)); /* nothing is behind it */
    fixture_free(fixture);
}

static void a_short_log_is_not_trimmed(void **state)
{
    (void)state;
    struct fixture *fixture = leader_at(20, 0);
    assert_int_equal(take(fixture, 15), 0);
    assert_int_equal(fixture->replica->raft.trail.offset, 0);
    check_log(fixture, 1, 20, 20);
    fixture_free(fixture);
}

/* The rule's number, not only its name. */
static void trailing_entries_are_twice_what_libraft_sends_ahead(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start_follower(fixture, 3, 1);
    assert_true(fixture->replica->limits.trailing_entries >=
                2 * fixture->replica->raft.max_inflight_entries);
    fixture_free(fixture);
}

/* The members are those of the snapshot's index, whatever has changed since; and the snapshot that
 * is sent says so. */
static void a_snapshot_has_the_members_of_its_index(void **state)
{
    (void)state;
    struct fixture *fixture = leader_at(20, 4);
    const struct replica_change change = {REPLICA_ADD_STANDBY, 4, "m4:7000"};
    bool accepted;
    struct error why;
    struct replica_snapshot snapshot;
    assert_true(replica_change_members(fixture->replica, &change, fixture->now_ms, &accepted, &why,
                                       &fixture->error));
    assert_true(accepted);
    uint64_t changed = fixture->log_last;
    assert_true(fixture_sync_all(fixture));
    assert_true(fixture_receive(fixture, 2, fixture_append_success(2, changed)));
    fixture_submit(fixture, "x");
    assert_true(fixture_sync_all(fixture));
    assert_true(fixture_receive(fixture, 2, fixture_append_success(2, changed + 1)));
    assert_int_equal(fixture->applied_index, changed + 1);
    struct bytes after = fixture->log[changed]->data;

    assert_true(replica_snapshot_at(fixture->replica, changed - 1, &snapshot, &fixture->error));
    assert_int_equal(snapshot.configuration_index, 1);
    assert_true(bytes_equal(snapshot.configuration, fixture_configuration(3)));
    assert_true(replica_snapshot_at(fixture->replica, changed, &snapshot, &fixture->error));
    assert_int_equal(snapshot.configuration_index, changed);
    assert_true(bytes_equal(snapshot.configuration, after));

    take(fixture, changed - 1);
    take(fixture, changed + 1);
    assert_int_equal(fixture->replica->raft.configuration_last_snapshot_index, changed);
    assert_int_equal(fixture->replica->snapshot.configuration->index, changed);
    assert_int_equal(fixture->replica->settled_count, 1);
    fixture_free(fixture);
}

/* Else a leader could not give it to a follower without which nothing is committed any more. */
static void what_a_start_finds_applied_is_a_snapshot(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_found(fixture, 3);
    fixture_disk_append(fixture, 1, ENTRY_CHANGE, fixture_configuration(4));
    fixture->term = 1;
    fixture_disk_append(fixture, 1, ENTRY_COMMAND, BYTES_LITERAL("x"));
    fixture->applied_index = 2;
    assert_true(fixture_start(fixture, 1, 3));
    assert_int_equal(fixture->replica->snapshot.index, 2);
    assert_int_equal(fixture->replica->first_index, 1);
    assert_int_equal(fixture->replica->raft.configuration_committed_index, 2);
    assert_false(replica_can_snapshot(fixture->replica)); /* nothing is behind it */
    assert_true(fixture_receive(fixture, 2, fixture_append(1, 3, 1, 3)));
    assert_true(replica_can_snapshot(fixture->replica));
    take(fixture, 3);
    fixture_free(fixture);
}

static void a_log_that_cannot_be_read_is_final(void **state)
{
    (void)state;
    struct replica_snapshot snapshot;
    struct fixture *fixture = trimmed(100, 101, 120);
    assert_true(fixture_start(fixture, 1, 3));
    assert_true(fixture_receive(fixture, 2, fixture_append(3, 120, 3, 120)));
    fixture->fail_read = true;
    assert_false(replica_snapshot_at(fixture->replica, 110, &snapshot, &fixture->error));
    assert_false(fixture_tick(fixture));
    assert_non_null(strstr(fixture->error.text, "input/output error"));
    fixture_free(fixture);
}

/* ---- sending ---- */

/* A leader in term 4 whose log begins at 43 behind a snapshot at 50. Peer 2 has all of it; peer 3
 * has nothing. */
static struct fixture *leader_behind_a_snapshot(void)
{
    struct fixture *fixture = trimmed(50, 43, 60);
    assert_true(fixture_start(fixture, 1, 3));
    assert_true(fixture_tick(fixture));
    assert_true(fixture_receive(fixture, 2, fixture_vote_result(3, 4, true, true)));
    assert_true(fixture_receive(fixture, 2, fixture_vote_result(4, 4, true, false)));
    assert_int_equal(fixture->state, REPLICA_LEADER);
    assert_true(fixture_sync_all(fixture));
    assert_true(fixture_receive(fixture, 2, fixture_append_success(4, 60)));
    assert_true(fixture_receive(fixture, 2, fixture_append_success(4, fixture->log_last)));
    assert_int_equal(fixture->applied_index, fixture->log_last);
    fixture_forget(fixture);
    return fixture;
}

/* A heartbeat's time: 2 has what it is sent, 3 has not. */
static void beat(struct fixture *fixture)
{
    const struct peer_message *append = fixture_sent_last(fixture, 3, PEER_APPEND_ENTRIES);
    uint64_t prev = append != NULL ? append->append_entries.prev_log_index : 0;
    if (prev > 0) {
        fixture_forget(fixture);
        assert_true(fixture_receive(fixture, 3, fixture_append_rejection(4, prev, 0)));
    }
    assert_true(fixture_tick(fixture));
    assert_true(fixture_receive(fixture, 2, fixture_append_success(4, fixture->log_last)));
}

static const struct peer_message *beat_until_offered(struct fixture *fixture)
{
    for (int i = 0; i < 8 && fixture_sent_count(fixture, 3, PEER_INSTALL_SNAPSHOT) == 0; i++) {
        beat(fixture);
    }
    return fixture_sent_last(fixture, 3, PEER_INSTALL_SNAPSHOT);
}

/* Peer 3 is sent everything behind the snapshot at 50, in one frame or more. */
static bool entries_follow(const struct fixture *fixture)
{
    uint64_t next = 51;
    for (size_t i = 0; i < fixture->sent_count; i++) {
        const struct peer_message *message = &fixture->sent[i].message;
        if (fixture->sent[i].peer_id == 3 && message->type == PEER_APPEND_ENTRIES &&
            message->append_entries.prev_log_index + 1 == next) {
            assert_int_equal(message->append_entries.prev_log_term, next == 51 ? 2 : 3);
            next += message->append_entries.entry_count;
        }
    }
    return next > fixture->log_last;
}

static void a_follower_that_lacks_more_is_sent_a_descriptor(void **state)
{
    (void)state;
    struct fixture *fixture = leader_behind_a_snapshot();
    fixture->has_checkpoint = true;
    fixture->checkpoint = (struct hash128){77, 78};
    const struct peer_message *offer = beat_until_offered(fixture);
    assert_non_null(offer);
    assert_int_equal(fixture->described_index, 50);
    assert_int_equal(offer->sent_term, 4);
    assert_int_equal(offer->install_snapshot.term, 4);
    assert_int_equal(offer->install_snapshot.index, 50);
    assert_int_equal(offer->install_snapshot.last_term, 2);
    assert_true(hash128_equal(offer->install_snapshot.checkpoint, fixture->checkpoint));
    assert_int_equal(offer->install_snapshot.configuration->index, 1);
    assert_true(bytes_equal(offer->install_snapshot.configuration->data, fixture_configuration(3)));
    /* It has been installed: entries follow. */
    fixture_forget(fixture);
    assert_true(fixture_receive(fixture, 3, fixture_append_success(4, 50)));
    assert_true(entries_follow(fixture));
    fixture_free(fixture);
}

/* Its log is shorter than what a standby may lack when it gets a vote, and yet the standby has to
 * get a whole state first: so long it would be a voter that has nothing. */
static void a_standby_that_needs_a_snapshot_gets_no_vote(void **state)
{
    (void)state;
    struct fixture *fixture = leader_behind_a_snapshot();
    struct error why;
    bool accepted;
    const struct replica_change add = {.kind = REPLICA_ADD_STANDBY, .id = 4, .address = "m4:7000"};
    const struct replica_change promote = {.kind = REPLICA_PROMOTE, .id = 4};
    assert_true(replica_change_members(fixture->replica, &add, fixture->now_ms, &accepted, &why,
                                       &fixture->error));
    assert_true(accepted);
    assert_true(fixture_sync_all(fixture));
    assert_true(fixture_receive(fixture, 2, fixture_append_success(4, fixture->log_last)));
    assert_int_equal(fixture->applied_index, fixture->log_last);
    assert_true(replica_change_members(fixture->replica, &promote, fixture->now_ms, &accepted, &why,
                                       &fixture->error));
    assert_false(accepted);
    assert_non_null(strstr(why.text, "lacks entries up to 42, which only a snapshot holds"));
    assert_true(fixture_tick(fixture));
    assert_true(fixture_receive(fixture, 4, fixture_append_success(4, fixture->log_last)));
    assert_true(replica_change_members(fixture->replica, &promote, fixture->now_ms, &accepted, &why,
                                       &fixture->error));
    assert_true(accepted);
    fixture_free(fixture);
}

/* Nothing leaves without a checkpoint to fetch; and the question comes again, and soon. */
static void without_a_checkpoint_nothing_is_offered(void **state)
{
    (void)state;
    struct fixture *fixture = leader_behind_a_snapshot();
    assert_null(beat_until_offered(fixture));
    assert_int_equal(fixture->described_index, 50);
    fixture->has_checkpoint = true;
    uint64_t begun_ms = fixture->now_ms;
    assert_non_null(beat_until_offered(fixture));
    assert_true(fixture->now_ms <= begun_ms + 150);
    assert_int_equal(fixture->state, REPLICA_LEADER);
    fixture_free(fixture);
}

/* While it installs, a follower says neither yes nor no: it is asked again all the same. And that
 * counts as a question (rule 5). */
static void an_offer_without_an_answer_is_repeated(void **state)
{
    (void)state;
    struct fixture *fixture = leader_behind_a_snapshot();
    fixture->has_checkpoint = true;
    assert_non_null(beat_until_offered(fixture));
    fixture_forget(fixture);
    uint64_t begun_ms = fixture->now_ms;
    while (fixture_sent_count(fixture, 3, PEER_INSTALL_SNAPSHOT) == 0) {
        assert_true(fixture_receive(fixture, 2, fixture_append_success(4, fixture->log_last)));
        assert_true(fixture_receive(fixture, 3, fixture_append_success(4, 0)));
        replica_peer_connected(fixture->replica, 3);
        assert_true(fixture_tick(fixture));
        assert_true(fixture->now_ms < begun_ms + 2000);
    }
    assert_int_equal(fixture->state, REPLICA_LEADER);
    assert_true(fixture->now_ms >= begun_ms + 1000);
    assert_true(fixture_receive(fixture, 3, fixture_append_success(4, 50)));
    assert_int_equal(replica_match_index(fixture->replica, 3), 50);
    fixture_free(fixture);
}

/* A newer one was taken while the follower fetched. It has installed the older one: what follows
 * that one is still in the log, for entries trail. */
static void a_follower_may_install_the_snapshot_before(void **state)
{
    (void)state;
    struct fixture *fixture = leader_behind_a_snapshot();
    fixture->replica->limits.trailing_entries = 11;
    fixture->has_checkpoint = true;
    assert_non_null(beat_until_offered(fixture));
    assert_int_equal(take(fixture, 60), 49);
    fixture_forget(fixture);
    assert_true(fixture_receive(fixture, 3, fixture_append_success(4, 50)));
    assert_true(entries_follow(fixture));
    assert_int_equal(fixture_sent_count(fixture, 3, PEER_INSTALL_SNAPSHOT), 0);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_begins_behind_its_snapshot_or_before),
        cmocka_unit_test(a_log_may_be_empty_behind_its_snapshot),
        cmocka_unit_test(snapshots_that_contradict_the_log_are_refused),
        cmocka_unit_test(the_cursor_of_rule_8_starts_at_the_snapshot),
        cmocka_unit_test(a_lone_voter_is_found_in_the_snapshot),
        cmocka_unit_test(a_snapshot_trims_the_log_but_for_what_trails),
        cmocka_unit_test(a_short_log_is_not_trimmed),
        cmocka_unit_test(trailing_entries_are_twice_what_libraft_sends_ahead),
        cmocka_unit_test(a_snapshot_has_the_members_of_its_index),
        cmocka_unit_test(what_a_start_finds_applied_is_a_snapshot),
        cmocka_unit_test(a_log_that_cannot_be_read_is_final),
        cmocka_unit_test(a_follower_that_lacks_more_is_sent_a_descriptor),
        cmocka_unit_test(a_standby_that_needs_a_snapshot_gets_no_vote),
        cmocka_unit_test(without_a_checkpoint_nothing_is_offered),
        cmocka_unit_test(an_offer_without_an_answer_is_repeated),
        cmocka_unit_test(a_follower_may_install_the_snapshot_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
