"""Makes the test vectors that all verifiers are held to: `python tests/vectors/make.py` writes the files beside it.

    receipt.json     genuine receipts, and every named forgery of tests/python/forgeries.py
    signed.json      leaves and commits that are well signed and included, and still wrong
    certified.json   cosignatures and quorums, k of n, groups within groups
    heads.json       head proofs: `proof` is a .head-proof; where VALID, `size` leaves are covered, of which the subject's last
                     is `leaf_index`, its number `sequence`; null where it has none
    trust.json       policies and writers files; one that cannot be used is no fault of the receipt: UNDECIDED
    blake3.json      hashes of inputs of many lengths; byte i of an input is i modulo 251
    paths.json       C2SP tlog-tiles: where VALID, the tile `index` on `level` (null for entry bundles) of `width` has this
                     `path`; an INVALID path names nothing
    tiles.json       the `bytes` of a tile of `width`, and where VALID its `hashes`
    bundles.json     the `bytes` of an entry bundle of `width`, and where VALID its `entries`
    consistency.json the consistency proof `hashes` (RFC 6962) from the tree `old` to the tree `new`
    forks.json       `first` and `second`, checkpoints, and perhaps `proof`, a fork proof: INVALID where the ledger forked, and
                     `accused` signed both; VALID where one tree extends the other; UNDECIDED where nothing is shown
    changes.json     `changes`, a file trust/changes, for who trusts `policy` and `writers`, of `epoch` where that is known:
                     where VALID the `epochs` to follow, each with the number of its members and its texts
    witness.json     C2SP tlog-witness: the witness with the key `witness`, at `time`, for the ledgers whose keys are `logs`,
                     cosigned the requests `before`; it answers the `request` with this `status`, and where they are told
                     `content_type` and `body`
    segments.json    `bytes`, in hexadecimal digits, of the raft log's segment 1; where VALID, those up to `kept` are whole
                     batches, and a log of this segment alone holds what `log` says: `base`, `committed`, the `terms` of
                     its entries
    peers.json       `bytes`, in hexadecimal digits, between replicas: a hello, or frames, of which those up to `kept` are
                     whole and allowed

A vector is complete in itself. Of receipts and head proofs, `proof`, `policy`, `writers` and perhaps `commit`, `data` and
`table_id` go in; `verdict` (VALID, INVALID, UNDECIDED) and `reason`, a class, must come out; where they stand, also
`certifies_alone` and `cosigners`. Bytes that are no text stand as {"base64": ...}. The verdicts were written here by hand,
from the formats' documents; none comes from a verifier. All keys are fixed, so the same bytes come out each time, and a
test holds the files to that.

The reasons, for who compares. Several faults at once are told by the first, in this order: the form of the trust files,
of the receipt, of its leaf, of its checkpoint; signatures; ledger; inclusion; writer; table; commit file; data files.

    malformed  wrong_key  bad_signature  duplicate_signature  not_signed  quorum_not_met  wrong_origin  not_included
    writer_unknown  writer_revoked  writer_not_allowed  another_table  body_differs  contradicts_leaf  files_root_differs
    unknown_data_file  data_differs; only for UNDECIDED: needs_commit; only of head proofs: head_not_bound
"""

import base64
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "python"), str(Path(__file__).parent)]

import changes
import forks
import hashes
import heads
import replicas
import revoked
import trees
import witnesses
from encoding import written
from forgeries import RECEIPT_FORGERIES, RECEIPT_NEUTRAL, Evidence, not_canonical
from made_ledger import COSIGNER_KEY, MadeLedger, Signer, b64, leaf_text, note
from small_order import SMALL_ORDER, weak_key, with_neutral_r
from verifier import leaf_hash

VALID, INVALID, UNDECIDED = "VALID", "INVALID", "UNDECIDED"


