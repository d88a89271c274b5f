"""Read a feature row from the state, before kick-off."""

from collections.abc import MutableSequence, Sequence
from typing import Final

from matchcast.features.arithmetic import NAN
from matchcast.features.counts import count_rating, is_counted, relative_expected
from matchcast.features.elo import elo_expected, elo_power
from matchcast.features.form import meetings_mean, window_mean
from matchcast.features.goals import poisson_outcomes
from matchcast.features.layout import (
    ATTACK_SLOW,
    ELO,
    ELO_FAST,
    HOME_EDGE,
    L_AWAY_GOALS,
    L_AWAY_RATE,
    L_DRAW_RATE,
    L_ELO_EDGE,
    L_FAST_AWAY_GOALS,
    L_FAST_DRAW_RATE,
    L_FAST_HOME_GOALS,
    L_FAST_HOME_RATE,
    L_HOME_GOALS,
    L_HOME_RATE,
    L_LAST_SEASON_PLAYED,
    L_LEVEL,
    L_SEASON,
    L_SEASON_PLAYED,
    LONGEST_WINDOW,
    PI_AWAY,
    PI_HOME,
    S_ELO,
    S_FORM,
    S_SEASON_MARGIN,
    S_SEASON_PLAYED,
    S_SEASON_POINTS,
    SPEEDS,
    STATISTICS,
    T_ATTACK_FACTORS,
    T_ELO_FAST_POWER,
    T_ELO_POWER,
    T_FORM_ALL,
    T_FORM_AWAY,
    T_FORM_HOME,
    T_LAST_KICKOFF,
    T_ORIGIN,
    T_PLAYED,
    T_RATINGS,
    T_SINCE_ENTRY,
)
from matchcast.features.pi import pi_goal_difference

SIDE_QUANTITIES: Final = 21
MATCH_QUANTITIES: Final = 30 + 2 * STATISTICS * SPEEDS
QUANTITIES: Final = 2 * SIDE_QUANTITIES + MATCH_QUANTITIES

# Columns of a program row (see `contract`), and the kinds and sides in it.
KIND_SIDE: Final = 0
KIND_MATCH: Final = 1
KIND_FORM: Final = 2
KIND_MEETINGS: Final = 3
HOME: Final = 0
AWAY: Final = 1
DIFF: Final = 2
SCOPE_ALL: Final = 0
SCOPE_VENUE: Final = 1
SCOPE_TOURNAMENT: Final = 2
SCOPE_SEASON: Final = 3

REST_MOST_DAYS: Final = 21.0
PLAYED_MOST: Final = 100.0
DAY_SECONDS: Final = 86400.0


def read(
    home: Sequence[float],
    away: Sequence[float],
    home_seat: Sequence[float],
    away_seat: Sequence[float],
    league: Sequence[float],
    pair: Sequence[float],
    home_is_first: bool,
    season: float,
    kickoff: float,
    program: Sequence[Sequence[int]],
    quantities: MutableSequence[float],
    row: MutableSequence[float],
) -> None:
    """Fill one feature row.

    Args:
        home, away, home_seat, away_seat, league, pair: state vectors (`layout`); both clubs have entered (`league.enter`).
        home_is_first: whether the home club is the pair's first.
        season: calendar year in which the season starts; kickoff: seconds since 1970, UTC.
        program: one row (kind, side, quantity or metric, scope, window, known) a feature, from the contract.
        quantities: scratch, at least QUANTITIES long; row: output, as long as the program.
    """
    read_side(home, home_seat, kickoff, True, quantities, 0)
    read_side(away, away_seat, kickoff, False, quantities, SIDE_QUANTITIES)
    read_match(home, away, league, season, quantities, 2 * SIDE_QUANTITIES)
    for f in range(len(program)):
        step = program[f]
        kind = step[0]
        side = step[1]
        what = step[2]
        if kind == KIND_SIDE:
            if side == HOME:
                row[f] = quantities[what]
            elif side == AWAY:
                row[f] = quantities[SIDE_QUANTITIES + what]
            else:
                row[f] = quantities[what] - quantities[SIDE_QUANTITIES + what]
        elif kind == KIND_MATCH:
            row[f] = quantities[2 * SIDE_QUANTITIES + what]
        elif kind == KIND_FORM:
            if side == HOME:
                row[f] = read_form(home, home_seat, True, what, step[3], step[4], step[5])
            elif side == AWAY:
                row[f] = read_form(away, away_seat, False, what, step[3], step[4], step[5])
            else:
                row[f] = read_form(home, home_seat, True, what, step[3], step[4], step[5]) - read_form(
                    away, away_seat, False, what, step[3], step[4], step[5]
                )
        else:
            row[f] = read_meetings(pair, home_is_first, what, step[4])


