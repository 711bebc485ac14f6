#!/usr/bin/python3
"""planted_test.py SIM_PLANTED [--only BUG,BUG,...] [--at-root]: each planted bug is caught, by a check that is meant for it, within so many seeds.

For each bug of base/planted.h the simulator runs one seed after the other, from a fixed one on, until a check fails; then that seed without the
bug, which must pass. Some are looked for once more without the check that sees them at their root (BEHIND), but with --at-root. TAP, one test a
bug. What is in the header must be in the table below, or among those that nothing catches, with the reason.

planted_test.py SIM_PLANTED --measure STARTS [--only BUG,BUG,...]: how many seeds it takes, from so many places; prints docs/planted-bugs.md's
table. What was caught by nothing that is meant for it is marked there, and told on stderr with its seed.
"""

import argparse
import dataclasses
import pathlib
import re
import statistics
import subprocess
import sys

HEADER = pathlib.Path(__file__).resolve().parents[2] / "base/include/base/planted.h"
FIRST_SEED = 1
BETWEEN_STARTS = 100_000
SECONDS_PER_SEED = 60
# A failed assertion of the production code counts as a check, where it guards the very rule.
ASSERTION = "assertion"


@dataclasses.dataclass
class Planted:
    """By what it may be caught, within how many seeds, and what the simulator is to be told besides.

    Where `contract` is not empty, what catches it is the production code itself, which refuses to go on: the simulator then says fail-stop, as of
    any node that stops though nothing has failed, and these words must be among the node's last.
    """

    checks: tuple
    seeds: int
    options: tuple = ()
    contract: str = ""

    def catches(self, check, words):
        return check in self.checks and (check != "fail-stop" or self.contract in words)


DISORDER = ("--climate", "disorder")
ONE_WAY = ("--climate", "one-way", "--nodes", "3")
MEMBERS = ("--climate", "members")
SPOILT = ("--climate", "spoilt")
WRONG = "the state of this node is wrong"
COPIES = ("--climate", "copies")
OTHER_MEMBERS = "libraft knows those"
CONTRADICTION = "the state database contradicts itself"
SNAPSHOTS = ("--climate", "snapshots")
UPGRADES = ("--climate", "upgrades")
LOW_DISKS = ("--climate", "low-disks")
REPLACEMENTS = ("--climate", "replacements")
HELD_UP = ("--climate", "held-up")