def vector(name, ledger, evidence, verdict=VALID, reason=None, **more):
    policy = more.pop("policy", (ledger.trust / "policy").read_bytes())
    writers = more.pop("writers", (ledger.trust / "writers").read_bytes())
    made = {"name": name, "verdict": verdict, "reason": reason, **more, "policy": written(policy)}
    made |= {"writers": written(writers), "proof": written(evidence.proof)}
    if evidence.commit is not None:
        made["commit"] = written(evidence.commit)
    if evidence.data:
        made["data"] = [{"path": path, "content": written(content)} for path, content in evidence.data]
    return made


def small_ledger(directory, **policy):
    """Twelve leaves: seven versions of `orders`, four of `parts`, one of the catalog."""
    ledger = MadeLedger(directory, **policy)
    for i in range(12):
        if i == 2:
            ledger.notarize("catalog", b"private body")
        else:
            ledger.commit("parts" if i % 3 == 1 else "orders", [b"PAR1 rows %d" % i * 9, b"PAR1 more %d" % i * 9])
    return ledger


def evidence_of(ledger, index, table, version):
    folder = ledger.directory / "tables" / table
    commit = (folder / f"_delta_log/{version:020}.json").read_bytes()
    names = [f"part-{version:05}-{n}.parquet" for n in range(2)]
    return Evidence(ledger.receipt(index), commit, tuple((name, (folder / name).read_bytes()) for name in names))


# receipt.json

# What is wrong with a named forgery, where it is not what its group has.
GROUPS = {"checkpoint": "bad_signature", "index": "not_included", "path": "not_included", "proof": "malformed"}
GROUPS |= {"leaf": "malformed", "commit": "body_differs", "data": "data_differs"}
REASONS = {
    "checkpoint: signed by a stranger under the log's name": "not_signed",
    "checkpoint: a forged signature before the real one": "duplicate_signature",
    "checkpoint: the signature of another text": "not_signed",
    "proof: of the neighbour, whole": "body_differs",
    "proof: index and path of the neighbour": "not_included",
    "leaf: of the neighbour": "not_included",
    "leaf: signed by a stranger": "not_included",
    "leaf: another operation": "not_included",
    "leaf: another ledger's origin": "wrong_origin",
    "leaf: another table": "not_included",
    "data: a file that the commit does not name": "unknown_data_file",
}
BAD_FORM = ["leading zero", "2^63", "2^64", "canonical", "extension line", "CRLF", "no signature", "no last newline"]
BAD_FORM += ["bytes after", "a blank line after", "a sign", "missing", "64 hashes", "31 bytes", "a blank at"]


def reason_of(forgery):
    group = forgery.split(":")[0]
    bad_form = any(words in forgery for words in BAD_FORM) and "hash missing" not in forgery
    return REASONS.get(forgery) or ("malformed" if bad_form and group not in ("commit", "data") else GROUPS[group])


