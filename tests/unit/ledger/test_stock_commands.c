/*
 * test_stock_commands.c - SetStock, AdjustStock and RegisterNode, verdict by verdict.
 */
#include "fixture.h"

static const struct fixture_case cases[] = {
    {"set creates and sets", "set A 10           => OK 10/0 v1\n"
                             "set A 7            => OK 7/0 v2\n"
                             "set A 0            => OK 0/0 v3\n"
                             "history A          => SET(10,0) SET(7,0) SET(0,0)\n"},
    {"an empty stock can be created, and says so", "set A 0   => OK 0/0 v1\n"
                                                   "history A => SET(0,0)\n"
                                                   "stock A   => 0/0 v1\n"},
    {"setting what is there changes nothing", "set A 10  => OK 10/0 v1\n"
                                              "set A 10  => OK 10/0 v1\n"
                                              "history A => SET(10,0)\n"},
    {"expected_version 0 means must not exist", "set A 10 version=0 => OK 10/0 v1\n"
                                                "set A 11 version=0 => ALREADY_EXISTS 10/0 v1\n"},
    {"set compares versions", "set A 10           => OK 10/0 v1\n"
                              "set A 11 version=2 => VERSION_MISMATCH 10/0 v1\n"
                              "set A 11 version=1 => OK 11/0 v2\n"
                              "set B 1 version=3  => VERSION_MISMATCH\n"
                              "stock B            => absent\n"},
    {"holds do not change the version", "set A 10           => OK 10/0 v1\n"
                                        "reserve o A=4      => OK ACTIVE\n"
                                        "stock A            => 10/4 v1\n"
                                        "release o          => OK RELEASED existed\n"
                                        "set A 12 version=1 => OK 12/0 v2\n"
                                        "reserve p A=2      => OK ACTIVE\n"
                                        "deduct p           => OK DEDUCTED\n"
                                        "stock A            => 10/0 v3\n"},
    {"set not below reserved", "set A 10      => OK 10/0 v1\n"
                               "reserve o A=4 => OK ACTIVE\n"
                               "set A 3       => BELOW_RESERVED 10/4 v1\n"
                               "set A 4       => OK 4/4 v2\n"},
    {"the version is compared before the quantity",
     "set A 10          => OK 10/0 v1\n"
     "reserve o A=4     => OK ACTIVE\n"
     "set A 3 version=9 => VERSION_MISMATCH 10/4 v1\n"
     "adjust A -9 version=9 => VERSION_MISMATCH 10/4 "
     "v1\n"},
    {"adjust adds and takes", "set A 10     => OK 10/0 v1\n"
                              "adjust A +5  => OK 15/0 v2\n"
                              "adjust A -15 => OK 0/0 v3\n"
                              "history A    => SET(10,0) ADJUST(15,0) ADJUST(0,0)\n"},
    {"adjust needs a stock", "adjust A +1 => SKU_NOT_FOUND\n"
                             "adjust A +1 version=0 => SKU_NOT_FOUND\n"
                             "stock A     => absent\n"},
    {"adjust takes no more than is available", "set A 10      => OK 10/0 v1\n"
                                               "reserve o A=4 => OK ACTIVE\n"
                                               "adjust A -7   => INSUFFICIENT_STOCK 10/4 v1\n"
                                               "adjust A -6   => OK 4/4 v2\n"},
    {"adjust compares versions", "set A 10              => OK 10/0 v1\n"
                                 "adjust A +1 version=0 => VERSION_MISMATCH 10/0 v1\n"
                                 "adjust A +1 version=1 => OK 11/0 v2\n"},
    {"a stock ends at 2^53-1", "set A 9007199254740990 => OK 9007199254740990/0 v1\n"
                               "adjust A +2 => OVERFLOW 9007199254740990/0 v1\n"
                               "adjust A +1 => OK 9007199254740991/0 v2\n"
                               "set B 9007199254740992 => MALFORMED_COMMAND\n"},
    {"warehouses are stocks of their own", "set A 10   => OK 10/0 v1\n"
                                           "set A@2 20 => OK 20/0 v1\n"
                                           "stock A@1  => 10/0 v1\n"
                                           "stock A@2  => 20/0 v1\n"
                                           "stock A@3  => absent\n"
                                           "adjust A@1 +1 => OK 11/0 v2\n"},
    {"SKUs are compared byte for byte", "set a 1 => OK 1/0 v1\n"
                                        "set A 2 => OK 2/0 v1\n"
                                        "stock a => 1/0 v1\n"
                                        "stock A => 2/0 v1\n"},
    {"what is malformed gets a verdict, and changes nothing",
     "set A -1            => MALFORMED_COMMAND\n"
     "set A 1 no-id       => MALFORMED_COMMAND\n"
     "adjust A 0          => MALFORMED_COMMAND\n"
     "adjust A +1 no-reason => MALFORMED_COMMAND\n"
     "count S             => 0\n"
     "count R             => 0\n"},
    {"a batch judges each command on its own", "+ set A 10      => OK 10/0 v1\n"
                                               "+ reserve o A=6 => OK ACTIVE\n"
                                               "+ reserve p A=6 => INSUFFICIENT_STOCK | A 6>4 "
                                               "INSUFFICIENT_STOCK\n"
                                               "+ adjust A -4   => OK 6/6 v2\n"
                                               "+ deduct o      => OK DEDUCTED\n"
                                               "set A 1         => OK 1/0 v4\n"
                                               "history A       => SET(10,0) RESERVE(10,6) "
                                               "ADJUST(6,6) DEDUCT(0,0) SET(1,0)\n"},
    {"the first incarnation of a node stays", "register 1 77 => OK\n"
                                              "register 1 77 => OK replayed\n"
                                              "register 1 78 => ALREADY_EXISTS\n"
                                              "register 2 78 => OK\n"
                                              "register 0 5  => MALFORMED_COMMAND\n"
                                              "count N       => 2\n"},
};

int main(void)
{
    return fixture_run_cases("ledger/stock_commands", cases, sizeof cases / sizeof cases[0], NULL,
                             0);
}
