"""The verbs of `holdfast` over a stand-in for the client library: what they print, what they return, and that a replay
does exactly what its definition says, held against a second reading of it in a few lines of Python.

usage: verbs_test.py PROGRAM [unittest argument]...
"""
import csv
import gzip
import io
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

PROGRAM = None
REAL_ORDERS = pathlib.Path(__file__).resolve().parents[4] / "shared" / "data" / "online-retail-orders.csv.gz"


def holdfast(*args, **env):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST_", "STAND_IN_"))}
    return subprocess.run([PROGRAM, *args], env=clean | env, capture_output=True, timeout=60, check=False,
                          stdin=subprocess.DEVNULL)


def lines_of(result):
    return [json.loads(line) for line in result.stdout.decode().splitlines()]


def expected_replay(text, stock):
    """Figures and final stocks of a replay with one client."""
    invoices = {}
    stocks = {}
    for row in csv.DictReader(io.StringIO(text)):
        stocks[row["stock_code"]] = stock
        invoices.setdefault(row["invoice"], []).append((row["stock_code"], int(row["quantity"])))
    figures = dict(orders=0, granted=0, refused=0, skipped=0, returned_units=0, units_sold=0)
    for invoice, lines in invoices.items():
        sums = {}
        for sku, quantity in lines:
            quantity = -quantity if invoice.startswith("C") else quantity
            if quantity > 0:
                sums[sku] = sums.get(sku, 0) + quantity
        if not sums:
            figures["skipped"] += 1
        elif invoice.startswith("C"):
            for sku, quantity in sums.items():
                stocks[sku] += quantity
                figures["returned_units"] += quantity
        else:
            granted = all(stocks[sku] >= quantity for sku, quantity in sums.items())
            figures["orders"] += 1
            figures["granted" if granted else "refused"] += 1
            for sku, quantity in sums.items() if granted else ():
                stocks[sku] -= quantity
                figures["units_sold"] += quantity
    return figures, stocks


def made_orders(seed, invoices=400, skus=40):
    """Orders of the same shape as real ones: a skew, lines that do not stand together, returns, corrections."""
    draw = random.Random(seed)
    rows = []
    for number in range(invoices):
        invoice = ("C" if draw.random() < 0.15 else "") + str(536365 + number)
        for _ in range(draw.randint(1, 12)):
            sku = f"s{min(int(draw.paretovariate(0.7)), skus)}"
            quantity = draw.choice([1, 1, 2, 3, 6, 12, 0, -1]) if draw.random() < 0.97 else -5
            quantity = -abs(quantity) if invoice.startswith("C") and draw.random() < 0.9 else quantity
            rows.append((number + draw.choice([0, 0, 0, 3]), invoice, sku, quantity))
    rows.sort(key=lambda row: row[0])
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["time", "invoice", "stock_code", "quantity"])
    writer.writerows(rows)
    return out.getvalue()


