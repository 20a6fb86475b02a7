"""RFC 6962: the hashes of leaves and nodes, the root of a tree, and where an inclusion proof leads."""

import hashlib

from verdict import need

# A tree of 2^63 leaves, more than there can be, asks for no more.
PROOF_HASHES_MAX = 63


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
