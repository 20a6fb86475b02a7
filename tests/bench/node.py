"""A `dab serve` process, and the stock ADBC driver to talk to it."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import adbc_driver_flightsql.dbapi as flightsql
from adbc_driver_flightsql import DatabaseOptions

START_SECONDS_MAX = 120
STOP_SECONDS_MAX = 60
TABLES = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")


class Node:
    """A node over a data directory, up while the `with` block runs. `under` is a command to run it under: strace."""

    def __init__(self, data, *arguments, under=()):
        self.data, self.arguments, self.under = Path(data), arguments, under
        self.output = Path(f"{data}.log")

    def __enter__(self):
        endpoint = self.data / "endpoint"
        endpoint.unlink(missing_ok=True)
        command = [*self.under, os.environ["DAB_BINARY"], "serve", "--data", self.data, "--listen", "127.0.0.1:0"]
        command += ["--audit-listen", "127.0.0.1:0", *self.arguments]
        with self.output.open("ab") as output:
            self.process = subprocess.Popen([str(word) for word in command], stdout=output, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_SECONDS_MAX
        while not (endpoint.exists() and endpoint.read_text().endswith("\n")):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"dab serve did not start:\n{self.output.read_text(errors='replace')[-4000:]}")
            time.sleep(0.02)
        self.url = endpoint.read_text().split("\n")[0]
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def password(self):
        return (self.data / "admin.token").read_text().strip()

    @property
    def certificate(self):
        """The certificate authority's, as text; `None` for a node without TLS."""
        return (self.data / "tls" / "ca.pem").read_text() if self.url.startswith("grpc+tls:") else None

    def connect(self):
        options = {"username": "admin", "password": self.password}
        if self.certificate:
            options[DatabaseOptions.TLS_ROOT_CERTS.value] = self.certificate
        return flightsql.connect(self.url, db_kwargs=options, autocommit=True)

    def dab(self, *words):
        """Runs a verb of the command line against this node."""
        done = subprocess.run([os.environ["DAB_BINARY"], *map(str, words), "--data", self.data], capture_output=True)
        if done.returncode != 0:
            raise SystemExit(f"dab {' '.join(map(str, words))} failed:\n{done.stderr.decode(errors='replace')}")

    def load_tpch(self, scale):
        self.dab("load", "tpch", "--scale", scale)

    def folder(self, table):
        """A table's folder. A name used before gets a suffix, so the newest counts."""
        found = [path for path in self.tables() if path.name == table or path.name.startswith(f"{table}-")]
        return max(found, key=lambda path: path.stat().st_mtime)

    def tables(self):
        return list((self.data / "tables").iterdir())

    def files(self, table):
        """The data files of a table that was written once."""
        return sorted(map(str, self.folder(table).glob("*.parquet")))

    def drop(self, cursor, *tables):
        """Drops tables and takes their files away, so that a long run does not fill the disk."""
        for table in tables:
            folder = self.folder(table)
            cursor.execute(f"DROP TABLE {table}")
            shutil.rmtree(folder)
