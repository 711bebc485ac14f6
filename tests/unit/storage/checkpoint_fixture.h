/*
 * checkpoint_fixture.h - checkpoints on a disk in memory whose bytes follow from a seed, and
 * carrying one over.
 */
#ifndef TEST_CHECKPOINT_FIXTURE_H
#define TEST_CHECKPOINT_FIXTURE_H

#include "log_fixture.h"

#include "storage/checkpoint.h"

/* So many files of up to 3,000 bytes; some are empty. Every third one is the same whatever the
 * seed, as in two checkpoints of one state. */
static inline void checkpoint_make(struct sim_disk *disk, const char *directory, uint64_t seed,
                                   size_t count)
{
    struct file_system files = sim_disk_files(disk);
    struct error error;
    assert_true(sim_disk_exists(disk, directory) || files.make_directory(disk, directory, &error));
    for (size_t i = 0; i < count; i++) {
        char path[192];
        uint8_t content[3000];
        uint64_t random = fixture_mix(i % 3 == 0 ? i + 1 : seed * 1000 + i);
        size_t len = i % 5 == 4 ? 0 : 1 + (size_t)(fixture_random(&random) % sizeof content);
        for (size_t k = 0; k < len; k++) {
            content[k] = (uint8_t)fixture_random(&random);
        }
        snprintf(path, sizeof path, "%s/%06zu.sst", directory, i * 7 % count);
        sim_disk_set_content(disk, path, bytes_of(content, len));
    }
}

static inline struct checkpoint_list checkpoint_must_list(const struct file_system *files,
                                                          const char *directory)
{
    struct checkpoint_list list;
    struct error error = {""};
    if (!checkpoint_list_make(files, directory, &list, &error)) {
        fail_msg("%s", error.text);
    }
    return list;
}

/* Both directories hold the list's files, byte for byte, and the second nothing else. */
static inline void checkpoint_expect_same(struct sim_disk *disk, const char *from, const char *to,
                                          const struct checkpoint_list *list)
{
    struct file_system files = sim_disk_files(disk);
    struct checkpoint_list found = checkpoint_must_list(&files, to);
    assert_int_equal(found.count, list->count);
    assert_int_equal(found.bytes, list->bytes);
    for (size_t i = 0; i < list->count; i++) {
        char path[192];
        assert_string_equal(found.files[i].name, list->files[i].name);
        snprintf(path, sizeof path, "%s/%s", from, list->files[i].name);
        struct bytes content = sim_disk_content(disk, path);
        struct buffer copy = {0};
        buffer_append_bytes(&copy, content);
        snprintf(path, sizeof path, "%s/%s", to, list->files[i].name);
        assert_true(bytes_equal(buffer_bytes(&copy), sim_disk_content(disk, path)));
        buffer_free(&copy);
    }
    checkpoint_list_free(&found);
}

/* Carries over ranges of up to range_bytes until all is there, or so many ranges have gone (0: no
 * end), or something fails. The bytes that went. */
static inline uint64_t checkpoint_carry(struct checkpoint_reader *reader,
                                        struct checkpoint_receiver *receiver, size_t range_bytes,
                                        uint64_t ranges, enum checkpoint_taken *taken)
{
    struct checkpoint_range range;
    struct error error = {""};
    struct buffer data = {0};
    uint64_t carried = 0;
    *taken = CHECKPOINT_TAKEN;
    while (*taken == CHECKPOINT_TAKEN && checkpoint_receiver_wants(receiver, &range)) {
        buffer_clear(&data);
        if (!checkpoint_reader_read(reader, range.file, range.offset, range_bytes, &data, &error)) {
            fail_msg("%s", error.text);
        }
        assert_true(data.len > 0 && data.len <= range_bytes && data.len <= range.left);
        *taken = checkpoint_receiver_take(receiver, buffer_bytes(&data), &error);
        carried += data.len;
        if (--ranges == 0) {
            break;
        }
    }
    buffer_free(&data);
    return carried;
}

#endif
