/*
 * replica_filter_test.c - the filters of rules 5, 6, 7 and 15 by themselves, message by message.
 */
#include "replica_fixture.h"

#include "filter.h"

/* ---- rule 5 ---- */

static void stale_appends_are_rejected_in_our_term(void **state)
{
    (void)state;
    struct peer_message append = fixture_append(3, 9, 2, 9);
    assert_true(filter_append_is_stale(&append, 4));
    assert_false(filter_append_is_stale(&append, 3));
    assert_false(filter_append_is_stale(&append, 2));
    struct peer_message rejection = filter_stale_append_rejection(&append, 4);
    assert_int_equal(rejection.type, PEER_APPEND_ENTRIES_RESULT);
    assert_int_equal(rejection.sent_term, 3);
    assert_int_equal(rejection.append_entries_result.term, 4);
    assert_int_equal(rejection.append_entries_result.rejected, 9);
    assert_int_equal(rejection.append_entries_result.last_log_index, 0);

    struct peer_message first = fixture_append(3, 0, 0, 0);
    rejection = filter_stale_append_rejection(&first, 4);
    assert_int_equal(rejection.append_entries_result.rejected, 1); /* 0 would be success */
}

static void only_replies_to_open_questions_count(void **state)
{
    (void)state;
    struct filter_asked leader = {REPLICA_LEADER, 5, true, 10};
    struct filter_asked candidate = {REPLICA_CANDIDATE, 5, true, 0};
    struct filter_asked follower = {REPLICA_FOLLOWER, 5, true, 0};
    struct filter_asked reconnected = {REPLICA_LEADER, 5, false, 10};
    struct peer_message success = fixture_append_success(5, 12);
    struct peer_message vote = fixture_vote_result(5, 5, true, false);

    assert_true(filter_reply_counts(&success, &leader));
    assert_false(filter_reply_counts(&success, &candidate));
    assert_false(filter_reply_counts(&success, &follower));
    assert_false(filter_reply_counts(&success, &reconnected));
    assert_true(filter_reply_counts(&vote, &candidate));
    assert_false(filter_reply_counts(&vote, &leader));
    assert_false(filter_reply_counts(&vote, &follower));

    success.sent_term = 4;
    vote.sent_term = 4;
    assert_false(filter_reply_counts(&success, &leader));
    assert_false(filter_reply_counts(&vote, &candidate));
}

/* Their numbers say what they answer, so that the connection need not. */
static void only_who_asks_about_reads_hears_the_answer(void **state)
{
    (void)state;
    struct filter_asked leader = {REPLICA_LEADER, 5, false, 0};
    struct filter_asked candidate = {REPLICA_CANDIDATE, 5, true, 0};
    struct filter_asked follower = {REPLICA_FOLLOWER, 5, false, 0};
    struct peer_message result = fixture_read_index_result(5, 1, 5);
    struct peer_message answer = fixture_read_answer(5, 1, 10);
    assert_true(filter_reply_counts(&result, &leader));
    assert_false(filter_reply_counts(&result, &candidate));
    assert_false(filter_reply_counts(&result, &follower));
    assert_false(filter_reply_counts(&answer, &leader));
    assert_false(filter_reply_counts(&answer, &candidate));
    assert_true(filter_reply_counts(&answer, &follower));
    leader.current_term = 6;
    follower.current_term = 6;
    assert_false(filter_reply_counts(&result, &leader));
    assert_false(filter_reply_counts(&answer, &follower));
}

static void a_rejection_of_what_matches_is_stale(void **state)
{
    (void)state;
    struct filter_asked leader = {REPLICA_LEADER, 5, true, 10};
    struct peer_message below = fixture_append_rejection(5, 9, 3);
    struct peer_message at = fixture_append_rejection(5, 10, 3);
    struct peer_message above = fixture_append_rejection(5, 11, 3);
    assert_false(filter_reply_counts(&below, &leader));
    assert_false(filter_reply_counts(&at, &leader));
    assert_true(filter_reply_counts(&above, &leader));
    /* A newer term counts whatever is rejected with it. */
    at.append_entries_result.term = 6;
    assert_true(filter_reply_counts(&at, &leader));
}

/* ---- rule 6 ---- */

