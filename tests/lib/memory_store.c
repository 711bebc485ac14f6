/*
 * memory_store.c - a treap: a search tree by (kind, key) that is at the same time a heap by a hash
 * of the key. Its shape follows from its contents alone, so a run repeats exactly whatever the
 * order of puts.
 */
#include "memory_store.h"

#include <assert.h>
#include <stdlib.h>

#include "base/hash.h"

struct node {
    struct node *left;
    struct node *right;
    uint64_t priority;
    struct bytes key; /* the kind's byte, then the key */
    struct bytes value;
};

struct memory_store {
    struct node *root;
    uint64_t calls;
    uint64_t fail_at; /* in calls; 0: never */
    bool visiting;
    uint8_t *lent; /* what the last get or the current visit shows */
};

/* ---- the tree ---- */

static void node_free(struct node *node)
{
    if (node != NULL) {
        free((void *)node->key.data);
        free((void *)node->value.data);
        free(node);
    }
}

static void tree_free(struct node *tree)
{
    if (tree != NULL) {
        tree_free(tree->left);
        tree_free(tree->right);
        node_free(tree);
    }
}

static struct node *tree_copy(const struct node *tree)
{
    if (tree == NULL) {
        return NULL;
    }
    struct node *copy = memory_alloc(sizeof *copy);
    *copy = (struct node){
        .left = tree_copy(tree->left),
        .right = tree_copy(tree->right),
        .priority = tree->priority,
        .key = bytes_of(memory_copy(tree->key.data, tree->key.len), tree->key.len),
        .value = bytes_of(memory_copy(tree->value.data, tree->value.len), tree->value.len),
    };
    return copy;
}

static struct node *tree_find(struct node *tree, struct bytes key)
{
    while (tree != NULL) {
        int order = bytes_compare(key, tree->key);
        if (order == 0) {
            return tree;
        }
        tree = order < 0 ? tree->left : tree->right;
    }
    return NULL;
}

static struct node *rotate_right(struct node *node)
{
    struct node *up = node->left;
    node->left = up->right;
    up->right = node;
    return up;
}

static struct node *rotate_left(struct node *node)
{
    struct node *up = node->right;
    node->right = up->left;
    up->left = node;
    return up;
}

static struct node *tree_insert(struct node *tree, struct node *fresh)
{
    if (tree == NULL) {
        return fresh;
    }
    if (bytes_compare(fresh->key, tree->key) < 0) {
        tree->left = tree_insert(tree->left, fresh);
        return tree->left->priority > tree->priority ? rotate_right(tree) : tree;
    }
    tree->right = tree_insert(tree->right, fresh);
    return tree->right->priority > tree->priority ? rotate_left(tree) : tree;
}

/* Two trees, all keys of the left below all of the right, as one. */
static struct node *tree_join(struct node *left, struct node *right)
{
    if (left == NULL || right == NULL) {
        return left != NULL ? left : right;
    }
    if (left->priority > right->priority) {
        left->right = tree_join(left->right, right);
        return left;
    }
    right->left = tree_join(left, right->left);
    return right;
}

static void tree_remove(struct node **link, struct bytes key)
{
    while (*link != NULL) {
        struct node *node = *link;
        int order = bytes_compare(key, node->key);
        if (order == 0) {
            *link = tree_join(node->left, node->right);
            node_free(node);
            return;
        }
        link = order < 0 ? &node->left : &node->right;
    }
}

static size_t tree_count(const struct node *tree, int kind)
{
    if (tree == NULL) {
        return 0;
    }
    return tree_count(tree->left, kind) + tree_count(tree->right, kind) +
           (kind == 0 || tree->key.data[0] == kind);
}

static bool tree_equal(const struct node *a, const struct node *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    return bytes_equal(a->key, b->key) && bytes_equal(a->value, b->value) &&
           tree_equal(a->left, b->left) && tree_equal(a->right, b->right);
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
        free(store->lent);
        free(store);
    }
}

struct memory_store *memory_store_copy(const struct memory_store *store)
{
    struct memory_store *copy = memory_store_new();
    copy->root = tree_copy(store->root);
    return copy;
}

bool memory_store_equal(const struct memory_store *a, const struct memory_store *b)
{
    return tree_equal(a->root, b->root);
}

size_t memory_store_count(const struct memory_store *store)
{
    return tree_count(store->root, 0);
}

size_t memory_store_count_kind(const struct memory_store *store, enum ledger_kind kind)
{
    return tree_count(store->root, (int)kind);
}

uint64_t memory_store_calls(const struct memory_store *store)
{
    return store->calls;
}

