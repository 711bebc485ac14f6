/* States compared: who stops, who does not, and on whose word. */
#include "cmocka_test.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/digests.h"

#define INTERVAL 10
#define TERM     7

static const struct hash128 right = {1, 2};
static const struct hash128 wrong = {1, 3};
static const struct hash128 other = {2, 2};

/* One node, and what it has said. */
struct fixture {
    struct digests *digests;
    struct replica_member members[LIMIT_NODES];
    size_t member_count;
    struct peer_message sent[64];
    uint64_t sent_to[64];
    size_t sent_count;
    unsigned warnings;
    char warning[512];
    unsigned stops;
    char why[512];
    unsigned borne_out;
};

static void on_send(void *context, uint64_t peer_id, const struct peer_message *message)
{
    struct fixture *fixture = context;
    assert_true(fixture->sent_count < 64);
    fixture->sent_to[fixture->sent_count] = peer_id;
    fixture->sent[fixture->sent_count++] = *message;
}

static size_t on_members(void *context, struct replica_member *members, size_t capacity)
{
    struct fixture *fixture = context;
    assert_true(fixture->member_count <= capacity);
    memcpy(members, fixture->members, fixture->member_count * sizeof *members);
    return fixture->member_count;
}

static void on_warn(void *context, const char *words)
{
    struct fixture *fixture = context;
    fixture->warnings++;
    snprintf(fixture->warning, sizeof fixture->warning, "%s", words);
}

static void on_stop(void *context, const struct error *why)
{
    struct fixture *fixture = context;
    fixture->stops++;
    snprintf(fixture->why, sizeof fixture->why, "%s", why->text);
}

static void on_borne_out(void *context)
{
    ((struct fixture *)context)->borne_out++;
}

/* Node 1 of so many voters. */
static struct fixture *begin(size_t voters)
{
    struct fixture *fixture = memory_zalloc(sizeof *fixture);
    const struct digests_env env = {.context = fixture,
                                    .send = on_send,
                                    .members = on_members,
                                    .warn = on_warn,
                                    .stop = on_stop,
                                    .borne_out = on_borne_out};
    fixture->digests = digests_new(1, INTERVAL, &env);
    for (size_t i = 0; i < voters; i++) {
        fixture->members[i] = (struct replica_member){.id = i + 1, .role = REPLICA_VOTER};
    }
    fixture->member_count = voters;
    return fixture;
}

static struct fixture *begin_leading(size_t voters)
{
    struct fixture *fixture = begin(voters);
    digests_role(fixture->digests, 1, TERM);
    return fixture;
}

static void end(struct fixture *fixture)
{
    digests_free(fixture->digests);
    free(fixture);
}

static void apply(struct fixture *fixture, uint64_t index, struct hash128 digest)
{
    assert_true(digests_wants(fixture->digests, index));
    digests_applied(fixture->digests, index, digest);
    digests_upkeep(fixture->digests);
}

static void report_in(struct fixture *fixture, uint64_t term, uint64_t from, uint64_t index,
                      struct hash128 digest)
{
    struct peer_message message = {.type = PEER_DIGEST_REPORT, .sent_term = term};
    message.digest_report.index = index;
    message.digest_report.digest = digest;
    digests_receive(fixture->digests, from, &message, 1000);
}

static void report(struct fixture *fixture, uint64_t from, uint64_t index, struct hash128 digest)
{
    report_in(fixture, TERM, from, index, digest);
}

/* Of a state that stems from these. */
static void report_copy(struct fixture *fixture, uint64_t from, uint64_t index,
                        struct hash128 digest, struct lineage lineage)
{
    struct peer_message message = {.type = PEER_DIGEST_REPORT, .sent_term = TERM};
    message.digest_report.index = index;
    message.digest_report.digest = digest;
    message.digest_report.lineage = lineage;
    digests_receive(fixture->digests, from, &message, 1000);
}

static struct peer_message difference(uint64_t index, struct hash128 digest,
                                      struct hash128 majority)
{
    struct peer_message message = {.type = PEER_DIGEST_DIFFERS, .sent_term = TERM};
    message.digest_differs.index = index;
    message.digest_differs.digest = digest;
    message.digest_differs.majority = majority;
    return message;
}

