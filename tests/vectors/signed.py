"""The vectors of leaves and commit files that are well signed and included, and still wrong."""

import json

from encoding import INVALID, VALID, vector
from forgeries import Evidence, not_canonical
from made_ledger import MadeLedger, Signer, b64, leaf_text, note
from merkle import leaf_hash
from small_order import with_neutral_r

INFO = {"tableId": "a", "version": 0, "previous": None}
DIGEST = "0" * 64


def vectors(directory):
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


def commit_file(*actions, info=INFO):
    """A commit file of actions, which are values or JSON as it is to stand there."""
    lines = [{"commitInfo": {"dab": info}}, *actions]
    return "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines).encode()


def add(path="a", size=1, **more):
    return {"add": {"path": path, "size": size, "tags": {"dab.blake3": DIGEST}} | more}
