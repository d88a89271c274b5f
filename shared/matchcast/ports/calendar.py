"""Who played whom on which day: what tells that two names are one club."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import NamedTuple, Protocol


class PlayedOn(NamedTuple):
    """A match between two clubs; `day` is UTC, goals are None unless it is finished."""

    tournament: str
    day: date
    home_team: str
    away_team: str
    home_goals: int | None = None
    away_goals: int | None = None


class WaitingMatch(NamedTuple):
    """A match that is not loaded because a name in it waits for a decision: kept as evidence of who that may be.

    Attributes:
        source, source_id: as in `SourceMatch`.
        home_name, away_name: as the source tells them.
    """

    source: str
    source_id: str
    tournament: str
    day: date
    home_name: str
    away_name: str
    home_goals: int | None = None
    away_goals: int | None = None


class Calendar(Protocol):
    """The matches that tell clubs apart."""

    def calendar(self, tournaments: Collection[str], first: date, last: date) -> Sequence[PlayedOn]:
        """The stored matches of these days (both included) that took place or are due: not those postponed, abandoned,
        cancelled or of unknown status."""
        ...

    def clubs_of(self, tournaments: Collection[str]) -> Sequence[tuple[str, str]]:
        """(tournament, club) of every club that has a match in one of these tournaments, in any season."""
        ...

    def told_by_others(
        self, source: str, tournaments: Collection[str], first: date, last: date
    ) -> Collection[tuple[str, date]]:
        """(tournament, day) of the stored matches, of these days (both included), that are not this source's."""
        ...

    def waiting_matches(self) -> Sequence[WaitingMatch]:
        """The matches that are not loaded because a name waits."""
        ...

    def keep_waiting(self, waiting: Iterable[WaitingMatch], loaded: Iterable[tuple[str, str]]) -> None:
        """Note matches that wait, in place of what was noted of them, and forget those that wait no more.

        Args:
            loaded: (source, source_id) of matches that wait no more.
        """
        ...
