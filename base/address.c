/*
 * address.c - cuts "host:port" at its last colon and checks both halves.
 *
 * Happy path: split (brackets or last colon) -> port -> host: IPv6, IPv4 or name. Each failure
 * says which part of the text is wrong and how it should look. A host whose last label is a number
 * can only be meant as IPv4, so it is held to that form and never handed to a resolver, some of
 * which read "10.1" as 10.0.0.1.
 */
#include "base/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_label_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '-' || c == '_';
}

/* At most five digits, so that no count can overflow on the way. */
static bool parse_port(const char *text, const char *port, enum address_use use, uint16_t *value,
                       struct error *error)
{
    size_t len = strlen(port);
    if (len == 0) {
        return error_set(error, "address \"%s\" ends without a port: write host:port", text);
    }
    uint32_t number = 0;
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(port[i]) || len > 5) {
            return error_set(error, "address \"%s\": \"%s\" is no port (0 to 65535)", text, port);
        }
        number = number * 10 + (uint32_t)(port[i] - '0');
    }
    if (number > UINT16_MAX) {
        return error_set(error, "address \"%s\": port %s is above 65535", text, port);
    }
    if (number == 0 && use == ADDRESS_TO_CONNECT) {
        return error_set(error, "address \"%s\": nothing can be reached at port 0", text);
    }
    *value = (uint16_t)number;
    return true;
}

static bool last_label_is_number(const char *host)
{
    const char *dot = strrchr(host, '.');
    const char *label = dot != NULL ? dot + 1 : host;
    return label[0] != '\0' && label[strspn(label, "0123456789")] == '\0';
}

static bool check_name(const char *text, const char *host, struct error *error)
{
    size_t label_len = 0;
    for (const char *at = host;; at++) {
        if (*at == '.' || *at == '\0') {
            bool root_dot = *at == '\0' && label_len == 0 && at != host;
            if (label_len == 0 && !root_dot) {
                return error_set(error, "address \"%s\": host name \"%s\" has an empty label", text,
                                 host);
            }
            if (label_len > 63) {
                return error_set(error,
                                 "address \"%s\": host name \"%s\" has a label of %zu bytes, 63 "
                                 "are allowed",
                                 text, host, label_len);
            }
            if (!root_dot && (at[-1] == '-' || *(at - label_len) == '-')) {
                return error_set(error,
                                 "address \"%s\": host name \"%s\" has a label that begins or "
                                 "ends with '-'",
                                 text, host);
            }
            if (*at == '\0') {
                return true;
            }
            label_len = 0;
        } else if (is_label_character(*at)) {
            label_len++;
        } else if (*at == ':') {
            return error_set(error,
                             "address \"%s\": \"%s\" has colons: write an IPv6 address in "
                             "brackets, as [::1]:7000",
                             text, host);
        } else {
            return error_set(error,
                             "address \"%s\": host name \"%s\" has a character that is none of "
                             "letters, digits, '-', '_' and '.'",
                             text, host);
        }
    }
}

static bool check_host(const char *text, bool bracketed, struct address *address,
                       struct error *error)
{
    uint8_t binary[16];
    if (bracketed) {
        address->kind = ADDRESS_IPV6;
        if (inet_pton(AF_INET6, address->host, binary) != 1) {
            return error_set(error, "address \"%s\": \"%s\" is no IPv6 address", text,
                             address->host);
        }
        return true;
    }
    if (last_label_is_number(address->host)) {
        address->kind = ADDRESS_IPV4;
        if (inet_pton(AF_INET, address->host, binary) != 1) {
            return error_set(error, "address \"%s\": \"%s\" is no IPv4 address", text,
                             address->host);
        }
        return true;
    }
    address->kind = ADDRESS_NAME;
    return check_name(text, address->host, error);
}

bool address_parse(const char *text, enum address_use use, struct address *address,
                   struct error *error)
{
    size_t len = strlen(text);
    if (len == 0) {
        return error_set(error, "the address is empty: write host:port");
    }
    if (len > LIMIT_ADDRESS_BYTES) {
        return error_set(error, "the address \"%.40s...\" has %zu bytes, %d are allowed", text, len,
                         LIMIT_ADDRESS_BYTES);
    }
    bool bracketed = text[0] == '[';
    const char *host = bracketed ? text + 1 : text;
    const char *host_end;
    const char *port;
    if (bracketed) {
        host_end = strchr(host, ']');
        if (host_end == NULL) {
            return error_set(error, "address \"%s\" has '[' without ']'", text);
        }
        if (host_end[1] != ':') {
            return error_set(error, "address \"%s\" needs ':' and a port behind ']'", text);
        }
        port = host_end + 2;
    } else {
        host_end = strrchr(host, ':');
        if (host_end == NULL) {
            return error_set(error, "address \"%s\" has no port: write host:port", text);
        }
        port = host_end + 1;
    }
    size_t host_len = (size_t)(host_end - host);
    if (host_len == 0) {
        return error_set(error, "address \"%s\" has no host: write host:port", text);
    }
    if (host_len > LIMIT_HOST_BYTES) {
        return error_set(error, "address \"%s\": the host has %zu bytes, %d are allowed", text,
                         host_len, LIMIT_HOST_BYTES);
    }
    memcpy(address->host, host, host_len);
    address->host[host_len] = '\0';
    return parse_port(text, port, use, &address->port, error) &&
           check_host(text, bracketed, address, error);
}

void address_format(const struct address *address, char *out)
{
    snprintf(out, LIMIT_ADDRESS_BYTES + 1, address->kind == ADDRESS_IPV6 ? "[%s]:%u" : "%s:%u",
             address->host, address->port);
}