static void expect_status(struct fixture *fixture, uint64_t index, bool agree, const char *alarm)
{
    struct digests_status status;
    digests_status_get(fixture->digests, &status);
    assert_int_equal(status.compared_index, index);
    assert_int_equal(status.agree, agree);
    if (*alarm == '\0') {
        assert_string_equal(status.alarm, "");
    } else {
        assert_non_null(strstr(status.alarm, alarm));
    }
}

/* ---- a leader ---- */

static void equal_states_are_told_in_the_status(void **state)
{
    (void)state;
    struct fixture *fixture = begin_leading(3);
    apply(fixture, 10, right);
    expect_status(fixture, 0, false, "");
    report(fixture, 2, 10, right);
    expect_status(fixture, 10, true, "");
    report(fixture, 3, 10, right);
    expect_status(fixture, 10, true, "");
    assert_int_equal(fixture->sent_count + fixture->warnings + fixture->stops, 0);
    end(fixture);
}

static void who_differs_from_a_majority_is_told(void **state)
{
    (void)state;
    struct fixture *fixture = begin_leading(3);
    report(fixture, 3, 10, wrong); /* it is ahead of us: nobody is sentenced yet */
    apply(fixture, 10, right);
    assert_int_equal(fixture->sent_count, 0);
    report(fixture, 2, 10, right);
    assert_int_equal(fixture->sent_count, 1);
    assert_int_equal(fixture->sent_to[0], 3);
    assert_int_equal(fixture->sent[0].type, PEER_DIGEST_DIFFERS);
    assert_int_equal(fixture->sent[0].sent_term, TERM);
    assert_int_equal(fixture->sent[0].digest_differs.index, 10);
    assert_true(hash128_equal(fixture->sent[0].digest_differs.digest, wrong));
    assert_true(hash128_equal(fixture->sent[0].digest_differs.majority, right));
    assert_int_equal(fixture->warnings, 1);
    assert_non_null(strstr(fixture->warning, "node 3 is wrong: at log index 10 its digest is "
                                             "00000000000000030000000000000001"));
    expect_status(fixture, 10, false, "");
    assert_int_equal(fixture->stops, 0);
    /* It may not have heard: again, some times, without another line in the log. */
    for (unsigned i = 0; i < 2 * DIGEST_UPKEEPS * DIGEST_REPEATS; i++) {
        digests_upkeep(fixture->digests);
    }
    assert_int_equal(fixture->sent_count, 1 + DIGEST_REPEATS);
    assert_int_equal(fixture->warnings, 1);
    /* At the next index, too. */
    apply(fixture, 20, right);
    report(fixture, 2, 20, right);
    report(fixture, 3, 20, wrong);
    assert_int_equal(fixture->sent[fixture->sent_count - 1].digest_differs.index, 20);
    end(fixture);
}

static void a_leader_in_the_minority_stops_itself(void **state)
{
    (void)state;
    struct fixture *fixture = begin_leading(3);
    apply(fixture, 10, wrong);
    report(fixture, 2, 10, right);
    assert_int_equal(fixture->stops, 0);
    report(fixture, 3, 10, right);
    assert_int_equal(fixture->stops, 1);
    assert_int_equal(fixture->sent_count, 0);
    assert_non_null(strstr(fixture->why, "at log index 10 its digest is "
                                         "00000000000000030000000000000001, that of a majority of "
                                         "the voters is 00000000000000020000000000000001"));
    assert_non_null(strstr(fixture->why, "replace the node"));
    end(fixture);
}

static void a_leader_that_applies_last_stops_itself(void **state)
{
    (void)state;
    struct fixture *fixture = begin_leading(3);
    report(fixture, 2, 10, right);
    report(fixture, 3, 10, right);
    expect_status(fixture, 10, true, "");
    apply(fixture, 10, wrong);
    assert_int_equal(fixture->stops, 1);
    end(fixture);
}

