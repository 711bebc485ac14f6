/*
 * header_list.h - names and values of HTTP headers in one piece of memory that is kept from call to
 * call: no allocation per header. Values that are looked up are NUL-terminated; HTTP/2 forbids NUL
 * inside.
 */
#ifndef RPC_HEADER_LIST_H
#define RPC_HEADER_LIST_H

#include <stdbool.h>

#include "base/bytes.h"

struct header_list {
    struct buffer text; /* name NUL value NUL, one after the other */
    size_t count;
};

void header_list_add(struct header_list *list, struct bytes name, struct bytes value);
/* The first value under the name, or NULL. Valid until the list changes. */
const char *header_list_find(const struct header_list *list, const char *name);
void header_list_clear(struct header_list *list); /* memory kept */
void header_list_free(struct header_list *list);

/* for (struct header_cursor at = {0}; header_list_next(list, &at);) ... at.name, at.value */
struct header_cursor {
    struct bytes name;
    struct bytes value;
    size_t offset;
};
bool header_list_next(const struct header_list *list, struct header_cursor *at);

#endif