void memory_store_fail_at(struct memory_store *store, uint64_t n)
{
    store->fail_at = n != 0 ? store->calls + n : 0;
}

/* Every call passes here first: what was lent ends, and a planned failure happens. */
static bool enter(struct memory_store *store, struct error *error)
{
    assert(!store->visiting && "a visitor must not call the store");
    free(store->lent);
    store->lent = NULL;
    store->calls++;
    if (store->fail_at != 0 && store->calls >= store->fail_at) {
        return error_set(error, "memory store: this failure was planned");
    }
    return true;
}

static struct bytes full_key(enum ledger_kind kind, struct bytes key, uint8_t *room, size_t size)
{
    assert(key.len < size);
    room[0] = (uint8_t)kind;
    if (key.len != 0) {
        memcpy(room + 1, key.data, key.len);
    }
    return bytes_of(room, key.len + 1);
}

#define KEY_ROOM 1024

static enum store_result store_get(void *context, enum ledger_kind kind, struct bytes key,
                                   struct bytes *value, struct error *error)
{
    struct memory_store *store = context;
    uint8_t room[KEY_ROOM];
    if (!enter(store, error)) {
        return STORE_ERROR;
    }
    const struct node *node = tree_find(store->root, full_key(kind, key, room, sizeof room));
    if (node == NULL) {
        return STORE_ABSENT;
    }
    store->lent = memory_copy(node->value.data, node->value.len);
    *value = bytes_of(store->lent, node->value.len);
    return STORE_FOUND;
}

static bool store_put(void *context, enum ledger_kind kind, struct bytes key, struct bytes value,
                      struct error *error)
{
    struct memory_store *store = context;
    uint8_t room[KEY_ROOM];
    /* The value may be one that was lent: copied before that ends. */
    struct bytes copy = bytes_of(memory_copy(value.data, value.len), value.len);
    struct bytes full = full_key(kind, key, room, sizeof room);
    if (!enter(store, error)) {
        free((void *)copy.data);
        return false;
    }
    struct node *node = tree_find(store->root, full);
    if (node != NULL) {
        free((void *)node->value.data);
        node->value = copy;
        return true;
    }
    node = memory_zalloc(sizeof *node);
    node->priority = hash128_of(full).low;
    node->key = bytes_of(memory_copy(full.data, full.len), full.len);
    node->value = copy;
    store->root = tree_insert(store->root, node);
    return true;
}

static bool store_remove(void *context, enum ledger_kind kind, struct bytes key,
                         struct error *error)
{
    struct memory_store *store = context;
    uint8_t room[KEY_ROOM];
    struct bytes full = full_key(kind, key, room, sizeof room);
    if (!enter(store, error)) {
        return false;
    }
    tree_remove(&store->root, full);
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
    struct memory_store *store = scan->store;
    free(store->lent);
    store->lent = memory_alloc(node->key.len + node->value.len);
    memcpy(store->lent, node->key.data, node->key.len);
    if (node->value.len != 0) {
        memcpy(store->lent + node->key.len, node->value.data, node->value.len);
    }
    return scan->visit(scan->context, bytes_of(store->lent + 1, node->key.len - 1),
                       bytes_of(store->lent + node->key.len, node->value.len));
}

/* In order; false once the visitor has had enough. */
static bool scan_tree(const struct scan *scan, const struct node *tree)
{
    if (tree == NULL) {
        return true;
    }
    bool above = bytes_compare(tree->key, scan->from) >= 0;
    bool below = bytes_compare(tree->key, scan->to) < 0;
    return (!above || scan_tree(scan, tree->left)) &&
           (!above || !below || scan_visit(scan, tree)) && (!below || scan_tree(scan, tree->right));
}

static bool store_scan(void *context, enum ledger_kind kind, struct bytes from, struct bytes to,
                       store_visit visit, void *visit_context, struct error *error)
{
    struct memory_store *store = context;
    uint8_t from_room[KEY_ROOM];
    uint8_t to_room[KEY_ROOM];
    struct scan scan = {store, full_key(kind, from, from_room, sizeof from_room),
                        full_key(kind, to, to_room, sizeof to_room), visit, visit_context};
    if (to.len == 0) {
        to_room[0]++;
    }
    if (!enter(store, error)) {
        return false;
    }
    store->visiting = true;
    scan_tree(&scan, store->root);
    store->visiting = false;
    return true;
}

static const struct store_ops memory_store_ops = {store_get, store_put, store_remove, store_scan};

struct ledger_store memory_store_interface(struct memory_store *store)
{
    return (struct ledger_store){&memory_store_ops, store};
}
