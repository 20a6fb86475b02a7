"""An independent verifier of DAB's receipts and head proofs: a second opinion, short enough to read before trusting it.

Written from the documents of the formats, not from DAB's code: C2SP signed-note, tlog-checkpoint, tlog-cosignature,
tlog-proof and tlog-policy, RFC 6962, and DAB's page on leaf, files root, head map and `trust/writers`. It needs no
server, no network and two packages: `cryptography` for Ed25519, and `blake3`. `auditor.py` beside it audits ledgers and
tables.

    python verifier.py verify orders.tlog-proof --trust DIR [--commit FILE] [--data FILE]...
    python verifier.py head orders.head-proof --trust DIR

Exit status: 0 all that was asked for was checked and holds; 1 it is forged, torn or not certified; 2 undecided, because
evidence is missing.
"""

import argparse
import base64
import hashlib
import json
import re
import struct
import sys
import urllib.parse
from pathlib import Path

from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

NOTE_BYTES_MAX, LEAF_BYTES_MAX, OPERATION_BYTES_MAX, PROOF_HASHES_MAX = 1 << 20, 4096, 64, 63
# y of every point of order 1, 2, 4 or 8, also in spellings beyond the prime: with such a key, or such a first half of a
# signature, one signature could fit several texts
P, Y8 = 2**255 - 19, 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
SMALL_ORDER = {0, 1, P - 1, P, P + 1, Y8, P - Y8}
LOG_KEY, COSIGNER_KEY = 1, 4  # signature types: signed-note (logs, writers), tlog-cosignature (witnesses)


class Invalid(Exception):
    """The evidence contradicts what it claims (exit status 1)."""


class Undecided(Exception):
    """Evidence that would decide is not there (exit status 2)."""


def need(condition, complaint):
    if not condition:
        raise Invalid(complaint)


def number(text):
    need(re.fullmatch("0|[1-9][0-9]{0,18}", text) and int(text) < 1 << 63, f"no canonical number: {text[:40]!r}")
    return int(text)


def unbase64(text, length=None):
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raw = b""
    need(base64.b64encode(raw).decode() == text, f"no canonical base64: {text[:40]!r}")
    need(length is None or len(raw) == length, f"{len(raw)} bytes where {length} belong")
    return raw


# RFC 6962: hashes, roots, inclusion


