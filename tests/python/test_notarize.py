"""Can any other program bind its data into the ledger, by `dab notarize` and by plain HTTP, and can anybody check it later
from files alone? Is what must not be taken refused, with a reason?"""

import base64
import hashlib
import http.client
import ssl
import threading
import time

import pytest
from blake3 import blake3

from go_verifier import in_go
from made_ledger import Signer, leaf_text, note
from notarizing import digests, judged, post
from receipt import verify
from server import Server
from trust_directory import Trust
from verdict import Invalid

BYTES = b"every night, the same dump\n"


def add(server, content, subject, **more):
    """The receipt of content that has to be taken, and its leaf index."""
    status, headers, proof = post(server, digests(content, subject, **more))
    assert status == 200, proof
    return proof, int(headers["dab-leaf-index"])


# the command


def test_a_file_is_bound_and_its_proof_checks_anywhere(server, tmp_path, name):
    file, proof = tmp_path / "dump.sql", tmp_path / "dump.sql.tlog-proof"
    file.write_bytes(BYTES * 100_000)
    said = server.dab("notarize", file, "--subject", f"digest/{name}").stdout
    assert f"digest/{name}, number 0 · leaf " in said and "--proof" in said, said
    code, report = judged(server, file, proof, "--subject", f"digest/{name}")
    assert code == 0 and f"the file's {len(BYTES) * 100_000} bytes" in report, report
    leaf, index, _ = verify(proof.read_bytes(), Trust(server.trust), commit=file.read_bytes())
    assert (leaf.subject, leaf.sequence, leaf.operation) == (f"digest/{name}", 0, "NOTARIZE")
    # once more is the same leaf, other bytes are the next one
    server.dab("notarize", file, "--subject", f"digest/{name}", "--out", tmp_path / "again")
    assert verify((tmp_path / "again").read_bytes(), Trust(server.trust))[1] == index
    file.write_bytes(BYTES)
    assert "number 1 · leaf" in server.dab("notarize", file, "--subject", f"digest/{name}", "-o", proof).stdout
    # another file, another subject, a changed byte
    assert judged(server, file, proof)[0] == 0
    assert judged(server, file, tmp_path / "again")[0] == 1
    assert judged(server, file, proof, "--subject", "digest/other")[0] == 1
    file.write_bytes(BYTES.upper())
    code, report = judged(server, file, proof)
    assert code == 1 and "the file is not the notarized one: its BLAKE3 is" in report, report
    assert judged(server, tmp_path / "nowhere", proof)[0] == 2


def test_digests_alone_are_enough_and_have_to_be_whole(server, tmp_path, name):
    words = [f"blake3:{blake3(BYTES).hexdigest()}", f"sha256:{hashlib.sha256(BYTES).hexdigest()}", len(BYTES)]
    proof = tmp_path / "x.tlog-proof"
    server.dab("notarize", *words, "--subject", f"digest/{name}", "-o", proof)
    assert verify(proof.read_bytes(), Trust(server.trust), commit=BYTES)[0].bytes == len(BYTES)
    for given, complaint in [
        ((words[0],), "both digests and the length"),
        ((words[0], words[1]), "both digests and the length"),
        ((words[0].upper(), words[1], words[2]), "one file at a time"),
        ((tmp_path / "nowhere",), "cannot read"),
        ((tmp_path,), "not a regular file"),
    ]:
        failed = server.dab("notarize", *given, "--subject", f"digest/{name}", "-o", proof, check=False)
        assert failed.returncode == 1 and complaint in failed.stderr, failed.stderr
    failed = server.dab("notarize", *words, "--subject", f"digest/{name}", check=False)
    assert failed.returncode == 1 and "--output" in failed.stderr
    for subject in ("catalog", "table/x", "heads", "digest/", "digest/a b", "digest/" + "x" * 300):
        failed = server.dab("notarize", *words, "--subject", subject, "-o", proof, check=False)
        assert failed.returncode == 64 and "subject" in failed.stderr, failed.stderr


