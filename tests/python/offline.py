"""What an auditor takes home: a data directory whose node has stopped, and every verifier there is to run over it.

Besides what a forger works on, a home has `before`, a trust directory of an earlier time, and `changes`, what has become of
its members and writers since; and `fork`, evidence that the holder of the log's key told two histories."""

import contextlib
import io
import os
import shutil
import urllib.parse
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet

from auditor import main as auditor
from checkpoint import Checkpoint
from commit_file import actions
from consistency import main as consistency
from epochs import main as epochs
from forgeries import Evidence
from leaf import Leaf
from made_heads import bind, head_proof
from made_ledger import MadeLedger, Signer, b64, note
from merkle import leaf_hash, tree_hash
from server import Server, dab_binary, dab_verify_binary, run
from trust_directory import Trust
from verifier import main as verifier

VERSIONS = 13
# The version whose evidence is forged, and another one, of which a forger takes parts.
VERSION, NEIGHBOUR = 5, 6
ETL = Signer("etl.example.org", "etl")
WITHOUT_NETWORK = (
    ["unshare", "-n"] if shutil.which("unshare") and run("unshare", "-n", "true", check=False).returncode == 0 else []
)


class Folder:
    """A data directory, its receipts and a head proof: of a node that has stopped, or made in Python."""

    def take(self, data, table, proofs):
        self.data, self.table, self.proofs, self.head_proof = data, table, proofs, proofs / "orders.head-proof"
        self.trust, self.public = data / "trust", data / "public"
        self.commits = sorted((table / "_delta_log").glob("*.json"))

    @property
    def log(self):
        """The name of the ledger's log key."""
        return Trust(self.trust).logs[0].name

    def evidence(self, version):
        commit = self.commits[version].read_bytes()
        paths = [urllib.parse.unquote(add["path"]) for add in actions(commit, "add")]
        data = tuple((path, (self.table / path).read_bytes()) for path in paths)
        return Evidence((self.proofs / f"{version}.tlog-proof").read_bytes(), commit, data)

    def cosigned(self, *signers):
        """The evidence of a version, its checkpoint signed by these keys instead."""
        evidence = self.evidence(VERSION)
        text = evidence.note().rpartition(b"\n\n")[0] + b"\n"
        return evidence.with_note(note(text, *signers))

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
            self.before = shutil.copytree(server.trust, Path(directory) / "before")
            server.dab("writer", "add", ETL.vkey, "digest/etl/*")
            server.dab("writer", "revoke", ETL.name)
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
        self.changes = (self.trust / "changes").read_bytes()
        told, log = (self.public / "checkpoint").read_bytes(), (self.data / "private" / "log.key").read_text()
        head = Checkpoint(told, Trust(self.trust))
        other = f"{head.origin}\n{head.size}\n{b64(tree_hash([leaf_hash(b'another leaf')] * head.size))}\n".encode()
        self.fork = {"first": told, "second": note(other, Signer.from_private_text(log))}


class MadeHome(Folder):
    """The same shape of table in a ledger that Python made alone, with its keys in hand."""

    def __init__(self, directory, **policy):
        self.ledger = MadeLedger(Path(directory) / "data", **policy)
        self.ledger.notarize("catalog", b"private body")
        self.changes = self.ledger.begin_epoch(f"{(self.ledger.trust / 'writers').read_text()}{ETL.vkey} digest/etl/*\n")
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
        self.before = self.trust
        self.fork = forked(self.ledger, Path(directory) / "fork", **policy)


def forked(ledger, directory, **policy):
    """An older checkpoint of a ledger, and a newer one under the same keys that does not continue it."""
    other = MadeLedger(directory, **policy)
    for n in range(len(ledger.entries)):
        other.notarize("digest/other", b"%d" % n)
    size = len(ledger.entries) - 1
    return {"first": ledger.checkpoint(size), "second": other.checkpoint(), "proof": other.fork_proof(size)}


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


def followed(changes, trust, directory):
    """What each verifier says of changes of members and writers: {verifier: (status, words)}."""
    Path(directory).mkdir()
    (Path(directory) / "changes").write_bytes(changes)
    arguments = [Path(directory) / "changes", "--trust", trust]
    found = {"epochs.py": in_python(epochs, arguments)}
    return found | {"dab-verify": in_rust(dab_verify_binary(), "follow", *arguments)}


def on_fork(fork, trust, directory):
    """What each verifier says of the evidence of a fork: {verifier: (status, words)}."""
    Path(directory).mkdir()
    for name, content in fork.items():
        (Path(directory) / name).write_bytes(content)
    proof = ["--proof", Path(directory) / "proof"] if "proof" in fork else []
    arguments = [Path(directory) / "first", Path(directory) / "second", "--trust", trust, *proof]
    return {"consistency.py": in_python(consistency, arguments), "dab-verify": in_rust(dab_verify_binary(), "fork", *arguments)}


def programs():
    """DAB's own verifiers: `dab-verify`, which an auditor builds from one small crate, and `dab`, if there is one."""
    return [Path(dab_verify_binary()), *([Path(dab_binary())] if "DAB_BINARY" in os.environ else [])]


def statuses(found, *what):
    """The exit statuses in a finding of `verdicts` or `audits`, all or those of the audits of one kind."""
    return {status for who, (status, _) in found.items() if not what or who.endswith(what)}
