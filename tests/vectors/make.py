"""Makes the test vectors that all verifiers are held to: `python tests/vectors/make.py` writes the files beside it.

    receipt.json     genuine receipts, and every named forgery of tests/python/forgeries.py
    signed.json      leaves and commits that are well signed and included, and still wrong
    certified.json   cosignatures and quorums, k of n, groups within groups
    heads.json       head proofs: `proof` is a .head-proof; where VALID, `size` leaves are covered, of which the subject's last
                     is `leaf_index`, its number `sequence`; null where it has none
    trust.json       policies and writers files; one that cannot be used is no fault of the receipt: UNDECIDED
    blake3.json      hashes of inputs of many lengths; byte i of an input is i modulo 251
    paths.json       C2SP tlog-tiles: where VALID, the tile `index` on `level` (null for entry bundles) of `width` has this
                     `path`; an INVALID path names nothing
    tiles.json       the `bytes` of a tile of `width`, and where VALID its `hashes`
    bundles.json     the `bytes` of an entry bundle of `width`, and where VALID its `entries`
    consistency.json the consistency proof `hashes` (RFC 6962) from the tree `old` to the tree `new`
    forks.json       `first` and `second`, checkpoints, and perhaps `proof`, a fork proof: INVALID where the ledger forked, and
                     `accused` signed both; VALID where one tree extends the other; UNDECIDED where nothing is shown
    changes.json     `changes`, a file trust/changes, for who trusts `policy` and `writers`, of `epoch` where that is known:
                     where VALID the `epochs` to follow, each with the number of its members and its texts
    witness.json     C2SP tlog-witness: the witness with the key `witness`, at `time`, for the ledgers whose keys are `logs`,
                     cosigned the requests `before`; it answers the `request` with this `status`, and where they are told
                     `content_type` and `body`
    segments.json    `bytes`, in hexadecimal digits, of the raft log's segment 1; where VALID, those up to `kept` are whole
                     batches, and a log of this segment alone holds what `log` says: `base`, `committed`, the `terms` of
                     its entries
    peers.json       `bytes`, in hexadecimal digits, between replicas: a hello, or frames, of which those up to `kept` are
                     whole and allowed

A vector is complete in itself. Of receipts and head proofs, `proof`, `policy`, `writers` and perhaps `commit`, `data` and
`table_id` go in; `verdict` (VALID, INVALID, UNDECIDED) and `reason`, a class, must come out; where they stand, also
`certifies_alone` and `cosigners`. Bytes that are no text stand as {"base64": ...}. The verdicts were written here by hand,
from the formats' documents; none comes from a verifier. All keys are fixed, so the same bytes come out each time, and a
test holds the files to that.

The reasons, for who compares. Several faults at once are told by the first, in this order: the form of the trust files,
of the receipt, of its leaf, of its checkpoint; signatures; ledger; inclusion; writer; table; commit file; data files.

    malformed  wrong_key  bad_signature  duplicate_signature  not_signed  quorum_not_met  wrong_origin  not_included
    writer_unknown  writer_revoked  writer_not_allowed  another_table  body_differs  contradicts_leaf  files_root_differs
    unknown_data_file  data_differs; only for UNDECIDED: needs_commit; only of head proofs: head_not_bound
"""

import json
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "python"), str(Path(__file__).parent)]

import certified
import changes
import forks
import hashes
import heads
import receipts
import replicas
import signed
import trees
import trusted
import witnesses

FILES = {"receipt": receipts.vectors, "signed": signed.vectors, "certified": certified.vectors, "heads": heads.vectors}
FILES |= {"trust": trusted.vectors, "blake3": hashes.vectors, "forks": forks.vectors, "changes": changes.vectors}
FILES |= {"paths": trees.paths, "tiles": trees.tiles, "bundles": trees.bundles, "consistency": trees.consistencies}
FILES |= {"witness": witnesses.vectors, "segments": replicas.segments, "peers": replicas.peers}


def made():
    """The text of each file, by name."""
    with tempfile.TemporaryDirectory() as directory:
        made = {f"{name}.json": list(vectors(Path(directory))) for name, vectors in FILES.items()}
    return {name: json.dumps(vectors, indent=1, ensure_ascii=True) + "\n" for name, vectors in made.items()}


if __name__ == "__main__":
    for name, text in made().items():
        (Path(__file__).parent / name).write_text(text)
