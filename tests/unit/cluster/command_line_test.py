"""`holdfast` without a cluster: wrong usage is told and exits 2, no answer exits 3 with a short message, and a playground
says what kept it from starting.

usage: command_line_test.py PROGRAM [unittest argument]...
"""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = None
VERBS = ["playground", "stock set", "stock adjust", "stock get", "stock list", "stock check", "stock history", "order reserve",
         "order deduct", "order release", "order get", "replay", "cluster status", "cluster verify", "cluster snapshot", "cluster upgrade",
         "cluster add", "cluster promote", "cluster remove", "cluster transfer-leader", "bench"]


def environment(**env):
    return {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")} | env


def holdfast(*args, **env):
    return subprocess.run([PROGRAM, *args], env=environment(**env), capture_output=True, timeout=60, check=False,
                          stdin=subprocess.DEVNULL)


def free_ports(count):
    """The first of `count` neighbouring ports that nobody listens on."""
    for base in range(21000, 32000, 16):
        held = []
        try:
            for port in range(base, base + count):
                held.append(socket.socket())
                held[-1].bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
        finally:
            for each in held:
                each.close()
    raise RuntimeError("no free ports")


class Help(unittest.TestCase):
    def test_every_verb_helps(self):
        for verb in VERBS:
            result = holdfast(*verb.split(), "--help")
            self.assertEqual((result.returncode, result.stderr), (0, b""), verb)
            self.assertIn(f"usage: holdfast {verb}".encode(), result.stdout)
            for option in (b"--endpoints", b"--timeout", b"--request-id", b"-o, --output table|json", b"--help", b"--version"):
                self.assertIn(option, result.stdout)
            result = holdfast(*verb.split(), "--version")
            self.assertEqual(result.returncode, 0)
            self.assertRegex(result.stdout, rb"^holdfast \d+\.\d+\.\d+\n$")

    def test_overview(self):
        for args in (["--help"], ["help"], ["-h"]):
            result = holdfast(*args)
            self.assertEqual(result.returncode, 0)
            for verb in VERBS:
                self.assertIn(verb.split()[-1].encode(), result.stdout)
        result = holdfast("stock", "--help")
        self.assertEqual(result.returncode, 0)
        self.assertIn(b"history", result.stdout)
        self.assertNotIn(b"reserve", result.stdout)
        self.assertEqual(holdfast("--version").stdout.split()[0], b"holdfast")

    def test_a_full_disk_is_no_success(self):
        with open("/dev/full", "wb") as full:
            for args in (["stock", "set", "--help"], ["--help"], ["--version"]):
                result = subprocess.run([PROGRAM, *args], env=environment(), stdout=full, stderr=subprocess.PIPE, timeout=60,
                                        check=False)
                self.assertEqual(result.returncode, 2, args)
                self.assertIn(b"No space left", result.stderr)


class Usage(unittest.TestCase):
    def assert_wrong(self, args, word):
        result = holdfast(*args)
        self.assertEqual(result.returncode, 2, (args, result))
        self.assertEqual(result.stdout, b"")
        self.assertIn(word, result.stderr)

    def test_wrong_usage(self):
        for args, word in (
                ([], b"usage: holdfast VERB"),
                (["frobnicate"], b"no verb \"frobnicate\""),
                (["stock"], b"usage: holdfast stock"),
                (["stock", "frobnicate"], b"no verb \"stock frobnicate\""),
                (["set"], b"no verb"),
                (["stock", "set"], b"SKU N is needed"),
                (["stock", "set", "a"], b"SKU N is needed"),
                (["stock", "set", "a", "1", "b"], b"one word too many"),
                (["stock", "set", "a", "x"], b"not a whole number"),
                (["stock", "set", "a", "-1"], b"not between 0 and 9007199254740991"),
                (["stock", "set", "a", "9007199254740992"], b"not between"),
                (["stock", "set", "", "1"], b"the SKU is empty"),
                (["stock", "set", "x" * 256, "1"], b"256 bytes long"),
                (["stock", "set", b"\xff", "1"], b"not valid UTF-8"),
                (["stock", "set", "a", "1", "--warehouse", "4294967296"], b"--warehouse"),
                (["stock", "set", "a", "1", "--expected-version", "-1"], b"--expected-version"),
                (["stock", "set", "a", "1", "--request-id", ""], b"--request-id is empty"),
                (["stock", "set", "a", "1", "--request-id", "x" * 256], b"--request-id is 256 bytes long"),
                (["stock", "set", "a", "1", "--request-id", b"\xc0\x80"], b"--request-id is not valid UTF-8"),
                (["stock", "set", "a", "1", "--timeout", "0"], b"--timeout"),
                (["stock", "set", "a", "1", "--timeout", "11m"], b"--timeout"),
                (["stock", "set", "a", "1", "-o", "xml"], b"none of table, json"),
                (["stock", "set", "a", "1", "-x"], b"unknown option -x"),
                (["stock", "adjust", "a", "+5"], b"--reason is needed"),
                (["stock", "adjust", "a", "0", "--reason", "R"], b"a change by 0"),
                (["stock", "get"], b"SKU... is needed"),
                (["stock", "get", "a", ""], b"the SKU is empty"),
                (["stock", "list", "a"], b"one word too many"),
                (["stock", "check", "a"], b"is not of the form"),
                (["stock", "history", "a", "b"], b"one word too many"),
                (["order", "reserve", "o"], b"is needed"),
                (["order", "reserve", "o", "a=0"], b"the quantity"),
                (["order", "reserve", "o", "a=1", "b"], b"is not of the form"),
                (["order", "reserve", "", "a=1"], b"the order id is empty"),
                (["order", "reserve", "o", "a=1", "--ttl", "8d"], b"--ttl"),
                (["order", "reserve", "o", "a=1", "--ttl", "soon"], b"not a duration"),
                (["order", "deduct"], b"is needed"),
                (["order", "release", "o", "a=1@x"], b"the warehouse"),
                (["order", "get", "o", "p"], b"one word too many"),
                (["replay"], b"FILE.csv[.gz] is needed"),
                (["replay", "x.csv"], b"--stock is needed"),
                (["replay", "/nonexistent.csv", "--stock", "1"], b"/nonexistent.csv: No such file"),
                (["replay", "x.csv", "--stock", "1", "--clients", "0"], b"--clients"),
                (["replay", "x.csv", "--stock", "1", "--batch", "10001"], b"--batch"),
                (["replay", "x.csv", "--stock", "1", "--batch", "10000", "--clients", "16000"], b"clients times batch"),
                (["cluster", "status", "x"], b"one word too many"),
                (["bench", "--distribution", "normal"], b"none of uniform, zipf, hot"),
                (["bench", "--clients", "16000", "--inflight", "2"], b"clients times inflight"),
                (["bench", "--reads", "101"], b"--reads"),
                (["playground", "--nodes", "2"], b"none of 1, 3"),
                (["playground", "--port", "65535"], b"65535 is the last"),
                (["playground", "--holdfastd", "/nonexistent"], b"/nonexistent is no program")):
            with self.subTest(args=args):
                self.assert_wrong(args, word)

    def test_wrong_endpoints(self):
        for endpoints in ("nonsense:port", "127.0.0.1:99999", ",", "127.0.0.1"):
            with self.subTest(endpoints=endpoints):
                self.assertEqual(holdfast("stock", "list", "--endpoints", endpoints, "--timeout", "300ms").returncode, 2)
        self.assertEqual(holdfast("stock", "list", HOLDFAST_ENDPOINTS=b"\xff").returncode, 2)


class NoCluster(unittest.TestCase):
    def test_nobody_answers(self):
        endpoint = f"127.0.0.1:{free_ports(1)}"
        for args in (["stock", "set", "a", "1"], ["stock", "get", "a"], ["stock", "list"], ["stock", "check", "a=1"],
                     ["stock", "history", "a"], ["order", "reserve", "o", "a=1"], ["order", "get", "o"], ["bench"]):
            with self.subTest(args=args):
                start = time.monotonic()
                result = holdfast(*args, "--timeout", "300ms", HOLDFAST_ENDPOINTS=endpoint)
                self.assertLess(time.monotonic() - start, 30)
                self.assertEqual((result.returncode, result.stdout), (3, b""), result.stderr)
                self.assertIn(endpoint.encode(), result.stderr)
                self.assertIn(b"start one with: holdfast playground", result.stderr)
                self.assertEqual(result.stderr.count(b"\n"), 1)
        for args in (["cluster", "status"], ["cluster", "verify"], ["cluster", "snapshot"]):
            result = holdfast(*args, "--endpoints", endpoint, "--timeout", "300ms")
            self.assertEqual(result.returncode, 3, result.stderr)
            self.assertIn(endpoint.encode(), result.stderr)


class Playground(unittest.TestCase):
    """With programs that stand in for holdfastd and never serve."""

    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.top = pathlib.Path(self.directory.name)
        self.port = free_ports(6)

    def node_program(self, script):
        path = self.top / "holdfastd"
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(0o755)
        return str(path)

    def test_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", self.port + 3))
            taken.listen()
            result = holdfast("playground", "--holdfastd", self.node_program("exit 0"), "--port", str(self.port))
        self.assertEqual((result.returncode, result.stdout), (2, b""))
        self.assertIn(f"port {self.port + 3} can't be used: Address already in use".encode(), result.stderr)

    def test_a_node_that_dies_at_the_start(self):
        program = self.node_program("echo one; echo 'the data directory is cursed' >&2; exit 7\n")
        result = holdfast("playground", "--holdfastd", program, "--port", str(self.port), TMPDIR=str(self.top))
        self.assertEqual((result.returncode, result.stdout), (1, b""))
        self.assertIn(b"ended with exit status 7", result.stderr)
        self.assertIn(b"  the data directory is cursed\n", result.stderr)
        self.assertEqual(list(self.top.glob("holdfast-playground-*")), [], "the directory was left behind")

    def test_no_leader_in_time(self):
        program = self.node_program("exec sleep 60\n")
        result = holdfast("playground", "--holdfastd", program, "--port", str(self.port), "--timeout", "1s", "--nodes", "1")
        self.assertEqual((result.returncode, result.stdout), (3, b""))
        self.assertIn(b"no leader serves", result.stderr)

    def start(self, *args, script="exec sleep 60\n"):
        process = subprocess.Popen([PROGRAM, "playground", "--holdfastd", self.node_program(script), "--dir",
                                    str(self.top / "it's here"), *args],
                                   env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def pids(self, count):
        """The nodes' processes, once they all run the program and not the script that starts it."""
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                pids = [int((self.top / "it's here" / f"node-{i + 1}.pid").read_text()) for i in range(count)]
                if all(pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep") for pid in pids):
                    return pids
            except (OSError, ValueError):
                pass
            time.sleep(0.01)
        self.fail("the nodes were not started")

    def assert_gone(self, pids):
        until = time.monotonic() + 30
        while any(pathlib.Path(f"/proc/{pid}").exists() for pid in pids):
            self.assertLess(time.monotonic(), until, "a node outlived its playground")
            time.sleep(0.01)

    def test_a_signal_stops_the_nodes(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start("--port", str(self.port))
            pids = self.pids(3)
            process.send_signal(number)
            self.assertEqual(process.wait(30), 0, process.stderr.read())
            self.assert_gone(pids)
        self.assertTrue((self.top / "it's here" / "node-1").is_dir(), "a directory that was asked for stays")

    def test_nodes_die_with_the_playground(self):
        process = self.start("--port", str(self.port))
        pids = self.pids(3)
        process.kill()
        process.wait()
        self.assert_gone(pids)

    def test_the_directory_remembers_its_cluster(self):
        process = self.start("--port", str(self.port), "--nodes", "1")
        self.pids(1)
        process.terminate()
        process.wait(30)
        program = self.node_program("exit 9\n")
        directory = str(self.top / "it's here")
        result = holdfast("playground", "--holdfastd", program, "--dir", directory, "--nodes", "3")
        self.assertEqual(result.returncode, 2)
        self.assertIn(f"--nodes 1 --port {self.port}".encode(), result.stderr)
        result = holdfast("playground", "--holdfastd", program, "--dir", directory)
        self.assertEqual(result.returncode, 1)  # the node of exit status 9
        self.assertIn(b"node 1 ended with exit status 9", result.stderr)

    def test_the_nodes_get_their_options(self):
        process = self.start("--port", str(self.port), script="printf '%s\\n' \"$@\" >&2\nexec sleep 60\n")
        self.pids(3)
        process.terminate()
        process.wait(30)
        directory = self.top / "it's here"
        base = self.port
        self.assertEqual((directory / "node-2.log").read_text().splitlines(), [
            "--id", "2", "--data", str(directory / "node-2"), "--client-address", f"127.0.0.1:{base + 1}",
            "--peer-address", f"127.0.0.1:{base + 4}", "--initial-cluster",
            f"1=127.0.0.1:{base + 3},2=127.0.0.1:{base + 4},3=127.0.0.1:{base + 5}"])


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
