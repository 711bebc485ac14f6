/*
 * checks_scene.h - a cluster without nodes, for the tests of the checks: whatever nodes would tell
 * the checks is told by hand, the good things by these calls.
 *
 * Nodes are counted from 0, as for the checks. A set of nodes is a bit mask. Entries are made once
 * and kept by their place in the scene, so that one index may have several.
 */
#ifndef TESTS_SIM_CHECKS_SCENE_H
#define TESTS_SIM_CHECKS_SCENE_H

#include "checks.h"
#include "memory_store.h"

#define SCENE_ENTRIES 32
#define N(node)       (1u << (node))
#define ALL           0xffu /* nodes, as far as there are */

struct scene {
    struct world world;
    struct checks *checks;
    size_t count;
    struct entry *entries[SCENE_ENTRIES];
    size_t entry_count;
    uint64_t terms[LIMIT_NODES]; /* on their disks */
    struct memory_store *stores[LIMIT_NODES];
    struct ledger *ledgers[LIMIT_NODES];
};

/* New nodes, entry 1 on their disks: entries[0]. */
void scene_begin(struct scene *scene, size_t nodes);
/* The end of one in which all was well, and of one that this check must have failed, with these
 * words in its text. */
void scene_passes(struct scene *scene);
void scene_fails(struct scene *scene, enum check check, const char *words);

/* ---- entries: the scene's until its end ---- */

struct entry *scene_entry(struct scene *scene, uint64_t index, uint64_t term, struct bytes data);
/* One that commands nothing, and differs from others by its time. */
struct entry *scene_barrier(struct scene *scene, uint64_t index, uint64_t term);
/* A configuration of these nodes. */
struct entry *scene_members(struct scene *scene, uint64_t index, uint64_t term, unsigned voters,
                            unsigned standbys);
/* Commands that ledger_command_encode made, one behind the other. */
struct entry *scene_commands(struct scene *scene, uint64_t index, uint64_t term,
                             const struct buffer *commands, uint32_t count);

/* ---- elections ---- */

/* The node hears of the term: stores it, if it is new to it, and follows. */
void scene_hear(struct scene *scene, size_t node, uint64_t term);

/* All others would vote for the candidate. */
void scene_pre_votes(struct scene *scene, size_t candidate, uint64_t term);
/* The node stores its vote for the candidate, and says so if that is another. */
void scene_vote(struct scene *scene, size_t node, size_t candidate, uint64_t term);
/* Stands for election with a log that ends so, gets these nodes' votes besides its own, leads. */
void scene_elect(struct scene *scene, size_t node, uint64_t term, unsigned voters,
                 const struct entry *last);

/* ---- logs ---- */

void scene_ask(struct scene *scene, size_t node, struct entry *entry);
/* On the disks of these nodes, which hear of its term. */
void scene_store(struct scene *scene, unsigned nodes, struct entry *entry);
/* A start finds these entries, from index 1 on. */
void scene_find(struct scene *scene, size_t node, struct entry *const *entries, size_t count);

/* ---- commands ---- */

/* An operation's number; its command is appended to `out`. */
uint64_t scene_set_stock(struct scene *scene, const char *sku, int64_t on_hand, struct buffer *out);

/* ---- states ---- */

void scene_commit(struct scene *scene, unsigned nodes, uint64_t index);
/* Each of these nodes applies it: to its ledger, and tells. */
void scene_apply(struct scene *scene, unsigned nodes, const struct entry *entry);
/* To its ledger, untold; result: of the last command. */
void scene_apply_untold(struct scene *scene, size_t node, const struct entry *entry,
                        struct ledger_result *result);

/* ---- beginnings of stories ---- */

/* Three nodes; n1 leads term 2, entry 1 is applied there. */
void scene_lead(struct scene *scene);
/* The commands become an entry that is committed on n1; the buffer is freed. */
struct entry *scene_take(struct scene *scene, uint64_t index, struct buffer *commands,
                         uint32_t count);
/* n1 applies the entry, and tells; result: of the last command. */
struct entry *scene_run(struct scene *scene, struct entry *entry, struct ledger_result *result);
/* Three nodes; operation 1 is answered by n1 at 2: the stock of "apple" is 5. */
struct entry *scene_answer(struct scene *scene, struct ledger_result *result);
/* And operation 2 is in the log at 3 and applied on n1, not answered: "apple" becomes 7. */
uint64_t scene_second(struct scene *scene, struct ledger_result *result);

#endif
