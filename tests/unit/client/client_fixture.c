#include "client_fixture.h"

#include <stdlib.h>

hf_client *client_open(const char *endpoints)
{
    hf_options options;
    hf_options_init(&options);
    options.endpoints = endpoints;
    hf_client *client = hf_client_open(&options);
    if (client == NULL) {
        fail_msg("%s", hf_last_error());
    }
    return client;
}

int client_setup(void **state)
{
    struct client_fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->nodes = fake_cluster_open();
    fixture->client = client_open(fake_cluster_address(fixture->nodes, 0));
    *state = fixture;
    return 0;
}

int client_teardown(void **state)
{
    struct client_fixture *fixture = *state;
    hf_client_close(fixture->client);
    fake_cluster_close(fixture->nodes);
    free(fixture);
    return 0;
}

void client_reopen(struct client_fixture *fixture, const char *endpoints)
{
    hf_client_close(fixture->client);
    fixture->client = client_open(endpoints);
}
