"""What the auditor was handed once, the trust directory: whose signatures certify (C2SP tlog-policy), and who may write."""

import re
from pathlib import Path

from signed_note import COSIGNER_KEY, LOG_KEY, Key
from verdict import Invalid, Undecided, need, number


class Trust:
    """`policy` (C2SP tlog-policy): logs, and whose cosignatures suffice. `writers`: whose key may write what, and until when."""

    def __init__(self, directory):
        try:
            self.read(directory)
        except Invalid as error:  # no fault of the evidence
            raise Undecided(f"the trust directory cannot be used: {error}") from None

    def read(self, directory):
        self.directory, self.logs, self.witnesses, self.groups = Path(directory), [], {}, {"none": (0, [])}
        self.quorum, grouped = None, {"none"}
        for verb, *words in words_of(self.directory / "policy"):
            names = self.witnesses.keys() | self.groups.keys()
            if verb == "log" and len(words) in (1, 2):
                self.logs.append(Key(words[0], LOG_KEY))
            elif verb == "witness" and len(words) in (2, 3) and words[0] not in names:
                self.witnesses[words[0]] = Key(words[1], COSIGNER_KEY)
            elif verb == "group" and len(words) > 2 and words[0] not in names:
                name, k, *members = words
                k = 1 if k == "any" else len(members) if k == "all" else number(k)
                need(1 <= k <= len(members), f"group {name}: {k} of {len(members)}")
                need(len({*members}) == len(members) and {*members} <= names - grouped, f"group {name}: members")
                grouped |= {*members}
                self.groups[name] = (k, members)
            elif verb == "quorum" and len(words) == 1 and words[0] in names and self.quorum is None:
                self.quorum = words[0]
            else:
                raise Invalid(f"policy: {verb} {' '.join(words)[:60]!r} is not understood")
        need(self.quorum, "the policy names no quorum")
        self.writers = [read_writer(words) for words in words_of(self.directory / "writers")]
        public = [key.public for key in [*self.logs, *self.witnesses.values(), *(key for key, _, _ in self.writers)]]
        need(len({*public}) == len(public), "a public key stands twice: one key has one role")
        for key, globs, _ in self.writers:
            need(globs and not any("*" in glob[:-1] for glob in globs), f"writers: {key.name}: subjects {globs}")

    def certifies(self, name, cosigned):
        k, members = self.groups.get(name, (1, None))
        return name in cosigned if members is None else sum(self.certifies(m, cosigned) for m in members) >= k


def words_of(path):
    """The lines of a trust file as words; octets above 0x7f stay what they are."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Undecided(str(error)) from None
    need((not raw or raw.endswith(b"\n")) and not re.search(rb"[\0-\x08\x0b-\x1f\x7f]", raw), f"{path.name} is torn")
    lines = [re.findall("[^ \t]+", line) for line in raw.decode("utf-8", "surrogateescape").split("\n")]
    return [words for words in lines if words and not words[0].startswith("#")]


def read_writer(words):
    """A writer's key, its subjects, and the leaf index from which on its leaves count no more (or None)."""
    revoked_from = None
    if words[0] == "revoked":
        need(len(words) > 2, "writers: a revoked key lacks its leaf index or itself")
        revoked_from, words = number(words[1]), words[2:]
    return Key(words[0], LOG_KEY), words[1:], revoked_from
