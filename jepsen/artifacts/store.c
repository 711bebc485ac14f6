/*
 * store.c - files of a run's directory. Each is written beside its place and renamed, so that none
 * is ever half there.
 */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "plot.h"
#include "timeline.h"

#define TEST_MOST ((size_t)1 << 20)

static bool write_all(int file, struct bytes text)
{
    size_t at = 0;
    while (at < text.len) {
        ssize_t written = write(file, text.data + at, text.len - at);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        at += written > 0 ? (size_t)written : 0;
    }
    return true;
}

static bool write_file(const char *directory, const char *name, struct bytes text,
                       struct error *error)
{
    char path[PATH_MAX];
    char beside[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/%s", directory, name);
    int beside_len = snprintf(beside, sizeof beside, "%s/.%s.new", directory, name);
    if (len < 0 || (size_t)len >= sizeof path || beside_len < 0 ||
        (size_t)beside_len >= sizeof beside) {
        return error_set(error, "%s: the path is too long", directory);
    }
    int file = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0) {
        return error_set(error, "%s: can't be made: %s", beside, strerror(errno));
    }
    bool fine = write_all(file, text) && fsync(file) == 0;
    int why = errno;
    fine = close(file) == 0 && fine;
    if (!fine || rename(beside, path) != 0) {
        why = fine ? errno : why;
        (void)unlink(beside);
        return error_set(error, "%s: can't be written: %s", path, strerror(why));
    }
    return true;
}

/* ---- test.edn ---- */

static const struct {
    const char *key;
    size_t offset;
} option_keys[] = {
    {"least-operations", offsetof(struct check_options, least_operations)},
    {"least-answered-permille", offsetof(struct check_options, least_answered_permille)},
    {"least-faults", offsetof(struct check_options, least_faults)},
    {"search-limit-ms", offsetof(struct check_options, search_limit_ms)},
    {"recovery-limit-ms", offsetof(struct check_options, recovery_limit_ms)},
    {"expiry-slack-ms", offsetof(struct check_options, expiry_slack_ms)},
    {"age-slack-ms", offsetof(struct check_options, age_slack_ms)},
    {"default-ttl-ms", offsetof(struct check_options, default_ttl_ms)},
};

/* All of them are 64 bits wide. */
static int64_t get_option(const struct check_options *options, size_t offset)
{
    int64_t value;
    memcpy(&value, (const char *)options + offset, sizeof value);
    return value;
}

static void set_option(struct check_options *options, size_t offset, int64_t value)
{
    memcpy((char *)options + offset, &value, sizeof value);
}

bool store_write_test(const char *directory, const struct store_note *notes, uint32_t count,
                      const struct check_options *options, struct error *error)
{
    struct buffer out = {0};
    buffer_printf(&out, "{");
    for (uint32_t i = 0; i < count; i++) {
        buffer_printf(&out, ":%s ", notes[i].key);
        if (notes[i].text != NULL) {
            event_write_string(&out, bytes_of_string(notes[i].text));
        } else {
            buffer_printf(&out, "%" PRId64, notes[i].number);
        }
        buffer_printf(&out, "\n ");
    }
    buffer_printf(&out, ":check {");
    for (size_t i = 0; i < sizeof option_keys / sizeof *option_keys; i++) {
        buffer_printf(&out, ":%s %" PRId64 "\n         ", option_keys[i].key,
                      get_option(options, option_keys[i].offset));
    }
    buffer_printf(&out, ":skip [");
    const char *space = "";
    for (uint32_t i = 0; i < checker_count; i++) {
        if ((options->skip >> i & 1) != 0) {
            buffer_printf(&out, "%s:%s", space, checkers[i].name);
            space = " ";
        }
    }
    buffer_printf(&out, "]}}\n");
    bool fine = write_file(directory, "test.edn", buffer_bytes(&out), error);
    buffer_free(&out);
    return fine;
}

static bool read_file(const char *path, struct buffer *out, struct error *error)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return error_set(error, "%s: can't be opened: %s", path, strerror(errno));
    }
    for (;;) {
        ssize_t got = read(file, buffer_reserve(out, 4096), 4096);
        if (got == 0) {
            break;
        }
        if ((got < 0 && errno != EINTR) || out->len > TEST_MOST) {
            int why = got < 0 ? errno : EFBIG;
            close(file);
            return error_set(error, "%s: can't be read: %s", path, strerror(why));
        }
        out->len += got > 0 ? (size_t)got : 0;
    }
    close(file);
    return true;
}

static bool read_skip(const struct edn *edn, uint32_t list, struct check_options *options,
                      struct error *error)
{
    for (uint32_t at = edn_at(edn, list)->first; at != EDN_NONE; at = edn_at(edn, at)->next) {
        uint32_t i = 0;
        while (i < checker_count && !edn_is_keyword(edn, at, checkers[i].name)) {
            i++;
        }
        if (i == checker_count) {
            return error_set(error, ":skip names a checker that does not exist");
        }
        options->skip |= UINT64_C(1) << i;
    }
    return true;
}

