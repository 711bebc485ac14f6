/*
 * vote.c - rule 11: two votes that libraft does not see to once members change.
 *
 * The vote of who has none. A vote is given to whoever asks for it with a good log, whatever
 * configuration the voter goes by (dissertation, section 4.1: servers process requests without
 * consulting their own configurations; who counts is the candidate's affair).
 * libraft denies a vote when its own latest configuration gives it none (election.c, electionVote).
 * Then a leader that promotes a standby, has the change on its disk and crashes before the standby
 * has heard of it may never lead again: it needs that vote, if it was the only voter or others are
 * down. The standby does not know that it has one, and learns of it from nobody but a leader. A
 * follower without a vote also never forgets a leader: only who becomes a candidate does
 * (timeout.c, convert.c); so it denies because it has one, for ever.
 *
 * So, for the one step in which it is asked, such a follower is given a configuration in which it
 * has a vote; and its leader is forgotten if that has been silent for an election timeout (section
 * 4.2.3: within it, nobody is disturbed). Both are put back right behind. The vote is stored before
 * it leaves, as any other is.
 *
 * The vote of a lone voter for itself. One that has stepped down for somebody's higher term leads
 * again at its timeout in that very term, without a vote (convert.c, convertToCandidate), though
 * others may have stood for it. So it begins a term of its own first, as at a start (start.c).
 */
#include "base/planted.h"
#include "configuration.h"
#include "replica_internal.h"

static bool has_vote(const struct replica *replica)
{
    const struct raft_configuration *configuration = &replica->raft.configuration;
    for (unsigned i = 0; i < configuration->n; i++) {
        if (configuration->servers[i].id == replica->id) {
            return configuration->servers[i].role == RAFT_VOTER;
        }
    }
    return false;
}

void replica_lend_vote(struct replica *replica, const struct raft_event *event,
                       struct replica_lent_vote *lent)
{
    struct raft *raft = &replica->raft;
    lent->is_lent =
        event->type == RAFT_RECEIVE && event->receive.message->type == RAFT_REQUEST_VOTE &&
        raft_state(raft) == RAFT_FOLLOWER && !has_vote(replica) && !PLANTED(NO_VOTE_LENT);
    if (!lent->is_lent) {
        return;
    }
    lent->own = raft->configuration;
    lent->leader_id = raft->follower_state.current_leader.id;
    lent->self =
        (struct raft_server){.id = replica->id, .address = raft->address, .role = RAFT_VOTER};
    raft->configuration = (struct raft_configuration){.servers = &lent->self, .n = 1};
    if (replica->now_ms - replica->leader_heard_ms >= replica->election_timeout_ms) {
        raft->follower_state.current_leader.id = 0;
    }
}

void replica_take_vote_back(struct replica *replica, const struct replica_lent_vote *lent)
{
    if (lent->is_lent) {
        replica->raft.configuration = lent->own;
        replica->raft.follower_state.current_leader.id = lent->leader_id;
    }
}

void replica_begin_lone_term(struct replica *replica)
{
    struct raft *raft = &replica->raft;
    /* What libraft asks before it makes a follower a candidate (timeout.c). */
    bool stands = raft_state(raft) == RAFT_FOLLOWER && has_vote(replica) &&
                  replica->now_ms >= raft_timeout(raft) &&
                  raft->last_stored == raft_last_index(raft);
    if (stands && configuration_voter_count(&raft->configuration) == 1 &&
        !PLANTED(LONE_VOTER_KEEPS_TERM)) {
        raft->current_term++;
        raft->voted_for = replica->id;
    }
}
