#!/usr/bin/python3
"""planted_test.py CHAOS [--only BUG,...] [--beside N]: bugs planted into real nodes turn the checkers red that are meant for them.

For each bug below a short run of the chaos suite on nodes that have it (holdfastd-planted): it must be invalid, and by one of the checkers named.
That the same runs are valid without a bug is what every other run of the suite shows. TAP, one test a bug, with the time that it took.

Runs live in namespaces of their own, so they may go side by side. What needs more rights than there are is skipped.
"""

import argparse
import concurrent.futures
import dataclasses
import os
import re
import subprocess
import sys
import tempfile
import time

RUN_SECONDS = 120  # no run takes as long; one that does has failed


@dataclasses.dataclass
class Planted:
    """What is run, and which checkers may catch it."""

    workload: str
    nemesis: str
    seconds: int
    checkers: tuple


CAUGHT = {
    # A leader that is cut off goes on acknowledging, and nobody ever hears of it.
    "ack-before-quorum": Planted("orders", "partition-leader", 15, ("witness", "acknowledged")),
    # Old values, from whoever is asked; from a leader that is none any more; before what was asked for.
    "stale-read": Planted("queries", "partition-leader", 12, ("stale", "witness")),
    "read-unconfirmed": Planted("queries", "partition-leader", 20, ("stale", "witness")),
    "min-index-ignored": Planted("queries", "kill-one", 10, ("stale",)),
    # Done twice.
    "no-deduplication": Planted("idempotency", "none", 8, ("acknowledged", "witness")),
    "hold-leak-on-replay": Planted("idempotency", "none", 8, ("conservation", "oversell", "witness")),
    # Half an order.
    "skipped-line": Planted("torn", "none", 8, ("witness", "conservation")),
    # Replicas that go by their own clocks.
    "local-clock-expiry": Planted("expiry", "clock-jump", 15, ("digests",)),
    # The power goes, and what was acknowledged goes with it.
    "log-not-synced": Planted("orders", "power-cut-all", 15, ("acknowledged", "witness")),
    # A lie about what was done.
    "unknown-as-failed": Planted("orders", "pause-leader", 20, ("acknowledged", "witness")),
}


def verdicts(output):
    """{checker: verdict} of a run's summary."""
    return dict(re.findall(r"^  ([a-z]+) +(valid|invalid|unknown|skipped)\b", output, re.MULTILINE))


def run(chaos, bug, planted, seed, store):
    """(caught by, seconds, what the run said)"""
    begun = time.monotonic()
    command = [
        chaos, "--planted", bug, "--workload", planted.workload, "--nemesis", planted.nemesis, "--time", f"{planted.seconds}s",
        "--nodes", "3", "--clients", "10", "--rate", "400", "--seed", str(seed), "--store", store,
    ]  # fmt: skip
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        return (), RUN_SECONDS, f"{error}"
    said = ended.stdout + ended.stderr
    red = tuple(name for name, verdict in verdicts(ended.stdout).items() if verdict == "invalid")
    return red if ended.returncode == 1 else (), time.monotonic() - begun, said


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chaos")
    parser.add_argument("--only", help="these bugs, separated by commas")
    parser.add_argument("--beside", type=int, default=2, help="so many runs side by side")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("1..0 # SKIP runs need root, for namespaces of their own")
        return 0
    chosen = arguments.only.split(",") if arguments.only else list(CAUGHT)
    print(f"1..{len(chosen)}", flush=True)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="holdfast-planted-") as store:
        with concurrent.futures.ThreadPoolExecutor(arguments.beside) as pool:
            runs = [pool.submit(run, arguments.chaos, bug, CAUGHT[bug], arguments.seed, store) for bug in chosen]
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