def leaf_hash(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def tree_hash(hashes):
    """Root over leaf hashes: pairs level by level, an odd last one moves up unpaired."""
    while len(hashes) > 1:
        pairs = [node_hash(*hashes[i : i + 2]) for i in range(0, len(hashes) - 1, 2)]
        hashes = pairs + hashes[len(pairs) * 2 :]
    return hashes[0] if hashes else hashlib.sha256(b"").digest()


def root_of_inclusion(leaf, index, size, proof):
    need(index < size, f"leaf index {index} lies outside a tree of {size}")
    last = size - 1
    for sibling in proof:
        need(last, "the inclusion proof is too long")
        if index & 1 or index == last:
            leaf = node_hash(sibling, leaf)
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            leaf = node_hash(leaf, sibling)
        index, last = index >> 1, last >> 1
    need(last == 0, "the inclusion proof is too short")
    return leaf


# signed notes and keys


class Key:
    def __init__(self, text, kind):
        self.name, key_id, material = (text.split("+", 2) + ["", ""])[:3]
        raw = unbase64(material, 33)
        self.kind, self.public = raw[0], raw[1:]
        self.id = hashlib.sha256(self.name.encode("utf-8", "surrogateescape") + b"\n" + raw).digest()[:4]
        need(self.name and key_id == self.id.hex() and self.kind == kind, f"no verifier key of type {kind}: {text!r}")
        need(not small_order(self.public), f"no safe public key: {text!r}")

    def verify(self, text, signature):
        """Raises unless the signature holds; returns a cosignature's time."""
        time = None
        if self.kind == COSIGNER_KEY:
            need(len(signature) == 72 and signature[0] < 0x80, f"{self.name}: malformed cosignature")
            time, signature = struct.unpack(">Q", signature[:8])[0], signature[8:]
            text = f"cosignature/v1\ntime {time}\n".encode() + text
        try:
            if small_order(signature[:32]):
                raise InvalidSignature
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except (InvalidSignature, ValueError):
            raise Invalid(f"the signature of {self.name} does not hold") from None
        return time


def small_order(point):
    return int.from_bytes(point, "little") & ~(1 << 255) in SMALL_ORDER


def parse_note(raw):
    """A signed note's text (bytes) and its signatures: [((name, key id), signature)]."""
    need(len(raw) <= NOTE_BYTES_MAX, "the note is too long")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Invalid("the note is not UTF-8") from None
    need(not re.search("[\0-\x09\x0b-\x1f]", text), "the note has a control character")
    body, blank, tail = text.rpartition("\n\n")
    need(blank and body and tail.endswith("\n"), "the note has no text, no signature or no last newline")
    signatures = []
    for line in tail[:-1].split("\n"):
        match = re.fullmatch(r"— ([^\s+]+) (\S+)", line)
        need(match, f"no signature line: {line[:60]!r}")
        blob = unbase64(match[2])
        need(len(blob) > 4, "a signature is too short")
        signatures.append(((match[1], blob[:4]), blob[4:]))
    return (body + "\n").encode(), signatures


# what the auditor was handed once: the directory `trust`


def words_of(path):
    """The lines of a trust file as words; octets above 0x7f stay what they are."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Undecided(str(error)) from None
    need((not raw or raw.endswith(b"\n")) and not re.search(rb"[\0-\x08\x0b-\x1f\x7f]", raw), f"{path.name} is torn")
    lines = [re.findall("[^ \t]+", line) for line in raw.decode("utf-8", "surrogateescape").split("\n")]
    return [words for words in lines if words and not words[0].startswith("#")]


def read_writer(words):
    """A writer's key, its subjects, and the leaf index from which on its leaves count no more (or None)."""
    revoked_from = None
    if words[0] == "revoked":
        need(len(words) > 2, "writers: a revoked key lacks its leaf index or itself")
        revoked_from, words = number(words[1]), words[2:]
    return Key(words[0], LOG_KEY), words[1:], revoked_from


class Trust:
    """`policy` (C2SP tlog-policy): logs, and whose cosignatures suffice. `writers`: whose key may write what, and until when."""

    def __init__(self, directory):
        try:
            self.read(directory)
        except Invalid as error:  # no fault of the evidence
            raise Undecided(f"the trust directory cannot be used: {error}") from None

    def read(self, directory):
        self.directory, self.logs, self.witnesses, self.groups = Path(directory), [], {}, {"none": (0, [])}
        self.quorum, grouped = None, {"none"}
        for verb, *words in words_of(self.directory / "policy"):
            names = self.witnesses.keys() | self.groups.keys()
            if verb == "log" and len(words) in (1, 2):
                self.logs.append(Key(words[0], LOG_KEY))
            elif verb == "witness" and len(words) in (2, 3) and words[0] not in names:
                self.witnesses[words[0]] = Key(words[1], COSIGNER_KEY)
            elif verb == "group" and len(words) > 2 and words[0] not in names:
                name, k, *members = words
                k = 1 if k == "any" else len(members) if k == "all" else number(k)
                need(1 <= k <= len(members), f"group {name}: {k} of {len(members)}")
                need(len({*members}) == len(members) and {*members} <= names - grouped, f"group {name}: members")
                grouped |= {*members}
                self.groups[name] = (k, members)
            elif verb == "quorum" and len(words) == 1 and words[0] in names and self.quorum is None:
                self.quorum = words[0]
            else:
                raise Invalid(f"policy: {verb} {' '.join(words)[:60]!r} is not understood")
        need(self.quorum, "the policy names no quorum")
        self.writers = [read_writer(words) for words in words_of(self.directory / "writers")]
        public = [key.public for key in [*self.logs, *self.witnesses.values(), *(key for key, _, _ in self.writers)]]
        need(len({*public}) == len(public), "a public key stands twice: one key has one role")
        for key, globs, _ in self.writers:
            need(globs and not any("*" in glob[:-1] for glob in globs), f"writers: {key.name}: subjects {globs}")

    def certifies(self, name, cosigned):
        k, members = self.groups.get(name, (1, None))
        return name in cosigned if members is None else sum(self.certifies(m, cosigned) for m in members) >= k


class Checkpoint:
    """The ledger's signed tree head; it exists only if a trusted log signed it and the quorum cosigned it."""

    def __init__(self, raw, trust):
        text, signatures = parse_note(raw)
        lines = text.decode().split("\n")[:-1]
        need(len(lines) >= 3 and all(lines), "a checkpoint has three lines: origin, size, root")
        self.origin, self.size, self.root = lines[0], number(lines[1]), unbase64(lines[2], 32)
        by_log, self.cosigned = False, {}
        known = {(key.name, key.id) for key in [*trust.logs, *trust.witnesses.values()]}
        for who in known:
            need([who for who, _ in signatures].count(who) < 2, f"the checkpoint has two signatures by {who[0]}")
        for who, signature in signatures:  # a known key's bad signature condemns the note, an unknown key says nothing
            for key in trust.logs:
                if who == (key.name, key.id):
                    key.verify(text, signature)
                    by_log = by_log or key.name == self.origin
            for name, key in trust.witnesses.items():
                if who == (key.name, key.id):
                    self.cosigned[name] = key.verify(text, signature)
        need(by_log, f"no trusted log signed this checkpoint of {self.origin!r}")
        need(trust.certifies(trust.quorum, self.cosigned), f"the quorum {trust.quorum!r} is not reached")


# the leaf, and what it binds

LEAF = re.compile(
    r"dab/leaf/v1\n"
    r"origin (?P<origin>[^\s+]+)\n"
    r"subject (?P<subject>[!-~]{1,255})\n"
    r"sequence (?P<sequence>[0-9]+)\n"
    r"parent (?P<parent>-|\S{44})\n"
    r"body blake3:(?P<blake3>[0-9a-f]{64}) sha256:(?P<sha256>[0-9a-f]{64}) (?P<bytes>[0-9]+)\n"
    r"files (?:-|rfc6962-sha256:(?P<files>[0-9a-f]{64}) (?P<count>[1-9][0-9]*))\n"
    r"operation (?P<operation>[!-~]+(?: [!-~]+)*)\n"
)


class Leaf:
    """One statement of the ledger; it exists only if its form is right and a trusted writer of the subject signed, one
    that was not revoked before the leaf's index."""

    def __init__(self, raw, trust, origin, index):
        need(len(raw) <= LEAF_BYTES_MAX, "the leaf is too long")
        text, signatures = parse_note(raw)
        match = LEAF.fullmatch(text.decode())
        need(match and len(signatures) == 1, "no leaf of the form dab/leaf/v1 with one signature")
        self.__dict__.update(match.groupdict(), raw=raw, hash=leaf_hash(raw))
        self.sequence, self.bytes, self.count = number(self.sequence), number(self.bytes), number(self.count or "0")
        self.parent = None if self.parent == "-" else unbase64(self.parent, 32)
        need((self.parent is None) == (self.sequence == 0), "sequence 0 has a parent, or another lacks it")
        need(len(self.operation) <= OPERATION_BYTES_MAX, "no operation is that long")
        need(self.origin == origin, f"the leaf was made for the ledger {self.origin!r}, not for {origin!r}")
        (who, signature), self.writer = signatures[0], None
        for key, globs, revoked_from in trust.writers:
            if who == (key.name, key.id):
                key.verify(text, signature)
                need(revoked_from is None or index < revoked_from, f"{key.name} is revoked from leaf {revoked_from} on")
                if any(self.subject == g or g.endswith("*") and self.subject.startswith(g[:-1]) for g in globs):
                    self.writer = key.name
        need(self.writer, f"{who[0]} is no trusted writer of {self.subject}")

    def check_body(self, body):
        """The commit file is byte for byte the notarized one. Returns the files it adds: {path: (size, blake3)}."""
        what = f"{self.subject} sequence {self.sequence}"
        need(len(body) == self.bytes, f"{what}: the commit file has {len(body)} bytes, not {self.bytes}")
        need(blake3(body).hexdigest() == self.blake3, f"{what}: the commit file's BLAKE3 differs")
        need(hashlib.sha256(body).hexdigest() == self.sha256, f"{what}: the commit file's SHA-256 differs")
        if not self.subject.startswith("table/"):
            return {}  # another body's inside is not an auditor's business
        says = [info.get("dab") for info in actions(body, "commitInfo")]
        parent = base64.b64encode(self.parent).decode() if self.parent else None
        mine = {"tableId": self.subject.removeprefix("table/"), "version": self.sequence, "previous": parent}
        need(len(says) == 1 and isinstance(says[0], dict), f"{what}: the commit file has no commitInfo.dab")
        need({name: says[0].get(name) for name in mine} == mine, f"{what}: commitInfo.dab speaks of another commit")
        need(len(actions(body, "metaData")) < 2, f"{what}: no list of Delta actions has a second metaData")
        files = {}
        for add in actions(body, "add"):
            path, size, tag = add.get("path"), add.get("size"), (add.get("tags") or {}).get("dab.blake3")
            need(isinstance(path, str) and path.isprintable() and path not in files, f"{what}: path {path!r}")
            sized = type(size) is int and 0 <= size < 1 << 64
            need(sized and re.fullmatch("[0-9a-f]{64}", str(tag)), f"{what}: {path} has no size or digest")
            for spelling in (path, urllib.parse.unquote(path)):
                odd = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|.*\\", spelling) or {"", ".", ".."} & {*spelling.split("/")}
                need(not odd, f"{what}: path {path!r}")
            files[path] = size, tag
        lines = sorted(f"{path}\0{size}\0{tag}\n".encode() for path, (size, tag) in files.items())
        found = tree_hash([leaf_hash(line) for line in lines]).hex() if lines else None
        need((found, len(lines)) == (self.files, self.count), f"{what}: the files root differs")
        return files


def actions(body, kind):
    """The actions of one kind in a Delta commit file."""
    try:
        lines = body.decode().removesuffix("\n").split("\n")
        found = [json.loads(line, object_pairs_hook=once, parse_float=finite, parse_constant=finite) for line in lines]
        one_each = all(isinstance(action, dict) and len(action) == 1 for action in found)
        need(one_each, "no list of Delta actions: a line has none or two")
        found = [action[kind] for action in found if kind in action]
        need(all(isinstance(action.get("tags") or {}, dict) for action in found), "tags are no object")
        return found
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Invalid(f"the commit file is no list of Delta actions: {error}") from None


def once(pairs):
    """An object whose keys stand once: of two equal ones, the next reader could take the other."""
    need(len({key for key, _ in pairs}) == len(pairs), "no list of Delta actions: a key stands twice")
    return dict(pairs)


def finite(text):
    need(abs(float(text)) < float("inf"), f"no list of Delta actions: {text} is no number")
    return float(text)


def check_data(path, fact, content):
    need(len(content) == fact[0], f"{path}: {len(content)} bytes where {fact[0]} were notarized")
    need(blake3(content).hexdigest() == fact[1], f"{path}: the data file's BLAKE3 differs")


def verify(proof, trust, commit=None, data=()):
    """Checks a `.tlog-proof` and, if given, the commit file and data files [(file name, content)] it speaks of."""
    head, blank, note = proof.partition(b"\n\n")
    lines = head.decode("ascii", "replace").split("\n")
    need(blank and lines[0] == "c2sp.org/tlog-proof@v1" and len(lines) >= 3, "no tlog-proof")
    need(lines[1].startswith("extra ") and lines[2].startswith("index "), "the proof lacks its leaf or its index")
    need(len(lines) <= 3 + PROOF_HASHES_MAX, "the proof has too many hashes")
    checkpoint = Checkpoint(note, trust)
    raw, index, path = unbase64(lines[1][6:]), number(lines[2][6:]), [unbase64(line, 32) for line in lines[3:]]
    root = root_of_inclusion(leaf_hash(raw), index, checkpoint.size, path)
    need(root == checkpoint.root, "the leaf is not in the tree that the checkpoint signs")
    leaf = Leaf(raw, trust, checkpoint.origin, index)
    if data and commit is None:
        raise Undecided("data files can be checked only with the commit file that names them")
    files = leaf.check_body(commit) if commit is not None else {}
    for name, content in data:
        mine = [path for path in files if f"/{name}".endswith("/" + urllib.parse.unquote(path))]
        need(len(mine) == 1, f"{name}: the commit adds no such file")
        check_data(mine[0], files[mine[0]], content)
    return leaf, index, checkpoint


# the head map: the last leaf of each subject, bound by the leaves of the subject `heads`


def sha256(raw):
    return hashlib.sha256(raw).digest()


def bit_of(key, bit):
    return key[bit // 8] >> (7 - bit % 8) & 1


def map_entry(key, sequence, index, leaf):
    return sha256(b"\2" + key + struct.pack(">QQ", sequence, index) + leaf)


def map_fork(bit, left, right):
    return sha256(bytes([3, bit]) + left + right)


EMPTY_MAP = sha256(b"\4")


def root_of_path(key, entry, steps):
    """The root of the map in which `key` leads to `entry`, its own or another's: there is no other entry of `key`."""
    if entry is None:
        need(not steps, "the head map has no entries, but forks")
        return EMPTY_MAP
    node, below = map_entry(*entry), 256
    for bit, sibling in steps:
        need(bit < below, "the head map's path has bits that do not fall")
        need(bit_of(entry[0], bit) == bit_of(key, bit), "the head map's path parts from the key")
        node, below = map_fork(bit, *((sibling, node) if bit_of(key, bit) else (node, sibling))), bit
    return node


def check_heads_leaf(leaf, size, subjects, root):
    """The leaf is one of the ledger's own, and binds this map of its first `size` leaves."""
    kind = (leaf.subject, leaf.operation, leaf.files)
    need(kind == ("heads", "HEADS", None), "the heads leaf is of another kind")
    body = f"dab/head-map/v1\norigin {leaf.origin}\nsize {size}\nsubjects {subjects}\n"
    body = f"{body}root {base64.b64encode(root).decode()}\n".encode()
    found = (len(body), blake3(body).hexdigest(), hashlib.sha256(body).hexdigest())
    bound = (leaf.bytes, leaf.blake3, leaf.sha256)
    need(found == bound, "the heads leaf does not bind the map that the proof leads to")


def verify_head(proof, trust):
    """Checks a `.head-proof`. Returns its subject, the number of leaves that it speaks about, the last leaf of the
    subject among them with its index (or None), and the checkpoint."""
    head, blank, receipt = proof.partition(b"\n\n")
    lines = head.decode("ascii", "replace").split("\n")
    need(blank and lines[0] == "dab/head-proof/v1" and 5 <= len(lines) <= 5 + 256, "no head proof of any form")
    names = [line.partition(" ")[0] for line in lines[1:4]]
    need(names == ["subject", "size", "subjects"], "no head proof: subject, size or subjects are not there")
    subject, size, subjects = (line.partition(" ")[2] for line in lines[1:4])
    need(re.fullmatch("[!-~]{1,255}", subject), "no head proof of a subject")
    size, subjects, key = number(size), number(subjects), sha256(subject.encode())
    kind, *words = lines[4].split(" ")
    kinds = {("head", 2), ("other", 4), ("none", 0)}
    need((kind, len(words)) in kinds, "no head proof: head, other or none is not there")
    steps = [line.split(" ") for line in lines[5:]]
    need(all(len(step) == 2 for step in steps), "no head proof: a fork is no bit and hash")
    steps = [(number(bit), unbase64(sibling, 32)) for bit, sibling in steps]
    raw, entry = unbase64(words[1]) if kind == "head" else None, None
    if kind == "other":
        entry = (unbase64(words[0], 32), number(words[1]), number(words[2]), unbase64(words[3], 32))
    index = number(words[0]) if kind == "head" else None
    need(all(bit < 256 for bit, _ in steps), "no head proof: a bit beyond the last")
    heads_leaf, at, checkpoint = verify(receipt, trust)
    leaf = Leaf(raw, trust, checkpoint.origin, index) if raw is not None else None
    need(subject != "heads", "the head map has no heads leaves")
    if leaf:
        need(leaf.subject == subject, f"the head map cannot have a leaf of {leaf.subject} for {subject}")
        entry = (key, leaf.sequence, index, leaf.hash)
    else:
        need(entry is None or entry[0] != key, "the head proof denies the entry that it shows")
    check_heads_leaf(heads_leaf, size, subjects, root_of_path(key, entry, steps))
    need(size <= at, "the heads leaf speaks about leaves that are not before it")
    need(entry is None or entry[2] < size, "the head map has a leaf that is not among those it covers")
    return subject, size, (leaf, index) if leaf else None, checkpoint


def certified_by(checkpoint):
    who = ", ".join(f"{name} at {time}" for name, time in checkpoint.cosigned.items())
    trust = f"cosigned by {who}" if who else "it certifies alone"
    return f"checkpoint of {checkpoint.origin}: {checkpoint.size} leaves, {trust}"


def judged(command):
    """Runs a command and turns its outcome into words and an exit status."""
    try:
        print("\n".join(command()), "VALID", sep="\n")
        return 0
    except Invalid as verdict:
        print(f"INVALID: {verdict}", file=sys.stderr)
        return 1
    except (Undecided, OSError) as verdict:
        print(f"UNDECIDED: {verdict}", file=sys.stderr)
        return 2


def main(argv=None):
    parser = argparse.ArgumentParser(description="verify a receipt or a head proof of DAB without DAB")
    parser.add_argument("verb", choices=["verify", "head"])
    parser.add_argument("proof", type=Path)
    parser.add_argument("--trust", required=True)
    parser.add_argument("--commit", type=Path)
    parser.add_argument("--data", type=Path, action="append", default=[])
    args = parser.parse_args(argv)
    if args.verb == "head" and (args.commit or args.data):
        parser.error("a head proof has neither --commit nor --data")

    def head():
        subject, size, last, checkpoint = verify_head(args.proof.read_bytes(), Trust(args.trust))
        what = f"sequence {last[0].sequence}, leaf {last[1]}, written by {last[0].writer}" if last else "no leaf of it"
        yield f"{subject} among the first {size} leaves: {what}"
        yield certified_by(checkpoint)

    def command():
        data = [(file.resolve().as_posix(), file.read_bytes()) for file in args.data]
        commit = args.commit and args.commit.read_bytes()
        leaf, index, checkpoint = verify(args.proof.read_bytes(), Trust(args.trust), commit, data)
        yield f"{leaf.subject} sequence {leaf.sequence}: {leaf.operation}, leaf {index}, written by {leaf.writer}"
        yield certified_by(checkpoint)
        yield f"commit file: {'checked' if args.commit else 'not checked'}; data files checked: {len(data)}"

    return judged(head if args.verb == "head" else command)


if __name__ == "__main__":
    sys.exit(main())
