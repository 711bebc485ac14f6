/*
 * test_checkpoint.c - listing a checkpoint, the list as it travels, and reading ranges.
 */
#include "checkpoint_fixture.h"

#include <errno.h>

#include "base/codec.h"
#include "base/hash.h"
#include "checkpoint_sum.h"

static void test_list(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new(1);
    struct file_system files = sim_disk_files(disk);
    struct error error;
    assert_true(files.make_directory(disk, "/c", &error));
    struct checkpoint_list list;
    assert_false(checkpoint_list_make(&files, "/c", &list, &error));
    assert_string_equal(error.text, "/c holds no files");
    assert_false(checkpoint_list_make(&files, "/none", &list, &error));
    static uint8_t large[2 * CHECKPOINT_READ_BYTES + 17];
    for (size_t i = 0; i < sizeof large; i++) {
        large[i] = (uint8_t)(i * i >> 7);
    }
    sim_disk_set_content(disk, "/c/large.sst", bytes_of(large, sizeof large));
    sim_disk_set_content(disk, "/c/CURRENT", BYTES_LITERAL("MANIFEST-000005\n"));
    sim_disk_set_content(disk, "/c/empty", bytes_of(NULL, 0));
    list = checkpoint_must_list(&files, "/c");
    assert_int_equal(list.count, 3);
    assert_int_equal(list.bytes, 16 + sizeof large);
    assert_string_equal(list.files[0].name, "CURRENT");
    assert_int_equal(list.files[0].size, 16);
    assert_int_equal(list.files[0].crc, crc32c(0, "MANIFEST-000005\n", 16));
    assert_string_equal(list.files[1].name, "empty");
    assert_int_equal(list.files[1].size, 0);
    assert_int_equal(list.files[1].crc, 0);
    assert_string_equal(list.files[2].name, "large.sst");
    assert_int_equal(list.files[2].size, sizeof large);
    assert_int_equal(list.files[2].crc, crc32c(0, large, sizeof large));
    assert_ptr_equal(checkpoint_list_find(&list, "empty"), &list.files[1]);
    assert_null(checkpoint_list_find(&list, "large"));
    assert_null(checkpoint_list_find(&list, ""));
    char long_name[LIMIT_CHECKPOINT_NAME_BYTES + 2];
    memset(long_name, 'x', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    assert_null(checkpoint_list_find(&list, long_name));
    checkpoint_list_free(&list);

    const enum sim_operation operations[] = {SIM_OPEN, SIM_SIZE, SIM_READ, SIM_LIST};
    for (size_t i = 0; i < 4; i++) {
        sim_disk_fail(disk, operations[i], 1, EIO);
        assert_false(checkpoint_list_make(&files, "/c", &list, &error));
        assert_non_null(strstr(error.text, "Input/output error"));
        checkpoint_list_free(&list);
    }
    sim_disk_set_content(disk, "/c/a b", BYTES_LITERAL("x"));
    assert_false(checkpoint_list_make(&files, "/c", &list, &error));
    assert_non_null(strstr(error.text, "/c/a b has a name"));
    checkpoint_list_free(&list);
    sim_disk_free(disk);
}

static struct checkpoint_list sample_list(struct checkpoint_file *files, size_t count)
{
    struct checkpoint_list list = {.files = files, .count = count};
    for (size_t i = 0; i < count; i++) {
        snprintf(files[i].name, sizeof files[i].name, "%06zu.sst", i);
        files[i].size = i * 1000;
        files[i].crc = (uint32_t)(i * 77);
        list.bytes += files[i].size;
    }
    return list;
}

static void test_list_travels(void **state)
{
    (void)state;
    static struct checkpoint_file sample_files[LIMIT_CHECKPOINT_FILES];
    const size_t counts[] = {1, 2, 100, LIMIT_CHECKPOINT_FILES};
    for (size_t n = 0; n < 4; n++) {
        struct checkpoint_list list = sample_list(sample_files, counts[n]);
        struct checkpoint_list found;
        struct buffer encoded = {0};
        struct error error = {""};
        for (uint64_t id = 1; id <= n * LIMIT_LINEAGE / 3; id++) {
            lineage_add(&list.lineage, id);
        }
        checkpoint_list_encode(&list, &encoded);
        assert_true(encoded.len < LIMIT_PEER_FRAME_BYTES);
        if (!checkpoint_list_decode(buffer_bytes(&encoded), &found, &error)) {
            fail_msg("%s", error.text);
        }
        assert_int_equal(found.count, list.count);
        assert_int_equal(found.bytes, list.bytes);
        assert_true(lineage_is_equal(&found.lineage, &list.lineage));
        for (size_t i = 0; i < found.count; i++) {
            assert_string_equal(found.files[i].name, list.files[i].name);
            assert_int_equal(found.files[i].size, list.files[i].size);
            assert_int_equal(found.files[i].crc, list.files[i].crc);
        }
        checkpoint_list_free(&found);
        buffer_free(&encoded);
    }
}

/* Seals bytes as a list, so that only what is in them can be wrong. */
static void expect_refused(struct buffer *encoded, const char *words)
{
    struct checkpoint_list found;
    struct error error = {""};
    write_u32(encoded, crc32c(0, encoded->data, encoded->len));
    assert_false(checkpoint_list_decode(buffer_bytes(encoded), &found, &error));
    if (strstr(error.text, words) == NULL) {
        fail_msg("'%s' expected in: %s", words, error.text);
    }
    checkpoint_list_free(&found);
    buffer_clear(encoded);
}

static void add_file(struct buffer *encoded, struct bytes name, uint64_t size, uint32_t crc)
{
    write_bytes16(encoded, name);
    write_u64(encoded, size);
    write_u32(encoded, crc);
}

#define LIST_FORMAT 2

static void begin_list(struct buffer *encoded, uint32_t format, uint32_t count)
{
    write_u32(encoded, format);
    write_u32(encoded, count);
}

static void test_bad_lists_are_refused(void **state)
{
    (void)state;
    struct buffer encoded = {0};
    begin_list(&encoded, LIST_FORMAT + 1, 1);
    add_file(&encoded, BYTES_LITERAL("a"), 1, 1);
    expect_refused(&encoded, "format 3, this program reads format 2");
    begin_list(&encoded, LIST_FORMAT, 0);
    expect_refused(&encoded, "1 to 16384 files, not 0");
    begin_list(&encoded, LIST_FORMAT, LIMIT_CHECKPOINT_FILES + 1);
    expect_refused(&encoded, "not 16385");
    const char *const names[] = {"",    ".",   "..",      ".hidden", "a/b", "/etc/passwd",
                                 "a b", "a\n", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        begin_list(&encoded, LIST_FORMAT, 1);
        add_file(&encoded, bytes_of_string(names[i]), 1, 1);
        expect_refused(&encoded, "no name that a file may have");
    }
    begin_list(&encoded, LIST_FORMAT, 1);
    add_file(&encoded, BYTES_LITERAL("a\0b"), 1, 1);
    expect_refused(&encoded, "no name that a file may have");
    char long_name[LIMIT_CHECKPOINT_NAME_BYTES + 1];
    memset(long_name, 'x', sizeof long_name);
    begin_list(&encoded, LIST_FORMAT, 1);
    add_file(&encoded, bytes_of(long_name, sizeof long_name), 1, 1);
    expect_refused(&encoded, "no name that a file may have");
    for (size_t i = 0; i < 2; i++) {
        begin_list(&encoded, LIST_FORMAT, 2);
        add_file(&encoded, BYTES_LITERAL("b"), 1, 1);
        add_file(&encoded, i == 0 ? BYTES_LITERAL("b") : BYTES_LITERAL("a"), 1, 1);
        expect_refused(&encoded, "is not sorted");
    }
    begin_list(&encoded, LIST_FORMAT, 2);
    add_file(&encoded, BYTES_LITERAL("a"), LIMIT_CHECKPOINT_BYTES, 1);
    add_file(&encoded, BYTES_LITERAL("b"), 1, 1);
    expect_refused(&encoded, "gives b an impossible size");
    begin_list(&encoded, LIST_FORMAT, 1);
    add_file(&encoded, BYTES_LITERAL("a"), 0, 1);
    expect_refused(&encoded, "gives a an impossible size");
    begin_list(&encoded, LIST_FORMAT, 1);
    add_file(&encoded, BYTES_LITERAL("a"), 1, 1);
    write_u32(&encoded, LIMIT_LINEAGE + 1);
    expect_refused(&encoded, "stems from 10 nodes");
    begin_list(&encoded, LIST_FORMAT, 1);
    add_file(&encoded, BYTES_LITERAL("a"), 1, 1);
    write_u32(&encoded, 1);
    expect_refused(&encoded, "is cut short");
    begin_list(&encoded, LIST_FORMAT, 1);
    add_file(&encoded, BYTES_LITERAL("a"), 1, 1);
    write_u32(&encoded, 0);
    write_u8(&encoded, 0);
    expect_refused(&encoded, "goes on behind its end");
    buffer_free(&encoded);
}

/* Cut anywhere, or with any bit flipped, it is refused. */
static void test_broken_lists_are_refused(void **state)
{
    (void)state;
    struct checkpoint_file sample_files[5];
    struct checkpoint_list list = sample_list(sample_files, 5);
    struct checkpoint_list found;
    struct buffer encoded = {0};
    struct error error;
    checkpoint_list_encode(&list, &encoded);
    for (size_t len = 0; len < encoded.len; len++) {
        uint8_t *copy = memory_copy(encoded.data, len);
        assert_false(checkpoint_list_decode(bytes_of(copy, len), &found, &error));
        checkpoint_list_free(&found);
        free(copy);
    }
    for (size_t at = 0; at < encoded.len; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            encoded.data[at] ^= (uint8_t)(1u << bit);
            assert_false(checkpoint_list_decode(buffer_bytes(&encoded), &found, &error));
            checkpoint_list_free(&found);
            /* The same with a sum that fits: refused or read, but within bounds. */
            uint8_t *copy = memory_copy(encoded.data, encoded.len);
            uint32_t crc = crc32c(0, copy, encoded.len - 4);
            for (size_t i = 0; i < 4; i++) {
                copy[encoded.len - 4 + i] = (uint8_t)(crc >> (8 * i));
            }
            if (checkpoint_list_decode(bytes_of(copy, encoded.len), &found, &error)) {
                assert_true(found.count <= 5);
            }
            checkpoint_list_free(&found);
            free(copy);
            encoded.data[at] ^= (uint8_t)(1u << bit);
        }
    }
    buffer_free(&encoded);
}

