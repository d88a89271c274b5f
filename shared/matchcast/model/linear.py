"""Multinomial logistic regression as plain coefficients."""

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CHUNK = 8192


@dataclass(frozen=True)
class Linear:
    """Unknown values become the training median, values are standardised and clipped, then weighted.

    Attributes:
        median, mean, scale: float64, shape (features,).
        coefficients: float64, shape (3, features); intercepts: (3,).
        clip: standardised values are cut at plus and minus this.
    """

    median: NDArray[np.float64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    intercepts: NDArray[np.float64]
    clip: float

    def standardised(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """What the coefficients see; shape (n, features)."""
        known = np.where(np.isnan(rows), self.median, rows.astype(np.float64))
        z: NDArray[np.float64] = np.clip((known - self.mean) / self.scale, -self.clip, self.clip)
        return z

    def margins(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Raw scores of the classes; rows (n, features), result (n, 3).

        Products are summed row by row, not by a matrix product, whose rounding depends on the number of rows.
        """
        result = np.empty((len(rows), 3))
        for start in range(0, len(rows), CHUNK):
            z = self.standardised(rows[start : start + CHUNK])
            for k in range(3):
                result[start : start + CHUNK, k] = (z * self.coefficients[k]).sum(axis=1) + self.intercepts[k]
        return result

    def to_json(self) -> str:
        """Every float in full, so that reading gives the same bits."""
        arrays = {k: getattr(self, k).tolist() for k in ("median", "mean", "scale", "coefficients", "intercepts")}
        return json.dumps({**arrays, "clip": self.clip})

    @staticmethod
    def from_json(text: str) -> "Linear":
        """Read what `to_json` wrote."""
        content = json.loads(text)
        names = ("median", "mean", "scale", "coefficients", "intercepts")
        arrays = {name: np.asarray(content[name], dtype=np.float64) for name in names}
        return Linear(**arrays, clip=float(content["clip"]))
