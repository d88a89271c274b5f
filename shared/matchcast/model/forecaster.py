"""Members pooled and calibrated: rows in, probabilities out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from matchcast.domain.forecast import LEAST_PROB
from matchcast.model.goals import Goals
from matchcast.model.linear import Linear
from matchcast.model.trees import Trees

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEMBERS: Final = ("trees", "linear", "goals")


def softmax(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of (n, 3) scores to probabilities."""
    shifted = np.exp(margins - margins.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return result


def log_pool(
    members: NDArray[np.float64], weights: NDArray[np.float64], temperature: float = 1.0
) -> NDArray[np.float64]:
    """Logarithmic opinion pool (Genest and Zidek 1986, section 3.3), then temperature scaling (Guo et al. 2017).

    Args:
        members: probabilities of each member, shape (members, n, 3).
        weights: shape (members,), at least 0, sum 1.
        temperature: above 0; above 1 flattens.
    Returns:
        Shape (n, 3): the product of the members' probabilities to the power of weight / temperature, normalised.
    """
    logs = np.log(np.maximum(members, LEAST_PROB))
    pooled = np.zeros(logs.shape[1:])
    for weight, member in zip(weights, logs, strict=True):
        pooled += weight * member
    return softmax(pooled / temperature)


@dataclass(frozen=True)
class Forecaster:
    """Three members, a logarithmic pool and a temperature.

    Attributes:
        weights: float64, shape (3,), in the order of MEMBERS; at least 0, sum 1.
        temperature: above 0.
    """

    trees: Trees
    linear: Linear
    goals: Goals
    weights: NDArray[np.float64]
    temperature: float

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probabilities home, draw, away; rows (n, features), result (n, 3); a row's result depends on that row alone."""
        return log_pool(self.members(rows), self.weights, self.temperature)

    def members(
        self, rows: NDArray[np.float32], tree_margins: NDArray[np.float32] | None = None
    ) -> NDArray[np.float64]:
        """Each member's own probabilities, shape (3, n, 3), in the order of MEMBERS.

        Args:
            tree_margins: the trees' margins, where they are known already (XGBoost's own are quicker for whole tables).
        """
        margins = self.trees.margins(rows) if tree_margins is None else tree_margins
        return np.stack(
            [softmax(margins.astype(np.float64)), softmax(self.linear.margins(rows)), self.goals.probabilities(rows)]
        )