CAUGHT = {
    "ack-before-quorum": Planted(("applied", "acknowledged"), 10),
    "apply-before-durable": Planted(("applied",), 5),
    "applied-index-ahead": Planted(("applied",), 5),
    "hard-state-not-synced": Planted(("vote", "fail-stop"), 20),
    "vote-after-messages": Planted(("said-durable",), 10),
    "log-not-synced": Planted(("said-durable", "fail-stop"), 20),
    "segment-name-not-synced": Planted(("said-durable", "fail-stop"), 20),
    "last-batch-not-rewritten": Planted(("said-durable", "fail-stop"), 60),
    "torn-batch-not-zeroed": Planted(("fail-stop",), 120),
    "failed-write-ignored": Planted(("fail-stop", "said-durable"), 20),
    "old-generation-completion": Planted(("said-durable", "applied", ASSERTION), 60, DISORDER),
    "wiped-node-admitted": Planted(("members",), 120),
    "wiped-node-heard": Planted(("vote", "one-leader", "committed"), 400, REPLACEMENTS),
    "unregistered-promoted": Planted(("members",), 60, REPLACEMENTS),
    "id-given-again": Planted(("members",), 60, REPLACEMENTS),
    "stale-append-fed": Planted(("said-durable",), 30, DISORDER),
    "old-echo-counts": Planted(("vote",), 200, DISORDER),
    "late-vote-counts": Planted(("vote",), 60, DISORDER),
    "late-rejection-counts": Planted(("progress",), 150, DISORDER),
    "pre-vote-not-mended": Planted(("said-durable", "vote"), 20, DISORDER),
    # Fail-stop: the replica, when it takes a snapshot, finds that libraft does not hold its members for committed (raft/snapshot.c). Where none is
    # taken in time, a majority of the wrong members is counted (members), or, of an append that was not split, there is none (liveness).
    "append-not-split": Planted(("fail-stop", "liveness", "members"), 20, MEMBERS, OTHER_MEMBERS),
    "change-not-settled": Planted(("fail-stop", "members"), 40, MEMBERS, OTHER_MEMBERS),
    # By the replica, which holds libraft to its contract after each step.
    "commit-not-bounded": Planted(("fail-stop",), 200, ONE_WAY, "libraft's commit index went from"),
    "no-configuration-events": Planted(("liveness",), 20, MEMBERS),
    "configurations-wait-for-apply": Planted(("fail-stop", "members"), 40, MEMBERS, OTHER_MEMBERS),  # as change-not-settled
    # Whose first entry is a change of members (members), where it is no command.
    "no-barrier": Planted(("clock", "members"), 5),
    "lone-voter-keeps-term": Planted(("one-leader",), 10, ("--nodes", "1")),
    "no-vote-lent": Planted(("liveness",), 40, MEMBERS),
    "change-before-barrier": Planted(("members",), 20, MEMBERS),
    # By libraft.
    "change-before-change": Planted(("fail-stop",), 20, MEMBERS, "a configuration change is already in progress"),
    "start-forgets-applied": Planted(("liveness",), 400, SNAPSHOTS),
    # By the replica: of such a point it can't say what the members were.
    "read-answer-untold": Planted((ASSERTION,), 20, SNAPSHOTS),
    "snapshot-ahead": Planted(("snapshot",), 10, SNAPSHOTS),
    "trim-past-snapshot": Planted(("snapshot",), 10, SNAPSHOTS),
    "snapshot-of-latest-members": Planted(("snapshot", "members"), 60, SNAPSHOTS),
    # By the database, which stands on these files.
    "staged-files-not-synced": Planted(("fail-stop",), 60, SNAPSHOTS, "is damaged"),
    "transfer-unready": Planted(("transfer",), 40, SNAPSHOTS),
    # Or by libraft, which takes nothing while it hands over.
    "submit-while-transferring": Planted(("transfer", "fail-stop"), 40, SNAPSHOTS, "after SUBMIT: server is not the leader"),
    # A hand-over to a node that is wiped then: a quiet cluster takes no commands any more (quiet).
    "transfer-never-ends": Planted(("liveness", "transfer", "quiet"), 150, SNAPSHOTS),
    "low-disk-ignored": Planted(("reserve",), 10, LOW_DISKS),
    "low-disk-leads-on": Planted(("reserve",), 40, LOW_DISKS),
    "low-disk-for-ever": Planted(("reserve",), 10, LOW_DISKS),
    "low-disk-goes-round": Planted(("reserve",), 60, LOW_DISKS),
    "early-timeout": Planted(("quiet",), 10),
    "heartbeats-not-aligned": Planted(("quiet",), 30),
    "stale-read": Planted(("read",), 60),
    "read-unconfirmed": Planted(("read",), 120, DISORDER),
    "read-before-barrier": Planted(("read",), 40, DISORDER),
    "read-joins-sent-round": Planted(("read",), 160, DISORDER),
    "read-not-applied": Planted(("read",), 60, DISORDER),
    "min-index-ignored": Planted(("read",), 80, DISORDER),
    "age-of-last-append": Planted(("read",), 120, DISORDER),
    "age-before-applied": Planted(("read",), 80, DISORDER),
    "age-of-old-echo": Planted(("read",), 100, DISORDER),
    "unknown-as-failed": Planted(("acknowledged",), 30),
    "digest-of-another-index": Planted(("digest", "fail-stop"), 20, (), WRONG),
    "one-vote-stops": Planted(("fail-stop",), 20, SPOILT, WRONG),
    "leader-exempts-itself": Planted(("liveness",), 60, SPOILT),
    "copies-count": Planted(("fail-stop",), 120, COPIES, WRONG),
    "lineage-forgotten": Planted(("fail-stop",), 120, COPIES, WRONG),
    "no-deduplication": Planted(("model",), 20),
    "resent-forgotten": Planted(("final",), 60, HELD_UP),
    # Fail-stop: the ledger itself, when the order gives back, or takes out, what was never held.
    "skipped-line": Planted(("model", "fail-stop"), 20, (), CONTRADICTION),
    "hold-leak-on-replay": Planted(("model", "read"), 40),
    "raise-unasked": Planted(("version",), 10, UPGRADES),
    "unknown-version-applied": Planted(("version",), 20, UPGRADES),
    "version-lowered": Planted(("model",), 250, UPGRADES),
    "local-clock-expiry": Planted(("model", "digest"), 5),
    "credit-lost": Planted(("clock",), 5),
    "stamp-by-wall-clock": Planted(("clock",), 20),
    "wall-not-borne-out": Planted(("clock",), 20),
    "no-slew": Planted(("clock",), 20),
    "credit-by-wall-clock": Planted(("clock",), 20),
    "digest-keeps-replaced": Planted(("invariants",), 5),
}

