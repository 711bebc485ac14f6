/*
 * ledger.c - opening the state machine and applying entries to it.
 *
 * One entry: read its header; set the clock; expire and trim what is due; judge each command in
 * order, each on its own; store clock and digest. The changes stand in the store, and its owner
 * commits them together with the index.
 *
 * Time: an entry's time never takes the clock back (a stamp below the last one counts as the last
 * one), and its outage credit counts up to the time that has passed since the entry before: then
 * hold time never runs back either, whatever the stamps say.
 *
 * What can fail: the store; an entry that is damaged or newer than this program; an index that has
 * been applied already. The ledger must not be used any more then, nor the changes be committed.
 */
#include "machine.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

static bool load_clock(struct ledger *ledger, struct error *error)
{
    struct ledger_key key = ledger_key_meta(LEDGER_META_CLOCK);
    struct bytes value;
    if (!ledger_load(ledger, &key, &value, &ledger->clock_stored, error)) {
        return false;
    }
    if (!ledger->clock_stored) {
        return true;
    }
    ledger->clock_hash = ledger_record_hash(&key, value);
    if (!clock_record_decode(value, &ledger->clock, error)) {
        return false;
    }
    return ledger_version_is_known(ledger, "the state is of", ledger->clock.ledger_version, error);
}

static bool load_digest(struct ledger *ledger, struct error *error)
{
    struct ledger_key key = ledger_key_meta(LEDGER_META_DIGEST);
    struct bytes value;
    bool found;
    if (!ledger_load(ledger, &key, &value, &found, error)) {
        return false;
    }
    if (found != ledger->clock_stored) {
        return ledger_contradiction(error, "of clock and digest only one is there");
    }
    return !found || digest_record_decode(value, &ledger->digest, error);
}

struct ledger *ledger_open(struct ledger_store store, struct error *error)
{
    return ledger_open_knowing(store, LEDGER_VERSION, error);
}

struct ledger *ledger_open_knowing(struct ledger_store store, uint16_t version_known,
                                   struct error *error)
{
    struct ledger *ledger = memory_zalloc(sizeof *ledger);
    ledger->store = store;
    ledger->version_known = version_known;
    ledger->settings = ledger_settings_default();
    if (!load_clock(ledger, error) || !load_digest(ledger, error) ||
        !ledger_load_due(ledger, error)) {
        error_wrap(error, "the ledger can't be opened");
        ledger_close(ledger);
        return NULL;
    }
    return ledger;
}

void ledger_close(struct ledger *ledger)
{
    if (ledger == NULL) {
        return;
    }
    ledger_command_lines_free(&ledger->command_lines);
    line_set_free(&ledger->lines);
    free(ledger->stocks.items);
    order_lines_free(&ledger->order.lines);
    buffer_free(&ledger->order.bytes);
    failed_lines_free(&ledger->failed);
    buffer_free(&ledger->value);
    buffer_free(&ledger->due);
    order_lines_free(&ledger->query_lines);
    free(ledger);
}

int64_t ledger_time_ms(const struct ledger *ledger)
{
    return ledger->clock.time_ms;
}

int64_t ledger_credits_ms(const struct ledger *ledger)
{
    return ledger->clock.credits_ms;
}

struct hash128 ledger_digest(const struct ledger *ledger)
{
    return ledger->digest;
}

/* ---- one command ---- */

static bool execute(struct ledger *ledger, const struct ledger_command *command,
                    struct ledger_result *result, struct error *error)
{
    switch (command->kind) {
    case LEDGER_SET_STOCK:
        return ledger_set_stock(ledger, command, result, error);
    case LEDGER_ADJUST_STOCK:
        return ledger_adjust_stock(ledger, command, result, error);
    case LEDGER_RESERVE:
        return ledger_reserve(ledger, command, result, error);
    case LEDGER_DEDUCT:
        return ledger_deduct(ledger, command, result, error);
    case LEDGER_RELEASE:
        return ledger_release(ledger, command, result, error);
    case LEDGER_REGISTER_NODE:
        return ledger_register_node(ledger, command, result, error);
    case LEDGER_RAISE_VERSION:
        return ledger_raise_version(ledger, command, result, error);
    }
    assert(false && "ledger_command_check lets no other kind pass");
    return false;
}

/* Arguments, overflow: what fails here leaves no trace, for it fails again whenever it is repeated.
 * UNSPECIFIED: nothing to say against it. */
