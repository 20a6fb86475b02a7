"""How evidence, verdicts and bytes stand in the vectors."""

import base64

VALID, INVALID, UNDECIDED = "VALID", "INVALID", "UNDECIDED"


def vector(name, ledger, evidence, verdict=VALID, reason=None, **more):
    policy = more.pop("policy", (ledger.trust / "policy").read_bytes())
    writers = more.pop("writers", (ledger.trust / "writers").read_bytes())
    made = {"name": name, "verdict": verdict, "reason": reason, **more, "policy": written(policy)}
    made |= {"writers": written(writers), "proof": written(evidence.proof)}
    if evidence.commit is not None:
        made["commit"] = written(evidence.commit)
    if evidence.data:
        made["data"] = [{"path": path, "content": written(content)} for path, content in evidence.data]
    return made


def written(raw):
    """A text as it is, and the base64 of what is none."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return binary(raw)


def binary(raw):
    """The base64 of bytes that are no text even where they could be read as one."""
    return {"base64": base64.b64encode(raw).decode()}
