/*
 * entry.c - log entries that disk, network and apply share by counting references.
 *
 * Invariant: an entry is freed exactly when its last reference goes; its bytes never change. The
 * count is atomic, so that the log's thread may drop its reference on its own; whoever drops the
 * last one sees everything that the others did before (acquire after release).
 */
#include "raft/entry.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

/* The public part first, so that a pointer to it is a pointer to the whole. */
struct entry_box {
    struct entry entry;
    atomic_uint references;
    void *taken; /* memory of a buffer that was taken over, or NULL: the bytes follow the box */
};

static struct entry_box *box_of(struct entry *entry)
{
    _Static_assert(offsetof(struct entry_box, entry) == 0, "the entry opens its box");
    return (struct entry_box *)entry;
}

struct entry *entry_new_take(enum entry_type type, struct buffer *data)
{
    struct entry_box *box = memory_zalloc(sizeof *box);
    box->entry.type = type;
    box->entry.data = buffer_bytes(data);
    box->taken = data->data;
    atomic_init(&box->references, 1);
    *data = (struct buffer){0};
    return &box->entry;
}

struct entry *entry_new_copy(uint64_t index, uint64_t term, enum entry_type type, struct bytes data)
{
    struct entry_box *box = memory_alloc(sizeof *box + data.len);
    uint8_t *copy = (uint8_t *)(box + 1);
    if (data.len != 0) {
        memcpy(copy, data.data, data.len);
    }
    box->entry = (struct entry){index, term, type, bytes_of(copy, data.len)};
    box->taken = NULL;
    atomic_init(&box->references, 1);
    return &box->entry;
}

struct entry *entry_reference(struct entry *entry)
{
    unsigned before =
        atomic_fetch_add_explicit(&box_of(entry)->references, 1, memory_order_relaxed);
    assert(before > 0);
    (void)before;
    return entry;
}

void entry_release(struct entry *entry)
{
    if (entry == NULL) {
        return;
    }
    struct entry_box *box = box_of(entry);
    unsigned before = atomic_fetch_sub_explicit(&box->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1) {
        free(box->taken);
        free(box);
    }
}
