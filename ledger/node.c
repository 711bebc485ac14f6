/*
 * node.c - RegisterNode: the first incarnation registered under a node id stays. A node that comes
 * back with another one has lost its disk, and with it the promises that the cluster counts on: it
 * is refused.
 */
#include "machine.h"

static bool load_node(struct ledger *ledger, uint64_t node_id, struct node_record *node,
                      bool *found, struct error *error)
{
    struct ledger_key key = ledger_key_node(node_id);
    struct bytes value;
    if (!ledger_load(ledger, &key, &value, found, error)) {
        return false;
    }
    return !*found || node_record_decode(value, node, error);
}

bool ledger_register_node(struct ledger *ledger, const struct ledger_command *command,
                          struct ledger_result *result, struct error *error)
{
    struct node_record node = {0};
    bool found;
    if (!load_node(ledger, command->node_id, &node, &found, error)) {
        return false;
    }
    if (found) {
        bool same = node.incarnation == command->incarnation;
        result->verdict = same ? LEDGER_OK : LEDGER_ALREADY_EXISTS;
        result->replayed = same;
        return true;
    }
    result->verdict = LEDGER_OK;
    node = (struct node_record){command->incarnation, ledger_now_ms(ledger)};
    struct ledger_key key = ledger_key_node(command->node_id);
    struct buffer *value = ledger_value(ledger);
    node_record_encode(value, &node);
    return ledger_put(ledger, &key, NULL, buffer_bytes(value), NULL, error);
}

bool ledger_node_incarnation(struct ledger *ledger, uint64_t node_id, uint64_t *incarnation,
                             bool *found, struct error *error)
{
    struct node_record node = {0};
    if (!load_node(ledger, node_id, &node, found, error)) {
        return false;
    }
    *incarnation = node.incarnation;
    return true;
}
