#!/usr/bin/python3
"""How a node starts and stops: each mistake is one JSON line that says what is wrong and what to do, and a non-zero exit; SIGTERM is 0."""

import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import threading
import time

import harness  # first: it finds grpcio and the stubs
import grpc
import http2
from holdfast.v1 import cluster_pb2, ledger_pb2

from cluster import Cluster, get_order, get_stock, new_address, reserve, set_stock
from harness import HOLDFASTD, WORK, seconds, wait_until


def environment(**variables):
    return {**{name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}, **variables}


@contextlib.contextmanager
def running_node(arguments, **variables):
    """A node that has started, and its `started` line; at the end it gets SIGTERM and must exit with 0."""
    log_path = WORK.new("node") / "node.log"
    with log_path.open("ab") as log:
        process = harness.spawn([HOLDFASTD, *arguments], stdout=log, stderr=log, env=environment(**variables))

    def started():
        for text in log_path.read_text().splitlines():
            if '"event":"started"' in text:
                return json.loads(text)
        assert process.poll() is None, log_path.read_text()
        return None

    try:
        yield wait_until(started, lambda: f"not started: {log_path.read_text()}")
        process.terminate()
        status = process.wait(seconds(20))
        assert status == 0, f"exit status {status} after SIGTERM: {log_path.read_text()}"
        assert not harness.crash_lines(log_path), log_path.read_text()
    finally:
        process.kill()
        process.wait()


