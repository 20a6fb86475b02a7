"""Heads leaves and head proofs of a ledger made in Python."""

from head_map import bit_of, map_of, map_root, sha256
from leaf import Leaf
from made_ledger import b64
from trust_directory import Trust


def leaves_of(ledger, size):
    trust = Trust(ledger.trust)
    return [Leaf(entry, trust, ledger.origin, index) for index, entry in enumerate(ledger.entries[:size])]


def heads_body(ledger, size, subjects=None, root=None):
    """What a heads leaf says of the first `size` leaves, or something else."""
    entries = map_of(leaves_of(ledger, size))
    subjects, root = len(entries) if subjects is None else subjects, root or map_root(entries)
    text = f"dab/head-map/v1\norigin {ledger.origin}\nsize {size}\nsubjects {subjects}\nroot {b64(root)}\n"
    return text.encode()


def bind(ledger, size=None, body=None, operation="HEADS"):
    """Appends a heads leaf, of all leaves unless told otherwise. Returns its index."""
    size = len(ledger.entries) if size is None else size
    return ledger.notarize("heads", body or heads_body(ledger, size), operation=operation)


def path_of(entries, key):
    """The entry to which a key leads, and the forks above it from the entry up."""
    if len(entries) == 1:
        return entries[0], []
    bit = next(bit for bit in range(256) if bit_of(entries[0][0], bit) != bit_of(entries[-1][0], bit))
    sides = [[entry for entry in entries if bit_of(entry[0], bit) == side] for side in (0, 1)]
    entry, steps = path_of(sides[bit_of(key, bit)], key)
    return entry, [*steps, (bit, map_root(sides[1 - bit_of(key, bit)]))]


def head_proof(ledger, subject, size, bound, **lines):
    """The head proof of a subject among the first `size` leaves, bound by the heads leaf at `bound`. `lines` stand in
    for those of the honest proof: subject, covers, subjects, found, path, receipt."""
    entries, key = map_of(leaves_of(ledger, size)), sha256(subject.encode())
    entry, steps = path_of(entries, key) if entries else (None, [])
    found = "none"
    if entry:
        other = f"other {b64(entry[0])} {entry[1]} {entry[2]} {b64(entry[3])}"
        found = f"head {entry[2]} {b64(ledger.entries[entry[2]])}" if entry[0] == key else other
    made = ["dab/head-proof/v1", f"subject {lines.get('subject', subject)}", f"size {lines.get('covers', size)}"]
    made += [f"subjects {lines.get('subjects', len(entries))}", lines.get("found", found)]
    made += [f"{bit} {b64(sibling)}" for bit, sibling in lines.get("path", steps)]
    return "\n".join(made).encode() + b"\n\n" + (lines.get("receipt") or ledger.receipt(bound))
