/*
 * settings.h - the numbers of the rules that operators may change. They are part of the replicated
 * state: a later log command stores them as the META record "settings", ledger_open reads it, and
 * until there is one the defaults below hold on every node. Nothing else may set them - a node with
 * a setting of its own would judge differently from its peers.
 */
#ifndef LEDGER_SETTINGS_H
#define LEDGER_SETTINGS_H

#include <stdint.h>

struct ledger_settings {
    int64_t default_ttl_ms; /* of a Reserve that names none */
    int64_t longest_ttl_ms; /* beyond: LIMIT_EXCEEDED */
    /* How long a request record lives, and so how old a request may be that is still told from a
     * repetition; the margin allows for clocks that differ. */
    int64_t request_retention_ms;
    int64_t request_margin_ms;
    int64_t tombstone_retention_ms;    /* orders that were released before they were reserved */
    int64_t closed_order_retention_ms; /* all other closed orders */
};

static inline struct ledger_settings ledger_settings_default(void)
{
    const int64_t minute_ms = INT64_C(60) * 1000;
    const int64_t hour_ms = 60 * minute_ms;
    const int64_t day_ms = 24 * hour_ms;
    return (struct ledger_settings){
        .default_ttl_ms = 30 * minute_ms,
        .longest_ttl_ms = 7 * day_ms,
        .request_retention_ms = day_ms,
        .request_margin_ms = hour_ms,
        .tombstone_retention_ms = day_ms,
        .closed_order_retention_ms = 90 * day_ms,
    };
}

#endif
