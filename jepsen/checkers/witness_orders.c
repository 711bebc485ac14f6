/*
 * witness_orders.c - each order against the rules of its life.
 *
 * What an order has been through is a world: its state, which of the operations without a known
 * place have been used, and the effects so far. It begins as never seen. At each answer, in the
 * order of keys, the worlds grow by everything hidden that may have come before it, and those in
 * which the answer would have been another die. None left: invalid. What the worlds at the end have
 * in common is sure; what only some have is not.
 *
 * An order that nobody was unsure about has one world from beginning to end. Worlds are bounded
 * (WORLDS); an order that dies after some were left out is unknown.
 */
#include <stdlib.h>

#include "witness.h"

#define WORLDS  128 /* of one order */
#define HIDDEN  60  /* operations of one order without a known place, and request ids */
#define NO_NODE UINT32_MAX

struct world {
    struct order_state order;
    uint64_t used;      /* hidden operations */
    uint64_t kept;      /* those of which an attempt was refused with what the last one was told */
    uint64_t done;      /* request ids that were executed, and granted */
    uint64_t refused;   /* request ids that were executed, and refused */
    int64_t expires_ns; /* not before */
    int64_t due_ns;     /* a guess */
    uint32_t effects;   /* the last of them, a node */
};

struct node {
    uint32_t next;
    struct witness_effect effect;
};

struct orders {
    struct witness *witness;
    const struct history *history;
    struct world worlds[WORLDS];
    struct world next[WORLDS];
    uint32_t count;
    bool dropped;
    /* of the order at hand */
    const uint32_t *answers; /* by key */
    uint32_t answer_count;
    const uint32_t *hidden;
    uint32_t hidden_count;
    uint32_t requests[HIDDEN];
    uint32_t request_count;
    HISTORY_LIST(struct node) nodes;
};

static const struct operation *operation_at(const struct orders *orders, uint32_t at)
{
    return &orders->history->operations.items[at];
}

/* One to name in a reason. */
static uint32_t any_operation(const struct orders *orders)
{
    return orders->hidden_count > 0 ? orders->hidden[0] : orders->answers[0];
}

/* ---- worlds ---- */

static void world_copy(struct world *to, const struct world *from)
{
    order_copy(&to->order, &from->order);
    to->used = from->used;
    to->kept = from->kept;
    to->done = from->done;
    to->refused = from->refused;
    to->expires_ns = from->expires_ns;
    to->due_ns = from->due_ns;
    to->effects = from->effects;
}

static bool same_effects(const struct orders *orders, uint32_t a, uint32_t b)
{
    while (a != b) {
        if (a == NO_NODE || b == NO_NODE) {
            return false;
        }
        const struct witness_effect *one = &orders->nodes.items[a].effect;
        const struct witness_effect *other = &orders->nodes.items[b].effect;
        if (one->operation != other->operation || one->stock != other->stock ||
            one->on_hand != other->on_hand || one->reserved != other->reserved ||
            one->from != other->from || one->until != other->until) {
            return false;
        }
        a = orders->nodes.items[a].next;
        b = orders->nodes.items[b].next;
    }
    return true;
}

static bool is_known(const struct orders *orders, const struct world *world)
{
    for (uint32_t i = 0; i < orders->count; i++) {
        const struct world *other = &orders->worlds[i];
        if (other->used == world->used && other->kept == world->kept &&
            other->done == world->done && other->refused == world->refused &&
            other->expires_ns == world->expires_ns &&
            order_states_equal(&other->order, &world->order) &&
            same_effects(orders, other->effects, world->effects)) {
            return true;
        }
    }
    return false;
}

static void add_world(struct orders *orders, const struct world *world)
{
    if (is_known(orders, world)) {
        return;
    }
    if (orders->count == WORLDS) {
        orders->dropped = true;
        return;
    }
    world_copy(&orders->worlds[orders->count++], world);
}

