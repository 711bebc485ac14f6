#!/usr/bin/python3
"""Disks that fail under load: a write, a sync, no room, a damaged file. The node stops with one line that says what and where; the others go
on; no acknowledged order is lost; and where mending is possible, the node comes back.

Faults of single calls are injected (disk_faults.py); a disk that is full is a real one, a small tmpfs.
"""

import shutil
import statistics
import subprocess
import time

import harness  # first: it finds grpcio and the stubs
import grpc
from holdfast.v1 import cluster_pb2

from cluster import Cluster, get_stock, reserve
from disk_faults import Disk
from harness import seconds, wait_until
from load import Load, filling
from mounts import enter_private_mounts

MIB = 1 << 20
PRIVATE_MOUNTS = enter_private_mounts()


def flip(path, offset, bit=0x10):
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ bit]))


class Faulty(harness.TestCase):
    """A cluster of three whose disks can be told to fail, and a load on it."""

    def open_faulty(self, flags=(), place=None, loaded=True):
        """place(node) may put a node's data elsewhere before it is started."""
        cluster = Cluster(3, flags=flags)
        self._clusters.append(cluster)
        for node in cluster.nodes:
            if place is not None:
                place(node)
        self.disks = {node.id: Disk(node) for node in cluster.nodes}
        self.addCleanup(cluster.stop)
        cluster.start()
        load = None
        if loaded:
            load = Load(cluster, clients=4)
            self.addCleanup(load.stop)
            load.wait_more(100)
        return cluster, load

    def stopped(self, node, *words, status=1):
        """The node has ended by itself, and its last line, the only error, holds the words."""
        self.assertEqual(node.wait_exit(30), status, node.log_path)
        lines = node.log_path.read_text(errors="replace").splitlines()
        errors = [entry for entry in node.log_events() if entry["level"] == "error"]
        self.assertEqual(len(errors), 1, f"one line was expected: {lines[-5:]}")
        self.assertEqual(errors[0], node.log_events()[-1])
        self.assertEqual(len(lines), len(node.log_events()), f"a line is not the node's own: {lines[-5:]}")
        for each in words:
            self.assertIn(each, errors[0]["message"])
        print(f"\n  {errors[0]['message']}", flush=True)
        # What comes is another process's.
        node.log_path.rename(node.log_path.with_name(f"{node.log_path.name}.{time.monotonic_ns()}"))
        node.log_path.touch()

    def mended(self, cluster, load, node):
        """Its disk works again: it comes back by itself, and everything is there."""
        load.wait_more(100)
        self.disks[node.id].mend()
        node.start()
        cluster.wait_caught_up(node)
        load.wait_more(50)
        load.stop()
        load.check(self)


