"""The node that is measured: a `dab serve` that has the time it needs, and its tables' files."""

import shutil

from server import Server

TABLES = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")


class Node(Server):
    """A node over a data directory, up while the `with` block runs."""

    call_seconds_max = command_seconds_max = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def load_tpch(self, scale):
        self.dab("load", "tpch", "--scale", scale)

    def files(self, table):
        """The data files of a table that was written once."""
        return sorted(map(str, self.table(table).glob("*.parquet")))

    def drop(self, cursor, *tables):
        """Drops tables and takes their files away, so that a long run does not fill the disk."""
        for table in tables:
            folder = self.table(table)
            cursor.execute(f"DROP TABLE {table}")
            shutil.rmtree(folder)
