/*
 * digests.c - notes, reports, and their comparison (digests.h has the invariants).
 *
 * The happy path: an entry at a multiple of the interval is applied and noted; the next upkeep
 * sends the report, or files the leader's own; when a majority of the voters has reported one
 * digest, the point is decided, and stays open for those that come later.
 *
 * Both rings, of notes and of points, hold the last DIGEST_NOTES multiples of the interval: an
 * index has one place in each, and a later one takes it. Who lags further behind than that is
 * compared when it has caught up.
 *
 * What can fail: nothing. Messages that don't fit are ignored.
 */
#include "digests.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/planted.h"

struct note {
    uint64_t index; /* 0: none */
    struct hash128 digest;
};

struct report {
    uint64_t id;
    struct hash128 digest;
    struct lineage lineage;
    bool is_told; /* that it differs: said in the log once; or that it is borne out */
};

/* An index at which a leader compares. */
struct point {
    uint64_t index; /* 0: none */
    unsigned upkeeps;
    struct report reports[LIMIT_NODES];
    size_t count;
};

struct digests {
    struct digests_env env;
    uint64_t own_id;
    uint64_t interval;

    uint64_t leader_id;
    uint64_t term;
    struct note notes[DIGEST_NOTES];
    uint64_t last_noted;
    uint64_t last_reported; /* to this leader in this term */
    struct lineage lineage; /* of the state */

    /* While this node leads. */
    struct point points[DIGEST_NOTES];
    uint64_t compared_index;
    bool agree;
    uint64_t alarm_index; /* 0: none */
    struct error alarm;
};

struct digests *digests_new(uint64_t own_id, uint64_t interval, const struct digests_env *env)
{
    assert(interval > 0);
    struct digests *digests = memory_zalloc(sizeof *digests);
    digests->env = *env;
    digests->own_id = own_id;
    digests->interval = interval;
    return digests;
}

void digests_free(struct digests *digests)
{
    free(digests);
}

static bool leads(const struct digests *digests)
{
    return digests->leader_id == digests->own_id;
}

static size_t place_of(const struct digests *digests, uint64_t index)
{
    return (size_t)(index / digests->interval % DIGEST_NOTES);
}

#define DIGEST_TEXT_BYTES 33

static const char *text_of(struct hash128 digest, char text[DIGEST_TEXT_BYTES])
{
    snprintf(text, DIGEST_TEXT_BYTES, "%016" PRIx64 "%016" PRIx64, digest.high, digest.low);
    return text;
}

/* ---- notes ---- */

bool digests_wants(const struct digests *digests, uint64_t index)
{
    return index % digests->interval == 0;
}

void digests_applied(struct digests *digests, uint64_t index, struct hash128 digest)
{
    assert(digests_wants(digests, index) && index > digests->last_noted);
    digests->notes[place_of(digests, index)] = (struct note){index, digest};
    digests->last_noted = index;
}

static const struct note *note_at(const struct digests *digests, uint64_t index)
{
    const struct note *note = &digests->notes[place_of(digests, index)];
    return index != 0 && note->index == index ? note : NULL;
}

void digests_forget(struct digests *digests)
{
    memset(digests->notes, 0, sizeof digests->notes);
    digests->last_noted = 0;
    digests->last_reported = 0;
}

void digests_set_lineage(struct digests *digests, const struct lineage *lineage)
{
    digests->lineage = *lineage;
}

static void bear_out(struct digests *digests)
{
    if (digests->lineage.count > 0) {
        digests->lineage = (struct lineage){0};
        digests->env.borne_out(digests->env.context);
    }
}

/* ---- the end of a node ---- */

static void stop(struct digests *digests, uint64_t index, struct hash128 own,
                 struct hash128 majority)
{
    char own_text[DIGEST_TEXT_BYTES];
    char majority_text[DIGEST_TEXT_BYTES];
    struct error why;
    error_set(&why,
              "the state of this node is wrong: at log index %" PRIu64
              " its digest is %s, that of a majority of the voters is %s; it stops, the others go "
              "on: keep its data directory for analysis and replace the node (WRONG STATE in "
              "holdfastd(8))",
              index, text_of(own, own_text), text_of(majority, majority_text));
    digests->env.stop(digests->env.context, &why);
}

/* ---- a leader's judgement ---- */

