"""Does the auditor's page keep whom to trust apart from what strangers send along, and escape what cannot be seen?"""

import hashlib

import pytest

from forgeries import Evidence
from made_ledger import MadeLedger, Signer
from test_page import SETTLED, VERSION, browser, on_disk, page, verifier  # noqa: F401 (fixtures among them)

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


def test_characters_that_play_tricks_are_escaped_and_others_stay(verifier):
    assert verifier.call("shown", TRICKS) == "".join(f"\\u{{{ord(character):x}}}" for character in TRICKS)
    assert verifier.call("shown", "é 日本 😀 ᄀ가 ំ") == "é 日本 😀 ᄀ가 ំ"