static void add_effects(struct orders *orders, struct world *world,
                        const struct order_effects *effects, uint32_t operation, uint64_t from,
                        uint64_t until, bool expiry)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        const struct order_effect *effect = &effects->items[i];
        if (orders->nodes.count == orders->nodes.capacity) {
            orders->nodes.capacity = orders->nodes.capacity * 2 + 64;
            orders->nodes.items = memory_realloc(
                orders->nodes.items, orders->nodes.capacity * sizeof *orders->nodes.items);
        }
        orders->nodes.items[orders->nodes.count] = (struct node){world->effects,
                                                                 {.from = from,
                                                                  .until = until,
                                                                  .on_hand = effect->on_hand,
                                                                  .reserved = effect->reserved,
                                                                  .need = effect->need,
                                                                  .due_ns = world->due_ns,
                                                                  .stock = effect->stock,
                                                                  .operation = operation,
                                                                  .kind = EFFECT_ADD,
                                                                  .sure = true,
                                                                  .expiry = expiry}};
        world->effects = orders->nodes.count++;
    }
}

/* The bit of the command's request id; 0: it needs none. */
static uint64_t request_bit(struct orders *orders, const struct operation *command)
{
    if (!command_needs_request(command) || command->request == NAME_NONE) {
        return 0;
    }
    for (uint32_t i = 0; i < orders->request_count; i++) {
        if (orders->requests[i] == command->request) {
            return UINT64_C(1) << i;
        }
    }
    if (orders->request_count == HIDDEN) {
        orders->dropped = true;
        return 0;
    }
    orders->requests[orders->request_count] = command->request;
    return UINT64_C(1) << orders->request_count++;
}

static void set_expiry(const struct orders *orders, struct world *world,
                       const struct operation *reserve)
{
    const struct check_options *options = orders->witness->options;
    int64_t ttl_ms = reserve->number != 0 ? reserve->number : options->default_ttl_ms;
    if (reserve->function == FUNCTION_RESERVE && world->expires_ns == 0) {
        world->expires_ns =
            reserve->invoked_ns + (ttl_ms - options->expiry_slack_ms) * INT64_C(1000000);
        world->expires_ns = world->expires_ns < 1 ? 1 : world->expires_ns;
        world->due_ns = orders->witness->stamps_ns[reserve - orders->history->operations.items] +
                        ttl_ms * INT64_C(1000000);
    }
}

/* ---- verdicts ---- */

static bool is_on_stock(int verdict)
{
    return verdict == HF_INSUFFICIENT_STOCK || verdict == HF_SKU_NOT_FOUND;
}

/* Verdicts that don't come from the order. */
static bool is_beside_order(int verdict)
{
    return verdict == HF_IDEMPOTENCY_MISMATCH || verdict == HF_REQUEST_EXPIRED ||
           verdict == HF_LIMIT_EXCEEDED || verdict == HF_OVERFLOW ||
           verdict == HF_WAREHOUSE_NOT_FOUND || verdict == HF_WAREHOUSE_DISABLED ||
           verdict == HF_MALFORMED_COMMAND;
}

/* Is it refused in these words, if its order was in this state and stocks did not suffice? */
static bool is_refused_so(const struct operation *command, const struct order_answer *said,
                          uint8_t state)
{
    if (is_on_stock(command->verdict)) {
        return said->on_stock && (command->state == HF_STATE_NONE || command->state == state);
    }
    return command->verdict == said->verdict && command->verdict != HF_OK &&
           (command->state == HF_STATE_NONE || command->state == said->state) &&
           (command->function != FUNCTION_RELEASE || command->existed == said->existed);
}

/* ---- what is hidden ---- */

static void try_hidden(struct orders *orders, const struct world *world, uint32_t which,
                       uint64_t before, uint64_t key)
{
    struct world tried;
    struct order_answer answer;
    struct order_effects effects;
    uint32_t at = orders->hidden[which];
    const struct operation *command = operation_at(orders, at);
    uint64_t floor = orders->witness->floors[at];
    uint64_t request = request_bit(orders, command);
    if (((world->used | world->kept) >> which & 1) != 0 || (key != KEY_NEVER && floor >= key) ||
        ((world->done | world->refused) & request) != 0 ||
        (operation_answered(command) && key > key_of(command))) {
        return;
    }
    world_copy(&tried, world);
    tried.used |= UINT64_C(1) << which;
    if (!order_apply(&tried.order, orders->history, command, &answer, &effects)) {
        orders->dropped = true;
        return;
    }
    if (answer.verdict == HF_OK && !answer.replayed) {
        struct world granted;
        world_copy(&granted, &tried);
        granted.done |= request;
        set_expiry(orders, &granted, command);
        add_effects(orders, &granted, &effects, at, before > floor ? before : floor, key, false);
        add_world(orders, &granted);
    }
    if (request != 0 && (answer.verdict != HF_OK || answer.on_stock)) {
        world_copy(&tried, world);
        tried.used |= UINT64_C(1) << which;
        tried.refused |= request;
        add_world(orders, &tried);
    }
}

