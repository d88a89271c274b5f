"""Tables of matches, of their features and of forecasts: column names, and what becomes of them in numpy."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from matchcast.domain.match import Fixture
from matchcast.features.columns import STAT_NAMES, MatchColumns, columns_of
from matchcast.features.contract import FeatureContract

KEYS: Final = ("match_id", "tournament_id", "season", "kickoff_at", "kickoff_known", "home_team_id", "away_team_id")
REQUIRED: Final = (*KEYS, "match_day", "status", "home_goals", "away_goals", *STAT_NAMES)
"""Columns that an export must have."""
FORECAST_COLUMNS: Final = ("home_prob", "draw_prob", "away_prob")
"""Probabilities in tables of forecasts."""
BASELINE_COLUMNS: Final = ("baseline_home", "baseline_draw", "baseline_away")
"""Beside them on the hold-out: a logistic regression on the elo and pi ratings alone, of the training part."""

ODDS_COLUMNS: Final = ("home_odds", "draw_odds", "away_odds")
"""The benchmark's decimal prices, beside the training part and the hold-out."""


def as_of_of(manifest: dict[str, Any]) -> datetime:
    """The instant an export stands for; aware UTC."""
    return datetime.fromisoformat(manifest["as_of"]).astimezone(UTC)


def floats(column: "pa.ChunkedArray[Any]") -> NDArray[np.float64]:
    """Numbers with NaN for null."""
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)


def kickoff_seconds(table: pa.Table) -> NDArray[np.int64]:
    """Seconds since 1970 of each kick-off."""
    instants = table["kickoff_at"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    return np.asarray(instants // 1_000_000, dtype=np.int64)


def match_columns(finished: pa.Table, future: pa.Table, market: NDArray[np.float64] | None = None) -> MatchColumns:
    """Finished matches, then future ones, in the tables' own order; `market` as in `MatchColumns`."""
    names = list(REQUIRED)
    both = pa.concat_tables([finished.select(names), future.select(names)], promote_options="permissive")
    is_finished = np.arange(len(both)) < len(finished)
    return columns_of(
        match_ids=_list(both, "match_id"),
        tournaments=_list(both, "tournament_id"),
        seasons=_list(both, "season"),
        kickoffs=kickoff_seconds(both),
        kickoffs_known=both["kickoff_known"].to_numpy(),
        home_teams=_list(both, "home_team_id"),
        away_teams=_list(both, "away_team_id"),
        finished=is_finished,
        home_goals=np.where(is_finished, floats(both["home_goals"]), np.nan),
        away_goals=np.where(is_finished, floats(both["away_goals"]), np.nan),
        stats=np.column_stack([floats(both[name]) for name in STAT_NAMES]),
        market=market,
    )


def fixtures_of(future: pa.Table) -> list[Fixture]:
    """The future matches, in the table's order."""
    return [
        Fixture(
            row["tournament_id"], row["home_team_id"], row["away_team_id"],
            row["kickoff_at"].astimezone(UTC), row["season"], row["match_id"], row["kickoff_known"],
        )
        for row in future.select(list(KEYS)).to_pylist()
    ]  # fmt: skip


def odds_of(table: pa.Table, bookmaker: str, moment: str) -> NDArray[np.float64]:
    """Decimal 1X2 prices, shape (n, 3); NaN where there are none."""
    names = [f"odds_{moment}_{bookmaker}_{outcome}" for outcome in ("home", "draw", "away")]
    if any(name not in table.column_names for name in names):
        return np.full((len(table), 3), np.nan)
    return np.column_stack([floats(table[name]) for name in names])


def feature_rows(table: pa.Table, contract: FeatureContract) -> NDArray[np.float32]:
    """A feature table's rows in the contract's order, shape (n, features)."""
    rows = np.empty((len(table), len(contract.names)), dtype=np.float32)
    for i, name in enumerate(contract.names):
        rows[:, i] = table[name].to_numpy()
    return rows


def matrix(table: pa.Table, names: Sequence[str]) -> NDArray[np.float64]:
    """Columns of numbers side by side, shape (n, names)."""
    return np.column_stack([floats(table[name]) for name in names])


def outcomes_of(finished: pa.Table) -> NDArray[np.int8]:
    """0 home, 1 draw, 2 away; every match has its score."""
    margin = np.sign(floats(finished["home_goals"]) - floats(finished["away_goals"]))
    return (1 - margin).astype(np.int8)


def _list(table: pa.Table, name: str) -> list[Any]:
    return table[name].to_pylist()
