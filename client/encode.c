/*
 * encode.c - see encode.h.
 *
 * What is checked here is what can't be left to the node: pointers, fields that would be lost
 * because the kind has no place for them, and counts and sizes, before memory is taken for them.
 * The ledger's own rules of form (lengths of ids, ranges of quantities, UTF-8) are the node's to
 * judge, so that there is one place that knows them; it answers INVALID_ARGUMENT and names the
 * field.
 *
 * The happy path: check, fill protobuf-c's structs in a scratch arena (strings are not copied),
 * pack.
 */
#include "encode.h"

#include <assert.h>
#include <stdalign.h>
#include <sys/random.h>

#include "base/limits.h"
#include "holdfast/v1/cluster.pb-c.h"
#include "holdfast/v1/ledger.pb-c.h"

#define SCRATCH_BYTES 2048
#define RESENT_BYTES  3

struct scratch {
    alignas(max_align_t) uint8_t room[SCRATCH_BYTES];
    struct arena arena;
};

static void scratch_init(struct scratch *scratch)
{
    arena_init(&scratch->arena, scratch->room, sizeof(scratch->room));
}

static bool pack(struct buffer *out, const ProtobufCMessage *message, struct error *error)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    if (size > LIMIT_MESSAGE_BYTES - RESENT_BYTES) {
        return error_set(error, "the request has %zu bytes; at most %u: give it in parts", size,
                         LIMIT_MESSAGE_BYTES - RESENT_BYTES);
    }
    uint8_t *end = buffer_reserve(out, size);
    size_t packed = protobuf_c_message_pack(message, end);
    assert(packed == size);
    out->len += packed;
    return true;
}

/* The field `resent`, the same in all that carry commands, as it stands on the wire: its number and
 * the type of its value, a varint; true. */
#define RESENT_FIELD 17

void encode_resent(struct buffer *out)
{
    static const uint8_t resent[RESENT_BYTES] = {(RESENT_FIELD << 3 & 0x7f) | 0x80,
                                                 RESENT_FIELD << 3 >> 7, 1};
    buffer_append(out, resent, sizeof(resent));
}

/* ---- the form of a command ---- */

enum command_field {
    FIELD_ORDER_ID = 1 << 0,
    FIELD_LINES = 1 << 1,
    FIELD_TTL = 1 << 2,
    FIELD_ADD_LINES = 1 << 3,
    FIELD_FINAL = 1 << 4,
    FIELD_REACQUIRE = 1 << 5,
    FIELD_SKU = 1 << 6,
    FIELD_WAREHOUSE = 1 << 7,
    FIELD_QUANTITY = 1 << 8,
    FIELD_EXPECTED_VERSION = 1 << 9,
};

static const char *const FIELD_NAMES[] = {
    "order_id",  "lines", "ttl_ms",    "add_lines", "final",
    "reacquire", "sku",   "warehouse", "quantity",  "has_expected_version",
};
#define FIELD_COUNT (sizeof(FIELD_NAMES) / sizeof(FIELD_NAMES[0]))

struct command_form {
    const char *name;
    const char *path;
    unsigned allowed;
    unsigned needed;
};

#define STOCK_FIELDS (FIELD_SKU | FIELD_WAREHOUSE | FIELD_QUANTITY | FIELD_EXPECTED_VERSION)

static const struct command_form FORMS[] = {
    [HF_SET_STOCK] = {"SetStock", "/holdfast.v1.Ledger/SetStock", STOCK_FIELDS, FIELD_SKU},
    [HF_ADJUST_STOCK] = {"AdjustStock", "/holdfast.v1.Ledger/AdjustStock", STOCK_FIELDS,
                         FIELD_SKU | FIELD_QUANTITY},
    [HF_RESERVE] = {"Reserve", "/holdfast.v1.Ledger/Reserve",
                    FIELD_ORDER_ID | FIELD_LINES | FIELD_TTL | FIELD_ADD_LINES,
                    FIELD_ORDER_ID | FIELD_LINES},
    [HF_DEDUCT] = {"Deduct", "/holdfast.v1.Ledger/Deduct",
                   FIELD_ORDER_ID | FIELD_LINES | FIELD_FINAL | FIELD_REACQUIRE, FIELD_ORDER_ID},
    [HF_RELEASE] = {"Release", "/holdfast.v1.Ledger/Release", FIELD_ORDER_ID | FIELD_LINES,
                    FIELD_ORDER_ID},
};