def receipts(directory):
    ledger = small_ledger(directory / "receipt")
    honest, other = evidence_of(ledger, 5, "orders", 2), evidence_of(ledger, 6, "orders", 3)
    alone = Evidence(honest.proof)
    table_id = json.loads(honest.commit.split(b"\n")[0])["commitInfo"]["dab"]["tableId"]
    yield vector("genuine: receipt, commit file and data files", ledger, honest, certifies_alone=True)
    yield vector("genuine: receipt alone", ledger, alone)
    yield vector("genuine: receipt and commit file", ledger, Evidence(honest.proof, honest.commit))
    yield vector("genuine: a subject that is no table", ledger, Evidence(ledger.receipt(2), b"private body"))
    for size, index in [(1, 0), (2, 1), (3, 2), (7, 2), (8, 7), (11, 10)]:
        yield vector(f"genuine: leaf {index} of {size}", ledger, Evidence(ledger.receipt(index, size)))
    yield vector("genuine: the table that was asked for", ledger, alone, table_id=table_id)
    yield vector("wrong: another table than was asked for", ledger, alone, INVALID, "another_table", table_id="t")
    no_table = Evidence(ledger.receipt(2))
    yield vector("wrong: no table, though one was asked for", ledger, no_table, INVALID, "another_table", table_id="t")
    single = Evidence(ledger.receipt(0, 1))
    for index in (1, 2):
        beyond = replace(single, proof=single.proof.replace(b"index 0", b"index %d" % index))
        yield vector(f"wrong: leaf {index} of 1", ledger, beyond, INVALID, "not_included")
    long = honest.with_head(honest.head()[:3] + (honest.head()[3:] * 63)[:63])
    yield vector("wrong: a path of 63 hashes, as many as there may be", ledger, long, INVALID, "not_included")
    for name, line in [
        ("without signature", "— stranger.example"),
        ("with a hyphen", "- stranger.example AAAAAAA="),
        ("with two blanks", "— stranger.example  AAAAAAA="),
        ("of a name with a plus", "— stranger+example AAAAAAA="),
        ("not canonical", "— stranger.example AAAAAAB="),
        ("of four bytes", "— stranger.example AAAAAA=="),
    ]:
        lined = alone.with_note(alone.note() + f"{line}\n".encode())
        yield vector(f"wrong: a signature line {name}", ledger, lined, INVALID, "malformed")
    without_commit = Evidence(honest.proof, None, honest.data)
    yield vector("undecided: data files without their commit file", ledger, without_commit, UNDECIDED, "needs_commit")
    for name, change in RECEIPT_NEUTRAL.items():
        yield vector(f"neutral: {name}", ledger, change(honest, other))
    for name, forge in RECEIPT_FORGERIES.items():
        yield vector(name, ledger, forge(honest, other), INVALID, reason_of(name))
    for index in range(13, 300):
        ledger.notarize("digest/more", b"%d" % index)
    for index in (5, 255, 256, len(ledger.entries) - 1):
        yield vector(f"genuine: leaf {index} of {len(ledger.entries)}", ledger, Evidence(ledger.receipt(index)))


# signed.json

INFO = {"tableId": "a", "version": 0, "previous": None}
DIGEST = "0" * 64


def commit_file(*actions, info=INFO):
    """A commit file of actions, which are values or JSON as it is to stand there."""
    lines = [{"commitInfo": {"dab": info}}, *actions]
    return "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines).encode()


def add(path="a", size=1, **more):
    return {"add": {"path": path, "size": size, "tags": {"dab.blake3": DIGEST}} | more}


