"""Does the independent verifier deserve its name? Known answers of the specifications, an honest ledger made in Python,
and every named forgery against it. Needs no `dab`."""

import contextlib
import re
import shutil

import pytest

from auditor import main as auditor
from checkpoint import Checkpoint
from forgeries import RECEIPT_FORGERIES, RECEIPT_NEUTRAL, rejected
from leaf import Leaf
from made_ledger import MadeLedger, Signer, b64, inclusion, leaf_text, naive_root, note
from merkle import leaf_hash, root_of_inclusion, tree_hash
from receipt import verify
from signed_note import LOG_KEY, Key, parse_note
from trust_directory import Trust
from verdict import Invalid, Undecided, number, unbase64
from verifier import main as verifier

# known answers


def test_the_tree_of_rfc_6962_reference_leaves_has_the_published_roots():
    leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    hashes = [leaf_hash(bytes.fromhex(leaf)) for leaf in leaves]
    assert tree_hash([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert tree_hash(hashes[:1]).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert tree_hash(hashes).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def test_the_key_of_the_signed_note_specification_parses():
    key = Key("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", LOG_KEY)
    assert (key.name, key.id.hex()) == ("example.com/foo", "530d903a")
    rejected(Key, "example.com/fou+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", LOG_KEY)


def test_every_leaf_of_every_small_tree_is_proved_by_its_path_and_by_no_other():
    hashes = [leaf_hash(bytes([i])) for i in range(40)]
    for size in range(1, 41):
        root = naive_root(hashes[:size])
        assert tree_hash(hashes[:size]) == root
        for index in range(size):
            path = inclusion(hashes[:size], index)
            assert root_of_inclusion(hashes[index], index, size, path) == root
            rejected(root_of_inclusion, hashes[index], index, size, [*path, root])
            rejected(root_of_inclusion, hashes[index], size, size, path)
            if path:
                rejected(root_of_inclusion, hashes[index], index, size, path[:-1])
            wrong = (index + 1) % size
            with contextlib.suppress(Invalid):
                assert size == 1 or root_of_inclusion(hashes[index], wrong, size, path) != root


@pytest.mark.parametrize("text", ["", "01", "-1", "+1", " 1", "1 ", "1_0", "٣", str(1 << 63), "9" * 30, "0x1", "1.0"])
def test_a_number_that_is_not_canonical_is_refused(text):
    rejected(number, text)


@pytest.mark.parametrize("text", ["QUI", "QUJ=", "QQ==\n", "QR==", "Q UI=", "QUI==", "_-8="])
def test_base64_that_is_not_canonical_is_refused(text):
    rejected(unbase64, text)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"text\n",
        b"text\n\n",
        b"text\n\n\n",
        b"\n\nx\n",
        "t\n\n— a b\n".encode(),
        "t\n\n— a AAAAAA==".encode(),
    ]
    + [b"t\n\n- a AAAAAAA=\n", "t\n\n— a+b AAAAAAA=\n".encode(), "t\n\n—  AAAAAAA=\n".encode()]
    + [
        "t\r\n\n— a AAAAAAA=\n".encode(),
        "t\n\n— a\u00a0b AAAAAAA=\n".encode(),
        b"\xff\n\n" + "— a AAAAAAA=\n".encode(),
    ],
)
def test_what_is_no_signed_note_is_refused(raw):
    rejected(parse_note, raw)


# receipts


def test_an_honest_receipt_commit_and_data_files_are_accepted(small_ledger):
    for evidence in small_ledger.evidence:
        leaf, index, checkpoint = verify(evidence.proof, Trust(small_ledger.trust), evidence.commit, evidence.data)
        assert (leaf.origin, leaf.operation, leaf.writer) == ("dab/made", "WRITE", "dab/made/node1")
        assert (checkpoint.size, checkpoint.cosigned) == (12, {})
        assert small_ledger.entries[index] == leaf.raw