class Replay(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def path(self, name):
        return os.path.join(self.directory.name, name)

    def replay(self, text, *args, **env):
        with open(self.path("orders.csv"), "w", newline="", encoding="utf-8") as file:
            file.write(text)
        return holdfast("replay", self.path("orders.csv"), "-o", "json", *args, STAND_IN_STATE=self.path("state"), **env)

    def stocks(self):
        with open(self.path("state"), encoding="utf-8") as file:
            return {sku: (int(on_hand), int(reserved)) for sku, on_hand, reserved in (line.rstrip("\n").rsplit(" ", 2) for line in file)}

    def assert_exact(self, text, stock, *args):
        result = self.replay(text, "--stock", str(stock), *args)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stderr, b"")
        figures, stocks = expected_replay(text, stock)
        (got,) = lines_of(result)
        self.assertEqual({key: got[key] for key in figures}, figures)
        self.assertEqual(list(got), ["orders", "granted", "refused", "skipped", "returned_units", "units_sold", "seconds",
                                     "orders_per_s", "lines_per_s", "p50_ms", "p99_ms", "max_ms"])
        self.assertEqual(self.stocks(), {sku: (on_hand, 0) for sku, on_hand in stocks.items()})
        return got

    def test_one_client_does_what_the_definition_says(self):
        refusals = 0
        for seed in range(4):
            for stock in (0, 1, 7, 40, 1000000):
                got = self.assert_exact(made_orders(seed), stock)
                refusals += 0 < got["refused"] < got["orders"]
        self.assertGreater(refusals, 4, "the files are too tame to tell granted from refused")

    def test_batches_change_nothing(self):
        for batch in (2, 7, 100, 10000):
            self.assert_exact(made_orders(9), 30, "--batch", str(batch))

    def test_a_batch_beyond_the_limits_is_split(self):
        # 30 orders of 900 lines: 27,000 lines, and SKUs so long that a call of 10,000 lines would pass 4 MiB.
        rows = [f"t,{order},{'x' * 240}-{line},1" for order in range(30) for line in range(900)]
        text = "time,invoice,stock_code,quantity\n" + "\n".join(rows) + "\n"
        self.assert_exact(text, 20, "--batch", "30")
        rows = [f"t,C{order},s{line},-1" for order in range(3) for line in range(9000)]
        self.assert_exact("time,invoice,stock_code,quantity\n" + "\n".join(rows) + "\n", 0, "--batch", "3")

    def test_many_clients_keep_the_sums(self):
        text = made_orders(3, invoices=2000)
        figures, stocks = expected_replay(text, 60)
        for args in (["--clients", "64"], ["--clients", "16", "--batch", "5"], ["--clients", "16384"]):
            result = self.replay(text, "--stock", "60", *args, STAND_IN_SHUFFLE="1")
            self.assertEqual(result.returncode, 0, result.stderr)
            (got,) = lines_of(result)
            self.assertEqual(got["orders"], figures["orders"])
            self.assertEqual(got["orders"], got["granted"] + got["refused"])
            self.assertEqual((got["skipped"], got["returned_units"]), (figures["skipped"], figures["returned_units"]))
            after = self.stocks()
            self.assertEqual(set(after), set(stocks))
            self.assertTrue(all(on_hand >= 0 and reserved == 0 for on_hand, reserved in after.values()))
            self.assertEqual(sum(on_hand for on_hand, _ in after.values()),
                             60 * len(stocks) + got["returned_units"] - got["units_sold"])

    def test_a_file_without_orders(self):
        self.assert_exact("time,invoice,stock_code,quantity\n", 5)
        self.assert_exact("time,invoice,stock_code,quantity\nt,1,x,-1\n", 5)

    def test_gzip(self):
        text = made_orders(5, invoices=50)
        path = self.path("orders.csv.gz")
        with gzip.open(path, "wb") as file:
            file.write(text.encode())
        result = holdfast("replay", path, "--stock", "9", "-o", "json")
        figures, _ = expected_replay(text, 9)
        (got,) = lines_of(result)
        self.assertEqual({key: got[key] for key in figures}, figures)

    def test_real_orders(self):
        if not REAL_ORDERS.exists():
            self.skipTest(f"{REAL_ORDERS.name} is not here")
        with gzip.open(REAL_ORDERS, "rt", newline="", encoding="utf-8") as file:
            text = file.read()
        for stock in (100, 5000):
            self.assert_exact(text, stock, "--batch", "50")

    def test_it_stops_at_an_order_that_was_there(self):
        text = "time,invoice,stock_code,quantity\nt,1,x,1\nt,2,x,1\nt,3,x,1\n"
        # Command 1 is the SetStock, then Reserve and Deduct of each order.
        for fault in ("REPLAYED:4", "ORDER_DEDUCTED:4", "ORDER_CONFLICT:4", "ORDER_EXPIRED:4"):
            result = self.replay(text, "--stock", "9", STAND_IN_FAULT=fault)
            self.assertEqual(result.returncode, 1)
            self.assertEqual(result.stdout, b"")
            self.assertRegex(result.stderr, b"order 2 exists already .*this file has been replayed on this cluster")
        self.assertEqual(self.stocks()["x"], (8, 0), "it went on after the failure")

    def test_a_replay_after_a_retry_is_our_own(self):
        text = "time,invoice,stock_code,quantity\nt,1,x,1\nt,2,x,1\n"
        for command in (4, 5):
            result = self.replay(text, "--stock", "9", STAND_IN_FAULT=f"RETRIED:{command}")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(lines_of(result)[0]["granted"], 2)

    def test_any_other_refusal_stops_it(self):
        text = "time,invoice,stock_code,quantity\nt,1,x,1\nt,C2,x,-1\n"
        for command, word in ((1, b"the stock of x"), (2, b"order 1: Reserve"), (3, b"order 1: Deduct"), (4, b"return C2")):
            result = self.replay(text, "--stock", "9", STAND_IN_FAULT=f"OVERFLOW:{command}")
            self.assertEqual(result.returncode, 1, command)
            self.assertIn(word, result.stderr)
            self.assertIn(b"OVERFLOW", result.stderr)

    def test_no_answer_has_its_exit_codes(self):
        text = "time,invoice,stock_code,quantity\nt,1,x,1\nt,C2,x,-1\n"
        for command in (1, 2, 3, 4):
            result = self.replay(text, "--stock", "9", STAND_IN_FAULT=f"UNREACHABLE:{command}")
            self.assertEqual(result.returncode, 3, result.stderr)
            result = self.replay(text, "--stock", "9", STAND_IN_FAULT=f"OUTCOME_UNKNOWN:{command}")
            self.assertEqual(result.returncode, 4, result.stderr)
            self.assertIn(b"made-by-the-library", result.stderr)

    def test_a_bad_file_sends_nothing(self):
        for text, word in ((b"time,invoice,stock_code,quantity\nt,1,x,1\nt,1,x\n", b"line 3: 3 fields"),
                           (b"x\n", b"line 1: the header"), (b"", b"empty"),
                           (b"time,invoice,stock_code,quantity\nt,1,x,9007199254740991\nt,1,x,1\n", b"add up beyond")):
            path = self.path("bad.csv")
            with open(path, "wb") as file:
                file.write(text)
            result = holdfast("replay", path, "--stock", "1", STAND_IN_STATE=self.path("state"))
            self.assertEqual(result.returncode, 2)
            self.assertIn(word, result.stderr)
            self.assertIn(b"bad.csv", result.stderr)
            self.assertFalse(os.path.exists(self.path("state")), "a client was opened")


