#!/usr/bin/python3
"""Who is no member, or has forgotten that it was one, takes no part: it is refused, and told why."""

import shutil

import harness  # first: it finds grpcio and the stubs
import grpc

from cluster import Client, get_stock, set_stock
from harness import seconds, wait_until


class Strangers(harness.TestCase):
    def test_a_wiped_node_is_refused(self):
        """A node that lost its directory has forgotten what it acknowledged: under its old id it must not take part again."""
        cluster = self.open_cluster(3)
        leader = cluster.leader()
        leader.stubs.ledger.SetStock(set_stock("sku", 10))
        cluster.wait_equal_digests()
        # The incarnations are registered through the log soon after the first election.
        index = leader.status().last_index
        self.assertGreaterEqual(index, 4, cluster.describe())
        wiped = cluster.followers()[0]
        other = next(node for node in cluster.followers() if node is not wiped)
        self.assertEqual(wiped.terminate(), 0)
        kept = wiped.data.with_name("kept")
        wiped.data.rename(kept)
        lines = len(wiped.log_events())
        wiped.start()

        def told():
            return [entry for entry in wiped.log_events()[lines:] if "incarnation" in entry.get("reason", "") + entry.get("message", "")]

        entry = wait_until(told, "the wiped node is not told why it is refused")[0]
        self.assertEqual(entry["level"], "error")
        self.assertIn(f"node {wiped.id}", entry.get("reason", "") + entry.get("message", ""))

        # It does not count: with one more node gone there is no quorum, and nothing is acknowledged.
        other.kill()
        wait_until(lambda: not leader.serving(), lambda: f"the leader serves with a wiped node as its quorum: {cluster.describe()}")
        with self.assertRaises(grpc.RpcError) as caught:
            leader.stubs.ledger.SetStock(set_stock("sku", 11), timeout=seconds(3))
        self.assertIn(caught.exception.code(), (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNKNOWN))
        status = wiped.status()
        self.assertTrue(status is None or status.state != cluster_pb2.StatusResponse.LEADER)

        # With its old directory it is welcome again.
        if wiped.running:
            wiped.kill()
        else:
            wiped.process = None
        shutil.rmtree(wiped.data)
        kept.rename(wiped.data)
        wiped.start()
        other.start()
        cluster.wait_ready()
        cluster.check_sound()

    def test_a_wiped_node_is_refused_by_one_that_has_just_started(self):
        """After a crash the state lies behind the log. Whose vote counts must be known before the log is applied again."""
        cluster = self.open_cluster(3)
        behind, keeper, wiped = cluster.nodes
        cluster.leader().stubs.ledger.SetStock(set_stock("sku", 10))
        cluster.wait_equal_digests()
        self.assertGreaterEqual(cluster.leader().status().last_index, 4, cluster.describe())
        # What the other two acknowledge is on their disks alone; then everything is cut off, and one of the two disks is lost.
        behind.kill()
        client = Client([keeper.client_address, wiped.client_address])
        self.addCleanup(client.close)
        client.call("SetStock", set_stock("sku", 11))
        keeper.kill()
        wiped.kill()
        shutil.rmtree(wiped.data)
        lines = len(wiped.log_events())
        behind.start()
        wiped.start()
        wait_until(
            lambda: any("incarnation" in entry.get("reason", "") for entry in wiped.log_events()[lines:]),
            lambda: f"the wiped node is not refused: {cluster.describe()}",
        )
        self.assertFalse(behind.serving(), cluster.describe())
        # It ends by itself as soon as both refuse it.
        keeper.start()
        self.assertEqual(wiped.wait_exit(), 1)
        cluster.wait_ready()
        self.assertEqual(cluster.leader().stubs.ledger.GetStock(get_stock("sku")).stock.on_hand, 11)
        cluster.check_sound()

    def test_a_node_of_another_cluster_is_refused(self):
        cluster = self.open_cluster(3)
        node = cluster.nodes[2]
        self.assertEqual(node.terminate(), 0)
        # At node 3's place stands one that believes in two members.
        log_path = cluster.directory / "impostor.log"
        members = f"1={cluster.nodes[0].peer_address},3={node.peer_address}"
        flags = ["--id", "3", "--data", cluster.directory / "impostor", "--client-address", node.client_address, "--initial-cluster", members]
        with log_path.open("ab") as log:
            process = harness.spawn([harness.HOLDFASTD, *flags], stdout=log, stderr=log)
        try:
            wait_until(
                lambda: "refused-by-peer" in (text := log_path.read_text()) and "cluster" in text, lambda: f"not refused: {log_path.read_text()}"
            )
        finally:
            process.kill()
            process.wait()
        node.start()
        cluster.wait_ready()
        cluster.check_sound()


if __name__ == "__main__":
    harness.main()