static void without_a_majority_nobody_stops(void **state)
{
    (void)state;
    struct fixture *fixture = begin_leading(3);
    apply(fixture, 10, right);
    report(fixture, 2, 10, wrong);
    expect_status(fixture, 0, false, ""); /* node 3 may decide */
    report(fixture, 3, 10, other);
    expect_status(fixture, 10, false, "node 1 has 00000000..., node 2 has 00000000..., node 3");
    assert_int_equal(fixture->warnings, 1);
    apply(fixture, 20, right);
    report(fixture, 2, 20, wrong);
    report(fixture, 3, 20, other);
    assert_int_equal(fixture->warnings, 1); /* it is said once */
    expect_status(fixture, 20, false, "at log index 20");
    assert_int_equal(fixture->sent_count + fixture->stops, 0);
    /* One of them has been put right. */
    apply(fixture, 30, right);
    report(fixture, 2, 30, right);
    expect_status(fixture, 30, true, "");
    end(fixture);
}

static void a_voter_that_is_silent_is_not_waited_for_for_ever(void **state)
{
    (void)state;
    struct fixture *fixture = begin_leading(3);
    apply(fixture, 10, right);
    report(fixture, 2, 10, wrong);
    for (unsigned i = 1; i < DIGEST_UPKEEPS; i++) {
        expect_status(fixture, 0, false, "");
        digests_upkeep(fixture->digests);
    }
    expect_status(fixture, 10, false, "none has a majority");
    assert_int_equal(fixture->sent_count + fixture->stops, 0);
    /* It comes back, and decides. */
    report(fixture, 3, 10, right);
    expect_status(fixture, 10, false, "");
    assert_int_equal(fixture->sent_to[0], 2);
    end(fixture);
}

static void half_of_the_voters_is_no_majority(void **state)
{
    (void)state;
    struct fixture *fixture = begin_leading(4);
    apply(fixture, 10, right);
    report(fixture, 2, 10, right);
    report(fixture, 3, 10, wrong);
    report(fixture, 4, 10, wrong);
    assert_int_equal(fixture->sent_count + fixture->stops, 0);
    expect_status(fixture, 10, false, "none has a majority");
    end(fixture);
}

static void standbys_have_no_vote_and_stop_all_the_same(void **state)
{
    (void)state;
    struct fixture *fixture = begin_leading(5);
    fixture->members[3].role = REPLICA_STANDBY;
    fixture->members[4].role = REPLICA_STANDBY;
    apply(fixture, 10, right);
    report(fixture, 4, 10, wrong);
    report(fixture, 5, 10, wrong);
    assert_int_equal(fixture->sent_count, 0);
    report(fixture, 2, 10, right); /* two of three voters, against two standbys */
    assert_int_equal(fixture->sent_count, 2);
    assert_int_equal(fixture->sent_to[0], 4);
    assert_int_equal(fixture->sent_to[1], 5);
    assert_int_equal(fixture->stops, 0);
    end(fixture);
}

static void reports_that_cannot_be_are_ignored(void **state)
{
    (void)state;
    struct fixture *fixture = begin_leading(3);
    apply(fixture, 10, wrong);
    report_in(fixture, TERM - 1, 2, 10, right);
    report_in(fixture, TERM + 1, 2, 10, right);
    report(fixture, 4, 10, right);   /* not a member */
    report(fixture, 2, 15, right);   /* not an index to compare at */
    report(fixture, 2, 1010, right); /* behind the log's end */
    report(fixture, 3, 10, right);
    report(fixture, 3, 10, right); /* twice is once */
    assert_int_equal(fixture->stops, 0);
    report(fixture, 2, 10, right);
    assert_int_equal(fixture->stops, 1);
    end(fixture);
}

static void a_later_index_takes_the_place_of_an_older_one(void **state)
{
    (void)state;
    struct fixture *fixture = begin_leading(3);
    for (uint64_t index = INTERVAL; index <= INTERVAL * (DIGEST_NOTES + 1); index += INTERVAL) {
        apply(fixture, index, right);
    }
    report(fixture, 2, INTERVAL, right); /* too late to be compared */
    expect_status(fixture, 0, false, "");
    report(fixture, 2, 2 * INTERVAL, right);
    expect_status(fixture, 2 * INTERVAL, true, "");
    end(fixture);
}

