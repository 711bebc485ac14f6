/*
 * plot_latency.c - how long operations took.
 */
#include <math.h>
#include <stdlib.h>

#include "plot.h"

#define COLUMNS   860 /* of the paper's grid: a point falls on one of its places */
#define ROWS      360
#define LEAST_MS  0.1
#define QUANTILES 4

static double latency_ms(const struct operation *operation)
{
    return (double)(operation->completed_ns - operation->invoked_ns) / 1e6;
}

/* The power of ten above the longest. */
static double most_ms(const struct history *history)
{
    double most = 1;
    for (uint32_t i = 0; i < history->operations.count; i++) {
        const struct operation *operation = &history->operations.items[i];
        while (operation->completed != HISTORY_NEVER && latency_ms(operation) > most) {
            most *= 10;
        }
    }
    return most;
}

static uint32_t place_in(double share, uint32_t count)
{
    double place = share * count;
    return place < 0 ? 0 : place >= count ? count - 1 : (uint32_t)place;
}

/* The points of one outcome, each place of the grid once. */
static void draw_points(struct plot *plot, enum outcome outcome)
{
    const struct history *history = plot->history;
    bool *drawn = memory_zalloc((size_t)COLUMNS * ROWS * sizeof *drawn);
    bool any = false;
    for (uint32_t i = 0; i < history->operations.count; i++) {
        const struct operation *operation = &history->operations.items[i];
        if (operation->outcome != outcome || operation->completed == HISTORY_NEVER) {
            continue;
        }
        double seconds = (double)operation->invoked_ns / 1e9;
        double latency = latency_ms(operation);
        double x = plot_x(plot, seconds);
        double y = plot_y(plot, latency);
        uint32_t column = place_in(seconds / plot->seconds, COLUMNS);
        uint32_t row = place_in((y - plot_y(plot, plot->most)) /
                                    (plot_y(plot, plot->least) - plot_y(plot, plot->most)),
                                ROWS);
        if (drawn[(size_t)row * COLUMNS + column]) {
            continue;
        }
        drawn[(size_t)row * COLUMNS + column] = true;
        if (!any) {
            buffer_printf(plot->out,
                          "<path fill=\"none\" stroke=\"%s\" stroke-width=\"2.4\" "
                          "stroke-linecap=\"round\" stroke-opacity=\"%s\" d=\"",
                          plot_outcome_colour(outcome),
                          outcome == OUTCOME_OK || outcome == OUTCOME_REFUSED ? "0.55" : "0.9");
            any = true;
        }
        buffer_printf(plot->out, "M%.1f %.1fh0", x, y);
    }
    if (any) {
        buffer_printf(plot->out, "\"/>\n");
    }
    free(drawn);
}

void plot_latency_raw(struct buffer *out, const struct history *history)
{
    static const enum outcome order[] = {OUTCOME_OK, OUTCOME_REFUSED, OUTCOME_FAILED,
                                         OUTCOME_UNKNOWN};
    struct plot plot;
    plot_begin(&plot, out, history, "Latency of each operation", "milliseconds (log)", LEAST_MS,
               most_ms(history), true);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        draw_points(&plot, order[i]);
        plot_legend(&plot, plot_outcome_colour(order[i]), plot_outcome_name(order[i]));
    }
    plot_end(&plot);
}

/* ---- quantiles ---- */

struct sample {
    uint32_t slice; /* of time */
    float ms;
};

static int by_slice(const void *left, const void *right)
{
    const struct sample *a = left;
    const struct sample *b = right;
    if (a->slice != b->slice) {
        return a->slice < b->slice ? -1 : 1;
    }
    return a->ms < b->ms ? -1 : a->ms > b->ms;
}

static struct sample *take_samples(const struct plot *plot, uint32_t slices, uint32_t *count)
{
    const struct history *history = plot->history;
    struct sample *samples = memory_alloc((history->operations.count + 1u) * sizeof *samples);
    *count = 0;
    for (uint32_t i = 0; i < history->operations.count; i++) {
        const struct operation *operation = &history->operations.items[i];
        if (operation_answered(operation)) {
            double seconds = (double)operation->invoked_ns / 1e9;
            samples[(*count)++] = (struct sample){place_in(seconds / plot->seconds, slices),
                                                  (float)latency_ms(operation)};
        }
    }
    qsort(samples, *count, sizeof *samples, by_slice);
    return samples;
}

/* A line through the slices that have samples; it breaks where one has none. */
static void draw_quantile(struct plot *plot, const struct sample *samples, uint32_t count,
                          uint32_t slices, double quantile, const char *colour)
{
    uint32_t last = UINT32_MAX;
    buffer_printf(plot->out,
                  "<path fill=\"none\" stroke=\"%s\" stroke-width=\"1.8\" "
                  "stroke-linejoin=\"round\" stroke-linecap=\"round\" d=\"",
                  colour);
    for (uint32_t i = 0; i < count;) {
        uint32_t end = i;
        while (end < count && samples[end].slice == samples[i].slice) {
            end++;
        }
        uint32_t at = i + (uint32_t)((double)(end - i - 1) * quantile + 0.5);
        double seconds = (samples[i].slice + 0.5) * plot->seconds / slices;
        bool joined = last != UINT32_MAX && samples[i].slice == last + 1;
        buffer_printf(plot->out, "%s%.1f %.1f%s", joined ? "L" : "M", plot_x(plot, seconds),
                      plot_y(plot, samples[at].ms), joined ? "" : "h0");
        last = samples[i].slice;
        i = end;
    }
    buffer_printf(plot->out, "\"/>\n");
}

void plot_latency_quantiles(struct buffer *out, const struct history *history)
{
    static const struct {
        double quantile;
        const char *name;
        const char *colour;
    } lines[QUANTILES] = {{1, "longest", "#d81b60"},
                          {0.99, "99 %", "#f28e00"},
                          {0.95, "95 %", "#3b8f6b"},
                          {0.5, "median", "#2f7ed8"}};
    struct plot plot;
    uint32_t count;
    plot_begin(&plot, out, history, "Latency of answered operations, by time", "milliseconds (log)",
               LEAST_MS, most_ms(history), true);
    uint32_t slices = plot.seconds < 30 ? 60 : plot.seconds < 120 ? 120 : 200;
    struct sample *samples = take_samples(&plot, slices, &count);
    for (uint32_t i = 0; i < QUANTILES; i++) {
        if (count > 0) {
            draw_quantile(&plot, samples, count, slices, lines[i].quantile, lines[i].colour);
        }
        plot_legend(&plot, lines[i].colour, lines[i].name);
    }
    plot_end(&plot);
    free(samples);
}
