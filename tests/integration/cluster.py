"""A cluster of real holdfastd processes on loopback addresses, and what tests do to it and ask of it.

Ports. Linux has all of 127.0.0.0/8 on the loopback interface, so each test program takes an address of its own, made from its process id,
and counts ports up from there. Programs that run at the same time can't meet, and no port is picked in the hope that it stays free.

Faults. kill, terminate, pause and resume act on one node; what a node's process does by itself (exit, crash) is noticed when the cluster
is stopped, and fails the test.
"""

import itertools
import json
import os
import pathlib
import signal
import subprocess
import time

import harness  # first: it finds grpcio and the stubs
import grpc
import health_pb2
import health_pb2_grpc
from holdfast.v1 import cluster_pb2, cluster_pb2_grpc, ledger_pb2, ledger_pb2_grpc

from harness import WORK, seconds, wait_until

_PID = os.getpid()
HOST = f"127.{64 + (_PID >> 16) % 128}.{(_PID >> 8) & 255}.{_PID & 255}"
_ports = itertools.count(7001)

CHANNEL_OPTIONS = (
    # A channel that lost its node tries again soon: tests kill and restart.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 1000),  # in truth the time for one attempt
    ("grpc.max_reconnect_backoff_ms", 200),
    # A connection of its own for each channel.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", 16 << 20),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_retries", 0),
)


def new_address():
    return f"{HOST}:{next(_ports)}"


class Stubs:
    """All services of one node over one connection."""

    def __init__(self, address):
        self.address = address
        self.channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
        self.ledger = ledger_pb2_grpc.LedgerStub(self.channel)
        self.cluster = cluster_pb2_grpc.ClusterStub(self.channel)
        self.health = health_pb2_grpc.HealthStub(self.channel)

    def close(self):
        self.channel.close()