static const struct command_form *form_of(hf_command_kind kind)
{
    int number = (int)kind;
    if (number < HF_SET_STOCK || number > HF_RELEASE) {
        return NULL;
    }
    return &FORMS[number];
}

const char *encode_command_path(hf_command_kind kind)
{
    const struct command_form *form = form_of(kind);
    assert(form != NULL);
    return form->path;
}

static unsigned fields_set(const hf_command *command)
{
    unsigned set = 0;
    set |= command->order_id != NULL ? FIELD_ORDER_ID : 0u;
    set |= command->line_count > 0 ? FIELD_LINES : 0u;
    set |= command->ttl_ms != 0 ? FIELD_TTL : 0u;
    set |= command->add_lines ? FIELD_ADD_LINES : 0u;
    set |= command->final ? FIELD_FINAL : 0u;
    set |= command->reacquire ? FIELD_REACQUIRE : 0u;
    set |= command->sku != NULL ? FIELD_SKU : 0u;
    set |= command->warehouse != 0 ? FIELD_WAREHOUSE : 0u;
    set |= command->quantity != 0 ? FIELD_QUANTITY : 0u;
    set |= command->has_expected_version ? FIELD_EXPECTED_VERSION : 0u;
    return set;
}

static const char *first_field(unsigned fields)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if ((fields & (1u << i)) != 0) {
            return FIELD_NAMES[i];
        }
    }
    return "";
}

static bool check_lines(const hf_line *lines, size_t count, struct error *error)
{
    if (count > LIMIT_LINES) {
        return error_set(error, "%zu lines; at most %d", count, LIMIT_LINES);
    }
    if (count > 0 && lines == NULL) {
        return error_set(error, "lines is NULL, and line_count is %zu", count);
    }
    for (size_t i = 0; i < count; i++) {
        if (lines[i].sku == NULL) {
            return error_set(error, "lines[%zu].sku is NULL", i);
        }
    }
    return true;
}

static bool check_command(const hf_command *command, struct error *error)
{
    const struct command_form *form = form_of(command->kind);
    if (form == NULL) {
        return error_set(error, "kind %d is no kind of command", (int)command->kind);
    }
    unsigned set = fields_set(command);
    if ((form->needed & ~set) != 0) {
        return error_set(error, "%s needs %s", form->name, first_field(form->needed & ~set));
    }
    if ((set & ~form->allowed) != 0) {
        return error_set(error, "%s does not take %s", form->name,
                         first_field(set & ~form->allowed));
    }
    if (command->request_id != NULL && command->request_id[0] == '\0') {
        return error_set(error, "request_id is empty; NULL has one made where it is needed");
    }
    return check_lines(command->lines, command->line_count, error);
}

#define ID_LETTERS 20

/* 100 random bits: among the 10^12 commands of a busy day no two share an id, but for a chance of
 * one in a million. */
static char *make_request_id(struct arena *kept)
{
    static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";
    uint8_t random[ID_LETTERS];
    ssize_t filled = getrandom(random, sizeof(random), 0);
    assert(filled == (ssize_t)sizeof(random)); /* up to 256 bytes it can't fail or fall short */
    char *id = arena_alloc(kept, ID_LETTERS + 1);
    for (size_t i = 0; i < ID_LETTERS; i++) {
        id[i] = letters[random[i] & 31];
    }
    id[ID_LETTERS] = '\0';
    return id;
}

/* Every command has a request id. Those that their order tells from their repetition have it so
 * that a refusal can be kept under it: a call's answer is final. */
