#!/usr/bin/python3
"""The example program of the client library (client/examples/order.c), both as it links against the shared and the static library, on a real
cluster: what a reader of the manual does first must work as it stands there."""

import subprocess

import harness  # first: it finds grpcio and the stubs
from cluster import deduct, get_order, get_stock, release, reserve, set_stock, verdict_name
from harness import BUILD, seconds
from holdfast.v1.ledger_pb2 import Order

SOLD, REFUSED, USAGE, UNANSWERED = range(4)
PROGRAMS = [BUILD / "client" / name for name in ("order", "order-static")]


class Example(harness.TestCase):
    def run_program(self, program, *arguments, status):
        run = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=seconds(30), check=False)
        self.assertEqual(run.returncode, status, run.stdout + run.stderr)
        return run

    def test_an_order_is_sold_once(self):
        cluster = self.open_cluster(3)
        ledger = cluster.leader().stubs.ledger
        for number, program in enumerate(PROGRAMS):
            order = f"order-{number}"
            first = self.run_program(program, cluster.endpoints, order, status=SOLD)
            self.assertIn(f"{order}: sold", first.stdout)
            self.assertEqual(ledger.GetOrder(get_order(order)).order.state, Order.DEDUCTED)
            for sku, quantity in (("mug", 2), ("plate", 1)):
                left = 100 - quantity * (number + 1)
                self.assertIn(f"{sku}: {left} on hand, 0 held, {left} available", first.stdout)
                self.assertEqual(ledger.GetStock(get_stock(sku)).stock.on_hand, left)
        cluster.check_sound()

    def test_again_after_it_was_interrupted(self):
        """The order is held and the program died before it was paid: run again, it goes on from there."""
        cluster = self.open_cluster(3)
        ledger = cluster.leader().stubs.ledger
        ledger.SetStock(set_stock("mug", 3))
        ledger.SetStock(set_stock("plate", 3))
        self.assertEqual(verdict_name(ledger.Reserve(reserve("order", ("mug", 2), ("plate", 1))).verdict), "OK")
        again = self.run_program(PROGRAMS[0], cluster.endpoints, "order", status=SOLD)
        self.assertIn("held (by an earlier run)", again.stdout)
        self.assertEqual(ledger.GetStock(get_stock("mug")).stock.on_hand, 1)

    def test_refusals(self):
        cluster = self.open_cluster(1)
        ledger = cluster.leader().stubs.ledger
        ledger.SetStock(set_stock("mug", 1))
        ledger.SetStock(set_stock("plate", 1))
        refused = self.run_program(PROGRAMS[0], cluster.endpoints, "order", status=REFUSED)
        self.assertIn("not enough stock", refused.stdout)
        self.assertIn("mug: 2 wanted, 1 available", refused.stdout)
        # A hold that somebody gave back stays given back.
        ledger.SetStock(set_stock("mug", 5))
        ledger.Reserve(reserve("released", ("mug", 2), ("plate", 1)))
        ledger.Release(release("released"))
        self.assertIn("the order was released", self.run_program(PROGRAMS[0], cluster.endpoints, "released", status=REFUSED).stdout)
        ledger.Reserve(reserve("sold", ("mug", 2), ("plate", 1)))
        ledger.Deduct(deduct("sold"))
        self.run_program(PROGRAMS[0], cluster.endpoints, "sold", status=REFUSED)

    def test_without_a_cluster(self):
        self.run_program(PROGRAMS[0], "127.0.0.1:1", "order", status=UNANSWERED)
        self.run_program(PROGRAMS[0], status=USAGE)
        self.run_program(PROGRAMS[0], "nowhere", "order", status=USAGE)


if __name__ == "__main__":
    harness.main()
