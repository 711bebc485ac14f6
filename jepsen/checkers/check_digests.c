/*
 * check_digests.c - equal states at equal index: nodes that tell the digest of their state at one
 * log index tell the same. Digests go with the log index that they are of.
 *
 * A node that was asked has read all its records, too. Where they broke an invariant, or their
 * digest was not the one that it keeps, the nemesis' moment :not-sound says so: invalid, even if
 * all nodes are equal.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "check.h"

struct digest {
    uint64_t log_index;
    uint32_t operation;
};

static int by_index(const void *left, const void *right)
{
    const struct digest *a = left;
    const struct digest *b = right;
    if (a->log_index != b->log_index) {
        return a->log_index < b->log_index ? -1 : 1;
    }
    return a->operation < b->operation ? -1 : a->operation > b->operation;
}

static void look_for_unsound(struct check *check, const struct history *history)
{
    for (uint32_t i = 0; i < history->faults.count; i++) {
        const struct fault_event *event = &history->faults.items[i];
        if (bytes_equal(names_text(&history->texts, event->fault), BYTES_LITERAL("not-sound"))) {
            struct bytes value = event->value != NAME_NONE
                                     ? names_text(&history->texts, event->value)
                                     : bytes_of_string("");
            check_looked(check);
            check_invalid(check, CHECK_NAMES_NONE,
                          "at %.1f s a node's records were not sound: %.*s",
                          (double)event->time_ns / 1e9, (int)value.len, (const char *)value.data);
        }
    }
}

void check_digests(struct check *check, const struct history *history,
                   const struct check_options *options)
{
    struct digest *reads = memory_alloc((history->operations.count + 1u) * sizeof *reads);
    uint32_t count = 0;
    int64_t compared = 0;
    (void)options;
    for (uint32_t i = 0; i < history->operations.count; i++) {
        const struct operation *operation = &history->operations.items[i];
        if (operation->function == FUNCTION_READ_DIGEST && operation->verdict == HF_OK &&
            operation->note != NAME_NONE) {
            reads[count++] = (struct digest){operation->log_index, i};
        }
    }
    qsort(reads, count, sizeof *reads, by_index);
    for (uint32_t i = 1; i < count; i++) {
        const struct operation *one = &history->operations.items[reads[i - 1].operation];
        const struct operation *other = &history->operations.items[reads[i].operation];
        if (one->log_index != other->log_index) {
            continue;
        }
        compared += one->number != other->number;
        if (one->note != other->note) {
            check_invalid(check, CHECK_NAMES(reads[i - 1].operation, reads[i].operation),
                          "two states at index %" PRIu64 ": nodes %" PRId64 " and %" PRId64,
                          one->log_index, one->number, other->number);
        }
    }
    if (count > 0) {
        check_looked(check);
    }
    look_for_unsound(check, history);
    check_add_fact(check, "digests", count);
    check_add_fact(check, "compared-between-nodes", compared);
    free(reads);
}
