"""Does the auditor's page in a real browser judge as the other verifiers do, show hostile text as text, and ask nobody?

The page is ledger/audit; Chromium is driven by `browser.py`. Without Chromium the tests are skipped and say so."""

import base64
import contextlib
import functools
import http.server
import json
import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from blake3 import blake3

from browser import Browser, missing_browser
from forgeries import RECEIPT_FORGERIES, Evidence
from made_ledger import MadeLedger, Signer, b64, leaf_text, note
from offline import in_rust, programs
from signed_note import COSIGNER_KEY
from vectors import VECTORS, expected, vectors_of

PAGE = Path(__file__).parents[2] / "ledger" / "audit"
AS_FILE = (PAGE / "index.html").as_uri()
VERSION, NEIGHBOUR = 5, 6

# The report of the page's verifier on files that are handed over in base64, as plain JSON.
JUDGE = """async ({proof, name, policy, writers, commit, data, tableId}) => {
  const file = (content, name) => content === null ? null : new File([fromBase64(content)], name);
  const report = await verify({
    proof: file(proof, name), policy: file(policy, "policy"), writers: file(writers, "writers"),
    commit: file(commit, "commit"), data: data.map(({path, content}) => ({path, file: file(content, path)})), tableId,
  });
  const {verdict, title, checked, failures, undecided, notChecked, certification} = report;
  return {
    verdict, title, facts: Object.fromEntries(report.facts), checked, failures, undecided, notChecked,
    signatures: report.signatures.map(({time, ...rest}) => ({...rest, time_unix_s: time && Number(time)})),
    certification: certification && {alone: certification.alone, words: certificationText(certification),
      cosigners: certification.cosigners.map(({name}) => name)},
  };
}"""

# Resolves when the page has come to an end with what it was given.
SETTLED = """(wanted) => new Promise((resolve) => {
  const status = document.getElementById("status");
  const look = () => status.textContent.startsWith(wanted) && resolve(document.body.innerText);
  new MutationObserver(look).observe(status, {childList: true, characterData: true, subtree: true});
  look();
})"""


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    reason = missing_browser()
    if reason:
        pytest.skip(f"{reason}: the auditor's page")
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@contextlib.contextmanager
def opened(browser, url=AS_FILE, **screen):
    page = browser.open(url, **screen)
    yield page
    assert page.complaints() == [], "the browser complained"
    page.close()


@pytest.fixture(scope="module")
def verifier(browser):
    """The page opened as a file, for what calls its verifier."""
    with opened(browser) as page:
        yield page


@pytest.fixture
def page(browser):
    """The page opened as a file, for what a person does with it."""
    with opened(browser) as page:
        yield page


def judged(page, evidence, policy, writers, table_id="", name="proof"):
    data = [{"path": path, "content": b64(content)} for path, content in evidence.data]
    files = {"proof": b64(evidence.proof), "policy": b64(policy), "writers": b64(writers), "data": data}
    commit = None if evidence.commit is None else b64(evidence.commit)
    return page.call(JUDGE, files | {"commit": commit, "tableId": table_id, "name": name})


def judge(page, evidence, trust):
    return judged(page, evidence, *((trust / name).read_bytes() for name in ("policy", "writers")))


def reasons(report):
    return [finding["reason"] for finding in report["failures"] + report["undecided"]]


def on_disk(evidence, directory):
    """The files of an evidence: the receipt, the commit file under its name, the data files."""
    directory.mkdir(exist_ok=True)
    files = {"receipt.tlog-proof": evidence.proof} | dict(evidence.data)
    files |= {f"{VERSION:020}.json": evidence.commit} if evidence.commit is not None else {}
    for path, content in files.items():
        (directory / path).write_bytes(content)
    return [directory / path for path in files]


# the verdicts


