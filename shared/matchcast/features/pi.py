"""pi-ratings.

Constantinou and Fenton (2013), "Determining the level of ability of football teams by dynamic ratings based on the
relative discrepancies in scores between adversaries", section 3: base b = 10, c = 3; learning rates lambda = 0.06 and
gamma = 0.5 as Hubacek et al. (2019) found them.
"""

from typing import Final

from matchcast.features.arithmetic import LN10, exact_exp, exact_log

PI_LAMBDA: Final = 0.06
PI_GAMMA: Final = 0.5
PI_C: Final = 3.0


def pi_goal_difference(rating: float) -> float:
    """Expected goal difference against an average team: sign(R) (10^(|R| / 3) - 1)."""
    size = rating if rating >= 0.0 else -rating
    goals = exact_exp(size * LN10 / PI_C) - 1.0
    return goals if rating >= 0.0 else -goals


def pi_change(expected_difference: float, observed_difference: float) -> float:
    """What the home team's home rating gains (and the away team's away rating loses): lambda psi(e) with its sign."""
    error = observed_difference - expected_difference
    size = error if error >= 0.0 else -error
    step = PI_LAMBDA * PI_C * exact_log(1.0 + size) / LN10
    return step if error >= 0.0 else -step