class Changes(unittest.TestCase):
    def test_set_stock(self):
        result = holdfast("stock", "set", "a\"\\pple", "10", "-o", "json", "--request-id", "r1")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout.count(b"\n"), 1)
        self.assertNotIn(b": ", result.stdout)
        (got,) = lines_of(result)
        self.assertEqual(got, {
            "verdict": "OK", "replayed": False, "message": "done", "log_index": 1, "log_position": 0,
            "order_state": "STATE_UNSPECIFIED", "existed": False, "failed_lines": [],
            "stock": {"sku": "a\"\\pple", "warehouse": 1, "on_hand": 10, "reserved": 0, "available": 10, "version": 1,
                      "low_stock_threshold": 0, "created_at": "2026-11-20T07:35:00.125Z",
                      "updated_at": "2026-11-20T07:35:00.125Z", "last_index": 0},
            "request_id": "r1"})

    def test_tables(self):
        result = holdfast("stock", "set", "apple", "10")
        self.assertEqual(result.stdout.decode(), "OK\nSKU    WAREHOUSE  ON HAND  RESERVED  AVAILABLE  VERSION\n"
                                                 "apple          1       10         0         10        1\n")

    def test_adjust_takes_signed_numbers(self):
        self.assertEqual(holdfast("stock", "adjust", "apple", "-3", "--reason", "DAMAGE").returncode, 1)
        (got,) = lines_of(holdfast("stock", "adjust", "sku-000005", "-3", "--reason", "DAMAGE", "-o", "json",
                                   STAND_IN_STOCKS="9"))
        self.assertEqual(got["stock"]["on_hand"], 2)
        (got,) = lines_of(holdfast("stock", "adjust", "sku-000005", "+3", "--reason", "DAMAGE", "-o", "json",
                                   STAND_IN_STOCKS="9"))
        self.assertEqual(got["stock"]["on_hand"], 8)

    def test_refusal(self):
        result = holdfast("order", "reserve", "o", "sku-000002=5", "-o", "json", STAND_IN_STOCKS="9")
        self.assertEqual(result.returncode, 1)
        (got,) = lines_of(result)
        self.assertEqual(got["verdict"], "INSUFFICIENT_STOCK")
        self.assertEqual(got["failed_lines"], [{"sku": "a\"b\n", "warehouse": 1, "requested": 5, "available": 2,
                                                "reason": "INSUFFICIENT_STOCK"}])

    def test_reserve(self):
        result = holdfast("order", "reserve", "o", "sku-000007=5@1", "--ttl", "10m", "-o", "json", STAND_IN_STOCKS="9")
        self.assertEqual((result.returncode, lines_of(result)[0]["order_state"]), (0, "ACTIVE"))
        self.assertEqual(holdfast("order", "deduct", "o").returncode, 1)

    def test_unknown_outcome_tells_the_identity(self):
        result = holdfast("stock", "set", "x", "1", "-o", "json", STAND_IN_FAULT="OUTCOME_UNKNOWN:1")
        self.assertEqual(result.returncode, 4)
        self.assertIn(b"--request-id made-by-the-library", result.stderr)
        self.assertEqual(lines_of(result)[0]["request_id"], "made-by-the-library")
        result = holdfast("order", "reserve", "o", "x=1", "--request-id", "mine", STAND_IN_FAULT="OUTCOME_UNKNOWN:1")
        self.assertIn(b"--request-id mine", result.stderr)
        result = holdfast("order", "reserve", "o", "x=1", STAND_IN_FAULT="OUTCOME_UNKNOWN:1")
        self.assertEqual(result.returncode, 4)
        self.assertIn(b"run the same command again within a day with --request-id made-by-the-library", result.stderr)

    def test_unreachable(self):
        result = holdfast("stock", "set", "x", "1", STAND_IN_FAULT="UNREACHABLE:1")
        self.assertEqual((result.returncode, result.stdout), (3, b""))
        self.assertEqual(result.stderr.decode(), "holdfast stock set: no node answered at 127.0.0.1:7070: connection refused; "
                                                 "is a cluster running? start one with: holdfast playground\n")

        # Somebody is there, so it is no use to start another cluster.
        result = holdfast("stock", "set", "x", "1", "--endpoints", "127.0.0.1:2,127.0.0.1:3", STAND_IN_FAULT="UNREACHABLE:1")
        self.assertEqual(result.returncode, 3)
        self.assertNotIn(b"playground", result.stderr)
        self.assertIn(b"see: holdfast cluster status", result.stderr)


