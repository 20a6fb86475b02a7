"""Named forgeries of everything an auditor is handed. Each must be rejected by every verifier, DAB's and the others'.

A receipt forgery turns an honest `Evidence` into a forged one, sometimes borrowing from a second honest receipt of the
same ledger. A ledger or table forgery changes files in a copy of a data directory. None of them holds a private key:
what an insider with the log's key can do is tested apart, where it shows (a fork, a rollback).
"""

import base64
import re
from dataclasses import dataclass, replace

from auditor import entries_in, tile_path
from made_ledger import Signer, b64, note
from merkle import leaf_hash
from verdict import Invalid, Undecided


@dataclass(frozen=True)
class Evidence:
    proof: bytes
    commit: bytes | None = None
    data: tuple = ()  # (path inside the table, content)

    def head(self):
        """The proof's lines before the checkpoint."""
        return self.proof.partition(b"\n\n")[0].decode().split("\n")

    def note(self):
        return self.proof.partition(b"\n\n")[2]

    def leaf(self):
        return base64.b64decode(self.head()[1][6:])

    def with_head(self, lines):
        return replace(self, proof="\n".join(lines).encode() + b"\n\n" + self.note())

    def with_note(self, raw):
        return replace(self, proof=self.proof.partition(b"\n\n")[0] + b"\n\n" + raw)

    def with_leaf(self, raw):
        return self.with_head([self.head()[0], f"extra {b64(raw)}", *self.head()[2:]])

    def with_checkpoint_line(self, at, change):
        lines = self.note().split(b"\n")
        lines[at] = change(lines[at].decode()).encode()
        return self.with_note(b"\n".join(lines))


def flipped(raw, at=0, mask=1):
    return raw[:at] + bytes([raw[at] ^ mask]) + raw[at + 1 :]


def not_canonical(text):
    """The same bytes in base64 with a stray bit in the padding, as lax decoders accept it."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    at = len(text.rstrip("=")) - 1
    assert text.endswith("="), "only padded base64 has stray bits"
    return text[:at] + alphabet[alphabet.index(text[at]) ^ 1] + text[at + 1 :]


def with_index(e, text):
    return e.with_head([*e.head()[:2], f"index {text}", *e.head()[3:]])


def with_path(e, change):
    return e.with_head([*e.head()[:3], *change(e.head()[3:])])


def index_of(e):
    return int(e.head()[2][6:])


def size_of(e):
    return int(e.note().split(b"\n")[1])


def signed_by(e, line):
    """The checkpoint with its signature lines replaced."""
    text = e.note().rpartition(b"\n\n")[0] + b"\n"
    return e.with_note(text + b"\n" + line(text))


def log_line(e):
    return e.note().rpartition(b"\n\n")[2].decode().split("\n")[0].split(" ")


def by_stranger(e):
    """The log's own name over a stranger's key: another key id."""
    return signed_by(e, Signer(log_line(e)[1], "stranger").line)


def by_colliding_key(e):
    """A stranger's signature under the log's name and the log's key id, as after a search for a colliding id."""
    _, name, blob = log_line(e)
    stranger = Signer(name, "stranger")
    stranger.id = base64.b64decode(blob)[:4]
    return signed_by(e, stranger.line)


def leaf_of_stranger(e):
    """The same statement, signed by a key that the auditor never listed."""
    return e.with_leaf(note(e.leaf().rpartition(b"\n\n")[0] + b"\n", Signer("stranger.example/etl", "stranger")))


def leaf_signed_twice(e):
    return e.with_leaf(e.leaf() + Signer("stranger.example/etl", "s").line(e.leaf().rpartition(b"\n\n")[0] + b"\n"))


def node_as_leaf(e):
    """The attack that RFC 6962's two prefixes stop: the content of an inner node given out as an entry."""
    sibling, mine = base64.b64decode(e.head()[3]), leaf_hash(e.leaf())
    node = sibling + mine if index_of(e) & 1 else mine + sibling
    forged = with_path(with_index(e, index_of(e) >> 1), lambda path: path[1:])
    return forged.with_leaf(node)


def edited_leaf(pattern, by):
    def forge(e, _):
        edited = re.sub(pattern, by, e.leaf(), count=1)
        assert edited != e.leaf(), f"the leaf has no {pattern!r}"
        return e.with_leaf(edited)

    return forge


def edited_commit(pattern, by):
    def forge(e, _):
        edited = re.sub(pattern, by, e.commit, count=1)
        assert edited != e.commit, f"the commit file has no {pattern!r}"
        return replace(e, commit=edited)

    return forge


