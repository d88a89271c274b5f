"""Pictures for a run's record."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.evaluation import OUTCOME_NAMES


def calibration(rows: Sequence[tuple[str, float, float, int]]) -> Figure:
    """What was forecast against what happened, a line an outcome."""
    figure, axes = _axes("forecast", "happened")
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for name in OUTCOME_NAMES:
        points = [(forecast, happened) for outcome, forecast, happened, _ in rows if outcome == name]
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=name)
    axes.legend()
    return figure


def confusion(counts: NDArray[np.int64]) -> Figure:
    """Matches by what happened and what was likeliest; counts of shape (3, 3)."""
    figure, axes = _axes("likeliest", "happened")
    axes.imshow(counts, cmap="Blues")
    axes.set_xticks(range(3), OUTCOME_NAMES)
    axes.set_yticks(range(3), OUTCOME_NAMES)
    for (row, column), count in np.ndenumerate(counts):
        axes.text(column, row, str(count), ha="center", va="center")
    return figure


def importance(rows: Sequence[tuple[str, str, float, float]], most: int = 30) -> Figure:
    """The features whose splits gain most."""
    figure, axes = _axes("mean gain of a split", "")
    figure.set_size_inches(7, 8)
    best = list(reversed(rows[:most]))
    axes.barh([name for name, *_ in best], [gain for _, _, gain, _ in best])
    return figure


def learning_curve(curves: Mapping[str, Sequence[float]]) -> Figure:
    """Log loss by boosting round."""
    figure, axes = _axes("round", "log loss")
    for part, losses in curves.items():
        axes.plot(range(1, len(losses) + 1), losses, label=part)
    axes.legend()
    return figure


def _axes(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes
