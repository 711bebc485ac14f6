#!/usr/bin/python3
"""The cluster's members and its leader, changed by operators: the RPCs, and the verbs of `holdfast cluster` that stand on them.

What a changed membership does to a node that joins or leaves is test_membership.py's.
"""

import json
import re
import threading
import time

import harness  # first: it finds grpcio and the stubs
import grpc
from holdfast.v1 import cluster_pb2

from cluster import new_address, set_stock
from harness import holdfast, seconds, wait_until

OK = grpc.StatusCode.OK
REFUSED = grpc.StatusCode.FAILED_PRECONDITION
INVALID = grpc.StatusCode.INVALID_ARGUMENT
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE

VOTER = cluster_pb2.Member.VOTER
STANDBY = cluster_pb2.Member.STANDBY


def ask(node, method, request, timeout=10):
    """(status, reply or words, metadata)"""
    try:
        reply, call = getattr(node.stubs.cluster, method).with_call(request, timeout=seconds(timeout))
        return OK, reply, dict(call.initial_metadata())
    except grpc.RpcError as error:
        return error.code(), error.details(), {**dict(error.initial_metadata()), **dict(error.trailing_metadata())}


def add(node_id, address):
    return cluster_pb2.AddServerRequest(node_id=node_id, peer_address=address)


def promote(node_id):
    return cluster_pb2.PromoteServerRequest(node_id=node_id)


def remove(node_id):
    return cluster_pb2.RemoveServerRequest(node_id=node_id)


def transfer(node_id=0):
    return cluster_pb2.TransferLeadershipRequest(node_id=node_id)


def roles(members):
    return {member.node_id: member.role for member in members}


