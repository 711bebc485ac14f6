/*
 * timeline.c - see timeline.h.
 *
 * Time runs down, one row for each event that is shown, so that order can be read off and waiting
 * takes no room; the real times stand in the boxes.
 */
#include "timeline.h"

#include <inttypes.h>
#include <stdlib.h>

#include "faults.h"
#include "plot.h"

#define ROW     19 /* pixels */
#define COLUMN  190
#define NEMESIS 150
#define LINKS   200 /* to faults */

struct row {
    uint32_t event;
    uint32_t operation; /* NAME_NONE: a fault */
};

struct timeline {
    struct buffer *out;
    const struct history *history;
    const struct analysis *analysis;
    bool *shown;      /* operations */
    bool *named;      /* operations that a reason names */
    uint32_t *row_of; /* event -> row, of events that are shown */
    uint32_t row_count;
    uint32_t *column_of; /* operation -> column */
    uint32_t column_count;
};

/* ---- what is shown ---- */

static void show_around(struct timeline *timeline, uint32_t operation, uint32_t *left)
{
    uint32_t count = timeline->history->operations.count;
    uint32_t from = operation > TIMELINE_AROUND ? operation - TIMELINE_AROUND : 0;
    uint32_t until = operation + TIMELINE_AROUND < count ? operation + TIMELINE_AROUND : count - 1;
    for (uint32_t i = from; i <= until && *left > 0; i++) {
        *left -= !timeline->shown[i];
        timeline->shown[i] = true;
    }
}

/* Those that began last before, and first behind, each act of the nemesis. */
static void show_faults(struct timeline *timeline, uint32_t *left)
{
    const struct history *history = timeline->history;
    for (uint32_t i = 0; *left > 0 && i < history->faults.count; i++) {
        uint32_t event = history->faults.items[i].event;
        while (event < history->events && history->event_operations.items[event] == NAME_NONE) {
            event++;
        }
        if (event < history->events) {
            show_around(timeline, history->event_operations.items[event], left);
        }
    }
}

static void choose(struct timeline *timeline)
{
    const struct history *history = timeline->history;
    uint32_t left = TIMELINE_MOST;
    for (uint32_t i = 0; i < timeline->analysis->count; i++) {
        const struct check *check = &timeline->analysis->checks[i];
        for (uint32_t k = 0; k < check->reason_count; k++) {
            for (uint32_t n = 0; n < check->reasons[k].count; n++) {
                timeline->named[check->reasons[k].operations[n]] = true;
                show_around(timeline, check->reasons[k].operations[n], &left);
            }
        }
    }
    show_faults(timeline, &left);
    for (uint32_t i = 0; i < history->operations.count && i < TIMELINE_FIRST && left > 0; i++) {
        left -= !timeline->shown[i];
        timeline->shown[i] = true;
    }
}

static void number_rows(struct timeline *timeline)
{
    const struct history *history = timeline->history;
    for (uint32_t event = 0; event < history->events; event++) {
        uint32_t at = history->event_operations.items[event];
        timeline->row_of[event] = timeline->row_count;
        timeline->row_count += at == NAME_NONE || timeline->shown[at];
    }
}

/* A process keeps its column; behind an info, or its last operation that is shown, another gets it.
 */
static void number_columns(struct timeline *timeline)
{
    const struct history *history = timeline->history;
    uint32_t *columns = memory_alloc((history->processes.count + 1u) * sizeof *columns);
    uint32_t *last = memory_zalloc((history->processes.count + 1u) * sizeof *last);
    bool *taken = memory_zalloc((history->processes.count + 1u) * sizeof *taken);
    memset(columns, 0xff, (history->processes.count + 1u) * sizeof *columns);
    for (uint32_t i = 0; i < history->operations.count; i++) {
        uint32_t process = history->operations.items[i].process;
        uint32_t number = names_find(&history->processes, bytes_of(&process, sizeof process));
        last[number] = timeline->shown[i] ? i : last[number];
    }
    for (uint32_t event = 0; event < history->events; event++) {
        uint32_t at = history->event_operations.items[event];
        if (at == NAME_NONE || !timeline->shown[at]) {
            continue;
        }
        const struct operation *operation = &history->operations.items[at];
        uint32_t number = names_find(&history->processes,
                                     bytes_of(&operation->process, sizeof operation->process));
        if (operation->invoked == event) {
            if (columns[number] == UINT32_MAX) {
                uint32_t column = 0;
                while (taken[column]) {
                    column++;
                }
                taken[column] = true;
                columns[number] = column;
                timeline->column_count =
                    column >= timeline->column_count ? column + 1 : timeline->column_count;
            }
            timeline->column_of[at] = columns[number];
        } else if (last[number] == at) {
            taken[columns[number]] = false;
        }
    }
    free(columns);
    free(last);
    free(taken);
}

/* ---- writing ---- */

