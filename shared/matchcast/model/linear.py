"""Multinomial logistic regression as plain coefficients."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from matchcast.model.scaling import Scaling, row_products

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Linear:
    """Scaled rows, weighted.

    Attributes:
        coefficients: float64, shape (3, features); intercepts: (3,).
    """

    scaling: Scaling
    coefficients: NDArray[np.float64]
    intercepts: NDArray[np.float64]

    def margins(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Raw scores of the classes; rows (n, features), result (n, 3)."""
        z = self.scaling.apply(rows)
        columns = [row_products(z, self.coefficients[k]) + self.intercepts[k] for k in range(3)]
        return np.stack(columns, axis=1)

    def to_json(self) -> str:
        """Every float in full, so that reading gives the same bits."""
        return json.dumps(
            {
                "scaling": self.scaling.to_dict(),
                "coefficients": self.coefficients.tolist(),
                "intercepts": self.intercepts.tolist(),
            }
        )

    @staticmethod
    def from_json(text: str) -> Linear:
        """Read what `to_json` wrote."""
        content = json.loads(text)
        return Linear(
            Scaling.from_dict(content["scaling"]),
            np.asarray(content["coefficients"], dtype=np.float64),
            np.asarray(content["intercepts"], dtype=np.float64),
        )
