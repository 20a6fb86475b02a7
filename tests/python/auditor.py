"""An independent audit of a whole ledger, and of a Delta table against it. See `verifier.py` for what it is built on.

Written from the documents: C2SP tlog-tiles, RFC 6962, the Delta protocol, and DAB's page on leaves.

    python auditor.py ledger URL_OR_DIR --trust DIR [--since OLD_CHECKPOINT]
    python auditor.py table TABLE_DIR --trust DIR [--ledger URL_OR_DIR] [--deep]

Without --ledger the place named in `trust/ledger` is read. Exit status as in `verifier.py`.
"""

import argparse
import os
import re
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from checkpoint import Checkpoint, certified_by
from commit_file import actions, check_data
from head_map import check_heads_leaf, map_of, map_root
from leaf import Leaf
from merkle import leaf_hash, tree_hash
from trust_directory import Trust
from verdict import Invalid, Undecided, judged, need

TILE_WIDTH, MAP_WINDOW_LEAVES = 256, 1024


def tile_path(kind, index, width):
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03d}")
    return f"tile/{kind}/{'/'.join(groups)}" + (f".p/{width}" if width < TILE_WIDTH else "")


def source(place, trust):
    """A function from a path to its bytes, or None if there is no such file, over a directory or a URL."""
    if not re.match("https?://", place):
        root = Path(place)
        return lambda path: (root / path).read_bytes() if (root / path).is_file() else None
    ca = trust.directory / "ca.pem"
    context = ssl.create_default_context(cafile=str(ca) if ca.exists() else None)

    def get(path):
        try:
            with urllib.request.urlopen(f"{place.rstrip('/')}/{path}", context=context, timeout=30) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise Undecided(f"{path}: {error}") from None

    return get


def read_tile(read, kind, index, width, parse):
    """The first `width` items of a tile; a full tile stands in for a partial one that was deleted."""
    for w in sorted({width, TILE_WIDTH}):
        raw = read(tile_path(kind, index, w))
        if raw is not None:
            items = parse(raw)
            need(len(items) == w, f"{tile_path(kind, index, w)} has {len(items)} items")
            return items[:width]
    raise Undecided(f"{tile_path(kind, index, width)} is not there")


def hashes_in(raw):
    need(len(raw) % 32 == 0, "a tile is torn")
    return [raw[i : i + 32] for i in range(0, len(raw), 32)]


def entries_in(raw):
    entries, at = [], 0
    while at < len(raw):
        length = int.from_bytes(raw[at : at + 2], "big")
        entries.append(raw[at + 2 : at + 2 + length])
        at += 2 + length
    need(at == len(raw), "an entry bundle is torn")
    return entries


