/*
 * flips.c - bits that flip in a node's files: in its log, its state, its manifest, while it is
 * down; in the tables of its state, which its snapshots share, while it runs.
 *
 * A node that reads such a file must not go on as if nothing were wrong: it refuses to start, or
 * stops, with a line that says where; what nobody has read yet does no harm. Whether it has served
 * anything wrong, the checkers see. Behind the fault the node is replaced under a new id, however
 * it fared: what it has promised may be lost with those bits. So this `destroys`: it is alone.
 *
 * The value tells which file, which bits, and what became of the node: :ended with :exit-status, or
 * what a verification of all that it has says.
 *
 * Fails: a file that can't be changed, a node that can't be replaced; the run ends.
 */
#include "member_plan.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MOST  512
#define FLIPS_MOST  8
#define LEADER_MS   20000 /* for the others to elect one of them */
#define LOOK_MS     100
#define END_MS      10000
#define VERIFY_MS   10000
#define SNAPSHOT_MS 3000
#define WALK_DEPTH  16

/* What nftw has found: it has no place for a context. Only the nemesis' thread walks. */
static struct {
    const char *part;
    char *paths[FILES_MOST];
    uint64_t bytes[FILES_MOST];
    uint32_t count;
} found;

static int note_file(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
    (void)walk;
    if (type == FTW_F && stat->st_size > 0 && found.count < FILES_MOST &&
        strstr(path, found.part) != NULL) {
        found.paths[found.count] = memory_strdup(path);
        found.bytes[found.count++] = (uint64_t)stat->st_size;
    }
    return 0;
}

/* Large files have most of what there is to be hit, and small ones tell what large ones mean:
 * either each byte is as likely as the other, or each file. */
static uint32_t draw_found(struct nemesis_ground *ground)
{
    uint64_t all_bytes = 0;
    uint32_t drawn = 0;
    if (ground_draw(ground, 2) == 0) {
        return ground_draw(ground, found.count);
    }
    for (uint32_t i = 0; i < found.count; i++) {
        all_bytes += found.bytes[i];
    }
    assert(all_bytes > 0); /* empty files are not noted */
    uint64_t byte = random_next(&ground->random) % all_bytes;
    while (byte >= found.bytes[drawn]) {
        byte -= found.bytes[drawn++];
    }
    return drawn;
}

/* One file whose path has this part; NULL: there is none. The caller frees it. */
static char *draw_file(struct nemesis_ground *ground, const char *data, const char *part,
                       uint64_t *bytes)
{
    char *path = NULL;
    found.part = part;
    found.count = 0;
    (void)nftw(data, note_file, WALK_DEPTH, FTW_PHYS);
    if (found.count > 0) {
        uint32_t drawn = draw_found(ground);
        path = memory_strdup(found.paths[drawn]);
        *bytes = found.bytes[drawn];
    }
    for (uint32_t i = 0; i < found.count; i++) {
        free(found.paths[i]);
    }
    return path;
}

static bool flip_bit(const char *path, uint64_t at, uint32_t bit, struct error *error)
{
    uint8_t byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        return true; /* a node that runs has done away with it */
    }
    bool fine = fd >= 0 && pread(fd, &byte, 1, (off_t)at) == 1;
    byte = (uint8_t)(fine ? byte ^ 1U << bit : 0);
    fine = fine && pwrite(fd, &byte, 1, (off_t)at) == 1 && fsync(fd) == 0;
    if (!fine) {
        error_set(error, "can't flip a bit in %s: %s", path, strerror(errno));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return fine;
}

static bool flip(struct nemesis_ground *ground, uint32_t id, const char *part, struct buffer *value,
                 struct error *error)
{
    const char *data = nodes_data(ground->nodes, id);
    uint64_t bytes = 0;
    char *path = draw_file(ground, data, part, &bytes);
    if (path == NULL) {
        buffer_printf(value, "{:node \"n%u\" :file nil}", id); /* a young node has none yet */
        return true;
    }
    uint32_t count = 1 + ground_draw(ground, FLIPS_MOST);
    bool fine = true;
    buffer_printf(value, "{:node \"n%u\" :file \"%s\" :bytes %" PRIu64 " :bits [", id,
                  path + strlen(data) + 1, bytes);
    for (uint32_t i = 0; fine && i < count; i++) {
        uint64_t at = random_next(&ground->random) % bytes;
        uint32_t bit = ground_draw(ground, 8);
        buffer_printf(value, "%s[%" PRIu64 " %u]", i > 0 ? " " : "", at, bit);
        fine = flip_bit(path, at, bit, error);
    }
    buffer_printf(value, "]}");
    free(path);
    return fine;
}

struct flipped {
    struct member_plan plan;
    uint32_t id; /* 0: none, for there would be none to replace it */
};

static struct flipped *draw_node(struct nemesis_ground *ground, struct buffer *value)
{
    struct ground_ids nodes = ground_members(ground);
    struct flipped *flipped = memory_zalloc(sizeof *flipped);
    if (!member_plan_has_room(ground, 1, value)) {
        return flipped;
    }
    flipped->id = nodes.ids[ground_draw(ground, nodes.count)];
    member_plan_leave(&flipped->plan, flipped->id);
    member_plan_join(&flipped->plan);
    return flipped;
}

