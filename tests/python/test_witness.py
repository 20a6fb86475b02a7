"""Does `dab witness` cosign what only grew, remember it through kills, and keep what convicts a log? Judged by the independent
verifier, over ledgers made in Python and over a real node's."""

import datetime
import http.client
import ipaddress
import os
import re
import signal
import socket
import ssl
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes as digests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from auditor import entries_in, read_tile, source
from checkpoint import Checkpoint
from made_ledger import MadeLedger, Signer
from server import dab_binary, dab_verify_binary, run
from signed_note import COSIGNER_KEY, Key, parse_note
from trust_directory import Trust
from witness import CALL_SECONDS_MAX, Witness, log_hash, request

USAGE = 64


@pytest.fixture
def ledger(tmp_path):
    """A ledger of 300 leaves."""
    made = MadeLedger(tmp_path / "ledger")
    for n in range(300):
        made.notarize(f"table/{n % 7}", b"%d" % n)
    return made


@pytest.fixture
def forged(tmp_path):
    """Another history under the same keys."""
    made = MadeLedger(tmp_path / "forged")
    for n in range(300):
        made.notarize("table/0", b"forged %d" % n)
    return made


@pytest.fixture
def witness(tmp_path, ledger):
    running = Witness(tmp_path / "witness", "--log", ledger.log.vkey, "--name", "witness.example/w1")
    try:
        yield running
    finally:
        running.stop()


def grow(witness, ledger, *sizes):
    old = 0
    for size in sizes:
        status, _, body = witness.add(ledger.entries[:size], ledger.checkpoint(size), old)
        assert status == 200, (old, size, body)
        old = size
    return body


def test_a_cosignature_is_good_by_the_independent_verifier_and_certifies_a_receipt(witness, ledger, tmp_path):
    began = int(time.time())
    for old, size in [(0, 1), (1, 2), (2, 255), (255, 256), (256, 300)]:
        checkpoint = ledger.checkpoint(size)
        status, kind, line = witness.add(ledger.entries[:size], checkpoint, old)
        assert (status, kind) == (200, "text/plain; charset=utf-8"), line
        text, [((name, key_id), signature)] = parse_note(parse_note(checkpoint)[0] + b"\n" + line)
        key = Key(witness.vkey, COSIGNER_KEY)
        assert (name, key_id) == (key.name, key.id) == ("witness.example/w1", key.id)
        assert began <= key.verify(text, signature) <= time.time()
    # the printed line, pasted into a policy that asks for the witness
    policy = ledger.trust / "policy"
    policy.write_text(f"log {ledger.log.vkey}\n{witness.policy_line}\nquorum {witness.name}\n")
    proof = tmp_path / "p.tlog-proof"
    proof.write_bytes(ledger.receipt(7))
    assert run(dab_verify_binary(), "verify", proof, "--trust", ledger.trust, check=False).returncode == 1
    proof.write_bytes(ledger.receipt(7) + line)
    assert "cosigned by witness.example/w1" in run(dab_verify_binary(), "verify", proof, "--trust", ledger.trust).stdout
    status, _, served = witness.latest(ledger.origin)
    assert (status, Checkpoint(served, Trust(ledger.trust)).size) == (200, 300)


def test_every_refusal_has_the_status_of_the_specification(witness, ledger, forged):
    grow(witness, ledger, 7)
    cases = [
        (404, MadeLedger(ledger.directory / "other", origin="dab/other"), 0),
        (409, ledger, 0),
        (409, ledger, 9),
        (422, forged, 7),
    ]
    for status, made, old in cases:
        entries = made.entries[:20]
        told = witness.add(entries, made.checkpoint(len(entries)), min(old, len(entries)))
        assert told[0] == status, told
        if status == 409:
            assert told[1:] == ("text/x.tlog.size", b"7\n")
    stranger = MadeLedger(ledger.directory / "stranger")
    stranger.log = Signer(ledger.origin, "another seed")
    assert witness.add([], stranger.checkpoint(0), 0)[0] == 403
    assert witness.ask("POST", "/add-checkpoint", b"old 30\n\n" + ledger.checkpoint(20))[0] == 400
    assert witness.ask("POST", "/add-checkpoint", b"rubbish")[0] == 400
    assert witness.ask("POST", "/add-checkpoint", b"x" * (1 << 20))[0] == 413
    assert witness.latest("dab/other")[0] == 404