/* An attempt is refused, and nobody hears of it; the last one is told the same. Nothing is granted
 * to the call behind that. */
static void try_refusal(struct orders *orders, const struct world *world, uint32_t which,
                        uint64_t key)
{
    struct world tried;
    struct order_answer answer;
    struct order_effects effects;
    uint32_t at = orders->hidden[which];
    const struct operation *command = operation_at(orders, at);
    if (!command_repeats_refusal(command) || (world->kept >> which & 1) != 0 ||
        orders->witness->floors[at] >= key || key > key_of(command)) {
        return;
    }
    world_copy(&tried, world);
    if (!order_apply(&tried.order, orders->history, command, &answer, &effects)) {
        orders->dropped = true;
        return;
    }
    if (is_refused_so(command, &answer, world->order.state)) {
        world_copy(&tried, world);
        tried.kept |= UINT64_C(1) << which;
        add_world(orders, &tried);
    }
}

static void try_expiry(struct orders *orders, const struct world *world, uint64_t before,
                       uint64_t key)
{
    struct world tried;
    struct order_effects effects;
    if (world->order.state != HF_STATE_ACTIVE) {
        return;
    }
    uint64_t floor = witness_reached(orders->witness, world->expires_ns);
    if (floor == KEY_NEVER || floor >= key) {
        return;
    }
    world_copy(&tried, world);
    order_expire(&tried.order, &effects);
    add_effects(orders, &tried, &effects, any_operation(orders), before > floor ? before : floor,
                key, true);
    add_world(orders, &tried);
}

/* All that may have come behind `before` and before `key`. Worlds that are added are looked at in
 * their turn. */
static void grow(struct orders *orders, uint64_t before, uint64_t key)
{
    for (uint32_t i = 0; i < orders->count; i++) {
        struct world world;
        world_copy(&world, &orders->worlds[i]);
        for (uint32_t which = 0; which < orders->hidden_count; which++) {
            try_hidden(orders, &world, which, before, key);
            try_refusal(orders, &world, which, key);
        }
        try_expiry(orders, &world, before, key);
    }
}

/* ---- what was answered ---- */

/* Has an attempt of it been refused before? */
static bool is_kept(const struct orders *orders, const struct world *world, uint32_t at)
{
    for (uint32_t which = 0; which < orders->hidden_count; which++) {
        if (orders->hidden[which] == at) {
            return (world->kept >> which & 1) != 0;
        }
    }
    return false;
}

/* Would the model have given this answer? `said` is what it says instead. */
static bool takes_command(struct orders *orders, struct world *world, uint32_t at,
                          struct order_answer *said)
{
    const struct operation *command = operation_at(orders, at);
    struct order_effects effects;
    uint64_t request = request_bit(orders, command);
    uint8_t state = world->order.state;
    *said = (struct order_answer){.verdict = 0};
    if (is_beside_order(command->verdict)) {
        return true;
    }
    if (command_repeats_refusal(command)) {
        return is_kept(orders, world, at);
    }
    if (((world->done | world->refused) & request) != 0) {
        said->verdict = (world->done & request) != 0 ? HF_OK : 0;
        said->replayed = true;
        return command->replayed && (command->verdict == HF_OK) == ((world->done & request) != 0);
    }
    struct order_state order;
    order_copy(&order, &world->order);
    if (!order_apply(&order, orders->history, command, said, &effects)) {
        orders->dropped = true;
        return false;
    }
    if (command->replayed != said->replayed) {
        return false;
    }
    if (command->verdict != HF_OK) {
        world->refused |= request;
        return is_refused_so(command, said, state);
    }
    if (said->verdict != HF_OK ||
        (command->state != HF_STATE_NONE && command->state != said->state) ||
        (command->function == FUNCTION_RELEASE && command->existed != said->existed)) {
        return false;
    }
    world->done |= request;
    if (!said->replayed) {
        order_copy(&world->order, &order);
        set_expiry(orders, world, command);
        add_effects(orders, world, &effects, at, key_of(command), key_of(command), false);
    }
    return true;
}

