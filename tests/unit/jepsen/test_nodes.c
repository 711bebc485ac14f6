/*
 * test_nodes.c - three nodes of holdfastd on a network and disks of their own: they start, serve
 * and stop, and each thing that nemeses do with them does what it says.
 *
 * HOLDFASTD, DISK_FAULTS_LIBRARY and FAKETIME_LIBRARY name what is run.
 */
#include "../../lib/cmocka_test.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"
#include "nodes.h"
#include "sandbox.h"

#define HOSTS       10
#define PATIENCE_MS 60000
#define DISK_BYTES  ((uint64_t)256 << 20)

static char directory[64];
static struct network *network;
static struct nodes *nodes;
static struct error error;

#define must(call) must_be((call), #call)

static void must_be(bool ok, const char *call)
{
    if (!ok) {
        fail_msg("%s: %s", call, error.text);
    }
}

static int open_nodes(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/test_nodes.XXXXXX");
    assert_non_null(mkdtemp(directory));
    network = network_open(HOSTS, 7, &error);
    must(network != NULL);
    const struct nodes_options options = {
        .network = network,
        .count = 3,
        .directory = directory,
        .program = getenv("HOLDFASTD"),
        .election_timeout_ms = 500,
        .disk_bytes = DISK_BYTES,
        .disk_faults_library = getenv("DISK_FAULTS_LIBRARY"),
        .faketime_library = getenv("FAKETIME_LIBRARY"),
    };
    nodes = nodes_open(&options, &error);
    must(nodes != NULL);
    for (uint32_t id = 1; id <= 3; id++) {
        must(nodes_start(nodes, id, &error));
    }
    must(nodes_wait_healthy(nodes, PATIENCE_MS, &error));
    return 0;
}

static int remove_directory(void)
{
    const char *const command[] = {"rm", "-rf", "--", directory, NULL};
    return disk_run_program(command, &error) ? 0 : -1;
}

static int close_nodes(void **state)
{
    (void)state;
    nodes_close(nodes, false);
    network_close(network);
    return remove_directory();
}

static void set_stock(int64_t count)
{
    hf_client *client = nodes_operator(nodes, &error);
    must(client != NULL);
    hf_command command = {.kind = HF_SET_STOCK, .sku = "A", .quantity = count};
    hf_result *result;
    if (hf_call(client, &command, NULL, &result) != HF_OK) {
        fail_msg("%s", result->message);
    }
    hf_free(result);
}

static hf_status *status_of(uint32_t id)
{
    hf_status *status;
    const hf_call_options options = {.timeout_ms = PATIENCE_MS};
    hf_verdict verdict =
        hf_get_status(nodes_operator(nodes, &error), nodes_endpoint(nodes, id), &options, &status);
    if (verdict != HF_OK) {
        fail_msg("%s", status->message);
    }
    return status;
}

static uint32_t follower(void)
{
    uint32_t leader = nodes_leader(nodes);
    assert_true(leader >= 1 && leader <= 3);
    return leader % 3 + 1;
}

static bool log_has(uint32_t id, const char *words)
{
    static char text[1 << 20];
    FILE *file = fopen(nodes_log(nodes, id), "re");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return strstr(text, words) != NULL;
}

static void test_they_serve(void **state)
{
    (void)state;
    set_stock(10);
    assert_string_equal(nodes_endpoints(nodes), "10.77.0.3:7070,10.77.0.2:7070,10.77.0.1:7070");
    for (uint32_t id = 1; id <= 3; id++) {
        assert_int_equal(nodes_life(nodes, id), NODE_RUNNING);
        must(nodes_terminate(nodes, id, &error));
        assert_int_equal(nodes_life(nodes, id), NODE_DOWN);
        assert_int_equal(nodes_exit_status(nodes, id), 0);
    }
    assert_int_equal(nodes_leader(nodes), 0);
    for (uint32_t id = 1; id <= 3; id++) {
        must(nodes_start(nodes, id, &error));
    }
    must(nodes_wait_healthy(nodes, PATIENCE_MS, &error));
    set_stock(11);
}

static void test_kill_and_pause(void **state)
{
    (void)state;
    uint32_t killed = nodes_leader(nodes);
    must(nodes_kill(nodes, killed, &error));
    assert_int_equal(nodes_exit_status(nodes, killed), 128 + 9);
    assert_false(log_has(killed, "SIGKILL")); /* it was us */
    assert_false(nodes_ended_by_itself(nodes, killed));
    set_stock(12);
    assert_false(nodes_wait_healthy(nodes, 10, &error));
    must(nodes_start(nodes, killed, &error));
    must(nodes_wait_healthy(nodes, PATIENCE_MS, &error));
    uint32_t paused = nodes_leader(nodes);
    must(nodes_pause(nodes, paused, &error));
    assert_false(nodes_pause(nodes, paused, &error));
    set_stock(13);
    must(nodes_resume(nodes, paused, &error));
    must(nodes_wait_healthy(nodes, PATIENCE_MS, &error));
    must(nodes_pause(nodes, paused, &error));
    must(nodes_terminate(nodes, paused, &error));
    assert_int_equal(nodes_exit_status(nodes, paused), 0);
}

