/*
 * sim_inode.c - the two contents of a file and the journal between them.
 *
 * Invariant: `now` is `durable` with all that is pending applied in order, and with what failed
 * syncs gave up. The range [differ_from, differ_to) covers every byte in which they differ, so that
 * going back to `durable` costs as much as was written and not as much as the file holds. Bytes
 * that were only allocated are in no memory: a segment of the log costs what was appended to it.
 */
#include "sim_inode.h"

#include <assert.h>
#include <stdlib.h>

#include "sim_random.h"

#define SECTOR_BYTES 512u

struct sim_inode *sim_inode_new(struct sim_inode **list, bool is_directory)
{
    struct sim_inode *inode = memory_zalloc(sizeof *inode);
    inode->is_directory = is_directory;
    inode->references = 1;
    inode->next = *list;
    inode->link = list;
    if (inode->next != NULL) {
        inode->next->link = &inode->next;
    }
    *list = inode;
    return inode;
}

void sim_inode_hold(struct sim_inode *inode)
{
    inode->references++;
}

void sim_inode_release(struct sim_inode *inode)
{
    assert(inode->references > 0);
    if (--inode->references > 0) {
        return;
    }
    *inode->link = inode->next;
    if (inode->next != NULL) {
        inode->next->link = inode->link;
    }
    buffer_free(&inode->now.written);
    buffer_free(&inode->durable.written);
    buffer_free(&inode->pending_data);
    free(inode->pending);
    free(inode);
}

/* ---- a content ---- */

/* Brings bytes into memory up to `len`, which the size has to cover. */
static void content_fill(struct sim_content *content, uint64_t len)
{
    assert(len <= content->size);
    if (len > content->written.len) {
        size_t more = (size_t)len - content->written.len;
        memset(buffer_reserve(&content->written, more), 0, more);
        content->written.len = (size_t)len;
    }
}

static void content_grow(struct sim_content *content, uint64_t size)
{
    if (size > content->size) {
        content->size = size;
    }
}

static void content_put(struct sim_content *content, uint64_t offset, struct bytes data)
{
    if (data.len == 0) {
        return;
    }
    uint64_t end = offset + data.len;
    content_grow(content, end);
    if (end > content->written.len) {
        content_fill(content, offset);
        size_t more = (size_t)end - content->written.len;
        buffer_reserve(&content->written, more);
        content->written.len = (size_t)end;
    }
    memcpy(content->written.data + offset, data.data, data.len);
}

static void content_set(struct sim_content *content, struct bytes bytes)
{
    content->size = bytes.len;
    buffer_clear(&content->written);
    buffer_append_bytes(&content->written, bytes);
}

/* ---- what is pending ---- */

static struct sim_pending *add_pending(struct sim_inode *inode)
{
    if (inode->pending_count == inode->pending_capacity) {
        inode->pending_capacity = inode->pending_capacity == 0 ? 4 : inode->pending_capacity * 2;
        inode->pending =
            memory_realloc(inode->pending, inode->pending_capacity * sizeof *inode->pending);
    }
    return &inode->pending[inode->pending_count++];
}

static void forget_pending(struct sim_inode *inode)
{
    inode->pending_count = 0;
    buffer_clear(&inode->pending_data);
}

static struct bytes pending_bytes(const struct sim_inode *inode, const struct sim_pending *pending)
{
    return bytes_of(inode->pending_data.data + pending->data_at, pending->len);
}

static void note_difference(struct sim_inode *inode, uint64_t from, uint64_t to)
{
    bool none = inode->differ_from == inode->differ_to;
    inode->differ_from = none || from < inode->differ_from ? from : inode->differ_from;
    inode->differ_to = none || to > inode->differ_to ? to : inode->differ_to;
}

static void forget_difference(struct sim_inode *inode)
{
    inode->differ_from = 0;
    inode->differ_to = 0;
    inode->gave_up = false;
}

void sim_inode_write(struct sim_inode *inode, uint64_t offset, struct bytes data)
{
    if (data.len == 0) {
        return;
    }
    *add_pending(inode) =
        (struct sim_pending){.offset = offset, .len = data.len, .data_at = inode->pending_data.len};
    buffer_append_bytes(&inode->pending_data, data);
    content_put(&inode->now, offset, data);
    note_difference(inode, offset, offset + data.len);
}

void sim_inode_allocate(struct sim_inode *inode, uint64_t size)
{
    *add_pending(inode) = (struct sim_pending){.is_allocation = true, .offset = size};
    content_grow(&inode->now, size);
}

size_t sim_inode_read(const struct sim_inode *inode, uint64_t offset, void *data, size_t len)
{
    const struct sim_content *now = &inode->now;
    if (offset >= now->size) {
        return 0;
    }
    size_t got = now->size - offset < len ? (size_t)(now->size - offset) : len;
    size_t in_memory = offset < now->written.len ? now->written.len - (size_t)offset : 0;
    in_memory = in_memory < got ? in_memory : got;
    if (in_memory > 0) {
        memcpy(data, now->written.data + offset, in_memory);
    }
    memset((uint8_t *)data + in_memory, 0, got - in_memory);
    return got;
}

