#!/usr/bin/python3
"""The cluster's members and its leader, changed by operators: the RPCs, and the verbs of `holdfast cluster` that stand on them.

What a changed membership does to a node that joins or leaves is test_membership.py's.
"""

import json
import re
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
    """(status, reply or words, metadata). A leader that was elected a moment ago is asked again."""
    deadline = time.monotonic() + seconds(timeout)
    while True:
        status, reply, metadata = ask_once(node, method, request, timeout)
        if status != UNAVAILABLE or "leads" not in reply or time.monotonic() > deadline:
            return status, reply, metadata
        time.sleep(0.005)


def ask_once(node, method, request, timeout):
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


def wait_silent(cluster, leader, dead):
    """Until the leader has not heard from this node for so long that its vote does not count in a change."""

    def silent():
        member = next(each for each in leader.status().members if each.node_id == dead.id)
        return member.heard and member.last_contact_ms > 2000 * cluster.election_timeout

    wait_until(silent, lambda: f"node {dead.id} is heard from: {leader.status()}")


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
        self.assertEqual(status.transferring_to, 0)
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
        wait_silent(cluster, leader, dead)
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


class Verbs(harness.TestCase):
    """`holdfast cluster ...`, given the address of one node."""

    def verb(self, *arguments, status=0, endpoints=None):
        run = holdfast("cluster", *arguments, endpoints=endpoints or self.cluster.nodes[0].client_address)
        self.assertEqual(run.returncode, status, f"{arguments}: {run.stdout} {run.stderr}")
        return run

    def json_verb(self, *arguments, **options):
        lines = [json.loads(text) for text in self.verb(*arguments, "-o", "json", **options).stdout.splitlines()]
        return lines[0] if len(lines) == 1 else lines

    def rows(self, **options):
        """The table of `status` as dictionaries by node id."""
        lines = self.verb("status", **options).stdout.splitlines()
        headings = re.split(r"\s{2,}", lines[0].strip())
        rows = [dict(zip(headings, re.split(r"\s{2,}", line.strip()))) for line in lines[1:]]
        return {row["NODE"]: row for row in rows}

    def test_transfer_leader(self):
        self.cluster = self.open_cluster(3)
        for node in [*self.cluster.nodes, self.cluster.nodes[0]]:
            unchanged = self.cluster.leader() is node
            told = self.json_verb("transfer-leader", node.id)
            self.assertEqual((told["leader_id"], told["unchanged"]), (node.id, unchanged))
            self.assertEqual(self.cluster.leader().id, node.id)
        before = self.cluster.leader().id
        out = self.verb("transfer-leader").stdout
        self.assertNotEqual(self.cluster.leader().id, before)
        self.assertIn(f"node {self.cluster.leader().id} leads, in term", out)
        self.assertIn("leads already", self.verb("transfer-leader", self.cluster.leader().id).stdout)
        self.assertIn("node 9 is no member", self.verb("transfer-leader", "9", status=1).stderr)
        for arguments in (("transfer-leader", "0"), ("transfer-leader", "one"), ("transfer-leader", "1", "2"), ("remove",), ("add", "4"), ("promote", "-1")):
            self.verb(*arguments, status=2)
        self.assertIn("host", self.verb("add", "9", "nowhere", status=2).stderr)

    def test_remove(self):
        """A leader that is to go hands over first; of three, two may go one after the other, and the last one stays."""
        self.cluster = self.open_cluster(3)
        leader = self.cluster.leader()
        leader.stubs.ledger.SetStock(set_stock("sku", 5))
        self.assertIn("no member", self.verb("remove", "9").stdout)
        run = self.verb("remove", leader.id, endpoints=self.cluster.endpoints)
        self.assertIn(f"node {leader.id} led", run.stderr)
        self.assertIn(f"node {leader.id} is no member any more; 2 voters are left", run.stdout)
        left = [node for node in self.cluster.nodes if node is not leader]
        endpoints = ",".join(node.client_address for node in left)
        rows = self.rows(endpoints=endpoints)
        self.assertEqual(set(rows), {str(node.id) for node in left})
        self.assertTrue(self.json_verb("remove", leader.id, endpoints=endpoints)["unchanged"])
        second = next(node for node in left if node.status().state == cluster_pb2.StatusResponse.LEADER)
        last = next(node for node in left if node is not second)
        self.verb("remove", second.id, endpoints=endpoints)
        self.assertIn("no other voter", self.verb("remove", last.id, endpoints=last.client_address, status=1).stderr)
        last.stubs.ledger.SetStock(set_stock("sku", 6))

    def test_no_majority_would_be_left(self):
        self.cluster = self.open_cluster(3)
        leader = self.cluster.leader()
        alive, dead = self.cluster.followers()
        dead.kill()
        endpoints = f"{leader.client_address},{alive.client_address}"
        wait_silent(self.cluster, leader, dead)
        self.assertIn("no majority", self.verb("remove", alive.id, endpoints=endpoints, status=1).stderr)
        self.verb("remove", dead.id, endpoints=endpoints)
        self.assertEqual(set(self.rows(endpoints=endpoints)), {str(leader.id), str(alive.id)})

    def test_the_printed_command_starts_the_node(self):
        """From nothing to a vote by what the verbs say, word for word."""
        self.cluster = cluster = self.open_cluster(3)
        cluster.leader().stubs.ledger.SetStock(set_stock("sku", 5))
        node = cluster.new_node(4)
        run = self.verb("add", node.id, node.peer_address)
        self.assertIn("node 4 is a member: STANDBY", run.stdout)
        self.assertIn("already", self.verb("add", node.id, node.peer_address).stdout)
        self.assertIn("is not heard from", self.verb("promote", node.id, "--timeout", "300ms", status=1).stderr)
        self.assertIn("not heard from yet: waiting", self.verb("promote", node.id, "--timeout", "4s", status=1).stderr)
        self.assertEqual(self.rows()["4"]["STATE"], "UNREACHED")
        words = next(line for line in run.stdout.splitlines() if "holdfastd --id" in line).split()
        self.assertEqual((words[0], words[-2:]), ("holdfastd", ["--client-address", "HOST:PORT"]))
        told = dict(zip(words[1::2], words[2::2]))
        self.assertEqual(told.pop("--data"), "DIR")
        del told["--client-address"]
        node.told = [word for pair in told.items() for word in pair]
        node.start()
        cluster.is_member(node)
        self.assertIn("node 4 has a vote, one of 4", self.verb("promote", node.id).stdout)
        self.assertIn("node 4 leads", self.verb("transfer-leader", node.id).stdout)
        cluster.wait_ready()
        self.assertEqual(self.rows()["4"]["STATE"], "LEADER")
        self.assertIn("node 4 led", self.verb("remove", node.id).stderr)
        cluster.is_no_member(node)
        cluster.check_sound()

    def test_promote_of_a_voter_and_of_nobody(self):
        self.cluster = self.open_cluster(3)
        self.assertIn("node 2 has a vote already, one of 3", self.verb("promote", "2").stdout)
        self.assertIn("node 9 is no member", self.verb("promote", "9", status=1).stderr)
        self.assertIn("node 9 is no member", self.verb("promote", "9", "--no-wait", status=1).stderr)

    def test_status(self):
        self.cluster = self.open_cluster(3)
        leader = self.cluster.leader()
        self.cluster.wait_equal_digests()
        rows = self.rows()
        self.assertEqual(set(rows), {"1", "2", "3"})
        for node in self.cluster.nodes:
            row = rows[str(node.id)]
            self.assertEqual((row["ROLE"], row["ADDRESS"]), ("VOTER", node.client_address), row)
            self.assertEqual(row["CLUSTER"], leader.status().cluster_id, row)
            self.assertEqual(row["STATE"], "LEADER" if node is leader else "FOLLOWER")
            self.assertEqual(row["LAST CONTACT"] == "-", node is leader, row)
            self.assertRegex(row["LOG SIZE"], r"^[0-9.]+ (B|KiB|MiB)$")
            self.assertEqual((row["LAG"], row["COMMIT"]), ("0", row["LOG"]), row)
        # One that is gone has its line still, and the answer does not take long.
        gone, other = self.cluster.followers()
        gone.kill()
        run = self.verb("status", endpoints=other.client_address)
        self.assertIn("UNREACHED", run.stdout)
        self.assertIn(gone.client_address, run.stderr)
        lines = self.json_verb("status", endpoints=other.client_address)
        self.assertEqual(sorted(line["endpoint"] for line in lines), sorted(node.client_address for node in self.cluster.nodes))
        self.assertEqual([line["endpoint"] for line in lines if "error" in line], [gone.client_address])
        # One that hangs costs one timeout, not one for each.
        other.pause()
        began = time.monotonic()
        run = self.verb("status", "--timeout", "500ms", endpoints=self.cluster.endpoints)
        self.assertLess(time.monotonic() - began, seconds(2.5))
        self.assertEqual(run.stdout.count("UNREACHED"), 2, run.stdout)
        other.resume()


if __name__ == "__main__":
    harness.main()
