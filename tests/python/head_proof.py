"""DAB's head proof: which leaf of a subject was the last among the first ones of the ledger, or that it had none."""

import re

from head_map import check_heads_leaf, root_of_path, sha256
from leaf import Leaf
from receipt import verify
from verdict import need, number, unbase64


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
