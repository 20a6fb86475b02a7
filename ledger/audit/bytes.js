// What all formats here share: verdicts, bytes, and the strict readers of small texts. Each value has exactly one
// spelling, so whatever is accepted could not have been written otherwise.
"use strict";

// The evidence contradicts what it claims. `reason` is a class, the same word in every verifier's test vectors.
class Invalid extends Error {
  constructor(reason, message) {
    super(message);
    this.reason = reason;
  }
}

// What would decide is not there, or cannot be read: nothing was found wrong.
class Undecided extends Error {
  constructor(reason, message) {
    super(message);
    this.reason = reason;
  }
}

function need(condition, reason, message) {
  if (!condition) throw new Invalid(reason, message);
}

function needSize(what, bytes, limit) {
  need(bytes <= limit, "too_large", `${what} has ${bytes} bytes, more than the limit of ${limit}`);
}

function malformed(what, why) {
  return new Invalid("malformed", `${what} is malformed: ${why}`);
}

// bytes

const utf8 = new TextEncoder();

// Strict UTF-8; a byte order mark is a character like others. None for anything else.
function fromUtf8(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function sameBytes(one, two) {
  return one.length === two.length && one.every((byte, at) => byte === two[at]);
}

function startsWith(bytes, text) {
  return sameBytes(bytes.subarray(0, text.length), utf8.encode(text)); // of ASCII
}

// Order of the bytes, as if each list were a word of a dictionary.
function compareBytes(one, two) {
  for (let at = 0; at < Math.min(one.length, two.length); at++) {
    if (one[at] !== two[at]) return one[at] - two[at];
  }
  return one.length - two.length;
}

// texts

function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function base64(bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

// RFC 4648 section 4: padded, no blanks, unused bits zero. None for any other spelling.
function fromBase64(text) {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) return null;
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return base64(bytes) === text ? bytes : null;
}

// A hash in base64. None for anything else.
function fromBase64Hash(text) {
  const bytes = fromBase64(text);
  return bytes !== null && bytes.length === 32 ? bytes : null;
}

// A decimal without sign or leading zeros, below 2^63, as a BigInt: positions in a ledger may exceed 2^53.
function fromDecimal(text) {
  if (!/^(0|[1-9][0-9]{0,18})$/.test(text)) return null;
  const number = BigInt(text);
  return number < 1n << 63n ? number : null;
}

// A number with its noun.
function count(number, one, many) {
  return `${number} ${BigInt(number) === 1n ? one : many}`;
}

// SHA-256, and the tree's two uses of it (RFC 6962): the first byte keeps a leaf from posing as a node.

async function sha256(...parts) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", concat(...parts)));
}

function leafHash(entry) {
  return sha256(Uint8Array.of(0), entry);
}

function nodeHash(left, right) {
  return sha256(Uint8Array.of(1), left, right);
}

// Public key and signature over an empty message, of which RFC 8032 says that they fit (section 7.1, test 1).
const KNOWN_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const KNOWN_SIGNATURE =
  "5VZDAMNgrHKQhuLMgG6CioSHfx645dl02HPgZSJJAVVfuIIVkKM7rMYeOXAc+bRr0lv18FlbviRlUUFDjnoQCw==";

// Whether this browser can do what is needed. None if it can, else what to tell whoever looks.
async function missingCryptography() {
  if (!globalThis.crypto?.subtle) {
    return "This browser offers cryptography only to pages that were opened as a file, from localhost or by https. " +
      "Save this page with its scripts, and open the copy.";
  }
  try {
    if (await fitsEd25519(fromBase64(KNOWN_KEY), fromBase64(KNOWN_SIGNATURE), new Uint8Array(0))) return null;
  } catch {
    // it does not know the name Ed25519
  }
  return "This browser cannot check Ed25519 signatures. Chromium and Edge can from release 137, Firefox from 129, " +
    "Safari from 17; or use `dab verify`.";
}

async function fitsEd25519(publicKey, signature, message) {
  const key = await crypto.subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);
  return crypto.subtle.verify("Ed25519", key, signature, message);
}
