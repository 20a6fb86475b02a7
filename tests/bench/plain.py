"""The same writes without DAB: deltalake alone, and deltalake made durable.

deltalake syncs nothing itself: after a power cut a commit may be there without its rows."""

import json
import os
from pathlib import Path

from deltalake import DeltaTable, write_deltalake


class PlainTable:
    """A Delta table that stays open between appends, as a writer that cares for latency keeps it."""

    def __init__(self, folder, first):
        self.folder = Path(folder)
        write_deltalake(self.folder, first)
        self.table = DeltaTable(self.folder)

    def append(self, rows):
        write_deltalake(self.table, rows, mode="append")

    def append_durably(self, rows):
        self.append(rows)
        make_durable(self.folder, self.table.version())


def write_durably(folder, rows):
    """A new table, durable on return, its name included."""
    write_deltalake(folder, rows)
    make_durable(folder, 0)
    sync(Path(folder).parent)


def make_durable(folder, version):
    """Syncs what one commit added: data files, their folder, the commit file, its folder."""
    commit = Path(folder) / "_delta_log" / f"{version:020}.json"
    actions = [json.loads(line) for line in commit.read_text().splitlines()]
    data = [Path(folder) / action["add"]["path"] for action in actions if "add" in action]
    for path in [*data, *{path.parent for path in data}, commit, commit.parent]:
        sync(path)


def sync(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
