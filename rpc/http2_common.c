/*
 * http2_common.c - nghttp2's memory callbacks, header fields and options.
 */
#include "http2_common.h"

#include <assert.h>
#include <stdlib.h>

static void *http2_malloc(size_t size, void *user_data)
{
    (void)user_data;
    return memory_alloc(size);
}

static void http2_free(void *memory, void *user_data)
{
    (void)user_data;
    free(memory);
}

static void *http2_calloc(size_t count, size_t size, void *user_data)
{
    (void)user_data;
    assert(size == 0 || count <= SIZE_MAX / size);
    return memory_zalloc(count * size);
}

static void *http2_realloc(void *memory, size_t size, void *user_data)
{
    (void)user_data;
    return memory_realloc(memory, size);
}

nghttp2_mem *http2_memory(void)
{
    static nghttp2_mem memory = {NULL, http2_malloc, http2_free, http2_calloc, http2_realloc};
    return &memory;
}

nghttp2_nv http2_header(struct bytes name, struct bytes value)
{
    return (nghttp2_nv){
        .name = (uint8_t *)name.data,
        .value = (uint8_t *)value.data,
        .namelen = name.len,
        .valuelen = value.len,
        .flags = NGHTTP2_NV_FLAG_NONE,
    };
}

nghttp2_nv http2_header_named(const char *name, struct bytes value)
{
    nghttp2_nv header = http2_header(bytes_of_string(name), value);
    header.flags = NGHTTP2_NV_FLAG_NO_COPY_NAME;
    return header;
}

nghttp2_option *http2_options_new(void)
{
    nghttp2_option *options = NULL;
    int status = nghttp2_option_new(&options);
    if (status != 0) {
        abort(); /* out of memory, the only way it fails */
    }
    nghttp2_option_set_no_auto_window_update(options, 1);
    nghttp2_option_set_no_closed_streams(options, 1);
    return options;
}
