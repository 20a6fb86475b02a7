"""Do files come in whole, whatever their format, and does the commit say what they were?"""

import json
import os
import time

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from blake3 import blake3

from loading import commits, refused

ROWS = [(1, "eins", 0.5), (2, "zwei, drei", None), (3, None, -1.25)]
TABLE = pa.table({"id": [row[0] for row in ROWS], "label": [row[1] for row in ROWS], "x": [row[2] for row in ROWS]})
MORE = pa.table({"id": [4], "label": ["vier"], "x": [4.0]})


def write_csv(table, path):
    lines = ["id,label,x"]
    for row in table.to_pylist():
        label = "" if row["label"] is None else f'"{row["label"]}"'
        lines.append(f"{row['id']},{label},{'' if row['x'] is None else row['x']}")
    path.write_text("\n".join(lines) + "\n")


def write_ndjson(table, path):
    path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))


def write_arrow(table, path, new=pa.ipc.new_file):
    with pa.OSFile(str(path), "wb") as sink, new(sink, table.schema) as writer:
        writer.write_table(table)


WRITERS = {
    "csv": write_csv,
    "ndjson": write_ndjson,
    "parquet": pa.parquet.write_table,
    "arrow": write_arrow,
    "stream.arrow": lambda table, path: write_arrow(table, path, pa.ipc.new_stream),
    "feather": lambda table, path: pa.feather.write_feather(table, path, compression="lz4"),
}


def made(directory, name, table=TABLE):
    """A file whose name says its format: `one.csv`."""
    path = directory / name
    WRITERS[name.split(".", 1)[1]](table, path)
    return path


def rows(server, table):
    return server.query(f"SELECT id, label, x FROM {table} ORDER BY id")


@pytest.mark.parametrize("format", WRITERS)
def test_every_format_is_loaded_whole_and_its_digest_is_that_of_the_file(server, name, tmp_path, format):
    file = made(tmp_path, f"one.{format}")
    before = time.time()
    server.dab("load", "file", name, file)
    assert rows(server, name) == ROWS
    ((operation, (source,)),) = commits(server, name)
    assert operation == "LOAD"
    assert source["url"] == file.resolve().as_uri()
    assert source["blake3"] == blake3(file.read_bytes()).hexdigest()
    assert source["bytes"] == file.stat().st_size
    assert before - 1 <= source["fetched_unix_ms"] / 1000 <= time.time() + 1
    shown = server.dab("history", name).stdout
    assert source["url"] in shown and source["blake3"] in shown, shown


@pytest.mark.parametrize("format", WRITERS)
def test_several_files_become_one_commit_and_a_second_load_appends(server, name, tmp_path, format):
    first, second = made(tmp_path, f"first.{format}"), made(tmp_path, f"second.{format}", MORE)
    server.dab("load", "file", name, first, second)
    assert rows(server, name) == [*ROWS, (4, "vier", 4.0)]
    server.dab("load", "file", name, second)
    assert rows(server, name) == [*ROWS, (4, "vier", 4.0), (4, "vier", 4.0)]
    named = [[source["url"] for source in sources] for _, sources in commits(server, name)]
    assert named == [[first.as_uri(), second.as_uri()], [second.as_uri()]]


def test_a_file_format_is_taken_from_the_option_where_the_name_says_nothing(server, name, tmp_path):
    made(tmp_path, "one.csv").rename(tmp_path / "one")
    server.dab("load", "file", name, tmp_path / "one", "--input-format", "csv")
    assert rows(server, name) == ROWS


def test_overwrite_replaces_rows_and_columns_and_keeps_the_history(server, name, tmp_path):
    server.dab("load", "file", name, made(tmp_path, "old.parquet"))
    server.dab("load", "file", "--overwrite", name, made(tmp_path, "new.csv", MORE))
    assert rows(server, name) == [(4, "vier", 4.0)]
    (tmp_path / "other.ndjson").write_text('{"city": "Ulm"}\n')
    server.dab("load", "file", "--overwrite", name, tmp_path / "other.ndjson")
    assert server.query(f"SELECT * FROM {name}") == [("Ulm",)]
    assert server.query(f"SELECT count(*) FROM {name} VERSION AS OF 0") == [(3,)]
    assert [operation for operation, _ in commits(server, name)] == ["LOAD", "LOAD OVERWRITE", "LOAD OVERWRITE"]


@pytest.mark.parametrize(
    "text, says",
    [
        ('{"id": "no number", "label": "a", "x": 1.0}', "column id is Int64 in the table and Utf8 in the rows"),
        ('{"id": 9, "label": "a", "x": 1.0, "further": 1}', "further"),
        ('{"elsewhere": 9}', "elsewhere"),
    ],
)
def test_rows_that_do_not_fit_are_not_appended_and_the_column_is_named(server, name, tmp_path, text, says):
    server.dab("load", "file", name, made(tmp_path, "one.csv"))
    (tmp_path / "other.ndjson").write_text(text + "\n")
    done = server.dab("load", "file", name, tmp_path / "other.ndjson", check=False)
    assert done.returncode == 1 and says in done.stderr and name in done.stderr, done.stderr
    assert rows(server, name) == ROWS
    assert len(commits(server, name)) == 1


def test_files_of_two_formats_are_not_mixed(server, tmp_path):
    csv, parquet = made(tmp_path, "one.csv"), made(tmp_path, "two.parquet")
    refused(server, "never_mixed", csv, parquet, says=["one.csv", "two.parquet", "apart"])


@pytest.mark.parametrize("kind", ["a directory", "a pipe", "a socket that is not there"])
def test_only_regular_files_are_loaded(server, tmp_path, kind):
    path = tmp_path / "source.csv"
    if kind == "a directory":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / "nowhere")
    says = [str(path)] if kind.endswith("there") else [str(path), "regular file", kind.split()[1]]
    # A pipe that nobody writes to would be waited for without end.
    refused(server, "never_irregular", path, says=says, timeout=30)


def test_the_words_that_name_a_table_fold_as_in_sql(server, name, tmp_path):
    server.dab("load", "file", name.upper(), made(tmp_path, "one.csv"))
    assert rows(server, name) == ROWS, "as CREATE TABLE would have made it"
    assert server.dab("history", name.upper()).stdout == server.dab("history", name).stdout
    assert "LOAD" in server.dab("history", name.upper()).stdout
    server.dab("prove", f"{name.upper()}@0", "-o", tmp_path / "proof")
    server.dab("load", "file", f'"{name.upper()}"', made(tmp_path, "two.csv", MORE))
    assert rows(server, f'"{name.upper()}"') == [(4, "vier", 4.0)]
    quoted = server.dab("history", f'"{name.upper()}"').stdout
    assert "two.csv" in quoted and "one.csv" not in quoted
