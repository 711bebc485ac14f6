/*
 * Addresses: every form that is taken comes back as it was written; every form that is refused
 * names its bad part.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/address.h"

#define LABEL_63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff123"

static void good_addresses_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum address_kind kind;
        const char *host;
        uint16_t port;
    } cases[] = {
        {"127.0.0.1:7000", ADDRESS_IPV4, "127.0.0.1", 7000},
        {"0.0.0.0:1", ADDRESS_IPV4, "0.0.0.0", 1},
        {"255.255.255.255:65535", ADDRESS_IPV4, "255.255.255.255", 65535},
        {"[::1]:7000", ADDRESS_IPV6, "::1", 7000},
        {"[2001:db8::7]:443", ADDRESS_IPV6, "2001:db8::7", 443},
        {"[::ffff:10.0.0.1]:80", ADDRESS_IPV6, "::ffff:10.0.0.1", 80},
        {"localhost:7000", ADDRESS_NAME, "localhost", 7000},
        {"stock-3.example.com:7000", ADDRESS_NAME, "stock-3.example.com", 7000},
        {"example.com.:7000", ADDRESS_NAME, "example.com.", 7000},
        {"my_service:7000", ADDRESS_NAME, "my_service", 7000},
        {"3com.example:7000", ADDRESS_NAME, "3com.example", 7000},
        {"1.2.3.4a:7000", ADDRESS_NAME, "1.2.3.4a", 7000},
        {LABEL_63 ".x:7000", ADDRESS_NAME, LABEL_63 ".x", 7000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct address address;
        struct error error = {{0}};
        if (!address_parse(cases[i].text, ADDRESS_TO_CONNECT, &address, &error)) {
            fail_msg("%s was refused: %s", cases[i].text, error.text);
        }
        assert_int_equal(address.kind, cases[i].kind);
        assert_string_equal(address.host, cases[i].host);
        assert_int_equal(address.port, cases[i].port);
        char text[LIMIT_ADDRESS_BYTES + 1];
        address_format(&address, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void bad_addresses_name_their_bad_part(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"", "is empty"},
        {"localhost", "no port"},
        {"127.0.0.1", "no port"},
        {":7000", "no host"},
        {"[]:7000", "no host"},
        {"localhost:", "without a port"},
        {"localhost:x", "\"x\" is no port"},
        {"localhost:-1", "\"-1\" is no port"},
        {"localhost:+1", "\"+1\" is no port"},
        {"localhost: 1", "\" 1\" is no port"},
        {"localhost:70000", "above 65535"},
        {"localhost:65536", "above 65535"},
        {"localhost:100000", "\"100000\" is no port"},
        {"localhost:99999999999999999999", "is no port"},
        {"localhost:0", "port 0"},
        {"::1:7000", "in brackets"},
        {"2001:db8::7:443", "in brackets"},
        {"[::1:7000", "without ']'"},
        {"[::1]7000", "behind ']'"},
        {"[::1]", "behind ']'"},
        {"[::1]:", "without a port"},
        {"[::g]:7000", "\"::g\" is no IPv6 address"},
        {"[127.0.0.1]:7000", "no IPv6 address"},
        {"[fe80::1%eth0]:7000", "no IPv6 address"},
        {"300.1.1.1:7000", "\"300.1.1.1\" is no IPv4 address"},
        {"10.1:7000", "\"10.1\" is no IPv4 address"},
        {"1.2.3.4.5:7000", "no IPv4 address"},
        {"12345:7000", "no IPv4 address"},
        {"a..b:7000", "empty label"},
        {".a:7000", "empty label"},
        {".:7000", "empty label"},
        {"a..:7000", "empty label"},
        {"-a:7000", "begins or ends with '-'"},
        {"a-.b:7000", "begins or ends with '-'"},
        {"a b:7000", "none of letters"},
        {"a/b:7000", "none of letters"},
        {"http://a:7000", "in brackets"},
        {"h\xc3\xb6st:7000", "none of letters"},
        {LABEL_63 "4.x:7000", "label of 64 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct address address;
        struct error error = {{0}};
        if (address_parse(cases[i].text, ADDRESS_TO_CONNECT, &address, &error)) {
            fail_msg("\"%s\" was taken", cases[i].text);
        }
        if (strstr(error.text, cases[i].says) == NULL) {
            fail_msg("\"%s\": \"%s\" does not say \"%s\"", cases[i].text, error.text,
                     cases[i].says);
        }
    }
}

static void port_0_is_for_listening_only(void **state)
{
    (void)state;
    struct address address;
    struct error error;
    assert_true(address_parse("127.0.0.1:0", ADDRESS_TO_LISTEN, &address, &error));
    assert_int_equal(address.port, 0);
    assert_false(address_parse("127.0.0.1:0", ADDRESS_TO_CONNECT, &address, &error));
}

/* Labels of 49 characters and their dots. */
static void long_name(char *out, size_t host_len)
{
    for (size_t i = 0; i < host_len; i++) {
        out[i] = i % 50 == 49 ? '.' : 'a';
    }
    strcpy(out + host_len, ":7000");
}

static void hosts_are_bounded(void **state)
{
    (void)state;
    struct address address;
    struct error error;
    char text[1024];
    long_name(text, LIMIT_HOST_BYTES);
    assert_true(address_parse(text, ADDRESS_TO_CONNECT, &address, &error));
    long_name(text, LIMIT_HOST_BYTES + 1);
    assert_false(address_parse(text, ADDRESS_TO_CONNECT, &address, &error));
    assert_non_null(strstr(error.text, "254 bytes"));
    long_name(text, 1000);
    assert_false(address_parse(text, ADDRESS_TO_CONNECT, &address, &error));
    assert_non_null(strstr(error.text, "1005 bytes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_addresses_are_taken_apart),
        cmocka_unit_test(bad_addresses_name_their_bad_part),
        cmocka_unit_test(port_0_is_for_listening_only),
        cmocka_unit_test(hosts_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
