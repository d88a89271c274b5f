"""Members pooled and calibrated: rows in, probabilities out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matchcast.model.linear import Linear
from matchcast.model.trees import Trees


def softmax(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of (n, 3) scores to probabilities."""
    shifted = np.exp(margins - margins.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return result


def temper(probs: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Temperature scaling (Guo et al. 2017): p^(1/T), normalised; T above 1 flattens."""
    return softmax(np.log(np.maximum(probs, 1e-15)) / temperature)


@dataclass(frozen=True)
class Forecaster:
    """A linear pool of members, then temperature scaling.

    Attributes:
        trees, linear: the members.
        tree_weight: weight of the trees, 0 to 1; the linear member has the rest.
        temperature: above 0.
    """

    trees: Trees
    linear: Linear
    tree_weight: float
    temperature: float

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probabilities home, draw, away; rows (n, features), result (n, 3); a row's result depends on that row alone."""
        return self.pooled(self.trees.margins(rows), rows)

    def pooled(self, tree_margins: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """The same, with the trees' margins given (XGBoost's own prediction is quicker for whole tables)."""
        from_trees = softmax(tree_margins.astype(np.float64))
        from_linear = softmax(self.linear.margins(rows))
        return temper(self.tree_weight * from_trees + (1.0 - self.tree_weight) * from_linear, self.temperature)
