"""File systems of a test's own: in a mount namespace of its own, so that they and their loop devices go with the test's last process, however
that ends.
"""

import fcntl
import os
import struct
import subprocess
import sys

import harness

# ext4's way to go as if the power had: nothing more reaches the disk, not even the journal (linux/ext4.h; fs/ext4/ioctl.c).
EXT4_IOC_SHUTDOWN = 0x8004587D
EXT4_GOING_FLAGS_NOLOGFLUSH = 2


def enter_private_mounts():
    """Starts this program anew in a mount namespace of its own. False: that is not permitted here."""
    if os.environ.get("HOLDFAST_PRIVATE_MOUNTS") == "1":
        return True
    unshare = ["unshare", "--mount", "--propagation", "private", "--"]
    if os.geteuid() != 0 or subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode != 0:
        return False
    os.environ["HOLDFAST_PRIVATE_MOUNTS"] = "1"
    os.execvp(unshare[0], [*unshare, sys.executable, *sys.argv])


class NoMount(Exception):
    pass


def _run(*command):
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise NoMount(f"{' '.join(map(str, command))}: {run.stderr.strip()}")


class Ext4:
    """A small ext4 in a file, mounted through a loop device at a directory."""

    def __init__(self, directory, megabytes):
        self.image = directory.with_name(f"{directory.name}.image")
        self.path = directory
        with self.image.open("wb") as file:
            file.truncate(megabytes << 20)
        directory.mkdir()
        _run("mkfs.ext4", "-q", "-F", self.image)
        self.mount()

    def mount(self):
        _run("mount", "-o", "loop", self.image, self.path)

    def unmount(self):
        # Whoever held a file there is gone; the kernel may need a moment to see it.
        harness.wait_until(lambda: subprocess.run(["umount", self.path], capture_output=True, check=False).returncode == 0, f"{self.path} is held")

    def cut_power(self):
        """What was not synced is gone, behind the next mount."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", EXT4_GOING_FLAGS_NOLOGFLUSH))
        finally:
            os.close(descriptor)

    def remove(self):
        """At the end of a test, whatever has happened."""
        subprocess.run(["umount", "--lazy", self.path], capture_output=True, check=False)
        self.image.unlink(missing_ok=True)
