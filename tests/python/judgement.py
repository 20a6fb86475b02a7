"""What is held against the replicas when a campaign is over: their clients' history, receipts, files, and each other."""

import json
import time

import pyarrow.parquet

from clients import WAIT_SECONDS_MAX
from linearizable import wrongs
from server import dab_binary, dab_verify_binary, run


# What a replica says of others' work, and none may say of honest ones.
ACCUSATIONS = ("never ratified", "is not the ratified one", "no copy of it is kept", "refused a replica's message")


class Judgement:
    """Over the tables of a campaign. Stops the nodes on the way: what an auditor reads are files."""

    def __init__(self, group, history, tables):
        self.group, self.history, self.tables = group, history, tables

    def wrongs(self):
        """What is wrong, one sentence each."""
        nodes = self.group.nodes
        found = [f"{node.data.name} has ended by itself" for node in nodes if not node.alive()]
        found += [f"{node.data.name} says: {line}" for node in nodes for line in bad_lines(node)]
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
        # proofs cost something: each table has its receipts of one node, in turns
        self.receipts = {table: self._receipts(self._node(n), table) for n, table in enumerate(self.tables)}
        self.lists = {table: self._list(table) for table in self.tables}
        found = []
        for n, table in enumerate(self.tables):
            receipts, versions = sorted(self.receipts[table]), list(range(1 + len(self.lists[table])))
            if receipts != versions:
                name = self._node(n).data.name
                found.append(f"{table} has in its folder the versions {versions}, receipts at {name} {receipts}")
        trees = certified(self.group.nodes)
        if len(set(trees.values())) > 1:
            found.append(f"the checkpoints differ: {trees}")
        return found

    def _node(self, n):
        return self.group.nodes[n % len(self.group.nodes)]

    def _receipts(self, node, table):
        return dict(node.query(f"SELECT version, proof FROM dab.receipts WHERE table_name = '{table}'"))

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
        """Each commit file with the receipt of one node and the trust of another."""
        found, path = [], self.group.directory / "receipt.tlog-proof"
        for n, (table, receipts) in enumerate(self.receipts.items()):
            for version, proof in receipts.items():
                path.write_text(proof)
                trust, commit = self._node(n + 1).trust, self._commit(table, version)
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


def certified(nodes):
    """What each node's checkpoint is of; who signed it may differ."""
    return {node.data.name: (node.public / "checkpoint").read_text().split("\n\n")[0] for node in nodes}


def bad_lines(node):
    words = (*ACCUSATIONS, "panicked at")
    return [line for line in node.output.read_text().splitlines() if any(each in line for each in words)]
