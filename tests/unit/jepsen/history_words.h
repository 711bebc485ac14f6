/*
 * history_words.h - the lines of hand-made histories whose answers name their places in the log, as
 * text_history reads them: of one stock, `A`, and orders of one line on it. `A` is set to a count
 * at index 1.
 */
#ifndef TESTS_HISTORY_WORDS_H
#define TESTS_HISTORY_WORDS_H

#define SET_A(count)                                                                               \
    "{:type :invoke, :process 0, :f :set-stock, :value {:stock 'A', :on-hand " #count              \
    ", :request-id 'set-a'}}\n"                                                                    \
    "{:type :ok, :process 0, :f :set-stock, :value {:verdict :ok, :log-index 1, :log-position 0, " \
    ":after {:on-hand " #count ", :reserved 0, :version 1}}}\n"
#define RESERVE(process, order, quantity)                                                          \
    "{:type :invoke, :process " #process ", :f :reserve, :value {:order '" order                   \
    "', :lines [['A' " #quantity "]]}}\n"
#define ACT(process, act, order)                                                                   \
    "{:type :invoke, :process " #process ", :f :" act ", :value {:order '" order "'}}\n"
#define OK(process, act, index, rest)                                                              \
    "{:type :ok, :process " #process ", :f :" act ", :value {:verdict :ok, :log-index " #index     \
    ", :log-position 0" rest "}}\n"
#define REFUSED(process, act, verdict, index, rest)                                                \
    "{:type :fail, :process " #process ", :f :" act ", :value {:verdict :" verdict                 \
    ", :log-index " #index ", :log-position 0" rest "}}\n"
#define INFO(process, act) "{:type :info, :process " #process ", :f :" act ", :value {}}\n"
#define FAIL(process, act)                                                                         \
    "{:type :fail, :process " #process ", :f :" act ", :value {}, :error 'no leader'}\n"
#define READ_A(process, index, on_hand, reserved, version)                                         \
    "{:type :invoke, :process " #process ", :f :read-stock, :value {:stocks ['A']}}\n"             \
    "{:type :ok, :process " #process ", :f :read-stock, :value {:verdict :ok, :log-index " #index  \
    ", :stocks {'A' {:on-hand " #on_hand ", :reserved " #reserved ", :version " #version "}}}}\n"
#define READ_ORDER(process, order, index, state, line)                                             \
    "{:type :invoke, :process " #process ", :f :read-order, :value {:order '" order "'}}\n"        \
    "{:type :ok, :process " #process ", :f :read-order, :value {:verdict :ok, :log-index " #index  \
    ", :state :" state ", :lines {'A' {" line "}}}}\n"
#define NO_ORDER(process, order, index)                                                            \
    "{:type :invoke, :process " #process ", :f :read-order, :value {:order '" order "'}}\n"        \
    "{:type :ok, :process " #process ", :f :read-order, :value {:verdict :order-not-found, "       \
    ":log-index " #index "}}\n"

#endif
