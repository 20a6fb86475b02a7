"""The vectors of what replicas keep and say among themselves: segments of the raft log, frames and hellos of the peer
protocol. Written from ledger/DESIGN.md, sections 2 and 10; nobody but DAB reads them. `make.py` says what the fields mean."""

import struct

from encoding import INVALID, VALID
from forgeries import flipped

SALT = b"pinned!!"
ENTRY, HARD_STATE, BASE, SIGNED_HEAD, RESET = 1, 2, 3, 4, 5


def crc32c(raw):
    """CRC-32C (Castagnoli), bit by bit."""
    crc = 0xFFFFFFFF
    for octet in raw:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def header(number=1, salt=SALT, magic=b"DABRLOG1"):
    raw = struct.pack("<8sQ8sI", magic, number, salt, 0)
    return raw + struct.pack("<I", crc32c(raw))


def record(kind, term, index, payload=b"", ends=True, synced=0, salt=SALT, reserved=0):
    head = struct.pack("<BBHIQQ", kind, ends, reserved, synced, term, index)
    length = struct.pack("<I", len(payload))
    return length + struct.pack("<I", crc32c(salt + length + head + payload)) + head + payload


def entry(term, index, data, context=b"", kind=0, **more):
    """Raft's kinds of entries: 0 normal, 1 change of members, 2 change of members in its second form."""
    return record(ENTRY, term, index, struct.pack("<BI", kind, len(context)) + context + data, **more)


def hard_state(term, commit, vote=0, **more):
    return record(HARD_STATE, term, commit, struct.pack("<Q", vote), **more)


def segments(_):
    begun = header() + hard_state(0, 0, ends=False) + record(BASE, 0, 0)
    durable = len(begun)

    def of(name, raw, verdict=VALID, is_last=True, kept=None, **log):
        made = {"name": name, "bytes": raw.hex(), "is_last": is_last, "verdict": verdict}
        if verdict == VALID:
            made |= {"kept": len(raw) if kept is None else kept}
            made |= {"log": {"base": 0, "committed": 0, "terms": []} | log} if is_last else {}
        return made

    yield of("a log that has just begun", begun)
    three = begun + entry(1, 1, b"", synced=durable, ends=False) + entry(1, 2, b"data", ends=False) + entry(1, 3, b"x")
    yield of("three entries, one batch", three, terms=[1, 1, 1])
    told = three + hard_state(2, 3, vote=4, synced=len(three))
    yield of("and what is committed", told, terms=[1, 1, 1], committed=3)
    yield of("an entry with a context", begun + entry(1, 1, b"data", b"context"), terms=[1])
    members = begun + entry(1, 1, b"\x08\x01", kind=1, ends=False) + entry(2, 2, b"", kind=2)
    yield of("entries that change raft's members", members, terms=[1, 2])
    replaced = three + entry(2, 2, b"other")
    yield of("an entry that replaces two", replaced, terms=[1, 2])
    signed = told + record(SIGNED_HEAD, 0, 7, bytes(range(32)))
    yield of("the head that was signed", signed, terms=[1, 1, 1], committed=3)
    later = header() + hard_state(4, 9, 2, ends=False) + record(SIGNED_HEAD, 0, 7, bytes(32), ends=False)
    later += record(BASE, 3, 8)
    yield of("a log that gave up eight entries", later + entry(4, 9, b"nine"), base=8, terms=[4], committed=9)
    reset = told + hard_state(5, 20, ends=False) + record(RESET, 5, 20)
    yield of("a log that began anew at 20", reset, base=20, committed=20)
    yield of("and went on", reset + entry(6, 21, b"data"), base=20, terms=[6], committed=20)
    yield of("a segment that is not the last", told, is_last=False)

    for name, torn in [
        ("half a record", told + entry(2, 4, b"four")[:-1]),
        ("a record's first byte", told + b"\1"),
        ("zeros", told + bytes(100)),
        ("a batch that does not end", told + entry(2, 4, b"four", ends=False)),
        ("a changed byte behind what was durable", told + flipped(entry(2, 4, b"four"), 40)),
    ]:
        yield of(f"torn: {name}", torn, kept=len(told), terms=[1, 1, 1], committed=3)
        yield of(f"wrong: {name}, and it is not the last", torn, INVALID, is_last=False)

    def wrong(name, raw):
        return of(f"wrong: {name}", raw, INVALID)

    yield wrong("empty", b"")
    yield wrong("a header cut short", header()[:-1])
    yield wrong("a header alone", header())
    yield wrong("a first batch that does not end", header() + hard_state(0, 0, ends=False))
    yield wrong("a version of the format to come", header(magic=b"DABRLOG2") + begun[32:])
    yield wrong("the number of another segment", header(2) + begun[32:])
    yield wrong("a header's checksum", flipped(begun, 28))
    yield wrong("a header's reserved byte", flipped(begun, 24))
    yield wrong("records of another salt", header(salt=b"pepper!!") + begun[32:])
    for name, bad in [
        ("a record without a kind", record(0, 1, 1)),
        ("a record of an unknown kind", record(6, 1, 1)),
        ("a reserved flag", record(HARD_STATE, 0, 0, bytes(8), ends=2)),
        ("a reserved byte", record(HARD_STATE, 0, 0, bytes(8), reserved=1)),
    ]:
        yield wrong(f"{name} in the first batch", header() + bad + begun[32:])
    yield wrong("a record that claims durable bytes behind it", begun + hard_state(0, 0, synced=durable + 1))
    later_ones = {"hard state": hard_state(5, 3, synced=len(three)), "entry": entry(5, 4, b"x", synced=len(three))}
    later_ones |= {"base": record(BASE, 1, 3, synced=len(three)), "reset": record(RESET, 5, 20, synced=len(three))}
    for kind, written_later in later_ones.items():
        rotten = flipped(three, durable + 40) + written_later
        yield wrong(f"rot in bytes that were durable, as the {kind} behind them tells", rotten)
    yield wrong("an entry that leaves a gap", begun + entry(1, 1, b"") + entry(1, 3, b""))
    yield wrong("an entry below the base", later + entry(4, 8, b""))
    yield wrong("an entry cut short", begun + record(ENTRY, 1, 1, b"\0\0\0\0"))
    yield wrong("an entry whose context is cut short", begun + record(ENTRY, 1, 1, struct.pack("<BI", 0, 4) + b"abc"))
    yield wrong("an entry of an unknown type", begun + entry(1, 1, b"", kind=3))
    yield wrong("a hard state of seven bytes", begun + record(HARD_STATE, 1, 0, bytes(7)))
    yield wrong("more committed than is there", begun + entry(1, 1, b"") + hard_state(1, 2))
    yield wrong("less committed than was given up", later + hard_state(4, 7))
    yield wrong("a signed root of 31 bytes", begun + record(SIGNED_HEAD, 0, 7, bytes(31)))
    yield wrong("a signed head that moves backwards", signed + record(SIGNED_HEAD, 0, 6, bytes(32)))
    yield wrong("a base that moves backwards", later + record(BASE, 3, 7))
    yield wrong("an index beyond every log", begun + hard_state(1, (1 << 64) - 1))


