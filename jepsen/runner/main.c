/*
 * main.c - chaos: runs of the chaos suite. docs/jepsen.md tells how to use it.
 */
#include <stdio.h>

#include "campaign.h"

static int print(struct buffer *text)
{
    bool fine = fwrite(text->data, 1, text->len, stdout) == text->len && fflush(stdout) == 0;
    buffer_free(text);
    return fine ? 0 : (int)RUN_FAILED;
}

int main(int argc, char **argv)
{
    struct chaos_options options;
    struct error error;
    struct buffer text = {0};
    const struct chaos_catalogue catalogue = {workloads, nemeses};
    if (!chaos_options_parse(&options, argc, argv, &catalogue, &error)) {
        fprintf(stderr, "chaos: %s\n", error.text);
        return RUN_FAILED;
    }
    switch (options.task) {
    case CHAOS_LIST:
        chaos_options_list(&text, &catalogue);
        return print(&text);
    case CHAOS_HELP:
        chaos_options_help(&text);
        return print(&text);
    case CHAOS_RUN:
        break;
    }
    return (int)campaign_execute(&options);
}
