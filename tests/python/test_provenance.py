"""Does SQL show each commit's leaf, receipt and checkpoint, and are they those of the public files?"""

import pyarrow as pa

from auditor import audit_ledger, audit_table, source
from receipt import verify
from trust_directory import Trust


def test_every_commit_has_its_row_leaf_and_receipt_and_the_receipt_verifies(server, cursor, name):
    cursor.adbc_ingest(name, pa.table({"n": range(10)}), mode="create")
    cursor.adbc_ingest(name, pa.table({"n": range(10, 15)}), mode="append")
    cursor.execute(
        f"SELECT version, user_name, operation, rows_added, leaf_index, digest, parent FROM dab.commits "
        f"WHERE table_name = '{name}' ORDER BY version"
    )
    commits = cursor.fetch_arrow_table().to_pylist()
    assert [commit["version"] for commit in commits] == list(range(len(commits)))
    assert {commit["user_name"] for commit in commits} == {"admin"}
    assert sum(commit["rows_added"] for commit in commits) == 15
    assert len({commit["leaf_index"] for commit in commits}) == len(commits)
    trust = Trust(server.trust)
    for commit in commits:
        sql = f"SELECT leaf_index, tree_size, proof FROM dab.receipts WHERE table_name = '{name}' AND version = ?"
        ((leaf_index, tree_size, proof),) = server.query(sql, (commit["version"],))
        body = (server.table(name) / "_delta_log" / f"{commit['version']:020d}.json").read_bytes()
        leaf, index, checkpoint = verify(proof.encode(), trust, body)
        assert (leaf.sequence, index) == (commit["version"], commit["leaf_index"]) == (commit["version"], leaf_index)
        assert checkpoint.size == tree_size > index


def test_checkpoints_in_sql_are_those_that_the_public_files_show(server, cursor, name):
    cursor.execute(f"CREATE TABLE {name} AS SELECT 1 AS x")
    issued = server.query("SELECT tree_size, root, issued_at FROM dab.checkpoints ORDER BY tree_size")
    sizes = [size for size, _, _ in issued]
    assert sizes == sorted(set(sizes))
    trust = Trust(server.trust)
    checkpoint, subjects = audit_ledger(source(str(server.public), trust), trust)
    assert checkpoint.size == sizes[-1]
    assert audit_table(server.table(name), subjects, deep=True)[1] >= 1


def test_the_ledger_is_served_over_https_as_static_files(server):
    trust = Trust(server.trust)
    checkpoint, _ = audit_ledger(source(f"https://127.0.0.1:{server.audit_port}", trust), trust)
    assert checkpoint.size > 0
