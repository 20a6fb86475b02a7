// Head proofs: which leaf of a subject was the last among the ledger's first leaves, or that it had none. A heads leaf of
// the ledger binds the head map, the last leaf of every subject under one hash; the proof has the way from one entry of it.
//
//   dab/head-proof/v1
//   subject <subject>
//   size <leaves that the map covers>
//   subjects <count>
//   head <leaf index> <base64 of the signed leaf>      or  other <key> <sequence> <leaf index> <leaf hash>      or  none
//   <bit> <base64 hash>                                forks of the map, from the entry up
//
//   <receipt of the heads leaf>
"use strict";

const HEAD_PROOF_HEADER = "dab/head-proof/v1";
const HEAD_PROOF_ENDING = ".head-proof"; // of its file's name
const MAP_BITS = 256; // of a key, so the most forks that a way has
const HEAD_PROOF_BYTES_MAX = RECEIPT_BYTES_MAX + 2 * LEAF_BYTES_MAX + 64 * MAP_BITS;
const HEADS_SUBJECT = "heads";

// Takes a head proof apart. Nothing in it is to be believed before `checkHeadProof`.
function parseHeadProof(bytes) {
  needSize("head proof", bytes.length, HEAD_PROOF_BYTES_MAX);
  const refuse = (why) => malformed("head proof", why);
  const text = fromUtf8(bytes);
  const end = text === null ? -1 : text.indexOf("\n\n");
  if (end < 0) throw refuse("it is not UTF-8, or has no empty line");
  const [header, ...lines] = text.slice(0, end).split("\n");
  if (header !== HEAD_PROOF_HEADER) throw refuse(`the first line is not ${HEAD_PROOF_HEADER}`);
  const [subject, size, subjects] = ["subject ", "size ", "subjects "].map((field, at) => {
    if (!lines[at]?.startsWith(field)) throw refuse(`no line says ${field.trimEnd()}`);
    return lines[at].slice(field.length);
  });
  if (!/^[!-~]+$/.test(subject) || subject.length > SUBJECT_BYTES_MAX) throw refuse("it is of no subject");
  const numbers = [fromDecimal(size), fromDecimal(subjects)];
  if (numbers.includes(null)) throw refuse("size or count of subjects is no number");
  const [found, steps] = [readFound(lines[3] ?? ""), lines.slice(4).map(readFork)];
  if (found === null) throw refuse("the fifth line says neither head, nor other, nor none");
  if (steps.includes(null)) throw refuse("a line of the path is not a bit and a hash");
  if (steps.length > MAP_BITS) throw refuse(`the path has more than ${MAP_BITS} forks`);
  const receipt = parseReceipt(utf8.encode(text.slice(end + 2)));
  return { subject, size: numbers[0], subjects: numbers[1], found, steps, receipt };
}

// {index, leaf}, {entry} of another, {} of an empty map; null for any other line.
function readFound(line) {
  const [kind, ...words] = line.split(" ");
  if (kind === "none" && words.length === 0) return {};
  if (kind === "head" && words.length === 2) {
    const [index, raw] = [fromDecimal(words[0]), fromBase64(words[1])];
    return index === null || raw === null ? null : { index, leaf: parseLeaf(raw) };
  }
  if (kind !== "other" || words.length !== 4) return null;
  const [key, leafHash] = [fromBase64Hash(words[0]), fromBase64Hash(words[3])];
  const [sequence, index] = [fromDecimal(words[1]), fromDecimal(words[2])];
  return [key, sequence, index, leafHash].includes(null) ? null : { entry: { key, sequence, index, leafHash } };
}

function readFork(line) {
  const [number, hash, ...more] = line.split(" ");
  const [bit, sibling] = [fromDecimal(number), fromBase64Hash(hash ?? "")];
  const good = bit !== null && bit < BigInt(MAP_BITS) && sibling !== null && more.length === 0;
  return good ? { bit: Number(bit), sibling } : null;
}

