"""The goal model: from expected goals to scores and outcomes."""

from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from matchcast.model.goals import MOST_GOALS, Goals, expected_goals, outcome_probabilities, score_probabilities
from tests.unit.model.trained import trained, training_table

expectations = st.tuples(st.floats(0.02, 5), st.floats(0.02, 5))
rhos = st.floats(-0.2, 0.1)


@given(expectations)
def test_without_correction_goals_are_two_independent_poisson_numbers(expected: tuple[float, float]) -> None:
    counts = np.arange(MOST_GOALS + 1)
    wanted = np.outer(poisson.pmf(counts, expected[0]), poisson.pmf(counts, expected[1]))
    assert score_probabilities(np.array([expected]), 0.0)[0] == pytest.approx(wanted, rel=1e-12)


def test_four_scores_are_corrected_as_dixon_and_coles_write() -> None:
    """By hand: 1.5 and 1 goals expected and rho = -0.1, so that no goals at all have the chance exp(-2.5)."""
    scores = score_probabilities(np.array([[1.5, 1.0]]), -0.1)[0]
    none = exp(-2.5)
    assert scores[0, 0] == pytest.approx(none * (1 + 1.5 * 1.0 * 0.1))
    assert scores[1, 0] == pytest.approx(none * 1.5 * (1 - 1.0 * 0.1))
    assert scores[0, 1] == pytest.approx(none * 1.0 * (1 - 1.5 * 0.1))
    assert scores[1, 1] == pytest.approx(none * 1.5 * 1.0 * (1 + 0.1))
    assert scores[2, 1] == pytest.approx(none * 1.5**2 / 2 * 1.0)


@given(expectations, rhos)
def test_the_correction_moves_chances_between_scores_and_makes_none(expected: tuple[float, float], rho: float) -> None:
    at = np.array([[min(expected[0], 3.0), min(expected[1], 3.0)]])
    assert score_probabilities(at, rho).sum() == pytest.approx(score_probabilities(at, 0.0).sum(), rel=1e-12)


@given(expectations, rhos)
def test_changing_sides_changes_home_and_away(expected: tuple[float, float], rho: float) -> None:
    forward, back = outcome_probabilities(np.array([expected, expected[::-1]]), rho)
    assert forward == pytest.approx(back[::-1], abs=1e-14)
    assert forward.sum() == pytest.approx(1, abs=1e-14)


@given(expectations, rhos)
def test_more_goals_for_one_side_make_its_win_likelier(expected: tuple[float, float], rho: float) -> None:
    less, more = outcome_probabilities(np.array([expected, (expected[0] * 1.1, expected[1])]), rho)
    assert more[0] > less[0]
    assert more[2] < less[2]


def test_a_draw_is_likelier_where_rho_is_below_zero() -> None:
    at = np.array([[1.4, 1.1]])
    assert outcome_probabilities(at, -0.1)[0, 1] > outcome_probabilities(at, 0.0)[0, 1]


def test_absurd_features_give_no_absurd_goals() -> None:
    assert expected_goals(np.array([-50.0, 0.0, 50.0])) == pytest.approx([exp(-4), 1.0, exp(3)])


def test_coefficients_come_back_from_json_to_the_bit() -> None:
    goals = trained().forecaster.goals
    rows = training_table().rows[:40]
    assert Goals.from_json(goals.to_json()).probabilities(rows).tobytes() == goals.probabilities(rows).tobytes()


def test_no_matches_have_no_chances() -> None:
    assert outcome_probabilities(np.empty((0, 2)), -0.05).shape == (0, 3)
