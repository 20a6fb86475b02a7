"""Do the verifiers come to the verdicts, and for the reasons, that stand in tests/vectors? Are those files what their
generator makes? The page in the browser is held to the same files by `test_page.py`."""

import json
import re
import runpy

import pytest
from blake3 import blake3

from head_proof import verify_head
from offline import in_rust, programs
from receipt import verify
from trust_directory import Trust
from vectors import FOLDER, VECTORS, expected, vectors_of
from verdict import Invalid, Undecided

WRONG_COMMAND_LINE = 64

# The words with which the independent verifier, and DAB's, tell each reason.
REASONS = {
    "malformed": (
        r"no tlog-proof|lacks its leaf|too many hashes|canonical|bytes where \d+ belong|^no |the note |three lines|torn"
        r"|^policy|group |quorum$|writers: |no list of Delta|no size or digest|path |stands twice|has a parent"
        r"|that long|signature is too short|the trust directory cannot be used",
        r"is malformed|has no tag|it adds .* twice",
    ),
    "wrong_key": (r"no verifier key of type", r"has signature type 0x0\d, but"),
    "bad_signature": (r"does not hold|malformed cosignature", r"does not verify"),
    "duplicate_signature": (r"two signatures by", r"carries two signatures by"),
    "not_signed": (r"no trusted log signed", r"checkpoint is not signed by"),
    "quorum_not_met": (r"the quorum .* is not reached", r"quorum .* is not met"),
    "wrong_origin": (r"was made for the ledger", r"leaf belongs to ledger"),
    "not_included": (r"not in the tree|too long|too short|outside a tree", r"inclusion proof does not hold"),
    "writer_unknown": (r"is no trusted writer", r"a key that the writers file does not list"),
    "writer_revoked": (r"is revoked from leaf", r"a key that is revoked from leaf"),
    "writer_not_allowed": (r"is no trusted writer", r"may not write subject"),
    "another_table": (None, r"the (receipt|head proof) is for"),
    "body_differs": (r"the commit file('s| has)", r"the (commit )?file is not the notarized one"),
    "contradicts_leaf": (r"commitInfo\.dab", r"commitInfo\.dab"),
    "files_root_differs": (r"the files root differs", r"its root differs"),
    "unknown_data_file": (r"the commit adds no such file", r"the commit adds no file of this name"),
    "data_differs": (r"notarized|the data file's BLAKE3", r"the data file is not the one that was added"),
    "head_not_bound": (
        r"the head(s leaf|s leaves| map|map's path| proof denies)",
        r"(head proof|heads leaf|path of the head map) does not hold",
    ),
    "needs_commit": (r"only with the commit file", r"needs the commit file"),
}

# Two faults at once, of which the independent verifier meets the other one first.
FIRST_IN_PYTHON = {
    "checkpoint: an added extension line": "bad_signature",
    "leaf: another ledger's origin": "not_included",
    "leaf: signed twice": "not_included",
    "leaf: not signed": "not_included",
    "leaf: empty": "not_included",
    "leaf: sequence with a leading zero": "not_included",
    "commit: a second commitInfo": "contradicts_leaf",
    "commit: commitInfo.dab that is no object": "contradicts_leaf",
    "leaf: two hashes posing as a leaf, one level up": "not_included",
}

# DAB's reads numbers up to 2^64, and meets their consequence.
FIRST_IN_RUST = {"checkpoint: size of 2^63": "bad_signature", "index: 2^63": "not_included"}


def with_trust(vector, directory):
    """The evidence of a vector, its trust directory on disk."""
    evidence, policy, writers = expected(vector)
    directory.mkdir(parents=True)
    (directory / "policy").write_bytes(policy)
    (directory / "writers").write_bytes(writers)
    return evidence


def test_the_files_are_what_their_generator_makes():
    made = runpy.run_path(str(FOLDER / "make.py"))["made"]()
    assert {path.name for path in FOLDER.glob("*.json")} == made.keys()
    for name, text in made.items():
        assert (FOLDER / name).read_text() == text, f"{name}: run tests/vectors/make.py and read what changed"


@pytest.mark.parametrize("name", [*VECTORS, "heads"])
def test_each_vector_has_a_name_of_its_own_and_a_known_reason(name):
    vectors = vectors_of(name)
    assert len({vector["name"] for vector in vectors}) == len(vectors)
    for vector in vectors:
        assert (vector["verdict"] == "VALID") == (vector["reason"] is None), vector["name"]
        assert vector["reason"] is None or vector["reason"] in REASONS, vector["name"]


@pytest.mark.parametrize("name", VECTORS)
def test_the_independent_verifier_gives_the_verdicts_and_reasons_of_the_vectors(tmp_path, name):
    wrong = []
    # it is not told which table to expect: its caller reads the subject
    for number, vector in enumerate(vector for vector in vectors_of(name) if "table_id" not in vector):
        evidence = with_trust(vector, tmp_path / str(number))
        verdict, words, cosigned = "VALID", "", None
        try:
            checkpoint = verify(evidence.proof, Trust(tmp_path / str(number)), evidence.commit, evidence.data)[2]
            cosigned = [*checkpoint.cosigned]
        except Invalid as error:
            verdict, words = "INVALID", str(error)
        except Undecided as error:
            verdict, words = "UNDECIDED", str(error)
        reason = FIRST_IN_PYTHON.get(vector["name"], vector["reason"])
        good = verdict == vector["verdict"] and (reason is None or re.search(REASONS[reason][0], words))
        if not good or ("cosigners" in vector and sorted(cosigned) != sorted(vector["cosigners"])):
            wrong.append((vector["name"], vector["verdict"], reason, verdict, words, cosigned))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("name", VECTORS)
