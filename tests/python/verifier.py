"""An independent verifier of DAB's receipts and head proofs: a second opinion, short enough to read before trusting it.

Written from the documents of the formats, not from DAB's code: C2SP signed-note, tlog-checkpoint, tlog-cosignature,
tlog-proof and tlog-policy, RFC 6962, and DAB's page on leaf, files root, head map and `trust/writers`. It needs no
server, no network and two packages: `cryptography` for Ed25519, and `blake3`. To be read in this order, each a page or less:
`verdict.py`, `merkle.py`, `signed_note.py`, `trust_directory.py`, `checkpoint.py`, `commit_file.py`, `leaf.py`, `receipt.py`,
`head_map.py`, `head_proof.py`. On them also stand `auditor.py`, which audits ledgers and tables, `consistency.py`, which tells
forks, and `epochs.py`, which follows changes of members and writers.

    python verifier.py verify orders.tlog-proof --trust DIR [--commit FILE] [--data FILE]...
    python verifier.py head orders.head-proof --trust DIR

Exit status: 0 all that was asked for was checked and holds; 1 it is forged, torn or not certified; 2 undecided, because
evidence is missing.
"""

import argparse
import sys
from pathlib import Path

from checkpoint import certified_by
from head_proof import verify_head
from receipt import verify
from trust_directory import Trust
from verdict import judged


def main(argv=None):
    parser = argparse.ArgumentParser(description="verify a receipt or a head proof of DAB without DAB")
    parser.add_argument("verb", choices=["verify", "head"])
    parser.add_argument("proof", type=Path)
    parser.add_argument("--trust", required=True)
    parser.add_argument("--commit", type=Path)
    parser.add_argument("--data", type=Path, action="append", default=[])
    args = parser.parse_args(argv)
    if args.verb == "head" and (args.commit or args.data):
        parser.error("a head proof has neither --commit nor --data")

    def head():
        subject, size, last, checkpoint = verify_head(args.proof.read_bytes(), Trust(args.trust))
        what = f"sequence {last[0].sequence}, leaf {last[1]}, written by {last[0].writer}" if last else "no leaf of it"
        yield f"{subject} among the first {size} leaves: {what}"
        yield certified_by(checkpoint)

    def command():
        data = [(file.resolve().as_posix(), file.read_bytes()) for file in args.data]
        commit = args.commit and args.commit.read_bytes()
        leaf, index, checkpoint = verify(args.proof.read_bytes(), Trust(args.trust), commit, data)
        yield f"{leaf.subject} sequence {leaf.sequence}: {leaf.operation}, leaf {index}, written by {leaf.writer}"
        yield certified_by(checkpoint)
        yield f"commit file: {'checked' if args.commit else 'not checked'}; data files checked: {len(data)}"

    return judged(head if args.verb == "head" else command)


if __name__ == "__main__":
    sys.exit(main())
