"""The chain of forecasts: rows are added at its end and never changed."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, func, insert, select, text

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tables import forecasts
from matchcast.domain.forecast import GENESIS_HASH, Cause, Forecast, LedgerRow, Probabilities, ledger_hash
from matchcast.domain.match import Fixture

_APPEND_LOCK: Final = 0x6C6564676572
_TAKE_TURN: Final = text(f"SELECT pg_advisory_xact_lock({_APPEND_LOCK})")
_END_OF_CHAIN: Final = (
    select(forecasts.c.forecast_id, forecasts.c.hash).order_by(forecasts.c.forecast_id.desc()).limit(1)
)
_ADD: Final = insert(forecasts)
_ROWS_AT_ONCE: Final = 1000


class SqlLedger:
    """The `Ledger` and `RenewedLedger` ports. One at a time appends: BEGIN IMMEDIATE on SQLite, elsewhere an advisory lock."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, new: Sequence[Forecast], recorded_at: datetime) -> Sequence[LedgerRow]:
        if not new:
            return []
        added: list[LedgerRow] = []
        with self._database.writing() as connection:
            if not self._database.is_sqlite:
                connection.execute(_TAKE_TURN)
            last = connection.execute(_END_OF_CHAIN).one_or_none()
            forecast_id, previous = (0, GENESIS_HASH) if last is None else (last.forecast_id, last.hash)
            for forecast in new:
                forecast_id += 1
                own = ledger_hash(forecast, recorded_at, previous)
                added.append(LedgerRow(forecast_id, forecast, recorded_at, previous, own))
                previous = own
            connection.execute(_ADD, [_columns(row) for row in added])
        return added

    def find(self, forecast_id: int) -> LedgerRow | None:
        with self._database.reading() as connection:
            row = connection.execute(select(forecasts).where(forecasts.c.forecast_id == forecast_id)).one_or_none()
        return None if row is None else _ledger_row(row)

    def history(self, match_id: int) -> Sequence[LedgerRow]:
        query = select(forecasts).where(forecasts.c.match_id == match_id).order_by(forecasts.c.forecast_id)
        with self._database.reading() as connection:
            return [_ledger_row(row) for row in connection.execute(query)]

    def latest(self, match_ids: Sequence[int]) -> Sequence[LedgerRow]:
        found: list[LedgerRow] = []
        with self._database.reading() as connection:
            for start in range(0, len(match_ids), _ROWS_AT_ONCE):
                of_matches = forecasts.c.match_id.in_(match_ids[start : start + _ROWS_AT_ONCE])
                last = select(func.max(forecasts.c.forecast_id)).where(of_matches).group_by(forecasts.c.match_id)
                query = select(forecasts).where(forecasts.c.forecast_id.in_(last))
                found += [_ledger_row(row) for row in connection.execute(query)]
        return found

    def rows(self) -> Iterator[LedgerRow]:
        after = 0
        while True:
            query = select(forecasts).where(forecasts.c.forecast_id > after).order_by(forecasts.c.forecast_id)
            with self._database.reading() as connection:
                found = [_ledger_row(row) for row in connection.execute(query.limit(_ROWS_AT_ONCE))]
            yield from found
            if len(found) < _ROWS_AT_ONCE:
                return
            after = found[-1].forecast_id


def _columns(row: LedgerRow) -> dict[str, Any]:
    forecast, fixture = row.forecast, row.forecast.fixture
    return {
        "forecast_id": row.forecast_id,
        "match_id": fixture.match_id,
        "tournament": fixture.tournament,
        "home_team": fixture.home_team,
        "away_team": fixture.away_team,
        "season": fixture.season,
        "kickoff_at": fixture.kickoff_at,
        "as_of": forecast.as_of,
        "home_prob": forecast.probabilities.home,
        "draw_prob": forecast.probabilities.draw,
        "away_prob": forecast.probabilities.away,
        "model_version": forecast.model_version,
        "snapshot_hash": forecast.snapshot_hash,
        "code_revision": forecast.code_revision,
        "cause": forecast.cause.value,
        "recorded_at": row.recorded_at,
        "previous_hash": row.previous_hash,
        "hash": row.hash,
    }


def _ledger_row(row: Row[Any]) -> LedgerRow:
    fixture = Fixture(row.tournament, row.home_team, row.away_team, row.kickoff_at, row.season, row.match_id)
    forecast = Forecast(
        fixture,
        row.as_of,
        Probabilities(row.home_prob, row.draw_prob, row.away_prob),
        row.model_version,
        row.snapshot_hash,
        row.code_revision,
        Cause(row.cause),
    )
    return LedgerRow(row.forecast_id, forecast, row.recorded_at, row.previous_hash, row.hash)