class Node:
    def __init__(self, owner, node_id, directory):
        self.owner = owner
        self.id = node_id
        self.client_address = new_address()
        self.peer_address = new_address()
        self.data = directory / f"node-{node_id}"
        self.log_path = directory / f"node-{node_id}.log"
        self.log_path.touch()
        self.process = None
        self.paused = False
        self.program = harness.HOLDFASTD  # of the next start
        self.environment = {}  # besides this process's own
        self._stubs = None
        self.told = []  # who it is; nothing is enough for one that has its directory

    # ---- life and death ----

    def command(self):
        return [
            self.program,
            "--data", self.data,
            "--client-address", self.client_address,
            *self.told,
            "--election-timeout-ms", self.owner.election_timeout_ms,
            *self.owner.flags,
        ]  # fmt: skip

    def start(self):
        assert not self.running, f"node {self.id} runs already"
        self.paused = False
        with self.log_path.open("ab") as log:
            self.process = harness.spawn(self.command(), stdout=log, stderr=log, env={**os.environ, **self.environment})

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def responsive(self):
        return self.running and not self.paused

    def kill(self):
        """SIGKILL: nothing is flushed, nobody is told."""
        assert self.running, f"node {self.id} does not run: it ended by itself with {self.process and self.process.returncode}"
        self.process.kill()
        self.process.wait()
        self.process = None

    def terminate(self, timeout=20):
        """SIGTERM, and the exit status; negative for a signal that ended it."""
        self.process.terminate()
        return self.wait_exit(timeout)

    def wait_exit(self, timeout=20):
        """The exit status of a process that is to end by itself."""
        try:
            status = self.process.wait(seconds(timeout))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"node {self.id} did not end within {seconds(timeout):.0f} s; see {self.log_path}") from None
        self.process = None
        return status

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        self.paused = True

    def resume(self):
        self.process.send_signal(signal.SIGCONT)
        self.paused = False

    # ---- questions ----

    @property
    def stubs(self):
        """Connections are made when they are first needed, and used until the cluster stops."""
        if self._stubs is None:
            self._stubs = Stubs(self.client_address)
        return self._stubs

    def close_stubs(self):
        if self._stubs is not None:
            self._stubs.close()
            self._stubs = None

    def status(self, timeout=1):
        """cluster_pb2.StatusResponse, or None if there is no answer."""
        if not self.responsive:
            return None
        try:
            return self.stubs.cluster.Status(cluster_pb2.StatusRequest(), timeout=seconds(timeout))
        except grpc.RpcError:
            return None

    def serving(self):
        if not self.responsive:
            return False
        try:
            reply = self.stubs.health.Check(health_pb2.HealthCheckRequest(), timeout=seconds(1))
        except grpc.RpcError:
            return False
        return reply.status == health_pb2.HealthCheckResponse.SERVING

    def log_events(self, event=None):
        """The node's log lines as dictionaries; lines that are not JSON are left out."""
        found = []
        for line in self.log_path.read_text(errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if event is None or entry.get("event") == event:
                found.append(entry)
        return found

    def resident_bytes(self):
        for field in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if field.startswith("VmRSS:"):
                return int(field.split()[1]) * 1024
        raise AssertionError(f"node {self.id} has no VmRSS")


class Cluster:
    def __init__(self, size=3, election_timeout_ms=300, flags=(), name="cluster"):
        self.directory = WORK.new(name)
        self.election_timeout_ms = int(election_timeout_ms * harness.ELECTION_FACTOR)
        self.flags = tuple(flags)
        self.nodes = [Node(self, node_id, self.directory) for node_id in range(1, size + 1)]
        self.initial_cluster = ",".join(f"{node.id}={node.peer_address}" for node in self.nodes)
        for node in self.nodes:
            node.told = ["--id", node.id, "--initial-cluster", self.initial_cluster]
        self.others = []  # that are no members: they will be, or were

    def new_node(self, node_id):
        """One that joins, once it is started and somebody adds it: not among the members yet."""
        node = Node(self, node_id, self.directory)
        cluster_id = self.leader().status().cluster_id
        node.told = ["--id", node_id, "--cluster-id", cluster_id, "--peer-address", node.peer_address]
        self.others.append(node)
        return node

    def is_member(self, node):
        """It was added."""
        self.others.remove(node)
        self.nodes.append(node)

    def is_no_member(self, node):
        """It was removed."""
        self.nodes.remove(node)
        self.others.append(node)

    @property
    def endpoints(self):
        return ",".join(node.client_address for node in self.nodes)

    @property
    def election_timeout(self):
        """In seconds, as the nodes have it."""
        return self.election_timeout_ms / 1000

    def start(self):
        for node in self.nodes:
            node.start()
        self.wait_ready()

    def _cut_hand_over_short(self, processes):
        """A leader that is told to end hands over first, to one that ends as well here: it would ask for two election timeouts whether
        somebody leads. Told again it stops in order, and at once."""
        limit = time.monotonic() + 2 * self.election_timeout
        while len(running := [each for each in processes if each.poll() is None]) > 1 and time.monotonic() < limit:
            time.sleep(0.005)
        if len(processes) > 1 and len(running) == 1:
            running[0].terminate()

    def stop(self):
        """Ends every node with SIGTERM, and fails if one had ended by itself, does not end cleanly, or left a crash in its log."""
        complaints = []
        every_node = self.nodes + self.others
        for node in every_node:
            node.close_stubs()
            if node.process is None:
                continue
            if node.process.poll() is not None:
                complaints.append(f"node {node.id} ended by itself with {node.process.returncode}; see {node.log_path}")
                node.process = None
                continue
            if node.paused:
                node.resume()
            node.process.terminate()
        self._cut_hand_over_short([node.process for node in every_node if node.process is not None])
        for node in every_node:
            if node.process is None:
                continue
            try:
                status = node.process.wait(seconds(20))
                if status != 0:
                    complaints.append(f"node {node.id} ended with {status} after SIGTERM; see {node.log_path}")
            except subprocess.TimeoutExpired:
                complaints.append(f"node {node.id} did not end after SIGTERM; see {node.log_path}")
                node.process.kill()
                node.process.wait()
            node.process = None
        for node in every_node:
            complaints += harness.crash_lines(node.log_path)
        if complaints:
            WORK.keep = True
            raise AssertionError("\n".join(complaints))

    # ---- waiting for a state ----

    def describe(self):
        """What each node says of itself, for messages."""
        parts = []
        for node in self.nodes:
            status = node.status()
            if status is not None:
                state = cluster_pb2.StatusResponse.State.Name(status.state)
                parts.append(
                    f"node {node.id}: {state} term {status.term} leader {status.leader_id} commit {status.commit_index} "
                    f"applied {status.applied_index} digest {status.digest}"
                )
            elif node.paused:
                parts.append(f"node {node.id}: paused")
            elif node.running:
                parts.append(f"node {node.id}: no answer")
            else:
                parts.append(f"node {node.id}: not running")
        return "; ".join(parts) + f"; logs in {self.directory}"

    def _agreed_leader(self):
        """The node that leads, as it and a majority see it in one term; None if that isn't so."""
        statuses = {node.id: node.status() for node in self.nodes if node.responsive}
        for node in self.nodes:
            own = statuses.get(node.id)
            if own is None or own.state != cluster_pb2.StatusResponse.LEADER:
                continue
            followers = [s for s in statuses.values() if s is not None and s.term == own.term and s.leader_id == node.id]
            if len(followers) * 2 > len(self.nodes):
                return node
        return None

    def leader(self, timeout=15):
        """Waits until one node leads, as a majority sees it."""
        return wait_until(self._agreed_leader, lambda: f"no leader that a majority follows: {self.describe()}", timeout)

    def followers(self):
        leader = self.leader()
        return [node for node in self.nodes if node is not leader and node.responsive]

    def wait_ready(self, timeout=20):
        """Waits until every node that runs serves, so that any of them takes any request."""

        def ready():
            return self._agreed_leader() and all(node.serving() for node in self.nodes if node.responsive)

        wait_until(ready, lambda: f"not every running node serves: {self.describe()}", timeout)

    def wait_caught_up(self, node, timeout=30):
        """Waits until the node has applied what is committed now."""
        goal = self.leader().status().commit_index
        wait_until(
            lambda: (status := node.status()) is not None and status.applied_index >= goal,
            lambda: f"node {node.id} does not come to {goal}: {self.describe()}",
            timeout,
        )

    def statuses(self):
        """The status of each node that runs; fails if one does not answer."""
        found = []
        for node in self.nodes:
            if node.responsive:
                status = node.status(5)
                assert status is not None, f"node {node.id} does not answer: {self.describe()}"
                found.append(status)
        return found

    def wait_equal_digests(self, timeout=20):
        """Waits until all nodes that run have applied the same index, the last one there is, and returns it; their digests must be equal.

        Digests at one index that differ fail at once: waiting would not mend them.
        """

        def equal():
            found = [node.status() for node in self.nodes if node.responsive]
            if any(status is None or status.HasField("fetching") for status in found):
                return None
            indexes = {status.applied_index for status in found}
            if len(indexes) != 1:
                return None
            digests = {status.digest for status in found}
            if len(digests) != 1:
                raise AssertionError(f"digests differ at one index: {self.describe()}")
            index = indexes.pop()
            return index if all(status.last_index == index for status in found) else None

        return wait_until(equal, lambda: f"the nodes do not come to one index: {self.describe()}", timeout)

    def verify(self, timeout=60):
        """Has every running node check its own records; fails on a violation. Returns the responses."""
        responses = []
        for node in self.nodes:
            if not node.responsive:
                continue
            response = node.stubs.cluster.Verify(cluster_pb2.VerifyRequest(), timeout=seconds(timeout))
            assert response.violation_count == 0, f"node {node.id}: {list(response.violations)}"
            assert response.digest == response.recomputed_digest, (
                f"node {node.id} at {response.applied_index}: digest {response.digest}, its records give {response.recomputed_digest}"
            )
            assert len(response.digest) == 32, response.digest
            responses.append(response)
        return responses

    def check_sound(self):
        """The end of most tests: all nodes at one index with one digest, every invariant of the ledger true on each."""
        self.wait_equal_digests()
        self.verify()


# Statuses after which a command may be sent again under the same identity (proto/holdfast/v1/ledger.proto).
RETRIED = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
}