def signed(directory):
    ledger = MadeLedger(directory / "signed")
    ledger.notarize("digest/a", b"0")
    second = Signer("dab/made/etl", "etl")
    writers = f"{ledger.writer.vkey} *\n{second.vkey} table/b digest/*\n".encode()

    def taken(name, entry, verdict=INVALID, reason=None, body=None):
        """The receipt of an entry that the log took, whatever it is."""
        ledger.entries[1:] = [entry]
        return vector(name, ledger, Evidence(ledger.receipt(1), body), verdict, reason, writers=writers)

    def leaf(subject="digest/b", origin=ledger.origin, writer=ledger.writer, edit=lambda text: text):
        return note(edit(leaf_text(origin, subject, 0, None, b"", [])), writer)

    yield taken("leaf: well signed", leaf(), VALID)
    yield taken("leaf: by a writer of this subject", leaf(writer=second), VALID)
    yield taken("leaf: by a writer of other subjects", leaf("table/c", writer=second), reason="writer_not_allowed")
    yield taken("leaf: by a writer of a longer subject", leaf("table", writer=second), reason="writer_not_allowed")
    yield taken("leaf: by a writer who is not listed", leaf(writer=Signer("x", "x")), reason="writer_unknown")
    yield taken("leaf: of another ledger", leaf(origin="dab/other"), reason="wrong_origin")
    impostor = Signer(ledger.writer.name, "impostor")
    impostor.id = ledger.writer.id
    yield taken("leaf: signed with another key under a writer's key id", leaf(writer=impostor), reason="bad_signature")
    strange = leaf(writer=with_neutral_r(ledger.writer))
    yield taken("leaf: signed with a point R of small order", strange, reason="bad_signature")
    longest = leaf(edit=lambda text: text.replace(b"WRITE", b"W" * 64))
    yield taken("leaf: an operation of 64 characters", longest, VALID)
    parent = b64(leaf_hash(b""))
    for name, old, new in [
        ("another header", "dab/leaf/v1", "dab/leaf/v2"),
        ("a parent of sequence 0", "parent -", f"parent {parent}"),
        ("no parent of sequence 1", "sequence 0", "sequence 1"),
        ("a parent not canonical", "0\nparent -", f"1\nparent {not_canonical(parent)}"),
        ("a parent not canonical of sequence 0", "parent -", f"parent {not_canonical(parent)}"),
        ("two blanks", "files -", "files  -"),
        ("upper case hex digits", "sha256:e3b0", "sha256:E3B0"),
        ("no files counted as 0", "files -", f"files rfc6962-sha256:{DIGEST} 0"),
        ("a blank in the subject", "digest/b", "digest/ b"),
        ("an operation that ends in a blank", "WRITE", "WRITE "),
        ("an operation of 65 characters", "WRITE", "W" * 65),
        ("one line more", "operation", "more\noperation"),
    ]:
        entry = leaf(edit=lambda text, old=old, new=new: text.decode().replace(old, new, 1).encode())
        yield taken(f"leaf: {name}", entry, reason="malformed")

    def bound(name, body, files=(), verdict=INVALID, reason=None, **edit):
        """A commit file that the leaf binds, whatever it says."""
        text = leaf_text(ledger.origin, "table/a", 0, None, body, files)
        return taken(f"commit: {name}", note(edit.get("edit", lambda t: t)(text), ledger.writer), verdict, reason, body)

    files = [("a", 1, DIGEST)]
    yield bound("well formed", commit_file(add()), files, VALID)
    yield bound("without files", commit_file(), (), VALID)
    large = [("a", (1 << 53) + 1, DIGEST)]
    yield bound("a size beyond 2^53", commit_file(add(size=(1 << 53) + 1)), large, VALID)
    unicode = [("\uffee", 1, DIGEST), ("\U0001f600", 1, DIGEST)]
    yield bound("paths in the order of their bytes", commit_file(add("\U0001f600"), add("\uffee")), unicode, VALID)
    odd = "a b%20c/d%.parquet"
    yield bound("a path with blanks and percents", commit_file(add(odd)), [(odd, 1, DIGEST)], VALID)
    yield bound("without a last newline", commit_file(add()).removesuffix(b"\n"), files, VALID)
    yield bound("with metadata", commit_file({"metaData": {}}), (), VALID)
    for key, value in [("tableId", "b"), ("version", 1), ("previous", parent)]:
        yield bound(f"of another {key}", commit_file(info=INFO | {key: value}), reason="contradicts_leaf")
    yield bound("without commitInfo.dab", b'{"commitInfo":{}}\n', reason="contradicts_leaf")
    yield bound("a file more than was notarized", commit_file(add(), add("b")), files, reason="files_root_differs")
    yield bound("a file less than was notarized", commit_file(), files, reason="files_root_differs")
    yield bound("another size than was notarized", commit_file(add(size=2)), files, reason="files_root_differs")
    tagless, loud = add(tags={}), add(tags={"dab.blake3": "A" * 64})
    both = {"add": add()["add"], "remove": {"path": "b"}}
    twice = '{"add":{"path":"b","path":"a","size":1,"tags":{"dab.blake3":"%s"}}}' % DIGEST
    halved = '{"add":{"path":"\\ud800","size":1,"tags":{"dab.blake3":"%s"}}}' % DIGEST
    for name, action, listed in [
        ("a file twice", f"{json.dumps(add())}\n{json.dumps(add())}", files * 2),
        ("a file without digest", tagless, files),
        ("a digest in upper case", loud, [("a", 1, "A" * 64)]),
        ("a size that is no whole number", add(size=1.5), [("a", 1.5, DIGEST)]),
        ("a negative size", add(size=-1), [("a", -1, DIGEST)]),
        ("two actions in a line", both, files),
        ("a key twice", twice, files),
        ("half a character", halved, files),
        ("a size of 2^64", add(size=1 << 64), [("a", 1 << 64, DIGEST)]),
        ("no path", add(path=None), [(None, 1, DIGEST)]),
        ("a list as action", "[]", ()),
        ("a list that looks like an action", json.dumps([["add", add()["add"]]]), ()),
        ("a string that does not end", '{"x":"', ()),
        ("a number that is none", '{"x":{"y":NaN}}', ()),
        ("a number beyond all bounds", '{"x":{"y":1e999}}', ()),
        ("a second commitInfo", '{"commitInfo":{}}', ()),
        ("a second metaData", '{"metaData":{}}\n{"metaData":{}}', ()),
        ("no action in a line", "{}", ()),
        ("half an object", '{"x":', ()),
        ("a blank line", "", ()),
        ("lists within lists", '{"x":' + "[" * 9999 + "]" * 9999 + "}", ()),
    ]:
        yield bound(name, commit_file(action), listed, reason="malformed")
    for path in ["/etc/passwd", "a/../../b", "a/%2e%2e/b", "a//b", "a\\b", "file:///etc/passwd"]:
        yield bound(f"the path {path}", commit_file(add(path)), [(path, 1, DIGEST)], reason="malformed")
    yield bound("not UTF-8", commit_file() + b'{"\xff":{}}\n', reason="malformed")

    yield bound("commitInfo.dab that is no object", b'{"commitInfo":{"dab":7}}\n', reason="malformed")

    def with_other(digest):
        def edit(text):
            at = text.index(digest) + len(digest)
            return text[:at] + (b"0" if text[at : at + 1] != b"0" else b"1") + text[at + 1 :]

        return edit

    for name, digest in (("SHA-256", b" sha256:"), ("BLAKE3", b"blake3:")):
        yield bound(f"another {name}, all else right", commit_file(), reason="body_differs", edit=with_other(digest))


