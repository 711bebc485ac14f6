/*
 * sim_disk.c - writes that are synced in order and late, and a crash that keeps a prefix of them.
 */
#include "sim_disk.h"

#include <inttypes.h>
#include <stdlib.h>

struct sim_disk_write {
    struct sim_disk_write *next;
    struct sim_disk *disk;
    uint64_t life;
    uint64_t generation;
    uint64_t first_index;
    uint64_t last_index;
    size_t count;
    struct entry *entries[];
};

struct entry *sim_log_get(const struct sim_log *log, uint64_t index)
{
    return index >= 1 && index <= log->last ? log->entries[index - 1] : NULL;
}

static void log_cut(struct sim_log *log, uint64_t first_index)
{
    while (log->last >= first_index) {
        entry_release(log->entries[--log->last]);
    }
}

static void log_put(struct sim_log *log, uint64_t first_index, struct entry *const *entries,
                    size_t count)
{
    log_cut(log, first_index);
    if (log->last + count > log->capacity) {
        log->capacity = (log->last + count) * 2;
        log->entries = memory_realloc((void *)log->entries, log->capacity * sizeof(struct entry *));
    }
    for (size_t i = 0; i < count; i++) {
        log->entries[log->last++] = entry_reference(entries[i]);
    }
}

void sim_disk_init(struct sim_disk *disk, struct world *world, uint64_t node,
                   void (*written)(void *context, uint64_t generation, uint64_t last_index),
                   void *context)
{
    *disk = (struct sim_disk){.world = world,
                              .node = node,
                              .least_us = 100,
                              .most_us = 1000,
                              .written = written,
                              .context = context};
}

static void write_free(void *payload)
{
    struct sim_disk_write *write = payload;
    for (size_t i = 0; i < write->count; i++) {
        entry_release(write->entries[i]);
    }
    free(write);
}

static struct sim_disk_write *take_pending(struct sim_disk *disk)
{
    struct sim_disk_write *write = disk->first;
    disk->first = write->next;
    if (disk->first == NULL) {
        disk->last = NULL;
    }
    disk->pending--;
    return write;
}

static void drop_pending(struct sim_disk *disk)
{
    while (disk->first != NULL) {
        write_free(take_pending(disk));
    }
}

void sim_disk_free(struct sim_disk *disk)
{
    drop_pending(disk);
    log_cut(&disk->view, 1);
    log_cut(&disk->log, 1);
    free((void *)disk->view.entries);
    free((void *)disk->log.entries);
}

void sim_disk_store_hard_state(struct sim_disk *disk, uint64_t term, uint64_t voted_for)
{
    world_note(disk->world, "hard state", disk->node, term, voted_for);
    if (term < disk->term) {
        world_fail(disk->world, "node %" PRIu64 ": the term fell from %" PRIu64 " to %" PRIu64,
                   disk->node, disk->term, term);
    }
    if (term == disk->term && disk->voted_for != 0 && voted_for != disk->voted_for) {
        world_fail(disk->world,
                   "node %" PRIu64 " voted for %" PRIu64 " and for %" PRIu64 " in term %" PRIu64,
                   disk->node, disk->voted_for, voted_for, term);
    }
    disk->term = term;
    disk->voted_for = voted_for;
}

static void start_first(struct sim_disk *disk);

/* The completion arrives: some time after the sync itself. */
static void report(void *owner, void *payload)
{
    struct sim_disk *disk = owner;
    struct sim_disk_write *write = payload;
    if (write->life == disk->life) {
        disk->written(disk->context, write->generation, write->last_index);
    }
    write_free(write);
}

static void commit_write(struct sim_disk *disk, struct sim_disk_write *write)
{
    log_put(&disk->log, write->first_index, write->entries, write->count);
    world_note(disk->world, "synced", disk->node, write->first_index, write->last_index);
}

static void sync_first(void *owner, void *payload)
{
    struct sim_disk *disk = owner;
    const uint64_t *life = payload;
    if (*life == disk->life) {
        struct sim_disk_write *write = take_pending(disk);
        commit_write(disk, write);
        uint64_t at_us = disk->world->now_us + sim_random_below(&disk->world->random, 300);
        disk->reported_at_us = at_us > disk->reported_at_us ? at_us : disk->reported_at_us;
        world_at(disk->world, disk->reported_at_us, report, disk, write, write_free);
        if (disk->first != NULL) {
            start_first(disk);
        }
    }
    free(payload);
}

static void start_first(struct sim_disk *disk)
{
    uint64_t takes_us = sim_random_between(&disk->world->random, disk->least_us, disk->most_us);
    world_at(disk->world, disk->world->now_us + takes_us, sync_first, disk,
             memory_copy(&disk->life, sizeof disk->life), free);
}

void sim_disk_write(struct sim_disk *disk, uint64_t generation, uint64_t first_index,
                    struct entry *const *entries, size_t count)
{
    if (first_index == 0 || first_index > disk->view.last + 1 || count == 0) {
        world_fail(disk->world,
                   "node %" PRIu64 " writes %zu entries at %" PRIu64 " of a log that ends at "
                   "%" PRIu64,
                   disk->node, count, first_index, disk->view.last);
        return;
    }
    log_put(&disk->view, first_index, entries, count);
    struct sim_disk_write *write = memory_alloc(sizeof *write + count * sizeof(struct entry *));
    *write = (struct sim_disk_write){.disk = disk,
                                     .life = disk->life,
                                     .generation = generation,
                                     .first_index = first_index,
                                     .last_index = first_index + count - 1,
                                     .count = count};
    for (size_t i = 0; i < count; i++) {
        write->entries[i] = entry_reference(entries[i]);
    }
    if (disk->last != NULL) {
        disk->last->next = write;
    } else {
        disk->first = write;
    }
    disk->last = write;
    disk->pending++;
    if (disk->first == write) {
        start_first(disk);
    }
}

size_t sim_disk_read(struct sim_disk *disk, uint64_t first_index, size_t max_count,
                     size_t max_bytes, struct entry **entries)
{
    size_t count = 0;
    size_t bytes = 0;
    if (first_index > disk->log.last) {
        world_fail(disk->world,
                   "node %" PRIu64 " reads entry %" PRIu64 ", which is not synced: the log ends at "
                   "%" PRIu64,
                   disk->node, first_index, disk->log.last);
        return 0;
    }
    struct entry *entry = sim_log_get(&disk->log, first_index);
    while (entry != NULL && count < max_count &&
           (count == 0 || bytes + entry->data.len <= max_bytes)) {
        entries[count++] = entry_reference(entry);
        bytes += entry->data.len;
        entry = sim_log_get(&disk->log, first_index + count);
    }
    return count;
}

void sim_disk_crash(struct sim_disk *disk)
{
    uint64_t survive = sim_random_below(&disk->world->random, disk->pending + 1);
    for (uint64_t i = 0; i < survive; i++) {
        struct sim_disk_write *write = take_pending(disk);
        commit_write(disk, write);
        write_free(write);
    }
    drop_pending(disk);
    disk->life++;
    log_cut(&disk->view, 1);
    log_put(&disk->view, 1, disk->log.entries, disk->log.last);
}
