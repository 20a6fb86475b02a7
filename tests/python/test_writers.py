"""Keys of other programs: can one be registered for some subjects, used, and revoked, and does everybody who checks leaves
heed it, for old leaves as for new ones?"""

import shutil
import stat
import time

import pytest

from auditor import audit_ledger
from go_verifier import in_go
from group import Group, approve, node_verb
from made_ledger import Signer, leaf_text, note
from notarizing import judged, post
from receipt import verify
from server import Server, dab_binary, dab_verify_binary, run
from trust_directory import Trust
from verdict import Invalid

BYTES = b"every night, the same dump\n"


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A node of its own, since who may write there changes."""
    server = Server(tmp_path_factory.mktemp("node") / "data").start()
    try:
        yield server
    finally:
        server.stop()


def make_key(directory, name):
    """A key's file and what has to be registered."""
    file = directory / f"{name}.key"
    printed = run(dab_binary(), "writer", "key", name, file).stdout
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert printed.startswith(f"{name}+") and printed.count("\n") == 1, printed
    return file, printed.strip()


def refused(done, *words):
    assert done.returncode == 1 and all(word in done.stderr for word in words), (done.stdout, done.stderr)


def test_a_key_is_registered_used_and_revoked_and_its_old_leaves_stay_good(go, node, tmp_path):
    before, file = tmp_path / "trust", tmp_path / "dump.sql"
    shutil.copytree(node.trust, before)
    file.write_bytes(BYTES)
    key, vkey = make_key(tmp_path, "backup")
    notarize = ("notarize", file, "--key", key, "--subject")
    refused(node.dab(*notarize, "digest/backup/a", check=False), "does not list")

    added = node.dab("writer", "add", vkey, "digest/backup/*", "digest/one").stdout
    assert "backup may write digest/backup/* digest/one from now on" in added, added
    assert "backup  may write  digest/backup/* digest/one\n" in node.dab("writer", "list").stdout
    said = node.dab(*notarize, "digest/backup/a").stdout
    assert "digest/backup/a, number 0 · leaf " in said, said
    proof = tmp_path / "dump.sql.tlog-proof"
    leaf, index, _ = verify(proof.read_bytes(), Trust(node.trust), commit=BYTES)
    assert (leaf.writer, leaf.operation) == ("backup", "NOTARIZE")
    # the same again is the same leaf, other bytes are the next one, and the node writes there too
    node.dab(*notarize, "digest/backup/a", "-o", tmp_path / "again")
    assert verify((tmp_path / "again").read_bytes(), Trust(node.trust))[1] == index
    file.write_bytes(b"other")
    assert "number 1 · leaf" in node.dab(*notarize, "digest/backup/a", "-o", tmp_path / "next").stdout
    file.write_bytes(b"the node's")
    assert "number 2 · leaf" in node.dab("notarize", file, "--subject", "digest/backup/a", "-o", tmp_path / "own").stdout
    failed = node.dab(*notarize, "digest/backup/a", "--sequence", "7", check=False)
    refused(failed, "number 7 does not follow on in digest/backup/a: the next one is 3")
    file.write_bytes(BYTES)
    refused(node.dab(*notarize, "digest/backup", check=False), "backup may not write subject digest/backup")
    refused(node.dab(*notarize, "digest/other", check=False), "backup may not write subject digest/other")

    revoked = node.dab("writer", "revoke", "backup").stdout
    first = int(revoked.split("from there on")[0].split("below leaf ")[1].split(",")[0])
    for _ in range(2):
        refused(node.dab(*notarize, "digest/one", check=False), f"a key that is revoked from leaf {first} on")
        assert f"backup  revoked from leaf {first} on  digest/backup/*" in node.dab("writer", "list").stdout
        assert f"\nrevoked {first} {vkey} digest/backup/* digest/one\n" in (node.trust / "writers").read_text()
        node.stop()
        node.start()
    refused(node.dab("writer", "revoke", "backup", check=False), "revoked already, from leaf")
    refused(node.dab("writer", "add", vkey, "digest/x", check=False), "for ever: make another")

    # everybody who checks finds the old leaf as good as ever
    assert judged(node, file, proof)[0] == 0
    assert verify(proof.read_bytes(), Trust(node.trust), commit=BYTES)[1] == index
    assert in_go(go, "proof", proof, "--trust", node.trust, "--commit", file)[0] == 0
    run(dab_verify_binary(), "audit", "ledger", node.public, "--trust", node.trust)
    assert in_go(go, "ledger", node.public, "--trust", node.trust)[0] == 0
    # and with a revocation before it, a bad one
    earlier = tmp_path / "earlier"
    shutil.copytree(node.trust, earlier)
    text = (node.trust / "writers").read_text()
    (earlier / "writers").write_text(text.replace(f"revoked {first} ", f"revoked {index} "))
    for program in (dab_binary(), dab_verify_binary()):
        done = run(program, "verify", file, "--proof", proof, "--trust", earlier, check=False)
        assert done.returncode == 1 and f"revoked from leaf {index} on" in " ".join(done.stdout.split()), done.stdout
    with pytest.raises(Invalid, match=f"revoked from leaf {index} on"):
        verify(proof.read_bytes(), Trust(earlier), commit=BYTES)
    assert in_go(go, "proof", proof, "--trust", earlier, "--commit", file)[0] == 1
    assert in_go(go, "ledger", node.public, "--trust", earlier)[0] == 1
    told = run(dab_verify_binary(), "audit", "ledger", node.public, "--trust", earlier, check=False)
    assert told.returncode == 1 and f"revoked from leaf {index} on" in " ".join(told.stdout.split()), told.stdout
    with pytest.raises(Invalid, match=f"revoked from leaf {index} on"):
        audit_ledger(lambda path: (node.public / path).read_bytes(), Trust(earlier))

    # whoever got the trust directory earlier follows by the ledger's own word
    assert run(dab_verify_binary(), "verify", file, "--proof", proof, "--trust", before, check=False).returncode == 1
    run(dab_verify_binary(), "follow", node.trust / "changes", "--trust", before, "--write")
    assert (before / "writers").read_text() == text
    run(dab_verify_binary(), "verify", file, "--proof", proof, "--trust", before)