static bool takes(struct orders *orders, struct world *world, uint32_t at,
                  struct order_answer *said)
{
    const struct operation *operation = operation_at(orders, at);
    if (operation->function == FUNCTION_READ_ORDER) {
        *said = (struct order_answer){.state = world->order.state};
        return order_matches(&world->order, orders->history, operation);
    }
    return takes_command(orders, world, at, said);
}

/* The first world, before all others died, tells what is expected. */
static void complain(struct orders *orders, uint32_t place, const struct order_answer *said)
{
    struct check *check = orders->witness->check;
    uint32_t at = orders->answers[place];
    uint32_t before = place > 0 ? orders->answers[place - 1] : NAME_NONE;
    const struct operation *operation = operation_at(orders, at);
    if (orders->dropped) {
        check_unknown(check, CHECK_NAMES(at), "an order with too much that nobody knows");
    } else if (operation->function == FUNCTION_READ_ORDER) {
        check_invalid(check, CHECK_NAMES(at, before),
                      "the order is not as the log before this read makes it (%s, or other units; "
                      "the model has %s)",
                      operation->verdict == HF_OK ? event_state_name(operation->state)
                                                  : "not found",
                      event_state_name(said->state));
    } else if (said->replayed != operation->replayed) {
        check_invalid(check, CHECK_NAMES(at, before),
                      said->replayed ? "done a second time: the order had this behind it already"
                                     : "called a repetition, but nothing before it did this");
    } else {
        check_invalid(check, CHECK_NAMES(at, before),
                      "the verdict is %s, state %s; by the log before it, it must be %s, state %s",
                      event_verdict_name(operation->verdict), event_state_name(operation->state),
                      event_verdict_name(said->verdict), event_state_name(said->state));
    }
}

/* What a refused command tells of stocks. */
static void add_facts(struct orders *orders, uint32_t at)
{
    const struct history *history = orders->history;
    const struct operation *command = operation_at(orders, at);
    if (command->replayed || !is_on_stock(command->verdict)) {
        return;
    }
    witness_add_failed(orders->witness, at);
    for (uint32_t i = 0; command->function == FUNCTION_RESERVE && !command->add_lines &&
                         command->answered_count > 0 && i < command->asked_count;
         i++) {
        const struct history_line *line = &history->lines.items[command->asked + i];
        bool failed = false;
        for (uint32_t k = 0; k < command->answered_count; k++) {
            failed |= history->failed.items[command->answered + k].stock == line->stock;
        }
        if (!failed) {
            witness_add_fact(orders->witness, (struct witness_fact){key_of(command), line->quantity,
                                                                    line->stock, at, FACT_NEED});
        }
    }
}

/* Is `expired` the active world `active`, but for an expiry in front of this key? */
static bool is_expired_of(const struct orders *orders, const struct world *expired,
                          const struct world *active, uint64_t key)
{
    uint32_t at = expired->effects;
    while (at != NO_NODE && at != active->effects && orders->nodes.items[at].effect.expiry &&
           orders->nodes.items[at].effect.until == key) {
        at = orders->nodes.items[at].next;
    }
    return expired->order.state == HF_STATE_EXPIRED && active->order.state == HF_STATE_ACTIVE &&
           at == active->effects;
}

/* A Deduct that reacquires does the same to all stocks, and leaves the same order, whether a hold
 * ended or not, if it ended at the last moment. So of two worlds behind it, orders->next[], that
 * were the same before but for that, the one whose hold went on says nothing of its own. Together
 * they would leave open which deduction there was, and so, whether there was any. */
