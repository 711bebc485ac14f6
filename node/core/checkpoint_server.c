/*
 * checkpoint_server.c - the happy path of a question: it names what is offered, a range that is
 * there, and comes from a node that nothing is being read for; a reader of that node's own reads
 * the range in the pool, and the part leaves over core_env.send_bulk. The list is in memory, and
 * leaves at once.
 *
 * Invariant: a reading that is busy has a reader on what is offered; so nothing is withdrawn while
 * one is.
 */
#include "checkpoint_server.h"

#include <assert.h>
#include <stdlib.h>

#include "core.h"

void checkpoint_server_offer(struct checkpoint_server *server, char *path, uint64_t index,
                             struct checkpoint_list *list)
{
    assert(server->path == NULL);
    server->path = path;
    server->index = index;
    server->list = *list;
    *list = (struct checkpoint_list){0};
    buffer_clear(&server->encoded);
    checkpoint_list_encode(&server->list, &server->encoded);
    server->name = hash128_of(buffer_bytes(&server->encoded));
}

bool checkpoint_server_is_busy(const struct checkpoint_server *server)
{
    for (size_t i = 0; i < LIMIT_CHECKPOINT_READERS; i++) {
        if (server->readings[i].is_busy) {
            return true;
        }
    }
    return false;
}

static void free_reading(struct checkpoint_reading *reading)
{
    assert(!reading->is_busy);
    if (reading->reader != NULL) {
        checkpoint_reader_close(reading->reader);
    }
    *reading = (struct checkpoint_reading){0};
}

char *checkpoint_server_withdraw(struct checkpoint_server *server)
{
    char *path = server->path;
    for (size_t i = 0; i < LIMIT_CHECKPOINT_READERS; i++) {
        free_reading(&server->readings[i]);
    }
    checkpoint_list_free(&server->list);
    buffer_free(&server->encoded);
    server->path = NULL;
    server->index = 0;
    return path;
}

/* Takes the bytes over; without any: gone. */
static void send_part(const struct checkpoint_server *server, uint64_t peer_id,
                      const struct peer_message *ask, uint64_t size, struct buffer *data)
{
    struct peer_message part = {
        .type = PEER_CHECKPOINT_PART,
        .checkpoint_part =
            {
                .checkpoint = ask->checkpoint_ask.checkpoint,
                .file = ask->checkpoint_ask.file,
                .offset = ask->checkpoint_ask.offset,
                .size = size,
                .data = data != NULL ? entry_new_take(ENTRY_COMMAND, data) : NULL,
            },
    };
    server->core->env.send_bulk(server->core->env.context, peer_id, &part);
    peer_message_free(&part);
}

static void send_list(const struct checkpoint_server *server, uint64_t peer_id,
                      const struct peer_message *ask, size_t max_bytes)
{
    uint64_t offset = ask->checkpoint_ask.offset;
    if (offset < server->encoded.len) {
        size_t left = server->encoded.len - (size_t)offset;
        struct buffer part = {0};
        buffer_append(&part, server->encoded.data + offset, left < max_bytes ? left : max_bytes);
        send_part(server, peer_id, ask, server->encoded.len, &part);
    }
}

/* Sums up what is read, as far as it is read from beginning to end, and holds it against the list:
 * nobody else would notice that a file of ours has changed since it was listed. */
static bool check_sum(struct checkpoint_reading *reading)
{
    const struct checkpoint_server *server = reading->server;
    const struct checkpoint_file *file = &server->list.files[reading->file - 1];
    if (reading->offset == 0) {
        reading->sum_file = reading->file;
        reading->sum_offset = 0;
        reading->sum = 0;
    }
    if (reading->sum_file != reading->file || reading->sum_offset != reading->offset) {
        return true; /* asked again for an earlier part, or begun by another reading */
    }
    reading->sum = crc32c(reading->sum, reading->data.data, reading->data.len);
    reading->sum_offset += reading->data.len;
    return reading->sum_offset < file->size || reading->sum == file->crc ||
           error_set(&reading->error,
                     "%s/%s is damaged: it has changed since the snapshot was taken, and this "
                     "node's state shares its bytes; " ADVICE_STATE_LOST,
                     server->path, file->name);
}

