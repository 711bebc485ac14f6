/* The ledger's version: raised by a command, kept in the state, and what a program makes of one
 * that it does not know. */
#include "cmocka_with_headers.h"

#include <string.h>

#include "ledger/ledger.h"
#include "memory_store.h"

struct scene {
    struct memory_store *store;
    struct ledger *ledger;
    uint64_t index;
    struct ledger_result result; /* of the last command */
    struct error error;
};

static void begin(struct scene *scene, uint16_t known)
{
    *scene = (struct scene){.store = memory_store_new()};
    scene->ledger = ledger_open_knowing(memory_store_interface(scene->store), known, &scene->error);
    assert_non_null(scene->ledger);
}

static void end(struct scene *scene)
{
    ledger_close(scene->ledger);
    memory_store_free(scene->store);
}

static void note(void *context, uint32_t position, const struct ledger_result *result)
{
    (void)position;
    ((struct scene *)context)->result = *result;
}

/* An entry with this header's version; version 0: without a command. */
static bool raise(struct scene *scene, uint16_t header_version, uint16_t version)
{
    const struct ledger_entry_header header = {
        .format = LEDGER_ENTRY_FORMAT, .ledger_version = header_version, .time_ms = 1700000000000};
    const struct ledger_command command = {.kind = LEDGER_RAISE_VERSION, .version = version};
    struct buffer entry = {0};
    ledger_entry_begin(&entry, &header);
    if (version != 0) {
        ledger_command_encode(&entry, &command);
    }
    ledger_entry_finish(&entry, version != 0);
    scene->result = (struct ledger_result){0};
    bool ok = ledger_apply(scene->ledger, ++scene->index, buffer_bytes(&entry), note, scene,
                           &scene->error);
    buffer_free(&entry);
    return ok;
}

static void a_new_ledger_begins_with_the_first(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, 7);
    assert_int_equal(ledger_version(scene.ledger), LEDGER_VERSION_FIRST);
    assert_true(raise(&scene, 1, 0));
    assert_int_equal(ledger_version(scene.ledger), LEDGER_VERSION_FIRST);
    end(&scene);
}

static void it_goes_up_only(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, 7);
    struct hash128 before = ledger_digest(scene.ledger);
    assert_true(raise(&scene, 1, 3));
    assert_int_equal(scene.result.verdict, LEDGER_OK);
    assert_false(scene.result.replayed);
    assert_int_equal(ledger_version(scene.ledger), 3);
    assert_false(hash128_equal(before, ledger_digest(scene.ledger)));
    assert_true(raise(&scene, 1, 3)); /* stamped by a leader that had not applied it yet */
    assert_int_equal(scene.result.verdict, LEDGER_OK);
    assert_true(scene.result.replayed);
    assert_true(raise(&scene, 3, 2));
    assert_int_equal(scene.result.verdict, LEDGER_VERSION_MISMATCH);
    assert_int_equal(ledger_version(scene.ledger), 3);
    end(&scene);
}

static void the_state_keeps_it(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, 3);
    assert_true(raise(&scene, 1, 3));
    ledger_close(scene.ledger);
    scene.ledger = ledger_open_knowing(memory_store_interface(scene.store), 3, &scene.error);
    assert_non_null(scene.ledger);
    assert_int_equal(ledger_version(scene.ledger), 3);
    assert_null(ledger_open_knowing(memory_store_interface(scene.store), 2, &scene.error));
    assert_non_null(strstr(scene.error.text,
                           "the state is of ledger version 3, this program knows versions up to 2: "
                           "install a release on this node that knows version 3"));
    end(&scene);
}

/* No verdict: those who know it go on. */
static void a_program_stops_at_what_it_does_not_know(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, 2);
    assert_false(raise(&scene, 1, 3));
    assert_non_null(strstr(scene.error.text, "raises the ledger to ledger version 3"));
    assert_non_null(strstr(scene.error.text, "up to 2"));
    end(&scene);
    begin(&scene, 2);
    assert_false(raise(&scene, 3, 0));
    assert_non_null(strstr(scene.error.text, "log entry 1: it is of ledger version 3"));
    end(&scene);
}

static void a_header_beyond_the_ledger_is_damage(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, 7);
    assert_true(raise(&scene, 1, 2));
    assert_true(raise(&scene, 2, 0));
    assert_false(raise(&scene, 3, 0));
    assert_non_null(strstr(scene.error.text, "raised to 2 only"));
    end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_ledger_begins_with_the_first),
        cmocka_unit_test(it_goes_up_only),
        cmocka_unit_test(the_state_keeps_it),
        cmocka_unit_test(a_program_stops_at_what_it_does_not_know),
        cmocka_unit_test(a_header_beyond_the_ledger_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
