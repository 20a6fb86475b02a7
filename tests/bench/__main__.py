"""Runs the measurements by name and prints what each side does, its times and the ratios."""

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
    "fsyncs": "fsyncs of one append, counted by strace",
    "append": "latency of a small append",
    "load": "throughput of loading files and TPC-H",
    "fetch": "SELECT * of lineitem against a bare Flight server",
    "tpch": "the 22 queries against DataFusion and DuckDB",
    "memory": "resident memory of an idle node",
    "provenance": "bytes that provenance adds",
}
SMOKE_SCALE, SMOKE_ROUNDS = 0.01, 1


class Setting:
    """What the measurements are told: how large, how often, where."""

    def __init__(self, scale, rounds, folder):
        self.scale, self.rounds, self.folder = scale, rounds, folder
        self.threads = len(os.sched_getaffinity(0))

    def subfolder(self, name):
        """A new folder for the files of one measurement."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))


def arguments():
    default_folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dab"
    parser = argparse.ArgumentParser(
        prog="tests/bench/run",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Compares DAB with the tools it stands on, side by side in one run, and prints ratios.",
        epilog="measurements:\n"
        + "".join(f"  {name:<11} {about}\n" for name, about in MEASUREMENTS.items())
        + "\nDAB_BINARY       the `dab` to measure [default: built in release]\n"
        + "XDG_CACHE_HOME   its folder dab/ holds the Python environment [default: ~/.cache]\n",
    )
    parser.add_argument("names", nargs="*", metavar="MEASUREMENT", help="what to measure [default: everything]")
    parser.add_argument("--scale", type=float, help="TPC-H scale factor [default: 1]")
    parser.add_argument("--rounds", type=int, help="times that each side takes its turn [default: 5]")
    parser.add_argument("--smoke", action="store_true", help=f"scale {SMOKE_SCALE}, {SMOKE_ROUNDS} round: does it run?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")
    parser.add_argument("--dir", type=Path, default=default_folder, help="where data may lie [default: ~/.cache/dab]")
    given = parser.parse_args()
    for name in given.names:
        if name not in MEASUREMENTS:
            parser.error(f"there is no measurement {name}; there are {', '.join(MEASUREMENTS)}")
    scale = given.scale or (SMOKE_SCALE if given.smoke else 1.0)
    rounds = given.rounds or (SMOKE_ROUNDS if given.smoke else 5)
    if scale <= 0 or rounds < 1:
        parser.error("--scale and --rounds must be above zero")
    return given, scale, rounds


def main():
    given, scale, rounds = arguments()
    # Only now, so that --help works with any Python.
    import machine

    given.dir.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=given.dir))
    setting = Setting(scale, rounds, folder)
    facts = machine.facts(folder) | {"scale": scale, "rounds": rounds}
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
