"""Does the auditor's page judge head proofs as the other verifiers do, and say in words which version was the last?"""

import json

from audit_page import MARKUP, SETTLED, judged, reasons
from forgeries import Evidence
from made_heads import bind, head_proof
from made_ledger import MadeLedger, b64
from offline import in_rust, programs
from vectors import content, vectors_of

NAME = "t.head-proof"


def test_the_page_gives_the_verdicts_and_reasons_of_the_head_proofs(page_verifier):
    wrong = []
    for vector in vectors_of("heads"):
        evidence, table_id = Evidence(content(vector["proof"])), vector.get("table_id", "")
        found = judged(page_verifier, evidence, content(vector["policy"]), content(vector["writers"]), table_id, NAME)
        good = (found["verdict"], (reasons(found) or [None])[0]) == (vector["verdict"], vector["reason"])
        if vector["verdict"] == "VALID":
            facts = found["facts"]
            sequence, leaf = ("none" if vector["sequence"] is None else str(vector["sequence"]), vector["leaf_index"])
            good = good and (facts["leaves covered"], facts["last sequence"]) == (str(vector["size"]), sequence)
            good = good and facts.get("leaf") == (None if leaf is None else str(leaf))
            good = good and vector.get("cosigners", found["certification"]["cosigners"]) == (
                found["certification"]["cosigners"]
            )
        if not good:
            wrong.append((vector["name"], vector["verdict"], vector["reason"], found))
    assert not wrong, "\n".join(map(str, wrong))


def test_a_head_proof_is_told_by_its_name_or_its_first_line(page_verifier, made_home):
    trust = [(made_home.trust / name).read_bytes() for name in ("policy", "writers")]
    head, receipt = (Evidence(made_home.head_proof.read_bytes()), Evidence(made_home.evidence(5).proof))
    for evidence, name, verdict, kind in [
        (head, NAME, "VALID", "version"),
        (head, "renamed", "VALID", "version"),
        (receipt, "renamed", "VALID", "receipt for version"),
        (receipt, NAME, "INVALID", "head proof"),
        (head, "p.tlog-proof", "VALID", "version"),
    ]:
        found = judged(page_verifier, evidence, *trust, name=name)
        assert found["verdict"] == verdict and kind in found["title"], (name, found)


def test_the_words_are_those_of_dab_verify(page_verifier, home):
    trust = [(home.trust / name).read_bytes() for name in ("policy", "writers")]
    found = judged(page_verifier, Evidence(home.head_proof.read_bytes()), *trust, name=NAME)
    assert found["verdict"] == "VALID", found
    told = json.loads(in_rust(programs()[0], "head", home.head_proof, "--trust", home.trust, "--json")[1])
    for words in ("title", "facts", "checked", "signatures"):
        assert found[words] == told[words], words
    assert f"version {len(home.commits) - 1} is its last of" in found["title"]
    assert [line for line in told["not_checked"] if "compare it" not in line] == [
        line for line in found["notChecked"] if "compare it" not in line
    ]


def test_every_changed_byte_of_a_head_proof_is_noticed(page_verifier, made_home):
    policy, writers = (b64((made_home.trust / name).read_bytes()) for name in ("policy", "writers"))
    changed = """async (proof, policy, writers) => {
      const file = (bytes) => new File([bytes], "f.head-proof"), honest = fromBase64(proof), missed = [];
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
    assert page_verifier.call(changed, b64(made_home.head_proof.read_bytes()), policy, writers) == []


def test_a_dropped_head_proof_says_which_version_is_the_last_at_which_checkpoint(page, made_home):
    page.drop(made_home.head_proof, made_home.trust)
    words = page.call(SETTLED, "VALID")
    last, size = len(made_home.commits) - 1, len(made_home.ledger.entries)
    assert f"version {last} is its last of {size - 1} leaves" in words
    assert f"leaf {size - 1} of a tree of {size} leaves" in words
    assert "leads to its own entry" in words and "the checkpoint has 1 more" in words
    page.evaluate("document.getElementById('table-id').focus()")
    page.ask("Input.insertText", text="another")
    page.press("Enter", 13, text="\r")
    assert "the head proof is for table id" in page.call(SETTLED, "INVALID")


def test_a_head_proof_of_absence_says_that_there_is_none(page, tmp_path):
    ledger = MadeLedger(tmp_path, origin=f"dab/{MARKUP}")
    ledger.notarize("table/a", b"0")
    bound = bind(ledger)
    proof, commit = tmp_path / NAME, tmp_path / f"{0:020}.json"
    proof.write_bytes(head_proof(ledger, f"table/{MARKUP}", bound, bound))
    commit.write_bytes(b"{}")
    page.choose("#any-files", proof, commit, ledger.trust / "policy", ledger.trust / "writers")
    words = page.call(SETTLED, "VALID")
    assert f"table {MARKUP}: there is no leaf of it among the first 1 leaf" in words
    assert "leads to the entry of another subject, leaf 0" in words
    assert f"{0:020}.json: a head proof says which leaf is the last" in words
    assert page.evaluate("document.querySelectorAll('img').length") == 0
