/*
 * faults.c - windows from the nemesis' events.
 */
#include "faults.h"

static bool begins_with(struct bytes text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len > len && memcmp(text.data, prefix, len) == 0;
}

static struct bytes behind(struct bytes text, const char *prefix)
{
    return bytes_of(text.data + strlen(prefix), text.len - strlen(prefix));
}

/* The last window of that name, NULL if there is none. */
static struct fault_window *last_of(struct fault_window *windows, uint32_t count, struct bytes name)
{
    for (uint32_t i = count; i > 0; i--) {
        if (bytes_equal(windows[i - 1].name, name)) {
            return &windows[i - 1];
        }
    }
    return NULL;
}

struct fault_window *fault_windows(const struct history *history, uint32_t *count)
{
    struct fault_window *windows = memory_zalloc((history->faults.count + 1u) * sizeof *windows);
    *count = 0;
    for (uint32_t i = 0; i < history->faults.count; i++) {
        const struct fault_event *event = &history->faults.items[i];
        struct bytes word = names_text(&history->texts, event->fault);
        struct bytes value = event->value != NAME_NONE ? names_text(&history->texts, event->value)
                                                       : bytes_of(NULL, 0);
        bool start = begins_with(word, "start-");
        bool finish = begins_with(word, "finish-"); /* what `stop` left to be done */
        bool stop = begins_with(word, "stop-") || finish;
        struct bytes name = start    ? behind(word, "start-")
                            : finish ? behind(word, "finish-")
                            : stop   ? behind(word, "stop-")
                                     : word;
        struct fault_window *known = last_of(windows, *count, name);
        if (stop) {
            if (known != NULL) {
                known->until_ns = event->time_ns;
                known->ended = true;
            }
            continue;
        }
        if (known != NULL && !known->ended) {
            /* The act's second event. */
            known->ended = !start;
            known->until_ns = start ? known->until_ns : event->time_ns;
            continue;
        }
        windows[(*count)++] = (struct fault_window){
            name, value, event->time_ns, start ? history->end_ns : event->time_ns, !start, false};
    }
    return windows;
}

struct bytes fault_kind(const struct fault_window *window)
{
    bool whole = window->name.len == 0 || window->moment;
    const uint8_t *end = whole ? NULL : memchr(window->name.data, '-', window->name.len);
    return end == NULL ? window->name
                       : bytes_of(window->name.data, (size_t)(end - window->name.data));
}
