"""What the runner promises besides its verdict: words for wrong options, a directory that is whole, an early end that is analysed, nothing left
behind, and that a planted bug makes a run invalid."""

import os
import pathlib
import re
import subprocess
import time
import unittest

import chaos

QUICK = ("--nodes", "3", "--rate", chaos.RATE)
FILES = {"test.edn", "history.edn", "results.edn", "timeline.html", "latency-raw.svg", "latency-quantiles.svg", "rate.svg", "n1.log", "n2.log", "n3.log"}


def nodes_of(store):
    """Processes whose command line names this store."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(store).encode() in words:
                found.append(entry.name)
    return found


def wait_gone(store, seconds):
    """The kernel ends a run's processes at once, but not in no time."""
    deadline = time.monotonic() + seconds
    while nodes_of(store) and time.monotonic() < deadline:
        time.sleep(0.1)
    return nodes_of(store)


class Runner(unittest.TestCase):
    def test_wrong_options(self):
        status, output = chaos.run(chaos.STORE, "--nemesis", "weather", timeout=10)
        self.assertEqual((status, output), (2, "chaos: --nemesis: there is no nemesis 'weather': --list names them\n"))
        status, output = chaos.run(chaos.STORE, "--program", "/nowhere", timeout=10)
        self.assertEqual((status, output), (2, "chaos: --program /nowhere: No such file or directory\n"))
        status, output = chaos.run(chaos.STORE, "--planted", "nothing", timeout=10)
        self.assertEqual((status, output), (2, "chaos: --planted: there is no bug 'nothing': docs/planted-bugs.md names them\n"))
        status, output = chaos.run(chaos.STORE, "--nodes", "1", "--nemesis", "partition-one", timeout=10)
        self.assertEqual((status, output), (2, "chaos: partition-one needs more nodes (--nodes)\n"))

    def test_the_page_has_all_that_is_listed(self):
        page = (pathlib.Path(__file__).parents[2] / "docs" / "jepsen.md").read_text(encoding="utf-8")
        status, output = chaos.run(chaos.STORE, "--list", timeout=10)
        self.assertEqual(status, 0)
        for line in output.splitlines():
            if line.startswith("  "):
                self.assertIn(f"\n| {line.split()[0]} | ", page)

    def test_a_run_and_what_it_leaves(self):
        store = chaos.fresh_store("whole")
        status, output = chaos.run(store, *QUICK, "--time", "10s", "--nemesis", "kill-leader", "--seed", "7", timeout=120)
        self.assertEqual(status, 0, output)
        where = (store / "latest").resolve()
        self.assertEqual(where, (store / "orders-kill-leader" / "latest").resolve())
        self.assertEqual({entry.name for entry in where.iterdir()}, FILES)
        self.assertIn(':seed "7"', (where / "test.edn").read_text())
        self.assertIn(":f :start-kill-leader", (where / "history.edn").read_text())
        self.assertEqual(wait_gone(store, 10), [])
        before = (where / "results.edn").read_bytes()
        again = subprocess.run([chaos.RECHECK, str(where)], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(again.returncode, 0, again.stdout + again.stderr)
        self.assertEqual((where / "results.edn").read_bytes(), before)

    def test_an_interrupt_ends_it_early(self):
        store = chaos.fresh_store("interrupted")
        process = chaos.start(store, *QUICK, "--time", "10m", "--nemesis", "pause-one")
        self.wait_for_operations(process, store)
        began = time.monotonic()
        chaos.interrupt(process)
        output, _ = process.communicate(timeout=60)
        self.assertLess(time.monotonic() - began, 45)
        self.assertEqual(process.returncode, 3, output)  # not enough for ten minutes
        self.assertIn("it was interrupted", output)
        self.assertIn("witness        valid", output)
        self.assertEqual(wait_gone(store, 10), [])

    def test_a_second_interrupt_ends_it_at_once(self):
        store = chaos.fresh_store("interrupted-twice")
        process = chaos.start(store, *QUICK, "--time", "10m", "--nemesis", "none")
        self.wait_for_operations(process, store)
        chaos.interrupt(process)
        time.sleep(0.5)  # nearer to each other they are one
        chaos.interrupt(process)
        process.communicate(timeout=10)
        self.assertNotEqual(process.returncode, 0)
        self.assertEqual(wait_gone(store, 10), [])

    def test_killed_it_leaves_nothing(self):
        store = chaos.fresh_store("killed")
        process = chaos.start(store, *QUICK, "--time", "10m", "--nemesis", "none")
        self.wait_for_operations(process, store)
        process.kill()
        process.communicate(timeout=10)
        self.assertEqual(wait_gone(store, 10), [])

    def test_a_planted_bug_is_invalid_and_keeps_its_data(self):
        store = chaos.fresh_store("planted")
        status, output = chaos.run(store, *QUICK, "--time", "15s", "--nemesis", "none", "--planted", "skipped-line", timeout=120)
        self.assertEqual(status, 1, output)
        self.assertRegex(output, re.compile(r"^invalid$", re.MULTILINE))
        where = (store / "latest").resolve()
        for node in ("n1", "n2", "n3"):
            self.assertTrue((where / node).is_dir())

    def test_an_analysis_that_dies_leaves_the_disks(self):
        store = chaos.fresh_store("unanalysed")
        process = chaos.start(store, *QUICK, "--time", "10s", "--nemesis", "none")
        self.wait_for_operations(process, store)
        where = (store / "latest").resolve()
        os.mkfifo(where / ".results.edn.new")  # whoever writes results waits for a reader
        deadline = time.monotonic() + 60
        while not (where / "n3" / "data").is_dir():
            self.assertLess(time.monotonic(), deadline)
            self.assertIsNone(process.poll(), "it ended by itself")
            time.sleep(0.1)
        process.kill()
        process.communicate(timeout=10)
        for node in ("n1", "n2", "n3"):
            self.assertTrue((where / node / "data").is_dir())
        self.assertFalse((where / "results.edn").exists())
        self.assertEqual(wait_gone(store, 10), [])

    def wait_for_operations(self, process, store):
        """The run is under way: its history grows."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            history = store / "latest" / "history.edn"
            if history.exists() and history.stat().st_size > 100_000:
                return
            self.assertIsNone(process.poll(), "it ended by itself")
            time.sleep(0.2)
        self.fail("nothing was recorded within a minute")


if __name__ == "__main__":
    chaos.skip_unless_possible()
    unittest.main(verbosity=2)
