// A commit file and data files against the leaf that binds them: sizes before digests, digests before parsing.
//
// A table's commit file has one Delta action of JSON per line. The files root of a leaf is the RFC 6962 root over one
// line per added file, lines sorted by their bytes: <path> 0x00 <size> 0x00 <hex digits of BLAKE3> 0x0A
"use strict";

const COMMIT_BYTES_MAX = 256 << 20; // it is held in memory, unlike data files
const COMMIT_LINE_BYTES_MAX = 64 << 20;
const BLAKE3_TAG = "dab.blake3";

// Checks the body that a leaf binds. For a table, returns what the commit says; null for other subjects, whose bodies
// are not for an auditor to read.
async function checkCommit(leaf, file) {
  const differs = (how) => new Invalid("body_differs", `the commit file is not the notarized one: ${how}`);
  if (BigInt(file.size) !== leaf.bytes) throw differs(`it has ${file.size} bytes instead of ${leaf.bytes}`);
  if (file.size > COMMIT_BYTES_MAX) {
    throw new Undecided("too_large", `commit file has ${file.size} bytes, more than the limit of ${COMMIT_BYTES_MAX}`);
  }
  const bytes = await readFile(file);
  const blake3 = hex(new Blake3().update(bytes).digest());
  if (blake3 !== leaf.blake3) throw differs(`its BLAKE3 is ${blake3} instead of ${leaf.blake3}`);
  const sha = hex(await sha256(bytes));
  if (sha !== leaf.sha256) throw differs(`its SHA-256 is ${sha} instead of ${leaf.sha256}`);
  if (leaf.tableId === null) return null;
  const commit = readCommit(bytes);
  checkSelfDescription(leaf, commit);
  await checkFilesRoot(leaf, commit);
  return commit;
}

async function readFile(file) {
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch (error) {
    throw new Undecided("unreadable", `it cannot be read: ${error.message}`);
  }
}

// The commit speaks of the table, version and previous leaf that the ledger names.
function checkSelfDescription(leaf, { dab }) {
  need(dab !== null, "contradicts_leaf", "the commit has no commitInfo.dab");
  const previous = leaf.parent === null ? null : base64(leaf.parent);
  need(dab.tableId === leaf.tableId && dab.version === leaf.sequence && dab.previous === previous, "contradicts_leaf",
    "commitInfo.dab names another table, version or previous leaf than the ledger");
}

async function checkFilesRoot(leaf, { adds }) {
  const untagged = adds.find((add) => add.blake3 === null);
  if (untagged) throw malformed("commit file", `${untagged.path} has no tag ${BLAKE3_TAG}`);
  const paths = new Set(adds.map((add) => add.path));
  if (paths.size !== adds.length) throw malformed("commit file", "it adds a file twice");
  const lines = adds.map(({ path, size, blake3 }) => utf8.encode(`${path}\0${size}\0${blake3}\n`)).sort(compareBytes);
  const hashes = await hashEach(lines.length, (at) => leafHash(lines[at]));
  const root = lines.length === 0 ? undefined : hex(await treeHash(hashes));
  need(root === leaf.files && BigInt(lines.length) === leaf.fileCount, "files_root_differs",
    "the list of added files is not the notarized one: its root differs");
}

// what a commit file says

function readCommit(bytes) {
  const commit = { adds: [], changeFiles: 0, dab: null, infos: 0, metadata: 0 };
  const end = bytes.at(-1) === 10 ? bytes.length - 1 : bytes.length;
  for (let start = 0, number = 1; start <= end; number++) {
    const found = bytes.indexOf(10, start);
    const stop = found < 0 || found > end ? end : found;
    needSize("a line of the commit file", stop - start, COMMIT_LINE_BYTES_MAX);
    try {
      readAction(commit, bytes.subarray(start, stop));
    } catch (error) {
      if (error instanceof SyntaxError) throw malformed("commit file", `line ${number}: ${error.message}`);
      throw error;
    }
    start = stop + 1;
  }
  return commit;
}

function readAction(commit, line) {
  const text = fromUtf8(line);
  if (text === null) throw new SyntaxError("it is not UTF-8");
  const [[name, action] = [], ...more] = parseJsonObject(text);
  if (!(action instanceof Map) || more.length > 0) throw new SyntaxError("it is not one action");
  if (name === "add") commit.adds.push(readAdd(action));
  if (name === "remove") readString(action, "path");
  if (name === "cdc") readString(action, "path"), commit.changeFiles++;
  if (name === "commitInfo" && commit.infos++ > 0) throw new SyntaxError("a second commitInfo");
  if (name === "metaData" && commit.metadata++ > 0) throw new SyntaxError("a second metaData");
  if (name === "commitInfo") commit.dab = readDab(action);
}