def test_a_sequence_that_does_not_follow_on_is_a_conflict_that_names_the_head(server, tmp_path, name):
    file = tmp_path / "f"
    file.write_bytes(BYTES)
    subject = ("--subject", f"digest/{name}")
    failed = server.dab("notarize", file, *subject, "--sequence", "1", check=False)
    assert failed.returncode == 1 and "no leaf yet" in failed.stderr, failed.stderr
    server.dab("notarize", file, *subject, "--sequence", "0")
    server.dab("notarize", file, *subject, "--sequence", "0")
    server.dab("notarize", file, *subject, "--sequence", "1")
    file.write_bytes(b"other")
    failed = server.dab("notarize", file, *subject, "--sequence", "1", check=False)
    assert failed.returncode == 1 and "its head is sequence 1, leaf" in failed.stderr, failed.stderr
    assert "number 2" in server.dab("notarize", file, *subject).stdout


# over HTTP


def test_the_answer_is_a_receipt_and_asking_again_gives_the_same_leaf(server, name):
    proof, index = add(server, BYTES, f"digest/{name}")
    leaf, at, _ = verify(proof.encode(), Trust(server.trust), commit=BYTES)
    assert (leaf.subject, leaf.sequence, at) == (f"digest/{name}", 0, index)
    assert add(server, BYTES, f"digest/{name}")[1] == index
    assert add(server, b"other", f"digest/{name}", sequence=1)[1] > index
    assert add(server, BYTES, f"digest/{name}", sequence=0)[1] == index
    with pytest.raises(Invalid):
        verify(proof.encode(), Trust(server.trust), commit=b"other")


def test_the_token_is_accepted_as_bearer(server, name):
    bearer = [("Authorization", f"Bearer {server.password}")]
    assert post(server, digests(BYTES, f"digest/{name}"), headers=bearer)[0] == 200


@pytest.mark.parametrize("header", [None, "Basic !!!", "Bearer dabs_" + "0" * 64, "Digest x"])
def test_without_credentials_nothing_is_taken(server, name, header):
    status, headers, text = post(server, digests(BYTES, f"digest/{name}"), headers=[("Authorization", header)])
    assert status == 401 and "Basic" in headers["WWW-Authenticate"] and text.endswith("\n"), text
    assert server.query(f"SELECT count(*) FROM dab.commits WHERE table_name = '{name}'") == [(0,)]


def test_bad_requests_get_their_own_status_and_a_reason(server, name):
    good = digests(BYTES, f"digest/{name}")
    for wrong, status, words in [
        (good | {"subject": "catalog"}, 403, "only subjects digest/NAME"),
        (good | {"subject": "table/" + "0" * 8}, 403, "only subjects digest/NAME"),
        (good | {"subject": "digest/"}, 403, "only subjects digest/NAME"),
        (good | {"subject": "digest/a b"}, 400, "subject"),
        (good | {"blake3": "00"}, 400, "blake3"),
        (good | {"sha256": good["sha256"].upper()}, 400, "sha256"),
        (good | {"bytes": -1}, 400, "`-1`"),
        (good | {"more": 1}, 400, "more"),
        (good | {"sequence": 7}, 409, "no leaf yet"),
        (b"", 400, "not a request"),
        (b"\xff\x00", 400, "not a request"),
        (b"dab/leaf/v1\n", 400, "not a request"),
        (b"{" * 4000, 400, "not a request"),
        (b"x" * 10_000, 413, "8192 bytes"),
    ]:
        found, _, text = post(server, wrong)
        assert found == status and words in text, (wrong, found, text)
    assert post(server, good, method="GET")[0] == 405
    # a page of another site that has the browser send the password it remembers
    found, _, text = post(server, good, headers=[("Origin", "https://elsewhere.example")])
    assert found == 403 and "browser" in text
    assert add(server, BYTES, f"digest/{name}")[0], "none of it was bound"
    assert server.alive()


def test_a_body_that_does_not_come_is_waited_for_no_longer_than_its_limit(server):
    context = ssl.create_default_context(cafile=server.ca)
    connection = http.client.HTTPSConnection("localhost", server.audit_port, context=context, timeout=60)
    given = base64.b64encode(f"admin:{server.password}".encode()).decode()
    connection.putrequest("POST", "/add")
    connection.putheader("Authorization", f"Basic {given}")
    connection.putheader("Content-Length", "100")
    connection.endheaders(b"{")
    began = time.monotonic()
    assert connection.getresponse().status == 400
    assert time.monotonic() - began < 50
    connection.close()


def test_those_who_race_each_get_a_place_and_the_same_bytes_one_place(server, name):
    found, threads = [], []

    def worker(content):
        found.append((content, add(server, content, f"digest/{name}")[1]))

    for content in [b"same"] * 4 + [b"%d" % n for n in range(4)]:
        threads.append(threading.Thread(target=worker, args=(content,)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    others = {index for content, index in found if content != b"same"}
    assert len(others) == 4
    for content, index in found:
        assert index not in others or content != b"same"


# leaves that others sign


def signed(origin, signer, subject, content):
    return note(leaf_text(origin, subject, 0, None, content, [], "BACKUP"), signer)


@pytest.fixture(scope="module")
def with_writer(tmp_path_factory):
    """A node whose `trust/writers` lists a stranger's key for some subjects, and that key."""
    server = Server(tmp_path_factory.mktemp("node") / "data").start()
    server.stop()
    origin = (server.trust / "policy").read_text().split("\nlog ")[1].split("+")[0]
    signer = Signer(f"{origin}/backup", "backup")
    with (server.trust / "writers").open("a") as writers:
        writers.write(f"{signer.vkey} digest/backup/*\n")
    server.start()
    try:
        yield server, origin, signer
    finally:
        server.stop()


def test_a_leaf_that_a_known_writer_has_signed_is_taken_as_it_is(with_writer):
    server, origin, signer = with_writer
    leaf = signed(origin, signer, "digest/backup/1", BYTES)
    status, headers, proof = post(server, leaf)
    assert status == 200, proof
    found, index, _ = verify(proof.encode(), Trust(server.trust), commit=BYTES)
    assert (found.operation, index) == ("BACKUP", int(headers["dab-leaf-index"]))
    assert leaf in base64.b64decode(proof.split("\n")[1][6:]), "the very bytes that were sent"
    assert int(post(server, leaf)[1]["dab-leaf-index"]) == index
    stranger = Signer(f"{origin}/stranger", "stranger")
    for wrong, status, words in [
        (signed(origin, signer, "digest/backup/1", b"other"), 409, "its head is sequence 0"),
        (signed(origin, signer, "digest/other", BYTES), 403, "may not write subject digest/other"),
        (signed(origin, signer, "catalog", BYTES), 403, "only subjects digest/NAME"),
        (signed(origin, stranger, "digest/backup/2", BYTES), 403, "does not list"),
        (signed("dab/elsewhere", signer, "digest/backup/2", BYTES), 400, "dab/elsewhere"),
        (leaf.replace(b"BACKUP", b"BACKUQ"), 403, "does not verify"),
        (leaf[:-5], 400, "not a request"),
    ]:
        found, _, text = post(server, wrong)
        assert found == status and words in text, (wrong, found, text)


# and by a verifier of other make


def test_go_checks_such_a_receipt(go, server, tmp_path, name):
    file, proof = tmp_path / "f", tmp_path / "f.tlog-proof"
    file.write_bytes(BYTES)
    server.dab("notarize", file, "--subject", f"digest/{name}")
    assert in_go(go, "proof", proof, "--trust", server.trust, "--commit", file)[0] == 0
    file.write_bytes(BYTES.upper())
    assert in_go(go, "proof", proof, "--trust", server.trust, "--commit", file)[0] == 1
