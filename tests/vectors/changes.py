"""The vectors of changes of members and writers, `trust/changes`. `make.py` says what the fields mean."""

import re

from encoding import INVALID, UNDECIDED, VALID, written
from made_changes import change_bytes, epoch_text
from made_ledger import MadeLedger, Signer, note
from signed_note import COSIGNER_KEY

OTHER, THIRD = Signer("etl.example.org", "etl"), Signer("backup.example.org", "backup")


class Story:
    """A ledger of replicas, whose changes are made one after the other."""

    def __init__(self, directory, replicas):
        self.ledger = MadeLedger(directory, origin="dab/group")
        self.ledger.notarize("catalog", b"private body")
        self.writers = (self.ledger.trust / "writers").read_text()
        self.have(replicas)
        self.founded = {"policy": self.policy, "writers": self.writers}

    def have(self, replicas):
        """From here on these certify: all but one of them."""
        self.replicas = replicas
        self.ledger.witnesses = [Signer(f"dab/group/n{n}", f"replica {n}", COSIGNER_KEY) for n in replicas]
        lines = "".join(f"witness n{n} {key.vkey}\n" for n, key in zip(replicas, self.ledger.witnesses))
        names = " ".join(f"n{n}" for n in replicas)
        quorum = f"group replicas {max(len(replicas) - 1, 1)} {names}\nquorum replicas\n" if replicas else "quorum none\n"
        self.policy = f"log {self.ledger.log.vkey}\n{lines}{quorum}"
        self.members = "".join(f"{n} n{n} 10.0.0.{n}:4001 and its keys\n" for n in replicas)

    def change(self, replicas=None, writers=None, edit=lambda text: text, **leaf):
        """A change, and the epoch that it begins. Who certifies the leaf are those who were there before."""
        before = self.ledger.witnesses
        self.have(self.replicas if replicas is None else replicas)
        self.writers = self.writers if writers is None else writers
        text = edit(epoch_text(self.ledger.origin, self.members, self.policy, self.writers))
        body = note(text if isinstance(text, bytes) else text.encode(), self.ledger.writer)
        after, self.ledger.witnesses = self.ledger.witnesses, before
        subject, bound = leaf.get("subject", "members"), leaf.get("binds", body)
        operation = leaf.get("operation", "MEMBERS")
        index = self.ledger.notarize(subject, bound, leaf.get("files", ()), operation)
        for n in range(leaf.get("later", 0)):
            self.ledger.notarize("catalog", b"%d" % n)
        if "certified_by" in leaf:
            self.ledger.witnesses = leaf["certified_by"](before, after)
        receipt, self.ledger.witnesses = self.ledger.receipt(index), after
        self.writers = re.sub("revoked (?![0-9])", f"revoked {index + 1} ", self.writers)
        policy = self.policy if self.members else self.founded["policy"]
        count = len(self.replicas)
        return change_bytes(body, receipt), {"members": count, "policy": policy, "writers": self.writers}


