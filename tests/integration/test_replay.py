#!/usr/bin/python3
"""`holdfast replay` against a few lines of independent Python (orders.py): with one client its outcome is a function of the file and of N."""

import csv
import gzip
import itertools
import json
import os
import subprocess
import unittest

import harness  # first: it finds grpcio and the stubs
from holdfast.v1 import ledger_pb2

import orders
from cluster import get_order, list_all, verdict_name
from harness import HOLDFAST, SOURCES, WORK, seconds, wait_until

# The real orders lie beside the sources where they are had at all; CI takes a slice, HOLDFAST_FULL_REPLAY=1 the whole file.
REAL_ORDERS = SOURCES.parent / "shared" / "data" / "online-retail-orders.csv.gz"
SLICE_ROWS = 12_000

KEYS = {
    "orders", "granted", "refused", "skipped", "returned_units", "units_sold",
    "seconds", "orders_per_s", "lines_per_s", "p50_ms", "p99_ms", "max_ms",
}  # fmt: skip


def replay_command(path, on_hand, *arguments):
    return ["replay", str(path), "--stock", str(on_hand), "-o", "json", *map(str, arguments)]


class ReplayCase(harness.TestCase):
    def fresh_cluster(self):
        cluster = self.open_cluster(3)
        cluster.leader()
        return cluster

    def replay(self, cluster, path, on_hand, *arguments, timeout=120):
        run = harness.holdfast(*replay_command(path, on_hand, *arguments), endpoints=cluster.endpoints, timeout=timeout)
        self.assertEqual(run.returncode, 0, run.stderr)
        return self.parse(run.stdout)

    def parse(self, text):
        self.assertEqual(text.count("\n"), 1, text)
        result = json.loads(text)
        self.assertEqual(set(result), KEYS)
        return result

    def assertOutcome(self, cluster, result, rows, on_hand, exact_orders=True):
        """What replay told, and what the ledger holds afterwards, are what the definition gives."""
        expected = orders.outcome(rows, on_hand)
        told = {name: result[name] for name in ("orders", "granted", "refused", "skipped", "returned_units", "units_sold")}
        self.assertEqual(
            told,
            {
                "orders": expected.orders,
                "granted": expected.granted,
                "refused": expected.refused,
                "skipped": expected.skipped,
                "returned_units": expected.returned_units,
                "units_sold": expected.units_sold,
            },
        )
        if result["seconds"] > 0 and expected.orders > 0:
            # The seconds are given to the millisecond.
            for rate, count in ((result["orders_per_s"], expected.orders), (result["lines_per_s"], expected.lines)):
                self.assertAlmostEqual(rate * result["seconds"], count, delta=count * 0.02 + 1 + rate * 0.001)
        self.assertLessEqual(result["p50_ms"], result["p99_ms"])
        self.assertLessEqual(result["p99_ms"], result["max_ms"])
        self.assertStocks(cluster, expected.on_hand)
        ledger = cluster.leader().stubs.ledger
        granted = set(expected.granted_orders)
        if exact_orders:
            for invoice in list(dict.fromkeys(row[0] for row in rows))[:200]:
                found = ledger.GetOrder(get_order(invoice))
                self.assertEqual(verdict_name(found.verdict) == "OK", invoice in granted, invoice)
        cluster.check_sound()
        return expected

    def assertStocks(self, cluster, on_hand):
        stubs = cluster.leader().stubs
        found = list_all(stubs.ledger.ListStock, ledger_pb2.ListStockRequest(page_size=1000), "stocks")
        self.assertEqual({stock.sku: (stock.on_hand, stock.reserved) for stock in found}, {sku: (units, 0) for sku, units in on_hand.items()})


