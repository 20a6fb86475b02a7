"""The test vectors of tests/vectors, read. tests/vectors/make.py says what they are."""

import base64
import json
from pathlib import Path

from forgeries import Evidence

FOLDER = Path(__file__).parents[1] / "vectors"
VECTORS = ["receipt", "signed", "certified", "trust"]


def vectors_of(name):
    return json.loads((FOLDER / f"{name}.json").read_text())


def content(written):
    """The bytes of a text, or of the base64 that stands for what is no text."""
    return base64.b64decode(written["base64"]) if isinstance(written, dict) else written.encode()


def expected(vector):
    """What goes into a verifier: the evidence, the policy and the writers file."""
    data = tuple((file["path"], content(file["content"])) for file in vector.get("data", []))
    commit = content(vector["commit"]) if "commit" in vector else None
    return Evidence(content(vector["proof"]), commit, data), content(vector["policy"]), content(vector["writers"])
