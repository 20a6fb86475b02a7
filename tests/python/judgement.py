"""What is held against the replicas when a campaign is over: their clients' history, their files, their receipts, each other."""

import json
import time

import pyarrow.parquet

from clients import WAIT_SECONDS_MAX
from linearizable import wrongs
from server import dab_binary, dab_verify_binary, run


class Judgement:
    """Stops the nodes on the way: what an auditor reads are files."""

    def __init__(self, group, history, tables):
        self.group, self.history, self.tables = group, history, tables

    def wrongs(self):
        """What is wrong, one sentence each."""
        found = [f"{node.data.name} has ended by itself" for node in self.group.nodes if not node.alive()]
        found += [f"{node.data.name} has panicked" for node in self.group.nodes if "panicked at" in node.output.read_text()]
        receipts = [self._receipts(node) for node in self.group.nodes]
        self._wait_until(self._all_published, receipts[0])
        self._wait_until(self._one_checkpoint)
        self.group.stop()
        found += wrongs(self.history.operations, {table: self._list(table) for table in self.tables})
        found += self._wrong_receipts(receipts)
        for node in self.group.nodes:
            found += self._wrong_audits(node)
        return found

    def _receipts(self, node):
        rows = node.query("SELECT table_name, version, proof FROM dab.receipts")
        return {(table, version): proof for table, version, proof in rows if table in self.tables}

    def _wait_until(self, true, *arguments):
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while not true(*arguments):
            assert time.monotonic() < deadline, f"within {WAIT_SECONDS_MAX} s not {true.__name__}"
            time.sleep(0.1)

    def _all_published(self, receipts):
        return all(self._commit(table, version).exists() for table, version in receipts)

    def _one_checkpoint(self):
        """Nothing new comes, so each has the last one soon. Who signed it may differ."""
        notes = {(node.public / "checkpoint").read_text().split("\n\n")[0] for node in self.group.nodes}
        return len(notes) == 1

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

    def _wrong_receipts(self, of_nodes):
        """Each version of each table has one at every node, and a verifier takes it with the trust of another node."""
        found = []
        expected = {(table, version) for table in self.tables for version in range(1 + len(self._list(table)))}
        for node, receipts in zip(self.group.nodes, of_nodes):
            if set(receipts) != expected:
                found.append(f"{node.data.name}: receipts differ from versions: {sorted(set(receipts) ^ expected)}")
        path = self.group.directory / "receipt.tlog-proof"
        for n, ((table, version), proof) in enumerate(sorted(of_nodes[0].items())):
            nodes = self.group.nodes
            path.write_text(of_nodes[n % len(nodes)].get((table, version), proof))
            commit = self._commit(table, version)
            trust = nodes[(n + 1) % len(nodes)].trust
            done = run(dab_verify_binary(), "verify", path, "--trust", trust, "--commit", commit, check=False)
            if done.returncode != 0:
                found.append(f"receipt of {table} version {version}: {done.stdout}{done.stderr}")
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
