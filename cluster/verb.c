/*
 * verb.c - the frame around every verb: common options, client, errors, exit code.
 *
 * What can fail: the usage (exit 2), the client's start (2), the call (1, 3 or 4, by its verdict),
 * and stdout, which may be a full disk or a closed pipe (2).
 */
#include "verb.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/limits.h"
#include "json.h"
#include "table.h"

#define MAX_ENDPOINTS_BYTES 16384
#define PROBE_TIMEOUT_MS    500

static const char *const output_names[] = {"table", "json", NULL};

static void fill_common_options(struct verb *verb)
{
    const struct command_option common[COMMON_OPTIONS] = {
        {.kind = OPTION_TEXT,
         .name = "endpoints",
         .target = &verb->endpoints,
         .value_name = "HOST:PORT,...",
         .max = MAX_ENDPOINTS_BYTES,
         .help = "nodes to ask (default: $HOLDFAST_ENDPOINTS, else " DEFAULT_CLIENT_ADDRESS ")"},
        {.kind = OPTION_TIME,
         .name = "timeout",
         .target = &verb->timeout_ms,
         .value_name = "TIME",
         .min = 1,
         .max = LIMIT_DEADLINE_MS,
         .help = "how long to try, as 500ms, 10s, 2m"},
        {.kind = OPTION_TEXT,
         .name = "request-id",
         .target = &verb->request_id,
         .value_name = "ID",
         .max = LIMIT_ID_BYTES,
         .help = "the identity of a change: the same id again does nothing twice"},
        {.kind = OPTION_CHOICE,
         .name = "output",
         .letter = 'o',
         .target = &verb->output,
         .value_name = "table|json",
         .choices = output_names,
         .help = "the form of the answer"},
        {.kind = OPTION_END},
    };
    memcpy(verb->common, common, sizeof common);
}

static bool read_environment(struct verb *verb)
{
    const char *endpoints = getenv("HOLDFAST_ENDPOINTS");
    verb->endpoints = DEFAULT_CLIENT_ADDRESS;
    if (endpoints == NULL || *endpoints == '\0') {
        return true;
    }
    size_t len = strlen(endpoints);
    if (len > MAX_ENDPOINTS_BYTES || !bytes_is_utf8(bytes_of(endpoints, len))) {
        return verb_misused(verb, "HOLDFAST_ENDPOINTS is too long, or not valid UTF-8");
    }
    verb->endpoints = endpoints;
    return true;
}

static void print_buffer(FILE *out, struct buffer *text)
{
    fwrite(text->data, 1, text->len, out);
    buffer_free(text);
}

bool verb_begin(struct verb *verb, struct command_syntax *syntax, int argc, char **argv)
{
    struct error error;
    struct buffer text = {0};
    fill_common_options(verb);
    syntax->common = verb->common;
    verb->syntax = syntax;
    verb->timeout_ms = verb->timeout_ms != 0 ? verb->timeout_ms : DEFAULT_DEADLINE_MS;
    if (!read_environment(verb)) {
        return false;
    }
    if (!arguments_parse(syntax, argc, argv, &verb->arguments, &error)) {
        return verb_misused(verb, error.text);
    }
    if (verb->arguments.help) {
        arguments_help(syntax, &text);
        print_buffer(stdout, &text);
    } else if (verb->arguments.version) {
        printf("holdfast %s\n", HOLDFAST_VERSION);
    } else {
        return true;
    }
    verb_end(verb);
    return false;
}

bool verb_connect(struct verb *verb)
{
    hf_options options;
    hf_options_init(&options);
    options.endpoints = verb->endpoints;
    options.timeout_ms = (uint32_t)verb->timeout_ms;
    verb->client = hf_client_open(&options);
    if (verb->client == NULL) {
        return verb_fail(verb, EXIT_CODE_USAGE, "%s", hf_last_error());
    }
    return true;
}

bool verb_fail(struct verb *verb, enum exit_code code, const char *format, ...)
{
    struct buffer line = {0};
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    buffer_printf(&line, "holdfast %s: ", verb->syntax->verb);
    append_printable(&line, bytes_of_string(text));
    buffer_append(&line, "\n", 1);
    print_buffer(stderr, &line);
    verb->exit_code = code;
    return false;
}

bool verb_misused(struct verb *verb, const char *text)
{
    struct buffer usage = {0};
    verb_fail(verb, EXIT_CODE_USAGE, "%s", text);
    arguments_usage(verb->syntax, &usage);
    print_buffer(stderr, &usage);
    return false;
}

enum exit_code exit_code_of(hf_verdict verdict)
{
    switch (verdict) {
    case HF_OK:
        return EXIT_CODE_DONE;
    case HF_INVALID_ARGUMENT:
        return EXIT_CODE_USAGE;
    case HF_UNREACHABLE:
    case HF_OVERLOADED:
    case HF_DENIED:
    case HF_UNSUPPORTED:
        return EXIT_CODE_UNREACHED;
    case HF_OUTCOME_UNKNOWN:
    case HF_CLOSED:
        return EXIT_CODE_OUTCOME_UNKNOWN;
    default:
        return EXIT_CODE_REFUSED;
    }
}

