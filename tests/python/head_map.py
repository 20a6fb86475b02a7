"""DAB's head map: the last leaf of each subject, bound by the leaves of the subject `heads`."""

import base64
import hashlib
import struct

from blake3 import blake3

from verdict import need


def map_of(leaves):
    """The sorted entries of the head map of these leaves, the first of the ledger."""
    last = {leaf.subject: (leaf.sequence, index, leaf.hash) for index, leaf in enumerate(leaves)}
    return sorted((sha256(subject.encode()), *head) for subject, head in last.items() if subject != "heads")


def map_root(entries):
    """Root of a head map by its definition: parted where the first and the last of its sorted keys first differ."""
    if len(entries) < 2:
        return map_entry(*entries[0]) if entries else EMPTY_MAP
    first, last = entries[0][0], entries[-1][0]
    bit = next(bit for bit in range(256) if bit_of(first, bit) != bit_of(last, bit))
    left = [entry for entry in entries if not bit_of(entry[0], bit)]
    return map_fork(bit, map_root(left), map_root(entries[len(left) :]))


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


def sha256(raw):
    return hashlib.sha256(raw).digest()


def bit_of(key, bit):
    return key[bit // 8] >> (7 - bit % 8) & 1


def map_entry(key, sequence, index, leaf):
    return sha256(b"\2" + key + struct.pack(">QQ", sequence, index) + leaf)


def map_fork(bit, left, right):
    return sha256(bytes([3, bit]) + left + right)


EMPTY_MAP = sha256(b"\4")