static void give_identity(const hf_command *command, const struct encode_defaults *defaults,
                          hf_result *result, struct arena *kept)
{
    result->request_id = command->request_id != NULL ? arena_copy_string(kept, command->request_id)
                                                     : make_request_id(kept);
    result->requested_at_ms =
        command->requested_at_ms != 0 ? command->requested_at_ms : defaults->now_ms;
}

/* ---- protobuf ---- */

static Google__Protobuf__Timestamp *new_timestamp(struct arena *arena, int64_t ms)
{
    Google__Protobuf__Timestamp *timestamp = arena_alloc(arena, sizeof(*timestamp));
    google__protobuf__timestamp__init(timestamp);
    int64_t rest_ms = ms % 1000;
    timestamp->seconds = ms / 1000;
    if (rest_ms < 0) { /* nanos count forward, before 1970 too */
        rest_ms += 1000;
        timestamp->seconds--;
    }
    timestamp->nanos = (int32_t)(rest_ms * 1000000);
    return timestamp;
}

static Google__Protobuf__Duration *new_duration(struct arena *arena, int64_t ms)
{
    Google__Protobuf__Duration *duration = arena_alloc(arena, sizeof(*duration));
    google__protobuf__duration__init(duration);
    duration->seconds = ms / 1000;
    duration->nanos = (int32_t)(ms % 1000 * 1000000);
    return duration;
}

static Holdfast__V1__Line **new_lines(struct arena *arena, const hf_line *lines, size_t count)
{
    if (count == 0) {
        return NULL;
    }
    Holdfast__V1__Line **pointers = arena_alloc(arena, count * sizeof(void *));
    Holdfast__V1__Line *items = arena_alloc(arena, count * sizeof(*items));
    for (size_t i = 0; i < count; i++) {
        holdfast__v1__line__init(&items[i]);
        items[i].sku = (char *)lines[i].sku;
        items[i].warehouse = lines[i].warehouse;
        items[i].quantity = lines[i].quantity;
        pointers[i] = &items[i];
    }
    return pointers;
}

/* The fields that every command has, at the same numbers (ledger.proto). */
#define FILL_COMMON(message)                                                                       \
    do {                                                                                           \
        (message)->request_id = (char *)result->request_id;                                        \
        (message)->requested_at = new_timestamp(arena, result->requested_at_ms);                   \
        (message)->actor = (char *)(command->actor != NULL ? command->actor : defaults->actor);    \
        (message)->reason = (char *)command->reason;                                               \
        (message)->remark = (char *)command->remark;                                               \
        (message)->trace_id = (char *)command->trace_id;                                           \
        /* An id that the program has given may have been sent by an earlier call. */              \
        (message)->resent = command->request_id != NULL;                                           \
    } while (0)

static ProtobufCMessage *fill_set_stock(struct arena *arena, const hf_command *command,
                                        const struct encode_defaults *defaults,
                                        const hf_result *result)
{
    Holdfast__V1__SetStockRequest *message = arena_alloc(arena, sizeof(*message));
    holdfast__v1__set_stock_request__init(message);
    message->sku = (char *)command->sku;
    message->warehouse = command->warehouse;
    message->on_hand = command->quantity;
    if (command->has_expected_version) {
        message->expected_case = HOLDFAST__V1__SET_STOCK_REQUEST__EXPECTED_EXPECTED_VERSION;
        message->expected_version = command->expected_version;
    }
    FILL_COMMON(message);
    return &message->base;
}

static ProtobufCMessage *fill_adjust_stock(struct arena *arena, const hf_command *command,
                                           const struct encode_defaults *defaults,
                                           const hf_result *result)
{
    Holdfast__V1__AdjustStockRequest *message = arena_alloc(arena, sizeof(*message));
    holdfast__v1__adjust_stock_request__init(message);
    message->sku = (char *)command->sku;
    message->warehouse = command->warehouse;
    message->change = command->quantity;
    if (command->has_expected_version) {
        message->expected_case = HOLDFAST__V1__ADJUST_STOCK_REQUEST__EXPECTED_EXPECTED_VERSION;
        message->expected_version = command->expected_version;
    }
    FILL_COMMON(message);
    return &message->base;
}

