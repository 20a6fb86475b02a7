"""The vectors of trees as files: paths, tiles, entry bundles and consistency proofs. `make.py` says what the fields mean."""

from encoding import INVALID, VALID, binary
from forgeries import flipped, not_canonical
from made_ledger import b64, consistency
from merkle import leaf_hash, tree_hash

# How C2SP tlog-tiles spells an index, by hand.
INDEXES = {0: "000", 1: "001", 67: "067", 999: "999", 1000: "x001/000", 1001: "x001/001", 1067: "x001/067"}
INDEXES |= {999_999: "x999/999", 1_000_000: "x001/x000/000", 1_234_067: "x001/x234/067"}
INDEXES |= {123_456_789_012: "x123/x456/x789/012", (1 << 56) - 1: "x072/x057/x594/x037/x927/935"}


def paths(_):
    for level in (0, 1, 7, 10, 63, None):
        for index in INDEXES if level in (0, None) else (999, 1000):
            for width in (1, 9, 10, 112, 255, 256):
                path = f"tile/{'entries' if level is None else level}/{INDEXES[index]}"
                path += "" if width == 256 else f".p/{width}"
                yield {"name": path, "path": path, "verdict": VALID, "level": level, "index": index, "width": width}
    for path in BAD_PATHS:
        yield {"name": f"wrong: {path!r}", "path": path, "verdict": INVALID}


# C2SP tlog-tiles: one spelling a tile, groups of three digits, all but the last behind an x, no group of zeros in front
BAD_PATHS = ["", "/", "tile", "tile/", "tile/0", "tile/0/", "/tile/0/067", "tile/0/067/", "tile/0//067", "tiles/0/067"]
BAD_PATHS += ["tile/0/0", "tile/0/67", "tile/0/0067", "tile/0/+67", "tile/0/-67", "tile/0/06a", "tile/0/0 7", "tile/0/x67"]
BAD_PATHS += ["tile/0/001/067", "tile/0/x001/x067", "tile/0/x001067", "tile/0/x1/067", "tile/0/X001/067", "tile/0/x000/067"]
BAD_PATHS += ["tile/0/x000/x001/067", "tile/00/067", "tile/01/067", "tile/64/067", "tile/256/067", "tile/-1/067", "tile/a/067"]
BAD_PATHS += ["tile/0/067.p/0", "tile/0/067.p/256", "tile/0/067.p/257", "tile/0/067.p/08", "tile/0/067.p/+8", "tile/0/067.p"]
BAD_PATHS += ["tile/0/067.p/", "tile/0/067.p/-1", "tile/0/067.p/1.p/1", "tile/0/067p/1", "tile/0/067/p/1", "tile/0/067.P/1"]
BAD_PATHS += ["tile/0/067.p/1/", "tile/0/067\n", "tile/0/067 ", "tile/0/../067", "tile/0/x018/x446/x744/x073/x709/x551/616"]
BAD_PATHS += ["tile/entries", "tile/entries/", "tile/entries/67", "tile/entries/067.p/256", "tile/entries/x000/067"]
BAD_PATHS += ["tile/entry/067", "tile/Entries/067", "tile/0/entries/067", "tile/entries/0/067", "tile/data/067"]
BAD_PATHS += ["tile/8/0/067", "tile/0/٠٦٧", "checkpoint"]


def tiles(_):
    hashes = [leaf_hash(b"%d" % n) for n in range(256)]

    def tile(name, width, raw, verdict=INVALID, **more):
        return {"name": name, "width": width, "bytes": binary(raw), "verdict": verdict, **more}

    for width in (1, 2, 17, 256):
        told = [b64(hash) for hash in hashes[:width]]
        yield tile(f"{width} hashes", width, b"".join(hashes[:width]), VALID, hashes=told)
    raw = b"".join(hashes[:5])
    for name, wrong in [
        ("no bytes", b""),
        ("a byte less", raw[:-1]),
        ("a byte more", raw + b"\0"),
        ("a hash less", raw[:-32]),
        ("a hash more", raw + raw[:32]),
        ("half of it", raw[:80]),
        ("its text in hexadecimal digits", raw.hex().encode()),
    ]:
        yield tile(f"wrong: five hashes, {name}", 5, wrong)
    yield tile("wrong: a full tile, a hash more", 256, b"".join(hashes) + hashes[0])
    yield tile("wrong: a full tile, a hash less", 256, b"".join(hashes[:255]))


