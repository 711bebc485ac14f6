/*
 * header_list.c - headers as a row of NUL-terminated names and values. Look-ups walk it: a call has
 * a handful, and most are never asked for. Whoever adds bounds them.
 */
#include "header_list.h"

#include <assert.h>

void header_list_add(struct header_list *list, struct bytes name, struct bytes value)
{
    uint8_t *at = buffer_reserve(&list->text, name.len + value.len + 2);
    memcpy(at, name.data, name.len);
    at[name.len] = 0;
    if (value.len != 0) {
        memcpy(at + name.len + 1, value.data, value.len);
    }
    at[name.len + 1 + value.len] = 0;
    list->text.len += name.len + value.len + 2;
    list->count++;
}

bool header_list_next(const struct header_list *list, struct header_cursor *at)
{
    if (at->offset == list->text.len) {
        return false;
    }
    const char *name = (const char *)list->text.data + at->offset;
    at->name = bytes_of_string(name);
    const char *value = name + at->name.len + 1;
    at->value = bytes_of_string(value);
    at->offset += at->name.len + at->value.len + 2;
    assert(at->offset <= list->text.len);
    return true;
}

const char *header_list_find(const struct header_list *list, const char *name)
{
    struct bytes wanted = bytes_of_string(name);
    for (struct header_cursor at = {0}; header_list_next(list, &at);) {
        if (bytes_equal(at.name, wanted)) {
            return (const char *)at.value.data;
        }
    }
    return NULL;
}

void header_list_clear(struct header_list *list)
{
    buffer_clear(&list->text);
    list->count = 0;
}

void header_list_free(struct header_list *list)
{
    buffer_free(&list->text);
    list->count = 0;
}
