/*
 * endpoints.c - see endpoints.h. The happy path: endpoints_choose returns the preferred entry. What
 * can fail: a list that is malformed, a table without a free place; both are told to the caller.
 */
#include "endpoints.h"

#include <assert.h>
#include <string.h>

static size_t find_address(const struct endpoints *endpoints, const char *address, size_t len)
{
    for (size_t i = 0; i < endpoints->count; i++) {
        const char *known = endpoints->items[i].address;
        if (strlen(known) == len && memcmp(known, address, len) == 0) {
            return i;
        }
    }
    return ENDPOINT_NONE;
}

static void entry_set(struct endpoint *entry, const char *address, size_t len,
                      enum endpoint_origin origin)
{
    assert(len >= 1 && len <= LIMIT_ADDRESS_BYTES);
    memset(entry, 0, sizeof(*entry));
    memcpy(entry->address, address, len);
    entry->origin = origin;
}

bool endpoints_init(struct endpoints *endpoints, const char *list, uint64_t random,
                    struct error *error)
{
    memset(endpoints, 0, sizeof(*endpoints));
    for (const char *next = list;;) {
        size_t len = strcspn(next, ",");
        if (len == 0) {
            return error_set(error, "endpoints: an empty address in \"%s\"; give host:port,...",
                             list);
        }
        if (len > LIMIT_ADDRESS_BYTES) {
            return error_set(error, "endpoints: an address of %zu bytes; at most %d", len,
                             LIMIT_ADDRESS_BYTES);
        }
        if (find_address(endpoints, next, len) == ENDPOINT_NONE) {
            if (endpoints->count == LIMIT_CLIENT_GIVEN_ENDPOINTS) {
                return error_set(error, "endpoints: more than %d; some of the nodes are enough",
                                 LIMIT_CLIENT_GIVEN_ENDPOINTS);
            }
            entry_set(&endpoints->items[endpoints->count++], next, len, ENDPOINT_GIVEN);
        }
        if (next[len] == '\0') {
            break;
        }
        next += len + 1;
    }
    endpoints->preferred = (size_t)(random % endpoints->count);
    return true;
}

static bool is_suspect(const struct endpoint *entry, uint64_t now_ms)
{
    return entry->suspect_until_ms > now_ms;
}

/* The first entry from this one on, round the table, that is fit and not suspect; where all are
 * suspect, the one whose time is over first. */
static size_t choose_from(const struct endpoints *endpoints, size_t first, uint64_t now_ms)
{
    size_t best = ENDPOINT_NONE;
    for (size_t step = 0; step < endpoints->count; step++) {
        size_t index = (first + step) % endpoints->count;
        const struct endpoint *entry = &endpoints->items[index];
        if (entry->origin == ENDPOINT_ASKED) {
            continue;
        }
        if (!is_suspect(entry, now_ms)) {
            return index;
        }
        if (best == ENDPOINT_NONE ||
            entry->suspect_until_ms < endpoints->items[best].suspect_until_ms) {
            best = index;
        }
    }
    assert(best != ENDPOINT_NONE);
    return best;
}

size_t endpoints_choose(const struct endpoints *endpoints, uint64_t now_ms)
{
    return choose_from(endpoints, endpoints->preferred, now_ms);
}

size_t endpoints_choose_any(const struct endpoints *endpoints, uint64_t random, uint64_t now_ms)
{
    return choose_from(endpoints, (size_t)(random % endpoints->count), now_ms);
}

/* The idle entry that may go, unused for longest. The preferred one stays: `preferred` is an index.
 */
static size_t find_droppable(const struct endpoints *endpoints)
{
    size_t oldest = ENDPOINT_NONE;
    for (size_t i = 0; i < endpoints->count; i++) {
        const struct endpoint *entry = &endpoints->items[i];
        if (entry->origin == ENDPOINT_GIVEN || entry->calls > 0 || i == endpoints->preferred) {
            continue;
        }
        if (oldest == ENDPOINT_NONE || entry->used_at_ms < endpoints->items[oldest].used_at_ms) {
            oldest = i;
        }
    }
    return oldest;
}

size_t endpoints_lookup(const struct endpoints *endpoints, const char *address)
{
    return find_address(endpoints, address, strlen(address));
}

size_t endpoints_find(struct endpoints *endpoints, const char *address, enum endpoint_origin origin,
                      uint64_t now_ms, void **dropped)
{
    *dropped = NULL;
    size_t len = strlen(address);
    if (len == 0 || len > LIMIT_ADDRESS_BYTES) {
        return ENDPOINT_NONE;
    }
    size_t index = find_address(endpoints, address, len);
    if (index != ENDPOINT_NONE) {
        struct endpoint *entry = &endpoints->items[index];
        if (origin < entry->origin) {
            entry->origin = origin; /* a node that was only asked turns out to be the leader */
        }
        return index;
    }
    if (endpoints->count < LIMIT_CLIENT_ENDPOINTS) {
        index = endpoints->count++;
    } else {
        index = find_droppable(endpoints);
        if (index == ENDPOINT_NONE) {
            return ENDPOINT_NONE;
        }
        *dropped = endpoints->items[index].connection;
    }
    entry_set(&endpoints->items[index], address, len, origin);
    endpoints->items[index].used_at_ms = now_ms;
    return index;
}

void endpoints_begin(struct endpoints *endpoints, size_t index, uint64_t now_ms)
{
    assert(index < endpoints->count);
    endpoints->items[index].calls++;
    endpoints->items[index].used_at_ms = now_ms;
}

void endpoints_answered(struct endpoints *endpoints, size_t index)
{
    assert(index < endpoints->count);
    endpoints->items[index].failures = 0;
    endpoints->items[index].suspect_until_ms = 0;
}

void endpoints_failed(struct endpoints *endpoints, size_t index, uint64_t began_at_ms,
                      uint64_t now_ms)
{
    assert(index < endpoints->count);
    struct endpoint *entry = &endpoints->items[index];
    if (entry->failures > 0 && began_at_ms <= entry->failed_at_ms) {
        return;
    }
    uint64_t suspect_ms = CLIENT_SUSPECT_MIN_MS;
    for (uint32_t i = 0; i < entry->failures && suspect_ms < CLIENT_SUSPECT_MAX_MS; i++) {
        suspect_ms *= 2;
    }
    if (suspect_ms > CLIENT_SUSPECT_MAX_MS) {
        suspect_ms = CLIENT_SUSPECT_MAX_MS;
    }
    entry->failures++;
    entry->failed_at_ms = now_ms;
    entry->suspect_until_ms = now_ms + suspect_ms;
    if (index == endpoints->preferred) {
        endpoints->preferred = endpoints_choose(endpoints, now_ms);
    }
}

void endpoints_end(struct endpoints *endpoints, size_t index)
{
    assert(index < endpoints->count && endpoints->items[index].calls > 0);
    endpoints->items[index].calls--;
}

void endpoints_leader_named(struct endpoints *endpoints, size_t index, uint64_t now_ms)
{
    assert(index < endpoints->count && endpoints->items[index].origin != ENDPOINT_ASKED);
    if (!is_suspect(&endpoints->items[index], now_ms)) {
        endpoints->preferred = index;
    }
}