/* A program that reads JSON gets the identity where it looks for the answer. */
static void print_unknown_outcome(const hf_result *result)
{
    struct buffer line = {0};
    struct json json = json_into(&line);
    json_object_begin(&json);
    json_field_text(&json, "verdict", hf_verdict_name(result->verdict));
    json_field_text(&json, "message", result->message);
    if (result->request_id != NULL) {
        json_field_text(&json, "request_id", result->request_id);
        json_field_time(&json, "requested_at", result->requested_at_ms);
    }
    json_object_end(&json);
    verb_print_line(&line);
    buffer_free(&line);
}

bool endpoints_split(struct endpoints *endpoints, const char *text)
{
    *endpoints = (struct endpoints){.text = memory_strdup(text)};
    char *rest = endpoints->text;
    for (char *each; (each = strsep(&rest, ",")) != NULL;) {
        if (endpoints->count == LIMIT_CLIENT_GIVEN_ENDPOINTS) {
            endpoints_free(endpoints);
            return false;
        }
        endpoints->each[endpoints->count++] = each;
    }
    return true;
}

void endpoints_free(struct endpoints *endpoints)
{
    free(endpoints->text);
    *endpoints = (struct endpoints){0};
}

bool verb_split_endpoints(struct verb *verb, struct endpoints *endpoints)
{
    return endpoints_split(endpoints, verb->endpoints) ||
           verb_fail(verb, EXIT_CODE_USAGE, "more than %d endpoints", LIMIT_CLIENT_GIVEN_ENDPOINTS);
}

int verb_cause_of(const char *message, const char **cause)
{
    *cause = message;
    for (const char *at = message; (at = strstr(at, ": ")) != NULL;) {
        at += 2;
        *cause = at;
    }
    return (int)strcspn(*cause, ")");
}

/* Nobody there, or somebody who could not help? A person has to do something else about each, so
 * the nodes are asked how they are. */
static void fail_unreachable(struct verb *verb, const char *message)
{
    const hf_call_options probe = {.timeout_ms = PROBE_TIMEOUT_MS};
    struct endpoints endpoints;
    struct error reason = {""};
    bool answered = false;
    if (!endpoints_split(&endpoints, verb->endpoints)) {
        verb_fail(verb, EXIT_CODE_UNREACHED, "%s", message);
        return;
    }
    for (size_t i = 0; i < endpoints.count && !answered; i++) {
        hf_status *status;
        const char *cause;
        answered = hf_get_status(verb->client, endpoints.each[i], &probe, &status) == HF_OK;
        int len = verb_cause_of(status->message, &cause);
        error_set(&reason, "%.*s", len, cause);
        hf_free(status);
    }
    if (answered) {
        verb_fail(verb, EXIT_CODE_UNREACHED, "%s; see: holdfast cluster status", message);
    } else {
        verb_fail(verb, EXIT_CODE_UNREACHED,
                  "no node answered at %s: %s; is a cluster running? start one with: holdfast "
                  "playground",
                  verb->endpoints, reason.text);
    }
    endpoints_free(&endpoints);
}

void verb_fail_unanswered(struct verb *verb, hf_verdict verdict, const char *message,
                          const hf_result *result)
{
    enum exit_code code = exit_code_of(verdict);
    if (verdict == HF_UNREACHABLE) {
        fail_unreachable(verb, message);
    } else if (code == EXIT_CODE_OUTCOME_UNKNOWN && result != NULL && result->request_id != NULL) {
        verb_fail(verb, code,
                  "%s; to learn what became of it, run the same command again within a day with "
                  "--request-id %s",
                  message, result->request_id);
    } else {
        verb_fail(verb, code, "%s", message);
    }
    if (code == EXIT_CODE_OUTCOME_UNKNOWN && result != NULL && verb->output == OUTPUT_JSON) {
        print_unknown_outcome(result);
    }
}

void verb_fail_node(struct verb *verb, const char *endpoint, hf_verdict verdict,
                    const char *message)
{
    enum exit_code before = verb->exit_code;
    enum exit_code code = exit_code_of(verdict);
    code = code == EXIT_CODE_USAGE ? EXIT_CODE_USAGE : EXIT_CODE_UNREACHED;
    /* One node was asked, once: of all that the library has to say, only the cause is news. */
    const char *cause = message;
    int len = verdict == HF_UNREACHABLE ? verb_cause_of(message, &cause) : (int)strlen(message);
    verb_fail(verb, code, "%s: %.*s", endpoint, len, cause);
    verb->exit_code = before == EXIT_CODE_USAGE ? before : code;
}

void verb_print_line(struct buffer *line)
{
    buffer_append(line, "\n", 1);
    fwrite(line->data, 1, line->len, stdout);
    buffer_clear(line);
}

int verb_end(struct verb *verb)
{
    hf_client_close(verb->client);
    verb->client = NULL;
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        verb_fail(verb, EXIT_CODE_USAGE, "the answer could not be written: %s",
                  errno != 0 ? strerror(errno) : "standard output failed");
    }
    return verb->exit_code;
}

uint64_t clock_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}
