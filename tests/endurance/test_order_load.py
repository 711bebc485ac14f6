#!/usr/bin/python3
"""The load of the long runs, and its check: it passes what is right, and names what is missing, there twice, or not as it was acknowledged."""

import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import harness  # noqa: E402 - first: it finds grpcio and the stubs
from cluster import adjust_stock, deduct, release  # noqa: E402

ORDER_LOAD = harness.BUILD / "tests" / "endurance" / "order-load"
ORDERS = 1003


def order_load(cluster, *arguments):
    command = [str(ORDER_LOAD), "--endpoints", cluster.endpoints, "--skus", "7", "-o", "json", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=harness.seconds(60), check=False)


class OrderLoad(harness.TestCase):
    def check(self, cluster, orders=ORDERS):
        return order_load(cluster, "--check", "--orders", orders, "--batch", 100, "--callers", 4)

    def refused(self, cluster, *words, orders=ORDERS):
        ran = self.check(cluster, orders)
        self.assertNotEqual(ran.returncode, 0, ran.stdout)
        for each in words:
            self.assertIn(each, ran.stderr)

    def test_check_finds_what_is_wrong(self):
        cluster = self.open_cluster(1)
        stubs = cluster.leader().stubs.ledger
        ran = order_load(cluster, "--orders", ORDERS, "--callers", 8, "--batch", 10)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual(json.loads(ran.stdout)["next"], ORDERS)
        ran = self.check(cluster)
        self.assertEqual(ran.returncode, 0, ran.stderr)

        # A unit too many: some order counted twice.
        stubs.AdjustStock(adjust_stock("load-sku-3", -1, "one-more"))
        self.refused(cluster, "load-sku-3", "on hand")
        stubs.AdjustStock(adjust_stock("load-sku-3", 1, "and-back"))
        self.assertEqual(self.check(cluster).returncode, 0)

        # An order that was left held and is sold now.
        stubs.Deduct(deduct("load-2"))
        self.refused(cluster, "load-2:", "is not as it was acknowledged")

    def test_check_finds_what_is_missing(self):
        cluster = self.open_cluster(1)
        self.assertEqual(order_load(cluster, "--orders", 8).returncode, 0)
        self.refused(cluster, "load-8:", "is new here", orders=9)
        cluster.leader().stubs.ledger.Release(release("load-6"))
        self.refused(cluster, "load-6:", orders=8)


if __name__ == "__main__":
    harness.main()