def edited_data(change):
    def forge(e, _):
        (path, content), *rest = e.data
        return replace(e, data=((path, change(content)), *rest))

    return forge


RECEIPT_FORGERIES = {
    # the checkpoint
    "checkpoint: another origin": lambda e, _: e.with_checkpoint_line(0, lambda line: line + "x"),
    "checkpoint: size plus one": lambda e, _: e.with_checkpoint_line(1, lambda line: str(int(line) + 1)),
    "checkpoint: size minus one": lambda e, _: e.with_checkpoint_line(1, lambda line: str(int(line) - 1)),
    "checkpoint: size with a leading zero": lambda e, _: e.with_checkpoint_line(1, lambda line: "0" + line),
    "checkpoint: size of 2^63": lambda e, _: e.with_checkpoint_line(1, lambda _: str(1 << 63)),
    "checkpoint: another root": lambda e, _: e.with_checkpoint_line(2, lambda x: b64(flipped(base64.b64decode(x)))),
    "checkpoint: root not canonical base64": lambda e, _: e.with_checkpoint_line(2, not_canonical),
    "checkpoint: an added extension line": lambda e, _: e.with_checkpoint_line(2, lambda line: line + "\nnews"),
    "checkpoint: lines end in CRLF": lambda e, _: e.with_note(e.note().replace(b"\n", b"\r\n")),
    "checkpoint: no signature": lambda e, _: e.with_note(e.note().rpartition(b"\n\n")[0] + b"\n\n"),
    "checkpoint: no last newline": lambda e, _: e.with_note(e.note()[:-1]),
    "checkpoint: bytes after the last signature": lambda e, _: e.with_note(e.note() + b"x"),
    "checkpoint: a blank line after the signatures": lambda e, _: e.with_note(e.note() + b"\n"),
    "checkpoint: signed by a stranger under the log's name": lambda e, _: by_stranger(e),
    "checkpoint: signed by a stranger with a colliding key id": lambda e, _: by_colliding_key(e),
    "checkpoint: a forged signature before the real one": lambda e, _: e.with_note(
        by_colliding_key(e).note() + e.note().rpartition(b"\n\n")[2]
    ),
    "checkpoint: a flipped bit in the signature": lambda e, _: signed_by(
        e, lambda _: f"— {log_line(e)[1]} {b64(flipped(base64.b64decode(log_line(e)[2]), 20))}\n".encode()
    ),
    "checkpoint: the signature of another text": lambda e, _: signed_by(e, lambda _: e.leaf().rpartition(b"\n\n")[2]),
    # the position in the tree
    "index: one more": lambda e, _: with_index(e, index_of(e) + 1),
    "index: one less": lambda e, _: with_index(e, abs(index_of(e) - 1)),
    "index: the sides of one step swapped": lambda e, _: with_index(e, index_of(e) ^ 2),
    "index: the tree's size": lambda e, _: with_index(e, size_of(e)),
    "index: 2^63": lambda e, _: with_index(e, 1 << 63),
    "index: plus 2^64": lambda e, _: with_index(e, index_of(e) + (1 << 64)),
    "index: a leading zero": lambda e, _: with_index(e, f"0{index_of(e)}"),
    "index: a sign": lambda e, _: with_index(e, f"+{index_of(e)}"),
    "index: missing": lambda e, _: e.with_head(e.head()[:2] + e.head()[3:]),
    "path: empty": lambda e, _: with_path(e, lambda path: []),
    "path: first hash missing": lambda e, _: with_path(e, lambda path: path[1:]),
    "path: last hash missing": lambda e, _: with_path(e, lambda path: path[:-1]),
    "path: last hash twice": lambda e, _: with_path(e, lambda path: path + path[-1:]),
    "path: in reverse": lambda e, _: with_path(e, lambda path: path[::-1]),
    "path: 64 hashes": lambda e, _: with_path(e, lambda path: (path * 64)[:64]),
    "path: a hash of 31 bytes": lambda e, _: with_path(
        e, lambda path: [b64(base64.b64decode(path[0])[:31]), *path[1:]]
    ),
    "path: a hash not canonical base64": lambda e, _: with_path(e, lambda path: [not_canonical(path[0]), *path[1:]]),
    "path: a blank at a line's end": lambda e, _: with_path(e, lambda path: [path[0] + " ", *path[1:]]),
    "path: of the neighbour": lambda e, other: with_path(e, lambda _: other.head()[3:]),
    "proof: of the neighbour, whole": lambda e, other: replace(e, proof=other.proof),
    "proof: index and path of the neighbour": lambda e, other: e.with_head([*e.head()[:2], *other.head()[2:]]),
    "proof: another first line": lambda e, _: e.with_head(["c2sp.org/tlog-proof@v2", *e.head()[1:]]),
    "proof: two extra lines": lambda e, _: e.with_head([*e.head()[:2], *e.head()[1:]]),
    "proof: lines end in CRLF": lambda e, _: replace(e, proof=e.proof.replace(b"\n", b"\r\n")),
    "proof: truncated": lambda e, _: replace(e, proof=e.proof[: len(e.proof) // 2]),
    "proof: empty": lambda e, _: replace(e, proof=b""),
    "proof: a blank line before": lambda e, _: replace(e, proof=b"\n" + e.proof),
    "proof: not text": lambda e, _: replace(e, proof=b"\xff\xfe" + e.proof),
    # the leaf
    "leaf: of the neighbour": lambda e, other: e.with_leaf(other.leaf()),
    "leaf: signed by a stranger": lambda e, _: leaf_of_stranger(e),
    "leaf: signed twice": lambda e, _: leaf_signed_twice(e),
    "leaf: not signed": lambda e, _: e.with_leaf(e.leaf().rpartition(b"\n\n")[0] + b"\n"),
    "leaf: missing": lambda e, _: e.with_head([e.head()[0], *e.head()[2:]]),
    "leaf: empty": lambda e, _: e.with_leaf(b""),
    "leaf: two hashes posing as a leaf, one level up": lambda e, _: node_as_leaf(e),
    "leaf: base64 not canonical": lambda e, _: e.with_head([e.head()[0], e.head()[1] + "=", *e.head()[2:]]),
    "leaf: another operation": edited_leaf(rb"operation \w+", b"operation DELETE"),
    "leaf: another ledger's origin": edited_leaf(rb"origin dab/", b"origin bad/"),
    "leaf: another table": edited_leaf(rb"subject table/.", b"subject table/g"),
    "leaf: sequence with a leading zero": edited_leaf(rb"sequence ", b"sequence 0"),
    # the commit file
    "commit: of the neighbour": lambda e, other: replace(e, commit=other.commit),
    "commit: a blank added to the JSON": edited_commit(rb":", b": "),
    "commit: another size of a file": edited_commit(rb'"size":', b'"size":1'),
    "commit: another digest of a file": edited_commit(rb'"dab.blake3":"..', b'"dab.blake3":"zz'),
    "commit: no last newline": lambda e, _: replace(e, commit=e.commit.removesuffix(b"\n") or b"\n"),
    "commit: a line doubled": lambda e, _: replace(e, commit=e.commit + e.commit.split(b"\n")[0] + b"\n"),
    "commit: half of it": lambda e, _: replace(e, commit=e.commit[: len(e.commit) // 2]),
    "commit: empty": lambda e, _: replace(e, commit=b""),
    # the data files
    "data: a flipped bit": edited_data(lambda raw: flipped(raw, len(raw) // 2)),
    "data: the first byte": edited_data(lambda raw: flipped(raw, 0)),
    "data: the last byte": edited_data(lambda raw: flipped(raw, len(raw) - 1)),
    "data: truncated by one byte": edited_data(lambda raw: raw[:-1]),
    "data: one byte more": edited_data(lambda raw: raw + b"\0"),
    "data: empty": edited_data(lambda raw: b""),
    "data: zeros of the same size": edited_data(lambda raw: bytes(len(raw))),
    "data: of the neighbour under this name": lambda e, other: replace(e, data=((e.data[0][0], other.data[0][1]),)),
    "data: a file that the commit does not name": lambda e, other: replace(e, data=other.data),
}

# What the formats declare neutral: the verdict stays valid, and nothing of the change is shown as a fact.
RECEIPT_NEUTRAL = {
    "checkpoint: one more signature by an unknown key": lambda e, _: e.with_note(
        e.note() + Signer("stranger.example", "stranger").line(e.note().rpartition(b"\n\n")[0] + b"\n")
    ),
}


# forgeries of a copied data directory: fn(public directory, table directory)


def commits(table):
    return sorted((table / "_delta_log").glob("*.json"))


def tiles(public, kind):
    """The tiles that belong to the checkpoint. Partial ones of older checkpoints may lie beside them, unread."""
    size = int((public / "checkpoint").read_bytes().split(b"\n")[1])
    return [public / tile_path(kind, at // 256, min(256, size - at)) for at in range(0, size, 256)]


def rewrite(path, change):
    honest = path.read_bytes()
    forged = change(honest)
    assert forged != honest, f"{path}: nothing was forged"
    path.write_bytes(forged)


def swap(one, two):
    a, b = one.read_bytes(), two.read_bytes()
    one.write_bytes(b), two.write_bytes(a)


def renumber(table):
    """Drops a version in the middle and closes the gap."""
    names = commits(table)
    for earlier, later in zip(names[1:], names[2:]):
        later.replace(earlier)


def data_files(table):
    return sorted(path for path in table.rglob("*.parquet") if "_delta_log" not in path.parts)


def reordered(public):
    """Swaps two neighbouring leaves of different subjects and recomputes bundle and tiles: only the root tells."""
    bundle, tile = tiles(public, "entries")[-1], tiles(public, "0")[-1]
    entries = entries_in(bundle.read_bytes())
    subjects = [entry.split(b"\n")[2] for entry in entries]
    at = next(at for at in range(len(entries) - 1) if subjects[at] != subjects[at + 1])
    entries[at], entries[at + 1] = entries[at + 1], entries[at]
    bundle.write_bytes(b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries))
    tile.write_bytes(b"".join(leaf_hash(entry) for entry in entries))


LEDGER_FORGERIES = {
    "ledger: two leaves swapped, everything recomputed": lambda public, _: reordered(public),
    "tile: a flipped bit": lambda public, _: rewrite(tiles(public, "0")[0], lambda raw: flipped(raw, 5)),
    "tile: truncated by one hash": lambda public, _: rewrite(tiles(public, "0")[-1], lambda raw: raw[:-32]),
    "tile: truncated by one byte": lambda public, _: rewrite(tiles(public, "0")[-1], lambda raw: raw[:-1]),
    "tile: one hash more": lambda public, _: rewrite(tiles(public, "0")[-1], lambda raw: raw + raw[-32:]),
    "tile: two hashes swapped": lambda public, _: rewrite(tiles(public, "0")[0], lambda x: x[32:64] + x[:32] + x[64:]),
    "tile: empty": lambda public, _: rewrite(tiles(public, "0")[-1], lambda raw: b""),
    "entries: a flipped bit": lambda public, _: rewrite(tiles(public, "entries")[0], lambda raw: flipped(raw, 40)),
    "entries: a length changed": lambda public, _: rewrite(tiles(public, "entries")[0], lambda raw: flipped(raw, 1)),
    "entries: truncated": lambda public, _: rewrite(tiles(public, "entries")[-1], lambda raw: raw[:-1]),
    "entries: one byte more": lambda public, _: rewrite(tiles(public, "entries")[-1], lambda raw: raw + b"\0"),
    "entries: an empty entry more": lambda public, _: rewrite(tiles(public, "entries")[-1], lambda raw: raw + b"\0\0"),
    "entries: empty": lambda public, _: rewrite(tiles(public, "entries")[-1], lambda raw: b""),
    "checkpoint: a flipped bit": lambda public, _: rewrite(public / "checkpoint", lambda raw: flipped(raw, 2)),
    "checkpoint: empty": lambda public, _: rewrite(public / "checkpoint", lambda raw: b""),
}

TABLE_FORGERIES = {
    "table: the last commit removed": lambda _, table: commits(table)[-1].unlink(),
    "table: a middle commit removed": lambda _, table: commits(table)[1].unlink(),
    "table: a middle commit removed, the rest renumbered": lambda _, table: renumber(table),
    "table: two commits swapped": lambda _, table: swap(*commits(table)[1:3]),
    "table: a commit more": lambda _, table: (table / "_delta_log" / f"{len(commits(table)):020d}.json").write_bytes(
        commits(table)[-1].read_bytes()
    ),
    "table: a commit file emptied": lambda _, table: commits(table)[1].write_bytes(b""),
    "table: a flipped bit in a commit file": lambda _, table: rewrite(commits(table)[1], lambda raw: flipped(raw, 30)),
    "table: another identity": lambda _, table: rewrite(
        commits(table)[0], lambda raw: re.sub(rb'("metaData":.*?"id":")[^"]*', rb"\g<1>another", raw)
    ),
    "table: no identity": lambda _, table: rewrite(
        commits(table)[0], lambda raw: raw.replace(b"metaData", b"metadata")
    ),
    "table: two data files swapped": lambda _, table: swap(*data_files(table)[:2]),
    "table: a data file removed": lambda _, table: data_files(table)[0].unlink(),
    "table: a data file emptied": lambda _, table: data_files(table)[0].write_bytes(b""),
    "table: a flipped bit in a data file": lambda _, table: rewrite(data_files(table)[0], lambda raw: flipped(raw, 8)),
}


def rejected(call, *arguments):
    """The complaint with which a verifier refuses; it has to."""
    try:
        call(*arguments)
    except (Invalid, Undecided) as complaint:
        return str(complaint)
    raise AssertionError("it was accepted")
