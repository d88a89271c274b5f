"""Which forecasts of those that were asked for are new to the ledger; standard library only, as `records`."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from matchcast.domain.forecast import Cause, Forecast, LedgerRow, chained, latest_instant

AT_ONCE: Final = 1000
"""Forecasts that one query looks for."""


class Recorded(NamedTuple):
    """What became of forecasts.

    Attributes:
        rows: for each forecast the row that holds it; None where its kick-off has come.
        added: those of the rows that are to be written, in order.
    """

    rows: Sequence[LedgerRow | None]
    added: Sequence[LedgerRow]


def recorded(
    asked: Iterable[Forecast], standing: Iterable[LedgerRow], now: datetime, after_id: int, after_hash: str
) -> Recorded:
    """
    Args:
        standing: rows that may hold forecasts asked for; of equal ones the first counts.
        now: when this is recorded; whoever calls holds the end of the chain.
        after_id, after_hash: of the last row.
    """
    held: dict[Hashable, LedgerRow] = {}
    for row in standing:
        held.setdefault(_what(row.forecast), row)
    rows: list[LedgerRow | None] = []
    added: list[LedgerRow] = []
    for forecast in asked:
        if now >= latest_instant(forecast.fixture.kickoff_at, forecast.fixture.kickoff_known):
            rows.append(None)
            continue
        what = _what(forecast)
        if what not in held:
            (held[what],) = chained([forecast], now, after_id, after_hash)
            after_id, after_hash = held[what].forecast_id, held[what].hash
            added.append(held[what])
        rows.append(held[what])
    return Recorded(rows, added)


class LookedFor(NamedTuple):
    """By what the rows that may hold some forecasts are found.

    Attributes:
        match_ids: of known fixtures.
        pairings: home team, away team and kick-off of the others.
    """

    match_ids: Sequence[int]
    pairings: Sequence[tuple[str, str, datetime]]
    model_versions: Sequence[str]
    snapshot_hashes: Sequence[str]


def looked_for(asked: Sequence[Forecast]) -> Iterator[LookedFor]:
    """One for each query."""
    for start in range(0, len(asked), AT_ONCE):
        some = asked[start : start + AT_ONCE]
        fixtures = dict.fromkeys(forecast.fixture for forecast in some)
        yield LookedFor(
            [fixture.match_id for fixture in fixtures if fixture.match_id is not None],
            [(f.home_team, f.away_team, f.kickoff_at) for f in fixtures if f.match_id is None],
            sorted({forecast.model_version for forecast in some}),
            sorted({forecast.snapshot_hash for forecast in some}),
        )


def _what(forecast: Forecast) -> Hashable:
    """What two forecasts share that are the same; a comparison is settled for nobody, so it is one of its own."""
    return forecast.fixture, forecast.model_version, forecast.snapshot_hash, forecast.cause is Cause.COMPARED
