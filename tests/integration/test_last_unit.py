#!/usr/bin/python3
"""Two processes race for the last unit, 10,000 times over: each time exactly one of them gets it.

Every SKU has one unit. The processes are started round by round, together, each round on the same SKUs with all calls in flight at once; one
goes through the leader and the other through a follower, and they change places with each round, so that neither is always the faster. A
second test has both ask for orders of two SKUs in opposite order of lines: still all or nothing.
"""

import json
import subprocess
import sys

import harness  # first: it finds grpcio and the stubs
import grpc

from cluster import Client, Stubs, execute, get_order, reserve, set_stock, verdict_name
from harness import seconds

SKUS = 10_000
ROUND = 100  # SKUs of one round


def race(name, addresses):
    """One of the two processes: for each line it is given, reserves the one unit of each SKU of the next round, and prints the verdicts."""
    stubs = [Stubs(address) for address in addresses]
    for each in stubs:
        grpc.channel_ready_future(each.channel).result(timeout=seconds(10))
    print("ready", flush=True)
    for turn, _ in enumerate(sys.stdin):
        ledger = stubs[turn % len(stubs)].ledger
        numbers = range(turn * ROUND, (turn + 1) * ROUND)
        calls = [ledger.Reserve.future(reserve(f"{name}-{number}", (f"sku-{number}", 1)), timeout=seconds(60)) for number in numbers]
        print(json.dumps([verdict_name(each.result().verdict) for each in calls]), flush=True)


class LastUnit(harness.TestCase):
    def start_racer(self, name, nodes):
        racer = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, __file__, "--race", name, *(node.client_address for node in nodes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(racer.wait)
        self.addCleanup(racer.kill)
        self.addCleanup(racer.stdout.close)
        self.assertEqual(racer.stdout.readline(), "ready\n")
        return racer

    def test_exactly_one_wins_each_time(self):
        skus = SKUS if not harness.SANITIZED else SKUS // 10
        cluster = self.open_cluster(3)
        client = Client([cluster.leader().client_address], attempt_timeout=30)
        self.addCleanup(client.close)
        for begin in range(0, skus, 1000):
            client.call("Execute", execute(*(set_stock(f"sku-{number}", 1) for number in range(begin, begin + 1000))))
        leader, follower = cluster.leader(), cluster.followers()[0]
        racers = [self.start_racer("a", [leader, follower]), self.start_racer("b", [follower, leader])]
        told = [[], []]
        for _ in range(skus // ROUND):
            for racer in racers:
                racer.stdin.write("go\n")
                racer.stdin.flush()
            for verdicts, racer in zip(told, racers):
                verdicts += json.loads(racer.stdout.readline())
        for racer in racers:
            racer.stdin.close()
            self.assertEqual(racer.wait(seconds(10)), 0)

        self.assertEqual([len(verdicts) for verdicts in told], [skus, skus])
        for number, verdicts in enumerate(zip(*told)):
            self.assertEqual(sorted(verdicts), ["INSUFFICIENT_STOCK", "OK"], f"sku-{number}")
        wins = [verdicts.count("OK") for verdicts in told]
        print(f"{skus} last units: {wins[0]} to a, {wins[1]} to b", flush=True)
        # A race that one side always wins proves little: both win within one round, too.
        rounds = [told[0][at : at + ROUND].count("OK") for at in range(0, skus, ROUND)]
        self.assertGreater(sum(0 < won < ROUND for won in rounds), len(rounds) // 10, rounds)

        # The loser's order does not exist; the winner's holds the unit. A sample, and all of it by the nodes themselves.
        for number in range(0, skus, skus // 100):
            for name, verdicts in zip("ab", told):
                found = client.call("GetOrder", get_order(f"{name}-{number}"))
                self.assertEqual(verdict_name(found.verdict) == "OK", verdicts[number] == "OK")
        cluster.check_sound()
        verified = cluster.verify()[0]
        self.assertEqual((verified.stocks, verified.orders, verified.history_rows), (skus, skus, 2 * skus))

    def test_orders_of_two_skus(self):
        """Two orders want the last units of the same two SKUs, their lines the other way round: one gets both, the other neither."""
        cluster = self.open_cluster(3)
        stubs = [node.stubs for node in cluster.nodes]
        pairs = 1000
        stubs[0].ledger.Execute(execute(*(set_stock(f"{side}-{number}", 1) for number in range(pairs) for side in "lr")), timeout=seconds(30))
        futures = []
        for number in range(pairs):
            left, right = (f"l-{number}", 1), (f"r-{number}", 1)
            one = stubs[number % 3].ledger.Reserve.future(reserve(f"one-{number}", left, right), timeout=seconds(60))
            other = stubs[(number + 1) % 3].ledger.Reserve.future(reserve(f"other-{number}", right, left), timeout=seconds(60))
            futures.append((one, other))
        for number, pair in enumerate(futures):
            results = [each.result() for each in pair]
            self.assertEqual(sorted(verdict_name(each.verdict) for each in results), ["INSUFFICIENT_STOCK", "OK"], f"pair {number}")
            loser = next(each for each in results if verdict_name(each.verdict) != "OK")
            self.assertEqual([(line.requested, line.available) for line in loser.failed_lines], [(1, 0), (1, 0)])
        cluster.check_sound()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--race"]:
        race(sys.argv[2], sys.argv[3:])
    else:
        harness.main()
