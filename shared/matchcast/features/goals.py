"""Attack and leak: how many goals a team makes and lets in, as factors on the league's average.

Expected goals of a side = league average at that venue x exp(attack) x exp(opponent's leak), the multiplicative Poisson
model of Maher (1982), "Modelling association football scores". After a match both move along the gradient of the Poisson
log-likelihood, rate x (goals - expected): a stochastic-gradient form of Koopman and Lit (2015). The shot versions take,
instead of goals alone, a blend of goals and of what the shots were worth at the league's own conversion rates.
"""

from typing import Final

from matchcast.features.arithmetic import exact_exp

SLOW_RATE: Final = 0.02
FAST_RATE: Final = 0.05
SHOT_RATE: Final = 0.04
SHOT_FAST_RATE: Final = 0.07
GOALS_IN_BLEND: Final = 0.3
ON_TARGET_IN_WORTH: Final = 0.65
MOST_GOALS: Final = 10
INVERSES: Final = (0.0, *(1.0 / g for g in range(1, MOST_GOALS + 1)))
MOST_GOALS_COUNTED: Final = 8.0
"""What a side scored beyond this says no more of its strength, and a mistyped score must not wreck a rating."""


def blended_goals(
    goals: float, shots: float, on_target: float, goals_average: float, shots_average: float, on_target_average: float
) -> float:
    """Goals mixed with the goals that the shots were worth; only goals where shots are unknown (NaN)."""
    if shots != shots or on_target != on_target or shots_average <= 0.0 or on_target_average <= 0.0:
        return goals
    worth = (
        ON_TARGET_IN_WORTH * on_target * goals_average / on_target_average
        + (1.0 - ON_TARGET_IN_WORTH) * shots * goals_average / shots_average
    )
    return GOALS_IN_BLEND * goals + (1.0 - GOALS_IN_BLEND) * worth


def gradient_step(rate: float, observed: float, expected: float) -> float:
    """Change of an attack or leak rating: rate times the gradient of the Poisson log-likelihood, goals capped at eight."""
    return rate * (min(observed, MOST_GOALS_COUNTED) - expected)


def poisson_outcomes(home_goals: float, away_goals: float) -> tuple[float, float]:
    """P(home goals > away goals) and P(equal) for independent Poisson goals with these means, up to ten goals a side."""
    home_term = exact_exp(-home_goals)
    away_term = exact_exp(-away_goals)
    away_below = 0.0
    win = 0.0
    draw = home_term * away_term
    for g in range(1, MOST_GOALS + 1):
        away_below += away_term
        away_term = away_term * away_goals * INVERSES[g]
        home_term = home_term * home_goals * INVERSES[g]
        win += home_term * away_below
        draw += home_term * away_term
    return win, draw
