"""Times without an answer, held against what happened to the nodes meanwhile: what was nobody's fault, and where the rest went.

A majority of the nodes down at once is a pause by design; what counts is the time from its return to the first answer. So each pause is cut
twice: at the moment from which on a majority ran to its end (`with_majority`), and at the last thing that was done to the cluster in it, be it
another kill or the return of a majority (`recovery`: nothing but the nodes' own work). Of the longest recovery it is told what the nodes
logged: when the last of them had started, when a leader was elected and in how many terms, when it served.

All moments are seconds of the monotonic clock, which this machine's programs share; the nodes' log lines are put on it by `monotonic_of`.
"""

import datetime
import time


class Lives:
    """When which node ran."""

    def __init__(self, size):
        self.size = size
        self.changes = []  # (moment, node id, runs from now on?)

    def began(self, node_id):
        self.changes.append((time.monotonic(), node_id, True))

    def ended(self, node_id):
        self.changes.append((time.monotonic(), node_id, False))

    def faults(self):
        """(moment, is there a majority from then on, was there one before) of each change that matters to a pause: a kill, or a majority's return."""
        running = set()
        found = []
        for moment, node_id, runs in self.changes:
            had = len(running) * 2 > self.size
            (running.add if runs else running.discard)(node_id)
            has = len(running) * 2 > self.size
            if not runs or has != had:
                found.append((moment, has, had))
        return found


def cut(pause, faults):
    """The pause's two parts that count, as moments at which they begin."""
    begin, end = pause
    majority_from = recovery_from = begin
    has = None
    for moment, has_now, had in faults:
        if moment > end:
            break
        has = has_now
        if moment <= begin:
            continue
        recovery_from = moment
        if has_now and not had:
            majority_from = moment
    if has is False:  # the answer was on its way when the majority went: nobody waited for anything
        return end, end
    return majority_from, recovery_from


def monotonic_of(line, offset):
    """Of a node's log line; `offset` is time.time() - time.monotonic()."""
    return datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp() - offset


def describe(begin, end, lines, offset):
    """What the nodes logged from then to then: when each stage of a recovery was over, in ms from its beginning."""
    within = sorted(((monotonic_of(line, offset), line) for line in lines), key=lambda pair: pair[0])
    within = [(moment, line) for moment, line in within if begin - 0.002 <= moment <= end]
    stages = {}

    def note(name, found):
        if found:
            stages[name] = round((max(found) - begin) * 1000)

    roles = [(moment, line) for moment, line in within if line["event"] == "role"]
    elected = [moment for moment, line in roles if line["state"] == "leader" and line["leader"] == line["node"]]
    note("started_ms", [moment for moment, line in within if line["event"] == "started"])
    note("elected_ms", elected)
    note("serving_ms", [moment for moment, line in within if line["event"] == "serving" and line["leader"] == line["node"]])
    note("answered_ms", [end])
    stages["candidacies"] = sum(line["state"] == "candidate" for _, line in roles)
    stages["terms"] = len({line["term"] for _, line in roles})
    stages["slow_turns_ms"] = [line["ms"] for _, line in within if line["event"] == "slow-turn"]
    return stages


def read(path):
    """What order-load --pauses wrote."""
    return [tuple(float(each) for each in line.split()) for line in path.read_text().splitlines()]


def report(pauses, lives, lines, offset):
    """Figures for a run's summary."""
    faults = lives.faults()
    figures = {"longest_with_majority_ms": 0, "longest_recovery_ms": 0, "recoveries_above_1s": 0, "longest_recovery": {}}
    for pause in pauses:
        begin, end = pause
        majority_from, recovery_from = cut(pause, faults)
        with_majority = round((end - majority_from) * 1000)
        recovery = round((end - recovery_from) * 1000)
        figures["longest_with_majority_ms"] = max(figures["longest_with_majority_ms"], with_majority)
        figures["recoveries_above_1s"] += recovery > 1000
        if recovery > figures["longest_recovery_ms"]:
            figures["longest_recovery_ms"] = recovery
            figures["longest_recovery"] = describe(recovery_from, end, lines, offset)
    return figures
