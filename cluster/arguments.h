/*
 * arguments.h - the command line: options from a table, operands, numbers, durations, order lines.
 *
 * Ownership: everything that comes out points into argv, which must outlive it.
 * Errors: one line in struct error that names the word at fault; the caller adds the verb and
 * exits with EXIT_CODE_USAGE. Nothing here prints or exits.
 */
#ifndef CLUSTER_ARGUMENTS_H
#define CLUSTER_ARGUMENTS_H

#include "base/bytes.h"
#include "base/error.h"

enum option_kind {
    OPTION_END = 0, /* closes a table */
    OPTION_FLAG,    /* bool *: --final */
    OPTION_TEXT,    /* const char **: 1 to `max` bytes of UTF-8 */
    OPTION_NUMBER,  /* int64_t *: min to max */
    OPTION_TIME,    /* int64_t *, milliseconds: min to max */
    OPTION_CHOICE,  /* int *: the position in `choices` */
};

/* One option. `target` is left alone when the option isn't given, so it holds the default. */
struct command_option {
    enum option_kind kind;
    const char *name; /* "timeout": --timeout T, --timeout=T */
    char letter;      /* 'o': -o json, -ojson; 0: none */
    void *target;
    const char *value_name;     /* for the help: "N"; NULL for a flag */
    const char *help;           /* one line */
    int64_t min;                /* NUMBER, TIME */
    int64_t max;                /* NUMBER, TIME; TEXT: bytes */
    const char *const *choices; /* CHOICE: NULL-terminated */
    bool *given;                /* set when it stood on the command line; may be NULL */
};

/* A verb's syntax, as the parser and the help need it. */
struct command_syntax {
    const char *verb;     /* "stock set" */
    const char *operands; /* "SKU N"; "" where there are none */
    const char *summary;  /* one line */
    const struct command_option *options;
    const struct command_option *common; /* the options that every verb has */
    int operands_min;
    int operands_max; /* -1: any number */
};

struct arguments {
    char **operands; /* operand_count of them, in order */
    int operand_count;
    bool help;
    bool version;
};

/* Takes argv behind the verb, and moves the operands to its front. Options may stand anywhere; `--`
 * ends them; a word that begins with '-' and a digit is an operand (a number). The last of repeated
 * options counts. With --help or --version nothing else is checked. */
bool arguments_parse(const struct command_syntax *syntax, int argc, char **argv,
                     struct arguments *out, struct error *error);

/* "usage: holdfast stock set SKU N [option]..." and, below, what the options do. */
void arguments_usage(const struct command_syntax *syntax, struct buffer *out);
void arguments_help(const struct command_syntax *syntax, struct buffer *out);

/* Decimal, with an optional sign, nothing around it; `what` names it in the error. */
bool parse_number(const char *what, const char *text, int64_t min, int64_t max, int64_t *out,
                  struct error *error);

/* 500ms, 10s, 30m, 2h, 7d, and sums such as 1h30m; a bare number counts seconds. */
bool parse_duration_ms(const char *what, const char *text, int64_t min_ms, int64_t max_ms,
                       int64_t *out_ms, struct error *error);

/* A SKU, order id or request id: 1 to LIMIT_ID_BYTES bytes of UTF-8. */
bool check_id(const char *what, struct bytes id, struct error *error);

/* SKU=QTY[@WAREHOUSE], split at the last '=', then at an '@' in the quantity. On success `text` is
 * cut at the '=' so that the SKU is a string of its own. Without a warehouse: 0, which means the
 * first. */
struct line_argument {
    const char *sku;
    int64_t quantity;
    uint32_t warehouse;
};
bool parse_line(char *text, struct line_argument *out, struct error *error);

#endif
