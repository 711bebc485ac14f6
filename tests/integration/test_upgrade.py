#!/usr/bin/python3
"""A rolling upgrade to a release with a newer ledger version: the version is raised when every node knows it, and no sooner."""

import harness  # first: it finds grpcio and the stubs
from holdfast.v1 import cluster_pb2, ledger_pb2

from cluster import set_stock
from harness import HOLDFASTD, HOLDFASTD_NEXT, holdfast, seconds, wait_until


class Upgrade(harness.TestCase):
    def status(self, node):
        return node.stubs.cluster.Status(cluster_pb2.StatusRequest(), timeout=seconds(5))

    def write(self, cluster, on_hand):
        result = cluster.leader().stubs.ledger.SetStock(set_stock("a", on_hand), timeout=seconds(10))
        self.assertEqual(result.verdict, ledger_pb2.OK, result)

    def upgrade(self, cluster, *arguments):
        return holdfast("cluster", "upgrade", *arguments, "--endpoints", cluster.endpoints)

    def replace(self, cluster, node, program):
        self.assertEqual(node.terminate(), 0)
        node.program = program
        node.start()
        cluster.wait_ready()

    def test_node_by_node(self):
        cluster = self.open_cluster(3)
        self.write(cluster, 5)
        old = self.upgrade(cluster, "--to", "2")
        self.assertEqual(old.returncode, 1, old)
        self.assertIn("not every member knows ledger version 2: node 1 knows 1, node 2 knows 1, node 3 knows 1", old.stderr)
        for node in cluster.nodes[:2]:
            self.replace(cluster, node, HOLDFASTD_NEXT)
        self.write(cluster, 6)

        def refused_for_one():
            result = self.upgrade(cluster, "--to", "2")
            self.assertEqual(result.returncode, 1, result)
            return "ledger version 2: node 3 knows 1; upgrade them first" in result.stderr

        wait_until(refused_for_one, "all nodes have told what they know", 20, 0.1)
        self.assertEqual([self.status(node).ledger_version for node in cluster.nodes], [1, 1, 1])
        self.replace(cluster, cluster.nodes[2], HOLDFASTD_NEXT)
        wait_until(lambda: self.upgrade(cluster).returncode == 0 and self.status(cluster.leader()).ledger_version == 2, "the ledger is raised", 20, 0.1)
        wait_until(lambda: [self.status(node).ledger_version for node in cluster.nodes] == [2, 2, 2], "all nodes have applied it", 10)
        self.assertEqual([self.status(node).ledger_version_known for node in cluster.nodes], [2, 2, 2])
        again = self.upgrade(cluster, "-o", "json")
        self.assertIn('"ledger_version":2,"unchanged":true', again.stdout)
        self.write(cluster, 7)
        self.assertEqual(self.upgrade(cluster, "--to", "1").returncode, 1)

        # The old release can't go on with this directory, and says what to do.
        node = cluster.followers()[0]
        self.assertEqual(node.terminate(), 0)
        node.program = HOLDFASTD
        node.start()
        self.assertEqual(node.wait_exit(), 1)
        self.assertIn("ledger version 2, this program knows versions up to 1: install a release on this node that knows version 2", node.log_path.read_text())
        node.program = HOLDFASTD_NEXT
        node.start()
        cluster.wait_ready()


if __name__ == "__main__":
    harness.main()
