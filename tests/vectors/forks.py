"""The vectors of forks: two checkpoints, and for two sizes a fork proof. `make.py` says what the fields mean."""

from encoding import INVALID, UNDECIDED, VALID, written
from forgeries import flipped, not_canonical
from made_ledger import MadeLedger, Signer, b64, note


def two_histories(directory, **policy):
    """A ledger of 30 leaves, and one with the same keys that parts from it at leaf 4."""
    made = [MadeLedger(directory / name, **policy) for name in ("told", "forked")]
    for n in range(30):
        made[0].notarize("digest/a", b"%d" % n)
        made[1].notarize("digest/a", b"%d" % n if n < 4 else b"forged %d" % n)
    return made


def vectors(directory):
    told, forked = two_histories(directory / "forks", witnesses=2, quorum="2")
    log, everybody = [told.origin], [told.origin, "witness1.example", "witness2.example"]

    def of(name, first, second, proof=None, verdict=INVALID, accused=None, **more):
        made = {"name": name, "verdict": verdict} | ({"accused": accused or everybody} if verdict == INVALID else {})
        for file in ("policy", "writers"):
            made[file] = written(more.get(file, (told.trust / file).read_bytes()))
        made |= {"first": written(first), "second": written(second)}
        return made | ({"proof": written(proof)} if proof is not None else {})

    def at(ledger, size, *signers):
        """A checkpoint with other signatures than those of the log and both witnesses."""
        text = ledger.checkpoint(size).rpartition(b"\n\n")[0] + b"\n"
        return note(text, *signers)

    def nothing(name, *evidence, **more):
        return of(f"undecided: {name}", *evidence, verdict=UNDECIDED, **more)

    for size in (5, 8, 30):
        yield of(f"forked: two roots of {size} leaves", told.checkpoint(size), forked.checkpoint(size))
    for old, new in [(5, 6), (5, 30), (7, 8), (8, 16), (8, 17), (16, 30), (29, 30)]:
        proof = forked.fork_proof(old, new)
        yield of(f"forked: {old} and {new} leaves", told.checkpoint(old), forked.checkpoint(new), proof)
    pair, proof = (told.checkpoint(7), forked.checkpoint(20)), forked.fork_proof(7, 20)
    yield of("forked: the larger one first", *pair[::-1], proof)
    yield of("forked: a proof that nobody needs", told.checkpoint(5), forked.checkpoint(5), b"nonsense")
    alone = at(told, 7, told.log)
    yield of("forked: the log alone signed the first", alone, pair[1], proof, accused=log)
    first, second = told.witnesses
    both = at(told, 7, told.log, first), at(forked, 20, forked.log, second)
    yield of("forked: each witness signed one", *both, proof, accused=log)
    both = at(told, 7, told.log, second), at(forked, 20, second, forked.log)
    yield of("forked: one witness signed both", *both, proof, accused=[told.origin, second.name])
    impostor = Signer("x", "impostor", 4)
    impostor.name, impostor.id = first.name, first.id
    both = at(told, 7, told.log, impostor), at(forked, 20, forked.log, impostor)
    yield of("forked: an impostor's lines spoil nobody's word", *both, proof, accused=log)
    both = at(told, 7, told.log, first, first), pair[1]
    yield of("forked: a witness that signed twice is not heard", *both, proof, accused=log)
    strangers = [note_ + Signer("x.example", "x").line(note_.rpartition(b"\n\n")[0] + b"\n") for note_ in pair]
    yield of("forked: strangers' lines beside", *strangers, proof)

    yield of("agree: the same checkpoint", pair[0], pair[0], verdict=VALID)
    yield of("agree: five leaves and thirty", told.checkpoint(5), told.checkpoint(), told.fork_proof(5), verdict=VALID)
    yield of("agree: before the histories part", told.checkpoint(4), pair[1], forked.fork_proof(4, 20), verdict=VALID)
    yield of("agree: no leaves and thirty", told.checkpoint(0), told.checkpoint(), told.fork_proof(0), verdict=VALID)

    yield nothing("two sizes without a proof", *pair)
    for name, size in [("of another old size", 8), ("of the new size", 20)]:
        yield nothing(f"a proof {name}", *pair, forked.fork_proof(size, 20))
    yield nothing("a proof of another new size", *pair, forked.fork_proof(7, 19))
    yield nothing("a proof of the other history", *pair, told.fork_proof(7, 20))
    lines = proof.decode().split("\n")
    root = lines[2].removeprefix("root ")

    def with_line(at, line):
        return "\n".join([*lines[:at], *([] if line is None else [line]), *lines[at + 1 :]]).encode()

    for name, wrong in [
        ("empty", b""),
        ("another header", with_line(0, "dab/fork-proof/v2")),
        ("no header", with_line(0, None)),
        ("no size", with_line(1, None)),
        ("no root", with_line(2, None)),
        ("root before size", "\n".join([lines[0], lines[2], lines[1], *lines[3:]]).encode()),
        ("a size with a leading zero", with_line(1, "size 07")),
        ("a size with a sign", with_line(1, "size +7")),
        ("a size of 2^64", with_line(1, f"size {1 << 64}")),
        ("two blanks", with_line(1, "size  7")),
        ("the root of the smaller tree", with_line(2, f"root {b64(told.root(7))}")),
        ("a root not canonical", with_line(2, f"root {not_canonical(root)}")),
        ("a root of 31 bytes", with_line(2, f"root {b64(told.root(7)[:31])}")),
        ("a hash missing", with_line(3, None)),
        ("a hash twice", with_line(3, f"{lines[3]}\n{lines[3]}")),
        ("a hash not canonical", with_line(3, not_canonical(lines[3]))),
        ("a hash of another tree", with_line(3, b64(told.root(2)))),
        ("an empty line", proof + b"\n"),
        ("no last newline", proof[:-1]),
        ("lines end in CRLF", proof.replace(b"\n", b"\r\n")),
        ("too many hashes", proof + f"{lines[3]}\n".encode() * 64),
        ("too long", proof + b"\n" * 5000),
        ("not UTF-8", proof + b"\xff\n"),
    ]:
        yield nothing(f"a fork proof, {name}", *pair, wrong)

    bad = flipped(pair[0], pair[0].index(told.origin.encode() + b"\n7"))
    yield nothing("a first checkpoint of another origin", bad, pair[1], proof)
    yield nothing("a changed size", pair[0].replace(b"\n7\n", b"\n6\n"), pair[1], forked.fork_proof(6, 20))
    yield nothing("a first checkpoint that only the witnesses signed", at(told, 7, first, second), pair[1], proof)
    stranger = Signer(told.origin, "stranger")
    yield nothing("a second one by a stranger of the log's name", pair[0], at(forked, 20, stranger, first), proof)
    yield nothing("a log's line that stands twice", at(told, 7, told.log, told.log), pair[1], proof)
    yield nothing("no checkpoint", b"nothing", pair[1], proof)
    yield nothing("a note that ends early", pair[0][:-1], pair[1], proof)
    other = Signer("dab/other", "other")
    foreign = note(f"{other.name}\n7\n{b64(told.root(7))}\n".encode(), other)
    logs = f"log {told.log.vkey}\nlog {other.vkey}\nquorum none\n".encode()
    yield nothing("checkpoints of two ledgers", foreign, pair[1], proof, policy=logs)
    extended = told.checkpoint(7).rpartition(b"\n\n")[0] + b"\nmore\n"
    yield nothing("an extension line", note(extended, told.log), pair[1], proof)
    yield nothing("a policy that cannot be used", *pair, proof, policy=b"quorum nobody\n")
