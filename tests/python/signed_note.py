"""C2SP signed-note and tlog-cosignature: a note's text and its signatures, and the keys that they hold under."""

import hashlib
import re
import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from verdict import Invalid, need, unbase64

NOTE_BYTES_MAX = 1 << 20
# y of every point of order 1, 2, 4 or 8, also in spellings beyond the prime: with such a key, or such a first half of a
# signature, one signature could fit several texts
P, Y8 = 2**255 - 19, 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
SMALL_ORDER = {0, 1, P - 1, P, P + 1, Y8, P - Y8}
LOG_KEY, COSIGNER_KEY = 1, 4  # signature types: signed-note (logs, writers), tlog-cosignature (witnesses)


class Key:
    def __init__(self, text, kind):
        self.name, key_id, material = (text.split("+", 2) + ["", ""])[:3]
        raw = unbase64(material, 33)
        self.kind, self.public = raw[0], raw[1:]
        self.id = hashlib.sha256(self.name.encode("utf-8", "surrogateescape") + b"\n" + raw).digest()[:4]
        need(self.name and key_id == self.id.hex() and self.kind == kind, f"no verifier key of type {kind}: {text!r}")
        need(not small_order(self.public), f"no safe public key: {text!r}")

    def verify(self, text, signature):
        """Raises unless the signature holds; returns a cosignature's time."""
        time = None
        if self.kind == COSIGNER_KEY:
            need(len(signature) == 72 and signature[0] < 0x80, f"{self.name}: malformed cosignature")
            time, signature = struct.unpack(">Q", signature[:8])[0], signature[8:]
            text = f"cosignature/v1\ntime {time}\n".encode() + text
        try:
            if small_order(signature[:32]):
                raise InvalidSignature
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except (InvalidSignature, ValueError):
            raise Invalid(f"the signature of {self.name} does not hold") from None
        return time


def small_order(point):
    return int.from_bytes(point, "little") & ~(1 << 255) in SMALL_ORDER


def parse_note(raw):
    """A signed note's text (bytes) and its signatures: [((name, key id), signature)]."""
    need(len(raw) <= NOTE_BYTES_MAX, "the note is too long")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Invalid("the note is not UTF-8") from None
    need(not re.search("[\0-\x09\x0b-\x1f]", text), "the note has a control character")
    body, blank, tail = text.rpartition("\n\n")
    need(blank and body and tail.endswith("\n"), "the note has no text, no signature or no last newline")
    signatures = []
    for line in tail[:-1].split("\n"):
        match = re.fullmatch(r"— ([^\s+]+) (\S+)", line)
        need(match, f"no signature line: {line[:60]!r}")
        blob = unbase64(match[2])
        need(len(blob) > 4, "a signature is too short")
        signatures.append(((match[1], blob[:4]), blob[4:]))
    return (body + "\n").encode(), signatures