// Checks everything: the receipt of the heads leaf, that the way leads from the subject's key to the map which this leaf
// binds, and that the subject's leaf is the one in the map, signed by a listed writer. `head` is null where it has none.
async function checkHeadProof(proof, trust) {
  const { subject, size, subjects, found } = proof;
  const heads = await checkReceipt(proof.receipt, trust);
  need(subject !== HEADS_SUBJECT, "head_not_bound", "head proof does not hold: the subject heads is not in the map");
  const { entry, steps, root } = await checkMap(proof, heads.leaf);
  await checkHeadsLeaf(heads.leaf, { size, subjects, root });
  need(size <= heads.index, "head_not_bound",
    `head proof does not hold: leaf ${heads.index} cannot speak about the first ${size} leaves`);
  need(entry === null || entry.index < size, "head_not_bound",
    `head proof does not hold: leaf ${entry?.index} is not among the first ${size}`);
  const { leaf, index } = found;
  const head = leaf === undefined ? null : { leaf, index, hash: entry.leafHash, writer: await writerOf(leaf, index, trust) };
  return { subject, size, subjects, root, steps, entry, head, heads };
}

// The entry to which the subject's key leads, and the root of the map in which it does.
async function checkMap({ subject, found, steps }, headsLeaf) {
  const key = await sha256(utf8.encode(subject));
  let entry = found.entry ?? null;
  if (found.leaf) {
    const { leaf, index } = found;
    need(leaf.subject === subject, "head_not_bound",
      `head proof does not hold: its leaf is of subject ${leaf.subject}, not ${subject}`);
    need(leaf.origin === headsLeaf.origin, "wrong_origin",
      `leaf belongs to ledger ${leaf.origin}, not to ${headsLeaf.origin}`);
    entry = { key, sequence: leaf.sequence, index, leafHash: await leafHash(leaf.raw) };
  } else if (entry !== null) {
    need(!sameBytes(entry.key, key), "head_not_bound",
      `head proof does not hold: it denies the entry of ${subject}, and shows it`);
  }
  return { entry, ...await followForks(key, entry, steps) };
}

// Follows the forks from an entry up to the root of the map. Bits fall on the way, and the entry agrees with the key at
// each: so the key leads to this entry, and to no other.
async function followForks(key, entry, forks) {
  const rejected = (why) => new Invalid("head_not_bound", `path of the head map does not hold: ${why}`);
  if (entry === null) {
    if (forks.length > 0) throw rejected("an empty map has no forks");
    return { root: await sha256(Uint8Array.of(4)), steps: [] };
  }
  let [hash, below] = [await entryHash(entry), MAP_BITS];
  const steps = [];
  for (const { bit, sibling } of forks) {
    if (bit >= below) throw rejected("its bits do not fall");
    if (bitOf(entry.key, bit) !== bitOf(key, bit)) throw rejected("the entry parts from the key");
    const onLeft = bitOf(key, bit) === 1;
    hash = await sha256(Uint8Array.of(3, bit), ...(onLeft ? [sibling, hash] : [hash, sibling]));
    steps.push({ bit, sibling, onLeft, hash });
    below = bit;
  }
  return { root: hash, steps };
}

function entryHash({ key, sequence, index, leafHash }) {
  const numbers = new DataView(new ArrayBuffer(16));
  numbers.setBigUint64(0, sequence);
  numbers.setBigUint64(8, index);
  return sha256(Uint8Array.of(2), key, new Uint8Array(numbers.buffer), leafHash);
}

function bitOf(key, bit) {
  return key[bit >> 3] >> (7 - bit % 8) & 1;
}

// The heads leaf is one of the ledger's own, and binds this map by the digests of a text that is written down here.
async function checkHeadsLeaf(leaf, { size, subjects, root }) {
  const rejected = (why) => new Invalid("head_not_bound", `heads leaf does not hold: ${why}`);
  if (leaf.subject !== HEADS_SUBJECT) throw rejected(`its subject is ${leaf.subject}, not ${HEADS_SUBJECT}`);
  if (leaf.operation !== "HEADS" || leaf.files !== undefined) {
    throw rejected(`its operation is ${leaf.operation}, or it has files`);
  }
  const body = utf8.encode(
    `dab/head-map/v1\norigin ${leaf.origin}\nsize ${size}\nsubjects ${subjects}\nroot ${base64(root)}\n`);
  const digests = [hex(new Blake3().update(body).digest()), hex(await sha256(body))];
  if (leaf.bytes !== BigInt(body.length) || leaf.blake3 !== digests[0] || leaf.sha256 !== digests[1]) {
    throw rejected(`it does not bind the map of ${subjects} subjects with root ${base64(root)} over ${size} leaves`);
  }
}
