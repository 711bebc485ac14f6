#!/usr/bin/python3
"""The holdfast command: every verb, its exit status, the shape of its JSON; and the playground's life."""

import contextlib
import fcntl
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time

import harness  # first: it finds grpcio and the stubs
from harness import HOLDFAST, WORK, seconds, wait_until

RESULT_KEYS = {"verdict", "replayed", "message", "log_index", "log_position", "order_state", "existed", "failed_lines"}
STOCK_KEYS = {
    "sku", "warehouse", "on_hand", "reserved", "available", "version",
    "low_stock_threshold", "created_at", "updated_at", "last_index",
}  # fmt: skip
ROW_KEYS = {
    "log_index", "sub", "op", "on_hand_change", "on_hand_before", "on_hand_after", "reserved_change", "reserved_before",
    "reserved_after", "order_id", "request_id", "time", "actor", "reason", "remark", "trace_id",
}  # fmt: skip

DONE, REFUSED, USAGE, UNREACHED, UNKNOWN = range(5)


class CommandCase(harness.TestCase):
    def run_holdfast(self, *arguments, status=DONE, **options):
        run = harness.holdfast(*arguments, **options)
        self.assertEqual(run.returncode, status, f"holdfast {' '.join(map(str, arguments))}: {run.stdout} {run.stderr}")
        if status in (USAGE, UNREACHED, UNKNOWN):
            self.assertTrue(run.stderr, f"holdfast {' '.join(map(str, arguments))} fails without a word")
        self.assertNotIn("\x1b", run.stdout + run.stderr, "colour where there is no terminal")
        return run