class Reads(unittest.TestCase):
    def test_get(self):
        result = holdfast("stock", "get", "sku-000003", "nope", "-o", "json", STAND_IN_STOCKS="9")
        self.assertEqual(result.returncode, 1)
        first, second = lines_of(result)
        self.assertEqual((first["verdict"], first["stock"]["on_hand"]), ("OK", 3))
        self.assertEqual((second["verdict"], second["stock"]["sku"]), ("SKU_NOT_FOUND", "nope"))
        result = holdfast("stock", "get", "sku-000003", "nope", STAND_IN_STOCKS="9")
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"nope", result.stderr)

    def test_lists_page_to_the_end(self):
        for count in (0, 1, 1000, 1001, 2500):
            result = holdfast("stock", "list", "-o", "json", STAND_IN_STOCKS=str(count))
            self.assertEqual([line["on_hand"] for line in lines_of(result)], list(range(count)))
            result = holdfast("stock", "list", STAND_IN_STOCKS=str(count))
            self.assertEqual(len(result.stdout.splitlines()), count + 1)

    def test_history(self):
        result = holdfast("stock", "history", "x", "-o", "json")
        rows = lines_of(result)
        self.assertEqual(len(rows), 2)  # two pages
        self.assertEqual((rows[0]["op"], rows[0]["on_hand_change"], rows[0]["reason"]), ("SET", -3, "\x1b[2J"))
        self.assertNotIn(b"\x1b", result.stdout)
        result = holdfast("stock", "history", "x")
        self.assertIn(b"\\x1b[2J", result.stdout)
        self.assertNotIn(b"\x1b", result.stdout)

    def test_check_and_order(self):
        result = holdfast("stock", "check", "x=1", "-o", "json")
        self.assertEqual(lines_of(result), [{"available": True, "failed_lines": [], "log_index": 0}])
        result = holdfast("order", "get", "o", "-o", "json")
        self.assertEqual((result.returncode, lines_of(result)), (1, [{"verdict": "ORDER_NOT_FOUND", "log_index": 0}]))

    ONE_ANSWER = (("stock", "get", "sku-000001"), ("stock", "check", "x=1"), ("order", "get", "o"))
    ROWS = (("stock", "list"), ("stock", "history", "x"))

    def test_stale_answers_tell_their_age(self):
        old = b": as of log index 100, at most 1.234 s old\n"
        for verb in self.ONE_ANSWER:
            result = holdfast(*verb, "--stale", "-o", "json", STAND_IN_STOCKS="2")
            answer = lines_of(result)[0]
            self.assertEqual((answer["log_index"], answer["age"], result.stderr), (100, "1.234s", b""))
            result = holdfast(*verb, "--stale", STAND_IN_STOCKS="2")
            self.assertEqual(result.stderr, f"holdfast {verb[0]} {verb[1]}".encode() + old)
        for verb in self.ROWS:  # the oldest page's, and no word of it in the rows
            for form in ("json", "table"):
                result = holdfast(*verb, "--stale", "-o", form, STAND_IN_STOCKS="2500")
                self.assertEqual(result.stderr, f"holdfast {verb[0]} {verb[1]}".encode() + old)

    def test_answers_that_are_not_stale_tell_none(self):
        for verb in self.ONE_ANSWER:
            result = holdfast(*verb, "--min-index", "70", "-o", "json", STAND_IN_STOCKS="2")
            self.assertEqual((lines_of(result)[0]["log_index"], result.stderr), (70, b""))
            self.assertNotIn("age", lines_of(result)[0])
        for verb in self.ONE_ANSWER + self.ROWS:
            self.assertEqual(holdfast(*verb, "--min-index", "70", STAND_IN_STOCKS="2").stderr, b"")
            self.assertEqual(holdfast(*verb, "--min-index", "-1").returncode, 2)

    def test_a_stale_answer_waits_for_its_index(self):
        for verb in self.ONE_ANSWER:
            result = holdfast(*verb, "--stale", "--min-index", "700", "-o", "json", STAND_IN_STOCKS="2")
            self.assertEqual(lines_of(result)[0]["log_index"], 700)


