/*
 * plot.c - paper, axes, legend, faults.
 */
#include "plot.h"

#include <math.h>
#include <stdlib.h>

#define WIDTH        1000
#define LEFT         120
#define RIGHT        24
#define TOP          64
#define HEIGHT       360 /* of the field */
#define AXIS         52  /* room below it, for numbers and unit */
#define LANE         18
#define LETTER       5.2 /* a letter's width in a lane */
#define FIELD        (WIDTH - LEFT - RIGHT)
#define LEGEND_WIDTH 150

const char *plot_outcome_colour(enum outcome outcome)
{
    static const char *const colours[] = {
        [OUTCOME_OK] = "#2f7ed8",
        [OUTCOME_REFUSED] = "#8a949e",
        [OUTCOME_FAILED] = "#d81b60",
        [OUTCOME_UNKNOWN] = "#f28e00",
    };
    return colours[outcome];
}

const char *plot_outcome_name(enum outcome outcome)
{
    static const char *const names[] = {
        [OUTCOME_OK] = "ok",
        [OUTCOME_REFUSED] = "fail (refused)",
        [OUTCOME_FAILED] = "fail (not executed)",
        [OUTCOME_UNKNOWN] = "info",
    };
    return names[outcome];
}

static const char *lane_colour(uint32_t lane)
{
    static const char *const colours[PLOT_LANES] = {"#7b5ea7", "#3b8f6b", "#b5602c", "#5a7aa8",
                                                    "#a8485e", "#7d7a2e", "#4a8f98", "#8a6d5a",
                                                    "#55606b", "#9c4fa0"};
    return colours[lane % PLOT_LANES];
}

void plot_escape(struct buffer *out, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.data[i]) {
        case '<':
            buffer_printf(out, "&lt;");
            break;
        case '>':
            buffer_printf(out, "&gt;");
            break;
        case '&':
            buffer_printf(out, "&amp;");
            break;
        case '"':
            buffer_printf(out, "&quot;");
            break;
        default:
            if (text.data[i] >= 0x20) { /* XML has no control characters */
                buffer_append(out, &text.data[i], 1);
            }
            break;
        }
    }
}

double plot_x(const struct plot *plot, double seconds)
{
    return LEFT + FIELD * (seconds / plot->seconds);
}

double plot_y(const struct plot *plot, double value)
{
    double share = plot->log
                       ? (log10(value < plot->least ? plot->least : value) - log10(plot->least)) /
                             (log10(plot->most) - log10(plot->least))
                       : (value - plot->least) / (plot->most - plot->least);
    return TOP + HEIGHT * (1 - (share > 1 ? 1 : share));
}

/* 1, 2 or 5 times a power of ten, so that about `parts` of it make `most`. */
static double step_of(double most, int parts)
{
    double rough = most / parts;
    double power = pow(10, floor(log10(rough)));
    double times = rough / power;
    return power * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10);
}

/* ---- faults ---- */

/* Kinds that have no lane any more share the last. */
static uint32_t lane_of(const struct plot *plot, const struct fault_window *window)
{
    struct bytes kind = fault_kind(window);
    uint32_t lane = 0;
    while (lane < plot->lanes && !bytes_equal(plot->kinds[lane], kind)) {
        lane++;
    }
    return lane < PLOT_LANES ? lane : PLOT_LANES - 1;
}

static void make_lanes(struct plot *plot)
{
    for (uint32_t i = 0; i < plot->window_count; i++) {
        if (lane_of(plot, &plot->windows[i]) == plot->lanes) {
            plot->kinds[plot->lanes++] = fault_kind(&plot->windows[i]);
        }
    }
}

/* What is left of the name beside its lane's, in the bar where it fits. */
static void name_window(struct plot *plot, const struct fault_window *window, double from,
                        double width, int top)
{
    size_t kind = fault_kind(window).len;
    if (kind < window->name.len) {
        struct bytes rest = bytes_of(window->name.data + kind + 1, window->name.len - kind - 1);
        if (width > LETTER * (double)rest.len + 4) {
            buffer_printf(plot->out,
                          "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" font-size=\"9\" "
                          "fill=\"#fff\">",
                          from + width / 2, top + LANE - 6);
            plot_escape(plot->out, rest);
            buffer_printf(plot->out, "</text>");
        }
    }
}

static void draw_faults(struct plot *plot)
{
    for (uint32_t i = 0; i < plot->window_count; i++) {
        const struct fault_window *window = &plot->windows[i];
        uint32_t lane = lane_of(plot, window);
        double from = plot_x(plot, (double)window->from_ns / 1e9);
        double width = plot_x(plot, (double)window->until_ns / 1e9) - from;
        const char *colour = lane_colour(lane);
        int top = TOP + HEIGHT + AXIS + (int)lane * LANE;
        width = width < 1.5 ? 1.5 : width;
        buffer_printf(plot->out, "<g><title>");
        plot_escape(plot->out, window->name);
        buffer_printf(plot->out, " %.1f s to %.1f s ", (double)window->from_ns / 1e9,
                      (double)window->until_ns / 1e9);
        plot_escape(plot->out, window->value);
        buffer_printf(plot->out,
                      "</title>"
                      "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\" "
                      "fill-opacity=\"0.12\"/>"
                      "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\" "
                      "fill=\"%s\"/>",
                      from, TOP, width, HEIGHT, colour, from, top + 2, width, LANE - 4, colour);
        name_window(plot, window, from, width, top);
        buffer_printf(plot->out, "</g>\n");
    }
}

