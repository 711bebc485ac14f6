#!/usr/bin/python3
"""One node under more than it can take: a thousand connections that each send the next batch as soon as the last is answered.

What is too much is refused at once with RESOURCE_EXHAUSTED, memory stays bounded, others still get answers, and afterwards everything is as
before. The load is raw HTTP/2 with requests made beforehand, so that this program is not the bottleneck.
"""

import resource
import selectors
import socket
import struct
import threading
import time

import harness  # first: it finds grpcio and the stubs
import grpc
import http2
from cluster import Stubs, execute, get_order, get_stock, reserve, set_stock, verdict_name
from harness import SANITIZED, seconds, wait_until

CONNECTIONS = 1000
BATCH = 100  # commands in one Execute
SECONDS = 8
TURN_PLACE = "@" * 8  # in each order id, so that every batch is of new orders

# What base/limits.h lets a node hold: requests and replies 128 MiB, what waits for the log 32, entries in flight 32, the log's tail 64, queues
# to two peers 64; RocksDB's buffers and cache, and a thousand connections, come on top.
RESIDENT_LIMIT_BYTES = (1200 if SANITIZED else 640) << 20

EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]


class Flood:
    """A thousand connections to one node, driven by one thread."""

    def __init__(self, address):
        self.host, self.port = address.rsplit(":", 1)
        self.selector = selectors.DefaultSelector()
        self.statuses = {}
        self.lost = 0
        self.refusal_seconds = []
        self.stop = threading.Event()
        self.failure = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def open(self):
        for number in range(CONNECTIONS):
            connection = socket.create_connection((self.host, int(self.port)), timeout=seconds(10))
            connection.sendall(http2.OPENING)
            connection.setblocking(False)
            orders = [reserve(f"{number}-{command}-{TURN_PLACE}", (f"sku-{command % 50}", 1)) for command in range(BATCH)]
            body = execute(*orders).SerializeToString()
            state = {
                "socket": connection,
                "reader": http2.FrameReader(),
                "inflater": http2.Inflater(),
                "body": http2.grpc_message(body),
                "stream": 1,
                "out": bytearray(),
                "sent_at": 0.0,
            }
            self.selector.register(connection, selectors.EVENT_READ, state)

    def start(self):
        self.thread.start()

    def close(self):
        if self.stop.is_set():
            return
        self.stop.set()
        if self.thread.is_alive():
            self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
            key.data["inflater"].close()
        self.selector.close()

    def _run(self):
        try:
            for key in list(self.selector.get_map().values()):
                self._send_next(key.data)
            while not self.stop.is_set():
                for key, events in self.selector.select(0.1):
                    if events & selectors.EVENT_WRITE:
                        self._flush(key.data)
                    if events & selectors.EVENT_READ:
                        self._receive(key.data)
        except Exception as error:  # noqa: BLE001 - told by the test
            self.failure = error

    def _send_next(self, state):
        stream = state["stream"]
        state["stream"] += 2
        headers = http2.header_block(http2.grpc_headers("/holdfast.v1.Ledger/Execute"))
        state["out"] += http2.frame(http2.HEADERS, http2.END_HEADERS, stream, headers)
        body = state["body"].replace(TURN_PLACE.encode(), b"%08d" % stream)
        state["out"] += http2.frame(http2.DATA, http2.END_STREAM, stream, body)
        state["sent_at"] = time.monotonic()
        self._flush(state)

    def _flush(self, state):
        out = state["out"]
        try:
            while out:
                del out[: state["socket"].send(out)]
        except BlockingIOError:
            pass
        except OSError:
            self._lose(state)
            return
        self.selector.modify(state["socket"], selectors.EVENT_READ | (selectors.EVENT_WRITE if out else 0), state)

    def _lose(self, state):
        self.lost += 1
        self.selector.unregister(state["socket"])
        state["socket"].close()

    def _receive(self, state):
        try:
            data = state["socket"].recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lose(state)
            return
        credit = 0
        for kind, flags, stream, payload in state["reader"].feed(data):
            if kind == http2.SETTINGS and not flags & http2.ACK:
                state["out"] += http2.frame(http2.SETTINGS, http2.ACK, 0)
            elif kind == http2.PING and not flags & http2.ACK:
                state["out"] += http2.frame(http2.PING, http2.ACK, 0, payload)
            elif kind == http2.DATA:
                credit += len(payload)
            elif kind == http2.HEADERS:
                headers = dict(state["inflater"].headers(payload))
                if "grpc-status" in headers:
                    self._answered(state, int(headers["grpc-status"]))
            elif kind == http2.RST_STREAM:
                self._answered(state, -struct.unpack(">I", payload)[0])
        if credit:
            state["out"] += http2.frame(http2.WINDOW_UPDATE, 0, 0, struct.pack(">I", credit))
        if state["out"] and state["socket"].fileno() >= 0:
            self._flush(state)

    def _answered(self, state, status):
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status == EXHAUSTED:
            self.refusal_seconds.append(time.monotonic() - state["sent_at"])
        if not self.stop.is_set():
            self._send_next(state)