static ProtobufCMessage *fill_reserve(struct arena *arena, const hf_command *command,
                                      const struct encode_defaults *defaults,
                                      const hf_result *result)
{
    Holdfast__V1__ReserveRequest *message = arena_alloc(arena, sizeof(*message));
    holdfast__v1__reserve_request__init(message);
    message->order_id = (char *)command->order_id;
    message->lines = new_lines(arena, command->lines, command->line_count);
    message->n_lines = command->line_count;
    message->ttl = command->ttl_ms != 0 ? new_duration(arena, command->ttl_ms) : NULL;
    message->mode = command->add_lines ? HOLDFAST__V1__RESERVE_REQUEST__MODE__ADD_LINES
                                       : HOLDFAST__V1__RESERVE_REQUEST__MODE__WHOLE;
    FILL_COMMON(message);
    return &message->base;
}

static ProtobufCMessage *fill_deduct(struct arena *arena, const hf_command *command,
                                     const struct encode_defaults *defaults,
                                     const hf_result *result)
{
    Holdfast__V1__DeductRequest *message = arena_alloc(arena, sizeof(*message));
    holdfast__v1__deduct_request__init(message);
    message->order_id = (char *)command->order_id;
    message->lines = new_lines(arena, command->lines, command->line_count);
    message->n_lines = command->line_count;
    message->final = command->final;
    message->reacquire = command->reacquire;
    FILL_COMMON(message);
    return &message->base;
}

static ProtobufCMessage *fill_release(struct arena *arena, const hf_command *command,
                                      const struct encode_defaults *defaults,
                                      const hf_result *result)
{
    Holdfast__V1__ReleaseRequest *message = arena_alloc(arena, sizeof(*message));
    holdfast__v1__release_request__init(message);
    message->order_id = (char *)command->order_id;
    message->lines = new_lines(arena, command->lines, command->line_count);
    message->n_lines = command->line_count;
    FILL_COMMON(message);
    return &message->base;
}

static ProtobufCMessage *fill_command(struct arena *arena, const hf_command *command,
                                      const struct encode_defaults *defaults,
                                      const hf_result *result)
{
    switch (command->kind) {
    case HF_SET_STOCK:
        return fill_set_stock(arena, command, defaults, result);
    case HF_ADJUST_STOCK:
        return fill_adjust_stock(arena, command, defaults, result);
    case HF_RESERVE:
        return fill_reserve(arena, command, defaults, result);
    case HF_DEDUCT:
        return fill_deduct(arena, command, defaults, result);
    case HF_RELEASE:
        return fill_release(arena, command, defaults, result);
    }
    assert(!"check_command has let a kind through that has no message");
    return NULL;
}

bool encode_command(struct buffer *out, const hf_command *command,
                    const struct encode_defaults *defaults, hf_result *result, struct arena *kept,
                    struct error *error)
{
    if (command == NULL) {
        return error_set(error, "command is NULL");
    }
    if (!check_command(command, error)) {
        return false;
    }
    give_identity(command, defaults, result, kept);
    struct scratch scratch;
    scratch_init(&scratch);
    bool packed = pack(out, fill_command(&scratch.arena, command, defaults, result), error);
    arena_free(&scratch.arena);
    return packed;
}

static bool check_batch(const hf_command *commands, size_t count, struct error *error)
{
    size_t line_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!check_command(&commands[i], error)) {
            return error_wrap(error, "commands[%zu]", i);
        }
        line_count += commands[i].line_count; /* each at most LIMIT_LINES: no overflow */
    }
    if (line_count > LIMIT_LINES) {
        return error_set(error, "the commands have %zu lines together; at most %d", line_count,
                         LIMIT_LINES);
    }
    return true;
}

