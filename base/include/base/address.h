/*
 * address.h - where a node listens or is reached: "host:port" in words and in parts. Pure parsing;
 * nothing is looked up.
 *
 * Forms: 10.0.0.7:7000, [2001:db8::7]:7000, stock-3.example.com:7000. An IPv6 address needs its
 * brackets (RFC 3986, section 3.2.2), since its colons can't be told from the port's. Host names
 * follow RFC 1123, section 2.1, and may contain underscores and end with a dot, as resolvers allow.
 * Zones (%eth0) are refused: they mean something on one machine only.
 */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/limits.h"

enum address_kind {
    ADDRESS_IPV4 = 1,
    ADDRESS_IPV6 = 2,
    ADDRESS_NAME = 3,
};

/* Port 0 lets the system choose: good for listening, meaningless for connecting. */
enum address_use {
    ADDRESS_TO_LISTEN = 1,
    ADDRESS_TO_CONNECT = 2,
};

struct address {
    enum address_kind kind;
    char host[LIMIT_HOST_BYTES + 1]; /* without brackets */
    uint16_t port;
};

/* False, and an error that names the bad part, if the text is no such address. */
bool address_parse(const char *text, enum address_use use, struct address *address,
                   struct error *error);

/* The text of the address, brackets included where they are needed. `out` has
 * LIMIT_ADDRESS_BYTES + 1 bytes. */
void address_format(const struct address *address, char *out);

#endif
