"""Does bad input get a clear error, lose nothing and leave the server alive?"""

import gzip
import json
import re

import adbc_driver_manager
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from server import dab_binary, dab_verify_binary, run


@pytest.fixture
def kept(server, cursor, name):
    """A table that every test here must leave as it is, on a server that must stay alive."""
    cursor.execute(f"CREATE TABLE {name} AS SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t(id, label)")
    yield name
    assert server.alive()
    assert server.query(f"SELECT * FROM {name} ORDER BY id") == [(1, "a"), (2, "b")]


def refusal(cursor, sql):
    """The error with which a statement is refused."""
    with pytest.raises(adbc_driver_manager.Error) as refused:
        cursor.execute(sql)
        cursor.fetchall()
    words = str(refused.value)
    assert "panicked" not in words and "Internal error" not in words, words
    return refused.value.status_code.name, words


@pytest.mark.parametrize(
    "sql, says",
    [
        ("SELEC 1", "SELEC"),
        ("SELECT 1 +", "expected: an expression"),
        (";", "statement is empty"),
        ("SELECT 'open", "unterminated string"),
        ("SELECT nothing FROM {0}", "nothing"),
        ("SELECT no_such_function(1)", "no_such_function"),
        ("SELECT CAST('x' AS INT)", "cannot cast string 'x'"),
        ("SELECT 1 / 0", "(?i)zero"),
        ("SELECT * FROM {0} WHERE id = 'x' + 1", r"Utf8 \+ Int64"),
        ("INSERT INTO {0} VALUES (3)", "got 1 values .* expected 2"),
        ("INSERT INTO {0} (id, nothing) VALUES (3, 'c')", "nothing"),
        ("INSERT INTO {0} VALUES ('text', 'c')", "'text'"),
        ("CREATE TABLE {0} (id INT)", "exist"),
        ("SELECT 1; DROP TABLE {0}", "one statement at a time"),
        ("SELECT " + "(" * 5000 + "1" + ")" * 5000, "nests too deep"),
    ],
)
def test_a_bad_statement_is_refused_with_its_reason(kept, cursor, sql, says):
    status, words = refusal(cursor, sql.replace("{0}", kept))
    assert status in ("INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "INVALID_DATA", "NOT_IMPLEMENTED"), words
    assert re.search(says, words), words


@pytest.mark.parametrize(
    "sql", ["SELECT * FROM nowhere", "INSERT INTO nowhere VALUES (1)", "DROP TABLE nowhere", "DESCRIBE nowhere"]
)
def test_an_unknown_table_is_named(kept, cursor, sql):
    status, words = refusal(cursor, sql)
    assert "nowhere" in words and status in ("NOT_FOUND", "INVALID_ARGUMENT"), (status, words)


@pytest.mark.parametrize(
    "sql, word",
    [
        ("UPDATE {0} SET label = 'z'", "UPDATE"),
        ("DELETE FROM {0}", "DELETE"),
        ("MERGE INTO {0} USING {0} AS s ON {0}.id = s.id WHEN MATCHED THEN DELETE", "MERGE"),
        ("TRUNCATE TABLE {0}", "TRUNCATE"),
        ("ALTER TABLE {0} ADD COLUMN x INT", "ALTER"),
    ],
)
def test_what_a_table_cannot_do_yet_is_refused_by_name(kept, cursor, sql, word):
    status, words = refusal(cursor, sql.format(kept))
    assert word.lower() in words.lower(), words
    assert status in ("NOT_IMPLEMENTED", "INVALID_ARGUMENT"), words


@pytest.mark.parametrize(
    "sql",
    [
        "COPY {0} TO '{file}' STORED AS CSV",
        "COPY (SELECT 1) TO '{file}.parquet'",
        "CREATE EXTERNAL TABLE stolen (x VARCHAR) STORED AS CSV LOCATION '/etc/passwd'",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "INSERT INTO '{file}' SELECT * FROM {0}",
        "SET datafusion.runtime.memory_limit = '1K'",
        "SET datafusion.runtime.temp_directory = '/etc'",
        "SET datafusion.execution.target_partitions = 0",
        "RESET datafusion.runtime.memory_limit",
        "CREATE FUNCTION f() RETURNS INT RETURN 1",
        "CREATE DATABASE other",
        "DROP SCHEMA dab CASCADE",
        "DROP TABLE dab.commits",
        "INSERT INTO dab.commits SELECT * FROM dab.commits",
        "CREATE TABLE dab.mine (x INT)",
        "CREATE TABLE information_schema.mine (x INT)",
        "CREATE TABLE other.public.mine (x INT)",
    ],
)
def test_sql_does_not_reach_the_machine_or_the_system_schema(kept, cursor, tmp_path, sql):
    refusal(cursor, sql.replace("{0}", kept).replace("{file}", str(tmp_path / "out")))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "table", ["../up", "a/b", "", ".", "..", "x" * 300, "nul\\0", "a b", "Grüße", "_delta_log", "con#1"]
)
def test_an_odd_table_name_is_refused_or_kept_inside_the_data_directory(server, cursor, kept, table):
    before = {path.name for path in server.data.iterdir()} | {path.name for path in server.data.parent.iterdir()}
    try:
        cursor.execute(f'CREATE TABLE "{table}" AS SELECT 1 AS x')
        assert server.query(f'SELECT x FROM "{table}"') == [(1,)]
        cursor.execute(f'DROP TABLE "{table}"')
    except adbc_driver_manager.Error as error:
        assert error.status_code.name in ("INVALID_ARGUMENT", "NOT_IMPLEMENTED", "NOT_FOUND"), error
    assert before == {path.name for path in server.data.iterdir()} | {
        path.name for path in server.data.parent.iterdir()
    }