static void tell(struct digests *digests, const struct point *point, struct report *report,
                 struct hash128 majority)
{
    struct peer_message message = {.type = PEER_DIGEST_DIFFERS, .sent_term = digests->term};
    message.digest_differs.index = point->index;
    message.digest_differs.digest = report->digest;
    message.digest_differs.majority = majority;
    if (!report->is_told) {
        char own_text[DIGEST_TEXT_BYTES];
        char majority_text[DIGEST_TEXT_BYTES];
        struct error words;
        error_set(&words,
                  "the state of node %" PRIu64 " is wrong: at log index %" PRIu64
                  " its digest is %s, that of a majority of the voters is %s; it is told to stop",
                  report->id, point->index, text_of(report->digest, own_text),
                  text_of(majority, majority_text));
        digests->env.warn(digests->env.context, words.text);
    }
    report->is_told = true;
    digests->env.send(digests->env.context, report->id, &message);
}

/* A report is borne out: its state need not count as a copy any more. One that is told in vain says
 * so again at the next point. */
static void tell_borne_out(struct digests *digests, const struct point *point,
                           struct report *report)
{
    if (report->id == digests->own_id) {
        bear_out(digests);
    } else if (report->lineage.count > 0 && !report->is_told) {
        struct peer_message message = {.type = PEER_DIGEST_BORNE_OUT, .sent_term = digests->term};
        message.digest_borne_out.index = point->index;
        message.digest_borne_out.digest = report->digest;
        report->is_told = true;
        digests->env.send(digests->env.context, report->id, &message);
    }
}

/* A majority of the voters has this digest. */
static void decide(struct digests *digests, struct point *point, struct hash128 majority)
{
    const struct report *own = NULL;
    bool agree = true;
    for (size_t i = 0; i < point->count; i++) {
        struct report *report = &point->reports[i];
        if (hash128_equal(report->digest, majority)) {
            tell_borne_out(digests, point, report);
            continue;
        }
        agree = false;
        if (report->id == digests->own_id) {
            own = report;
        } else {
            tell(digests, point, report, majority);
        }
    }
    if (point->index >= digests->compared_index) {
        digests->compared_index = point->index;
        digests->agree = agree;
        digests->alarm_index = 0;
    }
    if (own != NULL && !PLANTED(LEADER_EXEMPTS_ITSELF)) {
        stop(digests, point->index, own->digest, majority);
    }
}

static void list_reports(const struct point *point, struct error *alarm)
{
    char text[DIGEST_TEXT_BYTES];
    size_t len = (size_t)snprintf(alarm->text, sizeof alarm->text,
                                  "the states differ at log index %" PRIu64
                                  " and none has a majority of the voters, nobody knows which one "
                                  "is right and nobody stops:",
                                  point->index);
    for (size_t i = 0; i < point->count && len < sizeof alarm->text; i++) {
        const struct report *report = &point->reports[i];
        len += (size_t)snprintf(
            alarm->text + len, sizeof alarm->text - len, "%s node %" PRIu64 " has %.8s...%s",
            i > 0 ? "," : "", report->id, text_of(report->digest, text),
            report->lineage.count > 0 ? ", fetched from another and not compared since" : "");
    }
}

static void raise_alarm(struct digests *digests, const struct point *point)
{
    if (point->index < digests->compared_index) {
        return;
    }
    bool is_news = digests->alarm_index == 0;
    digests->compared_index = point->index;
    digests->agree = false;
    digests->alarm_index = point->index;
    list_reports(point, &digests->alarm);
    if (is_news) {
        digests->env.warn(digests->env.context, digests->alarm.text);
    }
}

struct count {
    size_t voters;
    size_t reported; /* voters */
    bool differ;     /* they have more than one digest */
    size_t most;     /* votes for one digest: */
    struct hash128 digest;
};

static bool is_voter(const struct replica_member *members, size_t count, uint64_t id)
{
    for (size_t i = 0; i < count; i++) {
        if (members[i].id == id) {
            return members[i].role == REPLICA_VOTER;
        }
    }
    return false;
}

/* Voters who have reported at a point, in the order in which they did. */
struct ballot {
    size_t voters;
    const struct report *reports[LIMIT_NODES];
    size_t count;
};

static struct ballot ballot_at(const struct digests *digests, const struct point *point)
{
    struct replica_member members[LIMIT_NODES];
    size_t member_count = digests->env.members(digests->env.context, members, LIMIT_NODES);
    struct ballot ballot = {0};
    for (size_t i = 0; i < member_count; i++) {
        ballot.voters += members[i].role == REPLICA_VOTER;
    }
    for (size_t i = 0; i < point->count; i++) {
        if (is_voter(members, member_count, point->reports[i].id)) {
            ballot.reports[ballot.count++] = &point->reports[i];
        }
    }
    return ballot;
}