class Client:
    """An order service: sends a request to one node after the other, unchanged, until it has an answer. One per thread."""

    def __init__(self, addresses, attempt_timeout=1.0, first=0):
        self.nodes = [Stubs(address) for address in addresses]
        self.attempt_timeout = attempt_timeout
        self.current = first % len(self.nodes)
        self.retries = 0

    def call(self, method, request, timeout=30):
        deadline = time.monotonic() + seconds(timeout)
        while True:
            stub = getattr(self.nodes[self.current].ledger, method)
            try:
                return stub(request, timeout=seconds(self.attempt_timeout))
            except grpc.RpcError as error:
                if error.code() not in RETRIED:
                    raise
                if time.monotonic() > deadline:
                    raise AssertionError(f"{method}: no answer within {seconds(timeout):.0f} s, at last {error.code()}: {error.details()}") from None
            self.retries += 1
            self.current = (self.current + 1) % len(self.nodes)
            time.sleep(0.002)

    def close(self):
        for node in self.nodes:
            node.close()


# ---- requests in a line ----


def line(sku, quantity, warehouse=0):
    return ledger_pb2.Line(sku=sku, quantity=quantity, warehouse=warehouse)


def set_stock(sku, on_hand, request_id=None, **fields):
    return ledger_pb2.SetStockRequest(sku=sku, on_hand=on_hand, request_id=request_id or f"set-{sku}-{on_hand}", **fields)


