"""What every integration test needs: where the build is, a working directory that survives a failure, conditions with deadlines.

A test program is a file test_*.py of unittest cases that ends with `harness.main()`. Its exit status is meson's: 0 passed, 1 failed, 77
skipped. Everything it writes lies below one directory, which is removed when all went well and named when it did not.

Environment: HOLDFAST_BUILD is the build directory (default: build/ beside the sources); HOLDFAST_TIME_FACTOR stretches every time limit
for slow builds (sanitizers), HOLDFAST_ELECTION_FACTOR the election timeouts, by no more than what such nodes need to keep them: tests wait for
those at each start and behind each fault; HOLDFAST_KEEP=1 keeps the working directory.
"""

import atexit
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import unittest

SKIPPED = 77
PR_SET_PDEATHSIG = 1

SOURCES = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HOLDFAST_BUILD", SOURCES / "build")).resolve()
HOLDFASTD = BUILD / "node" / "holdfastd"
HOLDFASTD_NEXT = BUILD / "tests" / "integration" / "holdfastd-next"  # next_build.c
HOLDFAST = BUILD / "cluster" / "holdfast"
TIME_FACTOR = float(os.environ.get("HOLDFAST_TIME_FACTOR", "1"))
ELECTION_FACTOR = float(os.environ.get("HOLDFAST_ELECTION_FACTOR", "1"))
SANITIZED = os.environ.get("HOLDFAST_SANITIZED", "") == "1"


def skip_program(why):
    print(f"skipped: {why}")
    sys.exit(SKIPPED)


sys.path.insert(0, str(BUILD / "tests" / "integration" / "stubs"))
# grpcio looks after a lost connection only while a call waits on its channel, and else every 5 s: too seldom for nodes that come back at once.
os.environ.setdefault("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "20")
try:
    import grpc  # noqa: F401
except ImportError:
    skip_program("Python's grpcio is missing: apt-get install python3-grpcio")
try:
    from holdfast.v1 import ledger_pb2  # noqa: F401
except ImportError:
    skip_program(f"{BUILD} has no Python stubs: not built yet, or configured without protobuf-compiler-grpc")


# What a sanitizer or a failed assertion leaves behind in a node's log.
CRASH_MARKS = (
    "AddressSanitizer",
    "LeakSanitizer",
    "ThreadSanitizer",
    "UndefinedBehaviorSanitizer",
    "runtime error:",
    "Assertion `",
    "assertion failed",
)


def crash_lines(path):
    """The lines of a log that tell of a crash, with a little of what follows."""
    lines = path.read_text(errors="replace").splitlines()
    found = []
    for number, line in enumerate(lines):
        if any(mark in line for mark in CRASH_MARKS):
            found += [f"{path}:{number + 1}: {text}" for text in lines[number : number + 12]]
            break
    return found


class WorkingDirectory:
    """One directory for everything that this program writes."""

    def __init__(self):
        self.path = None
        self.keep = os.environ.get("HOLDFAST_KEEP", "") == "1"
        self._names = {}

    def new(self, name):
        """A new, empty directory below it."""
        if self.path is None:
            program = pathlib.Path(sys.argv[0]).stem
            self.path = pathlib.Path(tempfile.mkdtemp(prefix=f"holdfast-{program}-"))
        number = self._names.get(name, 0) + 1
        self._names[name] = number
        directory = self.path / f"{name}-{number}"
        directory.mkdir()
        return directory

    def finish(self):
        if self.path is None or not self.path.exists():
            return
        if self.keep:
            print(f"\nlogs and data directories are kept in {self.path}", file=sys.stderr)
        else:
            shutil.rmtree(self.path, ignore_errors=True)


WORK = WorkingDirectory()


def seconds(value):
    """A time limit, stretched for slow builds."""
    return value * TIME_FACTOR


def wait_until(condition, what, timeout=10, pause=0.005):
    """Polls until condition() is true and returns what it returned. `what` (text, or a function that makes it) is what was waited for."""
    deadline = time.monotonic() + seconds(timeout)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            text = what() if callable(what) else what
            raise AssertionError(f"not within {seconds(timeout):.1f} s: {text}")
        time.sleep(pause)


def spawn(arguments, **options):
    """Starts a process that is killed when this one ends, however that happens.

    The kernel sends the signal when the thread that started the process ends, so only the main thread may start one.
    """
    assert threading.current_thread() is threading.main_thread(), "processes are started by the main thread only"
    command = ["setpriv", "--pdeathsig", "KILL", "--", *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)


def holdfast(*arguments, endpoints=None, timeout=60, environment=None):
    """Runs the holdfast command to its end: subprocess.CompletedProcess with text in stdout and stderr."""
    command = [str(HOLDFAST), *map(str, arguments)]
    if endpoints is not None:
        command += ["--endpoints", endpoints]
    env = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    env.update(environment or {})
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds(timeout), env=env, check=False
    )


class TestCase(unittest.TestCase):
    """A unittest case that keeps what it wrote when it fails, and stops the clusters that it opened."""

    maxDiff = None

    def run(self, result=None):
        result = result if result is not None else self.defaultTestResult()
        before = len(result.failures) + len(result.errors)
        self._clusters = []
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            WORK.keep = True
        elif not WORK.keep:
            for cluster in self._clusters:
                shutil.rmtree(cluster.directory, ignore_errors=True)
        return result

    def open_cluster(self, size=3, **options):
        """A running cluster for this test alone; stopped, and its logs scanned, when the test ends."""
        import cluster

        opened = cluster.Cluster(size, **options)
        self._clusters.append(opened)
        self.addCleanup(opened.stop)
        opened.start()
        return opened

    @classmethod
    def open_class_cluster(cls, size=3, **options):
        """A running cluster for all tests of the class, to which nothing happens: a machine that is short of cores must not make it elect anew."""
        import cluster

        opened = cluster.Cluster(size, election_timeout_ms=1000, **options)
        cls.addClassCleanup(opened.stop)
        opened.start()
        return opened


def _end_on_signal(number, frame):
    """Somebody has lost patience: say what was being waited for, and stop what runs."""
    WORK.keep = True
    print(f"ended by signal {number}, at", file=sys.stderr)
    traceback.print_stack(frame)
    sys.stderr.flush()
    sys.exit(128 + number)


def begin():
    """What a program does before it starts a node."""
    for path in (HOLDFASTD, HOLDFAST):
        if not path.exists():
            sys.exit(f"{path} is missing: build first")
    signal.signal(signal.SIGTERM, _end_on_signal)
    # Whoever runs the tests may be killed: this program, and with it its nodes, must not outlive that.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    atexit.register(WORK.finish)


def main():
    """Runs the tests of the calling program and exits with meson's status."""
    begin()
    program = unittest.main(module="__main__", verbosity=2, exit=False)
    result = program.result
    if not result.wasSuccessful():
        WORK.keep = True
        sys.exit(1)
    if result.testsRun > 0 and len(result.skipped) == result.testsRun:
        sys.exit(SKIPPED)
    sys.exit(0 if result.testsRun > 0 else 1)
