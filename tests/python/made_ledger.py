"""A small ledger made in Python, with keys in hand: the verifier is tested and forged against without a server."""

import base64
import hashlib
import json
import struct
from pathlib import Path

from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from auditor import tile_path
from made_changes import change_bytes, epoch_text
from merkle import leaf_hash, node_hash, tree_hash
from signed_note import COSIGNER_KEY, LOG_KEY


def b64(raw):
    return base64.b64encode(raw).decode()


class Signer:
    """An Ed25519 key with a name, as logs, writers and witnesses hold one. The seed makes runs repeatable."""

    def __init__(self, name, seed, kind=LOG_KEY):
        self.name, self.kind = name, kind
        self.private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed.encode()).digest())
        material = bytes([kind]) + self.private.public_key().public_bytes_raw()
        self.id = hashlib.sha256(name.encode() + b"\n" + material).digest()[:4]
        self.vkey = f"{name}+{self.id.hex()}+{b64(material)}"

    @classmethod
    def from_private_text(cls, text):
        """Reads `PRIVATE+KEY+<name>+<key id>+<base64 of type and seed>`, the form that Go's note package uses."""
        name, _, material = text.strip().removeprefix("PRIVATE+KEY+").split("+", 2)
        signer = cls(name, "")
        signer.private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(material)[1:])
        material = bytes([LOG_KEY]) + signer.private.public_key().public_bytes_raw()
        signer.id = hashlib.sha256(name.encode() + b"\n" + material).digest()[:4]
        signer.vkey = f"{name}+{signer.id.hex()}+{b64(material)}"
        return signer

    def line(self, text, time=1_800_000_000):
        """The signature line of this key for a note's text."""
        if self.kind == COSIGNER_KEY:
            signature = struct.pack(">Q", time) + self.private.sign(b"cosignature/v1\ntime %d\n" % time + text)
        else:
            signature = self.private.sign(text)
        return f"— {self.name} {b64(self.id + signature)}\n".encode()


def note(text, *signers):
    return text + b"\n" + b"".join(signer.line(text) for signer in signers)


def inclusion(hashes, index):
    """The audit path of RFC 6962, section 2.1.1, straight from its recursive definition."""
    if len(hashes) <= 1:
        return []
    k = 1 << (len(hashes) - 1).bit_length() - 1
    if index < k:
        return inclusion(hashes[:k], index) + [tree_hash(hashes[k:])]
    return inclusion(hashes[k:], index - k) + [tree_hash(hashes[:k])]


def consistency(hashes, old, whole=True):
    """The consistency proof of RFC 6962, section 2.1.2, straight from its recursive definition; none from no leaves."""
    if old in (0, len(hashes)):
        return [] if whole else [tree_hash(hashes)]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    if old <= k:
        return [*consistency(hashes[:k], old, whole), tree_hash(hashes[k:])]
    return [*consistency(hashes[k:], old - k, False), tree_hash(hashes[:k])]


def naive_root(hashes):
    """The root by RFC 6962's recursive definition, to hold `tree_hash` against."""
    if len(hashes) <= 1:
        return hashes[0] if hashes else hashlib.sha256(b"").digest()
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return node_hash(naive_root(hashes[:k]), naive_root(hashes[k:]))


def leaf_text(origin, subject, sequence, parent, body, files, operation="WRITE"):
    lines = sorted(f"{path}\0{size}\0{digest}\n".encode() for path, size, digest in files)
    root = f"rfc6962-sha256:{tree_hash([leaf_hash(line) for line in lines]).hex()} {len(lines)}" if lines else "-"
    return (
        f"dab/leaf/v1\norigin {origin}\nsubject {subject}\nsequence {sequence}\n"
        f"parent {b64(parent) if parent else '-'}\n"
        f"body blake3:{blake3(body).hexdigest()} sha256:{hashlib.sha256(body).hexdigest()} {len(body)}\n"
        f"files {root}\noperation {operation}\n"
    ).encode()


