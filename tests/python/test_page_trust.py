"""Does the auditor's page keep whom to trust apart from what strangers send along, show hostile text as text, and ask nobody?"""

import hashlib
import json
import socket

import pytest

from audit_page import AS_FILE, MARKUP, PAGE, SETTLED, on_disk, opened
from forgeries import Evidence
from made_ledger import MadeLedger, Signer, leaf_text, note
from offline import VERSION

# whom to trust: what a stranger sends along decides nothing

# Resolves with the words about what was ignored, when there are some.
IGNORED = """() => new Promise((resolve) => {
  const ignored = document.getElementById("ignored");
  const look = () => ignored.textContent && resolve(ignored.innerText);
  new MutationObserver(look).observe(ignored, {childList: true});
  look();
})"""


def forgers_ledger(directory):
    """A ledger with the honest one's names and other keys; its trust folder lies beside its receipt and fits it."""
    ledger = MadeLedger(directory)
    ledger.log, ledger.writer = Signer(ledger.log.name, "forger"), Signer(ledger.writer.name, "forger's writer")
    ledger.write("trust/policy", f"log {ledger.log.vkey}\nquorum none\n".encode())
    ledger.write("trust/writers", f"{ledger.writer.vkey} *\n".encode())
    ledger.notarize("digest/a", b"0")
    folder = directory / "evidence"
    folder.mkdir()
    (folder / "p.tlog-proof").write_bytes(ledger.receipt(0))
    for name in ("policy", "writers"):
        (folder / name).write_bytes((ledger.trust / name).read_bytes())
    return folder


def shown_files(page):
    """The files in each place, as shown."""
    names = page.evaluate("[...document.querySelectorAll('.slot-files')].map((files) => files.textContent)")
    return dict(zip(("proof", "policy", "writers", "commit", "data"), names))


def test_a_dropped_folder_of_evidence_does_not_replace_policy_and_writers(page, made_home, tmp_path):
    page.drop(*on_disk(made_home.evidence(VERSION), tmp_path / "mine"), made_home.trust)
    page.call(SETTLED, "VALID")
    before = shown_files(page)
    page.evaluate("document.getElementById('commit-remove').click(), document.getElementById('data-remove').click()")
    page.drop(forgers_ledger(tmp_path / "forger"))
    words = page.call(SETTLED, "INVALID")
    assert "evidence/policy ignored: a file is given already (policy), remove it first" in words
    assert "evidence/writers ignored: a file is given already (writers), remove it first" in words
    after = shown_files(page)
    assert "evidence/p.tlog-proof" in after["proof"]
    assert [after[place] for place in ("policy", "writers")] == [before[place] for place in ("policy", "writers")]
    page.choose("#any-files", made_home.trust / "policy")
    assert page.call(IGNORED).startswith("policy ignored: a file is given already (policy)")


def test_a_place_is_refilled_by_its_own_button(page, made_home, tmp_path):
    page.drop(*on_disk(made_home.evidence(VERSION), tmp_path / "mine"), made_home.trust)
    page.call(SETTLED, "VALID")
    forged = forgers_ledger(tmp_path / "forger")
    page.choose("#policy-file", forged / "policy")
    assert "not given from one folder" in page.call(SETTLED, "Nothing is judged yet. The policy (policy)")
    page.choose("#writers-file", forged / "writers")
    page.call(SETTLED, "INVALID")
    for name in ("policy", "writers"):
        page.evaluate(f"document.getElementById('{name}-remove').click()")
    page.call(SETTLED, "Nothing is judged yet. Missing: policy, writers")
    page.drop(made_home.trust)
    page.call(SETTLED, "VALID")


def test_two_of_a_kind_at_once_are_refused_in_words(page, made_home, tmp_path):
    forged = forgers_ledger(tmp_path / "forger")
    page.drop(made_home.trust, forged)
    words = page.call(IGNORED)
    assert "trust/policy, evidence/policy ignored: more than one (policy) at once" in words
    assert "trust/writers, evidence/writers ignored: more than one (writers) at once" in words
    page.call(SETTLED, "Nothing is judged yet. Missing: policy, writers.")
    receipts = [tmp_path / f"{n}.tlog-proof" for n in range(5)]
    for receipt in receipts:
        receipt.write_bytes(made_home.evidence(VERSION).proof)
    page.evaluate("document.getElementById('proof-remove').click()")
    page.choose("#any-files", *receipts, *made_home.trust.iterdir())
    words = page.call(IGNORED)
    assert "0.tlog-proof, 1.tlog-proof, 2.tlog-proof and 2 more ignored: more than one (receipt) at once" in words
    page.call(SETTLED, "Nothing is judged yet. Missing: receipt.")


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one after the other"])
def test_policy_and_writers_come_from_one_folder(page, made_home, tmp_path, at_once):
    forged, mine = forgers_ledger(tmp_path / "forger"), tmp_path / "mine"
    mine.mkdir()
    (forged / "policy").unlink()
    (mine / "policy").write_bytes((made_home.trust / "policy").read_bytes())
    if at_once:
        page.drop(mine, forged)
        assert "mine/policy, evidence/writers ignored: policy and writers must be given together" in page.call(IGNORED)
        page.call(SETTLED, "Nothing is judged yet. Missing: policy, writers.")
    else:
        page.drop(mine)
        page.call(SETTLED, "Nothing is judged yet. Missing: receipt, writers.")
        page.drop(forged)
        assert "evidence/writers ignored: policy and writers must be given together" in page.call(IGNORED)
        page.call(SETTLED, "Nothing is judged yet. Missing: writers.")


def test_under_the_verdict_stands_by_which_files_it_was_judged(page, made_home, tmp_path):
    page.drop(*on_disk(Evidence(made_home.evidence(VERSION).proof), tmp_path / "mine"), made_home.trust)
    page.call(SETTLED, "VALID")
    for verdict in ("VALID", "INVALID"):
        beside = page.evaluate("document.getElementById('verdict').nextElementSibling.innerText")
        for name in ("policy", "writers"):
            digest = hashlib.sha256((made_home.trust / name).read_bytes()).hexdigest()
            assert f"trust/{name}, SHA-256 {digest}" in beside, verdict
        page.drop(forgers_ledger(tmp_path / verdict) / "p.tlog-proof")
        page.call(SETTLED, "INVALID")


# what cannot be seen

TRICKS = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00\ufe0f\U000e0100\U000e01ef"
TRICKS += "\x07\x9b\xad\u061c\u180e\ufeff\u200b\u202e\u2069\ufffb\U000e0041"


def test_characters_that_play_tricks_are_escaped_and_others_stay(page_verifier):
    assert page_verifier.call("shown", TRICKS) == "".join(f"\\u{{{ord(character):x}}}" for character in TRICKS)
    assert page_verifier.call("shown", "é 日本 😀 ᄀ가 ំ") == "é 日本 😀 ᄀ가 ំ"


# hostile text, and what goes out


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
