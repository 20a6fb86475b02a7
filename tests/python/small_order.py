"""Keys and signatures with points of small order, which no verifier may accept."""

import copy
import hashlib

from made_ledger import b64
from signed_note import LOG_KEY

# Every spelling of the points of order 1, 2, 4 and 8, but for the sign, the highest bit: y in 32 bytes, little end
# first. The last two are 0 and 1 again, with the field's prime added.
SMALL_ORDER = ["00" * 32, "01" + "00" * 31, "ec" + "ff" * 30 + "7f"]
SMALL_ORDER += ["26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"]
SMALL_ORDER += ["c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"]
SMALL_ORDER += ["ed" + "ff" * 30 + "7f", "ee" + "ff" * 30 + "7f"]
GROUP_ORDER = (1 << 252) + 27742317777372353535851937790883648493


class NeutralR:
    """Signs with the neutral element as the point R. Ed25519's equation holds; strict verifiers refuse the point."""

    def __init__(self, private):
        seed = hashlib.sha512(private.private_bytes_raw()).digest()[:32]
        self.scalar = int.from_bytes(seed, "little") & ((1 << 254) - 8) | 1 << 254
        self.public = private.public_key().public_bytes_raw()

    def sign(self, message):
        point = bytes.fromhex(SMALL_ORDER[1])
        challenge = hashlib.sha512(point + self.public + message).digest()
        scalar = int.from_bytes(challenge, "little") * self.scalar % GROUP_ORDER
        return point + scalar.to_bytes(32, "little")


def with_neutral_r(signer):
    signer = copy.copy(signer)
    signer.private = NeutralR(signer.private)
    return signer


def weak_key(point, kind=LOG_KEY):
    """The vkey of a point that is given as its bytes."""
    material = bytes([kind]) + point
    return f"weak.example+{hashlib.sha256(b'weak.example' + bytes([10]) + material).hexdigest()[:8]}+{b64(material)}"
