/*
 * test_orders.c - Reserve, Deduct and Release: what each is answered in each state of an order, and
 * an order's life by quantities.
 */
#include "fixture.h"

static const struct fixture_case cases[] = {
    /* ---- reserve ---- */
    {"reserve holds all lines", "set A 10            => OK 10/0 v1\n"
                                "set B 5             => OK 5/0 v1\n"
                                "reserve o B=5 A=4   => OK ACTIVE\n"
                                "stock A             => 10/4 v1\n"
                                "stock B             => 5/5 v1\n"
                                "order o             => ACTIVE A=4:0/0/0 B=5:0/0/0\n"
                                "history B           => SET(5,0) RESERVE(5,5)\n"},
    {"all or nothing, and the refusal lists every failing line in order of appearance",
     "set A 10 => OK 10/0 v1\n"
     "set B 5  => OK 5/0 v1\n"
     "set C 1  => OK 1/0 v1\n"
     "reserve o Z=1 B=6 A=10 C=2 => SKU_NOT_FOUND | Z 1>0 SKU_NOT_FOUND | B 6>5 "
     "INSUFFICIENT_STOCK | C 2>1 INSUFFICIENT_STOCK\n"
     "reserve o B=6 Z=1 => INSUFFICIENT_STOCK | B 6>5 INSUFFICIENT_STOCK | Z 1>0 SKU_NOT_FOUND\n"
     "stock A  => 10/0 v1\n"
     "stock B  => 5/0 v1\n"
     "history A => SET(10,0)\n"
     "order o  => absent\n"
     "count E  => 0\n"},
    {"a refused reserve does not burn the order id", "set A 3       => OK 3/0 v1\n"
                                                     "reserve o A=4 => INSUFFICIENT_STOCK | A 4>3 "
                                                     "INSUFFICIENT_STOCK\n"
                                                     "adjust A +1   => OK 4/0 v2\n"
                                                     "reserve o A=4 => OK ACTIVE\n"},
    {"duplicate lines are summed first", "set A 10              => OK 10/0 v1\n"
                                         "set B 10              => OK 10/0 v1\n"
                                         "reserve o A=6 B=1 A@1=5 => INSUFFICIENT_STOCK | A 11>10 "
                                         "INSUFFICIENT_STOCK\n"
                                         "reserve o A=6 B=1 A@1=4 => OK ACTIVE\n"
                                         "order o               => ACTIVE A=10:0/0/0 B=1:0/0/0\n"
                                         "reserve o A=10 B=1    => OK replayed ACTIVE\n"},
    {"sums that overflow", "set A 10 => OK 10/0 v1\n"
                           "reserve o A=9007199254740991 A=1 => OVERFLOW\n"
                           "reserve o A=9007199254740991 => INSUFFICIENT_STOCK | A "
                           "9007199254740991>10 INSUFFICIENT_STOCK\n"},
    {"warehouses are told apart", "set A 1          => OK 1/0 v1\n"
                                  "set A@2 5        => OK 5/0 v1\n"
                                  "reserve o A=1 A@2=6 => INSUFFICIENT_STOCK | A@2 6>5 "
                                  "INSUFFICIENT_STOCK\n"
                                  "reserve o A=1 A@2=5 => OK ACTIVE\n"
                                  "order o          => ACTIVE A=1:0/0/0 A@2=5:0/0/0\n"},
    {"same order again, same lines", "set A 10                    => OK 10/0 v1\n"
                                     "reserve o A=4              => OK ACTIVE\n"
                                     "reserve o A=3 A=1 ttl=1h actor=x reason=y => OK replayed "
                                     "ACTIVE\n"
                                     "stock A                    => 10/4 v1\n"
                                     "history A                  => SET(10,0) RESERVE(10,4)\n"},
    {"same order again, other lines", "set A 10          => OK 10/0 v1\n"
                                      "set B 10          => OK 10/0 v1\n"
                                      "reserve o A=4     => OK ACTIVE\n"
                                      "reserve o A=5     => ORDER_CONFLICT ACTIVE\n"
                                      "reserve o B=4     => ORDER_CONFLICT ACTIVE\n"
                                      "reserve o A@2=4   => ORDER_CONFLICT ACTIVE\n"
                                      "reserve o A=4 B=1 => ORDER_CONFLICT ACTIVE\n"
                                      "stock A           => 10/4 v1\n"},
    {"same lines replay on an order that is partly deducted",
     "set A 10       => OK 10/0 v1\n"
     "reserve o A=4  => OK ACTIVE\n"
     "deduct o A=1   => OK ACTIVE\n"
     "reserve o A=4  => OK replayed ACTIVE\n"
     "reserve o A=3  => ORDER_CONFLICT ACTIVE\n"},
    {"reserve an order that is closed", "set A 10      => OK 10/0 v1\n"
                                        "reserve d A=1 => OK ACTIVE\n"
                                        "deduct d      => OK DEDUCTED\n"
                                        "reserve d A=1 => ORDER_DEDUCTED DEDUCTED\n"
                                        "reserve r A=1 => OK ACTIVE\n"
                                        "release r     => OK RELEASED existed\n"
                                        "reserve r A=1 => ORDER_RELEASED RELEASED\n"
                                        "reserve e A=1 ttl=1s => OK ACTIVE\n"
                                        "wait 1001ms\n"
                                        "reserve e A=1 => ORDER_EXPIRED EXPIRED\n"
                                        "stock A       => 9/0 v2\n"},
    {"form of a reserve", "reserve o        => MALFORMED_COMMAND\n"
                          "reserve o A=0    => MALFORMED_COMMAND\n"
                          "reserve o A=1 ttl=0s => MALFORMED_COMMAND\n"
                          "reserve o A=1 ttl=-1s => MALFORMED_COMMAND\n"},
    {"a hold lasts seven days at most",
     "set A 10 => OK 10/0 v1\n"
     "reserve o A=1 ttl=604800001ms => LIMIT_EXCEEDED\n"
     "reserve o A=9007199254740991 A=1 ttl=8d => LIMIT_EXCEEDED\n"
     "reserve o A=0 ttl=8d => MALFORMED_COMMAND\n"
     "reserve o A=1 ttl=7d => OK ACTIVE\n"
     "order o => ACTIVE A=1:0/0/0\n"},

    /* ---- add lines ---- */
    {"two documents reserve under one order", "set A 10          => OK 10/0 v1\n"
                                              "set B 10          => OK 10/0 v1\n"
                                              "set C 10          => OK 10/0 v1\n"
                                              "reserve o B=2 add => OK ACTIVE\n"
                                              "reserve o A=1 add => OK ACTIVE\n"
                                              "reserve o B=2 add => OK replayed ACTIVE\n"
                                              "reserve o A=1 C=3 add => OK ACTIVE\n"
                                              "order o           => ACTIVE A=1:0/0/0 B=2:0/0/0 "
                                              "C=3:0/0/0\n"
                                              "reserve o A=1 B=2 C=3 => OK replayed ACTIVE\n"
                                              "stock B           => 10/2 v1\n"
                                              "history C         => SET(10,0) RESERVE(10,3)\n"},
    {"a line that is there with another quantity conflicts",
     "set A 10              => OK 10/0 v1\n"
     "set B 10              => OK 10/0 v1\n"
     "reserve o A=2 add     => OK ACTIVE\n"
     "reserve o A=3 B=1 add => ORDER_CONFLICT ACTIVE\n"
     "stock B               => 10/0 v1\n"
     "reserve o A=1 A=1 B=1 add => OK ACTIVE\n"},
    {"added lines that are not available leave the order as it is",
     "set A 10          => OK 10/0 v1\n"
     "reserve o A=2 add => OK ACTIVE\n"
     "reserve o B=1 add => SKU_NOT_FOUND ACTIVE | B 1>0 SKU_NOT_FOUND\n"
     "order o           => ACTIVE A=2:0/0/0\n"},
    {"adding lines does not move the expiry", "set A 10 => OK 10/0 v1\n"
                                              "set B 10 => OK 10/0 v1\n"
                                              "reserve o A=2 add ttl=10s => OK ACTIVE\n"
                                              "wait 5s\n"
                                              "reserve o B=2 add ttl=10s => OK ACTIVE\n"
                                              "due      => 5001\n"
                                              "wait 5001ms\n"
                                              "tick\n"
                                              "order o  => EXPIRED A=2:0/0/2 B=2:0/0/2\n"
                                              "reserve o B=3 add => ORDER_EXPIRED EXPIRED\n"},

    /* ---- deduct ---- */
    {"deduct the whole order", "set A 10      => OK 10/0 v1\n"
                               "set B 5       => OK 5/0 v1\n"
                               "reserve o A=4 B=5 => OK ACTIVE\n"
                               "deduct o      => OK DEDUCTED\n"
                               "stock A       => 6/0 v2\n"
                               "stock B       => 0/0 v2\n"
                               "order o       => DEDUCTED A=4:4/0/0 B=5:5/0/0\n"
                               "history A     => SET(10,0) RESERVE(10,4) DEDUCT(6,0)\n"
                               "count E       => 0\n"},
    {"deduct again", "set A 10      => OK 10/0 v1\n"
                     "reserve o A=4 => OK ACTIVE\n"
                     "deduct o      => OK DEDUCTED\n"
                     "deduct o      => OK replayed DEDUCTED\n"
                     "deduct o reacquire => OK replayed DEDUCTED\n"
                     "history A     => SET(10,0) RESERVE(10,4) DEDUCT(6,0)\n"},
    {"deduct what was never seen, was released, has expired",
     "set A 10      => OK 10/0 v1\n"
     "deduct o      => ORDER_NOT_FOUND\n"
     "deduct o A=1  => ORDER_NOT_FOUND\n"
     "reserve r A=4 => OK ACTIVE\n"
     "release r     => OK RELEASED existed\n"
     "deduct r      => ORDER_RELEASED RELEASED\n"
     "deduct r A=1  => ORDER_RELEASED RELEASED\n"
     "deduct r reacquire => ORDER_RELEASED RELEASED\n"
     "reserve e A=4 ttl=1s => OK ACTIVE\n"
     "wait 2s\n"
     "deduct e      => ORDER_EXPIRED EXPIRED\n"
     "deduct e A=1  => ORDER_EXPIRED EXPIRED\n"
     "stock A       => 10/0 v1\n"},
    {"deduct in parts", "set A 10         => OK 10/0 v1\n"
                        "set B 10         => OK 10/0 v1\n"
                        "reserve o A=4 B=3 => OK ACTIVE\n"
                        "deduct o A=1     => OK ACTIVE\n"
                        "order o          => ACTIVE A=4:1/0/0 B=3:0/0/0\n"
                        "stock A          => 9/3 v2\n"
                        "deduct o B=3 A=2 => OK ACTIVE\n"
                        "deduct o A=1     => OK DEDUCTED\n"
                        "order o          => DEDUCTED A=4:4/0/0 B=3:3/0/0\n"
                        "deduct o A=1     => ORDER_DEDUCTED DEDUCTED\n"
                        "stock B          => 7/0 v2\n"},
    {"a whole deduct takes what is left", "set A 10     => OK 10/0 v1\n"
                                          "reserve o A=4 => OK ACTIVE\n"
                                          "deduct o A=1 => OK ACTIVE\n"
                                          "deduct o     => OK DEDUCTED\n"
                                          "order o      => DEDUCTED A=4:4/0/0\n"
                                          "history A    => SET(10,0) RESERVE(10,4) DEDUCT(9,3) "
                                          "DEDUCT(6,0)\n"},
    {"lines beyond what is open", "set A 10          => OK 10/0 v1\n"
                                  "set B 10          => OK 10/0 v1\n"
                                  "reserve o A=4 B=1 => OK ACTIVE\n"
                                  "deduct o B=1 C=1 A=5 => QUANTITY_EXCEEDS_OPEN ACTIVE | C 1>0 "
                                  "QUANTITY_EXCEEDS_OPEN | A 5>4 QUANTITY_EXCEEDS_OPEN\n"
                                  "deduct o A=3 A=2  => QUANTITY_EXCEEDS_OPEN ACTIVE | A 5>4 "
                                  "QUANTITY_EXCEEDS_OPEN\n"
                                  "release o A@2=1   => QUANTITY_EXCEEDS_OPEN ACTIVE existed | A@2 "
                                  "1>0 QUANTITY_EXCEEDS_OPEN\n"
                                  "order o           => ACTIVE A=4:0/0/0 B=1:0/0/0\n"
                                  "stock B           => 10/1 v1\n"},
    {"final releases the rest", "set A 10          => OK 10/0 v1\n"
                                "set B 10          => OK 10/0 v1\n"
                                "reserve o A=4 B=2 => OK ACTIVE\n"
                                "deduct o A=3 final => OK DEDUCTED\n"
                                "order o           => DEDUCTED A=4:3/1/0 B=2:0/2/0\n"
                                "stock A           => 7/0 v2\n"
                                "stock B           => 10/0 v1\n"
                                "history A         => SET(10,0) RESERVE(10,4) DEDUCT(7,1) "
                                "RELEASE(7,0)\n"
                                "deduct o          => OK replayed DEDUCTED\n"
                                "release o         => ORDER_DEDUCTED DEDUCTED existed\n"},
    {"final with nothing left, final of the whole", "set A 10           => OK 10/0 v1\n"
                                                    "reserve o A=4      => OK ACTIVE\n"
                                                    "deduct o A=4 final => OK DEDUCTED\n"
                                                    "reserve p A=4      => OK ACTIVE\n"
                                                    "deduct p final     => OK DEDUCTED\n"
                                                    "stock A            => 2/0 v3\n"},
    {"the act that closed the last unit is the state",
     "set A 10     => OK 10/0 v1\n"
     "reserve o A=4 => OK ACTIVE\n"
     "deduct o A=3 => OK ACTIVE\n"
     "release o A=1 => OK RELEASED existed\n"
     "order o      => RELEASED A=4:3/1/0\n"
     "deduct o     => ORDER_RELEASED RELEASED\n"
     "release o    => OK replayed RELEASED existed\n"
     "reserve p A=4 => OK ACTIVE\n"
     "release p A=3 => OK ACTIVE existed\n"
     "deduct p     => OK DEDUCTED\n"
     "order p      => DEDUCTED A=4:1/3/0\n"
     "release p    => ORDER_DEDUCTED DEDUCTED existed\n"
     "reserve q A=4 ttl=1s => OK ACTIVE\n"
     "deduct q A=1 => OK ACTIVE\n"
     "wait 2s\n"
     "deduct q     => ORDER_EXPIRED EXPIRED\n"
     "order q      => EXPIRED A=4:1/0/3\n"
     "stock A      => 5/0 v4\n"},

    /* ---- a late payment ---- */
    {"reacquire", "set A 10 => OK 10/0 v1\n"
                  "set B 10 => OK 10/0 v1\n"
                  "reserve o A=4 B=1 ttl=1s => OK ACTIVE\n"
                  "deduct o A=1 => OK ACTIVE\n"
                  "wait 2s\n"
                  "deduct o => ORDER_EXPIRED EXPIRED\n"
                  "deduct o reacquire => OK DEDUCTED\n"
                  "order o => DEDUCTED A=4:4/0/0 B=1:1/0/0\n"
                  "stock A => 6/0 v3\n"
                  "history B => SET(10,0) RESERVE(10,1) EXPIRE(10,0) DEDUCT(9,0)\n"
                  "deduct o reacquire => OK replayed DEDUCTED\n"
                  "count P => 4\n"},
    {"reacquire if stock allows", "set A 4 => OK 4/0 v1\n"
                                  "set B 9 => OK 9/0 v1\n"
                                  "reserve o A=4 B=1 ttl=1s => OK ACTIVE\n"
                                  "wait 2s\n"
                                  "reserve p A=1 => OK ACTIVE\n"
                                  "deduct o reacquire => INSUFFICIENT_STOCK EXPIRED | A 4>3 "
                                  "INSUFFICIENT_STOCK\n"
                                  "order o => EXPIRED A=4:0/0/4 B=1:0/0/1\n"
                                  "release p => OK RELEASED existed\n"
                                  "deduct o reacquire => OK DEDUCTED\n"
                                  "stock A => 0/0 v2\n"},
    {"reacquire in parts", "set A 10 => OK 10/0 v1\n"
                           "reserve o A=4 ttl=1s => OK ACTIVE\n"
                           "wait 2s\n"
                           "deduct o A=5 reacquire => QUANTITY_EXCEEDS_OPEN EXPIRED | A 5>4 "
                           "QUANTITY_EXCEEDS_OPEN\n"
                           "deduct o A=1 reacquire => OK DEDUCTED\n"
                           "order o => DEDUCTED A=4:1/0/3\n"
                           "deduct o A=1 => ORDER_DEDUCTED DEDUCTED\n"
                           "deduct o A=3 reacquire final => OK DEDUCTED\n"
                           "order o => DEDUCTED A=4:4/0/0\n"
                           "deduct o A=1 reacquire => ORDER_DEDUCTED DEDUCTED\n"
                           "stock A => 6/0 v3\n"},
    {"reacquire of an order that still holds is a plain deduct",
     "set A 4 => OK 4/0 v1\n"
     "reserve o A=4 => OK ACTIVE\n"
     "deduct o reacquire => OK DEDUCTED\n"
     "history A => SET(4,0) RESERVE(4,4) DEDUCT(0,0)\n"},

    /* ---- release ---- */
    {"release the whole order", "set A 10      => OK 10/0 v1\n"
                                "reserve o A=4 => OK ACTIVE\n"
                                "release o     => OK RELEASED existed\n"
                                "stock A       => 10/0 v1\n"
                                "order o       => RELEASED A=4:0/4/0\n"
                                "release o     => OK replayed RELEASED existed\n"
                                "history A     => SET(10,0) RESERVE(10,4) RELEASE(10,0)\n"},
    {"release a deducted order", "set A 10      => OK 10/0 v1\n"
                                 "reserve o A=4 => OK ACTIVE\n"
                                 "deduct o      => OK DEDUCTED\n"
                                 "release o     => ORDER_DEDUCTED DEDUCTED existed\n"
                                 "release o A=1 => ORDER_DEDUCTED DEDUCTED existed\n"
                                 "stock A       => 6/0 v2\n"},
    {"release an expired order", "set A 10 => OK 10/0 v1\n"
                                 "reserve o A=4 ttl=1s => OK ACTIVE\n"
                                 "wait 2s\n"
                                 "release o => OK replayed EXPIRED existed\n"
                                 "release o A=1 => ORDER_EXPIRED EXPIRED existed\n"
                                 "history A => SET(10,0) RESERVE(10,4) EXPIRE(10,0)\n"},
    {"release in parts", "set A 10          => OK 10/0 v1\n"
                         "set B 10          => OK 10/0 v1\n"
                         "reserve o A=4 B=1 => OK ACTIVE\n"
                         "release o B=1 A=1 => OK ACTIVE existed\n"
                         "order o           => ACTIVE A=4:0/1/0 B=1:0/1/0\n"
                         "release o A=3     => OK RELEASED existed\n"
                         "release o A=1     => ORDER_RELEASED RELEASED existed\n"
                         "stock A           => 10/0 v1\n"},
    {"release of an order never seen leaves a tombstone",
     "set A 10      => OK 10/0 v1\n"
     "release o     => OK RELEASED\n"
     "order o       => RELEASED tombstone\n"
     "release o     => OK replayed RELEASED\n"
     "reserve o A=1 => ORDER_RELEASED RELEASED\n"
     "reserve o A=1 add => ORDER_RELEASED RELEASED\n"
     "deduct o      => ORDER_RELEASED RELEASED\n"
     "release o A=1 => ORDER_RELEASED RELEASED\n"
     "release p A=1 => ORDER_NOT_FOUND\n"
     "order p       => absent\n"
     "stock A       => 10/0 v1\n"},
};

int main(void)
{
    return fixture_run_cases("ledger/orders", cases, sizeof cases / sizeof cases[0], NULL, 0);
}
