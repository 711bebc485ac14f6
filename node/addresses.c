/*
 * addresses.c - binds to both addresses as the servers will, and lets go again. Nothing listens
 * meanwhile: no client takes it for a node. That is why the system does not mind one address held
 * twice, and the two are compared.
 */
#include "addresses.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"

/* The socket, or -1. What bind can't tell (no socket to be had) is left to the start. */
static int hold(const struct addrinfo *place, int *reason)
{
    int one = 1;
    int fd = socket(place->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        *reason = errno;
        return -1;
    }
    /* As libuv does: a port that was in use a moment ago is free. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, place->ai_addr, place->ai_addrlen) != 0) {
        *reason = errno;
        close(fd);
        return -1;
    }
    return fd;
}

static bool hold_address(const char *text, int *fd, struct error *error)
{
    struct address address;
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found;
    int reason = 0;
    if (!address_parse(text, ADDRESS_TO_LISTEN, &address, error)) {
        return false;
    }
    snprintf(port, sizeof port, "%u", address.port);
    int rc = getaddrinfo(address.host, port, &hints, &found);
    if (rc != 0) {
        return error_set(error, "the address %s can't be looked up: %s", text, gai_strerror(rc));
    }
    *fd = hold(found, &reason);
    freeaddrinfo(found);
    if (*fd >= 0) {
        return true;
    }
    return error_set(error, "can't listen on %s: %s%s", text, strerror(reason),
                     reason == EADDRINUSE ? "; is another server, or another node, running on this "
                                            "port?"
                     : reason == EADDRNOTAVAIL ? "; this machine does not have the address"
                                               : "");
}

static bool are_same(int a, int b)
{
    struct sockaddr_storage left = {0};
    struct sockaddr_storage right = {0};
    socklen_t left_len = sizeof left;
    socklen_t right_len = sizeof right;
    return getsockname(a, (struct sockaddr *)&left, &left_len) == 0 &&
           getsockname(b, (struct sockaddr *)&right, &right_len) == 0 && left_len == right_len &&
           memcmp(&left, &right, left_len) == 0;
}

bool addresses_are_free(const struct node_options *options, struct error *error)
{
    int client = -1;
    int peer = -1;
    bool free_both =
        hold_address(options->client_address, &client, error) &&
        (options->peer_address == NULL || hold_address(options->peer_address, &peer, error));
    if (free_both && peer >= 0 && are_same(client, peer)) {
        free_both = error_set(error,
                              "can't listen on %s: both clients and other nodes are to connect "
                              "there; give --client-address and --peer-address a port each",
                              options->client_address);
    }
    if (client >= 0) {
        close(client);
    }
    if (peer >= 0) {
        close(peer);
    }
    return free_both;
}
