"""C2SP tlog-proof: the receipt of a leaf, and what can be checked with it."""

import urllib.parse

from checkpoint import Checkpoint
from commit_file import check_data
from leaf import Leaf
from merkle import PROOF_HASHES_MAX, leaf_hash, root_of_inclusion
from verdict import Undecided, need, number, unbase64


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