def test_dabs_own_verifier_gives_the_verdicts_and_reasons_of_the_vectors(tmp_path, name):
    program, wrong = programs()[0], []
    for number, vector in enumerate(vectors_of(name)):
        directory = tmp_path / str(number)
        evidence = with_trust(vector, directory)
        arguments = [directory / "p", "--trust", directory, "--json"]
        (directory / "p").write_bytes(evidence.proof)
        if evidence.commit is not None:
            (directory / "commit.json").write_bytes(evidence.commit)
            arguments += ["--commit", directory / "commit.json"]
        for path, content in evidence.data:
            (directory / path).write_bytes(content)
            arguments += ["--data", directory / path]
        if "table_id" in vector:
            arguments += ["--table-id", vector["table_id"]]
        status, said = in_rust(program, "verify", *arguments)
        if vector["reason"] == "needs_commit":
            # a command line that asks for what cannot be checked is refused as a whole
            assert status == WRONG_COMMAND_LINE and "needs --commit" in said, said
            continue
        report = json.loads(said)
        words = " ".join(finding["message"] for finding in report["failures"] + report["undecided"])
        reason = FIRST_IN_RUST.get(vector["name"], vector["reason"])
        good = report["verdict"].upper() == vector["verdict"]
        good = good and (reason is None or re.search(REASONS[reason][1], words))
        certification = report["certification"] or {}
        for key, found in (
            ("certifies_alone", certification.get("certifies_alone")),
            ("cosigners", [cosigner["name"] for cosigner in certification.get("cosigners", [])]),
        ):
            good = good and vector.get(key, found) == found
        if not good:
            wrong.append((vector["name"], vector["verdict"], vector["reason"], report["verdict"], words, certification))
    assert not wrong, "\n".join(map(str, wrong))


def test_the_independent_verifier_gives_the_verdicts_and_reasons_of_the_head_proofs(tmp_path):
    wrong = []
    # it is not told which table to expect: its caller reads the subject
    for number, vector in enumerate(vector for vector in vectors_of("heads") if "table_id" not in vector):
        evidence = with_trust(vector, tmp_path / str(number))
        verdict, words, shown = "VALID", "", {}
        try:
            _, size, last, checkpoint = verify_head(evidence.proof, Trust(tmp_path / str(number)))
            sequence, index = (last[0].sequence, last[1]) if last else (None, None)
            shown = {"size": size, "sequence": sequence, "leaf_index": index, "cosigners": [*checkpoint.cosigned]}
        except Invalid as error:
            verdict, words = "INVALID", str(error)
        reason = FIRST_IN_PYTHON.get(vector["name"], vector["reason"])
        good = verdict == vector["verdict"] and (reason is None or re.search(REASONS[reason][0], words))
        if not good or any(vector.get(key, found) != found for key, found in shown.items()):
            wrong.append((vector["name"], vector["verdict"], reason, verdict, words, shown))
    assert not wrong, "\n".join(map(str, wrong))


def test_dabs_own_verifier_gives_the_verdicts_and_reasons_of_the_head_proofs(tmp_path):
    program, wrong = programs()[0], []
    for number, vector in enumerate(vectors_of("heads")):
        directory = tmp_path / str(number)
        evidence = with_trust(vector, directory)
        (directory / "p").write_bytes(evidence.proof)
        table_id = ["--table-id", vector["table_id"]] if "table_id" in vector else []
        report = json.loads(in_rust(program, "head", directory / "p", "--trust", directory, "--json", *table_id)[1])
        words = " ".join(finding["message"] for finding in report["failures"] + report["undecided"])
        good = report["verdict"].upper() == vector["verdict"]
        good = good and (vector["reason"] is None or re.search(REASONS[vector["reason"]][1], words))
        if vector["verdict"] == "VALID":
            sequence = "none" if vector["sequence"] is None else str(vector["sequence"])
            leaf = None if vector["leaf_index"] is None else str(vector["leaf_index"])
            facts, certification = report["facts"], report["certification"]
            good = good and facts["leaves covered"] == str(vector["size"])
            good = good and (facts["last sequence"], facts.get("leaf")) == (sequence, leaf)
            cosigners = [cosigner["name"] for cosigner in certification["cosigners"]]
            good = good and vector.get("cosigners", cosigners) == cosigners
        if not good:
            wrong.append((vector["name"], vector["verdict"], vector["reason"], report["verdict"], words, report["facts"]))
    assert not wrong, "\n".join(map(str, wrong))


def test_the_hashes_are_those_of_the_published_blake3():
    vectors = {vector["bytes"]: vector["blake3"] for vector in vectors_of("blake3")}
    assert vectors[0] == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    assert vectors[1] == "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"
    assert vectors[1024] == "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"
    assert all(
        digest == blake3(bytes(i % 251 for i in range(length))).hexdigest() for length, digest in vectors.items()
    )
