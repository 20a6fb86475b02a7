"""May a client send a statement again whose answer it lost, and hear what became of the first, without having it done
twice: by every door, after a restart, in a race?"""

import threading

import pytest

from notarizing import digests, post
from server import Server

HEADER = "adbc.flight.sql.rpc.call_header.dab-idempotency-key"


def keyed(server, key, sql, parameters=None):
    """The answer to a statement that stock ADBC sends with the header."""
    with server.connect(**{HEADER: key}) as connection, connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()


def by_command(server, key, sql, check=True):
    return server.dab("sql", "--idempotency-key", key, "-c", sql, check=check)


def count(server, name):
    return server.query(f"SELECT count(*) FROM {name}")[0][0]


@pytest.fixture
def table(server, name):
    server.query(f"CREATE TABLE {name} (id BIGINT)")
    return name


def test_a_statement_sent_again_is_answered_as_the_first_time_and_not_done_again(server, table):
    first = by_command(server, f"{table}-1", f"INSERT INTO {table} VALUES (1), (2)").stdout
    assert first.startswith(f"2 rows written to {table}, version 1 · leaf"), first
    server.query(f"INSERT INTO {table} VALUES (3)")
    assert by_command(server, f"{table}-1", f"INSERT INTO {table} VALUES (1), (2)").stdout == first
    assert count(server, table) == 3
    # the same statement under another key, and without one, is done again
    by_command(server, f"{table}-2", f"INSERT INTO {table} VALUES (1), (2)")
    server.query(f"INSERT INTO {table} VALUES (1), (2)")
    assert count(server, table) == 7


def test_stock_drivers_send_the_key_as_a_header(server, table):
    sql = f"INSERT INTO {table} VALUES (1), (2)"
    for _ in range(2):
        keyed(server, f"{table}-a", sql)
    assert count(server, table) == 2
    # text or prepared, it is the same request
    assert by_command(server, f"{table}-a", sql).stdout.startswith("2 rows")
    assert count(server, table) == 2
    # with parameters, the values belong to the statement
    sql = f"INSERT INTO {table} VALUES ($1)"
    for _ in range(2):
        keyed(server, f"{table}-b", sql, (7,))
    assert count(server, table) == 3
    with pytest.raises(Exception, match="another statement"):
        keyed(server, f"{table}-b", sql, (8,))
    # a query may be repeated as often as one likes, whatever its key stands for
    assert keyed(server, f"{table}-b", f"SELECT count(*) FROM {table}") == [(3,)]


def test_a_key_that_stands_for_another_statement_is_refused_by_name(server, table):
    by_command(server, f"{table}-k", f"INSERT INTO {table} VALUES (1)")
    failed = by_command(server, f"{table}-k", f"INSERT INTO {table} VALUES (2)", check=False)
    assert failed.returncode == 1 and f"{table}-k" in failed.stderr and "another statement" in failed.stderr
    assert count(server, table) == 1


def test_tables_are_made_and_dropped_once(server, name):
    make, drop = f"CREATE TABLE {name} AS SELECT 1 AS id", f"DROP TABLE {name}"
    made = by_command(server, f"{name}-make", make).stdout
    assert by_command(server, f"{name}-make", make).stdout == made
    keyed(server, f"{name}-make", make)
    by_command(server, f"{name}-drop", drop)
    server.query(make)
    again = by_command(server, f"{name}-drop", drop).stdout
    assert "DROP TABLE carried out before" in again, again
    assert count(server, name) == 1, "the new table stays"


def test_those_who_race_under_one_key_write_once_and_hear_the_same(server, table):
    answers, sql = [], f"INSERT INTO {table} SELECT value FROM generate_series(1, 5)"

    def worker():
        answers.append(by_command(server, f"{table}-race", sql).stdout)

    threads = [threading.Thread(target=worker) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6 and len(set(answers)) == 1, answers
    assert count(server, table) == 5


def test_a_restart_forgets_no_key(tmp_path):
    server = Server(tmp_path / "data").start()
    try:
        server.query("CREATE TABLE t (id BIGINT)")
        sql = "INSERT INTO t VALUES (1)"
        first = by_command(server, "key", sql).stdout
        _, headers, _ = post(server, digests(b"x", "digest/x"), headers=[("dab-idempotency-key", "add")])
        index = headers["dab-leaf-index"]
        assert post(server, digests(b"y", "digest/x"))[0] == 200
        for signal in (9, 15):
            with_kill = signal == 9
            if with_kill:
                server.process.kill()
                server.process.wait()
            else:
                server.stop()
            server.start()
            assert by_command(server, "key", sql).stdout == first
            _, headers, _ = post(server, digests(b"x", "digest/x"), headers=[("dab-idempotency-key", "add")])
            assert headers["dab-leaf-index"] == index
            assert count(server, "t") == 1
    finally:
        server.stop()


def test_add_takes_keys_too(server, name):
    def sent(content, key):
        return post(server, digests(content, f"digest/{name}"), headers=[("dab-idempotency-key", key)])

    status, headers, _ = sent(b"one", f"{name}-1")
    assert status == 200
    assert post(server, digests(b"two", f"digest/{name}"))[0] == 200
    assert sent(b"one", f"{name}-1")[1]["dab-leaf-index"] == headers["dab-leaf-index"]
    status, _, text = sent(b"three", f"{name}-1")
    assert status == 409 and f"{name}-1" in text, text


@pytest.mark.parametrize("key", ["", "a b", "x" * 129])
def test_a_key_that_is_none_is_refused(server, table, key):
    failed = by_command(server, key, f"INSERT INTO {table} VALUES (1)", check=False)
    assert failed.returncode == 64 and "128 visible characters" in failed.stderr, failed.stderr
    assert post(server, digests(b"x", f"digest/{table}"), headers=[("dab-idempotency-key", key)])[0] == 400
    assert count(server, table) == 0


def test_a_script_and_bulk_ingest_take_no_key(server, table):
    failed = by_command(server, "k", "SELECT 1; SELECT 2", check=False)
    assert failed.returncode == 1 and "one statement" in failed.stderr, failed.stderr
    import pyarrow

    rows = pyarrow.table({"id": [1]})
    with server.connect(**{HEADER: "k"}) as connection, connection.cursor() as cursor:
        with pytest.raises(Exception, match="dab-idempotency-key"):
            cursor.adbc_ingest(table, rows, mode="append")
    assert count(server, table) == 0
