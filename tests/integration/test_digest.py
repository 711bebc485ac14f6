#!/usr/bin/python3
"""States compared: `holdfast cluster verify` at one log index, and nodes that stop because theirs is wrong (docs/replication.md)."""

import json
import subprocess
import threading

import harness  # first: it finds grpcio and the stubs
import grpc
from holdfast.v1 import cluster_pb2, ledger_pb2

from harness import seconds, wait_until

DIGEST_INTERVAL_ENTRIES = 1000  # base/limits.h
SPOIL_STATE = harness.BUILD / "tests/integration/spoil_state"


def spoil(node, *arguments):
    """Changes a stock in the database of a node that is stopped."""
    (database,) = node.data.glob("state.*")
    subprocess.run([SPOIL_STATE, database, *arguments], check=True, timeout=seconds(30))


class Digest(harness.TestCase):
    def setUp(self):
        self.cluster = self.open_cluster(3)
        self.leader = self.cluster.leader()
        self.written = 0
        for i in range(20):
            self.write(f"sku-{i:02}")
        self.cluster.wait_equal_digests()

    def write(self, sku="sku-00"):
        self.written += 1
        result = self.leader.stubs.ledger.SetStock(
            ledger_pb2.SetStockRequest(sku=sku, on_hand=self.written, request_id=f"{self.id()}-{self.written}"), timeout=seconds(10)
        )
        self.assertEqual(result.verdict, ledger_pb2.OK)
        return result.log_index

    def verify(self, status):
        """What each node has found, by its id, and the verdict on all."""
        run = harness.holdfast("cluster", "verify", "-o", "json", endpoints=self.cluster.endpoints)
        self.assertEqual(run.returncode, status, f"{run.stdout} {run.stderr}; {self.cluster.describe()}")
        *nodes, verdict = [json.loads(line) for line in run.stdout.splitlines()]
        return {node["node_id"]: node for node in nodes}, verdict, run.stderr

    def spoil_a_follower(self, *arguments):
        victim = self.cluster.followers()[0]
        self.assertEqual(victim.terminate(), 0)
        spoil(victim, *arguments)
        victim.start()
        self.cluster.wait_ready()
        self.leader = self.cluster.leader()
        return victim

    def write_until_it_stops(self, victim):
        """At the next index at which states are compared, and a second for the upkeep; no later."""
        begin = self.write()
        end = begin
        while victim.running and end < begin + DIGEST_INTERVAL_ENTRIES + 500:
            end = self.write()
        self.assertNotEqual(victim.wait_exit(), 0)
        last = victim.log_events()[-1]
        self.assertEqual(last["level"], "error", last)
        for words in ("the state of this node is wrong: at log index ", " its digest is ", "that of a majority of the voters is ", "replace the node"):
            self.assertIn(words, last["message"])

    def test_verify_under_load(self):
        stop = threading.Event()
        failures = []

        def load(worker):
            number = 0
            while not stop.is_set():
                number += 1
                request = ledger_pb2.SetStockRequest(sku=f"load-{worker}-{number % 50}", on_hand=number, request_id=f"{worker}-{number}")
                try:
                    self.leader.stubs.ledger.SetStock(request, timeout=seconds(10))
                except grpc.RpcError as error:
                    failures.append(error)
                    return

        workers = [threading.Thread(target=load, args=(worker,)) for worker in range(4)]
        for worker in workers:
            worker.start()
        try:
            seen = set()
            for _ in range(3):
                nodes, verdict, _ = self.verify(0)
                self.assertEqual((verdict["verdict"], len(nodes)), ("EQUAL", 3))
                self.assertEqual({node["applied_index"] for node in nodes.values()}, {verdict["log_index"]})
                self.assertEqual(len({node["recomputed_digest"] for node in nodes.values()}), 1)
                seen.add(verdict["log_index"])
            self.assertEqual(len(seen), 3)
        finally:
            stop.set()
            for worker in workers:
                worker.join()
        self.assertEqual(failures, [])
        self.cluster.check_sound()

    def test_verify_of_a_quiet_cluster(self):
        before = self.cluster.wait_equal_digests()
        _, verdict, _ = self.verify(0)
        self.assertGreater(verdict["log_index"], before)
        # The entries that were written for it are all there are.
        self.assertEqual(self.cluster.wait_equal_digests(), verdict["log_index"])

    def test_an_index_that_is_passed_and_one_that_nobody_waits_for(self):
        applied = self.leader.status().applied_index
        with self.assertRaises(grpc.RpcError) as caught:
            self.leader.stubs.cluster.Verify(cluster_pb2.VerifyRequest(at_index=applied - 1), timeout=seconds(10))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.OUT_OF_RANGE)
        # A client that goes away leaves the place to the next one.
        with self.assertRaises(grpc.RpcError) as caught:
            self.leader.stubs.cluster.Verify(cluster_pb2.VerifyRequest(at_index=applied + 1_000_000), timeout=0.2)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        self.verify(0)

    def test_a_node_that_waits_for_an_index_stops_in_order(self):
        follower = self.cluster.followers()[0]
        waiting = follower.stubs.cluster.Verify.future(cluster_pb2.VerifyRequest(at_index=1_000_000), timeout=seconds(60))

        def is_taken():
            try:
                follower.stubs.cluster.Verify(cluster_pb2.VerifyRequest(), timeout=seconds(10))
            except grpc.RpcError as error:
                return error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            return False

        wait_until(is_taken, lambda: "the audit does not wait")
        self.assertEqual(follower.terminate(), 0)
        self.assertIsNotNone(waiting.exception(timeout=seconds(10)))

    def test_reports_agree(self):
        index = self.write()
        for _ in range(DIGEST_INTERVAL_ENTRIES):
            index = self.write()
        wanted = index // DIGEST_INTERVAL_ENTRIES * DIGEST_INTERVAL_ENTRIES

        def compared():
            status = self.leader.status()
            return status is not None and status.digest_compared_index == wanted

        wait_until(compared, lambda: f"the leader does not compare: {self.leader.status()}")
        status = self.leader.status()
        self.assertEqual((status.digests_agree, status.digest_alarm), (True, ""))
        for follower in self.cluster.followers():
            self.assertEqual(follower.status().digest_compared_index, 0)

    def test_a_state_that_differs_stops_its_node(self):
        victim = self.spoil_a_follower("--keep-digest")
        nodes, verdict, words = self.verify(1)
        self.assertEqual((verdict["verdict"], verdict["wrong"], verdict["unchecked"]), ("WRONG", [victim.id], []))
        self.assertEqual(nodes[victim.id]["digest"], nodes[victim.id]["recomputed_digest"])
        self.assertIn(f"node {victim.id} ({victim.client_address}): differs: at log index {verdict['log_index']} its records", words)

        self.write_until_it_stops(victim)
        said = [event["message"] for event in self.leader.log_events("digest")]
        self.assertTrue(any(f"the state of node {victim.id} is wrong" in words for words in said), said)
        # The others go on.
        self.write()
        _, verdict, words = self.verify(3)
        self.assertEqual((verdict["verdict"], verdict["wrong"], verdict["unchecked"]), ("INCOMPLETE", [], [victim.id]))
        self.assertIn(f"node {victim.id} (", words)
        # Whoever starts it again has it stop again: while it applies what its state had not on disk, or at the next comparison.
        victim.start()
        self.write_until_it_stops(victim)

    def test_a_record_that_its_digest_does_not_know(self):
        victim = self.spoil_a_follower()
        nodes, verdict, words = self.verify(1)
        self.assertEqual(verdict["wrong"], [victim.id])
        self.assertNotEqual(nodes[victim.id]["digest"], nodes[victim.id]["recomputed_digest"])
        self.assertGreater(nodes[victim.id]["violation_count"], 0)
        for what in ("violation: ", "the digest that it keeps is ", "differs: at log index "):
            self.assertIn(f"node {victim.id} ({victim.client_address}): {what}", words)
        # Once that stock is changed, it shows in the digest.
        self.write_until_it_stops(victim)
        self.write()


if __name__ == "__main__":
    harness.main()
