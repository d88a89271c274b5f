"""Odds and probabilities, against values worked out by hand and the methods' own equations."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from matchcast.errors import BadInput
from matchcast.model.market import (
    DeVig,
    fair_odds,
    margin,
    market_probabilities,
    power_probabilities,
    shin_probabilities,
    value,
)

METHODS = [power_probabilities, shin_probabilities]
Method = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def with_margin(chances: tuple[float, float, float], book: float) -> tuple[float, float, float]:
    """Prices of these chances (any positive numbers) in a book that sums to `book`."""
    home, draw, away = (sum(chances) / (chance * book) for chance in chances)
    return home, draw, away


chance = st.floats(0.15, 1.0)
prices = st.builds(with_margin, st.tuples(chance, chance, chance), st.floats(1.005, 1.2))
any_price = st.floats(1.0001, 1000.0)


@given(prices)
def test_power_method_solves_its_equation(odds: tuple[float, float, float]) -> None:
    """p_i = (1/o_i)^k with one k for all three outcomes, and they sum to 1."""
    probs = power_probabilities(np.array([odds]))[0]
    assert probs.sum() == pytest.approx(1.0)
    powers = np.log(probs) / np.log(1 / np.array(odds))
    assert powers == pytest.approx([powers[0]] * 3, rel=1e-6)


@given(prices)
def test_shin_method_solves_its_equation(odds: tuple[float, float, float]) -> None:
    """(1 - z) p^2 + z p = pi^2 / B, for inverse prices pi that sum to B, with one z for all three outcomes."""
    probs = shin_probabilities(np.array([odds]))[0]
    inverse = 1 / np.array(odds)
    shares = (inverse**2 / inverse.sum() - probs**2) / (probs - probs**2)
    assert shares == pytest.approx([shares[0]] * 3, abs=1e-9)
    assert 0 < shares[0] < 1


@given(prices)
def test_shin_method_takes_more_from_long_shots(odds: tuple[float, float, float]) -> None:
    """They sum to 1, keep the order of the prices, and lower the longest price's share of the book most."""
    probs = shin_probabilities(np.array([odds]))[0]
    inverse = 1 / np.array(odds)
    assert probs.sum() == pytest.approx(1.0)
    kept = probs / inverse
    assert kept[np.argmax(inverse)] >= kept[np.argmin(inverse)] - 1e-9


@pytest.mark.parametrize("method", METHODS)
def test_fair_prices_are_left_as_they_are(method: Method) -> None:
    assert method(np.array([[2.0, 4.0, 4.0]]))[0] == pytest.approx([0.5, 0.25, 0.25], abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
@given(st.lists(st.tuples(any_price, any_price, any_price), min_size=1, max_size=40))
def test_whatever_the_prices_the_shortest_is_the_likeliest_and_all_sum_to_one(
    method: Method, odds: list[tuple[float, float, float]]
) -> None:
    """Absurd books, far above or below 1, are no exception."""
    table = np.array(odds)
    probs = method(table)
    assert np.all(np.abs(probs.sum(axis=1) - 1.0) < 1e-9)
    assert np.all((probs >= 0) & (probs <= 1))
    assert np.all(np.take_along_axis(probs, table.argmin(axis=1)[:, None], 1)[:, 0] >= probs.max(axis=1) - 1e-12)


@pytest.mark.parametrize("method", METHODS)
@given(st.lists(st.tuples(any_price, any_price, any_price) | st.just((2.0, np.nan, 4.0)), max_size=30))
def test_a_match_has_the_same_probabilities_alone_and_among_others(
    method: Method, odds: list[tuple[float, float, float]]
) -> None:
    table = np.array(odds, dtype=np.float64).reshape(-1, 3)
    alone = [method(table[i : i + 1])[0] for i in range(len(table))]
    assert method(table).tobytes() == np.array(alone, dtype=np.float64).tobytes()


@pytest.mark.parametrize("method", METHODS)
def test_a_missing_price_gives_no_probabilities_for_its_match_alone(method: Method) -> None:
    probs = method(np.array([[2.0, np.nan, 4.0], [2.0, 3.4, 4.0], [np.nan, np.nan, np.nan]]))
    assert np.isnan(probs).all(axis=1).tolist() == [True, False, True]


@pytest.mark.parametrize("price", [1.0, 0.9, 0.0, -2.0, np.inf])
@pytest.mark.parametrize("read", [*METHODS, margin, lambda odds: value(np.full(odds.shape, 0.3), odds)])
def test_what_is_no_price_is_refused_with_its_place(read: Method, price: float) -> None:
    with pytest.raises(BadInput, match=r"odds: the draw price .* of match 2 is no decimal price above 1") as refused:
        read(np.array([[2.0, np.nan, 4.0], [2.0, price, 4.0]]))
    assert refused.value.field == "odds"


def test_prices_of_two_outcomes_are_refused() -> None:
    with pytest.raises(BadInput, match=r"odds: .* shape \(1, 2\)"):
        power_probabilities(np.array([[2.0, 2.0]]))


def test_the_method_is_named() -> None:
    odds = np.array([[1.5, 4.2, 7.0]])
    assert market_probabilities(odds, DeVig("power")).tobytes() == power_probabilities(odds).tobytes()
    assert market_probabilities(odds, DeVig("shin")).tobytes() == shin_probabilities(odds).tobytes()
    assert power_probabilities(odds).tobytes() != shin_probabilities(odds).tobytes()


def test_margin_value_and_fair_odds_by_hand() -> None:
    """2, 4 and 3 make a book of 1/2 + 1/4 + 1/3; at 60 % a price of 2 gains a fifth of the stake on average."""
    odds = np.array([[2.0, 4.0, 3.0], [2.0, np.nan, 3.0]])
    probs = np.array([[0.6, 0.25, 0.15], [0.6, 0.25, 0.15]])
    assert margin(odds) == pytest.approx([1 / 12, np.nan], nan_ok=True)
    assert value(probs, odds) == pytest.approx(np.array([[0.2, 0.0, -0.55], [0.2, np.nan, -0.55]]), nan_ok=True)
    assert fair_odds(probs)[0] == pytest.approx([5 / 3, 4.0, 20 / 3])


@given(st.lists(st.floats(1e-9, 1.0), min_size=3, max_size=3))
def test_fair_odds_have_no_value(probs: list[float]) -> None:
    fair = fair_odds(np.array(probs))
    assert np.array(probs) * fair - 1 == pytest.approx([0.0] * 3, abs=1e-15)


@pytest.mark.parametrize("prob", [0.0, -0.1, 1.1])
def test_what_is_no_probability_has_no_fair_odds(prob: float) -> None:
    with pytest.raises(BadInput, match="above 0 and at most 1"):
        fair_odds(np.array([prob, 0.5, 0.5]))
