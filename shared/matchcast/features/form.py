"""Form: means over a team's last matches, as differences of running totals.

Totals of whole numbers are exact in float64, so a window is two reads and a subtraction however long it is.
"""

from collections.abc import MutableSequence, Sequence

from matchcast.features.arithmetic import NAN
from matchcast.features.layout import (
    F_CORNERS_AGAINST,
    F_CORNERS_FOR,
    F_CORNERS_KNOWN,
    F_DRAW,
    F_GOALS_AGAINST,
    F_GOALS_FOR,
    F_LOSS,
    F_ON_TARGET_AGAINST,
    F_ON_TARGET_FOR,
    F_ON_TARGET_KNOWN,
    F_SHOTS_AGAINST,
    F_SHOTS_FOR,
    F_SHOTS_KNOWN,
    F_WIN,
    METRICS,
    P_METRICS,
    P_SLOTS,
    SLOTS,
)


def window_mean(state: Sequence[float], ring: int, metric: int, known: int, window: int, most: int) -> float:
    """Mean of one metric over the last matches of a ring.

    Args:
        state: team or seat vector; ring: where the ring begins in it.
        metric: one of the F_ constants; known: the F_ constant that counts matches where the metric is known, -1 for always.
        window: how many matches at most (1 to 12); most: a second bound, e.g. matches of this season.
    Returns:
        The mean, or NaN where no match in the window knows the metric.
    """
    played = int(state[ring])
    span = min(window, min(played, most))
    if span <= 0:
        return NAN
    newest = ring + 1 + (played & (SLOTS - 1)) * METRICS
    before = ring + 1 + ((played - span) & (SLOTS - 1)) * METRICS
    total = state[newest + metric] - state[before + metric]
    if known < 0:
        return total / span
    counted = state[newest + known] - state[before + known]
    if counted <= 0.0:
        return NAN
    return total / counted


def add_to_form(
    state: MutableSequence[float],
    ring: int,
    goals_for: float,
    goals_against: float,
    shots_for: float,
    shots_against: float,
    on_target_for: float,
    on_target_against: float,
    corners_for: float,
    corners_against: float,
) -> None:
    """Append one match to a ring; statistics that are NaN count as unknown."""
    played = int(state[ring])
    old = ring + 1 + (played & (SLOTS - 1)) * METRICS
    new = ring + 1 + ((played + 1) & (SLOTS - 1)) * METRICS
    for m in range(METRICS):
        state[new + m] = state[old + m]
    if goals_for > goals_against:
        state[new + F_WIN] += 1.0
    elif goals_for == goals_against:
        state[new + F_DRAW] += 1.0
    else:
        state[new + F_LOSS] += 1.0
    state[new + F_GOALS_FOR] += goals_for
    state[new + F_GOALS_AGAINST] += goals_against
    if shots_for == shots_for and shots_against == shots_against:
        state[new + F_SHOTS_KNOWN] += 1.0
        state[new + F_SHOTS_FOR] += shots_for
        state[new + F_SHOTS_AGAINST] += shots_against
    if on_target_for == on_target_for and on_target_against == on_target_against:
        state[new + F_ON_TARGET_KNOWN] += 1.0
        state[new + F_ON_TARGET_FOR] += on_target_for
        state[new + F_ON_TARGET_AGAINST] += on_target_against
    if corners_for == corners_for and corners_against == corners_against:
        state[new + F_CORNERS_KNOWN] += 1.0
        state[new + F_CORNERS_FOR] += corners_for
        state[new + F_CORNERS_AGAINST] += corners_against
    state[ring] = played + 1.0


def meetings_mean(pair: Sequence[float], metric: int, window: int) -> float:
    """Mean of one pair metric over the last meetings (at most 7); NaN before the first."""
    met = int(pair[0])
    span = min(window, min(met, P_SLOTS - 1))
    if span <= 0:
        return NAN
    newest = 1 + (met & (P_SLOTS - 1)) * P_METRICS + metric
    before = 1 + ((met - span) & (P_SLOTS - 1)) * P_METRICS + metric
    return (pair[newest] - pair[before]) / span


def add_meeting(pair: MutableSequence[float], first_goals: float, second_goals: float) -> None:
    """Append one meeting to a pair vector."""
    met = int(pair[0])
    old = 1 + (met & (P_SLOTS - 1)) * P_METRICS
    new = 1 + ((met + 1) & (P_SLOTS - 1)) * P_METRICS
    for m in range(P_METRICS):
        pair[new + m] = pair[old + m]
    if first_goals > second_goals:
        pair[new] += 1.0
    elif first_goals == second_goals:
        pair[new + 1] += 1.0
    else:
        pair[new + 2] += 1.0
    pair[new + 3] += first_goals
    pair[new + 4] += second_goals
    pair[0] = met + 1.0