def vectors(directory):
    number = iter(range(1000))

    def story(replicas=(1, 2, 3)):
        return Story(directory / f"changes-{next(number)}", list(replicas))

    def of(name, told, raw, verdict=INVALID, epochs=None, first=1, **trust):
        made = {"name": name, "verdict": verdict} | {"epoch": trust.pop("epoch", None)}
        made |= {key: written(text.encode()) for key, text in (told.founded | trust).items()}
        if verdict == VALID:
            made["epochs"] = [{"epoch": at} | epoch for at, epoch in enumerate(epochs, first)]
        return made | {"changes": written(raw)}

    told = story()
    one, then = told.change([1, 2, 3, 4])
    two, last = told.change([2, 3, 4, 5])
    both = one + two
    yield of("genuine: one comes", told, one, VALID, [then])
    yield of("genuine: one comes, then one goes for another", told, both, VALID, [then, last])
    yield of("genuine: from epoch 1 on", told, both, VALID, [last], 2, epoch=1, policy=then["policy"])
    yield of("genuine: from the texts of epoch 1 on", told, both, VALID, [last], 2, policy=then["policy"])
    yield of("genuine: nothing newer", told, both, VALID, [], epoch=2, policy=last["policy"])
    yield of("genuine: no changes at all", told, b"", VALID, [])
    yield of("wrong: the first one is missing", told, two)
    yield of("wrong: the first one twice", told, one + one)
    yield of("wrong: in another order", told, two + one)
    yield of("wrong: the new members' word for a change of the old ones", told, both, epoch=0, policy=last["policy"])
    yield of("undecided: a policy that cannot be used", told, both, UNDECIDED, policy="quorum nobody\n")
    yield of("undecided: writers that cannot be used", told, both, UNDECIDED, writers="nobody\n")

    def alone(name, verdict=INVALID, founders=(1, 2, 3), epoch=None, **change):
        told = story(founders)
        raw, then = told.change(**change)
        return of(name, told, raw, verdict, [then], epoch=epoch)

    new = {"replicas": [1, 2, 3, 4]}
    yield alone("genuine: who certifies are all the old ones but one", VALID, certified_by=lambda old, _: old[1:], **new)
    yield alone("wrong: too few of the old ones certify", certified_by=lambda old, _: old[2:], **new)
    yield alone("wrong: the new one stands in for an old one", certified_by=lambda old, now: [old[0], now[3]], **new)
    yield alone("wrong: nobody certifies", certified_by=lambda old, now: [], **new)
    yield alone("wrong: a leaf later than the last of the old ones is certified", later=1, **new)
    yield alone("wrong: a leaf of another subject", subject="catalog", **new)
    yield alone("wrong: a leaf of a longer subject", subject="members/1", **new)
    yield alone("wrong: a leaf of another operation", operation="MEMBER", **new)
    yield alone("wrong: a leaf with files", files=[("a", 1, "0" * 64)], **new)
    yield alone("wrong: a leaf that binds something else", binds=b"something else", **new)
    yield alone("wrong: of another ledger", edit=lambda text: text.replace("origin dab/group", "origin dab/grouq"), **new)

    # a node that certifies alone
    yield alone("genuine: a node alone", VALID, (), epoch=0)
    yield alone("genuine: a node alone, under a later checkpoint", VALID, (), epoch=0, later=3)
    told = story(())
    told.founded["policy"] = told.policy.replace("quorum none", f"witness w {Signer('w', 'w', 4).vkey}\nquorum none")
    raw, then = told.change()
    yield of("genuine: a node alone hands no policy over", told, raw, VALID, [then | {"policy": told.founded["policy"]}], epoch=0)

    # writers
    told = story(())
    own = told.writers
    added = f"{own}{OTHER.vkey} digest/etl/*\n"
    first, registered = told.change(writers=added)
    second, revoked = told.change(writers=f"{own}revoked {OTHER.vkey} digest/etl/*\n")
    third, more = told.change(writers=f"{revoked['writers']}{THIRD.vkey} digest/b digest/c\n")
    yield of("genuine: a key is registered", told, first, VALID, [registered])
    yield of("genuine: a key is registered, then revoked", told, first + second, VALID, [registered, revoked])
    yield of("genuine: then another one", told, first + second + third, VALID, [registered, revoked, more])
    yield of("genuine: from the writers of epoch 2 on", told, first + second + third, VALID, [more], 3,
             writers=revoked["writers"])
    yield of("wrong: the writers of the auditor have a line more", told, first, writers=added + f"{THIRD.vkey} *\n")

    def rewritten(name, after, before=added, **more):
        told = story(())
        told.founded["writers"] = told.writers = before
        raw, then = told.change(writers=after, **more)
        return of(f"wrong: {name}", told, raw, epoch=0)

    line = f"{OTHER.vkey} digest/etl/*\n"
    yield rewritten("a line of the writers is gone", own)
    yield rewritten("the comment above the writers is gone", added.split("\n", 1)[1])
    yield rewritten("a line of the writers may write more", added.replace("digest/etl/*", "*"))
    yield rewritten("two lines of the writers swapped", own.split("\n")[0] + "\n" + line + own.split("\n")[1] + "\n")
    yield rewritten("a new line before the others", f"{THIRD.vkey} *\n{added}")
    yield rewritten("a key revoked earlier than the change", f"{own}revoked 0 {line}")
    yield rewritten("a key revoked later than the change", f"{own}revoked 9 {line}")
    yield rewritten("a revoked key may write again", added, f"{own}revoked 1 {line}")
    yield rewritten("a revoked key is revoked again", f"{own}revoked {line}", f"{own}revoked 1 {line}")
    yield rewritten("writers that cannot be used", f"{added}nobody\n")
    yield rewritten("a key twice", f"{added}{line}")
    bad = {"edit": lambda text: text.replace("quorum none", "quorum nobody")}
    yield rewritten("a policy that cannot be used", added, **bad)

    # the text, certified as it stands
    for name, edit in [
        ("another header", lambda text: text.replace("epoch/v1", "epoch/v2")),
        ("no origin", lambda text: text.replace("origin dab/group\n", "")),
        ("another order", lambda text: text.replace("members 4", "policy 4").replace("policy 6", "members 6")),
        ("a line more than announced", lambda text: text.replace("members 4", "members 3")),
        ("a line less than announced", lambda text: text.replace("writers 2", "writers 3")),
        ("more lines than there are numbers", lambda text: text.replace("writers 2", f"writers {1 << 64}")),
        ("a count with a leading zero", lambda text: text.replace("members 4", "members 04")),
        ("a count with a sign", lambda text: text.replace("members 4", "members +4")),
        ("a blank behind a count", lambda text: text.replace("members 4", "members 4 ")),
        ("no writers", lambda text: text.partition("writers 2")[0]),
        ("a line behind the writers", lambda text: text + "more\n"),
        ("an empty line behind the writers", lambda text: text + "\n"),
        ("lines end in CRLF", lambda text: text.replace("\n", "\r\n")),
        ("too long", lambda text: text.replace("writers 2", "writers 3") + "#" * (56 << 10) + "\n"),
        ("empty", lambda text: "\n"),
    ]:
        yield alone(f"wrong: an epoch's text, {name}", edit=edit, **new)
    longest = "#" * 50_000 + "\n"
    yield alone("genuine: a long epoch", VALID, (), writers=f"{own}{longest}")

    # the file
    told = story()
    raw, then = told.change([1, 2, 3, 4])
    lines = raw.split(b"\n")
    epoch, receipt = lines[1], lines[2]
    body = raw[raw.index(b"dab/epoch/v1") : raw.index(b"c2sp.org/tlog-proof")]
    larger = [b"%s %d" % (line.split(b" ")[0], int(line.split(b" ")[1]) + 1) for line in (epoch, receipt)]
    smaller = [b"%s %d" % (line.split(b" ")[0], int(line.split(b" ")[1]) - 1) for line in (epoch, receipt)]
    for name, wrong in [
        ("another header", raw.replace(b"change/v1", b"change/v2", 1)),
        ("lines swapped", raw.replace(epoch + b"\n" + receipt, receipt + b"\n" + epoch, 1)),
        ("an epoch of a byte more", raw.replace(epoch, larger[0], 1)),
        ("an epoch of a byte less", raw.replace(epoch, smaller[0], 1)),
        ("a byte moved from receipt to epoch", raw.replace(epoch, larger[0], 1).replace(receipt, smaller[1], 1)),
        ("a receipt of a byte more", raw.replace(receipt, larger[1], 1)),
        ("a receipt of a byte less", raw.replace(receipt, smaller[1], 1)),
        ("a length with a leading zero", raw.replace(b"epoch ", b"epoch 0", 1)),
        ("a length with a sign", raw.replace(b"receipt ", b"receipt +", 1)),
        ("a length of 2^64", raw.replace(epoch, b"epoch 18446744073709551616", 1)),
        ("lines end in CRLF", b"\r\n".join(lines[:3]) + b"\r\n" + b"\n".join(lines[3:])),
        ("a line less", b"\n".join(lines[:1] + lines[2:])),
        ("a newline in front", b"\n" + raw),
        ("a newline behind", raw + b"\n"),
        ("half of it", raw[: len(raw) // 2]),
        ("a byte less", raw[:-1]),
        ("the receipt of another change", change_bytes(body, two[two.index(b"c2sp.org/tlog-proof") :])),
        ("not UTF-8", raw.replace(b"10.0.0.4", b"10.0.0.\xff", 1)),
        ("nonsense", b"nothing"),
    ]:
        yield of(f"wrong: a file of changes, {name}", told, wrong)
