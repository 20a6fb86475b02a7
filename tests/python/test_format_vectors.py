"""Do the independent verifier and `dab-verify` read trees, forks and changes of members as the shared vectors say? Those of
what replicas and witnesses say among themselves are read in Rust, by `ledger/tests`."""

import base64
import json
import re

import pytest

from auditor import entries_in, hashes_in, read_tile, tile_path
from consistency import check_fork, check_growth
from epochs import follow
from offline import in_rust, programs
from trust_directory import Trust
from vectors import content, vectors_of
from verdict import Invalid, Undecided, unbase64

# The fewest vectors of a file that count as pinning a format.
VECTORS_MIN = {"paths": 200, "tiles": 10, "bundles": 15, "consistency": 100, "forks": 50, "changes": 70}


def judged(check):
    """The verdict of a check, and what it found or said."""
    try:
        return "VALID", check()
    except Invalid as error:
        return "INVALID", str(error)
    except Undecided as error:
        return "UNDECIDED", str(error)


def of(name):
    vectors = vectors_of(name)
    assert len(vectors) >= VECTORS_MIN[name] and len({vector["name"] for vector in vectors}) == len(vectors)
    return vectors


def test_tiles_and_bundles_have_these_paths():
    for vector in of("paths"):
        if vector["verdict"] == "VALID":
            kind = "entries" if vector["level"] is None else vector["level"]
            assert tile_path(kind, vector["index"], vector["width"]) == vector["path"]


@pytest.mark.parametrize("name, parse, items", [("tiles", hashes_in, "hashes"), ("bundles", entries_in, "entries")])
def test_tiles_and_bundles_have_these_contents(name, parse, items):
    for vector in of(name):
        width = vector["width"]
        raw = {tile_path(0, 0, width): content(vector["bytes"])}
        verdict, found = judged(lambda: read_tile(raw.get, 0, 0, width, parse))
        assert verdict == vector["verdict"], (vector["name"], found)
        if verdict == "VALID":
            told = [base64.b64decode(item) if name == "tiles" else content(item) for item in vector[items]]
            assert found == told, vector["name"]


def test_consistency_proofs_are_judged_as_written():
    for vector in of("consistency"):
        old, new = ((tree["size"], base64.b64decode(tree["root"])) for tree in (vector["old"], vector["new"]))
        proof = vector["hashes"]
        verdict, found = judged(lambda: check_growth(old, new, [unbase64(hash, 32) for hash in proof]))
        assert verdict == vector["verdict"], (vector["name"], found)


def with_trust(vector, directory):
    directory.mkdir()
    for name in ("policy", "writers"):
        (directory / name).write_bytes(content(vector[name]))
    if vector.get("epoch") is not None:
        (directory / "epoch").write_text(f"{vector['epoch']}\n")
    return directory


def test_forks_are_told_with_who_is_to_blame(tmp_path):
    program = programs()[0]
    for number, vector in enumerate(of("forks")):
        trust = with_trust(vector, tmp_path / str(number))
        evidence = {name: content(vector[name]) for name in ("first", "second", "proof") if name in vector}
        verdict, accused = judged(lambda: check_fork(evidence["first"], evidence["second"], Trust(trust), evidence.get("proof")))
        told = (vector["verdict"], vector.get("accused"))
        assert told == (("INVALID", accused) if verdict == "VALID" and accused else (verdict, None)), (vector["name"], accused)
        for name, raw in evidence.items():
            (trust / name).write_bytes(raw)
        proof = ["--proof", trust / "proof"] if "proof" in evidence else []
        fork = ["fork", trust / "first", trust / "second", "--trust", trust, *proof, "--json"]
        report = json.loads(in_rust(program, *fork)[1])
        assert report["verdict"].upper() == vector["verdict"], (vector["name"], report)
        words = " ".join(finding["message"] for finding in report["failures"])
        assert re.findall(r"(\S+) \(key id [0-9a-f]{8}\) signed both", words) == vector.get("accused", []), vector["name"]


def test_changes_of_members_and_writers_lead_where_they_should(tmp_path):
    program = programs()[0]
    for number, vector in enumerate(of("changes")):
        policy, writers, raw = (content(vector[name]) for name in ("policy", "writers", "changes"))
        trust = with_trust(vector, tmp_path / str(number))
        verdict, steps = judged(lambda: follow(raw, policy, writers, vector["epoch"]))
        assert verdict == vector["verdict"], (vector["name"], steps)
        if verdict == "VALID":
            told = [(epoch["epoch"], epoch["members"], epoch["policy"], epoch["writers"]) for epoch in vector["epochs"]]
            found = [(at, members, policy.decode(), writers.decode()) for at, members, _, policy, writers in steps]
            assert found == told, vector["name"]
        (trust / "changes").write_bytes(raw)
        changes = ["follow", trust / "changes", "--trust", trust, "--write", "--json"]
        report = json.loads(in_rust(program, *changes)[1])
        assert report["verdict"].upper() == vector["verdict"], (vector["name"], report)
        last = (vector.get("epochs") or [{"policy": policy.decode(), "writers": writers.decode()}])[-1]
        for name in ("policy", "writers"):
            assert (trust / name).read_text() == last[name], (vector["name"], name)
