#!/usr/bin/python3
"""Reads without a write to the log: every node answers, and nobody answers what is no longer so.

A leader that was paused, or whose peers are gone, must not serve an old value as linearizable. Followers read themselves. STALE tells its age,
and min_log_index waits.
"""

import bisect
import threading
import time

import harness  # first: it finds grpcio and the stubs
import grpc
from holdfast.v1 import cluster_pb2, ledger_pb2

from cluster import Stubs, adjust_stock, execute, get_stock, line, reserve, set_stock, verdict_name
from harness import seconds, wait_until

STALE = ledger_pb2.STALE
REFUSED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)


def stale(sku, **fields):
    return ledger_pb2.GetStockRequest(sku=sku, consistency=STALE, **fields)


def age_seconds(response):
    return response.age.seconds + response.age.nanos / 1e9


def outcome(future):
    """What a read came to: (on_hand, None), or (None, the status)."""
    try:
        return future.result().stock.on_hand, None
    except grpc.RpcError as error:
        return None, error


class Register:
    """One stock whose number only grows: an order of all its states."""

    def __init__(self, sku):
        self.sku = sku
        self.written = 0
        self.acknowledged_at = []  # by number, from 1

    def write(self, node):
        """One more; the reply, or None if it may not have been executed."""
        try:
            reply = node.stubs.ledger.AdjustStock(adjust_stock(self.sku, 1, f"{self.sku}-{self.written + 1}"), timeout=seconds(5))
        except grpc.RpcError:
            return None
        self.acknowledged_at.append(time.monotonic())
        self.written += 1
        assert reply.stock.on_hand == self.written or reply.replayed, reply
        return reply


    def acknowledged_before(self, moment):
        return bisect.bisect_left(self.acknowledged_at, moment)