static void an_older_index_does_not_take_the_status_back(void **state)
{
    (void)state;
    struct fixture *fixture = begin_leading(3);
    apply(fixture, 10, right);
    apply(fixture, 20, right);
    report(fixture, 2, 20, right);
    report(fixture, 2, 10, right);
    report(fixture, 3, 10, wrong); /* it was behind; it is told */
    expect_status(fixture, 20, true, "");
    assert_int_equal(fixture->sent_count, 1);
    end(fixture);
}

static void another_term_begins_anew(void **state)
{
    (void)state;
    struct fixture *fixture = begin_leading(3);
    apply(fixture, 10, wrong);
    report(fixture, 2, 10, right);
    digests_role(fixture->digests, 1, TERM + 1);
    report_in(fixture, TERM + 1, 3, 10, right);
    assert_int_equal(fixture->stops, 0); /* what node 2 said was said to another leader */
    digests_upkeep(fixture->digests);    /* its own is known still */
    report_in(fixture, TERM + 1, 2, 10, right);
    assert_int_equal(fixture->stops, 1);
    end(fixture);
}

static void what_a_peer_said_before_it_came_back_is_forgotten(void **state)
{
    (void)state;
    struct fixture *fixture = begin_leading(3);
    apply(fixture, 10, right);
    apply(fixture, 20, right);
    report(fixture, 3, 10, wrong);
    report(fixture, 3, 20, wrong);
    digests_peer_connected(fixture->digests, 3);
    report(fixture, 2, 10, wrong);
    report(fixture, 2, 20, right);
    assert_int_equal(fixture->stops + fixture->sent_count, 0);
    report(fixture, 3, 10, right);
    assert_int_equal(fixture->sent_to[0], 2);
    end(fixture);
}

static void a_lone_voter_agrees_with_itself(void **state)
{
    (void)state;
    struct fixture *fixture = begin_leading(1);
    apply(fixture, 10, right);
    expect_status(fixture, 10, true, "");
    end(fixture);
}

/* ---- a follower ---- */

static void a_follower_reports_to_each_leader(void **state)
{
    (void)state;
    struct fixture *fixture = begin(3);
    apply(fixture, 10, right); /* nobody leads */
    assert_int_equal(fixture->sent_count, 0);
    digests_role(fixture->digests, 2, TERM);
    apply(fixture, 20, wrong);
    digests_upkeep(fixture->digests);
    assert_int_equal(fixture->sent_count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(fixture->sent[i].type, PEER_DIGEST_REPORT);
        assert_int_equal(fixture->sent[i].sent_term, TERM);
        assert_int_equal(fixture->sent[i].digest_report.index, (i + 1) * 10);
        assert_int_equal(fixture->sent_to[i], 2);
    }
    assert_true(hash128_equal(fixture->sent[1].digest_report.digest, wrong));
    digests_role(fixture->digests, 3, TERM + 1);
    digests_upkeep(fixture->digests);
    assert_int_equal(fixture->sent_count, 4);
    assert_int_equal(fixture->sent_to[3], 3);
    expect_status(fixture, 0, false, "");
    end(fixture);
}

static void a_follower_reports_what_it_has_noted_last(void **state)
{
    (void)state;
    struct fixture *fixture = begin(3);
    uint64_t last = INTERVAL * (DIGEST_NOTES + 5);
    for (uint64_t index = INTERVAL; index <= last; index += INTERVAL) {
        digests_applied(fixture->digests, index, right);
    }
    digests_role(fixture->digests, 2, TERM);
    digests_upkeep(fixture->digests);
    assert_int_equal(fixture->sent_count, DIGEST_NOTES);
    assert_int_equal(fixture->sent[0].digest_report.index, 6 * INTERVAL);
    assert_int_equal(fixture->sent[DIGEST_NOTES - 1].digest_report.index, last);
    end(fixture);
}

static void a_follower_stops_when_its_leader_says_so_and_it_is_so(void **state)
{
    (void)state;
    struct fixture *fixture = begin(3);
    digests_role(fixture->digests, 2, TERM);
    apply(fixture, 10, wrong);
    apply(fixture, 20, wrong);
    struct peer_message message = difference(10, wrong, right);
    digests_receive(fixture->digests, 2, &message, 1000);
    assert_int_equal(fixture->stops, 1);
    assert_non_null(strstr(fixture->why, "at log index 10 its digest is"));
    end(fixture);
}