class Overload(harness.TestCase):
    def setUp(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = CONNECTIONS + 200
        if hard != resource.RLIM_INFINITY and hard < wanted:
            self.skipTest(f"only {hard} files may be open here")
        # This program needs the room; the nodes get what a login shell usually has, and must see to it themselves.
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        # The queues are under test here, not the election: a machine that is short of cores must not fail it.
        self.cluster = self.open_cluster(3, election_timeout_ms=1000)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))

    def test_a_thousand_connections(self):
        cluster = self.cluster
        leader = cluster.leader()
        ledger = leader.stubs.ledger
        ledger.Execute(execute(*(set_stock(f"sku-{number}", 10**9) for number in range(50))), timeout=seconds(10))
        idle_bytes = leader.resident_bytes()

        flood = Flood(leader.client_address)
        self.addCleanup(flood.close)
        flood.open()
        flood.start()
        samples = []
        probe = Stubs(leader.client_address)
        self.addCleanup(probe.close)
        outcomes = {}
        slowest = 0.0
        until = time.monotonic() + SECONDS
        number = 0
        while time.monotonic() < until:
            samples.append((leader.resident_bytes(), [node.resident_bytes() for node in cluster.followers()]))
            begin = time.monotonic()
            try:
                probe.ledger.Reserve(reserve(f"probe-{number}", ("sku-1", 1)), timeout=seconds(10))
                outcome = "OK"
            except grpc.RpcError as error:
                outcome = error.code().name
            slowest = max(slowest, time.monotonic() - begin)
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            number += 1
        flood.close()
        self.assertIsNone(flood.failure)
        refusals = sorted(flood.refusal_seconds)
        peak = max(leader_bytes for leader_bytes, _ in samples)
        peak_follower = max(max(followers, default=0) for _, followers in samples)
        print(
            f"answers by status {flood.statuses}, lost connections {flood.lost}; a probe beside it {outcomes}, slowest {slowest:.2f} s; "
            f"resident {idle_bytes >> 20} -> {peak >> 20} MiB, a follower {peak_follower >> 20} MiB; "
            f"a refusal took {refusals[len(refusals) // 2] if refusals else 0:.3f} s at the median",
            flush=True,
        )
        # The load was too much, and was refused; some of it was served all the same; nothing else was said.
        self.assertGreater(flood.statuses.get(EXHAUSTED, 0), 100)
        self.assertGreater(flood.statuses.get(0, 0), 100)
        self.assertEqual(set(flood.statuses), {0, EXHAUSTED})
        self.assertEqual(flood.lost, 0)
        # At once: a refusal waits for nothing but the loop. (A thousand clients in one thread see their answers late by themselves.)
        self.assertLess(refusals[len(refusals) // 2], seconds(1))
        self.assertLessEqual(set(outcomes), {"OK", "RESOURCE_EXHAUSTED"})
        # A full queue is a second or two of work.
        self.assertLess(slowest, seconds(6))
        self.assertLess(peak, RESIDENT_LIMIT_BYTES)
        self.assertLess(peak_follower, RESIDENT_LIMIT_BYTES)
        # It does not creep up either: the second half needs hardly more than the first. (AddressSanitizer keeps what is freed.)
        half = len(samples) // 2
        first, second = (max(leader_bytes for leader_bytes, _ in part) for part in (samples[:half], samples[half:]))
        self.assertLess(second, first * 1.3 + ((300 if SANITIZED else 64) << 20), f"{first >> 20} MiB, then {second >> 20} MiB")

        # Afterwards: normal service, on every node.
        cluster.wait_ready()
        wait_until(lambda: verdict_name(ledger.Reserve(reserve("after", ("sku-1", 1)), timeout=seconds(5)).verdict) == "OK", "no service afterwards")
        for node in cluster.nodes:
            self.assertEqual(verdict_name(node.stubs.ledger.GetOrder(get_order("after"), timeout=seconds(10)).verdict), "OK")
        self.assertGreater(ledger.GetStock(get_stock("sku-1")).stock.reserved, 0)
        cluster.check_sound()

    def test_connections_that_say_nothing(self):
        """Idle and silent connections cost little and do not keep others out."""
        leader = self.cluster.leader()
        host, port = leader.client_address.rsplit(":", 1)
        silent = [socket.create_connection((host, int(port)), timeout=seconds(10)) for _ in range(CONNECTIONS)]
        self.addCleanup(lambda: [each.close() for each in silent])
        stubs = Stubs(leader.client_address)
        self.addCleanup(stubs.close)
        self.assertEqual(verdict_name(stubs.ledger.SetStock(set_stock("sku", 1), timeout=seconds(10)).verdict), "OK")
        self.cluster.check_sound()


if __name__ == "__main__":
    harness.main()
