/*
 * test_file_posix.c - the real file system behind the interface, and what its errors say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "storage/file.h"

static const struct file_system *const files = &file_system_posix;
static char directory[64];

static int make_directory(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/holdfast-file-XXXXXX");
    return mkdtemp(directory) == NULL;
}

static int remove_directory(void **state)
{
    (void)state;
    struct error error;
    return !files->remove_tree(NULL, directory, &error);
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void test_read_and_write(void **state)
{
    (void)state;
    struct error error;
    struct file *file = files->open(NULL, path_of("a"), true, &error);
    assert_non_null(file);
    char data[8] = "xxxxxxx";
    size_t got;
    uint64_t size;
    assert_true(files->size(file, &size, &error));
    assert_int_equal(size, 0);
    assert_true(files->read(file, 0, data, 8, &got, &error));
    assert_int_equal(got, 0);
    assert_true(files->write(file, 3, "abc", 3, &error));
    assert_true(files->read(file, 0, data, 8, &got, &error));
    assert_int_equal(got, 6);
    assert_memory_equal(data, "\0\0\0abc", 6);
    assert_true(files->read(file, 5, data, 8, &got, &error));
    assert_int_equal(got, 1);
    assert_true(files->sync(file, &error));
    assert_true(files->size(file, &size, &error));
    assert_int_equal(size, 6);
    files->close(file);
    file = files->open(NULL, path_of("a"), false, &error);
    assert_non_null(file);
    assert_true(files->read(file, 0, data, 8, &got, &error));
    assert_int_equal(got, 6);
    files->close(file);
}

static void test_allocate(void **state)
{
    (void)state;
    struct error error;
    struct file *file = files->open(NULL, path_of("big"), true, &error);
    assert_non_null(file);
    assert_true(files->write(file, 0, "abc", 3, &error));
    assert_true(files->allocate(file, 0, &error));
    assert_true(files->allocate(file, 1u << 20, &error));
    assert_true(files->allocate(file, 10, &error)); /* never shorter */
    struct stat status;
    assert_int_equal(stat(path_of("big"), &status), 0);
    assert_int_equal(status.st_size, 1 << 20);
    assert_true(status.st_blocks * 512 >= 1 << 20);
    char data[4096];
    size_t got;
    assert_true(files->read(file, 0, data, sizeof data, &got, &error));
    assert_int_equal(got, sizeof data);
    assert_memory_equal(data, "abc\0\0", 5);
    files->close(file);
}

static bool count_name(void *context, const char *name)
{
    size_t *count = context;
    if (strcmp(name, "n1") == 0 || strcmp(name, "n2") == 0) {
        ++*count;
    }
    return true;
}

static void test_names(void **state)
{
    (void)state;
    struct error error;
    assert_true(files->make_directory(NULL, path_of("d"), &error));
    assert_true(files->make_directory(NULL, path_of("d"), &error));
    files->close(files->open(NULL, path_of("d/n1"), true, &error));
    files->close(files->open(NULL, path_of("d/n3"), true, &error));
    char *to = memory_strdup(path_of("d/n2"));
    assert_true(files->rename(NULL, path_of("d/n3"), to, &error));
    free(to);
    assert_true(files->sync_directory(NULL, path_of("d"), &error));
    size_t count = 0;
    assert_true(files->list(NULL, path_of("d"), count_name, &count, &error));
    assert_int_equal(count, 2);
    assert_true(files->remove(NULL, path_of("d/n1"), &error));
    count = 0;
    assert_true(files->list(NULL, path_of("d"), count_name, &count, &error));
    assert_int_equal(count, 1);
    assert_true(files->make_directory(NULL, path_of("d/below"), &error));
    files->close(files->open(NULL, path_of("d/below/x"), true, &error));
    /* A link is removed, not what it leads to. */
    char *kept = memory_strdup(path_of("kept"));
    assert_true(files->make_directory(NULL, kept, &error));
    assert_int_equal(symlink(kept, path_of("d/link")), 0);
    assert_true(files->remove_tree(NULL, path_of("d"), &error));
    assert_int_equal(access(path_of("d"), F_OK), -1);
    assert_int_equal(access(kept, F_OK), 0);
    free(kept);
}

static void expect_words(const struct error *error, const char *words)
{
    if (strstr(error->text, directory) == NULL || strstr(error->text, words) == NULL) {
        fail_msg("the path and '%s' expected in: %s", words, error->text);
    }
}

static void test_errors_say_what_and_where(void **state)
{
    (void)state;
    struct error error;
    size_t count = 0;
    assert_null(files->open(NULL, path_of("none"), false, &error));
    expect_words(&error, "none: can't open it for writing: No such file or directory");
    assert_null(files->open(NULL, path_of("none/below"), true, &error));
    expect_words(&error, "can't open or create it for writing: No such file");
    assert_false(files->list(NULL, path_of("none"), count_name, &count, &error));
    expect_words(&error, "can't open the directory: No such file");
    assert_false(files->remove(NULL, path_of("none"), &error));
    expect_words(&error, "can't remove it: No such file");
    assert_false(files->remove_tree(NULL, path_of("none"), &error));
    expect_words(&error, "can't remove the directory with what is in it: No such file");
    assert_false(files->rename(NULL, path_of("none"), directory, &error));
    expect_words(&error, "can't put it in its place");
    assert_false(files->make_directory(NULL, path_of("none/below"), &error));
    expect_words(&error, "can't make the directory: No such file");
    assert_false(files->sync_directory(NULL, path_of("none"), &error));
    expect_words(&error, "can't open the directory: No such file");
    files->close(files->open(NULL, path_of("plain"), true, &error));
    assert_false(files->make_directory(NULL, path_of("plain"), &error));
    expect_words(&error, "is not a directory");
}

/* A device that is always full. */
static void test_no_space(void **state)
{
    (void)state;
    struct error error;
    struct file *file = files->open(NULL, "/dev/full", false, &error);
    assert_non_null(file);
    assert_false(files->write(file, 0, "x", 1, &error));
    assert_string_equal(
        error.text,
        "/dev/full: can't write to it at offset 0: No space left on device; " ADVICE_DISK_FULL);
    files->close(file);
}

static void test_free_bytes(void **state)
{
    (void)state;
    struct error error = {""};
    uint64_t bytes = 0;
    struct statvfs status;
    assert_int_equal(statvfs(directory, &status), 0);
    assert_true(files->free_bytes(NULL, directory, &bytes, &error));
    assert_true(bytes > 0 && bytes <= (uint64_t)status.f_blocks * status.f_frsize);
    assert_false(files->free_bytes(NULL, path_of("none"), &bytes, &error));
    expect_words(&error, "none: can't find the free space of its file system: No such file");
}

static void test_lock(void **state)
{
    (void)state;
    struct error error = {""};
    struct file *one = files->open(NULL, path_of("lock"), true, &error);
    struct file *two = files->open(NULL, path_of("lock"), true, &error);
    assert_true(files->lock(one, &error));
    assert_false(files->lock(two, &error));
    char words[64];
    snprintf(words, sizeof words, "lock is in use by another node, process %ld", (long)getpid());
    expect_words(&error, words);
    files->close(one);
    assert_true(files->lock(two, &error));
    files->close(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_and_write), cmocka_unit_test(test_allocate),
        cmocka_unit_test(test_names),          cmocka_unit_test(test_errors_say_what_and_where),
        cmocka_unit_test(test_no_space),       cmocka_unit_test(test_free_bytes),
        cmocka_unit_test(test_lock),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
