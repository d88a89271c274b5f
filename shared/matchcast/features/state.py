"""The fold's state as of one instant, for every club, seat, league and pair seen so far."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from matchcast.features.columns import level_of
from matchcast.features.layout import LEAGUE, PAIR, SEAT, TEAM
from matchcast.features.league import found_league


@dataclass(frozen=True)
class State:
    """State vectors and who they belong to.

    Attributes:
        as_of: seconds since 1970; every result known by then is in, none known later.
        team_ids, tournament_ids: sorted.
        teams: float64, shape (len(team_ids), TEAM); leagues: (len(tournament_ids), LEAGUE).
        seat_keys: int32, shape (s, 2), team and tournament codes, sorted; seats: (s, SEAT).
        pair_keys: int32, shape (p, 2), team codes, smaller first, sorted; pairs: (p, PAIR).
        code_hash: of the fold that made it (`contract.kernel_hash`).
        market_ids: int64, shape (m,), sorted ids of matches to come; market: float64, shape (m, 3), log-odds of home, draw
            and away in their prices. Empty unless the contract has the market's features.
    """

    as_of: int
    team_ids: tuple[str, ...]
    tournament_ids: tuple[str, ...]
    teams: NDArray[np.float64]
    leagues: NDArray[np.float64]
    seat_keys: NDArray[np.int32]
    seats: NDArray[np.float64]
    pair_keys: NDArray[np.int32]
    pairs: NDArray[np.float64]
    code_hash: str
    market_ids: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    market: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)))

    @cached_property
    def hash(self) -> str:
        """SHA-256 over everything above: two states with the same hash give the same rows."""
        digest = hashlib.sha256(f"{self.as_of}|{self.code_hash}".encode())
        digest.update("|".join(self.team_ids).encode())
        digest.update("|".join(self.tournament_ids).encode())
        vectors = (self.teams, self.leagues, self.seat_keys, self.seats, self.pair_keys, self.pairs)
        for array in (*vectors, self.market_ids, self.market):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def empty_team() -> list[float]:
    """The vector of a club never seen."""
    return [0.0] * TEAM


def empty_seat() -> list[float]:
    """The vector of a club in a tournament where it never played."""
    return [0.0] * SEAT


def empty_pair() -> list[float]:
    """The vector of two clubs that never met."""
    return [0.0] * PAIR


def new_league(tournament: str) -> list[float]:
    """The vector of a tournament before its first match."""
    league = [0.0] * LEAGUE
    found_league(league, level_of(tournament))
    return league
