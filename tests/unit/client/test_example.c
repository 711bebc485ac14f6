/*
 * test_example.c - the example program does what its comments say, against nodes that grant,
 * refuse, or are not there. Its path is the only argument.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "fake_cluster.h"
#include "holdfast/holdfast.h"

static const char *program;
static char output[4096];

static int setup(void **state)
{
    *state = fake_cluster_open();
    return 0;
}

static int teardown(void **state)
{
    fake_cluster_close(*state);
    return 0;
}

/* Runs it with its arguments; its exit code, with what it said in `output`. */
static int run(const char *arguments)
{
    char command[512];
    snprintf(command, sizeof(command), "'%s' %s 2>&1", program, arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t len = fread(output, 1, sizeof(output) - 1, pipe);
    output[len] = '\0';
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int run_order(struct fake_cluster *nodes)
{
    char arguments[256];
    snprintf(arguments, sizeof(arguments), "%s order-17", fake_cluster_endpoints(nodes));
    return run(arguments);
}

static void assert_says(const char *text)
{
    if (strstr(output, text) == NULL) {
        fail_msg("\"%s\" is not in: %s", text, output);
    }
}

static void an_order_is_sold(void **state)
{
    assert_int_equal(run_order(*state), 0);
    assert_says("order-17: held\norder-17: paid\norder-17: sold\nmug: 7 on hand");
    assert_says("plate: 7 on hand");
    assert_int_equal(fake_cluster_count(*state), 6);
}

static void a_stock_that_exists_is_fine(void **state)
{
    for (int node = 0; node < FAKE_NODES; node++) { /* wherever the client begins, it stays */
        fake_cluster_next(*state, node, (struct fake_step){.verdict = HF_ALREADY_EXISTS});
        fake_cluster_next(*state, node, (struct fake_step){.verdict = HF_ALREADY_EXISTS});
    }
    assert_int_equal(run_order(*state), 0);
    assert_says("order-17: sold");
}

static void a_refusal_is_told(void **state)
{
    for (int node = 0; node < FAKE_NODES; node++) {
        fake_cluster_next(*state, node, (struct fake_step){.verdict = HF_OK});
        fake_cluster_next(*state, node, (struct fake_step){.verdict = HF_OK});
        fake_cluster_next(*state, node, (struct fake_step){.verdict = HF_INSUFFICIENT_STOCK});
    }
    assert_int_equal(run_order(*state), 1);
    assert_says("not held: as the script says");
    assert_says("INSUFFICIENT_STOCK: not enough stock is available");
    assert_int_equal(fake_cluster_count(*state), 3);
}

static void wrong_use_is_told(void **state)
{
    (void)state;
    assert_int_equal(run(""), 2);
    assert_says("usage: ");
    assert_int_equal(run("nonsense order-17"), 2);
    assert_says("nonsense");
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s PROGRAM\n", argv[0]);
        return 2;
    }
    program = argv[1];
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_order_is_sold),
        TEST(a_stock_that_exists_is_fine),
        TEST(a_refusal_is_told),
        TEST(wrong_use_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
