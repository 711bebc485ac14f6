/*
 * edn.c - a reader of EDN by recursive descent, bounded in depth and in nodes.
 *
 * Happy path: skip what means nothing, look at one byte, read that kind of value. Fails: bytes that
 * begin no value, a value that does not end, a map with an odd number of forms, an integer beyond
 * 64 bits, an escape that nobody knows, too deep, too many.
 */
#include "edn.h"

#include <stdlib.h>

#define NUMBER_TEXT 48

struct parser {
    struct edn *edn;
    const uint8_t *data;
    size_t len;
    size_t at;
    struct error *error;
};

static bool refuse(struct parser *parser, const char *why)
{
    return error_set(parser->error, "byte %zu: %s", parser->at, why);
}

static uint32_t new_node(struct parser *parser, enum edn_kind kind)
{
    struct edn *edn = parser->edn;
    if (edn->count == edn->capacity) {
        edn->capacity = edn->capacity == 0 ? 64 : edn->capacity * 2;
        edn->nodes = memory_realloc(edn->nodes, edn->capacity * sizeof *edn->nodes);
    }
    edn->nodes[edn->count] =
        (struct edn_node){.kind = kind, .first = EDN_NONE, .next = EDN_NONE, .begin = parser->at};
    return edn->count++;
}

static bool is_space(uint8_t byte)
{
    return byte == ' ' || byte == ',' || (byte >= '\t' && byte <= '\r');
}

/* What ends a name or a number. NUL is one: it begins no value, and is refused where it stands. */
static bool is_delimiter(uint8_t byte)
{
    switch (byte) {
    case '\0':
    case '(':
    case ')':
    case '[':
    case ']':
    case '{':
    case '}':
    case '"':
    case ';':
        return true;
    default:
        return is_space(byte);
    }
}

static bool read_value(struct parser *parser, unsigned depth, uint32_t *node);

/* Spaces, commas, comments and discarded values. */
static bool skip(struct parser *parser, unsigned depth)
{
    while (parser->at < parser->len) {
        uint8_t byte = parser->data[parser->at];
        if (is_space(byte)) {
            parser->at++;
        } else if (byte == ';') {
            while (parser->at < parser->len && parser->data[parser->at] != '\n') {
                parser->at++;
            }
        } else if (byte == '#' && parser->at + 1 < parser->len &&
                   parser->data[parser->at + 1] == '_') {
            uint32_t discarded = EDN_NONE;
            parser->at += 2;
            if (!read_value(parser, depth + 1, &discarded)) {
                return false;
            }
        } else {
            return true;
        }
    }
    return true;
}

/* ---- strings ---- */

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static void append_utf8(struct buffer *out, uint32_t point)
{
    uint8_t bytes[3];
    size_t len = 1;
    if (point < 0x80) {
        bytes[0] = (uint8_t)point;
    } else if (point < 0x800) {
        bytes[0] = (uint8_t)(0xc0 | point >> 6);
        bytes[1] = (uint8_t)(0x80 | (point & 0x3f));
        len = 2;
    } else {
        bytes[0] = (uint8_t)(0xe0 | point >> 12);
        bytes[1] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
        bytes[2] = (uint8_t)(0x80 | (point & 0x3f));
        len = 3;
    }
    buffer_append(out, bytes, len);
}

static bool read_escape(struct parser *parser)
{
    struct buffer *texts = &parser->edn->texts;
    if (parser->at == parser->len) {
        return refuse(parser, "the string does not end");
    }
    uint8_t byte = parser->data[parser->at++];
    if (byte != '\0' && strchr("\"\\ntr", byte) != NULL) {
        uint8_t value = byte == 'n' ? '\n' : byte == 't' ? '\t' : byte == 'r' ? '\r' : byte;
        buffer_append(texts, &value, 1);
        return true;
    }
    if (byte != 'u' || parser->len - parser->at < 4) {
        return refuse(parser, "an escape that EDN does not have");
    }
    uint32_t point = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(parser->data[parser->at++]);
        if (digit < 0) {
            return refuse(parser, "\\u wants four hexadecimal digits");
        }
        point = point * 16 + (uint32_t)digit;
    }
    if (point >= 0xd800 && point <= 0xdfff) {
        return refuse(parser, "\\u names half a character");
    }
    append_utf8(texts, point);
    return true;
}

