"""Do DAB's two verifiers and the independent one accept the same receipts and reject the same forgeries?"""

import base64
import json
import re

import deltalake
import pyarrow.parquet as parquet
import pytest
from blake3 import blake3

from auditor import entries_in, read_tile, source, tile_path
from checkpoint import Checkpoint
from forgeries import LEDGER_FORGERIES, RECEIPT_FORGERIES, RECEIPT_NEUTRAL, TABLE_FORGERIES
from made_ledger import MadeLedger, Signer, b64, note
from merkle import leaf_hash, tree_hash
from offline import NEIGHBOUR, VERSION, MadeHome, audits, in_rust, ledger_audits, programs, statuses, verdicts
from trust_directory import Trust

VALID, INVALID, UNDECIDED = 0, 1, 2


def test_every_receipt_with_commit_and_data_files_is_accepted_by_all(home, tmp_path):
    for version in range(len(home.commits)):
        found = verdicts(home.evidence(version), home.trust, tmp_path / str(version))
        assert statuses(found) == {VALID}, found


def test_a_verdict_names_what_was_checked_and_that_one_node_certifies_alone(home, tmp_path):
    for who, (_, words) in verdicts(home.evidence(VERSION), home.trust, tmp_path).items():
        assert f"sequence {VERSION}" in words or f"version {VERSION}" in words, (who, words)
        assert "alone" in words, (who, words)


@pytest.mark.parametrize("name", RECEIPT_FORGERIES)
def test_a_forged_receipt_is_rejected_by_all(home, tmp_path, name):
    honest = home.evidence(VERSION)
    forged = RECEIPT_FORGERIES[name](honest, home.evidence(NEIGHBOUR))
    assert forged != honest
    found = verdicts(forged, home.trust, tmp_path)
    assert statuses(found) == {INVALID}, found


@pytest.mark.parametrize("name", RECEIPT_NEUTRAL)
def test_what_the_formats_declare_neutral_is_accepted_by_all_and_shown_by_none(home, tmp_path, name):
    found = verdicts(RECEIPT_NEUTRAL[name](home.evidence(VERSION), home.evidence(NEIGHBOUR)), home.trust, tmp_path)
    assert statuses(found) == {VALID}, found
    assert not any("cosigned by stranger" in words for _, words in found.values()), found


def test_data_files_without_the_commit_file_are_not_called_valid(home, tmp_path):
    evidence = home.evidence(VERSION)
    evidence = type(evidence)(evidence.proof, None, evidence.data)
    assert VALID not in statuses(verdicts(evidence, home.trust, tmp_path))


def test_a_trust_directory_of_another_ledger_rejects_every_receipt(home, tmp_path):
    other = tmp_path / "trust"
    other.mkdir()
    log, writer = Signer(Trust(home.trust).logs[0].name, "x"), Signer("w", "w")
    (other / "policy").write_text(f"log {log.vkey}\nquorum none\n")
    (other / "writers").write_text(f"{writer.vkey} *\n")
    found = verdicts(home.evidence(VERSION), other, tmp_path / "files")
    assert statuses(found) == {INVALID}, found


def test_missing_files_leave_it_undecided(home, tmp_path):
    proof = home.proofs / "1.tlog-proof"
    for program in programs():
        assert in_rust(program, "verify", tmp_path / "nowhere", "--trust", home.trust)[0] == UNDECIDED
        assert in_rust(program, "verify", proof, "--trust", tmp_path / "nowhere")[0] == UNDECIDED
        audit = [program, "audit", "table", home.table, "--trust", home.trust, "--ledger", tmp_path / "nowhere"]
        assert in_rust(*audit)[0] == UNDECIDED


@pytest.mark.parametrize("change", ["", "forged "])
def test_verdicts_come_as_json_too(home, tmp_path, change):
    proof = tmp_path / "p"
    proof.write_bytes((home.proofs / "1.tlog-proof").read_bytes() + change.encode())
    for program in programs():
        status, words = in_rust(program, "verify", proof, "--trust", home.trust, "--json")
        verdict = json.loads(words)
        assert (status, verdict["verdict"].lower()) == ((INVALID, "invalid") if change else (VALID, "valid"))


# cosignatures and quorums, which a single node does not have


