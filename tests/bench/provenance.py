"""Bytes that provenance adds to the tables: after a load of TPC-H, and after many small appends."""

import json

import pyarrow as pa

from node import Node
from report import Section, size

PERCENT_MAX = 1.0
# 300 in five rounds: enough leaves to fill a tile of 256.
APPENDS_PER_ROUND = 60
APPENDED_ROWS = 1_000


def measure(setting):
    appends = APPENDS_PER_ROUND * setting.rounds
    section = Section("provenance", f"bytes added to TPC-H at scale {setting.scale:g}, and to {appends} small appends")
    section.say(
        "Tables: data files and commit files without what DAB puts into them. Added: the tags and the part `dab` of "
        "commit files; the ledger's public files (tiles, checkpoint); its private ones (raft log, state)."
    )
    folder = setting.subfolder("provenance")
    with Node(folder / "tpch") as node:
        node.load_tpch(setting.scale)
    loaded = Bytes(folder / "tpch")
    loaded.add_to(section, f"TPC-H {setting.scale:g}, 8 commits")
    with Node(folder / "appends") as node, node.connect() as connection, connection.cursor() as cursor:
        for number in range(appends):
            ids = range(number * APPENDED_ROWS, (number + 1) * APPENDED_ROWS)
            rows = pa.table({"id": pa.array(ids, pa.int64()), "label": [f"item {n % 97}" for n in ids]})
            cursor.adbc_ingest("t", rows, mode="append" if number else "create")
    appended = Bytes(folder / "appends")
    appended.add_to(section, f"{appends} appends of {APPENDED_ROWS} rows")
    per_append = appended.added / appends
    section.say(f"That is {size(per_append)} an append, on disk {size(appended.blocks_added / appends)}.")
    section.data = {"loaded": vars(loaded), "appended": vars(appended)}
    section.aim(
        f"provenance within {PERCENT_MAX:g} % of the bytes of TPC-H",
        loaded.percent <= PERCENT_MAX,
        f"{loaded.percent:.3f} %, in blocks of the disk {loaded.blocks_percent:.3f} %",
    )
    return section


class Bytes:
    """What lies in a data directory, by purpose."""

    def __init__(self, data):
        commits = sorted((data / "tables").glob("*/_delta_log/*.json"))
        self.in_commits = sum(provenance_of(commit.read_text()) for commit in commits)
        whole, blocks = total(data / "tables")
        self.tables = whole - self.in_commits
        self.public, public_blocks = total(data / "public")
        self.private, private_blocks = total(data / "private")
        self.added = self.in_commits + self.public + self.private
        self.percent = 100 * self.added / self.tables
        self.blocks_added = public_blocks + private_blocks
        self.blocks_percent = 100 * self.blocks_added / blocks

    def add_to(self, section, title):
        rows = [
            [name, size(count), f"{100 * count / self.tables:.3f} %"]
            for name, count in (
                ("tables", self.tables),
                ("added in commit files", self.in_commits),
                ("public files", self.public),
                ("private files", self.private),
                ("added in all", self.added),
            )
        ]
        section.table([title, "bytes", "of tables"], rows)


def provenance_of(commit):
    """Bytes of a commit file that would not be there without DAB."""
    without = 0
    for line in commit.splitlines():
        action = json.loads(line)
        action.get("commitInfo", {}).pop("dab", None)
        action.get("commitInfo", {}).pop("userName", None)
        tags = action.get("add", {}).get("tags") or {}
        if tags.pop("dab.blake3", None) and not tags:
            action["add"]["tags"] = None
        action.get("metaData", {}).get("configuration", {}).pop("dab.tableId", None)
        without += len(json.dumps(action, separators=(",", ":"), ensure_ascii=False).encode()) + 1
    return len(commit.encode()) + (0 if commit.endswith("\n") else 1) - without


def total(folder):
    """Lengths of all files, and the blocks they take, in bytes. A node that was stopped has no spill files."""
    found = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return sum(one.st_size for one in found), sum(one.st_blocks * 512 for one in found)
