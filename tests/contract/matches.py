"""Matches to store."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from matchcast.domain.event import Event
from matchcast.domain.match import MatchStats, MatchStatus, Odds, OddsMoment, SourceMatch
from matchcast.events import IngestCounts, MatchesIngested, first_event
from matchcast.ports import AliasStatus, ResolvedMatch, TeamAlias, TeamRecord

NOW: Final = datetime(2025, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)
LATER: Final = NOW + timedelta(days=1)
KICKOFF: Final = datetime(2025, 3, 1, 15, 0, tzinfo=UTC)
TEAMS: Final = [TeamRecord(f"england:{slug}", slug.title(), "england") for slug in ("arsenal", "chelsea", "everton")]
ALIASES: Final = [
    TeamAlias("test", "england", team.name, team.team_id, AliasStatus.CONFIRMED, (), NOW) for team in TEAMS
]


def told(home: str = "Arsenal", away: str = "Chelsea", **changes: Any) -> ResolvedMatch:
    """A finished match with stats and two prices, as the source `test` tells it."""
    kickoff_at = changes.get("kickoff_at", KICKOFF)
    match = SourceMatch(
        "test",
        f"{kickoff_at.date()}:{home}:{away}",
        1,
        "england:premier-league",
        2024,
        kickoff_at,
        True,
        home,
        away,
        MatchStatus.FINISHED,
        2,
        1,
        MatchStats(home_shots=10, away_shots=4),
        (
            Odds("B365", OddsMoment.OPENING, 1.91, 3.4, 4.333333333333333),
            Odds("B365", OddsMoment.CLOSING, 1.85, 3.5, 0.1 + 4.2, KICKOFF),
        ),
    )._replace(**changes)
    return ResolvedMatch(match, f"england:{match.home_team.lower()}", f"england:{match.away_team.lower()}")


def fixture(home: str = "Arsenal", away: str = "Chelsea", **changes: Any) -> ResolvedMatch:
    """The same match before it is played."""
    before = {"status": MatchStatus.UPCOMING, "home_goals": None, "away_goals": None, "stats": None, "odds": ()}
    return told(home, away, **(before | changes))


def ingested(*finished: int, id: str = "e1") -> Event:
    """A matches.ingested that tells of these matches as finished."""
    counts = IngestCounts(inserted=0, updated=0, unchanged=0, rejected=0)
    payload = MatchesIngested(task_id="t1", source="test", counts=counts, finished=finished, upcoming=())
    return first_event(payload, id=id, service="scrape", now=KICKOFF)