class Followers(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.open_class_cluster(3)
        cls.cluster.wait_ready()
        cls.leader = cls.cluster.leader()

    def setUp(self):
        self.sku = self.id().rsplit(".", 1)[-1]
        self.leader.stubs.ledger.SetStock(set_stock(self.sku, 5))

    def test_a_follower_answers_itself(self):
        """Whoever forwards names the leader; and nothing was written to the log."""
        self.cluster.wait_equal_digests()
        before = {node.id: node.status().last_index for node in self.cluster.nodes}
        for node in self.cluster.nodes:
            for method, request in (
                ("GetStock", get_stock(self.sku)),
                ("BatchGetStock", ledger_pb2.BatchGetStockRequest(keys=[ledger_pb2.StockKey(sku=self.sku)])),
                ("CheckStock", ledger_pb2.CheckStockRequest(lines=[line(self.sku, 1)])),
                ("ListStock", ledger_pb2.ListStockRequest()),
                ("GetOrder", ledger_pb2.GetOrderRequest(order_id="none")),
                ("ListHistory", ledger_pb2.ListHistoryRequest(sku=self.sku)),
            ):
                response, call = getattr(node.stubs.ledger, method).with_call(request, timeout=seconds(5))
                metadata = dict(list(call.initial_metadata()) + list(call.trailing_metadata()))
                self.assertNotIn("holdfast-leader", metadata, f"{method} through node {node.id}")
                self.assertFalse(response.HasField("age"), f"{method} through node {node.id}")
                self.assertEqual(response.log_index, before[node.id])
        self.assertEqual({node.id: node.status().last_index for node in self.cluster.nodes}, before)

    def test_a_follower_sees_what_was_acknowledged_before(self):
        register = Register(self.sku)
        register.written = 5
        for number in range(300):
            written = register.write(self.cluster.nodes[number % 3])
            for node in self.cluster.nodes:
                read = node.stubs.ledger.GetStock(get_stock(self.sku), timeout=seconds(5))
                self.assertEqual(read.stock.on_hand, register.written, f"node {node.id}")
                self.assertGreaterEqual(read.log_index, written.log_index)

    def test_many_at_once(self):
        """They share rounds; each is answered, on each node."""
        futures = [node.stubs.ledger.GetStock.future(get_stock(self.sku), timeout=seconds(20)) for _ in range(1000) for node in self.cluster.nodes]
        self.assertEqual({future.result().stock.on_hand for future in futures}, {5})

    def test_min_log_index_reads_ones_own_writes(self):
        register = Register(self.sku)
        register.written = 5
        for number in range(300):
            written = register.write(self.leader)
            node = self.cluster.nodes[number % 3]
            read = node.stubs.ledger.GetStock(stale(self.sku, min_log_index=written.log_index), timeout=seconds(5))
            self.assertEqual(read.stock.on_hand, register.written, f"node {node.id}")
            self.assertGreaterEqual(read.log_index, written.log_index)
            self.assertTrue(read.HasField("age"))

    def test_min_log_index_waits(self):
        for consistency in (ledger_pb2.LINEARIZABLE, STALE):
            for node in self.cluster.nodes:
                target = self.leader.status().last_index + 20
                request = ledger_pb2.GetStockRequest(sku=self.sku, consistency=consistency, min_log_index=target)
                waiting = node.stubs.ledger.GetStock.future(request, timeout=seconds(20))
                # A read that comes behind it is not held up.
                self.assertVerdictOk(node.stubs.ledger.GetStock(get_stock(self.sku), timeout=seconds(5)))
                self.assertFalse(waiting.done())
                for number in range(20):
                    self.assertFalse(waiting.done(), f"answered {20 - number} entries too early")
                    index = self.leader.stubs.ledger.AdjustStock(adjust_stock(self.sku, 1, f"{self.id()}-{consistency}-{node.id}-{number}")).log_index
                    if index >= target:
                        break
                while index < target:
                    index = self.leader.stubs.ledger.Reserve(reserve(f"{self.sku}-{index}", (self.sku, 1))).log_index
                answer = waiting.result(timeout=seconds(5))
                self.assertGreaterEqual(answer.log_index, target)

    def test_an_index_that_does_not_come_ends_at_the_deadline(self):
        for node in self.cluster.nodes:
            begin = time.monotonic()
            with self.assertRaises(grpc.RpcError) as caught:
                node.stubs.ledger.GetStock(stale(self.sku, min_log_index=2**64 - 1), timeout=0.3)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
            self.assertLess(time.monotonic() - begin, seconds(5))
            self.assertVerdictOk(node.stubs.ledger.GetStock(get_stock(self.sku), timeout=seconds(5)))

    def assertVerdictOk(self, response):
        self.assertEqual(verdict_name(response.verdict), "OK")


class Age(harness.TestCase):
    """Of what a node has applied."""

    def test_stale_reads_tell_their_age(self):
        cluster = self.open_cluster(3)
        cluster.wait_ready()
        leader = cluster.leader()
        leader.stubs.ledger.SetStock(set_stock("sku", 1))
        cluster.wait_equal_digests()
        for node in cluster.nodes:
            # Renewed with every heartbeat.
            wait_until(
                lambda node=node: age_seconds(node.stubs.ledger.GetStock(stale("sku"))) < cluster.election_timeout,
                f"node {node.id} and its leader hear each other, and it stays older than an election timeout",
            )

        # Nobody hears anybody: the only node that runs goes on answering, and says how old that is.
        survivor = cluster.followers()[0]
        for node in cluster.nodes:
            if node is not survivor:
                node.pause()
        alone_since = time.monotonic()
        wait_until(lambda: survivor.status().leader_id == 0, "a follower goes on following a leader that is silent")
        for _ in range(5):
            time.sleep(0.1)
            before = time.monotonic() - alone_since
            answer = survivor.stubs.ledger.GetStock(stale("sku"), timeout=seconds(5))
            after = time.monotonic() - alone_since
            self.assertEqual(answer.stock.on_hand, 1)
            self.assertGreater(age_seconds(answer), before - 0.01)
            self.assertLess(age_seconds(answer), after + seconds(1))
        with self.assertRaises(grpc.RpcError) as caught:
            survivor.stubs.ledger.GetStock(get_stock("sku"), timeout=seconds(5))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)

        # After a restart it does not know: better no answer than one of no age.
        survivor.terminate()
        survivor.start()
        wait_until(lambda: survivor.status() is not None, "the node does not start")
        with self.assertRaises(grpc.RpcError) as caught:
            survivor.stubs.ledger.GetStock(stale("sku"), timeout=seconds(5))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)
        self.assertIn("can't tell how old", caught.exception.details())
        for node in cluster.nodes:
            if node.paused:
                node.resume()
        cluster.wait_ready()
        # Nothing is written: the log that it has tells that the leader's word may be believed.
        wait_until(lambda: self.is_young(survivor), "a restarted node that follows can't tell how old it is")
        cluster.check_sound()

    def is_young(self, node):
        try:
            return age_seconds(node.stubs.ledger.GetStock(stale("sku"), timeout=seconds(1))) < 1
        except grpc.RpcError as error:
            self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE)
            return False

    def test_a_paused_follower_does_not_take_old_messages_for_news(self):
        cluster = self.open_cluster(3)
        cluster.wait_ready()
        leader, follower = cluster.leader(), cluster.followers()[0]
        leader.stubs.ledger.SetStock(set_stock("sku", 1))
        cluster.wait_equal_digests()
        for number in range(3):
            follower.pause()
            paused_at = time.monotonic()
            # What it finds in its sockets when it wakes: heartbeats and entries of before, and the question. It has not got what comes behind.
            leader.stubs.ledger.AdjustStock(adjust_stock("sku", 1, f"one-{number}"))
            question = follower.stubs.ledger.GetStock.future(stale("sku"), timeout=seconds(20))
            time.sleep(1)
            paused = time.monotonic() - paused_at
            follower.resume()
            answer = question.result()
            if answer.stock.on_hand < 2 + number:
                self.assertGreater(age_seconds(answer), paused - 0.1, "an old value is said to be new")
            cluster.wait_equal_digests()


