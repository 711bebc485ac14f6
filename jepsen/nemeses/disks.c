/*
 * disks.c - disks that are full, fail, or are slow, and power that goes.
 *
 * None of these loses what was synced, so they may hit all nodes at once: a node that can't write
 * must stop, and say so; behind the fault it is started, and must know all that it has promised.
 * Bits that flip are flips.c's.
 *
 * The state is the nodes that were hit. Behind the fault each runs again, unless it is gone. A node
 * that met an error may still be about to end when the disk is well again: where the fault ends
 * nodes, all that were hit are restarted; where it need not, they are given a moment to end.
 *
 * Fails: a disk that can't be filled, cut or mended; a process that can't be started; the run ends.
 */
#include "ground.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MOMENT_MS 2000 /* for nodes that are about to end */
#define MEBIBYTE  ((uint64_t)1 << 20)

static bool is_there(struct nemesis_ground *ground, uint32_t id)
{
    enum node_life life = nodes_life(ground->nodes, id);
    return life != NODE_GONE && life != NODE_ABSENT;
}

/* One, a minority, a majority or all, each as likely. */
static struct ground_ids some_members(struct nemesis_ground *ground)
{
    struct ground_ids hits = ground_leader_first(ground);
    const uint32_t counts[] = {1, (hits.count - 1) / 2, hits.count / 2 + 1, hits.count};
    uint32_t count = counts[ground_draw(ground, 4)];
    /* The leader in half of the cases; who is hit besides, is drawn. */
    if (ground_draw(ground, 2) == 0) {
        ground_shuffle(ground, &hits);
    }
    hits.count = count > 0 ? count : 1;
    return hits;
}

static void keep_hits(struct nemesis_ground *ground, const struct ground_ids *hits, void **state,
                      struct buffer *value)
{
    buffer_printf(value, ":nodes ");
    ground_write_hosts(value, ground, hits);
    *state = memory_copy(hits, sizeof *hits);
}

/* Those of them that do not run, and are not gone. The value tells who had ended by itself. */
static bool start_ended(struct nemesis_ground *ground, const struct ground_ids *hits,
                        struct buffer *value, struct error *error)
{
    struct ground_ids started = {.count = 0};
    struct ground_ids ended = {.count = 0};
    bool fine = true;
    for (uint32_t i = 0; fine && i < hits->count; i++) {
        if (nodes_life(ground->nodes, hits->ids[i]) == NODE_DOWN) {
            if (nodes_ended_by_itself(ground->nodes, hits->ids[i])) {
                ended.ids[ended.count++] = hits->ids[i];
            }
            fine = nodes_start(ground->nodes, hits->ids[i], error);
            started.ids[started.count++] = hits->ids[i];
        }
    }
    buffer_printf(value, "{:ended ");
    ground_write_hosts(value, ground, &ended);
    buffer_printf(value, " :started ");
    ground_write_hosts(value, ground, &started);
    buffer_printf(value, "}");
    return fine;
}

/* ---- errors, slowness: rules of the preloaded library ---- */

struct rule {
    const char *call;
    const char *where; /* below the data directory */
    const char *fault;
};

static bool set_rule(struct nemesis_ground *ground, const struct ground_ids *hits,
                     const struct rule *rule, struct error *error)
{
    for (uint32_t i = 0; i < hits->count; i++) {
        uint32_t id = hits->ids[i];
        char line[128] = "";
        if (rule != NULL) {
            snprintf(line, sizeof line, "%s /n%u/data/%s %s\n", rule->call, id, rule->where,
                     rule->fault);
        }
        if (is_there(ground, id) && !nodes_set_disk_faults(ground->nodes, id, line, error)) {
            return false;
        }
    }
    return true;
}

static bool start_rule(struct nemesis_ground *ground, const struct rule *rule, void **state,
                       struct buffer *value, struct error *error)
{
    struct ground_ids hits = some_members(ground);
    buffer_printf(value, "{:call :%s :below \"%s\" :fault \"%s\" ", rule->call, rule->where,
                  rule->fault);
    keep_hits(ground, &hits, state, value);
    buffer_printf(value, "}");
    return set_rule(ground, &hits, rule, error);
}

static bool start_error(struct nemesis_ground *ground, void **state, struct buffer *value,
                        struct error *error)
{
    static const struct rule rules[] = {
        {"sync", "log/", "EIO"},  {"sync", "state.", "EIO"}, {"sync", "", "EIO"},
        {"write", "log/", "EIO"}, {"write", "", "EIO"},      {"sync", "log/", "EROFS"},
        {"allocate", "", "EIO"},  {"write", "", "ENOSPC"},   {"name", "", "EIO"},
    };
    return start_rule(ground, &rules[ground_draw(ground, sizeof rules / sizeof *rules)], state,
                      value, error);
}

