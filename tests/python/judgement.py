"""What is held against the replicas when a campaign is over: their clients' history, receipts, files, and each other."""

import json
import time

import pyarrow.parquet

from clients import WAIT_SECONDS_MAX
from linearizable import wrongs
from server import dab_binary, dab_verify_binary, run


class Judgement:
    """Over the tables of a campaign. Stops the nodes on the way: what an auditor reads are files."""

    def __init__(self, group, history, tables):
        self.group, self.history, self.tables = group, history, tables

    def wrongs(self):
        """What is wrong, one sentence each."""
        nodes = self.group.nodes
        found = [f"{node.data.name} has ended by itself" for node in nodes if not node.alive()]
        found += [f"{node.data.name} has panicked" for node in nodes if "panicked at" in node.output.read_text()]
        # what a client gave up waiting for may still come; then all is told once more
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while (differences := self._differences()) and time.monotonic() < deadline:
            time.sleep(1)
        found += differences
        self.group.stop()
        found += wrongs(self.history.operations, self.lists)
        found += self._wrong_receipts()
        for node in nodes:
            found += self._wrong_audits(node)
        return found

    def _differences(self):
        """Between what the nodes say and the tables' files. Remembers both."""
        self.receipts = {node.data.name: self._receipts(node) for node in self.group.nodes}
        self.lists = {table: self._list(table) for table in self.tables}
        versions = {(table, version) for table, values in self.lists.items() for version in range(1 + len(values))}
        found = [
            f"{name} has receipts, the folder versions, that the other has not: {sorted(set(receipts) ^ versions)}"
            for name, receipts in self.receipts.items()
            if set(receipts) != versions
        ]
        # who signed a checkpoint may differ, but not of what
        notes = {node.data.name: (node.public / "checkpoint").read_text() for node in self.group.nodes}
        if len({note.split("\n\n")[0] for note in notes.values()}) > 1:
            found.append(f"the checkpoints differ: {notes}")
        return found

    def _receipts(self, node):
        rows = node.query("SELECT table_name, version, proof FROM dab.receipts")
        return {(table, version): proof for table, version, proof in rows if table in self.tables}

    def _commit(self, table, version):
        return self.group.tables / table / "_delta_log" / f"{version:020d}.json"

    def _list(self, table):
        """The values that the versions of a table added, by its files alone, as any Delta reader finds them."""
        values, version = [], 0
        while self._commit(table, version).exists():
            for line in self._commit(table, version).read_text().splitlines():
                if added := json.loads(line).get("add"):
                    rows = pyarrow.parquet.read_table(self.group.tables / table / added["path"])
                    values += rows["value"].to_pylist()
            version += 1
        return values

    def _wrong_receipts(self):
        """Each commit file with a receipt of one node and the trust of another, in turns."""
        found, nodes = [], self.group.nodes
        path = self.group.directory / "receipt.tlog-proof"
        for n, (table, version) in enumerate(sorted(self.receipts[nodes[0].data.name])):
            proof = self.receipts[nodes[n % len(nodes)].data.name].get((table, version))
            if proof is None:
                continue  # told by the differences
            path.write_text(proof)
            trust, commit = nodes[(n + 1) % len(nodes)].trust, self._commit(table, version)
            done = run(dab_verify_binary(), "verify", path, "--trust", trust, "--commit", commit, check=False)
            if done.returncode != 0:
                found.append(f"the receipt of {table} version {version}: {done.stdout}{done.stderr}")
        return found

    def _wrong_audits(self, node):
        audits = [["ledger", node.public]]
        audits += [["table", self.group.tables / table, "--ledger", node.public, "--deep"] for table in self.tables]
        found = []
        for audit in audits:
            done = run(dab_binary(), "audit", *audit, "--trust", node.trust, check=False)
            if done.returncode != 0:
                found.append(f"dab audit by the files of {node.data.name}: {audit}: {done.stdout}{done.stderr}")
        return found
