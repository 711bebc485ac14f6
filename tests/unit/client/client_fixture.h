/*
 * client_fixture.h - the library as programs use it, against fake nodes on real sockets.
 */
#ifndef TESTS_CLIENT_CLIENT_FIXTURE_H
#define TESTS_CLIENT_CLIENT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_cluster.h"
#include "holdfast/holdfast.h"

struct client_fixture {
    struct fake_cluster *nodes;
    hf_client *client; /* of node 0 only, unless a test opens another */
};

hf_client *client_open(const char *endpoints);
int client_setup(void **state);
int client_teardown(void **state);
void client_reopen(struct client_fixture *fixture, const char *endpoints);

#define TEST(name) cmocka_unit_test_setup_teardown(name, client_setup, client_teardown)

#endif