class Cluster(unittest.TestCase):
    def run_on(self, verb, *ports, form="json", **environment):
        endpoints = ",".join(f"127.0.0.1:{port}" for port in ports)
        return holdfast("cluster", verb, "--endpoints", endpoints, "-o", form, **environment)

    def verify(self, *ports, leader="", form="json"):
        """With members at these ports, of which any endpoint tells; without a leader, they can't agree on an index."""
        environment = {"STAND_IN_MEMBERS": ",".join(map(str, ports))}
        if leader:
            environment["STAND_IN_LEADER"] = str(leader)
        return self.run_on("verify", 2, 3, form=form, **environment)

    def test_status_asks_each(self):
        result = self.run_on("status", 1, 2, 3)
        self.assertEqual(result.returncode, 0)
        lines = lines_of(result)
        self.assertEqual([line["endpoint"] for line in lines], ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"])
        self.assertEqual((lines[0]["state"], lines[0]["members"][0]["role"]), ("LEADER", "VOTER"))
        self.assertEqual(lines[1]["error"], "connection refused")
        result = self.run_on("status", 9, form="table")
        self.assertIn(b"127.0.0.1:9: ALARM: they differ", result.stderr)
        result = self.run_on("status", 2, 4)
        self.assertEqual(result.returncode, 3)
        self.assertIn(b"holdfast playground", result.stderr)

    def test_equal_nodes(self):
        result = self.verify(1, 3, 17, leader=1)
        self.assertEqual((result.returncode, lines_of(result)[-1]), (0, {"verdict": "EQUAL", "log_index": 76, "nodes": 3, "wrong": [], "unchecked": []}))
        self.assertEqual([(line["node_id"], line["applied_index"]) for line in lines_of(result)[:-1]], [(1, 76), (2, 76), (3, 76)])
        result = self.verify(1, leader=1, form="table")
        self.assertEqual(result.returncode, 0)
        self.assertIn(b"EQUAL: of 1 nodes at log index 76, 1 equal and sound, 0 wrong, 0 not checked\n", result.stdout)

    def test_a_node_that_differs_is_named(self):
        result = self.verify(1, 3, 5, leader=1)
        self.assertEqual((result.returncode, lines_of(result)[-1]["wrong"], lines_of(result)[-1]["verdict"]), (1, [3], "WRONG"))
        self.assertIn(b"node 3 (127.0.0.1:5): differs: at log index 76 its records", result.stderr)
        self.assertIn(b"give digest bb, those of most others (0, 0, 0) aa", result.stderr)
        # Of two, nobody knows which one is right; a node that is not reached changes nothing of it.
        result = self.verify(1, 5, 2, leader=1)
        self.assertEqual((result.returncode, lines_of(result)[-1]["wrong"], lines_of(result)[-1]["unchecked"]), (1, [1, 2], [3]))
        self.assertEqual(result.stderr.count(b"those of another node"), 2)

    def test_a_node_that_is_wrong_by_itself_is_named(self):
        result = self.verify(1, 7, 3, leader=1)
        self.assertEqual((result.returncode, lines_of(result)[-1]["wrong"]), (1, [2]))
        self.assertEqual(lines_of(result)[1]["violations"], ["on_hand of \"x\" is -1"])
        self.assertIn(b"node 2 (127.0.0.1:7): violation: on_hand of", result.stderr)
        result = self.verify(1, 15, 3, leader=1)
        self.assertEqual((result.returncode, lines_of(result)[-1]["wrong"]), (1, [2]))
        self.assertIn(b"the digest that it keeps is cc, but its records give aa", result.stderr)

    def test_nodes_that_are_not_reached_are_listed(self):
        for ports in ((1, 3, 2), (1, 3, 0)):
            result = self.verify(*ports, leader=1)
            self.assertEqual((result.returncode, lines_of(result)[-1]["unchecked"], lines_of(result)[-1]["verdict"]), (3, [3], "INCOMPLETE"))
            self.assertIn("error", lines_of(result)[2])
            self.assertIn(b"node 3 (", result.stderr)
        # The members are the nodes that a member names: an endpoint that is none of them is told of, and makes nothing incomplete.
        result = self.run_on("verify", 2, 9, 3, STAND_IN_MEMBERS="1,3,17", STAND_IN_LEADER="1")
        self.assertEqual((result.returncode, [line["endpoint"] for line in lines_of(result)[:-1]]), (0, ["127.0.0.1:1", "127.0.0.1:3", "127.0.0.1:17"]))
        self.assertIn(b"127.0.0.1:2: connection refused", result.stderr)
        result = self.run_on("verify", 2, 4)
        self.assertEqual((result.returncode, result.stdout), (3, b""))
        self.assertIn(b"holdfast playground", result.stderr)

    def test_a_node_that_has_passed_the_index_is_asked_again(self):
        result = self.verify(1, 3, 13, leader=1)
        self.assertEqual((result.returncode, lines_of(result)[-1]["log_index"]), (0, 140))

    def test_without_a_leader_what_can_be_compared_is(self):
        result = self.verify(1, 3, 5)
        self.assertEqual((result.returncode, lines_of(result)[-1]["wrong"]), (1, [3]))
        self.assertIn(b"no leader is known", result.stderr)
        result = self.verify(1, 3, 11)
        self.assertEqual((result.returncode, lines_of(result)[-1]["unchecked"]), (3, [3]))

    def test_snapshot_asks_each(self):
        result = self.run_on("snapshot", 1, 3)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual([(line["node_id"], line["snapshot_index"]) for line in lines_of(result)], [(1, 4711), (3, 4711)])
        result = self.run_on("snapshot", 1, 2)
        self.assertEqual(result.returncode, 3)
        self.assertIn(b"127.0.0.1:2: another node fetches", result.stderr)
        self.assertEqual(lines_of(result)[0]["snapshot_index"], 4711)
        result = self.run_on("snapshot", 1, form="table")
        self.assertEqual(result.returncode, 0)
        self.assertIn(b"4711", result.stdout)

    def test_status_finds_the_members(self):
        """Of one that is given: the others, by the addresses that it tells; who has none is told of."""
        result = self.run_on("status", 102, form="table")
        self.assertEqual(result.returncode, 0)
        rows = [line.split() for line in result.stdout.decode().splitlines()[1:]]
        self.assertEqual([row[:3] for row in rows], [
            ["1", "VOTER", "LEADER"], ["2", "VOTER", "FOLLOWER"], ["3", "VOTER", "UNREACHED"], ["4", "STANDBY", "FOLLOWER"]])
        self.assertEqual([row[-1] for row in rows], ["127.0.0.1:101", "127.0.0.1:102", "unknown", "127.0.0.1:104"])
        self.assertIn("6000", rows[3])  # what it lags behind
        self.assertIn(b"node 3 was not asked", result.stderr)
        lines = lines_of(self.run_on("status", 102))
        self.assertEqual([line["endpoint"] for line in lines], ["127.0.0.1:102", "127.0.0.1:101", "", "127.0.0.1:104"])
        self.assertEqual((lines[2]["node_id"], "error" in lines[2]), (3, True))
        # Who is given and is no member has a line too.
        result = self.run_on("status", 102, 106, 2, form="table")
        self.assertEqual(result.stdout.count(b"NO MEMBER"), 1, result.stdout)
        self.assertEqual(result.stdout.splitlines()[-1].split()[:3], [b"?", b"-", b"UNREACHED"])

    def members(self, *arguments, ports=(101, 102), **environment):
        endpoints = ",".join(f"127.0.0.1:{port}" for port in ports)
        return holdfast("cluster", *arguments, "--endpoints", endpoints, **environment)

    def test_add(self):
        result = self.members("add", "5", "10.0.0.5:7080")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(b"node 5 is a member: STANDBY", result.stdout)
        self.assertIn(b"holdfastd --id 5 --data DIR --cluster-id 00000000000000c1 --peer-address 10.0.0.5:7080", result.stdout)
        self.assertIn(b"already", self.members("add", "2", "h:2").stdout)
        self.assertEqual(self.members("add", "2", "h:9").returncode, 1)
        result = self.members("add", "8", "h:8")
        self.assertEqual(result.returncode, 4)
        self.assertIn(b"same command again", result.stderr)
        answer = lines_of(self.members("add", "5", "h:5", "-o", "json"))[0]
        self.assertEqual((answer["log_index"], answer["unchanged"], answer["cluster_id"], len(answer["members"])), (10001, False, "00000000000000c1", 5))
        for arguments in (["5"], ["0", "h:5"], ["4294967296", "h:5"], ["x", "h:5"], ["5", "h:5", "h:6"]):
            self.assertEqual(self.members("add", *arguments).returncode, 2, arguments)

    def test_promote_waits(self):
        self.assertEqual(self.members("promote", "4", "--no-wait").returncode, 1)
        result = self.members("promote", "4", "--timeout", "20s")
        self.assertEqual((result.returncode, result.stderr), (0, b""), result)
        self.assertIn(b"node 4 has a vote, one of 4", result.stdout)
        result = self.members("promote", "4", "--timeout", "500ms", STAND_IN_STUCK="1")
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"still lacks 6000 entries", result.stderr)
        result = self.members("promote", "4", "--timeout", "20s", STAND_IN_REFUSALS="2")
        self.assertEqual((result.returncode, result.stderr), (0, b""), result)
        result = self.members("promote", "4", "--timeout", "2s", STAND_IN_REFUSALS="1000")
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"has not registered", result.stderr)
        self.assertIn(b"already", self.members("promote", "2").stdout)
        self.assertEqual(self.members("promote", "9").returncode, 1)
        result = self.members("promote", "4", "--timeout", "500ms", ports=(102,), STAND_IN_STUCK="1")
        self.assertEqual(result.returncode, 1)  # the leader was found from another node

    def test_remove(self):
        result = self.members("remove", "2")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertIn(b"2 voters are left", result.stdout)
        result = self.members("remove", "1")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(b"node 1 led: node 2 leads now", result.stderr)
        self.assertIn(b"is no member", self.members("remove", "9").stdout)

    def test_transfer_leader(self):
        answer = lines_of(self.members("transfer-leader", "-o", "json"))[0]
        self.assertEqual(answer, {"leader_id": 2, "term": 4, "leader_client_address": "", "unchanged": False})
        self.assertIn(b"node 3 leads, in term 4", self.members("transfer-leader", "3").stdout)
        self.assertIn(b"leads already", self.members("transfer-leader", "1").stdout)
        self.assertEqual(self.members("transfer-leader", "4").returncode, 1)

    def test_upgrade(self):
        self.assertEqual(lines_of(self.members("upgrade", "-o", "json")), [{"ledger_version": 3, "unchanged": False, "log_index": 99}])
        self.assertRegex(self.members("upgrade", "--to", "1").stdout.decode(), r"LEDGER VERSION  CHANGED  INDEX\n +1  no +99\n")
        result = self.members("upgrade", "--to", "4")
        self.assertEqual((result.returncode, result.stdout), (1, b""))
        self.assertIn(b"node 2 knows 3", result.stderr)
        self.assertEqual(self.members("upgrade", "--to", "0").returncode, 2)