def test_a_leaf_that_a_registered_key_has_signed_elsewhere_is_taken_until_it_is_revoked(node, tmp_path):
    key, vkey = make_key(tmp_path, "etl.example.org")
    signer = Signer.from_private_text(key.read_text())
    assert signer.vkey == vkey
    origin = (node.trust / "policy").read_text().split("\nlog ")[1].split("+")[0]
    stranger = Signer("stranger", "stranger")
    node.dab("writer", "add", vkey, "digest/etl/*", "table/*")

    def leaf(subject, sequence=0, parent=None, by=signer):
        return note(leaf_text(origin, subject, sequence, parent, BYTES, [], "EXPORT"), by)

    status, headers, proof = post(node, leaf("digest/etl/a"))
    assert status == 200, proof
    for wrong, words in [
        (leaf("digest/etlx"), "may not write subject digest/etlx"),
        (leaf("table/t"), "only subjects digest/NAME"),
        (leaf("members"), "only subjects digest/NAME"),
        (leaf("heads"), "only subjects digest/NAME"),
        (leaf("digest/etl/b", by=stranger), "does not list"),
        (leaf("digest/etl/b").replace(b"EXPORT", b"EXPORU"), "does not verify"),
    ]:
        found, _, text = post(node, wrong)
        assert found == 403 and words in text, (wrong, found, text)
    node.dab("writer", "revoke", vkey)
    found, _, text = post(node, leaf("digest/etl/b"))
    assert found == 403 and "a key that is revoked from leaf" in text, text
    assert verify(proof.encode(), Trust(node.trust), commit=BYTES)[1] == int(headers["dab-leaf-index"])


