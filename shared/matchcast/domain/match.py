"""Matches and what is known of them."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

RESULT_KNOWN_AFTER: Final = timedelta(hours=3)
"""A result counts as known this long after a kick-off whose time is known (extra time and penalties included)."""


MAX_GOALS: Final = 40
"""A side's goals in one match; more are taken for a slip of the pen."""


class Outcome(IntEnum):
    """The 1X2 outcome after 90 minutes; the order of every probability triple."""

    HOME = 0
    DRAW = 1
    AWAY = 2


class MatchStatus(IntEnum):
    """Status codes as WhoScored publishes them; only FINISHED is trained on."""

    UPCOMING = 1
    POSTPONED = 2
    IN_PLAY = 3
    ABANDONED = 5
    FINISHED = 6
    CANCELLED = 7
    UNKNOWN = 8


class OddsMoment(StrEnum):
    """When a price was taken: some days before the match, or at its start."""

    OPENING = "opening"
    CLOSING = "closing"


class MatchStats(NamedTuple):
    """Counts of one match by side; None where the source does not say."""

    home_shots: int | None = None
    away_shots: int | None = None
    home_shots_on_target: int | None = None
    away_shots_on_target: int | None = None
    home_corners: int | None = None
    away_corners: int | None = None
    home_fouls: int | None = None
    away_fouls: int | None = None
    home_yellows: int | None = None
    away_yellows: int | None = None
    home_reds: int | None = None
    away_reds: int | None = None


class Odds(NamedTuple):
    """Decimal 1X2 prices (above 1) of one bookmaker at one moment."""

    bookmaker: str
    moment: OddsMoment
    home: float
    draw: float
    away: float
    taken_at: datetime | None = None


class SourceMatch(NamedTuple):
    """One match as a source tells it: names not yet resolved, time in UTC.

    Attributes:
        source: name of the source, e.g. `football-data`.
        source_id: the source's own key, stable over re-reads.
        line: 1-based line or position in the source, for reports.
        tournament: id from `domain.competitions`; `SOURCE:CODE`, of the source's own code, for one that is none of ours.
        season: calendar year in which the season starts.
        kickoff_at: aware UTC; midnight of the day where only the date is known.
        kickoff_known: False where only the date is known.
        home_goals, away_goals: score after 90 minutes; None unless it was played.
        home_goals_extra_time, away_goals_extra_time: score after extra time, where it was played.
        home_penalties, away_penalties: the shoot-out, where there was one.
        stage: part of the competition (play-offs), where the source says.
        referee: as the source names them, where it does.
        home_club_id, away_club_id: what the source itself knows the clubs by whatever it calls them, where it tells.
    """

    source: str
    source_id: str
    line: int
    tournament: str
    season: int
    kickoff_at: datetime
    kickoff_known: bool
    home_team: str
    away_team: str
    status: MatchStatus
    home_goals: int | None = None
    away_goals: int | None = None
    stats: MatchStats | None = None
    odds: tuple[Odds, ...] = ()
    home_goals_extra_time: int | None = None
    away_goals_extra_time: int | None = None
    home_penalties: int | None = None
    away_penalties: int | None = None
    stage: str | None = None
    referee: str | None = None
    home_club_id: str | None = None
    away_club_id: str | None = None


class RejectedRow(NamedTuple):
    """A row that could not become a match: where, why, and its text (at most 200 characters)."""

    line: int
    reason: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Fixture:
    """A match to forecast, teams and tournament resolved to ids.

    Attributes:
        kickoff_at: aware UTC; midnight of the day where only the date is known.
        kickoff_known: False where only the date is known.
    """

    tournament: str
    home_team: str
    away_team: str
    kickoff_at: datetime
    season: int | None = None
    match_id: int | None = None
    kickoff_known: bool = True


def match_id(tournament: str, home_team: str, away_team: str, day: str) -> int:
    """The canonical id: 53 bits (exact in JSON numbers everywhere) of the natural key.

    Args:
        tournament, home_team, away_team: canonical ids.
        day: ISO date of the kick-off, UTC, as first told.
    """
    digest = hashlib.blake2b(f"{tournament}|{home_team}|{away_team}|{day}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 11


def day_start(instant: datetime) -> datetime:
    """Midnight UTC of the instant's day."""
    return instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def known_at(kickoff_at: datetime, kickoff_known: bool) -> datetime:
    """When the result counts as known: three hours after kick-off, or the end of the day where only the date is known."""
    if kickoff_known:
        return kickoff_at + RESULT_KNOWN_AFTER
    return day_start(kickoff_at) + timedelta(days=1)