static void a_follower_believes_nothing_else(void **state)
{
    (void)state;
    struct fixture *fixture = begin(3);
    digests_role(fixture->digests, 2, TERM);
    apply(fixture, 10, wrong);
    struct peer_message message = difference(10, wrong, right);
    digests_receive(fixture->digests, 3, &message, 1000); /* not its leader */
    message.sent_term = TERM - 1;
    digests_receive(fixture->digests, 2, &message, 1000);
    message.sent_term = TERM + 1;
    digests_receive(fixture->digests, 2, &message, 1000);
    message = difference(20, wrong, right); /* not noted */
    digests_receive(fixture->digests, 2, &message, 1000);
    message = difference(10 + INTERVAL * DIGEST_NOTES, wrong, right); /* in the same place */
    digests_receive(fixture->digests, 2, &message, 1000);
    message = difference(10, other, right); /* not what it has */
    digests_receive(fixture->digests, 2, &message, 1000);
    message = difference(10, wrong, wrong); /* no difference */
    digests_receive(fixture->digests, 2, &message, 1000);
    assert_int_equal(fixture->stops, 0);
    digests_role(fixture->digests, 1, TERM); /* it leads: it judges itself */
    message = difference(10, wrong, right);
    digests_receive(fixture->digests, 2, &message, 1000);
    digests_receive(fixture->digests, 1, &message, 1000);
    assert_int_equal(fixture->stops, 0);
    end(fixture);
}

static void a_replaced_state_has_no_notes(void **state)
{
    (void)state;
    struct fixture *fixture = begin(3);
    digests_role(fixture->digests, 2, TERM);
    apply(fixture, 10, wrong);
    digests_forget(fixture->digests);
    struct peer_message message = difference(10, wrong, right);
    digests_receive(fixture->digests, 2, &message, 1000);
    assert_int_equal(fixture->stops, 0);
    apply(fixture, 10,
          right); /* an install may stand below what was applied: the same index again */
    assert_int_equal(fixture->sent_count, 2);
    end(fixture);
}

static void a_follower_takes_no_reports(void **state)
{
    (void)state;
    struct fixture *fixture = begin(3);
    digests_role(fixture->digests, 2, TERM);
    apply(fixture, 10, wrong);
    report(fixture, 2, 10, right);
    report(fixture, 3, 10, right);
    assert_int_equal(fixture->stops + fixture->warnings, 0);
    expect_status(fixture, 0, false, "");
    end(fixture);
}

/* ---- copies ---- */

static struct lineage of(uint64_t id)
{
    struct lineage lineage = {0};
    lineage_add(&lineage, id);
    return lineage;
}

static struct lineage of_two(uint64_t one, uint64_t two)
{
    struct lineage lineage = of(one);
    lineage_add(&lineage, two);
    return lineage;
}

/* A wrong leader, and who has its state from it: not the right one stops. */
static void a_copy_is_no_witness(void **state)
{
    (void)state;
    struct fixture *fixture = begin_leading(3);
    apply(fixture, 10, wrong);
    report_copy(fixture, 2, 10, wrong, of(1));
    expect_status(fixture, 0, false, "");
    report(fixture, 3, 10, right);
    expect_status(fixture, 10, false, "node 2 has 00000000..., fetched from another");
    assert_int_equal(fixture->sent_count + fixture->stops + fixture->borne_out, 0);
    /* Of five the others are enough, and copy and original are told alike. */
    end(fixture);
    fixture = begin_leading(5);
    apply(fixture, 10, wrong);
    report_copy(fixture, 2, 10, wrong, of(1));
    report(fixture, 3, 10, right);
    report(fixture, 4, 10, right);
    assert_int_equal(fixture->sent_count + fixture->stops, 0);
    report(fixture, 5, 10, right);
    assert_int_equal(fixture->stops, 1);
    assert_int_equal(fixture->sent_count, 1);
    assert_int_equal(fixture->sent_to[0], 2);
    assert_int_equal(fixture->sent[0].type, PEER_DIGEST_DIFFERS);
    end(fixture);
}