def test_a_killed_witness_remembers_what_it_cosigned_and_its_key(witness, ledger, forged):
    vkey, old = witness.vkey, 0
    for size in range(1, 40, 3):
        grown = witness.add(ledger.entries[:size], ledger.checkpoint(size), old)
        assert grown[0] == 200, grown
        witness.stop(signal.SIGKILL)
        witness.start()
        assert witness.vkey == vkey
        told = witness.add(forged.entries[:size], forged.checkpoint(size), 0)
        assert told[0] in (409, 422) and (told[0] == 422 or told[2] == b"%d\n" % size), told
        old = size


def test_requests_killed_in_flight_never_lead_to_two_histories(witness, ledger, forged):
    """Whatever a kill leaves undone, the state covers every cosignature that somebody got."""
    given = {}
    for round_ in range(8):
        status, _, size = witness.add([], ledger.checkpoint(0), 0)
        old = int(size) if status == 409 else 0
        for made in (ledger, forged):
            body = request(made.entries[: old + 5], made.checkpoint(old + 5), old)
            connection = http.client.HTTPConnection(witness.url.removeprefix("http://"), timeout=CALL_SECONDS_MAX)
            connection.request("POST", "/add-checkpoint", body)
            if round_ % 2:
                answer = connection.getresponse()
                if answer.status == 200:
                    given.setdefault(old + 5, []).append(made)
            connection.close()
        witness.stop(signal.SIGKILL)
        witness.start()
    assert all(len(makers) == 1 for makers in given.values()), given
    assert {id(makers[0]) for makers in given.values()} <= {id(ledger), id(forged)}
    assert len({id(makers[0]) for makers in given.values()}) == 1, "one history only"


def test_a_fork_is_kept_and_a_third_party_convicts_the_log(witness, ledger, forged):
    grow(witness, ledger, 7)
    assert witness.add(forged.entries[:7], forged.checkpoint(7), 7)[0] == 422
    assert witness.add(forged.entries[:20], forged.checkpoint(20), 7)[0] == 422
    folders = list((witness.state / "evidence" / log_hash(ledger.origin)).iterdir())
    assert len(folders) == 2
    for folder in folders:
        trust = Trust(ledger.trust)
        heads = [Checkpoint((folder / name).read_bytes(), trust) for name in ("first", "second")]
        assert heads[0].root != heads[1].root
        proof = ["--proof", folder / "proof"] if heads[0].size != heads[1].size else []
        command = [dab_verify_binary(), "fork", folder / "first", folder / "second", "--trust", ledger.trust, *proof]
        found = run(*command, check=False)
        assert found.returncode == 1, found.stdout
        assert f"log {ledger.origin} (key id {ledger.log.id.hex()}) signed both" in " ".join(found.stdout.split())


def test_a_real_node_is_witnessed_by_its_trust_directory(server, cursor, tmp_path, name):
    cursor.execute(f"CREATE TABLE {name} AS SELECT 1 AS id")
    witness = Witness(tmp_path / "witness", "--trust", server.trust)
    try:
        old = 0
        for row in (2, 3):
            cursor.execute(f"INSERT INTO {name} VALUES ({row})")
            trust, read = Trust(server.trust), source(str(server.public), None)
            checkpoint = read("checkpoint")
            size = Checkpoint(checkpoint, trust).size
            entries = [
                entry
                for start in range(0, size, 256)
                for entry in read_tile(read, "entries", start // 256, min(256, size - start), entries_in)
            ]
            status, _, line = witness.add(entries, checkpoint, old)
            assert status == 200, line
            old = size
        assert re.match(r"witness/[0-9a-f-]{36}$", witness.name), "a name of its own"
    finally:
        assert witness.stop() == 0


def test_it_serves_under_a_given_certificate(ledger, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "witness")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, digests.SHA256())
    )
    pem, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    encoded = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    private.write_bytes(encoded)
    arguments = ["--log", ledger.log.vkey, "--tls-cert", pem, "--tls-key", private]
    refused = run(dab_binary(), "witness", "--state", tmp_path / "w", *arguments, check=False)
    assert refused.returncode == 1 and "key.pem" in refused.stderr and "others may read" in refused.stderr
    private.chmod(0o600)
    witness = Witness(tmp_path / "w", *arguments)
    try:
        assert witness.url.startswith("https://")
        witness.context = ssl.create_default_context(cafile=str(pem))
        grow(witness, ledger, 1, 7)
    finally:
        witness.stop()