class Verbs(CommandCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.open_class_cluster(3)

    def holdfast(self, *arguments, status=DONE, **options):
        return self.run_holdfast(*arguments, status=status, endpoints=self.cluster.endpoints, **options)

    def json_lines(self, *arguments, status=DONE):
        out = self.holdfast(*arguments, "-o", "json", status=status).stdout
        lines = out.splitlines()
        for text in lines:
            # Compact: no blank outside of strings.
            self.assertNotRegex(re.sub(r'"(\\.|[^"\\])*"', '""', text), r"\s")
        return [json.loads(text) for text in lines]

    def json_line(self, *arguments, status=DONE):
        lines = self.json_lines(*arguments, status=status)
        self.assertEqual(len(lines), 1, lines)
        return lines[0]

    def assertResult(self, result, verdict, **fields):
        self.assertLessEqual(RESULT_KEYS, set(result))
        self.assertLessEqual(set(result), RESULT_KEYS | {"expires_at", "stock", "request_id"})
        self.assertEqual(result["verdict"], verdict, result)
        for name, value in fields.items():
            self.assertEqual(result[name], value, name)
        return result

    def test_stock(self):
        created = self.json_line("stock", "set", "cli-apple", "10", "--actor", "ann", "--reason", "STOCKTAKE", "--remark", "first")
        self.assertResult(created, "OK", replayed=False)
        self.assertEqual(set(created["stock"]), STOCK_KEYS)
        self.assertEqual([created["stock"][name] for name in ("sku", "warehouse", "on_hand", "reserved", "available")], ["cli-apple", 1, 10, 0, 10])
        self.assertIsInstance(created["stock"]["version"], int)
        self.assertRegex(created["stock"]["created_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertTrue(created["request_id"])

        # The id that was made can be given again.
        self.assertResult(self.json_line("stock", "set", "cli-apple", "10", "--reason", "STOCKTAKE", "--request-id", created["request_id"]), "OK", replayed=True)
        again = self.json_line("stock", "set", "cli-apple", "11", "--reason", "STOCKTAKE", "--request-id", created["request_id"], status=REFUSED)
        self.assertResult(again, "IDEMPOTENCY_MISMATCH")

        # -N is a number.
        self.assertEqual(self.json_line("stock", "adjust", "cli-apple", "-3", "--reason", "DAMAGE")["stock"]["on_hand"], 7)
        self.assertEqual(self.json_line("stock", "adjust", "cli-apple", "+5", "--reason", "RECEIVE")["stock"]["on_hand"], 12)
        self.assertEqual(self.json_line("stock", "adjust", "cli-apple", "1", "--reason", "RECEIVE")["stock"]["on_hand"], 13)
        self.assertResult(self.json_line("stock", "adjust", "cli-apple", "-100", "--reason", "DAMAGE", status=REFUSED), "INSUFFICIENT_STOCK")
        self.assertResult(self.json_line("stock", "adjust", "cli-none", "1", "--reason", "RECEIVE", status=REFUSED), "SKU_NOT_FOUND")
        self.assertResult(self.json_line("stock", "set", "cli-apple", "1", "--expected-version", "99", status=REFUSED), "VERSION_MISMATCH")
        self.json_line("stock", "set", "cli-apple", "3", "--warehouse", "2")

        got = self.json_lines("stock", "get", "cli-apple", "cli-none", status=REFUSED)
        self.assertEqual([(each["verdict"], each["stock"]["sku"]) for each in got], [("OK", "cli-apple"), ("SKU_NOT_FOUND", "cli-none")])
        self.assertEqual(set(got[0]["stock"]), STOCK_KEYS)
        self.assertEqual(self.json_line("stock", "get", "cli-apple", "--warehouse", "2")["stock"]["on_hand"], 3)

        rows = self.json_lines("stock", "history", "cli-apple")
        self.assertEqual({frozenset(row) for row in rows}, {frozenset(ROW_KEYS)})
        self.assertEqual([(row["op"], row["on_hand_change"]) for row in rows], [("SET", 10), ("ADJUST", -3), ("ADJUST", 5), ("ADJUST", 1)])
        self.assertEqual([rows[0][name] for name in ("actor", "reason", "remark")], ["ann", "STOCKTAKE", "first"])
        self.holdfast("stock", "history", "cli-none", status=REFUSED)

        for verb in (("get", "cli-apple"), ("history", "cli-apple"), ("list",)):
            out = self.holdfast("stock", *verb).stdout
            self.assertIn("cli-apple" if verb[0] != "history" else "RECEIVE", out)

    def test_stale_reads(self):
        index = self.json_line("stock", "set", "cli-stale", "7")["log_index"]
        answer = self.json_line("stock", "get", "cli-stale", "--stale", "--min-index", index)
        self.assertEqual(answer["stock"]["on_hand"], 7)
        self.assertGreaterEqual(answer["log_index"], index)
        self.assertRegex(answer["age"], r"^\d+\.\d{3}s$")
        self.assertNotIn("age", self.json_line("stock", "get", "cli-stale", "--min-index", index))
        said = self.holdfast("stock", "history", "cli-stale", "--stale", "--min-index", index).stderr
        self.assertRegex(said, r"^holdfast stock history: as of log index \d+, at most \d+\.\d{3} s old\n$")

    def test_stock_list_goes_to_the_end(self):
        leader = self.cluster.leader().stubs.ledger
        from cluster import execute, set_stock

        skus = [f"cli-list-{number:05d}" for number in range(2500)]
        leader.Execute(execute(*(set_stock(sku, 1) for sku in skus)), timeout=seconds(30))
        rows = self.json_lines("stock", "list")
        self.assertEqual({frozenset(row) for row in rows}, {frozenset(STOCK_KEYS)})
        self.assertEqual([row["sku"] for row in rows if row["sku"].startswith("cli-list-")], skus)

    def test_stock_check(self):
        self.holdfast("stock", "set", "cli-check", "5")
        self.holdfast("stock", "set", "a=b", "1")
        fine = self.json_line("stock", "check", "cli-check=5", "a=b=1")
        self.assertEqual((fine["available"], fine["failed_lines"]), (True, []))
        short = self.json_line("stock", "check", "cli-check=6", status=REFUSED)
        self.assertFalse(short["available"])
        line = {"sku": "cli-check", "warehouse": 1, "requested": 6, "available": 5, "reason": "INSUFFICIENT_STOCK"}
        self.assertEqual(short["failed_lines"], [line])
        self.assertEqual(self.json_line("stock", "check", "cli-check=1@2", status=REFUSED)["failed_lines"][0]["warehouse"], 2)

    def test_orders(self):
        self.holdfast("stock", "set", "cli-order", "10")
        self.holdfast("stock", "set", "cli-order", "10", "--warehouse", "4")
        held = self.json_line("order", "reserve", "cli-1", "cli-order=2", "cli-order=3@4", "--ttl", "1h")
        self.assertResult(held, "OK", order_state="ACTIVE", replayed=False)
        self.assertTrue(held["expires_at"])
        self.assertResult(self.json_line("order", "reserve", "cli-1", "cli-order=3@4", "cli-order=2"), "OK", replayed=True)
        self.assertResult(self.json_line("order", "reserve", "cli-1", "cli-order=9", status=REFUSED), "ORDER_CONFLICT")
        short = self.json_line("order", "reserve", "cli-2", "cli-order=9", status=REFUSED)
        self.assertResult(short, "INSUFFICIENT_STOCK")
        self.assertEqual(short["failed_lines"][0]["available"], 8)
        self.assertResult(self.json_line("order", "reserve", "cli-1", "cli-order=1@9", "--add-lines", status=REFUSED), "SKU_NOT_FOUND")
        self.assertResult(self.json_line("order", "deduct", "cli-1", "cli-order=1"), "OK", order_state="ACTIVE")
        self.assertResult(self.json_line("order", "release", "cli-1", "cli-order=1@4"), "OK", order_state="ACTIVE")
        self.assertResult(self.json_line("order", "deduct", "cli-1", "cli-order=5", status=REFUSED), "QUANTITY_EXCEEDS_OPEN")

        order = self.json_line("order", "get", "cli-1")["order"]
        self.assertEqual(set(order), {"order_id", "state", "lines", "created_at", "expires_at", "actor", "reason"})
        self.assertEqual(order["state"], "ACTIVE")
        self.assertEqual(
            order["lines"],
            [
                {"sku": "cli-order", "warehouse": 1, "reserved": 2, "deducted": 1, "released": 0, "expired": 0, "returned": 0, "open": 1},
                {"sku": "cli-order", "warehouse": 4, "reserved": 3, "deducted": 0, "released": 1, "expired": 0, "returned": 0, "open": 2},
            ],
        )
        self.assertResult(self.json_line("order", "deduct", "cli-1"), "OK", order_state="DEDUCTED")
        self.assertIn("closed_at", self.json_line("order", "get", "cli-1")["order"])
        self.assertResult(self.json_line("order", "deduct", "cli-1"), "OK", replayed=True)
        self.assertResult(self.json_line("order", "release", "cli-1", status=REFUSED), "ORDER_DEDUCTED")
        self.assertResult(self.json_line("order", "release", "cli-never"), "OK", existed=False)
        said = self.holdfast("order", "release", "cli-mistyped").stdout
        self.assertEqual(said, "OK, the order is RELEASED; nobody had reserved it before: is the id right?\n")
        self.holdfast("order", "reserve", "cli-known", "cli-order=1")
        for said in ("OK, the order is RELEASED\n", "OK (it had been done before), the order is RELEASED\n"):
            self.assertEqual(self.holdfast("order", "release", "cli-known").stdout, said)
        self.assertResult(self.json_line("order", "deduct", "cli-nowhere", status=REFUSED), "ORDER_NOT_FOUND")
        missing = self.json_line("order", "get", "cli-nowhere", status=REFUSED)
        self.assertEqual(missing["verdict"], "ORDER_NOT_FOUND")
        for verb in ("get", "reserve", "deduct"):
            extra = ["cli-order=2", "cli-order=3@4"] if verb == "reserve" else []
            run = self.holdfast("order", verb, "cli-1", *extra, status=DONE if verb != "reserve" else REFUSED)
            self.assertTrue(run.stdout)

    def test_cluster(self):
        lines = self.json_lines("cluster", "status")
        self.assertEqual([line["endpoint"] for line in lines], self.cluster.endpoints.split(","))
        self.assertEqual(sorted(line["state"] for line in lines), ["FOLLOWER", "FOLLOWER", "LEADER"])
        for line in lines:
            self.assertLessEqual({"cluster_id", "node_id", "version", "term", "leader_id", "commit_index", "applied_index", "digest", "members"}, set(line))
            self.assertEqual(len(line["members"]), 3)
        self.cluster.wait_equal_digests()
        *checked, verdict = self.json_lines("cluster", "verify")
        self.assertEqual((verdict["verdict"], verdict["nodes"], verdict["wrong"], verdict["unchecked"]), ("EQUAL", 3, [], []))
        self.assertEqual({line["applied_index"] for line in checked}, {verdict["log_index"]})
        self.assertEqual([(line["violation_count"], line["violations"]) for line in checked], [(0, [])] * 3)
        self.assertEqual({line["digest"] for line in checked}, {line["recomputed_digest"] for line in checked})
        self.assertEqual(len({line["digest"] for line in checked}), 1)
        for verb in ("status", "verify"):
            out = self.holdfast("cluster", verb).stdout
            self.assertTrue(all(node.client_address in out for node in self.cluster.nodes), out)

    def test_bench(self):
        for arguments in ((), ("--batch", "10"), ("--distribution", "hot"), ("--distribution", "zipf", "--reads", "50")):
            result = self.json_line("bench", "--clients", "8", "--skus", "50", "--duration", "300ms", *arguments)
            self.assertEqual(set(result), {"ops_per_s", "p50_ms", "p99_ms", "p999_ms", "max_ms", "errors", "seconds"})
            self.assertGreater(result["ops_per_s"], 0)
            self.assertEqual(result["errors"], 0)
            self.assertLessEqual(result["p50_ms"], result["max_ms"])
        self.cluster.check_sound()

    def test_endpoints(self):
        # From the environment; and one node of the cluster is enough, whoever leads.
        for node in self.cluster.nodes:
            run = self.run_holdfast("stock", "set", f"cli-env-{node.id}", "1", environment={"HOLDFAST_ENDPOINTS": node.client_address})
            self.assertIn("OK", run.stdout)
            # A node that is not there does no harm.
            self.run_holdfast("stock", "get", f"cli-env-{node.id}", endpoints=f"127.0.0.1:1,{node.client_address}")

    def test_usage(self):
        for arguments in (
            (),
            ("nonsense",),
            ("stock",),
            ("stock", "nonsense"),
            ("stock", "set", "apple"),
            ("stock", "set", "apple", "many"),
            ("stock", "set", "apple", "-1"),
            ("stock", "set", "apple", "9007199254740992"),
            ("stock", "set", "apple", "1", "2"),
            ("stock", "set", "", "1"),
            ("stock", "set", "x" * 256, "1"),
            ("stock", "set", "apple", "1", "--nonsense"),
            ("stock", "set", "apple", "1", "-o", "xml"),
            ("stock", "set", "apple", "1", "--timeout", "soon"),
            ("stock", "set", "apple", "1", "--timeout", "0"),
            ("stock", "set", "apple", "1", "--timeout"),
            ("stock", "set", "apple", "1", "--endpoints", "nowhere"),
            ("stock", "set", "apple", "1", "--endpoints", ""),
            ("stock", "set", "apple", "1", "--request-id", ""),
            ("stock", "adjust", "apple", "1"),
            ("stock", "adjust", "apple", "0", "--reason", "RECEIVE"),
            ("stock", "get"),
            ("stock", "check", "apple"),
            ("stock", "check", "apple=0"),
            ("stock", "check", "apple=-1"),
            ("stock", "check", "=1"),
            ("stock", "check", "apple=1@x"),
            ("order", "reserve", "order"),
            ("order", "reserve", "order", "apple"),
            ("order", "reserve", "order", "apple=1", "--ttl", "8d"),
            ("order", "get"),
            ("order", "get", "a", "b"),
            ("replay",),
            ("replay", "file.csv"),
            ("cluster", "status", "x"),
            ("playground", "--nodes", "2"),
            ("playground", "--port", "0"),
            ("bench", "--distribution", "nonsense"),
            ("bench", "--clients", "0"),
        ):
            with self.subTest(arguments=arguments):
                run = self.run_holdfast(*arguments, status=USAGE, environment={"HOLDFAST_ENDPOINTS": self.cluster.endpoints})
                self.assertEqual(run.stdout, "")

    def test_help_and_version(self):
        verbs = [
            ("playground",), ("stock", "set"), ("stock", "adjust"), ("stock", "get"), ("stock", "list"), ("stock", "check"), ("stock", "history"),
            ("order", "reserve"), ("order", "deduct"), ("order", "release"), ("order", "get"), ("replay",), ("cluster", "status"),
            ("cluster", "verify"), ("bench",),
        ]  # fmt: skip
        everything = self.run_holdfast("--help").stdout
        for verb in verbs:
            out = self.run_holdfast(*verb, "--help").stdout
            self.assertIn("holdfast " + " ".join(verb), out)
            self.assertIn("--endpoints", out)
            self.assertIn(verb[-1], everything)
            self.assertRegex(self.run_holdfast(*verb, "--version").stdout, r"^holdfast \d+\.\d+\.\d+\n$")
        self.assertRegex(self.run_holdfast("--version").stdout, r"^holdfast \d+\.\d+\.\d+\n$")

    def test_a_closed_pipe_and_a_full_disk(self):
        if os.path.exists("/dev/full"):
            with open("/dev/full", "w") as full:
                run = subprocess.run(
                    [HOLDFAST, "cluster", "status", "--endpoints", self.cluster.endpoints], stdout=full, stderr=subprocess.PIPE, text=True, check=False
                )
            self.assertNotEqual(run.returncode, 0)
            self.assertIn("No space left", run.stderr)


class NoAnswer(CommandCase):
    def test_no_cluster(self):
        for arguments in (("stock", "get", "apple"), ("stock", "set", "apple", "1"), ("order", "reserve", "o", "apple=1"), ("cluster", "status"), ("cluster", "verify")):
            begin = time.monotonic()
            run = self.run_holdfast(*arguments, "--timeout", "600ms", status=UNREACHED, endpoints="127.0.0.1:1")
            self.assertLess(time.monotonic() - begin, seconds(3))
            self.assertEqual(run.stdout, "")
            self.assertIn("127.0.0.1:1", run.stderr)
            self.assertLessEqual(run.stderr.count("\n"), 2, run.stderr)
        self.assertIn("playground", self.run_holdfast("stock", "get", "apple", "--timeout", "300ms", status=UNREACHED, endpoints="127.0.0.1:1").stderr)

    def test_a_port_that_is_no_node(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"127.0.0.1:{server.getsockname()[1]}"
            self.run_holdfast("stock", "get", "apple", "--timeout", "600ms", status=UNREACHED, endpoints=address)

    def test_outcome_unknown(self):
        """The leader has taken the command and then lost its followers: nobody knows, and the command says how to find out."""
        cluster = self.open_cluster(3)
        leader = cluster.leader()
        self.run_holdfast("stock", "set", "apple", "10", endpoints=cluster.endpoints)
        cluster.wait_equal_digests()
        for node in cluster.followers():
            node.pause()
        run = self.run_holdfast(
            "stock", "adjust", "apple", "5", "--reason", "RECEIVE", "--timeout", f"{seconds(2):.0f}s", "-o", "json",
            status=UNKNOWN, endpoints=leader.client_address,
        )  # fmt: skip
        told = json.loads(run.stdout)
        self.assertEqual(told["verdict"], "OUTCOME_UNKNOWN")
        self.assertIn(told["request_id"], run.stderr)
        for node in cluster.nodes:
            if node.paused:
                node.resume()
        cluster.wait_ready()
        # The same command under the same identity: it is done now, once, whatever had become of it.
        self.run_holdfast("stock", "adjust", "apple", "5", "--reason", "RECEIVE", "--request-id", told["request_id"], endpoints=cluster.endpoints)
        got = json.loads(self.run_holdfast("stock", "get", "apple", "-o", "json", endpoints=cluster.endpoints).stdout)
        self.assertEqual(got["stock"]["on_hand"], 15)
        cluster.check_sound()


class Playground(CommandCase):
    @contextlib.contextmanager
    def free_base(self):
        """A first port of six that nobody has, kept for this test by a lock that others who ask respect."""
        directory = pathlib.Path(tempfile.gettempdir()) / f"holdfast-ports-{os.getuid()}"
        directory.mkdir(exist_ok=True)
        for base in range(20_000, 30_000, 10):
            with (directory / str(base)).open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    for port in range(base, base + 6):
                        socket.create_server(("127.0.0.1", port)).close()
                except OSError:
                    continue
                yield base
                return
        self.fail("no free ports")

    def start(self, base, *arguments):
        log = WORK.new("playground") / "stderr"
        with log.open("w") as stderr:
            process = harness.spawn([HOLDFAST, "playground", "--port", base, *arguments], stdout=subprocess.PIPE, stderr=stderr, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process, log

    def node_processes(self, data):
        """Process ids of the nodes whose data lies below this directory."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    command = (entry / "cmdline").read_bytes().split(b"\0")
                    if command[0].endswith(b"holdfastd") and any(part.startswith(os.fsencode(data)) for part in command):
                        found.append(int(entry.name))
        return found

    def test_life(self):
        directory = WORK.new("playground-data")
        with self.free_base() as base:
            process, log = self.start(base, "--dir", directory)
            ready = process.stdout.readline()
            endpoints = ",".join(f"127.0.0.1:{base + number}" for number in range(3))
            self.assertEqual(ready, f"ready: {endpoints}\n", log.read_text())
            self.assertEqual(len(self.node_processes(directory)), 3)
            # The three commands that it shows work as they stand.
            wait_until(lambda: log.read_text().count("\n  holdfast ") == 3, log.read_text)
            for text in log.read_text().splitlines():
                if text.startswith("  holdfast "):
                    self.run_holdfast(*text.split()[1:])
            # A second one on the same ports says so.
            second = self.run_holdfast("playground", "--port", base, status=USAGE)
            self.assertIn(str(base), second.stderr)

            # A node may die and be started again by its own script.
            pid = self.node_processes(directory / "node-2")[0]
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: "node-2.command" in log.read_text(), log.read_text)
            again = harness.spawn(["sh", directory / "node-2.command"])
            self.addCleanup(again.wait)
            self.addCleanup(again.kill)
            wait_until(
                lambda: harness.holdfast("cluster", "status", endpoints=f"127.0.0.1:{base + 1}").returncode == 0, "node 2 does not come back"
            )
            self.run_holdfast("order", "reserve", "order-2", "apple=1", endpoints=endpoints)
            # Once more it says that the node runs, and leaves its pid file, by which the playground stops it.
            running = (directory / "node-2.pid").read_text()
            second = subprocess.run(["sh", directory / "node-2.command"], capture_output=True, text=True, check=False)
            self.assertEqual((second.returncode, second.stderr), (1, f"node 2 runs already, as process {running}"))
            self.assertEqual((directory / "node-2.pid").read_text(), running)

            process.terminate()
            self.assertEqual(process.wait(seconds(20)), 0, log.read_text())
            self.assertEqual(self.node_processes(directory), [])
            self.assertEqual(process.stdout.read(), "")

            # The data are there when it is started again.
            process, log = self.start(base, "--dir", directory)
            self.assertTrue(process.stdout.readline().startswith("ready: "), log.read_text())
            got = json.loads(self.run_holdfast("order", "get", "order-2", "-o", "json", endpoints=endpoints).stdout)
            self.assertEqual(got["order"]["state"], "ACTIVE")
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(seconds(20)), 0, log.read_text())
            for node in (1, 2, 3):
                self.assertEqual(harness.crash_lines(directory / f"node-{node}.log"), [])

    def test_one_node_and_a_directory_that_goes_away(self):
        with self.free_base() as base:
            process, log = self.start(base, "--nodes", "1")
            self.assertEqual(process.stdout.readline(), f"ready: 127.0.0.1:{base}\n", log.read_text())
            wait_until(lambda: "Data and logs are in " in log.read_text(), log.read_text)
            directory = pathlib.Path(log.read_text().split("Data and logs are in ")[1].split(". Try")[0])
            self.assertTrue(directory.is_dir())
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(seconds(20)), 0, log.read_text())
            self.assertFalse(directory.exists())

    def test_its_death_leaves_no_nodes(self):
        directory = WORK.new("playground-data")
        with self.free_base() as base:
            process, log = self.start(base, "--dir", directory)
            self.assertTrue(process.stdout.readline().startswith("ready: "), log.read_text())
            process.kill()
            process.wait()
            wait_until(lambda: not self.node_processes(directory), lambda: f"still there: {self.node_processes(directory)}")


if __name__ == "__main__":
    harness.main()
