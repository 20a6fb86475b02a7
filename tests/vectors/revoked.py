"""The vectors of keys that may write no more. `make.py` calls `vectors`."""

from encoding import INVALID, UNDECIDED, VALID, vector
from forgeries import Evidence
from made_ledger import MadeLedger, Signer


def vectors(directory):
    """Leaf 3 of five, under writers files that say until when its key may write."""
    ledger = MadeLedger(directory / "revoked")
    for i in range(5):
        ledger.notarize("digest/a", b"%d" % i)
    evidence, writer = Evidence(ledger.receipt(3)), ledger.writer.vkey
    other, named = Signer("dab/made/other", "other").vkey, Signer("revoked", "named").vkey
    refused, malformed = (INVALID, "writer_revoked"), (UNDECIDED, "malformed")
    for name, (verdict, reason), text in [
        ("from the next leaf on", (VALID, None), f"revoked 4 {writer} *\n"),
        ("from the largest index on", (VALID, None), f"revoked 9223372036854775807 {writer} *\n"),
        ("beside another key", (VALID, None), f"revoked 0 {other} *\n\t{writer} digest/*\n"),
        ("tabs and blanks", (VALID, None), f" revoked\t4  {writer}\tdigest/a\n"),
        ("in a comment", (VALID, None), f"# revoked 0 {other} *\n#revoked {other} *\n{writer} *\n"),
        ("a key of that name may write", (VALID, None), f"{named} *\n{writer} *\n"),
        ("from this leaf on", refused, f"revoked 3 {writer} *\n"),
        ("from leaf 0 on", refused, f"revoked 0 {writer} *\n"),
        ("before its subject is looked at", refused, f"revoked 2 {writer} digest/b\n"),
        ("another subject", (INVALID, "writer_not_allowed"), f"revoked 4 {writer} digest/b\n"),
        ("another key", (INVALID, "writer_unknown"), f"revoked 9 {other} *\n"),
        ("no index", malformed, f"revoked {writer} *\n"),
        ("no index, of another key", malformed, f"{writer} *\nrevoked {other} *\n"),
        ("an index with a leading zero", malformed, f"revoked 04 {writer} *\n"),
        ("an index with a sign", malformed, f"revoked +4 {writer} *\n"),
        ("a negative index", malformed, f"revoked -1 {writer} *\n"),
        ("an index of 2^64", malformed, f"revoked 18446744073709551616 {writer} *\n"),
        ("an index that is no whole number", malformed, f"revoked 4.0 {writer} *\n"),
        ("two indexes", malformed, f"revoked 4 5 {writer} *\n"),
        ("the word twice", malformed, f"revoked 4 revoked 4 {writer} *\n"),
        ("the word in capitals", malformed, f"REVOKED 4 {writer} *\n"),
        ("the word behind the key is a subject", (VALID, None), f"{writer} digest/* revoked 0\n"),
        ("the index behind the key", malformed, f"revoked {writer} 4 *\n"),
        ("no subject", malformed, f"revoked 4 {writer}\n"),
        ("no key", malformed, f"{writer} *\nrevoked 4\n"),
        ("the word alone", malformed, f"{writer} *\nrevoked\n"),
        ("the key twice", malformed, f"revoked 4 {writer} *\n{writer} *\n"),
        ("the key twice, revoked both times", malformed, f"revoked 4 {writer} *\nrevoked 5 {writer} *\n"),
    ]:
        yield vector(f"revoked: {name}", ledger, evidence, verdict, reason, writers=text.encode())
