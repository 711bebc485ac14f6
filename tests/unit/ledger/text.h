/*
 * text.h - string literals as struct bytes: TEXT in expressions, TEXT_INIT in static initialisers.
 */
#ifndef TESTS_UNIT_LEDGER_TEXT_H
#define TESTS_UNIT_LEDGER_TEXT_H

#include "base/bytes.h"

#define TEXT(literal) BYTES_LITERAL(literal)
#define TEXT_INIT(literal)                                                                         \
    {                                                                                              \
        (const uint8_t *)(literal), sizeof(literal) - 1                                            \
    }

#endif
