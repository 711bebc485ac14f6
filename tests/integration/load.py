"""Load for a cluster to which something happens: what was acknowledged must be there at the end, once.

Several clients each reserve and deduct orders of their own and restock under request ids, sending a request again, unchanged, until it is
answered. What they were told is held against the ledger at the end, order by order and unit by unit.
"""

import threading
import time

from cluster import Client, adjust_stock, deduct, execute, get_order, get_stock, history_of, reserve, set_stock, verdict_name
from harness import seconds, wait_until
from holdfast.v1 import ledger_pb2

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
        self.latencies = []  # of each acknowledged write, in seconds, tries that failed included
        self._gap_lock = threading.Lock()
        self._stop = threading.Event()
        ledger = cluster.leader().stubs.ledger
        for sku in SKUS:
            ledger.SetStock(set_stock(sku, ON_HAND))
        self._threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(clients)]
        for each in self._threads:
            each.start()

    def _note_success(self, begun):
        with self._gap_lock:
            now = time.monotonic()
            self.latencies.append(now - begun)
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
        begun = time.monotonic()
        granted = client.call("Reserve", reserve(order, (sku, quantity)))
        if verdict_name(granted.verdict) != "OK":
            raise AssertionError(f"{order}: {granted}")
        self._note_success(begun)
        self.told[number][order] = (sku, quantity, False)
        if turn % 2 == 0:
            begun = time.monotonic()
            sold = client.call("Deduct", deduct(order))
            if verdict_name(sold.verdict) != "OK":
                raise AssertionError(f"{order}: {sold}")
            self._note_success(begun)
            self.told[number][order] = (sku, quantity, True)
        if turn % 5 == 0:
            request = f"restock-{number}-{turn}"
            begun = time.monotonic()
            added = client.call("AdjustStock", adjust_stock(sku, 1, request, "RECEIVE"))
            if verdict_name(added.verdict) != "OK":
                raise AssertionError(f"{request}: {added}")
            self._note_success(begun)
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


def filling(case, cluster, commands=2000):
    """Much, beside the load: batches of about a megabyte of new records, so that write buffers are flushed, tables compacted, segments end.

    Returns what stops it; the end of the test does so too.
    """
    end = threading.Event()
    long = "x" * 200

    def run():
        client = Client([node.client_address for node in cluster.nodes], attempt_timeout=10)
        try:
            batch = 0
            while not end.is_set():
                requests = [set_stock(f"fill-{batch}-{number}-{long}", 5, reason=long) for number in range(commands)]
                client.call("Execute", execute(*requests), timeout=60)
                batch += 1
        finally:
            client.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def stop():
        end.set()
        thread.join()

    case.addCleanup(stop)
    return stop
