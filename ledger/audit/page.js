// The page: files in, report out.
"use strict";

const given = { proof: null, policy: null, writers: null, commit: null, data: [] };
let turn = 0; // of checking; an answer that comes when files have changed is dropped
let gestures = 0; // of giving files together; 0 is each file by its own place's button

const at = (id) => document.getElementById(id);

// files in

async function take(files) {
  const gesture = ++gestures;
  const placed = [];
  for (const { path, file } of files) {
    const place = await placeOf(path, file);
    if (place !== null) placed.push({ place, path, file, gesture });
  }
  const { admitted, ignored } = admit(placed, given); // at the last moment: another gesture may have given files
  for (const item of admitted) put(item.place, item);
  showIgnored(ignored);
  changed();
}

// One place's own button: who presses it means this place, and may replace what is there.
function takeFor(place, items) {
  for (const item of items) put(place, { ...item, gesture: 0 });
  showIgnored([]);
  changed();
}

function put(place, item) {
  if (place === "data") {
    given.data = [...given.data.filter(({ path }) => path !== item.path), item];
  } else {
    given[place] = item;
  }
}

function changed() {
  showPlaces();
  check();
}

// Whoever works by keyboard stays where they were, although the list is made anew.
function showPlaces() {
  const focused = document.activeElement?.id ?? "";
  at("slots").replaceChildren(...Object.entries(PLACES).map(([place, { title, hint, needed, many }]) => {
    const items = [given[place] ?? []].flat();
    const choose = element("input", {
      type: "file", id: `${place}-file`, multiple: many ?? false, "aria-label": `choose: ${title}`,
      change: ({ target }) => takeFor(place, chosenFiles(target)),
    });
    const remove = element("button", {
      type: "button", id: `${place}-remove`, "aria-label": `remove: ${title}`,
      click: () => ((given[place] = many ? [] : null), takeFor(place, [])),
    }, "remove");
    const names = items.map(({ path, file }) => `${path}, ${count(file.size, "byte", "bytes")}`).join("; ");
    const absent = needed ? `missing: ${hint}` : hint;
    const kind = items.length > 0 ? "there" : needed ? "missing" : "optional";
    const chooser = element("label", { class: "button" }, "choose", choose);
    return element("li", { class: `slot ${kind}` }, element("span", { class: "slot-title" }, title),
      element("span", { class: "slot-files" }, names || absent),
      element("span", { class: "buttons" }, chooser, ...(items.length > 0 ? [remove] : [])));
  }));
  (at(focused) ?? at(focused.replace(/-remove$/, "-file")))?.focus();
}

function showIgnored(ignored) {
  at("ignored").hidden = ignored.length === 0;
  at("ignored").replaceChildren(...ignored.map((words) => element("p", {}, words)));
}

// report out

async function check() {
  const mine = ++turn;
  const { proof, policy, writers, commit, data } = given;
  const missing = Object.entries(PLACES).filter(([place, { needed }]) => needed && given[place] === null);
  at("report").replaceChildren();
  if (missing.length > 0) {
    say(`Nothing is judged yet. Missing: ${missing.map(([, { title }]) => title.toLowerCase()).join(", ")}.`);
    return;
  }
  if (!fromOneFolder(policy, writers)) {
    say(`Nothing is judged yet. The policy (${policy.path}) and the writers (${writers.path}) were not given from ` +
      "one folder: give both together, or both by their own buttons.");
    return;
  }
  say("Checking…");
  const progress = (path, part) => {
    if (mine !== turn) throw new Error("the files have changed"); // ends the work, whose report nobody waits for
    say(`Hashing ${path}: ${10 * Math.floor(10 * part)} %`);
  };
  const asked = { proof: proof.file, policy: policy.file, writers: writers.file, commit: commit?.file, data, progress };
  try {
    const report = await verify({ ...asked, tableId: at("table-id").value.trim() });
    if (mine !== turn) return;
    at("report").replaceChildren(...reportElements(report, { policy: policy.path, writers: writers.path }));
    say(`${report.verdict}: ${report.title}`);
    at("status").classList.add("shown-below");
  } catch (error) {
    // no verdict: a fault here says nothing about the files
    if (mine === turn) say(`This page failed, and nothing is judged: ${error.message}`);
  }
}

// Says how far it is, to eyes and ears; the same thing once.
function say(words) {
  at("status").classList.remove("shown-below");
  if (at("status").textContent !== shown(words)) at("status").textContent = shown(words);
}

const SIGNS = { VALID: "✓", INVALID: "✗", UNDECIDED: "?" };

function reportElements(report, paths) {
  const { verdict, title, facts, trust, verified, certification } = report;
  const banner = element("section", { class: `verdict ${verdict.toLowerCase()}`, id: "verdict" },
    element("p", { class: "word" }, element("span", { "aria-hidden": "true" }, `${SIGNS[verdict]} `), verdict),
    element("p", {}, title));
  if (certification) {
    banner.append(element("p", { class: certification.alone ? "alone" : "cosigned" }, certificationText(certification)));
  }
  const digests = Object.entries(trust).map(([place, digest]) => [place, `${paths[place]}, SHA-256 ${digest}`]);
  return [
    banner,
    digests.length === 0 ? null : section("judged by", factList(digests),
      element("p", { class: "quiet" }, "Whoever made these two files decided whom to trust. Are they yours?")),
    list("failed", report.failures.map(findingText)),
    list("could not be read", report.undecided.map(findingText)),
    ...(verified ? [
      section("what the leaf says", factList(facts)),
      list("checked", report.checked),
      list("not checked", report.notChecked),
      list("signed by", report.signatures.map(signatureText)),
      section("certified", element("p", {}, certificationText(certification)), quorumDrawing(certification)),
      verified.head ? section("the way through the head map", mapInWords(verified.head)) : null,
      section("the way to the root", pathDrawing(verified)),
    ] : []),
  ].filter(Boolean);
}

function factList(facts) {
  const pairs = facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
  return element("dl", { class: "facts" }, ...pairs);
}

function list(heading, items) {
  const entries = items.map((item) => element("li", {}, item));
  return entries.length === 0 ? null : section(heading, element("ul", {}, ...entries));
}

function section(heading, ...children) {
  const id = heading.replaceAll(" ", "-");
  const attributes = { "aria-labelledby": id, class: `part ${id}` };
  return element("section", attributes, element("h2", { id }, heading), ...children);
}

// the start

for (const id of ["any-files", "any-folder"]) {
  at(id).addEventListener("change", ({ target }) => {
    const files = chosenFiles(target);
    target.value = ""; // so that the same file can be chosen again
    take(files);
  });
}
at("table-id").addEventListener("change", changed);
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  at("drop").classList.add("over");
});
for (const end of ["dragleave", "drop"]) document.addEventListener(end, () => at("drop").classList.remove("over"));
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  try {
    await take(await droppedFiles(event.dataTransfer));
  } catch (error) {
    say(`What was dropped cannot be read: ${error.message}. Choose the files instead.`);
  }
});
missingCryptography().then((missing) => {
  at("browser").hidden = missing === null;
  at("browser").textContent = missing ?? "";
});
changed();
