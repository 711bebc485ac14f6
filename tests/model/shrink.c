/*
 * shrink.c - every step makes a candidate, asks whether it still fails, and keeps it if so. No step
 * makes a sequence larger, so the loop ends.
 */
#include "shrink.h"

#include <stdlib.h>

static uint64_t work_of(const struct sequence *sequence)
{
    uint64_t work = 1 + (uint64_t)sequence->count;
    for (uint32_t i = 0; i < sequence->count; i++) {
        for (uint32_t k = 0; k < sequence->entries[i].count; k++) {
            work += 1 + (uint64_t)sequence->entries[i].commands[k]->line_count;
        }
    }
    return work;
}

/* Keeps the candidate in place of the sequence if it fails too; frees whichever goes. */
static bool attempt(struct shrink *shrink, struct sequence *sequence, struct sequence *candidate)
{
    bool kept = false;
    uint64_t work = work_of(candidate);
    if (work <= shrink->work_left) {
        shrink->work_left -= work;
        shrink->attempts++;
        kept = shrink->fails(shrink->context, candidate);
    } else {
        shrink->work_left = 0;
    }
    if (kept) {
        struct sequence old = *sequence;
        *sequence = *candidate;
        *candidate = old;
    }
    sequence_free(candidate);
    return kept;
}

/* ---- fewer entries, fewer commands ---- */

/* Commands are numbered through the whole sequence; an entry is taken with all of its own. */
static struct sequence without_entries(const struct sequence *sequence, uint32_t from, uint32_t to)
{
    struct sequence candidate = {0};
    for (uint32_t i = 0; i < sequence->count; i++) {
        if (i >= from && i < to) {
            continue;
        }
        const struct sequence_entry *entry = &sequence->entries[i];
        struct sequence_entry *copy =
            sequence_add(&candidate, entry->index, entry->time_ms, entry->credit_ms);
        copy->reopen = entry->reopen;
        for (uint32_t k = 0; k < entry->count; k++) {
            sequence_entry_add(copy, entry->commands[k]);
        }
    }
    return candidate;
}

static struct sequence without_commands(const struct sequence *sequence, uint32_t from, uint32_t to)
{
    struct sequence candidate = {0};
    uint32_t number = 0;
    for (uint32_t i = 0; i < sequence->count; i++) {
        const struct sequence_entry *entry = &sequence->entries[i];
        struct sequence_entry *copy =
            sequence_add(&candidate, entry->index, entry->time_ms, entry->credit_ms);
        copy->reopen = entry->reopen;
        for (uint32_t k = 0; k < entry->count; k++, number++) {
            if (number < from || number >= to) {
                sequence_entry_add(copy, entry->commands[k]);
            }
        }
    }
    return candidate;
}

typedef struct sequence (*cut)(const struct sequence *sequence, uint32_t from, uint32_t to);

/* Takes out pieces, first halves, then ever smaller ones. From the end: what comes late depends on
 * what came before, and goes more easily. */
static bool drop_pieces(struct shrink *shrink, struct sequence *sequence, cut without,
                        bool commands)
{
    bool any = false;
    uint32_t count = commands ? (uint32_t)sequence_command_count(sequence) : sequence->count;
    for (uint32_t size = (count + 1) / 2; size > 0 && count > 0; size /= 2) {
        uint32_t to = count;
        while (to > 0 && shrink->work_left > 0) {
            uint32_t from = to > size ? to - size : 0;
            struct sequence candidate = without(sequence, from, to);
            if (attempt(shrink, sequence, &candidate)) {
                count -= to - from;
                any = true;
            }
            to = from;
        }
    }
    return any;
}

/* ---- plainer commands ---- */

enum { FIELD_STEPS = 15 };

/* Makes one field plainer; false if it is plain already. */
static bool make_plainer(struct ledger_command *command, uint32_t step)
{
    struct bytes *const texts[] = {&command->trace_id, &command->remark, &command->actor,
                                   &command->reason};
    if (step < 4) {
        bool has = texts[step]->len != 0;
        texts[step]->len = 0;
        return has;
    }
    switch (step) {
    case 4: {
        bool has = command->requested_at_ms != 0;
        command->requested_at_ms = 0;
        return has;
    }
    case 5: {
        bool has = command->request_id.len != 0 && !ledger_command_needs_request_id(command);
        command->request_id.len = has ? 0 : command->request_id.len;
        return has;
    }
    case 13: {
        bool has = command->resent;
        command->resent = false;
        return has;
    }
    case 6: {
        bool has = command->has_ttl;
        command->has_ttl = false;
        command->ttl_ms = 0;
        return has;
    }
    case 7: {
        bool has = command->mode != LEDGER_RESERVE_WHOLE;
        command->mode = LEDGER_RESERVE_WHOLE;
        return has;
    }
    case 8: {
        bool has = command->final;
        command->final = false;
        return has;
    }
    case 9: {
        bool has = command->reacquire;
        command->reacquire = false;
        return has;
    }
    case 10: {
        bool has = command->has_expected_version;
        command->has_expected_version = false;
        command->expected_version = 0;
        return has;
    }
    case 11: {
        bool has = command->quantity > 1 || command->quantity < -1;
        command->quantity = command->quantity > 1 ? 1 : has ? -1 : command->quantity;
        return has;
    }
    case 12: {
        bool has = command->quantity > 2 || command->quantity < -2;
        command->quantity = has ? command->quantity / 2 : command->quantity;
        return has;
    }
    default: {
        bool has = command->warehouse != 0;
        command->warehouse = 0;
        return has;
    }
    }
}

