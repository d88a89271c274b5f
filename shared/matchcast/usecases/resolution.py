"""What one load makes of the clubs it tells."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import Final, NamedTuple

from matchcast.domain.competitions import COMPETITION_BY_ID
from matchcast.domain.match import MatchStatus, SourceMatch
from matchcast.ports import Refusal, ResolvedMatch, TeamAlias, TeamRecord
from matchcast.ports.calendar import PlayedOn, WaitingMatch
from matchcast.usecases.calendars import Diaries, diaries_of

MatchDay = tuple[str, date]
"""Tournament and day: two names that both play on one are two clubs."""

_ON_ITS_DAY: Final = (MatchStatus.UPCOMING, MatchStatus.IN_PLAY, MatchStatus.FINISHED)


class NewTeams(StrEnum):
    """What to do with a name that is no known club's."""

    PROPOSE = "propose"
    """Hold back names that may be known clubs', make clubs of the others."""
    CREATE = "create"
    """Make a club of each."""
    REVIEW = "review"
    """Hold back each."""


class Pair(NamedTuple):
    """Two clubs with similar names that never met: perhaps one club."""

    country: str
    one: str
    other: str


@dataclass(slots=True)
class Resolution:
    """The rows whose clubs are known, and what was learnt on the way.

    Attributes:
        rows: the rows to load; `indices` tells where each stood among the rows given.
        refused: rows held back.
        new_teams: clubs to make.
        aliases: names to store.
        recognised: those of them that were matched to a club by their spelling alone, or by the id that the source tells.
        by_calendar: those that were matched to a club by its matches.
        held: names that wait for a decision.
        look_alikes: worth a look.
        waiting: the matches that wait with them.
        released: (source, source id) of matches that waited and do no more.
    """

    rows: list[ResolvedMatch] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    new_teams: list[TeamRecord] = field(default_factory=list)
    aliases: list[TeamAlias] = field(default_factory=list)
    recognised: list[TeamAlias] = field(default_factory=list)
    by_calendar: list[TeamAlias] = field(default_factory=list)
    held: list[TeamAlias] = field(default_factory=list)
    look_alikes: list[Pair] = field(default_factory=list)
    waiting: list[WaitingMatch] = field(default_factory=list)
    released: list[tuple[str, str]] = field(default_factory=list)


def country_of(tournament: str) -> str | None:
    """Where its clubs are at home; None for a tournament that we do not know."""
    competition = COMPETITION_BY_ID.get(tournament)
    return None if competition is None else competition.country


def on_their_days(rows: Iterable[SourceMatch]) -> Iterator[PlayedOn]:
    """The rows that count as evidence, clubs by name."""
    for row in rows:
        if row.status in _ON_ITS_DAY:
            day = row.kickoff_at.date()
            yield PlayedOn(row.tournament, day, row.home_team, row.away_team, row.home_goals, row.away_goals)


class Told:
    """What one source tells of one country: the rows of this load, and those that waited before.

    Args:
        others: what waits of other sources.
    """

    def __init__(
        self, rows: Sequence[SourceMatch], waiting: Sequence[WaitingMatch], others: Sequence[WaitingMatch] = ()
    ) -> None:
        self.rows = rows
        self.waiting = waiting
        self.others = others
        self.days: defaultdict[str, set[MatchDay]] = defaultdict(set)
        for row in rows:
            match_day = (row.tournament, row.kickoff_at.date())
            self.days[row.home_team].add(match_day)
            self.days[row.away_team].add(match_day)
        self.ids = _ids_of(rows)

    @cached_property
    def diaries(self) -> Diaries:
        waited = (PlayedOn._make(match[2:]) for match in self.waiting)
        return diaries_of([*on_their_days(self.rows), *waited])


def _ids_of(rows: Iterable[SourceMatch]) -> Mapping[str, str]:
    """The source's own id of each name that has one alone."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        for name, club_id in ((row.home_team, row.home_club_id), (row.away_team, row.away_club_id)):
            if club_id is not None:
                found[name].add(club_id)
    return {name: next(iter(ids)) for name, ids in found.items() if len(ids) == 1}
