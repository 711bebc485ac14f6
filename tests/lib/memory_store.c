/*
 * memory_store.c - a treap for the order and a hash table for the look-ups, over the same nodes.
 *
 * A treap is a search tree by (kind, key) that is at the same time a heap, here by a hash of the
 * key: its shape follows from its contents alone, so a run repeats exactly whatever the order of
 * puts. Most calls are for a record that is known: these go through the table and leave the tree as
 * it is.
 *
 * Invariant: a node is in the tree and in the table's chain for its hash, or in neither.
 */
#include "memory_store.h"

#include <assert.h>
#include <stdlib.h>

#include "base/hash.h"

/* The longest key with its kind. */
#define KEY_ROOM      1024
#define FIRST_BUCKETS 64u
#define FIRST_LENT    256u
#define SCRIBBLE      0xdb

/* Is what is shown in memory of its own, so that a sanitizer watches it? */
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define LEND_AFRESH true
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define LEND_AFRESH true
#endif
#ifndef LEND_AFRESH
#define LEND_AFRESH false
#endif

struct node {
    struct node *left;
    struct node *right;
    struct node *chain; /* the next one in its bucket */
    uint64_t hash;      /* the priority in the heap, and which bucket */
    uint8_t *value;
    size_t value_len;
    size_t value_capacity;
    size_t key_len;
    uint8_t key[]; /* the kind's byte, then the key */
};

struct memory_store {
    struct node *root;
    struct node **buckets;
    size_t bucket_count; /* a power of two, or 0 */
    size_t count;
    uint64_t calls;
    uint64_t failures; /* of them */
    uint64_t fail_at;  /* in calls; 0: never */
    bool watched;      /* calls are not the user's: they neither count nor fail */
    bool visiting;
    uint8_t *lent; /* what the last get or the current visit shows */
    size_t lent_len;
    size_t lent_capacity;
};

static struct bytes key_of(const struct node *node)
{
    return bytes_of(node->key, node->key_len);
}

/* ---- nodes ---- */

static struct node *node_new(uint64_t hash, struct bytes key)
{
    struct node *node = memory_alloc(sizeof *node + key.len);
    *node = (struct node){.hash = hash, .key_len = key.len};
    memcpy(node->key, key.data, key.len);
    return node;
}

static void node_free(struct node *node)
{
    free(node->value);
    free(node);
}

/* In place where there is room: most values of a record are about as long as the one before. */
static void node_set(struct node *node, struct bytes value)
{
    if (value.len > node->value_capacity) {
        uint8_t *copy = memory_copy(value.data, value.len);
        free(node->value);
        node->value = copy;
        node->value_capacity = value.len;
    } else if (value.len > 0) {
        memmove(node->value, value.data, value.len); /* it may be a part of itself */
    }
    node->value_len = value.len;
}

/* ---- the tree ---- */

static void tree_free(struct node *tree)
{
    if (tree != NULL) {
        tree_free(tree->left);
        tree_free(tree->right);
        node_free(tree);
    }
}

static bool is_below(const struct node *node, struct bytes key)
{
    return bytes_compare(key_of(node), key) < 0;
}

/* Down to where the heap wants it; what is there becomes its two sides, cut at its key. */
static void tree_insert(struct node **link, struct node *fresh)
{
    struct bytes key = key_of(fresh);
    while (*link != NULL && (*link)->hash >= fresh->hash) {
        link = is_below(*link, key) ? &(*link)->right : &(*link)->left;
    }
    struct node *rest = *link;
    *link = fresh;
    struct node **below = &fresh->left;
    struct node **above = &fresh->right;
    while (rest != NULL) {
        if (is_below(rest, key)) {
            *below = rest;
            below = &rest->right;
            rest = rest->right;
        } else {
            *above = rest;
            above = &rest->left;
            rest = rest->left;
        }
    }
    *below = NULL;
    *above = NULL;
}

/* Two trees, all keys of the left below all of the right, as one. */
static struct node *tree_join(struct node *left, struct node *right)
{
    struct node *joined;
    struct node **link = &joined;
    while (left != NULL && right != NULL) {
        if (left->hash >= right->hash) {
            *link = left;
            link = &left->right;
            left = left->right;
        } else {
            *link = right;
            link = &right->left;
            right = right->left;
        }
    }
    *link = left != NULL ? left : right;
    return joined;
}

static void tree_remove(struct node **link, const struct node *node)
{
    while (*link != node) {
        assert(*link != NULL);
        link = is_below(*link, key_of(node)) ? &(*link)->right : &(*link)->left;
    }
    *link = tree_join(node->left, node->right);
}

static size_t tree_count_kind(const struct node *tree, uint8_t kind)
{
    if (tree == NULL) {
        return 0;
    }
    return tree_count_kind(tree->left, kind) + tree_count_kind(tree->right, kind) +
           (tree->key[0] == kind);
}

static bool tree_equal(const struct node *a, const struct node *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    return bytes_equal(key_of(a), key_of(b)) &&
           bytes_equal(bytes_of(a->value, a->value_len), bytes_of(b->value, b->value_len)) &&
           tree_equal(a->left, b->left) && tree_equal(a->right, b->right);
}

