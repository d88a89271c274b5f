"""Gradient-boosted trees as flat arrays, walked with numpy.

The walk repeats XGBoost's own float32 arithmetic in XGBoost's own order, so margins are equal to the bit.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_AT_ONCE: Final = 64
"""Rows that are walked together: more of them are no quicker, and take memory."""


@dataclass(frozen=True)
class Trees:
    """An ensemble for three classes; trees stand round by round, one tree a class.

    Attributes:
        feature: int32 a node, column that is compared; 0 at a leaf.
        threshold: float32 a node; a smaller value goes left.
        left, right: int32 a node, absolute node numbers; a leaf points to itself.
        default_left: bool a node, where NaN goes.
        value: float32 a node, leaf value; 0 elsewhere.
        cover: float32 a node, above 0: the second derivatives of the training matches that came by, summed.
        roots: int32, shape (rounds * 3,).
        base: float32, shape (3,), margin before the first tree.
        depth: longest path in edges.
    """

    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    default_left: NDArray[np.bool_]
    value: NDArray[np.float32]
    cover: NDArray[np.float32]
    roots: NDArray[np.int32]
    base: NDArray[np.float32]
    depth: int

    def margins(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Raw scores of the classes; rows (n, features), result (n, 3)."""
        parts = [self._margins(rows[start : start + _AT_ONCE]) for start in range(0, len(rows), _AT_ONCE)]
        return np.concatenate(parts) if parts else np.empty((0, 3), dtype=np.float32)

    def goes_left(self, row: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Where a row (features,) would go at every node."""
        x = row[self.feature]
        return np.where(np.isnan(x), self.default_left, x < self.threshold)

    def _margins(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        n = len(rows)
        node = np.broadcast_to(self.roots, (n, len(self.roots)))
        at = np.arange(n)[:, None]
        for _ in range(self.depth):
            x = rows[at, self.feature[node]]
            goes_left = np.where(np.isnan(x), self.default_left[node], x < self.threshold[node])
            node = np.where(goes_left, self.left[node], self.right[node])
        steps = np.concatenate([np.broadcast_to(self.base, (n, 3)), self.value[node]], axis=1).reshape(n, -1, 3)
        total: NDArray[np.float32] = np.add.accumulate(steps, axis=1, dtype=np.float32)[:, -1]
        return total

    def to_bytes(self) -> bytes:
        """As an .npz of plain arrays."""
        out = io.BytesIO()
        np.savez(
            out, feature=self.feature, threshold=self.threshold, left=self.left, right=self.right,
            default_left=self.default_left, value=self.value, cover=self.cover, roots=self.roots,
            base=self.base, depth=np.int32(self.depth),
        )  # fmt: skip
        return out.getvalue()

    @staticmethod
    def from_bytes(raw: bytes) -> Trees:
        """Read what `to_bytes` wrote; nothing in it is executable."""
        with np.load(io.BytesIO(raw), allow_pickle=False) as a:
            return Trees(
                a["feature"], a["threshold"], a["left"], a["right"], a["default_left"], a["value"], a["cover"],
                a["roots"], a["base"], int(a["depth"]),
            )  # fmt: skip
