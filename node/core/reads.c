/*
 * reads.c - a queue and a heap. `asked` holds the linearizable reads whose rounds are not over, in
 * the order in which they came, which is that of their rounds; `due` those that wait for an index
 * to be applied, the lowest first and in the order of their coming among equals.
 *
 * Invariants: each read that was taken is in exactly one of the two, and is counted; a round that
 * is over has no reads in `asked`.
 */
#include "reads.h"

#include <assert.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/planted.h"

struct reads {
    struct reads_env env;
    struct proposal_queue asked;
    struct proposal **due; /* a binary heap */
    size_t due_count;
    size_t due_capacity;
    uint64_t next_number;
    size_t count; /* of both */
    size_t bytes;
};

struct reads *reads_new(const struct reads_env *env)
{
    struct reads *reads = memory_zalloc(sizeof *reads);
    reads->env = *env;
    return reads;
}

void reads_free(struct reads *reads)
{
    assert(reads->count == 0);
    free((void *)reads->due);
    free(reads);
}

/* The read is its owner's again; it may be gone when it has been told. */
static void let_go(struct reads *reads, const struct proposal *read)
{
    reads->count--;
    reads->bytes -= read->data.len;
}

static void end_failed(struct reads *reads, struct proposal *read, enum proposal_failure failure)
{
    let_go(reads, read);
    read->ops->failed(read, failure);
}

/* ---- the heap ---- */

static bool is_before(const struct proposal *a, const struct proposal *b)
{
    return a->index != b->index ? a->index < b->index : a->number < b->number;
}

/* Puts the read where it belongs on the way from `hole` to the top. */
static void sift_up(struct reads *reads, size_t hole, struct proposal *read)
{
    while (hole > 0 && is_before(read, reads->due[(hole - 1) / 2])) {
        reads->due[hole] = reads->due[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    reads->due[hole] = read;
}

static void due_push(struct reads *reads, struct proposal *read, uint64_t index)
{
    if (reads->due_count == reads->due_capacity) {
        reads->due_capacity = reads->due_capacity * 2 + 64;
        reads->due =
            memory_realloc((void *)reads->due, reads->due_capacity * sizeof(struct proposal *));
    }
    read->index = index;
    read->number = reads->next_number++;
    sift_up(reads, reads->due_count++, read);
}

static struct proposal *due_pop(struct reads *reads)
{
    struct proposal *top = reads->due[0];
    struct proposal *last = reads->due[--reads->due_count];
    size_t hole = 0;
    for (size_t child = 1; child < reads->due_count; child = 2 * hole + 1) {
        if (child + 1 < reads->due_count && is_before(reads->due[child + 1], reads->due[child])) {
            child++;
        }
        if (!is_before(reads->due[child], last)) {
            break;
        }
        reads->due[hole] = reads->due[child];
        hole = child;
    }
    if (reads->due_count > 0) {
        reads->due[hole] = last;
    }
    return top;
}

/* ---- in ---- */

bool reads_is_full(const struct reads *reads, size_t bytes)
{
    return reads->count >= LIMIT_WAITING_READS || reads->bytes + bytes > LIMIT_WAITING_READ_BYTES;
}

bool reads_add(struct reads *reads, struct proposal *read)
{
    assert(read->is_read);
    if (reads_is_full(reads, read->data.len)) {
        return false;
    }
    enum read_consistency consistency = PLANTED(STALE_READ) ? READ_STALE : read->consistency;
    switch (consistency) {
    case READ_LINEARIZABLE:
        if (!reads->env.join(reads->env.context, &read->round)) {
            return false;
        }
        assert(reads->asked.last == NULL || reads->asked.last->round <= read->round);
        proposal_queue_push(&reads->asked, read);
        break;
    case READ_STALE:
        due_push(reads, read, PLANTED(MIN_INDEX_IGNORED) ? 0 : read->min_index);
        break;
    }
    reads->count++;
    reads->bytes += read->data.len;
    return true;
}

/* ---- rounds ---- */

static struct proposal *pop_of_round(struct reads *reads, uint64_t round)
{
    const struct proposal *first = reads->asked.first;
    return first != NULL && first->round <= round ? proposal_queue_pop(&reads->asked) : NULL;
}

void reads_confirmed(struct reads *reads, uint64_t round, uint64_t index)
{
    for (struct proposal *read; (read = pop_of_round(reads, round)) != NULL;) {
        if (PLANTED(READ_NOT_APPLIED)) {
            index = 0;
        }
        due_push(reads, read, read->min_index > index ? read->min_index : index);
    }
}

void reads_failed(struct reads *reads, uint64_t round)
{
    for (struct proposal *read; (read = pop_of_round(reads, round)) != NULL;) {
        end_failed(reads, read, PROPOSAL_NOT_EXECUTED);
    }
}

/* ---- out ---- */

bool reads_has_answers(const struct reads *reads, uint64_t applied_index)
{
    return reads->due_count > 0 && reads->due[0]->index <= applied_index;
}

bool reads_answer(struct reads *reads, uint64_t applied_index, bool *answered, struct error *error)
{
    *answered = reads_has_answers(reads, applied_index);
    if (!*answered) {
        return true;
    }
    struct proposal *read = due_pop(reads);
    if (read->cancelled) {
        end_failed(reads, read, PROPOSAL_CANCELLED);
        return true;
    }
    let_go(reads, read);
    return read->ops->read(read, error);
}

void reads_sweep(struct reads *reads)
{
    struct proposal_queue asked = reads->asked;
    reads->asked = (struct proposal_queue){0};
    for (struct proposal *read; (read = proposal_queue_pop(&asked)) != NULL;) {
        if (read->cancelled) {
            end_failed(reads, read, PROPOSAL_CANCELLED);
        } else {
            proposal_queue_push(&reads->asked, read);
        }
    }
    size_t count = reads->due_count;
    reads->due_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct proposal *read = reads->due[i];
        if (read->cancelled) {
            end_failed(reads, read, PROPOSAL_CANCELLED);
        } else {
            sift_up(reads, reads->due_count++, read); /* never beyond i: what was there is placed */
        }
    }
}

void reads_abandon(struct reads *reads)
{
    reads_failed(reads, UINT64_MAX);
    while (reads->due_count > 0) {
        end_failed(reads, due_pop(reads), PROPOSAL_NOT_EXECUTED);
    }
}