class Bench(unittest.TestCase):
    def test_figures(self):
        for args in ([], ["--clients", "1000"], ["--batch", "10", "--clients", "4", "--inflight", "4"],
                     ["--distribution", "hot", "--skus", "1"], ["--distribution", "zipf", "--reads", "50"], ["--reads", "100"]):
            result = holdfast("bench", "--duration", "200ms", "--skus", "50", "-o", "json", *args)
            self.assertEqual(result.returncode, 0, result.stderr)
            (got,) = lines_of(result)
            self.assertEqual(list(got), ["ops_per_s", "p50_ms", "p99_ms", "p999_ms", "max_ms", "errors", "seconds"])
            self.assertEqual(got["errors"], 0)
            self.assertGreater(got["ops_per_s"], 0)
            self.assertTrue(got["p50_ms"] <= got["p99_ms"] <= got["p999_ms"] <= got["max_ms"])
            self.assertTrue(0.2 <= got["seconds"] < 20)

    def test_errors_are_counted_and_told(self):
        result = holdfast("bench", "--duration", "100ms", "--skus", "5", "-o", "json", STAND_IN_FAULT="UNREACHABLE:9")
        self.assertEqual((result.returncode, lines_of(result)[0]["errors"]), (0, 1))
        self.assertIn(b"1 errors, the first: UNREACHABLE", result.stderr)
        self.assertEqual(holdfast("bench", STAND_IN_FAULT="UNREACHABLE:1").returncode, 3)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
