"""Scores of 1X2 forecasts; probabilities have columns home, draw, away, outcomes are 0 home, 1 draw, 2 away.

The `_each` functions give one value a match; the plain ones the mean. Lower is better, but for accuracy.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matchcast.domain.forecast import LEAST_PROB

Probs = NDArray[np.float64]
Outcomes = NDArray[np.int64]
ECE_BINS: Final = 15


def check_forecasts(probs: Probs, outcomes: Outcomes) -> None:
    """Refuse what cannot be scored.

    Raises:
        ValueError: no forecasts, lengths differ, an outcome outside 0..2, or a row off 1 by more than 1e-6.
    """
    if len(probs) == 0 or probs.shape != (len(outcomes), 3):
        raise ValueError(f"forecasts of shape {probs.shape} cannot be scored against {len(outcomes)} outcomes")
    if not bool(np.isin(outcomes, (0, 1, 2)).all()):
        raise ValueError("outcomes must be 0, 1 or 2")
    if not bool(np.all(np.abs(probs.sum(axis=1) - 1.0) <= 1e-6)):
        raise ValueError("the probabilities of a match must sum to 1")


def log_loss_each(probs: Probs, outcomes: Outcomes) -> NDArray[np.float64]:
    """Minus the natural log of the probability given to what happened; shape (n,), nats."""
    check_forecasts(probs, outcomes)
    losses: NDArray[np.float64] = -np.log(np.maximum(probs[np.arange(len(outcomes)), outcomes], LEAST_PROB))
    return losses


def rps_each(probs: Probs, outcomes: Outcomes) -> NDArray[np.float64]:
    """Ranked probability score (Epstein 1969; Constantinou and Fenton 2012), shape (n,), 0 to 1."""
    check_forecasts(probs, outcomes)
    home_off = probs[:, 0] - (outcomes == 0)
    away_off = probs[:, 2] - (outcomes == 2)
    scores: NDArray[np.float64] = 0.5 * (home_off**2 + away_off**2)
    return scores


def brier_each(probs: Probs, outcomes: Outcomes) -> NDArray[np.float64]:
    """Brier score summed over the three outcomes, shape (n,), 0 to 2."""
    check_forecasts(probs, outcomes)
    scores: NDArray[np.float64] = ((probs - np.eye(3)[outcomes]) ** 2).sum(axis=1)
    return scores


def accuracy(probs: Probs, outcomes: Outcomes) -> float:
    """Share of matches whose likeliest outcome happened."""
    check_forecasts(probs, outcomes)
    return float(np.mean(probs.argmax(axis=1) == outcomes))


def expected_calibration_error(probs: Probs, outcomes: Outcomes, bins: int = ECE_BINS) -> float:
    """Classwise expected calibration error with equal-width bins (Kull et al. 2019, section 2), mean over the outcomes."""
    check_forecasts(probs, outcomes)
    total = 0.0
    for outcome in range(3):
        forecast = probs[:, outcome]
        happened = (outcomes == outcome).astype(np.float64)
        bin_of = np.minimum((forecast * bins).astype(np.int64), bins - 1)
        gaps = np.bincount(bin_of, forecast - happened, minlength=bins)
        total += float(np.abs(gaps).sum()) / len(forecast)
    return total / 3.0


@dataclass(frozen=True, slots=True)
class Scores:
    """Mean scores of n forecasts."""

    matches: int
    log_loss: float
    rps: float
    brier: float
    ece: float
    accuracy: float


def score(probs: Probs, outcomes: Outcomes) -> Scores:
    """All scores at once."""
    return Scores(
        matches=len(outcomes),
        log_loss=float(log_loss_each(probs, outcomes).mean()),
        rps=float(rps_each(probs, outcomes).mean()),
        brier=float(brier_each(probs, outcomes).mean()),
        ece=expected_calibration_error(probs, outcomes),
        accuracy=accuracy(probs, outcomes),
    )


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Mean of one score minus another on the same matches, and its standard error."""

    mean: float
    standard_error: float


def paired_difference(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> PairedDifference:
    """Compare two scores match by match; negative means `ours` is better.

    Raises:
        ValueError: fewer than two matches, or the lengths differ.
    """
    if len(ours) != len(theirs) or len(ours) < 2:
        raise ValueError(f"cannot compare {len(ours)} with {len(theirs)} scores")
    difference = ours - theirs
    return PairedDifference(float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(len(difference))))


def base_rates(outcomes: Outcomes) -> Probs:
    """How often each outcome happened, shape (3,), with one of each added so that none is 0."""
    counts = np.bincount(outcomes, minlength=3).astype(np.float64) + 1.0
    rates: Probs = counts / counts.sum()
    return rates