/* ---- the table ---- */

static struct node **bucket_of(const struct memory_store *store, uint64_t hash)
{
    return &store->buckets[hash & (store->bucket_count - 1)];
}

static void table_add(struct memory_store *store, struct node *node)
{
    struct node **bucket = bucket_of(store, node->hash);
    node->chain = *bucket;
    *bucket = node;
}

static void table_add_tree(struct memory_store *store, struct node *tree)
{
    if (tree != NULL) {
        table_add(store, tree);
        table_add_tree(store, tree->left);
        table_add_tree(store, tree->right);
    }
}

static void table_resize(struct memory_store *store, size_t bucket_count)
{
    free(store->buckets);
    store->buckets = memory_zalloc(bucket_count * sizeof(struct node *));
    store->bucket_count = bucket_count;
    table_add_tree(store, store->root);
}

static void table_remove(struct memory_store *store, const struct node *node)
{
    struct node **link = bucket_of(store, node->hash);
    while (*link != node) {
        link = &(*link)->chain;
    }
    *link = node->chain;
}

static struct node *find(const struct memory_store *store, uint64_t hash, struct bytes key)
{
    struct node *node = store->count > 0 ? *bucket_of(store, hash) : NULL;
    while (node != NULL && (node->hash != hash || !bytes_equal(key_of(node), key))) {
        node = node->chain;
    }
    return node;
}

/* ---- both ---- */

static uint64_t hash_of(struct bytes key)
{
    return hash128_of(key).low;
}

static void set(struct memory_store *store, struct bytes key, struct bytes value)
{
    uint64_t hash = hash_of(key);
    struct node *node = find(store, hash, key);
    if (node == NULL) {
        if (store->count >= store->bucket_count) {
            table_resize(store, store->count == 0 ? FIRST_BUCKETS : store->bucket_count * 2);
        }
        node = node_new(hash, key);
        tree_insert(&store->root, node);
        table_add(store, node);
        store->count++;
    }
    node_set(node, value);
}

static void drop(struct memory_store *store, struct bytes key)
{
    struct node *node = find(store, hash_of(key), key);
    if (node != NULL) {
        tree_remove(&store->root, node);
        table_remove(store, node);
        store->count--;
        node_free(node);
    }
}

static struct node *tree_copy(const struct node *tree)
{
    if (tree == NULL) {
        return NULL;
    }
    struct node *copy = node_new(tree->hash, key_of(tree));
    node_set(copy, bytes_of(tree->value, tree->value_len));
    copy->left = tree_copy(tree->left);
    copy->right = tree_copy(tree->right);
    return copy;
}

/* ---- the store ---- */

struct memory_store *memory_store_new(void)
{
    return memory_zalloc(sizeof(struct memory_store));
}

void memory_store_free(struct memory_store *store)
{
    if (store != NULL) {
        tree_free(store->root);
        free(store->buckets);
        free(store->lent);
        free(store);
    }
}

struct memory_store *memory_store_copy(const struct memory_store *store)
{
    struct memory_store *copy = memory_store_new();
    if (store->count > 0) {
        copy->root = tree_copy(store->root);
        copy->count = store->count;
        table_resize(copy, store->bucket_count);
    }
    return copy;
}

bool memory_store_equal(const struct memory_store *a, const struct memory_store *b)
{
    return a->count == b->count && tree_equal(a->root, b->root);
}

size_t memory_store_count(const struct memory_store *store)
{
    return store->count;
}

size_t memory_store_count_kind(const struct memory_store *store, enum ledger_kind kind)
{
    return tree_count_kind(store->root, (uint8_t)kind);
}

uint64_t memory_store_calls(const struct memory_store *store)
{
    return store->calls;
}

uint64_t memory_store_failures(const struct memory_store *store)
{
    return store->failures;
}

void memory_store_fail_at(struct memory_store *store, uint64_t n)
{
    store->fail_at = n != 0 ? store->calls + n : 0;
}

void memory_store_watch(struct memory_store *store, bool watched)
{
    store->watched = watched;
}

static void end_loan(struct memory_store *store)
{
    if (LEND_AFRESH) {
        free(store->lent);
        store->lent = NULL;
        store->lent_capacity = 0;
    } else if (store->lent_len > 0) {
        memset(store->lent, SCRIBBLE, store->lent_len);
    }
    store->lent_len = 0;
}

/* Room for bytes that are shown until the next call. */
static uint8_t *lend(struct memory_store *store, size_t len)
{
    end_loan(store);
    if (LEND_AFRESH) {
        store->lent = memory_alloc(len); /* not a byte more, so that one too far is caught */
    } else if (store->lent == NULL || len > store->lent_capacity) {
        free(store->lent);
        store->lent_capacity = len < FIRST_LENT ? FIRST_LENT : len * 2;
        store->lent = memory_alloc(store->lent_capacity);
    }
    store->lent_len = len;
    return store->lent;
}

