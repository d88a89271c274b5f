"""Update the state by one finished match."""

from collections.abc import MutableSequence, Sequence
from typing import Final

from matchcast.features.counts import move_counts
from matchcast.features.elo import ELO_EDGE_K, ELO_FAST_K, ELO_K, elo_change, elo_expected, elo_power
from matchcast.features.form import add_meeting, add_to_form
from matchcast.features.goals import (
    FAST_RATE,
    SHOT_FAST_RATE,
    SHOT_RATE,
    SLOW_RATE,
    blended_goals,
    gradient_step,
)
from matchcast.features.layout import (
    ATTACK_SLOW,
    ELO,
    ELO_FAST,
    HOME_EDGE,
    L_AWAY_GOALS,
    L_ELO_EDGE,
    L_HOME_GOALS,
    L_ON_TARGET,
    L_SHOTS,
    PI_AWAY,
    PI_HOME,
    S_ELO,
    S_FORM,
    S_SEASON_MARGIN,
    S_SEASON_PLAYED,
    S_SEASON_POINTS,
    T_ATTACK_FACTORS,
    T_ELO_FAST_POWER,
    T_ELO_POWER,
    T_FORM_ALL,
    T_FORM_AWAY,
    T_FORM_HOME,
    T_LAST_KICKOFF,
    T_PLAYED,
    T_RATINGS,
)
from matchcast.features.league import enter, has_entered, learn_league, learn_newcomer, refresh_powers, stats_known
from matchcast.features.pi import PI_GAMMA, pi_change, pi_goal_difference

EDGE_RATE: Final = 0.015


def update(
    home: MutableSequence[float],
    away: MutableSequence[float],
    home_seat: MutableSequence[float],
    away_seat: MutableSequence[float],
    league: MutableSequence[float],
    pair: MutableSequence[float],
    home_is_first: bool,
    season: float,
    kickoff: float,
    home_goals: float,
    away_goals: float,
    stats: Sequence[float],
) -> None:
    """Move the state by one finished match.

    Args:
        home … kickoff: as for `read`; clubs that have not entered the season do so here.
        home_goals, away_goals: score after 90 minutes.
        stats: shots, shots on target, corners, yellow and red cards, home then away each; NaN where unknown.
    """
    if not has_entered(home, home_seat, season):
        enter(home, home_seat, league, season)
    if not has_entered(away, away_seat, season):
        enter(away, away_seat, league, season)
    margin = home_goals - away_goals

    edge = elo_power(1500.0 + league[L_ELO_EDGE])
    expected = elo_expected(home[T_ELO_POWER], away[T_ELO_POWER], edge)
    score = 1.0 if margin > 0.0 else (0.5 if margin == 0.0 else 0.0)
    change = elo_change(ELO_K, expected, home_goals, away_goals)
    home[T_RATINGS + ELO] += change
    away[T_RATINGS + ELO] -= change
    league[L_ELO_EDGE] += ELO_EDGE_K * (score - expected)
    fast_expected = elo_expected(home[T_ELO_FAST_POWER], away[T_ELO_FAST_POWER], edge)
    change = elo_change(ELO_FAST_K, fast_expected, home_goals, away_goals)
    home[T_RATINGS + ELO_FAST] += change
    away[T_RATINGS + ELO_FAST] -= change
    here = elo_expected(elo_power(home_seat[S_ELO]), elo_power(away_seat[S_ELO]), edge)
    change = elo_change(ELO_K, here, home_goals, away_goals)
    home_seat[S_ELO] += change
    away_seat[S_ELO] -= change

    pi_expected = pi_goal_difference(home[T_RATINGS + PI_HOME]) - pi_goal_difference(away[T_RATINGS + PI_AWAY])
    change = pi_change(pi_expected, margin)
    home[T_RATINGS + PI_HOME] += change
    home[T_RATINGS + PI_AWAY] += PI_GAMMA * change
    away[T_RATINGS + PI_AWAY] -= change
    away[T_RATINGS + PI_HOME] -= PI_GAMMA * change

    known = stats_known(stats)
    home_worth = home_goals
    away_worth = away_goals
    if known:
        league_goals = 0.5 * (league[L_HOME_GOALS] + league[L_AWAY_GOALS])
        league_shots = 0.5 * (league[L_SHOTS] + league[L_SHOTS + 1])
        league_on_target = 0.5 * (league[L_ON_TARGET] + league[L_ON_TARGET + 1])
        home_worth = blended_goals(home_goals, stats[0], stats[2], league_goals, league_shots, league_on_target)
        away_worth = blended_goals(away_goals, stats[1], stats[3], league_goals, league_shots, league_on_target)
    slow_margin = move_goals(home, away, league, 0, SLOW_RATE, home_goals, away_goals)
    move_goals(home, away, league, 1, FAST_RATE, home_goals, away_goals)
    move_goals(home, away, league, 2, SHOT_RATE, home_worth, away_worth)
    move_goals(home, away, league, 3, SHOT_FAST_RATE, home_worth, away_worth)
    home[T_RATINGS + HOME_EDGE] += EDGE_RATE * (margin - slow_margin)
    away[T_RATINGS + HOME_EDGE] += EDGE_RATE * (margin - slow_margin)

    move_counts(home, away, league, home_goals, away_goals, stats)

    finish_side(home, home_seat, T_FORM_HOME, kickoff, home_goals, away_goals, stats, 0)
    finish_side(away, away_seat, T_FORM_AWAY, kickoff, away_goals, home_goals, stats, 1)
    if home_is_first:
        add_meeting(pair, home_goals, away_goals)
    else:
        add_meeting(pair, away_goals, home_goals)
    learn_league(league, home, away, season, home_goals, away_goals, stats)
    learn_newcomer(home, league)
    learn_newcomer(away, league)
    refresh_powers(home)
    refresh_powers(away)