@pytest.mark.parametrize("name", VECTORS)
def test_the_page_gives_the_verdicts_and_reasons_of_the_vectors(verifier, name):
    wrong = []
    for vector in vectors_of(name):
        found = judged(verifier, *expected(vector), vector.get("table_id", ""))
        certification = found["certification"] or {}
        good = (found["verdict"], (reasons(found) or [None])[0]) == (vector["verdict"], vector["reason"])
        good = good and vector.get("certifies_alone", certification.get("alone")) == certification.get("alone")
        good = good and vector.get("cosigners", certification.get("cosigners")) == certification.get("cosigners")
        if not good:
            wrong.append((vector["name"], vector["verdict"], vector["reason"], found))
    assert not wrong, "\n".join(map(str, wrong))


def test_points_of_small_order_are_told_in_every_spelling(verifier):
    weak = [vector["name"].split()[-1] for vector in vectors_of("trust") if "key of small order, " in vector["name"]]
    honest = [base64.b64decode(Signer("n", str(n)).vkey.split("+", 2)[2])[1:].hex() for n in range(20)]
    told = """(points) => points.map((point) => {
      return isSmallOrder(Uint8Array.from(point.match(/../g), (digits) => parseInt(digits, 16)));
    })"""
    assert len(weak) == 14
    assert verifier.call(told, weak + honest) == [True] * len(weak) + [False] * len(honest)


@pytest.mark.parametrize("missing", [False, True], ids=["there", "missing"])
def test_a_browser_without_ed25519_is_told_so(browser, missing):
    with opened(browser) as page:
        if missing:  # one that knows the name, and answers that nothing fits
            page.evaluate("void (SubtleCrypto.prototype.verify = async () => false)")
        words = page.evaluate("missingCryptography()")
        assert ("cannot check Ed25519" in words) if missing else words is None


@pytest.mark.parametrize("piece", [1 << 20, 1024, 1000, 64, 7])
def test_blake3_has_the_known_answers_however_the_input_is_cut(verifier, piece):
    vectors = [vector for vector in vectors_of("blake3") if piece > 100 or vector["bytes"] < 10_000]
    hashed = """(lengths, piece) => lengths.map((length) => {
      const input = Uint8Array.from({length}, (_, i) => i % 251), hasher = new Blake3();
      for (let at = 0; at < length; at += piece) hasher.update(input.subarray(at, at + piece));
      return hex(hasher.digest());
    })"""
    found = verifier.call(hashed, [vector["bytes"] for vector in vectors], piece)
    assert found == [vector["blake3"] for vector in vectors]


def test_every_genuine_receipt_is_valid_in_the_words_of_dab_verify(verifier, home, tmp_path):
    for version in range(len(home.commits)):
        evidence = home.evidence(version)
        found = judge(verifier, evidence, home.trust)
        assert found["verdict"] == "VALID", found
        receipt, *data = on_disk(replace(evidence, commit=None), tmp_path / str(version))
        arguments = ["verify", receipt, "--trust", home.trust, "--commit", home.commits[version]]
        for file in data:
            arguments += ["--data", file]
        told = json.loads(in_rust(programs()[0], *arguments, "--json")[1])
        for words in ("title", "facts", "checked", "signatures"):
            assert found[words] == told[words], words
        assert found["certification"]["alone"] is told["certification"]["certifies_alone"] is True
        assert found["certification"]["words"] in " ".join(in_rust(programs()[0], *arguments)[1].split())


def test_every_named_forgery_is_invalid(verifier, home):
    honest, other = home.evidence(VERSION), home.evidence(NEIGHBOUR)
    accepted = []
    for name, forge in RECEIPT_FORGERIES.items():
        found = judge(verifier, forge(honest, other), home.trust)
        if found["verdict"] != "INVALID":
            accepted.append((name, found))
    assert not accepted, accepted


def test_every_changed_byte_of_a_receipt_is_noticed(verifier, made_home):
    evidence = Evidence(made_home.evidence(VERSION).proof)
    policy, writers = (b64((made_home.trust / name).read_bytes()) for name in ("policy", "writers"))
    changed = """async (proof, policy, writers) => {
      const file = (bytes) => new File([bytes], "f"), honest = fromBase64(proof), missed = [];
      const trust = {policy: file(fromBase64(policy)), writers: file(fromBase64(writers))};
      for (let at = 0; at < honest.length; at++) {
        for (const mask of [1, 0x20, 0xff]) {
          const bytes = honest.slice();
          bytes[at] ^= mask;
          if ((await verify({...trust, proof: file(bytes)})).verdict !== "INVALID") missed.push([at, mask]);
        }
      }
      return missed;
    }"""
    assert verifier.call(changed, b64(evidence.proof), policy, writers) == []