class CatchingUp(harness.TestCase):
    """A follower that has a long log to apply takes linearizable reads to the leader: they need not wait until it is done."""

    ENTRIES = 6000 if not harness.SANITIZED else 1500  # many times LIMIT_READ_LAG (base/limits.h)
    COMMANDS = 40  # of each: what makes applying them last

    def test_reads_do_not_wait_for_it(self):
        cluster = self.open_cluster(3)
        cluster.wait_ready()
        leader, follower = cluster.leader(), cluster.followers()[0]
        leader.stubs.ledger.SetStock(set_stock("sku", 10_000_000))
        for number in range(self.ENTRIES):
            orders = [reserve(f"{number}-{place}", ("sku", 1)) for place in range(self.COMMANDS)]
            leader.stubs.ledger.Execute(execute(*orders), timeout=seconds(10))
        cluster.wait_equal_digests()
        follower.kill()  # what it had not flushed it applies again
        follower.start()
        held = self.ENTRIES * self.COMMANDS
        wait_until(lambda: len(follower.log_events("started")) == 2, "the node does not start")
        stubs = Stubs(follower.client_address)  # the old ones wait before they connect again
        self.addCleanup(stubs.close)
        goal = leader.status().applied_index
        futures = []
        status = self.ask_status(stubs)
        while not status.done() or status.result().applied_index < goal:
            if status.done():
                status = self.ask_status(stubs)
            futures.append(stubs.ledger.GetStock.future(get_stock("sku"), timeout=seconds(30)))
            time.sleep(0.01)
        through_leader = refused = 0
        for future in futures:
            try:
                self.assertEqual(future.result().stock.reserved, held)
            except grpc.RpcError as error:
                self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE, error.details())  # no leader known yet
                refused += 1
            through_leader += self.leader_named(future) == leader.client_address
        print(f"{len(futures)} reads while it caught up: {through_leader} answered by the leader, {refused} refused before it was known", flush=True)
        self.assertGreater(through_leader, 0, "all reads have waited")
        answer, call = stubs.ledger.GetStock.with_call(get_stock("sku"), timeout=seconds(5))
        self.assertIsNone(self.leader_named(call))
        self.assertEqual(answer.stock.reserved, held)

    def ask_status(self, stubs):
        return stubs.cluster.Status.future(cluster_pb2.StatusRequest(), timeout=seconds(30))

    def leader_named(self, call):
        return dict(list(call.initial_metadata()) + list(call.trailing_metadata())).get("holdfast-leader")


class LostMajority(harness.TestCase):
    def test_a_leader_without_peers_answers_nobody(self):
        cluster = self.open_cluster(3)
        cluster.wait_ready()
        leader = cluster.leader()
        leader.stubs.ledger.SetStock(set_stock("sku", 1))
        cluster.wait_equal_digests()
        for node in cluster.followers():
            node.pause()
        since = time.monotonic()
        # It leads still, as far as it knows.
        futures = [leader.stubs.ledger.GetStock.future(get_stock("sku"), timeout=seconds(5)) for _ in range(50)]
        for future in futures:
            value, error = outcome(future)
            self.assertIsNone(value, "a leader that has nobody behind it answers a linearizable read")
            self.assertIn(error.code(), REFUSED)
        self.assertLess(time.monotonic() - since, seconds(3))
        wait_until(lambda: leader.status().state != cluster_pb2.StatusResponse.LEADER, "a leader without followers stays one")
        answer = leader.stubs.ledger.GetStock(stale("sku"), timeout=seconds(5))
        self.assertGreater(age_seconds(answer), time.monotonic() - since - 0.2)
        for node in cluster.nodes:
            if node.paused:
                node.resume()
        cluster.wait_ready()
        cluster.check_sound()


