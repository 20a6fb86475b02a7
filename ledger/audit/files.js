// The files that were given, each in its place: told by name, and where that says nothing, by their first words.
"use strict";

const FILES_MAX = 1000; // that are looked at in one drop
const NAMES_MAX = 3; // that are said of those that are ignored for one reason

const PLACES = {
  proof: { title: "Receipt", hint: "a file .tlog-proof, or a head proof, .head-proof", needed: true },
  policy: { title: "Policy", hint: "of the trust folder", needed: true },
  writers: { title: "Writers", hint: "of the trust folder", needed: true },
  commit: { title: "Commit file", hint: "20 digits and .json, optional" },
  data: { title: "Data files", hint: "that this commit adds, optional", many: true },
};

// Where a file belongs; none for one of a folder that is no business of this page.
async function placeOf(path, file) {
  const segments = path.split("/");
  const name = segments.at(-1);
  if (name === "policy" || name === "writers") return name;
  if (name.endsWith(".tlog-proof") || name.endsWith(HEAD_PROOF_ENDING)) return "proof";
  if (/^\d{20}\.json$/.test(name)) return "commit";
  if (name === "ledger") return null; // says where the ledger's files are, and proves nothing
  if (segments.length > 1) return name.endsWith(".parquet") ? "data" : null;
  const headers = [RECEIPT_HEADER, HEAD_PROOF_HEADER];
  const start = await file.slice(0, RECEIPT_HEADER.length).text().catch(() => "");
  return headers.some((header) => start.startsWith(header)) ? "proof" : "data";
}

// Of files that were given together, each with its place: those that may be put there, and in words, what is ignored
// and why. Evidence comes from strangers, and must not bring along whom to trust: a policy or writers file never
// replaces one that is there, and the two come from one folder.
function admit(placed, given) {
  const ignored = [];
  let admitted = placed;
  const ignore = (items, why) => {
    if (items.length === 0) return;
    const more = items.length > NAMES_MAX ? ` and ${items.length - NAMES_MAX} more` : "";
    ignored.push(`${items.slice(0, NAMES_MAX).map(({ path }) => path).join(", ")}${more} ignored: ${why}`);
    admitted = admitted.filter((item) => !items.includes(item));
  };
  const of = (place) => admitted.filter((item) => item.place === place);
  for (const [place, { title, many }] of Object.entries(PLACES)) {
    const kind = title.toLowerCase();
    if (!many && of(place).length > 1) ignore(of(place), `more than one (${kind}) at once, give the one that you mean`);
    const isTrust = place === "policy" || place === "writers";
    if (isTrust && given[place] !== null) ignore(of(place), `a file is given already (${kind}), remove it first`);
  }
  const trust = [...of("policy"), ...of("writers")];
  const there = given.policy ?? given.writers ?? trust[0];
  if (!trust.every((item) => fromOneFolder(item, there))) {
    ignore(trust, "policy and writers must be given together and from one folder, or each by its own button");
  }
  return { admitted, ignored };
}

// A file that is given alone brings no folder along, so what counts is the folder in what was given together.
function fromOneFolder(one, two) {
  const folder = ({ path }) => path.slice(0, path.lastIndexOf("/") + 1);
  return one.gesture === two.gesture && folder(one) === folder(two);
}

// The files of a file input, with their paths.
function chosenFiles(input) {
  return Array.from(input.files, (file) => ({ path: file.webkitRelativePath || file.name, file })).slice(0, FILES_MAX);
}

// The files and folders that were dropped. What they are has to be asked before the event ends, content may wait. Two
// ways in, as neither works everywhere: all browsers have entries, but Chromium reads none of theirs on a page that was
// opened as a file; handles do work there, and only Chromium has them.
async function droppedFiles(transfer) {
  const found = [], folders = [];
  for (const item of Array.from(transfer.items)) {
    const entry = item.webkitGetAsEntry?.();
    if (entry?.isDirectory) folders.push(item.getAsFileSystemHandle?.() ?? entry);
    else if (item.kind === "file") found.push({ path: item.getAsFile().name, file: item.getAsFile() });
  }
  for (const folder of await Promise.all(folders)) {
    const within = folder.kind === "directory" ? filesOfHandle(folder, folder.name) : filesOfEntry(folder);
    for await (const file of within) {
      if (found.length < FILES_MAX) found.push(file); else break;
    }
  }
  return found;
}

async function* filesOfHandle(folder, path) {
  for await (const [name, handle] of folder.entries()) {
    if (handle.kind === "directory") yield* filesOfHandle(handle, `${path}/${name}`);
    else yield { path: `${path}/${name}`, file: await handle.getFile() };
  }
}

async function* filesOfEntry(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    yield { path: entry.fullPath.replace(/^\//, ""), file };
    return;
  }
  const reader = entry.createReader(); // hands out a part of the folder at a time
  const nextPart = () => new Promise((resolve, reject) => reader.readEntries(resolve, reject));
  for (let part; (part = await nextPart()).length > 0;) {
    for (const one of part) yield* filesOfEntry(one);
  }
}