def audit_ledger(read, trust, since=None):
    """Recomputes everything from the entries. Returns the checkpoint and the leaves of each subject, in order."""
    raw = read("checkpoint")
    if raw is None:
        raise Undecided("the ledger has no checkpoint")
    checkpoint = Checkpoint(raw, trust)
    entries = []
    for start in range(0, checkpoint.size, TILE_WIDTH):
        width = min(TILE_WIDTH, checkpoint.size - start)
        entries += read_tile(read, "entries", start // TILE_WIDTH, width, entries_in)
    leaf_hashes = hashes = [leaf_hash(entry) for entry in entries]
    for level in range(64):
        full = []
        for start in range(0, len(hashes), TILE_WIDTH):
            mine = hashes[start : start + TILE_WIDTH]
            stored = read_tile(read, level, start // TILE_WIDTH, len(mine), hashes_in)
            need(stored == mine, f"{tile_path(level, start // TILE_WIDTH, len(mine))} differs from the entries")
            full += [tree_hash(mine)] * (len(mine) == TILE_WIDTH)
        hashes = full
    need(tree_hash(leaf_hashes) == checkpoint.root, "the entries do not give the root that the checkpoint signs")
    if since is not None:
        old = Checkpoint(since, trust)
        need(old.origin == checkpoint.origin, "the older checkpoint is of another ledger")
        need(old.size <= checkpoint.size, f"the ledger shrank from {old.size} to {checkpoint.size} leaves")
        need(tree_hash(leaf_hashes[: old.size]) == old.root, "the ledger does not continue the older checkpoint")
    subjects, leaves, covered = {}, [], -1
    for index, entry in enumerate(entries):
        leaf = Leaf(entry, trust, checkpoint.origin, index)
        if leaf.subject == "heads":
            covered = covered_by(leaf, leaves, covered)
        leaves.append(leaf)
        chain = subjects.setdefault(leaf.subject, [])
        need(leaf.sequence == len(chain), f"{leaf.subject}: sequence {leaf.sequence} where {len(chain)} follows")
        need(leaf.parent == (chain[-1].hash if chain else None), f"{leaf.subject} {leaf.sequence}: wrong parent")
        chain.append(leaf)
    return checkpoint, subjects


def covered_by(heads_leaf, leaves, covered):
    """How many of the leaves before it a heads leaf covers: more than the one before it did, and almost all."""
    for size in range(len(leaves), max(covered, len(leaves) - MAP_WINDOW_LEAVES), -1):
        entries = map_of(leaves[:size])
        try:
            check_heads_leaf(heads_leaf, size, len(entries), map_root(entries))
            return size
        except Invalid:
            pass
    raise Invalid(f"leaf {len(leaves)}: the heads leaf binds no head map of the leaves before it")


def audit_table(table, subjects, deep=False):
    """Holds a Delta table against its leaves. Returns subject, versions, live data files and what was not checked."""
    table = Path(table)
    names = sorted(os.listdir(table / "_delta_log"))
    commits = [name for name in names if re.fullmatch(r"[0-9]{20}\.json", name)]
    if not commits or int(commits[0][:20]):
        raise Undecided("the table's first commit is not there")
    bodies = [(table / "_delta_log" / name).read_bytes() for name in commits]
    ids = [metadata.get("id") for metadata in actions(bodies[0], "metaData")]
    need(len(ids) == 1, f"the first commit gives the table {len(ids)} identities")
    chain = subjects.get(f"table/{ids[0]}")
    need(chain, f"table/{ids[0]} was never notarized")
    live, gone = {}, {}
    for version, (name, body) in enumerate(zip(commits, bodies)):
        need(int(name[:20]) == version, f"version {version} is not there")
        need(version < len(chain), f"version {version} was never notarized")
        added = chain[version].check_body(body)
        for remove in actions(body, "remove"):
            path = str(remove.get("path"))
            gone[path] = live.pop(path, gone.get(path))
        live.update(added)
    need(len(bodies) == len(chain), f"version {len(bodies)} was notarized and is not there")
    for path, fact in [*gone.items(), *live.items()]:
        file = table / urllib.parse.unquote(path)
        if path in live or fact and file.exists():  # a removed file may have been vacuumed
            need(file.is_file(), f"{path}: the data file is not there")
            need(file.stat().st_size == fact[0], f"{path}: the data file's size differs")
            if deep:
                check_data(path, fact, file.read_bytes())
    others = [name for name in names if name not in commits]
    for name in others:  # Delta readers believe these more than the commits that they stand for
        believed = name in ("_last_checkpoint", "_sidecars") or ".checkpoint." in name or name.endswith(".compacted.json")
        need(not believed, f"_delta_log/{name}: DAB writes no such file, and Delta readers believe it")
    unchecked = [f"_delta_log/{name}: nothing in the ledger binds it" for name in others]
    unchecked += [] if deep else ["contents of the data files: ask for --deep"]
    return chain[0].subject, len(bodies), len(live), unchecked


def main(argv=None):
    parser = argparse.ArgumentParser(description="audit a ledger or a table of DAB without DAB")
    verbs = parser.add_subparsers(dest="verb", required=True)
    ledger, table = verbs.add_parser("ledger"), verbs.add_parser("table")
    ledger.add_argument("place")
    ledger.add_argument("--since", type=Path)
    table.add_argument("table", type=Path)
    table.add_argument("--ledger", dest="place")
    table.add_argument("--deep", action="store_true")
    for verb in (ledger, table):
        verb.add_argument("--trust", required=True)
    args = parser.parse_args(argv)

    def command():
        trust, place = Trust(args.trust), args.place
        if place is None:
            place = (trust.directory / "ledger").read_text().split("\n")[0]
            place = place if re.match("https?://", place) else str(trust.directory / place)
        since = args.since.read_bytes() if args.verb == "ledger" and args.since else None
        checkpoint, subjects = audit_ledger(source(place, trust), trust, since)
        yield certified_by(checkpoint)
        if args.verb == "ledger":
            yield from (f"{name}: {len(chain)} leaves" for name, chain in subjects.items())
        else:
            subject, versions, files, unchecked = audit_table(args.table, subjects, args.deep)
            yield f"{subject}: {versions} versions, {files} data files"
            yield from (f"not checked: {what}" for what in unchecked)

    return judged(command)


if __name__ == "__main__":
    sys.exit(main())