class Fails(Faulty):
    """Calls that fail while the node runs."""

    def one_fault(self, rules, words, leader, filled=False):
        cluster, load = self.open_faulty()
        node = cluster.leader() if leader else cluster.followers()[0]
        stop_filling = filling(self, cluster) if filled else lambda: None
        self.disks[node.id].fail(*rules)
        self.stopped(node, *words)
        stop_filling()
        self.mended(cluster, load, node)

    def test_a_sync_of_the_leaders_log(self):
        self.one_fault(["sync /log/ EIO"], ["/log/", "can't sync it to disk", "Input/output error", "look after the disk"], leader=True)

    def test_a_write_of_a_followers_log(self):
        self.one_fault(["write /log/ EIO"], ["/log/", "can't write to it at offset", "Input/output error"], leader=False)

    def test_no_room_for_the_leaders_log(self):
        self.one_fault(["write /log/ ENOSPC"], ["/log/", "No space left on device", "make room, then start this node again"], leader=True)

    def test_a_table_of_the_state_is_not_synced(self):
        self.one_fault(["sync .sst EIO"], ["state.1", "Input/output error", "look after the disk"], leader=False, filled=True)

    def test_a_table_of_the_state_is_not_written(self):
        self.one_fault(["write .sst ENOSPC"], ["state.1", "No space left on device", "make room"], leader=True, filled=True)

    def test_the_states_own_manifest_is_not_written(self):
        self.one_fault(["write /MANIFEST- EIO"], ["state.1", "MANIFEST-", "Input/output error"], leader=False, filled=True)

    def test_a_vote_that_can_not_be_stored(self):
        """Term and vote are synced before anything is said: a node that can't does not vote, and stops."""
        cluster, load = self.open_faulty()
        leader, voter = cluster.leader(), cluster.followers()[0]
        self.disks[voter.id].fail("sync /manifest EIO")
        leader.kill()
        self.stopped(voter, "/manifest", "can't sync it to disk", "Input/output error")
        leader.start()
        self.mended(cluster, load, voter)

    def test_a_stop_that_can_not_write(self):
        """A clean stop flushes the state. If that fails nothing is lost, the log has it; but the status says so."""
        cluster, load = self.open_faulty()
        node = cluster.followers()[0]
        self.disks[node.id].fail("sync .sst EIO")
        node.process.terminate()
        self.stopped(node, "state.1", "Input/output error")
        self.mended(cluster, load, node)

    def test_a_start_whose_disk_can_not_be_read(self):
        cluster, load = self.open_faulty()
        node = cluster.followers()[0]
        for rule, place in (("read /log/ EIO", "/log/"), ("read /manifest EIO", "/manifest"), ("read .sst EIO", "state.1")):
            node.terminate()
            self.disks[node.id].fail(rule)
            node.start()
            self.stopped(node, place, "Input/output error", "look after the disk")
            self.disks[node.id].mend()
            node.start()
            cluster.wait_caught_up(node)
        load.stop()
        load.check(self)


