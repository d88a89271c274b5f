"""Bookmakers' odds and probabilities, for n matches at once: margins taken off, fair odds, value.

Odds are decimal, shape (n, 3), columns home, draw, away; each is above 1, or NaN where there is none.
"""

from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matchcast.domain.forecast import Probabilities
from matchcast.errors import BadInput

Odds = NDArray[np.float64]
Probs = NDArray[np.float64]
STEPS: Final = 60
OUTCOMES: Final = Probabilities._fields
CLOSING_BOOKS: Final = ("Avg", "PS")
"""Whose closing prices stand for the market, in order of preference: the market's average, then Pinnacle."""


class DeVig(StrEnum):
    """How the bookmaker's margin is taken off."""

    POWER = "power"
    SHIN = "shin"


def market_probabilities(odds: Odds, method: DeVig) -> Probs:
    """Odds as probabilities by the named method; see `power_probabilities` and `shin_probabilities`."""
    return power_probabilities(odds) if method is DeVig.POWER else shin_probabilities(odds)


def power_probabilities(odds: Odds) -> Probs:
    """Remove the margin by the power method (Clarke, Kovalchik and Ingram 2017): p_i = (1 / odds_i)^k with sum 1.

    Args:
        odds: shape (n, 3); a row with a NaN gives NaN.
    Returns:
        Shape (n, 3), rows sum to 1.
    Raises:
        BadInput: a price is not above 1, or infinite.
    """
    priced = _priced(odds)
    probs = np.full(odds.shape, np.nan)
    logs = np.log(1.0 / odds[priced])
    # three times the smallest is at most 1, three times the largest at least: k lies between what these would need
    low = np.log(3.0) / -logs.min(axis=1)
    high = np.log(3.0) / -logs.max(axis=1)
    for _ in range(STEPS):
        middle = 0.5 * (low + high)
        above = np.exp(middle[:, None] * logs).sum(axis=1) > 1.0
        low = np.where(above, middle, low)
        high = np.where(above, high, middle)
    raw = np.exp(high[:, None] * logs)
    probs[priced] = raw / raw.sum(axis=1, keepdims=True)
    return probs


def shin_probabilities(odds: Odds) -> Probs:
    """Remove the margin by Shin's method (Shin 1993; closed form in z as in Strumbelj 2014, equation 6).

    The share z of insiders is found between 0 and 1; a book without a margin has none, and its inverse prices are scaled.
    Args, result and errors as for `power_probabilities`.
    """
    priced = _priced(odds)
    probs = np.full(odds.shape, np.nan)
    inverse = 1.0 / odds[priced]
    squares = inverse**2 / inverse.sum(axis=1, keepdims=True)
    low = np.zeros((len(inverse), 1))
    high = np.ones((len(inverse), 1))

    def at(z: NDArray[np.float64]) -> NDArray[np.float64]:
        # (sqrt(z^2 + 4 (1 - z) s) - z) / (2 (1 - z)), in the form that holds at z = 1 too
        result: NDArray[np.float64] = 2.0 * squares / (np.sqrt(z**2 + 4.0 * (1.0 - z) * squares) + z)
        return result

    for _ in range(STEPS):
        middle = 0.5 * (low + high)
        above = at(middle).sum(axis=1, keepdims=True) > 1.0
        low = np.where(above, middle, low)
        high = np.where(above, high, middle)
    raw = at(high)
    probs[priced] = raw / raw.sum(axis=1, keepdims=True)
    return probs


def margin(odds: Odds) -> NDArray[np.float64]:
    """What the book keeps: inverse prices summed, minus 1; shape (n,), NaN where a price is missing.

    Raises:
        BadInput: a price is not above 1, or infinite.
    """
    _priced(odds)
    kept: NDArray[np.float64] = (1.0 / odds).sum(axis=1) - 1.0
    return kept


def market_log_odds(odds: Odds) -> NDArray[np.float64]:
    """What a model with the market overlay reads of prices: log(p / (1 - p)) of their probabilities by the power method.

    Args:
        odds: shape (n, 3), taken before the match; a row with a NaN gives NaN.
    Raises:
        BadInput: a price is not above 1, or infinite.
    """
    probs = power_probabilities(odds)
    read: NDArray[np.float64] = np.log(probs) - np.log1p(-probs)
    return read


def fair_odds(probs: Probs) -> Odds:
    """The price at which a bet neither gains nor loses on average: 1 / p.

    Args:
        probs: any shape, above 0 and at most 1; NaN gives NaN.
    Raises:
        BadInput: a probability is outside that.
    """
    if bool(np.any((probs <= 0.0) | (probs > 1.0))):
        raise BadInput("probabilities: each must be above 0 and at most 1", "probabilities")
    fair: Odds = 1.0 / probs
    return fair


def value(probs: Probs, odds: Odds) -> NDArray[np.float64]:
    """The mean gain of a stake of 1 on each outcome if the probabilities are right: p * odds - 1.

    Args:
        probs, odds: shape (n, 3), of the same matches; a missing price gives NaN for its outcome alone.
    Returns:
        Shape (n, 3), above -1; above 0 where the price is better than fair.
    Raises:
        BadInput: a price is not above 1, or infinite.
    """
    _priced(odds)
    gain: NDArray[np.float64] = probs * odds - 1.0
    return gain


def _priced(odds: Odds) -> NDArray[np.bool_]:
    """Which rows have all three prices; shape (n,).

    Raises:
        BadInput: the shape is not (n, 3), or a price is not above 1, or infinite.
    """
    if odds.ndim != 2 or odds.shape[1] != len(OUTCOMES):
        raise BadInput(f"odds: give decimal prices of home, draw and away, not an array of shape {odds.shape}", "odds")
    known = ~np.isnan(odds)
    wrong = np.argwhere(known & ~((odds > 1.0) & (odds < np.inf)))
    if len(wrong):
        row, outcome = wrong[0]
        raise BadInput(
            f"odds: the {OUTCOMES[outcome]} price {odds[row, outcome]:g} of match {row + 1} is no decimal price above 1; "
            "write 2.5 for 3/2, and NaN where there is none",
            "odds",
        )
    return np.asarray(known.all(axis=1), dtype=np.bool_)
