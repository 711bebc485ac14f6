/*
 * message_check.c - the protobuf wire format, read only as far as needed to judge it (protobuf.dev,
 * "Encoding"). Our requests have no recursive messages, no groups, no packed fields: nesting is
 * bounded by the descriptors, and DEPTH guards against the day that changes.
 */
#include "message_check.h"

#include <assert.h>

#include "base/limits.h"

#define DEPTH 8

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

static bool read_varint(struct bytes *in, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (in->len == 0) {
            return false;
        }
        uint8_t byte = in->data[0];
        in->data++;
        in->len--;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return true;
        }
    }
    return false;
}

static enum wire_type wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_BYTES;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_FIXED64;
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_FIXED32;
    default:
        return WIRE_VARINT;
    }
}

static bool check_text(const char *message, const char *field, struct bytes text,
                       struct error *error)
{
    if (text.len != 0 && memchr(text.data, 0, text.len) != NULL) {
        return error_set(error, "%s.%s holds a NUL", message, field);
    }
    if (!bytes_is_utf8(text)) {
        return error_set(error, "%s.%s is not valid UTF-8", message, field);
    }
    return true;
}

static bool check(const ProtobufCMessageDescriptor *descriptor, struct bytes in, unsigned depth,
                  unsigned *parts, struct error *error)
{
    assert(depth < DEPTH);
    const char *name = descriptor->short_name;
    if (++*parts > LIMIT_MESSAGE_PARTS) {
        return error_set(error, "more than %d nested messages in one request", LIMIT_MESSAGE_PARTS);
    }
    while (in.len > 0) {
        uint64_t tag;
        if (!read_varint(&in, &tag) || tag >> 3 == 0 || tag >> 32 != 0) {
            return error_set(error, "%s: not a protobuf message", name);
        }
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(descriptor, (unsigned)(tag >> 3));
        if (field == NULL) {
            return error_set(error,
                             "%s has an unknown field, number %u: this node is older than the "
                             "client, or the message is of another type",
                             name, (unsigned)(tag >> 3));
        }
        enum wire_type type = (enum wire_type)(tag & 7);
        if (type != wire_type_of(field->type)) {
            return error_set(error, "%s.%s has the wrong wire type", name, field->name);
        }
        uint64_t value = 0;
        struct bytes part = {0};
        if (type == WIRE_VARINT || type == WIRE_BYTES) {
            if (!read_varint(&in, &value) || (type == WIRE_BYTES && value > in.len)) {
                return error_set(error, "%s.%s is cut off", name, field->name);
            }
            part = bytes_of(in.data, type == WIRE_BYTES ? (size_t)value : 0);
        } else {
            part = bytes_of(in.data, type == WIRE_FIXED64 ? 8 : 4);
            if (part.len > in.len) {
                return error_set(error, "%s.%s is cut off", name, field->name);
            }
        }
        in.data += part.len;
        in.len -= part.len;
        if (field->type == PROTOBUF_C_TYPE_STRING) {
            if (!check_text(name, field->name, part, error)) {
                return false;
            }
        } else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
            if (!check(field->descriptor, part, depth + 1, parts, error)) {
                return false;
            }
        } else if (field->type == PROTOBUF_C_TYPE_ENUM) {
            if (value > INT32_MAX ||
                protobuf_c_enum_descriptor_get_value(field->descriptor, (int)value) == NULL) {
                return error_set(error, "%s.%s has an unknown value", name, field->name);
            }
        }
    }
    return true;
}

bool message_check(const ProtobufCMessageDescriptor *descriptor, struct bytes message,
                   struct error *error)
{
    unsigned parts = 0;
    return check(descriptor, message, 0, &parts, error);
}
