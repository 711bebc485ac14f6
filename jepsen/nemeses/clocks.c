/*
 * clocks.c - wall clocks that are wrong: they jump, run too fast or too slowly, or can't make up
 * their mind.
 *
 * Only a minority's: ledger time goes by what a majority's clocks show (docs/replication.md), and
 * what holds is promised against that. A node that is replaced, or restarted, keeps its number's
 * clock until the fault is over. Behind it all clocks are right again. The value of `stop` tells
 * how far off one of the others has found them, before.
 *
 * Fails: the control file of a clock can't be written; the run ends.
 */
#include "ground.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ASK_MS 1000

static struct ground_ids a_minority(struct nemesis_ground *ground)
{
    struct ground_ids nodes = ground_members(ground);
    ground_shuffle(ground, &nodes);
    nodes.count = nodes.count < 3 ? 0 : 1 + ground_draw(ground, (nodes.count - 1) / 2);
    return nodes;
}

/* Seconds, minutes or hours, each as likely. */
static double draw_offset_s(struct nemesis_ground *ground)
{
    static const double scales_s[] = {1, 60, 3600};
    double scale_s = scales_s[ground_draw(ground, 3)];
    double offset_s = scale_s * (double)(1 + ground_draw(ground, 10000)) / 1000;
    return ground_draw(ground, 2) == 0 ? offset_s : -offset_s;
}

static bool set_clock(struct nemesis_ground *ground, uint32_t id, const char *offset,
                      struct error *error)
{
    return nodes_life(ground->nodes, id) == NODE_GONE ||
           nodes_set_clock(ground->nodes, id, offset, error);
}

/* Each a clock of its own. */
static bool start(struct nemesis_ground *ground, bool rate, void **state, struct buffer *value,
                  struct error *error)
{
    struct ground_ids nodes = a_minority(ground);
    bool fine = true;
    buffer_printf(value, "{:clocks {");
    for (uint32_t i = 0; fine && i < nodes.count; i++) {
        char offset[64];
        if (rate) {
            snprintf(offset, sizeof offset, "+0 x%.3f",
                     0.5 + (double)ground_draw(ground, 1501) / 1000);
        } else {
            snprintf(offset, sizeof offset, "%+.3f", draw_offset_s(ground));
        }
        ground_write_host(value, ground, nodes.ids[i]);
        buffer_printf(value, " \"%s\" ", offset);
        fine = set_clock(ground, nodes.ids[i], offset, error);
    }
    buffer_printf(value, "}}");
    *state = memory_copy(&nodes, sizeof nodes);
    return fine;
}

static bool start_jump(struct nemesis_ground *ground, void **state, struct buffer *value,
                       struct error *error)
{
    return start(ground, false, state, value, error);
}

static bool start_skew(struct nemesis_ground *ground, void **state, struct buffer *value,
                       struct error *error)
{
    return start(ground, true, state, value, error);
}

/* NULL: it is not among them, or nobody has heard of its clock. */
static const hf_member *find_member(const hf_status *status, uint32_t id)
{
    for (size_t i = 0; i < status->member_count; i++) {
        if (status->members[i].node_id == id && status->members[i].clock_is_known) {
            return &status->members[i];
        }
    }
    return NULL;
}

/* One that runs, and whose clock is right; 0: there is none. */
static uint32_t find_asked(struct nemesis_ground *ground, const struct ground_ids *wrong)
{
    struct ground_ids running = ground_living(ground, NODE_RUNNING);
    for (uint32_t i = 0; i < running.count; i++) {
        uint32_t k = 0;
        while (k < wrong->count && wrong->ids[k] != running.ids[i]) {
            k++;
        }
        if (k == wrong->count) {
            return running.ids[i];
        }
    }
    return 0;
}