function readAdd(action) {
  const [path, size, tags] = [readString(action, "path"), readWhole(action, "size"), action.get("tags")];
  const blake3 = (tags instanceof Map ? tags.get(BLAKE3_TAG) : undefined) ?? null;
  if (blake3 !== null && !/^[0-9a-f]{64}$/.test(blake3)) {
    throw new SyntaxError(`${BLAKE3_TAG} of ${path} is not 64 lowercase hex digits`);
  }
  const hasDeletionVector = (action.get("deletionVector") ?? null) !== null;
  return { path, stored: storagePath(path), size, blake3, hasDeletionVector };
}

function readDab(info) {
  if (!info.has("dab")) return null;
  const dab = info.get("dab");
  if (!(dab instanceof Map)) throw new SyntaxError("commitInfo.dab is not an object");
  for (const key of ["operationId", "user"]) readString(dab, key, true);
  if (!Array.isArray(dab.get("sources") ?? [])) throw new SyntaxError("sources is not an array");
  const [tableId, version] = [readString(dab, "tableId"), readWhole(dab, "version")];
  return { tableId, version, previous: readString(dab, "previous", true) };
}

function readString(object, key, optional = false) {
  const value = object.get(key) ?? null;
  if (typeof value === "string" || (optional && value === null)) return value;
  throw new SyntaxError(`${key} is not a string`);
}

function readWhole(object, key) {
  const value = object.get(key);
  if (typeof value === "bigint" && value < 1n << 64n) return value;
  throw new SyntaxError(`${key} is not a whole number from 0`);
}

// The name under which a store keeps a file: its path, percent-decoded once. Refuses paths that could lead outside the
// table's folder or be read in two ways.
function storagePath(path) {
  const octets = utf8.encode(path);
  const decoded = [];
  for (let at = 0; at < octets.length; at++) {
    const pair = octets[at] === 0x25 ? String.fromCharCode(...octets.subarray(at + 1, at + 3)) : "";
    const escaped = /^[0-9A-Fa-f]{2}$/.test(pair);
    decoded.push(escaped ? parseInt(pair, 16) : octets[at]);
    if (escaped) at += 2;
  }
  const stored = fromUtf8(Uint8Array.from(decoded));
  for (const spelling of [path, stored]) {
    const bad = spelling === null || /[\p{Cc}\\]/u.test(spelling) || /^[A-Za-z][A-Za-z0-9+.-]*:/.test(spelling) ||
      spelling.split("/").some((segment) => ["", ".", ".."].includes(segment));
    if (bad) throw new SyntaxError(`path ${path} is absolute, a URL, or could lead outside the table`);
  }
  return stored;
}

// data files

// Holds a data file against the files that a commit adds. `path` is as much of its path as is known. Returns the add.
async function checkData(adds, path, file, progress) {
  const shared = adds.map((add) => Math.max(sharedSegments(add.path, path), sharedSegments(add.stored, path)));
  const most = shared.reduce((most, one) => Math.max(most, one), 0); // more than a call may have arguments
  const candidates = most === 0 ? [] : adds.filter((_, at) => shared[at] === most);
  need(candidates.length > 0, "unknown_data_file", "the commit adds no file of this name");
  const differs = (how) => new Invalid("data_differs", `the data file is not the one that was added: ${how}`);
  const fitting = candidates.filter(({ size }) => size === BigInt(file.size));
  if (fitting.length === 0) throw differs(`it has ${file.size} bytes instead of ${candidates[0].size}`);
  const blake3 = await hashFile(file, progress);
  const add = fitting.find((candidate) => candidate.blake3 === blake3);
  if (add === undefined) throw differs(`its BLAKE3 is ${blake3} instead of ${fitting[0].blake3}`);
  return add;
}

// How many segments two paths share, counted from their ends.
function sharedSegments(one, two) {
  const [ours, theirs] = [one.split("/").reverse(), two.split(/[/\\]/).reverse()];
  const different = ours.findIndex((segment, at) => segment !== theirs[at]);
  return different < 0 ? ours.length : different;
}

// BLAKE3 of a file that need not fit into memory. `progress` is told which part was hashed.
async function hashFile(file, progress) {
  const hasher = new Blake3();
  try {
    let done = 0;
    for (const reader = file.stream().getReader(); ;) {
      const { value, done: ended } = await reader.read();
      if (ended) return hex(hasher.digest());
      hasher.update(value);
      done += value.length;
      progress(done / file.size);
    }
  } catch (error) {
    throw new Undecided("unreadable", `it cannot be read: ${error.message}`);
  }
}
