"""Does the verifier of the auditor's page, in a real browser, judge as the other verifiers do?

The page is ledger/audit; Chromium is driven by `browser.py`. Without Chromium the tests are skipped and say so."""

import base64
import json
from dataclasses import replace

import pytest

from audit_page import judge, judged, on_disk, opened, reasons
from forgeries import RECEIPT_FORGERIES, Evidence
from made_ledger import Signer, b64
from offline import NEIGHBOUR, VERSION, in_rust, programs
from signed_note import COSIGNER_KEY
from vectors import VECTORS, expected, vectors_of

# the verdicts


@pytest.mark.parametrize("name", VECTORS)
def test_the_page_gives_the_verdicts_and_reasons_of_the_vectors(page_verifier, name):
    wrong = []
    for vector in vectors_of(name):
        found = judged(page_verifier, *expected(vector), vector.get("table_id", ""))
        certification = found["certification"] or {}
        good = (found["verdict"], (reasons(found) or [None])[0]) == (vector["verdict"], vector["reason"])
        good = good and vector.get("certifies_alone", certification.get("alone")) == certification.get("alone")
        good = good and vector.get("cosigners", certification.get("cosigners")) == certification.get("cosigners")
        if not good:
            wrong.append((vector["name"], vector["verdict"], vector["reason"], found))
    assert not wrong, "\n".join(map(str, wrong))


def test_points_of_small_order_are_told_in_every_spelling(page_verifier):
    weak = [vector["name"].split()[-1] for vector in vectors_of("trust") if "key of small order, " in vector["name"]]
    honest = [base64.b64decode(Signer("n", str(n)).vkey.split("+", 2)[2])[1:].hex() for n in range(20)]
    told = """(points) => points.map((point) => {
      return isSmallOrder(Uint8Array.from(point.match(/../g), (digits) => parseInt(digits, 16)));
    })"""
    assert len(weak) == 14
    assert page_verifier.call(told, weak + honest) == [True] * len(weak) + [False] * len(honest)


@pytest.mark.parametrize("missing", [False, True], ids=["there", "missing"])
def test_a_browser_without_ed25519_is_told_so(browser, missing):
    with opened(browser) as page:
        if missing:  # one that knows the name, and answers that nothing fits
            page.evaluate("void (SubtleCrypto.prototype.verify = async () => false)")
        words = page.evaluate("missingCryptography()")
        assert ("cannot check Ed25519" in words) if missing else words is None


@pytest.mark.parametrize("piece", [1 << 20, 1024, 1000, 64, 7])
def test_blake3_has_the_known_answers_however_the_input_is_cut(page_verifier, piece):
    vectors = [vector for vector in vectors_of("blake3") if piece > 100 or vector["bytes"] < 10_000]
    hashed = """(lengths, piece) => lengths.map((length) => {
      const input = Uint8Array.from({length}, (_, i) => i % 251), hasher = new Blake3();
      for (let at = 0; at < length; at += piece) hasher.update(input.subarray(at, at + piece));
      return hex(hasher.digest());
    })"""
    found = page_verifier.call(hashed, [vector["bytes"] for vector in vectors], piece)
    assert found == [vector["blake3"] for vector in vectors]


def test_every_genuine_receipt_is_valid_in_the_words_of_dab_verify(page_verifier, home, tmp_path):
    for version in range(len(home.commits)):
        evidence = home.evidence(version)
        found = judge(page_verifier, evidence, home.trust)
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


def test_every_named_forgery_is_invalid(page_verifier, home):
    honest, other = home.evidence(VERSION), home.evidence(NEIGHBOUR)
    accepted = []
    for name, forge in RECEIPT_FORGERIES.items():
        found = judge(page_verifier, forge(honest, other), home.trust)
        if found["verdict"] != "INVALID":
            accepted.append((name, found))
    assert not accepted, accepted


def test_every_changed_byte_of_a_receipt_is_noticed(page_verifier, made_home):
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
    assert page_verifier.call(changed, b64(evidence.proof), policy, writers) == []


# limits


def test_what_is_too_large_is_refused_before_it_is_read(page_verifier, made_home):
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
        found = page_verifier.call(asked, files, name, evidence.data[0][0])
        assert found["verdict"] == ("UNDECIDED" if name in ("policy", "writers") else "INVALID"), (name, found)
        assert str(1 << 40) in (found["failures"] + found["undecided"])[0]["message"], (name, found)


def test_a_file_that_cannot_be_read_leaves_it_undecided(page_verifier, made_home):
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
        verdict, message = page_verifier.call(asked, files, name)
        assert verdict == "UNDECIDED" and "gone" in message, name


def test_groups_nest_no_deeper_than_the_limit(page_verifier, made_home):
    policy, writers = ((made_home.trust / name).read_bytes() for name in ("policy", "writers"))
    policy += f"witness w {Signer('w', 'w', COSIGNER_KEY).vkey}\n".encode()
    evidence = Evidence(made_home.evidence(VERSION).proof)
    for depth, verdict in ((32, "VALID"), (33, "UNDECIDED")):
        groups = "".join(f"group g{i} any {f'g{i - 1}' if i else 'w'}\n" for i in range(depth))
        assert judged(page_verifier, evidence, policy + groups.encode(), writers)["verdict"] == verdict


def test_a_note_has_no_more_signature_lines_than_the_limit(page_verifier, made_home):
    evidence = Evidence(made_home.evidence(VERSION).proof)
    text = evidence.note().rpartition(b"\n\n")[0] + b"\n"
    for strangers, verdict in ((63, "VALID"), (64, "INVALID")):
        lines = b"".join(Signer(f"stranger{i}.example", "s").line(text) for i in range(strangers))
        found = judge(page_verifier, evidence.with_note(evidence.note() + lines), made_home.trust)
        assert found["verdict"] == verdict, found
