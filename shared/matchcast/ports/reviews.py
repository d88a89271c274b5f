"""Names that wait for a decision, what speaks for which club, and what a reviewer decided."""

from typing import Final, NamedTuple

from matchcast.ports import TeamAlias

NEW: Final = "new"
"""The decision that a name is a club of its own."""


class Proposal(NamedTuple):
    """A club that a name may mean, and why.

    Attributes:
        agreeing: matches of both on one day, against one opponent.
        likely: the same, but the opponent's name is not settled either.
        disputed: the same match with another result.
        against: days on which they played different matches.
        similarity: of the names, 0 to 100.
    """

    team_id: str
    name: str
    agreeing: int
    likely: int
    disputed: int
    against: int
    similarity: int


class HeldName(NamedTuple):
    """A name that waits, how many matches wait with it, and what it may mean, likeliest first."""

    alias: TeamAlias
    matches: int
    proposals: tuple[Proposal, ...]


class Reviewed(NamedTuple):
    """One line of a reviewed list; `decision` is a club's id, `new`, or nothing to leave the name waiting."""

    line: int
    source: str
    country: str
    name: str
    decision: str
