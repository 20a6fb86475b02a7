"""The vectors of receipts: genuine ones, and every named forgery of tests/python/forgeries.py."""

import json
from dataclasses import replace

from encoding import INVALID, UNDECIDED, vector
from forgeries import RECEIPT_FORGERIES, RECEIPT_NEUTRAL, Evidence
from small_ledger import evidence_of, small_ledger


def vectors(directory):
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