/* {:seen {"n1" 19987 "n3" nil}}, in ms; nil: nobody knows. */
static void write_seen(struct nemesis_ground *ground, const struct ground_ids *nodes,
                       struct buffer *value)
{
    static const hf_call_options options = {.timeout_ms = ASK_MS};
    struct error error;
    hf_status *status = NULL;
    uint32_t asked = find_asked(ground, nodes);
    hf_client *client = asked != 0 ? nodes_operator(ground->nodes, &error) : NULL;
    bool told = client != NULL && hf_get_status(client, nodes_endpoint(ground->nodes, asked),
                                                &options, &status) == HF_OK;
    buffer_printf(value, "{:seen {");
    for (uint32_t i = 0; i < nodes->count; i++) {
        const hf_member *member = told ? find_member(status, nodes->ids[i]) : NULL;
        buffer_printf(value, "%s", i > 0 ? " " : "");
        ground_write_host(value, ground, nodes->ids[i]);
        if (member != NULL) {
            buffer_printf(value, " %" PRId64, member->clock_offset_ms);
        } else {
            buffer_printf(value, " nil");
        }
    }
    buffer_printf(value, "}}");
    hf_free(status);
}

static bool stop(struct nemesis_ground *ground, void *state, struct buffer *value,
                 struct error *error)
{
    struct ground_ids *nodes = state;
    bool fine = true;
    write_seen(ground, nodes, value);
    for (uint32_t i = 0; fine && i < nodes->count; i++) {
        fine = set_clock(ground, nodes->ids[i], NULL, error);
    }
    free(nodes);
    return fine;
}

/* To and fro, as fast as the nodes' clocks follow: they are looked at once a second (nodes.h). */
#define STROBE_TURNS (1200 / NEMESIS_TURN_MS)

struct strobe {
    struct ground_ids nodes;
    char offset[64];
    bool off; /* right, at this moment */
    uint32_t turns;
};

static bool strobe_turn(struct nemesis_ground *ground, void *state, struct error *error)
{
    struct strobe *strobe = state;
    bool fine = true;
    if (strobe->turns++ % STROBE_TURNS != 0) {
        return true;
    }
    for (uint32_t i = 0; fine && i < strobe->nodes.count; i++) {
        fine = set_clock(ground, strobe->nodes.ids[i], strobe->off ? strobe->offset : NULL, error);
    }
    strobe->off = !strobe->off;
    return fine;
}

static bool start_strobe(struct nemesis_ground *ground, void **state, struct buffer *value,
                         struct error *error)
{
    struct strobe *strobe = memory_zalloc(sizeof *strobe);
    strobe->nodes = a_minority(ground);
    strobe->off = true;
    snprintf(strobe->offset, sizeof strobe->offset, "%+.3f", draw_offset_s(ground));
    buffer_printf(value, "{:nodes ");
    ground_write_hosts(value, ground, &strobe->nodes);
    buffer_printf(value, " :between [\"+0\" \"%s\"] :every-ms %u}", strobe->offset,
                  STROBE_TURNS * NEMESIS_TURN_MS);
    *state = strobe;
    return strobe_turn(ground, strobe, error);
}

static bool stop_strobe(struct nemesis_ground *ground, void *state, struct buffer *value,
                        struct error *error)
{
    struct strobe *strobe = state;
    void *nodes = memory_copy(&strobe->nodes, sizeof strobe->nodes);
    free(strobe);
    return stop(ground, nodes, value, error);
}

#define KIND "clock"

const struct nemesis nemesis_clock_jump = {
    .name = "clock-jump",
    .kind = KIND,
    .help = "a minority's wall clocks jump by seconds to hours, ahead or back, and back again",
    .needs_clock_faults = true,
    .least_nodes = 3,
    .start = start_jump,
    .stop = stop,
};
const struct nemesis nemesis_clock_skew = {
    .name = "clock-skew",
    .kind = KIND,
    .help = "a minority's wall clocks run at half to twice their rate",
    .needs_clock_faults = true,
    .least_nodes = 3,
    .start = start_skew,
    .stop = stop,
};
const struct nemesis nemesis_clock_strobe = {
    .name = "clock-strobe",
    .kind = KIND,
    .help = "a minority's wall clocks jump to and fro, about once a second",
    .needs_clock_faults = true,
    .least_nodes = 3,
    .start = start_strobe,
    .stop = stop_strobe,
    .turn = strobe_turn,
};
