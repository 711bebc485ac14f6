/*
 * test_parts.c - the small parts: arenas and objects, the heap of pauses, names of verdicts against
 * the proto, the states of a call.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "call.h"
#include "holdfast/v1/cluster.pb-c.h"
#include "holdfast/v1/ledger.pb-c.h"
#include "pauses.h"

/* ---- arena ---- */

static void an_arena_uses_its_room_then_chunks(void **state)
{
    (void)state;
    alignas(max_align_t) uint8_t room[64];
    struct arena arena;
    arena_init(&arena, room, sizeof(room));
    uint8_t *first = arena_alloc(&arena, 40);
    assert_ptr_equal(first, room);
    uint8_t *second = arena_alloc(&arena, 40); /* does not fit the rest */
    assert_false(second >= room && second < room + sizeof(room));
    uint8_t *large = arena_alloc(&arena, 1000000);
    memset(first, 1, 40);
    memset(second, 2, 40);
    memset(large, 3, 1000000);
    assert_int_equal(first[39], 1);
    assert_int_equal(second[39], 2);
    for (size_t size = 0; size < 100; size++) {
        assert_int_equal((uintptr_t)arena_alloc(&arena, size) % alignof(max_align_t), 0);
    }
    arena_free(&arena);
}

static void an_object_holds_what_it_points_to(void **state)
{
    (void)state;
    struct thing {
        const char *text;
        int64_t number;
    } *thing = object_new(sizeof(*thing), 8);
    assert_null(thing->text);
    assert_int_equal(thing->number, 0);
    char long_text[5000];
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    thing->text = arena_copy_string(object_arena(thing), long_text);
    assert_string_equal(thing->text, long_text);
    assert_null(arena_copy_string(object_arena(thing), NULL));
    assert_null(arena_zalloc_array(object_arena(thing), 0, 8));
    hf_free(thing);
    hf_free(NULL);
}

/* ---- pauses ---- */

static void pauses_come_out_in_order(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static struct call calls[COUNT];
    struct pauses pauses = {0};
    assert_null(pauses_first(&pauses));
    assert_null(pauses_pop(&pauses));
    srand(42);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            calls[i].pause_ends_ms = (uint64_t)(rand() % 500);
            pauses_push(&pauses, &calls[i]);
        }
        uint64_t last_ms = 0;
        for (size_t i = 0; i < COUNT; i++) {
            struct call *first = pauses_first(&pauses);
            assert_ptr_equal(pauses_pop(&pauses), first);
            assert_true(first->pause_ends_ms >= last_ms);
            last_ms = first->pause_ends_ms;
        }
        assert_int_equal(pauses.count, 0);
    }
    pauses_free(&pauses);
}

/* ---- names ---- */

static void verdicts_are_those_of_the_proto(void **state)
{
    (void)state;
    const ProtobufCEnumDescriptor *descriptor = &holdfast__v1__verdict__descriptor;
    assert_int_equal(descriptor->n_values, 24);
    for (unsigned i = 0; i < descriptor->n_values; i++) {
        const ProtobufCEnumValue *value = &descriptor->values[i];
        const char *expected = value->value == 0 ? "UNRECOGNISED" : value->name;
        assert_string_equal(hf_verdict_name((hf_verdict)value->value), expected);
        assert_true(strlen(hf_verdict_text((hf_verdict)value->value)) > 0);
    }
    for (int number = HF_REFUSED; number < 0; number++) {
        assert_string_not_equal(hf_verdict_name((hf_verdict)number), "UNRECOGNISED");
        assert_string_not_equal(hf_verdict_text((hf_verdict)number),
                                hf_verdict_text((hf_verdict)1000));
    }
    assert_string_equal(hf_verdict_name((hf_verdict)24), "UNRECOGNISED");
    assert_string_equal(hf_verdict_name((hf_verdict)(HF_REFUSED - 1)), "UNRECOGNISED");
}

/* Every number of the proto has our name, but 0. */
static void check_names(const ProtobufCEnumDescriptor *descriptor, const char *(*name)(int number),
                        const char *zero)
{
    for (unsigned i = 0; i < descriptor->n_values; i++) {
        const ProtobufCEnumValue *value = &descriptor->values[i];
        assert_string_equal(name(value->value), value->value == 0 ? zero : value->name);
    }
    assert_string_equal(name(1000), "UNRECOGNISED");
    assert_string_equal(name(-1), "UNRECOGNISED");
}

static const char *order_state_name(int number)
{
    return hf_order_state_name((hf_order_state)number);
}

static const char *history_op_name(int number)
{
    return hf_history_op_name((hf_history_op)number);
}

static const char *server_state_name(int number)
{
    return hf_server_state_name((hf_server_state)number);
}

static const char *member_role_name(int number)
{
    return hf_member_role_name((hf_member_role)number);
}

static void other_names_are_those_of_the_proto(void **state)
{
    (void)state;
    check_names(&holdfast__v1__order__state__descriptor, order_state_name, "NONE");
    check_names(&holdfast__v1__history_row__op__descriptor, history_op_name, "UNRECOGNISED");
    check_names(&holdfast__v1__status_response__state__descriptor, server_state_name,
                "UNRECOGNISED");
    check_names(&holdfast__v1__member__role__descriptor, member_role_name, "UNRECOGNISED");
}

/* ---- states ---- */

static void a_call_goes_its_way(void **state)
{
    (void)state;
    struct call *call = call_new(&REPLY_ORDER, NULL);
    assert_int_equal(call->state, CALL_PREPARING);
    call_enter(call, CALL_QUEUED);
    call_enter(call, CALL_ATTEMPTING);
    call_enter(call, CALL_PAUSING);
    call_enter(call, CALL_ATTEMPTING);
    call_enter(call, CALL_ENDED);
    call_free(call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_arena_uses_its_room_then_chunks),
        cmocka_unit_test(an_object_holds_what_it_points_to),
        cmocka_unit_test(pauses_come_out_in_order),
        cmocka_unit_test(verdicts_are_those_of_the_proto),
        cmocka_unit_test(other_names_are_those_of_the_proto),
        cmocka_unit_test(a_call_goes_its_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