# What is caught at its root by a check that looks inside is caught by its consequences, too, when that check does not count.
BEHIND = {
    "ack-before-quorum": Planted(("acknowledged", "read", "committed", "members"), 20, ("--without", "applied")),
    "apply-before-durable": Planted(("acknowledged", "read", "digest"), 20, ("--without", "applied")),
    "applied-index-ahead": Planted(("acknowledged", "committed", "fail-stop", "read", "liveness"), 20, ("--without", "applied")),
    "stale-append-fed": Planted(("liveness",), 1000, ("--without", "said-durable", *DISORDER)),
    "wiped-node-admitted": Planted(("one-leader", "vote", "committed", "read"), 120, ("--without", "members")),
    "low-disk-for-ever": Planted(("liveness",), 40, ("--without", "reserve", *LOW_DISKS)),
    "unknown-version-applied": Planted(("fail-stop", "digest", "liveness"), 400, ("--without", "version", *UPGRADES)),
}

# docs/decisions/006-rules-that-nothing-misses.md says why.
NOT_CAUGHT = {
    "old-connection-counts": "what an acknowledgement says stays true, whatever connection it comes over",
}


@dataclasses.dataclass
class Bug:
    """A line of base/planted.h."""

    name: str
    broken: str
    what: str


def planted_bugs():
    text = HEADER.read_text(encoding="utf-8").replace("\\\n", " ")
    table = text[text.index("#define PLANTED_BUGS(X)") : text.index("enum planted_bug")]
    bugs = []
    for name, broken, what in re.findall(r'X\(\s*\w+,\s*"([^"]*)",\s*"([^"]*)",\s*((?:"[^"]*"\s*)+)\)', table):
        bugs.append(Bug(name, broken, "".join(re.findall(r'"([^"]*)"', what))))
    count = len(re.findall(r"\bX\(", table))
    if len(bugs) != count:
        raise SystemExit(f"{HEADER} has {count} bugs, {len(bugs)} of them can be read")
    return bugs


def cases(tables=(CAUGHT, BEHIND)):
    """Bugs in the header's order, each with what must catch it."""
    names = [bug.name for bug in planted_bugs()]
    return [(name, table[name]) for table in tables for name in names if name in table]


def run(simulator, seed, options, bug=None):
    """The check that failed; None: none did. And what was printed of it."""
    command = [simulator, "--seed", str(seed), *options] + (["--plant", bug] if bug else [])
    try:
        ran = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS_PER_SEED, check=False)
    except subprocess.TimeoutExpired:
        return "hang", f"{' '.join(command)} has not ended after {SECONDS_PER_SEED} s"
    if ran.returncode == 0:
        return None, ""
    failed = re.search(r"^seed \d+ FAILED \([^)]*\): ([a-z-]+): (.*)", ran.stdout, re.MULTILINE)
    if ran.returncode == 1 and failed:
        return failed.group(1), f"{failed.group(1)}: {failed.group(2)}"
    assertion = re.search(r"Assertion `(.*)' failed", ran.stderr)
    if assertion:
        return ASSERTION, f"{ASSERTION}: {assertion.group(1)}"
    return "crash", f"{' '.join(command)} ends with {ran.returncode}: {ran.stderr.strip()[-500:]}"


