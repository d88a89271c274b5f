"""Ingest of the merged football-data file into SQLite and PostgreSQL, beside a bare executemany or COPY of the same rows.

Needs ../shared/data; says so and ends where it is missing.
"""

import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from knative.local.services.postgres import private_postgres
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.match_store import SqlMatchStore
from matchcast.adapters.database.migrate import migrate
from matchcast.adapters.files import read_file
from matchcast.adapters.sources import detect
from matchcast.adapters.sources.aliases import committed_aliases
from matchcast.usecases.ingest import IngestReport, ParsedFile, ingest

MERGED = Path(__file__).parents[3] / "shared/data/football-data/matches_1993_2025.csv.gz"
TABLES = ("tournaments", "teams", "matches", "match_stats", "odds")
NOW = datetime(2025, 6, 1, tzinfo=UTC)


def ingest_whole(url: str) -> IngestReport:
    name, raw = read_file(str(MERGED))
    parsed = ParsedFile(name, detect(raw, name).parse(raw, name))
    return ingest([parsed], SqlMatchStore(Database(url)), committed_aliases(), NOW)


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = run()
    return time.perf_counter() - started, result


def rows_of(file: Path) -> dict[str, tuple[str, Sequence[Any]]]:
    """Every row of the loaded tables, and their columns."""
    found: dict[str, tuple[str, Sequence[Any]]] = {}
    with sqlite3.connect(file) as connection:
        for table in TABLES:
            cursor = connection.execute(f"SELECT * FROM {table}")
            found[table] = (", ".join(c[0] for c in cursor.description), cursor.fetchall())
    connection.close()
    return found


def bare_executemany(file: Path, rows: dict[str, tuple[str, Sequence[Any]]]) -> None:
    connection = sqlite3.connect(file)
    with connection:
        for table, (columns, values) in rows.items():
            marks = ", ".join("?" * len(values[0]))
            connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", values)
    connection.close()


def postgres_rows(url: str) -> dict[str, tuple[str, Sequence[Any]]]:
    found: dict[str, tuple[str, Sequence[Any]]] = {}
    with psycopg.connect(url) as connection:
        for table in TABLES:
            cursor = connection.execute(f"SELECT * FROM {table}")
            found[table] = (", ".join(c.name for c in cursor.description or ()), cursor.fetchall())
    return found


def bare_copy(url: str, rows: dict[str, tuple[str, Sequence[Any]]]) -> None:
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        for table, (columns, values) in rows.items():
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in values:
                    copy.write_row(row)


def tell(name: str, whole: float, again: float, bare: float, report: IngestReport) -> None:
    matches, stats, odds = (sum(count) for count in report.loaded[:3])
    print(
        f"{name}: {matches:,} matches, {stats:,} statistics, {odds:,} prices in {whole:.1f} s = {matches / whole:,.0f} matches/s "
        f"({(matches + stats + odds) / whole:,.0f} rows/s), parsing included; again {again:.1f} s; "
        f"bare {bare:.1f} s; ratio {whole / bare:.2f}"
    )


def main() -> None:
    if not MERGED.exists():
        print(f"{MERGED} is not here: nothing to measure")
        sys.exit(0)
    with tempfile.TemporaryDirectory() as folder, private_postgres() as postgres:
        loaded, bare = Path(folder) / "loaded.db", Path(folder) / "bare.db"
        for file in (loaded, bare):
            migrate(f"sqlite:///{file}")
        whole, report = timed(lambda: ingest_whole(f"sqlite:///{loaded}"))
        again, _ = timed(lambda: ingest_whole(f"sqlite:///{loaded}"))
        rows = rows_of(loaded)
        tell("SQLite beside executemany", whole, again, timed(lambda: bare_executemany(bare, rows))[0], report)
        del rows
        with psycopg.connect(f"{postgres.url}/postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE loaded")
            connection.execute("CREATE DATABASE bare")
        for name in ("loaded", "bare"):
            migrate(f"{postgres.url}/{name}")
        whole, report = timed(lambda: ingest_whole(f"{postgres.url}/loaded"))
        again, _ = timed(lambda: ingest_whole(f"{postgres.url}/loaded"))
        rows = postgres_rows(f"{postgres.url}/loaded")
        tell("PostgreSQL beside COPY", whole, again, timed(lambda: bare_copy(f"{postgres.url}/bare", rows))[0], report)


if __name__ == "__main__":
    main()