static void write_head(struct timeline *timeline, const char *title)
{
    struct buffer *out = timeline->out;
    buffer_printf(out,
                  "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<title>");
    plot_escape(out, bytes_of_string(title));
    buffer_printf(
        out,
        "</title>\n<style>\n"
        "body{font:12px/1.35 DejaVu Sans,Helvetica,Arial,sans-serif;margin:16px;color:#222;"
        "background:#fff}\n"
        "h1{font-size:18px;margin:0 0 8px}\n"
        "table{border-collapse:collapse;margin:8px 0 16px}\n"
        "td,th{text-align:left;padding:3px 12px 3px 0;vertical-align:top;border-bottom:1px solid "
        "#e5e5e5}\n"
        "a{color:#1a5fb4}\n"
        ".v-valid{color:#1b7f4d}.v-invalid{color:#c01c28;font-weight:bold}"
        ".v-unknown{color:#a05a00;font-weight:bold}.v-skipped{color:#888}\n"
        "#t{position:relative}\n"
        "#t div{position:absolute;box-sizing:border-box;overflow:hidden;white-space:nowrap;"
        "text-overflow:ellipsis;padding:0 4px;border-radius:2px;border:1px solid #fff;"
        "font-size:11px}\n"
        ".ok{background:#bcd8f5}.refused{background:#dfe3e7}.failed{background:#f6bcd2}"
        ".unknown{background:#ffd89b}\n"
        "#t .named{border:2px solid #c01c28;z-index:1}\n"
        "#t div:target{outline:3px solid #c01c28}\n"
        ".fault{background:#7b5ea7;color:#fff}\n"
        ".gap{color:#888;border-top:1px dashed #bbb!important;border-radius:0!important}\n"
        ".key span{padding:2px 8px;margin-right:6px;border-radius:2px}\n"
        "</style></head><body>\n<h1>");
    plot_escape(out, bytes_of_string(title));
    buffer_printf(out, "</h1>\n<p class=\"key\"><span class=\"ok\">ok</span><span "
                       "class=\"refused\">fail: refused</span><span class=\"failed\">fail: not "
                       "executed</span><span class=\"unknown\">info: outcome unknown</span><span "
                       "class=\"fault\">nemesis</span> time runs down, one row an event; hover for "
                       "the whole of it</p>\n");
}

static void write_reasons(struct timeline *timeline)
{
    struct buffer *out = timeline->out;
    buffer_printf(out, "<table><tr><th>checker</th><th>verdict</th><th>reasons</th></tr>\n");
    for (uint32_t i = 0; i < timeline->analysis->count; i++) {
        const struct check *check = &timeline->analysis->checks[i];
        const char *verdict = check_verdict_name(check->verdict);
        buffer_printf(out, "<tr><td>%s</td><td class=\"v-%s\">%s</td><td>", check->name, verdict,
                      verdict);
        for (uint32_t k = 0; k < check->reason_count; k++) {
            plot_escape(out, bytes_of_string(check->reasons[k].text));
            for (uint32_t n = 0; n < check->reasons[k].count; n++) {
                uint32_t at = check->reasons[k].operations[n];
                buffer_printf(out, " <a href=\"#o%" PRIu32 "\">[%" PRIu32 "]</a>", at,
                              timeline->history->operations.items[at].invoked);
            }
            buffer_printf(out, "<br>");
        }
        if (check->found > check->reason_count) {
            buffer_printf(out, "and %" PRIu64 " more", check->found - check->reason_count);
        }
        buffer_printf(out, "</td></tr>\n");
    }
    buffer_printf(out, "</table>\n");
}

/* A link to each, so that nobody has to scroll for them. */
static void write_fault_links(struct timeline *timeline)
{
    struct buffer *out = timeline->out;
    uint32_t count;
    struct fault_window *windows = fault_windows(timeline->history, &count);
    uint32_t at = 0;
    buffer_printf(out, count > 0 ? "<p>" : "");
    for (uint32_t i = 0; i < count && i < LINKS; i++) {
        while (timeline->history->faults.items[at].time_ns < windows[i].from_ns) {
            at++;
        }
        buffer_printf(out, "<a href=\"#f%" PRIu32 "\">%.1f s ", at,
                      (double)windows[i].from_ns / 1e9);
        plot_escape(out, windows[i].name);
        buffer_printf(out, "</a> &nbsp; ");
    }
    if (count > LINKS) {
        buffer_printf(out, "and %" PRIu32 " more", count - LINKS);
    }
    buffer_printf(out, count > 0 ? "</p>\n" : "");
    free(windows);
}

static const char *class_of(const struct operation *operation)
{
    static const char *const names[] = {
        [OUTCOME_OK] = "ok",
        [OUTCOME_REFUSED] = "refused",
        [OUTCOME_FAILED] = "failed",
        [OUTCOME_UNKNOWN] = "unknown",
    };
    return names[operation->outcome];
}

