"""Latency of a small append: until the client knows that its rows are committed."""

import os
from itertools import count

import pyarrow as pa

from node import Node
from plain import PlainTable, sync
from report import Section, ratio
from rounds import Side, interleave

ROWS = 1_000
# One append is short: more turns than the rounds of the long measurements cost little and calm the median.
TURNS_PER_ROUND = 10
WARMUPS = 5
# Commits added in between to see whether an append takes longer in a longer table: 300 in five rounds.
GROWTH_PER_ROUND = 60
SIDES = {
    "ingest": "DAB, adbc_ingest of an Arrow table over Flight SQL with TLS; durable and notarized on return",
    "insert": "DAB, the same rows as the text of one INSERT … VALUES; durable and notarized on return",
    "insert 1": "DAB, INSERT of a single row: what a commit costs by itself",
    "select 1": "DAB, SELECT 1 over the same connection: what a statement costs that commits nothing",
    "plain": "deltalake, write_deltalake(mode='append') in this process on an open table; syncs nothing",
    "durable": "the same, then fsync of data file, commit file and both folders",
    "fsync": "one file of 4 KiB written and synced, with its folder: what the disk takes",
}


def measure(setting):
    section = Section("append", f"latency of appending {ROWS} rows to a table of its own")
    section.sides(SIDES)
    folder = setting.subfolder("append")
    numbers = count()
    with Node(folder / "data") as node, node.connect() as connection, connection.cursor() as cursor:
        for side in ("ingest", "insert", "insert_1"):
            cursor.adbc_ingest(f"by_{side}", rows(0), mode="create")
        plain, durable = (PlainTable(folder / name, rows(0)) for name in ("plain", "durable"))

        def fresh():
            return rows(next(numbers))

        sides = {
            "ingest": Side(lambda new: cursor.adbc_ingest("by_ingest", new, mode="append"), fresh),
            "insert": Side(cursor.execute, lambda: statement("by_insert", fresh())),
            "insert 1": Side(cursor.execute, lambda: statement("by_insert_1", fresh().slice(0, 1))),
            "select 1": Side(lambda: cursor.execute("SELECT 1").fetchall()),
            "plain": Side(plain.append, fresh),
            "durable": Side(durable.append_durably, fresh),
            "fsync": Side(write_synced, lambda: folder / f"synced-{next(numbers)}"),
        }
        turns = setting.rounds * TURNS_PER_ROUND
        times = interleave(sides, turns, WARMUPS)
        growth = setting.rounds * GROWTH_PER_ROUND
        for side in ("ingest", "durable"):
            for _ in range(growth):
                sides[side].act(fresh())
        later = interleave({side: sides[side] for side in ("ingest", "durable")}, turns, WARMUPS)
    section.times(times, "durable")
    slower = times["ingest"].median / times["plain"].median
    section.say(f"Against plain, which may lose the rows in a power cut: {slower:.2f} times as long.")
    section.say(f"The same after {growth} more commits, each with a file of its own:")
    section.times(later, "durable", {"÷ before": lambda of: grown(of, times, later)}, "later")
    return section


def grown(of, before, after):
    (side,) = (name for name, one in after.items() if one is of)
    return ratio(of.median / before[side].median)


def rows(number):
    """An id, a label, a price: as a device or a shop may send them."""
    ids = range(number * ROWS, (number + 1) * ROWS)
    return pa.table(
        {"id": pa.array(ids, pa.int64()), "label": [f"item {n % 97}" for n in ids], "price": [n * 0.25 for n in ids]}
    )


def statement(table, batch):
    values = ", ".join("({id}, '{label}', {price})".format(**row) for row in batch.to_pylist())
    return f"INSERT INTO {table} VALUES {values}"


def write_synced(path):
    handle = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.write(handle, bytes(4096))
    os.fsync(handle)
    os.close(handle)
    sync(path.parent)
