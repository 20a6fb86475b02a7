"""Changes of members and writers of a ledger made in Python, and forks of one."""

from made_ledger import b64, note


def epoch_text(origin, members, policy, writers):
    """Who certifies and who writes: each part whole lines behind their number."""
    parts = {"members": members, "policy": policy, "writers": writers}
    lines = "".join(f"{name} {text.count(chr(10))}\n{text}" for name, text in parts.items())
    return f"dab/epoch/v1\norigin {origin}\n{lines}"


def step(body, receipt):
    """One change as `trust/changes` has it: the body of its leaf, and the leaf's receipt."""
    return b"dab/epoch-change/v1\nepoch %d\nreceipt %d\n" % (len(body), len(receipt)) + body + receipt


def begin_epoch(ledger, writers):
    """A node that certifies alone has others write from here on. Returns the change."""
    policy = (ledger.trust / "policy").read_text()
    body = note(epoch_text(ledger.origin, "", policy, writers).encode(), ledger.writer)
    return step(body, ledger.receipt(ledger.notarize("members", body, operation="MEMBERS")))


def fork_proof(ledger, old, new=None):
    """What shows the root that a ledger has at an older size."""
    lines = ["dab/fork-proof/v1", f"size {old}", f"root {b64(ledger.root(old))}", *map(b64, ledger.growth(old, new))]
    return "".join(f"{line}\n" for line in lines).encode()
