"""Disks that fail, for the nodes of a test: tests/lib/disk_faults.c preloaded, and its control file."""

import os

import harness

LIBRARY = harness.BUILD / "tests" / "lib" / "libdisk_faults.so"


class Disk:
    """The disk of one node. Made before the node is started; its faults come and go while it runs."""

    def __init__(self, node):
        self.node = node
        self._control = node.log_path.with_suffix(".faults")
        sanitizers = os.environ.get("ASAN_OPTIONS", "")
        node.environment.update(
            LD_PRELOAD=str(LIBRARY),
            DISK_FAULTS=str(self._control),
            # Its own library has to come first, says the sanitizer; it works behind this one too.
            ASAN_OPTIONS=":".join(filter(None, (sanitizers, "verify_asan_link_order=0"))),
        )

    def fail(self, *rules):
        """From now on, and instead of what was said before: lines as "sync /log/ EIO" (tests/lib/disk_faults.c)."""
        text = "".join(f"{rule}\n" for rule in rules)
        beside = self._control.with_suffix(".new")
        beside.write_text(text)
        beside.rename(self._control)

    def mend(self):
        self.fail()
