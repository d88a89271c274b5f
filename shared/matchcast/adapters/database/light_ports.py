"""Ports over a `LightDatabase`: the keys that clients may use, and the end of the ledger."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from matchcast.adapters.database.light import LightDatabase, Statements
from matchcast.adapters.database.recording import LookedFor, looked_for, recorded
from matchcast.adapters.database.records import (
    APPEND_LOCK,
    FORECAST_COLUMNS,
    forecast_row,
    forecast_values,
    instant_from,
    instant_text,
)
from matchcast.domain.forecast import GENESIS_HASH, Forecast, LedgerRow
from matchcast.ports import ApiKey, Clock

_ACTIVE: Final = (
    "SELECT key_id, name, sha256, scopes, created_at, expires_at, revoked_at FROM api_keys"
    " WHERE (revoked_at IS NULL OR revoked_at > ?) AND (expires_at IS NULL OR expires_at > ?) ORDER BY key_id"
)
_TAKE_TURN: Final = f"SELECT pg_advisory_xact_lock({APPEND_LOCK})"
_END_OF_CHAIN: Final = "SELECT forecast_id, hash FROM forecasts ORDER BY forecast_id DESC LIMIT 1"
_ADD: Final = (
    f"INSERT INTO forecasts ({', '.join(FORECAST_COLUMNS)}) VALUES ({', '.join('?' for _ in FORECAST_COLUMNS)})"
)

_ROWS: Final = f"SELECT {', '.join(FORECAST_COLUMNS)} FROM forecasts"
_OF_PAIRING: Final = "home_team = ? AND away_team = ? AND kickoff_at = ? AND match_id IS NULL"
_INSTANTS: Final = ("kickoff_at", "as_of", "recorded_at")


class LightApiKeys:
    """The `ApiKeys` port."""

    def __init__(self, database: LightDatabase) -> None:
        self._database = database

    def active(self, now: datetime) -> Sequence[ApiKey]:
        limit = _stored(now, self._database)
        with self._database.reading() as statements:
            found = statements.rows(_ACTIVE, (limit, limit))
        return [
            ApiKey(key_id, name, sha256, _scopes(scopes), *map(_instant, instants))
            for key_id, name, sha256, scopes, *instants in found
        ]


class LightLedger:
    """The `LedgerEnd` port: rows, chain and lock are those of `SqlLedger`."""

    def __init__(self, database: LightDatabase) -> None:
        self._database = database

    def record(self, asked: Sequence[Forecast], clock: Clock) -> Sequence[LedgerRow | None]:
        if not asked:
            return []
        with self._database.writing() as statements:
            if not self._database.is_sqlite:
                statements.rows(_TAKE_TURN)
            last = statements.rows(_END_OF_CHAIN)
            standing = [row for chosen in looked_for(asked) for row in self._standing(chosen, statements)]
            rows, added = recorded(asked, standing, clock(), *(last[0] if last else (0, GENESIS_HASH)))
            if added:
                statements.run(_ADD, [self._values(row) for row in added])
        return rows

    def hashes(self, forecast_ids: Sequence[int]) -> Mapping[int, str]:
        if not forecast_ids:
            return {}
        query = f"SELECT forecast_id, hash FROM forecasts WHERE forecast_id IN ({_marks(forecast_ids)})"
        with self._database.reading() as statements:
            return dict(statements.rows(query, forecast_ids))

    def _standing(self, chosen: LookedFor, statements: Statements) -> Iterator[LedgerRow]:
        ids, pairings, versions, hashes = chosen
        made = [*versions, *hashes]
        by = f"model_version IN ({_marks(versions)}) AND snapshot_hash IN ({_marks(hashes)}) ORDER BY forecast_id"
        found: list[tuple[Any, ...]] = []
        if ids:
            found += statements.rows(f"{_ROWS} WHERE match_id IN ({_marks(ids)}) AND {by}", [*ids, *made])
        for home, away, at in pairings:  # one by one: whatever the planner knows, it takes their index
            values = [home, away, _stored(at, self._database), *made]
            found += statements.rows(f"{_ROWS} WHERE {_OF_PAIRING} AND {by}", values)
        for row in found:
            told = dict(zip(FORECAST_COLUMNS, row, strict=True))
            yield forecast_row(told | {name: _instant(told[name]) for name in _INSTANTS})

    def _values(self, row: LedgerRow) -> list[object]:
        return [
            _stored(value, self._database) if isinstance(value, datetime) else value
            for value in forecast_values(row).values()
        ]


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _stored(instant: datetime, database: LightDatabase) -> object:
    return instant_text(instant) if database.is_sqlite else instant


def _instant(value: Any) -> Any:
    """As ports hold it; SQLite gives the text."""
    if isinstance(value, str):
        return instant_from(value)
    return None if value is None else value.astimezone(UTC)


def _scopes(value: Any) -> frozenset[str]:
    """JSON, which PostgreSQL's driver has read already."""
    return frozenset(json.loads(value) if isinstance(value, str) else value)
