#!/usr/bin/python3
"""Nodes that join, leave and are replaced while clients order: what was acknowledged is there, everywhere, and who has left says so.

The members are changed as an operator does it, with `holdfast cluster add`, `promote` and `remove`.
"""

import json
import shutil
import subprocess

import harness  # first: it finds grpcio and the stubs
import grpc
from holdfast.v1 import cluster_pb2

from cluster import Client, get_order, get_stock, reserve, set_stock, verdict_name
from harness import holdfast, seconds, wait_until
from load import Load

VOTER = cluster_pb2.Member.VOTER


class MembershipCase(harness.TestCase):
    def verb(self, cluster, *arguments, status=0):
        endpoints = ",".join(node.client_address for node in cluster.nodes if node.responsive)
        run = holdfast("cluster", *arguments, endpoints=endpoints)
        self.assertEqual(run.returncode, status, f"{arguments}: {run.stdout} {run.stderr}: {cluster.describe()}")
        return run.stdout + run.stderr

    def join(self, cluster, node):
        self.verb(cluster, "add", node.id, node.peer_address)
        if not node.running:
            node.start()
        self.verb(cluster, "promote", node.id)
        cluster.is_member(node)

    def remove(self, cluster, node):
        self.verb(cluster, "remove", node.id)
        cluster.is_no_member(node)

    def says_removed(self, node):
        """In its log, and to whoever asks it."""
        wait_until(lambda: node.log_events("removed"), lambda: f"node {node.id} does not say that it was removed; see {node.log_path}")
        index = node.log_events("removed")[-1]["index"]
        for call in (lambda: node.stubs.ledger.Reserve(reserve("x", ("sku", 1))), lambda: node.stubs.ledger.GetStock(get_stock("sku"))):
            with self.assertRaises(grpc.RpcError) as refused:
                call()
            self.assertEqual(refused.exception.code(), grpc.StatusCode.UNAVAILABLE)
            self.assertIn(f"removed from the cluster, at log index {index}", refused.exception.details())
        self.assertFalse(node.serving())
        self.assertEqual(node.status(5).removed_index, index)
        self.assertIn("REMOVED", holdfast("cluster", "status", endpoints=node.client_address).stdout)
        return index

    def roles(self, cluster):
        return {member.node_id: member.role for member in cluster.leader().status().members}


class Growth(MembershipCase):
    def grow_and_shrink(self, cluster):
        joining = [cluster.new_node(node_id) for node_id in range(2, 6)]
        load = Load(cluster, addresses=[node.client_address for node in cluster.nodes + joining])
        self.addCleanup(load.stop)
        load.wait_more(300)
        for node in joining:
            self.join(cluster, node)
            load.wait_more(100)
        self.assertEqual(self.roles(cluster), dict.fromkeys(range(1, 6), VOTER))
        cluster.wait_ready()
        # The one that founded it goes too, though it leads, perhaps.
        gone = [cluster.nodes[0], cluster.nodes[3]]
        for node in gone:
            self.remove(cluster, node)
            load.wait_more(100)
        self.assertEqual(self.roles(cluster), dict.fromkeys((2, 3, 5), VOTER))
        load.stop()
        load.check(self)
        for node in gone:
            self.says_removed(node)
            self.assertTrue(node.running)
        term = cluster.leader().status().term
        for node in gone:
            self.assertLessEqual(node.status().term, term, "a removed node goes on electing")
        return load

    def test_one_three_five_three(self):
        cluster = self.open_cluster(1)
        load = self.grow_and_shrink(cluster)
        # Three are left, and two of them a majority: the others count for nothing.
        cluster.leader().kill()
        client = Client([node.client_address for node in cluster.nodes if node.running])
        self.assertEqual(verdict_name(client.call("SetStock", set_stock("last", 1)).verdict), "OK")
        client.close()
        print(f"{load.count()} orders while five nodes came and two went, longest gap {load.longest_gap:.2f} s", flush=True)

    def test_a_directory_is_enough(self):
        """Those who joined, and those who founded, start again with what they were told, and with nothing."""
        cluster = self.open_cluster(1)
        cluster.leader().stubs.ledger.SetStock(set_stock("sku", 10))
        for node_id in (2, 3):
            self.join(cluster, cluster.new_node(node_id))
        for told in (True, False):
            for node in cluster.nodes:
                self.assertEqual(node.terminate(), 0)
                if not told:
                    node.told = []
            for node in cluster.nodes:
                node.start()
            cluster.wait_ready()
            self.assertEqual(self.roles(cluster), dict.fromkeys((1, 2, 3), VOTER))
            cluster.leader().stubs.ledger.SetStock(set_stock("sku", 20 + told))
        cluster.check_sound()
        self.refused(cluster.nodes[2], ["--cluster-id", "00000000deadbeef"], "belongs to cluster")
        self.refused(cluster.nodes[2], ["--id", "2"], "belongs to node 3")
        self.refused(cluster.nodes[2], ["--id", "3", "--initial-cluster", "3=127.0.0.1:9"], "belongs to cluster")

    def refused(self, node, told, words):
        self.assertEqual(node.terminate(), 0)
        node.told = told
        run = subprocess.run(
            [str(each) for each in node.command()], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds(20), check=False
        )
        self.assertNotEqual(run.returncode, 0)
        self.assertIn(words, json.loads(run.stderr.splitlines()[-1])["message"])
        node.told = []
        node.start()
        wait_until(lambda: node.status(5), "a node does not start again")

    def test_what_a_new_directory_must_be_told(self):
        cluster = self.open_cluster(1)
        node = cluster.new_node(2)
        for told, words in (
            ([], "--id is needed"),
            (["--id", "2"], "--cluster-id for one that joins"),
            (["--id", "2", "--cluster-id", cluster.leader().status().cluster_id], "--peer-address is needed"),
        ):
            node.told = told
            run = subprocess.run(
                [str(each) for each in node.command()], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds(20), check=False
            )
            self.assertEqual(run.returncode, 2, run.stderr)
            self.assertIn(words, json.loads(run.stderr.splitlines()[-1])["message"])
            self.assertFalse(node.data.exists())


