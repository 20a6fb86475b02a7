"""Runs the measurements of the ledger by name and prints what each side does, what it found, and the aims."""

import argparse
import importlib
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

# In the order in which they run; each is a module beside this one with a function `measure(setting)`.
MEASUREMENTS = {
    "ordering": "durable writes a second and their latency, against etcd",
    "failover": "time without an answer when the leader crashes",
    "growth": "a long ledger beside a short one: proofs, audit, restart, memory",
}
LEAVES, LEAVES_SHORT = 1_000_000, 1000
ROUNDS, SECONDS = 3, 5.0
# What is enough to see that everything runs.
SMOKE_LEAVES, SMOKE_ROUNDS, SMOKE_SECONDS = 10_000, 1, 0.5


class Setting:
    """What the measurements are told: how long, how often, where."""

    def __init__(self, given, folder):
        self.folder, self.kept = folder, given.keep
        self.rounds = given.rounds or (SMOKE_ROUNDS if given.smoke else ROUNDS)
        self.seconds = given.seconds or (SMOKE_SECONDS if given.smoke else SECONDS)
        self.leaves = given.leaves or (SMOKE_LEAVES if given.smoke else LEAVES)
        self.leaves_short = min(LEAVES_SHORT, self.leaves)

    def subfolder(self, name):
        """A new folder for the files of one measurement."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))

    def ledger_folder(self, leaves):
        """Where a ledger of so many leaves lies, or is to lie; one that is kept is there in the next run."""
        return (self.kept or self.folder) / f"ledger-{leaves}"


def arguments():
    default_folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dab"
    parser = argparse.ArgumentParser(
        prog="tests/bench/ledger/run",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measures four replicas of the ledger, and three members of etcd beside them in one run.",
        epilog="measurements:\n"
        + "".join(f"  {name:<10} {about}\n" for name, about in MEASUREMENTS.items())
        + "\nREPLICAS         the program to measure [default: ledger/benches/replicas, built in release]\n"
        + "ETCD             the etcd to measure [default: that in PATH, or Debian's package]\n"
        + "XDG_CACHE_HOME   its folder dab/ holds Debian's etcd and the client [default: ~/.cache]\n",
    )
    parser.add_argument("names", nargs="*", metavar="MEASUREMENT", help="what to measure [default: everything]")
    parser.add_argument("--rounds", type=int, help=f"times that each side takes its turn [default: {ROUNDS}]")
    parser.add_argument("--seconds", type=float, help=f"time of one turn under one load [default: {SECONDS:.0f}]")
    parser.add_argument("--leaves", type=int, help=f"leaves of the long ledger [default: {LEAVES}]")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="fill the long ledgers there, unless they are there")
    parser.add_argument("--smoke", action="store_true", help="a minute: does it run?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")
    parser.add_argument("--dir", type=Path, default=default_folder, help="where data may lie [default: ~/.cache/dab]")
    given = parser.parse_args()
    for name in given.names:
        if name not in MEASUREMENTS:
            parser.error(f"there is no measurement {name}; there are {', '.join(MEASUREMENTS)}")
    for value in (given.rounds, given.seconds, given.leaves):
        if value is not None and value <= 0:
            parser.error("--rounds, --seconds and --leaves must be above zero")
    return given


def main():
    given = arguments()
    import machine

    for folder in (given.dir, given.keep):
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=given.dir))
    setting = Setting(given, folder)
    facts = machine.facts_of_machine(folder) | {"rounds": setting.rounds, "seconds": setting.seconds}
    try:
        print("\n".join(f"{name:<12} {value}" for name, value in facts.items()), flush=True)
        sections = []
        for name in given.names or MEASUREMENTS:
            began = time.monotonic()
            section = importlib.import_module(name).measure(setting)
            section.seconds = time.monotonic() - began
            print("\n" + section.text(), flush=True)
            sections.append(section)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    facts["load_after"] = machine.load()
    print(f"\nload average at the end: {facts['load_after']}")
    if given.json:
        given.json.write_text(json.dumps({"machine": facts, "sections": [s.figures() for s in sections]}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
