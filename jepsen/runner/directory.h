/*
 * directory.h - where a run is kept: STORE/<name>/<time>/, with the links STORE/<name>/latest and
 * STORE/latest.
 *
 * Paths are bounded by PATH_MAX. Errors: what can't be made, linked or removed, with its path.
 */
#ifndef JEPSEN_DIRECTORY_H
#define JEPSEN_DIRECTORY_H

#include <limits.h>

#include "base/error.h"

/* Makes it, and the directories above; absolute. The name is that of the runs' kind. */
bool directory_make(const char *store, const char *name, char path[PATH_MAX], struct error *error);
/* All of it; links are not followed. */
bool directory_remove(const char *path, struct error *error);

#endif