static void copies_of_one_state_are_one_witness(void **state)
{
    (void)state;
    static const struct {
        uint64_t one[2];
        uint64_t two[2];
        bool are_two;
    } cases[] = {
        {{9, 9}, {9, 9}, false},                          /* who is no member any more */
        {{9, 8}, {8, 7}, false}, {{3, 3}, {9, 9}, false}, /* one stems from the other */
        {{9, 9}, {2, 2}, false}, {{LINEAGE_ANYBODY, LINEAGE_ANYBODY}, {9, 9}, false},
        {{9, 9}, {8, 8}, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture *fixture = begin_leading(3);
        apply(fixture, 10, right);
        report_copy(fixture, 2, 10, wrong, of_two(cases[i].one[0], cases[i].one[1]));
        report_copy(fixture, 3, 10, wrong, of_two(cases[i].two[0], cases[i].two[1]));
        assert_int_equal(fixture->stops, cases[i].are_two);
        end(fixture);
    }
}

/* The copy of a right state tells its original, which went wrong later, from a right one. */
static void a_copy_stands_for_what_it_stems_from(void **state)
{
    (void)state;
    struct fixture *fixture = begin_leading(3);
    apply(fixture, 10, wrong);
    report_copy(fixture, 2, 10, right, of(1));
    report(fixture, 3, 10, right);
    assert_int_equal(fixture->stops, 1);
    end(fixture);
}

/* Two right states, each by itself, and a copy of both: the two are witnesses, whoever reports
 * first. */
static void a_copy_does_not_silence_those_that_it_stems_from(void **state)
{
    (void)state;
    for (uint64_t first = 2; first <= 4; first++) {
        struct fixture *fixture = begin_leading(5);
        apply(fixture, 10, wrong);
        report(fixture, 5, 10, right);
        for (uint64_t i = 0; i < 3; i++) {
            uint64_t id = 2 + (first - 2 + i) % 3;
            report_copy(fixture, id, 10, right, id == 2 ? of_two(3, 4) : (struct lineage){0});
        }
        assert_true(fixture->stops > 0);
        assert_int_equal(fixture->warnings, 0);
        end(fixture);
    }
}

static void a_copy_that_is_borne_out_is_told(void **state)
{
    (void)state;
    struct fixture *fixture = begin_leading(3);
    apply(fixture, 10, right);
    report_copy(fixture, 2, 10, right, of(1));
    assert_int_equal(fixture->sent_count, 0);
    report(fixture, 3, 10, right);
    expect_status(fixture, 10, true, "");
    assert_int_equal(fixture->sent_count, 1);
    assert_int_equal(fixture->sent_to[0], 2);
    assert_int_equal(fixture->sent[0].type, PEER_DIGEST_BORNE_OUT);
    assert_int_equal(fixture->sent[0].sent_term, TERM);
    assert_int_equal(fixture->sent[0].digest_borne_out.index, 10);
    assert_true(hash128_equal(fixture->sent[0].digest_borne_out.digest, right));
    /* It has not heard: at the next index again. */
    apply(fixture, 20, right);
    report(fixture, 3, 20, right);
    report_copy(fixture, 2, 20, right, of(1));
    assert_int_equal(fixture->sent_count, 2);
    assert_int_equal(fixture->warnings + fixture->stops + fixture->borne_out, 0);
    end(fixture);
}

/* There is no other state than this one: where all stem from one node, too. */
static void all_voters_in_one_state_bear_each_other_out(void **state)
{
    (void)state;
    struct fixture *fixture = begin_leading(3);
    digests_set_lineage(fixture->digests, &(struct lineage){.count = 1, .ids = {3}});
    apply(fixture, 10, right);
    report_copy(fixture, 2, 10, right, of(1));
    digests_upkeep(fixture->digests);
    expect_status(fixture, 0, false, "");
    assert_int_equal(fixture->borne_out, 0);
    report(fixture, 3, 10, right);
    expect_status(fixture, 10, true, "");
    assert_int_equal(fixture->borne_out, 1);
    assert_int_equal(fixture->sent_count, 1);
    assert_int_equal(fixture->sent[0].type, PEER_DIGEST_BORNE_OUT);
    end(fixture);
}

static void a_follower_says_what_it_stems_from_until_it_is_borne_out(void **state)
{
    (void)state;
    struct fixture *fixture = begin(3);
    const struct lineage lineage = of_two(2, 9);
    digests_set_lineage(fixture->digests, &lineage);
    digests_role(fixture->digests, 2, TERM);
    apply(fixture, 10, right);
    assert_true(lineage_is_equal(&fixture->sent[0].digest_report.lineage, &lineage));
    struct peer_message message = {.type = PEER_DIGEST_BORNE_OUT, .sent_term = TERM};
    message.digest_borne_out.index = 10;
    message.digest_borne_out.digest = wrong; /* not what it has */
    digests_receive(fixture->digests, 2, &message, 1000);
    message.digest_borne_out.digest = right;
    digests_receive(fixture->digests, 3, &message, 1000); /* who does not lead */
    message.sent_term = TERM - 1;
    digests_receive(fixture->digests, 2, &message, 1000);
    message.sent_term = TERM;
    message.digest_borne_out.index = 20;
    digests_receive(fixture->digests, 2, &message, 1000);
    assert_int_equal(fixture->borne_out, 0);
    message.digest_borne_out.index = 10;
    digests_receive(fixture->digests, 2, &message, 1000);
    digests_receive(fixture->digests, 2, &message, 1000);
    assert_int_equal(fixture->borne_out, 1);
    apply(fixture, 20, right);
    assert_int_equal(fixture->sent[1].digest_report.lineage.count, 0);
    end(fixture);
}

static void a_lineage_has_an_end(void **state)
{
    (void)state;
    struct lineage lineage = {0};
    const struct lineage none = {0};
    for (uint64_t id = 1; id <= LIMIT_LINEAGE; id++) {
        lineage_add(&lineage, id);
        lineage_add(&lineage, id);
        assert_int_equal(lineage.count, id);
    }
    assert_false(lineage_is_shared(100, &lineage, 101, &none));
    lineage_add(&lineage, LIMIT_LINEAGE + 1);
    assert_int_equal(lineage.count, 1);
    assert_true(lineage_is_shared(100, &lineage, 101, &none));
    assert_true(lineage_is_shared(101, &none, 100, &lineage));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_states_are_told_in_the_status),
        cmocka_unit_test(who_differs_from_a_majority_is_told),
        cmocka_unit_test(a_leader_in_the_minority_stops_itself),
        cmocka_unit_test(a_leader_that_applies_last_stops_itself),
        cmocka_unit_test(without_a_majority_nobody_stops),
        cmocka_unit_test(a_voter_that_is_silent_is_not_waited_for_for_ever),
        cmocka_unit_test(half_of_the_voters_is_no_majority),
        cmocka_unit_test(standbys_have_no_vote_and_stop_all_the_same),
        cmocka_unit_test(reports_that_cannot_be_are_ignored),
        cmocka_unit_test(a_later_index_takes_the_place_of_an_older_one),
        cmocka_unit_test(an_older_index_does_not_take_the_status_back),
        cmocka_unit_test(another_term_begins_anew),
        cmocka_unit_test(what_a_peer_said_before_it_came_back_is_forgotten),
        cmocka_unit_test(a_lone_voter_agrees_with_itself),
        cmocka_unit_test(a_follower_reports_to_each_leader),
        cmocka_unit_test(a_follower_reports_what_it_has_noted_last),
        cmocka_unit_test(a_follower_stops_when_its_leader_says_so_and_it_is_so),
        cmocka_unit_test(a_follower_believes_nothing_else),
        cmocka_unit_test(a_replaced_state_has_no_notes),
        cmocka_unit_test(a_follower_takes_no_reports),
        cmocka_unit_test(a_copy_is_no_witness),
        cmocka_unit_test(copies_of_one_state_are_one_witness),
        cmocka_unit_test(a_copy_stands_for_what_it_stems_from),
        cmocka_unit_test(a_copy_does_not_silence_those_that_it_stems_from),
        cmocka_unit_test(a_copy_that_is_borne_out_is_told),
        cmocka_unit_test(all_voters_in_one_state_bear_each_other_out),
        cmocka_unit_test(a_follower_says_what_it_stems_from_until_it_is_borne_out),
        cmocka_unit_test(a_lineage_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
