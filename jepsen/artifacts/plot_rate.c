/*
 * plot_rate.c - completions a second, by outcome.
 *
 * The reading of everything at a run's end makes a peak of many times what clients did before. The
 * paper goes up to twice what nine tenths of the time stay below, unless the highest is not much
 * above that; what is higher is cut off, and the title says how high it was.
 */
#include <stdio.h>
#include <stdlib.h>

#include "plot.h"

#define OUTCOMES 4

static uint32_t slice_of(const struct plot *plot, uint32_t slices, int64_t time_ns)
{
    double place = (double)time_ns / 1e9 / plot->seconds * slices;
    return place >= slices ? slices - 1 : (uint32_t)place;
}

static void draw_rate(struct plot *plot, const uint32_t *counts, uint32_t slices,
                      double slice_seconds, enum outcome outcome)
{
    buffer_printf(plot->out,
                  "<path fill=\"none\" stroke=\"%s\" stroke-width=\"1.8\" "
                  "stroke-linejoin=\"round\" d=\"",
                  plot_outcome_colour(outcome));
    for (uint32_t i = 0; i < slices; i++) {
        buffer_printf(plot->out, "%s%.1f %.1f", i == 0 ? "M" : "L",
                      plot_x(plot, (i + 0.5) * slice_seconds),
                      plot_y(plot, counts[i] / slice_seconds));
    }
    buffer_printf(plot->out, "\"/>\n");
}

static int by_size(const void *left, const void *right)
{
    const uint32_t *a = left;
    const uint32_t *b = right;
    return *a < *b ? -1 : *a > *b;
}

/* Where the paper ends. */
static double top_of(const uint32_t *counts, uint32_t slices, uint32_t *highest)
{
    uint32_t *sorted = memory_alloc(slices * sizeof *sorted);
    for (uint32_t i = 0; i < slices; i++) {
        sorted[i] = 0;
        for (uint32_t outcome = 0; outcome < OUTCOMES; outcome++) {
            uint32_t count = counts[outcome * slices + i];
            sorted[i] = count > sorted[i] ? count : sorted[i];
        }
    }
    qsort(sorted, slices, sizeof *sorted, by_size);
    *highest = sorted[slices - 1];
    double usual = sorted[slices * 9 / 10] > 0 ? sorted[slices * 9 / 10] : 1;
    free(sorted);
    return *highest > 3 * usual ? 2 * usual : (*highest > 0 ? *highest : 1) * 1.05;
}

void plot_rate(struct buffer *out, const struct history *history)
{
    struct plot plot = {.seconds = history->end_ns > 0 ? (double)history->end_ns / 1e9 : 1};
    uint32_t slices = plot.seconds < 30 ? 60 : plot.seconds < 120 ? 120 : 200;
    double slice_seconds = plot.seconds / slices;
    uint32_t *counts = memory_zalloc((size_t)OUTCOMES * slices * sizeof *counts);
    for (uint32_t i = 0; i < history->operations.count; i++) {
        const struct operation *operation = &history->operations.items[i];
        if (operation->completed != HISTORY_NEVER) {
            counts[operation->outcome * slices +
                   slice_of(&plot, slices, operation->completed_ns)]++;
        }
    }
    char title[128] = "Completions a second, by outcome";
    uint32_t highest;
    double most = top_of(counts, slices, &highest);
    if (most < highest) {
        snprintf(title, sizeof title, "Completions a second, by outcome; the highest peak is %.0f",
                 highest / slice_seconds);
    }
    plot_begin(&plot, out, history, title, "operations a second", 0, most / slice_seconds, false);
    for (uint32_t i = 0; i < OUTCOMES; i++) {
        draw_rate(&plot, counts + (size_t)i * slices, slices, slice_seconds, (enum outcome)i);
        plot_legend(&plot, plot_outcome_colour((enum outcome)i),
                    plot_outcome_name((enum outcome)i));
    }
    plot_end(&plot);
    free(counts);
}
