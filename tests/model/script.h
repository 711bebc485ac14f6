/*
 * script.h - a sequence in the words of tests/unit/ledger/fixture.h, with the answers that the
 * model expects: what stands there can be pasted into a table of cases there.
 */
#ifndef TESTS_MODEL_SCRIPT_H
#define TESTS_MODEL_SCRIPT_H

#include "sequence.h"

#define SCRIPT_COMMANDS 16 /* that the fixture takes in one entry */

/* Has the fixture words for it? Not for trace ids, nor for bytes that are no plain word. */
bool script_can_say(const struct ledger_command *command);

/* What the fixture has no words for is written all the same, behind a '#' that says so. */
void script_print(const struct sequence *sequence, struct buffer *out);

#endif
