"""Does `dab prove --head` prove which version of a table is the latest, to all three verifiers, and cost the ledger no leaf
where nothing has changed?"""

import json

import pytest

from head_proof import verify_head
from server import dab_binary, dab_verify_binary, run
from trust_directory import Trust


@pytest.fixture
def table(server, name):
    """A table with three versions."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {name} (id BIGINT)")
        for n in range(2):
            cursor.execute(f"INSERT INTO {name} VALUES ({n})")
    return name


def judged(server, proof, *arguments):
    """The verdicts of `dab`, `dab-verify` and the independent verifier, which must agree; the second's report."""
    ours = run(dab_binary(), "verify", "--head", proof, "--trust", server.trust, *arguments, check=False)
    theirs = run(dab_verify_binary(), "head", proof, "--trust", server.trust, "--json", *arguments, check=False)
    assert ours.returncode == theirs.returncode, (ours.stdout, theirs.stdout)
    report = json.loads(theirs.stdout)
    if not arguments:
        try:
            verify_head(proof.read_bytes(), Trust(server.trust))
            independent = 0
        except Exception:
            independent = 1
        assert (independent == 0) == (theirs.returncode == 0), theirs.stdout
    return theirs.returncode, report


def tree_size(server):
    ((size,),) = server.query("SELECT max(tree_size) FROM dab.checkpoints")
    return size


def test_the_latest_version_is_proved_and_an_old_proof_says_how_old_it_is(server, table, tmp_path):
    proof = tmp_path / "t.head-proof"
    said = server.dab("prove", "--head", table, "-o", proof).stdout
    assert f"version 2 is the latest of {table}" in said, said
    assert judged(server, proof)[0] == 0
    ((version, covered),) = server.query(f"SELECT version, leaves_covered FROM dab.heads WHERE table_name = '{table}'")
    assert version == 2
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} VALUES (3)")
    # it was true of so many leaves, and stays so
    code, report = judged(server, proof)
    assert code == 0 and str(covered) in json.dumps(report), report
    newer = tmp_path / "newer.head-proof"
    assert "version 3 is the latest" in server.dab("prove", "--head", table, "-o", newer).stdout
    assert judged(server, newer)[0] == 0


def test_asking_again_writes_no_leaf_where_nothing_changed(server, table):
    sql = f"SELECT proof FROM dab.heads WHERE table_name = '{table}'"
    first = server.query(sql)
    size = tree_size(server)
    assert server.query(sql) == first and tree_size(server) == size


def test_a_proof_that_was_changed_or_is_of_another_table_is_refused(server, table, tmp_path):
    proof = tmp_path / "t.head-proof"
    server.dab("prove", "--head", table, "-o", proof)
    other = "00000000-0000-4000-8000-000000000000"
    assert judged(server, proof, "--table-id", other)[0] == 1
    text = proof.read_text()
    for changed in [
        text.replace("\nsize ", "\nsize 1"),
        text.replace("\nsubjects ", "\nsubjects 1"),
        text.replace("\nhead ", "\nhead 1"),
    ]:
        assert changed != text
        proof.write_text(changed)
        assert judged(server, proof)[0] == 1, changed
    proof.write_text("no proof")
    assert judged(server, proof)[0] == 1
    refused = server.dab("prove", "--head", f"{table}@1", "-o", proof, check=False)
    assert refused.returncode == 1 and "name the table without one" in refused.stderr, refused.stderr
    nowhere = server.dab("prove", "--head", "nowhere", "-o", proof, check=False)
    assert nowhere.returncode == 1 and "nowhere" in nowhere.stderr, nowhere.stderr