static bool read_string(struct parser *parser, uint32_t *node)
{
    struct buffer *texts = &parser->edn->texts;
    *node = new_node(parser, EDN_STRING);
    size_t text = texts->len;
    parser->at++;
    for (;;) {
        size_t plain = parser->at;
        while (parser->at < parser->len && parser->data[parser->at] != '"' &&
               parser->data[parser->at] != '\\') {
            parser->at++;
        }
        buffer_append(texts, parser->data + plain, parser->at - plain);
        if (parser->at == parser->len) {
            return refuse(parser, "the string does not end");
        }
        if (parser->data[parser->at++] == '"') {
            break;
        }
        if (!read_escape(parser)) {
            return false;
        }
    }
    parser->edn->nodes[*node].text = text;
    parser->edn->nodes[*node].text_len = texts->len - text;
    return true;
}

/* ---- numbers and names ---- */

static bool read_number(struct parser *parser, struct edn_node *node, struct bytes token)
{
    uint64_t number = 0;
    bool negative = token.data[0] == '-';
    size_t at = negative || token.data[0] == '+';
    for (; at < token.len && token.data[at] >= '0' && token.data[at] <= '9'; at++) {
        uint64_t digit = (uint64_t)(token.data[at] - '0');
        if (number > ((uint64_t)INT64_MAX + negative - digit) / 10) {
            return refuse(parser, "an integer beyond 64 bits");
        }
        number = number * 10 + digit;
    }
    if (at == token.len || (at + 1 == token.len && token.data[at] == 'N')) {
        node->kind = EDN_INTEGER;
        node->number = negative ? (int64_t)(0 - number) : (int64_t)number;
        return true;
    }
    char text[NUMBER_TEXT];
    if (token.len >= sizeof text) {
        return refuse(parser, "a number too long");
    }
    memcpy(text, token.data, token.len);
    text[token.len] = '\0';
    char *end;
    double value = strtod(text, &end);
    bool exact = *end == 'M' && end[1] == '\0';
    if ((*end != '\0' && !exact) || !(value > -9e18 && value < 9e18)) {
        return refuse(parser, "no number");
    }
    node->kind = EDN_FLOAT;
    node->number = (int64_t)value;
    return true;
}

static bool token_is(struct bytes token, const char *text)
{
    return bytes_equal(token, bytes_of_string(text));
}

static bool read_token(struct parser *parser, uint32_t *at)
{
    *at = new_node(parser, EDN_SYMBOL);
    struct edn_node *node = &parser->edn->nodes[*at];
    size_t begin = parser->at;
    while (parser->at < parser->len && !is_delimiter(parser->data[parser->at])) {
        parser->at++;
    }
    struct bytes token = bytes_of(parser->data + begin, parser->at - begin);
    if (token.len == 0) {
        return refuse(parser, "no value begins here");
    }
    uint8_t first = token.data[0];
    uint8_t digit = token.len > 1 && (first == '-' || first == '+') ? token.data[1] : first;
    if (digit >= '0' && digit <= '9') {
        return read_number(parser, node, token);
    }
    if (token_is(token, "nil")) {
        node->kind = EDN_NIL;
        return true;
    }
    if (token_is(token, "true") || token_is(token, "false")) {
        node->kind = EDN_BOOL;
        node->number = token.data[0] == 't';
        return true;
    }
    if (first == ':') {
        if (token.len == 1) {
            return refuse(parser, "a keyword without a name");
        }
        node->kind = EDN_KEYWORD;
        token = bytes_of(token.data + 1, token.len - 1);
    }
    node->text = parser->edn->texts.len;
    node->text_len = token.len;
    buffer_append_bytes(&parser->edn->texts, token);
    return true;
}

/* ---- collections ---- */

