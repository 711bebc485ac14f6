/*
 * trace_test.c - the trace keeps the last notes of each node, tells them in order and in words, and
 * its digest tells runs apart.
 */
#include "cmocka_test.h"

#include <stdlib.h>
#include <string.h>

#include "raft/message.h"
#include "trace.h"

struct scene {
    uint64_t now_us;
    struct trace trace;
};

static void begin(struct scene *scene)
{
    scene->now_us = 0;
    trace_init(&scene->trace, &scene->now_us, NULL);
}

static char *printed(const struct scene *scene, size_t most)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    trace_print(&scene->trace, out, most);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void assert_printed(const struct scene *scene, size_t most, const char *expected)
{
    char *text = printed(scene, most);
    assert_string_equal(text, expected);
    free(text);
}

static void notes_are_told_in_words(void **state)
{
    (void)state;
    static struct scene scene;
    struct entry entry = {.index = 8, .term = 3, .data = BYTES_LITERAL("x")};
    struct entry *entries[] = {&entry, &entry};
    const struct peer_message append = {.type = PEER_APPEND_ENTRIES,
                                        .append_entries = {.term = 3,
                                                           .prev_log_index = 7,
                                                           .leader_commit = 6,
                                                           .entries = entries,
                                                           .entry_count = 2}};
    const struct peer_message rejection = {
        .type = PEER_APPEND_ENTRIES_RESULT,
        .append_entries_result = {.term = 4, .rejected = 7, .last_log_index = 5}};
    begin(&scene);
    trace_note(&scene.trace, 0, TRACE_LEADER, 3);
    scene.now_us = 1234567;
    trace_sent(&scene.trace, 0, 2, &append);
    trace_received(&scene.trace, 2, 0, &append);
    trace_sent(&scene.trace, 2, 0, &rejection);
    trace_note(&scene.trace, TRACE_CLIENTS, TRACE_RESULT, 12, 6, 8, 0);
    trace_note(&scene.trace, TRACE_WORLD, TRACE_HEALED, 0);
    assert_printed(
        &scene, 100,
        "        0.000 ms  n1       becomes LEADER, term 3\n"
        "     1234.567 ms  n1       -> n3 append behind 7: 2 entries, commit index 6\n"
        "     1234.567 ms  n3       <- n1 append behind 7: 2 entries, commit index 6\n"
        "     1234.567 ms  n3       -> n1 rejects what follows 7, log ends at 5, term 4\n"
        "     1234.567 ms  clients  op-12: INSUFFICIENT_STOCK at 8.0\n"
        "     1234.567 ms  world    everything is mended\n");
    assert_printed(&scene, 1, "     1234.567 ms  world    everything is mended\n");
}

static void every_message_has_its_own_words(void **state)
{
    (void)state;
    static struct scene scene;
    const struct peer_message messages[] = {
        {.type = PEER_REQUEST_VOTE, .request_vote = {.term = 2, .last_log_index = 1}},
        {.type = PEER_REQUEST_VOTE,
         .request_vote = {.term = 2, .last_log_index = 1, .pre_vote = true}},
        {.type = PEER_REQUEST_VOTE_RESULT,
         .request_vote_result = {.term = 2, .vote_granted = true}},
        {.type = PEER_REQUEST_VOTE_RESULT, .request_vote_result = {.term = 2, .pre_vote = true}},
        {.type = PEER_APPEND_ENTRIES_RESULT,
         .append_entries_result = {.term = 2, .last_log_index = 1}},
        {.type = PEER_TIMEOUT_NOW, .timeout_now = {.term = 2}},
    };
    begin(&scene);
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        trace_received(&scene.trace, 0, 1, &messages[i]);
    }
    assert_printed(&scene, 100,
                   "        0.000 ms  n1       <- n2 asks for our vote in term 2, log ends at 1\n"
                   "        0.000 ms  n1       <- n2 asks for a pre-vote in term 2, log ends at 1\n"
                   "        0.000 ms  n1       <- n2 grants a vote, term 2\n"
                   "        0.000 ms  n1       <- n2 denies a pre-vote, term 2\n"
                   "        0.000 ms  n1       <- n2 has up to 1, term 2\n"
                   "        0.000 ms  n1       <- n2 wants us to lead, term 2\n");
}

static void only_the_last_notes_are_kept(void **state)
{
    (void)state;
    static struct scene scene;
    begin(&scene);
    trace_note(&scene.trace, 1, TRACE_COMMIT_INDEX, 1);
    for (uint64_t i = 1; i <= 3 * TRACE_KEPT; i++) {
        trace_note(&scene.trace, 0, TRACE_COMMIT_INDEX, i);
    }
    char *text = printed(&scene, SIZE_MAX);
    /* Another node's are not pushed out, and come first, being older. */
    char first[128];
    snprintf(first, sizeof first,
             "        0.000 ms  n2       commit index 1\n"
             "        0.000 ms  n1       commit index %d\n",
             2 * TRACE_KEPT + 1);
    assert_memory_equal(text, first, strlen(first));
    size_t lines = 0;
    for (const char *c = text; *c != '\0'; c++) {
        lines += *c == '\n';
    }
    assert_int_equal(lines, 1 + TRACE_KEPT);
    free(text);
}