/* Its bits flip while it is down, and while the others have a leader: they hold all that is
 * committed, and bring it up to date. */
static bool start_down(struct nemesis_ground *ground, const char *part, void **state,
                       struct buffer *value, struct error *error)
{
    struct flipped *flipped = draw_node(ground, value);
    *state = flipped;
    if (flipped->id == 0) {
        return true;
    }
    bool fine = ground_draw(ground, 2) == 0 ? nodes_kill(ground->nodes, flipped->id, error)
                                            : nodes_terminate(ground->nodes, flipped->id, error);
    for (int left = LEADER_MS / LOOK_MS; fine && left > 0 && nodes_leader(ground->nodes) == 0;
         left--) {
        (void)poll(NULL, 0, LOOK_MS);
    }
    return fine && flip(ground, flipped->id, part, value, error) &&
           nodes_start(ground->nodes, flipped->id, error);
}

/* A snapshot, where the node takes one now, writes tables; from then on they don't change. */
static bool start_tables(struct nemesis_ground *ground, void **state, struct buffer *value,
                         struct error *error)
{
    const hf_call_options options = {.timeout_ms = SNAPSHOT_MS};
    struct flipped *flipped = draw_node(ground, value);
    *state = flipped;
    if (flipped->id == 0) {
        return true;
    }
    hf_client *client = nodes_operator(ground->nodes, error);
    if (client == NULL) {
        return false;
    }
    (void)!hf_take_snapshot(client, nodes_endpoint(ground->nodes, flipped->id), &options, NULL);
    return flip(ground, flipped->id, ".sst", value, error);
}

/* What it says of all that it has, where it still runs. */
static void write_verification(struct nemesis_ground *ground, uint32_t id, struct buffer *value)
{
    const hf_call_options options = {.timeout_ms = VERIFY_MS};
    struct error error;
    hf_verification *answer = NULL;
    hf_client *client = nodes_operator(ground->nodes, &error);
    hf_verdict verdict =
        client != NULL ? hf_verify(client, nodes_endpoint(ground->nodes, id), &options, &answer)
                       : HF_UNREACHABLE;
    if (verdict == HF_OK) {
        buffer_printf(value, ":sound %s", answer->sound ? "true" : "false");
    } else {
        /* It has read what is damaged, and is about to end. */
        (void)nodes_wait_end(ground->nodes, id, END_MS, &error);
    }
    hf_free(answer);
}

static bool stop(struct nemesis_ground *ground, void *state, struct buffer *value,
                 struct error *error)
{
    struct flipped *flipped = state;
    (void)error;
    if (flipped->id == 0) {
        return true;
    }
    buffer_printf(value, "{");
    if (nodes_life(ground->nodes, flipped->id) == NODE_RUNNING) {
        write_verification(ground, flipped->id, value);
    }
    if (nodes_life(ground->nodes, flipped->id) == NODE_DOWN) {
        buffer_printf(value, ":ended true :exit-status %d",
                      nodes_exit_status(ground->nodes, flipped->id));
    }
    buffer_printf(value, "}");
    return true;
}

static bool finish(struct nemesis_ground *ground, void *state, struct buffer *value,
                   struct error *error)
{
    struct flipped *flipped = state;
    bool fine = member_plan_finish(ground, &flipped->plan, error);
    member_plan_write(value, ground, &flipped->plan);
    free(flipped);
    return fine;
}

static bool start_log(struct nemesis_ground *ground, void **state, struct buffer *value,
                      struct error *error)
{
    return start_down(ground, "/data/log/", state, value, error);
}

static bool start_state(struct nemesis_ground *ground, void **state, struct buffer *value,
                        struct error *error)
{
    return start_down(ground, "/data/state.", state, value, error);
}

static bool start_any(struct nemesis_ground *ground, void **state, struct buffer *value,
                      struct error *error)
{
    return start_down(ground, "/data/", state, value, error);
}

#define KIND "disk"

const struct nemesis nemesis_flip_log = {
    .name = "flip-log",
    .kind = KIND,
    .help = "bits of a node's log flip while it is down; it is replaced",
    .destroys = true,
    .ends_nodes = true,
    .least_nodes = 3,
    .start = start_log,
    .stop = stop,
    .finish = finish,
};
const struct nemesis nemesis_flip_state = {
    .name = "flip-state",
    .kind = KIND,
    .help = "bits of a node's state flip while it is down; it is replaced",
    .destroys = true,
    .ends_nodes = true,
    .least_nodes = 3,
    .start = start_state,
    .stop = stop,
    .finish = finish,
};
const struct nemesis nemesis_flip_any = {
    .name = "flip-any",
    .kind = KIND,
    .help = "bits of any file of a node flip while it is down; it is replaced",
    .destroys = true,
    .ends_nodes = true,
    .least_nodes = 3,
    .start = start_any,
    .stop = stop,
    .finish = finish,
};
const struct nemesis nemesis_flip_tables = {
    .name = "flip-tables",
    .kind = KIND,
    .help =
        "bits of a node's tables, which its snapshots share, flip while it runs; it is replaced",
    .destroys = true,
    .ends_nodes = true,
    .least_nodes = 3,
    .start = start_tables,
    .stop = stop,
    .finish = finish,
};