# limits


def test_what_is_too_large_is_refused_before_it_is_read(verifier, made_home):
    evidence = made_home.evidence(VERSION)
    files = {name: b64((made_home.trust / name).read_bytes()) for name in ("policy", "writers")}
    files |= {"proof": b64(evidence.proof), "commit": b64(evidence.commit)}
    asked = """async (files, name, path) => {
      const read = () => { throw new Error("it was read"); };
      const untouchable = {name, size: 2 ** 40, arrayBuffer: read, stream: read};
      const given = {data: []};
      for (const [name, content] of Object.entries(files)) given[name] = new File([fromBase64(content)], name);
      if (name === "data") given.data.push({path, file: untouchable}); else given[name] = untouchable;
      const {verdict, failures, undecided} = await verify(given);
      return {verdict, failures, undecided};
    }"""
    for name in ("proof", "policy", "writers", "commit", "data"):
        found = verifier.call(asked, files, name, evidence.data[0][0])
        assert found["verdict"] == ("UNDECIDED" if name in ("policy", "writers") else "INVALID"), (name, found)
        assert str(1 << 40) in (found["failures"] + found["undecided"])[0]["message"], (name, found)


def test_a_file_that_cannot_be_read_leaves_it_undecided(verifier, made_home):
    evidence = made_home.evidence(VERSION)
    files = {name: b64((made_home.trust / name).read_bytes()) for name in ("policy", "writers")}
    files |= {"proof": b64(evidence.proof), "commit": b64(evidence.commit)}
    asked = """async (files, name) => {
      const given = {};
      for (const [name, content] of Object.entries(files)) given[name] = new File([fromBase64(content)], name);
      given[name] = {name, size: given[name].size, arrayBuffer: async () => { throw new Error("gone"); }};
      const {verdict, undecided} = await verify(given);
      return [verdict, undecided[0].message];
    }"""
    for name in files:
        verdict, message = verifier.call(asked, files, name)
        assert verdict == "UNDECIDED" and "gone" in message, name


def test_groups_nest_no_deeper_than_the_limit(verifier, made_home):
    policy, writers = ((made_home.trust / name).read_bytes() for name in ("policy", "writers"))
    policy += f"witness w {Signer('w', 'w', COSIGNER_KEY).vkey}\n".encode()
    evidence = Evidence(made_home.evidence(VERSION).proof)
    for depth, verdict in ((32, "VALID"), (33, "UNDECIDED")):
        groups = "".join(f"group g{i} any {f'g{i - 1}' if i else 'w'}\n" for i in range(depth))
        assert judged(verifier, evidence, policy + groups.encode(), writers)["verdict"] == verdict


def test_a_note_has_no_more_signature_lines_than_the_limit(verifier, made_home):
    evidence = Evidence(made_home.evidence(VERSION).proof)
    text = evidence.note().rpartition(b"\n\n")[0] + b"\n"
    for strangers, verdict in ((63, "VALID"), (64, "INVALID")):
        lines = b"".join(Signer(f"stranger{i}.example", "s").line(text) for i in range(strangers))
        found = judge(verifier, evidence.with_note(evidence.note() + lines), made_home.trust)
        assert found["verdict"] == verdict, found


# what a person does


