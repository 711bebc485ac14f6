/*
 * cluster_upgrade.c - `holdfast cluster upgrade`: raises the ledger's version, once every node runs
 * a release that knows it.
 *
 * Exit 1 if the leader refuses, which names the nodes that are not ready; it is safe to repeat.
 */
#include <stdio.h>

#include "render.h"
#include "verb.h"

static const char *const upgrade_headings[] = {">LEDGER VERSION", "CHANGED", ">INDEX", NULL};

static void print_upgrade(const struct verb *verb, const hf_upgrade *upgrade)
{
    if (verb->output == OUTPUT_JSON) {
        struct buffer line = {0};
        struct json json = json_into(&line);
        render_upgrade(&json, upgrade);
        verb_print_line(&line);
        buffer_free(&line);
        return;
    }
    struct table table;
    table_begin(&table, stdout, upgrade_headings);
    table_uint(&table, upgrade->ledger_version);
    table_text(&table, upgrade->unchanged ? "no" : "yes");
    table_uint(&table, upgrade->log_index);
    table_end(&table);
}

int verb_cluster_upgrade(int argc, char **argv)
{
    struct verb verb = {0};
    int64_t to = 0;
    const struct command_option options[] = {
        {.kind = OPTION_NUMBER,
         .name = "to",
         .target = &to,
         .value_name = "N",
         .min = 1,
         .max = UINT16_MAX,
         .help = "this version, and no newer one that all nodes know"},
        {.kind = OPTION_END}};
    struct command_syntax syntax = {
        .verb = "cluster upgrade",
        .operands = "",
        .summary =
            "Raises the ledger to the newest version that every node knows: behind it no older\n"
            "release can run. Exit 1 if one is not ready for it.",
        .options = options,
    };
    if (!verb_begin(&verb, &syntax, argc, argv)) {
        return verb.exit_code;
    }
    if (verb_connect(&verb)) {
        hf_upgrade *upgrade;
        hf_verdict verdict = hf_raise_ledger_version(verb.client, (uint32_t)to, NULL, &upgrade);
        if (verdict == HF_OK) {
            print_upgrade(&verb, upgrade);
        } else if (verdict == HF_OUTCOME_UNKNOWN) {
            verb_fail(&verb, EXIT_CODE_OUTCOME_UNKNOWN, "%s; run the same command again",
                      upgrade->message);
        } else {
            verb_fail_unanswered(&verb, verdict, upgrade->message, NULL);
        }
        hf_free(upgrade);
    }
    return verb_end(&verb);
}