def read_form(
    team: Sequence[float], seat: Sequence[float], at_home: bool, metric: int, scope: int, window: int, known: int
) -> float:
    """One rolling mean of one side: the ring and the bound that belong to the scope."""
    if scope == SCOPE_ALL:
        return window_mean(team, T_FORM_ALL, metric, known, window, LONGEST_WINDOW)
    if scope == SCOPE_VENUE:
        return window_mean(team, T_FORM_HOME if at_home else T_FORM_AWAY, metric, known, window, LONGEST_WINDOW)
    if scope == SCOPE_TOURNAMENT:
        return window_mean(seat, S_FORM, metric, known, window, LONGEST_WINDOW)
    return window_mean(seat, S_FORM, metric, known, window, int(seat[S_SEASON_PLAYED]))


def read_meetings(pair: Sequence[float], home_is_first: bool, what: int, window: int) -> float:
    """Home team's win (0), draw (1), loss (2) rate, goals for (3) and against (4) in earlier meetings at any venue."""
    if home_is_first or what == 1:
        return meetings_mean(pair, what, window)
    if what < 3:
        return meetings_mean(pair, 2 - what, window)
    return meetings_mean(pair, 7 - what, window)


def read_side(
    team: Sequence[float],
    seat: Sequence[float],
    kickoff: float,
    at_home: bool,
    q: MutableSequence[float],
    at: int,
) -> None:
    """The quantities of one side, in the order of `contract.SIDE_NAMES`."""
    ratings = T_RATINGS
    q[at + 0] = team[ratings + ELO]
    q[at + 1] = team[ratings + ELO_FAST]
    q[at + 2] = seat[S_ELO]
    q[at + 3] = team[ratings + PI_HOME] if at_home else team[ratings + PI_AWAY]
    q[at + 4] = 0.5 * (team[ratings + PI_HOME] + team[ratings + PI_AWAY])
    for r in range(8):
        q[at + 5 + r] = team[ratings + ATTACK_SLOW + r]
    q[at + 13] = NAN
    if team[T_PLAYED] > 0.0:
        q[at + 13] = min((kickoff - team[T_LAST_KICKOFF]) / DAY_SECONDS, REST_MOST_DAYS)
    q[at + 14] = min(team[T_PLAYED], PLAYED_MOST)
    played = seat[S_SEASON_PLAYED]
    q[at + 15] = played
    q[at + 16] = seat[S_SEASON_POINTS] / played if played > 0.0 else NAN
    q[at + 17] = seat[S_SEASON_MARGIN] / played if played > 0.0 else NAN
    q[at + 18] = min(team[T_SINCE_ENTRY], PLAYED_MOST)
    q[at + 19] = team[T_ORIGIN]
    q[at + 20] = team[ratings + HOME_EDGE]


def read_match(
    home: Sequence[float],
    away: Sequence[float],
    league: Sequence[float],
    season: float,
    q: MutableSequence[float],
    at: int,
) -> None:
    """The quantities of the pairing, in the order of `contract.MATCH_NAMES`."""
    edge = elo_power(1500.0 + league[L_ELO_EDGE])
    q[at + 0] = elo_expected(home[T_ELO_POWER], away[T_ELO_POWER], edge)
    q[at + 1] = elo_expected(home[T_ELO_FAST_POWER], away[T_ELO_FAST_POWER], edge)
    q[at + 2] = pi_goal_difference(home[T_RATINGS + PI_HOME]) - pi_goal_difference(away[T_RATINGS + PI_AWAY])
    for kind in range(4):
        attack = T_ATTACK_FACTORS + 2 * kind
        home_goals = league[L_HOME_GOALS] * home[attack] * away[attack + 1]
        away_goals = league[L_AWAY_GOALS] * away[attack] * home[attack + 1]
        q[at + 3 + 2 * kind] = home_goals
        q[at + 4 + 2 * kind] = away_goals
        won, drawn = poisson_outcomes(home_goals, away_goals)
        q[at + 11 + 2 * kind] = won
        q[at + 12 + 2 * kind] = drawn
    q[at + 19] = league[L_HOME_RATE]
    q[at + 20] = league[L_DRAW_RATE]
    q[at + 21] = league[L_AWAY_RATE]
    q[at + 22] = league[L_HOME_GOALS]
    q[at + 23] = league[L_AWAY_GOALS]
    q[at + 24] = league[L_FAST_HOME_RATE]
    q[at + 25] = league[L_FAST_DRAW_RATE]
    q[at + 26] = league[L_FAST_HOME_GOALS] - league[L_FAST_AWAY_GOALS]
    q[at + 27] = league[L_LEVEL]
    q[at + 28] = league[L_ELO_EDGE]
    q[at + 29] = NAN
    if league[L_SEASON] < season:
        if league[L_SEASON] > 0.0:
            q[at + 29] = 0.0
    elif league[L_LAST_SEASON_PLAYED] > 0.0:
        q[at + 29] = min(league[L_SEASON_PLAYED] / league[L_LAST_SEASON_PLAYED], 1.5)
    for statistic in range(STATISTICS):
        counted = is_counted(league, statistic)
        for speed in range(SPEEDS):
            rating = count_rating(statistic, speed)
            here = at + 30 + 2 * (statistic * SPEEDS + speed)
            q[here] = relative_expected(home, away, rating) if counted else NAN
            q[here + 1] = relative_expected(away, home, rating) if counted else NAN
