"""Is any changed byte of anything that an auditor is handed missed by Go's packages for transparency logs?

Every offset of a receipt, its commit file and data file, a head proof, the policy, the writers file, the checkpoint, the
tiles and the entry bundles of small ledgers, a table's commits, changes of members and writers, and the evidence of a fork
is changed in four ways, in one process of tests/go; of each file of a table OFFSETS offsets, and all with
DAB_TAMPER_OFFSETS=all. What is accepted has to be neutral by `tests/data/neutral_changes.txt`, where the lines `bytes of ...`
say which bytes are, and why."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from auditor import audit_ledger, source
from commit_file import actions
from go_verifier import GO_PROJECT
from made_heads import bind, head_proof
from made_ledger import MadeLedger
from offline import ETL, forked
from server import run
from trust_directory import Trust

TABLE = "orders"
CAMPAIGN_SECONDS_MAX = 6000
OFFSETS = os.environ.get("DAB_TAMPER_OFFSETS", "100")
LISTED = Path(__file__).parents[1] / "data" / "neutral_changes.txt"
CHECKED = {"policy", "writers", "receipt.tlog-proof", "commit.json", "head.head-proof", "checkpoint", "changes", "first"}
FOLDERS = ["public/tile/0/", "public/tile/entries/", "table/_delta_log/", "table/", "data/"]


@pytest.fixture(scope="module")
def tamper(go, tmp_path_factory):
    """The program that changes bytes; `go` has found out that Go can be used."""
    program = tmp_path_factory.mktemp("tamper") / "dab-go-tamper"
    run("go", "build", "-mod=readonly", "-buildvcs=false", "-o", program, "./cmd/dab-go-tamper", cwd=GO_PROJECT)
    return program


def laid_out(folder, trust, public, receipt, commit, head, table, changes, before, fork):
    """The evidence as the program reads it; of the public files those that an audit reads, of the table its commits and data."""
    only_read = shutil.ignore_patterns("ledger", "ca.pem", "epoch", "changes")
    shutil.copytree(trust, folder / "trust", ignore=only_read)
    shutil.copytree(before, folder / "before", ignore=only_read)
    (folder / "receipt.tlog-proof").write_bytes(receipt)
    (folder / "commit.json").write_bytes(commit)
    (folder / "head.head-proof").write_bytes(head)
    (folder / "changes").write_bytes(changes)
    (folder / "fork").mkdir()
    for name, content in fork.items():
        (folder / "fork" / name).write_bytes(content)
    read, asked = source(str(public), Trust(trust)), []
    audit_ledger(lambda path: asked.append(path) or read(path), Trust(trust))
    for path in asked:
        if (public / path).is_file():
            copied(public / path, folder / "public" / path)
    for path in [*(table / "_delta_log").glob("*.json"), *table.rglob("*.parquet")]:
        copied(path, folder / "table" / path.relative_to(table))
    for add in actions(commit, "add"):
        copied(table / add["path"], folder / "data" / add["path"])
    return folder


def copied(path, to):
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, to)


def of_a_home(folder, home):
    evidence, head = home.evidence(5), home.head_proof.read_bytes()
    of_table = home.table, home.changes, home.before, home.fork
    # the writers of then: a line of a key that has signed nothing decides nothing, whatever it says
    return laid_out(folder, home.before, home.public, evidence.proof, evidence.commit, head, *of_table)


def of_a_witnessed_ledger(folder, home):
    """Two of three witnesses have to cosign, all did; the head proof shows that there is no such table."""
    ledger = MadeLedger(folder / "made", witnesses=3, quorum="2")
    index = ledger.commit(TABLE, [b"PAR1"])
    receipt = ledger.receipt(index)
    changes = ledger.begin_epoch(f"{(ledger.trust / 'writers').read_text()}{ETL.vkey} digest/etl/*\n")
    bound = bind(ledger)
    ledger.issue()
    table = folder / "made" / "tables" / TABLE
    commit = (table / f"_delta_log/{0:020}.json").read_bytes()
    head = head_proof(ledger, "table/nowhere", bound, bound)
    fork = forked(ledger, folder / "fork", witnesses=3, quorum="2")
    (folder / "taken").mkdir()
    return laid_out(
        folder / "taken", ledger.trust, ledger.public, receipt, commit, head, table, changes, ledger.trust, fork
    )


# Which changes are neutral, as LISTED names them: functions of the honest text, the offset, and what is done there.


def in_a_comment(honest, at, change):
    """Its line's `#` may be doubled, but not be missing."""
    return honest.startswith(b"#") and at < honest.index(b"\n") and (at > 0 or change == "doubled")