class Rpcs(harness.TestCase):
    """Refusals and what changes nothing, on one cluster for all."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.open_class_cluster(3)

    def test_arguments(self):
        leader = self.cluster.leader()
        address = new_address()
        for method, request, words in (
            ("AddServer", add(0, address), "node_id"),
            ("AddServer", add(1 << 32, address), "node_id"),
            ("AddServer", add(4, ""), "peer_address"),
            ("AddServer", add(4, "nowhere"), "peer_address"),
            ("AddServer", add(4, "127.0.0.1:0"), "peer_address"),
            ("AddServer", add(4, "0.0.0.0:7070"), "peer_address"),
            ("AddServer", add(4, "[::]:7070"), "peer_address"),
            ("AddServer", add(4, "x" * 300 + ":1"), "peer_address"),
            ("PromoteServer", promote(0), "node_id"),
            ("RemoveServer", remove(0), "node_id"),
            ("RemoveServer", remove(1 << 40), "node_id"),
            ("TransferLeadership", transfer(1 << 32), "node_id"),
        ):
            with self.subTest(method=method, request=request):
                status, text, _ = ask(leader, method, request)
                self.assertEqual(status, INVALID, text)
                self.assertIn(words, text)

    def test_refusals(self):
        leader = self.cluster.leader()
        follower = self.cluster.followers()[0]
        before = leader.status()
        for method, request, words in (
            ("AddServer", add(follower.id, new_address()), f"node {follower.id}"),
            ("AddServer", add(9, follower.peer_address), f"node {follower.id}"),
            ("PromoteServer", promote(9), "node 9"),
            ("RemoveServer", remove(leader.id), f"node {leader.id} leads"),
            ("TransferLeadership", transfer(9), "node 9"),
        ):
            with self.subTest(method=method, request=request):
                status, text, _ = ask(leader, method, request)
                self.assertEqual(status, REFUSED, text)
                self.assertIn(words, text)
        self.assertEqual(roles(leader.status().members), roles(before.members))
        self.assertEqual(leader.status().term, before.term)

    def test_unchanged(self):
        leader = self.cluster.leader()
        follower = self.cluster.followers()[0]
        last = leader.status().last_index
        for method, request in (
            ("AddServer", add(follower.id, follower.peer_address)),
            ("PromoteServer", promote(follower.id)),
            ("RemoveServer", remove(9)),
        ):
            with self.subTest(method=method):
                status, reply, _ = ask(leader, method, request)
                self.assertEqual(status, OK, reply)
                self.assertTrue(reply.unchanged)
                self.assertEqual(roles(reply.members), {1: VOTER, 2: VOTER, 3: VOTER})
                self.assertEqual(reply.cluster_id, leader.status().cluster_id)
        status, reply, _ = ask(leader, "TransferLeadership", transfer(leader.id))
        self.assertEqual((status, reply.unchanged, reply.leader_id), (OK, True, leader.id))
        self.assertEqual(leader.status().last_index, last, "something was written for what was so already")

    def test_a_follower_names_the_leader(self):
        leader = self.cluster.leader()
        for follower in self.cluster.followers():
            for method, request in (
                ("AddServer", add(9, new_address())),
                ("PromoteServer", promote(1)),
                ("RemoveServer", remove(9)),
                ("TransferLeadership", transfer()),
            ):
                with self.subTest(method=method):
                    status, text, metadata = ask(follower, method, request)
                    self.assertEqual(status, UNAVAILABLE, text)
                    self.assertEqual(metadata.get("holdfast-leader"), leader.client_address)

    def test_status_tells_contacts(self):
        leader = self.cluster.leader()

        def heard():
            members = {member.node_id: member for member in leader.status().members}
            others = [member for member in members.values() if member.node_id != leader.id]
            return all(member.heard and member.last_contact_ms < 1000 * self.cluster.election_timeout for member in others)

        wait_until(heard, lambda: f"a follower that answers is not heard from: {leader.status()}")
        status = leader.status()
        self.assertEqual((status.first_index, status.transferring_to), (1, 0))
        for member in self.cluster.followers()[0].status().members:
            self.assertEqual((member.heard, member.last_contact_ms), (False, 0))


class Leadership(harness.TestCase):
    def test_each_node_in_turn(self):
        cluster = self.open_cluster(3)
        cluster.leader().stubs.ledger.SetStock(set_stock("sku", 1000))
        pauses = []
        for target in [*cluster.nodes, *reversed(cluster.nodes)]:
            leader = cluster.leader()
            if leader is target:
                continue
            began = time.monotonic()
            status, reply, _ = ask(leader, "TransferLeadership", transfer(target.id))
            pauses.append(time.monotonic() - began)
            self.assertEqual(status, OK, reply)
            self.assertEqual((reply.leader_id, reply.unchanged), (target.id, False))
            self.assertEqual(cluster.leader().id, target.id)
        # To whom it likes.
        leader = cluster.leader()
        status, reply, _ = ask(leader, "TransferLeadership", transfer())
        self.assertEqual(status, OK, reply)
        self.assertNotEqual(reply.leader_id, leader.id)
        self.assertEqual(cluster.leader().id, reply.leader_id)
        print(f"hand-overs took {', '.join(f'{pause * 1000:.0f}' for pause in pauses)} ms", flush=True)
        cluster.check_sound()

    def test_to_one_that_hangs(self):
        """The leader gives up, says so, and goes on leading."""
        cluster = self.open_cluster(3)
        leader = cluster.leader()
        term = leader.status().term
        target, other = cluster.followers()
        target.pause()
        leader.stubs.ledger.SetStock(set_stock("sku", 1000))  # what the target lacks
        status, text, _ = ask(leader, "TransferLeadership", transfer(target.id))
        self.assertEqual(status, REFUSED, text)
        self.assertIn("in time", text)
        self.assertEqual(leader.status().term, term)
        leader.stubs.ledger.SetStock(set_stock("sku", 2000))
        target.resume()
        cluster.wait_ready()
        self.assertEqual(other.status().leader_id, cluster.leader().id)
        cluster.check_sound()


class Removal(harness.TestCase):
    def test_down_to_one(self):
        cluster = self.open_cluster(3)
        leader = cluster.leader()
        leader.stubs.ledger.SetStock(set_stock("sku", 1000))
        second, third = cluster.followers()
        status, reply, _ = ask(leader, "RemoveServer", remove(third.id))
        self.assertEqual(status, OK, reply)
        self.assertFalse(reply.unchanged)
        self.assertEqual(roles(reply.members), {leader.id: VOTER, second.id: VOTER})
        self.assertGreaterEqual(leader.status().commit_index, reply.log_index)
        self.assertTrue(ask(leader, "RemoveServer", remove(third.id))[1].unchanged)
        status, reply, _ = ask(leader, "RemoveServer", remove(second.id))
        self.assertEqual(status, OK, reply)
        self.assertEqual(roles(reply.members), {leader.id: VOTER})
        leader.stubs.ledger.SetStock(set_stock("sku", 2000))
        status, text, _ = ask(leader, "RemoveServer", remove(leader.id))
        self.assertEqual(status, REFUSED, text)
        status, text, _ = ask(leader, "TransferLeadership", transfer())
        self.assertEqual(status, REFUSED, text)

    def test_no_majority_would_be_left(self):
        cluster = self.open_cluster(3)
        leader = cluster.leader()
        alive, dead = cluster.followers()
        dead.kill()
        limit_ms = 2000 * cluster.election_timeout

        def silent():
            member = next(each for each in leader.status().members if each.node_id == dead.id)
            return member.heard and member.last_contact_ms > limit_ms

        wait_until(silent, lambda: f"node {dead.id} is heard from: {leader.status()}")
        status, text, _ = ask(leader, "RemoveServer", remove(alive.id))
        self.assertEqual(status, REFUSED, text)
        self.assertIn(f"node {dead.id}", text)
        self.assertIn("majority", text)
        # The dead one may go: two are left, and both are heard from.
        status, reply, _ = ask(leader, "RemoveServer", remove(dead.id))
        self.assertEqual(status, OK, reply)
        self.assertEqual(roles(reply.members), {leader.id: VOTER, alive.id: VOTER})
        # Of two that are left one dies, and the other one finds that it can't lead alone: it does not change the members to make itself fit.
        alive.kill()
        wait_until(lambda: leader.status().state != cluster_pb2.StatusResponse.LEADER, "a leader without a majority goes on leading")
        status, text, _ = ask(leader, "RemoveServer", remove(alive.id))
        self.assertEqual(status, UNAVAILABLE, text)
        self.assertIn("nothing was executed", text)


if __name__ == "__main__":
    harness.main()
