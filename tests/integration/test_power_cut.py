#!/usr/bin/python3
"""The power goes under load, at one node or at all: whatever was acknowledged before is there after.

Each node's data is on an ext4 of its own, in a file, behind a loop device. ext4's shutdown takes what was not synced; then the process is
killed and the file system mounted again, as after a power cut. That un-synced bytes are really gone is checked at each cut, by a file that
nobody has synced: without that, the test would prove nothing.
"""

import os
import random

import harness  # first: it finds grpcio and the stubs
from cluster import Cluster
from disk_faults import Disk
from harness import wait_until
from load import Load, filling
from mounts import Ext4, NoMount, enter_private_mounts

if not enter_private_mounts():
    harness.skip_program("file systems can't be mounted here: that needs root and a mount namespace")

DISK_MEGABYTES = 1024
FLAGS = ("--disk-reserve", 0)
# Files are made and removed all the time.
BUSY_FLAGS = (*FLAGS, "--snapshot-log-entries", 200, "--snapshot-log-bytes", 4 << 20, "--log-segment-bytes", 65536)


class PowerCut(harness.TestCase):
    def setUp(self):
        self.seed = int.from_bytes(os.urandom(4), "big")
        self.random = random.Random(self.seed)
        print(f"\n  moments drawn from seed {self.seed}", flush=True)

    def open_loaded(self, flags=FLAGS, prepare=lambda node: None):
        cluster = Cluster(3, flags=flags)
        self._clusters.append(cluster)
        self.disks = {}
        for node in cluster.nodes:
            try:
                disk = Ext4(node.data.with_name(f"disk-{node.id}"), DISK_MEGABYTES)
            except NoMount as error:
                self.skipTest(f"there is no ext4 on a loop device to be had: {error}")
            self.addCleanup(disk.remove)
            self.disks[node.id] = disk
            node.data = disk.path / "data"
            prepare(node)
        self.addCleanup(cluster.stop)
        cluster.start()
        load = Load(cluster, clients=6)
        self.addCleanup(load.stop)
        load.wait_more(100)
        return cluster, load

    def cut(self, *nodes):
        """The power goes at these nodes, as good as at once, and comes back."""
        for node in nodes:
            (self.disks[node.id].path / "unsynced").write_bytes(b"x" * 4096)
        for node in nodes:
            self.disks[node.id].cut_power()
        for node in nodes:
            node.process.kill()  # unless it has seen its disk fail and stopped by itself
            self.assertIn(node.wait_exit(), (-9, 1))
        for node in nodes:
            disk = self.disks[node.id]
            disk.unmount()
            disk.mount()
            unsynced = disk.path / "unsynced"
            self.assertEqual(unsynced.read_bytes() if unsynced.exists() else b"", b"", "un-synced bytes have outlived the cut: it was none")
            unsynced.unlink(missing_ok=True)

    def moment(self, load, most):
        load.wait_more(self.random.randrange(most))

    def test_what_a_cut_takes(self):
        """What was synced stays, what was not goes: on this machine, with this kernel."""
        directory = harness.WORK.new("self-check") / "disk"
        try:
            disk = Ext4(directory, 64)
        except NoMount as error:
            self.skipTest(f"there is no ext4 on a loop device to be had: {error}")
        self.addCleanup(disk.remove)
        with (directory / "synced").open("wb") as file:
            file.write(b"kept")
            file.flush()
            os.fsync(file.fileno())
        descriptor = os.open(directory, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        (directory / "unsynced").write_bytes(b"lost")
        disk.cut_power()
        disk.unmount()
        disk.mount()
        self.assertEqual((directory / "synced").read_bytes(), b"kept")
        self.assertFalse((directory / "unsynced").exists() and (directory / "unsynced").read_bytes())

    def test_a_cut_of_disks_that_lie_is_seen(self):
        """The test itself: were the log not synced, these checks would notice."""
        disks = []
        cluster, load = self.open_loaded(prepare=lambda node: disks.append(Disk(node)))
        for disk in disks:
            disk.fail("sync /log/ LIE")
        load.wait_more(200)
        load.stop()
        self.cut(*cluster.nodes)
        for node, disk in zip(cluster.nodes, disks, strict=True):
            disk.mend()
            node.start()
        cluster.wait_ready()
        # An order, or what was deducted of one.
        with self.assertRaisesRegex(AssertionError, "was acknowledged and is gone|Lists differ"):
            load.check(self)

    def test_at_one_node(self):
        cluster, load = self.open_loaded()
        for turn in range(6):
            self.moment(load, 150)
            node = cluster.leader() if turn % 2 == 0 else self.random.choice(cluster.followers())
            self.cut(node)
            node.start()
            if turn % 3 == 2:  # again, while it starts or catches up
                self.cut(node)
                node.start()
            cluster.wait_caught_up(node)
        load.stop()
        load.check(self)

    def test_at_all_nodes(self):
        cluster, load = self.open_loaded()
        for turn in range(5):
            self.moment(load, 150)
            self.cut(*cluster.nodes)
            for node in cluster.nodes:
                node.start()
            if turn % 2 == 1:  # again, while they start
                self.cut(*cluster.nodes)
                for node in cluster.nodes:
                    node.start()
        load.wait_more(50)
        load.stop()
        load.check(self)

    def test_at_all_nodes_while_files_come_and_go(self):
        """Snapshots are taken and the log trimmed; write buffers flushed, tables compacted, segments begun."""
        cluster, load = self.open_loaded(BUSY_FLAGS)
        load.wait_more(2500, timeout=60)
        wait_until(lambda: all(status.log_first_index > 1 for status in cluster.statuses()), "no log is trimmed", timeout=30)
        stop_filling = filling(self, cluster)
        for _ in range(4):
            self.moment(load, 60)
            self.cut(*cluster.nodes)
            for node in cluster.nodes:
                node.start()
        stop_filling()
        load.wait_more(50)
        load.stop()
        load.check(self)


if __name__ == "__main__":
    harness.main()
