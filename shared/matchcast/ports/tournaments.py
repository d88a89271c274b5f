"""Tournaments of a source that we do not know by its code: which of ours they are, or may be."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol


class TournamentStatus(StrEnum):
    """Whether it is settled what a source's tournament is."""

    SETTLED = "settled"
    REVIEW = "review"
    IGNORED = "ignored"


class TournamentProposal(NamedTuple):
    """One of our tournaments that a source's may be, and why; in matches of both, told for the same clubs.

    Attributes:
        agreeing: same sides, at most a day apart, same result.
        likely: the same, but at least one of the two tells no result.
        against: another result, or one of the clubs plays another match there.
        similarity: of the names, 0 to 100.
        code: the source's own code for our tournament, if it has one.
    """

    tournament_id: str
    agreeing: int
    likely: int
    against: int
    similarity: int
    code: str | None = None


class TournamentAlias(NamedTuple):
    """What a source's tournament is.

    Attributes:
        name, country: as the source tells it; the code where it tells no name.
        tournament_id: None while it waits; of an ignored one, what it was settled as before.
        proposals: what spoke for which of ours when the source last told of it, likeliest first.
        decided_at: None while it waits.
    """

    source: str
    code: str
    name: str
    country: str
    tournament_id: str | None
    status: TournamentStatus
    proposals: tuple[TournamentProposal, ...] = ()
    decided_at: datetime | None = None

    @property
    def told_as(self) -> str:
        """How the rows of this source write it, see `SourceMatch.tournament`."""
        return f"{self.source}:{self.code}"


class HeldTournament(NamedTuple):
    """A tournament that waits, how many matches wait with it, and what it may be by all that is stored now."""

    alias: TournamentAlias
    matches: int
    proposals: tuple[TournamentProposal, ...]


class TournamentAliases(Protocol):
    """The tournaments that sources told and we do not know by their codes."""

    def tournament_aliases(self) -> Sequence[TournamentAlias]:
        """All of them, by source and code."""
        ...

    def put_tournaments(self, aliases: Iterable[TournamentAlias]) -> None:
        """Write these in place of what is stored of them. The matches that wait with one that is settled wait as its;
        those of an ignored one are forgotten."""
        ...

    def tells(self, source: str, tournament: str) -> bool:
        """A match of this tournament is stored as this source's."""
        ...
