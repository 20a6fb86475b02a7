// What is said of a head proof, in the words of `dab verify --head`.
"use strict";

async function checkHead(report, bytes, trust, { commit, data, tableId }) {
  report.title = "head proof";
  const verified = await checkHeadProof(parseHeadProof(bytes), trust);
  describeHead(report, verified);
  checkTable(report, "head proof", verified, tableId);
  const given = [commit?.name ?? [], ...data.map(({ path }) => path)].flat();
  if (given.length > 0) {
    report.notChecked.push(`${given.join(", ")}: a head proof says which leaf is the last, not what it binds; give the ` +
      "receipt of that version for these files");
  }
  const later = verified.heads.size - verified.size;
  report.notChecked.push(`what was notarized after the first ${count(verified.size, "leaf", "leaves")}: the checkpoint ` +
    `has ${later} more, the leaf that binds the head map among them`,
  "that the head map is right: whoever certified the checkpoint has computed it; an audit of the ledger does so again");
}

function describeHead(report, verified) {
  const { subject, size, subjects, root, head, heads } = verified;
  const { index, certification } = heads;
  report.verified = { ...heads, head: verified };
  report.title = headTitle(verified);
  report.facts.push(["ledger", heads.leaf.origin]);
  if (tableOf(subject) !== null) report.facts.push(["table id", tableOf(subject)]);
  report.facts.push(["subject", subject], ["leaves covered", `${size}`]);
  if (head === null) {
    report.facts.push(["last sequence", "none"]);
  } else {
    report.facts.push(["last sequence", `${head.leaf.sequence}`], ["operation", head.leaf.operation],
      ["leaf", `${head.index}`], ["leaf hash", base64(head.hash)]);
  }
  report.facts.push(["head map", `${count(subjects, "subject", "subjects")}, root ${base64(root)}`],
    ["bound by", `leaf ${index} of a tree of ${count(heads.size, "leaf", "leaves")}`], ["root", base64(heads.root)]);
  report.checked.push("signatures of the checkpoint, against the policy",
    "inclusion of the heads leaf in the checkpoint's tree, and its writer's signature",
    "the head map, against the digests in the heads leaf");
  const written = (name, signed) => report.signatures.push({ role: "writer", name, signed, time: null });
  written(heads.writer, `leaf ${index}, which binds the head map`);
  if (head !== null) {
    report.checked.push("the subject's leaf, against the head map, and its writer's signature");
    written(head.writer, `leaf ${head.index}`);
  }
  certified(report, certification, heads.size);
}

function headTitle({ subject, size, head }) {
  const tableId = tableOf(subject);
  const [what, among] = [tableId === null ? `subject ${subject}` : `table ${tableId}`, count(size, "leaf", "leaves")];
  if (head === null) return `${what}: there is no leaf of it among the first ${among}`;
  return `${what}: ${tableId === null ? "number" : "version"} ${head.leaf.sequence} is its last of ${among}`;
}