@pytest.fixture(scope="module")
def witnessed(tmp_path_factory):
    """A ledger whose policy asks for two of three witnesses."""
    return MadeHome(tmp_path_factory.mktemp("witnessed"), witnesses=3, quorum="2")


@pytest.mark.parametrize(
    "signers, verdict",
    [
        ("log w1 w2 w3", VALID),
        ("log w1 w3", VALID),
        ("w3 w1 log", VALID),
        ("log w1 w2 stranger", VALID),
        ("log w1", INVALID),
        ("log w1 w1", INVALID),
        ("log", INVALID),
        ("w1 w2 w3", INVALID),
        ("log w1 stranger", INVALID),
        ("log w1 impostor", INVALID),
        ("log w1 w2 impostor", INVALID),
    ],
)
def test_a_quorum_is_counted_alike_by_all(witnessed, tmp_path, signers, verdict):
    ledger = witnessed.ledger
    known = {"log": ledger.log, "stranger": Signer("stranger.example", "s", 4), "impostor": Signer("x", "x", 4)}
    known |= {f"w{n}": witness for n, witness in enumerate(ledger.witnesses, 1)}
    known["impostor"].name, known["impostor"].id = ledger.witnesses[2].name, ledger.witnesses[2].id
    found = verdicts(witnessed.cosigned(*(known[name] for name in signers.split())), witnessed.trust, tmp_path)
    assert statuses(found) == {verdict}, found


def test_a_cosignature_moved_to_another_time_is_rejected_by_all(witnessed, tmp_path):
    evidence, (first, *_) = witnessed.evidence(VERSION), witnessed.ledger.witnesses
    text = evidence.note().rpartition(b"\n\n")[0] + b"\n"
    genuine, later = first.line(text), first.line(text, time=1_900_000_000)
    name, blob = genuine.decode().rsplit(" ", 1)
    moved = base64.b64decode(later.decode().rsplit(" ", 1)[1])[:12] + base64.b64decode(blob)[12:]
    forged = evidence.with_note(evidence.note().replace(genuine, f"{name} {b64(moved)}\n".encode()))
    assert statuses(verdicts(evidence, witnessed.trust, tmp_path / "honest")) == {VALID}
    found = verdicts(forged, witnessed.trust, tmp_path / "moved")
    assert statuses(found) == {INVALID}, found


# whole ledgers, whole tables


def test_an_honest_ledger_and_table_are_accepted_by_all(home):
    found = audits(home.trust, home.public, home.table)
    assert statuses(found) == {VALID}, found


@pytest.mark.parametrize("name", LEDGER_FORGERIES)
def test_a_forged_ledger_is_rejected_by_all(home, tmp_path, name):
    trust, public, table = home.copy(tmp_path)
    LEDGER_FORGERIES[name](public, table)
    found = audits(trust, public, table)
    assert VALID not in statuses(found, "ledger"), found


@pytest.mark.parametrize("name", TABLE_FORGERIES)
def test_a_forged_table_is_rejected_by_all(home, tmp_path, name):
    trust, public, table = home.copy(tmp_path)
    TABLE_FORGERIES[name](public, table)
    found = audits(trust, public, table)
    assert VALID not in statuses(found, "table"), found
    assert statuses(found, "ledger") == {VALID}, found


@pytest.mark.parametrize("missing", ["checkpoint", "tile/0", "tile/entries"])
def test_a_ledger_with_a_file_missing_is_not_called_valid(home, tmp_path, missing):
    trust, public, table = home.copy(tmp_path)
    (public / missing).rename(public / "hidden")
    found = audits(trust, public, table)
    assert VALID not in statuses(found, "ledger"), found
    # the hashes in tiles can be computed from the entries, and an audit of a table may do so
    assert missing == "tile/0" or VALID not in statuses(found, "table"), found


