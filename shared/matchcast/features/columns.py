"""A table of matches as numpy columns: what the forward pass reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np

from matchcast.domain.competitions import COMPETITION_BY_ID
from matchcast.domain.match import RESULT_KNOWN_AFTER

if TYPE_CHECKING:
    from numpy.typing import NDArray

STAT_NAMES: Final = (
    "home_shots",
    "away_shots",
    "home_shots_on_target",
    "away_shots_on_target",
    "home_corners",
    "away_corners",
    "home_yellows",
    "away_yellows",
    "home_reds",
    "away_reds",
)
DAY_SECONDS: Final = 86_400
KNOWN_AFTER_SECONDS: Final = int(RESULT_KNOWN_AFTER.total_seconds())


@dataclass(frozen=True)
class MatchColumns:
    """n matches in any order; clubs and tournaments are codes into sorted tuples of ids.

    Attributes:
        match_id: int64; -1 where a match has none.
        tournament, home, away: int32 codes into `tournaments` and `teams`.
        season: int32, calendar year in which the season starts.
        kickoff: int64, seconds since 1970, UTC; midnight where only the day is known.
        kickoff_known: bool.
        finished: bool; only these update the state.
        home_goals, away_goals: float64, after 90 minutes; NaN unless finished.
        stats: float64, shape (n, 10), columns STAT_NAMES; NaN where unknown.
        market: float64, shape (n, 3), log-odds of home, draw and away in prices taken before the match; NaN where there
            are none. The fold never reads them: they stand behind its columns where a contract names them.
    """

    match_id: NDArray[np.int64]
    tournament: NDArray[np.int32]
    home: NDArray[np.int32]
    away: NDArray[np.int32]
    season: NDArray[np.int32]
    kickoff: NDArray[np.int64]
    kickoff_known: NDArray[np.bool_]
    finished: NDArray[np.bool_]
    home_goals: NDArray[np.float64]
    away_goals: NDArray[np.float64]
    stats: NDArray[np.float64]
    market: NDArray[np.float64]
    teams: tuple[str, ...]
    tournaments: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.kickoff)

    @property
    def day(self) -> NDArray[np.int64]:
        """Midnight UTC of each kick-off, seconds since 1970."""
        return self.kickoff - self.kickoff % DAY_SECONDS

    @property
    def known_at(self) -> NDArray[np.int64]:
        """When each result counts as known (`domain.match.known_at`), seconds since 1970."""
        return np.where(self.kickoff_known, self.kickoff + KNOWN_AFTER_SECONDS, self.day + DAY_SECONDS)

    @property
    def outcome(self) -> NDArray[np.int64]:
        """0 home, 1 draw, 2 away; -1 unless finished."""
        margin = np.sign(np.where(self.finished, self.home_goals - self.away_goals, 0.0)).astype(np.int64)
        return np.where(self.finished, 1 - margin, -1)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> MatchColumns:
        """The chosen rows, same codes."""
        names = ("match_id", "tournament", "home", "away", "season", "kickoff", "kickoff_known", "finished")
        chosen = {name: getattr(self, name)[rows] for name in (*names, "home_goals", "away_goals", "stats", "market")}
        return replace(self, **chosen)


def columns_of(
    *,
    match_ids: Sequence[int],
    tournaments: Sequence[str],
    seasons: Sequence[int],
    kickoffs: NDArray[np.int64],
    kickoffs_known: NDArray[np.bool_],
    home_teams: Sequence[str],
    away_teams: Sequence[str],
    finished: NDArray[np.bool_],
    home_goals: NDArray[np.float64],
    away_goals: NDArray[np.float64],
    stats: NDArray[np.float64],
    market: NDArray[np.float64] | None = None,
) -> MatchColumns:
    """Code the names and check the shapes.

    Raises:
        ValueError: lengths differ, or a finished match has no goals.
    """
    n = len(match_ids)
    market = np.full((n, 3), np.nan) if market is None else market
    lengths = {len(tournaments), len(seasons), len(kickoffs), len(home_teams), len(finished), len(stats), len(market)}
    if lengths != {n}:
        raise ValueError(f"match columns differ in length: {sorted(lengths | {n})}")
    done = np.asarray(finished, dtype=np.bool_)
    if bool(np.any(done & (np.isnan(home_goals) | np.isnan(away_goals)))):
        raise ValueError("a finished match has no goals")
    team_names, team_codes = np.unique(
        np.concatenate([np.asarray(home_teams, dtype=np.str_), np.asarray(away_teams, dtype=np.str_)]),
        return_inverse=True,
    )
    tournament_names, tournament_codes = np.unique(np.asarray(tournaments, dtype=np.str_), return_inverse=True)
    return MatchColumns(
        match_id=np.asarray(match_ids, dtype=np.int64),
        tournament=tournament_codes.astype(np.int32),
        home=team_codes[:n].astype(np.int32),
        away=team_codes[n:].astype(np.int32),
        season=np.asarray(seasons, dtype=np.int32),
        kickoff=np.asarray(kickoffs, dtype=np.int64),
        kickoff_known=np.asarray(kickoffs_known, dtype=np.bool_),
        finished=done,
        home_goals=np.asarray(home_goals, dtype=np.float64),
        away_goals=np.asarray(away_goals, dtype=np.float64),
        stats=np.ascontiguousarray(stats, dtype=np.float64),
        market=np.ascontiguousarray(market, dtype=np.float64),
        teams=tuple(str(t) for t in team_names),
        tournaments=tuple(str(t) for t in tournament_names),
    )


def level_of(tournament: str) -> float:
    """The division's level, 1 for the top; 1 for a tournament outside the catalogue."""
    known = COMPETITION_BY_ID.get(tournament)
    return float(known.level) if known else 1.0


def seconds(instant: datetime) -> int:
    """Seconds since 1970 of an aware instant; fractions are dropped."""
    return int(instant.astimezone(UTC).timestamp())
