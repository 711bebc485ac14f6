/*
 * arguments.c - the parser of the command line, driven by a verb's table of options.
 *
 * The happy path: each word is an operand, an option with its value in the same or the next word,
 * or `--`. Operands gather at the front of argv in their order.
 * What can fail: an unknown option, a value that is missing, out of range or no UTF-8, too few or
 * too many operands. The first such word ends the parse.
 */
#include "arguments.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ---- values ---- */

bool parse_number(const char *what, const char *text, int64_t min, int64_t max, int64_t *out,
                  struct error *error)
{
    const char *digits = text + (*text == '-' || *text == '+');
    /* strtoll would also take leading blanks, so the form is checked first. */
    bool formed = *digits != '\0' && digits[strspn(digits, "0123456789")] == '\0';
    if (!formed) {
        return error_set(error, "%s: \"%.64s\" is not a whole number", what, text);
    }
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno == ERANGE || value < min || value > max) {
        return error_set(error, "%s: %.64s is not between %" PRId64 " and %" PRId64, what, text,
                         min, max);
    }
    *out = value;
    return true;
}

static const struct duration_unit {
    const char *name;
    int64_t ms;
} duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
};

static const struct duration_unit *duration_unit_named(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof duration_units / sizeof *duration_units; i++) {
        if (strlen(duration_units[i].name) == len &&
            memcmp(duration_units[i].name, name, len) == 0) {
            return &duration_units[i];
        }
    }
    return NULL;
}

/* One "30m" of a duration; false if its form is wrong or the sum leaves int64_t. */
static bool add_duration_part(const char **next, bool only_part, int64_t *sum_ms)
{
    const char *at = *next;
    int64_t count = 0;
    if (!is_digit(*at)) {
        return false;
    }
    for (; is_digit(*at); at++) {
        if (__builtin_mul_overflow(count, (int64_t)10, &count) ||
            __builtin_add_overflow(count, (int64_t)(*at - '0'), &count)) {
            return false;
        }
    }
    size_t unit_len = 0;
    while (isalpha((unsigned char)at[unit_len])) {
        unit_len++;
    }
    bool bare = unit_len == 0 && *at == '\0' && only_part;
    const struct duration_unit *unit =
        bare ? duration_unit_named("s", 1) : duration_unit_named(at, unit_len);
    int64_t ms;
    if (unit == NULL || __builtin_mul_overflow(count, unit->ms, &ms) ||
        __builtin_add_overflow(*sum_ms, ms, sum_ms)) {
        return false;
    }
    *next = at + unit_len;
    return true;
}

static void print_duration(int64_t ms, char *out, size_t size)
{
    size_t unit = sizeof duration_units / sizeof *duration_units - 1;
    while (unit > 0 && (ms < duration_units[unit].ms || ms % duration_units[unit].ms != 0)) {
        unit--;
    }
    snprintf(out, size, "%" PRId64 "%s", ms / duration_units[unit].ms, duration_units[unit].name);
}

bool parse_duration_ms(const char *what, const char *text, int64_t min_ms, int64_t max_ms,
                       int64_t *out_ms, struct error *error)
{
    int64_t sum_ms = 0;
    const char *next = text;
    do {
        if (!add_duration_part(&next, next == text, &sum_ms)) {
            return error_set(error, "%s: \"%.64s\" is not a duration such as 500ms, 10s or 1h30m",
                             what, text);
        }
    } while (*next != '\0');
    if (sum_ms < min_ms || sum_ms > max_ms) {
        char min[32];
        char max[32];
        print_duration(min_ms, min, sizeof min);
        print_duration(max_ms, max, sizeof max);
        return error_set(error, "%s: %.64s is not between %s and %s", what, text, min, max);
    }
    *out_ms = sum_ms;
    return true;
}