class PausedLeader(harness.TestCase):
    """A leader sleeps while another is elected and acknowledges; then it wakes, and is asked before it knows."""

    ROUNDS = 12
    READS = 50

    def test_it_never_answers_an_old_value(self):
        cluster = self.open_cluster(3)
        cluster.wait_ready()
        cluster.leader().stubs.ledger.SetStock(set_stock("sku", 0))
        register = Register("sku")
        refused = answered = 0
        for number in range(self.ROUNDS):
            cluster.wait_ready()
            old = cluster.leader()
            # Its connection is there, and half of the questions: asked before the pause they may be answered with what was so by then.
            self.assertEqual(old.stubs.ledger.GetStock(get_stock("sku"), timeout=seconds(5)).stock.on_hand, register.written)
            at_pause = register.written
            early = [old.stubs.ledger.GetStock.future(get_stock("sku"), timeout=seconds(20)) for _ in range(self.READS)]
            old.pause()
            # In half of the rounds the next leader has written before the sleeper wakes, in the others it is just being elected.
            others = [node for node in cluster.nodes if node is not old]
            wait_until(lambda others=others: any(self.leads(node) for node in others), "nobody follows on a leader that is paused")
            new = next(node for node in others if self.leads(node))
            for _ in range(1 + number % 3):
                wait_until(lambda new=new: register.write(new), "the new leader acknowledges nothing")
            late = [old.stubs.ledger.GetStock.future(get_stock("sku"), timeout=seconds(20)) for _ in range(self.READS)]
            # In its socket before it wakes: grpcio's own threads send.
            time.sleep(0.05)
            old.resume()
            late += [old.stubs.ledger.GetStock.future(get_stock("sku"), timeout=seconds(20)) for _ in range(self.READS)]
            for future in early:
                value, error = outcome(future)
                self.assertTrue(value is None or value >= at_pause, f"{value} in round {number}, {at_pause} were acknowledged before the question")
            for future in late:
                value, error = outcome(future)
                if value is None:
                    self.assertIn(error.code(), REFUSED, error.details())
                    refused += 1
                else:
                    self.assertEqual(value, register.written, f"in round {number}: a leader of the past answers a linearizable read")
                    answered += 1
        print(f"{self.ROUNDS} pauses: of the reads of a leader that woke up {refused} were refused, {answered} answered", flush=True)
        self.assertGreater(refused + answered, 0)
        cluster.wait_ready()
        cluster.check_sound()

    def leads(self, node):
        status = node.status()
        return status is not None and status.state == cluster_pb2.StatusResponse.LEADER


class UnderFaults(harness.TestCase):
    """One writes, many read everywhere, and nodes fall asleep all the time: each read shows at least what was acknowledged before it began, or
    before the age that it tells, and at most what had been asked for when it ended."""

    SECONDS = 12

    def test_reads_are_linearizable(self):
        cluster = self.open_cluster(3)
        cluster.wait_ready()
        cluster.leader().stubs.ledger.SetStock(set_stock("sku", 0))
        register = Register("sku")
        over = threading.Event()
        wrong = []
        counts = {"linearizable": 0, "stale": 0}

        def write():
            turn = 0
            while not over.is_set():
                if register.write(cluster.nodes[turn % 3]) is None:
                    turn += 1

        def read(stubs, consistency):
            name = "stale" if consistency == STALE else "linearizable"
            last_index = 0
            while not over.is_set():
                least = register.written
                begin = time.monotonic()
                try:
                    answer = stubs.ledger.GetStock(ledger_pb2.GetStockRequest(sku="sku", consistency=consistency), timeout=seconds(1))
                except grpc.RpcError:
                    continue
                # A write under way may be in it, and is counted only behind its reply.
                most = register.written + 1
                value = answer.stock.on_hand
                if consistency == STALE:
                    least = register.acknowledged_before(begin - age_seconds(answer) - 0.002)  # clocks tick in milliseconds
                if value > most or value < least or answer.log_index < last_index:
                    wrong.append(f"{name} through {stubs.address}: {value} at {answer.log_index}, not {least} to {most} behind {last_index}")
                    return
                last_index = answer.log_index
                counts[name] += 1

        stubs = [Stubs(node.client_address) for node in cluster.nodes for _ in range(2)]
        threads = [threading.Thread(target=write)]
        threads += [threading.Thread(target=read, args=(each, consistency)) for each in stubs for consistency in (ledger_pb2.LINEARIZABLE, STALE)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + self.SECONDS
        turn = 0
        while time.monotonic() < end and not wrong:
            # The leader, and now and then another one.
            node = cluster.nodes[turn % 3] if turn % 3 == 2 else self.some_leader(cluster)
            node.pause()
            time.sleep(cluster.election_timeout * (3 if turn % 2 else 0.5))
            node.resume()
            time.sleep(cluster.election_timeout * 2)
            turn += 1
        over.set()
        for thread in threads:
            thread.join()
        for each in stubs:
            each.close()
        self.assertEqual(wrong, [])
        print(f"{turn} pauses, {register.written} writes, {counts['linearizable']} linearizable and {counts['stale']} stale reads", flush=True)
        self.assertGreater(register.written, 10 * turn)
        self.assertGreater(min(counts.values()), 100)
        cluster.wait_ready()
        cluster.check_sound()

    def some_leader(self, cluster):
        for node in cluster.nodes:
            status = node.status(timeout=0.2)
            if status is not None and status.state == cluster_pb2.StatusResponse.LEADER:
                return node
        return cluster.nodes[0]


if __name__ == "__main__":
    harness.main()
