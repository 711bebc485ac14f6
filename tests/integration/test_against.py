#!/usr/bin/python3
"""jepsen/against on a real cluster: every workload, with a node killed meanwhile, gives a history that all checkers call valid."""

import subprocess

import harness  # first: it finds grpcio and the stubs

from harness import WORK, seconds, wait_until

AGAINST = harness.BUILD / "jepsen" / "against"
RECHECK = harness.BUILD / "jepsen" / "recheck"
WORKLOADS = ("orders", "torn", "idempotency", "expiry", "holds", "queries", "single", "membership")
SECONDS = 4


class Against(harness.TestCase):
    def setUp(self):
        self.directory = WORK.new("stores")

    def against(self, endpoints, workload, store, *arguments):
        command = [AGAINST, "--endpoints", endpoints, "--workload", workload, "--store", store, *arguments]
        return harness.spawn(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def finish(self, process):
        output, _ = process.communicate(timeout=seconds(60))
        self.assertNotIn("Sanitizer", output)
        return output

    def wait_for_load(self, store):
        """The stocks are set, and the load is on: the first block of the history is written."""
        history = store / "history.edn"
        wait_until(lambda: history.exists() and b":read-" in history.read_bytes(), "no load in " + str(history), 20)

    def test_workloads_with_a_leader_killed(self):
        cluster = self.open_cluster(3)
        for workload in WORKLOADS:
            with self.subTest(workload):
                store = self.directory / workload
                process = self.against(
                    cluster.endpoints, workload, store,
                    "--time", SECONDS, "--clients", 6, "--rate", 600, "--timeout", 2000, "--resends",
                )  # fmt: skip
                self.wait_for_load(store)
                leader = cluster.leader()
                leader.kill()
                leader.start()
                cluster.wait_ready()
                output = self.finish(process)
                self.assertEqual(process.returncode, 0, output)
                self.assertIn(f"{workload}: valid", output)
                self.assertTrue((store / "results.edn").exists())

    def test_the_same_store_again(self):
        """A directory with a history is left alone, and gives the same verdict to recheck; a seed is good for one run on a cluster."""
        cluster = self.open_cluster(1)
        store = self.directory / "twice"
        process = self.against(cluster.endpoints, "single", store, "--time", 2, "--seed", 5)
        output = self.finish(process)
        self.assertEqual(process.returncode, 0, output)
        first = (store / "history.edn").read_bytes()
        process = self.against(cluster.endpoints, "single", store, "--time", 1)
        self.assertIn("history.edn", self.finish(process))
        self.assertEqual(process.returncode, 2)
        self.assertEqual((store / "history.edn").read_bytes(), first)
        process = self.against(cluster.endpoints, "single", self.directory / "other", "--time", 1, "--seed", 5)
        self.assertIn("a run with this seed has been before", self.finish(process))
        self.assertEqual(process.returncode, 2)
        done = subprocess.run([RECHECK, store], capture_output=True, text=True, timeout=seconds(60), check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_what_cannot_be_run(self):
        process = self.against("127.0.0.1:1", "single", self.directory / "nobody", "--timeout", 300)
        self.assertIn("can't be set", self.finish(process))
        self.assertEqual(process.returncode, 2)
        for arguments in (("--clients", 0), ("--rate", "x"), ("--time", -1), ("--unknown",)):
            process = self.against("127.0.0.1:1", "single", self.directory / "no", *arguments)
            self.finish(process)
            self.assertEqual(process.returncode, 2, arguments)
        process = self.against("127.0.0.1:1", "nothing", self.directory / "no")
        self.assertIn("no workload is called nothing", self.finish(process))
        self.assertEqual(process.returncode, 2)


if __name__ == "__main__":
    harness.main()
