/*
 * Hellos: who belongs together, and what the others are told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "hello.h"

static const struct hello ours = {
    .protocol_version = 1, .cluster_id = 0xc1, .node_id = 1, .incarnation = 11};

static struct hello friend(void)
{
    return (struct hello){.protocol_version = 1,
                          .cluster_id = 0xc1,
                          .node_id = 2,
                          .to_node_id = 1,
                          .incarnation = 22,
                          .client_address = "stock-2:8000"};
}

static void refused(const struct hello *hello, const char *says)
{
    struct error why = {{0}};
    assert_false(hello_check(&ours, hello, &why));
    if (strstr(why.text, says) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", why.text, says);
    }
}

static void a_member_is_accepted(void **state)
{
    (void)state;
    struct error why;
    struct hello hello = friend();
    assert_true(hello_check(&ours, &hello, &why));
    hello.client_address[0] = '\0';
    assert_true(hello_check(&ours, &hello, &why));
}

static void each_difference_is_named(void **state)
{
    (void)state;
    struct hello hello = friend();
    hello.protocol_version = 2;
    refused(&hello, "node 2 speaks peer protocol 2, node 1 speaks 1");
    hello = friend();
    hello.cluster_id = 0xc2;
    refused(&hello,
            "node 2 belongs to cluster 00000000000000c2, node 1 to cluster 00000000000000c1: check "
            "--initial-cluster or --cluster-id");
    hello = friend();
    hello.node_id = 1;
    refused(&hello, "the same id");
    hello = friend();
    hello.to_node_id = 3;
    refused(&hello, "node 2 means node 3, but its address leads to node 1");
    hello = friend();
    strcpy(hello.client_address, "stock-2");
    refused(&hello, "client address nobody can use");
}

/* A release that speaks another protocol may mean other things by the other fields. */
static void the_protocol_is_looked_at_first(void **state)
{
    (void)state;
    struct hello hello = {.protocol_version = 9, .client_address = "?"};
    refused(&hello, "protocol 9");
}

static void older_is_what_the_same_session_said_before(void **state)
{
    (void)state;
    struct hello hello = friend();
    hello.session = 5;
    hello.connection = 7;
    assert_true(hello_is_older(&hello, 5, 8));
    assert_true(hello_is_older(&hello, 5, 7)); /* a copy of it */
    assert_false(hello_is_older(&hello, 5, 6));
    assert_false(hello_is_older(&hello, 4, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_is_accepted),
        cmocka_unit_test(each_difference_is_named),
        cmocka_unit_test(the_protocol_is_looked_at_first),
        cmocka_unit_test(older_is_what_the_same_session_said_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
