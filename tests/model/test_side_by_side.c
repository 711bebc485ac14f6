/*
 * test_side_by_side.c - does the comparison see? Stores that forget, one kind of mistake each,
 * stand in for mistakes of the ledger: each must show as a difference within a few seeds, and
 * shrink to a handful of commands.
 */
#include "cmocka_test.h"

#include <inttypes.h>

#include "generate.h"
#include "shrink.h"
#include "side_by_side.h"

/* Between the ledger and its store: every put or remove of one kind is lost, from the n-th on. */
struct forgetful {
    struct ledger_store inner;
    enum ledger_kind kind;
    bool removes;
    uint64_t from;
    uint64_t seen;
};

static enum store_result forgetful_get(void *store, enum ledger_kind kind, struct bytes key,
                                       struct bytes *value, struct error *error)
{
    const struct forgetful *forgetful = store;
    return forgetful->inner.ops->get(forgetful->inner.store, kind, key, value, error);
}

static bool forgetful_put(void *store, enum ledger_kind kind, struct bytes key, struct bytes value,
                          struct error *error)
{
    struct forgetful *forgetful = store;
    if (kind == forgetful->kind && !forgetful->removes && ++forgetful->seen >= forgetful->from) {
        return true;
    }
    return forgetful->inner.ops->put(forgetful->inner.store, kind, key, value, error);
}

static bool forgetful_remove(void *store, enum ledger_kind kind, struct bytes key,
                             struct error *error)
{
    struct forgetful *forgetful = store;
    if (kind == forgetful->kind && forgetful->removes && ++forgetful->seen >= forgetful->from) {
        return true;
    }
    return forgetful->inner.ops->remove(forgetful->inner.store, kind, key, error);
}

static bool forgetful_scan(void *store, enum ledger_kind kind, struct bytes from, struct bytes to,
                           store_visit visit, void *context, struct error *error)
{
    const struct forgetful *forgetful = store;
    return forgetful->inner.ops->scan(forgetful->inner.store, kind, from, to, visit, context,
                                      error);
}

static const struct store_ops forgetful_ops = {forgetful_get, forgetful_put, forgetful_remove,
                                               forgetful_scan};

static struct ledger_store forgetful_wrap(void *context, struct ledger_store inner)
{
    struct forgetful *forgetful = context;
    forgetful->inner = inner;
    forgetful->seen = 0;
    return (struct ledger_store){&forgetful_ops, forgetful};
}

static bool differs(void *context, const struct sequence *sequence)
{
    struct side_by_side run = {.wrap = forgetful_wrap, .wrap_context = context};
    struct error ignored;
    return !side_by_side_run(&run, sequence, &ignored);
}

static void every_loss_is_seen_and_shrinks(void **state)
{
    static const struct {
        enum ledger_kind kind;
        bool removes;
        uint64_t from;
        uint64_t within_seeds;
        uint64_t commands; /* that are left at most */
    } losses[] = {
        {LEDGER_KIND_STOCK, false, 5, 2, 6},   {LEDGER_KIND_ORDER, false, 3, 2, 6},
        {LEDGER_KIND_HISTORY, false, 5, 2, 6}, {LEDGER_KIND_REQUEST, false, 3, 2, 6},
        {LEDGER_KIND_EXPIRY, false, 1, 2, 3},  {LEDGER_KIND_PURGE, false, 1, 2, 3},
        {LEDGER_KIND_NODE, false, 1, 5, 3},    {LEDGER_KIND_ORDER, true, 1, 5, 4},
        {LEDGER_KIND_REQUEST, true, 1, 5, 4},  {LEDGER_KIND_EXPIRY, true, 1, 2, 4},
        {LEDGER_KIND_PURGE, true, 1, 5, 4},
    };
    (void)state;
    for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++) {
        struct forgetful forgetful = {
            .kind = losses[i].kind, .removes = losses[i].removes, .from = losses[i].from};
        bool seen = false;
        for (uint64_t seed = 1; !seen && seed <= losses[i].within_seeds; seed++) {
            struct command_pool *pool = command_pool_new();
            struct sequence sequence = {0};
            generate_sequence(&sequence, pool, seed, 600);
            seen = differs(&forgetful, &sequence);
            if (seen) {
                struct shrink shrink = {
                    .fails = differs, .context = &forgetful, .work_left = 1000000};
                shrink_sequence(&shrink, &sequence, pool);
                if (sequence_command_count(&sequence) > losses[i].commands) {
                    fail_msg("loss %zu: %" PRIu64 " commands are left", i,
                             sequence_command_count(&sequence));
                }
            }
            sequence_free(&sequence);
            command_pool_free(pool);
        }
        if (!seen) {
            fail_msg("loss %zu shows in none of %" PRIu64 " seeds", i, losses[i].within_seeds);
        }
    }
}

/* Without a loss the same harness finds nothing. */
static void nothing_is_seen_where_nothing_is(void **state)
{
    (void)state;
    struct forgetful honest = {.kind = LEDGER_KIND_META, .removes = true, .from = UINT64_MAX};
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct command_pool *pool = command_pool_new();
        struct sequence sequence = {0};
        generate_sequence(&sequence, pool, seed, 600);
        assert_false(differs(&honest, &sequence));
        sequence_free(&sequence);
        command_pool_free(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_loss_is_seen_and_shrinks),
        cmocka_unit_test(nothing_is_seen_where_nothing_is),
    };
    return cmocka_run_group_tests_name("model/side_by_side", tests, NULL, NULL);
}