/* Every call begins here: it counts, and a planned failure happens. What was lent ends with the
 * call, not yet: a put may be given it. */
static bool begin(struct memory_store *store, struct error *error)
{
    assert(!store->visiting && "a visitor must not call the store");
    if (store->watched) {
        return true;
    }
    store->calls++;
    if (store->fail_at != 0 && store->calls >= store->fail_at) {
        end_loan(store);
        store->failures++;
        return error_set(error, "memory store: this failure was planned");
    }
    return true;
}

static struct bytes full_key(enum ledger_kind kind, struct bytes key, uint8_t *room)
{
    assert(key.len < KEY_ROOM);
    room[0] = (uint8_t)kind;
    if (key.len != 0) {
        memcpy(room + 1, key.data, key.len);
    }
    return bytes_of(room, key.len + 1);
}

static enum store_result store_get(void *context, enum ledger_kind kind, struct bytes key,
                                   struct bytes *value, struct error *error)
{
    struct memory_store *store = context;
    uint8_t room[KEY_ROOM];
    struct bytes full = full_key(kind, key, room);
    if (!begin(store, error)) {
        return STORE_ERROR;
    }
    const struct node *node = find(store, hash_of(full), full);
    if (node == NULL) {
        end_loan(store);
        return STORE_ABSENT;
    }
    uint8_t *lent = lend(store, node->value_len);
    if (node->value_len != 0) {
        memcpy(lent, node->value, node->value_len);
    }
    *value = bytes_of(lent, node->value_len);
    return STORE_FOUND;
}

static bool store_put(void *context, enum ledger_kind kind, struct bytes key, struct bytes value,
                      struct error *error)
{
    struct memory_store *store = context;
    uint8_t room[KEY_ROOM];
    if (!begin(store, error)) {
        return false;
    }
    set(store, full_key(kind, key, room), value);
    end_loan(store);
    return true;
}

static bool store_remove(void *context, enum ledger_kind kind, struct bytes key,
                         struct error *error)
{
    struct memory_store *store = context;
    uint8_t room[KEY_ROOM];
    if (!begin(store, error)) {
        return false;
    }
    drop(store, full_key(kind, key, room));
    end_loan(store);
    return true;
}

struct scan {
    struct memory_store *store;
    struct bytes from;
    struct bytes to; /* of one byte more than the kind's where `to` was empty: the next kind */
    store_visit visit;
    void *context;
};

/* Each record is lent as a copy of its own. */
static bool scan_visit(const struct scan *scan, const struct node *node)
{
    uint8_t *lent = lend(scan->store, node->key_len + node->value_len);
    memcpy(lent, node->key, node->key_len);
    if (node->value_len != 0) {
        memcpy(lent + node->key_len, node->value, node->value_len);
    }
    return scan->visit(scan->context, bytes_of(lent + 1, node->key_len - 1),
                       bytes_of(lent + node->key_len, node->value_len));
}

/* In order; false once the visitor has had enough. */
static bool scan_tree(const struct scan *scan, const struct node *tree)
{
    if (tree == NULL) {
        return true;
    }
    bool above = !is_below(tree, scan->from);
    bool below = !above || is_below(tree, scan->to);
    return (!above || scan_tree(scan, tree->left)) &&
           (!above || !below || scan_visit(scan, tree)) && (!below || scan_tree(scan, tree->right));
}

static bool store_scan(void *context, enum ledger_kind kind, struct bytes from, struct bytes to,
                       store_visit visit, void *visit_context, struct error *error)
{
    struct memory_store *store = context;
    uint8_t from_room[KEY_ROOM];
    uint8_t to_room[KEY_ROOM];
    struct scan scan = {store, full_key(kind, from, from_room), full_key(kind, to, to_room), visit,
                        visit_context};
    if (to.len == 0) {
        to_room[0]++;
    }
    if (!begin(store, error)) {
        return false;
    }
    store->visiting = true;
    scan_tree(&scan, store->root);
    store->visiting = false;
    return true;
}

struct ledger_store memory_store_interface(struct memory_store *store)
{
    static const struct store_ops ops = {store_get, store_put, store_remove, store_scan};
    return (struct ledger_store){&ops, store};
}

/* ---- keeping books ---- */

bool memory_store_call(struct memory_store *store, struct error *error)
{
    bool allowed = begin(store, error);
    end_loan(store);
    return allowed;
}

bool memory_store_peek(const struct memory_store *store, enum ledger_kind kind, struct bytes key,
                       struct bytes *value)
{
    uint8_t room[KEY_ROOM];
    struct bytes full = full_key(kind, key, room);
    const struct node *node = find(store, hash_of(full), full);
    if (node == NULL) {
        return false;
    }
    *value = bytes_of(node->value, node->value_len);
    return true;
}

void memory_store_set(struct memory_store *store, enum ledger_kind kind, struct bytes key,
                      const struct bytes *value)
{
    uint8_t room[KEY_ROOM];
    struct bytes full = full_key(kind, key, room);
    if (value != NULL) {
        set(store, full, *value);
    } else {
        drop(store, full);
    }
}
