#!/usr/bin/python3
"""Nodes that die, hang and come back under load: what was acknowledged is there, nothing is there twice, and service is soon back.

The load is several clients that each reserve and deduct orders of their own and restock under request ids, sending a request again, unchanged,
until it is answered. What they were told is held against the ledger at the end, order by order and unit by unit.
"""

import shutil
import threading
import time

import harness  # first: it finds grpcio and the stubs
import grpc
from holdfast.v1 import cluster_pb2, ledger_pb2

from cluster import Client, adjust_stock, deduct, get_order, get_stock, history_of, reserve, set_stock, verdict_name
from harness import seconds, wait_until

SKUS = [f"sku-{number}" for number in range(8)]
ON_HAND = 100_000


class Load:
    """So many clients at once; `stop` ends it, `check` holds the ledger against what they were told."""

    def __init__(self, cluster, clients=6, addresses=None):
        """The clients know the cluster's nodes, or those that listen on these addresses."""
        self.cluster = cluster
        self.addresses = addresses or [node.client_address for node in cluster.nodes]
        self.told = [{} for _ in range(clients)]  # per client: order id -> (sku, quantity, deducted?)
        self.restocked = [{} for _ in range(clients)]  # per client: request id -> sku
        self.failures = []
        self.last_success = 0.0
        self.longest_gap = 0.0
        self._gap_lock = threading.Lock()
        self._stop = threading.Event()
        ledger = cluster.leader().stubs.ledger
        for sku in SKUS:
            ledger.SetStock(set_stock(sku, ON_HAND))
        self._threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(clients)]
        for each in self._threads:
            each.start()

    def _note_success(self):
        with self._gap_lock:
            now = time.monotonic()
            if self.last_success:
                self.longest_gap = max(self.longest_gap, now - self.last_success)
            self.last_success = now

    def begin_gap(self):
        """From here on `longest_gap` is the longest time without an acknowledged write."""
        with self._gap_lock:
            self.last_success = time.monotonic()
            self.longest_gap = 0.0

    def count(self):
        return sum(len(told) for told in self.told)

    def _run(self, number):
        # Short attempts, so that a node that hangs costs little.
        client = Client(self.addresses, attempt_timeout=0.3, first=number)
        try:
            turn = 0
            while not self._stop.is_set():
                self._one_order(client, number, turn)
                turn += 1
        except Exception as error:  # noqa: BLE001 - whatever ends a client fails the test
            self.failures.append(f"client {number}: {error!r}")
        finally:
            client.close()

    def _one_order(self, client, number, turn):
        sku = SKUS[(number + turn) % len(SKUS)]
        quantity = 1 + turn % 3
        order = f"order-{number}-{turn}"
        granted = client.call("Reserve", reserve(order, (sku, quantity)))
        if verdict_name(granted.verdict) != "OK":
            raise AssertionError(f"{order}: {granted}")
        self._note_success()
        self.told[number][order] = (sku, quantity, False)
        if turn % 2 == 0:
            sold = client.call("Deduct", deduct(order))
            if verdict_name(sold.verdict) != "OK":
                raise AssertionError(f"{order}: {sold}")
            self._note_success()
            self.told[number][order] = (sku, quantity, True)
        if turn % 5 == 0:
            request = f"restock-{number}-{turn}"
            added = client.call("AdjustStock", adjust_stock(sku, 1, request, "RECEIVE"))
            if verdict_name(added.verdict) != "OK":
                raise AssertionError(f"{request}: {added}")
            self._note_success()
            self.restocked[number][request] = sku

    def wait_more(self, orders, timeout=30):
        """Waits until so many more orders are acknowledged."""
        goal = self.count() + orders
        wait_until(
            lambda: self.count() >= goal or self.failures,
            lambda: f"only {self.count()} of {goal} orders: {self.failures} {self.cluster.describe()}",
            timeout,
        )

    def stop(self):
        self._stop.set()
        for each in self._threads:
            each.join()

    def check(self, case):
        """Everything that was acknowledged is there, once. A client finishes the order it is at before it stops, so nothing is in doubt."""
        case.assertEqual(self.failures, [])
        stubs = self.cluster.leader().stubs
        orders = {order: line for told in self.told for order, line in told.items()}
        restocks = {request: sku for restocked in self.restocked for request, sku in restocked.items()}
        # Every order, by a read of its own and pipelined.
        futures = {order: stubs.ledger.GetOrder.future(get_order(order), timeout=seconds(60)) for order in orders}
        for order, (sku, quantity, deducted) in orders.items():
            found = futures[order].result()
            case.assertEqual(verdict_name(found.verdict), "OK", f"order {order} was acknowledged and is gone")
            lines = [(each.sku, each.reserved, each.deducted, each.open) for each in found.order.lines]
            sold = quantity if deducted else 0
            case.assertEqual(lines, [(sku, quantity, sold, quantity - sold)], order)
        for sku in SKUS:
            held = sum(quantity for line_sku, quantity, deducted in orders.values() if line_sku == sku and not deducted)
            sold = sum(quantity for line_sku, quantity, deducted in orders.values() if line_sku == sku and deducted)
            added = sum(1 for line_sku in restocks.values() if line_sku == sku)
            stock = stubs.ledger.GetStock(get_stock(sku)).stock
            case.assertEqual((stock.on_hand, stock.reserved), (ON_HAND + added - sold, held), sku)
            # One history row per change, and each follows from the one before.
            rows = history_of(stubs, sku)
            reserved = [row.order_id for row in rows if row.op == ledger_pb2.HistoryRow.RESERVE]
            case.assertEqual(sorted(reserved), sorted(order for order, line in orders.items() if line[0] == sku))
            adjusted = [row.request_id for row in rows if row.op == ledger_pb2.HistoryRow.ADJUST]
            case.assertEqual(sorted(adjusted), sorted(request for request, line_sku in restocks.items() if line_sku == sku))
            on_hand = held_now = 0
            for row in rows:
                case.assertEqual((row.on_hand_before, row.reserved_before), (on_hand, held_now), row)
                on_hand, held_now = row.on_hand_after, row.reserved_after
            case.assertEqual((on_hand, held_now), (stock.on_hand, stock.reserved))
        self.cluster.check_sound()


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
        before = cluster.leader().status().commit_index
        follower.start()
        wait_until(
            lambda: (status := follower.status()) is not None and status.applied_index >= before,
            lambda: f"node {follower.id} does not come to {before}: {cluster.describe()}",
            timeout=30,
        )
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

    def test_a_rolling_restart(self):
        cluster, load = self.open_loaded()
        for node in cluster.nodes:
            self.assertEqual(node.terminate(), 0)
            load.wait_more(50)
            node.start()
            cluster.wait_ready()
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
