/*
 * service.c - the table of methods: path -> handler. One line a method, in the order of the .proto
 * files.
 */
#include "service.h"

#define LEDGER(name)  "/holdfast.v1.Ledger/" name
#define CLUSTER(name) "/holdfast.v1.Cluster/" name

const struct rpc_method service_methods[] = {
    {LEDGER("SetStock"), ledger_service_set_stock},
    {LEDGER("AdjustStock"), ledger_service_adjust_stock},
    {LEDGER("Reserve"), ledger_service_reserve},
    {LEDGER("Deduct"), ledger_service_deduct},
    {LEDGER("Release"), ledger_service_release},
    {LEDGER("Execute"), ledger_service_execute},
    {LEDGER("GetStock"), ledger_service_get_stock},
    {LEDGER("BatchGetStock"), ledger_service_batch_get_stock},
    {LEDGER("CheckStock"), ledger_service_check_stock},
    {LEDGER("ListStock"), ledger_service_list_stock},
    {LEDGER("GetOrder"), ledger_service_get_order},
    {LEDGER("ListHistory"), ledger_service_list_history},
    {CLUSTER("Status"), cluster_service_status},
    {CLUSTER("Verify"), cluster_service_verify},
    {CLUSTER("AddServer"), cluster_service_add_server},
    {CLUSTER("PromoteServer"), cluster_service_promote_server},
    {CLUSTER("RemoveServer"), cluster_service_remove_server},
    {CLUSTER("TransferLeadership"), cluster_service_transfer_leadership},
    {CLUSTER("TakeSnapshot"), snapshot_service_take},
    {CLUSTER("RaiseLedgerVersion"), upgrade_service_raise},
};

const size_t service_method_count = sizeof service_methods / sizeof service_methods[0];
