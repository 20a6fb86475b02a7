"""Other people's readers of Delta tables, made ready."""

import importlib.util
from pathlib import Path

import duckdb


def duckdb_with_delta():
    """DuckDB with the Delta extension that a PyPI package carries; DuckDB verifies its own signature on it."""
    folder = Path(importlib.util.find_spec("duckdb_extension_delta").submodule_search_locations[0])
    (extension,) = folder.glob(f"extensions/v{duckdb.__version__}/delta.duckdb_extension")
    connection = duckdb.connect()
    connection.execute(f"LOAD '{extension}'")
    return connection
