#!/usr/bin/python3
"""Nodes that are restarted one after the other while orders come: nobody is told of a failure, nothing that was acknowledged is missing.

A leader that gets SIGTERM hands over before it stops. With the long election timeout of these tests that can be seen: without the hand-over
nothing is acknowledged for at least one of them.
"""

import json
import signal
import subprocess
import time

import harness  # first: it finds grpcio and the stubs

from cluster import set_stock
from harness import HOLDFAST, seconds, wait_until
from load import Load
from test_membership_verbs import wait_silent

ELECTION_TIMEOUT_MS = 1000


def restart(cluster, node):
    """SIGTERM, the exit, and the start; ends when the node serves again."""
    status = node.terminate()
    assert status == 0, f"node {node.id} ended with {status} after SIGTERM"
    node.start()
    cluster.wait_ready()


class RollingRestart(harness.TestCase):
    def rolling(self, cluster, watched, rounds=2):
        """Restarts every node `rounds` times, the leader last. For each: its role, and the longest time without an acknowledged write."""
        pauses = []
        for _ in range(rounds):
            for node in [*cluster.followers(), cluster.leader()]:
                role = "leader" if node is cluster.leader() else "follower"
                watched.begin_gap()
                restart(cluster, node)
                watched.wait_more(50)
                pauses.append((role, watched.longest_gap))
        return pauses

    def test_under_load(self):
        cluster = self.open_cluster(3, election_timeout_ms=ELECTION_TIMEOUT_MS)
        load = Load(cluster)
        self.addCleanup(load.stop)
        load.wait_more(200)
        pauses = self.rolling(cluster, load)
        load.stop()
        for role in ("follower", "leader"):
            found = [pause for each, pause in pauses if each == role]
            print(f"longest time without a write, restart of a {role}: {', '.join(f'{pause * 1000:.0f}' for pause in found)} ms", flush=True)
        # A leader that merely went away would cost one election timeout at least, and two are what the hand-over must stay well below.
        self.assertLess(max(pause for _, pause in pauses), cluster.election_timeout, pauses)
        load.check(self)
        handed_over = sum(len(node.log_events("handing-over")) for node in cluster.nodes)
        self.assertGreaterEqual(handed_over, 2)

    def test_the_client_library_sees_no_error(self):
        cluster = self.open_cluster(3, election_timeout_ms=ELECTION_TIMEOUT_MS)
        bench = harness.spawn(
            [HOLDFAST, "bench", "--duration", f"{seconds(15):.0f}s", "--clients", "8", "-o", "json", "--endpoints", cluster.endpoints],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(bench.kill)
        leader = cluster.leader()
        index = leader.status().applied_index
        wait_until(lambda: leader.status().applied_index > index + 200, "bench does nothing")
        rounds = 0
        while bench.poll() is None:
            for node in [*cluster.followers(), cluster.leader()]:
                restart(cluster, node)
            rounds += 1
        out, err = bench.communicate()
        self.assertEqual(bench.returncode, 0, err)
        self.assertGreaterEqual(rounds, 2)
        result = json.loads(out)
        print(f"bench during {rounds} rounds of restarts: {result}", flush=True)
        self.assertEqual(result["errors"], 0, result)
        self.assertLess(result["max_ms"], ELECTION_TIMEOUT_MS * harness.TIME_FACTOR, result)
        cluster.check_sound()


class Stop(harness.TestCase):
    def takes_over(self, cluster, leader, successor):
        """The leader is told to stop, and this one is told to stand. Alone it could not have been elected after the old leader's end."""

        def elections():
            return sum(entry["state"] == "leader" for entry in successor.log_events("role"))

        before = elections()
        began = time.monotonic()
        self.assertEqual(leader.terminate(), 0)
        self.assertLess(time.monotonic() - began, seconds(10))
        self.assertEqual(leader.log_events("handing-over")[-1]["to"], successor.id)
        self.assertEqual(elections(), before + 1)

    def back_again(self, cluster, *nodes):
        for node in nodes:
            node.start()
        cluster.wait_ready()
        cluster.check_sound()

    def test_the_voter_that_has_most_takes_over(self):
        cluster = self.open_cluster(3, election_timeout_ms=ELECTION_TIMEOUT_MS)
        leader = cluster.leader()
        behind, ahead = cluster.followers()
        behind.kill()
        for number in range(20):
            leader.stubs.ledger.SetStock(set_stock("sku", number))
        self.takes_over(cluster, leader, ahead)
        self.back_again(cluster, leader, behind)

    def test_who_is_not_heard_from_does_not(self):
        """Both have the whole log; by the log alone the choice would fall on the first."""
        cluster = self.open_cluster(3, election_timeout_ms=ELECTION_TIMEOUT_MS)
        leader = cluster.leader()
        gone, there = cluster.followers()
        cluster.wait_equal_digests()
        gone.kill()
        wait_silent(cluster, leader, gone)
        self.takes_over(cluster, leader, there)
        self.back_again(cluster, leader, gone)

    def test_nobody_can_take_over(self):
        """The hand-over is bounded: the node ends all the same, with status 0."""
        cluster = self.open_cluster(3, election_timeout_ms=ELECTION_TIMEOUT_MS)
        leader = cluster.leader()
        for follower in cluster.followers():
            follower.pause()
        began = time.monotonic()
        self.assertEqual(leader.terminate(), 0)
        self.assertLess(time.monotonic() - began, 2 * cluster.election_timeout + seconds(5))
        for node in cluster.nodes:
            if node is not leader:
                node.resume()
        leader.start()
        cluster.wait_ready()

    def test_a_second_signal_cuts_off(self):
        """A connection that stays open holds a drain for ten seconds; who is told again does not wait for that."""
        cluster = self.open_cluster(3, election_timeout_ms=ELECTION_TIMEOUT_MS)
        leader = cluster.leader()
        for follower in cluster.followers():
            follower.pause()
        call = leader.stubs.ledger.SetStock.future(set_stock("sku", 1), timeout=seconds(60))  # never committed
        last = leader.status().last_index
        wait_until(lambda: leader.status().last_index >= last, "the call is not taken")
        began = time.monotonic()
        leader.process.send_signal(signal.SIGTERM)
        wait_until(lambda: leader.log_events("stopping"), "the signal is not seen")
        leader.process.send_signal(signal.SIGTERM)
        self.assertEqual(leader.wait_exit(), 0)
        self.assertLess(time.monotonic() - began, seconds(3))
        self.assertIsNotNone(call.exception(timeout=seconds(10)))
        for node in cluster.nodes:
            if node is not leader:
                node.resume()
        leader.start()
        cluster.wait_ready()


if __name__ == "__main__":
    harness.main()
