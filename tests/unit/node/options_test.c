/* Options: flags before the environment before the file; everything wrong is named. */
#include "cmocka_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"

#define MOST_ARGUMENTS 16

static enum options_outcome run(struct node_options *options, struct error *error,
                                const char *const *flags)
{
    char *argv[MOST_ARGUMENTS] = {(char *)(uintptr_t) "holdfastd"};
    int argc = 1;
    for (; flags[argc - 1] != NULL; argc++) {
        argv[argc] = (char *)(uintptr_t)flags[argc - 1];
    }
    error->text[0] = '\0';
    return options_read(options, argc, argv, error);
}

#define RUN(options, error, ...) run((options), (error), (const char *const[]){__VA_ARGS__, NULL})
#define GOOD                     "--id", "2", "--data", "/d", "--initial-cluster", "1=127.0.0.1:1,2=[::1]:2,3=host-3:3"

static void test_defaults(void **state)
{
    (void)state;
    struct node_options options;
    struct error error;
    assert_int_equal(RUN(&options, &error, GOOD), OPTIONS_RUN);
    assert_int_equal(options.id, 2);
    assert_string_equal(options.client_address, "127.0.0.1:7070");
    assert_string_equal(options.advertise_client, "127.0.0.1:7070");
    assert_string_equal(options.peer_address, "[::1]:2");
    assert_int_equal(options.member_count, 3);
    assert_string_equal(options.members[2].address, "host-3:3");
    assert_int_equal(options.election_timeout_ms, 300);
    assert_int_equal(options.heartbeat_ms, 75);
    assert_int_equal(options.snapshot_log_entries, 200000);
    assert_int_equal(options.snapshot_log_bytes, 256 << 20);
    assert_int_equal(options.held_log_bytes, 1 << 30);
    assert_int_equal(options.log_segment_bytes, 64 << 20);
    assert_int_equal(options.snapshot_rate_bytes, 64 << 20);
    assert_int_equal(options.disk_reserve_bytes, DISK_RESERVE_BYTES);
    options_free(&options);
}

static void test_precedence(void **state)
{
    (void)state;
    char path[] = "/tmp/holdfast-options-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    static const char text[] = "# a node\nid = 1\n data=/from-file  # here\nlog-level = debug\n"
                               "initial-cluster = 1=a:1,2=b:2,3=c:3\nelection-timeout-ms = 400\n";
    assert_int_equal(write(file, text, sizeof text - 1), sizeof text - 1);
    close(file);
    setenv("HOLDFAST_DATA", "/from-environment", 1);
    setenv("HOLDFAST_ELECTION_TIMEOUT_MS", "500", 1);
    struct node_options options;
    struct error error;
    assert_int_equal(RUN(&options, &error, "--config", path, "--election-timeout-ms=600"),
                     OPTIONS_RUN);
    assert_string_equal(options.data, "/from-environment");
    assert_int_equal(options.election_timeout_ms, 600);
    assert_int_equal(options.log_level, LOG_DEBUG);
    assert_int_equal(options.id, 1);
    options_free(&options);
    unsetenv("HOLDFAST_DATA");
    unsetenv("HOLDFAST_ELECTION_TIMEOUT_MS");
    unlink(path);
}

static void refused(const char *words, const char *const *flags)
{
    struct node_options options;
    struct error error;
    assert_int_equal(run(&options, &error, flags), OPTIONS_REFUSED);
    if (strstr(error.text, words) == NULL) {
        fail_msg("'%s' does not say '%s'", error.text, words);
    }
    options_free(&options);
}

#define REFUSED(words, ...) refused((words), (const char *const[]){__VA_ARGS__, NULL})

static void test_refusals(void **state)
{
    (void)state;
    REFUSED("--data is needed", "--id", "1");
    REFUSED("--id is needed with --initial-cluster", "--data", "/d", "--initial-cluster", "1=a:1");
    REFUSED("not the id of a cluster", "--data", "/d", "--cluster-id", "12ab");
    REFUSED("not the id of a cluster", "--data", "/d", "--cluster-id", "0000000000000000");
    REFUSED("not the id of a cluster", "--data", "/d", "--cluster-id", "-000000000000001");
    REFUSED("--peer-address: 0.0.0.0:1 is nowhere", "--data", "/d", "--peer-address", "0.0.0.0:1");
    REFUSED("unknown option --speed", GOOD, "--speed", "9");
    REFUSED("--heartbeat-ms needs a value", GOOD, "--heartbeat-ms");
    REFUSED("unexpected argument 'x'", GOOD, "x");
    REFUSED("given twice", GOOD, "--id", "3");
    REFUSED("not a number", GOOD, "--election-timeout-ms", "-5");
    REFUSED("not a number", GOOD, "--election-timeout-ms", "5 s");
    REFUSED("at most a quarter", GOOD, "--heartbeat-ms", "76");
    REFUSED("not a number from 1 to 1000000", GOOD, "--snapshot-log-entries", "0");
    REFUSED("not a number from 65536", GOOD, "--snapshot-log-bytes", "65535");
    REFUSED("not a number from 65536 to 268435456", GOOD, "--log-segment-bytes", "1G");
    REFUSED("must be at least --snapshot-log-bytes 268435456", GOOD, "--held-log-bytes", "65536");
    REFUSED("is too slow: at least 1048576", GOOD, "--snapshot-rate", "1048575");
    REFUSED("--disk-reserve: '1G' is not a number", GOOD, "--disk-reserve", "1G");
    REFUSED("is not debug", GOOD, "--log-level", "loud");
    REFUSED("--client-address", GOOD, "--client-address", "nowhere");
    REFUSED("--advertise-peer", GOOD, "--advertise-peer", "10.0.0.1:5");
    REFUSED("empty path", "--id", "1", "--data", "", "--initial-cluster", "1=a:1");
    REFUSED("does not stand in it", "--id", "4", "--data", "/d", "--initial-cluster",
            "1=a:1,2=b:2");
    REFUSED("second time", "--id", "1", "--data", "/d", "--initial-cluster", "1=a:1,1=b:2");
    REFUSED("second time", "--id", "1", "--data", "/d", "--initial-cluster", "1=a:1,2=a:1");
    REFUSED("is not ID=HOST:PORT", "--id", "1", "--data", "/d", "--initial-cluster", "1:a:1");
    REFUSED("is not ID=HOST:PORT", "--id", "1", "--data", "/d", "--initial-cluster",
            "1=a:1,,2=b:2");
    REFUSED("is not ID=HOST:PORT", "--id", "1", "--data", "/d", "--initial-cluster", "0=a:1");
    REFUSED("more than", "--id", "1", "--data", "/d", "--initial-cluster",
            "1=a:1,2=a:2,3=a:3,4=a:4,5=a:5,6=a:6,7=a:7,8=a:8,9=a:9,10=a:10");
    REFUSED("can't read the configuration file", "--config", "/does/not/exist");
    REFUSED("--advertise-client: 0.0.0.0:7070 is nowhere", GOOD, "--client-address",
            "0.0.0.0:7070");
    REFUSED("--advertise-client: [::]:7070 is nowhere", GOOD, "--advertise-client", "[::]:7070");
    REFUSED("node 1: 0.0.0.0:1 is nowhere", "--id", "1", "--data", "/d", "--initial-cluster",
            "1=0.0.0.0:1");
}

