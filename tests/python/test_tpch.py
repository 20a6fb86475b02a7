"""Does DAB answer all 22 TPC-H queries as an independent engine does, on the very data that it loaded?

`dab load tpch` makes the data; DuckDB reads the same Delta tables and runs the same SQL (tests/sql/tpch)."""

import decimal
import math
from pathlib import Path

import pytest

from delta_readers import duckdb_with_delta

QUERIES = sorted((Path(__file__).parents[1] / "sql" / "tpch").glob("q*.sql"))
SCALE = "0.1"
ROWS = {
    "customer": 15_000,
    "lineitem": 600_572,
    "nation": 25,
    "orders": 150_000,
    "part": 20_000,
    "partsupp": 80_000,
    "region": 5,
    "supplier": 1_000,
}
# Queries whose ORDER BY leaves ties: their rows are compared as sets.
TIES = {"q03", "q05", "q10", "q11", "q18"}


@pytest.fixture(scope="module")
def tpch(own_server):
    own_server.dab("load", "tpch", "--scale", SCALE, timeout=900)
    engine = duckdb_with_delta()
    for table in ROWS:
        engine.execute(f"CREATE VIEW {table} AS SELECT * FROM delta_scan('{own_server.table(table)}')")
    with own_server.connect() as connection, connection.cursor() as cursor:
        yield cursor, engine


@pytest.mark.parametrize("table, rows", ROWS.items())
def test_a_table_has_the_rows_that_the_scale_asks_for(tpch, table, rows):
    cursor, engine = tpch
    cursor.execute(f"SELECT count(*) FROM {table}")
    assert cursor.fetchall() == engine.execute(f"SELECT count(*) FROM {table}").fetchall() == [(rows,)]


def same(ours, theirs):
    """Decimals exactly; a float to 1e-9; a decimal against a float to one unit of the decimal's last place, because
    DuckDB averages and divides decimals as floats where DataFusion keeps decimals."""
    if isinstance(ours, decimal.Decimal) and isinstance(theirs, float):
        unit = 10.0 ** ours.as_tuple().exponent
        return math.isclose(float(ours), theirs, rel_tol=1e-9, abs_tol=unit)
    if isinstance(ours, float) or isinstance(theirs, float):
        return theirs is not None and ours is not None and math.isclose(ours, theirs, rel_tol=1e-9)
    return ours == theirs


@pytest.mark.parametrize("query", QUERIES, ids=lambda path: path.stem)
def test_a_query_gives_the_rows_that_duckdb_gives(tpch, query):
    cursor, engine = tpch
    sql = query.read_text()
    cursor.execute(sql)
    ours, theirs = cursor.fetchall(), engine.execute(sql).fetchall()
    assert len(ours) == len(theirs) > 0
    if query.stem in TIES:
        ours, theirs = sorted(ours), sorted(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert len(mine) == len(other) and all(map(same, mine, other)), f"{mine} is not {other}"


def test_all_twenty_two_queries_are_here():
    assert [query.stem for query in QUERIES] == [f"q{n:02d}" for n in range(1, 23)]
