"""Do other people's Delta readers open DAB's tables unchanged, and find the same rows as SQL does?

deltalake (delta-rs), Polars (its own scan over delta-rs' log) and DuckDB (delta-kernel) read the published files."""

import datetime
import decimal
from pathlib import Path

import deltalake
import polars
import pyarrow as pa
import pytest
from blake3 import blake3

from commit_file import actions
from delta_readers import duckdb_with_delta

ROWS = 5000


def batch(first, count):
    ids = range(first, first + count)
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "price": pa.array([decimal.Decimal(i) / 100 for i in ids], pa.decimal128(12, 2)),
            "weight": pa.array([i / 7 for i in ids], pa.float64()),
            "label": pa.array([None if i % 5 == 0 else f"Zeile {i} 数" for i in ids], pa.string()),
            "day": pa.array([datetime.date(2020, 1, 1) + datetime.timedelta(i % 3000) for i in ids], pa.date32()),
            "stamp": pa.array([datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)] * count, pa.timestamp("us", "UTC")),
        }
    )


@pytest.fixture(scope="module")
def readings(server):
    """A table with creates, appends and one replacement, and how SQL sees each of its versions."""
    with server.connect() as connection, connection.cursor() as cursor:
        for first, mode in ((0, "create"), (ROWS, "append"), (50_000, "replace"), (60_000, "append")):
            cursor.adbc_ingest("readings", batch(first, ROWS), mode=mode)
        cursor.execute("SELECT version FROM dab.commits WHERE table_name = 'readings' ORDER BY version")
        versions = [version for (version,) in cursor.fetchall()]
        seen = {}
        for version in versions:
            cursor.execute(
                "SELECT count(*), sum(id), sum(price), sum(weight), count(label), min(day), max(day), max(stamp), "
                f"min(label) FROM readings VERSION AS OF {version}"
            )
            (seen[version],) = cursor.fetchall()
    return str(server.table("readings")), seen


def agree(found, expected):
    """Equal but for the order of a float sum."""
    found, expected = list(found), list(expected)
    weight, wanted = found.pop(3), expected.pop(3)
    assert found == expected
    assert weight == pytest.approx(wanted, rel=1e-12) if wanted is not None else not weight


def summary(frame):
    row = frame.select(
        polars.len(),
        polars.col("id").sum(),
        polars.col("price").sum(),
        polars.col("weight").sum(),
        polars.col("label").count().alias("labels"),
        polars.col("day").min().alias("first"),
        polars.col("day").max().alias("last"),
        polars.col("stamp").max(),
        polars.col("label").min(),
    ).row(0)
    return (row[0], *(None if row[0] == 0 else value for value in row[1:4]), *row[4:])


def test_the_history_is_what_was_written(readings):
    counts = [count for count, *_ in readings[1].values() if count]
    assert counts == [ROWS, 2 * ROWS, ROWS, 2 * ROWS]


def test_deltalake_agrees_on_every_version(readings):
    path, seen = readings
    for version, expected in seen.items():
        table = deltalake.DeltaTable(path, version=version)
        assert table.version() == version
        agree(summary(polars.from_arrow(table.to_pyarrow_table())), expected)


def test_polars_agrees_on_every_version(readings):
    path, seen = readings
    for version, expected in seen.items():
        agree(summary(polars.scan_delta(path, version=version).collect()), expected)


def test_duckdb_agrees_on_the_latest_version(readings):
    path, seen = readings
    found = duckdb_with_delta().execute(
        "SELECT count(*), sum(id), sum(price), sum(weight), count(label), min(day), max(day), epoch_us(max(stamp)), "
        "min(label) FROM delta_scan(?)",
        [path],
    )
    *expected, stamp, label = seen[max(seen)]
    agree(found.fetchone(), [*expected, int(stamp.timestamp() * 1_000_000), label])


def test_the_table_asks_for_no_reader_feature_that_plain_readers_lack(readings):
    protocol = deltalake.DeltaTable(readings[0]).protocol()
    assert protocol.min_reader_version == 1 or not set(protocol.reader_features or []) - {"timestampNtz"}


def test_every_data_file_carries_its_blake3_where_delta_keeps_tags(readings):
    path = Path(readings[0])
    adds = [add for commit in sorted(path.glob("_delta_log/*.json")) for add in actions(commit.read_bytes(), "add")]
    assert len(adds) >= 4
    for add in adds:
        assert add["tags"]["dab.blake3"] == blake3((path / add["path"]).read_bytes()).hexdigest()


def test_deltalake_history_shows_who_wrote_what(readings):
    history = deltalake.DeltaTable(readings[0]).history()
    assert len(history) == len(readings[1])
    stamps = [entry["timestamp"] for entry in history]
    assert stamps == sorted(stamps, reverse=True) and len(set(stamps)) == len(stamps)