static void test_reading(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new(1);
    struct file_system files = sim_disk_files(disk);
    struct error error = {""};
    checkpoint_make(disk, "/c", 5, 11);
    struct checkpoint_list list = checkpoint_must_list(&files, "/c");
    struct checkpoint_reader *reader = checkpoint_reader_open(&files, "/c", &list);
    struct buffer out = {0};
    uint64_t random = 3;
    for (int i = 0; i < 2000; i++) {
        size_t file = (size_t)(fixture_random(&random) % list.count);
        uint64_t offset = fixture_random(&random) % 3100;
        size_t most = 1 + (size_t)(fixture_random(&random) % 1000);
        char path[128];
        snprintf(path, sizeof path, "/c/%s", list.files[file].name);
        struct bytes content = sim_disk_content(disk, path);
        buffer_clear(&out);
        bool read = checkpoint_reader_read(reader, file, offset, most, &out, &error);
        assert_int_equal(read, offset < content.len);
        if (read) {
            uint64_t left = content.len - offset;
            assert_int_equal(out.len, left < most ? left : most);
            assert_memory_equal(out.data, content.data + offset, out.len);
        } else {
            assert_non_null(strstr(error.text, "has no byte"));
        }
    }
    assert_false(checkpoint_reader_read(reader, list.count, 0, 10, &out, &error));
    assert_non_null(strstr(error.text, "has no byte"));
    assert_false(checkpoint_reader_read(reader, SIZE_MAX, UINT64_MAX, 10, &out, &error));

    /* What was longer once. */
    list.files[0].size += 10;
    buffer_clear(&out);
    assert_false(checkpoint_reader_read(reader, 0, list.files[0].size - 5, 10, &out, &error));
    assert_non_null(strstr(error.text, "is shorter than"));
    assert_int_equal(out.len, 0);
    sim_disk_fail(disk, SIM_READ, 1, EIO);
    assert_false(checkpoint_reader_read(reader, 0, 0, 10, &out, &error));
    assert_non_null(strstr(error.text, "Input/output error"));
    sim_disk_fail(disk, SIM_OPEN, 1, EIO);
    assert_false(checkpoint_reader_read(reader, 1, 0, 10, &out, &error));
    assert_true(checkpoint_reader_read(reader, 1, 0, 10, &out, &error));
    buffer_free(&out);
    checkpoint_reader_close(reader);
    checkpoint_list_free(&list);
    sim_disk_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_list_travels),
        cmocka_unit_test(test_bad_lists_are_refused),
        cmocka_unit_test(test_broken_lists_are_refused),
        cmocka_unit_test(test_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