def catch(simulator, bug, planted, first_seed):
    """The first seed that fails, with its check and words; (None, None, '') if none does."""
    for seed in range(first_seed, first_seed + planted.seeds):
        check, words = run(simulator, seed, planted.options, bug)
        if check is not None:
            return seed, check, words
    return None, None, ""


def judge(simulator, bug, planted):
    """What is wrong; '' if nothing is. And what to say of it."""
    seed, check, words = catch(simulator, bug, planted, FIRST_SEED)
    if seed is None:
        return f"nothing has failed in {planted.seeds} seeds from {FIRST_SEED}", ""
    if not planted.catches(check, words):
        meant = ", ".join(planted.checks) + (f', with "{planted.contract}"' if planted.contract else "")
        return f"seed {seed} was caught by {words}; meant for it: {meant}", ""
    _, without = run(simulator, seed, planted.options)
    if without:
        return f"seed {seed} fails without the bug, too: {without}", ""
    return "", f"seed {seed}: {words}"


def test(simulator, only, tables):
    bugs = [bug.name for bug in planted_bugs()]
    unknown = sorted((set(CAUGHT) | set(BEHIND) | set(NOT_CAUGHT) | set(only)) - set(bugs))
    forgotten = sorted(set(bugs) - set(CAUGHT) - set(NOT_CAUGHT))
    chosen = [(bug, planted) for bug, planted in cases(tables) if not only or bug in only]
    print("TAP version 13")
    print(f"1..{len(chosen) + 1}")
    complete = not unknown and not forgotten
    print(f"{'ok' if complete else 'not ok'} 1 - every planted bug has its line")
    if not complete:
        print(f"# no such bug: {unknown}; nobody says what catches: {forgotten}")
    failures = 0 if complete else 1
    for number, (bug, planted) in enumerate(chosen, 2):
        wrong, words = judge(simulator, bug, planted)
        print(f"{'not ok' if wrong else 'ok'} {number} - {' '.join([bug, *planted.options])}")
        print(f"# {wrong or words}", flush=True)
        failures += bool(wrong)
    return 1 if failures else 0


def measure(simulator, starts, only):
    """From so many places; 1 if a seed was caught by what is not meant for it, or by nothing."""
    print("| bug | broken | instead | caught by | simulator's options | seeds needed: median | worst | allowed |")
    print("|---|---|---|---|---|---|---|---|")
    bugs = {bug.name: bug for bug in planted_bugs()}
    strays = 0
    for name, planted in cases():
        if only and name not in only:
            continue
        bug = bugs[name]
        needed = []
        checks = {}
        for start in range(starts):
            first = FIRST_SEED + start * BETWEEN_STARTS
            seed, check, words = catch(simulator, bug.name, planted, first)
            needed.append(seed - first + 1 if seed is not None else float("inf"))
            caught = check or "nothing"
            if check is None or not planted.catches(check, words):
                strays += 1
                caught += ", not meant"
                print(f"{name}: from {first}: seed {seed}: {words or 'nothing has failed'}", file=sys.stderr, flush=True)
            checks[caught] = checks.get(caught, 0) + 1
        caught_by = ", ".join(f"{check} ({count})" for check, count in sorted(checks.items(), key=lambda item: -item[1]))
        print(
            f"| {bug.name} | {bug.broken} | {bug.what} | {caught_by} | {' '.join(planted.options)} "
            f"| {statistics.median(needed):g} | {max(needed)} | {planted.seeds} |",
            flush=True,
        )
    return 1 if strays else 0


def main():
    parser = argparse.ArgumentParser(description="Each planted bug is caught.")
    parser.add_argument("simulator")
    parser.add_argument("--only", default="", help="these bugs alone, separated by commas")
    parser.add_argument("--at-root", action="store_true", help="not again without the check that sees them at their root")
    parser.add_argument("--measure", type=int, metavar="STARTS", help="print how many seeds it takes, from so many places")
    arguments = parser.parse_args()
    only = [name for name in arguments.only.split(",") if name]
    if arguments.measure:
        return measure(arguments.simulator, arguments.measure, only)
    return test(arguments.simulator, only, (CAUGHT,) if arguments.at_root else (CAUGHT, BEHIND))


if __name__ == "__main__":
    sys.exit(main())
