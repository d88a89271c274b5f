"""A goal model over the shared features: two Poisson regressions and the correction of Dixon and Coles.

Expected goals of each side are log-linear in the features (Maher 1982, with features in the place of team parameters, whose
time decay the ratings among them bring). Scores of 0 and 1 goals are corrected by rho as in Dixon and Coles (1997),
"Modelling association football scores and inefficiencies in the football betting market", equation 4.2.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import lgamma
from typing import TYPE_CHECKING, Final

import numpy as np

from matchcast.model.scaling import Scaling, row_products

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_GOALS: Final = 10
_COUNTS: Final = np.arange(MOST_GOALS + 1, dtype=np.float64)
_LOG_FACTORIALS: Final = np.array([lgamma(g + 1.0) for g in range(MOST_GOALS + 1)])


def score_probabilities(expected: NDArray[np.float64], rho: float) -> NDArray[np.float64]:
    """P(home goals, away goals), shape (n, 11, 11), before normalisation over scores of at most ten goals a side.

    Args:
        expected: goals expected of home and away, shape (n, 2), above 0.
        rho: correction of 0-0, 1-0, 0-1 and 1-1; below 0 makes 0-0 and 1-1 likelier.
    """
    goals = np.exp(_COUNTS * np.log(expected)[:, :, None] - expected[:, :, None] - _LOG_FACTORIALS)
    scores: NDArray[np.float64] = goals[:, 0, :, None] * goals[:, 1, None, :]
    home, away = expected[:, 0], expected[:, 1]
    scores[:, 0, 0] *= np.maximum(1.0 - home * away * rho, 0.0)
    scores[:, 0, 1] *= np.maximum(1.0 + home * rho, 0.0)
    scores[:, 1, 0] *= np.maximum(1.0 + away * rho, 0.0)
    scores[:, 1, 1] *= np.maximum(1.0 - rho, 0.0)
    return scores


def outcome_probabilities(expected: NDArray[np.float64], rho: float) -> NDArray[np.float64]:
    """P(home, draw, away), shape (n, 3), from the expected goals of both sides, shape (n, 2)."""
    scores = score_probabilities(expected, rho)
    drawn = np.trace(scores, axis1=1, axis2=2)
    flat = (len(scores), _COUNTS.size**2)
    home = np.tril(scores, -1).reshape(flat).sum(axis=1)
    away = np.triu(scores, 1).reshape(flat).sum(axis=1)
    probs = np.stack([home, drawn, away], axis=1)
    result: NDArray[np.float64] = probs / probs.sum(axis=1, keepdims=True)
    return result


@dataclass(frozen=True)
class Goals:
    """Coefficients of the logarithm of expected goals.

    Attributes:
        coefficients: float64, shape (2, features), home and away goals; intercepts: (2,).
        rho: as `score_probabilities` takes it.
    """

    scaling: Scaling
    coefficients: NDArray[np.float64]
    intercepts: NDArray[np.float64]
    rho: float

    def expected(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Goals expected of home and away, shape (n, 2), 0.02 to 20."""
        z = self.scaling.apply(rows)
        logs = [row_products(z, self.coefficients[k]) + self.intercepts[k] for k in range(2)]
        return expected_goals(np.stack(logs, axis=1))

    def probabilities(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """P(home, draw, away); rows (n, features), result (n, 3)."""
        return outcome_probabilities(self.expected(rows), self.rho)

    def to_json(self) -> str:
        """Every float in full, so that reading gives the same bits."""
        return json.dumps(
            {
                "scaling": self.scaling.to_dict(),
                "coefficients": self.coefficients.tolist(),
                "intercepts": self.intercepts.tolist(),
                "rho": self.rho,
            }
        )

    @staticmethod
    def from_json(text: str) -> Goals:
        """Read what `to_json` wrote."""
        content = json.loads(text)
        return Goals(
            Scaling.from_dict(content["scaling"]),
            np.asarray(content["coefficients"], dtype=np.float64),
            np.asarray(content["intercepts"], dtype=np.float64),
            float(content["rho"]),
        )


def expected_goals(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Goals from their logarithm, cut at -4 and 3 so that no row of strange features gives an absurd score."""
    goals: NDArray[np.float64] = np.exp(np.clip(logs, -4.0, 3.0))
    return goals
