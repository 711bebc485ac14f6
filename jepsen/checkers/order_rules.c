/*
 * order_rules.c - Reserve, Deduct, Release and expiry of one order.
 *
 * Order of checks as the rules have it: the order's state, then its lines, then stocks.
 */
#include "order_rules.h"

/* The command's lines, those of one stock summed, in the order of their first. */
struct wanted {
    uint32_t count;
    struct {
        uint32_t stock;
        int64_t quantity;
    } items[ORDER_LINES];
};

static bool take_lines(struct wanted *wanted, const struct history *history,
                       const struct operation *command)
{
    wanted->count = 0;
    for (uint32_t i = 0; i < command->asked_count; i++) {
        const struct history_line *line = &history->lines.items[command->asked + i];
        uint32_t at = 0;
        while (at < wanted->count && wanted->items[at].stock != line->stock) {
            at++;
        }
        if (at == ORDER_LINES) {
            return false;
        }
        if (at == wanted->count) {
            wanted->items[wanted->count].stock = line->stock;
            wanted->items[wanted->count++].quantity = 0;
        }
        wanted->items[at].quantity += line->quantity;
    }
    return true;
}

static struct order_line_state *find_line(struct order_state *order, uint32_t stock)
{
    for (uint32_t i = 0; i < order->line_count; i++) {
        if (order->lines[i].stock == stock) {
            return &order->lines[i];
        }
    }
    return NULL;
}

static int64_t open_of(const struct order_line_state *line)
{
    return line->reserved - line->deducted - line->released - line->expired;
}

static void add_effect(struct order_effects *effects, struct order_effect effect)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        struct order_effect *same = &effects->items[i];
        if (same->stock == effect.stock) {
            same->on_hand += effect.on_hand;
            same->reserved += effect.reserved;
            same->need += effect.need;
            return;
        }
    }
    effects->items[effects->count++] = effect;
}

static int closed_verdict(uint8_t state)
{
    switch (state) {
    case HF_STATE_DEDUCTED:
        return HF_ORDER_DEDUCTED;
    case HF_STATE_RELEASED:
        return HF_ORDER_RELEASED;
    case HF_STATE_EXPIRED:
        return HF_ORDER_EXPIRED;
    default:
        return HF_ORDER_RETURNED;
    }
}

/* The act that closed the last unit is the order's state. */
static void settle(struct order_state *order, uint8_t act)
{
    for (uint32_t i = 0; i < order->line_count; i++) {
        if (open_of(&order->lines[i]) > 0) {
            return;
        }
    }
    order->state = act;
}

static void give_back(struct order_state *order, bool expired, struct order_effects *effects)
{
    for (uint32_t i = 0; i < order->line_count; i++) {
        struct order_line_state *line = &order->lines[i];
        int64_t open = open_of(line);
        if (open > 0) {
            *(expired ? &line->expired : &line->released) += open;
            add_effect(effects, (struct order_effect){line->stock, 0, -open, 0});
        }
    }
    settle(order, expired ? HF_STATE_EXPIRED : HF_STATE_RELEASED);
}

void order_expire(struct order_state *order, struct order_effects *effects)
{
    effects->count = 0;
    give_back(order, true, effects);
}

/* ---- Reserve ---- */

/* Does the order have other lines, or the same with other quantities? */
static bool conflicts(struct order_state *order, const struct wanted *wanted, bool add_lines)
{
    if (!add_lines && wanted->count != order->line_count) {
        return true;
    }
    for (uint32_t i = 0; i < wanted->count; i++) {
        const struct order_line_state *line = find_line(order, wanted->items[i].stock);
        if (line == NULL ? !add_lines : line->reserved != wanted->items[i].quantity) {
            return true;
        }
    }
    return false;
}

