#!/usr/bin/python3
"""recheck_test.py RECHECK: the program on stored runs. The same run gives the same results byte for byte, exits tell the verdict, and
what it draws is XML that names nothing outside."""

import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

RECHECK = sys.argv.pop(1)
SECOND = 1_000_000_000


def event(kind, process, function, value, at, error=""):
    return f"{{:type :{kind}, :f :{function}, :value {value}, :process {process}, :time {int(at * SECOND)}{error}}}\n"


def good_history(operations):
    text = event("invoke", 0, "set-stock", '{:stock "A", :on-hand 100000, :request-id "r"}', 0)
    text += event("ok", 0, "set-stock", "{:verdict :ok, :log-index 1, :log-position 0}", 0.01)
    for number in range(operations):
        at = 0.1 + number / 50
        if number == operations // 2:
            for word in ("start-partition", "start-partition", "stop-partition", "stop-partition"):
                text += event("info", ":nemesis", word, '{:grudge {"n1" #{"n2"}}}', at)
        text += event("invoke", 0, "reserve", f'{{:order "o<&\\"{number}", :lines [["A" 1]]}}', at)
        answer = f'{{:order "o<&\\"{number}", :verdict :ok, :log-index {number + 2}, :log-position 0}}'
        text += event("ok", 0, "reserve", answer, at + 0.002 * (1 + number % 7))
    return text


class Recheck(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.store = pathlib.Path(holder.name)

    def run_recheck(self, *arguments):
        done = subprocess.run([RECHECK, self.store, *arguments], capture_output=True, text=True, timeout=60, check=False)
        self.assertNotIn("Sanitizer", done.stderr)
        return done

    def put(self, history, test="{:name \"a run\" :check {:least-operations 10}}"):
        (self.store / "history.edn").write_text(history, encoding="utf-8")
        (self.store / "test.edn").write_text(test, encoding="utf-8")

    def test_valid_and_again(self):
        self.put(good_history(300))
        done = self.run_recheck()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("a run: valid", done.stdout)
        first = (self.store / "results.edn").read_bytes()
        self.assertTrue(first.startswith(b"{:valid? true"))
        self.assertEqual(self.run_recheck().returncode, 0)
        self.assertEqual((self.store / "results.edn").read_bytes(), first)

    def test_pictures(self):
        self.put(good_history(5000))
        self.assertEqual(self.run_recheck().returncode, 0)
        for name in ("latency-raw.svg", "latency-quantiles.svg", "rate.svg"):
            text = (self.store / name).read_text(encoding="utf-8")
            root = xml.etree.ElementTree.fromstring(text)
            self.assertTrue(root.tag.endswith("svg"))
            self.assertIn("partition", text)
            self.assertNotIn("nan", text.lower())
            self.assertEqual(text.count("http"), 1, "the name space alone")
        page = (self.store / "timeline.html").read_text(encoding="utf-8")
        self.assertNotIn("http", page)
        self.assertIn("o&lt;&amp;", page)
        self.assertNotIn('o<&"', page)
        self.assertIn("operations are not shown", page)
        self.assertLess(len(page), 8_000_000)

    def test_nothing_happened(self):
        self.put("")
        done = self.run_recheck()
        self.assertEqual(done.returncode, 3, done.stdout)
        for name in ("latency-raw.svg", "latency-quantiles.svg", "rate.svg"):
            xml.etree.ElementTree.fromstring((self.store / name).read_text(encoding="utf-8"))

    def test_invalid(self):
        history = good_history(300)
        history += event("invoke", 1, "read-order", '{:order "o<&\\"7"}', 100)
        history += event("ok", 1, "read-order", "{:verdict :order-not-found, :log-index 400}", 100.5)
        self.put(history)
        done = self.run_recheck()
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("acknowledged   invalid", done.stdout)
        self.assertIn(b":valid? false", (self.store / "results.edn").read_bytes())
        self.assertIn('class="ok named"', (self.store / "timeline.html").read_text(encoding="utf-8"))

    def test_dry(self):
        self.put(good_history(300))
        self.assertEqual(self.run_recheck("--dry").returncode, 0)
        self.assertFalse((self.store / "results.edn").exists())

    def test_died(self):
        self.put(good_history(300) + '{:type :invoke, :f :re')
        done = self.run_recheck()
        self.assertEqual(done.returncode, 3)
        self.assertIn("died", done.stdout)

    def test_logs(self):
        self.put(good_history(300))
        (self.store / "n1.log").write_text("core.c:1: f: Assertion `x' failed.\n", encoding="utf-8")
        self.assertEqual(self.run_recheck().returncode, 1)
        self.put(good_history(300), "{:check {:least-operations 10 :skip [:logs]}}")
        self.assertEqual(self.run_recheck().returncode, 0)

    def test_unreadable(self):
        self.put("words\n")
        done = self.run_recheck()
        self.assertEqual(done.returncode, 2)
        self.assertIn("history.edn, line 1", done.stderr)
        self.put(good_history(3), "{:check {:skip [:nothing]}}")
        self.assertEqual(self.run_recheck().returncode, 2)
        self.assertEqual(self.run_recheck("--sideways").returncode, 2)


if __name__ == "__main__":
    unittest.main()