class MadeOrders(ReplayCase):
    def test_a_file_of_every_oddity(self):
        path = WORK.new("replay") / "orders.csv"
        path.write_bytes(
            b"\xef\xbb\xbftime,invoice,stock_code,quantity\r\n"
            b"2010-12-01 08:26:00,1,apple,6\r\n"
            b"2010-12-01 08:26:00,1,apple,1\r\n"  # twice in one order: summed
            b"2010-12-01 08:26:00,2,pear,3\r\n"
            b"2010-12-01 08:26:00,1,pear,1\r\n"  # interleaved
            b"2010-12-01 08:26:00,3,apple,0\r\n"  # nothing is left of this one
            b"2010-12-01 08:26:00,3,pear,-4\r\n"
            b"2010-12-01 08:26:00,4,apple,-9\r\n"  # a correction inside an order: left out
            b"2010-12-01 08:26:00,4,apple,3\r\n"
            b"2010-12-01 08:26:00,5,apple,1\r\n"  # refused: 10 - 7 - 3
            b"2010-12-01 08:26:00,C6,apple,-2\r\n"  # a return, two lines of it
            b"2010-12-01 08:26:00,C6,apple,-1\r\n"
            b"2010-12-01 08:26:00,C6,pear,5\r\n"  # positive inside a return: left out
            b"2010-12-01 08:26:00,C7,pear,0\r\n"  # nothing is left of this one
            b"2010-12-01 08:26:00,8,apple,3\r\n"  # what came back is sold again
            b"2010-12-01 08:26:00,c9,APPLE,2\r\n"  # another SKU, and no return
            b'2010-12-01 08:26:00,"10, ""quoted""","a ""b"", c\nd",1\r\n'
            b'"2010-12-01 08:26:00",11,cr\xc3\xa8me,10\r\n'
            b"2010-12-01 08:26:00,12,cr\xc3\xa8me,1\r\n"
        )
        rows = orders.read_csv(path)
        cluster = self.fresh_cluster()
        result = self.replay(cluster, path, 10, "--clients", 1)
        expected = self.assertOutcome(cluster, result, rows, 10)
        self.assertEqual((expected.orders, expected.granted, expected.refused, expected.skipped), (9, 7, 2, 2))
        self.assertEqual((expected.returned_units, expected.units_sold), (3, 30))

        # Once more on the same cluster: an order id that is there already stops it, with words.
        again = harness.holdfast(*replay_command(path, 10, "--clients", 1), endpoints=cluster.endpoints)
        self.assertEqual(again.returncode, 1, again.stdout)
        self.assertIn("replayed", again.stderr)

    def test_several_stocks_and_batches(self):
        table = orders.made_rows(seed=17, orders=400, skus=60)
        path = WORK.new("replay") / "orders.csv"
        orders.write_csv(path, table)
        packed = path.with_suffix(".csv.gz")
        orders.write_csv(packed, table)
        rows = [row[1:] for row in table]
        for (on_hand, batch), file in zip(((0, 1), (7, 1), (60, 16), (60, 1000), (10**6, 3)), itertools.cycle((path, packed))):
            with self.subTest(stock=on_hand, batch=batch):
                cluster = self.fresh_cluster()
                arguments = ["--clients", 1] + (["--batch", batch] if batch > 1 else [])
                self.assertOutcome(cluster, self.replay(cluster, file, on_hand, *arguments), rows, on_hand)
                cluster.stop()

    def test_many_clients_lose_and_oversell_nothing(self):
        """Who comes first is open with many clients; that nothing is lost or sold twice is not."""
        table = orders.made_rows(seed=23, orders=1500, skus=200)
        path = WORK.new("replay") / "orders.csv.gz"
        orders.write_csv(path, table)
        rows = [row[1:] for row in table]
        for arguments in (("--clients", 16), ("--clients", 8, "--batch", 20)):
            with self.subTest(arguments=arguments):
                cluster = self.fresh_cluster()
                result = self.replay(cluster, path, 100, *arguments)
                expected = orders.outcome(rows, 100)
                for name in ("orders", "skipped", "returned_units"):
                    self.assertEqual(result[name], getattr(expected, name))
                self.assertEqual(result["granted"] + result["refused"], result["orders"])
                self.assertConserved(cluster, result, rows, 100)
                cluster.stop()
        # With stock for everybody the order does not matter at all.
        cluster = self.fresh_cluster()
        self.assertOutcome(cluster, self.replay(cluster, path, 10**6, "--clients", 16), rows, 10**6)

    def assertConserved(self, cluster, result, rows, on_hand):
        stubs = cluster.leader().stubs
        stocks = list_all(stubs.ledger.ListStock, ledger_pb2.ListStockRequest(page_size=1000), "stocks")
        left = {stock.sku: stock.on_hand for stock in stocks}
        self.assertEqual(sum(stock.reserved for stock in stocks), 0)
        self.assertEqual(sum(left.values()), len(left) * on_hand + result["returned_units"] - result["units_sold"])
        # Each order by itself: sold whole, or not there.
        futures = {
            invoice: stubs.ledger.GetOrder.future(get_order(invoice), timeout=seconds(60))
            for invoice in dict.fromkeys(row[0] for row in rows)
            if not invoice.startswith("C")
        }
        granted = sold = 0
        for invoice, future in futures.items():
            found = future.result()
            if verdict_name(found.verdict) == "OK":
                granted += 1
                self.assertEqual(found.order.state, ledger_pb2.Order.DEDUCTED)
                for line in found.order.lines:
                    self.assertEqual(line.reserved, line.deducted)
                    sold += line.deducted
                    left[line.sku] += line.deducted
        self.assertEqual((granted, sold), (result["granted"], result["units_sold"]))
        returned = orders.outcome(rows, 0)
        self.assertEqual(sum(left.values()), len(left) * on_hand + returned.returned_units)
        cluster.check_sound()


