"""How many fsyncs one append costs, counted by strace on both sides."""

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from append import rows
from node import Node
from plain import PlainTable
from report import Section

APPENDS = 8
CALLS = "trace=fsync,fdatasync,sync_file_range,syncfs,sync,msync"
STRACE = ("strace", "-D", "-f", "-qq", "-y", "-e", CALLS, "-e", "signal=none")
FURTHER_FSYNCS_MAX = 2


def measure(setting):
    section = Section("fsyncs", f"calls that sync, per append, over {APPENDS} appends of 1 row")
    if not strace_works():
        section.say("Skipped: strace is not installed, or may not trace here.")
        return section
    folder = setting.subfolder("fsyncs")
    ours, theirs = of_node(folder), of_plain(folder)
    section.sides(
        {
            "notarized": "DAB, INSERT of one row",
            "durable": "deltalake, the same row, then fsync of data file, commit file and both folders",
        }
    )
    kinds = Counter(ours)
    section.table(
        ["what is synced", "per append"], [[what, f"{times / APPENDS:g}"] for what, times in sorted(kinds.items())]
    )
    per_append = {"notarized": len(ours) / APPENDS, "durable": len(theirs) / APPENDS}
    section.table(["side", "syncs per append"], [[side, f"{number:g}"] for side, number in per_append.items()])
    section.data = {"syncs_per_append": per_append}
    further = per_append["notarized"] - per_append["durable"]
    section.aim(f"at most {FURTHER_FSYNCS_MAX} more than durable", further <= FURTHER_FSYNCS_MAX, f"{further:+g}")
    return section


def strace_works():
    trial = [*STRACE, "-o", "/dev/null", "true"]
    return shutil.which("strace") and subprocess.run(trial, capture_output=True).returncode == 0


def of_node(folder):
    trace = folder / "node.trace"
    with Node(folder / "data", under=(*STRACE, "-o", trace)) as node, node.connect() as connection:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE t (id BIGINT)")
            cursor.execute("INSERT INTO t VALUES (0)")
            before = len(synced(trace))
            for number in range(APPENDS):
                cursor.execute(f"INSERT INTO t VALUES ({number})")
            return synced(trace)[before:]


def of_plain(folder):
    """A process of its own, this file as a program, so that nothing but the appends is traced."""
    trace = folder / "plain.trace"
    command = [*STRACE, "-o", trace, sys.executable, __file__, folder / "plain"]
    with subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        before = len(synced(trace))
        process.stdin.write(b"go\n")
        process.stdin.flush()
        process.stdout.readline()
        after = synced(trace)
        process.stdin.close()
    return after[before:]


def append_when_told(table):
    row = rows(0).slice(0, 1).select(["id"])
    plain = PlainTable(table, row)
    plain.append_durably(row)
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(APPENDS):
        plain.append_durably(row)
    print("done", flush=True)
    sys.stdin.readline()


def synced(trace):
    """What each call so far has synced, with the random parts of names left out."""
    lines = Path(trace).read_text().splitlines() if Path(trace).exists() else []
    return [kind(line.split("<")[1].split(">")[0]) for line in lines if "resumed>" not in line and "<" in line]


def kind(path):
    """A file is written under a temporary name, so its folder tells what it is."""
    path = Path(path)
    if path.name == "_delta_log":
        return "folder of commit files"
    if path.parent.name == "_delta_log":
        return "commit file"
    if path.parent.name == "raft":
        return "the ledger's log"
    return "data file" if path.suffix == ".parquet" or path.name.startswith(".tmp-") else "folder of data files"


if __name__ == "__main__":
    append_when_told(sys.argv[1])
