/*
 * change.h - the verbs that change something: one command, sent, and its result shown.
 */
#ifndef CLUSTER_CHANGE_H
#define CLUSTER_CHANGE_H

#include "verb.h"

/* What any command may say about itself. */
#define CHANGE_OPTIONS 4
#define CHANGE_OPTION_TABLE(command)                                                               \
    {.kind = OPTION_TEXT,                                                                          \
     .name = "actor",                                                                              \
     .target = &(command).actor,                                                                   \
     .value_name = "WHO",                                                                          \
     .max = LIMIT_TEXT_BYTES,                                                                      \
     .help = "who does it, for the history"},                                                      \
        {.kind = OPTION_TEXT,                                                                      \
         .name = "reason",                                                                         \
         .target = &(command).reason,                                                              \
         .value_name = "WHY",                                                                      \
         .max = LIMIT_TEXT_BYTES,                                                                  \
         .help = "why, as RECEIVE, ADJUST, DAMAGE, RETURN"},                                       \
        {.kind = OPTION_TEXT,                                                                      \
         .name = "remark",                                                                         \
         .target = &(command).remark,                                                              \
         .value_name = "TEXT",                                                                     \
         .max = LIMIT_TEXT_BYTES,                                                                  \
         .help = "a note for the history"},                                                        \
    {                                                                                              \
        .kind = OPTION_TEXT, .name = "trace-id", .target = &(command).trace_id,                    \
        .value_name = "ID", .max = LIMIT_TEXT_BYTES, .help = "links the change to a trace"         \
    }

/* The operands from `first` on as lines, one array to free; NULL after a wrong one, which has been
 * said, and where there is none (*count tells). */
hf_line *lines_of_operands(struct verb *verb, int first, size_t *count);

/* Sends the command under --request-id and prints its result; sets the verb's exit code. */
void change_run(struct verb *verb, hf_command *command);

#endif