static void write_unsynced(uint32_t id, char *path, size_t room)
{
    snprintf(path, room, "%s/n%u/unsynced", directory, id);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "lost", 4), 4);
    (void)close(fd);
}

static void test_power_cut(void **state)
{
    char path[128];
    struct stat found;
    (void)state;
    set_stock(20);
    uint32_t id = nodes_leader(nodes);
    write_unsynced(id, path, sizeof path);
    must(nodes_cut_power(nodes, id, &error));
    assert_true(stat(path, &found) != 0 || found.st_size == 0);
    assert_int_equal(nodes_life(nodes, id), NODE_DOWN);
    must(nodes_start(nodes, id, &error));
    must(nodes_wait_healthy(nodes, PATIENCE_MS, &error));
    must(nodes_cut_power_of(nodes, (uint32_t[]){1, 2, 3}, 3, &error));
    for (id = 1; id <= 3; id++) {
        must(nodes_start(nodes, id, &error));
    }
    must(nodes_wait_healthy(nodes, PATIENCE_MS, &error));
    hf_stock_list *stocks;
    assert_int_equal(hf_get_stock(nodes_operator(nodes, &error), "A", 1, NULL, &stocks), HF_OK);
    assert_int_equal(stocks->items[0].stock.on_hand, 20);
    hf_free(stocks);
}

static void test_disk_faults(void **state)
{
    (void)state;
    uint32_t id = follower();
    must(nodes_set_disk_faults(nodes, id, "sync /log/ EIO\n", &error));
    set_stock(30);
    must(nodes_wait_end(nodes, id, PATIENCE_MS, &error));
    assert_int_equal(nodes_exit_status(nodes, id), 1);
    assert_true(log_has(id, "ended by itself, with status 1"));
    assert_true(nodes_ended_by_itself(nodes, id));
    must(nodes_set_disk_faults(nodes, id, NULL, &error));
    must(nodes_start(nodes, id, &error));
    must(nodes_wait_healthy(nodes, PATIENCE_MS, &error));
}

/* What the others see of its clock. */
static int64_t offset_of(uint32_t id)
{
    int64_t offset_ms = 0;
    hf_status *status = status_of(id % 3 + 1);
    for (size_t i = 0; i < status->member_count; i++) {
        if (status->members[i].node_id == id && status->members[i].clock_is_known) {
            offset_ms = status->members[i].clock_offset_ms;
        }
    }
    hf_free(status);
    return offset_ms;
}

static void wait_offset(uint32_t id, int64_t low_ms, int64_t high_ms)
{
    int64_t offset_ms = 0;
    for (int left = PATIENCE_MS / 50; left > 0; left--) {
        offset_ms = offset_of(id);
        if (offset_ms >= low_ms && offset_ms <= high_ms) {
            return;
        }
        (void)poll(NULL, 0, 50);
    }
    fail_msg("node %u's clock is %lld ms ahead", id, (long long)offset_ms);
}

static void test_clock(void **state)
{
    (void)state;
    uint32_t id = follower();
    must(nodes_set_clock(nodes, id, "+20", &error));
    wait_offset(id, 19000, 21000);
    must(nodes_set_clock(nodes, id, "-20", &error));
    wait_offset(id, -21000, -19000);
    must(nodes_set_clock(nodes, id, "", &error));
    wait_offset(id, -1000, 1000);
    must(nodes_set_clock(nodes, id, "+0 x1.5", &error));
    wait_offset(id, 2000, INT64_MAX);
    wait_offset(id, offset_of(id) + 1000, INT64_MAX); /* it runs fast, and does not stand apart */
    must(nodes_set_clock(nodes, id, "", &error));
    wait_offset(id, -1000, 1000);
    set_stock(40);
    assert_int_equal(nodes_life(nodes, id), NODE_RUNNING);
}

static void expect_changed(hf_verdict verdict, hf_membership *membership)
{
    if (verdict != HF_OK) {
        fail_msg("%s", membership->message);
    }
    hf_free(membership);
}

static void test_replace(void **state)
{
    hf_membership *membership;
    hf_verdict verdict;
    int tries = 0;
    (void)state;
    const hf_call_options options = {.timeout_ms = PATIENCE_MS};
    uint32_t old = follower();
    must(nodes_wipe(nodes, old, &error));
    assert_int_equal(nodes_life(nodes, old), NODE_GONE);
    assert_false(nodes_start(nodes, old, &error));
    hf_client *client = nodes_operator(nodes, &error);
    verdict = hf_remove_server(client, old, &options, &membership);
    expect_changed(verdict, membership);
    uint32_t id = nodes_add(nodes, &error);
    must(id == 4);
    client = nodes_operator(nodes, &error);
    verdict = hf_add_server(client, id, nodes_peer_address(nodes, id), &options, &membership);
    expect_changed(verdict, membership);
    must(nodes_start(nodes, id, &error));
    /* Refused until it has been heard from and has caught up. */
    while ((verdict = hf_promote_server(client, id, &options, &membership)) == HF_REFUSED) {
        hf_free(membership);
        assert_true(tries++ < PATIENCE_MS / 50);
        (void)poll(NULL, 0, 50);
    }
    expect_changed(verdict, membership);
    must(nodes_wait_healthy(nodes, PATIENCE_MS, &error));
    assert_null(strstr(nodes_endpoints(nodes), nodes_endpoint(nodes, old)));
    while (nodes_last(nodes) < nodes_most(nodes)) {
        must(nodes_add(nodes, &error) != 0);
    }
    assert_int_equal(nodes_add(nodes, &error), 0);
}

