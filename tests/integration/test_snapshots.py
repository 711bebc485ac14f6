#!/usr/bin/python3
"""Snapshots on real processes and disks: the log's files go, a node that was away for long is fed with a state, whoever is killed in the
middle of it, and nothing is left over that nobody needs.

The thresholds are low and the log's files small, so that little load does what days do elsewhere. What a node fetches leaves slowly where
something is to happen meanwhile.
"""

import json
import re
import time

import harness  # first: it finds grpcio and the stubs
import grpc
from holdfast.v1 import cluster_pb2, ledger_pb2

from cluster import get_stock, reserve, set_stock, verdict_name
from harness import seconds, wait_until

MIB = 1 << 20
SEGMENT = 64 << 10
# What leaves at once, whatever the rate (node/bulk_sender.c).
BURST = MIB
# Entries that stay in the log behind a snapshot, whatever its size (SNAPSHOT_TRAILING_ENTRIES).
TRAILING = 4096
FLAGS = ("--snapshot-log-entries", 500, "--snapshot-log-bytes", MIB, "--held-log-bytes", 64 * MIB, "--log-segment-bytes", SEGMENT)
SLOWLY = ("--snapshot-rate", MIB)


def bench(cluster, duration, *arguments):
    result = harness.holdfast("bench", "--duration", duration, "-o", "json", *arguments, endpoints=cluster.endpoints)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def write_orders(cluster):
    """Some megabytes of state."""
    orders = 0
    while orders < 12000:
        figures = bench(cluster, "300ms", "--batch", 50, "--clients", 2, "--skus", 50)
        orders += figures["ops_per_s"] * figures["seconds"]


def write_entries(cluster, count):
    """Lengthens the log: few commands in an entry."""
    goal = cluster.leader().status(5).last_index + count
    while cluster.leader().status(5).last_index < goal:
        bench(cluster, "1s", "--clients", 1, "--skus", 1)


def write_until_trimmed(cluster, beyond):
    """Until no running node has the entries up to this one in its log."""
    while any(status.log_first_index <= beyond + 1 for status in cluster.statuses()):
        write_entries(cluster, 1000)


def names_in(node):
    return sorted(path.name for path in node.data.iterdir())


def segments_of(node):
    return sorted(path for path in (node.data / "log").iterdir() if path.suffix == ".log")


def is_tidy(node):
    """One state, and nothing of a snapshot that was taken, sent or fetched."""
    names = names_in(node)
    return sum(name.startswith("state.") for name in names) == 1 and not any(name.startswith("checkpoint.") for name in names)


def wait_tidy(nodes, timeout=10):
    wait_until(lambda: all(is_tidy(node) for node in nodes), lambda: f"left over: {[names_in(node) for node in nodes]}", timeout)


def disk_bytes(node):
    total = 0
    for path in node.data.rglob("*"):
        try:
            if path.is_file():
                total += path.stat().st_size
        except FileNotFoundError:
            pass  # removed meanwhile
    return total


def fetching_of(node):
    """What the node says that it fetches; None: nothing."""
    status = node.status()
    return status.fetching if status is not None and status.HasField("fetching") else None


def wait_fetching(cluster, node, done):
    """Until so many bytes are there, and not yet all."""

    def reached():
        fetching = fetching_of(node)
        return fetching if fetching is not None and fetching.bytes_done >= done and fetching.bytes_total > 0 else None

    return wait_until(reached, lambda: f"node {node.id} has not fetched {done} bytes: {fetching_of(node)} {cluster.describe()}", 30)


