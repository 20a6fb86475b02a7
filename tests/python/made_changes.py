"""The texts of changes of members and writers, made in Python."""


def epoch_text(origin, members, policy, writers):
    """Who certifies and who writes: each part whole lines behind their number."""
    parts = {"members": members, "policy": policy, "writers": writers}
    lines = "".join(f"{name} {text.count(chr(10))}\n{text}" for name, text in parts.items())
    return f"dab/epoch/v1\norigin {origin}\n{lines}"


def change_bytes(body, receipt):
    """One change as `trust/changes` has it: the body of its leaf, and the leaf's receipt."""
    return b"dab/epoch-change/v1\nepoch %d\nreceipt %d\n" % (len(body), len(receipt)) + body + receipt