class Damaged(Faulty):
    """Files that are wrong. The node is stopped cleanly, so that its state is on disk; others serve all the while."""

    def open_damaged(self, damage, kill=False):
        cluster, load = self.open_faulty()
        node = cluster.followers()[0]
        if kill:
            node.kill()
        else:
            self.assertEqual(node.terminate(), 0)
        node.log_path.write_text("")
        damage(node.data)
        node.start()
        return cluster, load, node

    def lost(self, cluster, load):
        """The node is beyond mending; what was acknowledged is there without it."""
        load.wait_more(100)
        load.stop()
        load.check(self)

    def test_a_damaged_log(self):
        def damage(data):
            segment = sorted((data / "log").iterdir())[0]
            end = len(segment.read_bytes()[: 4 * MIB].rstrip(b"\0"))
            flip(segment, end // 2)

        cluster, load, node = self.open_damaged(damage, kill=True)
        self.stopped(node, "/log/", "is damaged at offset", "replace it: holdfast cluster remove, then add")
        self.lost(cluster, load)

    def test_a_damaged_manifest(self):
        cluster, load, node = self.open_damaged(lambda data: (data / "manifest").write_bytes(b"\xa5" * 8192))
        self.stopped(node, "/manifest is damaged", "holdfast cluster remove")
        self.lost(cluster, load)

    def test_a_log_that_is_older_than_the_state(self):
        kept = []

        def keep(data):
            kept.append(data.with_name("kept-log"))
            shutil.copytree(data / "log", kept[0])

        cluster, load, node = self.open_damaged(keep)
        cluster.wait_caught_up(node)
        load.wait_more(100)
        cluster.wait_caught_up(node)
        self.assertEqual(node.terminate(), 0)
        node.log_path.write_text("")
        shutil.rmtree(node.data / "log")
        shutil.copytree(kept[0], node.data / "log")
        node.start()
        self.stopped(node, "state.1 has applied entry", "but the log ends at", "holdfast cluster remove")
        self.lost(cluster, load)

    def test_a_damaged_table_of_the_state(self):
        """Found by whoever reads it. The state is moved away, and made anew from the log."""

        def damage(data):
            for table in (data / "state.1").glob("*.sst"):
                for offset in range(64, table.stat().st_size - 4096, 1024):
                    flip(table, offset)

        cluster, load, node = self.open_damaged(damage)
        wait_until(lambda: not node.running or node.serving(), "the node neither runs nor stops")
        if node.running:  # it has met no damaged block yet
            try:
                node.stubs.cluster.Verify(cluster_pb2.VerifyRequest(), timeout=seconds(20))
            except grpc.RpcError as error:
                self.assertIn(error.code(), (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED))
        self.stopped(node, "state.1", "Corruption", "made anew from the log")
        (node.data / "state.1").rename(node.data / "damaged")
        self.mended(cluster, load, node)

    def test_a_lost_state_that_the_log_can_not_make_again(self):
        """Once the log is trimmed, a node without its state says so, and must be replaced."""
        cluster, load = self.open_faulty(("--snapshot-log-entries", 200, "--log-segment-bytes", 65536))
        node = cluster.followers()[0]
        load.wait_more(2500, timeout=60)
        wait_until(lambda: node.status().log_first_index > 1, "the log is not trimmed", timeout=30)
        self.assertEqual(node.terminate(), 0)
        (node.data / "state.1").rename(node.data.with_name("moved-away"))
        node.start()
        self.stopped(node, "state.1 is gone", "when the last snapshot was taken", "holdfast cluster remove")
        self.assertFalse((node.data / "state.1").exists())
        # With what it had it goes on.
        node.data.with_name("moved-away").rename(node.data / "state.1")
        self.mended(cluster, load, node)

    def test_a_damaged_list_of_the_states_tables(self):
        def damage(data):
            manifest = next((data / "state.1").glob("MANIFEST-*"))
            flip(manifest, manifest.stat().st_size // 2)

        cluster, load, node = self.open_damaged(damage)
        self.stopped(node, "state.1", "Corruption", "made anew from the log")
        (node.data / "state.1").rename(node.data / "damaged")
        self.mended(cluster, load, node)

    def test_a_table_of_the_state_is_gone(self):
        def damage(data):
            next((data / "state.1").glob("*.sst")).unlink()

        cluster, load, node = self.open_damaged(damage)
        self.stopped(node, "state.1", "made anew from the log")
        (node.data / "state.1").rename(node.data / "damaged")
        self.mended(cluster, load, node)


class Reserve(Faulty):
    """Little room, long before there is none."""

    FLAGS = ("--disk-reserve", 512 * MIB)

    def low(self, node, free=300 * MIB):
        self.disks[node.id].fail(f"free {node.data} {free}")

    def wait_refusing(self, node):
        wait_until(lambda: (status := node.status()) is not None and status.refuses, f"node {node.id} does not find its disk low")
        return node.status()

    def test_a_leader_without_room_hands_over(self):
        cluster, load = self.open_faulty(self.FLAGS)
        leader = cluster.leader()
        self.low(leader)
        status = self.wait_refusing(leader)
        self.assertEqual((status.disk_free_bytes, status.disk_reserve_bytes), (300 * MIB, 512 * MIB))
        self.assertIn("300 MiB", status.refuses)
        wait_until(lambda: cluster.leader() is not leader, "the leadership stays where there is no room")
        load.wait_more(200)  # it follows, and the cluster serves
        cluster.wait_caught_up(leader)
        load.stop()
        load.check(self)

    def test_no_node_has_room(self):
        cluster, load = self.open_faulty(self.FLAGS)
        load.stop()
        for node in cluster.nodes:
            self.low(node)
        for node in cluster.nodes:
            self.wait_refusing(node)
        # Wherever the leadership goes to rest: commands are refused with the reason, through any node; reads are answered.
        leader = wait_until(lambda: self.settled(cluster), "the leadership goes round and round", timeout=20)
        stubs = next(node for node in cluster.nodes if node is not leader).stubs
        with self.assertRaises(grpc.RpcError) as caught:
            stubs.ledger.Reserve(reserve("too-late", ("sku-0", 1)), timeout=seconds(5))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertIn(f"node {leader.id} has 300 MiB of its disk left, less than its reserve of 512 MiB", caught.exception.details())
        self.assertIn("nothing was executed", caught.exception.details())
        self.assertGreater(stubs.ledger.GetStock(get_stock("sku-0"), timeout=seconds(5)).stock.on_hand, 0)
        # An operator's command is one, too.
        upgrade = harness.holdfast("cluster", "upgrade", "--timeout", "500ms", endpoints=leader.client_address)
        self.assertEqual(upgrade.returncode, 3, upgrade.stderr)
        self.assertIn(f"node {leader.id} has 300 MiB of its disk left", upgrade.stderr)
        # The operator is told of each node, once.
        run = harness.holdfast("cluster", "status", endpoints=leader.client_address)
        self.assertEqual([run.stderr.count(f"node {node.id} has 300 MiB of its disk left") for node in cluster.nodes], [1, 1, 1], run.stderr)
        # A little more than the reserve is not enough: it would flap.
        for node in cluster.nodes:
            self.low(node, 530 * MIB)
        wait_until(lambda: all(node.status().disk_free_bytes == 530 * MIB for node in cluster.nodes), "nobody looks")
        self.assertTrue(all(node.status().refuses for node in cluster.nodes))
        for node in cluster.nodes:
            self.disks[node.id].mend()
        wait_until(lambda: not any(node.status().refuses for node in cluster.nodes), "there is room, and commands are refused")
        self.assertEqual(stubs.ledger.Reserve(reserve("in-time", ("sku-0", 1)), timeout=seconds(5)).verdict, 1)
        cluster.check_sound()
        events = [entry["message"] for entry in leader.log_events("disk")]
        self.assertEqual(len(events), 2, events)

    def settled(self, cluster):
        """A leader that has led for a second."""
        leader, term = cluster.leader(), cluster.leader().status().term
        until = time.monotonic() + seconds(1)
        while time.monotonic() < until:
            status = leader.status()
            if status is None or status.term != term or status.state != cluster_pb2.StatusResponse.LEADER:
                return None
            time.sleep(0.05)
        return leader


class Full(Faulty):
    def tmpfs(self, node, bytes_):
        if not PRIVATE_MOUNTS:
            self.skipTest("mounting needs root and a mount namespace")
        node.data.mkdir()
        self.addCleanup(subprocess.run, ["umount", "--lazy", str(node.data)], capture_output=True, check=False)
        run = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={bytes_}", "none", str(node.data)], capture_output=True, text=True, check=False)
        if run.returncode != 0:
            self.skipTest(f"a small tmpfs can't be mounted here: {run.stderr.strip()}")

    def test_one_full_and_one_slow(self):
        """One of three has no room left and ends; another's syncs take 50 ms. The healthy one and the slow one are a majority, and serve."""
        full = 3
        cluster, load = self.open_faulty(
            ("--disk-reserve", 0), place=lambda node: self.tmpfs(node, 512 * MIB) if node.id == full else None
        )
        node = cluster.nodes[full - 1]
        begun, count = time.monotonic(), len(load.latencies)
        load.wait_more(500)
        self.figures("three healthy disks", load, begun, count)
        ballast = node.data / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(MIB))
            except OSError:
                pass  # full
        stop_filling = filling(self, cluster)
        self.stopped(node, "No space left on device", "make room, then start this node again")
        stop_filling()
        slow = next(each for each in cluster.nodes if each is not node)
        self.disks[slow.id].fail("sync /log/ 50", "sync /manifest 50")
        begun, count = time.monotonic(), len(load.latencies)
        load.wait_more(200, timeout=60)
        self.figures("one full, one slow by 50 ms", load, begun, count)
        ballast.unlink()
        self.mended(cluster, load, node)

    def figures(self, what, load, begun, count):
        took = time.monotonic() - begun
        latencies = sorted(load.latencies[count:])
        p50, p99 = statistics.median(latencies), latencies[len(latencies) * 99 // 100]
        print(f"\n  {what}: {len(latencies) / took:.0f} writes/s of 4 callers, p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms", flush=True)


if __name__ == "__main__":
    harness.main()