def move_goals(
    home: MutableSequence[float],
    away: MutableSequence[float],
    league: Sequence[float],
    kind: int,
    rate: float,
    home_goals: float,
    away_goals: float,
) -> float:
    """Move one kind of attack and leak (0 slow, 1 fast, 2 shots, 3 shots fast); returns the expected margin before."""
    factor = T_ATTACK_FACTORS + 2 * kind
    rating = T_RATINGS + ATTACK_SLOW + 2 * kind
    home_expected = league[L_HOME_GOALS] * home[factor] * away[factor + 1]
    away_expected = league[L_AWAY_GOALS] * away[factor] * home[factor + 1]
    home_step = gradient_step(rate, home_goals, home_expected)
    away_step = gradient_step(rate, away_goals, away_expected)
    home[rating] += home_step
    away[rating + 1] += home_step
    away[rating] += away_step
    home[rating + 1] += away_step
    return home_expected - away_expected


def finish_side(
    team: MutableSequence[float],
    seat: MutableSequence[float],
    venue_ring: int,
    kickoff: float,
    goals_for: float,
    goals_against: float,
    stats: Sequence[float],
    side: int,
) -> None:
    """Form rings and counters of one side."""
    margin = goals_for - goals_against
    points = 3.0 if margin > 0.0 else (1.0 if margin == 0.0 else 0.0)
    other = 1 - side
    for ring in (T_FORM_ALL, venue_ring):
        add_to_form(
            team, ring, goals_for, goals_against, stats[side], stats[other], stats[2 + side], stats[2 + other],
            stats[4 + side], stats[4 + other],
        )  # fmt: skip
    add_to_form(
        seat, S_FORM, goals_for, goals_against, stats[side], stats[other], stats[2 + side], stats[2 + other],
        stats[4 + side], stats[4 + other],
    )  # fmt: skip
    seat[S_SEASON_PLAYED] += 1.0
    seat[S_SEASON_POINTS] += points
    seat[S_SEASON_MARGIN] += margin
    team[T_PLAYED] += 1.0
    team[T_LAST_KICKOFF] = max(team[T_LAST_KICKOFF], kickoff)
