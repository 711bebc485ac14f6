/*
 * campaign.h - runs, one after the other: each workload once, or, in a soak, again and again until
 * its time is over. It ends at the first that is not valid, whose store stays as it is. The first
 * has the campaign's seed, each other one the next; nemeses that have had fewer turns than others
 * come first in the run that follows (--first), so that a soak has met all of them soon.
 *
 * Each run is a process of its own, so that nothing of one reaches the next. Of a soak's valid runs
 * the newest CAMPAIGN_KEPT stay, histories and pictures, the older ones are removed: so much, and
 * one run that is not valid, is what it takes on the disk however long it goes.
 */
#ifndef JEPSEN_CAMPAIGN_H
#define JEPSEN_CAMPAIGN_H

#include "run.h"

#define CAMPAIGN_KEPT 10

/* The status of the last run: the others were valid. */
enum run_status campaign_execute(const struct chaos_options *options);

#endif
