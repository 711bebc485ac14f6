/*
 * admission.h - from a client's protobuf to the ledger's command: decode, check every rule of form,
 * encode for the log.
 *
 * What passes here is a command that the ledger may judge; what does not is refused with
 * INVALID_ARGUMENT (or RESOURCE_EXHAUSTED for sheer size) and has changed nothing.
 *
 * Ownership: the admission object holds scratch memory that is reused from call to call. Threads:
 * one at a time.
 */
#ifndef NODE_ADMISSION_H
#define NODE_ADMISSION_H

#include "base/bytes.h"
#include "base/error.h"
#include "ledger/command.h"

struct admission;

/* Commands in the form of the log, one behind the other. */
struct admitted {
    struct buffer encoded;
    uint32_t command_count;
    uint32_t line_count;
};

struct admission *admission_new(void);
void admission_free(struct admission *admission);

/* One request of the given kind: message is the kind's own request message. Appends to admitted. */
bool admission_command(struct admission *admission, enum ledger_command_kind kind,
                       struct bytes message, struct admitted *admitted, struct error *error);
/* An ExecuteRequest. The error names the command by its place, from 0. */
bool admission_execute(struct admission *admission, struct bytes message, struct admitted *admitted,
                       struct error *error);

#endif
