"""An independent check that members and writers of a ledger changed by the word of those before them. See `verifier.py` for
what it is built on.

Written from DAB's page on epochs and `trust/changes`.

    python epochs.py CHANGES --trust DIR

Exit status as in `verifier.py`.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

from checkpoint import certified_by
from receipt import verify
from signed_note import parse_note
from trust_directory import Trust
from verdict import Invalid, Undecided, judged, need, number

EPOCH_BYTES_MAX = 56 << 10
BLANKS = " \t"


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


def is_of(change, policy, writers):
    """Whether these are the texts of the epoch that a change begins."""
    _, begun, receipt = change
    index = number(re.search(rb"\nindex ([0-9]{1,19})\n", receipt)[1].decode())
    return begun.begun_by(index).encode() == writers and (not begun.members or begun.policy.encode() == policy)


def check_succession(before, after, index):
    """Lines of writers are added and revoked, and never taken away."""
    lines = lines_of(after)
    for at, line in enumerate(lines_of(before)):
        may_be = (line, f"revoked {index + 1} {line.lstrip(BLANKS)}")
        need(at < len(lines) and lines[at] in may_be, f"line {at + 1} of the writers before is gone")


def trusting(policy, writers):
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "policy").write_bytes(policy)
        (Path(directory) / "writers").write_bytes(writers)
        return Trust(directory)


def main(argv=None):
    parser = argparse.ArgumentParser(description="follow changes of members and writers of DAB without DAB")
    parser.add_argument("changes", type=Path)
    parser.add_argument("--trust", required=True, type=Path)
    args = parser.parse_args(argv)

    def command():
        policy, writers = ((args.trust / name).read_bytes() for name in ("policy", "writers"))
        told = args.trust / "epoch"
        epoch = int(told.read_text()) if told.exists() else None
        for at, members, checkpoint, *_ in follow(args.changes.read_bytes(), policy, writers, epoch):
            yield f"epoch {at}, {members or 'no'} members; {certified_by(checkpoint)}"

    return judged(command)


if __name__ == "__main__":
    sys.exit(main())
