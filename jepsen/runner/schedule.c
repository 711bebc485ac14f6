/*
 * schedule.c - the plan of a run. Happy path: chapters until the time is used up, each of storms
 * until it is over. Nothing can fail; a plan that breaks a rule of schedule.h is our own mistake.
 */
#include "schedule.h"

#include <assert.h>
#include <stdlib.h>

#define FIRST_QUIET_MS 3000 /* clients warm up: what follows is compared with this */
#define LAST_QUIET_MS  2000 /* the last storm's recovery is seen */
#define AT_ONCE_MOST   4

/* What is left of the nemeses until each has had its turn. */
struct bag {
    const struct schedule_choice *choice;
    const struct nemesis **left;
    uint32_t left_count;
};

struct chapter {
    int64_t until_ms;
    uint32_t most; /* at once */
    int64_t storm_ms;
    int64_t quiet_ms;
};

static int64_t draw(struct random *random, int64_t least, int64_t most)
{
    return least + (int64_t)(random_next(random) % (uint64_t)(most - least + 1));
}

static void add(struct schedule *schedule, int64_t at_ms, enum act_kind kind,
                const struct nemesis *nemesis)
{
    if (schedule->count == schedule->capacity) {
        schedule->capacity = schedule->capacity == 0 ? 64 : schedule->capacity * 2;
        schedule->acts =
            memory_realloc(schedule->acts, schedule->capacity * sizeof *schedule->acts);
    }
    schedule->acts[schedule->count++] =
        (struct act){.at_ms = at_ms, .kind = kind, .nemesis = nemesis};
}

/* In a random order. */
static void fill_bag(struct bag *bag, const struct nemesis *const *list, uint32_t count,
                     struct random *random)
{
    bag->left_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (nemesis_is_among(list[i], bag->choice->among, bag->choice->count)) {
            uint32_t at = (uint32_t)draw(random, 0, bag->left_count);
            bag->left[bag->left_count++] = bag->left[at];
            bag->left[at] = list[i];
        }
    }
}

static bool goes_with(const struct nemesis *nemesis, const struct nemesis *const *chosen,
                      uint32_t count)
{
    if (count > 0 && (nemesis->destroys || chosen[0]->destroys)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(chosen[i]->kind, nemesis->kind) == 0) {
            return false;
        }
    }
    return true;
}

/* Up to `most` of different kinds; what does not go with the first ones waits in the bag. */
static uint32_t choose(struct bag *bag, struct random *random, uint32_t most,
                       const struct nemesis **chosen)
{
    uint32_t count = 0;
    uint32_t kept = 0;
    assert(bag->choice->count > 0 && most > 0);
    if (bag->left_count == 0) {
        fill_bag(bag, bag->choice->among, bag->choice->count, random);
    }
    for (uint32_t i = 0; i < bag->left_count; i++) {
        const struct nemesis *nemesis = bag->left[i];
        if (count < most && goes_with(nemesis, chosen, count)) {
            chosen[count++] = nemesis;
        } else {
            bag->left[kept++] = nemesis;
        }
    }
    bag->left_count = kept;
    assert(count > 0); /* the first one in the bag goes with nobody else */
    return count;
}

static int by_time(const void *left, const void *right)
{
    const struct act *a = left;
    const struct act *b = right;
    if (a->at_ms != b->at_ms) {
        return a->at_ms < b->at_ms ? -1 : 1;
    }
    return strcmp(a->nemesis->name, b->nemesis->name); /* one kind each, so never equal */
}

static void add_storm(struct schedule *schedule, struct random *random,
                      const struct nemesis *const *chosen, uint32_t count, int64_t at_ms,
                      int64_t length_ms)
{
    if (chosen[0]->destroys) {
        add(schedule, at_ms, ACT_HEALTH, NULL);
    }
    uint32_t first = schedule->count;
    for (uint32_t i = 0; i < count; i++) {
        int64_t from_ms = i == 0 ? 0 : draw(random, 0, length_ms / 2);
        int64_t until_ms = i == count - 1 ? length_ms : draw(random, from_ms + 500, length_ms);
        add(schedule, at_ms + from_ms, ACT_START, chosen[i]);
        add(schedule, at_ms + until_ms, ACT_STOP, chosen[i]);
    }
    qsort(&schedule->acts[first], schedule->count - first, sizeof *schedule->acts, by_time);
    add(schedule, at_ms + length_ms, ACT_HEALTH, NULL);
}

/* Storms of a short run are short, and so are chapters: it shall have four storms, and more than
 * one mixture. */
static struct chapter draw_chapter(struct random *random, int64_t at_ms, int64_t time_ms)
{
    int64_t longest_ms = time_ms / 5;
    longest_ms = longest_ms < 4000 ? 4000 : longest_ms > 20000 ? 20000 : longest_ms;
    int64_t chapter_ms = time_ms / 3 > 120000 ? 120000 : time_ms / 3;
    return (struct chapter){
        .until_ms = at_ms + draw(random, chapter_ms / 2, chapter_ms),
        .most = (uint32_t)draw(random, 1, AT_ONCE_MOST),
        .storm_ms = draw(random, 4000, longest_ms),
        .quiet_ms = draw(random, 2000, longest_ms / 2 > 2000 ? longest_ms / 2 : 2000),
    };
}

