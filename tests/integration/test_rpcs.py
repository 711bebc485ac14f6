#!/usr/bin/python3
"""Every call of Ledger, Cluster and grpc.health.v1 from a foreign client, Python's grpcio: what it answers, what a repetition answers,
and that each node of a cluster answers alike."""

import struct
import time

import harness  # first: it finds grpcio and the stubs
import grpc
import health_pb2
from holdfast.v1 import cluster_pb2, ledger_pb2
from holdfast.v1.ledger_pb2 import Order, HistoryRow

import http2
from cluster import (
    Client,
    adjust_stock,
    deduct,
    execute,
    get_order,
    get_stock,
    history_of,
    line,
    list_all,
    release,
    reserve,
    set_stock,
    verdict_name,
)
from harness import seconds, wait_until

WHOLE_DAY_MS = 24 * 3600 * 1000


class LedgerCase(harness.TestCase):
    """One cluster for all cases of a class; each case uses SKUs and orders of its own. Calls go to the leader unless a case says else."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.open_class_cluster(3)

    def setUp(self):
        self.leader = self.cluster.leader()
        self.ledger = self.leader.stubs.ledger
        self.tag = self.id().rsplit(".", 1)[-1]  # a prefix of this case's own

    def assertVerdict(self, result, verdict, **fields):
        self.assertEqual(verdict_name(result.verdict), verdict, result)
        for name, value in fields.items():
            self.assertEqual(getattr(result, name), value, f"{name} of {result}")
        return result

    def stock(self, sku, warehouse=0):
        response = self.ledger.GetStock(get_stock(sku, warehouse))
        self.assertVerdict(response, "OK")
        return response.stock

    def assertStock(self, sku, on_hand, reserved, warehouse=0):
        stock = self.stock(sku, warehouse)
        self.assertEqual((stock.on_hand, stock.reserved, stock.available), (on_hand, reserved, on_hand - reserved), stock)
        return stock

    def order(self, order_id):
        response = self.ledger.GetOrder(get_order(order_id))
        self.assertVerdict(response, "OK")
        return response.order

    def assertRefused(self, status, call, request, words=""):
        with self.assertRaises(grpc.RpcError) as caught:
            call(request, timeout=seconds(10))
        self.assertEqual(caught.exception.code(), status, caught.exception.details())
        self.assertIn(words, caught.exception.details())
        return caught.exception


class SetStock(LedgerCase):
    def test_creates_sets_and_replays(self):
        sku = self.tag
        first = self.ledger.SetStock(set_stock(sku, 10, "s1-" + sku, actor="ann", reason="STOCKTAKE"))
        self.assertVerdict(first, "OK", replayed=False)
        self.assertGreater(first.log_index, 0)
        self.assertEqual(first.stock.sku, sku)
        self.assertEqual(first.stock.warehouse, 1)
        self.assertEqual((first.stock.on_hand, first.stock.reserved, first.stock.available), (10, 0, 10))
        self.assertEqual(first.stock.version, 1)
        self.assertEqual(first.stock.last_index, first.log_index)
        self.assertTrue(first.message)

        # Who asked, and what was remarked, are no part of what was asked.
        again = self.ledger.SetStock(set_stock(sku, 10, "s1-" + sku, actor="ben", reason="STOCKTAKE", remark="again"))
        self.assertVerdict(again, "OK", replayed=True)

        other = self.ledger.SetStock(set_stock(sku, 11, "s1-" + sku))
        self.assertVerdict(other, "IDEMPOTENCY_MISMATCH", replayed=False)
        self.assertStock(sku, 10, 0)

        changed = self.ledger.SetStock(set_stock(sku, 12, "s2-" + sku))
        self.assertVerdict(changed, "OK")
        self.assertEqual(changed.stock.version, 2)
        self.assertStock(sku, 12, 0)

    def test_expected_version(self):
        sku = self.tag
        self.assertVerdict(self.ledger.SetStock(set_stock(sku, 5, "v0-" + sku, expected_version=0)), "OK")
        self.assertVerdict(self.ledger.SetStock(set_stock(sku, 6, "v0b-" + sku, expected_version=0)), "ALREADY_EXISTS")
        self.assertVerdict(self.ledger.SetStock(set_stock(sku, 7, "v1-" + sku, expected_version=1)), "OK")
        refused = self.ledger.SetStock(set_stock(sku, 8, "v1b-" + sku, expected_version=1))
        self.assertVerdict(refused, "VERSION_MISMATCH")
        # A refusal is remembered too.
        self.assertVerdict(self.ledger.SetStock(set_stock(sku, 8, "v1b-" + sku, expected_version=1)), "VERSION_MISMATCH")
        self.assertStock(sku, 7, 0)

    def test_not_below_what_orders_hold(self):
        sku = self.tag
        self.ledger.SetStock(set_stock(sku, 5, "a-" + sku))
        self.assertVerdict(self.ledger.Reserve(reserve("o-" + sku, (sku, 3))), "OK")
        self.assertVerdict(self.ledger.SetStock(set_stock(sku, 2, "b-" + sku)), "BELOW_RESERVED")
        self.assertVerdict(self.ledger.SetStock(set_stock(sku, 3, "c-" + sku)), "OK")
        self.assertStock(sku, 3, 3)

    def test_warehouses_are_apart(self):
        sku = self.tag
        self.ledger.SetStock(set_stock(sku, 5, "a-" + sku))
        self.ledger.SetStock(set_stock(sku, 7, "b-" + sku, warehouse=2))
        self.assertStock(sku, 5, 0)
        self.assertStock(sku, 5, 0, warehouse=1)
        self.assertStock(sku, 7, 0, warehouse=2)
        self.assertVerdict(self.ledger.GetStock(get_stock(sku, 3)), "SKU_NOT_FOUND")

    def test_largest_quantity(self):
        sku = self.tag
        largest = 2**53 - 1
        self.assertVerdict(self.ledger.SetStock(set_stock(sku, largest, "a-" + sku)), "OK")
        self.assertStock(sku, largest, 0)
        self.assertVerdict(self.ledger.AdjustStock(adjust_stock(sku, 1, "b-" + sku)), "OVERFLOW")
        self.assertVerdict(self.ledger.Reserve(reserve("o-" + sku, (sku, largest))), "OK")
        self.assertStock(sku, largest, largest)

    def test_skus_differ_by_case_and_bytes(self):
        for number, sku in enumerate(["Sku-" + self.tag, "SKU-" + self.tag, "sku-" + self.tag, " sku-" + self.tag, "\u00e9-" + self.tag, "e\u0301-" + self.tag]):
            self.assertVerdict(self.ledger.SetStock(set_stock(sku, number, f"{number}-{self.tag}")), "OK")
        self.assertStock("Sku-" + self.tag, 0, 0)
        self.assertStock(" sku-" + self.tag, 3, 0)
        self.assertStock("\u00e9-" + self.tag, 4, 0)
        self.assertStock("e\u0301-" + self.tag, 5, 0)


class AdjustStock(LedgerCase):
    def test_adds_takes_and_replays(self):
        sku = self.tag
        self.assertVerdict(self.ledger.AdjustStock(adjust_stock(sku, 4, "a-" + sku)), "SKU_NOT_FOUND")
        self.ledger.SetStock(set_stock(sku, 10, "b-" + sku))
        up = self.ledger.AdjustStock(adjust_stock(sku, 5, "c-" + sku, "RECEIVE"))
        self.assertVerdict(up, "OK", replayed=False)
        self.assertEqual(up.stock.on_hand, 15)
        self.assertVerdict(self.ledger.AdjustStock(adjust_stock(sku, 5, "c-" + sku, "RECEIVE")), "OK", replayed=True)
        self.assertVerdict(self.ledger.AdjustStock(adjust_stock(sku, -3, "d-" + sku, "DAMAGE")), "OK")
        self.assertStock(sku, 12, 0)
        self.ledger.Reserve(reserve("o-" + sku, (sku, 10)))
        refused = self.ledger.AdjustStock(adjust_stock(sku, -3, "e-" + sku, "DAMAGE"))
        self.assertVerdict(refused, "INSUFFICIENT_STOCK")
        self.assertStock(sku, 12, 10)
        # What was refused under an id stays refused under it, whatever came later.
        self.ledger.Release(release("o-" + sku))
        self.assertVerdict(self.ledger.AdjustStock(adjust_stock(sku, -3, "e-" + sku, "DAMAGE")), "INSUFFICIENT_STOCK")
        self.assertVerdict(self.ledger.AdjustStock(adjust_stock(sku, -3, "f-" + sku, "DAMAGE", expected_version=99)), "VERSION_MISMATCH")
        self.assertStock(sku, 12, 0)

    def test_form(self):
        sku = self.tag
        self.ledger.SetStock(set_stock(sku, 10, "a-" + sku))
        invalid = grpc.StatusCode.INVALID_ARGUMENT
        self.assertRefused(invalid, self.ledger.AdjustStock, adjust_stock(sku, 0, "b-" + sku), "change")
        self.assertRefused(invalid, self.ledger.AdjustStock, adjust_stock(sku, 1, ""), "request_id")
        self.assertRefused(invalid, self.ledger.AdjustStock, adjust_stock(sku, 1, "c-" + sku, ""), "reason")
        self.assertStock(sku, 10, 0)


class Orders(LedgerCase):
    def test_reserve_deduct(self):
        a, b, order = self.tag + "-a", self.tag + "-b", self.tag
        self.ledger.SetStock(set_stock(a, 10))
        self.ledger.SetStock(set_stock(b, 10))
        granted = self.ledger.Reserve(reserve(order, (b, 1), (a, 2), (a, 3), actor="shop", reason="web"))
        self.assertVerdict(granted, "OK", replayed=False, order_state=Order.ACTIVE)
        self.assertStock(a, 10, 5)
        self.assertStock(b, 10, 1)

        found = self.order(order)
        self.assertEqual([(each.sku, each.warehouse, each.reserved, each.open) for each in found.lines], [(a, 1, 5, 5), (b, 1, 1, 1)])
        self.assertEqual((found.state, found.actor, found.reason), (Order.ACTIVE, "shop", "web"))
        lasts_ms = found.expires_at.ToMilliseconds() - found.created_at.ToMilliseconds()
        self.assertEqual(lasts_ms, 30 * 60 * 1000)
        self.assertEqual(granted.expires_at.ToMilliseconds(), found.expires_at.ToMilliseconds())
        self.assertFalse(found.HasField("closed_at"))

        # The same order again: lines in another order and cut otherwise are the same lines.
        again = self.ledger.Reserve(reserve(order, (a, 5), (b, 1), actor="other"))
        self.assertVerdict(again, "OK", replayed=True, order_state=Order.ACTIVE)
        self.assertVerdict(self.ledger.Reserve(reserve(order, (a, 5))), "ORDER_CONFLICT")
        self.assertStock(a, 10, 5)

        sold = self.ledger.Deduct(deduct(order))
        self.assertVerdict(sold, "OK", replayed=False, order_state=Order.DEDUCTED)
        self.assertStock(a, 5, 0)
        self.assertStock(b, 9, 0)
        self.assertVerdict(self.ledger.Deduct(deduct(order)), "OK", replayed=True, order_state=Order.DEDUCTED)
        self.assertStock(a, 5, 0)
        self.assertVerdict(self.ledger.Release(release(order)), "ORDER_DEDUCTED")
        self.assertVerdict(self.ledger.Reserve(reserve(order, (a, 5), (b, 1))), "ORDER_DEDUCTED")
        found = self.order(order)
        self.assertEqual(found.state, Order.DEDUCTED)
        self.assertEqual([(each.deducted, each.released, each.open) for each in found.lines], [(5, 0, 0), (1, 0, 0)])
        self.assertTrue(found.HasField("closed_at"))

    def test_release(self):
        sku, order = self.tag, self.tag
        self.ledger.SetStock(set_stock(sku, 3))
        self.ledger.Reserve(reserve(order, (sku, 3)))
        freed = self.ledger.Release(release(order))
        self.assertVerdict(freed, "OK", replayed=False, existed=True, order_state=Order.RELEASED)
        self.assertStock(sku, 3, 0)
        self.assertVerdict(self.ledger.Release(release(order)), "OK", replayed=True, order_state=Order.RELEASED)
        self.assertVerdict(self.ledger.Deduct(deduct(order)), "ORDER_RELEASED")
        self.assertVerdict(self.ledger.Reserve(reserve(order, (sku, 3))), "ORDER_RELEASED")

    def test_release_before_reserve_leaves_a_tombstone(self):
        sku, order = self.tag, self.tag
        self.ledger.SetStock(set_stock(sku, 3))
        self.assertVerdict(self.ledger.Release(release(order)), "OK", existed=False)
        self.assertVerdict(self.ledger.Reserve(reserve(order, (sku, 1))), "ORDER_RELEASED")
        self.assertStock(sku, 3, 0)
        self.assertVerdict(self.ledger.Release(release(self.tag + "-2", (sku, 1), request_id="r-" + order)), "ORDER_NOT_FOUND")

    def test_refusal_names_the_lines_and_keeps_the_id_free(self):
        a, b, c, order = self.tag + "-a", self.tag + "-b", self.tag + "-c", self.tag
        self.ledger.SetStock(set_stock(a, 10))
        self.ledger.SetStock(set_stock(b, 1))
        refused = self.ledger.Reserve(reserve(order, (a, 1), (c, 1), (b, 1), (b, 2)))
        self.assertVerdict(refused, "SKU_NOT_FOUND")
        failed = [(each.sku, each.warehouse, each.requested, each.available, verdict_name(each.reason)) for each in refused.failed_lines]
        self.assertEqual(failed, [(c, 1, 1, 0, "SKU_NOT_FOUND"), (b, 1, 3, 1, "INSUFFICIENT_STOCK")])
        self.assertStock(a, 10, 0)
        self.assertStock(b, 1, 0)
        self.assertVerdict(self.ledger.GetOrder(get_order(order)), "ORDER_NOT_FOUND")
        self.assertVerdict(self.ledger.Reserve(reserve(order, (a, 1), (b, 1))), "OK", replayed=False)

    def test_a_refusal_is_final(self):
        """The first attempt arrives last, when there would be enough."""
        sku, order = self.tag, self.tag
        self.ledger.SetStock(set_stock(sku, 1))
        first = reserve(order, (sku, 2), request_id="r-" + order)
        again = reserve(order, (sku, 2), request_id="r-" + order, resent=True)
        self.assertVerdict(self.ledger.Reserve(again), "INSUFFICIENT_STOCK", replayed=False)
        self.assertVerdict(self.ledger.AdjustStock(adjust_stock(sku, 1, "a-" + order)), "OK")
        self.assertVerdict(self.ledger.Reserve(first), "INSUFFICIENT_STOCK", replayed=True)
        self.assertVerdict(self.ledger.GetOrder(get_order(order)), "ORDER_NOT_FOUND")
        self.assertVerdict(self.ledger.Deduct(deduct(order, request_id="d-" + order, resent=True)), "ORDER_NOT_FOUND", replayed=False)
        self.assertVerdict(self.ledger.Reserve(reserve(order, (sku, 2), request_id="s-" + order)), "OK", replayed=False)
        self.assertVerdict(self.ledger.Deduct(deduct(order, request_id="d-" + order)), "ORDER_NOT_FOUND", replayed=True)
        self.assertStock(sku, 2, 2)
        batch = execute(release(order, request_id="e-" + order), reserve(order + "-2", (sku, 9), request_id="t-" + order))
        batch.resent = True
        self.assertEqual([verdict_name(each.verdict) for each in self.ledger.Execute(batch).results], ["OK", "INSUFFICIENT_STOCK"])
        batch.resent = False
        self.assertEqual([each.replayed for each in self.ledger.Execute(batch).results], [True, True])

    def test_partial_deduct_and_release(self):
        sku, order = self.tag, self.tag
        self.ledger.SetStock(set_stock(sku, 10))
        self.ledger.Reserve(reserve(order, (sku, 6)))
        part = deduct(order, (sku, 2), request_id="d1-" + order)
        self.assertVerdict(self.ledger.Deduct(part), "OK", replayed=False, order_state=Order.ACTIVE)
        self.assertVerdict(self.ledger.Deduct(part), "OK", replayed=True)
        self.assertStock(sku, 8, 4)
        self.assertVerdict(self.ledger.Deduct(deduct(order, (sku, 3), request_id="d1-" + order)), "IDEMPOTENCY_MISMATCH")
        self.assertVerdict(self.ledger.Deduct(deduct(order, (sku, 5), request_id="d2-" + order)), "QUANTITY_EXCEEDS_OPEN")
        self.assertVerdict(self.ledger.Release(release(order, (sku, 1), request_id="r1-" + order)), "OK", order_state=Order.ACTIVE)
        self.assertStock(sku, 8, 3)
        last = self.ledger.Deduct(deduct(order, (sku, 1), request_id="d3-" + order, final=True))
        self.assertVerdict(last, "OK", replayed=False)
        self.assertStock(sku, 7, 0)
        found = self.order(order)
        self.assertNotEqual(found.state, Order.ACTIVE)
        self.assertEqual([(each.reserved, each.deducted, each.released, each.open) for each in found.lines], [(6, 3, 3, 0)])
        invalid = grpc.StatusCode.INVALID_ARGUMENT
        self.assertRefused(invalid, self.ledger.Deduct, deduct(order, (sku, 1)), "request_id")
        self.assertRefused(invalid, self.ledger.Release, release(order, (sku, 1)), "request_id")

    def test_add_lines(self):
        a, b, order = self.tag + "-a", self.tag + "-b", self.tag
        self.ledger.SetStock(set_stock(a, 10))
        self.ledger.SetStock(set_stock(b, 10))
        mode = ledger_pb2.ReserveRequest.ADD_LINES
        self.assertVerdict(self.ledger.Reserve(reserve(order, (a, 1), mode=mode)), "OK", replayed=False)
        self.assertVerdict(self.ledger.Reserve(reserve(order, (a, 1), mode=mode)), "OK", replayed=True)
        self.assertVerdict(self.ledger.Reserve(reserve(order, (a, 2), mode=mode)), "ORDER_CONFLICT")
        self.assertVerdict(self.ledger.Reserve(reserve(order, (b, 4), mode=mode)), "OK", replayed=False)
        self.assertEqual([(each.sku, each.open) for each in self.order(order).lines], [(a, 1), (b, 4)])
        self.assertStock(b, 10, 4)

    def test_unknown_orders(self):
        self.assertVerdict(self.ledger.GetOrder(get_order(self.tag)), "ORDER_NOT_FOUND")
        self.assertVerdict(self.ledger.Deduct(deduct(self.tag)), "ORDER_NOT_FOUND")

    def test_ttl(self):
        sku = self.tag
        self.ledger.SetStock(set_stock(sku, 10))
        request = reserve(self.tag, (sku, 1))
        request.ttl.FromSeconds(3600)
        self.assertVerdict(self.ledger.Reserve(request), "OK")
        found = self.order(self.tag)
        self.assertEqual(found.expires_at.ToMilliseconds() - found.created_at.ToMilliseconds(), 3600_000)
        too_long = reserve(self.tag + "-2", (sku, 1))
        too_long.ttl.FromSeconds(7 * 24 * 3600 + 1)
        self.assertVerdict(self.ledger.Reserve(too_long), "LIMIT_EXCEEDED")
        self.assertVerdict(self.ledger.GetOrder(get_order(self.tag + "-2")), "ORDER_NOT_FOUND")

    def test_a_request_that_is_too_old(self):
        sku = self.tag
        old = set_stock(sku, 10)
        old.requested_at.FromMilliseconds(int(time.time() * 1000) - WHOLE_DAY_MS)
        self.assertVerdict(self.ledger.SetStock(old), "REQUEST_EXPIRED")
        self.assertVerdict(self.ledger.GetStock(get_stock(sku)), "SKU_NOT_FOUND")


class Execute(LedgerCase):
    def test_each_command_has_its_own_verdict(self):
        sku, order = self.tag, self.tag
        batch = execute(
            set_stock(sku, 5, "a-" + sku),
            reserve(order, (sku, 4)),
            reserve(order + "-2", (sku, 2)),
            adjust_stock(sku, 1, "b-" + sku, "RECEIVE"),
            reserve(order + "-2", (sku, 2)),
            deduct(order),
            release(order + "-2"),
            deduct(order + "-3"),
        )
        results = self.ledger.Execute(batch).results
        verdicts = [(verdict_name(each.verdict), each.replayed) for each in results]
        self.assertEqual(
            verdicts,
            [
                ("OK", False),
                ("OK", False),
                ("INSUFFICIENT_STOCK", False),
                ("OK", False),
                ("OK", False),
                ("OK", False),
                ("OK", False),
                ("ORDER_NOT_FOUND", False),
            ],
        )
        self.assertEqual([(each.sku, each.requested, each.available) for each in results[2].failed_lines], [(sku, 2, 1)])
        self.assertEqual(len({each.log_index for each in results}), 1)
        positions = [each.log_position for each in results]
        self.assertEqual(positions, list(range(positions[0], positions[0] + len(results))))
        self.assertStock(sku, 2, 0)

        # The whole batch again changes nothing: each command has an identity.
        before = history_of(self.leader.stubs, sku)
        again = self.ledger.Execute(batch).results
        self.assertEqual([each.replayed for each in again[:2]], [True, False])
        self.assertEqual(verdict_name(again[1].verdict), "ORDER_DEDUCTED")
        self.assertStock(sku, 2, 0)
        self.assertEqual(history_of(self.leader.stubs, sku), before)

    def test_ten_thousand_commands(self):
        """The most that a call takes, and the longest turn of a node's loop (decision 005). A machine that has no time for its nodes meanwhile takes
        the leadership from under it: so it is asked as clients ask, again under the same identities. Its answer is the same, whoever gives it."""
        sku = self.tag
        client = Client([node.client_address for node in self.cluster.nodes], attempt_timeout=30)
        self.addCleanup(client.close)
        client.call("SetStock", set_stock(sku, 9_990))
        batch = execute(*(reserve(f"{sku}-{number}", (sku, 1)) for number in range(10_000)))
        results = client.call("Execute", batch).results
        verdicts = [verdict_name(each.verdict) for each in results]
        self.assertEqual(verdicts, ["OK"] * 9_990 + ["INSUFFICIENT_STOCK"] * 10)
        stock = client.call("GetStock", get_stock(sku)).stock
        self.assertEqual((stock.on_hand, stock.reserved, stock.available), (9_990, 9_990, 0), stock)
        # What a turn computes is no machine's fault: it must not come near an election timeout.
        for node in self.cluster.nodes:
            for turn in node.log_events("slow-turn"):
                self.assertLess(turn["cpu_ms"], self.cluster.election_timeout_ms / 3, f"node {node.id}: {turn}")

    def test_form_is_judged_before_anything_is_done(self):
        sku = self.tag
        invalid = grpc.StatusCode.INVALID_ARGUMENT
        bad = execute(set_stock(sku, 5, "a-" + sku), reserve("", (sku, 1)))
        self.assertRefused(invalid, self.ledger.Execute, bad, "commands[1]")
        self.assertVerdict(self.ledger.GetStock(get_stock(sku)), "SKU_NOT_FOUND")


class Reads(LedgerCase):
    def test_batch_get_stock(self):
        a, b = self.tag + "-a", self.tag + "-b"
        self.ledger.SetStock(set_stock(a, 1))
        self.ledger.SetStock(set_stock(b, 2, warehouse=7))
        keys = [ledger_pb2.StockKey(sku=b, warehouse=7), ledger_pb2.StockKey(sku="none-" + a), ledger_pb2.StockKey(sku=a), ledger_pb2.StockKey(sku=a)]
        response = self.ledger.BatchGetStock(ledger_pb2.BatchGetStockRequest(keys=keys))
        found = [(verdict_name(each.verdict), each.stock.sku, each.stock.on_hand) for each in response.stocks]
        self.assertEqual(found, [("OK", b, 2), ("SKU_NOT_FOUND", "", 0), ("OK", a, 1), ("OK", a, 1)])
        self.assertEqual({each.log_index for each in response.stocks}, {response.log_index})
        self.assertGreater(response.log_index, 0)

    def test_check_stock(self):
        a, b = self.tag + "-a", self.tag + "-b"
        self.ledger.SetStock(set_stock(a, 5))
        self.ledger.SetStock(set_stock(b, 1))
        self.ledger.Reserve(reserve(self.tag, (a, 2)))

        def check(*lines):
            return self.ledger.CheckStock(ledger_pb2.CheckStockRequest(lines=[line(*each) for each in lines]))

        self.assertTrue(check((a, 3), (b, 1)).available)
        self.assertEqual(len(check((a, 3), (b, 1)).failed_lines), 0)
        refused = check((b, 2), (a, 2), ("none-" + a, 1), (a, 2))
        self.assertFalse(refused.available)
        failed = [(each.sku, each.requested, each.available, verdict_name(each.reason)) for each in refused.failed_lines]
        self.assertEqual(
            failed, [(b, 2, 1, "INSUFFICIENT_STOCK"), (a, 4, 3, "INSUFFICIENT_STOCK"), ("none-" + a, 1, 0, "SKU_NOT_FOUND")]
        )
        self.assertGreater(refused.log_index, 0)
        self.assertStock(a, 5, 2)

    def test_list_stock_pages(self):
        skus = [f"{self.tag}-{number:03d}" for number in range(250)]
        self.ledger.Execute(execute(*(set_stock(sku, 1) for sku in skus)))
        self.ledger.Execute(execute(*(set_stock(sku, 1, f"w2-{sku}", warehouse=2) for sku in skus[:5])))
        expected = sorted([(sku, 1) for sku in skus] + [(sku, 2) for sku in skus[:5]])
        for size, pages in ((0, 3), (7, None), (1000, 1)):
            request = ledger_pb2.ListStockRequest(page_size=size)
            rows, count = [], 0
            while True:
                page = self.ledger.ListStock(request)
                self.assertLessEqual(len(page.stocks), size or 100)
                rows += page.stocks
                count += 1
                if not page.next_page_token:
                    break
                request.page_token = page.next_page_token
            keys = [(each.sku, each.warehouse) for each in rows]
            self.assertEqual(keys, sorted(keys))
            self.assertEqual([key for key in keys if key[0].startswith(self.tag + "-")], expected)
            if pages == 1:
                self.assertEqual(count, pages)

    def test_list_forms(self):
        invalid = grpc.StatusCode.INVALID_ARGUMENT
        self.assertRefused(invalid, self.ledger.ListStock, ledger_pb2.ListStockRequest(page_size=1001), "page_size")
        self.assertRefused(invalid, self.ledger.ListStock, ledger_pb2.ListStockRequest(page_size=-1), "page_size")
        for token in ("00zz", "0", "ff" * 700, "00"):
            self.assertRefused(invalid, self.ledger.ListStock, ledger_pb2.ListStockRequest(page_token=token), "token")
        self.assertRefused(invalid, self.ledger.ListHistory, ledger_pb2.ListHistoryRequest(page_size=5), "sku")

    def test_history_tells_every_change_once(self):
        sku, order = self.tag, self.tag
        self.ledger.SetStock(set_stock(sku, 10, "a-" + sku, actor="ann", reason="STOCKTAKE", remark="first", trace_id="t-1"))
        self.ledger.AdjustStock(adjust_stock(sku, -2, "b-" + sku, "DAMAGE", actor="ben", remark="dropped"))
        self.ledger.Reserve(reserve(order, (sku, 3), actor="shop", trace_id="t-2"))
        self.ledger.Reserve(reserve(order, (sku, 3)))
        self.ledger.Deduct(deduct(order, (sku, 1), request_id="c-" + sku))
        self.ledger.Release(release(order))
        self.ledger.Reserve(reserve(order + "-2", (sku, 100)))
        rows = history_of(self.leader.stubs, sku)
        told = [
            (HistoryRow.Op.Name(row.op), row.on_hand_change, row.on_hand_before, row.on_hand_after)
            + (row.reserved_change, row.reserved_before, row.reserved_after)
            for row in rows
        ]
        self.assertEqual(
            told,
            [
                ("SET", 10, 0, 10, 0, 0, 0),
                ("ADJUST", -2, 10, 8, 0, 0, 0),
                ("RESERVE", 0, 8, 8, 3, 0, 3),
                ("DEDUCT", -1, 8, 7, -1, 3, 2),
                ("RELEASE", 0, 7, 7, -2, 2, 0),
            ],
        )
        self.assertEqual([(row.actor, row.reason, row.remark) for row in rows[:2]], [("ann", "STOCKTAKE", "first"), ("ben", "DAMAGE", "dropped")])
        self.assertEqual([row.trace_id for row in rows[:3]], ["t-1", "", "t-2"])
        self.assertEqual([row.request_id for row in rows[:2]] + [rows[3].request_id], ["a-" + sku, "b-" + sku, "c-" + sku])
        self.assertEqual([row.order_id for row in rows], ["", "", order, order, order])
        places = [(row.log_index, row.sub) for row in rows]
        self.assertEqual(places, sorted(set(places)))
        times = [row.time.ToMilliseconds() for row in rows]
        self.assertEqual(times, sorted(times))
        self.assertLess(abs(times[0] - time.time() * 1000), 60_000)

        paged = list_all(self.ledger.ListHistory, ledger_pb2.ListHistoryRequest(sku=sku, page_size=2), "rows")
        self.assertEqual(paged, rows)
        self.assertVerdict(self.ledger.ListHistory(ledger_pb2.ListHistoryRequest(sku="none-" + sku)), "SKU_NOT_FOUND")

    def test_consistency(self):
        sku = self.tag
        self.ledger.SetStock(set_stock(sku, 1))
        self.assertVerdict(self.ledger.GetStock(ledger_pb2.GetStockRequest(sku=sku, consistency=ledger_pb2.LINEARIZABLE)), "OK")
        stale = self.ledger.GetStock(ledger_pb2.GetStockRequest(sku=sku, consistency=ledger_pb2.STALE))
        self.assertVerdict(stale, "OK")
        self.assertTrue(stale.HasField("age"))
        self.assertRefused(grpc.StatusCode.INVALID_ARGUMENT, self.ledger.GetStock, ledger_pb2.GetStockRequest(sku=sku, consistency=2), "consistency")


class EveryNode(LedgerCase):
    """A follower answers as the leader does, and says who leads where it has asked it: reads it answers itself."""

    def through(self, node, method, request):
        response, call = getattr(node.stubs.ledger, method).with_call(request, timeout=seconds(10))
        metadata = list(call.initial_metadata()) + list(call.trailing_metadata())
        return response, dict(metadata).get("holdfast-leader")

    def test_writes_and_reads_through_each_node(self):
        for node in self.cluster.nodes:
            sku = f"{self.tag}-{node.id}"
            expected_leader = None if node is self.leader else self.leader.client_address
            requests = [
                ("SetStock", set_stock(sku, 5), "OK"),
                ("AdjustStock", adjust_stock(sku, 2, "adjust-" + sku), "OK"),
                ("Reserve", reserve(sku, (sku, 3)), "OK"),
                ("Reserve", reserve(sku + "-2", (sku, 30)), "INSUFFICIENT_STOCK"),
                ("Deduct", deduct(sku), "OK"),
                ("Release", release(sku), "ORDER_DEDUCTED"),
                ("GetStock", get_stock(sku), "OK"),
                ("GetStock", get_stock("none"), "SKU_NOT_FOUND"),
                ("GetOrder", get_order(sku), "OK"),
                ("ListHistory", ledger_pb2.ListHistoryRequest(sku=sku), "OK"),
            ]
            for method, request, verdict in requests:
                response, leader = self.through(node, method, request)
                self.assertEqual(verdict_name(response.verdict), verdict, f"{method} through node {node.id}")
                is_read = method.startswith(("Get", "List"))
                self.assertEqual(leader, None if is_read else expected_leader, f"{method} through node {node.id}")
            _, leader = self.through(node, "Execute", execute(reserve(sku + "-3", (sku, 1))))
            self.assertEqual(leader, expected_leader, f"Execute through node {node.id}")
            for method, request in (
                ("BatchGetStock", ledger_pb2.BatchGetStockRequest(keys=[ledger_pb2.StockKey(sku=sku)])),
                ("CheckStock", ledger_pb2.CheckStockRequest(lines=[line(sku, 1)])),
                ("ListStock", ledger_pb2.ListStockRequest()),
            ):
                _, leader = self.through(node, method, request)
                self.assertIsNone(leader, f"{method} through node {node.id}")

    def test_reads_see_what_was_acknowledged_elsewhere(self):
        sku = self.tag
        self.ledger.SetStock(set_stock(sku, 0))
        for number in range(1, 31):
            writer = self.cluster.nodes[number % 3]
            reader = self.cluster.nodes[(number + 1) % 3]
            written = writer.stubs.ledger.AdjustStock(adjust_stock(sku, 1, f"{sku}-{number}"))
            read = reader.stubs.ledger.GetStock(get_stock(sku))
            self.assertEqual(read.stock.on_hand, number)
            self.assertGreaterEqual(read.log_index, written.log_index)

    def test_refusals_are_the_same(self):
        for node in self.cluster.nodes:
            error = self.assertRefused(
                grpc.StatusCode.INVALID_ARGUMENT, node.stubs.ledger.SetStock, ledger_pb2.SetStockRequest(sku="x", on_hand=1), "request_id"
            )
            leader = dict(list(error.initial_metadata()) + list(error.trailing_metadata())).get("holdfast-leader")
            self.assertEqual(leader, None if node is self.leader else self.leader.client_address)


class ClusterService(LedgerCase):
    def test_status(self):
        statuses = {node.id: node.status() for node in self.cluster.nodes}
        self.assertEqual({status.node_id for status in statuses.values()}, {1, 2, 3})
        self.assertEqual(len({status.cluster_id for status in statuses.values()}), 1)
        self.assertEqual(len({status.incarnation for status in statuses.values()}), 3)
        self.assertEqual([s.state for s in statuses.values()].count(cluster_pb2.StatusResponse.LEADER), 1)
        addresses = {node.id: (node.peer_address, node.client_address) for node in self.cluster.nodes}
        for status in statuses.values():
            self.assertEqual(status.leader_id, self.leader.id)
            self.assertEqual(status.leader_client_address, self.leader.client_address)
            self.assertRegex(status.version, r"^\d+\.\d+\.\d+$")
            self.assertRegex(status.digest, r"^[0-9a-f]{32}$")
            self.assertEqual({each.node_id: (each.peer_address, each.client_address) for each in status.members}, addresses)
            self.assertEqual({each.role for each in status.members}, {cluster_pb2.Member.VOTER})
            self.assertTrue(all(each.connected for each in status.members), status)
        self.cluster.wait_equal_digests()
        own = self.leader.status()
        wait_until(
            lambda: all(each.match_index == own.last_index for each in self.leader.status().members),
            lambda: f"the leader does not know that all have index {own.last_index}: {self.leader.status()}",
        )
        self.assertLess(abs(own.ledger_time.ToMilliseconds() - time.time() * 1000), 60_000)

    def test_verify(self):
        sku = self.tag
        self.ledger.SetStock(set_stock(sku, 5))
        self.ledger.Reserve(reserve(self.tag, (sku, 2)))
        self.cluster.wait_equal_digests()
        responses = self.cluster.verify()
        self.assertEqual(len({response.digest for response in responses}), 1)
        for response in responses:
            self.assertGreaterEqual(response.stocks, 1)
            self.assertGreaterEqual(response.orders, 1)
            self.assertGreaterEqual(response.history_rows, 2)

    def test_health(self):
        serving = health_pb2.HealthCheckResponse.SERVING
        for node in self.cluster.nodes:
            for service in ("", "holdfast.v1.Ledger"):
                reply = node.stubs.health.Check(health_pb2.HealthCheckRequest(service=service), timeout=seconds(5))
                self.assertEqual(reply.status, serving)
            self.assertRefused(grpc.StatusCode.NOT_FOUND, node.stubs.health.Check, health_pb2.HealthCheckRequest(service="nothing"))


class NoQuorum(harness.TestCase):
    """Two of three nodes stand still: nothing may be acknowledged, and every call ends in time with a status that says what is known."""

    SURE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNKNOWN}

    def test_deadlines_and_statuses(self):
        cluster = self.open_cluster(3)
        leader = cluster.leader()
        leader.stubs.ledger.SetStock(set_stock("sku", 100))
        cluster.wait_equal_digests()
        # A client that keeps no deadline of its own: the node must.
        connection = http2.Connection(leader.client_address, timeout=seconds(20))
        self.addCleanup(connection.close)
        for node in cluster.followers():
            node.pause()

        request = reserve("late", ("sku", 1)).SerializeToString()
        begin = time.monotonic()
        answer = connection.call("/holdfast.v1.Ledger/Reserve", request, extra=[("grpc-timeout", "100m")])
        took = time.monotonic() - begin
        self.assertEqual(answer.grpc_status, grpc.StatusCode.DEADLINE_EXCEEDED.value[0], answer)
        self.assertTrue(answer.grpc_message)
        self.assertGreaterEqual(took, 0.09)
        self.assertLess(took, seconds(1))

        # The leader notices that nobody follows: a write is refused or has an unknown outcome, a read is refused.
        with self.assertRaises(grpc.RpcError) as caught:
            leader.stubs.ledger.Reserve(reserve("later", ("sku", 1)), timeout=seconds(5))
        self.assertIn(caught.exception.code(), self.SURE)
        wait_until(
            lambda: leader.status().state != cluster_pb2.StatusResponse.LEADER, lambda: f"a leader without followers stays one: {cluster.describe()}"
        )
        wait_until(lambda: not leader.serving(), "the health service goes on saying SERVING without a quorum")
        for call, argument in (
            (leader.stubs.ledger.Reserve, reserve("much-later", ("sku", 1))),
            (leader.stubs.ledger.GetStock, get_stock("sku")),
        ):
            begin = time.monotonic()
            with self.assertRaises(grpc.RpcError) as caught:
                call(argument, timeout=seconds(5))
            self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE, caught.exception.details())
            self.assertIn("nothing was executed", caught.exception.details())
            self.assertLess(time.monotonic() - begin, seconds(1))

        # What was surely not executed was not; what was unknown is there once or not at all.
        for node in cluster.nodes:
            if node.paused:
                node.resume()
        cluster.wait_ready()
        ledger = cluster.leader().stubs.ledger
        self.assertEqual(verdict_name(ledger.GetOrder(get_order("much-later")).verdict), "ORDER_NOT_FOUND")
        held = sum(verdict_name(ledger.GetOrder(get_order(each)).verdict) == "OK" for each in ("late", "later"))
        self.assertEqual(ledger.GetStock(get_stock("sku")).stock.reserved, held)
        cluster.check_sound()

    def test_cancelled_calls_leave_the_node_well(self):
        """Sent and cancelled at once, by hand: grpcio 1.51 may cancel a stream before it has opened it, which HTTP/2 forbids."""
        cluster = self.open_cluster(1)
        node = cluster.leader()
        node.stubs.ledger.SetStock(set_stock("sku", 1_000_000))
        path = "/holdfast.v1.Ledger/Reserve"
        for worker in range(4):
            with http2.Connection(node.client_address, timeout=seconds(10)) as connection:
                for number in range(500):
                    stream = connection.new_stream()
                    request = reserve(f"{worker}-{number}", ("sku", 1)).SerializeToString()
                    cancel = http2.frame(http2.RST_STREAM, 0, stream, struct.pack(">I", http2.CANCEL))
                    connection.send(http2.request_bytes(stream, path, request) + cancel)
                answer = connection.call(path, reserve(f"{worker}-after", ("sku", 1)).SerializeToString())
                self.assertEqual(answer.grpc_status, 0, answer)
        # Each cancelled order was taken whole or not at all.
        held = node.stubs.ledger.GetStock(get_stock("sku")).stock.reserved
        orders = [get_order(f"{worker}-{number}") for worker in range(4) for number in [*range(500), "after"]]
        futures = [node.stubs.ledger.GetOrder.future(order, timeout=seconds(20)) for order in orders]
        self.assertEqual(sum(verdict_name(each.result().verdict) == "OK" for each in futures), held)
        cluster.check_sound()


if __name__ == "__main__":
    harness.main()
