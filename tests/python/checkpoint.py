"""C2SP tlog-checkpoint: the ledger's signed tree head, as far as those who are trusted certify it."""

from signed_note import parse_note
from verdict import need, number, unbase64


class Checkpoint:
    """The ledger's signed tree head; it exists only if a trusted log signed it and the quorum cosigned it."""

    def __init__(self, raw, trust):
        text, signatures = parse_note(raw)
        lines = text.decode().split("\n")[:-1]
        need(len(lines) >= 3 and all(lines), "a checkpoint has three lines: origin, size, root")
        self.origin, self.size, self.root = lines[0], number(lines[1]), unbase64(lines[2], 32)
        by_log, self.cosigned = False, {}
        known = {(key.name, key.id) for key in [*trust.logs, *trust.witnesses.values()]}
        for who in known:
            need([who for who, _ in signatures].count(who) < 2, f"the checkpoint has two signatures by {who[0]}")
        for who, signature in signatures:  # a known key's bad signature condemns the note, an unknown key says nothing
            for key in trust.logs:
                if who == (key.name, key.id):
                    key.verify(text, signature)
                    by_log = by_log or key.name == self.origin
            for name, key in trust.witnesses.items():
                if who == (key.name, key.id):
                    self.cosigned[name] = key.verify(text, signature)
        need(by_log, f"no trusted log signed this checkpoint of {self.origin!r}")
        need(trust.certifies(trust.quorum, self.cosigned), f"the quorum {trust.quorum!r} is not reached")


def certified_by(checkpoint):
    who = ", ".join(f"{name} at {time}" for name, time in checkpoint.cosigned.items())
    trust = f"cosigned by {who}" if who else "it certifies alone"
    return f"checkpoint of {checkpoint.origin}: {checkpoint.size} leaves, {trust}"
