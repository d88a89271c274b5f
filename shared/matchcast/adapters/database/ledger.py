"""The chain of forecasts: rows are added at its end and never changed."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, func, insert, select, text

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.records import APPEND_LOCK, forecast_row, forecast_values
from matchcast.adapters.database.tables import forecasts
from matchcast.domain.forecast import GENESIS_HASH, Cause, Forecast, LedgerRow, chained

_TAKE_TURN: Final = text(f"SELECT pg_advisory_xact_lock({APPEND_LOCK})")
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
        with self._database.writing() as connection:
            if not self._database.is_sqlite:
                connection.execute(_TAKE_TURN)
            last = connection.execute(_END_OF_CHAIN).one_or_none()
            added = chained(new, recorded_at, *((0, GENESIS_HASH) if last is None else (last.forecast_id, last.hash)))
            connection.execute(_ADD, [forecast_values(row) for row in added])
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
                champions = forecasts.c.cause != Cause.COMPARED.value
                last = (
                    select(func.max(forecasts.c.forecast_id))
                    .where(of_matches, champions)
                    .group_by(forecasts.c.match_id)
                )
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


def _ledger_row(row: Row[Any]) -> LedgerRow:
    return forecast_row(row._asdict())
