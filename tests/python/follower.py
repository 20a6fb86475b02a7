"""An independent check of how a ledger goes on: that a tree grew, that two checkpoints contradict each other, and that members
and writers changed by the word of those before them. See `verifier.py` for what it is built on.

Written from the documents: RFC 6962, and DAB's pages on fork proofs, epochs and `trust/changes`.

    python follower.py fork FIRST SECOND --trust DIR [--proof FILE]
    python follower.py follow CHANGES --trust DIR

Exit status of `fork`: 0 one tree extends the other; 1 the ledger forked, and the keys that signed both are named; 2 nothing
is shown. Of `follow` as in `verifier.py`.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

from verifier import (
    Invalid,
    Trust,
    Undecided,
    certified_by,
    judged,
    need,
    node_hash,
    number,
    parse_note,
    tree_hash,
    unbase64,
    verify,
)

FORK_PROOF_BYTES_MAX, EPOCH_BYTES_MAX, PROOF_HASHES_MAX = 4096, 56 << 10, 63
BLANKS = " \t"


# growth (RFC 6962, section 2.1.2)


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


# changes of members and writers


class Epoch:
    """Who holds the ledger together from one change to the next."""

    def __init__(self, text):
        need(len(text) <= EPOCH_BYTES_MAX, "the epoch is too long")
        header, origin, *rest = text.decode().split("\n")
        need(header == "dab/epoch/v1" and origin.startswith("origin "), "no epoch: its first lines are not there")
        self.origin, parts = origin[7:], []
        for name in ("members", "policy", "writers"):
            need(rest and rest[0].startswith(f"{name} "), f"no epoch: {name} is not there")
            count = number(rest[0][len(name) + 1 :])
            need(count < len(rest) - 1, f"no epoch: {name} has fewer lines than announced")
            parts.append("".join(f"{line}\n" for line in rest[1 : 1 + count]))
            rest = rest[1 + count :]
        need(rest == [""], "no epoch: something follows the writers")
        self.members, self.policy, self.writers = parts

    def begun_by(self, index):
        """The writers as they stand once the change is the leaf at an index: a key that it revokes counts no more behind it."""
        return "".join(numbered(line, index + 1) for line in lines_of(self.writers))


def lines_of(text):
    return re.findall("[^\n]*\n", text)


def numbered(line, index):
    """In the text that members sign, the line of a key that the change revokes has no index yet: nobody knows it then."""
    words = re.findall("[^ \t\n]+", line)
    if words[:1] != ["revoked"] or re.fullmatch("0|[1-9][0-9]*", (words[1:] or [""])[0]):
        return line
    return f"revoked {index} {line.split('revoked', 1)[1].lstrip(BLANKS)}"


def parse_changes(raw):
    """The changes in a file: [(body of the leaf, its epoch, receipt of the leaf)]."""
    changes = []
    while raw:
        match = re.match(rb"dab/epoch-change/v1\nepoch ([0-9]{1,9})\nreceipt ([0-9]{1,9})\n", raw)
        need(match, "no change of members and writers")
        first, second = (number(length.decode()) for length in match.groups())
        body, receipt = raw[match.end() :][:first], raw[match.end() + first :][:second]
        need(len(receipt) == second and re.search(rb"\nindex [0-9]{1,19}\n", receipt), "a change is torn")
        changes.append((body, Epoch(parse_note(body)[0]), receipt))
        raw = raw[match.end() + first + second :]
    return changes


def trusting(policy, writers):
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "policy").write_bytes(policy)
        (Path(directory) / "writers").write_bytes(writers)
        return Trust(directory)


def check_succession(before, after, index):
    """Lines of writers are added and revoked, and never taken away."""
    lines = lines_of(after)
    for at, line in enumerate(lines_of(before)):
        may_be = (line, f"revoked {index + 1} {line.lstrip(BLANKS)}")
        need(at < len(lines) and lines[at] in may_be, f"line {at + 1} of the writers before is gone")


def follow(raw, policy, writers, epoch=None):
    """Follows changes from an epoch on, or else from the one whose texts these are, or else from the first. Returns
    [(epoch, members, checkpoint, policy, writers)]."""
    trust, steps, changes = trusting(policy, writers), [], parse_changes(raw)
    if epoch is None:
        epoch = max((at + 1 for at, change in enumerate(changes) if is_of(change, policy, writers)), default=0)
    for at, (body, begun, receipt) in [*enumerate(changes)][epoch:]:
        leaf, index, checkpoint = verify(receipt, trust)
        kind = (leaf.subject, leaf.operation, leaf.files)
        need(kind == ("members", "MEMBERS", None), f"change {at}: its leaf is none that begins an epoch")
        leaf.check_body(body)
        need(begun.origin == leaf.origin, f"change {at}: it is of another ledger")
        need(leaf.sequence == at, f"change {at}: it leads on from epoch {leaf.sequence}")
        is_last = checkpoint.size == index + 1 or not begun.members
        need(is_last, f"change {at}: its checkpoint is not the last of the old members")
        after = begun.begun_by(index).encode()
        check_succession(writers.decode("utf-8", "surrogateescape"), after.decode(), index)
        try:
            trusting(begun.policy.encode(), after)
            # a node that certifies alone has no policy to hand over
            policy, writers = begun.policy.encode() if begun.members else policy, after
            trust = trusting(policy, writers)
        except Undecided as error:
            raise Invalid(f"change {at}: {error}") from None
        steps.append((at + 1, begun.members.count("\n"), checkpoint, policy, writers))
    return steps


def is_of(change, policy, writers):
    """Whether these are the texts of the epoch that a change begins."""
    _, begun, receipt = change
    index = number(re.search(rb"\nindex ([0-9]{1,19})\n", receipt)[1].decode())
    return begun.begun_by(index).encode() == writers and (not begun.members or begun.policy.encode() == policy)


def main(argv=None):
    parser = argparse.ArgumentParser(description="check forks and changes of members of DAB without DAB")
    verbs = parser.add_subparsers(dest="verb", required=True)
    fork, changes = verbs.add_parser("fork"), verbs.add_parser("follow")
    fork.add_argument("first", type=Path)
    fork.add_argument("second", type=Path)
    fork.add_argument("--proof", type=Path)
    changes.add_argument("changes", type=Path)
    for verb in (fork, changes):
        verb.add_argument("--trust", required=True, type=Path)
    args = parser.parse_args(argv)

    def forked():
        proof = args.proof.read_bytes() if args.proof else None
        accused = check_fork(args.first.read_bytes(), args.second.read_bytes(), Trust(args.trust), proof)
        need(accused is None, f"the ledger forked; believe no more: {', '.join(accused or [])}")
        yield "one tree extends the other: nothing contradicts"

    def followed():
        policy, writers = ((args.trust / name).read_bytes() for name in ("policy", "writers"))
        told = args.trust / "epoch"
        epoch = int(told.read_text()) if told.exists() else None
        for at, members, checkpoint, *_ in follow(args.changes.read_bytes(), policy, writers, epoch):
            yield f"epoch {at}, {members or 'no'} members; {certified_by(checkpoint)}"

    return judged(forked if args.verb == "fork" else followed)


if __name__ == "__main__":
    sys.exit(main())
