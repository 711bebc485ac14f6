/*
 * test_history.c - histories: events to operations and back, what can't be one, and the recorder.
 */
#include "../../lib/cmocka_test.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "random_history.h"
#include "recorder.h"
#include "text_history.h"

static void test_pairs(void **state)
{
    struct history *history = text_history(
        "{:type :invoke, :process 0, :f :reserve, :value {:order 'o', :lines [['A' 2]], :ttl-ms "
        "9}}\n"
        "{:type :info, :process :nemesis, :f :start-kill, :value ['n1']}\n"
        "{:type :invoke, :process 1, :f :read-stock, :value {:stocks ['A' ['A' 2]], :consistency "
        ":stale, :min-index 3}}\n"
        "{:type :ok, :process 0, :f :reserve, :value {:order 'o', :verdict :ok, :log-index 7, "
        ":log-position 2, :state :active}}\n"
        "{:type :info, :process 1, :f :read-stock, :value {}, :error 'timeout'}\n"
        "{:type :invoke, :process 2, :f :deduct, :value {:order 'o'}}\n");
    (void)state;
    assert_int_equal(history->operations.count, 3);
    const struct operation *reserve = &history->operations.items[0];
    assert_int_equal(reserve->outcome, OUTCOME_OK);
    assert_int_equal(reserve->invoked, 0);
    assert_int_equal(reserve->completed, 3);
    assert_int_equal(reserve->number, 9);
    assert_int_equal(reserve->log_index, 7);
    assert_int_equal(reserve->log_position, 2);
    assert_int_equal(reserve->state, HF_STATE_ACTIVE);
    assert_int_equal(operation_quantity(history, reserve), 2);
    const struct operation *read = &history->operations.items[1];
    assert_int_equal(read->outcome, OUTCOME_UNKNOWN);
    assert_true(read->stale);
    assert_int_equal(read->number, 3);
    assert_int_equal(read->asked_count, 2);
    assert_int_equal(history_stock_count(history), 2);
    assert_int_equal(history->operations.items[2].completed, HISTORY_NEVER);
    assert_int_equal(history->operations.items[2].outcome, OUTCOME_UNKNOWN);
    assert_int_equal(history->faults.count, 1);
    history_free(history);
}

static void refuse(const char *text, const char *why)
{
    struct error error = {.text = ""};
    struct history *history = history_parse(bytes_of_string(text), "bad.edn", &error);
    assert_null(history);
    assert_non_null(strstr(error.text, "bad.edn, line "));
    if (strstr(error.text, why) == NULL) {
        fail_msg("%s", error.text);
    }
}

#define INVOKE "{:type :invoke, :process 0, :f :deduct, :value {:order \"o\"}, :time 1}\n"

static void test_impossible(void **state)
{
    (void)state;
    refuse(INVOKE INVOKE, "while it waits");
    refuse("{:type :info, :process 0, :f :deduct, :value {:order \"o\"}, :time 1}\n",
           "has not invoked");
    refuse(INVOKE "{:type :info, :process 0, :f :release, :value {:order \"o\"}, :time 2}\n",
           "but has invoked");
    refuse(INVOKE "{:type :info, :process 0, :f :deduct, :value {:order \"o\"}, :time 2}\n" INVOKE,
           "time runs back");
    refuse(INVOKE "{:type :info, :process 0, :f :deduct, :value {:order \"o\"}, :time 1}\n" INVOKE,
           "after an info");
    refuse("words\n", "no map");
}

static void test_torn(void **state)
{
    static const char text[] = INVOKE "{:type :info, :process 0, :f :ded";
    struct error error;
    struct history *history = history_parse(bytes_of_string(text), "torn", &error);
    (void)state;
    assert_non_null(history);
    assert_true(history->torn);
    assert_int_equal(history->operations.count, 1);
    history_free(history);
}

/* What is read is written again as it was, byte for byte. */
static void test_round_trip(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct random_shape shape = random_shape_of(seed, 300);
        struct buffer text = {0};
        struct buffer again = {0};
        struct error error;
        random_history_text(&text, &shape);
        struct history *history = history_parse(buffer_bytes(&text), "random", &error);
        assert_non_null(history);
        history_write(&again, history);
        assert_int_equal(text.len, again.len);
        assert_memory_equal(text.data, again.data, text.len);
        history_free(history);
        buffer_free(&text);
        buffer_free(&again);
    }
}

/* ---- the recorder ---- */

#define THREADS 4
#define ROUNDS  500

struct writer {
    struct recorder *recorder;
    uint32_t number;
};

static void *record(void *context)
{
    struct writer *writer = context;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct event event = {.type = EVENT_INVOKE,
                              .function = FUNCTION_RELEASE,
                              .process = writer->number,
                              .order = BYTES_LITERAL("o\"\\\n\xc3\xa4")};
        recorder_add(writer->recorder, event);
        event.type = EVENT_OK;
        event.verdict = HF_OK;
        event.log_index = 1;
        recorder_add(writer->recorder, event);
    }
    return NULL;
}

static void test_recorder(void **state)
{
    char directory[] = "/tmp/holdfast-recorder-XXXXXX";
    char path[64];
    struct error error = {.text = ""};
    struct writer writers[THREADS];
    pthread_t threads[THREADS];
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/history.edn", directory);
    struct recorder *recorder = recorder_open(path, &error);
    assert_non_null(recorder);
    assert_null(recorder_open(path, &error)); /* never over another run's */
    for (uint32_t i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){recorder, i};
        assert_int_equal(pthread_create(&threads[i], NULL, record, &writers[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_false(recorder_failed(recorder, &error));
    assert_true(recorder_flush(recorder));
    struct history *early = history_load(path, &error); /* as if the run had died here */
    assert_non_null(early);
    assert_int_equal(early->operations.count, THREADS * ROUNDS);
    assert_true(bytes_equal(names_text(&early->texts, early->operations.items[0].order),
                            BYTES_LITERAL("o\"\\\n\xc3\xa4")));
    history_free(early);
    assert_true(recorder_close(recorder, &error));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
    assert_null(history_load(path, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),    cmocka_unit_test(test_impossible),
        cmocka_unit_test(test_torn),     cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_recorder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
