"""A run with all faults that this machine can do, from a fresh seed: it must be valid."""

import sys

import chaos


def main():
    chaos.skip_unless_possible()
    status, output = chaos.run(chaos.fresh_store("mixed"), "--time", chaos.TIME, "--nodes", "3", "--rate", chaos.RATE, timeout=340)
    print(output)
    return status


if __name__ == "__main__":
    sys.exit(main())
