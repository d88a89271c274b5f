"""How far a forecast may be off: an interval around each probability, as wide as the members disagree.

The interval is symmetric in log-odds with half-width scale * sqrt(floor^2 + spread^2), where spread is the standard
deviation of the members' log-odds under the pool's weights. Scale and floor of each outcome are those of a normalised
split-conformal interval (Papadopoulos et al. 2002; Lei et al. 2018) around a reference: closing odds without their margin,
or, where too few matches have odds, each member against the pool of the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from matchcast.domain.forecast import LEAST_PROB, Reference
from matchcast.model.forecaster import Forecaster, log_pool

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL: Final = 0.8
LEAST_PRICED: Final = 500
"""Matches with odds that calibrating on them takes."""
LEAST_MATCHES: Final = 100
"""Matches that coverage is measured on at least: its standard error stays under 0.04."""
FLOORS: Final = np.geomspace(0.01, 1.0, 21)


class Pool(NamedTuple):
    """n forecasts as `log_pool` takes them: members (k, n, 3), weights (k,) and temperature."""

    members: NDArray[np.float64]
    weights: NDArray[np.float64]
    temperature: float

    @staticmethod
    def of(forecaster: Forecaster, members: NDArray[np.float64]) -> Pool:
        """Members' forecasts as this forecaster pools them."""
        return Pool(members, forecaster.weights, forecaster.temperature)

    def middle(self) -> NDArray[np.float64]:
        """Log-odds of the pooled probabilities, shape (n, 3)."""
        return _logit(log_pool(self.members, self.weights, self.temperature))

    def spread(self) -> NDArray[np.float64]:
        """Standard deviation of the members' log-odds, shape (n, 3)."""
        logits = _logit(self.members)
        weights = self.weights[:, None, None]
        mean = (weights * logits).sum(axis=0)
        result: NDArray[np.float64] = np.sqrt((weights * (logits - mean) ** 2).sum(axis=0))
        return result

    def take(self, chosen: NDArray[np.bool_]) -> Pool:
        """The chosen forecasts."""
        return self._replace(members=self.members[:, chosen])


@dataclass(frozen=True)
class Interval:
    """How wide intervals are, and how often they held.

    Attributes:
        level: share of references that was to fall inside; reference: what they are.
        scale, floor: as the module says, of home, draw, away; floor in log-odds.
        matches: calibrated on; coverage: share of references inside on `measured_on` other matches.
    """

    level: float
    scale: tuple[float, float, float]
    floor: tuple[float, float, float]
    reference: Reference
    matches: int
    coverage: float
    measured_on: int

    def bounds(self, forecaster: Forecaster, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Lowest and highest of each probability; rows (n, features), result (n, 3, 2)."""
        pool = Pool.of(forecaster, forecaster.members(rows))
        middle, width = pool.middle(), self.scale * np.hypot(self.floor, pool.spread())
        result: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-np.stack([middle - width, middle + width], axis=2)))
        return result

    @staticmethod
    def from_dict(content: dict[str, Any]) -> Interval:
        """Read what `dataclasses.asdict` gave, by way of JSON."""
        return Interval(**(content | {name: tuple(content[name]) for name in ("scale", "floor")}))


class _Misses(NamedTuple):
    """Distances of references from the middle and spreads there, log-odds of shape (k, 3); `matches` they come from."""

    distance: NDArray[np.float64]
    spread: NDArray[np.float64]
    matches: int


def calibrate_interval(
    calibration: Pool,
    calibration_market: NDArray[np.float64],
    held_out: Pool,
    held_out_market: NDArray[np.float64],
    level: float = LEVEL,
) -> Interval | None:
    """The narrowest interval of this form that holds `level` of the references, its coverage measured on other matches.

    Args:
        calibration: forecasts of matches that no member was trained on; held_out: of later ones.
        calibration_market, held_out_market: probabilities of the closing odds, shape (n, 3), NaN where there are none.
    Returns:
        None where too few matches have a reference, or the pool leans on one member alone and there are no odds.
    """
    priced, priced_later = _complete(calibration_market), _complete(held_out_market)
    if priced.sum() >= LEAST_PRICED and priced_later.sum() >= LEAST_MATCHES:
        reference: Reference = "closing odds"
        fitted = _from_market(calibration.take(priced), calibration_market[priced])
        measured = _from_market(held_out.take(priced_later), held_out_market[priced_later])
    elif min(calibration.members.shape[1], held_out.members.shape[1]) >= LEAST_MATCHES and _several(calibration):
        reference = "other members"
        fitted, measured = _from_members(calibration), _from_members(held_out)
    else:
        return None
    home, draw, away = (_narrowest(fitted.distance[:, i], fitted.spread[:, i], level) for i in range(3))
    scale, floor = (home[0], draw[0], away[0]), (home[1], draw[1], away[1])
    inside = measured.distance <= scale * np.hypot(floor, measured.spread)
    return Interval(level, scale, floor, reference, fitted.matches, float(inside.mean()), measured.matches)


def _complete(market: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(~np.isnan(market).any(axis=1), dtype=np.bool_)


def _from_market(pool: Pool, market: NDArray[np.float64]) -> _Misses:
    return _Misses(np.abs(_logit(market) - pool.middle()), pool.spread(), len(market))


def _from_members(pool: Pool) -> _Misses:
    """Each member with weight in turn against the pool of the others."""
    distances, spreads = [], []
    for left_out in np.flatnonzero(pool.weights > 0.0):
        others = np.arange(len(pool.weights)) != left_out
        rest = Pool(pool.members[others], pool.weights[others] / pool.weights[others].sum(), pool.temperature)
        distances.append(np.abs(_logit(pool.members[left_out]) - rest.middle()))
        spreads.append(rest.spread())
    return _Misses(np.concatenate(distances), np.concatenate(spreads), pool.members.shape[1])


def _several(pool: Pool) -> bool:
    return int((pool.weights > 0.0).sum()) > 1


def _narrowest(distance: NDArray[np.float64], spread: NDArray[np.float64], level: float) -> tuple[float, float]:
    """Scale and floor with the smallest mean width, scale at the conformal quantile."""
    best: tuple[float, float, float] | None = None
    for floor in FLOORS.tolist():
        units = np.hypot(floor, spread)
        ratios = np.sort(distance / units)
        scale = float(ratios[min(ceil((len(ratios) + 1) * level), len(ratios)) - 1])
        width = scale * float(units.mean())
        if best is None or width < best[0]:
            best = width, scale, floor
    assert best is not None
    return best[1], best[2]


def _logit(probs: NDArray[np.float64]) -> NDArray[np.float64]:
    held = np.clip(probs, LEAST_PROB, 1.0 - LEAST_PROB)
    result: NDArray[np.float64] = np.log(held) - np.log1p(-held)
    return result