@pytest.mark.parametrize("name", RECEIPT_FORGERIES)
def test_a_forged_receipt_is_rejected(small_ledger, name):
    trust = Trust(small_ledger.trust)
    for at, evidence in enumerate(small_ledger.evidence):
        forged = RECEIPT_FORGERIES[name](evidence, small_ledger.evidence[at - 1])
        assert forged != evidence
        rejected(verify, forged.proof, trust, forged.commit, forged.data)


@pytest.mark.parametrize("name", RECEIPT_NEUTRAL)
def test_a_neutral_change_of_a_receipt_is_accepted(small_ledger, name):
    evidence = RECEIPT_NEUTRAL[name](small_ledger.evidence[4], small_ledger.evidence[3])
    assert evidence != small_ledger.evidence[4]
    assert verify(evidence.proof, Trust(small_ledger.trust), evidence.commit, evidence.data)[2].cosigned == {}


def test_every_changed_byte_of_a_receipt_is_rejected(small_ledger):
    trust, proof = Trust(small_ledger.trust), small_ledger.evidence[4].proof
    for at in range(len(proof)):
        for mask in (1, 0x20, 0xFF):
            changed = proof[:at] + bytes([proof[at] ^ mask]) + proof[at + 1 :]
            rejected(verify, changed, trust)


def test_data_files_without_their_commit_file_leave_it_undecided(small_ledger):
    evidence = small_ledger.evidence[0]
    with pytest.raises(Undecided):
        verify(evidence.proof, Trust(small_ledger.trust), None, evidence.data)


# policy and writers


def test_a_quorum_of_witnesses_is_asked_for_and_counted_once_each(tmp_path):
    ledger = MadeLedger(tmp_path, witnesses=3, quorum="2")
    ledger.notarize("digest/a", b"0")
    trust, text = Trust(ledger.trust), ledger.checkpoint().rpartition(b"\n\n")[0] + b"\n"
    one, two, three = ledger.witnesses
    assert set(Checkpoint(note(text, ledger.log, one, three), trust).cosigned) == {"w1", "w3"}
    for signers in ([ledger.log, one], [ledger.log, one, one], [one, two, three], [ledger.log]):
        rejected(Checkpoint, note(text, *signers), trust)
    forged = note(text, ledger.log, one, two) + three.line(b"another text\n")
    assert "does not hold" in rejected(Checkpoint, forged, trust)
    stranger = Signer("witness9.example", "x", kind=4)
    assert Checkpoint(note(text, ledger.log, one, two, stranger), trust).cosigned.keys() == {"w1", "w2"}


def policy_with(lines):
    log, a, b = Signer("l", "l").vkey, Signer("a", "a", 4).vkey, Signer("b", "b", 4).vkey
    return lines.format(log=log, a=a, b=b)


@pytest.mark.parametrize(
    "lines",
    ["log {log}\n", "log {log}\nquorum none", "log {log}\nquorum a\n", "log {log}\nquorum none\nquorum none\n"]
    + ["log {log}\nlog {log}\nquorum none\n", "log {a}\nquorum none\n", "witness w {log}\nquorum w\n"]
    + ["witness none {a}\nquorum none\n", "witness w {a}\nwitness w {b}\nquorum w\n", "quorum w\nwitness w {a}\n"]
    + ["witness w {a}\ngroup g 2 w\nquorum g\n", "witness w {a}\ngroup g 0 w\nquorum g\n", "group g any\nquorum g\n"]
    + ["witness w {a}\ngroup g any w w\nquorum g\n", "witness w {a}\ngroup g any none w\nquorum g\n"]
    + [
        "witness w {a}\ngroup g any w\ngroup h any w\nquorum g\n",
        "log {log}\r\nquorum none\n",
        "logs {log}\nquorum none\n",
    ]
    + ["witness w {a}\nwitness v {a}\nquorum w\n", "witness w {a}\ngroup g 01 w\nquorum g\n"],
)
def test_a_policy_that_breaks_its_specification_is_refused(tmp_path, lines):
    (tmp_path / "writers").write_bytes(b"# none\n")
    (tmp_path / "policy").write_bytes(policy_with("log {log}\nquorum none\n").encode())
    assert Trust(tmp_path).quorum == "none"
    (tmp_path / "policy").write_bytes(policy_with(lines).encode())
    rejected(Trust, tmp_path)


