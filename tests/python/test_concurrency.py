"""Do eight clients that append to one table at once lose, double or tear anything?"""

import threading

import deltalake
import pyarrow as pa

from auditor import audit_ledger, audit_table, source
from trust_directory import Trust


CLIENTS, APPENDS, ROWS = 8, 6, 250


def test_eight_clients_append_to_one_table_and_rows_versions_and_leaves_agree(own_server):
    own_server.query("CREATE TABLE shared (client BIGINT, turn BIGINT, row_number BIGINT)")
    start, failures = threading.Barrier(CLIENTS), []

    def client(me):
        try:
            with own_server.connect() as connection, connection.cursor() as cursor:
                start.wait()
                for turn in range(APPENDS):
                    if turn % 2:
                        cursor.execute(f"INSERT INTO shared VALUES ({me}, {turn}, 0), ({me}, {turn}, 1)")
                        continue
                    columns = {"client": [me] * ROWS, "turn": [turn] * ROWS, "row_number": list(range(ROWS))}
                    cursor.adbc_ingest("shared", pa.table(columns), mode="append")
        except Exception as error:
            failures.append((me, error))

    threads = [threading.Thread(target=client, args=(me,)) for me in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []

    expected = sorted(
        (me, turn, row) for me in range(CLIENTS) for turn in range(APPENDS) for row in range(2 if turn % 2 else ROWS)
    )
    assert own_server.query("SELECT * FROM shared ORDER BY client, turn, row_number") == expected

    commits = own_server.query(
        "SELECT version, rows_added, leaf_index FROM dab.commits WHERE table_name = 'shared' ORDER BY version"
    )
    assert [version for version, _, _ in commits] == list(range(1 + CLIENTS * APPENDS))
    assert sum(rows for _, rows, _ in commits) == len(expected)
    leaves = [leaf for _, _, leaf in commits]
    assert leaves == sorted(set(leaves)), "one leaf for each version, in the order of the versions"

    path = own_server.table("shared")
    plain = deltalake.DeltaTable(str(path))
    assert plain.version() == CLIENTS * APPENDS
    assert plain.to_pyarrow_table().num_rows == len(expected)

    trust = Trust(own_server.trust)
    checkpoint, subjects = audit_ledger(source(str(own_server.public), trust), trust)
    subject, versions, _, unchecked = audit_table(path, subjects, deep=True)
    assert versions == len(commits) and checkpoint.size > leaves[-1]
    assert [leaf.sequence for leaf in subjects[subject]] == list(range(versions))


def test_clients_that_create_the_same_table_at_once_make_it_once(own_server):
    start, outcomes = threading.Barrier(4), []

    def client():
        with own_server.connect() as connection, connection.cursor() as cursor:
            start.wait()
            try:
                cursor.execute("CREATE TABLE contested AS SELECT 1 AS x")
                outcomes.append("made")
            except Exception as error:
                outcomes.append(str(error))

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("made") == 1, outcomes
    assert own_server.query("SELECT x FROM contested") == [(1,)]
    assert own_server.query("SELECT count(*) FROM information_schema.tables WHERE table_name = 'contested'") == [(1,)]


def test_readers_see_whole_commits_while_a_writer_appends(own_server):
    own_server.query("CREATE TABLE growing (id BIGINT)")
    done, failures = threading.Event(), []

    def reader():
        try:
            with own_server.connect() as connection, connection.cursor() as cursor:
                seen = 0
                while not done.is_set():
                    cursor.execute("SELECT count(*) FROM growing")
                    ((count,),) = cursor.fetchall()
                    assert count % 100 == 0 and count >= seen, (seen, count)
                    seen = count
        except Exception as error:
            failures.append(error)

    readers = [threading.Thread(target=reader) for _ in range(3)]
    for thread in readers:
        thread.start()
    try:
        with own_server.connect() as connection, connection.cursor() as cursor:
            for turn in range(10):
                ids = pa.table({"id": pa.array(range(turn * 100, turn * 100 + 100), pa.int64())})
                cursor.adbc_ingest("growing", ids, mode="append")
    finally:
        done.set()
        for thread in readers:
            thread.join()
    assert failures == []
    assert own_server.query("SELECT count(*) FROM growing") == [(1000,)]