static void write_operation(struct timeline *timeline, uint32_t at)
{
    const struct history *history = timeline->history;
    const struct operation *operation = &history->operations.items[at];
    struct buffer text = {0};
    uint32_t top = timeline->row_of[operation->invoked];
    uint32_t end = operation->completed != HISTORY_NEVER ? timeline->row_of[operation->completed]
                                                         : timeline->row_count;
    buffer_printf(timeline->out,
                  "<div id=\"o%" PRIu32 "\" class=\"%s%s\" style=\"top:%" PRIu32 "px;left:%" PRIu32
                  "px;width:%dpx;height:%" PRIu32 "px\" title=\"",
                  at, class_of(operation), timeline->named[at] ? " named" : "", top * ROW,
                  NEMESIS + timeline->column_of[at] * COLUMN, COLUMN - 4,
                  (end > top ? end - top + 1 : 1) * ROW - 3);
    history_write_invocation(&text, history, at);
    history_write_completion(&text, history, at);
    size_t most = text.len < 1500 ? text.len : 1500;
    buffer_printf(timeline->out, "process %" PRIu32 ", %.3f ms at %.3f s&#10;", operation->process,
                  operation->completed != HISTORY_NEVER
                      ? (double)(operation->completed_ns - operation->invoked_ns) / 1e6
                      : 0,
                  (double)operation->invoked_ns / 1e9);
    plot_escape(timeline->out, bytes_of(text.data, most));
    buffer_printf(timeline->out, "\">");
    buffer_clear(&text);
    history_describe_asked(&text, history, at);
    plot_escape(timeline->out, bytes_of(text.data, text.len < 120 ? text.len : 120));
    buffer_printf(timeline->out, "<br>");
    buffer_clear(&text);
    history_describe_answer(&text, history, at);
    plot_escape(timeline->out, bytes_of(text.data, text.len < 120 ? text.len : 120));
    buffer_printf(timeline->out, "</div>\n");
    buffer_free(&text);
}

static void write_faults(struct timeline *timeline)
{
    const struct history *history = timeline->history;
    for (uint32_t i = 0; i < history->faults.count; i++) {
        const struct fault_event *fault = &history->faults.items[i];
        buffer_printf(timeline->out,
                      "<div id=\"f%" PRIu32 "\" class=\"fault\" style=\"top:%" PRIu32
                      "px;left:0;width:%dpx;height:%dpx\" title=\"%.3f s ",
                      i, timeline->row_of[fault->event] * ROW, NEMESIS - 6, ROW - 1,
                      (double)fault->time_ns / 1e9);
        if (fault->value != NAME_NONE) {
            plot_escape(timeline->out, names_text(&history->texts, fault->value));
        }
        buffer_printf(timeline->out, "\">");
        plot_escape(timeline->out, names_text(&history->texts, fault->fault));
        buffer_printf(timeline->out, "</div>\n");
    }
}

/* Where operations are left out, a line says how many. */
static void write_gaps(struct timeline *timeline)
{
    const struct history *history = timeline->history;
    uint32_t missing = 0;
    for (uint32_t i = 0; i <= history->operations.count; i++) {
        bool shown = i < history->operations.count && timeline->shown[i];
        if (i < history->operations.count && !shown) {
            missing++;
            continue;
        }
        if (missing > 0) {
            uint32_t row = shown ? timeline->row_of[history->operations.items[i].invoked]
                                 : timeline->row_count;
            buffer_printf(timeline->out,
                          "<div class=\"gap\" style=\"top:%" PRIu32 "px;left:%dpx;width:%" PRIu32
                          "px\">%" PRIu32 " operations are not shown</div>\n",
                          row * ROW, NEMESIS, timeline->column_count * COLUMN + 260, missing);
        }
        missing = 0;
    }
}

void timeline_write(struct buffer *out, const struct history *history,
                    const struct analysis *analysis, const char *title)
{
    uint32_t operations = history->operations.count + 1u;
    struct timeline timeline = {
        .out = out,
        .history = history,
        .analysis = analysis,
        .shown = memory_zalloc(operations * sizeof(bool)),
        .named = memory_zalloc(operations * sizeof(bool)),
        .row_of = memory_zalloc((history->events + 1u) * sizeof(uint32_t)),
        .column_of = memory_zalloc(operations * sizeof(uint32_t)),
    };
    choose(&timeline);
    number_rows(&timeline);
    number_columns(&timeline);
    write_head(&timeline, title);
    write_reasons(&timeline);
    write_fault_links(&timeline);
    buffer_printf(out, "<div id=\"t\" style=\"height:%" PRIu32 "px;width:%" PRIu32 "px\">\n",
                  (timeline.row_count + 2) * ROW, NEMESIS + timeline.column_count * COLUMN);
    write_faults(&timeline);
    write_gaps(&timeline);
    for (uint32_t i = 0; i < history->operations.count; i++) {
        if (timeline.shown[i]) {
            write_operation(&timeline, i);
        }
    }
    buffer_printf(out, "</div></body></html>\n");
    free(timeline.shown);
    free(timeline.named);
    free(timeline.row_of);
    free(timeline.column_of);
}
