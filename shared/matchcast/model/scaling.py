"""How rows are made ready for the members that are linear in them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Scaling:
    """Unknown values become the training median, values are standardised and clipped.

    Attributes:
        median, mean, scale: float64, shape (features,).
        clip: standardised values are cut at plus and minus this.
    """

    median: NDArray[np.float64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    clip: float

    def apply(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """What coefficients see; rows (n, features), result of the same shape."""
        known = np.where(np.isnan(rows), self.median, rows.astype(np.float64))
        z: NDArray[np.float64] = np.clip((known - self.mean) / self.scale, -self.clip, self.clip)
        return z

    @staticmethod
    def of(rows: NDArray[np.float32], clip: float) -> Scaling:
        """From training rows; a column that is never known or constant is scaled by 1."""
        x = rows.astype(np.float64)
        known = ~np.isnan(x)
        seen = known.any(axis=0)
        median = np.zeros(x.shape[1])
        median[seen] = np.nanmedian(x[:, seen], axis=0)
        x = np.where(known, x, median)
        mean, scale = x.mean(axis=0), x.std(axis=0)
        scale[scale < 1e-9] = 1.0
        return Scaling(median, mean, scale, clip)

    def to_dict(self) -> dict[str, Any]:
        """Every float in full, so that reading gives the same bits."""
        return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in asdict(self).items()}

    @staticmethod
    def from_dict(content: dict[str, Any]) -> Scaling:
        """Read what `to_dict` wrote."""
        arrays = {k: np.asarray(content[k], dtype=np.float64) for k in ("median", "mean", "scale")}
        return Scaling(**arrays, clip=float(content["clip"]))


def row_products(z: NDArray[np.float64], coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """z (n, features) times one column of coefficients, summed row by row.

    Not by a matrix product, whose rounding depends on the number of rows.
    """
    result: NDArray[np.float64] = (z * coefficients).sum(axis=1)
    return result