static void denied_pre_votes_carry_our_term(void **state)
{
    (void)state;
    struct peer_message denial = fixture_vote_result(3, 4, false, true);
    filter_mend_pre_vote_denial(&denial, 50);
    assert_int_equal(denial.request_vote_result.term, 50);
    struct peer_message grant = fixture_vote_result(3, 4, true, true);
    filter_mend_pre_vote_denial(&grant, 2);
    assert_int_equal(grant.request_vote_result.term, 4);
    struct peer_message vote = fixture_vote_result(4, 4, false, false);
    filter_mend_pre_vote_denial(&vote, 50);
    assert_int_equal(vote.request_vote_result.term, 4);
}

/* ---- rule 7 ---- */

/* `types`: c command, C change. `parts`: the expected counts, as digits. */
static void check_parts(const char *types, const char *parts)
{
    const uint64_t prev = 10;
    struct peer_message append = fixture_append(6, prev, 2, 1000);
    for (const char *type = types; *type != '\0'; type++) {
        uint64_t term = 3 + (uint64_t)(type - types) / 3; /* terms rise along the way */
        if (*type == 'C') {
            fixture_append_entry(&append, term, ENTRY_CHANGE, fixture_configuration(3));
        } else {
            fixture_append_entry(&append, term, ENTRY_COMMAND, BYTES_LITERAL("x"));
        }
    }
    struct filter_append_cursor cursor = {0};
    struct filter_append_part part;
    size_t first = 0;
    while (filter_append_next(&append, &cursor, &part)) {
        assert_int_not_equal(*parts, '\0');
        assert_int_equal(part.count, (size_t)(*parts++ - '0'));
        assert_int_equal(part.first, first);
        assert_int_equal(part.prev_log_index, prev + first);
        assert_int_equal(part.prev_log_term,
                         first > 0 ? append.append_entries.entries[first - 1]->term : 2);
        assert_int_equal(part.leader_commit, prev + first + part.count);
        first += part.count;
    }
    assert_int_equal(*parts, '\0');
    assert_int_equal(first, append.append_entries.entry_count);
    peer_message_free(&append);
}

static void each_change_begins_a_part_behind_another(void **state)
{
    (void)state;
    check_parts("", "0");
    check_parts("c", "1");
    check_parts("ccc", "3");
    check_parts("C", "01");
    check_parts("Ccc", "03");
    check_parts("cC", "11");
    check_parts("ccCcc", "23");
    check_parts("CC", "011");
    check_parts("cCcCCc", "1212");
}

static void the_commit_index_is_capped_not_raised(void **state)
{
    (void)state;
    struct peer_message append = fixture_append(6, 10, 2, 7);
    struct filter_append_cursor cursor = {0};
    struct filter_append_part part;
    assert_true(filter_append_next(&append, &cursor, &part));
    assert_int_equal(part.leader_commit, 7);
    assert_false(filter_append_next(&append, &cursor, &part));
}

/* ---- rule 15 ---- */

static void sound_messages_pass(void **state)
{
    (void)state;
    struct error why;
    struct peer_message append = fixture_append(5, 10, 4, 3);
    fixture_append_entry(&append, 4, ENTRY_COMMAND, BYTES_LITERAL(""));
    fixture_append_entry(&append, 5, ENTRY_BARRIER, BYTES_LITERAL("12345678"));
    fixture_append_entry(&append, 5, ENTRY_CHANGE, fixture_configuration(5));
    assert_true(filter_message_is_sound(2, &append, &why));
    peer_message_free(&append);
    struct peer_message first = fixture_append(5, 0, 0, 0);
    assert_true(filter_message_is_sound(2, &first, &why));
    struct peer_message messages[] = {
        fixture_vote(6, 2, 10, 5, false),
        fixture_vote(6, 2, 10, 5, true),
        fixture_vote_result(5, 6, true, true),
        fixture_append_success(5, 10),
        fixture_append_rejection(5, 10, 0),
        {.type = PEER_TIMEOUT_NOW, .sent_term = 5, .timeout_now = {.term = 5}},
        fixture_read_index(5, UINT64_MAX),
        fixture_read_index_result(5, 1, 4), /* of a voter that is behind */
        fixture_read_ask(5, 1),
        fixture_read_answer(5, 1, 10),
    };
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        assert_true(filter_message_is_sound(2, &messages[i], &why));
    }
}

static void refuse(struct peer_message message)
{
    struct error why = {""};
    assert_false(filter_message_is_sound(2, &message, &why));
    assert_int_not_equal(why.text[0], '\0');
    peer_message_free(&message);
}

