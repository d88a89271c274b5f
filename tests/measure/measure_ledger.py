"""How a long ledger is read and proved, on PostgreSQL, beside the same with fewer rows.

    python -m tests.measure.measure_ledger [--rows 10000 100000]

Ten forecasts a match, every match settled, two thirds of them with closing prices; hashes as the real ones. For each size:
a match's history and the accuracy of everything and of one league, as GET /predict/{match_id}/history and GET /accuracy ask
for them (median, 95th percentile, and how many times that of the size before), and how fast `matchcast ledger verify` walks.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import psycopg
from psycopg import sql

from knative.local.services.postgres import private_postgres
from matchcast.adapters.database.accuracy import SqlSettledScores
from matchcast.adapters.database.chains import SqlChains
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.ledger import SqlLedger
from matchcast.adapters.database.matches import SqlMatchReader
from matchcast.adapters.database.migrate import migrate
from matchcast.adapters.database.records import (
    FORECAST_COLUMNS,
    SETTLEMENT_COLUMNS,
    forecast_values,
    settlement_values,
)
from matchcast.adapters.database.settlements import SqlSettlements
from matchcast.domain.forecast import GENESIS_HASH, Cause, Forecast, LedgerRow, Probabilities, chained
from matchcast.domain.match import Fixture, MatchStatus
from matchcast.domain.settlement import MarketScores, Result, Settlement, SettlementRow, chained_settlements
from matchcast.model.metrics import brier_each, log_loss_each, rps_each
from matchcast.ports.accuracy import Group, SettledFilter
from matchcast.usecases.accuracy import accuracy
from matchcast.usecases.history import match_history
from matchcast.usecases.ledger import verify

REVISIONS: Final = 10
LEAGUES: Final = 20
CLUBS: Final = 20
AT_ONCE: Final = 2_000
"""Matches."""
FIRST: Final = datetime(2000, 1, 1, 15, tzinfo=UTC)
NOW: Final = datetime(2100, 1, 1, tzinfo=UTC)
MATCH_COLUMNS: Final = (
    "id", "source", "source_id", "tournament_id", "season", "sex", "kickoff_at", "kickoff_known", "match_day",
    "home_team_id", "away_team_id", "status", "home_goals", "away_goals", "ingested_at", "updated_at",
)  # fmt: skip
GOALS: Final = ((2, 1), (1, 1), (0, 1))


class Filled:
    """A ledger that grows."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._random = np.random.default_rng(1)
        self.matches = 0
        self._end = (0, GENESIS_HASH)
        self._settled_end = (0, GENESIS_HASH)
        day = FIRST.isoformat()
        with self._connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO tournaments VALUES (%s, 'L', 'england', 1, 'M', 8)",
                [(f"league:{n}",) for n in range(LEAGUES)],
            )
            clubs = [(f"club:{league}-{club}",) for league in range(LEAGUES) for club in range(CLUBS)]
            cursor.executemany(f"INSERT INTO teams VALUES (%s, 'C', 'england', 'M', 'x', '{day}')", clubs)

    def grow_to(self, rows: int) -> None:
        while self.matches * REVISIONS < rows:
            self._add(min(AT_ONCE, rows // REVISIONS - self.matches))
        self._connection.execute("VACUUM ANALYZE")

    def _add(self, count: int) -> None:
        fixtures = [self._fixture(self.matches + n) for n in range(count)]
        self.matches += count
        probs = self._random.dirichlet((4, 2.5, 3), (count, REVISIONS))
        outcomes = self._random.integers(0, 3, count)
        made: list[LedgerRow] = []
        for revision in range(REVISIONS):
            for fixture, chances in zip(fixtures, probs[:, revision].tolist(), strict=True):
                at = fixture.kickoff_at - timedelta(hours=2 * (REVISIONS - revision))
                forecast = Forecast(
                    fixture,
                    at,
                    Probabilities(*chances),
                    f"v{self.matches // 20_000}",
                    "0" * 64,
                    "c1",
                    Cause.NEW_RESULTS,
                )
                made += chained([forecast], at, *self._end)
                self._end = (made[-1].forecast_id, made[-1].hash)
        settled = self._settled(made[-count:], outcomes)
        self._settled_end = (settled[-1].settlement_id, settled[-1].hash)
        self._copy("matches", MATCH_COLUMNS, (self._match(f, int(o)) for f, o in zip(fixtures, outcomes, strict=True)))
        self._copy("forecasts", FORECAST_COLUMNS, (tuple(forecast_values(row).values()) for row in made))
        self._copy("settlements", SETTLEMENT_COLUMNS, (tuple(settlement_values(row).values()) for row in settled))

    def _fixture(self, number: int) -> Fixture:
        league, day = number % LEAGUES, number // LEAGUES // (CLUBS // 2)
        pair = number // LEAGUES % (CLUBS // 2)
        home, away = (f"club:{league}-{2 * pair + side}" for side in (0, 1))
        kickoff_at = FIRST + timedelta(days=day)
        return Fixture(f"league:{league}", home, away, kickoff_at, kickoff_at.year, 1_000_000 + number)

    def _match(self, fixture: Fixture, outcome: int) -> tuple[Any, ...]:
        at = fixture.kickoff_at
        return (
            fixture.match_id, "x", str(fixture.match_id), fixture.tournament, fixture.season, "M", at, True, at.date(),
            fixture.home_team, fixture.away_team, MatchStatus.FINISHED.value, *GOALS[outcome], at, at,
        )  # fmt: skip

    def _settled(self, rows: list[LedgerRow], outcomes: Any) -> list[SettlementRow]:
        probs = np.array([row.forecast.probabilities for row in rows])
        market = self._random.dirichlet((4, 2.5, 3), len(rows))
        ours, theirs = (
            np.column_stack([each(p, outcomes) for each in (log_loss_each, rps_each, brier_each)]).tolist()
            for p in (probs, market)
        )
        settlements = [
            Settlement(
                row.forecast.fixture.match_id or 0, 1, row.forecast_id, row.forecast.fixture.tournament,
                row.forecast.model_version, row.forecast.probabilities, row.forecast.fixture.kickoff_at, True,
                MatchStatus.FINISHED, Result(*GOALS[outcome], *own),
                MarketScores("Avg", Probabilities(*chances), *other) if n % 3 else None,
                row.forecast.fixture.kickoff_at + timedelta(hours=3),
            )
            for n, (row, outcome, own, chances, other) in enumerate(
                zip(rows, outcomes.tolist(), ours, market.tolist(), theirs, strict=True)
            )
        ]  # fmt: skip
        return chained_settlements(settlements, *self._settled_end)

    def _copy(self, table: str, columns: tuple[str, ...], rows: Iterator[tuple[Any, ...]]) -> None:
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)


def timed(run: Callable[[], object], times: int) -> tuple[float, float]:
    """Median and 95th percentile, in ms."""
    run()
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        run()
        took.append((time.perf_counter() - begun) * 1000)
    return statistics.median(took), statistics.quantiles(took, n=20, method="inclusive")[-1]


def reads(database: Database, matches: int) -> dict[str, tuple[Callable[[], object], int]]:
    """What is measured, and how often."""
    random = np.random.default_rng(2)
    ledger, stored, settled = SqlLedger(database), SqlMatchReader(database), SqlSettlements(database)
    scores = SqlSettledScores(database)

    def history() -> object:
        wanted = 1_000_000 + int(random.integers(matches))
        return match_history(wanted, None, 50, NOW, ledger=ledger, matches=stored, settled=settled)

    league, everything = SettledFilter(tournament="league:7"), SettledFilter()
    return {
        "a match's history": (history, 200),
        "accuracy, one league": (lambda: accuracy(league, None, scores), 20),
        "accuracy, everything": (lambda: accuracy(everything, None, scores), 5),
        "accuracy, by league": (lambda: accuracy(everything, Group.LEAGUE, scores), 5),
        "accuracy, by month": (lambda: accuracy(everything, Group.MONTH, scores), 5),
        "accuracy, unchanged (its ETag)": (scores.head, 200),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000], help="sizes of the ledger")
    sizes = sorted(parser.parse_args().rows)
    with private_postgres() as server:
        with psycopg.connect(f"{server.url}/postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE measured")
        url = f"{server.url}/measured"
        migrate(url)
        filled, database, before = Filled(url), Database(url), dict[str, float]()
        for size in sizes:
            filled.grow_to(size)
            print(f"\n{size:,} forecasts of {filled.matches:,} settled matches (median, 95th percentile):")
            for name, (run, times) in reads(database, filled.matches).items():
                median, slow = timed(run, times)
                ratio = f"{median / before[name]:6.2f} x" if name in before else ""
                print(f"  {name:32} {median:9.1f} ms {slow:9.1f} ms {ratio}")
                before[name] = median
            begun = time.perf_counter()
            found = verify(SqlChains(database))
            took = time.perf_counter() - begun
            assert found.whole, found
            print(f"  {'ledger verify':32} {took:9.1f} s  {size / took:9,.0f} forecasts/s")
        database.close()


if __name__ == "__main__":
    main()
