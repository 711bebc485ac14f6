/*
 * verdict.h - every answer the ledger can give, in one table: name, number (as in
 * proto/holdfast/v1/ledger.proto, forever), the HTTP status of the JSON face, and the words for
 * people.
 */
#ifndef LEDGER_VERDICT_H
#define LEDGER_VERDICT_H

#define LEDGER_VERDICTS(X)                                                                         \
    X(OK, 1, 200, "done")                                                                          \
    X(SKU_NOT_FOUND, 2, 404, "this SKU has no stock in this warehouse")                            \
    X(WAREHOUSE_NOT_FOUND, 3, 404, "no such warehouse")                                            \
    X(WAREHOUSE_DISABLED, 4, 409, "the warehouse takes no new holds")                              \
    X(ALREADY_EXISTS, 5, 409, "it exists already")                                                 \
    X(INSUFFICIENT_STOCK, 6, 409, "not enough stock is available")                                 \
    X(VERSION_MISMATCH, 7, 409, "the stock's version is not the expected one")                     \
    X(BELOW_RESERVED, 8, 409, "on_hand would fall below what orders hold")                         \
    X(OVERFLOW, 9, 422, "a quantity would exceed 2^53-1")                                          \
    X(ORDER_NOT_FOUND, 10, 404, "no such order")                                                   \
    X(ORDER_CONFLICT, 11, 409, "the order exists with other lines")                                \
    X(ORDER_EXPIRED, 12, 409, "the order's hold has expired")                                      \
    X(ORDER_RELEASED, 13, 409, "the order was released")                                           \
    X(ORDER_DEDUCTED, 14, 409, "the order was deducted")                                           \
    X(ORDER_RETURNED, 15, 409, "the order was returned")                                           \
    X(QUANTITY_EXCEEDS_OPEN, 16, 409, "a line asks for more than the order still holds")           \
    X(COUNT_STALE, 17, 409, "the stock changed since it was captured")                             \
    X(COUNT_CLOSED, 18, 409, "the count is closed")                                                \
    X(TRANSFER_STATE, 19, 409, "the transfer is not in a state for this")                          \
    X(LIMIT_EXCEEDED, 20, 422, "beyond what the ledger's limits allow")                            \
    X(IDEMPOTENCY_MISMATCH, 21, 422, "this request id was used with other fields")                 \
    X(REQUEST_EXPIRED, 22, 410, "the request is too old to be told from a repetition")             \
    X(MALFORMED_COMMAND, 23, 400, "the command breaks a rule of form")

enum ledger_verdict {
    LEDGER_VERDICT_UNSPECIFIED = 0,
#define X(name, number, http, text) LEDGER_##name = (number),
    LEDGER_VERDICTS(X)
#undef X
};

/* "INSUFFICIENT_STOCK" and "not enough stock is available"; for a number outside the table
 * "VERDICT_UNSPECIFIED" and "". */
const char *ledger_verdict_name(enum ledger_verdict verdict);
const char *ledger_verdict_text(enum ledger_verdict verdict);
int ledger_verdict_http_status(enum ledger_verdict verdict);

#endif