class MadeLedger:
    """A data directory with `trust/`, `public/` and `tables/`, written by this Python code alone."""

    def __init__(self, directory, origin="dab/made", witnesses=0, quorum="none"):
        self.directory, self.origin = Path(directory), origin
        self.log, self.writer = Signer(origin, "log"), Signer(f"{origin}/node1", "writer")
        self.witnesses = [Signer(f"witness{i}.example", f"w{i}", COSIGNER_KEY) for i in range(1, witnesses + 1)]
        self.entries, self.heads = [], {}
        policy = f"# who is trusted\nlog {self.log.vkey}\n"
        policy += "".join(f"witness w{i} {w.vkey}\n" for i, w in enumerate(self.witnesses, 1))
        if quorum != "none":
            policy += f"group q {quorum} {' '.join(f'w{i}' for i in range(1, witnesses + 1))}\n"
        self.write("trust/policy", (policy + f"quorum {'none' if quorum == 'none' else 'q'}\n").encode())
        self.write("trust/writers", f"# vkey, subjects\n{self.writer.vkey} *\n".encode())
        self.write("trust/ledger", b"../public\n")

    @property
    def trust(self):
        return self.directory / "trust"

    @property
    def public(self):
        return self.directory / "public"

    def write(self, path, content):
        path = self.directory / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def notarize(self, subject, body, files=(), operation="WRITE", writer=None):
        """Appends a leaf and returns its index."""
        sequence, parent = self.heads.get(subject, (-1, None))
        text = leaf_text(self.origin, subject, sequence + 1, parent, body, files, operation)
        entry = note(text, writer or self.writer)
        self.entries.append(entry)
        self.heads[subject] = (sequence + 1, leaf_hash(entry))
        return len(self.entries) - 1

    def commit(self, table, contents, table_id=None):
        """Writes data files and a Delta commit that adds them, and notarizes it. Returns the leaf index."""
        table_id = table_id or f"00000000-0000-4000-8000-{hashlib.sha256(table.encode()).hexdigest()[:12]}"
        sequence, parent = self.heads.get(f"table/{table_id}", (-1, None))
        version, files = sequence + 1, []
        info = {"tableId": table_id, "version": version, "previous": b64(parent) if parent else None}
        lines = [{"commitInfo": {"operation": "WRITE", "timestamp": 1_800_000_000_000 + version, "dab": info}}]
        if version == 0:
            metadata = {"id": table_id, "configuration": {"dab.tableId": table_id}}
            lines += [{"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}, {"metaData": metadata}]
        for number, content in enumerate(contents):
            path = f"part-{version:05d}-{number}.parquet"
            self.write(f"tables/{table}/{path}", content)
            files.append((path, len(content), blake3(content).hexdigest()))
            tags = {"dab.blake3": files[-1][2]}
            lines.append({"add": {"path": path, "size": len(content), "dataChange": True, "tags": tags}})
        body = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()
        self.write(f"tables/{table}/_delta_log/{version:020d}.json", body)
        return self.notarize(f"table/{table_id}", body, files)

    def checkpoint(self, size=None):
        size = len(self.entries) if size is None else size
        return note(f"{self.origin}\n{size}\n{b64(self.root(size))}\n".encode(), self.log, *self.witnesses)

    def begin_epoch(self, writers):
        """A node that certifies alone has others write from here on. Returns the change, as `trust/changes` has it."""
        policy = (self.trust / "policy").read_text()
        body = note(epoch_text(self.origin, "", policy, writers).encode(), self.writer)
        return change_bytes(body, self.receipt(self.notarize("members", body, operation="MEMBERS")))

    def growth(self, old, size=None):
        """The consistency proof from an older size on."""
        return consistency([leaf_hash(entry) for entry in self.entries[:size]], old)

    def fork_proof(self, old, size=None):
        """What shows the root that this ledger has at an older size."""
        lines = ["dab/fork-proof/v1", f"size {old}", f"root {b64(self.root(old))}", *map(b64, self.growth(old, size))]
        return "".join(f"{line}\n" for line in lines).encode()

    def root(self, size=None):
        return tree_hash([leaf_hash(entry) for entry in self.entries[:size]])

    def receipt(self, index, size=None, leaf=None):
        size = len(self.entries) if size is None else size
        path = inclusion([leaf_hash(entry) for entry in self.entries[:size]], index)
        lines = [
            "c2sp.org/tlog-proof@v1",
            f"extra {b64(leaf or self.entries[index])}",
            f"index {index}",
            *map(b64, path),
        ]
        return "\n".join(lines).encode() + b"\n\n" + self.checkpoint(size)

    def issue(self):
        """Writes checkpoint, tiles and entry bundles of the ledger as it stands."""
        hashes = [leaf_hash(entry) for entry in self.entries]
        for start in range(0, len(self.entries), 256):
            mine = self.entries[start : start + 256]
            bundle = b"".join(len(entry).to_bytes(2, "big") + entry for entry in mine)
            self.write(f"public/{tile_path('entries', start // 256, len(mine))}", bundle)
        level = 0
        while hashes:
            tiles = [hashes[start : start + 256] for start in range(0, len(hashes), 256)]
            for index, tile in enumerate(tiles):
                self.write(f"public/{tile_path(level, index, len(tile))}", b"".join(tile))
            hashes, level = [tree_hash(tile) for tile in tiles if len(tile) == 256], level + 1
        self.write("public/checkpoint", self.checkpoint())
        return self
