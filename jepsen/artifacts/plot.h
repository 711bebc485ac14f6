/*
 * plot.h - pictures of a run over time, as SVG that any browser shows and that needs nothing from a
 * network: axes with units, a legend, and the windows of faults, shaded behind the curves and named
 * in lanes below.
 *
 * A picture's size is bounded whatever the history's: points that fall on the same place of the
 * paper are drawn once.
 */
#ifndef JEPSEN_PLOT_H
#define JEPSEN_PLOT_H

#include "faults.h"
#include "history.h"

#define PLOT_LANES 10 /* kinds of faults that get a lane; more share the last */

struct plot {
    struct buffer *out;
    const struct history *history;
    struct fault_window *windows;
    uint32_t window_count;
    struct bytes kinds[PLOT_LANES]; /* of faults: one a lane, in the order of first appearance */
    uint32_t lanes;
    double seconds; /* the x axis ends here */
    double least;   /* the y axis, in its unit */
    double most;
    bool log;
    uint32_t legend; /* entries so far */
};

/* The paper, title, axes with grid, faults. `most` of 0 or less: there is nothing to show. */
void plot_begin(struct plot *plot, struct buffer *out, const struct history *history,
                const char *title, const char *unit, double least, double most, bool log);
void plot_end(struct plot *plot);
/* Places on the paper. */
double plot_x(const struct plot *plot, double seconds);
double plot_y(const struct plot *plot, double value);
void plot_legend(struct plot *plot, const char *colour, const char *text);
/* Text with what HTML and SVG would take for markup written out. */
void plot_escape(struct buffer *out, struct bytes text);
const char *plot_outcome_colour(enum outcome outcome);
const char *plot_outcome_name(enum outcome outcome);

/* Each operation a point: when it was invoked, how long it took, what became of it. */
void plot_latency_raw(struct buffer *out, const struct history *history);
/* The median, 95 and 99 percent and the longest, over time, of what was answered. */
void plot_latency_quantiles(struct buffer *out, const struct history *history);
/* Completions a second, by outcome. */
void plot_rate(struct buffer *out, const struct history *history);

#endif