static enum ledger_verdict judge_form(const struct ledger *ledger,
                                      const struct ledger_command *command)
{
    struct error why;
    enum ledger_verdict verdict;
    bool formed = ledger_command_check(command, &verdict, &why);
    if (!formed && verdict == LEDGER_MALFORMED_COMMAND) {
        return verdict;
    }
    if (command->has_ttl && command->ttl_ms > ledger->settings.longest_ttl_ms) {
        return LEDGER_LIMIT_EXCEEDED;
    }
    return formed ? LEDGER_VERDICT_UNSPECIFIED : verdict;
}

static bool judge(struct ledger *ledger, const struct ledger_command *command,
                  struct ledger_result *result, struct error *error)
{
    result->verdict = judge_form(ledger, command);
    if (result->verdict != LEDGER_VERDICT_UNSPECIFIED) {
        return true;
    }
    if (command->request_id.len == 0) {
        return execute(ledger, command, result, error);
    }
    bool is_known;
    if (!ledger_repeat_request(ledger, command, result, &is_known, error)) {
        return false;
    }
    if (is_known) {
        return true;
    }
    if (ledger_command_needs_request_id(command) && !ledger_request_is_timely(ledger, command)) {
        result->verdict = LEDGER_REQUEST_EXPIRED;
    } else if (!execute(ledger, command, result, error)) {
        return false;
    }
    return !ledger_request_is_kept(command, result) ||
           ledger_keep_request(ledger, command, result, error);
}

/* ---- one entry ---- */

/* A leader may not know when the last entry was stamped - it has it in its log, and not yet applied
 * - and says how long it knows of no leader; what has passed since that entry is known here. Before
 * the first entry nothing has passed. */
static void advance_clock(struct clock_record *clock, const struct ledger_entry_header *header,
                          uint64_t index)
{
    int64_t time_ms = header->time_ms > clock->time_ms ? header->time_ms : clock->time_ms;
    int64_t passed_ms = clock->time_ms != 0 ? time_ms - clock->time_ms : 0;
    clock->credits_ms +=
        header->outage_credit_ms < passed_ms ? header->outage_credit_ms : passed_ms;
    clock->time_ms = time_ms;
    clock->last_index = index;
}

static bool apply_commands(struct ledger *ledger, struct ledger_entry_reader *reader,
                           ledger_result_visit visit, void *context, struct error *error)
{
    struct ledger_command command;
    for (uint32_t position = 0; ledger_entry_next(reader, &command, &ledger->command_lines, error);
         position++) {
        struct ledger_result result = {.log_index = ledger->index, .log_position = position};
        if (!judge(ledger, &command, &result, error)) {
            return error_wrap(error, "command %" PRIu32, position);
        }
        assert(result.verdict != LEDGER_VERDICT_UNSPECIFIED);
        if (visit != NULL) {
            visit(context, position, &result);
        }
    }
    return error->text[0] == '\0'; /* else the entry is damaged */
}

static bool store_clock_and_digest(struct ledger *ledger, struct error *error)
{
    struct ledger_key clock_key = ledger_key_meta(LEDGER_META_CLOCK);
    struct buffer *value = ledger_value(ledger);
    clock_record_encode(value, &ledger->clock);
    const struct hash128 *before = ledger->clock_stored ? &ledger->clock_hash : NULL;
    if (!ledger_put(ledger, &clock_key, before, buffer_bytes(value), &ledger->clock_hash, error)) {
        return false;
    }
    ledger->clock_stored = true;
    /* The digest can't count itself: it goes past ledger_put. */
    struct ledger_key digest_key = ledger_key_meta(LEDGER_META_DIGEST);
    value = ledger_value(ledger);
    digest_record_encode(value, ledger->digest);
    return ledger->store.ops->put(ledger->store.store, LEDGER_KIND_META,
                                  ledger_key_bytes(&digest_key), buffer_bytes(value), error);
}

bool ledger_apply(struct ledger *ledger, uint64_t index, struct bytes entry,
                  ledger_result_visit visit, void *context, struct error *error)
{
    struct ledger_entry_reader reader;
    if (index <= ledger->clock.last_index) {
        return error_set(error,
                         "log entry %" PRIu64 " can't be applied: the ledger stands at %" PRIu64,
                         index, ledger->clock.last_index);
    }
    if (!ledger_entry_open(&reader, entry, error) ||
        !ledger_begin_version(ledger, &reader.header, error)) {
        return error_wrap(error, "log entry %" PRIu64, index);
    }
    ledger->index = index;
    ledger->sub = 0;
    advance_clock(&ledger->clock, &reader.header, index);
    if (!ledger_sweep(ledger, reader.header.count, entry.len, error) ||
        !apply_commands(ledger, &reader, visit, context, error) ||
        !store_clock_and_digest(ledger, error)) {
        return error_wrap(error, "log entry %" PRIu64, index);
    }
    return true;
}
