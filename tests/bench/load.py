"""Throughput of loading: lineitem from Parquet and from CSV, and the whole of TPC-H."""

import shutil
from itertools import count

import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet
from deltalake import write_deltalake

from node import TABLES, Node
from plain import write_durably
from report import Section, size
from rounds import Side, interleave

# The ADBC driver sends a batch as one message and by default none above 16 MiB, which pyarrow's batches of lineitem are.
BATCH_ROWS = 65_536
SIDES = {
    "dab": "`dab load file`, a process of its own that sends the rows to a running node over TLS; the inputs are "
    "hashed, the table is durable and notarized at the end",
    "ingest": "DAB, adbc_ingest of what pyarrow reads, from this process over TLS; durable and notarized",
    "plain": "deltalake, write_deltalake of what pyarrow reads, in this process; syncs nothing",
    "durable": "the same, then fsync of data files, commit file and folders",
    "tpch: dab": "`dab load tpch`: generates the rows and loads all eight tables",
    "tpch: plain": "write_deltalake of all eight tables from the Parquet files of such a load: nothing to generate",
}


def measure(setting):
    section = Section("load", f"loading TPC-H at scale {setting.scale:g} into new tables")
    section.sides(SIDES)
    folder = setting.subfolder("load")
    with Node(folder / "data") as node, node.connect() as connection, connection.cursor() as cursor:
        inputs = Inputs(node, folder, setting.scale)
        load = Load(node, cursor, folder)
        for kind in ("parquet", "csv"):
            times = interleave(load.sides_of_lineitem(inputs, kind), setting.rounds, settle=True)
            section.say(f"lineitem from {kind}: {inputs.lineitem} (MB of Arrow memory)")
            report(section, f"lineitem from {kind}", times, inputs.lineitem)
        section.say("Files written: " + load.written)
        times = interleave(load.sides_of_tpch(inputs, setting.scale), setting.rounds, settle=True)
        section.say(f"all of TPC-H: {inputs.tpch}")
        report(section, "TPC-H", times, inputs.tpch)
    return section


class Rows:
    """How much there is to load."""

    def __init__(self, data):
        self.rows = sum(part.num_rows for part in data)
        self.bytes = sum(part.nbytes for part in data)

    def __str__(self):
        return f"{self.rows} rows, {size(self.bytes)}"


class Inputs:
    """Files that both sides load, made by one load of TPC-H."""

    def __init__(self, node, folder, scale):
        node.load_tpch(scale)
        self.parquet = {}
        for table in TABLES:
            shutil.copytree(node.table(table), folder / "inputs" / table, ignore=shutil.ignore_patterns("_delta_log"))
            self.parquet[table] = sorted(map(str, (folder / "inputs" / table).iterdir()))
        lineitem = pyarrow.dataset.dataset(self.parquet["lineitem"]).to_table()
        self.lineitem = Rows([lineitem])
        self.csv = str(folder / "inputs" / "lineitem.csv")
        pyarrow.csv.write_csv(lineitem, self.csv)
        del lineitem
        self.tpch = Rows([pyarrow.dataset.dataset(files).to_table() for files in self.parquet.values()])
        with node.connect() as connection, connection.cursor() as cursor:
            node.drop(cursor, *TABLES)

    def files(self, kind):
        return self.parquet["lineitem"] if kind == "parquet" else [self.csv]

    def read(self, kind):
        """A stream of batches: neither side has to hold the table in memory."""
        if kind == "csv":
            return pyarrow.csv.open_csv(self.csv)
        return stream(self.parquet["lineitem"])


def stream(files):
    return pyarrow.dataset.dataset(files).scanner(batch_size=BATCH_ROWS).to_reader()


class Load:
    """The sides of each comparison. What a turn has written is taken away before that side's next."""

    def __init__(self, node, cursor, folder):
        self.node, self.cursor, self.folder = node, cursor, folder
        self.numbers, self.last, self.written = count(), {}, ""

    def sides_of_lineitem(self, inputs, kind):
        files = inputs.files(kind)
        return {
            "dab": Side(lambda table: self.node.dab("load", "file", table, *files), self.new_table("dab")),
            "ingest": Side(
                lambda table: self.cursor.adbc_ingest(table, inputs.read(kind), mode="create"), self.new_table("ingest")
            ),
            "plain": Side(lambda table: write_deltalake(table, inputs.read(kind)), self.new_folder("plain")),
            "durable": Side(lambda table: write_durably(table, inputs.read(kind)), self.new_folder("durable")),
        }

    def sides_of_tpch(self, inputs, scale):
        def plainly(write):
            def act(folder):
                folder.mkdir()
                for table, files in inputs.parquet.items():
                    write(folder / table, stream(files))

            return act

        return {
            "dab": Side(lambda _: self.node.load_tpch(scale), self.no_tpch()),
            "plain": Side(plainly(write_deltalake), self.new_folder("tpch_plain")),
            "durable": Side(plainly(write_durably), self.new_folder("tpch_durable")),
        }

    def new_table(self, side):
        def prepare():
            if last := self.last.pop(side, None):
                self.written += "" if "dab" in self.written else f"dab {layout(self.node.files(last))}"
                self.node.drop(self.cursor, last)
            self.last[side] = f"t_{side}_{next(self.numbers)}"
            return self.last[side]

        return prepare

    def new_folder(self, side):
        def prepare():
            if last := self.last.pop(side, None):
                if side == "plain" and "plain" not in self.written:
                    self.written += f"; plain {layout(sorted(map(str, last.glob('*.parquet'))))}"
                shutil.rmtree(last)
            self.last[side] = self.folder / f"{side}-{next(self.numbers)}"
            return self.last[side]

        return prepare

    def no_tpch(self):
        there = []

        def prepare():
            self.node.drop(self.cursor, *there)
            there[:] = TABLES

        return prepare


def layout(files):
    """How a table's rows lie: for seeing that both sides write the same."""
    described = [pyarrow.parquet.read_metadata(file) for file in files]
    groups = sum(one.num_row_groups for one in described)
    compression = {one.row_group(0).column(0).compression for one in described if one.num_row_groups}
    total = sum(one.serialized_size for one in described) + sum(
        one.row_group(group).column(column).total_compressed_size
        for one in described
        for group in range(one.num_row_groups)
        for column in range(one.num_columns)
    )
    return f"{len(files)} file(s), {groups} row groups, {'/'.join(sorted(compression))}, {size(total)}"


def report(section, what, times, rows):
    columns = {
        "rows/s": lambda of: f"{rows.rows / of.median / 1e6:.2f} M",
        "MB/s": lambda of: f"{rows.bytes / of.median / 1e6:.0f}",
    }
    section.times(times, "plain", columns, what)
    ratios = {base: times["dab"].median / times[base].median for base in ("plain", "durable")}
    section.data.setdefault("ratios", {})[what] = ratios
    section.aim(
        f"{what}: load at least as fast as write_deltalake",
        ratios["plain"] <= 1,
        f"{ratios['plain']:.2f} times the time of plain, {ratios['durable']:.2f} times that of durable",
    )