static bool read_options(const struct edn *edn, struct check_options *options, struct error *error)
{
    uint32_t check = edn_get(edn, 0, "check");
    for (size_t i = 0; i < sizeof option_keys / sizeof *option_keys; i++) {
        uint32_t value = edn_get(edn, check, option_keys[i].key);
        if (value == EDN_NONE) {
            continue;
        }
        if (edn_at(edn, value)->kind != EDN_INTEGER || edn_at(edn, value)->number < 0) {
            return error_set(error, ":%s is not a number from 0 on", option_keys[i].key);
        }
        set_option(options, option_keys[i].offset, edn_at(edn, value)->number);
    }
    uint32_t skip = edn_get(edn, check, "skip");
    return skip == EDN_NONE || read_skip(edn, skip, options, error);
}

bool store_read_test(const char *directory, struct check_options *options, char **name,
                     struct error *error)
{
    char path[PATH_MAX];
    struct buffer text = {0};
    struct edn edn = {.nodes = NULL};
    bool fine = true;
    *options = check_options_default();
    *name = NULL;
    int len = snprintf(path, sizeof path, "%s/test.edn", directory);
    if (len < 0 || (size_t)len >= sizeof path) {
        return error_set(error, "%s: the path is too long", directory);
    }
    *name = memory_strdup(directory);
    if (access(path, F_OK) != 0) {
        return true;
    }
    if (!read_file(path, &text, error)) {
        fine = false;
    } else if (!edn_parse(&edn, buffer_bytes(&text), error) ||
               !read_options(&edn, options, error)) {
        fine = error_wrap(error, "%s", path);
    } else {
        uint32_t at = edn_get(&edn, 0, "name");
        if (at != EDN_NONE && edn_at(&edn, at)->kind == EDN_STRING) {
            struct bytes found = edn_text(&edn, at);
            free(*name);
            *name = memory_zalloc(found.len + 1);
            memcpy(*name, found.data, found.len);
        }
    }
    if (!fine) {
        free(*name);
        *name = NULL;
    }
    edn_free(&edn);
    buffer_free(&text);
    return fine;
}

/* ---- results.edn ---- */

static const char *valid_word(enum check_verdict verdict)
{
    return verdict == CHECK_INVALID ? "false" : verdict == CHECK_UNKNOWN ? ":unknown" : "true";
}

static void format_reason(struct buffer *out, const struct history *history,
                          const struct check_reason *reason)
{
    buffer_printf(out, "{:text ");
    event_write_string(out, bytes_of_string(reason->text));
    buffer_printf(out, "\n     :ops [");
    for (uint32_t i = 0; i < reason->count; i++) {
        history_write_invocation(out, history, reason->operations[i]);
        history_write_completion(out, history, reason->operations[i]);
    }
    buffer_printf(out, "]}\n    ");
}

static void format_check(struct buffer *out, const struct history *history,
                         const struct check *check)
{
    buffer_printf(out, " :%s {:valid? %s", check->name, valid_word(check->verdict));
    if (check->verdict == CHECK_SKIPPED) {
        buffer_printf(out, ", :skipped? true");
    }
    for (uint32_t i = 0; i < check->fact_count; i++) {
        buffer_printf(out, ", :%s %" PRId64, check->facts[i].name, check->facts[i].value);
    }
    if (check->reason_count > 0) {
        buffer_printf(out, ", :reason-count %" PRIu64 "\n   :reasons [", check->found);
        for (uint32_t i = 0; i < check->reason_count; i++) {
            format_reason(out, history, &check->reasons[i]);
        }
        buffer_printf(out, "]");
    }
    buffer_printf(out, "}\n");
}

static void format_results(struct buffer *out, const struct history *history,
                           const struct analysis *analysis)
{
    buffer_printf(out, "{:valid? %s\n", valid_word(analysis->verdict));
    for (uint32_t i = 0; i < analysis->count; i++) {
        format_check(out, history, &analysis->checks[i]);
    }
    buffer_printf(out, "}\n");
}

static bool write_picture(const char *directory, const char *name, struct buffer *out,
                          struct error *error)
{
    bool fine = write_file(directory, name, buffer_bytes(out), error);
    buffer_clear(out);
    return fine;
}

bool store_write_results(const char *directory, const char *name, const struct history *history,
                         const struct analysis *analysis, struct error *error)
{
    struct buffer out = {0};
    format_results(&out, history, analysis);
    bool fine = write_picture(directory, "results.edn", &out, error);
    if (fine) {
        timeline_write(&out, history, analysis, name);
        fine = write_picture(directory, "timeline.html", &out, error);
    }
    if (fine) {
        plot_latency_raw(&out, history);
        fine = write_picture(directory, "latency-raw.svg", &out, error);
    }
    if (fine) {
        plot_latency_quantiles(&out, history);
        fine = write_picture(directory, "latency-quantiles.svg", &out, error);
    }
    if (fine) {
        plot_rate(&out, history);
        fine = write_picture(directory, "rate.svg", &out, error);
    }
    buffer_free(&out);
    return fine;
}
