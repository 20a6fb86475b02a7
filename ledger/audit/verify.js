// Checks one receipt and the files that it speaks about, or one head proof. The report has the words of `dab verify`; nothing that a file
// states enters it before it has been derived from signatures and hashes.
"use strict";

// What to check. `proof` is a receipt or a head proof; it, `policy` and `writers` are Files; `commit` may be one; `data` is a list of {path, file}; and
// `tableId` may name the table that the receipt must be for. `progress(path, part)` is told how much of a data file, from
// 0 to 1, has been hashed.
async function verify({ proof, policy, writers, commit = null, data = [], tableId = "", progress = () => {} }) {
  const report = {
    title: "receipt", facts: [], checked: [], signatures: [], certification: null, failures: [], undecided: [],
    notChecked: [], trust: {}, verified: null,
  };
  try {
    await checkAll(report, { proof, policy, writers, commit, data, tableId, progress });
  } catch (error) {
    record(report, error, null);
  }
  report.verdict = report.failures.length ? "INVALID" : report.undecided.length ? "UNDECIDED" : "VALID";
  return report;
}

async function checkAll(report, { proof, policy, writers, commit, data, tableId, progress }) {
  const withheld = await missingCryptography();
  if (withheld !== null) throw new Undecided("browser", withheld);
  const trust = await usableTrust(report, policy, writers);
  const isHead = proof.name.endsWith(HEAD_PROOF_ENDING);
  const bytes = await readSmall(isHead ? "head proof" : "receipt", proof, HEAD_PROOF_BYTES_MAX);
  if (isHead || startsWith(bytes, HEAD_PROOF_HEADER)) return checkHead(report, bytes, trust, { commit, data, tableId });
  const verified = await checkReceipt(parseReceipt(bytes), trust);
  describe(report, verified);
  const { leaf } = verified;
  checkTable(report, "receipt", leaf, tableId);
  const says = await bodyOf(report, leaf, commit);
  if (says instanceof Error) {
    for (const { path } of data) report.notChecked.push(`${path}, as the commit file that would name it does not hold`);
  } else if (says !== null) {
    await checkDataFiles(report, leaf, says, data, progress);
  } else {
    const missing = new Undecided("needs_commit", "needs the commit file that adds it");
    for (const { path } of data) record(report, missing, path);
  }
  report.notChecked.push("what was notarized after this checkpoint: audit the table or the ledger for that");
  if (leaf.tableId !== null) report.notChecked.push("the user named in the commit: that is the writer's word");
}

// An unusable trust folder says nothing about the receipt. The report gets the SHA-256 of the bytes that were judged by.
async function usableTrust(report, policy, writers) {
  try {
    const policyBytes = await readSmall("policy", policy, TRUST_BYTES_MAX);
    report.trust.policy = hex(await sha256(policyBytes));
    const writersBytes = await readSmall("writers file", writers, TRUST_BYTES_MAX);
    report.trust.writers = hex(await sha256(writersBytes));
    return await readTrust(policyBytes, writersBytes);
  } catch (error) {
    if (!(error instanceof Invalid)) throw error;
    throw new Undecided(error.reason, `the trust folder cannot be used: ${error.message}`);
  }
}

// Reads a file that is small when it is honest; its size is looked at before its bytes.
async function readSmall(what, file, limit) {
  needSize(what, file.size, limit);
  return readFile(file);
}

// Puts an error where it belongs in the report.
function record(report, error, place) {
  if (error instanceof Undecided) {
    report.undecided.push({ reason: error.reason, place, message: error.message });
  } else if (error instanceof Invalid) {
    report.failures.push({ reason: error.reason, place, message: error.message });
  } else {
    throw error; // a mistake of this page, and no verdict
  }
}

