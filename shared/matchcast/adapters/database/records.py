"""Rows of the two chains as any driver takes them; standard library only, so that it costs a start nothing.

Instants are aware datetimes here; SQLite holds them as `instant_text` writes them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from matchcast.domain.forecast import Cause, Forecast, LedgerRow, Probabilities
from matchcast.domain.match import Fixture, MatchStatus
from matchcast.domain.settlement import MarketScores, Result, Settlement, SettlementRow

SCHEMA_REVISION: Final = "0008"
"""The migration that makes the tables as `tables` describes them."""

APPEND_LOCK: Final = 0x6C6564676572
"""PostgreSQL's advisory lock (`pg_advisory_xact_lock`) of whoever appends forecasts; on SQLite BEGIN IMMEDIATE does."""


LIKELIEST: Final = (
    "CASE WHEN home_prob >= draw_prob AND home_prob >= away_prob THEN 0 WHEN draw_prob >= away_prob THEN 1 ELSE 2 END"
)
"""In SQL, what `Probabilities.likeliest` says of a row of `forecasts` or `settlements`."""

LAST_REVISION: Final = (
    "NOT EXISTS (SELECT 1 FROM settlements later WHERE later.match_id = settlements.match_id"
    " AND later.revision = settlements.revision + 1 AND later.revision > 1)"
)
"""In SQL, that a row of `settlements` is the last one of its match; the last condition is that of a partial index."""


def instant_text(instant: datetime) -> str:
    """An instant as SQLite holds it: UTC, microseconds always, so that text order is time order."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def instant_from(text: str) -> datetime:
    """The instant that `instant_text` wrote.

    Raises:
        ValueError: it did not write this.
    """
    instant = datetime.fromisoformat(text).replace(tzinfo=UTC)
    if instant_text(instant) != text:
        raise ValueError(f"{text!r} is not written as instants are")
    return instant


def forecast_values(row: LedgerRow) -> dict[str, Any]:
    """A row of `forecasts` by column."""
    forecast, fixture = row.forecast, row.forecast.fixture
    return {
        "forecast_id": row.forecast_id,
        "match_id": fixture.match_id,
        "tournament": fixture.tournament,
        "home_team": fixture.home_team,
        "away_team": fixture.away_team,
        "season": fixture.season,
        "kickoff_at": fixture.kickoff_at,
        "kickoff_known": fixture.kickoff_known if row.kickoff_known_recorded else None,
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


FORECAST_COLUMNS: Final = (
    "forecast_id", "match_id", "tournament", "home_team", "away_team", "season", "kickoff_at", "kickoff_known", "as_of",
    "home_prob", "draw_prob", "away_prob", "model_version", "snapshot_hash", "code_revision", "cause", "recorded_at",
    "previous_hash", "hash",
)  # fmt: skip
"""The keys of `forecast_values`, in its order."""


def forecast_row(values: Mapping[str, Any]) -> LedgerRow:
    """The row that `forecast_values` took apart."""
    known = values["kickoff_known"]
    fixture = Fixture(
        values["tournament"],
        values["home_team"],
        values["away_team"],
        values["kickoff_at"],
        values["season"],
        values["match_id"],
        kickoff_known=known is None or bool(known),
    )
    forecast = Forecast(
        fixture,
        values["as_of"],
        Probabilities(values["home_prob"], values["draw_prob"], values["away_prob"]),
        values["model_version"],
        values["snapshot_hash"],
        values["code_revision"],
        Cause(values["cause"]),
    )
    return LedgerRow(
        values["forecast_id"], forecast, values["recorded_at"], values["previous_hash"], values["hash"],
        kickoff_known_recorded=known is not None,
    )  # fmt: skip


def settlement_values(row: SettlementRow) -> dict[str, Any]:
    """A row of `settlements` by column."""
    settlement, result, market = row.settlement, row.settlement.result, row.settlement.market
    chances = (None, None, None) if market is None else market.probabilities
    return {
        "settlement_id": row.settlement_id,
        "match_id": settlement.match_id,
        "revision": settlement.revision,
        "forecast_id": settlement.forecast_id,
        "tournament": settlement.tournament,
        "model_version": settlement.model_version,
        "home_prob": settlement.probabilities.home,
        "draw_prob": settlement.probabilities.draw,
        "away_prob": settlement.probabilities.away,
        "kickoff_at": settlement.kickoff_at,
        "kickoff_known": settlement.kickoff_known,
        "status": settlement.status.value,
        "home_goals": result and result.home_goals,
        "away_goals": result and result.away_goals,
        "log_loss": result and result.log_loss,
        "rps": result and result.rps,
        "brier": result and result.brier,
        "market_bookmaker": market and market.bookmaker,
        "market_home_prob": chances[0],
        "market_draw_prob": chances[1],
        "market_away_prob": chances[2],
        "market_log_loss": market and market.log_loss,
        "market_rps": market and market.rps,
        "market_brier": market and market.brier,
        "settled_at": settlement.settled_at,
        "previous_hash": row.previous_hash,
        "hash": row.hash,
    }


SETTLEMENT_COLUMNS: Final = (
    "settlement_id", "match_id", "revision", "forecast_id", "tournament", "model_version", "home_prob", "draw_prob",
    "away_prob", "kickoff_at", "kickoff_known", "status", "home_goals", "away_goals", "log_loss", "rps", "brier",
    "market_bookmaker", "market_home_prob", "market_draw_prob", "market_away_prob", "market_log_loss", "market_rps",
    "market_brier", "settled_at", "previous_hash", "hash",
)  # fmt: skip
"""The keys of `settlement_values`, in its order."""

_RESULT: Final = Result._fields
_MARKET: Final = tuple(name for name in SETTLEMENT_COLUMNS if name.startswith("market_"))


def settlement_row(values: Mapping[str, Any]) -> SettlementRow:
    """The row that `settlement_values` took apart.

    Raises:
        ValueError: a result, or the market's part, is there by halves.
    """
    told = _all_or_none(values, _RESULT)
    market = _all_or_none(values, _MARKET)
    settlement = Settlement(
        values["match_id"],
        values["revision"],
        values["forecast_id"],
        values["tournament"],
        values["model_version"],
        Probabilities(values["home_prob"], values["draw_prob"], values["away_prob"]),
        values["kickoff_at"],
        bool(values["kickoff_known"]),
        MatchStatus(values["status"]),
        None if told is None else Result(*told),
        None if market is None else MarketScores(market[0], Probabilities(*market[1:4]), *market[4:]),
        values["settled_at"],
    )
    return SettlementRow(values["settlement_id"], settlement, values["previous_hash"], values["hash"])


def _all_or_none(values: Mapping[str, Any], names: tuple[str, ...]) -> tuple[Any, ...] | None:
    found = tuple(values[name] for name in names)
    missing = [name for name, value in zip(names, found, strict=True) if value is None]
    if missing and len(missing) < len(names):
        raise ValueError(f"{missing[0]} is missing")
    return None if missing else found
