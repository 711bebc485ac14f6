#!/usr/bin/python3
"""test_planted.py [--only BUG,...] [--beside N] [--seed S]: bugs planted into real nodes turn the checkers red that are meant for them.

For each bug below a short run on nodes that have it (holdfastd-planted): it must be invalid, by one of the checkers named. That such runs are valid
without a bug is what the other runs show. TAP, one test a bug, with the checkers that were red and the time that it took. Runs live in namespaces
of their own, so they go side by side.

Of the simulator's list these are the ones that make sense on real processes: what needs an event at one certain moment (read-unconfirmed: a leader
that is read from while it does not know yet that it is none), or what the client library makes good by asking again (unknown-as-failed), is the
simulator's alone.
"""

import argparse
import concurrent.futures
import dataclasses
import re
import subprocess
import sys
import time

import chaos

RUN_SECONDS = 150  # no run takes as long; one that does has failed


@dataclasses.dataclass
class Planted:
    """What is run, and which checkers may catch it."""

    workload: str
    nemesis: str
    seconds: int
    checkers: tuple
    clients: int = 10
    rate: int = 400


CAUGHT = {
    # A leader that is cut off goes on acknowledging, and nobody ever hears of it.
    "ack-before-quorum": Planted("orders", "partition-leader", 15, ("witness", "acknowledged")),
    # Old values, from whoever is asked; from a leader that is none any more; before what was asked for.
    "stale-read": Planted("queries", "partition-leader", 12, ("stale", "witness")),
    "min-index-ignored": Planted("queries", "kill-one", 10, ("stale",)),
    # Done twice.
    "no-deduplication": Planted("idempotency", "none", 8, ("acknowledged", "witness")),
    "hold-leak-on-replay": Planted("idempotency", "none", 8, ("conservation", "oversell", "witness")),
    # Half an order.
    "skipped-line": Planted("torn", "none", 8, ("witness", "conservation")),
    # Replicas that go by their own clocks: whoever compares their states sees it, the run or they themselves, who stop.
    "local-clock-expiry": Planted("expiry", "clock-jump", 15, ("digests", "logs")),
    # The power goes, and what was acknowledged goes with it; or a node finds that its state is ahead of its log, and does not start.
    "log-not-synced": Planted("orders", "power-cut-all", 15, ("acknowledged", "witness", "recovery")),
    # A digest that does not fit the records.
    "digest-keeps-replaced": Planted("orders", "none", 8, ("digests",)),
    # An order is refused, and granted when an earlier attempt arrives. It needs many who try: few of them are late, refused, and lucky.
    "resent-forgotten": Planted("flash", "links-late", 25, ("witness",), clients=40, rate=600),
}


def verdicts(output):
    """{checker: verdict} of a run's summary."""
    return dict(re.findall(r"^([a-z]+) +(valid|invalid|unknown|skipped)\b", output, re.MULTILINE))


def run(bug, planted, seed, store):
    """(checkers that were red, seconds, what the run said)"""
    begun = time.monotonic()
    try:
        status, said = chaos.run(
            store, "--planted", bug, "--workload", planted.workload, "--nemesis", planted.nemesis, "--time", f"{planted.seconds}s",
            "--nodes", "3", "--clients", str(planted.clients), "--rate", str(planted.rate), "--seed", str(seed), timeout=RUN_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        return (), RUN_SECONDS, f"{error}"
    red = tuple(name for name, verdict in verdicts(said).items() if verdict == "invalid")
    return red if status == 1 else (), time.monotonic() - begun, said


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="these bugs, separated by commas")
    parser.add_argument("--beside", type=int, default=2, help="so many runs side by side")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chaos.skip_unless_possible()
    chosen = arguments.only.split(",") if arguments.only else list(CAUGHT)
    store = chaos.fresh_store("planted")
    print(f"1..{len(chosen)}", flush=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.beside) as pool:
        runs = [pool.submit(run, bug, CAUGHT[bug], arguments.seed, store) for bug in chosen]
        for number, (bug, future) in enumerate(zip(chosen, runs), 1):
            red, seconds, said = future.result()
            meant = [name for name in red if name in CAUGHT[bug].checkers]
            failed += not meant
            print(f"{'ok' if meant else 'not ok'} {number} - {bug}: {', '.join(red) or 'nothing'} in {seconds:.0f} s", flush=True)
            if not meant:
                print("\n".join(f"# {line}" for line in said.splitlines()), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
