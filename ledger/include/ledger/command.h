/*
 * command.h - what the ledger can be told to do, the form it takes in a log entry, and the rules of
 * form that need no state.
 *
 * An entry is {header, commands}. Commands have a fixed binary layout of our own, not protobuf:
 * three replicas decode each one, and a layout that can't carry an unknown field can't be read
 * differently by an older node (docs/decisions/001).
 *
 * Ownership: a decoded command views the entry's bytes; its `lines` array is owned by the struct
 * ledger_command_lines that was passed in. Threads: none. Errors: a decode that fails leaves why in
 * the error and nothing usable in the output.
 */
#ifndef LEDGER_COMMAND_H
#define LEDGER_COMMAND_H

#include "base/bytes.h"
#include "base/error.h"
#include "ledger/verdict.h"

/* The numbers are those of Command's oneof in ledger.proto; from 64 on they are the cluster's own
 * and never come from a client. */
enum ledger_command_kind {
    LEDGER_SET_STOCK = 1,
    LEDGER_ADJUST_STOCK = 2,
    LEDGER_RESERVE = 3,
    LEDGER_DEDUCT = 4,
    LEDGER_RELEASE = 5,
    LEDGER_REGISTER_NODE =
        64, /* a node's incarnation: the first one registered under an id stays (raft rule 0) */
    LEDGER_RAISE_VERSION = 65, /* of the ledger: what commands behind it mean (version.c) */
};

enum ledger_reserve_mode { LEDGER_RESERVE_WHOLE = 0, LEDGER_RESERVE_ADD_LINES = 1 };

struct ledger_line {
    struct bytes sku;
    uint32_t warehouse; /* 0 reads as 1: ledger_warehouse */
    int64_t quantity;
};

/* The warehouse that is meant where none is named (domain: ids begin with 1). */
static inline uint32_t ledger_warehouse(uint32_t named)
{
    return named != 0 ? named : 1;
}

/* One flat struct for all kinds: fields that a kind does not use are zero. */
struct ledger_command {
    enum ledger_command_kind kind;
    /* every kind */
    struct bytes request_id; /* empty: none */
    bool resent; /* an earlier attempt, under this id, may have been executed, or may be yet */
    int64_t requested_at_ms; /* Unix time; 0: not given */
    struct bytes actor;
    struct bytes reason;
    struct bytes remark;
    struct bytes trace_id;
    /* SetStock, AdjustStock */
    struct bytes sku;
    uint32_t warehouse;
    int64_t quantity; /* on_hand, or the change */
    bool has_expected_version;
    uint64_t expected_version;
    /* Reserve, Deduct, Release */
    struct bytes order_id;
    const struct ledger_line *lines;
    uint32_t line_count;
    bool has_ttl;
    int64_t ttl_ms;
    enum ledger_reserve_mode mode;
    bool final;
    bool reacquire;
    /* RegisterNode */
    uint64_t node_id;
    uint64_t incarnation;
    /* RaiseVersion */
    uint16_t version;
};

/* The rules of form: ids, texts, quantities, line counts, request ids where they are needed. True
 * if the ledger may judge the command; else why not, in words that name the field. Admission calls
 * it to refuse with INVALID_ARGUMENT; apply calls it again (MALFORMED_COMMAND).
 * `*verdict_out` (may be NULL) gets OVERFLOW or MALFORMED_COMMAND. */
bool ledger_command_check(const struct ledger_command *command, enum ledger_verdict *verdict_out,
                          struct error *error);
/* The same rules for what reads name: an id, and the lines of a check. */
bool ledger_id_check(const char *field, struct bytes id, struct error *error);
bool ledger_lines_check(const struct ledger_line *lines, uint32_t count, struct error *error);
/* Is the command one that is told from its repetition by its request id alone? (The others are by
 * the order's state.) */
bool ledger_command_needs_request_id(const struct ledger_command *command);

#define LEDGER_ENTRY_FORMAT 1 /* layout of the header and the commands */
/* Meaning of the commands: the newest that this program knows, and the one that a new ledger begins
 * with. Raised by a log command only, once every node knows it. */
#define LEDGER_VERSION       1
#define LEDGER_VERSION_FIRST 1

struct ledger_entry_header {
    uint16_t format;
    uint16_t ledger_version;
    int64_t time_ms;          /* ledger time, Unix milliseconds; never runs back */
    int64_t outage_credit_ms; /* time without a leader that does not count against holds */
    uint32_t count;           /* commands that follow */
};

/* Building an entry in an empty buffer: the header first (its count is written as 0); then
 * commands; then the count. Commands must have passed ledger_command_check, or at least have texts
 * below 64 KiB and a known kind: asserted. */
void ledger_entry_begin(struct buffer *out, const struct ledger_entry_header *header);
/* Appends commands that ledger_command_encode made earlier (on admission). */
void ledger_entry_append_encoded(struct buffer *out, struct bytes encoded);
void ledger_entry_finish(struct buffer *out, uint32_t count);
/* Appends one command to an entry, or to a buffer for ledger_entry_append_encoded. */
void ledger_command_encode(struct buffer *out, const struct ledger_command *command);

/* Room for one command's lines, reused from command to command. Zero-initialise; free with
 * ledger_command_lines_free. */
struct ledger_command_lines {
    struct ledger_line *items;
    uint32_t capacity;
};
void ledger_command_lines_free(struct ledger_command_lines *lines);

struct ledger_entry_reader {
    struct ledger_entry_header header;
    struct bytes rest;
    uint32_t read;
};
bool ledger_entry_open(struct ledger_entry_reader *reader, struct bytes entry, struct error *error);
/* The next command. False with an empty error text at the end; false with a text when the entry is
 * damaged. */
bool ledger_entry_next(struct ledger_entry_reader *reader, struct ledger_command *command,
                       struct ledger_command_lines *lines, struct error *error);

#endif
