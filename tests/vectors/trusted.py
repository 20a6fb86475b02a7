"""The vectors of policies and writers files. One that cannot be used is no fault of the receipt: UNDECIDED."""

import revoked
from encoding import INVALID, UNDECIDED, VALID, vector
from forgeries import Evidence
from made_ledger import MadeLedger, Signer
from signed_note import COSIGNER_KEY
from small_order import SMALL_ORDER, weak_key


def vectors(directory):
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
    yield from revoked.vectors(directory)