/* Those of a ballot, a bit each by their places. */
typedef unsigned voter_set;

_Static_assert(LIMIT_NODES < 16, "all sets of voters can be gone through");

static bool share_a_state(const struct report *one, const struct report *other)
{
    return lineage_is_shared(one->id, &one->lineage, other->id, &other->lineage);
}

static size_t size_of_set(voter_set set)
{
    size_t size = 0;
    for (; set != 0; set &= set - 1) {
        size++;
    }
    return size;
}

/* kin[i]: those before i whose states have to do with that of i. */
static bool is_set_of_witnesses(voter_set set, const voter_set *kin)
{
    for (size_t i = 0; set >> i != 0; i++) {
        if ((set >> i & 1) != 0 && (set & kin[i]) != 0) {
            return false;
        }
    }
    return true;
}

/* Of those who have this digest, the most whose states have nothing to do with each other: a copy
 * adds nothing to what it stems from. All sets of them are looked at, mostly only the whole one.
 * Who takes them as they come may take a copy of two that are each by itself, and has one witness
 * where there are two. */
static size_t count_votes(const struct ballot *ballot, struct hash128 digest)
{
    voter_set agree = 0;
    voter_set kin[LIMIT_NODES] = {0};
    for (size_t i = 0; i < ballot->count; i++) {
        bool agrees = hash128_equal(ballot->reports[i]->digest, digest);
        agree |= (voter_set)agrees << i;
        for (size_t k = 0; k < i && !PLANTED(COPIES_COUNT); k++) {
            kin[i] |= (voter_set)share_a_state(ballot->reports[i], ballot->reports[k]) << k;
        }
    }
    size_t votes = 0;
    for (voter_set set = agree; set != 0 && votes < size_of_set(agree); set = (set - 1) & agree) {
        if (size_of_set(set) > votes && is_set_of_witnesses(set, kin)) {
            votes = size_of_set(set);
        }
    }
    return votes;
}

static struct count count_reports(const struct digests *digests, const struct point *point)
{
    struct ballot ballot = ballot_at(digests, point);
    struct count count = {.voters = ballot.voters, .reported = ballot.count};
    for (size_t i = 0; i < ballot.count; i++) {
        size_t votes = count_votes(&ballot, ballot.reports[i]->digest);
        if (votes > count.most) {
            count.most = votes;
            count.digest = ballot.reports[i]->digest;
        }
        count.differ =
            count.differ || !hash128_equal(ballot.reports[i]->digest, ballot.reports[0]->digest);
    }
    return count;
}

/* All voters in one state are right by definition, whatever it stems from: there is no other one.
 */
static void judge(struct digests *digests, struct point *point)
{
    struct count count = count_reports(digests, point);
    size_t needed = PLANTED(ONE_VOTE_STOPS) ? 1 : count.voters / 2 + 1;
    bool have_all = count.reported == count.voters;
    if (count.most >= needed || (have_all && count.most > 0 && !count.differ)) {
        decide(digests, point, count.digest);
    } else if (count.differ && (have_all || point->upkeeps >= DIGEST_UPKEEPS)) {
        raise_alarm(digests, point);
    }
}

/* NULL: a later one has its place. */
static struct point *point_at(struct digests *digests, uint64_t index)
{
    struct point *point = &digests->points[place_of(digests, index)];
    if (point->index < index) {
        *point = (struct point){.index = index};
    }
    return point->index == index ? point : NULL;
}

static void file_report(struct digests *digests, uint64_t id, uint64_t index, struct hash128 digest,
                        const struct lineage *lineage)
{
    struct point *point = point_at(digests, index);
    size_t i = 0;
    while (point != NULL && i < point->count && point->reports[i].id != id) {
        i++;
    }
    if (point == NULL || i == LIMIT_NODES) {
        return; /* no place: members have come and gone; the next point is theirs */
    }
    if (i == point->count) {
        point->count++;
        point->reports[i] = (struct report){.id = id};
    }
    point->reports[i].digest = digest;
    point->reports[i].lineage = *lineage;
    judge(digests, point);
}

/* ---- events ---- */

void digests_role(struct digests *digests, uint64_t leader_id, uint64_t term)
{
    if (leader_id == digests->leader_id && term == digests->term) {
        return;
    }
    digests->leader_id = leader_id;
    digests->term = term;
    digests->last_reported = 0;
    memset(digests->points, 0, sizeof digests->points);
    digests->compared_index = 0;
    digests->agree = false;
    digests->alarm_index = 0;
}

