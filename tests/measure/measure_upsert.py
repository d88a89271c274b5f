"""Upserts of football-data's last seasons into PostgreSQL, beside COPY of the same rows into the same tables: the first
load, the same rows again, and with one match in a hundred changed.

Needs ../shared/data; says so and ends where it is missing.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import psycopg

from knative.local.services.postgres import private_postgres
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.match_store import SqlMatchStore
from matchcast.adapters.database.migrate import migrate
from matchcast.adapters.files import read_file
from matchcast.adapters.sources import detect
from matchcast.adapters.sources.aliases import committed_aliases
from matchcast.domain.match import MatchStats, Odds
from matchcast.ports import LoadReport, ResolvedMatch
from matchcast.usecases.resolution import Resolution
from matchcast.usecases.teams import resolve_teams
from tests.measure.measure_ingest import MERGED, bare_copy, postgres_rows, timed

NOW = datetime(2025, 6, 1, tzinfo=UTC)
FIRST_SEASON = 2022
ROUNDS = 2


def resolved() -> Resolution:
    name, raw = read_file(str(MERGED))
    rows = [row for row in detect(raw, name).parse(raw, name).rows if row.season >= FIRST_SEASON]
    return resolve_teams(rows, [], [], committed_aliases(), now=NOW)


def changed(rows: Sequence[ResolvedMatch]) -> list[ResolvedMatch]:
    """One in a hundred with another score, other shots and other prices."""
    return [_changed(row) if number % 100 == 0 else row for number, row in enumerate(rows)]


def _changed(row: ResolvedMatch) -> ResolvedMatch:
    told = row.told
    stats = told.stats and MatchStats._make(None if count is None else count + 1 for count in told.stats)
    prices = tuple(Odds._make((*price[:2], price.home + 0.01, *price[3:])) for price in told.odds)
    goals = None if told.home_goals is None else told.home_goals + 1
    return row._replace(told=told._replace(home_goals=goals, stats=stats, odds=prices))


def tell(what: str, seconds: float, report: LoadReport, bare: float) -> None:
    counts = [sum(count) for count in report[:3]]
    rows = sum(counts)
    written = sum(count.inserted + count.updated for count in report[:3])
    print(
        f"{what:<28} {rows / seconds:>9,.0f} rows/s  {seconds:5.2f} s  {written:>9,} of {rows:,} written"
        f"  {bare / seconds:.2f} of COPY's speed"
    )


def main() -> None:
    if not MERGED.exists():
        print(f"{MERGED} is not here: nothing to measure")
        sys.exit(0)
    found = resolved()
    with private_postgres() as server:
        best: dict[str, tuple[float, LoadReport]] = {}
        copied = float("inf")
        for number in range(ROUNDS):
            urls = [f"{server.url}/{kind}{number}" for kind in ("loaded", "bare")]
            with psycopg.connect(f"{server.url}/postgres", autocommit=True) as connection:
                for url in urls:
                    connection.execute(f"CREATE DATABASE {url.rpartition('/')[2]}".encode())
            for url in urls:
                migrate(url)
            store = SqlMatchStore(Database(urls[0]))
            for what, rows, now in (
                ("first load", found.rows, NOW),
                ("the same again", found.rows, NOW + timedelta(days=1)),
                ("one in a hundred changed", changed(found.rows), NOW + timedelta(days=2)),
            ):
                seconds, report = timed(partial(store.load, rows, found.new_teams, found.aliases, now))
                if seconds < best.get(what, (float("inf"),))[0]:
                    best[what] = seconds, report
            copied = min(copied, timed(partial(bare_copy, urls[1], postgres_rows(urls[0])))[0])
        rows_loaded = sum(map(sum, best["first load"][1][:3]))
        print(f"PostgreSQL, best of {ROUNDS}; seasons from {FIRST_SEASON}")
        print(f"{'COPY':<28} {rows_loaded / copied:>9,.0f} rows/s  {copied:5.2f} s")
        for what, (seconds, report) in best.items():
            tell(what, seconds, report, copied)


if __name__ == "__main__":
    main()
