/*
 * recheck.c - analyses a stored run again, from its history.edn.
 *
 *   recheck STORE_DIR [--dry]
 *
 * Goes by the options in its test.edn, reads its nodes' logs, prints a line for each checker, and
 * writes results.edn and the pictures anew (--dry: nothing). Exit 0 valid, 1 invalid, 2 wrong usage
 * or a run that can't be read or written, 3 unknown.
 */
#include <stdio.h>

#include "report.h"

int main(int argc, char **argv)
{
    bool dry = argc == 3 && strcmp(argv[2], "--dry") == 0;
    if ((argc != 2 && !dry) || argv[1][0] == '-') {
        fprintf(stderr, "usage: recheck STORE_DIR [--dry]\n");
        return REPORT_UNREADABLE;
    }
    struct error error;
    enum report_status status = report_run(argv[1], dry, &error);
    if (status == REPORT_UNREADABLE) {
        fprintf(stderr, "recheck: %s\n", error.text);
    }
    return (int)status;
}