void digests_peer_connected(struct digests *digests, uint64_t peer_id)
{
    for (size_t i = 0; i < DIGEST_NOTES; i++) {
        struct point *point = &digests->points[i];
        for (size_t k = 0; k < point->count; k++) {
            if (point->reports[k].id == peer_id) {
                point->reports[k--] = point->reports[--point->count];
            }
        }
    }
}

static bool is_member(const struct digests *digests, uint64_t id)
{
    struct replica_member members[LIMIT_NODES];
    size_t count = digests->env.members(digests->env.context, members, LIMIT_NODES);
    for (size_t i = 0; i < count; i++) {
        if (members[i].id == id) {
            return true;
        }
    }
    return false;
}

static void receive_report(struct digests *digests, uint64_t peer_id,
                           const struct peer_message *message, uint64_t last_index)
{
    uint64_t index = message->digest_report.index;
    if (!leads(digests) || message->sent_term != digests->term || index == 0 ||
        index > last_index || !digests_wants(digests, index) || !is_member(digests, peer_id)) {
        return;
    }
    if (PLANTED(DIGEST_OF_ANOTHER_INDEX)) {
        index += digests->interval;
    }
    file_report(digests, peer_id, index, message->digest_report.digest,
                &message->digest_report.lineage);
}

static void receive_difference(struct digests *digests, uint64_t peer_id,
                               const struct peer_message *message)
{
    const struct note *note = note_at(digests, message->digest_differs.index);
    if (leads(digests) || peer_id != digests->leader_id || message->sent_term != digests->term ||
        note == NULL || !hash128_equal(note->digest, message->digest_differs.digest) ||
        hash128_equal(note->digest, message->digest_differs.majority)) {
        return;
    }
    stop(digests, note->index, note->digest, message->digest_differs.majority);
}

static void receive_borne_out(struct digests *digests, uint64_t peer_id,
                              const struct peer_message *message)
{
    const struct note *note = note_at(digests, message->digest_borne_out.index);
    if (!leads(digests) && peer_id == digests->leader_id && message->sent_term == digests->term &&
        note != NULL && hash128_equal(note->digest, message->digest_borne_out.digest)) {
        bear_out(digests);
    }
}

void digests_receive(struct digests *digests, uint64_t peer_id, const struct peer_message *message,
                     uint64_t last_index)
{
    if (message->type == PEER_DIGEST_REPORT) {
        receive_report(digests, peer_id, message, last_index);
    } else if (message->type == PEER_DIGEST_DIFFERS) {
        receive_difference(digests, peer_id, message);
    } else {
        assert(message->type == PEER_DIGEST_BORNE_OUT);
        receive_borne_out(digests, peer_id, message);
    }
}

static void report(struct digests *digests, const struct note *note)
{
    struct peer_message message = {.type = PEER_DIGEST_REPORT, .sent_term = digests->term};
    if (leads(digests)) {
        file_report(digests, digests->own_id, note->index, note->digest, &digests->lineage);
        return;
    }
    message.digest_report.index = note->index;
    message.digest_report.digest = note->digest;
    message.digest_report.lineage = digests->lineage;
    digests->env.send(digests->env.context, digests->leader_id, &message);
}

/* The oldest first. */
static void report_notes(struct digests *digests)
{
    uint64_t span = (DIGEST_NOTES - 1) * digests->interval;
    uint64_t index = digests->last_noted > span ? digests->last_noted - span : digests->interval;
    for (; index <= digests->last_noted; index += digests->interval) {
        const struct note *note = note_at(digests, index);
        if (note != NULL && index > digests->last_reported) {
            report(digests, note);
        }
    }
    digests->last_reported = digests->last_noted;
}

/* Who differs may not have heard of it; who has not reported may never do so. */
static void judge_again(struct digests *digests)
{
    for (size_t i = 0; i < DIGEST_NOTES; i++) {
        struct point *point = &digests->points[i];
        if (point->index != 0 && point->upkeeps < DIGEST_UPKEEPS * DIGEST_REPEATS &&
            ++point->upkeeps % DIGEST_UPKEEPS == 0) {
            judge(digests, point);
        }
    }
}

void digests_upkeep(struct digests *digests)
{
    if (digests->leader_id == 0) {
        return;
    }
    report_notes(digests);
    if (leads(digests)) {
        judge_again(digests);
    }
}

void digests_status_get(const struct digests *digests, struct digests_status *status)
{
    *status = (struct digests_status){
        .compared_index = digests->compared_index,
        .agree = digests->agree,
        .alarm = digests->alarm_index != 0 ? digests->alarm.text : "",
    };
}