static void with_a_stream_notes_are_told_at_once(void **state)
{
    (void)state;
    static struct scene scene;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    begin(&scene);
    trace_init(&scene.trace, &scene.now_us, out);
    trace_note(&scene.trace, 0, TRACE_COMMIT_INDEX, 2);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "        0.000 ms  n1       commit index 2\n");
    free(text);
}

static uint64_t digest_of(uint64_t at_us, size_t node, enum trace_event event, uint64_t a,
                          uint64_t b)
{
    static struct scene scene;
    begin(&scene);
    trace_note(&scene.trace, 0, TRACE_BEGIN, 1, 3);
    scene.now_us = at_us;
    trace_note(&scene.trace, node, event, a, b);
    trace_note(&scene.trace, 0, TRACE_END, 0);
    return scene.trace.digest;
}

static void the_digest_tells_runs_apart(void **state)
{
    (void)state;
    const uint64_t digests[] = {
        digest_of(1, 0, TRACE_HARD_STATE, 1, 2), digest_of(2, 0, TRACE_HARD_STATE, 1, 2),
        digest_of(1, 1, TRACE_HARD_STATE, 1, 2), digest_of(1, 0, TRACE_LOG_FOUND, 1, 2),
        digest_of(1, 0, TRACE_HARD_STATE, 2, 1), digest_of(1, 0, TRACE_HARD_STATE, 1, 3),
        digest_of(1, 0, TRACE_HARD_STATE, 0, 2),
    };
    for (size_t i = 0; i < sizeof digests / sizeof digests[0]; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(digests[i], digests[j]);
        }
    }
    assert_int_equal(digests[0], digest_of(1, 0, TRACE_HARD_STATE, 1, 2));
}

static uint64_t digest_of_message(const struct peer_message *message)
{
    static struct scene scene;
    begin(&scene);
    trace_sent(&scene.trace, 0, 1, message);
    return scene.trace.digest;
}

/* Also what no note has room for. */
static void the_digest_has_all_of_a_message(void **state)
{
    (void)state;
    struct entry x = {.index = 8, .term = 3, .data = BYTES_LITERAL("x")};
    struct entry y = {.index = 8, .term = 3, .data = BYTES_LITERAL("y")};
    struct entry later = {.index = 8, .term = 4, .data = BYTES_LITERAL("x")};
    struct entry *first[] = {&x};
    struct entry *second[] = {&y};
    struct entry *third[] = {&later};
    const struct peer_message messages[] = {
        {.type = PEER_REQUEST_VOTE},
        {.type = PEER_REQUEST_VOTE, .sent_term = 1},
        {.type = PEER_REQUEST_VOTE, .request_vote = {.candidate_id = 1}},
        {.type = PEER_REQUEST_VOTE, .request_vote = {.last_log_term = 1}},
        {.type = PEER_REQUEST_VOTE, .request_vote = {.disrupt_leader = true}},
        {.type = PEER_APPEND_ENTRIES, .append_entries = {.entry_count = 0}},
        {.type = PEER_APPEND_ENTRIES, .append_entries = {.term = 1}},
        {.type = PEER_APPEND_ENTRIES, .append_entries = {.prev_log_term = 1}},
        {.type = PEER_APPEND_ENTRIES, .append_entries = {.entries = first, .entry_count = 1}},
        {.type = PEER_APPEND_ENTRIES, .append_entries = {.entries = second, .entry_count = 1}},
        {.type = PEER_APPEND_ENTRIES, .append_entries = {.entries = third, .entry_count = 1}},
        {.type = PEER_APPEND_ENTRIES_RESULT, .append_entries_result = {.capacity = 0}},
        {.type = PEER_APPEND_ENTRIES_RESULT, .append_entries_result = {.capacity = 1}},
        {.type = PEER_TIMEOUT_NOW, .timeout_now = {.term = 0}},
        {.type = PEER_TIMEOUT_NOW, .timeout_now = {.last_log_index = 1}},
        {.type = PEER_TIMEOUT_NOW, .timeout_now = {.last_log_term = 1}},
    };
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(digest_of_message(&messages[i]), digest_of_message(&messages[j]));
        }
    }
}

static void the_digest_is_the_same_everywhere(void **state)
{
    (void)state;
    static struct scene scene;
    begin(&scene);
    scene.now_us = 5;
    trace_note_numbers(&scene.trace, 0, (enum trace_event)0, (const uint64_t[]){1, 2, 3, 4});
    /* By hand, from the definition in trace.c: whatever compiles it must find the same. */
    const uint64_t words[] = {5, 0, 1, 2, 3, 4};
    uint64_t digest = 0;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        digest = (digest ^ words[i]) * UINT64_C(11400714819323198485);
        digest ^= digest >> 32;
    }
    assert_int_equal(scene.trace.digest, digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notes_are_told_in_words),
        cmocka_unit_test(every_message_has_its_own_words),
        cmocka_unit_test(only_the_last_notes_are_kept),
        cmocka_unit_test(with_a_stream_notes_are_told_at_once),
        cmocka_unit_test(the_digest_tells_runs_apart),
        cmocka_unit_test(the_digest_has_all_of_a_message),
        cmocka_unit_test(the_digest_is_the_same_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
