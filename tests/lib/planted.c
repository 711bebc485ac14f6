/*
 * planted.c - the choice of a planted bug (base/planted.h), and what some of them need.
 *
 * The simulator of a normal build has it too, so that both are made of the same sources; there no
 * bug can be chosen.
 */
#include "base/planted.h"

#include <assert.h>
#include <malloc.h>
#include <raft.h>
#include <stdlib.h>

#include "ledger/command.h"

#define POISON_WORDS 2048 /* more than libraft's deepest frame is away */
/* More than any index of a simulated log, so that libraft takes it for "everything we have"; and
 * small enough to be one: what can't be an index at all is refused as malformed (rule 15). */
#define POISON 1000003u

enum planted_bug planted_chosen = PLANTED_NONE;

static const char *const names[] = {
#define X(name, text, broken, what) [PLANTED_##name] = text,
    PLANTED_BUGS(X)
#undef X
};

/* ---- a heap of round addresses ----
 *
 * A follower that is fed a vote's result reads a candidate's flag where it keeps the second byte of
 * its leader's address (struct raft, follower_state and candidate_state): harm is done if that byte
 * is 0, which it is by chance, once in 256. Here always. */

#define ROUND_BYTES ((size_t)1 << 16)

static void *round_malloc(void *data, size_t size)
{
    (void)data;
    return aligned_alloc(ROUND_BYTES, (size + ROUND_BYTES - 1) / ROUND_BYTES * ROUND_BYTES);
}

static void round_free(void *data, void *memory)
{
    (void)data;
    free(memory);
}

static void *round_calloc(void *data, size_t count, size_t size)
{
    void *memory = round_malloc(data, count * size);
    return memory != NULL ? memset(memory, 0, count * size) : NULL;
}

static void *round_realloc(void *data, void *memory, size_t size)
{
    void *larger = round_malloc(data, size);
    if (larger != NULL && memory != NULL) {
        size_t had = malloc_usable_size(memory);
        memcpy(larger, memory, had < size ? had : size);
        free(memory);
    }
    return larger;
}

static void *round_aligned_alloc(void *data, size_t alignment, size_t size)
{
    assert(alignment <= ROUND_BYTES);
    return round_malloc(data, size);
}

static void round_aligned_free(void *data, size_t alignment, void *memory)
{
    (void)alignment;
    round_free(data, memory);
}

static struct raft_heap round_heap = {.malloc = round_malloc,
                                      .free = round_free,
                                      .calloc = round_calloc,
                                      .realloc = round_realloc,
                                      .aligned_alloc = round_aligned_alloc,
                                      .aligned_free = round_aligned_free};

/* ---- choosing ---- */

bool planted_choose(const char *name)
{
    planted_chosen = PLANTED_ACK_BEFORE_QUORUM;
    bool plantable = PLANTED(ACK_BEFORE_QUORUM);
    planted_chosen = PLANTED_NONE;
    if (name == NULL || !plantable) {
        return name == NULL;
    }
    for (size_t i = PLANTED_NONE + 1; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], name) == 0) {
            planted_chosen = (enum planted_bug)i;
        }
    }
    if (PLANTED(LATE_VOTE_COUNTS)) {
        raft_heap_set(&round_heap);
    }
    return planted_chosen != PLANTED_NONE;
}

/* ---- what the bugs need ---- */

__attribute__((noinline, no_sanitize("address"))) void planted_poison_stack(void)
{
    uint64_t words[POISON_WORDS];
    for (size_t i = 0; i < POISON_WORDS; i++) {
        words[i] = POISON;
    }
    __asm__ volatile("" : : "r"(words) : "memory"); /* or nobody would need to write them */
}

struct bytes planted_restamp(struct bytes entry, int64_t time_ms)
{
    static struct buffer restamped;
    struct ledger_entry_reader reader;
    struct error error;
    if (!ledger_entry_open(&reader, entry, &error)) {
        return entry; /* damaged: whoever applies it will say so */
    }
    struct ledger_entry_header header = reader.header;
    header.time_ms = time_ms;
    buffer_clear(&restamped);
    ledger_entry_begin(&restamped, &header);
    ledger_entry_append_encoded(&restamped, reader.rest);
    ledger_entry_finish(&restamped, header.count);
    return buffer_bytes(&restamped);
}