def test_wrong_input_gets_a_reason(ledger, witness, tmp_path):
    log, state = ledger.log.vkey, tmp_path / "fresh"
    cosigner = Signer("c", "c", COSIGNER_KEY).vkey
    for arguments, status, words in [
        ([], USAGE, "--log <VKEY>"),
        (["--log", "rubbish"], USAGE, "rubbish"),
        (["--log", log[:-3]], USAGE, "key"),
        (["--log", log, "--tls-cert", "x"], USAGE, "--tls-key"),
        (["--log", cosigner], 1, "no log's key"),
        (["--log", log, "--listen", "0.0.0.0:0"], 1, "--tls-cert"),
        (["--log", log, "--name", "two words"], 1, "two words"),
        (["--log", log, "--tls-cert", "nowhere", "--tls-key", "nowhere"], 1, "nowhere"),
        (["--trust", tmp_path / "nowhere"], 1, "nowhere"),
    ]:
        found = run(dab_binary(), "witness", "--state", state, *arguments, check=False, timeout=CALL_SECONDS_MAX)
        assert found.returncode == status and words in found.stderr, (arguments, found.returncode, found.stderr)
        assert "panicked" not in found.stderr
    busy = [dab_binary(), "witness", "--state", witness.state, "--log", log, "--listen", "127.0.0.1:0"]
    found = run(*busy, check=False, timeout=CALL_SECONDS_MAX)
    assert found.returncode == 1 and "another process uses" in found.stderr, found.stderr
    witness.stop()
    found = run(*busy, "--name", "other", check=False, timeout=CALL_SECONDS_MAX)
    assert found.returncode == 1 and "fixed at its first start" in found.stderr, found.stderr
    key = witness.state / "cosigner.key"
    assert key.stat().st_mode & 0o777 == 0o600
    os.chmod(key, 0o644)
    found = run(*busy, check=False, timeout=CALL_SECONDS_MAX)
    assert found.returncode == 1 and "cosigner.key" in found.stderr, found.stderr
    assert key.read_text().strip() not in found.stderr


def test_one_address_does_not_shut_the_witness(witness, ledger):
    """Requests whose body never comes take neither the places in which requests are decided nor all the connections."""
    address = re.sub("^http://", "", witness.url).split(":")
    head = b"POST /add-checkpoint HTTP/1.1\r\nhost: w\r\nexpect: 100-continue\r\ncontent-length: 100\r\n\r\n"
    stalled, waiting = [], 0
    try:
        for _ in range(40):
            stalled.append(socket.create_connection((address[0], int(address[1])), CALL_SECONDS_MAX))
            try:
                stalled[-1].sendall(head)
                # a closed connection answers with nothing: this address has enough of them
                waiting += stalled[-1].recv(12) == b"HTTP/1.1 100"
            except ConnectionError:
                pass
        assert waiting == 8
        connection = http.client.HTTPConnection(*address, timeout=CALL_SECONDS_MAX, source_address=("127.0.0.2", 0))
        connection.request("POST", "/add-checkpoint", request(ledger.entries[:7], ledger.checkpoint(7), 0))
        assert connection.getresponse().status == 200
        connection.close()
    finally:
        for connection in stalled:
            connection.close()


def test_a_fork_that_is_sent_again_fills_no_log(witness, ledger, forged):
    grow(witness, ledger, 7)
    for _ in range(3):
        assert witness.add(forged.entries[:7], forged.checkpoint(7), 7)[0] == 422
    witness.stop()
    assert witness.errors.read_text().count("a ledger contradicts itself") == 1
