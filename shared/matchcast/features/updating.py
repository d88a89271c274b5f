"""Update the state by one finished match."""

from collections.abc import MutableSequence, Sequence
from typing import Final

from matchcast.features.elo import ELO_EDGE_K, ELO_FAST_K, ELO_K, elo_change, elo_expected, elo_power
from matchcast.features.form import add_meeting, add_to_form
from matchcast.features.gap import GAP_PHI, gap_expected, gap_moved
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
    GAP_CORNERS,
    GAP_ON_TARGET,
    GAP_SHOTS,
    HOME_EDGE,
    L_AWAY_GOALS,
    L_CORNERS,
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
    T_MARGIN_FAST,
    T_MARGIN_SLOW,
    T_PLAYED,
    T_POINTS_FAST,
    T_POINTS_SLOW,
    T_RATINGS,
    T_SURPRISE_FAST,
    T_SURPRISE_SLOW,
)
from matchcast.features.league import enter, has_entered, learn_league, learn_newcomer, refresh_powers, stats_known
from matchcast.features.pi import PI_GAMMA, pi_change, pi_goal_difference

FAST_FORM: Final = 0.15
SLOW_FORM: Final = 0.04
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
        stats: shots, shots on target, corners, home then away each; NaN where unknown.
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

    if known:
        move_gap(home, away, league, GAP_SHOTS, L_SHOTS, stats[0], stats[1])
        move_gap(home, away, league, GAP_ON_TARGET, L_ON_TARGET, stats[2], stats[3])
    if stats[4] == stats[4] and stats[5] == stats[5]:
        move_gap(home, away, league, GAP_CORNERS, L_CORNERS, stats[4], stats[5])

    finish_side(home, home_seat, T_FORM_HOME, kickoff, home_goals, away_goals, score - expected, stats, 0)
    finish_side(away, away_seat, T_FORM_AWAY, kickoff, away_goals, home_goals, expected - score, stats, 1)
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


def move_gap(
    home: MutableSequence[float],
    away: MutableSequence[float],
    league: Sequence[float],
    rating: int,
    average: int,
    home_count: float,
    away_count: float,
) -> None:
    """Move the four GAP ratings of both clubs; a club without any starts at the league's averages."""
    base = T_RATINGS + rating
    start_gap(home, base, league, average, home_count, away_count)
    start_gap(away, base, league, average, home_count, away_count)
    home_expected = gap_expected(home[base], away[base + 3])
    away_expected = gap_expected(away[base + 2], home[base + 1])
    other = 1.0 - GAP_PHI
    home[base] = gap_moved(home[base], GAP_PHI, home_count, home_expected)
    home[base + 2] = gap_moved(home[base + 2], other, home_count, home_expected)
    home[base + 1] = gap_moved(home[base + 1], GAP_PHI, away_count, away_expected)
    home[base + 3] = gap_moved(home[base + 3], other, away_count, away_expected)
    away[base + 2] = gap_moved(away[base + 2], GAP_PHI, away_count, away_expected)
    away[base] = gap_moved(away[base], other, away_count, away_expected)
    away[base + 3] = gap_moved(away[base + 3], GAP_PHI, home_count, home_expected)
    away[base + 1] = gap_moved(away[base + 1], other, home_count, home_expected)


def start_gap(
    team: MutableSequence[float],
    base: int,
    league: Sequence[float],
    average: int,
    home_count: float,
    away_count: float,
) -> None:
    """Give a club without GAP ratings the league's averages, or this match's counts in a league without any."""
    if team[base] > 0.0 or team[base + 1] > 0.0 or team[base + 2] > 0.0 or team[base + 3] > 0.0:
        return
    at_home = league[average] if league[average] > 0.0 else home_count
    away = league[average + 1] if league[average + 1] > 0.0 else away_count
    team[base] = at_home
    team[base + 1] = away
    team[base + 2] = away
    team[base + 3] = at_home


def finish_side(
    team: MutableSequence[float],
    seat: MutableSequence[float],
    venue_ring: int,
    kickoff: float,
    goals_for: float,
    goals_against: float,
    surprise: float,
    stats: Sequence[float],
    side: int,
) -> None:
    """Running form, rings and counters of one side."""
    margin = goals_for - goals_against
    points = 3.0 if margin > 0.0 else (1.0 if margin == 0.0 else 0.0)
    team[T_POINTS_FAST] += FAST_FORM * (points - team[T_POINTS_FAST])
    team[T_POINTS_SLOW] += SLOW_FORM * (points - team[T_POINTS_SLOW])
    team[T_MARGIN_FAST] += FAST_FORM * (margin - team[T_MARGIN_FAST])
    team[T_MARGIN_SLOW] += SLOW_FORM * (margin - team[T_MARGIN_SLOW])
    team[T_SURPRISE_FAST] += FAST_FORM * (surprise - team[T_SURPRISE_FAST])
    team[T_SURPRISE_SLOW] += SLOW_FORM * (surprise - team[T_SURPRISE_SLOW])
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
