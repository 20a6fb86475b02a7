"""Head proofs and heads leaves, as the independent verifier and auditor see them. Needs no `dab`; the verdicts on
single faults are in tests/vectors."""

import pytest

from auditor import MAP_WINDOW_LEAVES, audit_ledger, source
from head_map import EMPTY_MAP, map_of, map_root, root_of_path, sha256
from head_proof import verify_head
from made_heads import bind, head_proof, heads_body, leaves_of, path_of
from made_ledger import MadeLedger
from merkle import leaf_hash
from trust_directory import Trust
from verdict import Invalid
from verifier import main as verifier


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Twenty leaves on five tables, a heads leaf over them, one leaf more. Both witnesses have to cosign: what stands
    in for a signature that nobody needs may change."""
    ledger = MadeLedger(tmp_path_factory.mktemp("heads"), witnesses=2, quorum="all")
    for i in range(20):
        ledger.notarize(f"table/{i * i % 5}", b"%d" % i)
    ledger.bound = bind(ledger)
    ledger.notarize("table/0", b"later")
    return ledger


def entry(number, sequence=0):
    leaf = leaf_hash(b"%d %d" % (number, sequence))
    return sha256(b"table/%d" % number), sequence, sequence * 1000 + number, leaf


def test_roots_of_small_maps_are_those_that_dab_pins():
    assert EMPTY_MAP.hex() == "e52d9c508c502347344d8c07ad91cbd6068afc75ff6292f062a09ca381c89e71"
    assert [map_root(sorted(entry(i) for i in range(count))).hex() for count in (1, 2, 3)] == [
        "35b809da0186c396f019a5f0bacef4bc18a3150733e390abb1310b5f65156627",
        "0316c6457f911ebf688e119fd03b986b66c069232e390bad694f7091229b55a0",
        "8a5cd175dea531ce59200db02a482910243de0998934caa6afe2d3e7b40573ff",
    ]


def test_every_key_has_one_path_and_leads_to_the_root_by_no_other():
    for count in range(1, 30):
        entries = sorted(entry(i) for i in range(count))
        root = map_root(entries)
        for number in range(count + 10):
            key = sha256(b"table/%d" % number)
            found, steps = path_of(entries, key)
            assert (found[0] == key) == (number < count)
            assert root_of_path(key, found, steps) == root
            for other in range(count):
                theirs, path = path_of(entries, entry(other)[0])
                if theirs[0] != found[0]:
                    with pytest.raises(Invalid):
                        assert root_of_path(key, theirs, path) == root
                        raise AssertionError("another's path was accepted")


def test_no_flipped_bit_of_a_head_proof_goes_unnoticed(made):
    """One path may show of several subjects that they have no leaf: about another such subject the proof is as true."""
    trust, there = Trust(made.trust), {leaf.subject for leaf in leaves_of(made, 20)}
    for subject in ("table/1", "table/9"):
        proof = head_proof(made, subject, 20, made.bound)
        assert verify_head(proof, trust)[:2] == (subject, 20)
        for at in range(len(proof)):
            forged = proof[:at] + bytes([proof[at] ^ 1 << at % 8]) + proof[at + 1 :]
            try:
                other, _, last, _ = verify_head(forged, trust)
                assert subject != other not in there and last is None, f"bit {at % 8} of byte {at}"
            except Invalid:
                pass
        for end in range(len(proof)):
            with pytest.raises(Invalid):
                verify_head(proof[:end], trust)


def audited(ledger):
    ledger.issue()
    trust = Trust(ledger.trust)
    return audit_ledger(source(str(ledger.public), trust), trust)


def test_the_audit_of_a_ledger_derives_what_its_heads_leaves_bind(tmp_path):
    ledger = MadeLedger(tmp_path)
    bind(ledger)
    for i in range(40):
        ledger.notarize(f"table/{i % 7}", b"%d" % i)
        if i % 11 == 5:
            bind(ledger, len(ledger.entries) - i % 3)
    assert len(audited(ledger)[1]["heads"]) == 5


@pytest.mark.parametrize("lie", ["another root", "another count", "going back", "too late", "no text of a map"])
def test_the_audit_of_a_ledger_finds_a_heads_leaf_that_lies(tmp_path, lie):
    ledger = MadeLedger(tmp_path)
    for i in range(5):
        ledger.notarize(f"table/{i % 2}", b"%d" % i)
    bind(ledger)
    body = {
        "another root": heads_body(ledger, 6, root=map_root(map_of(leaves_of(ledger, 3)))),
        "another count": heads_body(ledger, 6, subjects=3),
        "going back": heads_body(ledger, 5),
        "too late": heads_body(ledger, 6),
        "no text of a map": b"nothing",
    }[lie]
    for i in range(MAP_WINDOW_LEAVES if lie == "too late" else 0):
        ledger.notarize("table/0", b"more %d" % i)
    assert audited(ledger)
    bind(ledger, body=body)
    with pytest.raises(Invalid, match=f"leaf {len(ledger.entries) - 1}: the heads leaf binds no head map"):
        audited(ledger)


def test_the_command_exits_0_1_and_2(made, tmp_path, capsys):
    file, trust = tmp_path / "p.head-proof", ["--trust", str(made.trust)]
    file.write_bytes(head_proof(made, "table/1", 20, made.bound))
    assert verifier(["head", str(file), *trust]) == 0
    out = capsys.readouterr().out
    assert "table/1 among the first 20 leaves: sequence 7, leaf 19" in out and "cosigned by w1" in out
    file.write_bytes(head_proof(made, "table/9", 20, made.bound))
    assert verifier(["head", str(file), *trust]) == 0
    assert "table/9 among the first 20 leaves: no leaf of it" in capsys.readouterr().out
    file.write_bytes(made.receipt(3))
    assert verifier(["head", str(file), *trust]) == 1
    assert verifier(["head", str(tmp_path / "nowhere"), *trust]) == 2
    assert verifier(["head", str(file), "--trust", str(tmp_path / "nowhere")]) == 2
    with pytest.raises(SystemExit):
        verifier(["head", str(file), *trust, "--commit", str(file)])