static void read_part(struct pool_work *work)
{
    struct checkpoint_reading *reading = (struct checkpoint_reading *)work;
    reading->ok = checkpoint_reader_read(reading->reader, reading->file - 1, reading->offset,
                                         reading->max_bytes, &reading->data, &reading->error) &&
                  check_sum(reading);
}

static void read_part_done(struct pool_work *work)
{
    struct checkpoint_reading *reading = (struct checkpoint_reading *)work;
    struct checkpoint_server *server = reading->server;
    struct core *core = server->core;
    reading->is_busy = false;
    if (!reading->ok) {
        buffer_free(&reading->data);
        core_fail(core, &reading->error);
    } else if (core_is_working(core)) {
        const struct peer_message ask = {
            .type = PEER_CHECKPOINT_ASK,
            .checkpoint_ask = {.checkpoint = server->name,
                               .file = reading->file,
                               .offset = reading->offset},
        };
        send_part(server, reading->peer_id, &ask, server->list.files[reading->file - 1].size,
                  &reading->data);
    } else {
        buffer_free(&reading->data);
    }
    core_work_ended(core);
}

/* The node's own, or one that nobody has used for longest; NULL: all are busy, or the node's is. */
static struct checkpoint_reading *find_reading(struct checkpoint_server *server, uint64_t peer_id)
{
    struct checkpoint_reading *oldest = NULL;
    for (size_t i = 0; i < LIMIT_CHECKPOINT_READERS; i++) {
        struct checkpoint_reading *reading = &server->readings[i];
        if (reading->peer_id == peer_id) {
            return reading->is_busy ? NULL : reading;
        }
        if (!reading->is_busy && (oldest == NULL || reading->asked_ms < oldest->asked_ms)) {
            oldest = reading;
        }
    }
    if (oldest != NULL) {
        free_reading(oldest);
        oldest->server = server;
        oldest->peer_id = peer_id;
        oldest->reader =
            checkpoint_reader_open(server->core->config.files, server->path, &server->list);
    }
    return oldest;
}

static void begin_reading(struct checkpoint_server *server, uint64_t peer_id,
                          const struct peer_message *ask, size_t max_bytes)
{
    struct error ignored;
    struct checkpoint_reading *reading = find_reading(server, peer_id);
    if (reading == NULL) {
        return;
    }
    reading->work = (struct pool_work){read_part, read_part_done};
    reading->asked_ms = server->asked_ms;
    reading->file = ask->checkpoint_ask.file;
    reading->offset = ask->checkpoint_ask.offset;
    reading->max_bytes = max_bytes;
    reading->ok = false;
    buffer_clear(&reading->data);
    reading->is_busy = core_work_start(server->core, &reading->work, &ignored);
}

static bool is_range(const struct checkpoint_server *server, const struct peer_message *ask)
{
    uint32_t file = ask->checkpoint_ask.file;
    return file <= server->list.count &&
           ask->checkpoint_ask.offset < server->list.files[file - 1].size;
}

void checkpoint_server_answer(struct checkpoint_server *server, uint64_t peer_id,
                              const struct peer_message *ask)
{
    uint32_t asked = ask->checkpoint_ask.max_bytes;
    size_t max_bytes = asked < LIMIT_CHECKPOINT_PART_BYTES ? asked : LIMIT_CHECKPOINT_PART_BYTES;
    if (server->path == NULL || !hash128_equal(server->name, ask->checkpoint_ask.checkpoint)) {
        send_part(server, peer_id, ask, 0, NULL);
        return;
    }
    server->asked_ms = core_now_ms(server->core);
    if (max_bytes == 0) {
        return;
    }
    if (ask->checkpoint_ask.file == 0) {
        send_list(server, peer_id, ask, max_bytes);
    } else if (is_range(server, ask) && !server->is_held) {
        begin_reading(server, peer_id, ask, max_bytes);
    }
}