@pytest.mark.parametrize("digest", ["left", "put right"])
def test_a_rewritten_amount_with_size_and_statistics_put_right_is_named_by_version(node_home, tmp_path, digest):
    """The insider of the quickstart: valid Parquet, a plausible commit file, and a forged total."""
    trust, public, table = node_home.copy(tmp_path)
    victim = sorted((table / "_delta_log").glob("*.json"))[VERSION]
    lines = [json.loads(line) for line in victim.read_text().split("\n") if line]
    add = next(line["add"] for line in lines if "add" in line)
    rows = parquet.read_table(table / add["path"])
    at = rows.column_names.index("amount")
    forged = rows.set_column(at, rows.field(at), [[value + 1000 for value in rows["amount"].to_pylist()]])
    parquet.write_table(forged, table / add["path"])
    add["size"] = (table / add["path"]).stat().st_size
    if digest == "put right":
        add["tags"]["dab.blake3"] = blake3((table / add["path"]).read_bytes()).hexdigest()
    statistics = json.loads(add["stats"])
    for bound in ("minValues", "maxValues"):
        statistics[bound]["amount"] += 1000
    add["stats"] = json.dumps(statistics)
    victim.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    honest = sum(deltalake.DeltaTable(str(node_home.table)).to_pyarrow_table()["amount"].to_pylist())
    told = sum(deltalake.DeltaTable(str(table)).to_pyarrow_table()["amount"].to_pylist())
    assert told == honest + 1000 * rows.num_rows, "a plain Delta reader takes the forgery for the truth"
    found = audits(trust, public, table)
    assert statuses(found, "table") == {INVALID}, found
    for who, (_, words) in found.items():
        if who.endswith("table"):
            assert re.search(rf"(version|sequence) {VERSION}\b", words), (who, words)
            # with the digest put right, file and commit file agree: only the commit file is known to be forged
            assert who.startswith("auditor.py") or digest == "put right" or add["path"] in words, (who, words)


# what the holder of the log's key can do, and where it shows


def test_a_fork_or_a_rollback_passes_alone_and_is_rejected_by_all_against_an_older_checkpoint(made_home, tmp_path):
    known = tmp_path / "checkpoint"
    known.write_bytes(made_home.ledger.checkpoint(9))
    assert statuses(ledger_audits(made_home.trust, made_home.public, "--since", known)) == {VALID}
    fork, rollback = MadeLedger(tmp_path / "fork"), MadeLedger(tmp_path / "rollback")
    for n in range(14):
        fork.notarize("digest/other", b"%d" % n)
    rollback.entries = made_home.ledger.entries[:8]
    for other in (fork.issue(), rollback.issue()):
        found = ledger_audits(made_home.trust, other.public)
        assert statuses(found) == {VALID}, found
        found = ledger_audits(made_home.trust, other.public, "--since", known)
        assert statuses(found) == {INVALID}, found


def log_signer(node_home):
    return Signer.from_private_text((node_home.data / "private" / "log.key").read_text())


def test_a_fork_signed_by_the_real_key_shows_against_an_older_checkpoint(node_home, tmp_path):
    trust, public, _ = node_home.copy(tmp_path)
    old = Checkpoint((public / "checkpoint").read_bytes(), Trust(trust))
    hashes = [leaf_hash(b"another leaf")] * old.size
    forged = note(f"{old.origin}\n{old.size}\n{b64(tree_hash(hashes))}\n".encode(), log_signer(node_home))
    assert Checkpoint(forged, Trust(trust)).size == old.size, "the signature is genuine"
    (public / "checkpoint").write_bytes(forged)
    assert VALID not in statuses(audits(trust, public, node_home.table))


def test_a_rollback_to_a_real_older_checkpoint_hides_commits_and_the_table_audit_says_so(node_home, tmp_path):
    """Shrinking the ledger leaves versions in the table that it no longer knows."""
    trust, public, table = node_home.copy(tmp_path)
    read = source(str(public), Trust(trust))
    size = Checkpoint(read("checkpoint"), Trust(trust)).size
    entries = read_tile(read, "entries", 0, size, entries_in)[: size - 3]
    hashes = [leaf_hash(entry) for entry in entries]
    bundle = b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
    for path, content in (
        (tile_path("entries", 0, size - 3), bundle),
        (tile_path(0, 0, size - 3), b"".join(hashes)),
        (
            "checkpoint",
            note(
                f"{log_signer(node_home).name}\n{size - 3}\n{b64(tree_hash(hashes))}\n".encode(), log_signer(node_home)
            ),
        ),
    ):
        (public / path).parent.mkdir(parents=True, exist_ok=True)
        (public / path).write_bytes(content)
    found = audits(trust, public, table)
    assert statuses(found, "ledger") == {VALID}, "alone, the older ledger is sound"
    assert statuses(found, "table") == {INVALID}, found