/* A request's member of the oneof, whose numbers are the kinds'. */
static void set_command(Holdfast__V1__Command *target, hf_command_kind kind,
                        ProtobufCMessage *message)
{
    holdfast__v1__command__init(target);
    target->command_case = (Holdfast__V1__Command__CommandCase)kind;
    switch (kind) {
    case HF_SET_STOCK:
        target->set_stock = (Holdfast__V1__SetStockRequest *)message;
        break;
    case HF_ADJUST_STOCK:
        target->adjust_stock = (Holdfast__V1__AdjustStockRequest *)message;
        break;
    case HF_RESERVE:
        target->reserve = (Holdfast__V1__ReserveRequest *)message;
        break;
    case HF_DEDUCT:
        target->deduct = (Holdfast__V1__DeductRequest *)message;
        break;
    case HF_RELEASE:
        target->release = (Holdfast__V1__ReleaseRequest *)message;
        break;
    }
}

_Static_assert((int)HF_SET_STOCK == HOLDFAST__V1__COMMAND__COMMAND_SET_STOCK, "ledger.proto");
_Static_assert((int)HF_ADJUST_STOCK == HOLDFAST__V1__COMMAND__COMMAND_ADJUST_STOCK, "");
_Static_assert((int)HF_RESERVE == HOLDFAST__V1__COMMAND__COMMAND_RESERVE, "");
_Static_assert((int)HF_DEDUCT == HOLDFAST__V1__COMMAND__COMMAND_DEDUCT, "");
_Static_assert((int)HF_RELEASE == HOLDFAST__V1__COMMAND__COMMAND_RELEASE, "");

bool encode_batch(struct buffer *out, const hf_command *commands, size_t count,
                  const struct encode_defaults *defaults, hf_result *results, struct arena *kept,
                  struct error *error)
{
    assert(count >= 1 && count <= LIMIT_BATCH_COMMANDS && commands != NULL);
    if (!check_batch(commands, count, error)) {
        return false;
    }
    struct scratch scratch;
    scratch_init(&scratch);
    struct arena *arena = &scratch.arena;
    Holdfast__V1__Command **pointers = arena_alloc(arena, count * sizeof(void *));
    Holdfast__V1__Command *items = arena_alloc(arena, count * sizeof(*items));
    for (size_t i = 0; i < count; i++) {
        give_identity(&commands[i], defaults, &results[i], kept);
        set_command(&items[i], commands[i].kind,
                    fill_command(arena, &commands[i], defaults, &results[i]));
        pointers[i] = &items[i];
    }
    Holdfast__V1__ExecuteRequest request = HOLDFAST__V1__EXECUTE_REQUEST__INIT;
    request.n_commands = count;
    request.commands = pointers;
    bool packed = pack(out, &request.base, error);
    arena_free(arena);
    return packed;
}

/* ---- reads ---- */

_Static_assert((int)HF_LINEARIZABLE == HOLDFAST__V1__CONSISTENCY__LINEARIZABLE, "ledger.proto");
_Static_assert((int)HF_STALE == HOLDFAST__V1__CONSISTENCY__STALE, "");

/* The fields that every read has. */
#define FILL_FRESHNESS(message)                                                                    \
    do {                                                                                           \
        (message)->consistency = (Holdfast__V1__Consistency)freshness->consistency;                \
        (message)->min_log_index = freshness->min_log_index;                                       \
    } while (0)

static bool check_key(const hf_stock_key *key, struct error *error)
{
    return key->sku != NULL || error_set(error, "sku is NULL");
}

bool encode_get_stock(struct buffer *out, const hf_stock_key *key,
                      const struct encode_freshness *freshness, struct error *error)
{
    if (!check_key(key, error)) {
        return false;
    }
    Holdfast__V1__GetStockRequest request = HOLDFAST__V1__GET_STOCK_REQUEST__INIT;
    request.sku = (char *)key->sku;
    request.warehouse = key->warehouse;
    FILL_FRESHNESS(&request);
    return pack(out, &request.base, error);
}

