"""Do Go's packages for transparency logs accept what DAB wrote, reject every forgery, and agree with `dab-verify`?

The program is tests/go: signatures, cosignatures and trees are checked by golang.org/x/mod and transparency-dev's
packages, which other logs stand on. Go fetches them; where it is missing or too old the tests are skipped and say so."""

import os
import shutil
import urllib.parse
from pathlib import Path

import pytest

from changed_bytes import change, pick, public_file
from checkpoint import Checkpoint
from commit_file import actions
from forgeries import LEDGER_FORGERIES, RECEIPT_FORGERIES, RECEIPT_NEUTRAL, TABLE_FORGERIES, Evidence
from go_verifier import GO_PROJECT, INVALID, UNDECIDED, VALID, in_go
from made_ledger import MadeLedger, Signer
from offline import NEIGHBOUR, VERSION, MadeHome, in_rust
from server import Server, dab_verify_binary, run
from signed_note import COSIGNER_KEY
from trust_directory import Trust

CHANGES_PER_ARTEFACT = 25
INSERTS = 260  # more leaves than a tile has hashes
PARTS = 300  # data files of one commit
GO_TESTS_SECONDS_MAX = 900
TERABYTE = 1 << 40


def on_receipt(go, evidence, trust, directory):
    """What both say of a receipt, its commit file and data files: [(status, words)], the Go program first."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "receipt.tlog-proof").write_bytes(evidence.proof)
    arguments = [directory / "receipt.tlog-proof", "--trust", trust]
    if evidence.commit is not None:
        (directory / "commit.json").write_bytes(evidence.commit)
        arguments += ["--commit", directory / "commit.json"]
    for path, content in evidence.data:
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(content)
        arguments += ["--data", directory / path]
    return [in_go(go, "proof", *arguments), in_rust(dab_verify_binary(), "verify", *arguments)]


def on_head_proof(go, proof, trust, *arguments):
    """What both say of a head proof."""
    head = ["head", proof, "--trust", trust, *arguments]
    return [in_go(go, *head), in_rust(dab_verify_binary(), *head)]


def on_ledger(go, trust, public, *arguments):
    """What both say of a whole ledger."""
    ledger = ["ledger", public, "--trust", trust, *arguments]
    return [in_go(go, *ledger), in_rust(dab_verify_binary(), "audit", *ledger)]


def on_table(go, trust, public, table, *arguments):
    """What both say of a whole table, data files and all."""
    against = [table, "--trust", trust, "--ledger", public, *arguments]
    return [in_go(go, "table", *against), in_rust(dab_verify_binary(), "audit", "table", *against, "--deep")]


def both(found):
    """The one verdict of both; they must agree."""
    (ours, _), (theirs, _) = found
    assert ours == theirs, found
    return ours


def test_the_go_program_is_formatted_and_vetted_and_passes_its_own_tests(go):
    formatter = Path(run("go", "env", "GOROOT", cwd="/").stdout.strip()) / "bin" / "gofmt"
    assert run(formatter, "-l", ".", cwd=GO_PROJECT).stdout == ""
    run("go", "vet", "-mod=readonly", "./...", cwd=GO_PROJECT)
    run("go", "test", "-mod=readonly", "./...", cwd=GO_PROJECT, timeout=GO_TESTS_SECONDS_MAX)


# what DAB wrote


@pytest.fixture(scope="module")
def busy_home(tmp_path_factory):
    """The public files of a node whose ledger fills a tile and has commits of every kind, and their receipts."""
    directory = tmp_path_factory.mktemp("busy")
    server = Server(directory / "data").start()
    try:
        file = directory / "rows.csv"
        file.write_text("id,label\n1,eins\n2,zwei\n")
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE t (id BIGINT, label VARCHAR)")
            cursor.execute("INSERT INTO t VALUES (1, 'eins'), (2, 'zwei')")
            cursor.execute("INSERT OVERWRITE t VALUES (3, 'drei')")
            server.dab("load", "file", "t", file)
            server.dab("load", "file", "--overwrite", "t", file)
            cursor.execute("CREATE TABLE u AS SELECT id, label FROM t")
            # more data files than the ledger's entry can name: such a commit is staged as a file
            cursor.execute("CREATE TABLE large (id BIGINT, part VARCHAR) PARTITIONED BY (part)")
            cursor.execute("INSERT INTO large VALUES " + ", ".join(f"({n}, 'part {n}')" for n in range(PARTS)))
            cursor.execute("CREATE TABLE dropped (id BIGINT)")
            cursor.execute("DROP TABLE dropped")
            early = (server.public / "checkpoint").read_bytes()
            for row in range(INSERTS):
                cursor.execute(f"INSERT INTO u VALUES ({row}, 'row')")
            cursor.execute(
                "SELECT r.table_name, r.version, c.operation, r.proof FROM dab.receipts r JOIN dab.commits c"
                " ON r.table_name = c.table_name AND r.version = c.version ORDER BY 1, 2"
            )
            receipts = cursor.fetchall()
    finally:
        server.stop()
    return server, early, receipts


def test_receipts_of_all_kinds_of_commits_are_accepted(busy_home, go, tmp_path):
    server, _, receipts = busy_home
    kinds = {}
    for table, version, operation, proof in receipts:
        kinds.setdefault((table, operation), (version, proof))
    operations = {operation for _, operation in kinds}
    assert operations == {"CREATE TABLE", "CREATE TABLE AS", "INSERT", "OVERWRITE", "LOAD", "LOAD OVERWRITE"}
    assert ("large", "INSERT") in kinds
    for (table, operation), (version, proof) in kinds.items():
        commit = (server.table(table) / "_delta_log" / f"{version:020}.json").read_bytes()
        paths = [urllib.parse.unquote(add["path"]) for add in actions(commit, "add")]
        data = tuple((path, (server.table(table) / path).read_bytes()) for path in paths)
        evidence = Evidence(proof.encode(), commit, data)
        found = on_receipt(go, evidence, server.trust, tmp_path / table / operation)
        assert both(found) == VALID, found
        assert f"sequence {version}: {operation}, leaf " in found[0][1], found[0]
        assert f"but {len(data)} of the {len(data)} data files" in found[0][1], found[0]


def test_tables_of_a_busy_node_are_accepted_version_by_version(busy_home, go):
    """Also one whose files later versions replaced."""
    server, *_ = busy_home
    for table, files_min in {"t": 4, "u": 1 + INSERTS, "large": PARTS}.items():
        files = len([*server.table(table).rglob("*.parquet")])
        found = on_table(go, server.trust, server.public, server.table(table))
        assert both(found) == VALID and files >= files_min, found
        assert f" versions, {files} data files, 0 more" in found[0][1], found[0]


def test_the_ledger_of_a_busy_node_is_accepted_tile_by_tile_and_only_grew(busy_home, go, tmp_path):
    server, early, _ = busy_home
    (tmp_path / "early").write_bytes(early)
    assert Checkpoint((server.public / "checkpoint").read_bytes(), Trust(server.trust)).size > 256
    assert (server.public / "tile" / "1").is_dir()
    found = on_ledger(go, server.trust, server.public, "--since", tmp_path / "early")
    assert both(found) == VALID, found
    assert "catalog: " in found[0][1] and "table/" in found[0][1], found[0]


def test_receipts_ledger_and_checkpoint_are_accepted(home, go, tmp_path):
    for version in range(len(home.commits)):
        found = on_receipt(go, home.evidence(version), home.trust, tmp_path / str(version))
        assert both(found) == VALID, found
        assert f"sequence {version}: " in found[0][1] and "certifies alone" in found[0][1], found[0]
    assert both(on_ledger(go, home.trust, home.public)) == VALID
    assert in_go(go, "checkpoint", home.public / "checkpoint", "--trust", home.trust)[0] == VALID


def test_a_head_proof_says_which_version_is_the_last_of_how_many_leaves(home, go, tmp_path):
    found = on_head_proof(go, home.head_proof, home.trust)
    assert both(found) == VALID, found
    assert f": sequence {len(home.commits) - 1}, leaf " in found[0][1] and " among the first " in found[0][1], found
    found = on_head_proof(go, home.head_proof, home.trust, "--table-id", "another")
    assert both(found) == INVALID, found
    receipt = home.proofs / "0.tlog-proof"
    assert both(on_head_proof(go, receipt, home.trust)) == INVALID


# what forgers wrote


@pytest.mark.parametrize("name", RECEIPT_FORGERIES)
def test_a_forged_receipt_is_rejected_as_by_dab(home, go, tmp_path, name):
    forged = RECEIPT_FORGERIES[name](home.evidence(VERSION), home.evidence(NEIGHBOUR))
    found = on_receipt(go, forged, home.trust, tmp_path)
    assert both(found) == INVALID, found


@pytest.mark.parametrize("name", RECEIPT_NEUTRAL)
def test_what_the_formats_declare_neutral_is_accepted(home, go, tmp_path, name):
    evidence = RECEIPT_NEUTRAL[name](home.evidence(VERSION), home.evidence(NEIGHBOUR))
    assert both(on_receipt(go, evidence, home.trust, tmp_path)) == VALID


@pytest.mark.parametrize("name", LEDGER_FORGERIES)
def test_a_forged_ledger_is_rejected_as_by_dab(home, go, tmp_path, name):
    trust, public, table = home.copy(tmp_path)
    LEDGER_FORGERIES[name](public, table)
    found = on_ledger(go, trust, public)
    assert both(found) == INVALID, found


@pytest.mark.parametrize("name", TABLE_FORGERIES)
def test_a_forged_table_is_rejected_as_by_dab(home, go, tmp_path, name):
    trust, public, table = home.copy(tmp_path)
    assert both(on_table(go, trust, public, table)) == VALID
    TABLE_FORGERIES[name](public, table)
    found = on_table(go, trust, public, table)
    assert both(found) == INVALID, found


def test_a_table_is_told_from_another(home, go, tmp_path):
    found = on_table(go, home.trust, home.public, home.table, "--table-id", "another")
    assert both(found) == INVALID, found
    assert both(on_table(go, home.trust, home.public, tmp_path)) == UNDECIDED


def test_forks_and_changes_of_writers_are_judged_as_by_dab(home, go, tmp_path):
    (tmp_path / "changes").write_bytes(home.changes)
    for name, content in home.fork.items():
        (tmp_path / name).write_bytes(content)
    proof = ["--proof", tmp_path / "proof"] if "proof" in home.fork else []
    fork = ["fork", tmp_path / "first", tmp_path / "second", "--trust", home.trust, *proof]
    found = [in_go(go, *fork), in_rust(dab_verify_binary(), *fork)]
    assert both(found) == INVALID and "forked" in found[0][1], found
    same = ["fork", tmp_path / "first", tmp_path / "first", "--trust", home.trust]
    assert both([in_go(go, *same), in_rust(dab_verify_binary(), *same)]) == VALID
    changes = ["follow", tmp_path / "changes", "--trust", home.before]
    found = [in_go(go, *changes, "--output", tmp_path / "trust"), in_rust(dab_verify_binary(), *changes)]
    assert both(found) == VALID and "epoch 1, a node alone" in found[0][1], found
    if home.before != home.trust:
        assert (tmp_path / "trust" / "writers").read_bytes() == (home.trust / "writers").read_bytes()


@pytest.mark.parametrize(
    "missing, verdict", [("checkpoint", UNDECIDED), ("tile/0", INVALID), ("tile/entries", INVALID)]
)
def test_a_missing_file_is_judged_as_by_dab(home, go, tmp_path, missing, verdict):
    """Without a checkpoint nothing was promised; what a checkpoint promises has to be there."""
    trust, public, _ = home.copy(tmp_path)
    (public / missing).rename(public / "hidden")
    found = on_ledger(go, trust, public)
    assert both(found) == verdict, found


def test_what_is_no_file_to_be_read_is_judged_as_by_dab(home, go, tmp_path):
    """A pipe would have its reader wait for ever, a file that claims a terabyte read as long."""
    trust, public, table = home.copy(tmp_path)
    log = table / "_delta_log"
    for path in [public / "checkpoint", log / f"{0:020}.json", log / f"{VERSION:020}.json", next(table.rglob("*.parquet"))]:
        honest = path.read_bytes()
        path.unlink()
        os.mkfifo(path)
        found = on_table(go, trust, public, table)
        assert both(found) == UNDECIDED, (path, found)
        path.unlink()
        path.write_bytes(honest)
        os.truncate(path, TERABYTE)
        found = on_table(go, trust, public, table)
        assert both(found) == INVALID, (path, found)
        path.write_bytes(honest)
    assert both(on_table(go, trust, public, table)) == VALID


def test_a_file_in_the_place_of_a_folder_is_judged_as_by_dab(home, go, tmp_path):
    trust, public, _ = home.copy(tmp_path)
    (public / "tile" / "0").rename(public / "hidden")
    (public / "tile" / "0").write_bytes(b"")
    found = on_ledger(go, trust, public)
    assert both(found) == INVALID, found


def test_a_fork_or_a_rollback_shows_against_an_older_checkpoint(made_home, go, tmp_path):
    known = tmp_path / "checkpoint"
    known.write_bytes(made_home.ledger.checkpoint(9))
    assert both(on_ledger(go, made_home.trust, made_home.public, "--since", known)) == VALID
    fork, rollback = MadeLedger(tmp_path / "fork"), MadeLedger(tmp_path / "rollback")
    for n in range(14):
        fork.notarize("digest/other", b"%d" % n)
    rollback.entries = made_home.ledger.entries[:8]
    for other in (fork.issue(), rollback.issue()):
        assert both(on_ledger(go, made_home.trust, other.public)) == VALID
        found = on_ledger(go, made_home.trust, other.public, "--since", known)
        assert both(found) == INVALID, found


def test_a_leaf_that_breaks_the_rule_of_subjects_is_rejected_as_by_dab(go, tmp_path):
    for what, (sequence, parent) in {"skips": (2, b"x" * 32), "repeats": (-1, None), "forks": (0, b"x" * 32)}.items():
        ledger = MadeLedger(tmp_path / what)
        ledger.notarize("digest/a", b"first")
        assert both(on_ledger(go, ledger.trust, ledger.issue().public)) == VALID
        ledger.heads["digest/a"] = (sequence, parent)
        ledger.notarize("digest/a", b"second")
        found = on_ledger(go, ledger.trust, ledger.issue().public)
        assert both(found) == INVALID, (what, found)


def test_what_only_the_log_stands_for_is_rejected_as_by_dab(go, tmp_path):
    """The insider who holds the log's key certifies leaves that no listed writer of the subject signed."""
    ledger = MadeLedger(tmp_path)
    (ledger.trust / "writers").write_text(f"{ledger.writer.vkey} table/* catalog\n")
    stranger, same_name = Signer("stranger.example/etl", "stranger"), Signer(ledger.writer.name, "stranger")
    forged = {
        "by a stranger": ledger.notarize("table/a", b"1", writer=stranger),
        "by a stranger with the writer's name": ledger.notarize("table/b", b"1", writer=same_name),
        "by the log": ledger.notarize("table/c", b"1", writer=ledger.log),
        "on a subject of nobody's": ledger.notarize("digest/a", b"1"),
    }
    honest = ledger.notarize("table/d", b"1")
    assert both(on_receipt(go, Evidence(ledger.receipt(honest)), ledger.trust, tmp_path / "honest")) == VALID
    for what, index in forged.items():
        found = on_receipt(go, Evidence(ledger.receipt(index)), ledger.trust, tmp_path / what)
        assert both(found) == INVALID, (what, found)
    assert both(on_ledger(go, ledger.trust, ledger.issue().public)) == INVALID


