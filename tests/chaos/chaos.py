"""What the tests of this folder share: whether a run is possible here, and how to make one."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys

CHAOS = os.environ["CHAOS"]
RECHECK = os.environ["RECHECK"]
STORE = pathlib.Path(os.environ["CHAOS_STORE"])
RATE = os.environ.get("CHAOS_RATE", "600")
TIME = os.environ.get("CHAOS_TIME", "2m")
SKIPPED = 77  # as meson knows it


def skip_unless_possible():
    """Ends the program as skipped where there is no root, or no namespace."""
    if os.geteuid() != 0:
        print("skipped: a chaos run needs root")
        sys.exit(SKIPPED)
    tried = subprocess.run(["unshare", "--mount", "--pid", "--net", "--fork", "true"], capture_output=True, text=True, timeout=30, check=False)
    if tried.returncode != 0:
        print(f"skipped: a chaos run needs namespaces of its own: {tried.stderr.strip()}")
        sys.exit(SKIPPED)


def fresh_store(name):
    """An empty directory of this program's own, for they run beside each other; what an earlier test left there is gone."""
    store = STORE / pathlib.Path(sys.argv[0]).stem / name
    shutil.rmtree(store, ignore_errors=True)
    store.mkdir(parents=True)
    return store


def start(store, *words):
    """A run, its output on a pipe, in a process group of its own as a terminal's foreground job is."""
    return subprocess.Popen(
        [CHAOS, "--store", str(store), *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def interrupt(process):
    """Ctrl-C: to all processes of the group."""
    os.killpg(process.pid, signal.SIGINT)


def run(store, *words, timeout):
    """A run to its end: its status and what it printed."""
    process = start(store, *words)
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return process.returncode, output