bool encode_get_stocks(struct buffer *out, const hf_stock_key *keys, size_t count,
                       const struct encode_freshness *freshness, struct error *error)
{
    assert(count >= 1 && count <= LIMIT_QUERY_ITEMS && keys != NULL);
    struct scratch scratch;
    scratch_init(&scratch);
    Holdfast__V1__StockKey **pointers = arena_alloc(&scratch.arena, count * sizeof(void *));
    Holdfast__V1__StockKey *items = arena_alloc(&scratch.arena, count * sizeof(*items));
    bool good = true;
    for (size_t i = 0; i < count && good; i++) {
        holdfast__v1__stock_key__init(&items[i]);
        items[i].sku = (char *)keys[i].sku;
        items[i].warehouse = keys[i].warehouse;
        pointers[i] = &items[i];
        good = check_key(&keys[i], error) || error_wrap(error, "keys[%zu]", i);
    }
    if (good) {
        Holdfast__V1__BatchGetStockRequest request = HOLDFAST__V1__BATCH_GET_STOCK_REQUEST__INIT;
        request.n_keys = count;
        request.keys = pointers;
        FILL_FRESHNESS(&request);
        good = pack(out, &request.base, error);
    }
    arena_free(&scratch.arena);
    return good;
}

bool encode_check_stock(struct buffer *out, const hf_line *lines, size_t count,
                        const struct encode_freshness *freshness, struct error *error)
{
    if (count == 0) {
        return error_set(error, "no lines");
    }
    if (!check_lines(lines, count, error)) {
        return false;
    }
    struct scratch scratch;
    scratch_init(&scratch);
    Holdfast__V1__CheckStockRequest request = HOLDFAST__V1__CHECK_STOCK_REQUEST__INIT;
    request.n_lines = count;
    request.lines = new_lines(&scratch.arena, lines, count);
    FILL_FRESHNESS(&request);
    bool packed = pack(out, &request.base, error);
    arena_free(&scratch.arena);
    return packed;
}

static bool check_page(uint32_t page_size, struct error *error)
{
    return page_size <= LIMIT_PAGE_ROWS ||
           error_set(error, "page_size is %u; at most %d", page_size, LIMIT_PAGE_ROWS);
}

bool encode_list_stock(struct buffer *out, uint32_t page_size, const char *page_token,
                       const struct encode_freshness *freshness, struct error *error)
{
    if (!check_page(page_size, error)) {
        return false;
    }
    Holdfast__V1__ListStockRequest request = HOLDFAST__V1__LIST_STOCK_REQUEST__INIT;
    request.page_size = (int32_t)page_size;
    request.page_token = (char *)page_token;
    FILL_FRESHNESS(&request);
    return pack(out, &request.base, error);
}

bool encode_get_order(struct buffer *out, const char *order_id,
                      const struct encode_freshness *freshness, struct error *error)
{
    if (order_id == NULL) {
        return error_set(error, "order_id is NULL");
    }
    Holdfast__V1__GetOrderRequest request = HOLDFAST__V1__GET_ORDER_REQUEST__INIT;
    request.order_id = (char *)order_id;
    FILL_FRESHNESS(&request);
    return pack(out, &request.base, error);
}

bool encode_list_history(struct buffer *out, const hf_stock_key *key, uint32_t page_size,
                         const char *page_token, const struct encode_freshness *freshness,
                         struct error *error)
{
    if (!check_key(key, error) || !check_page(page_size, error)) {
        return false;
    }
    Holdfast__V1__ListHistoryRequest request = HOLDFAST__V1__LIST_HISTORY_REQUEST__INIT;
    request.sku = (char *)key->sku;
    request.warehouse = key->warehouse;
    request.page_size = (int32_t)page_size;
    request.page_token = (char *)page_token;
    FILL_FRESHNESS(&request);
    return pack(out, &request.base, error);
}

void encode_verify(struct buffer *out, uint64_t at_index)
{
    Holdfast__V1__VerifyRequest request = HOLDFAST__V1__VERIFY_REQUEST__INIT;
    struct error error;
    request.at_index = at_index;
    bool packed = pack(out, &request.base, &error);
    assert(packed); /* a number is not too large */
}
