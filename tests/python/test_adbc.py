"""Can a stranger with the stock ADBC driver connect, list, query, write and travel in time?"""

import datetime
import decimal
import subprocess
import sys

import adbc_driver_manager
import pandas
import polars
import pyarrow as pa
import pytest

from other_ca import OTHER_CA

DECIMAL = decimal.Decimal
UTC = datetime.UTC


def rows(cursor, sql, parameters=None):
    cursor.execute(sql, parameters)
    return cursor.fetchall()


def value(cursor, sql, parameters=None):
    ((found,),) = rows(cursor, sql, parameters)
    return found


# connecting


def test_a_fresh_python_with_only_the_driver_reads_a_table(server, cursor, name):
    cursor.execute(f"CREATE TABLE {name} AS SELECT 40 AS x UNION ALL SELECT 2")
    script = f"""
import adbc_driver_flightsql.dbapi
with adbc_driver_flightsql.dbapi.connect({server.url!r}, db_kwargs={{
    "username": "admin", "password": {server.password!r},
    "adbc.flight.sql.client_option.tls_root_certs": open({str(server.ca)!r}).read(),
}}) as connection, connection.cursor() as cursor:
    cursor.execute("SELECT sum(x) FROM {name}")
    print(cursor.fetchone()[0])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr


def test_plaintext_on_loopback_works_when_asked_for(plaintext_server):
    assert plaintext_server.url.startswith("grpc://127.0.0.1:")
    assert plaintext_server.query("SELECT 1") == [(1,)]


@pytest.mark.parametrize("username, password", [("admin", "wrong"), ("admin", ""), ("nobody", None), ("", "")])
def test_wrong_credentials_are_refused_and_say_so(server, username, password):
    with pytest.raises(adbc_driver_manager.Error) as refused:
        with server.connect(username, password) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    assert refused.value.status_code.name in ("UNAUTHENTICATED", "UNAUTHORIZED"), refused.value
    assert server.query("SELECT 1") == [(1,)]


def test_a_client_that_does_not_know_the_ca_refuses_the_server(server):
    with pytest.raises(adbc_driver_manager.Error, match="certificate|tls|x509"):
        options = {"adbc.flight.sql.client_option.tls_root_certs": OTHER_CA}
        with server.connect(**options) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1")


# listing


def test_objects_list_catalog_schema_table_and_columns(connection, cursor, name):
    cursor.execute(f"CREATE TABLE {name} (id BIGINT NOT NULL, label VARCHAR)")
    found = connection.adbc_get_objects(table_name_filter=name).read_all().to_pylist()
    places = [
        (catalog["catalog_name"], schema["db_schema_name"], table["table_name"], table["table_type"])
        for catalog in found
        for schema in catalog["catalog_db_schemas"] or []
        for table in schema["db_schema_tables"] or []
    ]
    assert places == [("lake", "public", name, "TABLE")]
    (table,) = [
        table
        for catalog in found
        for schema in catalog["catalog_db_schemas"] or []
        for table in schema["db_schema_tables"] or []
    ]
    columns = sorted((c["ordinal_position"], c["column_name"]) for c in table["table_columns"])
    assert columns == [(1, "id"), (2, "label")]


def test_objects_list_the_system_schema_and_honour_filters(connection):
    found = connection.adbc_get_objects(depth="db_schemas", catalog_filter="lake").read_all().to_pylist()
    schemas = {schema["db_schema_name"] for catalog in found for schema in catalog["catalog_db_schemas"]}
    assert {"public", "dab"} <= schemas
    found = connection.adbc_get_objects(depth="tables", db_schema_filter="dab").read_all().to_pylist()
    tables = {t["table_name"] for c in found for s in c["catalog_db_schemas"] for t in s["db_schema_tables"] or []}
    assert {"commits", "checkpoints", "receipts"} <= tables
    found = connection.adbc_get_objects(depth="tables", table_name_filter="no such%").read_all().to_pylist()
    assert not [t for c in found for s in c["catalog_db_schemas"] or [] for t in s["db_schema_tables"] or []]


def test_the_driver_learns_vendor_table_types_and_current_schema(connection):
    info = connection.adbc_get_info()
    assert "dab" in str(info["vendor_name"]).lower() and info["vendor_version"]
    assert "TABLE" in connection.adbc_get_table_types()


def test_a_table_schema_is_that_of_the_rows_it_gives(connection, cursor, name):
    cursor.execute(f"CREATE TABLE {name} (id BIGINT NOT NULL, label VARCHAR, price DECIMAL(12, 2), day DATE)")
    announced = connection.adbc_get_table_schema(name, catalog_filter="lake", db_schema_filter="public")
    cursor.execute(f"SELECT * FROM {name}")
    delivered = cursor.fetch_arrow_table().schema
    assert [(f.name, f.type) for f in announced] == [(f.name, f.type) for f in delivered]
    assert delivered.types == [pa.int64(), pa.string(), pa.decimal128(12, 2), pa.date32()]


# types


def typed_table():
    utc, naive = datetime.datetime(2026, 2, 28, 23, 59, 59, 999999, UTC), datetime.datetime(2024, 2, 29, 1, 2, 3, 4)
    columns = {
        "flag": (pa.bool_(), [True, False, None]),
        "i8": (pa.int8(), [-128, 127, None]),
        "i16": (pa.int16(), [-32768, 32767, None]),
        "i32": (pa.int32(), [-(1 << 31), (1 << 31) - 1, None]),
        "i64": (pa.int64(), [-(1 << 63), (1 << 63) - 1, None]),
        "f32": (pa.float32(), [1.5, float("-inf"), None]),
        "f64": (pa.float64(), [0.1, 1e308, None]),
        "price": (pa.decimal128(38, 10), [DECIMAL("-12345678901234567890.0123456789"), DECIMAL("0E-10"), None]),
        "label": (pa.string(), ["", "Gruß 数据 🦆", None]),
        "raw": (pa.binary(), [b"", b"\x00\xff", None]),
        "day": (pa.date32(), [datetime.date(1, 1, 1), datetime.date(9999, 12, 31), None]),
        "at": (pa.timestamp("us", "UTC"), [utc, datetime.datetime(1969, 12, 31, tzinfo=UTC), None]),
        "local": (pa.timestamp("us"), [naive, datetime.datetime(1900, 1, 1), None]),
        "list": (pa.list_(pa.int64()), [[1, None, 3], [], None]),
        "pair": (
            pa.struct([("x", pa.int32()), ("y", pa.string())]),
            [{"x": 1, "y": "a"}, {"x": None, "y": None}, None],
        ),
    }
    return pa.table({name: pa.array(values, kind) for name, (kind, values) in columns.items()})


@pytest.mark.parametrize("column", typed_table().column_names)
def test_a_type_survives_ingest_and_query(cursor, name, column):
    sent = typed_table().select([column])
    cursor.adbc_ingest(name, sent, mode="create")
    cursor.execute(f'SELECT "{column}" FROM {name}')
    got = cursor.fetch_arrow_table()
    assert got.schema.types == sent.schema.types
    assert sorted(map(repr, got[column].to_pylist())) == sorted(map(repr, sent[column].to_pylist()))


@pytest.mark.parametrize(
    "literal, expected",
    [
        ("CAST(NULL AS BIGINT)", None),
        ("1 + 1", 2),
        ("CAST('1.10' AS DECIMAL(10, 2))", DECIMAL("1.10")),
        ("'a' || 'b'", "ab"),
        ("DATE '2026-01-31' + INTERVAL '1' DAY", datetime.date(2026, 2, 1)),
        ("upper('ß数')", "SS数"),
        ("TRUE AND NULL", None),
    ],
)
def test_an_expression_gives_its_value(cursor, literal, expected):
    found = value(cursor, f"SELECT {literal}")
    assert (found.date() if isinstance(found, datetime.datetime) else found) == expected


def test_empty_results_keep_their_schema(cursor, name):
    cursor.execute(f"CREATE TABLE {name} (id BIGINT, label VARCHAR)")
    cursor.execute(f"SELECT * FROM {name}")
    table = cursor.fetch_arrow_table()
    assert (table.num_rows, table.column_names) == (0, ["id", "label"])
    assert value(cursor, f"SELECT count(*) FROM {name}") == 0


# writing


def test_create_insert_and_drop_do_their_work_exactly_once(cursor, name):
    cursor.execute(f"CREATE TABLE {name} (id BIGINT NOT NULL, label VARCHAR)")
    cursor.execute(f"INSERT INTO {name} VALUES (1, 'one'), (2, 'two')")
    cursor.execute(f"INSERT INTO {name} SELECT id + 10, label FROM {name}")
    cursor.fetchall()
    assert rows(cursor, f"SELECT * FROM {name} ORDER BY id") == [(1, "one"), (2, "two"), (11, "one"), (12, "two")]
    operations = rows(
        cursor, f"SELECT version, rows_added FROM dab.commits WHERE table_name = '{name}' ORDER BY version"
    )
    assert operations == [(0, 0), (1, 2), (2, 2)]
    cursor.execute(f"DROP TABLE {name}")
    with pytest.raises(adbc_driver_manager.Error, match=name):
        cursor.execute(f"SELECT * FROM {name}")
    cursor.execute(f"CREATE TABLE {name} AS SELECT 'again' AS label")
    assert rows(cursor, f"SELECT * FROM {name}") == [("again",)]


def test_a_driver_that_asks_for_transactions_is_told_and_still_writes(server, name):
    with pytest.warns(Warning, match="autocommit"), server.connect(autocommit=False) as connection:
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLE {name} AS SELECT 1 AS x")
    assert server.query(f"SELECT x FROM {name}") == [(1,)]


def test_a_query_takes_bound_parameters(cursor, name):
    cursor.execute(f"CREATE TABLE {name} AS SELECT * FROM (VALUES (1, 'a', 1.5), (2, 'b', 2.5)) AS t(id, label, x)")
    sql = f"SELECT label FROM {name} WHERE id = ? AND label = ? AND x > ?"
    assert rows(cursor, sql, (2, "b", 2.0)) == [("b",)]
    assert rows(cursor, sql, (2, "a", 2.0)) == []
    assert rows(cursor, f"SELECT label FROM {name} WHERE id = $2 OR label = $1 ORDER BY id", ("b", 1)) == [
        ("a",),
        ("b",),
    ]
    assert value(cursor, "SELECT ? || 'x'", ("y",)) == "yx"


def test_twelve_parameters_keep_their_order(cursor):
    marks = ", ".join("?" * 12)
    assert rows(cursor, f"SELECT {marks}", tuple(f"p{i}" for i in range(12))) == [tuple(f"p{i}" for i in range(12))]


def test_a_parameter_is_a_value_and_never_sql(cursor, name):
    cursor.execute(f"CREATE TABLE {name} AS SELECT 'x' AS label")
    for hostile in ("' OR 1=1 --", "'; DROP TABLE x; --", "\\", "%", "\0"):
        assert value(cursor, f"SELECT count(*) FROM {name} WHERE label = ?", (hostile,)) == 0


def test_executemany_inserts_every_row_once(cursor, name):
    cursor.execute(f"CREATE TABLE {name} (id BIGINT, label VARCHAR)")
    sent = [(i, f"row {i}") for i in range(1000)] + [(None, None)]
    cursor.executemany(f"INSERT INTO {name} VALUES (?, ?)", sent)
    got = rows(cursor, f"SELECT * FROM {name} ORDER BY id NULLS LAST")
    assert got == sent


def test_a_wrong_number_of_parameters_is_refused(cursor, name):
    cursor.execute(f"CREATE TABLE {name} (id BIGINT)")
    with pytest.raises(adbc_driver_manager.Error):
        rows(cursor, f"SELECT * FROM {name} WHERE id = ? AND id = ?", (1,))


# bulk ingest


def numbers(first, count):
    ids = range(first, first + count)
    return pa.table({"id": pa.array(ids, pa.int64()), "label": [f"row {i}" for i in ids]})


def test_ingest_creates_appends_and_replaces(cursor, name):
    assert cursor.adbc_ingest(name, numbers(0, 10), mode="create") == 10
    assert cursor.adbc_ingest(name, numbers(10, 5), mode="append") == 5
    assert rows(cursor, f"SELECT count(*), sum(id) FROM {name}") == [(15, sum(range(15)))]
    assert cursor.adbc_ingest(name, numbers(100, 3), mode="replace") == 3
    assert rows(cursor, f"SELECT id FROM {name} ORDER BY id") == [(100,), (101,), (102,)]
    assert cursor.adbc_ingest(name, numbers(103, 1), mode="create_append") == 1
    assert cursor.adbc_ingest(f"{name}_2", numbers(0, 1), mode="create_append") == 1
    assert rows(cursor, f"SELECT count(*) FROM {name}") == [(4,)]


def test_ingest_create_refuses_a_table_that_exists(cursor, name):
    cursor.adbc_ingest(name, numbers(0, 1), mode="create")
    with pytest.raises(adbc_driver_manager.Error, match="exist"):
        cursor.adbc_ingest(name, numbers(1, 1), mode="create")
    assert value(cursor, f"SELECT count(*) FROM {name}") == 1


def test_ingest_append_refuses_a_missing_table_and_another_schema(cursor, name):
    with pytest.raises(adbc_driver_manager.Error, match=name):
        cursor.adbc_ingest(name, numbers(0, 1), mode="append")
    cursor.adbc_ingest(name, numbers(0, 1), mode="create")
    with pytest.raises(adbc_driver_manager.Error, match="label|schema|column"):
        cursor.adbc_ingest(name, pa.table({"id": ["text"], "other": [1.5]}), mode="append")
    assert value(cursor, f"SELECT count(*) FROM {name}") == 1


def test_a_large_ingest_in_many_batches_is_one_commit(cursor, name):
    table = numbers(0, 300_000)
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=4096))
    assert cursor.adbc_ingest(name, reader, mode="create") == 300_000
    assert rows(cursor, f"SELECT count(*), sum(id), count(DISTINCT label) FROM {name}") == [
        (300_000, sum(range(300_000)), 300_000)
    ]
    added = rows(cursor, f"SELECT rows_added FROM dab.commits WHERE table_name = '{name}' AND rows_added > 0")
    assert added == [(300_000,)]


def test_an_empty_ingest_makes_an_empty_table(cursor, name):
    schema = numbers(0, 0).schema
    empty = pa.RecordBatchReader.from_batches(schema, [pa.RecordBatch.from_pylist([], schema)])
    cursor.adbc_ingest(name, empty, mode="create")
    assert value(cursor, f"SELECT count(*) FROM {name}") == 0


# time travel


def test_a_table_is_read_as_of_a_version_and_as_of_a_time(cursor, name):
    cursor.adbc_ingest(name, numbers(0, 10), mode="create")
    cursor.adbc_ingest(name, numbers(10, 5), mode="append")
    cursor.adbc_ingest(name, numbers(99, 1), mode="replace")
    commits = f"SELECT version, committed_at FROM dab.commits WHERE table_name = '{name}' AND rows_added > 0"
    history = rows(cursor, f"{commits} ORDER BY version")
    assert len(history) == 3
    for (version, at), count in zip(history, (10, 15, 1), strict=True):
        assert value(cursor, f"SELECT count(*) FROM {name} VERSION AS OF {version}") == count
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        assert value(cursor, f"SELECT count(*) FROM {name} TIMESTAMP AS OF '{at.isoformat()}'") == count
    both = f"SELECT (SELECT count(*) FROM {name}) - (SELECT count(*) FROM {name} VERSION AS OF {history[1][0]})"
    assert value(cursor, both) == 1 - 15


@pytest.mark.parametrize("pin", ["VERSION AS OF 99", "TIMESTAMP AS OF '1999-01-01T00:00:00Z'", "VERSION AS OF -1"])
def test_a_version_or_time_that_never_was_is_refused(cursor, name, pin):
    cursor.execute(f"CREATE TABLE {name} AS SELECT 1 AS x")
    with pytest.raises(adbc_driver_manager.Error):
        rows(cursor, f"SELECT * FROM {name} {pin}")


# the catalog in SQL


def test_show_describe_explain_and_information_schema(cursor, name):
    cursor.execute(f"CREATE TABLE {name} (id BIGINT NOT NULL, label VARCHAR)")
    assert any(name in row for row in rows(cursor, "SHOW TABLES"))
    assert [row[0] for row in rows(cursor, f"DESCRIBE {name}")] == ["id", "label"]
    assert name in str(rows(cursor, f"EXPLAIN SELECT label FROM {name} WHERE id > 3"))
    tables = "SELECT table_catalog, table_schema FROM information_schema.tables WHERE table_name = ?"
    assert rows(cursor, tables, (name,)) == [("lake", "public")]
    columns = (
        "SELECT column_name, is_nullable FROM information_schema.columns WHERE table_name = ? ORDER BY ordinal_position"
    )
    assert rows(cursor, columns, (name,)) == [("id", "NO"), ("label", "YES")]


@pytest.mark.parametrize("place", ["{0}", "public.{0}", "lake.public.{0}", '"lake"."public"."{0}"'])
def test_a_table_answers_to_its_short_and_its_full_name(cursor, name, place):
    cursor.execute(f"CREATE TABLE {name} AS SELECT 7 AS x")
    assert value(cursor, f"SELECT x FROM {place.format(name)}") == 7


# the libraries that people put on top of the driver


def test_pandas_and_polars_read_and_write_through_the_connection(connection, cursor, name):
    cursor.adbc_ingest(name, numbers(0, 10), mode="create")
    frame = pandas.read_sql(f"SELECT * FROM {name} ORDER BY id", connection)
    assert list(frame["id"]) == list(range(10))
    assert frame.to_sql(name, connection, if_exists="append", index=False) == 10
    frame = polars.read_database(f"SELECT count(*) AS rows, sum(id) AS total FROM {name}", connection)
    assert frame.to_dicts() == [{"rows": 20, "total": 90}]


def test_the_schema_of_a_query_is_told_before_it_runs(cursor, name):
    cursor.adbc_ingest(name, numbers(0, 3), mode="create")
    for sql in (
        f"SELECT * FROM {name}",
        f"SELECT count(*) AS n, min(label) FROM {name}",
        "SELECT NULL AS nothing, 1.5 AS x",
    ):
        announced = cursor.adbc_execute_schema(sql)
        cursor.execute(sql)
        delivered = cursor.fetch_arrow_table().schema
        assert announced.names == delivered.names and announced.types == delivered.types


def test_the_current_catalog_and_schema_are_told(connection):
    assert (connection.adbc_current_catalog, connection.adbc_current_db_schema) == ("lake", "public")
