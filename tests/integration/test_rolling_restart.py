#!/usr/bin/python3
"""Nodes that are restarted one after the other while orders come: nobody is told of a failure, nothing that was acknowledged is missing.

A leader that gets SIGTERM hands over before it stops. With the long election timeout of these tests that can be seen: without the hand-over
nothing is acknowledged for at least one of them. To whom it hands over, and what if it can't: test_stop.py.
"""

import json
import subprocess

import harness  # first: it finds grpcio and the stubs

from harness import HOLDFAST, wait_until
from load import Load

ELECTION_TIMEOUT_MS = 1000
BENCH_SECONDS = 8  # some rounds of restarts; two are needed


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
            [HOLDFAST, "bench", "--duration", f"{BENCH_SECONDS}s", "--clients", "8", "-o", "json", "--endpoints", cluster.endpoints],
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
        self.assertLess(result["max_ms"], cluster.election_timeout_ms, result)
        cluster.check_sound()


if __name__ == "__main__":
    harness.main()