/* ---- becoming durable, or not ---- */

void sim_inode_sync(struct sim_inode *inode)
{
    for (size_t i = 0; i < inode->pending_count; i++) {
        const struct sim_pending *pending = &inode->pending[i];
        if (pending->is_allocation) {
            content_grow(&inode->durable, pending->offset);
        } else {
            content_put(&inode->durable, pending->offset, pending_bytes(inode, pending));
        }
    }
    forget_pending(inode);
    if (!inode->gave_up) {
        forget_difference(inode);
    }
}

/* The sector in which `offset` lies reaches the disk as it stood in memory when the first `len`
 * bytes of the pending write `last` were there: with what earlier writes had put into it, for
 * memory has one copy of a sector and the disk takes that. */
static void sync_sector(struct sim_inode *inode, size_t last, size_t len, uint64_t offset)
{
    uint64_t sector_from = offset - offset % SECTOR_BYTES;
    uint64_t sector_to = sector_from + SECTOR_BYTES;
    for (size_t i = 0; i <= last; i++) {
        const struct sim_pending *pending = &inode->pending[i];
        uint64_t end = pending->offset + (i == last ? len : pending->len);
        uint64_t from = pending->offset > sector_from ? pending->offset : sector_from;
        uint64_t to = end < sector_to ? end : sector_to;
        if (!pending->is_allocation && from < to) {
            const uint8_t *data = pending_bytes(inode, pending).data + (from - pending->offset);
            content_put(&inode->durable, from, bytes_of(data, (size_t)(to - from)));
        }
    }
}

/* Of the first `len` bytes of a pending write each sector survives in `quarters` of four cases. */
static void sync_sectors(struct sim_inode *inode, size_t write, size_t len, uint64_t quarters,
                         struct random *random)
{
    uint64_t offset = inode->pending[write].offset;
    uint64_t end = offset + len;
    while (offset < end) {
        if (sim_random_below(random, 4) < quarters) {
            sync_sector(inode, write, len, offset);
        }
        offset += SECTOR_BYTES - offset % SECTOR_BYTES;
    }
}

void sim_inode_sync_in_part(struct sim_inode *inode, struct random *random)
{
    if (inode->pending_count == 0) {
        return;
    }
    uint64_t quarters = sim_random_below(random, 5); /* none .. all */
    for (size_t i = 0; i < inode->pending_count; i++) {
        const struct sim_pending *pending = &inode->pending[i];
        bool last = i + 1 == inode->pending_count;
        if (pending->is_allocation) {
            if (sim_random_below(random, 4) < quarters) {
                content_grow(&inode->durable, pending->offset);
            }
        } else if (last && sim_random_below(random, 3) == 0) {
            size_t part = (size_t)sim_random_below(random, pending->len + 1);
            sync_sectors(inode, i, part, 4, random);
        } else {
            sync_sectors(inode, i, pending->len, quarters, random);
        }
    }
    forget_pending(inode);
    inode->gave_up = true;
}

void sim_inode_revert(struct sim_inode *inode)
{
    struct sim_content *now = &inode->now;
    const struct sim_content *durable = &inode->durable;
    assert(durable->size <= now->size && durable->written.len <= now->written.len);
    now->size = durable->size;
    now->written.len = durable->written.len;
    uint64_t to = inode->differ_to < now->written.len ? inode->differ_to : now->written.len;
    if (inode->differ_from < to) {
        memcpy(now->written.data + inode->differ_from, durable->written.data + inode->differ_from,
               (size_t)(to - inode->differ_from));
    }
    forget_pending(inode);
    forget_difference(inode);
}

/* ---- looking, and doing damage ---- */

struct bytes sim_inode_content(struct sim_inode *inode)
{
    content_fill(&inode->now, inode->now.size);
    return buffer_bytes(&inode->now.written);
}

void sim_inode_set_content(struct sim_inode *inode, struct bytes content)
{
    struct buffer copy = {0};
    buffer_append_bytes(&copy, content);
    content_set(&inode->now, buffer_bytes(&copy));
    content_set(&inode->durable, buffer_bytes(&copy));
    buffer_free(&copy);
    forget_pending(inode);
    forget_difference(inode);
}

void sim_inode_flip(struct sim_inode *inode, uint64_t offset, uint8_t mask)
{
    assert(offset < inode->now.size);
    content_fill(&inode->now, offset + 1);
    inode->now.written.data[offset] ^= mask;
    if (offset < inode->durable.size) {
        content_fill(&inode->durable, offset + 1);
        inode->durable.written.data[offset] ^= mask;
    }
}
