/*
 * data_directory_fixture.h - node 2's data directory, on a disk in memory.
 */
#ifndef TESTS_STORAGE_DATA_DIRECTORY_FIXTURE_H
#define TESTS_STORAGE_DATA_DIRECTORY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim_files.h"
#include "storage/data_directory.h"

#define MANIFEST "/data/manifest"

struct data_directory_options directory_options(const struct file_system *files);
struct data_directory *directory_must_open(const struct data_directory_options *options);

#endif
