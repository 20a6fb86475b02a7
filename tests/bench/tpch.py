"""The 22 queries of TPC-H, against bare DataFusion and DuckDB on the same Parquet files."""

import math
from pathlib import Path

import datafusion
import duckdb

from node import TABLES, Node
from report import Section, ratio
from rounds import Side, interleave

QUERIES = sorted((Path(__file__).parents[1] / "sql" / "tpch").glob("q*.sql"))
TIMES_OF_DATAFUSION_MAX = 1.1


def measure(setting):
    section = Section("tpch", f"22 queries at scale {setting.scale:g}, medians in ms")
    threads = setting.threads
    section.sides(
        {
            "dab": "Flight SQL with TLS by ADBC: parse, plan, run, fetch all rows",
            "datafusion": f"the Python package, in this process, {threads} partitions; the files registered as Parquet",
            "duckdb": f"the Python package, in this process, {threads} threads; views over read_parquet",
        }
    )
    section.say("All read the same Parquet files, those of the node's Delta tables, from the page cache.")
    folder = setting.subfolder("tpch")
    with Node(folder / "data") as node, node.connect() as connection, connection.cursor() as cursor:
        node.load_tpch(setting.scale)
        engines = {
            "dab": lambda sql: of_adbc(cursor, sql),
            "datafusion": of_datafusion(node, threads),
            "duckdb": of_duckdb(node, threads),
        }
        medians = {name: [] for name in engines}
        rows = []
        for path in QUERIES:
            sql = path.read_text()
            # The first turn, to compare the answers, is the warm-up as well.
            agree(path.stem, {name: run(sql) for name, run in engines.items()})
            sides = {name: Side(lambda run=run: run(sql)) for name, run in engines.items()}
            times = interleave(sides, setting.rounds, warmups=0)
            section.data[path.stem] = {name: of.seconds for name, of in times.items()}
            for name, of in times.items():
                medians[name].append(of.median)
            rows.append(line(path.stem, {name: of.median for name, of in times.items()}))
    totals = {name: sum(of) for name, of in medians.items()}
    rows.append(line("total", totals))
    geometric = {
        base: math.exp(sum(math.log(a / b) for a, b in zip(medians["dab"], medians[base])) / len(QUERIES))
        for base in ("datafusion", "duckdb")
    }
    rows.append(["geometric mean", "", "", "", *(ratio(geometric[base]) for base in geometric)])
    section.table(["query", "dab", "datafusion", "duckdb", "÷ datafusion", "÷ duckdb"], rows)
    found = totals["dab"] / totals["datafusion"]
    section.data["ratios"] = {"total ÷ datafusion": found, "geometric mean ÷ datafusion": geometric["datafusion"]}
    section.data["ratios"] |= {"total ÷ duckdb": totals["dab"] / totals["duckdb"]}
    section.data["ratios"] |= {"geometric mean ÷ duckdb": geometric["duckdb"]}
    section.aim(
        f"the total within {TIMES_OF_DATAFUSION_MAX} times that of DataFusion",
        found <= TIMES_OF_DATAFUSION_MAX,
        f"{found:.2f}",
    )
    return section


def line(name, seconds):
    cells = [f"{seconds[engine] * 1000:.0f}" for engine in ("dab", "datafusion", "duckdb")]
    return [name, *cells, ratio(seconds["dab"] / seconds["datafusion"]), ratio(seconds["dab"] / seconds["duckdb"])]


def agree(query, counts):
    if len(set(counts.values())) != 1:
        raise SystemExit(f"{query}: different numbers of rows: {counts}")


def of_adbc(cursor, sql):
    cursor.execute(sql)
    return cursor.fetch_arrow_table().num_rows


def of_datafusion(node, threads):
    context = datafusion.SessionContext(datafusion.SessionConfig().with_target_partitions(threads))
    for table in TABLES:
        context.register_parquet(table, str(node.table(table)))
    return lambda sql: sum(batch.num_rows for batch in context.sql(sql).collect())


def of_duckdb(node, threads):
    connection = duckdb.connect(config={"threads": threads})
    for table in TABLES:
        connection.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet({node.files(table)!r})")
    return lambda sql: connection.sql(sql).to_arrow_table().num_rows
