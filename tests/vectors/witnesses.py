"""The vectors of C2SP tlog-witness, `add-checkpoint`. `make.py` says what the fields mean."""

from encoding import written
from forgeries import not_canonical
from forks import two_histories
from made_ledger import Signer, b64, note
from signed_note import COSIGNER_KEY

TIME = 1_800_000_000


def private_text(signer):
    material = bytes([signer.kind]) + signer.private.private_bytes_raw()
    return f"PRIVATE+KEY+{signer.name}+{signer.id.hex()}+{b64(material)}"


def asked(ledger, old, size, checkpoint=None):
    """The body of a request for a tree of some size."""
    lines = [f"old {old}", *map(b64, ledger.growth(old, size))]
    return "".join(f"{line}\n" for line in lines).encode() + b"\n" + (checkpoint or ledger.checkpoint(size))


def vectors(directory):
    told, forked = two_histories(directory / "witnesses")
    witness = Signer("witness.example/w1", "witness", COSIGNER_KEY)

    def of(name, request, status, body=None, content_type=None, before=(), **kept):
        made = {"name": name, "witness": private_text(witness), "time": TIME, "logs": [told.log.vkey]}
        made |= {"before": [written(earlier) for earlier in before], "request": written(request), "status": status}
        return made | ({"content_type": content_type, "body": body} if body is not None else {})

    def cosigned(name, size, request, ledger=told, **more):
        text = ledger.checkpoint(size).rpartition(b"\n\n")[0] + b"\n"
        line = witness.line(text, TIME).decode()
        return of(f"cosigned: {name}", request, 200, line, "text/plain; charset=utf-8", **more)

    seven = asked(told, 0, 7)
    yield cosigned("the first one", 7, seven)
    yield cosigned("the first one, of no leaves", 0, asked(told, 0, 0))
    yield cosigned("the same once more", 7, asked(told, 7, 7), before=[seven])
    for old, size in [(7, 8), (7, 30), (7, 9)]:
        yield cosigned(f"grown from {old} to {size}", size, asked(told, old, size), before=[seven])
    yield cosigned("grown twice", 30, asked(told, 16, 30), before=[seven, asked(told, 7, 16)])
    text = told.checkpoint(7).rpartition(b"\n\n")[0] + b"\n"
    stranger = Signer("stranger.example", "stranger")
    more = note(text, stranger, told.log, Signer("w", "w", COSIGNER_KEY))
    yield cosigned("with lines of strangers", 7, asked(told, 0, 7, more))

    conflict = {"content_type": "text/x.tlog.size", "before": [seven]}
    for old in (0, 6, 8):
        yield of(f"conflict: from {old}, where 7 was cosigned", asked(told, old, 16), 409, "7\n", **conflict)
    yield of("conflict: from 3, where nothing was cosigned", asked(told, 3, 7), 409, "0\n", "text/x.tlog.size")

    for size in (7, 8, 30):
        yield of(f"forked: to {size}", asked(forked, 7, size), 422, before=[seven])
    lines = asked(told, 7, 30).split(b"\n")
    for name, wrong in [
        ("without proof", b"\n".join([lines[0], *lines[lines.index(b"") :]])),
        ("a hash less", b"\n".join([lines[0], *lines[2:]])),
        ("a hash more", b"\n".join([*lines[:2], lines[1], *lines[2:]])),
        ("of another size", asked(told, 7, 29, told.checkpoint(30))),
    ]:
        yield of(f"no proof: {name}", wrong, 422, before=[seven])
    yield of("no proof: the first one needs none", asked(told, 0, 7).replace(b"old 0\n", b"old 0\n" + lines[1] + b"\n"), 422)

    yield of("of a ledger that it does not know", seven.replace(b"dab/made\n", b"dab/maze\n", 1), 404)
    yield of("signed by a stranger", asked(told, 0, 7, note(text, stranger)), 403)
    same_name = Signer(told.origin, "stranger")
    yield of("signed by a stranger of the log's name", asked(told, 0, 7, note(text, same_name)), 403)
    yield of("signed by the log for another tree", seven.replace(b"\n7\n", b"\n8\n", 1), 403)

    honest = asked(told, 7, 30)
    hash = lines[1].decode()
    for name, wrong in [
        ("empty", b""),
        ("no checkpoint", b"old 0\n\n"),
        ("no empty line", seven.replace(b"\n\n", b"\n", 1)),
        ("no old size", seven.replace(b"old 0\n", b"\n", 1)),
        ("an old size of two blanks", seven.replace(b"old 0", b"old  0", 1)),
        ("an old size with a leading zero", honest.replace(b"old 7", b"old 07", 1)),
        ("an old size with a sign", honest.replace(b"old 7", b"old +7", 1)),
        ("a negative old size", honest.replace(b"old 7", b"old -7", 1)),
        ("an old size of 2^64", honest.replace(b"old 7", b"old 18446744073709551616", 1)),
        ("an old size above the new one", honest.replace(b"old 7", b"old 31", 1)),
        ("another word", honest.replace(b"old 7", b"Old 7", 1)),
        ("a hash not canonical", honest.replace(hash.encode(), not_canonical(hash).encode(), 1)),
        ("a hash of 31 bytes", honest.replace(hash.encode(), b64(bytes(31)).encode(), 1)),
        ("a blank behind a hash", honest.replace(hash.encode(), f"{hash} ".encode(), 1)),
        ("64 hashes", honest.replace(b"old 7\n", b"old 7\n" + f"{hash}\n".encode() * 60, 1)),
        ("lines end in CRLF", honest.replace(b"\n", b"\r\n")),
        ("a second empty line", seven.replace(b"\n\n", b"\n\n\n", 1)),
        ("a byte behind the checkpoint", seven + b"x"),
        ("a checkpoint without signature", seven.rpartition(b"\n\n")[0] + b"\n\n"),
        ("a checkpoint with an extension line", asked(told, 0, 7, note(text + b"more\n", told.log))),
    ]:
        yield of(f"no request: {name}", wrong, 400)