def bundle(entries):
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def bundles(_):
    def of(name, width, raw, verdict=INVALID, **more):
        return {"name": name, "width": width, "bytes": binary(raw), "verdict": verdict, **more}

    for name, entries in [
        ("an empty entry", [b""]),
        ("three entries, the middle one empty", [b"one", b"", b"three"]),
        ("an entry of 258 bytes", [b"a" * 258, b"b"]),
        ("the longest entry", [b"x" * 65_535]),
        ("256 entries", [b"%d" % n for n in range(256)]),
        ("entries that look like lengths", [b"\0\1x", b"\0\0", b"\xff\xff"]),
    ]:
        told = [binary(entry) for entry in entries]
        yield of(name, len(entries), bundle(entries), VALID, entries=told)
    raw = bundle([b"one", b"", b"three"])
    for name, wrong in [
        ("no bytes", b""),
        ("a byte less", raw[:-1]),
        ("a byte more", raw + b"\0"),
        ("an entry less", raw[:7]),
        ("an entry more", raw + b"\0\0"),
        ("a first length of one more", flipped(raw, 1, 7)),
        ("a first length of one less", flipped(raw, 1)),
        ("little-endian lengths", b"\3\0one\0\0\5\0three"),
        ("a length alone", raw + b"\0"),
        ("half a length", raw[:8]),
    ]:
        yield of(f"wrong: three entries, {name}", 3, wrong)
    yield of("wrong: 256 entries, one more", 256, bundle([b""] * 257))
    yield of("wrong: 256 entries, one less", 256, bundle([b""] * 255))


SIZES = [*range(1, 10), 15, 16, 17, 255, 256, 257, 300]


def consistencies(_):
    hashes = [leaf_hash(b"%d" % n) for n in range(300)]
    others = [leaf_hash(b"another")] + hashes[1:]

    def of(name, old, new, proof, verdict=INVALID, **roots):
        sides = [("old", old, roots.get("old_root")), ("new", new, roots.get("new_root"))]
        made = {"name": name} | {side: {"size": n, "root": b64(root or tree_hash(hashes[:n]))} for side, n, root in sides}
        return made | {"hashes": [hash if isinstance(hash, str) else b64(hash) for hash in proof], "verdict": verdict}

    for new in SIZES:
        for old in sorted({0, 1, new // 2, 1 << new.bit_length() - 1, new - 1, new}):
            yield of(f"from {old} to {new}", old, new, consistency(hashes[:new], old), VALID)
    for old, new in [(1, 2), (3, 7), (4, 7), (6, 8), (128, 300), (200, 257)]:
        proof, pair = consistency(hashes[:new], old), f"wrong: from {old} to {new}, "
        yield of(f"{pair}another old root", old, new, proof, old_root=tree_hash(others[:old]))
        yield of(f"{pair}another new root", old, new, proof, new_root=tree_hash(others[:new]))
        swapped = {"old_root": tree_hash(hashes[:new]), "new_root": tree_hash(hashes[:old])}
        yield of(f"{pair}the roots swapped", old, new, proof, **swapped)
        yield of(f"{pair}no hash", old, new, [])
        yield of(f"{pair}the first hash missing", old, new, proof[1:])
        yield of(f"{pair}a hash more", old, new, [*proof, proof[-1]])
        yield of(f"{pair}a hash before", old, new, [proof[0], *proof])
        yield of(f"{pair}a flipped bit", old, new, [flipped(proof[0]), *proof[1:]])
        if len(proof) > 1:
            yield of(f"{pair}in reverse", old, new, proof[::-1])
    yield of("wrong: backwards", 7, 3, consistency(hashes[:7], 3))
    yield of("wrong: the same size, another root", 5, 5, [], old_root=tree_hash(others[:5]))
    yield of("wrong: the same size and a hash", 5, 5, [tree_hash(hashes[:5])])
    yield of("wrong: from nothing, another root", 0, 5, [], old_root=tree_hash(hashes[:5]))
    yield of("wrong: from nothing, with the new root", 0, 5, [tree_hash(hashes[:5])])
    yield of("wrong: to nothing", 5, 0, [])
    proof = consistency(hashes[:7], 3)
    yield of("wrong: 64 hashes", 3, 7, (proof * 64)[:64])
    yield of("wrong: a hash not canonical", 3, 7, [not_canonical(b64(proof[0])), *proof[1:]])
    yield of("wrong: a hash of 31 bytes", 3, 7, [b64(proof[0][:31]), *proof[1:]])