class Waiting(MembershipCase):
    def test_a_node_that_joins_waits(self):
        """Started before it is added, of another cluster too, it disturbs nobody; clients are told where they are not."""
        cluster = self.open_cluster(1)
        leader = cluster.leader()
        node = cluster.new_node(2)
        node.start()
        status = wait_until(lambda: node.status(5), "a node that joins does not answer")
        self.assertEqual((status.state, status.last_index, len(status.members)), (cluster_pb2.StatusResponse.FOLLOWER, 0, 0))
        self.assertEqual(status.cluster_id, leader.status().cluster_id)
        self.assertFalse(node.serving())
        with self.assertRaises(grpc.RpcError) as refused:
            node.stubs.ledger.Reserve(reserve("x", ("sku", 1)))
        self.assertEqual(refused.exception.code(), grpc.StatusCode.UNAVAILABLE)
        self.assertIn("waits to be added", refused.exception.details())
        self.assertEqual(node.terminate(), 0)
        node.told = []  # it was told where its peers connect, and its directory does not know it yet
        node.start()
        self.assertEqual(node.wait_exit(), 1)
        node.told = ["--peer-address", node.peer_address]
        self.join(cluster, node)
        cluster.wait_ready()
        leader.stubs.ledger.SetStock(set_stock("sku", 3))
        cluster.check_sound()

    def test_of_another_cluster(self):
        cluster = self.open_cluster(1)
        node = cluster.new_node(2)
        node.told = ["--id", "2", "--cluster-id", "00000000deadbeef", "--peer-address", node.peer_address]
        node.start()
        self.verb(cluster, "add", 2, node.peer_address)
        wait_until(lambda: node.log_events("turned-away"), "a node takes part in a cluster that it was not told of")
        self.assertIn("belongs to cluster", node.log_events("turned-away")[0]["reason"])
        self.assertEqual(node.status(5).last_index, 0)
        # It never connected: its id is free.
        self.verb(cluster, "remove", 2)
        self.assertEqual(node.terminate(), 0)
        shutil.rmtree(node.data)
        node.told[3] = cluster.leader().status().cluster_id
        self.join(cluster, node)


