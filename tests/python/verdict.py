"""How the independent verifier says no, what it takes for a number and for base64, and how its programs end."""

import base64
import re
import sys


class Invalid(Exception):
    """The evidence contradicts what it claims (exit status 1)."""


class Undecided(Exception):
    """Evidence that would decide is not there (exit status 2)."""


def need(condition, complaint):
    if not condition:
        raise Invalid(complaint)


def number(text):
    need(re.fullmatch("0|[1-9][0-9]{0,18}", text) and int(text) < 1 << 63, f"no canonical number: {text[:40]!r}")
    return int(text)


def unbase64(text, length=None):
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raw = b""
    need(base64.b64encode(raw).decode() == text, f"no canonical base64: {text[:40]!r}")
    need(length is None or len(raw) == length, f"{len(raw)} bytes where {length} belong")
    return raw


def judged(command):
    """Runs a command and turns its outcome into words and an exit status."""
    try:
        print("\n".join(command()), "VALID", sep="\n")
        return 0
    except Invalid as verdict:
        print(f"INVALID: {verdict}", file=sys.stderr)
        return 1
    except (Undecided, OSError) as verdict:
        print(f"UNDECIDED: {verdict}", file=sys.stderr)
        return 2
