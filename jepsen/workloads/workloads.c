/*
 * workloads.c - the table of workloads.
 */
#include <string.h>

#include "workload.h"

extern const struct workload workload_orders;

const struct workload *const workloads[] = {
    &workload_orders,
    NULL,
};

const struct workload *workload_find(const char *name)
{
    for (const struct workload *const *each = workloads; *each != NULL; each++) {
        if (strcmp((*each)->name, name) == 0) {
            return *each;
        }
    }
    return NULL;
}
