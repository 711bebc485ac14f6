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
        bool stop = begins_with(word, "stop-");
        struct bytes name = start ? behind(word, "start-") : stop ? behind(word, "stop-") : word;
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

uint32_t fault_kind(const struct fault_window *windows, uint32_t at)
{
    uint32_t kind = 0;
    for (uint32_t i = 0; i < at; i++) {
        if (bytes_equal(windows[i].name, windows[at].name)) {
            return fault_kind(windows, i);
        }
        kind += last_of((struct fault_window *)windows, i, windows[i].name) == NULL;
    }
    return kind;
}