/* What one fault draws does not change the next, however long it was on. */
static void give_sequences(struct schedule *schedule, uint64_t seed)
{
    uint64_t number = 0;
    for (uint32_t i = 0; i < schedule->count; i++) {
        if (schedule->acts[i].kind == ACT_START) {
            schedule->acts[i].random = random_sequence(seed, ++number);
        }
    }
}

void schedule_make(struct schedule *schedule, const struct schedule_choice *choice, uint64_t seed,
                   int64_t time_ms)
{
    struct random random = {seed};
    const struct nemesis *chosen[AT_ONCE_MOST];
    struct bag bag = {.choice = choice,
                      .left = memory_zalloc((choice->count + 1) * sizeof *bag.left)};
    struct chapter chapter = draw_chapter(&random, 0, time_ms);
    *schedule = (struct schedule){.acts = NULL};
    int64_t at_ms = FIRST_QUIET_MS;
    add(schedule, at_ms, ACT_DIGESTS, NULL);
    fill_bag(&bag, choice->first, choice->first_count, &random);
    while (choice->count > 0) {
        int64_t length_ms = draw(&random, chapter.storm_ms / 2, chapter.storm_ms);
        if (at_ms + length_ms + LAST_QUIET_MS > time_ms) {
            break;
        }
        uint32_t most = (uint32_t)draw(&random, 1, chapter.most);
        uint32_t together = choose(&bag, &random, most, chosen);
        add_storm(schedule, &random, chosen, together, at_ms, length_ms);
        at_ms += length_ms;
        if (draw(&random, 0, 2) == 0) {
            add(schedule, at_ms, ACT_DIGESTS, NULL);
        }
        at_ms += draw(&random, chapter.quiet_ms / 2, chapter.quiet_ms);
        if (at_ms >= chapter.until_ms) {
            chapter = draw_chapter(&random, at_ms, time_ms);
        }
    }
    free(bag.left);
    give_sequences(schedule, seed);
    assert(schedule_fault(schedule, time_ms) == NULL);
}

uint32_t schedule_owed(const struct nemesis *const *among, const uint32_t *turns, uint32_t count,
                       const struct nemesis **owed)
{
    uint32_t most = 0;
    uint32_t owed_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        most = turns[i] > most ? turns[i] : most;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (turns[i] < most) {
            owed[owed_count++] = among[i];
        }
    }
    return owed_count;
}

void schedule_free(struct schedule *schedule)
{
    free(schedule->acts);
    *schedule = (struct schedule){.acts = NULL};
}

/* Which of the acts before `at` are starts that nobody has stopped. */
static uint32_t find_on(const struct schedule *schedule, uint32_t at, const struct nemesis **on)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < at; i++) {
        const struct act *act = &schedule->acts[i];
        if (act->kind == ACT_START && count < AT_ONCE_MOST) {
            on[count++] = act->nemesis;
        } else if (act->kind == ACT_STOP) {
            for (uint32_t k = 0; k < count; k++) {
                if (on[k] == act->nemesis) {
                    on[k] = on[--count];
                    break;
                }
            }
        }
    }
    return count;
}

static const char *act_fault(const struct schedule *schedule, uint32_t at)
{
    const struct nemesis *on[AT_ONCE_MOST];
    const struct act *act = &schedule->acts[at];
    uint32_t count = find_on(schedule, at, on);
    switch (act->kind) {
    case ACT_HEALTH:
    case ACT_DIGESTS:
        return count > 0 ? "the health is checked while a fault is on" : NULL;
    case ACT_START:
        if (count == AT_ONCE_MOST) {
            return "too many faults at once";
        }
        if (act->nemesis->destroys && (at == 0 || schedule->acts[at - 1].kind != ACT_HEALTH)) {
            return "something is destroyed without a check of the health before";
        }
        return goes_with(act->nemesis, on, count) ? NULL : "two faults that don't go together";
    case ACT_STOP:
        for (uint32_t i = 0; i < count; i++) {
            if (on[i] == act->nemesis) {
                return NULL;
            }
        }
        return "a fault is stopped that is not on";
    }
    return "an act of no kind";
}

const char *schedule_fault(const struct schedule *schedule, int64_t time_ms)
{
    const struct nemesis *on[AT_ONCE_MOST];
    int64_t before_ms = 0;
    for (uint32_t i = 0; i < schedule->count; i++) {
        const struct act *act = &schedule->acts[i];
        const char *fault = act_fault(schedule, i);
        if (fault != NULL) {
            return fault;
        }
        if (act->at_ms < before_ms || act->at_ms > time_ms) {
            return "an act out of time";
        }
        before_ms = act->at_ms;
    }
    return find_on(schedule, schedule->count, on) > 0 ? "a fault is never stopped" : NULL;
}
