#!/usr/bin/python3
"""kill -9 of any node, at random, for as long as one likes, under load, with snapshots taken and the log trimmed all the while.

At the end every order that was acknowledged is there, once (order-load --check), all digests are equal, and each node's records bear out its
digest. Prints what the load saw as JSON: latencies, kills, snapshots, and the longest times without an answer: as they were, without what a
lost majority makes of them, and since the last kill or return of a majority (pauses.py); of the last, what it was spent on.

    ./dev endurance kills [--seconds S] [--seed SEED]
"""

import argparse
import json
import random
import sys
import time

import endurance  # first: it finds the integration tests' modules
import pauses
from harness import wait_until

# So low that each node takes a snapshot every few seconds.
FLAGS = ("--snapshot-log-entries", "5000", "--snapshot-log-bytes", str(8 << 20), "--held-log-bytes", str(32 << 20), "--log-segment-bytes", str(1 << 20))


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    return parser.parse_args()


def kill_some(cluster, chance, lives, until):
    """One node, or now and then two at once, dies and comes back; then the next, as soon as all serve or a little later. Counts the kills."""
    kills = {node.id: 0 for node in cluster.nodes}
    both = 0
    while time.monotonic() < until:
        victims = chance.sample(cluster.nodes, 2 if chance.random() < 0.15 else 1)
        both += len(victims) == 2
        for node in victims:
            node.kill()
            lives.ended(node.id)
            kills[node.id] += 1
        time.sleep(chance.uniform(0, 2))
        for node in victims:
            node.start()
            lives.began(node.id)
        if chance.random() < 0.5:
            time.sleep(chance.uniform(0, 1))  # the next one dies while this one comes back
        else:
            cluster.wait_ready(60)
            time.sleep(chance.uniform(0, 2))
    return kills, both


def main():
    options = parse()
    print(f"seed {options.seed}", file=sys.stderr)
    chance = random.Random(options.seed)
    with endurance.cluster(3, flags=FLAGS) as cluster:
        offset = time.time() - time.monotonic()
        lives = pauses.Lives(len(cluster.nodes))
        for node in cluster.nodes:
            lives.began(node.id)
        pauses_path = cluster.directory / "pauses"
        load = endurance.Load(cluster, "--duration", f"{options.seconds}s", "--callers", 64, "--pauses", pauses_path)
        kills, both = kill_some(cluster, chance, lives, time.monotonic() + options.seconds - 5)
        figures = load.finish(300)
        lines = [line for node in cluster.nodes for line in node.log_events()]
        figures |= pauses.report(pauses.read(pauses_path), lives, lines, offset)
        cluster.wait_ready(60)
        wait_until(lambda: not any(status.HasField("fetching") for status in cluster.statuses()), "a node still fetches a state", 120)
        endurance.check(cluster, figures["next"])
        statuses = cluster.statuses()
        figures |= {
            "seed": options.seed,
            "kills": sum(kills.values()),
            "kills_of_two_at_once": both,
            "elections": max(status.term for status in statuses),
            "snapshot_index": [status.snapshot_index for status in statuses],
            "log_first_index": [status.log_first_index for status in statuses],
            "last_index": [status.last_index for status in statuses],
        }
        if not all(status.log_first_index > 1 for status in statuses):
            sys.exit(f"some log was never trimmed, so this has shown nothing of snapshots: {figures}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