def test_a_policy_of_nested_groups_comments_and_tabs_is_understood(tmp_path):
    lines = "\t# top\n\nlog\t{log} https://l.example/ \nwitness A {a}\nwitness B {b}\n"
    lines += "group x any A\ngroup y all x B\nquorum y\n"
    (tmp_path / "policy").write_bytes(policy_with(lines).encode())
    (tmp_path / "writers").write_bytes(f"# none yet\n{Signer('w', 'w').vkey}\ttable/* catalog\n".encode())
    trust = Trust(tmp_path)
    assert trust.certifies("y", {"A": 1, "B": 2}) and not trust.certifies("y", {"B": 2})
    assert trust.writers[0][1] == ["table/*", "catalog"]


@pytest.mark.parametrize("globs", ["", " *a", " a*b", " table/*/*"])
def test_a_writers_line_with_odd_subjects_is_refused(small_ledger, tmp_path, globs):
    shutil.copy(small_ledger.trust / "policy", tmp_path)
    (tmp_path / "writers").write_bytes(f"{small_ledger.writer.vkey}{globs}\n".encode())
    rejected(Trust, tmp_path)


# leaves and commit files, well signed


def signed_leaf(ledger, text):
    return Leaf(note(text, ledger.writer), Trust(ledger.trust), ledger.origin, 0)


@pytest.mark.parametrize(
    "pattern, by",
    [("dab/leaf/v1", "dab/leaf/v2"), ("sequence 0", "sequence 00"), ("parent -", "parent 0"), ("files -", "files  -")]
    + [("blake3:", "blake3:A"), ("operation", "operation "), ("subject digest/a", "subject digest/ a"), ("\n", "\n\n")]
    + [("operation", "more\noperation"), ("body", "BODY"), ("files -", "files rfc6962-sha256:" + "0" * 64 + " 0")],
)
def test_a_leaf_of_another_form_is_refused_however_well_signed(small_ledger, pattern, by):
    text = leaf_text(small_ledger.origin, "digest/a", 0, None, b"", []).decode()
    assert pattern in text
    signed_leaf(small_ledger, text.encode())
    rejected(signed_leaf, small_ledger, text.replace(pattern, by, 1).encode())


DIGEST = "0" * 64
INFO = b'{"commitInfo":{"dab":{"tableId":"a","version":0,"previous":null}}}\n'


@pytest.mark.parametrize(
    "action",
    ['{"add":1}', '{"add":{"path":1,"size":1}}', '{"add":{"path":"a","size":true,"tags":{"dab.blake3":"%s"}}}' % DIGEST]
    + ['{"add":{"path":"a","size":1}}', '{"add":{"path":"a","size":1,"tags":7}}', "[]", "7", '"add"', "{", "[" * 9999]
    + ['{"add":{"path":"\\ud800","size":1,"tags":{"dab.blake3":"%s"}}}' % DIGEST, '{"add":null}', "\0"],
)
def test_a_commit_file_with_an_odd_action_is_refused_without_a_crash(small_ledger, action):
    body = INFO + action.encode() + b"\n"
    text = leaf_text(small_ledger.origin, "table/a", 0, None, body, [("a", 1, DIGEST)])
    rejected(signed_leaf(small_ledger, text).check_body, body)


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../up", "file:///etc/passwd", "a/%2e%2e/b", "s3://b/k"])
def test_a_data_file_path_that_leaves_the_table_is_refused(small_ledger, path):
    body = INFO + b'{"add":{"path":"%s","size":1,"tags":{"dab.blake3":"%s"}}}\n' % (path.encode(), DIGEST.encode())
    text = leaf_text(small_ledger.origin, "table/a", 0, None, body, [(path, 1, DIGEST)])
    assert "path" in rejected(signed_leaf(small_ledger, text).check_body, body)


