#!/usr/bin/python3
"""Wall clocks that are wrong, of real nodes: ledger time, and the requests that are judged by it, go by the clocks of a majority."""

import time

import harness  # first: it finds grpcio and the stubs
from holdfast.v1 import cluster_pb2, ledger_pb2

from cluster import Cluster, set_stock
from harness import HOLDFASTD_NEXT, holdfast, seconds, wait_until

YEAR_MS = 365 * 86400 * 1000


class Clocks(harness.TestCase):
    def open(self, size):
        """A cluster whose nodes' clocks can be set."""
        cluster = Cluster(size)
        self._clusters.append(cluster)
        self.addCleanup(cluster.stop)
        for node in cluster.nodes:
            node.clock_file = node.log_path.with_suffix(".clock")
            node.program = HOLDFASTD_NEXT
            node.environment = {"HOLDFAST_TEST_CLOCK_FILE": str(node.clock_file)}
        cluster.start()
        return cluster

    def set_clock(self, node, wrong_by_ms):
        fresh = node.clock_file.with_suffix(".new")
        fresh.write_text(f"{wrong_by_ms}\n")
        fresh.rename(node.clock_file)

    def status(self, node):
        return node.stubs.cluster.Status(cluster_pb2.StatusRequest(), timeout=seconds(5))

    def ask(self, cluster, number):
        """A request of now, and how far ledger time is off then."""
        request = set_stock("a", number, request_id=f"r-{number}")
        request.requested_at.GetCurrentTime()
        result = cluster.leader().stubs.ledger.SetStock(request, timeout=seconds(10))
        self.assertEqual(result.verdict, ledger_pb2.OK, result)
        return self.status(cluster.leader()).ledger_time.ToMilliseconds() - time.time() * 1000

    def test_a_leader_whose_clock_is_far_ahead(self):
        cluster = self.open(3)
        self.assertLess(abs(self.ask(cluster, 1)), seconds(2) * 1000)
        wrong = cluster.leader()
        self.set_clock(wrong, 10 * YEAR_MS)
        # Seen by itself and by the others, and said.
        wait_until(lambda: "ahead of what the clocks of a majority" in self.status(wrong).clock_warning, "the node sees that its clock is wrong", 10)
        wait_until(lambda: any("wall clock" in event["message"] for event in wrong.log_events("clock")), "the node says so", 10)
        other = next(node for node in cluster.nodes if node is not wrong)
        wait_until(
            lambda: any(m.node_id == wrong.id and m.clock_offset_ms > 9 * YEAR_MS for m in self.status(other).members), "another node sees it too", 10
        )
        self.assertEqual(self.status(other).clock_warning, "")
        shown = holdfast("cluster", "status", "--endpoints", cluster.endpoints)
        self.assertIn(f"warning: node {wrong.id}: this node's wall clock is", shown.stderr)
        for number in range(2, 30):
            self.assertLess(abs(self.ask(cluster, number)), seconds(2) * 1000)
            time.sleep(0.02)  # time passes, in which it could run away
        # And when it starts anew.
        for node in cluster.nodes:
            node.terminate()
        for node in cluster.nodes:
            node.start()
        cluster.wait_ready()
        self.assertLess(abs(self.ask(cluster, 30)), seconds(2) * 1000)


if __name__ == "__main__":
    harness.main()
