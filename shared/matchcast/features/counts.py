"""How much more than the league's average a club makes and lets in, of goals and of each counted statistic.

GAP ratings (Wheatcroft 2020, "A profitable model for predicting the over/under market in football", section 3) on a scale
relative to the league: the expected count of a side is the league's average at its venue x (1 + its attack + the opponent's
leak); after a match both move by rate x (observed / average - expected / average). One pair of ratings for both venues and
four speeds a statistic: from what a club is over years to what it was in its last four matches.
"""

from collections.abc import MutableSequence, Sequence
from typing import Final

from matchcast.features.layout import COUNT_RATINGS, L_COUNTED, L_COUNTS, SPEEDS, STATISTICS, T_RATINGS

SPEED_RATES: Final = (0.01, 0.03, 0.1, 0.25)
AVERAGE_SLOWEST: Final = 0.003
COUNTED_LEAST: Final = 10.0
"""Matches that must have been counted before a league's averages mean anything."""
MOST_COUNTED: Final = 3.0
"""What goes beyond this many times the average says no more of a club, and a mistyped count must not wreck a rating."""


def is_counted(league: Sequence[float], statistic: int) -> bool:
    """Whether the league's averages of a statistic can be divided by."""
    average = L_COUNTS + 2 * statistic
    return league[L_COUNTED + statistic] >= COUNTED_LEAST and league[average] > 0.0 and league[average + 1] > 0.0


def relative_expected(team: Sequence[float], opponent: Sequence[float], rating: int) -> float:
    """Expected count of a side over the league's average, minus 1; `rating` as `count_rating` gives it."""
    return team[rating] + opponent[rating + 1]


def count_rating(statistic: int, speed: int) -> int:
    """Where the attack of a statistic at a speed stands in the team vector; its leak follows."""
    return T_RATINGS + COUNT_RATINGS + 2 * (statistic * SPEEDS + speed)


def off_target(shots: float, on_target: float) -> float:
    """Shots that missed; 0 where a source counts more on target than in all; NaN where either is unknown."""
    missed = shots - on_target
    return 0.0 if missed < 0.0 else missed


def move_counts(
    home: MutableSequence[float],
    away: MutableSequence[float],
    league: MutableSequence[float],
    home_goals: float,
    away_goals: float,
    stats: Sequence[float],
) -> None:
    """Move the league's averages, then both clubs' ratings, of every statistic that is known of the match.

    Args:
        stats: shots, shots on target, corners, yellow and red cards, home then away each; NaN where unknown.
    """
    for statistic in range(STATISTICS):
        if statistic == 0:
            home_count, away_count = home_goals, away_goals
        elif statistic == 1:
            home_count, away_count = off_target(stats[0], stats[2]), off_target(stats[1], stats[3])
        else:
            home_count, away_count = stats[2 * statistic - 2], stats[2 * statistic - 1]
        if home_count != home_count or away_count != away_count:
            continue
        league[L_COUNTED + statistic] += 1.0
        average = L_COUNTS + 2 * statistic
        rate = max(1.0 / league[L_COUNTED + statistic], AVERAGE_SLOWEST)
        league[average] += rate * (home_count - league[average])
        league[average + 1] += rate * (away_count - league[average + 1])
        if not is_counted(league, statistic):
            continue
        home_ratio = min(home_count / league[average], MOST_COUNTED) - 1.0
        away_ratio = min(away_count / league[average + 1], MOST_COUNTED) - 1.0
        for speed in range(SPEEDS):
            rating = count_rating(statistic, speed)
            home_step = SPEED_RATES[speed] * (home_ratio - relative_expected(home, away, rating))
            away_step = SPEED_RATES[speed] * (away_ratio - relative_expected(away, home, rating))
            home[rating] += home_step
            away[rating + 1] += home_step
            away[rating] += away_step
            home[rating + 1] += away_step
