/*
 * storm.c - happy path: wait until the next act of the schedule is due, do it; while faults are on
 * and have turns to make, make them; when the time is up, stop what is on.
 *
 * Who waits for a healthy cluster longer than planned does the rest so much later; the time of the
 * run stays what it is, and what no longer fits in is left out.
 */
#include "storm.h"

#include <assert.h>
#include <stdlib.h>

#include "clock.h"
#include "interrupt.h"

#define LOOK_MS  1000 /* a wait for health is cut into pieces, to notice an interrupt */
#define ENDED_MS 5000 /* clients see what it comes to, before the run ends */

static void record(struct storm *storm, const char *prefix, const char *name, struct bytes value)
{
    struct buffer fault = {0};
    buffer_printf(&fault, "%s%s", prefix, name);
    recorder_add(storm->recorder, (struct event){
                                      .type = EVENT_INFO,
                                      .function = FUNCTION_FAULT,
                                      .process = EVENT_NEMESIS,
                                      .fault = buffer_bytes(&fault),
                                      .fault_value = value,
                                  });
    buffer_free(&fault);
}

static bool start(struct storm *storm, const struct act *act, struct error *error)
{
    const struct nemesis *nemesis = act->nemesis;
    struct buffer value = {0};
    assert(storm->on_count < sizeof storm->on / sizeof *storm->on);
    struct on *on = &storm->on[storm->on_count];
    *on = (struct on){.nemesis = nemesis, .random = act->random};
    storm->ground.random = on->random;
    record(storm, "start-", nemesis->name, bytes_of(NULL, 0));
    bool fine = nemesis->start(&storm->ground, &on->state, &value, error);
    on->random = storm->ground.random;
    if (fine) {
        storm->on_count++;
        record(storm, "start-", nemesis->name, buffer_bytes(&value));
    }
    buffer_free(&value);
    return fine || error_wrap(error, "%s can't be started", nemesis->name);
}

static bool stop(struct storm *storm, const struct nemesis *nemesis, struct error *error)
{
    struct buffer value = {0};
    uint32_t at = 0;
    while (at < storm->on_count && storm->on[at].nemesis != nemesis) {
        at++;
    }
    assert(at < storm->on_count);
    struct on on = storm->on[at];
    storm->on[at] = storm->on[--storm->on_count];
    storm->ground.random = on.random;
    record(storm, "stop-", nemesis->name, bytes_of(NULL, 0));
    bool fine = nemesis->stop(&storm->ground, on.state, &value, error);
    record(storm, "stop-", nemesis->name, buffer_bytes(&value));
    buffer_free(&value);
    if (fine && nemesis->finish != NULL) {
        assert(storm->unfinished_count < sizeof storm->unfinished / sizeof *storm->unfinished);
        storm->unfinished[storm->unfinished_count++] = on;
    }
    return fine || error_wrap(error, "%s can't be stopped", nemesis->name);
}

/* In the order in which they were stopped. */
static bool finish_all(struct storm *storm, struct error *error)
{
    bool fine = true;
    for (uint32_t i = 0; i < storm->unfinished_count && fine; i++) {
        struct on *on = &storm->unfinished[i];
        struct buffer value = {0};
        storm->ground.random = on->random;
        record(storm, "finish-", on->nemesis->name, bytes_of(NULL, 0));
        fine = on->nemesis->finish(&storm->ground, on->state, &value, error);
        record(storm, "finish-", on->nemesis->name, buffer_bytes(&value));
        buffer_free(&value);
    }
    storm->unfinished_count = 0;
    return fine;
}

static enum storm_end not_healthy(struct storm *storm, const struct error *error)
{
    struct buffer value = {0};
    buffer_printf(&value, "{:why ");
    event_write_string(&value, bytes_of_string(error->text));
    buffer_printf(&value, "}");
    record(storm, "", "not-healthy", buffer_bytes(&value));
    buffer_free(&value);
    return STORM_NOT_HEALTHY;
}

/* A fault that makes nodes end is on, or was, and what it left to be done is not done. */
static bool may_end(const struct storm *storm)
{
    bool may = false;
    for (uint32_t i = 0; i < storm->on_count; i++) {
        may = may || storm->on[i].nemesis->ends_nodes;
    }
    for (uint32_t i = 0; i < storm->unfinished_count; i++) {
        may = may || storm->unfinished[i].nemesis->ends_nodes;
    }
    return may;
}

static enum storm_end tell_ended(struct storm *storm, struct error *error)
{
    error_set(error, "node %u has ended by itself, with status %d: its log tells more",
              storm->ended_id, storm->ended_status);
    return not_healthy(storm, error);
}

/* Other faults are no reason for a node to end by itself. Who has done it stays noted: the next
 * fault may start it again. */
static enum storm_end look_for_ended(struct storm *storm, struct error *error)
{
    struct nodes *nodes = storm->ground.nodes;
    uint32_t id = storm->ended_id != 0 || may_end(storm) ? 0 : nodes_last(nodes);
    while (id > 0 && !nodes_ended_by_itself(nodes, id)) {
        id--;
    }
    if (id != 0) {
        storm->ended_id = id;
        storm->ended_status = nodes_exit_status(nodes, id);
        storm->ended_ms = clock_now_ms();
    }
    return storm->ended_id == 0 || clock_now_ms() - storm->ended_ms < ENDED_MS
               ? STORM_OVER
               : tell_ended(storm, error);
}