static bool read_collection(struct parser *parser, enum edn_kind kind, uint8_t closing,
                            unsigned depth, uint32_t *node)
{
    *node = new_node(parser, kind);
    uint32_t last = EDN_NONE;
    uint32_t count = 0;
    parser->at += kind == EDN_SET ? 2 : 1;
    for (;;) {
        uint32_t child = EDN_NONE;
        if (!skip(parser, depth)) {
            return false;
        }
        if (parser->at == parser->len) {
            return refuse(parser, "a collection does not end");
        }
        if (parser->data[parser->at] == closing) {
            parser->at++;
            break;
        }
        if (!read_value(parser, depth + 1, &child)) {
            return false;
        }
        if (last == EDN_NONE) {
            parser->edn->nodes[*node].first = child;
        } else {
            parser->edn->nodes[last].next = child;
        }
        last = child;
        count++;
    }
    parser->edn->nodes[*node].count = count;
    return kind != EDN_MAP || count % 2 == 0 || refuse(parser, "a map has a key without a value");
}

static bool read_tagged(struct parser *parser, unsigned depth, uint32_t *node)
{
    while (parser->at < parser->len && !is_delimiter(parser->data[parser->at])) {
        parser->at++;
    }
    return read_value(parser, depth + 1, node);
}

static bool read_value(struct parser *parser, unsigned depth, uint32_t *node)
{
    if (depth > EDN_DEPTH) {
        return refuse(parser, "nested too deep");
    }
    if (!skip(parser, depth)) {
        return false;
    }
    if (parser->at == parser->len) {
        return refuse(parser, "a value is missing");
    }
    if (parser->edn->count == EDN_NODES) {
        return refuse(parser, "too many values");
    }
    bool done;
    switch (parser->data[parser->at]) {
    case '"':
        done = read_string(parser, node);
        break;
    case '(':
        done = read_collection(parser, EDN_LIST, ')', depth, node);
        break;
    case '[':
        done = read_collection(parser, EDN_VECTOR, ']', depth, node);
        break;
    case '{':
        done = read_collection(parser, EDN_MAP, '}', depth, node);
        break;
    case '#':
        done = parser->at + 1 < parser->len && parser->data[parser->at + 1] == '{'
                   ? read_collection(parser, EDN_SET, '}', depth, node)
                   : read_tagged(parser, depth, node);
        break;
    default:
        done = read_token(parser, node);
        break;
    }
    if (done) {
        parser->edn->nodes[*node].end = parser->at;
    }
    return done;
}

bool edn_parse(struct edn *edn, struct bytes input, struct error *error)
{
    struct parser parser = {edn, input.data, input.len, 0, error};
    uint32_t root = EDN_NONE;
    edn->input = input;
    edn->count = 0;
    buffer_clear(&edn->texts);
    if (!skip(&parser, 0)) {
        return false;
    }
    /* A discarded value in front would take node 0. */
    edn->count = 0;
    if (!read_value(&parser, 0, &root) || !skip(&parser, 0)) {
        return false;
    }
    return parser.at == parser.len || refuse(&parser, "something follows the value");
}

void edn_free(struct edn *edn)
{
    free(edn->nodes);
    buffer_free(&edn->texts);
    *edn = (struct edn){0};
}

static bool has_name(const struct edn *edn, const struct edn_node *node, const char *name,
                     size_t len)
{
    return node->kind == EDN_KEYWORD && node->text_len == len &&
           memcmp(edn->texts.data + node->text, name, len) == 0;
}

uint32_t edn_get(const struct edn *edn, uint32_t map, const char *keyword)
{
    size_t len = strlen(keyword);
    if (map == EDN_NONE || edn->nodes[map].kind != EDN_MAP) {
        return EDN_NONE;
    }
    for (uint32_t key = edn->nodes[map].first; key != EDN_NONE;
         key = edn->nodes[edn->nodes[key].next].next) {
        if (has_name(edn, &edn->nodes[key], keyword, len)) {
            return edn->nodes[key].next;
        }
    }
    return EDN_NONE;
}

bool edn_is_keyword(const struct edn *edn, uint32_t node, const char *keyword)
{
    return has_name(edn, &edn->nodes[node], keyword, strlen(keyword));
}

struct bytes edn_raw(const struct edn *edn, uint32_t node)
{
    return bytes_of(edn->input.data + edn->nodes[node].begin,
                    edn->nodes[node].end - edn->nodes[node].begin);
}