static struct peer_message two_entries(void)
{
    struct peer_message append = fixture_append(5, 10, 4, 3);
    fixture_append_entry(&append, 4, ENTRY_COMMAND, BYTES_LITERAL("a"));
    fixture_append_entry(&append, 5, ENTRY_COMMAND, BYTES_LITERAL("b"));
    return append;
}

static void malformed_appends_are_refused(void **state)
{
    (void)state;
    struct peer_message append = two_entries();
    append.append_entries.entries[1]->index = 11; /* twice */
    refuse(append);
    append = two_entries();
    append.append_entries.entries[1]->index = 13; /* a gap */
    refuse(append);
    append = two_entries();
    append.append_entries.entries[0]->term = 3; /* below the previous */
    refuse(append);
    append = two_entries();
    append.append_entries.entries[1]->term = 6; /* above the leader's */
    refuse(append);
    append = two_entries();
    append.append_entries.entries[0]->type = (enum entry_type)9;
    refuse(append);
    append = two_entries();
    append.append_entries.entries[0]->type = ENTRY_CHANGE; /* "a" is no configuration */
    refuse(append);
    append = two_entries();
    append.sent_term = 6;
    refuse(append);
    append = two_entries();
    append.append_entries.prev_log_term = 0;
    refuse(append);
    refuse(fixture_append(0, 0, 0, 0));
    refuse(fixture_append(5, 0, 3, 0));
    refuse(fixture_append(5, 10, 6, 0));
    refuse(fixture_append(UINT64_MAX, 10, 4, 0));
    refuse(fixture_append(5, UINT64_MAX, 4, 0));
    refuse(fixture_append(5, 10, 4, UINT64_MAX));
    append = fixture_append(5, 10, 4, 0);
    for (size_t i = 0; i <= LIMIT_APPEND_ENTRIES; i++) {
        fixture_append_entry(&append, 5, ENTRY_COMMAND, BYTES_LITERAL("x"));
    }
    refuse(append);
}

static void malformed_others_are_refused(void **state)
{
    (void)state;
    refuse(fixture_vote(6, 3, 10, 5, false)); /* for another than the sender */
    refuse(fixture_vote(6, 2, 10, 6, false)); /* a log of the term that is to begin */
    refuse(fixture_vote(0, 2, 10, 0, false));
    refuse(fixture_vote(UINT64_MAX, 2, 10, 5, false));
    refuse(fixture_vote(6, 2, UINT64_MAX, 5, false));
    struct peer_message vote = fixture_vote(6, 2, 10, 5, true);
    vote.sent_term = 6; /* a pre-vote asks for the next term */
    refuse(vote);
    refuse(fixture_vote_result(5, UINT64_MAX, true, true));
    refuse(fixture_append_rejection(5, 10, 10)); /* it has what it rejects */
    refuse(fixture_append_rejection(5, UINT64_MAX, 1));
    struct peer_message result = fixture_append_success(5, 10);
    result.append_entries_result.term = 4; /* before the question */
    refuse(result);
    refuse((struct peer_message){
        .type = PEER_TIMEOUT_NOW, .sent_term = 5, .timeout_now = {.term = 6}});
    refuse((struct peer_message){.type = (enum peer_message_type)6});
    refuse(fixture_read_index(0, 1));
    refuse(fixture_read_index(UINT64_MAX, 1));
    refuse(fixture_read_index(5, 0));
    refuse(fixture_read_index_result(5, 0, 5));
    refuse(fixture_read_index_result(5, 1, UINT64_MAX));
    refuse(fixture_read_ask(5, 0));
    refuse(fixture_read_answer(0, 1, 10));
    refuse(fixture_read_answer(5, 0, 10));
    refuse(fixture_read_answer(5, 1, UINT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stale_appends_are_rejected_in_our_term),
        cmocka_unit_test(only_replies_to_open_questions_count),
        cmocka_unit_test(only_who_asks_about_reads_hears_the_answer),
        cmocka_unit_test(a_rejection_of_what_matches_is_stale),
        cmocka_unit_test(denied_pre_votes_carry_our_term),
        cmocka_unit_test(each_change_begins_a_part_behind_another),
        cmocka_unit_test(the_commit_index_is_capped_not_raised),
        cmocka_unit_test(sound_messages_pass),
        cmocka_unit_test(malformed_appends_are_refused),
        cmocka_unit_test(malformed_others_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