# policies with witnesses


@pytest.fixture(scope="module")
def witnessed(tmp_path_factory):
    """A ledger with five witnesses."""
    return MadeHome(tmp_path_factory.mktemp("witnessed"), witnesses=5, quorum="all")


def with_policy(home, directory, lines):
    """A trust directory with the ledger's own log and witnesses and other lines for groups and quorum."""
    shutil.copytree(home.trust, directory)
    own = [line for line in (directory / "policy").read_text().splitlines() if line.startswith(("log ", "witness "))]
    (directory / "policy").write_text("\n".join([*own, *lines.split("; ")]) + "\n")
    return directory


TWO_GROUPS = "group a 2 w1 w2 w3; group b any w4 w5; group both all a b; quorum both"


@pytest.mark.parametrize(
    "policy, signers, verdict",
    [
        ("quorum none", "log", VALID),
        ("quorum w2", "log w2", VALID),
        ("quorum w2", "log w1 w3 w4 w5", INVALID),
        ("quorum w2", "log w2 w2", INVALID),
        ("quorum w2", "w2", INVALID),
        ("quorum w2", "log w2 stranger", VALID),
        ("quorum w2", "log w2 impostor", INVALID),
        (TWO_GROUPS, "log w1 w3 w5", VALID),
        (TWO_GROUPS, "w5 w3 w2 log", VALID),
        (TWO_GROUPS, "log w1 w2 w3", INVALID),
        (TWO_GROUPS, "log w1 w4 w5", INVALID),
        (TWO_GROUPS, "log w1 w1 w4", INVALID),
        # no policies: whoever cannot say what they trust cannot decide
        ("group a any w1 w2", "log w1 w2", UNDECIDED),
        ("quorum w1; quorum w1", "log w1", UNDECIDED),
        ("group a 3 w1 w2; quorum a", "log w1 w2", UNDECIDED),
        ("group a any w1; group b any w1; quorum a", "log w1", UNDECIDED),
        ("group a any b; group b any w1; quorum b", "log w1", UNDECIDED),
        ("quorum nobody", "log w1", UNDECIDED),
    ],
)
def test_a_quorum_is_counted_as_by_dab(witnessed, go, tmp_path, policy, signers, verdict):
    ledger = witnessed.ledger
    known = {"log": ledger.log, "stranger": Signer("stranger.example", "s", COSIGNER_KEY)}
    known |= {f"w{n}": witness for n, witness in enumerate(ledger.witnesses, 1)}
    known["impostor"] = Signer(ledger.witnesses[2].name, "x", COSIGNER_KEY)
    known["impostor"].id = ledger.witnesses[2].id
    trust = with_policy(witnessed, tmp_path / "trust", policy)
    evidence = witnessed.cosigned(*(known[name] for name in signers.split()))
    found = on_receipt(go, evidence, trust, tmp_path)
    assert both(found) == verdict, found
    (tmp_path / "checkpoint").write_bytes(evidence.note())
    assert in_go(go, "checkpoint", tmp_path / "checkpoint", "--trust", trust)[0] == verdict


# changed bytes


@pytest.mark.parametrize("artefact", ["proof", "commit file", "data file", "checkpoint", "tile", "entry bundle"])
def test_a_changed_byte_gets_the_same_verdict_as_from_dab(home, go, chance, tmp_path, artefact):
    trust, public, _ = home.copy(tmp_path / "copy")
    for turn in range(CHANGES_PER_ARTEFACT):
        if artefact in ("proof", "commit file", "data file"):
            honest, put = pick(home, artefact, chance)
            at, changed = change(honest, chance)
            found = on_receipt(go, put(changed), trust, tmp_path / str(turn))
        else:
            path = public / public_file(home, artefact)
            honest = path.read_bytes()
            at, changed = change(honest, chance)
            path.write_bytes(changed)
            found = on_ledger(go, trust, public)
            path.write_bytes(honest)
        assert both(found) == INVALID, f"{artefact}, offset {at}: {found}"
