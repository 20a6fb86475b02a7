// What an auditor was handed once, by another way than the data: `policy` says whose signatures make a checkpoint count
// (C2SP tlog-policy), `writers` who may write what.
//
//   policy    log <vkey> [<url>]                       writers    <vkey> <subject glob> [<subject glob>...]
//             witness <name> <vkey> [<url>]                       revoked <leaf index> <vkey> <subject glob>...
//             group <name> all|any|<k> <name>...
//             quorum <name>|none
"use strict";

const TRUST_BYTES_MAX = 1 << 20; // of each of the two files
const POLICY_DEFINITIONS_MAX = 1024; // logs, witnesses and groups, of each kind
const POLICY_DEPTH_MAX = 32; // of groups within groups
const SUBJECT_BYTES_MAX = 255;

// Reads both files. One key has one role: no public key may stand twice, in either file.
async function readTrust(policyBytes, writersBytes) {
  const policy = await readPolicy(policyBytes);
  const writers = await readWriters(writersBytes);
  const known = [...policy.logs, ...policy.witnesses.values()];
  for (const { key } of writers) {
    const same = known.find((other) => sameBytes(other.publicKey, key.publicKey));
    const why = `writer ${key.name} has the same public key as ${same?.name} of the policy`;
    if (same) throw malformed("writers file", why);
  }
  return { ...policy, writers };
}

// The lines of words of a file; `#` begins a comment line. Octets above 0x7f stay what they are, one character each.
function linesOfWords(what, bytes) {
  needSize(what, bytes.length, TRUST_BYTES_MAX);
  const control = bytes.find((byte) => (byte < 32 && byte !== 9 && byte !== 10) || byte === 127);
  if (control !== undefined) throw malformed(what, `it has the control character 0x${hex([control])}`);
  if (bytes.length > 0 && bytes.at(-1) !== 10) throw malformed(what, "the last line does not end");
  const lines = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("").split("\n");
  return lines
    .map((line, at) => ({ number: at + 1, words: line.split(/[ \t]+/).filter((word) => word !== "") }))
    .filter(({ words }) => words.length > 0 && !words[0].startsWith("#"));
}

// The text that the octets of a word are in UTF-8.
function wordText(what, word) {
  const text = fromUtf8(Uint8Array.from(word, (character) => character.charCodeAt(0)));
  if (text === null) throw malformed(what, "a key or subject is not UTF-8");
  return text;
}

// policy

async function readPolicy(bytes) {
  // every name that is defined, with its rule; `grouped` holds those that are members of a group already
  const policy = { logs: [], witnesses: new Map(), rules: new Map(), grouped: new Set(), quorum: null };
  for (const { number, words } of linesOfWords("policy", bytes)) {
    const refuse = (why) => malformed("policy", `line ${number}: ${why}`);
    const [verb, ...rest] = words;
    if (verb === "log" && (rest.length === 1 || rest.length === 2)) {
      policy.logs.push(await readNewKey(policy, rest[0], PLAIN_KEY, "a log", refuse));
      needFew(policy.logs.length, "logs", refuse);
    } else if (verb === "witness" && (rest.length === 2 || rest.length === 3)) {
      const key = await readNewKey(policy, rest[1], COSIGNER_KEY, "a witness", refuse);
      define(policy, { name: rest[0], depth: 0, members: null }, refuse);
      policy.witnesses.set(rest[0], key);
      needFew(policy.witnesses.size, "witnesses", refuse);
    } else if (verb === "group" && rest.length > 2) {
      define(policy, readGroup(policy, rest, refuse), refuse);
      needFew(policy.rules.size - policy.witnesses.size, "groups", refuse);
    } else if (verb === "quorum" && rest.length === 1) {
      if (policy.quorum !== null) throw refuse("a second quorum line");
      policy.quorum = rest[0] === "none" ? { name: "none", members: [], threshold: 0 } : policy.rules.get(rest[0]);
      if (policy.quorum === undefined) throw refuse(`${rest[0]} is not defined above`);
    } else {
      throw refuse(`${verb} with ${words.length} words is no line of a policy`);
    }
  }
  if (policy.quorum === null) throw malformed("policy", "it has no quorum line");
  return { logs: policy.logs, witnesses: policy.witnesses, quorum: policy.quorum };
}

