#!/usr/bin/python3
"""A leader that is told to end: who takes over from it, and that its end is bounded if nobody does.

That clients notice nothing of it is test_rolling_restart.py's.
"""

import signal
import time

import harness  # first: it finds grpcio and the stubs

from cluster import set_stock
from harness import seconds, wait_until
from test_membership_verbs import wait_silent

# Long enough to tell a hand-over from an election.
ELECTION_TIMEOUT_MS = 1000


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