static bool start_slow(struct nemesis_ground *ground, void **state, struct buffer *value,
                       struct error *error)
{
    static const struct rule rules[] = {
        {"sync", "log/", NULL}, {"sync", "", NULL}, {"write", "log/", NULL}, {"read", "", NULL}};
    static const char *const delays_ms[] = {"10", "50", "200"};
    struct rule rule = rules[ground_draw(ground, sizeof rules / sizeof *rules)];
    rule.fault = delays_ms[ground_draw(ground, 3)];
    return start_rule(ground, &rule, state, value, error);
}

static bool stop_slow(struct nemesis_ground *ground, void *state, struct buffer *value,
                      struct error *error)
{
    struct ground_ids *hits = state;
    bool fine = set_rule(ground, hits, NULL, error);
    (void)value;
    free(hits);
    return fine;
}

static bool stop_error(struct nemesis_ground *ground, void *state, struct buffer *value,
                       struct error *error)
{
    struct ground_ids *hits = state;
    bool fine = set_rule(ground, hits, NULL, error);
    for (uint32_t i = 0; fine && i < hits->count; i++) {
        fine =
            !is_there(ground, hits->ids[i]) || nodes_terminate(ground->nodes, hits->ids[i], error);
    }
    fine = fine && start_ended(ground, hits, value, error);
    free(hits);
    return fine;
}

/* ---- no room ---- */

struct filled {
    struct ground_ids hits;
    uint64_t left_bytes;
};

/* Beside the node's data: one that has never been started has none yet. */
static char *filler_of(struct nemesis_ground *ground, uint32_t id, char path[PATH_MAX])
{
    const char *data = nodes_data(ground->nodes, id);
    int disk_len = (int)(strrchr(data, '/') - data);
    int len = snprintf(path, PATH_MAX, "%.*s/filler", disk_len, data);
    return len > 0 && len < PATH_MAX ? path : NULL;
}

/* So that no more than `left` bytes are free: of all that there is, for nodes are root's, and root
 * may take the last blocks too. What other processes take meanwhile is theirs. */