static bool is_said_by_other(const struct orders *orders, const uint32_t *befores, uint32_t kept,
                             uint32_t which, uint32_t at)
{
    const struct operation *command = operation_at(orders, at);
    const struct world *world = &orders->next[which];
    if (command->function != FUNCTION_DEDUCT || !command->reacquire || command->replayed ||
        command->verdict != HF_OK) {
        return false;
    }
    for (uint32_t i = 0; i < kept; i++) {
        const struct world *other = &orders->next[i];
        if (is_expired_of(orders, &orders->worlds[befores[i]], &orders->worlds[befores[which]],
                          key_of(command)) &&
            other->used == world->used && other->kept == world->kept &&
            other->done == world->done && other->refused == world->refused &&
            order_states_equal(&other->order, &world->order)) {
            return true;
        }
    }
    return false;
}

static bool replay_answers(struct orders *orders)
{
    uint32_t befores[WORLDS]; /* of orders->next: the world that it was */
    bool said_by_other[WORLDS];
    uint64_t before = 0;
    for (uint32_t place = 0; place < orders->answer_count; place++) {
        uint32_t at = orders->answers[place];
        uint64_t key = key_of(operation_at(orders, at));
        struct order_answer said;
        struct order_answer first = {0};
        uint32_t kept = 0;
        if (key != before) {
            grow(orders, before, key);
        }
        for (uint32_t i = 0; i < orders->count; i++) {
            world_copy(&orders->next[kept], &orders->worlds[i]);
            if (takes(orders, &orders->next[kept], at, &said)) {
                befores[kept++] = i;
            }
            first = i == 0 ? said : first;
        }
        if (kept == 0) {
            complain(orders, place, &first);
            return false;
        }
        for (uint32_t i = 0; i < kept; i++) {
            said_by_other[i] = is_said_by_other(orders, befores, kept, i, at);
        }
        orders->count = 0;
        for (uint32_t i = 0; i < kept; i++) {
            if (!said_by_other[i]) {
                add_world(orders, &orders->next[i]);
            }
        }
        add_facts(orders, at);
        before = key;
    }
    grow(orders, before, KEY_NEVER);
    return true;
}

/* ---- what all worlds together say ---- */

static struct witness_effect *find_effect(struct witness *witness, uint32_t first,
                                          const struct witness_effect *effect)
{
    for (uint32_t i = first; i < witness->effects.count; i++) {
        struct witness_effect *other = &witness->effects.items[i];
        if (other->operation == effect->operation && other->stock == effect->stock &&
            other->on_hand == effect->on_hand && other->reserved == effect->reserved &&
            other->expiry == effect->expiry && other->need == effect->need) {
            return other;
        }
    }
    return NULL;
}

static bool world_has(const struct orders *orders, const struct world *world,
                      const struct witness_effect *effect)
{
    for (uint32_t at = world->effects; at != NO_NODE; at = orders->nodes.items[at].next) {
        const struct witness_effect *other = &orders->nodes.items[at].effect;
        if (other->operation == effect->operation && other->stock == effect->stock &&
            other->on_hand == effect->on_hand && other->reserved == effect->reserved &&
            other->expiry == effect->expiry) {
            return true;
        }
    }
    return false;
}

static void tell_effects(struct orders *orders)
{
    struct witness *witness = orders->witness;
    uint32_t first = witness->effects.count;
    for (uint32_t i = 0; i < orders->count; i++) {
        for (uint32_t at = orders->worlds[i].effects; at != NO_NODE;
             at = orders->nodes.items[at].next) {
            const struct witness_effect *effect = &orders->nodes.items[at].effect;
            struct witness_effect *known =
                orders->count > 1 ? find_effect(witness, first, effect) : NULL;
            if (known == NULL) {
                witness_add_effect(witness, *effect);
                continue;
            }
            known->from = effect->from < known->from ? effect->from : known->from;
            known->until = effect->until > known->until ? effect->until : known->until;
        }
    }
    for (uint32_t i = first; i < witness->effects.count && orders->count > 1; i++) {
        struct witness_effect *effect = &witness->effects.items[i];
        for (uint32_t k = 0; k < orders->count; k++) {
            effect->sure &= world_has(orders, &orders->worlds[k], effect);
        }
    }
}

