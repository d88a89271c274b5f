"""The fold itself: `read` a row before kick-off, `update` the state after the result."""

from collections.abc import MutableSequence, Sequence
from typing import Final

from matchcast.features.arithmetic import NAN
from matchcast.features.elo import ELO_EDGE_K, ELO_FAST_K, ELO_K, elo_change, elo_expected, elo_power
from matchcast.features.form import add_meeting, add_to_form, meetings_mean, window_mean
from matchcast.features.gap import GAP_PHI, gap_expected, gap_moved
from matchcast.features.goals import (
    FAST_RATE,
    SHOT_FAST_RATE,
    SHOT_RATE,
    SLOW_RATE,
    blended_goals,
    gradient_step,
    poisson_draw,
    poisson_home_win,
)
from matchcast.features.layout import (
    ATTACK_FAST,
    ATTACK_SLOW,
    ELO,
    ELO_FAST,
    GAP_CORNERS,
    GAP_ON_TARGET,
    GAP_SHOTS,
    HOME_EDGE,
    L_AWAY_GOALS,
    L_AWAY_RATE,
    L_CORNERS,
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
    L_ON_TARGET,
    L_SEASON,
    L_SEASON_PLAYED,
    L_SHOTS,
    L_STATS_PLAYED,
    LEAK_FAST,
    LEAK_SLOW,
    LONGEST_WINDOW,
    PI_AWAY,
    PI_HOME,
    S_ELO,
    S_FORM,
    S_SEASON_MARGIN,
    S_SEASON_PLAYED,
    S_SEASON_POINTS,
    SHOT_ATTACK,
    SHOT_ATTACK_FAST,
    SHOT_LEAK,
    SHOT_LEAK_FAST,
    T_ATTACK_FACTORS,
    T_ELO_FAST_POWER,
    T_ELO_POWER,
    T_FORM_ALL,
    T_FORM_AWAY,
    T_FORM_HOME,
    T_LAST_KICKOFF,
    T_MARGIN_FAST,
    T_MARGIN_SLOW,
    T_ORIGIN,
    T_PLAYED,
    T_POINTS_FAST,
    T_POINTS_SLOW,
    T_RATINGS,
    T_SINCE_ENTRY,
    T_SURPRISE_FAST,
    T_SURPRISE_SLOW,
)
from matchcast.features.league import enter, has_entered, learn_league, learn_newcomer, refresh_powers, stats_known
from matchcast.features.pi import PI_GAMMA, pi_change, pi_goal_difference

SIDE_QUANTITIES: Final = 33
MATCH_QUANTITIES: Final = 33
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
FAST_FORM: Final = 0.15
SLOW_FORM: Final = 0.04
EDGE_RATE: Final = 0.015
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
    read_side(home, home_seat, league, kickoff, True, quantities, 0)
    read_side(away, away_seat, league, kickoff, False, quantities, SIDE_QUANTITIES)
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
    league: Sequence[float],
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
    venue = 0 if at_home else 2
    shots = league[L_STATS_PLAYED] > 0.0 and team[ratings + GAP_SHOTS] > 0.0
    corners = league[L_CORNERS] > 0.0 and team[ratings + GAP_CORNERS] > 0.0
    for k in range(2):
        q[at + 13 + k] = team[ratings + GAP_SHOTS + venue + k] if shots else NAN
        q[at + 15 + k] = team[ratings + GAP_ON_TARGET + venue + k] if shots else NAN
        q[at + 17 + k] = team[ratings + GAP_CORNERS + venue + k] if corners else NAN
    q[at + 19] = team[T_POINTS_FAST]
    q[at + 20] = team[T_POINTS_SLOW]
    q[at + 21] = team[T_MARGIN_FAST]
    q[at + 22] = team[T_MARGIN_SLOW]
    q[at + 23] = team[T_SURPRISE_FAST]
    q[at + 24] = team[T_SURPRISE_SLOW]
    q[at + 25] = NAN
    if team[T_PLAYED] > 0.0:
        q[at + 25] = min((kickoff - team[T_LAST_KICKOFF]) / DAY_SECONDS, REST_MOST_DAYS)
    q[at + 26] = min(team[T_PLAYED], PLAYED_MOST)
    played = seat[S_SEASON_PLAYED]
    q[at + 27] = played
    q[at + 28] = seat[S_SEASON_POINTS] / played if played > 0.0 else NAN
    q[at + 29] = seat[S_SEASON_MARGIN] / played if played > 0.0 else NAN
    q[at + 30] = min(team[T_SINCE_ENTRY], PLAYED_MOST)
    q[at + 31] = team[T_ORIGIN]
    q[at + 32] = team[ratings + HOME_EDGE]


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
        won = poisson_home_win(home_goals, away_goals)
        drawn = poisson_draw(home_goals, away_goals)
        q[at + 11 + 2 * kind] = won
        q[at + 12 + 2 * kind] = drawn
    shots = (
        league[L_STATS_PLAYED] > 0.0
        and home[T_RATINGS + GAP_SHOTS] > 0.0
        and away[T_RATINGS + GAP_SHOTS] > 0.0
    )
    corners = (
        league[L_CORNERS] > 0.0 and home[T_RATINGS + GAP_CORNERS] > 0.0 and away[T_RATINGS + GAP_CORNERS] > 0.0
    )
    for g in range(3):
        gap = T_RATINGS + GAP_SHOTS + 4 * g
        known = corners if g == 2 else shots
        q[at + 19 + g] = (
            gap_expected(home[gap], away[gap + 3]) - gap_expected(away[gap + 2], home[gap + 1]) if known else NAN
        )
    q[at + 22] = league[L_HOME_RATE]
    q[at + 23] = league[L_DRAW_RATE]
    q[at + 24] = league[L_AWAY_RATE]
    q[at + 25] = league[L_HOME_GOALS]
    q[at + 26] = league[L_AWAY_GOALS]
    q[at + 27] = league[L_FAST_HOME_RATE]
    q[at + 28] = league[L_FAST_DRAW_RATE]
    q[at + 29] = league[L_FAST_HOME_GOALS] - league[L_FAST_AWAY_GOALS]
    q[at + 30] = league[L_LEVEL]
    q[at + 31] = league[L_ELO_EDGE]
    q[at + 32] = NAN
    if league[L_SEASON] < season:
        if league[L_SEASON] > 0.0:
            q[at + 32] = 0.0
    elif league[L_LAST_SEASON_PLAYED] > 0.0:
        q[at + 32] = min(league[L_SEASON_PLAYED] / league[L_LAST_SEASON_PLAYED], 1.5)


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
    if kickoff > team[T_LAST_KICKOFF]:
        team[T_LAST_KICKOFF] = kickoff