def test_ingest_of_a_type_that_a_table_cannot_hold_names_the_column(cursor, kept):
    odd = pa.table({"odd_column": pa.array([1], pa.duration("s"))})
    with pytest.raises(adbc_driver_manager.Error, match="odd_column"):
        cursor.adbc_ingest("never_made", odd, mode="create")
    refusal(cursor, "SELECT * FROM never_made")


def test_ingest_that_breaks_off_in_the_middle_leaves_nothing(server, cursor, kept):
    def batches():
        yield pa.record_batch({"id": pa.array([9], pa.int64()), "label": ["z"]})
        raise RuntimeError("the client's source fails")

    schema = pa.schema([("id", pa.int64()), ("label", pa.string())])
    with pytest.raises((adbc_driver_manager.Error, RuntimeError)):
        cursor.adbc_ingest(kept, pa.RecordBatchReader.from_batches(schema, batches()), mode="append")


# files to load


def good_parquet(path):
    parquet.write_table(
        pa.table({"id": pa.array(range(1000), pa.int64()), "label": [f"row {i}" for i in range(1000)]}), path
    )


def damaged(kind, path):
    if kind == "truncated.parquet":
        good_parquet(path)
        path.write_bytes(path.read_bytes()[:-100])
    elif kind == "head.parquet":
        good_parquet(path)
        path.write_bytes(path.read_bytes()[:4])
    elif kind == "pages.parquet":
        good_parquet(path)
        raw = bytearray(path.read_bytes())
        raw[8:400] = bytes(392)
        path.write_bytes(raw)
    elif kind == "empty.parquet":
        path.write_bytes(b"")
    elif kind == "text.parquet":
        path.write_text("id,label\n1,a\n")
    elif kind == "ragged.csv":
        path.write_text("id,label\n1,a\n2\n3,c,more\n")
    elif kind == "torn.ndjson":
        path.write_text(json.dumps({"id": 1}) + '\n{"id": 2, "label"')
    elif kind == "truncated.arrow":
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, pa.schema([("id", pa.int64())])) as writer:
            writer.write(pa.record_batch({"id": pa.array(range(1000), pa.int64())}))
        path.write_bytes(path.read_bytes()[:-300])
    elif kind == "gzipped.csv":
        path.write_bytes(gzip.compress(b"id,label\n1,a\n"))
    elif kind == "unknown.xyz":
        path.write_text("what is this?")
    return path


