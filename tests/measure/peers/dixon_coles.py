"""penaltyblog's Dixon-Coles, fitted anew every week on each league's own matches, or with those of the division below."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matchcast.features.columns import DAY_SECONDS, MatchColumns, level_of

WEEK_SECONDS: Final = 7 * DAY_SECONDS
_A_MONDAY: Final = 4 * DAY_SECONDS


XI: Final = 0.0018
"""Decay of a match's weight a day; with WINDOW_DAYS chosen on seasons before 2019, docs/quality.md has the figures."""
WINDOW_DAYS: Final = 5 * 365
"""Older matches are not fitted."""


def dixon_coles(
    matches: MatchColumns,
    wanted: NDArray[np.bool_],
    *,
    with_below: bool = False,
    xi: float = XI,
    window_days: int = WINDOW_DAYS,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> NDArray[np.float64]:
    """Forecast the wanted matches, each as of the Monday of its week.

    Args:
        matches: all matches, in any order.
        wanted: shape (n,), which to forecast.
        with_below: fit on the country's next lower division as well, which the promoted clubs come from.
        progress: told how many fits are done, and of how many.
    Returns:
        Shape (n, 3); NaN where nothing was wanted, and where one of the clubs has not played in those leagues within
        the window (the model knows no such club) or penaltyblog refuses: a fit that does not converge, a negative chance.
    """
    day, known_at = matches.day, matches.known_at
    monday = day - (day - _A_MONDAY) % WEEK_SECONDS
    probs = np.full((len(matches), 3), np.nan)
    todo = sorted(set(zip(matches.tournament[wanted].tolist(), monday[wanted].tolist(), strict=True)))
    for done, (tournament, begin) in enumerate(todo, start=1):
        fitted_on = [tournament, *(_below(matches.tournaments, tournament) if with_below else ())]
        known = np.isin(matches.tournament, fitted_on) & matches.finished
        known &= (known_at <= begin) & (day >= begin - window_days * DAY_SECONDS)
        here = wanted & (matches.tournament == tournament) & (monday == begin)
        seen = np.unique(np.concatenate([matches.home[known], matches.away[known]]))
        here &= np.isin(matches.home, seen) & np.isin(matches.away, seen)
        if here.any():
            probs[here] = _fit_and_forecast(matches.take(known), matches.take(here), begin, xi)
        progress(done, len(todo))
    return probs


def _below(tournaments: Sequence[str], code: int) -> list[int]:
    """Codes of the country's next lower division."""
    country, level = tournaments[code].split(":")[0], level_of(tournaments[code])
    return [i for i, t in enumerate(tournaments) if t.split(":")[0] == country and level_of(t) == level + 1.0]


def _fit_and_forecast(past: MatchColumns, future: MatchColumns, begin: int, xi: float) -> NDArray[np.float64]:
    from penaltyblog.models import DixonColesGoalModel, dixon_coles_weights

    days = [datetime.fromtimestamp(day, UTC) for day in past.day.tolist()]
    model = DixonColesGoalModel(
        past.home_goals,
        past.away_goals,
        [past.teams[i] for i in past.home],
        [past.teams[i] for i in past.away],
        dixon_coles_weights(days, xi, base_date=datetime.fromtimestamp(begin, UTC)),
    )
    probs = np.full((len(future), 3), np.nan)
    with suppress(ValueError):  # it says so where the fit does not converge
        model.fit()
    for i, (home, away) in enumerate(zip(future.home, future.away, strict=True)):
        with suppress(ValueError):  # and where a score's probability would be negative
            probs[i] = model.predict(future.teams[home], future.teams[away]).home_draw_away
    return probs
