"""Scores against values worked out by hand."""

import numpy as np
import pytest

from matchcast.model.metrics import (
    brier_each,
    expected_calibration_error,
    log_loss_each,
    paired_difference,
    rps_each,
    score,
)

HALF = np.array([[0.5, 0.3, 0.2]])


@pytest.mark.parametrize(
    ("outcome", "log_loss", "rps", "brier"),
    [(0, 0.693147, 0.145, 0.38), (1, 1.203973, 0.145, 0.78), (2, 1.609438, 0.445, 0.98)],
)
def test_scores_of_one_forecast(outcome: int, log_loss: float, rps: float, brier: float) -> None:
    """RPS of (0.5, 0.3, 0.2) when home wins: ((0.5 - 1)^2 + (0.8 - 1)^2) / 2 = 0.145, and so on."""
    happened = np.array([outcome])
    assert log_loss_each(HALF, happened)[0] == pytest.approx(log_loss, abs=1e-6)
    assert rps_each(HALF, happened)[0] == pytest.approx(rps)
    assert brier_each(HALF, happened)[0] == pytest.approx(brier)


def test_calibration_error_by_hand() -> None:
    """Always 0.5/0.3/0.2 against four home wins: the classes are off by 0.5, 0.3 and 0.2, one third of 1."""
    assert expected_calibration_error(np.repeat(HALF, 4, axis=0), np.zeros(4, dtype=np.int64)) == pytest.approx(1 / 3)


def test_paired_difference_by_hand() -> None:
    """Differences -1, 0, 1, 2: mean 0.5, standard deviation 1.290994, over 2."""
    found = paired_difference(np.array([0.0, 1.0, 2.0, 3.0]), np.array([1.0, 1.0, 1.0, 1.0]))
    assert found.mean == 0.5
    assert found.standard_error == pytest.approx(0.645497, abs=1e-6)


@pytest.mark.parametrize(
    ("probs", "outcomes"),
    [(np.empty((0, 3)), np.empty(0, dtype=np.int64)), (HALF, np.array([0, 1])), (HALF, np.array([3])),
     (np.array([[0.5, 0.5, 0.5]]), np.array([0]))],
)  # fmt: skip
def test_what_cannot_be_scored_is_refused(probs: np.ndarray, outcomes: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"forecasts|outcomes|sum to 1"):
        score(probs, outcomes)