static void replay_order(struct orders *orders)
{
    orders->count = 1;
    orders->worlds[0] = (struct world){.effects = NO_NODE};
    orders->nodes.count = 0;
    orders->request_count = 0;
    orders->dropped = false;
    if (orders->hidden_count > HIDDEN) {
        check_unknown(orders->witness->check, CHECK_NAMES(orders->hidden[0]),
                      "an order with %u operations of unknown outcome", orders->hidden_count);
        orders->witness->broken = true;
        return;
    }
    if (!replay_answers(orders)) {
        orders->witness->broken = true;
        return;
    }
    if (orders->dropped) {
        orders->witness->broken = true;
        check_unknown(orders->witness->check, CHECK_NAMES(any_operation(orders)),
                      "an order with too much that nobody knows");
    }
    tell_effects(orders);
}

/* ---- all orders ---- */

/* Groups by order: firsts[o] .. firsts[o + 1] of `grouped` are those of order o. */
static uint32_t *group(const struct history *history, const uint32_t *operations, uint32_t count,
                       uint32_t *firsts)
{
    uint32_t orders = history->texts.count;
    uint32_t *grouped = memory_alloc((count + 1u) * sizeof *grouped);
    uint32_t *next = memory_zalloc((orders + 1u) * sizeof *next);
    for (uint32_t i = 0; i < count; i++) {
        next[history->operations.items[operations[i]].order]++;
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < orders; i++) {
        uint32_t here = next[i];
        firsts[i] = next[i] = at;
        at += here;
    }
    firsts[orders] = at;
    for (uint32_t i = 0; i < count; i++) {
        grouped[next[history->operations.items[operations[i]].order]++] = operations[i];
    }
    free(next);
    return grouped;
}

static bool is_of_order(const struct operation *operation)
{
    return operation->order != NAME_NONE &&
           (function_is_order_command((enum event_function)operation->function) ||
            operation->function == FUNCTION_READ_ORDER);
}

void witness_orders(struct witness *witness, const uint32_t *sorted, uint32_t count)
{
    const struct history *history = witness->history;
    uint32_t names = history->texts.count;
    struct orders *orders = memory_zalloc(sizeof *orders);
    uint32_t *of_orders = memory_alloc((count + 1u) * sizeof *of_orders);
    uint32_t *hidden = memory_alloc((history->operations.count + 1u) * sizeof *hidden);
    uint32_t *answer_firsts = memory_alloc((names + 1u) * sizeof *answer_firsts);
    uint32_t *hidden_firsts = memory_alloc((names + 1u) * sizeof *hidden_firsts);
    uint32_t answered = 0;
    uint32_t hidden_count = 0;
    orders->witness = witness;
    orders->history = history;
    for (uint32_t i = 0; i < count; i++) {
        if (is_of_order(&history->operations.items[sorted[i]])) {
            of_orders[answered++] = sorted[i];
        }
    }
    for (uint32_t i = 0; i < history->operations.count; i++) {
        const struct operation *operation = &history->operations.items[i];
        if (is_of_order(operation) && witness_is_hidden(operation)) {
            hidden[hidden_count++] = i;
        }
    }
    uint32_t *answers = group(history, of_orders, answered, answer_firsts);
    uint32_t *hiddens = group(history, hidden, hidden_count, hidden_firsts);
    uint64_t seen = 0;
    for (uint32_t name = 0; name < names; name++) {
        orders->answers = answers + answer_firsts[name];
        orders->answer_count = answer_firsts[name + 1] - answer_firsts[name];
        orders->hidden = hiddens + hidden_firsts[name];
        orders->hidden_count = hidden_firsts[name + 1] - hidden_firsts[name];
        if (orders->answer_count + orders->hidden_count > 0) {
            seen++;
            replay_order(orders);
        }
    }
    check_add_fact(witness->check, "orders", (int64_t)seen);
    free(answers);
    free(hiddens);
    free(of_orders);
    free(hidden);
    free(answer_firsts);
    free(hidden_firsts);
    free(orders->nodes.items);
    free(orders);
}
