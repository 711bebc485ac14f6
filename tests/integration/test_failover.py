#!/usr/bin/python3
"""Nodes that die, hang and come back under load: what was acknowledged is there, nothing is there twice, and service is soon back.

The load is load.py's: what its clients were told is held against the ledger at the end.
"""

import time

import harness  # first: it finds grpcio and the stubs
import grpc

from cluster import Client, execute, get_stock, set_stock, verdict_name
from harness import seconds, wait_until
from load import Load


class Failover(harness.TestCase):
    def open_loaded(self, **options):
        cluster = self.open_cluster(3, **options)
        load = Load(cluster)
        self.addCleanup(load.stop)
        load.wait_more(200)
        return cluster, load

    def service_limit(self, cluster):
        """Writes succeed again within this many seconds of a leader's death."""
        return 4 * cluster.election_timeout + seconds(0.5)

    def test_leader_is_killed(self):
        cluster, load = self.open_loaded()
        gaps = []
        for _ in range(3):
            leader = cluster.leader()
            load.begin_gap()
            leader.kill()
            load.wait_more(100)
            gaps.append(load.longest_gap)
            leader.start()
            cluster.wait_ready()
            load.wait_more(50)
        load.stop()
        print(f"time without a write after kill -9 of the leader: {', '.join(f'{gap:.2f}' for gap in gaps)} s", flush=True)
        self.assertLess(max(gaps), self.service_limit(cluster), gaps)
        load.check(self)

    def test_followers_are_killed(self):
        cluster, load = self.open_loaded()
        for turn in range(4):
            term = cluster.leader().status().term
            follower = cluster.followers()[turn % 2]
            load.begin_gap()
            follower.kill()
            load.wait_more(100)
            # The leader never stopped leading, and nobody had to wait for an election.
            self.assertEqual(cluster.leader().status().term, term)
            self.assertLess(load.longest_gap, self.service_limit(cluster))
            follower.start()
            cluster.wait_ready()
        load.stop()
        load.check(self)

    def test_a_follower_that_was_away_catches_up(self):
        cluster, load = self.open_loaded()
        follower = cluster.followers()[0]
        follower.kill()
        load.wait_more(1500, timeout=60)
        follower.start()
        cluster.wait_caught_up(follower)
        load.stop()
        load.check(self)

    def test_all_nodes_are_killed_at_once(self):
        cluster, load = self.open_loaded()
        for _ in range(2):
            for node in cluster.nodes:
                node.kill()
            for node in cluster.nodes:
                node.start()
            load.wait_more(100)
        load.stop()
        load.check(self)

    def test_a_leader_that_stands_still(self):
        """SIGSTOP of the leader: another one is elected. SIGCONT: the old one must not serve what it remembers as if it were the present."""
        cluster = self.open_cluster(3)
        for turn in range(4):
            sku = f"paused-{turn}"
            old = cluster.leader()
            stub = old.stubs.ledger
            stub.SetStock(set_stock(sku, 10))
            # Reads that lie in the old leader's socket while it stands still, and are read when it wakes up.
            old.pause()
            early = [stub.GetStock.future(get_stock(sku), timeout=seconds(20)) for _ in range(50)]
            new = cluster.leader()
            self.assertIsNot(new, old)
            changed = Client([new.client_address]).call("SetStock", set_stock(sku, 7, f"new-{turn}"))
            self.assertEqual(verdict_name(changed.verdict), "OK")
            early += [stub.GetStock.future(get_stock(sku), timeout=seconds(20)) for _ in range(50)]
            old.resume()
            late = [stub.GetStock.future(get_stock(sku), timeout=seconds(20)) for _ in range(200)]
            answered = 0
            for each in early + late:
                # The first reads were asked before the change: they may see either value, if anything. The others see the change.
                allowed = (7,) if each not in early[:50] else (7, 10)
                error = each.exception()
                if error is None:
                    answered += 1
                    self.assertIn(each.result().stock.on_hand, allowed, f"an old value through node {old.id}")
                else:
                    self.assertIn(error.code(), (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED), error.details())
            cluster.wait_ready()
            self.assertEqual(stub.GetStock(get_stock(sku), timeout=seconds(10)).stock.on_hand, 7)
        cluster.check_sound()

    def test_nobody_serves_before_the_log_is_applied_again(self):
        """After kill -9 the states lie behind the log. Who asks the health service must not be sent to nodes that keep him waiting for that."""
        cluster = self.open_cluster(3)
        # More than is applied while one looks, and less than a write buffer: nothing of it is flushed.
        client = Client([node.client_address for node in cluster.nodes], attempt_timeout=10)
        self.addCleanup(client.close)
        for batch in range(6):
            client.call("Execute", execute(*(set_stock(f"sku-{batch}-{number}", 1) for number in range(5000))), timeout=60)
        cluster.wait_equal_digests(60)
        for node in cluster.nodes:
            node.kill()
            # Kept: what follows is of the second life.
            node.log_path.rename(node.log_path.with_suffix(".first"))
            node.log_path.touch()
        for node in cluster.nodes:
            node.start()
        wait_until(lambda: any(node.serving() for node in cluster.nodes), lambda: f"nobody serves: {cluster.describe()}", 60)
        leader = cluster.leader()
        applied = leader.status().applied_index
        started = leader.log_events("started")[0]
        self.assertLess(started["applied"], started["last"], "nothing was to be applied again, so this has shown nothing")
        self.assertGreater(applied, started["last"], cluster.describe())
        cluster.wait_ready(60)
        serving = leader.log_events("serving")[0]
        self.assertEqual(serving["leader"], leader.id)
        self.assertGreater(serving["applied"], started["last"])
        cluster.check_sound()

    def test_a_leader_that_stands_still_under_load(self):
        cluster, load = self.open_loaded()
        for _ in range(2):
            old = cluster.leader()
            load.begin_gap()
            old.pause()
            load.wait_more(100)
            # Each client may first have to give up its attempt at the node that hangs.
            self.assertLess(load.longest_gap, self.service_limit(cluster) + seconds(0.6))
            old.resume()
            cluster.wait_ready()
            load.wait_more(50)
        load.stop()
        load.check(self)

    def test_no_change_of_term_without_a_fault(self):
        cluster, load = self.open_loaded()
        begin = [(status.term, status.leader_id) for status in cluster.statuses()]
        until = time.monotonic() + 10
        while time.monotonic() < until and not load.failures:
            self.assertEqual([(status.term, status.leader_id) for status in cluster.statuses()], begin)
            time.sleep(0.1)
        load.stop()
        self.assertEqual([(status.term, status.leader_id) for status in cluster.statuses()], begin)
        load.check(self)


if __name__ == "__main__":
    harness.main()
