"""Does whoever holds a hash find the table, version and leaf that have it, and the proof of it?"""

import hashlib
import json

import pytest
from blake3 import blake3

from receipt import verify
from server import dab_verify_binary, run
from trust_directory import Trust


@pytest.fixture
def table(server, name):
    """A table of three versions, the second in two data files' worth of history, and its folder."""
    server.query(f"CREATE TABLE {name} AS SELECT 1 AS id")
    for n in (2, 3):
        server.dab("sql", "-c", f"INSERT INTO {name} VALUES ({n})")
    return server.table(name)


def commit(folder, version):
    return (folder / "_delta_log" / f"{version:020}.json").read_bytes()


def adds(folder, version):
    actions = [json.loads(line) for line in commit(folder, version).splitlines()]
    return [action["add"] for action in actions if "add" in action]


def find(server, *arguments):
    return server.dab("find", *arguments).stdout


def test_every_hash_of_a_commit_leads_to_it_and_to_its_proof(server, table, name, tmp_path):
    body, proof = commit(table, 1), tmp_path / "p.tlog-proof"
    server.dab("prove", f"{name}@1", "-o", proof)
    leaf, index, _ = verify(proof.read_bytes(), Trust(server.trust), commit=body)
    (digest,) = server.query(f"SELECT digest FROM dab.commits WHERE table_name = '{name}' AND version = 1")[0]
    assert digest == blake3(body).hexdigest()
    (leaf_hash,) = server.query(f"SELECT parent FROM dab.commits WHERE table_name = '{name}' AND version = 2")[0]
    for given in (digest, digest.upper(), f"blake3:{digest}", hashlib.sha256(body).hexdigest(), leaf.hash.hex(), leaf_hash):
        said = find(server, given, "-o", tmp_path / "found")
        assert said.startswith(f"{name}@1 · leaf {index}\n") and "proved in" in said, said
        assert verify((tmp_path / "found").read_bytes(), Trust(server.trust), commit=body)[1] == index
        assert all(len(line) <= 80 for line in said.splitlines() if "proved" not in line), said
    run(dab_verify_binary(), "verify", tmp_path / "found", "--trust", server.trust)


def test_a_data_file_leads_to_the_commit_that_added_it_also_after_it_was_removed(server, table, name):
    (added,) = adds(table, 2)
    content = (table / added["path"]).read_bytes()
    digest = blake3(content).hexdigest()
    assert digest == added["tags"]["dab.blake3"]
    server.query(f"INSERT OVERWRITE {name} VALUES (9)")
    said = find(server, digest)
    assert f"{name}@2 · leaf" in said and added["path"] in said and f"{len(content)} bytes" in said, said
    here = f"blake3 = '{digest}' AND table_name = '{name}'"
    found = server.query(f"SELECT table_name, version, path, bytes FROM dab.files WHERE {here}")
    assert found == [(name, 2, added["path"], len(content))]
    server.query(f"DROP TABLE {name}")
    assert f"{name}@2 (dropped)" in find(server, digest)
    dropped = f"SELECT dropped_name FROM dab.files WHERE blake3 = '{digest}' AND table_name IS NULL"
    assert server.query(dropped) == [(name,)]


def test_notarized_data_is_found_each_time_that_it_was_bound(server, name, tmp_path):
    file = tmp_path / "f"
    for n, content in enumerate((b"one", b"two", b"one")):
        file.write_bytes(name.encode() + content)
        server.dab("notarize", file, "--subject", f"digest/{name}")
    said = find(server, blake3(file.read_bytes()).hexdigest())
    assert f"digest/{name}, number 0" in said and f"digest/{name}, number 2" in said, said
    assert "number 1" not in said
    several = server.dab("find", blake3(file.read_bytes()).hexdigest(), "-o", tmp_path / "p", check=False)
    assert several.returncode == 1 and "several leaves" in several.stderr and not (tmp_path / "p").exists()


@pytest.mark.parametrize("wrong", ["", "abc", "0" * 63, "md5:" + "0" * 64, "z" * 64])
def test_what_is_no_hash_is_refused(server, wrong):
    failed = server.dab("find", wrong, check=False)
    assert failed.returncode == 1 and "no hash" in failed.stderr, failed.stderr


def test_an_unknown_hash_is_said_to_be_unknown(server):
    failed = server.dab("find", "0" * 64, check=False)
    assert failed.returncode == 1 and "nothing has this hash" in failed.stderr, failed.stderr
