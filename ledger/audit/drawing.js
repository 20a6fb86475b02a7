// Drawings of what was checked: the way from the leaf to the signed root, through the head map, and who signed it.
"use strict";

const STEP_HEIGHT = 60, BOX_WIDTH = 134, BOX_HEIGHT = 44, MIDDLE = 210;
const LABEL_CHARACTERS = 15; // that fit into a box; longer ones are squeezed

// The inclusion proof: the leaf's way up in the middle, the hashes of the proof beside it, the root on top.
function pathDrawing({ index, size, leafHash, root, steps }) {
  const height = (steps.length + 1) * STEP_HEIGHT + BOX_HEIGHT - STEP_HEIGHT + 4;
  const y = (step) => height - 2 - BOX_HEIGHT - step * STEP_HEIGHT; // of the box that `step` steps have led to
  const parts = [];
  steps.forEach(({ onLeft, sibling, first, last }, step) => {
    const side = onLeft ? 2 + BOX_WIDTH / 2 : 2 * MIDDLE - 2 - BOX_WIDTH / 2;
    parts.push(line(MIDDLE, y(step), MIDDLE, y(step + 1) + BOX_HEIGHT, "way"));
    parts.push(line(side, y(step), MIDDLE, y(step + 1) + BOX_HEIGHT, "beside"));
    parts.push(box(side, y(step), "beside", rangeText(first, last, "–"), shortHash(sibling)));
  });
  parts.push(box(MIDDLE, y(0), "way", `leaf ${index}`, shortHash(leafHash)));
  steps.forEach(({ hash }, step) => {
    const top = step === steps.length - 1;
    parts.push(box(MIDDLE, y(step + 1), top ? "root" : "way", top ? "signed root" : "", shortHash(hash)));
  });
  const [way, tree] = [count(steps.length, "step", "steps"), count(size, "leaf", "leaves")];
  const words = `Leaf ${index} leads to the signed root of ${tree} in ${way}.`;
  const viewBox = `0 0 ${2 * MIDDLE} ${height}`;
  const svg = svgElement("svg", { viewBox, role: "img", "aria-label": words, class: "path" }, ...parts);
  return element("figure", {}, svg, element("figcaption", {}, words), pathInWords(leafHash, root, steps));
}

function pathInWords(leafHash, root, steps) {
  const items = steps.map(({ onLeft, sibling, first, last, hash }) => element("li", {},
    `with ${base64(sibling)} on the ${onLeft ? "left" : "right"}, over ${rangeText(first, last, " to ")}: `,
    element("code", {}, base64(hash))));
  return element("details", {}, element("summary", {}, "the path in words"),
    element("p", {}, "leaf hash: ", element("code", {}, base64(leafHash))), element("ol", {}, ...items),
    element("p", {}, "root that the checkpoint signs: ", element("code", {}, base64(root))));
}

// The way from a subject's key through the head map.
function mapInWords({ subject, entry, steps, root, head }) {
  const whose = entry === null ? "The head map is empty." : head !== null
    ? `The key of ${subject} leads to its own entry: leaf ${head.index}.`
    : `The key of ${subject} leads to the entry of another subject, leaf ${entry.index}: it has none of its own.`;
  const items = steps.map(({ bit, sibling, onLeft, hash }) => element("li", {},
    `fork at bit ${bit}, with ${base64(sibling)} on the ${onLeft ? "left" : "right"}: `,
    element("code", {}, base64(hash))));
  const forks = element("details", {}, element("summary", {}, count(steps.length, "fork", "forks")),
    element("ol", {}, ...items), element("p", {}, "root that the heads leaf binds: ", element("code", {}, base64(root))));
  return element("div", {}, element("p", {}, whose), forks);
}

function rangeText(first, last, until) {
  return first === last ? `leaf ${first}` : `leaves ${first}${until}${last}`;
}

function line(x1, y1, x2, y2, kind) {
  return svgElement("line", { x1, y1, x2, y2, class: kind });
}

function box(middle, top, kind, label, hash) {
  const text = (words, at, style) => {
    const squeezed = { textLength: BOX_WIDTH - 10, lengthAdjust: "spacingAndGlyphs" };
    const fits = words.length <= LABEL_CHARACTERS;
    return svgElement("text", { x: middle, y: top + at, class: style, ...(fits ? {} : squeezed) }, words);
  };
  const frame = { x: middle - BOX_WIDTH / 2, y: top, width: BOX_WIDTH, height: BOX_HEIGHT, rx: 7, class: kind };
  const texts = label ? [text(label, 18, "label"), text(hash, 35, "hash")] : [text(hash, 27, "hash")];
  return svgElement("g", {}, svgElement("rect", frame), ...texts);
}

function shortHash(hash) {
  return `${base64(hash).slice(0, 9)}…`;
}

// Who had to sign the checkpoint under the policy, and who did: the log, and the quorum as a tree of groups.
function quorumDrawing({ log, cosigners, cosigned, quorum }) {
  const times = new Map(cosigners.map(({ name, time }) => [name, time]));
  const branch = (rule) => {
    const met = isMet(rule, cosigned);
    if (rule.members === null) {
      const words = met ? `cosigned at ${utcText(times.get(rule.name))} by its own clock` : "did not cosign";
      return mark(met, rule.name, words);
    }
    const have = rule.members.filter((member) => isMet(member, cosigned)).length;
    const words = `needs ${rule.threshold} of ${rule.members.length}, has ${have}`;
    return mark(met, rule.name, words, element("ul", {}, ...rule.members.map(branch)));
  };
  const nobody = () => mark(true, "quorum none", "the policy asks for nobody else");
  const asked = quorum.name === "none" ? nobody() : branch(quorum);
  return element("ul", { class: "quorum" }, mark(true, log, "the log's key signed"), asked);
}

function mark(good, name, words, ...below) {
  const sign = element("span", { class: good ? "sign good" : "sign absent", "aria-hidden": "true" }, good ? "✓" : "–");
  return element("li", {}, sign, " ", element("strong", {}, name), ` ${words}`, ...below);
}