def adjust_stock(sku, change, request_id, reason="ADJUST", **fields):
    return ledger_pb2.AdjustStockRequest(sku=sku, change=change, request_id=request_id, reason=reason, **fields)


def reserve(order_id, *lines, **fields):
    """Lines as ("SKU", 2) or ("SKU", 2, warehouse)."""
    return ledger_pb2.ReserveRequest(order_id=order_id, lines=[line(*each) for each in lines], **fields)


def deduct(order_id, *lines, **fields):
    return ledger_pb2.DeductRequest(order_id=order_id, lines=[line(*each) for each in lines], **fields)


def release(order_id, *lines, **fields):
    return ledger_pb2.ReleaseRequest(order_id=order_id, lines=[line(*each) for each in lines], **fields)


def get_stock(sku, warehouse=0):
    return ledger_pb2.GetStockRequest(sku=sku, warehouse=warehouse)


def get_order(order_id):
    return ledger_pb2.GetOrderRequest(order_id=order_id)


def execute(*requests):
    """Any requests above as one batch."""
    fields = {
        ledger_pb2.SetStockRequest: "set_stock",
        ledger_pb2.AdjustStockRequest: "adjust_stock",
        ledger_pb2.ReserveRequest: "reserve",
        ledger_pb2.DeductRequest: "deduct",
        ledger_pb2.ReleaseRequest: "release",
    }
    commands = [ledger_pb2.Command(**{fields[type(request)]: request}) for request in requests]
    return ledger_pb2.ExecuteRequest(commands=commands)


def list_all(call, request, field):
    """All rows of a paged list."""
    rows = []
    while True:
        page = call(request)
        rows += getattr(page, field)
        if not page.next_page_token:
            return rows
        request.page_token = page.next_page_token


def history_of(stubs, sku, warehouse=0):
    request = ledger_pb2.ListHistoryRequest(sku=sku, warehouse=warehouse, page_size=1000)
    return list_all(stubs.ledger.ListHistory, request, "rows")


def verdict_name(value):
    return ledger_pb2.Verdict.Name(value)
