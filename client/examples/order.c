/*
 * order.c - one order from hold to sale, with libholdfast.
 *
 *     cc order.c $(pkg-config --cflags --libs holdfast) -o order
 *     ./order 127.0.0.1:7070 order-17
 *
 * Takes two units of the SKU "mug" and one of "plate", and says what became of them. Run it again
 * with the same order id: ORDER_DEDUCTED, for nothing is sold twice. Exit 0: sold; 1: refused; 3:
 * not known, try again.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#include <holdfast/holdfast.h> /* the only header there is */

/* Creates a SKU with 100 units on hand, unless it is there already. */
static hf_verdict create_stock(hf_client *client, const char *sku)
{
    /* Every command is a struct; what is not named is zero, and zero means "the default". */
    hf_command command = {
        .kind = HF_SET_STOCK,
        .sku = sku,
        .quantity = 100,
        .has_expected_version = true, /* compare and set: only if its version is ... */
        .expected_version = 0,        /* ... 0, which is to say: if there is no such stock */
        .reason = "EXAMPLE",
    };
    /* The last two: time limits (NULL: the client's), and where to put the details (NULL: nowhere).
     */
    hf_verdict verdict = hf_call(client, &command, NULL, NULL);
    /* The verdict is the return value. Refused because it exists: that is as good. */
    return verdict == HF_ALREADY_EXISTS ? HF_OK : verdict;
}

/* Stands for a payment service; yours may take minutes, and the hold lasts as long as its ttl. */
static bool pay(const char *order_id)
{
    printf("%s: paid\n", order_id);
    return true;
}

/* Details of a refusal: which lines could not be had. */
static void print_refusal(const hf_result *result)
{
    printf("not held: %s\n", result->message);
    for (size_t i = 0; i < result->failed_line_count; i++) {
        const hf_failed_line *line = &result->failed_lines[i];
        printf("  %s: %" PRId64 " wanted, %" PRId64 " available\n", line->sku, line->requested,
               line->available);
    }
}

/* Hold, pay, sell. */
static hf_verdict sell(hf_client *client, const char *order_id)
{
    /* SKU, warehouse, quantity. */
    const hf_line lines[] = {{"mug", 1, 2}, {"plate", 1, 1}};

    /* Holds both lines or none, for 15 minutes. The order id is the command's identity: whatever
     * happens on the way, and however often this runs, the order holds its units once. */
    hf_result *result = NULL;
    hf_verdict verdict = hf_reserve(client, order_id, lines, 2, INT64_C(900000), &result);
    if (verdict != HF_OK) {
        print_refusal(result);
        hf_free(result); /* whatever the library hands out is freed so */
        return verdict;
    }
    printf("%s: held%s\n", order_id, result->replayed ? " (by an earlier run)" : "");
    hf_free(result);

    /* No payment: give the hold back. A release that is lost is no harm: the hold expires. */
    if (!pay(order_id)) {
        return hf_release(client, order_id, NULL);
    }

    /* Payment is there: turn the hold into a sale. */
    verdict = hf_deduct(client, order_id, NULL);
    printf("%s: %s\n", order_id, verdict == HF_OK ? "sold" : hf_verdict_text(verdict));
    return verdict;
}

/* What is left of a SKU. Reads are linearizable: they see every command that returned before. */
static void print_stock(hf_client *client, const char *sku)
{
    hf_stock_list *list = NULL;
    if (hf_get_stock(client, sku, 1, NULL, &list) == HF_OK) {
        const hf_stock *stock = &list->items[0].stock;
        printf("%s: %" PRId64 " on hand, %" PRId64 " held, %" PRId64 " available\n", sku,
               stock->on_hand, stock->reserved, stock->available);
    }
    hf_free(list); /* set with every verdict; NULL would be fine, too */
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s host:port,host:port,... ORDER\n", argv[0]);
        return 2;
    }

    hf_options options;
    hf_options_init(&options);       /* every field at its default */
    options.endpoints = argv[1];     /* any nodes of the cluster; the leader is found from them */
    options.timeout_ms = 5000;       /* for a call with all its retries */
    options.actor = "order-example"; /* who did it, in the history */

    /* One client for the whole process; all threads may use it. It connects when it is needed. */
    hf_client *client = hf_client_open(&options);
    if (client == NULL) {
        fprintf(stderr, "%s\n", hf_last_error());
        return 2;
    }

    hf_verdict verdict = create_stock(client, "mug");
    if (verdict == HF_OK) {
        verdict = create_stock(client, "plate");
    }
    if (verdict == HF_OK) {
        verdict = sell(client, argv[2]);
    }
    if (verdict == HF_OK) {
        print_stock(client, "mug");
        print_stock(client, "plate");
    }

    /* Positive verdicts are answers, negative ones say that there is none. Both have words. */
    if (verdict != HF_OK) {
        fprintf(stderr, "%s: %s\n", hf_verdict_name(verdict), hf_verdict_text(verdict));
    }
    hf_client_close(client);
    return verdict == HF_OK ? 0 : verdict > 0 ? 1 : 3;
}
