/*
 * verb.h - what every verb of `holdfast` has in common: the options --endpoints, --timeout,
 * --request-id, -o, --help and --version, a client that is opened when it is needed, and the way
 * from a verdict to an exit code.
 *
 * A verb is a function that takes argv behind its name and returns an exit code:
 *
 *     struct verb verb = {0};
 *     if (!verb_begin(&verb, &syntax, argc, argv)) {
 *         return verb.exit_code;
 *     }
 *     ...
 *     return verb_end(&verb);
 *
 * Answers go to stdout, everything else to stderr.
 */
#ifndef CLUSTER_VERB_H
#define CLUSTER_VERB_H

#include <holdfast/holdfast.h>

#include "arguments.h"
#include "base/limits.h"
#include "exit_code.h"

enum output_form { OUTPUT_TABLE, OUTPUT_JSON };

#define COMMON_OPTIONS 5

/* "host:port,host:port", each for itself. */
struct endpoints {
    const char *each[LIMIT_CLIENT_GIVEN_ENDPOINTS];
    size_t count;
    char *text; /* private */
};
/* False: more than LIMIT_CLIENT_GIVEN_ENDPOINTS; nothing is left to free. */
bool endpoints_split(struct endpoints *endpoints, const char *text);
void endpoints_free(struct endpoints *endpoints);

struct verb {
    const struct command_syntax *syntax;
    struct command_option common[COMMON_OPTIONS];
    struct arguments arguments;
    const char *endpoints;
    int64_t timeout_ms;     /* set before verb_begin: the verb's default; 0: 10 s */
    const char *request_id; /* NULL: none given */
    int output;             /* enum output_form */
    hf_client *client;      /* after verb_connect */
    enum exit_code exit_code;
};

/* Parses the command line; syntax->common need not be set. False: the verb is over (help was
 * printed, or the usage is wrong and has been said), return verb->exit_code. */
bool verb_begin(struct verb *verb, struct command_syntax *syntax, int argc, char **argv);

/* Opens the client. False: said, exit code set. */
bool verb_connect(struct verb *verb);

/* The endpoints, each for itself, of a verb that asks every one. False: said, exit code set. */
bool verb_split_endpoints(struct verb *verb, struct endpoints *endpoints);

/* "holdfast stock set: text" on stderr; the exit code becomes `code`. Returns false. */
bool verb_fail(struct verb *verb, enum exit_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* As verb_fail with EXIT_CODE_USAGE, and the usage line below. */
bool verb_misused(struct verb *verb, const char *text);

/* The library's messages go from the general to the cause, behind colons: the cause, without the
 * bracket that may close behind it. Its length. */
int verb_cause_of(const char *message, const char **cause);

/* Says why there is no answer, for a verdict below zero, and sets the exit code. `result` may be
 * NULL where the call has no identity (reads). */
void verb_fail_unanswered(struct verb *verb, hf_verdict verdict, const char *message,
                          const hf_result *result);

/* One node was asked, and gave no answer: says why, and remembers how bad that is, wrong usage
 * before unreached. */
void verb_fail_node(struct verb *verb, const char *endpoint, hf_verdict verdict,
                    const char *message);

/* What a verdict means to the shell. */
enum exit_code exit_code_of(hf_verdict verdict);

/* Writes one line to stdout and empties the buffer. */
void verb_print_line(struct buffer *line);

/* Closes the client, sees that stdout took everything, returns the exit code. */
int verb_end(struct verb *verb);

/* Monotonic, in nanoseconds. */
uint64_t clock_now_ns(void);

/* The verbs, each in the file of its noun. */
int verb_stock_set(int argc, char **argv);
int verb_stock_adjust(int argc, char **argv);
int verb_stock_get(int argc, char **argv);
int verb_stock_list(int argc, char **argv);
int verb_stock_check(int argc, char **argv);
int verb_stock_history(int argc, char **argv);
int verb_order_reserve(int argc, char **argv);
int verb_order_deduct(int argc, char **argv);
int verb_order_release(int argc, char **argv);
int verb_order_get(int argc, char **argv);
int verb_cluster_status(int argc, char **argv);
int verb_cluster_verify(int argc, char **argv);
int verb_cluster_add(int argc, char **argv);
int verb_cluster_promote(int argc, char **argv);
int verb_cluster_remove(int argc, char **argv);
int verb_cluster_transfer_leader(int argc, char **argv);
int verb_cluster_snapshot(int argc, char **argv);
int verb_cluster_upgrade(int argc, char **argv);
int verb_playground(int argc, char **argv);
int verb_replay(int argc, char **argv);
int verb_bench(int argc, char **argv);

#endif