class Faults(ReplayCase):
    def kill_leader_halfway(self, *arguments, on_hand=150, count=1200):
        table = orders.made_rows(seed=5, orders=count, skus=150)
        path = WORK.new("replay") / "orders.csv"
        orders.write_csv(path, table)
        rows = [row[1:] for row in table]
        cluster = self.fresh_cluster()
        command = [HOLDFAST, *replay_command(path, on_hand, *arguments), "--endpoints", cluster.endpoints]
        process = harness.spawn(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        # An order of the middle is there: half of it is done, half of it is to come.
        granted = orders.outcome(rows, on_hand).granted_orders
        middle = granted[len(granted) // 2]
        leader = cluster.leader()

        def halfway():
            self.assertIsNone(process.poll(), "the replay ended before its middle")
            return verdict_name(leader.stubs.ledger.GetOrder(get_order(middle)).verdict) == "OK"

        wait_until(halfway, "the replay does not come to its middle", timeout=60)
        leader.kill()
        self.assertIsNone(process.poll(), "the replay ended before its leader was killed")
        with process.stdout, process.stderr:
            out, err = process.communicate(timeout=seconds(60))
        self.assertEqual(process.returncode, 0, err)
        leader.start()
        cluster.wait_ready()
        return cluster, self.parse(out), rows, on_hand

    def test_leader_is_killed_with_one_client(self):
        """The outcome is exactly the same as without a fault."""
        cluster, result, rows, on_hand = self.kill_leader_halfway("--clients", 1)
        self.assertOutcome(cluster, result, rows, on_hand)

    def test_leader_is_killed_with_many_clients(self):
        cluster, result, rows, on_hand = self.kill_leader_halfway("--clients", 8, on_hand=10**6, count=4000)
        self.assertOutcome(cluster, result, rows, on_hand)

    def test_no_cluster(self):
        path = WORK.new("replay") / "orders.csv"
        orders.write_csv(path, [("t", "1", "apple", 1)])
        run = harness.holdfast(*replay_command(path, 5, "--timeout", "500ms"), endpoints="127.0.0.1:1")
        self.assertEqual(run.returncode, 3, run.stderr)
        self.assertEqual(run.stdout, "")


class BadFiles(ReplayCase):
    def test_nothing_is_sent_from_a_bad_file(self):
        directory = WORK.new("replay")
        cluster = self.open_cluster(1)
        good = b"2010-12-01 08:26:00,1,apple,6\n" * 3
        header = b"time,invoice,stock_code,quantity\n"
        cases = {
            "empty": (b"", "empty"),
            "another header": (b"invoice,time,stock_code,quantity\n" + good, "line 1"),
            "no header": (good, "line 1"),
            "a field too few": (header + good + b"2010,1,apple\n", "line 5"),
            "a field too many": (header + good + b"2010,1,apple,6,7\n", "line 5"),
            "no number": (header + good + b"2010,1,apple,six\n", "line 5"),
            "a fraction": (header + good + b"2010,1,apple,1.5\n", "line 5"),
            "an empty quantity": (header + good + b"2010,1,apple,\n", "line 5"),
            "blanks around a number": (header + good + b"2010,1,apple, 6\n", "line 5"),
            "too large a number": (header + good + b"2010,1,apple,9007199254740992\n", "line 5"),
            "a sum too large": (header + b"2010,1,apple,9007199254740991\n2010,1,apple,1\n", "1"),
            "an empty invoice": (header + good + b"2010,,apple,6\n", "line 5"),
            "an empty SKU": (header + good + b"2010,1,,6\n", "line 5"),
            "an id of 256 bytes": (header + good + b"2010,1," + b"x" * 256 + b",6\n", "line 5"),
            "invalid UTF-8": (header + good + b"2010,1,\xff,6\n", "line 5"),
            "a NUL": (header + good + b"2010,1,a\0b,6\n", "line 5"),
            "a quote that stays open": (header + good + b'2010,1,"apple,6\n', "line 5"),
            "text behind a quote": (header + good + b'2010,1,"apple"x,6\n', "line 5"),
            "10,001 lines in an order": (header + b"".join(b"t,1,sku-%d,1\n" % number for number in range(10_001)), "1"),
        }
        for name, (text, words) in cases.items():
            path = directory / "bad.csv"
            path.write_bytes(text)
            self.refused(cluster, path, name, words)
        whole = gzip.compress(header + good * 100)
        for name, text in {"cut short": whole[:-20], "corrupt": whole[:30] + b"\xff" * 10 + whole[40:]}.items():
            path = directory / "bad.csv.gz"
            path.write_bytes(text)
            self.refused(cluster, path, name, "bad.csv.gz")
        self.refused(cluster, directory / "missing.csv", "missing", "No such file")
        self.refused(cluster, directory, "a directory", str(directory))
        stocks = cluster.leader().stubs.ledger.ListStock(ledger_pb2.ListStockRequest()).stocks
        self.assertEqual(len(stocks), 0)

    def refused(self, cluster, path, name, words):
        with self.subTest(name):
            run = harness.holdfast(*replay_command(path, 10), endpoints=cluster.endpoints)
            self.assertEqual(run.returncode, 2, f"{run.stdout} {run.stderr}")
            self.assertEqual(run.stdout, "")
            self.assertIn(str(path), run.stderr)
            self.assertIn(words, run.stderr)


class RealOrders(ReplayCase):
    def setUp(self):
        if not REAL_ORDERS.exists():
            self.skipTest(f"{REAL_ORDERS} is not there")

    def test_a_slice(self):
        path = WORK.new("replay") / "slice.csv.gz"
        with gzip.open(REAL_ORDERS, "rt", newline="") as whole, gzip.open(path, "wt", newline="") as part:
            writer = csv.writer(part)
            writer.writerows(itertools.islice(csv.reader(whole), SLICE_ROWS + 1))
        rows = orders.read_csv(path)
        self.assertEqual(len(rows), SLICE_ROWS)
        for on_hand, arguments in ((25, ()), (100, ("--batch", 10))):
            with self.subTest(stock=on_hand, arguments=arguments):
                cluster = self.fresh_cluster()
                self.assertOutcome(cluster, self.replay(cluster, path, on_hand, "--clients", 1, *arguments), rows, on_hand)
                cluster.stop()

    @unittest.skipUnless(
        os.environ.get("HOLDFAST_FULL_REPLAY") == "1", "all 25,900 invoices are replayed with HOLDFAST_FULL_REPLAY=1"
    )
    def test_the_whole_file(self):
        rows = orders.read_csv(REAL_ORDERS)
        for on_hand in (50, 1000):
            with self.subTest(stock=on_hand):
                cluster = self.fresh_cluster()
                result = self.replay(cluster, REAL_ORDERS, on_hand, "--clients", 1, timeout=600)
                print(result, flush=True)
                self.assertOutcome(cluster, result, rows, on_hand)
                cluster.stop()
        cluster = self.fresh_cluster()
        result = self.replay(cluster, REAL_ORDERS, 1000, "--clients", 64, timeout=600)
        print(result, flush=True)
        self.assertLess(result["seconds"], seconds(60))
        cluster.check_sound()


if __name__ == "__main__":
    harness.main()
