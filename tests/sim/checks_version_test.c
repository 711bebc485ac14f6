/*
 * checks_version_test.c - the checks of the ledger's version can fail: each is shown what it must
 * let pass, and what it must not.
 */
#include "cmocka_test.h"

#include "checks_scene.h"

/* All three nodes run programs that know this version; n1 leads. */
static void a_cluster_of(struct scene *scene, unsigned known)
{
    struct error error;
    scene_lead(scene);
    scene->world.now_us = 1000;
    for (size_t node = 0; node < scene->count; node++) {
        checks_program(scene->checks, node, known);
        ledger_close(scene->ledgers[node]);
        scene->ledgers[node] =
            ledger_open_knowing(memory_store_interface(scene->stores[node]), 8, &error);
        assert_non_null(scene->ledgers[node]);
    }
}

/* At 2, committed on n1. */
static struct entry *a_raise(struct scene *scene, uint16_t version)
{
    char text[CHECKS_TRACE_ID_BYTES];
    struct buffer commands = {0};
    uint64_t operation = checks_invoke(scene->checks);
    const struct ledger_command command = {.kind = LEDGER_RAISE_VERSION,
                                           .trace_id = checks_trace_id(operation, text),
                                           .version = version};
    ledger_command_encode(&commands, &command);
    checks_asked(scene->checks, operation, buffer_bytes(&commands));
    return scene_take(scene, 2, &commands, 1);
}

static void everybody_knows_it(void **state)
{
    (void)state;
    struct scene scene;
    a_cluster_of(&scene, 3);
    checks_may_raise(scene.checks, 0, 3);
    assert_false(checks_needs_program(scene.checks, 0));
    scene_apply(&scene, N(0), a_raise(&scene, 3));
    assert_false(checks_needs_program(scene.checks, 0));
    scene_passes(&scene);
}

static void a_program_that_goes_on_behind_what_it_knows(void **state)
{
    (void)state;
    struct scene scene;
    a_cluster_of(&scene, 2);
    struct entry *raise = a_raise(&scene, 3);
    assert_true(checks_needs_program(scene.checks, 0));
    scene_apply(&scene, N(0), raise);
    scene_fails(&scene, CHECK_VERSION,
                "n1 stands at 2, where the ledger is of version 3, and its program knows 2");
}

static void a_program_that_starts_behind_what_it_knows(void **state)
{
    (void)state;
    struct scene scene;
    a_cluster_of(&scene, 3);
    scene_apply(&scene, N(0), a_raise(&scene, 3));
    checks_program(scene.checks, 0, 2);
    checks_started(scene.checks, 0, 2, ledger_digest(scene.ledgers[0]));
    scene_fails(&scene, CHECK_VERSION, "n1 stands at 2");
}

static void a_raise_that_somebody_does_not_know(void **state)
{
    (void)state;
    struct scene scene;
    a_cluster_of(&scene, 3);
    checks_may_raise(scene.checks, 0, 4);
    scene_fails(&scene, CHECK_VERSION, "n1 would raise the ledger to version 4, and n1 runs");
}

/* Who told it may have been replaced since: for as long as one goes by what was told. */
static void a_raise_by_what_was_known_once(void **state)
{
    (void)state;
    struct scene scene;
    a_cluster_of(&scene, 3);
    scene.world.now_us += 5000000;
    checks_program(scene.checks, 2, 1);
    scene.world.now_us += UINT64_C(1000) * LIMIT_CLOCK_AGE_MS;
    checks_may_raise(scene.checks, 0, 3);
    assert_false(scene.world.failed);
    scene.world.now_us += UINT64_C(100) * LIMIT_CLOCK_AGE_MS + 1;
    checks_may_raise(scene.checks, 0, 3);
    scene_fails(&scene, CHECK_VERSION, "and n3 runs a program that knows 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_knows_it),
        cmocka_unit_test(a_program_that_goes_on_behind_what_it_knows),
        cmocka_unit_test(a_program_that_starts_behind_what_it_knows),
        cmocka_unit_test(a_raise_that_somebody_does_not_know),
        cmocka_unit_test(a_raise_by_what_was_known_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
