/*
 * workloads.c - the table of workloads.
 */
#include <string.h>

#include "workload.h"

extern const struct workload workload_expiry;
extern const struct workload workload_flash;
extern const struct workload workload_holds;
extern const struct workload workload_idempotency;
extern const struct workload workload_membership;
extern const struct workload workload_orders;
extern const struct workload workload_queries;
extern const struct workload workload_single;
extern const struct workload workload_torn;

const struct workload *const workloads[] = {
    &workload_orders,  &workload_torn,   &workload_idempotency, &workload_expiry, &workload_holds,
    &workload_queries, &workload_single, &workload_membership,  &workload_flash,  NULL,
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