/* The contents of disks outlive them, where they are asked for. */
static void test_keep_data(void **state)
{
    char path[128];
    struct stat found;
    assert_int_equal(open_nodes(state), 0);
    nodes_close(nodes, true);
    network_close(network);
    for (uint32_t id = 1; id <= 3; id++) {
        snprintf(path, sizeof path, "%s/n%u/data", directory, id);
        assert_int_equal(stat(path, &found), 0);
        assert_true(S_ISDIR(found.st_mode));
    }
    assert_int_equal(remove_directory(), 0);
}

static void write_empty(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    (void)close(fd);
}

/* One node, without a disk of its own, that is a program of the shell. */
static void open_script(const char *text, uint32_t end_timeout_ms)
{
    char path[128];
    strcpy(directory, "/tmp/test_nodes.XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/script", directory);
    FILE *program = fopen(path, "we");
    assert_non_null(program);
    fprintf(program, "#!/bin/sh\nulimit -c 0\n%s", text);
    fclose(program);
    assert_int_equal(chmod(path, 0755), 0);
    network = network_open(2, 7, &error);
    must(network != NULL);
    nodes = nodes_open(&(struct nodes_options){.network = network,
                                               .count = 1,
                                               .directory = directory,
                                               .program = path,
                                               .end_timeout_ms = end_timeout_ms},
                       &error);
    must(nodes != NULL);
}

static void wait_for_words(const char *words)
{
    for (int left = PATIENCE_MS / 50; left > 0 && !log_has(1, words); left--) {
        (void)poll(NULL, 0, 50);
    }
}

/* Who crashes without a word has one in its log all the same: check_logs looks for it. */
static void test_crash(void **state)
{
    char path[128];
    (void)state;
    open_script("trap 'kill -SEGV $$' TERM\necho here\n"
                "[ -e stays ] || kill -SEGV $$\nwhile :; do sleep 0.1; done\n",
                0);
    assert_false(nodes_cut_power(nodes, 1, &error)); /* it has no disk of its own */
    must(nodes_start(nodes, 1, &error));
    must(nodes_wait_end(nodes, 1, PATIENCE_MS, &error));
    assert_int_equal(nodes_exit_status(nodes, 1), 128 + 11);
    assert_true(log_has(1, "here\n(the node was ended by a signal: SIGSEGV)\n"));
    assert_true(nodes_ended_by_itself(nodes, 1));
    /* also while it is told to end */
    snprintf(path, sizeof path, "%s/stays", directory);
    write_empty(path);
    must(nodes_start(nodes, 1, &error));
    wait_for_words("SIGSEGV)\nhere\n");
    must(nodes_terminate(nodes, 1, &error));
    assert_true(log_has(1, "SIGSEGV)\nhere\n(the node was ended by a signal: SIGSEGV)\n"));
    assert_false(nodes_ended_by_itself(nodes, 1));
    assert_int_equal(close_nodes(state), 0);
}

/* So has one that does not end when it is told to: that is no failure of the testbed. */
static void test_does_not_end(void **state)
{
    open_script("trap '' TERM\necho here\nwhile :; do sleep 0.1; done\n", 200);
    must(nodes_start(nodes, 1, &error));
    wait_for_words("here\n");
    must(nodes_terminate(nodes, 1, &error));
    assert_int_equal(nodes_life(nodes, 1), NODE_DOWN);
    assert_int_equal(nodes_exit_status(nodes, 1), 128 + 6);
    assert_false(nodes_ended_by_itself(nodes, 1));
    assert_true(log_has(1, "here\n(the node had not ended 200 ms after SIGTERM: SIGABRT)\n"
                           "(the node was ended by a signal: SIGABRT)\n"));
    assert_int_equal(close_nodes(state), 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_nodes, close_nodes)

int main(void)
{
    if (!sandbox_enter(&error)) {
        printf("1..0 # SKIP %s\n", error.text);
        return geteuid() == 0;
    }
    const struct CMUnitTest tests[] = {
        CASE(test_they_serve),
        CASE(test_kill_and_pause),
        CASE(test_power_cut),
        CASE(test_disk_faults),
        CASE(test_clock),
        CASE(test_replace),
        cmocka_unit_test(test_keep_data),
        cmocka_unit_test(test_crash),
        cmocka_unit_test(test_does_not_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
