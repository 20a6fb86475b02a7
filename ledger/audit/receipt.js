// Receipts (C2SP tlog-proof), and the two signed notes in them: the checkpoint that certifies, and the leaf.
//
//   c2sp.org/tlog-proof@v1
//   extra <base64 of the signed leaf>
//   index <leaf index>
//   <base64 hash>                        from the leaf's sibling up
//
//   <checkpoint>
"use strict";

const RECEIPT_HEADER = "c2sp.org/tlog-proof@v1";
const RECEIPT_BYTES_MAX = NOTE_BYTES_MAX + 16 * 1024;
const LEAF_BYTES_MAX = 4096;
const OPERATION_BYTES_MAX = 64;

// Takes a receipt apart. Nothing in it is to be believed before `checkReceipt`.
function parseReceipt(bytes) {
  needSize("receipt", bytes.length, RECEIPT_BYTES_MAX);
  const text = fromUtf8(bytes);
  if (text === null) throw malformed("receipt", "it is not UTF-8");
  const end = text.indexOf("\n\n");
  if (end < 0) throw malformed("receipt", "it has no empty line");
  const [header, extra, position, ...hashes] = text.slice(0, end).split("\n");
  if (header !== RECEIPT_HEADER) throw malformed("receipt", `the first line is not ${RECEIPT_HEADER}`);
  const leaf = extra?.startsWith("extra ") ? fromBase64(extra.slice(6)) : null;
  if (leaf === null) throw malformed("receipt", "the second line does not carry the leaf in extra");
  const index = position?.startsWith("index ") ? fromDecimal(position.slice(6)) : null;
  if (index === null) throw malformed("receipt", "the third line does not state the index");
  if (hashes.length > PROOF_HASHES_MAX) {
    throw malformed("receipt", `the proof has more than ${PROOF_HASHES_MAX} hashes`);
  }
  const proof = hashes.map(fromBase64Hash);
  if (proof.includes(null)) throw malformed("receipt", "a line of the proof is no hash");
  return { index, proof, leaf: parseLeaf(leaf), checkpoint: parseCheckpoint(utf8.encode(text.slice(end + 2))) };
}

// Origin, size and root. Extension lines are refused: no monitor could check them.
function parseCheckpoint(bytes) {
  const note = parseNote("checkpoint", bytes);
  const lines = note.text.split("\n").slice(0, -1);
  if (lines.length !== 3) throw malformed("checkpoint", "it does not have exactly three lines");
  const [origin, size, root] = [lines[0], fromDecimal(lines[1]), fromBase64Hash(lines[2])];
  if (!isKeyName(origin)) throw malformed("checkpoint", "the first line is no origin");
  if (size === null) throw malformed("checkpoint", "the second line is not a tree size");
  if (root === null) throw malformed("checkpoint", "the third line is not a hash");
  return { note, origin, size, root };
}

const LEAF_FORM = new RegExp([
  "^dab/leaf/v1",
  "origin (?<origin>.+)",
  `subject (?<subject>[!-~]{1,${SUBJECT_BYTES_MAX}})`,
  "sequence (?<sequence>[0-9]+)",
  "parent (?<parent>-|[A-Za-z0-9+/]{43}=)",
  "body blake3:(?<blake3>[0-9a-f]{64}) sha256:(?<sha256>[0-9a-f]{64}) (?<bytes>[0-9]+)",
  "files (?:-|rfc6962-sha256:(?<files>[0-9a-f]{64}) (?<fileCount>[0-9]+))",
  "operation (?<operation>[!-~]+(?: [!-~]+)*)",
  "$",
].join("\n"), "u");

