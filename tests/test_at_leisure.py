#!/usr/bin/python3
"""test_at_leisure.py AT_LEISURE: whatever of it is refused, the command runs, and its exit status is the answer."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

NOBODY = 65534
AT_ONCE = 6


class AtLeisure(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="holdfast-at-leisure-")
        self.addCleanup(shutil.rmtree, self.directory)
        os.chmod(self.directory, 0o755)
        self.program = os.path.join(self.directory, "at-leisure")
        shutil.copy(AT_LEISURE, self.program)
        os.chmod(self.program, 0o755)
        self.who = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}

    def begin(self, *command, **options):
        return subprocess.Popen([self.program, *command], start_new_session=True, stdout=subprocess.PIPE, text=True, **options)

    def ends(self, process, status, output):
        self.assertEqual((process.communicate(timeout=30)[0], process.returncode), (output, status))

    def test_commands_status(self):
        self.ends(self.begin("sh", "-c", "echo done; exit 7"), 7, "done\n")

    def test_many_at_once_without_root(self):
        for process in [self.begin("echo", "done", **self.who) for _ in range(AT_ONCE)]:
            self.ends(process, 0, "done\n")

    def test_policy_refused(self):
        refusing = os.path.join(self.directory, "chrt")
        with open(refusing, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\necho 'failed to set policy' >&2\nexit 1\n")
        os.chmod(refusing, 0o755)
        self.ends(self.begin("nice", env={"PATH": f"{self.directory}:{os.environ['PATH']}"}), 0, "19\n")


if __name__ == "__main__":
    AT_LEISURE = os.path.abspath(sys.argv.pop(1))
    unittest.main()
