"""A row of this source."""

from datetime import datetime

from matchcast.adapters.sources.tabular import Refused
from matchcast.adapters.sources.whoscored.reading import NAME, club_of, season_of
from matchcast.adapters.sources.whoscored.scores import Scores
from matchcast.domain.competitions import Competition
from matchcast.domain.match import MatchStats, MatchStatus, SourceMatch


def row_of(
    number: int,
    line: int,
    competition: Competition,
    season: str | None,
    kickoff_at: datetime,
    home: str,
    away: str,
    status: MatchStatus,
    scores: Scores,
    stats: MatchStats | None = None,
    stage: str | None = None,
    referee: str | None = None,
) -> SourceMatch:
    """The row.

    Args:
        number: the site's id of the match.
        season: as it is told.
        scores: without any for a match that is not finished.
    """
    ninety, extra, penalties = scores.ninety, scores.extra, scores.penalties
    return SourceMatch(
        NAME,
        str(number),
        line,
        competition.id,
        season_of(season, competition, kickoff_at.date()),
        kickoff_at,
        True,
        home,
        away,
        status,
        ninety and ninety[0],
        ninety and ninety[1],
        stats,
        (),
        extra and extra[0],
        extra and extra[1],
        penalties and penalties[0],
        penalties and penalties[1],
        stage,
        referee,
    )


def clubs_of(home: str | None, away: str | None, fields: tuple[str, str]) -> tuple[str, str]:
    """Both clubs.

    Raises:
        Refused: one is empty or not decided yet, or both are the same.
    """
    clubs = club_of(home, fields[0]), club_of(away, fields[1])
    if clubs[0] == clubs[1]:
        raise Refused(f"{fields[0]} and {fields[1]} are both {clubs[0]!r}")
    return clubs
