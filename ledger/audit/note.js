// Signed notes (C2SP signed-note): a text, an empty line, lines with signatures. Keys are bound to a name and a use.
//
//   <text>
//
//   — <key name> <base64 of key id and signature>
"use strict";

const NOTE_BYTES_MAX = 1 << 20;
const NOTE_SIGNATURES_MAX = 64;
const KEY_NAME_BYTES_MAX = 255;

// Signature types: logs and writers sign a note's text; witnesses sign it with a time before it (tlog-cosignature).
const PLAIN_KEY = 1, COSIGNER_KEY = 4;

// The points of the curve whose order is 1, 2, 4 or 8, in every spelling of 32 bytes but for the sign, the highest bit.
// As a public key, or as the first half of a signature, such a point lets one signature fit several texts; the curve's
// arithmetic is right with them, so a browser need not object.
const SMALL_ORDER = new Set([
  `00${"00".repeat(31)}`,
  `01${"00".repeat(31)}`,
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  `ec${"ff".repeat(30)}7f`,
  `ed${"ff".repeat(30)}7f`, // 0 and 1 again, written with the field's prime added
  `ee${"ff".repeat(30)}7f`,
]);

function isSmallOrder(point) {
  const unsigned = point.slice();
  unsigned[31] &= 0x7f;
  return SMALL_ORDER.has(hex(unsigned));
}

// A verifier key, written <name>+<hex key id>+<base64 of type and public key>.
class Key {
  static async parse(text, kind, role) {
    const [name, id, ...rest] = text.split("+");
    const material = fromBase64(rest.join("+"));
    if (material === null || material.length !== 33) throw malformed("key", `${text} is no verifier key`);
    if (!isKeyName(name) || utf8.encode(name).length > KEY_NAME_BYTES_MAX) {
      throw malformed("key", `${name} cannot be a key's name`);
    }
    const key = new Key();
    key.name = name;
    key.id = (await sha256(utf8.encode(`${name}\n`), material)).slice(0, 4);
    key.kind = material[0];
    key.publicKey = material.slice(1);
    if (id !== hex(key.id)) throw malformed("key", `${name} has another key id than ${id}`);
    if (isSmallOrder(key.publicKey)) throw malformed("key", `${name} is no safe public key, its order is small`);
    need(key.kind === kind, "wrong_key",
      `key ${name} has signature type 0x${hex([key.kind])}, but ${role} needs 0x${hex([kind])}`);
    return key;
  }

  // Whether a signature line names this key.
  made(line) {
    return line.name === this.name && sameBytes(line.id, this.id);
  }

  // Checks a signature over a note's text. Returns null when it is wrong, else its time (cosignatures) or zero.
  async check(text, signature) {
    let time = 0n;
    if (this.kind === COSIGNER_KEY) {
      if (signature.length !== 72) return null;
      time = new DataView(signature.buffer, signature.byteOffset).getBigUint64(0);
      if (time >= 1n << 63n) return null;
      text = concat(utf8.encode(`cosignature/v1\ntime ${time}\n`), text);
      signature = signature.slice(8);
    }
    if (signature.length !== 64) return null;
    if (isSmallOrder(signature.slice(0, 32))) return null;
    try {
      return (await fitsEd25519(this.publicKey, signature, text)) ? time : null;
    } catch {
      return null; // 32 bytes that are no point of the curve
    }
  }
}

function isKeyName(name) {
  return /^[^\p{White_Space}\p{Cc}+]+$/u.test(name);
}

// Takes a note apart, to the last byte. Nothing in it is to be believed before `checkSignatures`.
function parseNote(what, bytes) {
  needSize(what, bytes.length, NOTE_BYTES_MAX);
  const whole = fromUtf8(bytes);
  if (whole === null) throw malformed(what, "it is not UTF-8");
  if (/[\0-\x09\x0b-\x1f]/.test(whole)) throw malformed(what, "it has a control character");
  const end = whole.lastIndexOf("\n\n");
  const lines = whole.slice(end + 2).split("\n");
  if (end <= 0 || lines.pop() !== "" || lines.length === 0) {
    throw malformed(what, "it has no text, no signature or no last newline");
  }
  if (lines.length > NOTE_SIGNATURES_MAX) throw malformed(what, `it has more than ${NOTE_SIGNATURES_MAX} signatures`);
  return { text: whole.slice(0, end + 1), signatures: lines.map((line) => parseSignature(what, line)) };
}

function parseSignature(what, line) {
  const [, name, blob] = /^— ([^ ]+) ([^ ]+)$/u.exec(line) ?? [];
  const bytes = blob === undefined ? null : fromBase64(blob);
  if (bytes === null || bytes.length <= 4 || !isKeyName(name)) throw malformed(what, "a line is no signature");
  return { name, id: bytes.slice(0, 4), signature: bytes.slice(4) };
}

// The signatures of `keys` that a note carries: a map from key to time. A known key's wrong signature condemns the
// whole note, and so does a second line of it; lines of other keys say nothing.
async function checkSignatures(what, note, keys) {
  const found = new Map();
  const text = utf8.encode(note.text);
  for (const key of keys) {
    const [line, second] = note.signatures.filter((signature) => key.made(signature));
    if (line === undefined) continue;
    need(second === undefined, "duplicate_signature", `${what} carries two signatures by ${key.name}`);
    const time = await key.check(text, line.signature);
    need(time !== null, "bad_signature", `the signature of ${what} by ${key.name} does not verify`);
    found.set(key, time);
  }
  return found;
}
