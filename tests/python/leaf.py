"""DAB's leaf: one statement of the ledger, and the body that it binds."""

import base64
import hashlib
import re

from blake3 import blake3

from commit_file import files_added
from merkle import leaf_hash, tree_hash
from signed_note import parse_note
from verdict import need, number, unbase64

LEAF_BYTES_MAX, OPERATION_BYTES_MAX = 4096, 64
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
        parent = base64.b64encode(self.parent).decode() if self.parent else None
        files = files_added(body, what, self.subject.removeprefix("table/"), self.sequence, parent)
        lines = sorted(f"{path}\0{size}\0{tag}\n".encode() for path, (size, tag) in files.items())
        found = tree_hash([leaf_hash(line) for line in lines]).hex() if lines else None
        need((found, len(lines)) == (self.files, self.count), f"{what}: the files root differs")
        return files
