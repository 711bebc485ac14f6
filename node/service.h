/*
 * service.h - the methods of holdfast.v1.Ledger and holdfast.v1.Cluster, as a table for the rpc
 * server. A handler's context is the struct node.
 */
#ifndef NODE_SERVICE_H
#define NODE_SERVICE_H

#include "rpc/server.h"

struct node;

extern const struct rpc_method service_methods[];
extern const size_t service_method_count;

/* ledger_service.c */
void ledger_service_set_stock(void *context, struct rpc_call *call, struct bytes message);
void ledger_service_adjust_stock(void *context, struct rpc_call *call, struct bytes message);
void ledger_service_reserve(void *context, struct rpc_call *call, struct bytes message);
void ledger_service_deduct(void *context, struct rpc_call *call, struct bytes message);
void ledger_service_release(void *context, struct rpc_call *call, struct bytes message);
void ledger_service_execute(void *context, struct rpc_call *call, struct bytes message);
void ledger_service_get_stock(void *context, struct rpc_call *call, struct bytes message);
void ledger_service_batch_get_stock(void *context, struct rpc_call *call, struct bytes message);
void ledger_service_check_stock(void *context, struct rpc_call *call, struct bytes message);
void ledger_service_list_stock(void *context, struct rpc_call *call, struct bytes message);
void ledger_service_get_order(void *context, struct rpc_call *call, struct bytes message);
void ledger_service_list_history(void *context, struct rpc_call *call, struct bytes message);

/* cluster_service.c */
void cluster_service_status(void *context, struct rpc_call *call, struct bytes message);
void cluster_service_verify(void *context, struct rpc_call *call, struct bytes message);
void cluster_service_add_server(void *context, struct rpc_call *call, struct bytes message);
void cluster_service_promote_server(void *context, struct rpc_call *call, struct bytes message);
void cluster_service_remove_server(void *context, struct rpc_call *call, struct bytes message);
void cluster_service_transfer_leadership(void *context, struct rpc_call *call,
                                         struct bytes message);
void upgrade_service_raise(void *context, struct rpc_call *call, struct bytes message);
void snapshot_service_take(void *context, struct rpc_call *call, struct bytes message);

#endif
