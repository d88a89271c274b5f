"""The chain of forecasts: rows are added at its end and never changed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, func, insert, select, text

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.recording import LookedFor, looked_for, recorded
from matchcast.adapters.database.records import APPEND_LOCK, forecast_row, forecast_values
from matchcast.adapters.database.tables import forecasts
from matchcast.domain.forecast import GENESIS_HASH, Cause, Forecast, LedgerRow, chained
from matchcast.ports import Clock

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

    def record(self, asked: Sequence[Forecast], clock: Clock) -> Sequence[LedgerRow | None]:
        if not asked:
            return []
        with self._database.writing() as connection:
            end = self._held_end(connection)
            standing = [row for chosen in looked_for(asked) for row in _standing(chosen, connection)]
            rows, added = recorded(asked, standing, clock(), *end)
            if added:
                connection.execute(_ADD, [forecast_values(row) for row in added])
        return rows

    def hashes(self, forecast_ids: Sequence[int]) -> Mapping[int, str]:
        query = select(forecasts.c.forecast_id, forecasts.c.hash).where(forecasts.c.forecast_id.in_(forecast_ids))
        with self._database.reading() as connection:
            return {row.forecast_id: row.hash for row in connection.execute(query)}

    def append(self, new: Sequence[Forecast], clock: Clock) -> Sequence[LedgerRow]:
        if not new:
            return []
        with self._database.writing() as connection:
            end = self._held_end(connection)
            added = chained(new, clock(), *end)
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

    def _held_end(self, connection: Connection) -> tuple[int, str]:
        """Id and hash of the last row, which is the last one until the transaction ends."""
        if not self._database.is_sqlite:
            connection.execute(_TAKE_TURN)
        last = connection.execute(_END_OF_CHAIN).one_or_none()
        return (0, GENESIS_HASH) if last is None else (last.forecast_id, last.hash)


def _standing(chosen: LookedFor, connection: Connection) -> Iterator[LedgerRow]:
    made = select(forecasts).where(
        forecasts.c.model_version.in_(chosen.model_versions), forecasts.c.snapshot_hash.in_(chosen.snapshot_hashes)
    )
    queries = []
    if chosen.match_ids:
        queries.append(made.where(forecasts.c.match_id.in_(chosen.match_ids)))
    for home, away, kickoff_at in chosen.pairings:
        of_clubs = made.where(forecasts.c.home_team == home, forecasts.c.away_team == away)
        queries.append(of_clubs.where(forecasts.c.kickoff_at == kickoff_at, forecasts.c.match_id.is_(None)))
    for query in queries:
        yield from map(_ledger_row, connection.execute(query.order_by(forecasts.c.forecast_id)))


def _ledger_row(row: Row[Any]) -> LedgerRow:
    return forecast_row(row._asdict())
