"""What the long runs have in common: a cluster that is kept if the run fails, the load beside it, and the questions at the end."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import harness  # noqa: E402 - first: it finds grpcio and the stubs
from cluster import Cluster  # noqa: E402

ORDER_LOAD = harness.BUILD / "tests" / "endurance" / "order-load"


def log(text):
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def cluster(size, **options):
    """A running cluster. Its directory is kept, and named, if the run fails."""
    harness.begin()
    opened = Cluster(size, **options)
    try:
        opened.start()
        yield opened
        opened.stop()
    except BaseException:
        harness.WORK.keep = True
        with contextlib.suppress(AssertionError):
            opened.stop()
        raise


def order_load(cluster, *arguments, timeout=3600):
    """Runs the load to its end: its figures."""
    return Load(cluster, *arguments).finish(timeout)


class Load:
    """order-load beside what the caller does."""

    def __init__(self, cluster, *arguments):
        command = [ORDER_LOAD, "--endpoints", cluster.endpoints, "-o", "json", *arguments]
        self.process = harness.spawn(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    @property
    def running(self):
        return self.process.poll() is None

    def finish(self, timeout):
        """Waits for its end: its figures."""
        stdout, stderr = self.process.communicate(timeout=timeout)
        if self.process.returncode != 0:
            raise AssertionError(f"order-load ended with {self.process.returncode}: {stderr}")
        return json.loads(stdout)


def check(cluster, orders, skus=1000):
    """All orders are there, once; all nodes have one digest, and records that bear it out."""
    log(f"checking {orders} orders")
    order_load(cluster, "--check", "--orders", str(orders), "--skus", str(skus), "--batch", "500", "--callers", "8")
    cluster.wait_equal_digests(120)
    cluster.verify(600)


def usage(node):
    """(bytes that the node's process has in memory now, the most it ever had)."""
    fields = {}
    for line in pathlib.Path(f"/proc/{node.process.pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        fields[name] = value.split()
    return int(fields["VmRSS"][0]) << 10, int(fields["VmHWM"][0]) << 10


def directory_bytes(path):
    """What a node's directory takes on the disk; what the node removes meanwhile counts for nothing."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.stat(os.path.join(folder, name)).st_blocks * 512
    return total
