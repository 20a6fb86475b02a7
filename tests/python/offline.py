"""What an auditor takes home: a data directory whose node has stopped, and every verifier there is to run over it."""

import contextlib
import io
import os
import shutil
import urllib.parse
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet

from auditor import actions
from auditor import main as auditor
from forgeries import Evidence
from made_heads import bind, head_proof
from made_ledger import MadeLedger
from server import Server, dab_binary, dab_verify_binary, run
from verifier import Leaf, Trust
from verifier import main as verifier

VERSIONS = 13
WITHOUT_NETWORK = (
    ["unshare", "-n"] if shutil.which("unshare") and run("unshare", "-n", "true", check=False).returncode == 0 else []
)


class Folder:
    """A data directory, its receipts and a head proof: of a node that has stopped, or made in Python."""

    def take(self, data, table, proofs):
        self.data, self.table, self.proofs, self.head_proof = data, table, proofs, proofs / "orders.head-proof"
        self.trust, self.public = data / "trust", data / "public"
        self.commits = sorted((table / "_delta_log").glob("*.json"))

    def evidence(self, version):
        commit = self.commits[version].read_bytes()
        paths = [urllib.parse.unquote(add["path"]) for add in actions(commit, "add")]
        data = tuple((path, (self.table / path).read_bytes()) for path in paths)
        return Evidence((self.proofs / f"{version}.tlog-proof").read_bytes(), commit, data)

    def copy(self, directory):
        """A copy of what audits read, for a forger to work on. Returns (trust, public, table)."""
        directory = Path(directory)
        shutil.copytree(self.trust, directory / "trust")
        shutil.copytree(self.public, directory / "public")
        table = directory / "tables" / self.table.name
        shutil.copytree(self.table, table)
        return directory / "trust", directory / "public", table


class TakenHome(Folder):
    """One small table `orders` of 13 versions and its receipts, written by a real node that has then been stopped."""

    def __init__(self, directory):
        server = Server(Path(directory) / "data").start()
        try:
            with server.connect() as connection, connection.cursor() as cursor:
                for version in range(VERSIONS):
                    ids = range(version * 10, version * 10 + 10)
                    rows = pa.table({"id": pa.array(ids, pa.int64()), "amount": [i * 1.25 for i in ids]})
                    cursor.adbc_ingest("orders", rows, mode="append" if version else "create")
            self.take(server.data, server.table("orders"), Path(directory) / "proofs")
            self.proofs.mkdir()
            server.dab("prove", "--head", "orders", "-o", self.head_proof)
            for version in range(len(self.commits)):
                server.dab("prove", f"orders@{version}", "-o", self.proofs / f"{version}.tlog-proof")
        finally:
            server.stop()


class MadeHome(Folder):
    """The same shape of table in a ledger that Python made alone, with its keys in hand."""

    def __init__(self, directory, **policy):
        self.ledger = MadeLedger(Path(directory) / "data", **policy)
        self.ledger.notarize("catalog", b"private body")
        indices = []
        for version in range(VERSIONS):
            rows = pa.table({"id": range(version * 10, version * 10 + 10)})
            with io.BytesIO() as file:
                parquet.write_table(rows, file)
                indices.append(self.ledger.commit("orders", [file.getvalue()]))
        bound = bind(self.ledger)
        self.ledger.issue()
        data, proofs = self.ledger.directory, Path(directory) / "proofs"
        proofs.mkdir()
        subject = Leaf(self.ledger.entries[indices[0]], Trust(self.ledger.trust), self.ledger.origin, indices[0]).subject
        (proofs / "orders.head-proof").write_bytes(head_proof(self.ledger, subject, bound, bound))
        for version, index in enumerate(indices):
            (proofs / f"{version}.tlog-proof").write_bytes(self.ledger.receipt(index))
        self.take(data, data / "tables" / "orders", proofs)


def in_python(command, arguments):
    """The exit status and the words of a command of our own, run in this process."""
    words = io.StringIO()
    with contextlib.redirect_stdout(words), contextlib.redirect_stderr(words):
        status = command([str(word) for word in arguments])
    return status, words.getvalue()


def in_rust(*command):
    """The exit status and the words of a command of DAB's, run with no network at all where the system allows it."""
    done = run(*WITHOUT_NETWORK, *command, check=False, timeout=60)
    assert "panicked" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def verdicts(evidence, trust, directory):
    """What each verifier says of one receipt, its commit file and its data files: {verifier: (status, words)}."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "receipt.tlog-proof").write_bytes(evidence.proof)
    arguments = [directory / "receipt.tlog-proof", "--trust", trust]
    if evidence.commit is not None:
        (directory / "commit.json").write_bytes(evidence.commit)
        arguments += ["--commit", directory / "commit.json"]
    for path, content in evidence.data:
        file = directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        arguments += ["--data", file]
    found = {"verifier.py": in_python(verifier, ["verify", *arguments])}
    return found | {program.name: in_rust(program, "verify", *arguments) for program in programs()}


def ledger_audits(trust, public, *arguments):
    """What each auditor says of a ledger: {auditor: (status, words)}."""
    ledger = ["ledger", public, "--trust", trust, *arguments]
    found = {"auditor.py ledger": in_python(auditor, ledger)}
    return found | {f"{program.name} audit ledger": in_rust(program, "audit", *ledger) for program in programs()}


def audits(trust, public, table):
    """What each auditor says of a ledger and of a table: {auditor: (status, words)}."""
    deep = ["table", table, "--trust", trust, "--ledger", public, "--deep"]
    found = {"auditor.py table": in_python(auditor, deep)}
    found |= {f"{program.name} audit table": in_rust(program, "audit", *deep) for program in programs()}
    return found | ledger_audits(trust, public)


def programs():
    """DAB's own verifiers: `dab-verify`, which an auditor builds from one small crate, and `dab`, if there is one."""
    return [Path(dab_verify_binary()), *([Path(dab_binary())] if "DAB_BINARY" in os.environ else [])]


def statuses(found, *what):
    """The exit statuses in a finding of `verdicts` or `audits`, all or those of the audits of one kind."""
    return {status for who, (status, _) in found.items() if not what or who.endswith(what)}
