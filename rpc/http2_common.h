/*
 * http2_common.h - what both ends need of nghttp2: its memory, header fields, options.
 */
#ifndef RPC_HTTP2_COMMON_H
#define RPC_HTTP2_COMMON_H

#include <nghttp2/nghttp2.h>

#include "base/bytes.h"

/* nghttp2 with our own rule for memory: there, or the process ends. So its NOMEM never happens, and
 * submitting can only fail by our own mistake. */
nghttp2_mem *http2_memory(void);

/* A header whose name and value outlive the frame (literals): nghttp2 keeps pointers only. */
#define HTTP2_STATIC_HEADER(header_name, header_value)                                             \
    {                                                                                              \
        .name = (uint8_t *)(header_name), .value = (uint8_t *)(header_value),                      \
        .namelen = sizeof(header_name) - 1, .valuelen = sizeof(header_value) - 1,                  \
        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE                      \
    }

/* A header that nghttp2 copies. */
nghttp2_nv http2_header(struct bytes name, struct bytes value);
/* The same with a name that is a literal. */
nghttp2_nv http2_header_named(const char *name, struct bytes value);

/* Options both ends use: flow control by hand, no memory for streams that are over. */
nghttp2_option *http2_options_new(void);

#define HTTP2_FRAME_HEADER_BYTES 9

#endif