def test_chosen_files_are_put_in_their_places_and_judged_at_once(page, made_home, tmp_path):
    assert "Missing: receipt, policy, writers" in page.call(SETTLED, "Nothing is judged yet")
    page.choose("#any-files", *on_disk(made_home.evidence(VERSION), tmp_path))
    assert "Missing: policy, writers" in page.call(SETTLED, "Nothing is judged yet. Missing: policy")
    page.choose("#any-files", made_home.trust / "policy", made_home.trust / "writers")
    words = page.call(SETTLED, "VALID")
    assert f"receipt for version {VERSION} of table" in words
    assert words.count("certifies alone: signed by the log key only, no independent cosigner") == 2
    assert "the policy asks for nobody else" in words
    assert "what was notarized after this checkpoint" in words
    steps = len(made_home.evidence(VERSION).head()) - 3
    assert page.evaluate("document.querySelectorAll('svg rect.beside').length") == steps
    assert page.evaluate("document.querySelectorAll('svg rect.root').length") == 1
    page.evaluate("document.getElementById('policy-remove').click()")
    assert "VALID" not in page.call(SETTLED, "Nothing is judged yet. Missing: policy")
    assert page.evaluate("document.activeElement.id") != "policy-remove"


def test_files_and_the_trust_folder_can_be_dropped(page, made_home, tmp_path):
    page.drop(*on_disk(made_home.evidence(VERSION), tmp_path), made_home.trust)
    assert "data file part-00005-0.parquet" in page.call(SETTLED, "VALID")


def test_a_forged_data_file_is_named_and_the_expected_table_is_held_against_the_receipt(page, made_home, tmp_path):
    forged = RECEIPT_FORGERIES["data: a flipped bit"](made_home.evidence(VERSION), None)
    page.choose("#any-files", *on_disk(forged, tmp_path), made_home.trust / "policy", made_home.trust / "writers")
    words = page.call(SETTLED, "INVALID")
    assert f"version {VERSION}, part-00005-0.parquet: the data file is not the one that was added" in words
    page.evaluate("document.getElementById('data-remove').click()")
    page.call(SETTLED, "VALID")
    page.evaluate("document.getElementById('table-id').focus()")
    page.ask("Input.insertText", text="another")
    page.press("Enter", 13, text="\r")
    assert "not another" in page.call(SETTLED, "INVALID")


def test_a_large_data_file_is_hashed_without_being_held_in_memory(page, tmp_path):
    ledger = MadeLedger(tmp_path)
    content = bytes(range(251)) * 100_000
    index = ledger.commit("t", [content])
    (tmp_path / "p.tlog-proof").write_bytes(ledger.receipt(index))
    table = tmp_path / "tables" / "t"
    files = [tmp_path / "p.tlog-proof", table / "_delta_log" / f"{0:020}.json", table / "part-00000-0.parquet"]
    page.choose("#any-files", *files, ledger.trust / "policy", ledger.trust / "writers")
    assert f"{len(content)} bytes, their BLAKE3" in page.call(SETTLED, "VALID")


def test_a_commit_of_very_many_files_is_checked(page, tmp_path):
    ledger = MadeLedger(tmp_path)
    content, adds = b"x", 150_000
    files = [(f"{n:06}", 1, blake3(content).hexdigest()) for n in range(adds)]
    info = {"commitInfo": {"dab": {"tableId": "t", "version": 0, "previous": None}}}
    lines = [{"add": {"path": path, "size": size, "tags": {"dab.blake3": tag}}} for path, size, tag in files]
    body = "".join(json.dumps(line) + "\n" for line in [info, *lines]).encode()
    index = ledger.notarize("table/t", body, files)
    written = {"p.tlog-proof": ledger.receipt(index), f"{0:020}.json": body, files[-1][0]: content}
    for name, raw in written.items():
        (tmp_path / name).write_bytes(raw)
    page.choose("#any-files", *(tmp_path / name for name in written), ledger.trust / "policy", ledger.trust / "writers")
    words = page.call(SETTLED, "VALID")  # waits as long as for any answer
    assert f"the list of {adds} added files, against the files root" in words
    assert f"data file {files[-1][0]}: 1 bytes" in words


