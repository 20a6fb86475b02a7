"""Resident memory of a node that has nothing to do."""

import time

from node import Node
from report import Section, size
from tpch import QUERIES

IDLE_BYTES_MAX = 300_000_000
# Allocators give memory back a little after it is free.
REST_SECONDS = 40
FIELDS = {"Rss": "resident", "Pss_Anon": "anonymous", "Pss_File": "files"}


def measure(setting):
    section = Section("memory", f"of an idle node, {REST_SECONDS} s after its last work")
    section.say(
        "Resident is all that the kernel counts (RSS): anonymous memory, which is the node's data, and pages of files, "
        "which are mostly the program's own code and can be dropped. The peak is of resident memory so far."
    )
    with Node(setting.subfolder("memory") / "data") as node:
        found = {"after start": rest(node)}
        node.load_tpch(setting.scale)
        found["after load"] = rest(node)
        with node.connect() as connection, connection.cursor() as cursor:
            for path in QUERIES:
                cursor.execute(path.read_text())
                cursor.fetch_arrow_table()
        found["after queries"] = rest(node)
    section.table(["idle", *FIELDS.values(), "peak"], [[when, *map(size, of.values())] for when, of in found.items()])
    section.data = found
    most = max(of["Rss"] for of in found.values())
    first = found["after start"]["Rss"]
    section.aim("idle within 300 MB", most <= IDLE_BYTES_MAX, f"{size(first)} at the start, at most {size(most)}")
    return section


def rest(node):
    time.sleep(REST_SECONDS)
    process = node.process.pid
    with open(f"/proc/{process}/smaps_rollup") as lines:
        read = dict(line.split(":", 1) for line in lines if line.endswith("kB\n"))
    with open(f"/proc/{process}/status") as lines:
        read |= dict(line.split(":", 1) for line in lines if line.startswith("VmHWM"))
    return {name: int(read[name].split()[0]) * 1024 for name in (*FIELDS, "VmHWM")}