// What the receipt alone establishes.
function describe(report, { index, size, root, leaf, leafHash, steps, writer, certification }) {
  const { tableId, subject, sequence } = leaf;
  report.verified = { index, size, root, leafHash, steps, certification };
  report.title = tableId !== null ? `receipt for version ${sequence} of table ${tableId}`
    : `receipt for number ${sequence} of subject ${subject}`;
  report.facts.push(["ledger", leaf.origin]);
  if (tableId !== null) report.facts.push(["table id", tableId]);
  const position = `${index} of a tree of ${count(size, "leaf", "leaves")}`;
  report.facts.push(["subject", subject], ["sequence", `${sequence}`], ["operation", leaf.operation], ["leaf", position],
    ["leaf hash", base64(leafHash)], ["root", base64(root)]);
  report.checked.push("signatures of the checkpoint, against the policy",
    "inclusion of the leaf in the checkpoint's tree", "signature of the leaf, by a writer who may write this subject");
  report.signatures.push({ role: "writer", name: writer, signed: `leaf ${index}`, time: null });
  certified(report, certification, size);
}

// Who signed the checkpoint.
function certified(report, certification, size) {
  const signed = `checkpoint of ${count(size, "leaf", "leaves")}`;
  report.signatures.push({ role: "log", name: certification.log, signed, time: null },
    ...certification.cosigners.map(({ keyName, time }) => ({ role: "cosigner", name: keyName, signed, time })));
  report.certification = certification;
}

const TABLE_ID_HINT =
  "that this is the table you mean: no name is bound to a table id (compare it, or enter it above)";

function checkTable(report, kind, { subject }, expected) {
  const tableId = tableOf(subject);
  if (expected === "") {
    if (tableId !== null) report.notChecked.push(TABLE_ID_HINT);
  } else if (tableId === expected) {
    report.checked.push(`the table id is ${expected}, as asked for`);
  } else {
    const what = tableId !== null ? `table id ${tableId}, not` : `subject ${subject}, not table`;
    record(report, new Invalid("another_table", `the ${kind} is for ${what} ${expected}`), null);
  }
}

// Checks the body if it was given. Returns what a table's commit says; null if there is none; the error if it is wrong.
async function bodyOf(report, leaf, commit) {
  if (commit === null) {
    report.notChecked.push(`the body of ${leaf.bytes} bytes that the leaf binds: add the commit file`);
    return null;
  }
  try {
    const says = await checkCommit(leaf, commit);
    report.checked.push(`the body's ${leaf.bytes} bytes, their BLAKE3 and SHA-256`);
    if (says !== null) {
      const added = count(says.adds.length, "added file", "added files");
      report.checked.push(`the list of ${added}, against the files root`);
    }
    return says;
  } catch (error) {
    record(report, error, `version ${leaf.sequence}, ${commit.name}`);
    return error;
  }
}

async function checkDataFiles(report, leaf, { adds, changeFiles }, data, progress) {
  const unseen = new Set(adds);
  for (const { path, file } of data) {
    try {
      const add = await checkData(adds, path, file, (part) => progress(path, part));
      unseen.delete(add);
      report.checked.push(`data file ${add.path}: ${add.size} bytes, their BLAKE3`);
    } catch (error) {
      record(report, error, `version ${leaf.sequence}, ${path}`);
    }
  }
  if (unseen.size > 0) {
    const added = count(adds.length, "data file", "data files");
    report.notChecked.push(`${unseen.size} of ${added} that the commit adds: add them here`);
  }
  const hidden = adds.some((add) => add.hasDeletionVector);
  if (hidden) report.notChecked.push("deletion vectors, which hide rows of data files");
  if (changeFiles > 0) report.notChecked.push(count(changeFiles, "change data file", "change data files"));
}

// in words

function certificationText({ alone, cosigners, quorum }) {
  if (alone) return "certifies alone: signed by the log key only, no independent cosigner";
  const names = cosigners.map(({ name }) => name).join(", ");
  return `signed by the log key and cosigned by ${names}; quorum ${ruleText(quorum)}`;
}

function signatureText({ role, name, signed, time }) {
  return `${name} (${role}): ${signed}` + (time === null ? "" : `, at ${utcText(time)} by its own clock`);
}

function findingText({ place, message }) {
  return place === null ? message : `${place}: ${message}`;
}

// Seconds since 1970 as date and time, where calendars of browsers reach that far.
function utcText(seconds) {
  const date = new Date(Number(seconds) * 1000);
  return Number.isNaN(date.valueOf()) ? `second ${seconds} since 1970`
    : `${date.toISOString().replace("T", " ").replace(/\.\d+Z$/, "")} UTC`;
}