def test_the_quorum_is_drawn_with_who_cosigned_and_who_did_not(page, tmp_path):
    ledger = MadeLedger(tmp_path, witnesses=3, quorum="2")
    ledger.notarize("digest/a", b"0")
    text = ledger.checkpoint().rpartition(b"\n\n")[0] + b"\n"
    proof = ledger.receipt(0).partition(b"\n\n")[0] + b"\n\n"
    one, two, three = ledger.witnesses
    (tmp_path / "p.tlog-proof").write_bytes(proof + note(text, ledger.log, one, three))
    page.choose("#any-files", tmp_path / "p.tlog-proof", ledger.trust / "policy", ledger.trust / "writers")
    words = page.call(SETTLED, "VALID")
    assert "signed by the log key and cosigned by w1, w3; quorum q (2 of w1 w2 w3)" in words
    drawn = page.evaluate("document.querySelector('.quorum').innerText").split("\n")
    assert "– w2 did not cosign" in drawn and "✓ q needs 2 of 3, has 2" in drawn
    assert any(line.startswith("✓ w1 cosigned at 2027-01-15 08:00:00 UTC") for line in drawn)


# hostile text, and what goes out

MARKUP = "<img/src=x/onerror=document.title='taken'>"


def test_hostile_text_is_shown_as_text(page, tmp_path):
    ledger = MadeLedger(tmp_path, origin=f"dab/{MARKUP}")
    ledger.writer = Signer(f"w/\u202e{MARKUP}", "w")
    name = f"\u202eDILAV{MARKUP}.parquet".replace("/", "%2F")
    body = json.dumps({"commitInfo": {"dab": {"tableId": MARKUP, "version": 0, "previous": None}}})
    body = f"{body}\n{json.dumps({'add': {'path': name, 'size': 1, 'tags': {'dab.blake3': '0' * 64}}})}\n".encode()
    text = leaf_text(ledger.origin, f"table/{MARKUP}", 0, None, body, [(name, 1, "0" * 64)], operation=MARKUP)
    ledger.entries.append(note(text, ledger.writer))
    (tmp_path / "p.tlog-proof").write_bytes(ledger.receipt(0))
    (tmp_path / "writers").write_text(f"{ledger.writer.vkey} *\n")
    (tmp_path / f"{0:020}.json").write_bytes(body)
    odd = tmp_path / name
    odd.write_bytes(b"x")
    files = [tmp_path / "p.tlog-proof", tmp_path / "writers", ledger.trust / "policy", tmp_path / f"{0:020}.json", odd]
    page.choose("#any-files", *files)
    words = page.call(SETTLED, "INVALID")
    assert words.count(MARKUP) >= 5 and "\\u{202e}" in words and "\u202e" not in words
    assert page.evaluate("document.querySelectorAll('img').length") == 0
    assert page.evaluate("document.title") == "DAB: check a receipt"


def test_the_page_asks_for_nothing_but_its_own_files(browser, made_home, tmp_path):
    with opened(browser) as page:
        page.choose("#any-files", *on_disk(made_home.evidence(VERSION), tmp_path / "files"), *made_home.trust.iterdir())
        page.call(SETTLED, "VALID")
        assert {url.rpartition("/")[0] for url in page.requested()} == {PAGE.as_uri()}
        assert {url.rpartition("/")[2] for url in page.requested()} == {path.name for path in PAGE.iterdir()}


def test_its_own_policy_keeps_it_from_asking_anybody(browser):
    page = browser.open(AS_FILE)
    with socket.create_server(("127.0.0.1", 0)) as anybody:
        address = "127.0.0.1:%d" % anybody.getsockname()[1]
        for attempt in (
            f"fetch('http://{address}/')",
            f"import('http://{address}/x.js')",
            f"new Promise((yes, no) => Object.assign(new Image(), {{onload: yes, onerror: no, src: 'http://{address}/'}}))",
            f"new Promise((yes, no) => Object.assign(new WebSocket('ws://{address}/'), {{onopen: yes, onerror: no}}))",
            "(async () => { document.body.innerHTML = '<b>x</b>'; })()",
        ):
            assert page.evaluate(f"({attempt}).then(() => 'done', () => 'refused')") == "refused", attempt
        anybody.setblocking(False)
        with pytest.raises(BlockingIOError):
            anybody.accept()
    page.close()


