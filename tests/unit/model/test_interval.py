"""How far a forecast may be off."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matchcast.model.forecaster import softmax
from matchcast.model.interval import Interval, Pool, calibrate_interval
from tests.unit.model.trained import trained, training_table

EVEN = np.full(3, 1 / 3)


def forecasts(n: int, seed: int, doubt: float = 0.25) -> tuple[Pool, np.ndarray]:
    """Three members about as far from the truth, in log-odds, as they are from one another; and the truth."""
    generator = np.random.default_rng(seed)
    truth = generator.normal([0.4, 0.0, 0.1], 0.5, size=(n, 3))
    doubts = doubt * generator.uniform(0.2, 2, size=(n, 1))
    members = np.stack([softmax(truth + doubts * generator.normal(size=(n, 3))) for _ in range(3)])
    return Pool(members, EVEN, 1.0), softmax(truth)


def widths(interval: Interval, pool: Pool) -> np.ndarray:
    """Half-widths in log-odds, shape (n, 3)."""
    return np.asarray(np.array(interval.scale) * np.hypot(interval.floor, pool.spread()))


def unpriced(n: int) -> np.ndarray:
    return np.full((n, 3), np.nan)


def calibrated(level: float = 0.8, doubt: float = 0.25, priced: bool = True) -> Interval:
    (fit, fit_truth), (held, held_truth) = forecasts(2000, 1, doubt), forecasts(2000, 2, doubt)
    if not priced:
        fit_truth, held_truth = unpriced(2000), unpriced(2000)
    found = calibrate_interval(fit, fit_truth, held, held_truth, level)
    assert found is not None
    return found


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("priced", [True, False])
def test_the_share_that_was_asked_for_falls_inside_on_matches_not_calibrated_on(level: float, priced: bool) -> None:
    found = calibrated(level, priced=priced)
    assert found.coverage == pytest.approx(level, abs=0.03)
    assert found.reference == ("closing odds" if priced else "other members")
    assert (found.level, found.matches, found.measured_on) == (level, 2000, 2000)


def test_a_higher_level_or_more_doubt_takes_a_wider_interval() -> None:
    def mean_width(found: Interval, doubt: float) -> float:
        return float(widths(found, forecasts(500, 3, doubt)[0]).mean())

    assert mean_width(calibrated(0.5), 0.25) < mean_width(calibrated(0.8), 0.25) < mean_width(calibrated(0.95), 0.25)
    assert mean_width(calibrated(doubt=0.1), 0.1) < mean_width(calibrated(doubt=0.4), 0.4)


def test_where_disagreement_tells_nothing_the_interval_has_about_one_width() -> None:
    """The reference is off by as much whether members agree or not, so the floor outweighs their spread."""
    generator = np.random.default_rng(5)

    def part(n: int) -> tuple[Pool, np.ndarray]:
        pool, truth = forecasts(n, 6, 0.02)
        return pool, softmax(np.log(truth) + generator.normal(0, 0.3, size=(n, 3)))

    found = calibrate_interval(*part(1500), *part(1500))
    assert found is not None
    half = widths(found, part(200)[0])
    assert (half.std(axis=0) < 0.1 * half.mean(axis=0)).all()
    assert found.coverage == pytest.approx(0.8, abs=0.03)


def test_each_outcome_has_an_interval_of_its_own() -> None:
    """References that are surer of draws than of the other two leave draws the narrowest interval."""
    generator = np.random.default_rng(15)

    def part(seed: int) -> tuple[Pool, np.ndarray]:
        pool, _ = forecasts(2000, seed)
        logits = pool.middle() + generator.normal(0, [0.3, 0.05, 0.2], size=(2000, 3))
        return pool, 1 / (1 + np.exp(-logits))

    calibration, held = part(16), part(17)
    found = calibrate_interval(*calibration, *held)
    assert found is not None
    width = widths(found, held[0])
    inside = np.abs(np.log(held[1] / (1 - held[1])) - held[0].middle()) <= width
    assert inside.mean(axis=0) == pytest.approx(np.full(3, 0.8), abs=0.03)
    home, draw, away = width.mean(axis=0)
    assert draw < away < home


def test_members_stand_in_where_fewer_than_500_matches_have_odds() -> None:
    (fit, truth), (held, held_truth) = forecasts(600, 7), forecasts(300, 8)
    few = np.where(np.arange(600)[:, None] < 499, truth, np.nan)
    enough = np.where(np.arange(600)[:, None] < 500, truth, np.nan)
    for odds, reference, matches in ((few, "other members", 600), (enough, "closing odds", 500)):
        found = calibrate_interval(fit, odds, held, held_truth)
        assert found is not None
        assert (found.reference, found.matches) == (reference, matches)
    unmeasured = calibrate_interval(fit, enough, held, unpriced(300))
    assert unmeasured is not None
    assert unmeasured.reference == "other members"


def test_nothing_is_invented_where_nothing_can_be_measured() -> None:
    """Too few matches to calibrate on or to measure on, or one member alone and no odds: there is no interval."""
    (fit, _), (held, _), (few, _) = forecasts(600, 9), forecasts(300, 10), forecasts(99, 11)
    assert calibrate_interval(few, unpriced(99), held, unpriced(300)) is None
    assert calibrate_interval(fit, unpriced(600), few, unpriced(99)) is None
    alone = [pool._replace(weights=np.array([0.0, 1.0, 0.0])) for pool in (fit, held)]
    assert calibrate_interval(alone[0], unpriced(600), alone[1], unpriced(300)) is None


def test_members_without_weight_do_not_widen_the_interval() -> None:
    (fit, _), (held, _) = forecasts(1000, 12), forecasts(1000, 13)
    weights = np.array([0.5, 0.5, 0.0])
    absurd = softmax(np.random.default_rng(14).normal(0, 5, size=(1000, 3)))
    found, beside = (
        calibrate_interval(
            Pool(np.stack([*fit.members[:2], third]), weights, 1.0), unpriced(1000),
            Pool(np.stack([*held.members[:2], third]), weights, 1.0), unpriced(1000),
        )
        for third in (fit.members[2], absurd)
    )  # fmt: skip
    assert found == beside


@settings(max_examples=40, deadline=None)
@given(st.floats(0.1, 5), st.floats(0.01, 1), st.integers(0, 1400))
def test_bounds_hold_the_forecast_and_are_probabilities(scale: float, floor: float, at: int) -> None:
    forecaster, rows = trained().forecaster, training_table().rows[at : at + 20]
    interval = Interval(0.8, (scale,) * 3, (floor, 0.2, floor), "closing odds", 500, 0.8, 500)
    bounds, probs = interval.bounds(forecaster, rows), forecaster.predict(rows)
    assert bounds.shape == (20, 3, 2)
    assert (bounds[:, :, 0] > 0).all()
    assert (bounds[:, :, 0] < probs).all()
    assert (probs < bounds[:, :, 1]).all()
    assert (bounds[:, :, 1] < 1).all()