static bool fill(struct nemesis_ground *ground, uint32_t id, uint64_t left, struct error *error)
{
    char path[PATH_MAX];
    struct statvfs disk;
    struct stat filler;
    if (filler_of(ground, id, path) == NULL) {
        return error_set(error, "the path of node %u's disk is too long", id);
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    bool fine = fd >= 0 && fstatvfs(fd, &disk) == 0 && fstat(fd, &filler) == 0;
    uint64_t free_bytes = fine ? (uint64_t)disk.f_bfree * disk.f_frsize : 0;
    if (free_bytes > left && fallocate(fd, 0, filler.st_size, (off_t)(free_bytes - left)) != 0) {
        fine = errno == ENOSPC; /* then it has got what there was */
    }
    if (!fine) {
        error_set(error, "can't fill the disk of node %u: %s: %s", id, path, strerror(errno));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return fine;
}

static bool start_filled(struct nemesis_ground *ground, uint64_t left_bytes, void **state,
                         struct buffer *value, struct error *error)
{
    struct filled *filled = memory_zalloc(sizeof *filled);
    bool fine = true;
    filled->hits = some_members(ground);
    filled->left_bytes = left_bytes;
    *state = filled;
    buffer_printf(value, "{:left-bytes %llu :nodes ", (unsigned long long)left_bytes);
    ground_write_hosts(value, ground, &filled->hits);
    buffer_printf(value, "}");
    for (uint32_t i = 0; fine && i < filled->hits.count; i++) {
        fine = fill(ground, filled->hits.ids[i], left_bytes, error);
    }
    return fine;
}

/* None at all, or so little that it is gone soon, in the middle of something. */
static bool start_full(struct nemesis_ground *ground, void **state, struct buffer *value,
                       struct error *error)
{
    return start_filled(ground, ground_draw(ground, 4) * (MEBIBYTE / 4), state, value, error);
}

/* Below what a node keeps in reserve, and far from full: nobody has to stop. */
static bool start_low(struct nemesis_ground *ground, void **state, struct buffer *value,
                      struct error *error)
{
    return start_filled(ground, (32 + ground_draw(ground, 32)) * MEBIBYTE, state, value, error);
}

/* Trimmed logs, and the journal, give room back: it is taken again. */
static bool turn_filled(struct nemesis_ground *ground, void *state, struct error *error)
{
    struct filled *filled = state;
    bool fine = true;
    for (uint32_t i = 0; fine && i < filled->hits.count; i++) {
        fine = !is_there(ground, filled->hits.ids[i]) ||
               fill(ground, filled->hits.ids[i], filled->left_bytes, error);
    }
    return fine;
}

static bool stop_filled(struct nemesis_ground *ground, void *state, struct buffer *value,
                        struct error *error)
{
    struct filled *filled = state;
    bool fine = true;
    for (uint32_t i = 0; fine && i < filled->hits.count; i++) {
        char path[PATH_MAX];
        uint32_t id = filled->hits.ids[i];
        if (is_there(ground, id) && filler_of(ground, id, path) != NULL && unlink(path) != 0 &&
            errno != ENOENT) {
            fine = error_set(error, "can't make room on the disk of node %u: %s: %s", id, path,
                             strerror(errno));
        }
    }
    struct error runs_on;
    for (uint32_t i = 0; fine && i < filled->hits.count; i++) {
        uint32_t id = filled->hits.ids[i];
        if (nodes_life(ground->nodes, id) == NODE_PAUSED) {
            fine = nodes_kill(ground->nodes, id, error); /* it may be about to end, when resumed */
        } else if (is_there(ground, id)) {
            (void)nodes_wait_end(ground->nodes, id, MOMENT_MS / filled->hits.count, &runs_on);
        }
    }
    fine = fine && start_ended(ground, &filled->hits, value, error);
    free(filled);
    return fine;
}

/* ---- power ---- */

static bool start_cut(struct nemesis_ground *ground, uint32_t count, void **state,
                      struct buffer *value, struct error *error)
{
    struct ground_ids hits = ground_members(ground);
    ground_shuffle(ground, &hits);
    hits.count = hits.count < count ? hits.count : count;
    buffer_printf(value, "{");
    keep_hits(ground, &hits, state, value);
    buffer_printf(value, "}");
    return nodes_cut_power_of(ground->nodes, hits.ids, hits.count, error);
}

static bool start_cut_one(struct nemesis_ground *ground, void **state, struct buffer *value,
                          struct error *error)
{
    return start_cut(ground, 1, state, value, error);
}

static bool start_cut_majority(struct nemesis_ground *ground, void **state, struct buffer *value,
                               struct error *error)
{
    return start_cut(ground, ground_members(ground).count / 2 + 1, state, value, error);
}

static bool start_cut_all(struct nemesis_ground *ground, void **state, struct buffer *value,
                          struct error *error)
{
    return start_cut(ground, NODES_MOST, state, value, error);
}

static bool stop_cut(struct nemesis_ground *ground, void *state, struct buffer *value,
                     struct error *error)
{
    struct ground_ids *hits = state;
    bool fine = start_ended(ground, hits, value, error);
    free(hits);
    return fine;
}

#define KIND "disk"

const struct nemesis nemesis_disk_error = {
    .name = "disk-error",
    .kind = KIND,
    .help = "syncs, writes or allocations fail on one to all nodes",
    .ends_nodes = true,
    .needs_disk_faults = true,
    .start = start_error,
    .stop = stop_error,
};
const struct nemesis nemesis_disk_slow = {
    .name = "disk-slow",
    .kind = KIND,
    .help = "syncs, writes or reads take 10 to 200 ms on one to all nodes",
    .needs_disk_faults = true,
    .start = start_slow,
    .stop = stop_slow,
};
const struct nemesis nemesis_disk_full = {
    .name = "disk-full",
    .kind = KIND,
    .help = "the disks of one to all nodes are full, or all but full",
    .ends_nodes = true,
    .start = start_full,
    .stop = stop_filled,
};
const struct nemesis nemesis_disk_low = {
    .name = "disk-low",
    .kind = KIND,
    .help = "the disks of one to all nodes have less free than their reserve",
    .ends_nodes = true,
    .start = start_low,
    .stop = stop_filled,
    .turn = turn_filled,
};
const struct nemesis nemesis_power_cut_one = {
    .name = "power-cut-one",
    .kind = KIND,
    .help = "the power of a node goes: what was not synced is gone",
    .ends_nodes = true,
    .start = start_cut_one,
    .stop = stop_cut,
};
const struct nemesis nemesis_power_cut_majority = {
    .name = "power-cut-majority",
    .kind = KIND,
    .help = "the power of a majority goes, at one moment",
    .ends_nodes = true,
    .start = start_cut_majority,
    .stop = stop_cut,
};
const struct nemesis nemesis_power_cut_all = {
    .name = "power-cut-all",
    .kind = KIND,
    .help = "the power of all nodes goes, at one moment",
    .ends_nodes = true,
    .start = start_cut_all,
    .stop = stop_cut,
};
