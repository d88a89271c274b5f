"""What judging settled forecasts needs from outside."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

FINE_BINS: Final = 30
"""Bins of equal width over the probabilities, of which both 10 and 15 can be made."""


class SettledFilter(NamedTuple):
    """Which settled forecasts are judged; None means any.

    Attributes:
        kickoff_from, kickoff_to: the second is outside.
    """

    tournament: str | None = None
    model_version: str | None = None
    kickoff_from: datetime | None = None
    kickoff_to: datetime | None = None


class Group(StrEnum):
    """By what settled forecasts are told apart; months are of the kick-off, UTC, as 2025-03."""

    LEAGUE = "league"
    MODEL = "model"
    MONTH = "month"


class ScoreSums(NamedTuple):
    """Sums of one score.

    Attributes:
        all: over all matches.
        priced, market, squares: over those with closing prices: of the forecasts' score, of the market's, and of the
            squared difference of the two.
    """

    all: float
    priced: float
    market: float
    squares: float


class Sums(NamedTuple):
    """What a group of settled forecasts adds up to.

    Attributes:
        group: None where nothing is told apart.
        home, draw, away: how often each happened.
        hits: how often the likeliest outcome happened, the earlier of home, draw, away on a tie.
        priced: of how many matches there are closing prices.
    """

    group: str | None
    matches: int
    home: int
    draw: int
    away: int
    hits: int
    priced: int
    log_loss: ScoreSums
    rps: ScoreSums
    brier: ScoreSums


class BinSums(NamedTuple):
    """The forecasts of one outcome whose probability is in one of `FINE_BINS` bins.

    Attributes:
        outcome: 0 home, 1 draw, 2 away.
        bin: from 0.
        forecasts: sum of the probabilities.
        happened: how often the outcome happened.
    """

    group: str | None
    outcome: int
    bin: int
    matches: int
    forecasts: float
    happened: int


class SettledSums(NamedTuple):
    """Sums as of one moment, by group in order.

    Attributes:
        head: hash of the last settlement of that moment; 64 zeros for none.
    """

    head: str
    sums: Sequence[Sums]
    bins: Sequence[BinSums]


class SettledScores(Protocol):
    """The settled forecasts, added up; of each match its last revision, where that has a result."""

    def head(self) -> str:
        """Hash of the last settlement, which changes whenever something is settled; 64 zeros for none."""
        ...

    def sums(self, chosen: SettledFilter, by: Group | None) -> SettledSums: ...