class Snapshots(harness.TestCase):
    def still_serves(self, cluster, node, order):
        """The node takes a command, and tells what became of it."""
        node.stubs.ledger.SetStock(set_stock(order, 5), timeout=seconds(10))
        answer = node.stubs.ledger.Reserve(reserve(order, (order, 1)), timeout=seconds(10))
        self.assertEqual(verdict_name(answer.verdict), "OK")
        stock = node.stubs.ledger.GetStock(get_stock(order), timeout=seconds(10)).stock
        self.assertEqual((stock.on_hand, stock.reserved), (5, 1))

    def all_is_well(self, cluster):
        cluster.wait_equal_digests(60)
        cluster.verify()

    def with_one_behind(self, *flags):
        """A cluster with megabytes of state, and a node that is down and lacks what the others have trimmed: (cluster, node)."""
        cluster = self.open_cluster(flags=FLAGS + flags)
        bench(cluster, "200ms", "--clients", 4, "--skus", 10)
        behind = cluster.followers()[0]
        cluster.wait_equal_digests()
        last = behind.status().last_index
        self.assertEqual(behind.terminate(), 0)
        write_orders(cluster)
        write_until_trimmed(cluster, last)
        behind.last_before = last
        return cluster, behind

    def was_fed(self, node):
        """The log of the node begins behind all that it ever got as entries: it got a state."""
        status = node.status(5)
        self.assertGreater(status.log_first_index, node.last_before + 1)
        self.assertGreaterEqual(status.snapshot_index + 1, status.log_first_index)
        self.assertTrue(status.HasField("snapshot_time"))

    # ---- alone ----

    def test_the_log_goes(self):
        cluster = self.open_cluster(flags=FLAGS)
        write_orders(cluster)
        write_entries(cluster, TRAILING + 3000)
        for node in cluster.nodes:
            wait_until(lambda node=node: node.status(5).log_first_index > 1000, lambda: f"not trimmed: {cluster.describe()}", 20)
            status = node.status(5)
            self.assertGreater(status.snapshot_index, 3000)
            self.assertLess(time.time() - status.snapshot_time.ToSeconds(), 60)
            self.assertFalse(status.HasField("fetching"))
            segments = segments_of(node)
            self.assertGreater(int(segments[0].stem), 1)
            numbers = [int(path.stem) for path in segments]
            self.assertEqual(numbers, list(range(numbers[0], numbers[-1] + 1)))
        wait_tidy(cluster.nodes)
        cluster.wait_equal_digests()
        for node in cluster.nodes:  # nothing is written any more
            wait_until(
                lambda node=node: node.status(5).log_bytes == sum(path.stat().st_size for path in segments_of(node)),
                lambda: "log_bytes is not what the files have",
            )
        # The state is there again, whoever dies how often.
        for _ in range(2):
            for node in cluster.nodes:
                node.kill()
            for node in cluster.nodes:
                node.start()
            cluster.wait_ready()
            self.all_is_well(cluster)
            write_entries(cluster, 700)
        wait_tidy(cluster.nodes)
        self.assertEqual(names_in(cluster.nodes[0]), names_in(cluster.nodes[1]))

    def test_the_disk_is_bounded(self):
        """The log keeps to its size however long the load goes on."""
        cluster = self.open_cluster(flags=FLAGS)
        write_entries(cluster, TRAILING + 2000)
        log_bytes = max(status.log_bytes for status in cluster.statuses())
        for _ in range(3):
            write_entries(cluster, 2000)
            for status in cluster.statuses():
                self.assertLess(status.log_bytes, 2 * log_bytes + 4 * SEGMENT)
                self.assertLess(status.last_index - status.log_first_index, 2 * TRAILING + 3000)
        wait_tidy(cluster.nodes)
        self.all_is_well(cluster)

    def test_one_is_taken_when_asked_for(self):
        cluster = self.open_cluster()  # high thresholds: none by itself
        bench(cluster, "300ms", "--clients", 4, "--skus", 50)
        cluster.wait_equal_digests()
        for node in cluster.nodes:
            before = node.status(5)
            self.assertEqual((before.snapshot_index, before.HasField("snapshot_time")), (0, False))
            answer = node.stubs.cluster.TakeSnapshot(cluster_pb2.TakeSnapshotRequest(), timeout=seconds(20))
            self.assertEqual(answer.node_id, node.id)
            self.assertGreaterEqual(answer.snapshot_index, before.applied_index)
            after = node.status(5)
            self.assertEqual(after.snapshot_index, answer.snapshot_index)
            again = node.stubs.cluster.TakeSnapshot(cluster_pb2.TakeSnapshotRequest(), timeout=seconds(20))
            self.assertGreaterEqual(again.snapshot_index, answer.snapshot_index)
        bench(cluster, "300ms", "--clients", 4, "--skus", 50)
        result = harness.holdfast("cluster", "snapshot", "-o", "json", endpoints=cluster.endpoints)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout.count("snapshot_index"), 3)
        wait_tidy(cluster.nodes)
        for node in cluster.nodes:
            node.kill()
        for node in cluster.nodes:
            node.start()
        cluster.wait_ready()
        self.all_is_well(cluster)

    # ---- from another node ----

    def test_who_was_away_for_long_is_fed(self):
        cluster, behind = self.with_one_behind("--snapshot-rate", 4 * MIB)
        leader = cluster.leader()
        behind.start()
        fetching = wait_fetching(cluster, behind, 1)
        self.assertEqual(fetching.from_node_id, leader.id)
        self.assertGreater(fetching.snapshot_index, behind.last_before)
        self.assertLessEqual(fetching.bytes_done, fetching.bytes_total)
        with self.assertRaises(grpc.RpcError) as raised:  # a newer one would make it begin anew
            leader.stubs.cluster.TakeSnapshot(cluster_pb2.TakeSnapshotRequest(), timeout=seconds(20))
        self.assertEqual(raised.exception.code(), grpc.StatusCode.FAILED_PRECONDITION, raised.exception)
        # The others take work meanwhile.
        self.still_serves(cluster, leader, "while-it-fetches")
        wait_until(lambda: behind.status() and not fetching_of(behind), lambda: f"it does not end: {cluster.describe()}", 60)
        self.all_is_well(cluster)
        self.was_fed(behind)
        self.assertEqual(cluster.leader().id, leader.id)  # nobody was disturbed
        # All but the burst left at the rate that was asked for, and no faster.
        installed = wait_until(lambda: behind.log_events("installed"), "the node does not say what it has installed")[-1]
        self.assertEqual(installed["from"], leader.id)
        self.assertGreater(installed["bytes"], 2 * BURST, "too little to show a rate")
        self.assertGreaterEqual(installed["took_ms"], (installed["bytes"] - BURST) * 1000 // (4 * MIB), installed)
        wait_tidy([behind])
        self.assertIn("state.2", names_in(behind))
        # It goes on with entries, takes snapshots of its own, and starts again.
        self.still_serves(cluster, behind, "after-the-fetch")
        installed = behind.status(5).snapshot_index
        write_entries(cluster, TRAILING)
        wait_until(lambda: behind.status(5).snapshot_index > installed, lambda: f"no snapshot of its own: {cluster.describe()}", 20)
        behind.kill()
        behind.start()
        cluster.wait_ready()
        self.all_is_well(cluster)
        # The one who served keeps its checkpoint for a minute; a start removes it.
        self.assertLessEqual(sum(name.startswith("checkpoint.") for name in names_in(leader)), 1)
        leader.kill()
        leader.start()
        cluster.wait_ready()
        wait_tidy(cluster.nodes)

    def test_killed_in_the_middle(self):
        cluster, behind = self.with_one_behind(*SLOWLY)
        # Who fetches: what it had does not count, and nothing is left of it.
        behind.start()
        wait_fetching(cluster, behind, MIB)
        behind.kill()
        self.assertIn("state.2", names_in(behind))
        behind.start()
        fetching = wait_fetching(cluster, behind, MIB)
        # Who serves: the other one serves instead.
        leader = next(node for node in cluster.nodes if node.id == fetching.from_node_id)
        other = next(node for node in cluster.nodes if node not in (leader, behind))
        leader.kill()
        fetching = wait_until(
            lambda: (now := fetching_of(behind)) and now.from_node_id == other.id and now.bytes_total > 0 and now,
            lambda: f"nothing is fetched from node {other.id}: {fetching_of(behind)} {cluster.describe()}",
            30,
        )
        # And who fetches once more, from that one.
        behind.kill()
        behind.start()
        wait_until(lambda: behind.status() and behind.status().snapshot_index > behind.last_before, lambda: f"not fed: {cluster.describe()}", 60)
        wait_until(behind.serving, lambda: f"it does not serve: {cluster.describe()}", 30)
        self.was_fed(behind)
        self.still_serves(cluster, behind, "two-of-three")
        leader.start()
        cluster.wait_ready()
        self.all_is_well(cluster)
        wait_tidy([behind, leader])
        other.kill()
        other.start()
        cluster.wait_ready()
        wait_tidy(cluster.nodes)

    def test_a_damaged_file_on_the_way(self):
        """A byte of a checkpoint changes on the leader's disk while it is fetched. Its own state is made of it: it stops and says so. Nobody
        installs it, and the other one serves."""
        cluster, behind = self.with_one_behind(*SLOWLY)
        behind.start()
        fetching = wait_fetching(cluster, behind, 1)
        leader = next(node for node in cluster.nodes if node.id == fetching.from_node_id)
        other = next(node for node in cluster.nodes if node not in (leader, behind))
        (checkpoint,) = [path for path in leader.data.iterdir() if path.name.startswith("checkpoint.")]
        # Files leave by their names: the last one of a size has not left.
        files = sorted(path for path in checkpoint.iterdir() if re.fullmatch(r"\d+\.sst", path.name))
        with files[-1].open("r+b") as file:
            file.seek(files[-1].stat().st_size // 2)
            byte = file.read(1)
            file.seek(-1, 1)
            file.write(bytes([byte[0] ^ 1]))
        self.assertNotEqual(leader.wait_exit(60), 0)
        last = leader.log_events()[-1]
        self.assertIn(f"{files[-1].name} is damaged", str(last))
        wait_until(lambda: behind.status() and behind.status().snapshot_index > behind.last_before, lambda: f"not fed: {cluster.describe()}", 60)
        self.was_fed(behind)
        wait_until(behind.serving, lambda: f"it does not serve: {cluster.describe()}", 30)
        self.still_serves(cluster, other, "without-the-damaged")
        self.all_is_well(cluster)


if __name__ == "__main__":
    harness.main()
