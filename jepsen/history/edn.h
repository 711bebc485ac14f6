/*
 * edn.h - reads EDN (github.com/edn-format/edn), the part of it that histories are made of: nil,
 * true, false, integers, floats, strings, keywords, symbols, lists, vectors, maps, sets, and tags,
 * which are read over. Comments and #_ discards are read over too.
 *
 * A value becomes nodes in one array; a node is named by its position. Texts live in the document.
 *
 * Ownership: the document owns everything until the next edn_parse or edn_free; it must not outlive
 * the input for raw spans. Errors: whatever the bytes are, edn_parse ends, with false and the
 * offset of what it did not understand.
 */
#ifndef JEPSEN_EDN_H
#define JEPSEN_EDN_H

#include "base/bytes.h"
#include "base/error.h"

#define EDN_DEPTH 32         /* of nested values */
#define EDN_NODES 16777216   /* of one document */
#define EDN_NONE  UINT32_MAX /* no node */

enum edn_kind {
    EDN_NIL,
    EDN_BOOL,
    EDN_INTEGER,
    EDN_FLOAT,
    EDN_STRING,
    EDN_KEYWORD, /* text without the colon */
    EDN_SYMBOL,
    EDN_LIST,
    EDN_VECTOR,
    EDN_MAP, /* children: key, value, key, value, ... */
    EDN_SET
};

struct edn_node {
    enum edn_kind kind;
    uint32_t first; /* child */
    uint32_t next;  /* sibling */
    uint32_t count; /* children */
    int64_t number; /* integer, bool, or a float's whole part */
    size_t text;    /* where its text begins, and how long it is: strings, names */
    size_t text_len;
    size_t begin; /* its span in the input */
    size_t end;
};

struct edn {
    struct bytes input;
    struct edn_node *nodes;
    uint32_t count;
    uint32_t capacity;
    struct buffer texts;
};

/* Reads exactly one value, node 0. */
bool edn_parse(struct edn *edn, struct bytes input, struct error *error);
void edn_free(struct edn *edn);

static inline const struct edn_node *edn_at(const struct edn *edn, uint32_t node)
{
    return &edn->nodes[node];
}
static inline struct bytes edn_text(const struct edn *edn, uint32_t node)
{
    return bytes_of(edn->texts.data + edn->nodes[node].text, edn->nodes[node].text_len);
}
/* The value of the map's keyword; EDN_NONE: it has none, or this is no map. */
uint32_t edn_get(const struct edn *edn, uint32_t map, const char *keyword);
/* Is it this keyword? */
bool edn_is_keyword(const struct edn *edn, uint32_t node, const char *keyword);
/* As it stands in the input. */
struct bytes edn_raw(const struct edn *edn, uint32_t node);

#endif