class Replacement(MembershipCase):
    def test_a_dead_node_is_replaced(self):
        """By a new id with an empty directory, while clients order; the old id stays out, with an empty directory and with its own."""
        cluster = self.open_cluster(3)
        spare = cluster.new_node(4)
        load = Load(cluster, addresses=[node.client_address for node in cluster.nodes + [spare]])
        self.addCleanup(load.stop)
        load.wait_more(300)
        dead = cluster.followers()[0]
        dead.kill()
        kept = dead.data.with_name("kept")
        dead.data.rename(kept)
        load.wait_more(100)
        # Wiped, under its old id: refused, whatever it says that it is.
        dead.start()
        self.assertEqual(dead.wait_exit(), 1)
        self.assertIn("add a node with a new id", dead.log_events("refused")[-1]["message"])
        shutil.rmtree(dead.data)
        self.remove(cluster, dead)
        self.join(cluster, spare)
        load.wait_more(100)
        self.assertIn("was used", self.verb(cluster, "add", dead.id, dead.peer_address, status=1))
        load.stop()
        load.check(self)
        # With what it had, it hears that it was removed.
        kept.rename(dead.data)
        term = cluster.leader().status().term
        dead.start()
        index = self.says_removed(dead)
        self.assertLessEqual(index, cluster.leader().status().commit_index)
        self.assertEqual(cluster.leader().status().term, term)
        # Wiped, as one that joins: its id belongs to the directory that is gone.
        self.assertEqual(dead.terminate(), 0)
        shutil.rmtree(dead.data)
        cluster_id = cluster.leader().status().cluster_id
        dead.told = ["--id", dead.id, "--cluster-id", cluster_id, "--peer-address", dead.peer_address]
        dead.start()
        wait_until(lambda: dead.status() is not None, "a node that joins does not answer")
        self.assertIn("was used", self.verb(cluster, "add", dead.id, dead.peer_address, status=1))
        self.assertEqual(dead.status(5).last_index, 0)

    def test_a_standby_that_was_wiped(self):
        """It is refused as a voter is, and says why; its place is another id's."""
        cluster = self.open_cluster(1)
        cluster.leader().stubs.ledger.SetStock(set_stock("sku", 10))
        node = cluster.new_node(2)
        self.verb(cluster, "add", 2, node.peer_address)
        node.start()
        wait_until(lambda: (status := node.status()) is not None and status.last_index > 0 and node.serving(), "a standby gets nothing")
        cluster.leader().stubs.ledger.SetStock(set_stock("sku", 11))
        wait_until(lambda: node.status().applied_index == cluster.leader().status().applied_index, "a standby does not catch up")
        self.assertEqual(node.terminate(), 0)
        shutil.rmtree(node.data)
        lines = len(node.log_events())
        node.start()
        wait_until(
            lambda: any("is registered with incarnation" in entry.get("reason", "") for entry in node.log_events()[lines:]),
            "a standby that was wiped does not hear that it is refused",
        )
        self.assertEqual(node.status(5).last_index, 0)
        self.verb(cluster, "remove", 2)
        other = cluster.new_node(3)
        self.join(cluster, other)
        self.assertEqual(verdict_name(other.stubs.ledger.GetOrder(get_order("none")).verdict), "ORDER_NOT_FOUND")


class Disaster(MembershipCase):
    """A majority is lost for good: one directory becomes a cluster of one."""

    def recover(self, data, target, *more, status=0):
        run = subprocess.run(
            [str(harness.HOLDFASTD), "--data", str(data), "--force-new-cluster", str(target), *more],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds(30),
            check=False,
        )
        self.assertEqual(run.returncode, status, run.stdout + run.stderr)
        return run

    def refused(self, *words, status=1):
        """Its line on stderr."""
        return self.recover(*words, status=status).stderr

    def test_a_cluster_of_one(self):
        cluster = self.open_cluster(3)
        load = Load(cluster)
        self.addCleanup(load.stop)
        load.wait_more(300)
        load.stop()
        cluster.check_sound()
        kept, other, lost = cluster.nodes
        before = kept.status()
        target = kept.data.with_name("recovered")
        confirm = ("--confirm-data-loss", before.cluster_id)
        self.assertIn("in use", self.refused(kept.data, target, *confirm))
        for node in cluster.nodes:
            self.assertEqual(node.terminate(), 0)
        # Without a word it only tells, and that is no error.
        told = self.recover(kept.data, target, status=1)
        self.assertIn("IS LOST", told.stdout)
        self.assertIn(f"--confirm-data-loss {before.cluster_id}", told.stdout)
        self.assertEqual(told.stderr, "")
        # A wrong word is one.
        self.assertIn(f"this directory is of cluster {before.cluster_id}", self.refused(kept.data, target, "--confirm-data-loss", "00000000deadbeef"))
        self.assertFalse(target.exists())
        self.assertIn("is there already", self.refused(kept.data, kept.data, *confirm))
        self.assertIn("is no node's data directory", self.refused(target, target.with_name("none"), status=2))
        shutil.rmtree(lost.data)
        self.recover(kept.data, target, *confirm)

        old = kept.data
        kept.data = target
        kept.told = []
        kept.start()
        cluster.nodes = [kept]
        cluster.others = [other, lost]
        cluster.wait_ready()
        after = kept.status(5)
        self.assertNotEqual(after.cluster_id, before.cluster_id)
        self.assertEqual(after.incarnation, before.incarnation)
        self.assertEqual(self.roles(cluster), {kept.id: VOTER})
        load.check(self)

        # Nobody of the old cluster takes part, whatever directory it has left.
        other.start()
        wait_until(lambda: any("belongs to cluster" in entry.get("reason", "") for entry in other.log_events("refused-by-peer")), "a node of the old cluster is not refused")
        self.assertFalse(other.serving())
        other.kill()
        self.assertIn("was used", self.verb(cluster, "add", other.id, other.peer_address, status=1))

        # It grows again, though no log tells how it began, and goes on so when it starts again.
        for node_id in (4, 5):
            self.join(cluster, cluster.new_node(node_id))
        for node in cluster.nodes:
            self.assertEqual(node.terminate(), 0)
        for node in cluster.nodes:
            node.start()
        cluster.wait_ready()
        load.check(self)
        self.assertTrue(old.exists())


if __name__ == "__main__":
    harness.main()
