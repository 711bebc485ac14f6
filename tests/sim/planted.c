/*
 * planted.c - the choice of a planted bug (base/planted.h), and what some of them need.
 *
 * The simulator of a normal build has it too, so that both are made of the same sources; there no
 * bug can be chosen.
 */
#include "base/planted.h"

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
            return true;
        }
    }
    return false;
}

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
