"""One byte of what an auditor takes home changed, by chance."""

from dataclasses import replace

from auditor import audit_ledger, source
from trust_directory import Trust


def change(content, chance):
    at = chance.randrange(len(content))
    # one bit, all bits, the byte becomes a blank, the byte becomes zero
    by = chance.choice([1 << chance.randrange(8), 0xFF, content[at] ^ 0x20 or 1, content[at] or 0x80])
    return at, content[:at] + bytes([content[at] ^ by]) + content[at + 1 :]


def pick(home, artefact, chance):
    """An honest content, and a function that puts a changed one in its place and asks a verifier."""
    if artefact in ("proof", "commit file", "data file"):
        evidence = home.evidence(chance.randrange(len(home.commits)))
        while artefact == "data file" and not evidence.data:
            evidence = home.evidence(chance.randrange(len(home.commits)))
        if artefact == "proof":
            return evidence.proof, lambda content: replace(evidence, proof=content)
        if artefact == "commit file":
            return evidence.commit, lambda content: replace(evidence, commit=content)
        (path, content), *rest = evidence.data
        return content, lambda content: replace(evidence, data=((path, content), *rest))
    raise KeyError(artefact)


def public_file(home, artefact):
    """The path of the file of this kind that an audit of the latest checkpoint reads."""
    if artefact == "checkpoint":
        return "checkpoint"
    read, trust = source(str(home.public), Trust(home.trust)), Trust(home.trust)
    asked = []
    audit_ledger(lambda path: asked.append(path) or read(path), trust)
    kind = "tile/entries/" if artefact == "entry bundle" else "tile/0/"
    return next(path for path in asked if path.startswith(kind) and read(path) is not None)