static bool reserve(struct order_state *order, const struct wanted *wanted, bool add_lines,
                    struct order_answer *answer, struct order_effects *effects)
{
    if (order->state != HF_STATE_NONE && order->state != HF_STATE_ACTIVE) {
        answer->verdict = closed_verdict(order->state);
        return true;
    }
    if (order->state == HF_STATE_ACTIVE && conflicts(order, wanted, add_lines)) {
        answer->verdict = HF_ORDER_CONFLICT;
        return true;
    }
    for (uint32_t i = 0; i < wanted->count; i++) {
        uint32_t stock = wanted->items[i].stock;
        int64_t quantity = wanted->items[i].quantity;
        if (find_line(order, stock) != NULL) {
            continue;
        }
        if (order->line_count == ORDER_LINES) {
            return false;
        }
        order->lines[order->line_count++] = (struct order_line_state){stock, quantity, 0, 0, 0};
        add_effect(effects, (struct order_effect){stock, 0, quantity, quantity});
    }
    answer->verdict = HF_OK;
    answer->replayed = effects->count == 0;
    answer->on_stock = effects->count > 0;
    order->state = HF_STATE_ACTIVE;
    return true;
}

/* ---- Deduct and Release ---- */

static int64_t takeable(const struct order_line_state *line, bool reacquire)
{
    return reacquire ? line->expired : open_of(line);
}

static bool has_all(struct order_state *order, const struct wanted *wanted, bool reacquire)
{
    for (uint32_t i = 0; i < wanted->count; i++) {
        const struct order_line_state *line = find_line(order, wanted->items[i].stock);
        if (line == NULL || takeable(line, reacquire) < wanted->items[i].quantity) {
            return false;
        }
    }
    return true;
}

static void want_all(struct order_state *order, struct wanted *wanted, bool reacquire)
{
    wanted->count = 0;
    for (uint32_t i = 0; i < order->line_count; i++) {
        int64_t quantity = takeable(&order->lines[i], reacquire);
        if (quantity > 0) {
            wanted->items[wanted->count].stock = order->lines[i].stock;
            wanted->items[wanted->count++].quantity = quantity;
        }
    }
}

static bool any_expired(const struct order_state *order)
{
    for (uint32_t i = 0; i < order->line_count; i++) {
        if (order->lines[i].expired > 0) {
            return true;
        }
    }
    return false;
}

static void deduct(struct order_state *order, struct wanted *wanted, bool whole,
                   const struct operation *command, struct order_answer *answer,
                   struct order_effects *effects)
{
    if (order->state == HF_STATE_NONE) {
        answer->verdict = HF_ORDER_NOT_FOUND;
        return;
    }
    if (whole && (order->state == HF_STATE_DEDUCTED || order->state == HF_STATE_RETURNED)) {
        answer->verdict = HF_OK;
        answer->replayed = true;
        return;
    }
    bool reacquire = order->state != HF_STATE_ACTIVE && command->reacquire && any_expired(order);
    if (order->state != HF_STATE_ACTIVE && !reacquire) {
        answer->verdict = closed_verdict(order->state);
        return;
    }
    if (whole) {
        want_all(order, wanted, reacquire);
    }
    if (!has_all(order, wanted, reacquire)) {
        answer->verdict = HF_QUANTITY_EXCEEDS_OPEN;
        return;
    }
    for (uint32_t i = 0; i < wanted->count; i++) {
        int64_t quantity = wanted->items[i].quantity;
        struct order_line_state *line = find_line(order, wanted->items[i].stock);
        line->deducted += quantity;
        line->expired -= reacquire ? quantity : 0;
        add_effect(effects, (struct order_effect){line->stock, -quantity, reacquire ? 0 : -quantity,
                                                  reacquire ? quantity : 0});
    }
    if (command->final && !reacquire) {
        give_back(order, false, effects);
    }
    settle(order, HF_STATE_DEDUCTED);
    answer->verdict = HF_OK;
    answer->on_stock = reacquire;
}