# certified.json


def certified(directory):
    ledger = MadeLedger(directory / "certified")
    ledger.notarize("digest/a", b"0")
    replicas = [Signer(f"replica{i}.example", f"replica{i}", COSIGNER_KEY) for i in range(1, 5)]
    outside = [Signer(f"outside{i}.example", f"outside{i}", COSIGNER_KEY) for i in range(1, 3)]
    known = {"log": ledger.log, "stranger": Signer("stranger.example", "stranger", COSIGNER_KEY)}
    known |= {f"r{i}": signer for i, signer in enumerate(replicas, 1)}
    known |= {f"o{i}": signer for i, signer in enumerate(outside, 1)}
    known["impostor"] = Signer("x", "x", COSIGNER_KEY)
    known["impostor"].name, known["impostor"].id = replicas[3].name, replicas[3].id
    lines = f"log {ledger.log.vkey}\n"
    lines += "".join(f"witness {name} {known[name].vkey}\n" for name in ("r1", "r2", "r3", "r4", "o1", "o2"))
    groups = "group replicas 3 r1 r2 r3 r4\ngroup outside any o1 o2\n"
    policies = {
        "none": "quorum none\n",
        "one": "quorum r1\n",
        "3 of 4": groups + "quorum replicas\n",
        "3 of 4 and any of 2": groups + "group both all replicas outside\nquorum both\n",
        "3 of 4 or any of 2": groups + "group either any replicas outside\nquorum either\n",
        "2 of (3 of 4, o1, o2)": "group replicas 3 r1 r2 r3 r4\ngroup two 2 replicas o1 o2\nquorum two\n",
        "all of 6": "group all all r1 r2 r3 r4 o1 o2\nquorum all\n",
    }
    text = ledger.checkpoint().rpartition(b"\n\n")[0] + b"\n"
    head = ledger.receipt(0).partition(b"\n\n")[0] + b"\n\n"

    def case(policy, signers, verdict=VALID, reason=None, lines_of=None, name=None):
        signatures = lines_of(text) if lines_of else b"".join(known[signer].line(text) for signer in signers.split())
        more = {"policy": (lines + policies[policy]).encode()}
        if verdict == VALID:
            cosigners = sorted({*signers.split()} - {"log", "stranger"}, key=list(known).index)
            more |= {"cosigners": cosigners, "certifies_alone": not cosigners}
        evidence = Evidence(head + text + b"\n" + signatures)
        return vector(f"quorum {policy}: {name or signers}", ledger, evidence, verdict, reason, **more)

    for policy, good, bad in [
        ("none", ["log", "log r1", "log stranger"], []),
        ("one", ["log r1", "r1 log", "log r1 o1"], ["log", "log r2 r3 r4 o1 o2"]),
        ("3 of 4", ["log r1 r2 r3", "r4 r2 log r1", "log r1 r2 r3 r4"], ["log", "log r1 r2", "log r1 r2 o1 o2"]),
        (
            "3 of 4 and any of 2",
            ["log r1 r2 r3 o2", "log r2 r3 r4 o1 o2"],
            ["log r1 r2 r3", "log r1 r2 o1 o2", "log o1"],
        ),
        ("3 of 4 or any of 2", ["log o2", "log r1 r3 r4", "log r1 o1"], ["log", "log r1 r2"]),
        ("2 of (3 of 4, o1, o2)", ["log o1 o2", "log r1 r2 r3 o1"], ["log r1 r2 r3 r4", "log r1 r2 o2", "log o1"]),
        ("all of 6", ["log r1 r2 r3 r4 o1 o2"], ["log r1 r2 r3 r4 o1"]),
    ]:
        for signers in good:
            yield case(policy, signers)
        for signers in bad:
            yield case(policy, signers, INVALID, "quorum_not_met")
    yield case("3 of 4", "log r1 r2 stranger", INVALID, "quorum_not_met")
    yield case("3 of 4", "r1 r2 r3", INVALID, "not_signed")
    yield case("3 of 4", "log r1 r2 r2", INVALID, "duplicate_signature")
    yield case("3 of 4", "log r1 r2 r3 r3", INVALID, "duplicate_signature")
    yield case("3 of 4", "log log r1 r2 r3", INVALID, "duplicate_signature")
    yield case("3 of 4", "log r1 r2 impostor", INVALID, "bad_signature")
    yield case("3 of 4", "log r1 r2 r3 impostor", INVALID, "bad_signature")

    def with_r4(line):
        return lambda text: b"".join(known[name].line(text) for name in ("log", "r1", "r2", "r3")) + line(text)

    def moved(text):
        name, blob = replicas[3].line(text).decode().rsplit(" ", 1)
        raw = base64.b64decode(blob)
        return f"{name} {b64(raw[:4] + (1_900_000_000).to_bytes(8, 'big') + raw[12:])}\n".encode()

    def plain(text):
        """A signature without a time, under the key id of the cosigner."""
        return f"— {replicas[3].name} {b64(replicas[3].id + replicas[3].private.sign(text))}\n".encode()

    def extended(line):
        name, blob = line.decode().rsplit(" ", 1)
        return f"{name} {b64(base64.b64decode(blob) + b'x')}\n".encode()

    bad = {"policy": "3 of 4", "signers": "", "verdict": INVALID, "reason": "bad_signature"}
    yield case(**bad, lines_of=with_r4(moved), name="a cosignature moved to another time")
    yield case(**bad, lines_of=with_r4(plain), name="a cosignature without time")
    long = with_r4(lambda text: extended(replicas[3].line(text)))
    yield case(**bad, lines_of=long, name="a cosignature of one byte more")
    yield case(**bad, lines_of=lambda text: extended(ledger.log.line(text)), name="a log's signature of one byte more")
    short = with_r4(lambda text: f"— {replicas[3].name} {b64(replicas[3].id + b'short')}\n".encode())
    yield case(**bad, lines_of=short, name="a cosignature of five bytes")
    late = with_r4(lambda text: replicas[3].line(text, time=1 << 63))
    yield case(**bad, lines_of=late, name="a cosignature at 2^63")
    other = with_r4(lambda text: replicas[3].line(text.replace(b"\n1\n", b"\n2\n")))
    yield case(**bad, lines_of=other, name="a cosignature of another size")
    strange = with_r4(with_neutral_r(replicas[3]).line)
    yield case(**bad, lines_of=strange, name="a cosignature with a point R of small order")
    strange = with_neutral_r(ledger.log).line
    alone = bad | {"policy": "none"}
    yield case(**alone, lines_of=strange, name="a log's signature with a point R of small order")