bool storm_end_nodes(struct storm *storm, struct error *error)
{
    struct nodes *nodes = storm->ground.nodes;
    for (uint32_t id = 1; id <= nodes_last(nodes); id++) {
        enum node_life life = nodes_life(nodes, id);
        if (life == NODE_GONE || life == NODE_ABSENT) {
            continue;
        }
        if (!nodes_terminate(nodes, id, error)) {
            return false;
        }
        if (life == NODE_DOWN || nodes_exit_status(nodes, id) != 0) {
            struct error why;
            error_set(&why, "node %u has ended %s, with status %d: its log tells more", id,
                      life == NODE_DOWN ? "by itself" : "as it was told to",
                      nodes_exit_status(nodes, id));
            (void)not_healthy(storm, &why);
        }
    }
    return true;
}

/* The first error counts; the others are tried all the same. */
static bool stop_all(struct storm *storm, struct error *error)
{
    bool fine = true;
    while (storm->on_count > 0) {
        struct error this_error;
        if (!stop(storm, storm->on[storm->on_count - 1].nemesis, &this_error) && fine) {
            *error = this_error;
            fine = false;
        }
    }
    return fine;
}

static bool take_turns(struct storm *storm, struct error *error)
{
    for (uint32_t i = 0; i < storm->on_count; i++) {
        struct on *on = &storm->on[i];
        if (on->nemesis->turn != NULL) {
            storm->ground.random = on->random;
            if (!on->nemesis->turn(&storm->ground, on->state, error)) {
                return error_wrap(error, "%s can't go on", on->nemesis->name);
            }
            on->random = storm->ground.random;
        }
    }
    return true;
}

enum storm_end storm_wait_healthy(struct storm *storm, bool patient, struct error *error)
{
    assert(storm->on_count == 0);
    if (!finish_all(storm, error)) {
        return not_healthy(storm, error);
    }
    int64_t until_ms = clock_now_ms() + storm->healthy_limit_ms;
    while (!nodes_wait_healthy(storm->ground.nodes, LOOK_MS, error)) {
        if (!patient && interrupt_came()) {
            return STORM_INTERRUPTED;
        }
        if (clock_now_ms() > until_ms) {
            struct error why;
            error_set(&why, "for %u s: %.400s", storm->healthy_limit_ms / 1000, error->text);
            return not_healthy(storm, &why);
        }
        if (look_for_ended(storm, error) != STORM_OVER) {
            return STORM_NOT_HEALTHY;
        }
    }
    return storm->ended_id == 0 ? STORM_OVER : tell_ended(storm, error);
}

static enum storm_end perform(struct storm *storm, const struct act *act, struct error *error)
{
    uint32_t told;
    switch (act->kind) {
    case ACT_HEALTH:
        return storm_wait_healthy(storm, false, error);
    case ACT_DIGESTS:
        return digests_read(&storm->digests, &told, error) ? STORM_OVER : STORM_BROKEN;
    case ACT_START:
        return start(storm, act, error) ? STORM_OVER : STORM_BROKEN;
    case ACT_STOP:
        return stop(storm, act->nemesis, error) ? STORM_OVER : STORM_BROKEN;
    }
    abort();
}

/* Until then, with turns between. */
static enum storm_end wait_until(struct storm *storm, int64_t until_ms, struct error *error)
{
    while (clock_now_ms() < until_ms) {
        int64_t left_ms = until_ms - clock_now_ms();
        bool turns = storm->on_count > 0 && left_ms > NEMESIS_TURN_MS;
        if (interrupt_wait(turns ? NEMESIS_TURN_MS : left_ms > 1000 ? 1000 : left_ms)) {
            return STORM_INTERRUPTED;
        }
        if ((turns && !take_turns(storm, error)) || recorder_failed(storm->recorder, error)) {
            return STORM_BROKEN;
        }
        if (look_for_ended(storm, error) != STORM_OVER) {
            return STORM_NOT_HEALTHY;
        }
    }
    return interrupt_came() ? STORM_INTERRUPTED : STORM_OVER;
}

enum storm_end storm_run(struct storm *storm, const struct schedule *schedule, int64_t time_ms,
                         struct error *error)
{
    int64_t began_ms = clock_now_ms();
    int64_t late_ms = 0;
    struct error stop_error;
    enum storm_end end = STORM_OVER;
    for (uint32_t i = 0; end == STORM_OVER && i < schedule->count; i++) {
        const struct act *act = &schedule->acts[i];
        int64_t due_ms = act->at_ms + late_ms;
        if (due_ms > time_ms) {
            break;
        }
        end = wait_until(storm, began_ms + due_ms, error);
        if (end == STORM_OVER) {
            end = perform(storm, act, error);
        }
        int64_t behind_ms = clock_now_ms() - began_ms - due_ms;
        late_ms += behind_ms > 0 ? behind_ms : 0;
    }
    if (end == STORM_OVER) {
        end = wait_until(storm, began_ms + time_ms, error);
    }
    if (!stop_all(storm, &stop_error) && end != STORM_BROKEN) {
        *error = stop_error;
        end = STORM_BROKEN;
    }
    return end;
}