DAMAGE = [
    "truncated.parquet",
    "head.parquet",
    "pages.parquet",
    "empty.parquet",
    "text.parquet",
    "ragged.csv",
]
DAMAGE += ["torn.ndjson", "truncated.arrow", "unknown.xyz"]


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file_is_not_loaded_and_is_named(server, kept, tmp_path, kind):
    file = damaged(kind, tmp_path / kind)
    table = "damaged_" + kind.replace(".", "_")
    done = server.dab("load", "file", table, file, check=False)
    assert done.returncode != 0, done.stdout
    assert kind in done.stderr, done.stderr
    assert "panicked" not in done.stderr, done.stderr
    assert server.query("SELECT count(*) FROM information_schema.tables WHERE table_name = ?", (table,)) == [(0,)]


def test_a_file_of_another_schema_is_not_appended(server, kept, tmp_path):
    (tmp_path / "other.csv").write_text("id,label\n3,c\nnot a number,d\n")
    done = server.dab("load", "file", kept, tmp_path / "other.csv", check=False)
    says = "column id is Int64 in the table and Utf8 in the rows"
    assert done.returncode == 1 and says in done.stderr, (done.stdout, done.stderr)


def test_a_missing_file_and_an_unreachable_url_are_named(server, kept, tmp_path):
    for source in (tmp_path / "nowhere.parquet", "http://127.0.0.1:9/nowhere.csv"):
        done = server.dab("load", "file", "never_loaded", source, check=False)
        assert done.returncode != 0 and "nowhere" in done.stderr, (done.stdout, done.stderr)


def test_a_good_file_is_loaded_and_its_source_stands_in_the_commit(server, name, tmp_path):
    good_parquet(tmp_path / "good.parquet")
    server.dab("load", "file", name, tmp_path / "good.parquet")
    assert server.query(f"SELECT count(*), sum(id) FROM {name}") == [(1000, sum(range(1000)))]
    sources = server.query(f"SELECT sources FROM dab.commits WHERE table_name = '{name}' ORDER BY version DESC LIMIT 1")
    assert "good.parquet" in str(sources)
    assert "good.parquet" in server.dab("history", name).stdout


# the command line


@pytest.mark.parametrize(
    "arguments",
    [
        ["sql", "-c", "SELEC 1"],
        ["sql", "-c", "SELECT * FROM nowhere"],
        ["history", "nowhere"],
        ["prove", "nowhere", "-o", "p"],
    ]
    + [
        ["prove", "nowhere@x", "-o", "p"],
        ["sql", "-c", "SELECT 1", "--format", "xml"],
        ["frobnicate"],
        ["load", "tpch", "--scale", "-1"],
    ],
)
def test_a_bad_command_fails_with_words_and_without_a_trace(server, kept, tmp_path, arguments):
    done = server.dab(*arguments, check=False, cwd=tmp_path)
    assert done.returncode != 0
    assert done.stderr.strip() and "panicked" not in done.stderr and "RUST_BACKTRACE" not in done.stderr, done.stderr
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("proof", [b"", b"garbage", b"\xff" * 5000, b"c2sp.org/tlog-proof@v1\n", b"\n" * 100_000])
def test_a_garbage_proof_is_called_invalid(server, kept, tmp_path, proof):
    (tmp_path / "p").write_bytes(proof)
    for program in (dab_binary(), dab_verify_binary()):
        done = run(program, "verify", tmp_path / "p", "--trust", server.trust, check=False)
        assert done.returncode == 1 and "panicked" not in done.stderr, done