# trust.json


def trust(directory):
    ledger = MadeLedger(directory / "trust")
    ledger.notarize("digest/a", b"0")
    evidence = Evidence(ledger.receipt(0))
    log, writer = ledger.log.vkey, ledger.writer.vkey
    a, b = (Signer(name, name, COSIGNER_KEY).vkey for name in "ab")
    for name, verdict, reason, text in [
        (
            "comments, tabs, blank lines, a url",
            VALID,
            None,
            f" # top\n\n\tlog\t{log} https://l.example/ \nquorum  none\n",
        ),
        ("a comment that is not UTF-8", VALID, None, f"log {log}\nquorum none\n".encode() + b"# \xff\n"),
        ("a control character in a comment", UNDECIDED, "malformed", f"log {log}\nquorum none\n# \x07\n"),
        ("a group of no use", VALID, None, f"log {log}\nwitness w {a}\ngroup g any w\nquorum none\n"),
        ("no quorum", UNDECIDED, "malformed", f"log {log}\n"),
        ("two quorums", UNDECIDED, "malformed", f"log {log}\nquorum none\nquorum none\n"),
        ("no last newline", UNDECIDED, "malformed", f"log {log}\nquorum none"),
        ("lines end in CRLF", UNDECIDED, "malformed", f"log {log}\r\nquorum none\r\n"),
        ("empty", UNDECIDED, "malformed", "#\n"),
        ("no log", INVALID, "not_signed", "quorum none\n"),
        ("another log", INVALID, "not_signed", f"log {Signer('dab/other', 'o').vkey}\nquorum none\n"),
        (
            "the log's name over another key",
            INVALID,
            "not_signed",
            f"log {Signer('dab/made', 'o').vkey}\nquorum none\n",
        ),
        ("a log twice", UNDECIDED, "malformed", f"log {log}\nlog {log}\nquorum none\n"),
        ("a cosigner's key as log", UNDECIDED, "wrong_key", f"log {a}\nquorum none\n"),
        ("a log's key as witness", UNDECIDED, "wrong_key", f"witness w {log}\nquorum w\n"),
        ("a key with another id", UNDECIDED, "malformed", f"log {log.replace('+', '+0', 1)}\nquorum none\n"),
        ("a key not canonical", UNDECIDED, "malformed", f"log {log}=\nquorum none\n"),
        ("an unknown word", UNDECIDED, "malformed", f"logs {log}\nquorum none\n"),
        ("a word too many", UNDECIDED, "malformed", f"log {log} https://l.example/ x\nquorum none\n"),
        ("an undefined quorum", UNDECIDED, "malformed", f"log {log}\nquorum w\n"),
        ("a quorum before its definition", UNDECIDED, "malformed", f"log {log}\nquorum w\nwitness w {a}\n"),
        ("a name twice", UNDECIDED, "malformed", f"log {log}\nwitness w {a}\nwitness w {b}\nquorum w\n"),
        ("a key under two names", UNDECIDED, "malformed", f"log {log}\nwitness w {a}\nwitness v {a}\nquorum w\n"),
        ("a witness named none", UNDECIDED, "malformed", f"log {log}\nwitness none {a}\nquorum none\n"),
        ("2 of 1", UNDECIDED, "malformed", f"log {log}\nwitness w {a}\ngroup g 2 w\nquorum g\n"),
        ("0 of 1", UNDECIDED, "malformed", f"log {log}\nwitness w {a}\ngroup g 0 w\nquorum g\n"),
        ("01 of 1", UNDECIDED, "malformed", f"log {log}\nwitness w {a}\ngroup g 01 w\nquorum g\n"),
        ("a group of nobody", UNDECIDED, "malformed", f"log {log}\ngroup g any\nquorum g\n"),
        ("a member twice", UNDECIDED, "malformed", f"log {log}\nwitness w {a}\ngroup g any w w\nquorum g\n"),
        (
            "a member of two groups",
            UNDECIDED,
            "malformed",
            f"log {log}\nwitness w {a}\ngroup g any w\ngroup h any w\nquorum g\n",
        ),
        ("a group of none", UNDECIDED, "malformed", f"log {log}\nwitness w {a}\ngroup g any none w\nquorum g\n"),
    ]:
        text = text if isinstance(text, bytes) else text.encode()
        yield vector(f"policy: {name}", ledger, evidence, verdict, reason, policy=text)
    points = [bytes.fromhex(y) for y in SMALL_ORDER]
    points += [point[:31] + bytes([point[31] | 0x80]) for point in points]
    weak = {"verdict": UNDECIDED, "reason": "malformed"}
    for point in points:
        text = f"log {log}\nlog {weak_key(point)}\nquorum none\n".encode()
        yield vector(f"policy: a log's key of small order, {point.hex()}", ledger, evidence, **weak, policy=text)
    text = f"log {log}\nwitness w {weak_key(points[1], COSIGNER_KEY)}\nquorum none\n".encode()
    yield vector("policy: a witness's key of small order", ledger, evidence, **weak, policy=text)
    text = f"{writer} *\n{weak_key(points[1])} *\n".encode()
    yield vector("writers: a key of small order", ledger, evidence, **weak, writers=text)
    for name, verdict, reason, text in [
        ("comments and tabs", VALID, None, f"# all\n\n{writer}\ttable/*\tdigest/a \n"),
        ("a beginning", VALID, None, f"{writer} dig*\n"),
        ("another subject", INVALID, "writer_not_allowed", f"{writer} digest/b digest/aa table/*\n"),
        ("another key", INVALID, "writer_unknown", f"{Signer('dab/made/node1', 'x').vkey} *\n"),
        ("nobody", INVALID, "writer_unknown", "# nobody yet\n"),
        ("an empty file", INVALID, "writer_unknown", ""),
        ("no subject", UNDECIDED, "malformed", f"{writer}\n"),
        ("a star in the middle", UNDECIDED, "malformed", f"{writer} d*a\n"),
        ("two stars", UNDECIDED, "malformed", f"{writer} dig**\n"),
        ("a key twice", UNDECIDED, "malformed", f"{writer} *\n{writer} *\n"),
        ("the log's key", UNDECIDED, "malformed", f"{writer} *\n{log} *\n"),
        ("a cosigner's key", UNDECIDED, "wrong_key", f"{writer} *\n{a} *\n"),
        ("no last newline", UNDECIDED, "malformed", f"{writer} *"),
    ]:
        yield vector(f"writers: {name}", ledger, evidence, verdict, reason, writers=text.encode())
    yield from revoked.vectors(directory, vector)


FILES = {"receipt": receipts, "signed": signed, "certified": certified, "trust": trust, "blake3": hashes.vectors}
FILES["heads"] = lambda directory: heads.vectors(directory, vector)
FILES |= {"forks": forks.vectors, "changes": changes.vectors, "witness": witnesses.vectors}
FILES |= {"paths": trees.paths, "tiles": trees.tiles, "bundles": trees.bundles, "consistency": trees.consistencies}
FILES |= {"segments": replicas.segments, "peers": replicas.peers}


def made():
    """The text of each file, by name."""
    with tempfile.TemporaryDirectory() as directory:
        made = {f"{name}.json": list(vectors(Path(directory))) for name, vectors in FILES.items()}
    return {name: json.dumps(vectors, indent=1, ensure_ascii=True) + "\n" for name, vectors in made.items()}


if __name__ == "__main__":
    for name, text in made().items():
        (Path(__file__).parent / name).write_text(text)
