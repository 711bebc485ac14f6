#!/usr/bin/python3
"""Holds end by themselves, on time and without anybody else writing; what may still be done with them afterwards."""

import time

import harness  # first: it finds grpcio and the stubs
from holdfast.v1.ledger_pb2 import HistoryRow, Order

from cluster import Client, deduct, get_order, get_stock, history_of, release, reserve, set_stock, verdict_name
from harness import seconds, wait_until


def short_reserve(order, *lines, milliseconds):
    request = reserve(order, *lines)
    request.ttl.FromMilliseconds(int(milliseconds))
    return request


class Expiry(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.open_class_cluster(3)

    def setUp(self):
        self.leader = self.cluster.leader()
        self.ledger = self.leader.stubs.ledger
        self.sku = self.id().rsplit(".", 1)[-1]
        self.ledger.SetStock(set_stock(self.sku, 10))

    def assertVerdict(self, result, verdict, state=None):
        self.assertEqual(verdict_name(result.verdict), verdict, result)
        if state is not None:
            self.assertEqual(result.order_state, state, result)

    def state(self, order):
        return self.ledger.GetOrder(get_order(order)).order.state

    def wait_expired(self, order):
        wait_until(lambda: self.state(order) == Order.EXPIRED, lambda: f"{order} does not expire: {self.ledger.GetOrder(get_order(order))}")

    def test_a_hold_ends_without_any_other_write(self):
        order = self.sku
        self.cluster.wait_equal_digests()
        rows = self.cluster.verify()[0].history_rows
        granted = self.ledger.Reserve(short_reserve(order, (self.sku, 4), milliseconds=seconds(400)))
        self.assertVerdict(granted, "OK", Order.ACTIVE)
        self.assertEqual(self.ledger.GetStock(get_stock(self.sku)).stock.reserved, 4)
        # Verify writes nothing, as a read would: the leader must come to it by itself, and each node hear of it.
        wait_until(
            lambda: all(each.history_rows == rows + 2 for each in self.cluster.verify()), lambda: f"nothing expires: {self.cluster.describe()}"
        )
        self.assertEqual(self.state(order), Order.EXPIRED)
        stock = self.ledger.GetStock(get_stock(self.sku)).stock
        self.assertEqual((stock.on_hand, stock.reserved), (10, 0))
        row = history_of(self.leader.stubs, self.sku)[-1]
        self.assertEqual((row.op, row.reserved_change, row.order_id), (HistoryRow.EXPIRE, -4, order))
        line = self.ledger.GetOrder(get_order(order)).order.lines[0]
        self.assertEqual((line.reserved, line.expired, line.open), (4, 4, 0))
        # Not before its time, and not long after it.
        ended = row.time.ToMilliseconds() - granted.expires_at.ToMilliseconds()
        self.assertGreaterEqual(ended, 0)
        self.assertLess(ended, seconds(1000))
        # Once it is done the cluster is quiet again: no tick without need.
        index = self.leader.status().last_index
        time.sleep(0.5)
        self.assertLessEqual(self.leader.status().last_index, index + 1)
        self.cluster.check_sound()

    def test_after_expiry(self):
        order = self.sku
        self.ledger.Reserve(short_reserve(order, (self.sku, 4), milliseconds=200))
        self.wait_expired(order)
        self.assertVerdict(self.ledger.Deduct(deduct(order)), "ORDER_EXPIRED")
        self.assertVerdict(self.ledger.Reserve(reserve(order, (self.sku, 4))), "ORDER_EXPIRED")
        freed = self.ledger.Release(release(order))
        self.assertVerdict(freed, "OK", Order.EXPIRED)
        self.assertTrue(freed.replayed)
        self.assertEqual(self.ledger.GetStock(get_stock(self.sku)).stock.available, 10)
        self.cluster.check_sound()

    def test_a_late_payment(self):
        order = self.sku
        self.ledger.Reserve(short_reserve(order, (self.sku, 7), milliseconds=200))
        self.wait_expired(order)
        other = self.ledger.Reserve(reserve(order + "-other", (self.sku, 5)))
        self.assertVerdict(other, "OK")
        refused = self.ledger.Deduct(deduct(order, reacquire=True))
        self.assertVerdict(refused, "INSUFFICIENT_STOCK")
        self.assertEqual([(each.requested, each.available) for each in refused.failed_lines], [(7, 5)])
        self.ledger.Release(release(order + "-other"))
        sold = self.ledger.Deduct(deduct(order, reacquire=True))
        self.assertVerdict(sold, "OK", Order.DEDUCTED)
        self.assertFalse(sold.replayed)
        self.assertTrue(self.ledger.Deduct(deduct(order, reacquire=True)).replayed)
        stock = self.ledger.GetStock(get_stock(self.sku)).stock
        self.assertEqual((stock.on_hand, stock.reserved), (3, 0))
        self.cluster.check_sound()

    def test_units_are_free_the_moment_the_hold_ends(self):
        """Nobody waits for a sweep: a Reserve that comes after the end of a hold gets its units, whatever has been swept by then."""
        for turn in range(5):
            order = f"{self.sku}-{turn}"
            granted = self.ledger.Reserve(short_reserve(order, (self.sku, 10), milliseconds=150))
            self.assertVerdict(granted, "OK")
            next_order = order + "-next"

            def taken():
                result = self.ledger.Reserve(reserve(next_order, (self.sku, 10)))
                if verdict_name(result.verdict) == "OK":
                    return result
                self.assertVerdict(result, "INSUFFICIENT_STOCK")
                return None

            wait_until(taken, "the units of an expired hold are not free")
            # The entry that granted it was stamped at or after the end of the first hold.
            row = next(row for row in history_of(self.leader.stubs, self.sku) if row.order_id == next_order)
            self.assertGreaterEqual(row.time.ToMilliseconds(), granted.expires_at.ToMilliseconds())
            self.ledger.Release(release(next_order))

    def test_a_thousand_holds_end_together(self):
        self.ledger.SetStock(set_stock(self.sku, 5000, "more-" + self.sku))
        futures = [
            self.ledger.Reserve.future(short_reserve(f"{self.sku}-{number}", (self.sku, 1), milliseconds=seconds(1500)), timeout=seconds(30))
            for number in range(1000)
        ]
        for each in futures:
            self.assertVerdict(each.result(), "OK")
        wait_until(
            lambda: self.ledger.GetStock(get_stock(self.sku)).stock.reserved == 0, lambda: f"{self.ledger.GetStock(get_stock(self.sku))}", timeout=20
        )
        self.cluster.check_sound()


class Outage(harness.TestCase):
    """While there is no quorum nobody can pay, so that time does not count against holds."""

    def outlives_an_outage(self, dying):
        """A hold whose end falls into a time without a quorum is still good afterwards."""
        cluster = self.open_cluster(3)
        client = Client([node.client_address for node in cluster.nodes])
        self.addCleanup(client.close)
        client.call("SetStock", set_stock("sku", 10))
        lasts = seconds(1.5)
        begin = time.monotonic()
        granted = client.call("Reserve", short_reserve("order", ("sku", 3), milliseconds=lasts * 1000))
        cluster.wait_equal_digests()
        killed = dying(cluster)
        for node in killed:
            node.kill()
        # The outage lasts longer than the hold would have: passing time is what is under test here.
        time.sleep(lasts + 0.5)
        for node in killed:
            node.start()
        sold = client.call("Deduct", deduct("order"))
        outage = time.monotonic() - begin
        ended_at = client.call("GetOrder", get_order("order")).order.expires_at.ToMilliseconds()
        moved = (ended_at - granted.expires_at.ToMilliseconds()) / 1000
        print(f"an outage of {outage:.1f} s moved the end of a hold by {moved:.1f} s", flush=True)
        self.assertEqual(verdict_name(sold.verdict), "OK", sold)
        # Neither more than the time that was lost, nor much less: a leader that has lost its quorum takes up to two election
        # timeouts to notice, and until then believes that it leads.
        self.assertLessEqual(moved, outage + 0.1)
        self.assertGreaterEqual(moved, lasts + 0.5 - 2 * cluster.election_timeout)
        cluster.wait_ready()
        cluster.check_sound()

    def test_time_without_nodes_does_not_count(self):
        self.outlives_an_outage(lambda cluster: list(cluster.nodes))

    def test_time_without_a_quorum_does_not_count(self):
        self.outlives_an_outage(lambda cluster: cluster.followers())

    def test_holds_end_on_time_after_a_restart_of_all(self):
        cluster = self.open_cluster(3)
        client = Client([node.client_address for node in cluster.nodes])
        self.addCleanup(client.close)
        client.call("SetStock", set_stock("sku", 10))
        client.call("Reserve", short_reserve("order", ("sku", 3), milliseconds=seconds(1) * 1000))
        for node in cluster.nodes:
            node.kill()
        for node in cluster.nodes:
            node.start()
        cluster.wait_ready()
        wait_until(
            lambda: client.call("GetOrder", get_order("order")).order.state == Order.EXPIRED,
            lambda: f"{client.call('GetOrder', get_order('order'))}",
            timeout=20,
        )
        self.assertEqual(client.call("GetStock", get_stock("sku")).stock.reserved, 0)
        cluster.check_sound()


if __name__ == "__main__":
    harness.main()
