"""Can a person use the auditor's page: files chosen and dropped, wherever it is served, on a phone, by keyboard?"""

import contextlib
import functools
import http.server
import json
import threading

import pytest
from blake3 import blake3

from audit_page import PAGE, SETTLED, on_disk, opened
from forgeries import RECEIPT_FORGERIES
from made_ledger import MadeLedger, note
from offline import VERSION

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