static bool check_text(const char *what, struct bytes text, size_t max_bytes, struct error *error)
{
    if (text.len == 0) {
        return error_set(error, "%s is empty", what);
    }
    if (text.len > max_bytes) {
        return error_set(error, "%s is %zu bytes long, at most %zu are allowed", what, text.len,
                         max_bytes);
    }
    if (!bytes_is_utf8(text)) {
        return error_set(error, "%s is not valid UTF-8", what);
    }
    return true;
}

bool check_id(const char *what, struct bytes id, struct error *error)
{
    return check_text(what, id, LIMIT_ID_BYTES, error);
}

static bool parse_quantity(const char *text, struct line_argument *out, struct error *error)
{
    /* A number has 20 characters at most; what is longer is wrong anyway and may be cut. */
    char quantity[32];
    snprintf(quantity, sizeof quantity, "%s", text);
    quantity[strcspn(quantity, "@")] = '\0';
    if (!parse_number("the quantity", quantity, 1, LIMIT_QUANTITY, &out->quantity, error)) {
        return false;
    }
    const char *at = strchr(text, '@');
    int64_t warehouse = 0;
    if (at != NULL && !parse_number("the warehouse", at + 1, 0, UINT32_MAX, &warehouse, error)) {
        return false;
    }
    out->warehouse = (uint32_t)warehouse;
    return true;
}

bool parse_line(char *text, struct line_argument *out, struct error *error)
{
    char *equals = strrchr(text, '=');
    if (equals == NULL) {
        return error_set(error, "\"%.300s\" is not of the form SKU=QUANTITY[@WAREHOUSE]", text);
    }
    if (!check_id("the SKU", bytes_of(text, (size_t)(equals - text)), error) ||
        !parse_quantity(equals + 1, out, error)) {
        return error_wrap(error, "\"%.300s\"", text);
    }
    *equals = '\0';
    out->sku = text;
    return true;
}

/* ---- options ---- */

static const struct command_option *option_in(const struct command_option *table, const char *name,
                                              size_t len, char letter)
{
    for (const struct command_option *option = table; option->kind != OPTION_END; option++) {
        bool by_name =
            name != NULL && strlen(option->name) == len && memcmp(option->name, name, len) == 0;
        bool by_letter = letter != '\0' && option->letter == letter;
        if (by_name || by_letter) {
            return option;
        }
    }
    return NULL;
}

static const struct command_option *option_find(const struct command_syntax *syntax,
                                                const char *name, size_t len, char letter)
{
    const struct command_option *option = option_in(syntax->options, name, len, letter);
    return option != NULL ? option : option_in(syntax->common, name, len, letter);
}

static bool option_choose(const struct command_option *option, const char *what, const char *value,
                          struct error *error)
{
    struct error known = {""};
    for (int i = 0; option->choices[i] != NULL; i++) {
        if (strcmp(option->choices[i], value) == 0) {
            *(int *)option->target = i;
            return true;
        }
        size_t len = strlen(known.text);
        snprintf(known.text + len, sizeof known.text - len, "%s%s", i > 0 ? ", " : "",
                 option->choices[i]);
    }
    return error_set(error, "%s: \"%.64s\" is none of %s", what, value, known.text);
}

static bool option_set(const struct command_option *option, const char *value, struct error *error)
{
    char what[64];
    snprintf(what, sizeof what, "--%s", option->name);
    if (option->given != NULL) {
        *option->given = true;
    }
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)option->target = true;
        return true;
    case OPTION_TEXT:
        if (!check_text(what, bytes_of_string(value), (size_t)option->max, error)) {
            return false;
        }
        *(const char **)option->target = value;
        return true;
    case OPTION_NUMBER:
        return parse_number(what, value, option->min, option->max, option->target, error);
    case OPTION_TIME:
        return parse_duration_ms(what, value, option->min, option->max, option->target, error);
    case OPTION_CHOICE:
        return option_choose(option, what, value, error);
    case OPTION_END:
        break;
    }
    assert(!"an option of no kind");
    return false;
}