static bool try_command(struct shrink *shrink, struct sequence *sequence, uint32_t entry,
                        uint32_t position, const struct ledger_command *command)
{
    struct sequence candidate = sequence_copy(sequence);
    candidate.entries[entry].commands[position] = command;
    return attempt(shrink, sequence, &candidate);
}

/* Pieces of the lines go, like pieces of a sequence; the last one only where none is allowed. */
static bool drop_lines(struct shrink *shrink, struct sequence *sequence, struct command_pool *pool,
                       uint32_t entry, uint32_t position)
{
    bool any = false;
    const struct ledger_command *command = sequence->entries[entry].commands[position];
    for (uint32_t size = (command->line_count + 1) / 2; size > 0; size /= 2) {
        uint32_t to = command->line_count;
        while (to > 0 && shrink->work_left > 0) {
            uint32_t from = to > size ? to - size : 0;
            uint32_t left = command->line_count - (to - from);
            struct ledger_line *lines = memory_alloc((left + 1) * sizeof *lines);
            memcpy(lines, command->lines, from * sizeof *lines);
            memcpy(lines + from, command->lines + to, (command->line_count - to) * sizeof *lines);
            const struct ledger_command *fewer =
                command_pool_add_with_lines(pool, command, lines, left);
            free(lines);
            if (try_command(shrink, sequence, entry, position, fewer)) {
                command = fewer;
                any = true;
            }
            to = from;
        }
    }
    return any;
}

static bool simplify_lines(struct shrink *shrink, struct sequence *sequence,
                           struct command_pool *pool, uint32_t entry, uint32_t position)
{
    bool any = false;
    const struct ledger_command *command = sequence->entries[entry].commands[position];
    for (uint32_t i = 0; i < command->line_count; i++) {
        for (int step = 0; step < 2 && shrink->work_left > 0; step++) {
            bool quantity = step == 0 && command->lines[i].quantity > 1;
            bool warehouse = step == 1 && command->lines[i].warehouse != 0;
            if (!quantity && !warehouse) {
                continue;
            }
            struct ledger_line *lines =
                memory_copy(command->lines, command->line_count * sizeof *lines);
            lines[i].quantity = quantity ? 1 : lines[i].quantity;
            lines[i].warehouse = warehouse ? 0 : lines[i].warehouse;
            const struct ledger_command *plainer =
                command_pool_add_with_lines(pool, command, lines, command->line_count);
            free(lines);
            if (try_command(shrink, sequence, entry, position, plainer)) {
                command = plainer;
                any = true;
            }
        }
    }
    return any;
}

static bool simplify_command(struct shrink *shrink, struct sequence *sequence,
                             struct command_pool *pool, uint32_t entry, uint32_t position)
{
    bool any = drop_lines(shrink, sequence, pool, entry, position);
    any |= simplify_lines(shrink, sequence, pool, entry, position);
    for (uint32_t step = 0; step < FIELD_STEPS && shrink->work_left > 0; step++) {
        struct ledger_command plainer = *sequence->entries[entry].commands[position];
        if (make_plainer(&plainer, step)) {
            any |= try_command(shrink, sequence, entry, position, command_pool_add(pool, &plainer));
        }
    }
    return any;
}

/* No credit, no restart, no time between this entry and the one before. */
static bool simplify_entry(struct shrink *shrink, struct sequence *sequence, uint32_t entry)
{
    bool any = false;
    for (int step = 0; step < 3; step++) {
        struct sequence candidate = sequence_copy(sequence);
        struct sequence_entry *changed = &candidate.entries[entry];
        bool plain = true;
        if (step == 0) {
            plain = changed->credit_ms == 0;
            changed->credit_ms = 0;
        } else if (step == 1) {
            plain = !changed->reopen;
            changed->reopen = false;
        } else if (entry > 0) {
            plain = changed->time_ms == changed[-1].time_ms;
            changed->time_ms = changed[-1].time_ms;
        }
        if (plain) {
            sequence_free(&candidate);
        } else {
            any |= attempt(shrink, sequence, &candidate);
        }
    }
    return any;
}

void shrink_sequence(struct shrink *shrink, struct sequence *sequence, struct command_pool *pool)
{
    bool any = true;
    while (any && shrink->work_left > 0) {
        any = drop_pieces(shrink, sequence, without_entries, false);
        any |= drop_pieces(shrink, sequence, without_commands, true);
        for (uint32_t i = 0; i < sequence->count; i++) {
            any |= simplify_entry(shrink, sequence, i);
            for (uint32_t k = 0; k < sequence->entries[i].count; k++) {
                any |= simplify_command(shrink, sequence, pool, i, k);
            }
        }
    }
}