async function readNewKey(policy, word, kind, role, refuse) {
  const key = await Key.parse(wordText("policy", word), kind, role);
  const known = [...policy.logs, ...policy.witnesses.values()];
  const same = known.find((other) => sameBytes(other.publicKey, key.publicKey));
  if (same) throw refuse(`${key.name} has the same public key as ${same.name}`);
  return key;
}

// A group's rule. A member belongs to no other group, so that nobody counts twice.
function readGroup(policy, [name, k, ...names], refuse) {
  const threshold = k === "any" ? 1n : k === "all" ? BigInt(names.length) : fromDecimal(k);
  if (threshold === null) throw refuse(`${k} is not all, any or a number`);
  if (threshold === 0n || threshold > BigInt(names.length)) {
    throw refuse(`${threshold} of ${names.length} members cannot be asked for`);
  }
  const members = names.map((member) => {
    if (!policy.rules.has(member)) throw refuse(`${member} is not defined above`);
    if (policy.grouped.has(member)) throw refuse(`${member} is a member of two groups`);
    policy.grouped.add(member);
    return policy.rules.get(member);
  });
  const depth = 1 + Math.max(...members.map((member) => member.depth));
  if (depth > POLICY_DEPTH_MAX) throw refuse(`groups nest deeper than ${POLICY_DEPTH_MAX}`);
  return { name, threshold: Number(threshold), members, depth };
}

function define(policy, rule, refuse) {
  if (rule.name === "none" || policy.rules.has(rule.name)) throw refuse(`${rule.name} is defined already`);
  policy.rules.set(rule.name, rule);
}

function needFew(number, kind, refuse) {
  if (number > POLICY_DEFINITIONS_MAX) throw refuse(`it has more than ${POLICY_DEFINITIONS_MAX} ${kind}`);
}

// Whether the witnesses that cosigned, by name, satisfy a rule. `members` is null for a witness, empty for `none`.
function isMet(rule, cosigned) {
  if (rule.members === null) return cosigned.has(rule.name);
  return rule.members.filter((member) => isMet(member, cosigned)).length >= rule.threshold;
}

function ruleText({ name, threshold, members }) {
  return members?.length ? `${name} (${threshold} of ${members.map((member) => member.name).join(" ")})` : name;
}

// writers; of a revoked key, `revokedFrom` is the index from which on its leaves count no more

async function readWriters(bytes) {
  const writers = [];
  for (const { number, words } of linesOfWords("writers file", bytes)) {
    const refuse = (why) => malformed("writers file", `line ${number} ${why}`);
    const revokedFrom = words[0] === "revoked" ? fromDecimal(words[1] ?? "") : null;
    if (words[0] === "revoked" && revokedFrom === null) throw refuse("does not say from which leaf on its key is revoked");
    const [vkey, ...globs] = words.slice(revokedFrom === null ? 0 : 2).map((word) => wordText("writers file", word));
    if (vkey === undefined) throw refuse("names no key");
    const key = await Key.parse(vkey, PLAIN_KEY, "a writer");
    if (writers.some((other) => sameBytes(other.key.publicKey, key.publicKey))) {
      throw refuse(`lists the key of ${key.name} again`);
    }
    if (globs.length === 0) throw refuse("names no subject, * would mean all");
    for (const glob of globs) {
      if (!/^[!-)+-~]*\*?$/.test(glob) || glob.length > SUBJECT_BYTES_MAX) {
        throw refuse(`has a subject ${glob} that is none; * may stand only at its end`);
      }
    }
    writers.push({ key, globs, revokedFrom });
  }
  return writers;
}

function mayWrite(writer, subject) {
  return writer.globs.some((glob) => glob.endsWith("*") ? subject.startsWith(glob.slice(0, -1)) : subject === glob);
}
