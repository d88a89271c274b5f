"""Everything that is stored, as it was known at an instant: what a renewal reads instead of an export's tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matchcast.domain.match import RESULT_KNOWN_AFTER, Fixture, MatchStatus
from matchcast.features.columns import MatchColumns
from matchcast.ports import TeamRecord

PLAYED: Final = (MatchStatus.FINISHED, MatchStatus.IN_PLAY, MatchStatus.ABANDONED)
"""Before its result is known, a match with one of these is as good as upcoming."""
READ: Final = (*PLAYED, MatchStatus.UPCOMING)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND: Final = 1_000_000
_DAY: Final = timedelta(days=1) // _MICROSECOND
_KNOWN_AFTER: Final = RESULT_KNOWN_AFTER // _MICROSECOND


@dataclass(frozen=True)
class History:
    """Finished matches, matches to come, and what the clubs are called.

    Attributes:
        matches: finished ones, then those of `to_come` in their order.
        to_come: in order of (kick-off, id).
        other_names: of clubs, by id, besides their usual one.
    """

    matches: MatchColumns
    to_come: tuple[Fixture, ...]
    teams: Sequence[TeamRecord]
    other_names: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class StoredColumns:
    """n stored matches in any order, with a status among READ.

    Attributes:
        kickoff: int64, microseconds since 1970.
        tournament, home, away: int64 codes into `tournaments` and `teams`, which are sorted and may hold more.
        home_goals, away_goals: float64, NaN where there are none.
        stats: float64, shape (n, 10), as in `MatchColumns`.
    """

    match_id: NDArray[np.int64]
    tournament: NDArray[np.int64]
    season: NDArray[np.int64]
    kickoff: NDArray[np.int64]
    kickoff_known: NDArray[np.bool_]
    home: NDArray[np.int64]
    away: NDArray[np.int64]
    status: NDArray[np.int64]
    home_goals: NDArray[np.float64]
    away_goals: NDArray[np.float64]
    stats: NDArray[np.float64]
    teams: Sequence[str]
    tournaments: Sequence[str]


def as_known(stored: StoredColumns, as_of: datetime) -> tuple[MatchColumns, tuple[Fixture, ...]]:
    """The matches as they stood at an instant: finished ones, then those to come; and the latter as fixtures.

    A match whose result became known later is a fixture. It is to come while it may not have kicked off: its kick-off
    is after `as_of`, or only its day is known and that day is not over. No prices: `market` is all NaN.
    """
    at = (as_of - _EPOCH) // _MICROSECOND
    day_end = stored.kickoff - stored.kickoff % _DAY + _DAY
    known = np.where(stored.kickoff_known, stored.kickoff + _KNOWN_AFTER, day_end) <= at
    status = np.where(~known & np.isin(stored.status, PLAYED), int(MatchStatus.UPCOMING), stored.status)
    scored = ~np.isnan(stored.home_goals) & ~np.isnan(stored.away_goals)
    latest = np.where(stored.kickoff_known, stored.kickoff, stored.kickoff + _DAY)
    finished = np.flatnonzero((status == MatchStatus.FINISHED) & scored)
    to_come = np.flatnonzero((status == MatchStatus.UPCOMING) & (latest > at))
    to_come = to_come[np.lexsort((stored.match_id[to_come], stored.kickoff[to_come]))]
    rows = np.concatenate([finished, to_come])
    done = np.arange(len(rows)) < len(finished)
    teams, sides = np.unique(np.concatenate([stored.home[rows], stored.away[rows]]), return_inverse=True)
    tournaments, tournament = np.unique(stored.tournament[rows], return_inverse=True)
    columns = MatchColumns(
        match_id=stored.match_id[rows],
        tournament=tournament.astype(np.int32),
        home=sides[: len(rows)].astype(np.int32),
        away=sides[len(rows) :].astype(np.int32),
        season=stored.season[rows].astype(np.int32),
        kickoff=stored.kickoff[rows] // _SECOND,
        kickoff_known=stored.kickoff_known[rows],
        finished=done,
        home_goals=np.where(done, stored.home_goals[rows], np.nan),
        away_goals=np.where(done, stored.away_goals[rows], np.nan),
        stats=np.where(done[:, None], stored.stats[rows], np.nan),
        market=np.full((len(rows), 3), np.nan),
        teams=tuple(stored.teams[code] for code in teams.tolist()),
        tournaments=tuple(stored.tournaments[code] for code in tournaments.tolist()),
    )
    return columns, tuple(_fixture(stored, row) for row in to_come.tolist())


def read_as_of(matches: MatchColumns, as_of: datetime) -> NDArray[np.int64]:
    """When each row is read, seconds since 1970: midnight of its day, a match to come at `as_of`."""
    return np.where(matches.finished, matches.day, int(as_of.timestamp())).astype(np.int64)


def _fixture(stored: StoredColumns, row: int) -> Fixture:
    return Fixture(
        tournament=stored.tournaments[int(stored.tournament[row])],
        home_team=stored.teams[int(stored.home[row])],
        away_team=stored.teams[int(stored.away[row])],
        kickoff_at=_EPOCH + timedelta(microseconds=int(stored.kickoff[row])),
        season=int(stored.season[row]),
        match_id=int(stored.match_id[row]),
        kickoff_known=bool(stored.kickoff_known[row]),
    )