static void test_what_the_directory_knows_may_be_left_out(void **state)
{
    (void)state;
    struct node_options options;
    struct error error;
    const char *const bare[] = {"--data", "/d", NULL};
    assert_int_equal(run(&options, &error, bare), OPTIONS_RUN);
    assert_int_equal(options.id, 0);
    assert_int_equal(options.cluster_id, 0);
    assert_int_equal(options.member_count, 0);
    assert_null(options.peer_address);
    assert_null(options.advertise_peer);
    options_free(&options);

    const char *const joins[] = {
        "--data",         "/d",      "--id", "4", "--cluster-id", "00c0ffee00c0ffee",
        "--peer-address", "n4:7071", NULL};
    assert_int_equal(run(&options, &error, joins), OPTIONS_RUN);
    assert_int_equal(options.id, 4);
    assert_true(options.cluster_id == UINT64_C(0xc0ffee00c0ffee));
    assert_string_equal(options.peer_address, "n4:7071");
    assert_string_equal(options.advertise_peer, "n4:7071");
    options_free(&options);

    const char *const behind[] = {
        "--data", "/d", "--peer-address", "0.0.0.0:7071", "--advertise-peer", "n4:7071", NULL};
    assert_int_equal(run(&options, &error, behind), OPTIONS_RUN);
    assert_string_equal(options.peer_address, "0.0.0.0:7071");
    assert_string_equal(options.advertise_peer, "n4:7071");
    options_free(&options);
}

static bool doubted(const char *const *flags)
{
    struct node_options options;
    struct error error;
    struct error doubt;
    assert_int_equal(run(&options, &error, flags), OPTIONS_RUN);
    bool found = options_doubt(&options, &doubt);
    options_free(&options);
    return found;
}

#define DOUBTED(...) doubted((const char *const[]){__VA_ARGS__, NULL})

static void test_an_address_that_leads_others_to_themselves_is_doubted(void **state)
{
    (void)state;
    const char *here = "1=127.0.0.1:1,2=127.0.0.1:2";
    const char *apart = "1=10.0.0.1:1,2=10.0.0.2:1";
    assert_true(DOUBTED("--id", "1", "--data", "/d", "--initial-cluster", apart));
    assert_true(DOUBTED("--id", "1", "--data", "/d", "--initial-cluster", apart,
                        "--advertise-client", "localhost:7070"));
    assert_false(DOUBTED("--id", "1", "--data", "/d", "--initial-cluster", here));
    assert_false(DOUBTED("--id", "1", "--data", "/d", "--initial-cluster", "1=10.0.0.1:1"));
    assert_false(DOUBTED("--id", "1", "--data", "/d", "--initial-cluster", apart,
                         "--client-address", "0.0.0.0:7070", "--advertise-client",
                         "10.0.0.1:7070"));
}

static void test_snapshots(void **state)
{
    (void)state;
    struct node_options options;
    struct error error;
    assert_int_equal(RUN(&options, &error, GOOD, "--snapshot-log-entries=7",
                         "--snapshot-log-bytes=65536", "--held-log-bytes=65536",
                         "--log-segment-bytes=131072", "--snapshot-rate=0"),
                     OPTIONS_RUN);
    assert_int_equal(options.snapshot_log_entries, 7);
    assert_int_equal(options.snapshot_log_bytes, 65536);
    assert_int_equal(options.held_log_bytes, 65536);
    assert_int_equal(options.log_segment_bytes, 131072);
    assert_int_equal(options.snapshot_rate_bytes, 0);
    options_free(&options);
}

static void test_help_and_version_come_first(void **state)
{
    (void)state;
    struct node_options options;
    struct error error;
    assert_int_equal(RUN(&options, &error, "--help"), OPTIONS_HELP);
    assert_int_equal(RUN(&options, &error, "--version"), OPTIONS_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_what_the_directory_knows_may_be_left_out),
        cmocka_unit_test(test_an_address_that_leads_others_to_themselves_is_doubted),
        cmocka_unit_test(test_snapshots),
        cmocka_unit_test(test_help_and_version_come_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