def test_what_must_not_be_registered_or_revoked_is_refused_by_name(node, tmp_path):
    writers = (node.trust / "writers").read_text()
    origin = (node.trust / "policy").read_text().split("\nlog ")[1].split("+")[0]
    _, vkey = make_key(tmp_path, "x")
    for arguments, words in [
        ((vkey, "*"), "covers the subject members, which only the ledger's own keys write"),
        ((vkey, "digest/x", "heads"), "covers the subject heads"),
        ((vkey, "d*x"), "* may stand only at its end"),
        ((vkey, "a b"), "no subjects that x could write"),
        ((Signer(f"{origin}/n9/writer", "y").vkey, "digest/x"), "would look like one of the ledger's own keys"),
        ((Signer("x", "y", 4).vkey, "digest/x"), "signature type 0x04"),
    ]:
        refused(node.dab("writer", "add", *arguments, check=False), words)
    assert node.dab("writer", "add", "nonsense", "digest/x", check=False).returncode == 64
    own = writers.split("\n")[1].split("+")[0]
    refused(node.dab("writer", "revoke", own, check=False), "is the node's own key")
    refused(node.dab("writer", "revoke", "nobody", check=False), "there is no writer nobody")
    assert (node.trust / "writers").read_text() == writers
    # keys as files
    key = tmp_path / "x.key"
    refused(run(dab_binary(), "writer", "key", "x", key, check=False), "it is there already")
    for name in ("", "a b", "a+b"):
        assert run(dab_binary(), "writer", "key", name, tmp_path / "bad", check=False).returncode == 1
    assert not (tmp_path / "bad").exists()
    file = tmp_path / "f"
    file.write_bytes(BYTES)
    for made, words in [(None, "there is no key"), ("junk\n", "does not hold a signing key"), (key.read_text(), "others may read the secret")]:
        other = tmp_path / "other"
        if made is not None:
            other.write_text(made)
            other.chmod(0o644 if made.startswith("PRIVATE") else 0o600)
        refused(node.dab("notarize", file, "--subject", "digest/x", "--key", other, check=False), words)
    # for another ledger than the one that is meant
    other = tmp_path / "trust"
    other.mkdir()
    shutil.copy(node.trust / "writers", other)
    notarize = ("notarize", file, "--subject", "digest/x", "--key", key, "--trust", other)
    refused(node.dab(*notarize, check=False), f"{other} has to say for which ledger the key signs", "--trust")
    (other / "policy").write_text(f"log {Signer('dab/another', 'y', 1).vkey}\nquorum none\n")
    refused(node.dab(*notarize, check=False), f"the node keeps the ledger {origin}", "speaks of dab/another", "nothing was signed")
    nowhere = tmp_path / "nowhere"
    refused(run(dab_binary(), "writer", "list", "--data", nowhere, check=False), "there is no ledger here")
    assert not nowhere.exists()


def follows(node, words):
    """Waits until a replica's writers file has these words: it follows what the ledger has certified."""
    deadline = time.monotonic() + 60
    while words not in (node.trust / "writers").read_text():
        assert time.monotonic() < deadline, (node.trust / "writers").read_text()
        time.sleep(0.05)


def test_replicas_register_and_revoke_what_a_quorum_approves_of(go, tmp_path_factory, tmp_path):
    group = Group(tmp_path_factory.mktemp("writers")).start()
    before, followed = tmp_path / "before", tmp_path / "followed"
    shutil.copytree(group.nodes[0].trust, before)
    try:
        file, change = tmp_path / "f", tmp_path / "change"
        file.write_bytes(BYTES)
        key, vkey = make_key(tmp_path, "backup")

        def approved(*verb):
            first, *others = group.nodes
            drafted = first.dab("writer", *verb, "-o", change).stdout
            assert "approved by 1 of the 3 members that it takes" in drafted, drafted
            few = node_verb("apply", "--data", first.data, change, check=False)
            assert few.returncode == 1 and "too few members approve" in few.stderr, few
            approve(change, *others[:2])
            applied = node_verb("apply", "--data", others[2].data, change).stdout
            change.unlink()
            return applied

        assert "backup may write digest/backup from now on" in approved("add", vkey, "digest/backup")
        notarize = ("notarize", file, "--subject", "digest/backup", "--key", key)
        group.nodes[1].dab(*notarize)
        proof = (tmp_path / "f.tlog-proof").read_bytes()
        assert "no more from there on" in approved("revoke", "backup")
        file.write_bytes(b"other")
        for node in group.nodes:
            refused(node.dab(*notarize, check=False), "a key that is revoked from leaf")
            follows(node, "\nrevoked ")
            assert "backup  revoked from leaf" in node.dab("writer", "list").stdout
            assert verify(proof, Trust(node.trust), commit=BYTES)[0].writer == "backup"
        # the verifier in Go comes to the same writers, and by them the whole ledger is sound
        first, receipt = group.nodes[0], tmp_path / "f.tlog-proof"
        status, words = in_go(go, "follow", first.trust / "changes", "--trust", before, "--output", followed)
        assert status == 0 and "epoch 2, 4 members" in words, words
        assert (followed / "writers").read_text() == (first.trust / "writers").read_text()
        receipt.write_bytes(proof)
        for arguments in [("proof", receipt), ("ledger", first.public), ("checkpoint", first.public / "checkpoint")]:
            status, words = in_go(go, *arguments, "--trust", followed)
            assert status == 0 and "cosigned by n" in words, words
        member = group.nodes[3].data.name
        name = next(line.split()[0] for line in node.dab("writer", "list").stdout.split("\n") if f"/{member}/" in line)
        refused(group.nodes[0].dab("writer", "revoke", name, check=False), f"dab node remove {member}")
    finally:
        group.stop()