# where it is served


@contextlib.contextmanager
def static_host(folder):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


def check_by_hand(page, home, directory):
    files = on_disk(home.evidence(VERSION), directory)
    page.choose("#any-files", *files, home.trust / "policy", home.trust / "writers")
    page.call(SETTLED, "VALID")


def test_it_works_from_any_static_host(browser, made_home, tmp_path):
    with static_host(PAGE) as port, opened(browser, f"http://127.0.0.1:{port}/") as page:
        check_by_hand(page, made_home, tmp_path)


def test_a_node_serves_it_on_its_audit_port(browser, plaintext_server, node_home, tmp_path):
    with opened(browser, f"http://127.0.0.1:{plaintext_server.audit_port}/audit") as page:
        check_by_hand(page, node_home, tmp_path)
        assert all(f":{plaintext_server.audit_port}/audit" in url for url in page.requested())


def test_where_the_browser_withholds_cryptography_it_says_so_and_judges_nothing(browser, made_home, tmp_path):
    with static_host(PAGE) as port, opened(browser, f"http://elsewhere.example:{port}/") as page:
        files = on_disk(made_home.evidence(VERSION), tmp_path)
        page.choose("#any-files", *files, made_home.trust / "policy", made_home.trust / "writers")
        words = page.call(SETTLED, "UNDECIDED")
        assert "open the copy" in page.evaluate("document.getElementById('browser').innerText")
        assert "offers cryptography only" in words and "certifies" not in words


# for everybody

# Texts whose contrast with what is behind them is below 4.5 (WCAG 2, level AA), as [text, contrast].
FAINT = """() => {
  const parts = (color) => color.match(/[\\d.]+/g).map(Number);
  const linear = (part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const light = (color) => {
    const [red, green, blue] = parts(color).map((part) => linear(part / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const behind = (node) => {
    const color = getComputedStyle(node).backgroundColor;
    return (parts(color)[3] ?? 1) > 0 ? color : behind(node.parentElement);
  };
  const faint = [];
  for (const node of document.querySelectorAll("body *")) {
    const speaks = [...node.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.data.trim());
    if (!speaks || node.closest("svg, [hidden], noscript")) continue;
    const [one, two] = [light(getComputedStyle(node).color), light(behind(node))].sort((a, b) => b - a);
    if ((one + 0.05) / (two + 0.05) < 4.5) faint.push([node.innerText, (one + 0.05) / (two + 0.05)]);
  }
  return faint;
}"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("forged", [False, True], ids=["genuine", "forged"])
def test_it_fits_a_phone_and_can_be_read_in_light_and_dark(browser, made_home, tmp_path, dark, forged):
    evidence = made_home.evidence(VERSION)
    evidence = RECEIPT_FORGERIES["data: a flipped bit"](evidence, None) if forged else evidence
    with opened(browser, width=360, height=640, dark=dark) as page:
        page.choose("#any-files", *on_disk(evidence, tmp_path), made_home.trust / "policy", made_home.trust / "writers")
        page.call(SETTLED, "INVALID" if forged else "VALID")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.call(FAINT) == []


def test_it_can_be_used_by_keyboard_and_heard(page, made_home, tmp_path):
    page.choose("#any-files", *on_disk(made_home.evidence(VERSION), tmp_path), *made_home.trust.iterdir())
    page.call(SETTLED, "VALID")
    reached = []
    for _ in range(20):
        page.press("Tab", 9)
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    controls = "[...document.querySelectorAll('input, button, summary')].map((one) => one.id || one.tagName)"
    assert set(page.evaluate(controls)) <= set(reached), reached
    heard = [node for node in page.ask("Accessibility.getFullAXTree")["nodes"] if not node.get("ignored")]
    named = [node for node in heard if node["role"]["value"] in ("button", "textbox", "image", "region")]
    nameless = [node["role"]["value"] for node in named if not node.get("name", {}).get("value")]
    assert len(named) > 15, named
    assert nameless == []
    assert page.evaluate("document.querySelectorAll('[role=status]').length") == 1
