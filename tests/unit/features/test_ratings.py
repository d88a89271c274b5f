"""Each rating formula against values worked out by hand from its source."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import skellam

from matchcast.features import layout
from matchcast.features.arithmetic import exact_exp, exact_log
from matchcast.features.counts import (
    SPEED_RATES,
    count_rating,
    is_counted,
    move_counts,
    off_target,
    relative_expected,
)
from matchcast.features.elo import elo_change, elo_expected, elo_power
from matchcast.features.form import add_meeting, add_to_form, meetings_mean, window_mean
from matchcast.features.goals import blended_goals, gradient_step, poisson_outcomes
from matchcast.features.league import LEAGUE_SETTLED, enter, learn_newcomer
from matchcast.features.pi import pi_change, pi_goal_difference
from matchcast.features.state import empty_pair, empty_seat, empty_team, new_league

NAN = math.nan
OFF_TARGET = 1


@given(st.floats(-20, 20))
def test_exact_exp_is_exp(x: float) -> None:
    assert exact_exp(x) == pytest.approx(math.exp(x), rel=1e-11)


@given(st.floats(1e-6, 1e6))
def test_exact_log_is_log(x: float) -> None:
    assert exact_log(x) == pytest.approx(math.log(x), rel=1e-12, abs=1e-13)


def test_elo_of_two_equal_teams() -> None:
    """Hvattum and Arntzen (2010), section 3: with an edge of 60, E = 1 / (1 + 10^(-60/400)) = 0.585499"""
    expected = elo_expected(elo_power(1500.0), elo_power(1500.0), elo_power(1560.0))
    assert expected == pytest.approx(0.5854987, abs=1e-7)
    # a 2:0 win at k = 12: 12 x (1 + 2/2) x (1 - 0.5854987) = 9.948031
    assert elo_change(12.0, expected, 2.0, 0.0) == pytest.approx(9.948031, abs=1e-6)
    # a draw takes 12 x (0.5 - 0.5854987) = -1.025984 from the home team
    assert elo_change(12.0, expected, 1.0, 1.0) == pytest.approx(-1.025984, abs=1e-6)


def test_elo_of_four_hundred_points_apart() -> None:
    """Ten to one: the stronger team scores 10/11 on neutral ground."""
    assert elo_expected(elo_power(1900.0), elo_power(1500.0), 1.0) == pytest.approx(10 / 11, abs=1e-12)


def test_pi_rating_example() -> None:
    """Constantinou and Fenton (2013), section 3, on ratings 1.6 at home against 0.4 away.

    Expected difference 10^(1.6/3) - 1 - (10^(0.4/3) - 1) = 2.414549 - 0.359356 = 2.055193; a 4:1 win errs by 0.944807;
    3 log10(1.944807) = 0.866627; times lambda 0.06 = 0.0519976.
    """
    expected = pi_goal_difference(1.6) - pi_goal_difference(0.4)
    assert expected == pytest.approx(2.055193, abs=1e-6)
    assert pi_change(expected, 3.0) == pytest.approx(0.0519976, abs=1e-6)
    assert pi_change(expected, expected) == 0.0
    assert pi_goal_difference(-1.6) == -pi_goal_difference(1.6)


def test_poisson_outcomes_of_one_and_a_half_against_one_goal() -> None:
    """Maher (1982): e^-2.5 (1 + 1.5 + 1.5^2/4 + …) = 0.0820850 x 3.1655892 = 0.259847 for a draw."""
    assert poisson_outcomes(1.5, 1.0)[1] == pytest.approx(0.259847, abs=1e-6)


@given(st.floats(0.2, 3.5), st.floats(0.2, 3.5))
def test_poisson_outcomes_are_those_of_the_skellam_distribution(home: float, away: float) -> None:
    win, draw = poisson_outcomes(home, away)
    assert win == pytest.approx(skellam.sf(0, home, away), abs=2e-3)
    assert draw == pytest.approx(skellam.pmf(0, home, away), abs=1e-6)


def test_gradient_step_moves_towards_what_was_seen() -> None:
    """Koopman and Lit (2015) by stochastic gradient: 0.02 x (3 - 1.5) = 0.03."""
    assert gradient_step(0.02, 3.0, 1.5) == pytest.approx(0.03)


def test_blended_goals_of_a_wasteful_side() -> None:
    """0.3 x 2 + 0.7 x (0.65 x 6 x 1.3/4.5 + 0.35 x 15 x 1.3/12) = 0.6 + 0.7 x 1.695417 = 1.786792."""
    assert blended_goals(2.0, 15.0, 6.0, 1.3, 12.0, 4.5) == pytest.approx(1.786792, abs=1e-6)
    assert blended_goals(2.0, NAN, NAN, 1.3, 12.0, 4.5) == 2.0


def test_relative_ratings_of_shots_off_target() -> None:
    """GAP ratings (Wheatcroft 2020, section 3) on a relative scale, after ten matches of the league that were average.

    Five off target at home and four away are the averages; 10 and 1 are seen, so the averages move by 1/11 to 5 5/11 and
    3 8/11. The home side made 11/6 of the average, 5/6 above it: attack and the other's leak move by 0.25 x 5/6 at the
    fastest. The away side made 11/41 of it: 0.25 x -30/41. The next meeting of the two expects twice that.
    """
    home, away, league = empty_team(), empty_team(), new_league("england:premier-league")
    for _ in range(9):
        move_counts(empty_team(), empty_team(), league, 1.0, 1.0, (9.0, 7.0, 4.0, 3.0, *[NAN] * 6))
    assert not is_counted(league, OFF_TARGET)
    move_counts(empty_team(), empty_team(), league, 1.0, 1.0, (9.0, 7.0, 4.0, 3.0, *[NAN] * 6))
    assert is_counted(league, OFF_TARGET)
    move_counts(home, away, league, 1.0, 1.0, (12.0, 4.0, 2.0, 3.0, *[NAN] * 6))
    fastest = count_rating(OFF_TARGET, len(SPEED_RATES) - 1)
    assert home[fastest] == away[fastest + 1] == pytest.approx(0.25 * 5 / 6)
    assert away[fastest] == home[fastest + 1] == pytest.approx(0.25 * -30 / 41)
    assert relative_expected(home, away, fastest) == pytest.approx(0.5 * 5 / 6)
    slowest = count_rating(OFF_TARGET, 0)
    assert home[slowest] == pytest.approx(0.01 * 5 / 6)
    corners = count_rating(3, 0)
    assert home[corners] == home[corners + 1] == 0.0


def test_a_side_cannot_miss_fewer_than_no_shots() -> None:
    assert off_target(3.0, 5.0) == 0.0
    assert off_target(9.0, 4.0) == 5.0
    assert math.isnan(off_target(NAN, 4.0))
    assert math.isnan(off_target(9.0, NAN))


def test_form_windows_by_hand() -> None:
    """Goals 1, 0, 3 (newest last): last two 1.5, all three 4/3; shots known in two of them only."""
    team = empty_team()
    ring = layout.T_FORM_ALL
    assert math.isnan(window_mean(team, ring, layout.F_GOALS_FOR, -1, 5, 12))
    add_to_form(team, ring, 1.0, 0.0, 10.0, 8.0, 4.0, 2.0, NAN, NAN)
    add_to_form(team, ring, 0.0, 0.0, NAN, NAN, NAN, NAN, NAN, NAN)
    add_to_form(team, ring, 3.0, 4.0, 16.0, 9.0, 7.0, 6.0, NAN, NAN)
    assert window_mean(team, ring, layout.F_GOALS_FOR, -1, 2, 12) == 1.5
    assert window_mean(team, ring, layout.F_GOALS_FOR, -1, 12, 12) == pytest.approx(4 / 3)
    assert [window_mean(team, ring, m, -1, 3, 12) for m in (layout.F_WIN, layout.F_DRAW, layout.F_LOSS)] == [
        pytest.approx(1 / 3)
    ] * 3
    assert window_mean(team, ring, layout.F_SHOTS_FOR, layout.F_SHOTS_KNOWN, 3, 12) == 13.0
    assert window_mean(team, ring, layout.F_SHOTS_FOR, layout.F_SHOTS_KNOWN, 2, 12) == 16.0
    assert math.isnan(window_mean(team, ring, layout.F_CORNERS_FOR, layout.F_CORNERS_KNOWN, 3, 12))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(1, 12))
def test_a_window_is_the_mean_of_the_last_matches(goals: list[int], window: int) -> None:
    """However many matches went round the ring, a window is the plain mean of the newest ones, exactly."""
    team = empty_team()
    for scored in goals:
        add_to_form(team, layout.T_FORM_ALL, float(scored), 0.0, NAN, NAN, NAN, NAN, NAN, NAN)
    last = goals[-window:]
    assert window_mean(team, layout.T_FORM_ALL, layout.F_GOALS_FOR, -1, window, 12) == sum(last) / len(last)


def test_meetings_by_hand() -> None:
    """First club won 2:0, drew 1:1, lost 0:3: last two meetings give it no win, half a draw, half a goal."""
    pair = empty_pair()
    for first, second in ((2.0, 0.0), (1.0, 1.0), (0.0, 3.0)):
        add_meeting(pair, first, second)
    assert [meetings_mean(pair, m, 2) for m in range(5)] == [0.0, 0.5, 0.5, 0.5, 2.0]
    assert meetings_mean(pair, 0, 5) == pytest.approx(1 / 3)


def test_an_unseen_club_takes_the_newcomers_level() -> None:
    """In a league whose mean Elo is 1550 and whose newcomers stand 80 below, a new club starts at 1470."""
    league = new_league("england:premier-league")
    league[layout.L_MEAN + layout.ELO] = 1550.0
    league[layout.L_NEWCOMER + layout.ELO] = -80.0
    team, seat = empty_team(), empty_seat()
    enter(team, seat, league, 2024.0)
    assert team[layout.T_RATINGS + layout.ELO] == pytest.approx(1470.0)


def test_a_promoted_club_moves_half_way_to_the_newcomers_level() -> None:
    """Up from the second level with 1650: half way to 1550 - 80 is 1560; coming down uses the other level."""
    league = new_league("england:premier-league")
    league[layout.L_MEAN + layout.ELO] = 1550.0
    league[layout.L_NEWCOMER + layout.ELO] = -80.0
    team, seat = empty_team(), empty_seat()
    team[layout.T_PLAYED], team[layout.T_LEVEL], team[layout.T_SEASON] = 46.0, 2.0, 2023.0
    team[layout.T_RATINGS + layout.ELO] = 1650.0
    enter(team, seat, league, 2024.0)
    assert team[layout.T_RATINGS + layout.ELO] == pytest.approx(1560.0)


def test_the_league_learns_where_newcomers_stand_after_twelve_matches() -> None:
    """A settled league moves its newcomers' level 15 % of the way to a newcomer's distance from the mean."""
    league = new_league("england:premier-league")
    league[layout.L_PLAYED] = float(LEAGUE_SETTLED)
    league[layout.L_MEAN + layout.ELO] = 1550.0
    team, seat = empty_team(), empty_seat()
    enter(team, seat, league, 2024.0)
    team[layout.T_RATINGS + layout.ELO] = 1450.0
    for _ in range(11):
        learn_newcomer(team, league)
    assert league[layout.L_NEWCOMER + layout.ELO] == 0.0
    learn_newcomer(team, league)
    assert league[layout.L_NEWCOMER + layout.ELO] == pytest.approx(-15.0)
