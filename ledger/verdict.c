/*
 * verdict.c - names, words and HTTP statuses of verdicts, all from the one table in the header.
 */
#include "ledger/verdict.h"

const char *ledger_verdict_name(enum ledger_verdict verdict)
{
    switch (verdict) {
#define X(name, number, http, text)                                                                \
    case LEDGER_##name:                                                                            \
        return #name;
        LEDGER_VERDICTS(X)
#undef X
    case LEDGER_VERDICT_UNSPECIFIED:
        break;
    }
    return "VERDICT_UNSPECIFIED";
}

const char *ledger_verdict_text(enum ledger_verdict verdict)
{
    switch (verdict) {
#define X(name, number, http, text)                                                                \
    case LEDGER_##name:                                                                            \
        return text;
        LEDGER_VERDICTS(X)
#undef X
    case LEDGER_VERDICT_UNSPECIFIED:
        break;
    }
    return "";
}

int ledger_verdict_http_status(enum ledger_verdict verdict)
{
    switch (verdict) {
#define X(name, number, http, text)                                                                \
    case LEDGER_##name:                                                                            \
        return http;
        LEDGER_VERDICTS(X)
#undef X
    case LEDGER_VERDICT_UNSPECIFIED:
        break;
    }
    return 500; /* a reply without a verdict is a fault of the server */
}
