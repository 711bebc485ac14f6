/*
 * cmocka_with_headers.h - cmocka and what it must find included before it.
 */
#ifndef TESTS_UNIT_LEDGER_CMOCKA_WITH_HEADERS_H
#define TESTS_UNIT_LEDGER_CMOCKA_WITH_HEADERS_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#endif
