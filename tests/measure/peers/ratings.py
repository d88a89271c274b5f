"""penaltyblog's Elo and pi ratings, with its own settings, and what they say of a match."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matchcast.features.columns import MatchColumns

_ELO_SCALE: Final = 400.0


class Ratings(NamedTuple):
    """What the ratings said of n matches at midnight of each one's day.

    Attributes:
        elo_difference: shape (n,), home minus away rating, in units of 400 points, without home advantage.
        elo_probs: shape (n, 3), by penaltyblog's own formula.
        pi_difference: shape (n,), expected goal difference.
        known: shape (n,), whether both clubs had a result before.
    """

    elo_difference: NDArray[np.float64]
    elo_probs: NDArray[np.float64]
    pi_difference: NDArray[np.float64]
    known: NDArray[np.bool_]


def rate(matches: MatchColumns) -> Ratings:
    """Walk through all matches once; a result moves the ratings when it is known, never on its own day's forecasts."""
    from penaltyblog.ratings import Elo, PiRatingSystem

    elo, pi = Elo(), PiRatingSystem()
    n = len(matches)
    elo_difference, pi_difference = np.empty(n), np.empty(n)
    elo_probs, known = np.empty((n, 3)), np.zeros(n, dtype=np.bool_)
    home = [matches.teams[i] for i in matches.home]
    away = [matches.teams[i] for i in matches.away]
    margin = np.where(matches.finished, matches.home_goals - matches.away_goals, 0.0).astype(np.int64)
    day, known_at, outcome = matches.day, matches.known_at, matches.outcome
    results = [i for i in np.lexsort((matches.home, matches.kickoff, known_at)).tolist() if matches.finished[i]]
    told = 0
    seen: set[str] = set()
    for i in np.argsort(day, kind="stable").tolist():
        while told < len(results) and known_at[results[told]] <= day[i]:
            past = results[told]
            elo.update_ratings(home[past], away[past], int(outcome[past]))
            pi.update_ratings(home[past], away[past], int(margin[past]))
            seen.update((home[past], away[past]))
            told += 1
        elo_difference[i] = (elo.get_team_rating(home[i]) - elo.get_team_rating(away[i])) / _ELO_SCALE
        own = elo.calculate_match_probabilities(home[i], away[i])
        elo_probs[i] = own["home_win"], own["draw"], own["away_win"]
        pi_difference[i] = pi.expected_goal_difference(home[i], away[i])
        known[i] = home[i] in seen and away[i] in seen
    return Ratings(elo_difference, elo_probs, pi_difference, known)
