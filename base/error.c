/*
 * error.c - texts of failures; too long a text is cut, never refused.
 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool error_set(struct error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return false;
}

bool error_wrap(struct error *error, const char *format, ...)
{
    struct error inner = *error;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    size_t len = strlen(error->text);
    snprintf(error->text + len, sizeof error->text - len, ": %s", inner.text);
    return false;
}

const char *error_disk_advice(int code)
{
    switch (code) {
    case ENOSPC:
    case EDQUOT:
        return "; " ADVICE_DISK_FULL;
    case EIO:
    case EROFS:
        return "; " ADVICE_DISK_FAILED;
    default:
        return "";
    }
}
