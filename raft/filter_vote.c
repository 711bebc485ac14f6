/*
 * filter_vote.c - rule 6: a denied pre-vote tells the asker our term.
 *
 * libraft echoes the asker's own term in pre-vote replies (recv_request_vote.c, the last lines), so
 * that a grant of a node that is behind is not ignored. In a denial that hides the one thing the
 * asker has to learn: with two of three nodes alive, the one with the longer log and the lower term
 * is refused for its term, the one with the higher term for its log, and neither ever learns
 * (dissertation, section 9.6; figure 3.1: a reply carries currentTerm, for the candidate to update
 * itself).
 */
#include "base/planted.h"
#include "filter.h"

void filter_mend_pre_vote_denial(struct peer_message *reply, uint64_t current_term)
{
    if (reply->type == PEER_REQUEST_VOTE_RESULT && reply->request_vote_result.pre_vote &&
        !reply->request_vote_result.vote_granted && !PLANTED(PRE_VOTE_NOT_MENDED)) {
        reply->request_vote_result.term = current_term;
    }
}