static void name_lanes(struct plot *plot)
{
    for (uint32_t lane = 0; lane < plot->lanes; lane++) {
        struct bytes kind = plot->kinds[lane];
        buffer_printf(plot->out,
                      "<text x=\"%d\" y=\"%d\" text-anchor=\"end\" font-size=\"11\" "
                      "fill=\"%s\">",
                      LEFT - 6, TOP + HEIGHT + AXIS + (int)lane * LANE + 13, lane_colour(lane));
        plot_escape(plot->out, bytes_of(kind.data, kind.len > 16 ? 16 : kind.len));
        buffer_printf(plot->out, "</text>\n");
    }
}

/* ---- axes ---- */

static void draw_x_axis(struct plot *plot)
{
    double step = step_of(plot->seconds, 10);
    for (int i = 0; i * step <= plot->seconds * 1.0001; i++) {
        double at = i * step;
        double x = plot_x(plot, at);
        buffer_printf(plot->out,
                      "<path d=\"M%.1f %dv5\" stroke=\"#333\"/>"
                      "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n",
                      x, TOP + HEIGHT, x, TOP + HEIGHT + 19, at);
    }
    buffer_printf(plot->out,
                  "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">seconds since the run "
                  "began</text>\n",
                  LEFT + FIELD / 2, TOP + HEIGHT + 38);
}

static void draw_y_mark(struct plot *plot, double value, bool named)
{
    double y = plot_y(plot, value);
    buffer_printf(plot->out, "<path d=\"M%d %.1fh%d\" stroke=\"#ddd\" stroke-width=\"%s\"/>", LEFT,
                  y, FIELD, named ? "1" : "0.5");
    if (named) {
        buffer_printf(plot->out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>",
                      LEFT - 8, y + 4, value);
    }
    buffer_printf(plot->out, "\n");
}

static void draw_y_axis(struct plot *plot, const char *unit)
{
    if (plot->log) {
        for (int decade = 0;; decade++) {
            double power = plot->least * pow(10, decade);
            if (power > plot->most * 1.0001) {
                break;
            }
            draw_y_mark(plot, power, true);
            for (int i = 2; i < 10 && power * i < plot->most; i++) {
                draw_y_mark(plot, power * i, false);
            }
        }
    } else {
        double step = step_of(plot->most, 6);
        for (int i = 0; i * step <= plot->most * 1.0001; i++) {
            draw_y_mark(plot, i * step, true);
        }
    }
    buffer_printf(plot->out,
                  "<text transform=\"translate(%d %d) rotate(-90)\" "
                  "text-anchor=\"middle\">%s</text>\n",
                  LEFT - 58, TOP + HEIGHT / 2, unit);
}

void plot_begin(struct plot *plot, struct buffer *out, const struct history *history,
                const char *title, const char *unit, double least, double most, bool log)
{
    *plot = (struct plot){.out = out, .history = history, .least = least, .most = most, .log = log};
    plot->windows = fault_windows(history, &plot->window_count);
    plot->seconds = history->end_ns > 0 ? (double)history->end_ns / 1e9 : 1;
    make_lanes(plot);
    int height = TOP + HEIGHT + AXIS + (int)plot->lanes * LANE + 12;
    buffer_printf(out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
                  "height=\"%d\" font-family=\"DejaVu Sans, Helvetica, Arial, sans-serif\" "
                  "font-size=\"12\" fill=\"#333\">\n"
                  "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n"
                  "<text x=\"%d\" y=\"26\" font-size=\"16\" font-weight=\"bold\">%s</text>\n",
                  WIDTH, height, WIDTH, height, WIDTH, height, LEFT, title);
    draw_faults(plot);
    draw_y_axis(plot, unit);
    draw_x_axis(plot);
    name_lanes(plot);
}

void plot_legend(struct plot *plot, const char *colour, const char *text)
{
    int x = LEFT + (int)plot->legend++ * LEGEND_WIDTH;
    buffer_printf(plot->out,
                  "<rect x=\"%d\" y=\"40\" width=\"12\" height=\"12\" rx=\"2\" fill=\"%s\"/>"
                  "<text x=\"%d\" y=\"50\">%s</text>\n",
                  x, colour, x + 17, text);
}

void plot_end(struct plot *plot)
{
    buffer_printf(plot->out, "<path d=\"M%d %dv%dh%d\" fill=\"none\" stroke=\"#333\"/>\n</svg>\n",
                  LEFT, TOP, HEIGHT, FIELD);
    free(plot->windows);
}
