"""The vectors of cosignatures and quorums, k of n, groups within groups."""

import base64

from encoding import INVALID, VALID, vector
from forgeries import Evidence
from made_ledger import MadeLedger, Signer, b64
from signed_note import COSIGNER_KEY
from small_order import with_neutral_r


def vectors(directory):
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
