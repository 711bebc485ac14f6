/*
 * core_test.c - one core alone, on a disk and a database in memory: what it does when the world
 * refuses. Whole clusters of cores are in tests/sim.
 */
#include "cmocka_test.h"

#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "core/log_queue.h"
#include "sim_files.h"
#include "sim_state.h"

struct stage {
    struct sim_disk *disk;
    struct file_system files;
    struct sim_state *state;
    struct core core;
    uint64_t now_ms;
    struct log_queue queue;
    bool refuse_writes;
    size_t sent;
    size_t ended;
    enum proposal_failure failure;
    bool applied;
};

static uint64_t monotonic_ms(void *context)
{
    return ((struct stage *)context)->now_ms;
}

static int64_t wall_ms(void *context)
{
    return 1700000000000 + (int64_t)((struct stage *)context)->now_ms;
}

static void send_message(void *context, uint64_t peer_id, const struct peer_message *message)
{
    (void)peer_id;
    (void)message;
    ((struct stage *)context)->sent++;
}

static bool write_log(void *context, uint64_t generation, uint64_t first_index,
                      struct entry *const *entries, size_t count, struct error *error)
{
    struct stage *stage = context;
    struct log_write write = log_write_make(generation, first_index, entries, count);
    if (stage->refuse_writes) {
        log_write_free(&write);
        return error_set(error, "no room");
    }
    return log_queue_push(&stage->queue, &write);
}

static bool open_state(void *context, const char *path, struct state_store *state, bool *is_foreign,
                       struct error *error)
{
    (void)path;
    (void)is_foreign;
    (void)error;
    sim_state_open(((struct stage *)context)->state, state);
    return true;
}

static bool run_in_pool(void *context, struct pool_work *work, struct error *error)
{
    (void)context;
    (void)work;
    return error_set(error, "the pool is closed");
}

static void role_changed(void *context)
{
    (void)context;
}

static void warn(void *context, const char *what, const char *words)
{
    (void)context;
    (void)what;
    (void)words;
}

static struct stage *stage_new(size_t member_count)
{
    static const struct replica_member members[] = {
        {1, REPLICA_VOTER, "m1:1"}, {2, REPLICA_VOTER, "m2:1"}, {3, REPLICA_VOTER, "m3:1"}};
    struct stage *stage = memory_zalloc(sizeof *stage);
    struct error error;
    stage->disk = sim_disk_new(1);
    stage->files = sim_disk_files(stage->disk);
    stage->state = sim_state_new();
    const struct core_env env = {
        .context = stage,
        .monotonic_ms = monotonic_ms,
        .wall_ms = wall_ms,
        .send = send_message,
        .write_log = write_log,
        .open_state = open_state,
        .run_in_pool = run_in_pool,
        .role_changed = role_changed,
        .warn = warn,
    };
    const struct core_config config = {
        .id = 1,
        .address = "m1:1",
        .members = members,
        .member_count = member_count,
        .data = "/data",
        .files = &stage->files,
        .log_segment_bytes = 65536,
        .new_incarnation = 7,
        .seed = 1,
    };
    assert_true(core_open(&stage->core, &config, &env, &error));
    return stage;
}

static void stage_free(struct stage *stage)
{
    struct error error;
    log_queue_clear(&stage->queue);
    core_close(&stage->core, &error);
    sim_state_free(stage->state);
    sim_disk_free(stage->disk);
    free(stage);
}

/* Everything that is queued becomes durable, and the core hears of it. */
static bool sync_log(struct stage *stage, struct error *error)
{
    struct log_run run = {0};
    bool ok = true;
    while (ok && log_queue_take(&stage->queue, &run)) {
        struct log_completion done[LIMIT_LOG_WRITES];
        assert_true(log_run_append(&run, stage->core.log, error));
        log_queue_complete(&stage->queue, &run);
        log_run_clear(&run);
        assert_int_equal(log_queue_take_done(&stage->queue, done), 1);
        ok = core_log_written(&stage->core, done[0].generation, done[0].last_index, error);
    }
    log_run_free(&run);
    return ok;
}

