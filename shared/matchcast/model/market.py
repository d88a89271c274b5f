"""Bookmakers' odds as probabilities: the benchmark, never a default feature."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

STEPS: Final = 60


def power_probabilities(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Remove the margin by the power method (Clarke, Kovalchik and Ingram 2017): p_i = (1 / odds_i)^k with sum 1.

    Args:
        odds: decimal prices, shape (n, 3); a row with a price that is missing or not above 1 gives NaN.
    Returns:
        Shape (n, 3), rows sum to 1.
    """
    priced = np.all(odds > 1.0, axis=1)
    probs = np.full(odds.shape, np.nan)
    logs = np.log(1.0 / odds[priced])
    low = np.full(len(logs), 0.2)
    high = np.full(len(logs), 5.0)
    for _ in range(STEPS):
        middle = 0.5 * (low + high)
        above = np.exp(middle[:, None] * logs).sum(axis=1) > 1.0
        low = np.where(above, middle, low)
        high = np.where(above, high, middle)
    raw = np.exp(high[:, None] * logs)
    probs[priced] = raw / raw.sum(axis=1, keepdims=True)
    return probs


def shin_probabilities(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Remove the margin by Shin's method (Shin 1993; closed form in z as in Strumbelj 2014, equation 6).

    Args and result as for `power_probabilities`.
    """
    priced = np.all(odds > 1.0, axis=1)
    probs = np.full(odds.shape, np.nan)
    inverse = 1.0 / odds[priced]
    booksum = inverse.sum(axis=1, keepdims=True)
    low = np.zeros((len(inverse), 1))
    high = np.full((len(inverse), 1), 0.5)

    def at(z: NDArray[np.float64]) -> NDArray[np.float64]:
        root = np.sqrt(z**2 + 4.0 * (1.0 - z) * inverse**2 / booksum)
        result: NDArray[np.float64] = (root - z) / (2.0 * (1.0 - z))
        return result

    for _ in range(STEPS):
        middle = 0.5 * (low + high)
        above = at(middle).sum(axis=1, keepdims=True) > 1.0
        low = np.where(above, middle, low)
        high = np.where(above, high, middle)
    raw = at(high)
    probs[priced] = raw / raw.sum(axis=1, keepdims=True)
    return probs