static void release(struct order_state *order, const struct wanted *wanted, bool whole,
                    struct order_answer *answer, struct order_effects *effects)
{
    answer->existed = order->state != HF_STATE_NONE && !order->tombstone;
    if (order->state == HF_STATE_NONE) {
        answer->verdict = whole ? HF_OK : HF_ORDER_NOT_FOUND;
        order->tombstone = whole;
        order->state = whole ? HF_STATE_RELEASED : HF_STATE_NONE;
        return;
    }
    if (whole && (order->state == HF_STATE_RELEASED || order->state == HF_STATE_EXPIRED)) {
        answer->verdict = HF_OK;
        answer->replayed = true;
        return;
    }
    if (order->state != HF_STATE_ACTIVE) {
        answer->verdict = closed_verdict(order->state);
        return;
    }
    if (!has_all(order, wanted, false)) {
        answer->verdict = HF_QUANTITY_EXCEEDS_OPEN;
        return;
    }
    answer->verdict = HF_OK;
    if (whole) {
        give_back(order, false, effects);
        return;
    }
    for (uint32_t i = 0; i < wanted->count; i++) {
        struct order_line_state *line = find_line(order, wanted->items[i].stock);
        line->released += wanted->items[i].quantity;
        add_effect(effects, (struct order_effect){line->stock, 0, -wanted->items[i].quantity, 0});
    }
    settle(order, HF_STATE_RELEASED);
}

bool order_apply(struct order_state *order, const struct history *history,
                 const struct operation *command, struct order_answer *answer,
                 struct order_effects *effects)
{
    struct wanted wanted;
    bool fits = true;
    *answer = (struct order_answer){.verdict = 0};
    effects->count = 0;
    if (!take_lines(&wanted, history, command)) {
        return false;
    }
    bool whole = wanted.count == 0;
    switch (command->function) {
    case FUNCTION_RESERVE:
        fits = reserve(order, &wanted, command->add_lines, answer, effects);
        break;
    case FUNCTION_DEDUCT:
        deduct(order, &wanted, whole, command, answer, effects);
        break;
    default:
        release(order, &wanted, whole, answer, effects);
        break;
    }
    answer->state = order->state;
    return fits;
}

/* ---- comparing ---- */

bool order_matches(const struct order_state *order, const struct history *history,
                   const struct operation *read)
{
    if (read->verdict != HF_OK) {
        return order->state == HF_STATE_NONE;
    }
    if (order->state != read->state || order->line_count != read->answered_count) {
        return false;
    }
    for (uint32_t i = 0; i < read->answered_count; i++) {
        const struct history_order_line *seen = &history->order_lines.items[read->answered + i];
        const struct order_line_state *line = find_line((struct order_state *)order, seen->stock);
        if (line == NULL || line->reserved != seen->reserved || line->deducted != seen->deducted ||
            line->released != seen->released || line->expired != seen->expired ||
            seen->returned != 0) {
            return false;
        }
    }
    return true;
}

bool order_states_equal(const struct order_state *a, const struct order_state *b)
{
    if (a->state != b->state || a->tombstone != b->tombstone || a->line_count != b->line_count) {
        return false;
    }
    for (uint32_t i = 0; i < a->line_count; i++) {
        const struct order_line_state *one = &a->lines[i];
        const struct order_line_state *other = &b->lines[i];
        if (one->stock != other->stock || one->reserved != other->reserved ||
            one->deducted != other->deducted || one->released != other->released ||
            one->expired != other->expired) {
            return false;
        }
    }
    return true;
}

void order_copy(struct order_state *to, const struct order_state *from)
{
    to->state = from->state;
    to->tombstone = from->tombstone;
    to->line_count = from->line_count;
    memcpy(to->lines, from->lines, from->line_count * sizeof *from->lines);
}

bool commands_equal(const struct history *history, const struct operation *a,
                    const struct operation *b)
{
    struct wanted left;
    struct wanted right;
    if (a->function != b->function || a->order != b->order || a->final != b->final ||
        a->reacquire != b->reacquire || a->add_lines != b->add_lines) {
        return false;
    }
    if (a->function == FUNCTION_SET_STOCK || a->function == FUNCTION_ADJUST_STOCK) {
        return operation_stock(history, a) == operation_stock(history, b) &&
               operation_quantity(history, a) == operation_quantity(history, b) &&
               a->has_expected_version == b->has_expected_version &&
               (!a->has_expected_version || a->number == b->number);
    }
    if (!take_lines(&left, history, a) || !take_lines(&right, history, b) ||
        left.count != right.count) {
        return false;
    }
    for (uint32_t i = 0; i < left.count; i++) {
        uint32_t at = 0;
        while (at < right.count && right.items[at].stock != left.items[i].stock) {
            at++;
        }
        if (at == right.count || right.items[at].quantity != left.items[i].quantity) {
            return false;
        }
    }
    return true;
}