def frame(kind, payload=b"", length=None):
    return struct.pack("<IB", len(payload) if length is None else length, kind) + payload


def hello(version=1, purpose=1, sender=3, receiver=0x0102, origin="dab/group".encode()):
    return struct.pack("<HBQQ", version, purpose, sender, receiver) + origin


def peers(_):
    def of(name, form, raw, verdict=VALID, **more):
        return {"name": name, "form": form, "bytes": raw.hex(), "verdict": verdict, **more}

    for name, more in [
        ("for messages", {}),
        ("for files", {"purpose": 2}),
        ("of the largest ids", {"sender": (1 << 64) - 1, "receiver": (1 << 64) - 1}),
        ("of an origin beyond ASCII", {"origin": "é".encode()}),
        ("without an origin", {"origin": b""}),
    ]:
        yield of(f"a hello {name}", "hello", hello(**more))
    for name, raw in [
        ("empty", b""),
        ("half a version", b"\1"),
        ("a version alone", b"\1\0"),
        ("a byte short of its ids", hello()[:18]),
        ("of version 0", hello(version=0)),
        ("of version 2", hello(version=2)),
        ("of version 256, as big-endian 1 reads", hello(version=256)),
        ("for no purpose", hello(purpose=0)),
        ("for an unknown purpose", hello(purpose=3)),
        ("whose origin is not UTF-8", hello(origin=b"\xff")),
    ]:
        yield of(f"wrong: a hello, {name}", "hello", raw, INVALID)

    for name, kind, payload in FRAMES:
        yield of(f"a frame, {name}", "frames", frame(kind, payload), kept=5 + len(payload))
    stream = b"".join(frame(kind, payload) for _, kind, payload in FRAMES)
    yield of("frames of all kinds", "frames", stream, kept=len(stream))
    yield of("no frame at all", "frames", b"", kept=0)
    good = frame(5, b"12345678")
    for name, raw in [
        ("a length cut short", b"\0\0\0"),
        ("no kind", b"\0\0\0\0"),
        ("a payload cut short", frame(4, b"message")[:-1]),
        ("a payload that never comes", frame(4, length=1000)),
        ("kind 0", frame(0)),
        ("kind 10", frame(10)),
        ("a big-endian length", struct.pack(">IB", 8, 5) + b"12345678"),
        ("a hello of 513 bytes", frame(1, bytes(513))),
        ("a welcome that says something", frame(2, b"x")),
        ("a refusal of 1,025 bytes", frame(3, bytes(1025))),
        ("a message of 4 MiB and one byte", frame(4, length=(4 << 20) + 1)),
        ("a ping of nine bytes", frame(5, bytes(9))),
        ("a pong of nine bytes", frame(6, bytes(9))),
        ("a path of 129 bytes", frame(7, bytes(129))),
        ("a file longer than every bundle", frame(8, length=16_777_473)),
        ("no file that says something", frame(9, b"x")),
        ("the largest length", frame(4, length=(1 << 32) - 1)),
    ]:
        yield of(f"wrong: behind a good frame, {name}", "frames", good + raw, INVALID, kept=len(good))


FRAMES = [("a hello", 1, hello()), ("a welcome", 2, b""), ("a refusal", 3, "wrong ledger, é".encode())]
FRAMES += [("a message", 4, b"opaque here"), ("a message of nothing", 4, b""), ("a ping", 5, b"12345678")]
FRAMES += [("a pong", 6, b"12345678"), ("an ask", 7, b"tile/0/x001/067.p/8"), ("a file", 8, bytes(range(256)))]
FRAMES += [("an empty file", 8, b""), ("no file", 9, b"")]
