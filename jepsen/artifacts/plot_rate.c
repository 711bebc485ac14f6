/*
 * plot_rate.c - completions a second, by outcome.
 */
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

void plot_rate(struct buffer *out, const struct history *history)
{
    struct plot plot = {.seconds = history->end_ns > 0 ? (double)history->end_ns / 1e9 : 1};
    uint32_t slices = plot.seconds < 30 ? 60 : plot.seconds < 120 ? 120 : 200;
    double slice_seconds = plot.seconds / slices;
    uint32_t *counts = memory_zalloc((size_t)OUTCOMES * slices * sizeof *counts);
    uint32_t most = 1;
    for (uint32_t i = 0; i < history->operations.count; i++) {
        const struct operation *operation = &history->operations.items[i];
        if (operation->completed != HISTORY_NEVER) {
            uint32_t *count = &counts[operation->outcome * slices +
                                      slice_of(&plot, slices, operation->completed_ns)];
            (*count)++;
            most = *count > most ? *count : most;
        }
    }
    plot_begin(&plot, out, history, "Completions a second, by outcome", "operations a second", 0,
               most / slice_seconds * 1.05, false);
    for (uint32_t i = 0; i < OUTCOMES; i++) {
        draw_rate(&plot, counts + (size_t)i * slices, slices, slice_seconds, (enum outcome)i);
        plot_legend(&plot, plot_outcome_colour((enum outcome)i),
                    plot_outcome_name((enum outcome)i));
    }
    plot_end(&plot);
    free(counts);
}