class Refused(harness.TestCase):
    """Starts that can't succeed."""

    def setUp(self):
        self.directory = WORK.new("start")
        self.data = self.directory / "data"
        self.peer = new_address()
        self.client = new_address()

    def flags(self, **changes):
        """Flags of a node by itself that would start; a change to None leaves one out."""
        flags = {
            "id": "1",
            "data": str(self.data),
            "client_address": self.client,
            "initial_cluster": f"1={self.peer}",
            **changes,
        }
        out = []
        for name, value in flags.items():
            if value is not None:
                out += ["--" + name.replace("_", "-"), value]
        return out

    def refused(self, arguments, *words, status=1, variables=None):
        """Runs holdfastd; it must end with this status and one line that holds the words."""
        run = subprocess.run(
            [HOLDFASTD, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds(20),
            env=environment(**(variables or {})),
            check=False,
        )
        lines = run.stderr.splitlines()
        self.assertEqual(run.returncode, status, run.stderr)
        self.assertEqual(run.stdout, "")
        self.assertEqual(len(lines), 1, f"not one line: {run.stderr}")
        entry = json.loads(lines[0])
        self.assertEqual(entry["level"], "error", lines[0])
        for word in words:
            self.assertIn(word, entry["message"])
        return entry["message"]

    # ---- options ----

    def test_flags(self):
        self.refused(["--nonsense", "1"], "--nonsense", "--help", status=2)
        self.refused(["start"], "'start'", status=2)
        self.refused(self.flags() + ["--log-level"], "--log-level", "value", status=2)
        self.refused(self.flags() + ["--id", "2"], "--id", "twice", status=2)
        for name in ("id", "data", "initial_cluster"):
            self.refused(self.flags(**{name: None}), "--" + name.replace("_", "-"), "needed", status=2)
        self.refused([], "--data", "needed", status=2)

    def test_values(self):
        for name, value in (
            ("id", "0"),
            ("id", "-1"),
            ("id", "one"),
            ("id", "1 "),
            ("id", "4294967296"),
            ("id", "99999999999999999999"),
            ("data", ""),
            ("client_address", "7070"),
            ("client_address", "127.0.0.1"),
            ("client_address", "127.0.0.1:"),
            ("client_address", "127.0.0.1:65536"),
            ("client_address", "::1:7070"),
            ("client_address", ":7070"),
            ("peer_address", "nowhere"),
            ("advertise_client", "x:y"),
            ("initial_cluster", ""),
            ("initial_cluster", "1"),
            ("initial_cluster", "1=127.0.0.1"),
            ("initial_cluster", "x=127.0.0.1:1"),
            ("initial_cluster", "0=127.0.0.1:1"),
            ("initial_cluster", "1=127.0.0.1:1,"),
            ("initial_cluster", "1=127.0.0.1:1,1=127.0.0.1:2"),
            ("initial_cluster", "1=127.0.0.1:1,2=127.0.0.1:1"),
            ("initial_cluster", ",".join(f"{n}=127.0.0.1:{n}" for n in range(1, 11))),
            ("election_timeout_ms", "0"),
            ("election_timeout_ms", "soon"),
            ("heartbeat_ms", "1e3"),
            ("log_level", "loud"),
        ):
            with self.subTest(name=name, value=value):
                message = self.refused(self.flags(**{name: value}), "--" + name.replace("_", "-"), status=2)
                self.assertFalse(self.data.exists(), "a node with wrong options wrote something")
                self.assertTrue(message.isprintable())
        self.refused(self.flags(election_timeout_ms="100", heartbeat_ms="60"), "--heartbeat-ms", "--election-timeout-ms", status=2)
        self.refused(self.flags(id="7"), "node 7", "--initial-cluster", status=2)
        self.refused(self.flags(advertise_peer="127.0.0.1:9"), "--advertise-peer", status=2)

    def test_help_and_version(self):
        for flag in ("--help", "-h", "--version"):
            run = subprocess.run([HOLDFASTD, flag], capture_output=True, text=True, timeout=seconds(20), check=False)
            self.assertEqual((run.returncode, run.stderr), (0, ""))
            self.assertTrue(run.stdout)
        self.assertRegex(run.stdout, r"^holdfastd \d+\.\d+\.\d+\nledger version \d+\npeer protocol \d+\n$")
        usage = subprocess.run([HOLDFASTD, "--help"], capture_output=True, text=True, timeout=seconds(20), check=True).stdout
        for flag in ("--id", "--data", "--client-address", "--peer-address", "--advertise-client", "--advertise-peer", "--initial-cluster", "--config"):
            self.assertIn(flag, usage)

    # ---- environment and file ----

    def test_file_mistakes(self):
        file = self.directory / "holdfast.conf"
        self.refused(["--config", str(file)], str(file), "No such file", status=2)
        self.refused(["--config", str(self.directory)], str(self.directory), status=2)
        for text, words in (
            ("id\n", (":1", "name = value")),
            ("# fine\n\nid = 1\nnonsense = 3\n", (":4", "nonsense")),
            ("config = other\n", (":1", "config")),
            ("id = x\n", (":1", "'x'")),
            ("x" * 70_000, ("64 KiB",)),
        ):
            file.write_text(text)
            self.refused(["--config", str(file), "--data", str(self.data), "--initial-cluster", f"1={self.peer}"], str(file), *words, status=2)

    def test_environment_mistakes(self):
        self.refused(self.flags(id=None), "HOLDFAST_ID", "'x'", status=2, variables={"HOLDFAST_ID": "x"})
        self.refused(self.flags(), "HOLDFAST_LOG_LEVEL", status=2, variables={"HOLDFAST_LOG_LEVEL": "loud"})

    # ---- the network ----

    def test_occupied_ports(self):
        for name, address in (("client", self.client), ("peer", self.peer)):
            host, port = address.rsplit(":", 1)
            with socket.create_server((host, int(port))), self.subTest(name):
                self.refused(self.flags(), address, "in use", "another node")
                self.assertFalse(self.data.exists(), "a node that can't listen made its directory")
        # Both the same, by mistake.
        self.refused(self.flags(client_address=self.peer), self.peer, "--client-address", "--peer-address")
        self.assertFalse(self.data.exists())
        # Nothing of that must be in the way of a start that could succeed.
        self.start_and_stop()

    def test_an_address_of_another_machine(self):
        self.refused(self.flags(client_address="192.0.2.1:7070"), "192.0.2.1:7070", "does not have the address")
        self.assertFalse(self.data.exists())

    # ---- the data directory ----

    def start_and_stop(self, arguments=None):
        with running_node(arguments or self.flags()):
            pass

    def test_a_file_in_the_way(self):
        self.data.write_text("a file")
        self.refused(self.flags(), str(self.data))
        self.refused(self.flags(data=str(self.data / "below")), str(self.data))

    def test_a_directory_that_can_not_be_written(self):
        # Permissions do not stop root; a file system that takes nothing stops everybody.
        self.refused(self.flags(data="/proc/self/holdfast"), "/proc/self/holdfast")

    def test_a_read_only_directory(self):
        self.start_and_stop()
        mount = ["mount", "--bind", "-o", "ro", str(self.data), str(self.data)]
        command = " ".join(mount) + " && exec " + " ".join([str(HOLDFASTD), *self.flags()])
        tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
        if tried.returncode != 0:
            self.skipTest("a mount namespace is not permitted here")
        run = subprocess.run(
            ["unshare", "--mount", "sh", "-c", command], capture_output=True, text=True, timeout=seconds(20), env=environment(), check=False
        )
        self.assertEqual(run.returncode, 1, run.stderr)
        entry = json.loads(run.stderr)
        self.assertIn(str(self.data), entry["message"])
        self.assertIn("Read-only file system", entry["message"])
        self.start_and_stop()

    def test_a_directory_of_another_node_or_cluster(self):
        other = new_address()
        both = f"1={self.peer},2={other}"
        self.start_and_stop()
        self.refused(self.flags(initial_cluster=both), str(self.data), "cluster")
        self.refused(self.flags(initial_cluster=both, id="2"), str(self.data), "cluster")
        # The same cluster, another node of it: made by a node that never leads, so it is started until its directory is there.
        shutil.rmtree(self.data)
        self.start_and_stop(self.flags(initial_cluster=both))
        self.refused(self.flags(initial_cluster=both, id="2"), str(self.data), "node 1", "node 2")
        # The order of the members does not matter: it is the same cluster.
        self.start_and_stop(self.flags(initial_cluster=f"2={other},1={self.peer}"))

    def test_a_directory_that_is_no_nodes(self):
        """Somebody's files stay alone: not even a lock is made beside them."""
        self.data.mkdir()
        (self.data / "letters").mkdir()
        (self.data / "letters" / "to-aunt.txt").write_text("dear aunt")
        before = sorted(self.data.rglob("*"))
        self.refused(self.flags(), str(self.data), "letters", "empty directory")
        self.assertEqual(sorted(self.data.rglob("*")), before)
        shutil.rmtree(self.data / "letters")
        # A file system's own directory is no obstacle, and what is laid into a node's directory later is not either.
        (self.data / "lost+found").mkdir()
        self.start_and_stop()
        (self.data / "README").write_text("node 1 of the shop")
        self.start_and_stop()

    def test_a_directory_of_another_user(self):
        if os.geteuid() != 0:
            self.skipTest("only root can start a node as somebody else")
        self.start_and_stop()
        as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        # The way to the directory must be open, or that is what is told.
        for path in (self.directory, self.directory.parent):
            path.chmod(0o755)
        if subprocess.run([*as_nobody, "test", "-x", str(HOLDFASTD), "-a", "-x", str(self.directory)], check=False).returncode != 0:
            self.skipTest("another user reaches neither the program nor the directory")
        before = contents(self.data)
        for path, mode in ((self.data, 0o755), (self.data, 0o700)):
            path.chmod(mode)
            run = subprocess.run([*as_nobody, str(HOLDFASTD), *self.flags()], capture_output=True, text=True, timeout=seconds(20), env=environment(), check=False)
            self.assertEqual(run.returncode, 1, run.stderr)
            entry = json.loads(run.stderr)
            self.assertIn(str(self.data), entry["message"])
            self.assertIn("Permission denied", entry["message"])
        self.assertEqual(contents(self.data), before)
        self.start_and_stop()

    def test_a_changed_initial_cluster(self):
        """The members change by `holdfast cluster`, and not by the flags: whoever tries is told which cluster the directory belongs to."""
        self.start_and_stop()
        before = contents(self.data)
        other = new_address()
        for changed in (f"1={self.peer},2={other}", f"1={other}", f"3={other},1={self.peer}"):
            self.refused(self.flags(initial_cluster=changed), str(self.data), "belongs to cluster")
            self.assertEqual(contents(self.data), before)
        self.refused(self.flags(initial_cluster=f"2={self.peer}"), "--id", status=2)
        self.start_and_stop()

    def test_a_directory_in_use(self):
        with running_node(self.flags()):
            self.refused(self.flags(client_address=new_address()), str(self.data), "locked")

    def make_node(self):
        """A node by itself that runs and has taken some commands, one log batch each."""
        cluster = Cluster(1, name="damaged")
        self._clusters.append(cluster)
        cluster.start()
        node = cluster.nodes[0]
        for number in range(60):
            node.stubs.ledger.SetStock(set_stock("sku", number))
        node.close_stubs()
        return node

    def damaged(self, damage, *words):
        """Damages the directory of a node that was killed, and expects a refusal that leaves everything as it is."""
        node = self.make_node()
        node.kill()
        damage(node.data)
        before = contents(node.data)
        message = self.refused([str(each) for each in node.command()[1:]], *words)
        self.assertEqual(contents(node.data), before, "a node that refuses to start changed something")
        return message

    def test_a_log_that_is_damaged_in_the_middle(self):
        def damage(data):
            segment = sorted((data / "log").iterdir())[0]
            with segment.open("r+b") as file:
                image = file.read(200_000)
                end = len(image.rstrip(b"\0"))
                self.assertGreater(end, 4000, "the log is too short for a middle")
                file.seek(end // 2)
                byte = file.read(1)
                file.seek(end // 2)
                file.write(bytes([byte[0] ^ 0x10]))

        self.damaged(damage, "log", "offset", "damaged")

    def test_a_lost_log(self):
        """The manifest knows that there was one: the node would deny what it acknowledged."""
        node = self.make_node()
        self.assertEqual(node.terminate(), 0)  # so that the state is on disk
        for segment in (node.data / "log").iterdir():
            segment.unlink()
        self.refused([str(each) for each in node.command()[1:]], str(node.data), "log", "has held entries")

    def test_a_damaged_manifest(self):
        for damage in (
            lambda data: os.truncate(data / "manifest", 10),
            lambda data: os.truncate(data / "manifest", 0),
            lambda data: (data / "manifest").write_bytes(b"\xa5" * 8192),
        ):
            self.damaged(damage, "manifest", "damaged")

    def test_a_lost_manifest(self):
        self.damaged(lambda data: (data / "manifest").unlink(), "manifest")

    def test_half_a_manifest_is_enough(self):
        self.start_and_stop()
        os.truncate(self.data / "manifest", os.path.getsize(self.data / "manifest") // 2)
        self.start_and_stop()


def contents(directory):
    """Names, sizes and bytes below a directory, but for the lock."""
    found = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path.name != "lock" and "LOCK" not in path.name and "LOG" not in path.name:
            data = path.read_bytes()
            found[str(path)] = (len(data), hash(data))
    return found


class Precedence(harness.TestCase):
    def started(self, arguments, variables):
        """The `started` line of a node, which is stopped again."""
        with running_node(arguments, **variables) as line:
            return line

    def test_flag_before_environment_before_file(self):
        directory = WORK.new("precedence")
        addresses = {place: new_address() for place in ("flag", "environment", "file")}
        peer = new_address()
        file = directory / "holdfast.conf"
        file.write_text(
            f"# a node\nid = 1\n  data={directory}/data   # where\n\nclient-address = {addresses['file']}\ninitial-cluster = 1={peer}\n"
        )
        config = ["--config", str(file)]
        from_environment = {"HOLDFAST_CLIENT_ADDRESS": addresses["environment"]}
        self.assertEqual(self.started(config, {})["client"], addresses["file"])
        self.assertEqual(self.started(config, from_environment)["client"], addresses["environment"])
        self.assertEqual(self.started([*config, f"--client-address={addresses['flag']}"], from_environment)["client"], addresses["flag"])
        # The file itself may be named by the environment; an empty variable is none.
        self.assertEqual(self.started([], {"HOLDFAST_CONFIG": str(file), "HOLDFAST_CLIENT_ADDRESS": ""})["client"], addresses["file"])
        advertised = self.started([*config, "--advertise-client", "stock.example.com:7070"], {})
        self.assertEqual((advertised["client"], advertised["peer"]), ("stock.example.com:7070", peer))

    def test_host_names_and_ipv6(self):
        directory = WORK.new("precedence")
        with socket.socket(socket.AF_INET6) as probe:
            try:
                probe.bind(("::1", 0))
            except OSError:
                self.skipTest("there is no IPv6 loopback here")
        # On ::1 there is one address for everybody: a port made from the process id, which no other program has now.
        port = 20_000 + os.getpid() % 10_000
        started = self.started(
            ["--id", "1", "--data", str(directory / "data"), "--client-address", f"[::1]:{port}", "--initial-cluster", f"1={new_address()}"], {}
        )
        self.assertEqual(started["client"], f"[::1]:{port}")


class Stop(harness.TestCase):
    def test_sigterm_lets_calls_end(self):
        """A node that is told to stop answers what it has begun, refuses what comes, and exits with 0, its data whole."""
        cluster = self.open_cluster(1)
        node = cluster.nodes[0]
        ledger = node.stubs.ledger
        ledger.SetStock(set_stock("sku", 1_000_000))
        answers = {}
        stop = threading.Event()

        def load(worker):
            number = 0
            while not stop.is_set():
                order = f"{worker}-{number}"
                number += 1
                try:
                    answers[order] = ledger.Reserve(reserve(order, ("sku", 1)), timeout=seconds(10)).verdict
                except grpc.RpcError as error:
                    answers[order] = error.code()
                    if error.code() == grpc.StatusCode.UNAVAILABLE:
                        time.sleep(0.01)

        workers = [threading.Thread(target=load, args=(worker,)) for worker in range(8)]
        for each in workers:
            each.start()
        wait_until(lambda: sum(answer == 1 for answer in list(answers.values())) > 500, "orders are not taken")
        self.assertEqual(node.terminate(), 0)
        stop.set()
        for each in workers:
            each.join()
        events = [entry["event"] for entry in node.log_events()]
        self.assertEqual(events[-1], "stopped")
        self.assertIn("stopping", events)

        # Nothing was cut off in the middle: a call either has its answer or surely was not executed.
        outcomes = {answer for answer in answers.values() if answer != 1}
        self.assertLessEqual(outcomes, {grpc.StatusCode.UNAVAILABLE}, outcomes)
        node.start()
        cluster.wait_ready()
        for order, answer in answers.items():
            found = ledger.GetOrder(get_order(order)).verdict == 1
            self.assertEqual(found, answer == 1, f"order {order}: {answer}, found {found}")
        cluster.check_sound()

    def test_sigint_is_the_same(self):
        cluster = self.open_cluster(1)
        node = cluster.nodes[0]
        node.process.send_signal(2)
        self.assertEqual(node.wait_exit(), 0)

    def test_a_client_that_stays_connected_does_not_hold_the_node(self):
        cluster = self.open_cluster(1)
        node = cluster.nodes[0]
        host, port = node.client_address.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as idle:
            idle.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
            self.assertEqual(node.terminate(timeout=25), 0)

    def stops_unhurt(self, node):
        """It ends with 0, and has not had to wait in vain for somebody (DRAIN_MS)."""
        self.assertEqual(node.wait_exit(), 0)
        self.assertNotIn("cut off", str(node.log_events("stopping")))

    def test_who_waits_for_a_snapshot_does_not_hold_the_node(self):
        cluster = self.open_cluster(1)
        node = cluster.nodes[0]
        node.stubs.ledger.SetStock(set_stock("sku", 1))
        # One after the other is taken by the upkeep, now and then: the last ones are still waiting.
        calls = [node.stubs.cluster.TakeSnapshot.future(cluster_pb2.TakeSnapshotRequest(), timeout=seconds(60)) for _ in range(8)]
        self.assertIsNotNone(node.status(5))  # on the same connection: they are there
        node.process.terminate()
        self.stops_unhurt(node)
        for each in calls:
            error = each.exception()
            self.assertTrue(error is None or "stopping" in error.details(), error)

    def test_a_read_that_is_cancelled_does_not_hold_the_node(self):
        """Its client keeps the connection, as some do: the node closes it when nothing is left to answer there."""
        cluster = self.open_cluster(1)
        node = cluster.nodes[0]
        request = get_stock("sku")
        request.consistency = ledger_pb2.STALE
        request.min_log_index = 1_000_000
        with http2.Connection(node.client_address, timeout=seconds(30)) as connection:
            path = "/holdfast.v1.Ledger/GetStock"
            waiting = connection.new_stream()
            connection.send(http2.request_bytes(waiting, path, request.SerializeToString()))
            self.assertEqual(connection.call(path, get_stock("sku").SerializeToString()).grpc_status, 0)  # so the other one is there
            node.process.terminate()
            wait_until(lambda: node.log_events("draining"), "the node does not stop")
            connection.send(http2.frame(http2.RST_STREAM, 0, waiting, struct.pack(">I", http2.CANCEL)))
            connection.wait_closed()
            self.stops_unhurt(node)

    def test_log_lines_are_json(self):
        cluster = self.open_cluster(3, flags=("--log-level", "debug"))
        cluster.leader()
        for node in cluster.nodes:
            lines = node.log_path.read_text().splitlines()
            self.assertTrue(lines)
            for text in lines:
                entry = json.loads(text)
                self.assertEqual(entry["node"], node.id)
                self.assertIn(entry["level"], ("debug", "info", "warning", "error"))
                self.assertRegex(entry["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
                self.assertTrue(entry["event"])


if __name__ == "__main__":
    harness.main()
