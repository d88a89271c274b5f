"""Elo ratings with goal margin.

Hvattum and Arntzen (2010), "Using ELO ratings for match result prediction in association football", section 3: expected
score 1 / (1 + 10^((away - home - edge) / 400)), change k (1 + margin)^lambda (score - expected) with lambda = 1. Here k
is smaller than theirs, the margin is damped (1 + margin becomes 1 + margin / 2) and the home edge belongs to the league.
"""

from typing import Final

from matchcast.features.arithmetic import LN10, exact_exp

ELO_START: Final = 1500.0
ELO_EDGE_START: Final = 60.0
ELO_K: Final = 12.0
ELO_FAST_K: Final = 30.0
ELO_EDGE_K: Final = 0.35


def elo_power(rating: float) -> float:
    """10 to the power of (rating - 1500) / 400: the form in which ratings are kept for reading."""
    return exact_exp((rating - 1500.0) * LN10 / 400.0)


def elo_expected(home_power: float, away_power: float, edge_power: float) -> float:
    """Expected score of the home team (0 to 1), from powers as `elo_power` gives them."""
    lifted = home_power * edge_power
    return lifted / (lifted + away_power)


def elo_change(k: float, expected: float, home_goals: float, away_goals: float) -> float:
    """What the home team gains and the away team loses, in rating points."""
    margin = home_goals - away_goals
    score = 1.0 if margin > 0.0 else (0.5 if margin == 0.0 else 0.0)
    size = margin if margin >= 0.0 else -margin
    return k * (1.0 + 0.5 * size) * (score - expected)