def one_blank_more(honest, at, change):
    return change == "doubled" and honest[at : at + 1] in (b" ", b"\n")


def in_a_cosignature_beyond_the_quorum(honest, at, change):
    """Name and key id stand at the beginning of the line: whoever they name instead is nobody known."""
    line = honest[honest.rfind(b"\n", 0, at) + 1 :]
    named = re.match("— witness[0-9]\\.example ......".encode(), line)
    return bool(named) and len("— ".encode()) <= at - len(honest) + len(line) < named.end()


def in_the_subject_of_absence(honest, at, change):
    start = honest.index(b"\nsubject table/nowhere\n") + len(b"\nsubject ")
    return start <= at < start + len(b"table/nowhere")


NEUTRAL = {
    ("policy, writers", "of a comment"): (r"policy$|writers$", in_a_comment),
    ("policy, writers", "another or a further blank between words, or an empty line"): (r"policy$|writers$", one_blank_more),
    ("checkpoint", "of the name or key id of a cosignature that the quorum does not need"): (
        r"checkpoint$|proof$|changes$",
        in_a_cosignature_beyond_the_quorum,
    ),
    ("head proof", "of the subject of a proof of absence"): (r"head-proof$", in_the_subject_of_absence),
}
OF_ONE_NODE = {kind for kind in NEUTRAL if kind[0] == "policy, writers"}


def listed():
    lines = [line.split(" | ") for line in LISTED.read_text().splitlines() if line.startswith("bytes of ")]
    assert all(len(reason) > 20 for _, _, reason in lines)
    return {(artefact.removeprefix("bytes of "), change) for artefact, change, _ in lines}


@pytest.mark.parametrize(
    "made, neutral",
    [
        (of_a_home, OF_ONE_NODE),
        (of_a_witnessed_ledger, {*NEUTRAL}),
    ],
    ids=["one node", "three witnesses"],
)
def test_every_changed_byte_is_refused_or_neutral(node_home, tamper, tmp_path, capsys, made, neutral):
    assert listed() == {*NEUTRAL}
    folder = made(tmp_path, node_home)
    honest = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    offsets = [] if OFFSETS == "all" else ["-table-offsets", OFFSETS]
    tallies = json.loads(run(tamper, *offsets, folder, timeout=CAMPAIGN_SECONDS_MAX).stdout)
    with capsys.disabled():
        tried = sum(tally["tried"] for tally in tallies.values())
        accepted = sum(len(tally["accepted"]) for tally in tallies.values())
        print(f"\n{tried} changes in {len(tallies)} files, {accepted} accepted as neutral")
    assert {name.rpartition("/")[2] for name in tallies} >= CHECKED
    assert all(any(name.startswith(below) for name in tallies) for below in FOLDERS)
    missed, met = [], set()
    for name, tally in tallies.items():
        sampled = name.startswith("table/") and OFFSETS != "all"
        assert tally["tried"] == 4 * min(len(honest[name]), int(OFFSETS) if sampled else len(honest[name])), name
        for change in tally["accepted"]:
            kinds = {
                kind
                for kind, (files, fits) in NEUTRAL.items()
                if re.search(files, name) and fits(honest[name], change["offset"], change["change"])
            }
            met |= kinds
            if not kinds & neutral:
                missed.append((name, change))
    assert not missed, missed
    assert met == neutral
    assert all((folder / name).read_bytes() == content for name, content in honest.items())
