"""An independent check of how a ledger grew: that a tree extends another, or that two checkpoints contradict each other. See
`verifier.py` for what it is built on.

Written from the documents: RFC 6962, section 2.1.2, and DAB's page on fork proofs.

    python consistency.py FIRST SECOND --trust DIR [--proof FILE]

Exit status: 0 one tree extends the other; 1 the ledger forked, and the keys that signed both are named; 2 nothing is shown.
"""

import argparse
import sys
from pathlib import Path

from merkle import PROOF_HASHES_MAX, node_hash, tree_hash
from signed_note import parse_note
from trust_directory import Trust
from verdict import Invalid, Undecided, judged, need, number, unbase64

FORK_PROOF_BYTES_MAX = 4096


def check_growth(old, new, proof):
    """The tree `new`, a pair of size and root, has the leaves of the tree `old` first."""
    (old_size, old_root), (new_size, new_root), left = old, new, list(proof)
    need(old_size <= new_size, f"a tree of {old_size} leaves cannot grow to {new_size}")
    if old_size == 0:
        found = tree_hash([]), new_root
    else:
        found = roots(old_size, new_size, old_root, left)
    need(not left, "the consistency proof is too long")
    need(found == (old_root, new_root), "the consistency proof does not lead to both roots")


def roots(old, new, whole, left):
    """The roots of both trees, from the proof's hashes. `whole` is the old root as long as the old tree is the left edge
    itself, which a proof leaves out."""
    if old == new:
        return (whole or taken(left),) * 2
    half = 1 << (new - 1).bit_length() - 1
    if old <= half:
        before, after = roots(old, half, whole, left)
        return before, node_hash(after, taken(left))
    before, after = roots(old - half, new - half, None, left)
    first = taken(left)
    return node_hash(first, before), node_hash(first, after)


def taken(left):
    need(left, "the consistency proof is too short")
    return left.pop(0)


# forks


def check_fork(first, second, trust, proof=None):
    """The names of the keys that signed two checkpoints which contradict each other; None where one tree extends the
    other. Raises Undecided where nothing is shown."""
    try:
        older, newer = sorted((Accused(first, trust), Accused(second, trust)), key=lambda side: side.size)
        need(older.origin == newer.origin, "the checkpoints are of two ledgers")
        shown = (newer.size, newer.root)
        if older.size < newer.size:
            need(proof is not None, "two sizes can be compared with a fork proof only")
            shown, hashes = parse_fork_proof(proof)
            check_growth(shown, (newer.size, newer.root), hashes)
        need(shown[0] == older.size, f"the fork proof speaks of size {shown[0]}, the older checkpoint of {older.size}")
    except Invalid as error:
        raise Undecided(f"nothing is shown: {error}") from None
    if shown[1] == older.root:
        return None
    return [key.name for key in older.signers if key in newer.signers]


class Accused:
    """A checkpoint that a log of the policy signed, and the names of all keys of the policy that did. A wrong line of one key
    does not spoil the word of another, and no quorum is asked for: it is the ledger that is on trial."""

    def __init__(self, raw, trust):
        text, signatures = parse_note(raw)
        lines = text.decode().split("\n")[:-1]
        need(len(lines) == 3 and lines[0], "a checkpoint has three lines: origin, size, root")
        self.origin, self.size, self.root, self.signers = lines[0], number(lines[1]), unbase64(lines[2], 32), []
        for key in [*trust.logs, *trust.witnesses.values()]:
            mine = [signature for who, signature in signatures if who == (key.name, key.id)]
            try:
                need(len(mine) == 1, "it did not sign, or twice")
                key.verify(text, mine[0])
                self.signers.append(key)
            except Invalid:
                pass
        by_log = [key for key in self.signers if key in trust.logs and key.name == self.origin]
        need(by_log, "no log of the policy signed it under its own origin")


def parse_fork_proof(raw):
    """The size and root that the newer tree had, and the consistency proof from there."""
    need(len(raw) <= FORK_PROOF_BYTES_MAX and raw.endswith(b"\n"), "no fork proof: it is too long, or torn")
    lines = raw[:-1].decode("ascii", "replace").split("\n")
    named = len(lines) >= 3 and lines[1].startswith("size ") and lines[2].startswith("root ")
    need(named and lines[0] == "dab/fork-proof/v1" and len(lines) <= 3 + PROOF_HASHES_MAX, "no fork proof")
    return (number(lines[1][5:]), unbase64(lines[2][5:], 32)), [unbase64(line, 32) for line in lines[3:]]


def main(argv=None):
    parser = argparse.ArgumentParser(description="check without DAB whether a ledger of DAB forked")
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--proof", type=Path)
    parser.add_argument("--trust", required=True, type=Path)
    args = parser.parse_args(argv)

    def command():
        proof = args.proof.read_bytes() if args.proof else None
        accused = check_fork(args.first.read_bytes(), args.second.read_bytes(), Trust(args.trust), proof)
        need(accused is None, f"the ledger forked; believe no more: {', '.join(accused or [])}")
        yield "one tree extends the other: nothing contradicts"

    return judged(command)


if __name__ == "__main__":
    sys.exit(main())