@pytest.mark.parametrize(
    "by", [b'"tableId":"b"', b'"version":1', b'"version":0.5', b'"previous":"x"', b'"dab2":{', b"}\n{}"]
)
def test_a_commit_file_that_speaks_of_another_commit_is_refused(small_ledger, by):
    key = by.split(b":")[0]
    body = re.sub(rb'"dab":\{' if by == b'"dab2":{' else key + rb":[^,}]+", by, INFO) if b":" in by else b'{"txn":{}}\n'
    assert body != INFO
    leaf = signed_leaf(small_ledger, leaf_text(small_ledger.origin, "table/a", 0, None, body, []))
    assert "commitInfo.dab" in rejected(leaf.check_body, body)


# limits, and digests one by one


def test_what_is_longer_than_its_limit_is_refused(small_ledger):
    trust, proof = Trust(small_ledger.trust), small_ledger.evidence[0].proof
    assert "too long" in rejected(parse_note, b"x" * (1 << 20) + note(b"x\n", small_ledger.log))
    text = leaf_text(small_ledger.origin, "digest/a", 0, None, b"", [], operation="X" * 4096)
    assert "too long" in rejected(signed_leaf, small_ledger, text)
    head, note_text = proof.split(b"\n\n", 1)
    many = head + (b"\n" + head.split(b"\n")[3]) * 64 + b"\n\n" + note_text
    assert "too many" in rejected(verify, many, trust)


def test_a_signature_of_another_length_is_refused(tmp_path):
    ledger = MadeLedger(tmp_path, witnesses=1, quorum="1")
    ledger.notarize("digest/a", b"0")
    text, blank, signatures = ledger.checkpoint().rpartition(b"\n\n")
    log, witness, _ = signatures.split(b"\n")
    name, blob = witness.decode().rsplit(" ", 1)
    for raw in (unbase64(blob)[:-1], unbase64(blob) + b"x", unbase64(blob)[:4], unbase64(blob)[:4] + b"\xff" * 72):
        rejected(Checkpoint, text + blank + log + f"\n{name} {b64(raw)}\n".encode(), Trust(ledger.trust))


@pytest.mark.parametrize("field", ["blake3:", "sha256:", "rfc6962-sha256:", "bytes", " 2\noperation"])
def test_each_digest_and_count_of_a_leaf_is_checked_for_itself(small_ledger, field):
    body = INFO + b'{"add":{"path":"a","size":1,"tags":{"dab.blake3":"%s"}}}\n' % DIGEST.encode()
    text = leaf_text(small_ledger.origin, "table/a", 0, None, body, [("a", 1, DIGEST)]).decode()
    signed_leaf(small_ledger, text.encode()).check_body(body)
    if field.startswith(" 2"):
        text = text.replace(" 1\noperation", field)
    elif field == "bytes":
        text = text.replace(f" {len(body)}\nfiles", f" {len(body) + 1}\nfiles")
    else:
        at = text.index(field) + len(field)
        text = text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]
    leaf = signed_leaf(small_ledger, text.encode())
    rejected(leaf.check_body, body)


# the commands


def test_the_commands_exit_0_1_and_2(small_ledger, tmp_path, capsys):
    evidence = small_ledger.evidence[0]
    for path, content in (("p", evidence.proof), ("c", evidence.commit), *evidence.data):
        (tmp_path / path).write_bytes(content)
    trust, p, c, d = (
        ["--trust", str(small_ledger.trust)],
        str(tmp_path / "p"),
        str(tmp_path / "c"),
        str(tmp_path / evidence.data[0][0]),
    )
    assert verifier(["verify", p, *trust, "--commit", c, "--data", d]) == 0
    assert "certifies alone" in capsys.readouterr().out
    assert verifier(["verify", p, *trust, "--data", d]) == 2
    assert verifier(["verify", c, *trust]) == 1
    assert verifier(["verify", str(tmp_path / "nowhere"), *trust]) == 2
    assert auditor(["ledger", str(small_ledger.public), *trust]) == 0
    assert auditor(["table", str(small_ledger.directory / "tables/orders"), *trust, "--deep"]) == 0
    assert auditor(["table", str(small_ledger.directory / "tables/none"), *trust]) == 2
    assert auditor(["ledger", str(tmp_path), *trust]) == 2
    assert "UNDECIDED" in capsys.readouterr().err