// The fields of a signed leaf; `raw` is the entry that is hashed into the tree.
function parseLeaf(raw) {
  needSize("leaf", raw.length, LEAF_BYTES_MAX);
  const note = parseNote("leaf", raw);
  const fields = LEAF_FORM.exec(note.text)?.groups;
  if (fields === undefined) throw malformed("leaf", "it is no text of the form dab/leaf/v1");
  if (note.signatures.length !== 1) throw malformed("leaf", "it does not have exactly one signature");
  const { origin, subject, blake3, sha256, files, operation } = fields;
  const [sequence, bytes] = [fromDecimal(fields.sequence), fromDecimal(fields.bytes)];
  const fileCount = files === undefined ? 0n : fromDecimal(fields.fileCount);
  const parent = fields.parent === "-" ? null : fromBase64Hash(fields.parent);
  if (sequence === null || bytes === null || fileCount === null) throw malformed("leaf", "a number is not canonical");
  if ((fields.parent === "-") !== (parent === null)) throw malformed("leaf", "the parent is no hash");
  if ((sequence === 0n) !== (parent === null)) throw malformed("leaf", "all but sequence 0 have a parent");
  if (files !== undefined && fileCount === 0n) throw malformed("leaf", "no files are written as -");
  if (!isKeyName(origin) || operation.length > OPERATION_BYTES_MAX) throw malformed("leaf", "origin or operation");
  return { raw, note, origin, subject, tableId: tableOf(subject), sequence, parent, blake3, sha256, bytes, files, fileCount, operation };
}

// The table that a subject names; null for others.
function tableOf(subject) {
  return subject.startsWith("table/") ? subject.slice("table/".length) : null;
}

// Checks everything, in this order: the checkpoint's signatures and quorum, that the leaf is meant for this ledger,
// that it is included, that a listed writer of its subject signed it.
async function checkReceipt(receipt, trust) {
  const { index, proof, leaf, checkpoint } = receipt;
  const certification = await certify(checkpoint, trust);
  need(leaf.origin === checkpoint.origin, "wrong_origin",
    `leaf belongs to ledger ${leaf.origin}, not to ${checkpoint.origin}`);
  const hash = await leafHash(leaf.raw);
  const { root, steps } = await followProof(hash, index, checkpoint.size, proof);
  need(sameBytes(root, checkpoint.root), "not_included",
    "inclusion proof does not hold: it leads to another root than the checkpoint's");
  const writer = await writerOf(leaf, index, trust);
  return { index, size: checkpoint.size, root, leaf, leafHash: hash, steps, writer, certification };
}

// Who signed the checkpoint, if that is enough for the policy.
async function certify(checkpoint, trust) {
  const logs = await checkSignatures("checkpoint", checkpoint.note, trust.logs);
  need([...logs.keys()].some((log) => log.name === checkpoint.origin), "not_signed",
    `checkpoint is not signed by a log of the policy with the origin ${checkpoint.origin}`);
  const signed = await checkSignatures("checkpoint", checkpoint.note, trust.witnesses.values());
  const cosigners = [...trust.witnesses]
    .filter(([, key]) => signed.has(key))
    .map(([name, key]) => ({ name, keyName: key.name, time: signed.get(key) }));
  const cosigned = new Set(cosigners.map(({ name }) => name));
  const names = [...cosigned].join(", ");
  need(isMet(trust.quorum, cosigned), "quorum_not_met",
    `quorum ${ruleText(trust.quorum)} is not met, valid cosignatures: ${names || "none"}`);
  return { log: checkpoint.origin, cosigners, cosigned, quorum: trust.quorum, alone: cosigners.length === 0 };
}

// The name of the writer who signed the leaf at an index.
async function writerOf(leaf, index, trust) {
  const [signature] = leaf.note.signatures;
  const writer = trust.writers.find(({ key }) => key.made(signature));
  need(writer !== undefined, "writer_unknown",
    `leaf is signed by ${signature.name} (key id ${hex(signature.id)}), a key that the writers file does not list`);
  await checkSignatures("leaf", leaf.note, [writer.key]);
  need(writer.revokedFrom === null || index < writer.revokedFrom, "writer_revoked",
    `leaf is signed by ${writer.key.name}, a key that is revoked from leaf ${writer.revokedFrom} on`);
  need(mayWrite(writer, leaf.subject), "writer_not_allowed",
    `writer ${writer.key.name} may not write subject ${leaf.subject}`);
  return writer.key.name;
}