/* An option's word, and the next one if the value stands there. */
static bool parse_option(const struct command_syntax *syntax, int argc, char **argv, int *at,
                         struct error *error)
{
    const char *word = argv[*at];
    const struct command_option *option;
    const char *value = NULL;
    if (word[1] == '-') {
        const char *name = word + 2;
        size_t len = strcspn(name, "=");
        option = option_find(syntax, name, len, '\0');
        value = name[len] == '=' ? name + len + 1 : NULL;
    } else {
        option = option_find(syntax, NULL, 0, word[1]);
        value = word[2] != '\0' ? word + 2 : NULL;
    }
    if (option == NULL) {
        return error_set(error, "unknown option %.64s", word);
    }
    if (option->kind == OPTION_FLAG) {
        if (value != NULL) {
            return error_set(error, "--%s takes no value", option->name);
        }
    } else if (value == NULL) {
        if (*at + 1 == argc) {
            return error_set(error, "--%s needs a value", option->name);
        }
        value = argv[++*at];
    }
    return option_set(option, value, error);
}

static bool asks_for(const char *word, const char *name, const char *letter)
{
    return strcmp(word, name) == 0 || strcmp(word, letter) == 0;
}

static bool check_operand_count(const struct command_syntax *syntax, int count, char **operands,
                                struct error *error)
{
    if (count < syntax->operands_min) {
        return error_set(error, "%s is needed, %s", syntax->operands,
                         count == 0 ? "nothing is given" : "something is missing");
    }
    if (syntax->operands_max >= 0 && count > syntax->operands_max) {
        return error_set(error, "\"%.300s\" is one word too many", operands[syntax->operands_max]);
    }
    return true;
}

bool arguments_parse(const struct command_syntax *syntax, int argc, char **argv,
                     struct arguments *out, struct error *error)
{
    *out = (struct arguments){.operands = argv};
    /* Asked for help, a person gets help, whatever else is wrong with the line. */
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        out->help = out->help || asks_for(argv[i], "--help", "-h");
        out->version = out->version || asks_for(argv[i], "--version", "-V");
    }
    if (out->help || out->version) {
        return true;
    }
    bool options_ended = false;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        bool dashed = word[0] == '-' && word[1] != '\0' && !is_digit(word[1]);
        if (options_ended || !dashed) {
            argv[out->operand_count++] = argv[i];
        } else if (strcmp(word, "--") == 0) {
            options_ended = true;
        } else if (!parse_option(syntax, argc, argv, &i, error)) {
            return false;
        }
    }
    return check_operand_count(syntax, out->operand_count, out->operands, error);
}

/* ---- help ---- */

void arguments_usage(const struct command_syntax *syntax, struct buffer *out)
{
    buffer_printf(out, "usage: holdfast %s%s%s [option]...\n", syntax->verb,
                  *syntax->operands != '\0' ? " " : "", syntax->operands);
}

static void help_of_options(const struct command_option *table, struct buffer *out)
{
    for (const struct command_option *option = table; option->kind != OPTION_END; option++) {
        char form[64];
        int len = snprintf(form, sizeof form, "--%s%s%s", option->name,
                           option->value_name != NULL ? " " : "",
                           option->value_name != NULL ? option->value_name : "");
        assert(len > 0 && (size_t)len < sizeof form);
        if (option->letter != '\0') {
            buffer_printf(out, "  -%c, %-26s %s\n", option->letter, form, option->help);
        } else {
            buffer_printf(out, "      %-26s %s\n", form, option->help);
        }
    }
}

void arguments_help(const struct command_syntax *syntax, struct buffer *out)
{
    arguments_usage(syntax, out);
    buffer_printf(out, "\n%s\n\n", syntax->summary);
    if (syntax->options->kind != OPTION_END) {
        help_of_options(syntax->options, out);
        buffer_printf(out, "\n");
    }
    help_of_options(syntax->common, out);
    buffer_printf(out, "  -h, %-26s %s\n", "--help", "this text");
    buffer_printf(out, "  -V, %-26s %s\n", "--version", "the version of this program");
}
