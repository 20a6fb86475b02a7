"""The vectors of head proofs: genuine ones, and what is wrong with others. `make.py` calls `vectors`."""

import re

from encoding import INVALID, vector
from forgeries import Evidence, not_canonical
from head_map import map_of, sha256
from made_heads import bind, head_proof, heads_body, leaves_of, path_of
from made_ledger import MadeLedger, Signer, b64, leaf_text, note
from merkle import leaf_hash

NOT_BOUND = "head_not_bound"


def small_ledger(directory, **policy):
    """Thirty leaves on seven tables and the catalog, a heads leaf over all of them, and two leaves more."""
    ledger = MadeLedger(directory, **policy)
    for i in range(30):
        ledger.notarize("catalog" if i % 8 == 7 else f"table/{i % 8}", b"%d" % i)
    bind(ledger)
    ledger.notarize("table/1", b"later")
    ledger.notarize("table/70", b"later")
    return ledger


def vectors(directory):
    ledger = small_ledger(directory / "heads", witnesses=3, quorum="2")

    def shown(name, proof, sequence, index, size=30, of=ledger, **more):
        return vector(name, of, Evidence(proof), size=size, sequence=sequence, leaf_index=index, **more)

    def proof(subject, size=30, bound=30, of=ledger, **lines):
        return head_proof(of, subject, size, bound, **lines)

    for subject, sequence, index in [("table/0", 3, 24), ("table/1", 3, 25), ("table/6", 2, 22), ("catalog", 2, 23)]:
        yield shown(f"genuine: {subject}", proof(subject), sequence, index)
    three = ["w1", "w2", "w3"]
    yield shown("genuine: the cosigners", proof("table/1"), 3, 25, cosigners=three, certifies_alone=False)
    yield shown("genuine: the table that was asked for", proof("table/1"), 3, 25, table_id="1")
    for subject in ("table/7", "table/71", "digest/x", "heads/x", "t", "~" * 255):
        yield shown(f"genuine: there is no {subject[:20]}", proof(subject), None, None)
    yield shown("genuine: a table that came later", proof("table/70"), None, None)
    honest, absent = proof("table/1"), proof("table/71")
    asked = {"table_id": "2"}
    yield vector("wrong: another table than was asked for", ledger, Evidence(honest), INVALID, "another_table", **asked)

    late = small_ledger(directory / "late")
    bound = bind(late, 31)
    yield shown("genuine: a heads leaf that came late", proof("table/1", 31, bound, late), 3, 25, 31, late)
    bound = bind(late)
    yield shown("genuine: the third heads leaf", proof("table/1", 34, bound, late), 4, 31, 34, late)
    for subjects in (0, 1, 2, 3, 300):
        many = MadeLedger(directory / f"of-{subjects}")
        for i in range(subjects):
            many.notarize(f"table/{i}", b"%d" % i)
        bound = bind(many)
        last = (0, subjects - 1) if subjects else (None, None)
        name = f"table/{max(subjects - 1, 0)}"
        one, none = proof(name, subjects, bound, many), proof("x", subjects, bound, many)
        yield shown(f"genuine: one of {subjects} subjects", one, *last, subjects, many)
        yield shown(f"genuine: none of {subjects} subjects", none, None, None, subjects, many)

    # the heads leaf under another checkpoint

    def wrong(name, forged, reason=NOT_BOUND, of=ledger, **more):
        return vector(f"wrong: {name}", of, Evidence(forged), INVALID, reason, **more)

    one = honest[: honest.rindex("— witness2".encode())]
    yield wrong("one cosignature of two", one, "quorum_not_met")
    yield wrong("no checkpoint", honest[: honest.rindex(ledger.origin.encode())], "malformed")
    evidence = Evidence(honest.partition(b"\n\n")[2])
    for name, change in [
        ("another size", lambda line: str(int(line) + 1)),
        ("another root", lambda line: b64(leaf_hash(line.encode()))),
    ]:
        at = 1 if name == "another size" else 2
        forged = evidence.with_checkpoint_line(at, change).proof
        yield wrong(f"a checkpoint of {name}", proof("table/1", receipt=forged), "bad_signature")
    moved = evidence.with_head([*evidence.head()[:2], "index 29", *evidence.head()[3:]]).proof
    yield wrong("another index of the heads leaf", proof("table/1", receipt=moved), "not_included")

    # what the proof says, line by line

    def edited(name, old, new, reason="malformed", of=honest):
        forged = re.sub(old, new, of, count=1)
        assert forged != of, f"the proof has no {old!r}"
        return wrong(name, forged, reason)

    for name, old, new in [
        ("another header", b"head-proof/v1", b"head-proof/v2"),
        ("no header", b"^.*\n", b""),
        ("no subject", b"\nsubject .*", b""),
        ("an empty subject", b"\nsubject .*", b"\nsubject "),
        ("a blank in the subject", b"\nsubject table/1", b"\nsubject table/ 1"),
        ("a subject of 256 characters", b"\nsubject .*", b"\nsubject " + b"x" * 256),
        ("a subject that is not ASCII", b"\nsubject .*", "\nsubject é".encode()),
        ("a size with a leading zero", b"\nsize ", b"\nsize 0"),
        ("a size with a sign", b"\nsize ", b"\nsize +"),
        ("a count with a leading zero", b"\nsubjects ", b"\nsubjects 0"),
        ("no count", b"\nsubjects .*", b""),
        ("size and count swapped", b"\n(size .*)\n(subjects .*)", rb"\n\2\n\1"),
        ("neither head, other nor none", b"\nhead ", b"\nHead "),
        ("a head without its leaf", b"\nhead (\\d+) .*", rb"\nhead \1"),
        ("a head with more behind it", b"\nhead (.*)", rb"\nhead \1 x"),
        ("an index with a leading zero", b"\nhead ", b"\nhead 0"),
        ("two blanks", b"\nhead ", b"\nhead  "),
        ("a fork without its hash", rb"\n(\d+) \S{44}\n", rb"\n\1\n"),
        ("a fork at bit 256", rb"\n\d+ (\S{44})\n", rb"\n256 \1\n"),
        ("a fork at a bit with a leading zero", rb"\n(\d+ \S{44})\n", rb"\n0\1\n"),
        ("a hash of 31 bytes", rb"\n(\d+) \S{44}\n", rb"\n\1 " + b64(b"x" * 31).encode() + b"\n"),
        ("lines end in CRLF", b"\n", b"\r\n"),
        ("no receipt", b"(?s)\n\n.*", b"\n\n"),
        ("a receipt of another form", b"tlog-proof@v1", b"tlog-proof@v2"),
    ]:
        yield edited(name, old, new)
    line = re.search(rb"\nhead \d+ (\S+)", honest)[1].decode()
    strange = not_canonical(line) if line.endswith("=") else line + "="
    yield edited("a leaf not canonical", re.escape(line).encode(), strange.encode())
    fork = re.search(rb"\n\d+ (\S{44})\n", honest)[1].decode()
    yield edited("a hash not canonical", re.escape(fork).encode(), not_canonical(fork).encode())
    yield edited("a key of 31 bytes", rb"\nother \S+", b"\nother " + b64(b"x" * 31).encode(), of=absent)
    yield wrong("257 forks", proof("table/1", path=[(0, bytes(32))] * 257), "malformed")
    for name, old, new in [
        ("one leaf more covered", b"\nsize 30", b"\nsize 31"),
        ("one leaf less covered", b"\nsize 30", b"\nsize 29"),
        ("one subject more", b"\nsubjects 8", b"\nsubjects 9"),
        ("the index of another leaf", b"\nhead 25 ", b"\nhead 24 "),
        ("an index beyond those covered", b"\nhead 25 ", b"\nhead 31 "),
        ("a leaf that should be of another subject", b"\nsubject table/1", b"\nsubject table/2"),
        ("the heads leaf's own subject", b"\nsubject table/1", b"\nsubject heads"),
    ]:
        yield edited(name, old, new, NOT_BOUND)
    yield edited("the subject of another in a proof of absence", b"table/71", b"table/1", NOT_BOUND, absent)
    yield edited("another sequence of the other", rb"(\nother \S+) \d+", rb"\1 9", NOT_BOUND, absent)

    # what the map does not have

    entries = map_of(leaves_of(ledger, 30))
    (entry, steps), key = path_of(entries, sha256(b"table/1")), sha256(b"table/1")

    def head(index):
        return f"head {index} {b64(ledger.entries[index])}"

    yield wrong("the leaf before the last", proof("table/1", found=head(17)))
    yield wrong("a leaf behind those covered", proof("table/1", found=head(31)))
    yield wrong("the last leaf of another subject", proof("table/1", found=head(26)))
    yield wrong("nothing, in a map of eight", proof("table/1", found="none", path=[]))
    yield wrong("nothing, and forks", proof("table/1", found="none"))
    own = f"other {b64(entry[0])} {entry[1]} {entry[2]} {b64(entry[3])}"
    yield wrong("the own entry as another's", proof("table/1", found=own))
    others = [other for other in entries if other[0] != key]
    for number, other in enumerate((others[0], others[-1])):
        denied = f"other {b64(other[0])} {other[1]} {other[2]} {b64(other[3])}"
        yield wrong(f"absence by another's entry, {number}", proof("table/1", found=denied))
        theirs = path_of(entries, other[0])[1]
        yield wrong(f"absence by another's whole path, {number}", proof("table/1", found=denied, path=theirs))
    yield wrong("no forks", proof("table/1", path=[]))
    yield wrong("a fork less at the root", proof("table/1", path=steps[:-1]))
    yield wrong("a fork less at the entry", proof("table/1", path=steps[1:]))
    yield wrong("a fork twice", proof("table/1", path=[steps[0], *steps]))
    yield wrong("forks in the reverse order", proof("table/1", path=steps[::-1]))
    yield wrong("a fork at another bit", proof("table/1", path=[(steps[0][0] + 1, steps[0][1]), *steps[1:]]))
    yield wrong("another sibling", proof("table/1", path=[(steps[0][0], bytes(32)), *steps[1:]]))
    yield wrong("256 forks", proof("table/1", path=[(bit, bytes(32)) for bit in range(255, -1, -1)]))
    # the content of an inner node of the map, given out as an entry: each kind has a first byte of its own
    forged = f"other {b64(steps[0][1])} 0 0 {b64(steps[0][1])}"
    yield wrong("a fork posing as an entry", proof("table/71", found=forged, path=steps[1:]))

    # a ledger that takes anything

    def taken(name, text, reason=NOT_BOUND, writer=ledger.writer, subject="table/1", size=30, **lines):
        """The proof under an entry that the log took as its last, whatever it is."""
        ledger.entries[33:] = [note(text, writer)]
        return wrong(name, proof(subject, size, 33, **lines), reason)

    parent = leaf_hash(ledger.entries[30])

    def heads_text(body, subject="heads", origin=ledger.origin, operation="HEADS", files=()):
        return leaf_text(origin, subject, 1, parent, body, files, operation)

    right = heads_body(ledger, 30)
    yield taken("bound by a leaf of another subject", heads_text(right, subject="table/9"))
    yield taken("bound by a leaf of another operation", heads_text(right, operation="WRITE"))
    yield taken("bound by a leaf with files", heads_text(right, files=[("a", 1, "0" * 64)]))
    yield taken("bound by a leaf of another ledger", heads_text(right, origin="dab/other"), "wrong_origin")
    yield taken("bound by a stranger's leaf", heads_text(right), "writer_unknown", writer=Signer("x", "x"))
    for name, body in [
        ("another root", heads_body(ledger, 30, root=bytes(32))),
        ("another count", heads_body(ledger, 30, subjects=9)),
        ("another size", heads_body(ledger, 32)),
        ("another header", right.replace(b"map/v1", b"map/v2")),
        ("one line more", right + b"\n"),
    ]:
        yield taken(f"bound by a leaf that says {name}", heads_text(body))
    text = heads_text(right)
    for name, digest in (("SHA-256", b" sha256:"), ("BLAKE3", b"blake3:")):
        at = text.index(digest) + len(digest)
        other = text[:at] + (b"0" if text[at : at + 1] != b"0" else b"1") + text[at + 1 :]
        yield taken(f"bound by a leaf with another {name}, all else right", other)
    second = Signer("dab/made/etl", "etl")
    limited = f"{ledger.writer.vkey} table/* catalog\n{second.vkey} heads\n".encode()
    ledger.entries[33:] = []
    yield wrong("the heads leaf of a writer of tables", honest, "writer_not_allowed", writers=limited)
    ledger.entries[33:] = [note(heads_text(right), second)]
    apart = proof("table/1", 30, 33)
    yield shown("genuine: a writer of heads leaves alone", apart, 3, 25, writers=limited)
    for name, who, index, good in [
        ("whose key is revoked behind it", ledger.writer, 26, True),
        ("whose key is revoked at it", ledger.writer, 25, False),
        ("whose heads leaf's key is revoked behind that", second, 34, True),
        ("whose heads leaf's key is revoked at that", second, 33, False),
    ]:
        revoked = limited.replace(who.vkey.encode(), f"revoked {index} {who.vkey}".encode())
        if good:
            yield shown(f"genuine: a leaf {name}", apart, 3, 25, writers=revoked)
        else:
            yield wrong(f"a leaf {name}", apart, "writer_revoked", writers=revoked)
    only = f"{ledger.writer.vkey} heads\n".encode()
    ledger.entries[33:] = []
    yield wrong("the leaf of a writer of heads leaves alone", honest, "writer_not_allowed", writers=only)

    # the map of leaves that are not there yet: the text is right, and its leaf comes too early
    future, early = (MadeLedger(directory / name) for name in ("future", "early"))
    for i in range(3):
        future.notarize("table/1", b"%d" % i)
    early.notarize("table/1", b"0")
    bound = bind(early, body=heads_body(future, 3))
    ahead = head_proof(future, "table/1", 3, None, receipt=early.receipt(bound))
    yield wrong("bound before the leaves are there", ahead, of=early)
    # and an honest path to a leaf that is not among those that the map says it covers
    odd = MadeLedger(directory / "odd")
    for i in range(4):
        odd.notarize("table/1", b"%d" % i)
    body = heads_body(odd, 4).replace(b"size 4", b"size 2")
    bound = bind(odd, body=body)
    yield wrong("a map with a leaf beyond its size", head_proof(odd, "table/1", 4, bound, covers=2), of=odd)
    yield wrong("a receipt instead of a head proof", odd.receipt(0), "malformed", of=odd)
