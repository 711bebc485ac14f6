#!/usr/bin/python3
"""The arithmetic of pauses.py: what counts of a time without an answer, and what it was spent on."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import pauses


def lives(*changes):
    found = pauses.Lives(3)
    found.changes = [(0.0, node, True) for node in (1, 2, 3)] + list(changes)
    return found


def line(second, node, event, **fields):
    return {"time": f"1970-01-01T00:01:{second:06.3f}Z", "node": node, "event": event, **fields}


class Pauses(unittest.TestCase):
    def cut(self, pause, *changes):
        return pauses.cut(pause, lives(*changes).faults())

    def test_all_of_it_counts_when_nobody_died(self):
        self.assertEqual(self.cut((10, 13)), (10, 10))
        self.assertEqual(self.cut((10, 13), (5, 1, False), (6, 1, True), (14, 2, False)), (10, 10))

    def test_a_recovery_begins_with_the_kill(self):
        self.assertEqual(self.cut((10, 13), (11, 1, False)), (10, 11))
        self.assertEqual(self.cut((10, 13), (10.5, 1, False), (11, 1, True), (12, 2, False)), (10, 12))

    def test_a_node_that_comes_back_to_a_majority_is_no_fault(self):
        self.assertEqual(self.cut((10, 13), (9, 1, False), (12, 1, True)), (10, 10))

    def test_without_a_majority_nobody_can_answer(self):
        self.assertEqual(self.cut((10, 15), (10.5, 1, False), (10.5, 2, False), (12, 1, True), (12.1, 2, True)), (12, 12))
        self.assertEqual(self.cut((10, 15), (9, 1, False), (9.9, 2, False), (12, 2, True), (14, 3, False), (14.5, 1, True)), (14.5, 14.5))

    def test_the_last_answer_before_a_majority_is_lost_for_long(self):
        self.assertEqual(self.cut((10, 10.6), (10.5, 1, False), (10.5, 2, False)), (10.6, 10.6))

    def test_report(self):
        told = [
            line(1.2, 1, "role", state="candidate", term=4, leader=0),
            line(1.5, 1, "role", state="leader", term=5, leader=1),
            line(1.5, 2, "role", state="follower", term=5, leader=1),
            line(2.5, 1, "serving", leader=1, term=5),
            line(2.6, 2, "serving", leader=1, term=5),
            line(4.0, 3, "started"),
        ]
        # The log's clock showed 1 minute when the monotonic one showed 100 seconds.
        found = pauses.report([(90, 90.3), (100.5, 102.6)], lives((101.0, 3, False)), told, 60 - 100)
        self.assertEqual((found["longest_with_majority_ms"], found["longest_recovery_ms"], found["recoveries_above_1s"]), (2100, 1600, 1))
        self.assertEqual(
            found["longest_recovery"], {"elected_ms": 500, "serving_ms": 1500, "answered_ms": 1600, "candidacies": 1, "terms": 2, "slow_turns_ms": []}
        )


if __name__ == "__main__":
    unittest.main()