/* ---- a proposal ---- */

struct call {
    struct proposal proposal;
    struct stage *stage;
};

static void call_result(struct proposal *proposal, const struct ledger_result *result)
{
    (void)proposal;
    assert_int_equal(result->verdict, LEDGER_OK);
}

static void call_applied(struct proposal *proposal)
{
    struct call *call = (struct call *)proposal;
    call->stage->ended++;
    call->stage->applied = true;
}

static bool call_read(struct proposal *proposal, struct error *error)
{
    (void)error;
    call_applied(proposal);
    return true;
}

static void call_failed(struct proposal *proposal, enum proposal_failure failure)
{
    struct call *call = (struct call *)proposal;
    call->stage->ended++;
    call->stage->failure = failure;
}

static void propose_stock(struct stage *stage, struct call *call)
{
    static const struct proposal_ops ops = {call_result, call_applied, call_read, call_failed};
    const struct ledger_command command = {.kind = LEDGER_SET_STOCK,
                                           .request_id = BYTES_LITERAL("r"),
                                           .sku = BYTES_LITERAL("sku"),
                                           .quantity = 5};
    *call = (struct call){.proposal = {.ops = &ops, .command_count = 1, .line_count = 1},
                          .stage = stage};
    ledger_command_encode(&call->proposal.data, &command);
    assert_true(core_propose(&stage->core, &call->proposal));
}

static void a_lone_core_answers(void **state)
{
    (void)state;
    struct stage *stage = stage_new(1);
    struct error error = {""};
    struct call call;
    assert_true(core_start(&stage->core, &error));
    assert_true(sync_log(stage, &error));
    assert_true(core_leads(&stage->core));
    propose_stock(stage, &call);
    assert_true(core_flush(&stage->core, &error));
    assert_int_equal(stage->ended, 0); /* not before it is durable */
    assert_true(sync_log(stage, &error));
    assert_true(stage->applied);
    stage_free(stage);
}

/* Nothing is said or acknowledged behind a write that nobody takes. */
static void a_refused_write_ends_everything(void **state)
{
    (void)state;
    struct stage *stage = stage_new(1);
    struct error error = {""};
    struct call call;
    assert_true(core_start(&stage->core, &error));
    assert_true(sync_log(stage, &error));
    propose_stock(stage, &call);
    stage->refuse_writes = true;
    assert_false(core_flush(&stage->core, &error));
    assert_string_equal(error.text, "no room");
    assert_false(core_tick(&stage->core, &error));
    assert_int_equal(stage->ended, 0);
    assert_int_equal(stage->sent, 0);
    stage_free(stage); /* at the latest now it ends: its outcome is unknown */
}

static void a_core_without_its_first_entry_does_not_start(void **state)
{
    (void)state;
    struct stage *stage = stage_new(3);
    struct error error = {""};
    stage->refuse_writes = true;
    assert_false(core_start(&stage->core, &error));
    assert_string_equal(error.text, "no room");
    assert_int_equal(stage->sent, 0);
    stage_free(stage);
}

static void audit_ended(struct audit *audit)
{
    (void)audit;
}

static void an_audit_that_the_pool_refuses_leaves_nothing(void **state)
{
    (void)state;
    struct stage *stage = stage_new(1);
    struct error error = {""};
    struct audit audit;
    enum audit_refusal why;
    memset(&audit, 0xa5, sizeof audit);
    audit.ended = audit_ended;
    audit.at_index = 0;
    assert_true(core_start(&stage->core, &error));
    assert_false(audit_start(&audit, &stage->core, &why, &error));
    assert_int_equal(why, AUDIT_FAILED);
    assert_false(stage->core.is_auditing);
    assert_int_equal(stage->core.works, 0);
    stage_free(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lone_core_answers),
        cmocka_unit_test(a_refused_write_ends_everything),
        cmocka_unit_test(a_core_without_its_first_entry_does_not_start),
        cmocka_unit_test(an_audit_that_the_pool_refuses_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
