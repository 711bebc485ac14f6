#!/usr/bin/python3
"""A large ledger: how soon a node serves again, and what it costs to replace one, while the others serve.

Fills three nodes with orders. Then, with the load going on in windows of their own so that each can be compared with the one before:

  - a node is stopped and started, a node is killed and started, all three are killed and started: the time until they serve;
  - a node's directory is lost: it is removed, and a new node with an empty directory takes its place; the time until it has caught up and
    votes, and what it got: a state, at --snapshot-rate, or the log.

Every node's memory is watched from beginning to end. At the end all orders are there, once, and all digests are equal. Prints JSON.

    ./dev endurance large-state [--orders N] [--window S]
"""

import argparse
import json
import shutil
import threading
import time

import endurance
from endurance import log
from harness import holdfast, wait_until

SKUS = "100000"


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=5_000_000)
    parser.add_argument("--window", type=int, default=15)
    return parser.parse_args()


class Memory(threading.Thread):
    """The most memory that any node has had resident, by node."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster = cluster
        self.most = {}
        self._over = threading.Event()
        self.start()

    def run(self):
        while not self._over.wait(0.2):
            for node in list(self.cluster.nodes):
                try:
                    now, peak = endurance.usage(node)
                except (AttributeError, FileNotFoundError, KeyError, ProcessLookupError):
                    continue  # not running now
                self.most[node.id] = max(self.most.get(node.id, 0), now, peak)

    def stop(self):
        self._over.set()
        self.join()
        return {f"node {node}": round(most / 2**20) for node, most in sorted(self.most.items())}


class Run:
    def __init__(self, cluster, options):
        self.cluster = cluster
        self.window_seconds = options.window
        self.next = 0
        self.report = {"orders": options.orders}

    def load(self, *arguments):
        figures = endurance.order_load(self.cluster, "--first", str(self.next), "--skus", SKUS, *arguments)
        self.next = figures["next"]
        return figures

    def window(self, name):
        """The load for a while, one order a call, as a shop has it."""
        figures = self.load("--duration", f"{self.window_seconds}s", "--callers", "32")
        self.report[name] = figures
        log(f"{name}: {figures}")

    def until_serving(self, name, nodes):
        began = time.monotonic()
        for node in nodes:
            node.start()
        wait_until(lambda: all(node.serving() for node in nodes), lambda: self.cluster.describe(), 300)
        self.report[name] = round(time.monotonic() - began, 2)
        log(f"{name}: {self.report[name]} s")

    def note_logs(self):
        """Where the logs begin: who is behind that gets a state."""
        statuses = self.cluster.statuses()
        self.report["log"] = [{"first": each.log_first_index, "last": each.last_index, "mib": round(each.log_bytes / 2**20)} for each in statuses]
        log(f"logs: {self.report['log']}")

    def restarts(self):
        nodes = self.cluster.nodes
        follower = self.cluster.followers()[0]
        follower.terminate(120)
        self.until_serving("restart_after_stop_s", [follower])
        follower = self.cluster.followers()[1]
        follower.kill()
        self.until_serving("restart_after_kill_s", [follower])
        for node in nodes:
            node.kill()
        self.until_serving("restart_of_all_after_kill_s", nodes)

    def replace(self):
        """A node's directory is lost; the load goes on in windows until the new one votes."""
        cluster = self.cluster
        lost = cluster.followers()[0]
        lost.kill()
        cluster.is_no_member(lost)
        shutil.rmtree(lost.data)
        began = time.monotonic()
        self.verb("remove", lost.id)
        added = cluster.new_node(4)
        added.start()
        self.verb("add", added.id, added.peer_address)
        cluster.is_member(added)
        windows = []
        promoted = threading.Event()

        def promote():
            self.verb("promote", added.id)  # waits until it has caught up
            promoted.set()

        waiting = threading.Thread(target=promote, daemon=True)
        waiting.start()
        while not promoted.is_set():
            windows.append(self.load("--duration", f"{self.window_seconds}s", "--callers", "32"))
            log(f"while the new node catches up: {windows[-1]}")
            if not waiting.is_alive() and not promoted.is_set():
                raise AssertionError("the new node was not promoted: see above")
        self.report["replaced_after_s"] = round(time.monotonic() - began, 2)
        self.report["during_replacement"] = windows
        self.report["replaced_by"] = self.fed(added)
        log(f"it got {self.report['replaced_by']}")

    def fed(self, added):
        """What the new node got: a state, and how fast, or entries alone."""
        status = added.status(5)
        fed = {"entries": status.last_index - status.snapshot_index, "state_mib": 0}
        for installed in added.log_events("installed"):
            fed |= {"state_mib": round(installed["bytes"] / 2**20, 1), "state_index": installed["index"], "state_s": installed["took_ms"] / 1000}
            fed["entries"] = status.last_index - installed["index"]
        return fed

    def verb(self, *arguments):
        ran = holdfast("cluster", *arguments, endpoints=self.cluster.endpoints, timeout=1800)
        if ran.returncode != 0:
            raise AssertionError(f"holdfast cluster {arguments}: {ran.returncode}: {ran.stderr}")


def main():
    options = parse()
    with endurance.cluster(3) as cluster:
        memory = Memory(cluster)
        run = Run(cluster, options)
        run.report["filling"] = run.load("--orders", str(options.orders), "--batch", "100", "--callers", "32")
        log(f"filled: {run.report['filling']}")
        run.report["directory_mib"] = [round(endurance.directory_bytes(node.data) / 2**20) for node in cluster.nodes]
        run.window("before")
        run.restarts()
        run.window("after_restarts")
        run.note_logs()
        run.replace()
        run.window("after_replacement")
        run.report["memory_mib"] = memory.stop()
        endurance.check(cluster, run.next, SKUS)
    print(json.dumps(run.report))


if __name__ == "__main__":
    main()
