"""Why a forecast is as it is: what each family of features did to it, in log-odds.

A logarithmic pool adds its members' logarithms, so what a family did to the members adds up, weighted as the pool weighs
them, to what it did to the forecast. Logarithms are centred: of three outcomes they sum to 0, and so does every effect.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matchcast.model.forecaster import Forecaster
from matchcast.model.goals import expected_goals, outcome_probabilities
from matchcast.model.shapley import LeafPaths, coalition_values, tree_values

METHOD: Final = "Shapley values of the members' centred log-probabilities, added up as the pool weighs them"


@dataclass(frozen=True)
class Explanation:
    """One forecast taken apart; `base` plus all effects is the centred logarithm of its probabilities, within 1e-9.

    Attributes:
        base: float64, shape (3,), home, draw, away: the forecast that knows nothing of the match. Rounding of the trees' sum
            to float32 (under 1e-5) is in it too.
        families: those with the largest effects first; effects: float64, shape (families, 3), in log-odds.
    """

    base: NDArray[np.float64]
    families: tuple[str, ...]
    effects: NDArray[np.float64]


@dataclass(frozen=True)
class Explainer:
    """Explains the forecasts of one forecaster.

    Attributes:
        family: of each feature.
    """

    forecaster: Forecaster
    family: Sequence[str]

    @cached_property
    def families(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.family))

    @cached_property
    def _group(self) -> NDArray[np.intp]:
        return np.array([self.families.index(family) for family in self.family], dtype=np.intp)

    @cached_property
    def _paths(self) -> LeafPaths:
        return LeafPaths.of(self.forecaster.trees)

    def explain(self, row: NDArray[np.float32]) -> Explanation:
        """Take the forecast of a row, shape (features,), apart."""
        powers = self.forecaster.weights / self.forecaster.temperature
        members = np.stack([self._trees(row), self._linear(row), self._goals(row)])
        effects = np.tensordot(powers, centred(members), 1)
        base = centred(np.log(self.forecaster.predict(row[None, :])[0])) - effects.sum(axis=0)
        order = np.argsort(-np.abs(effects).sum(axis=1), kind="stable")
        return Explanation(base, tuple(self.families[i] for i in order), effects[order])

    def _trees(self, row: NDArray[np.float32]) -> NDArray[np.float64]:
        return tree_values(self.forecaster.trees, self._paths, row, self._group, len(self.families))

    def _linear(self, row: NDArray[np.float32]) -> NDArray[np.float64]:
        linear = self.forecaster.linear
        return self._by_family(linear.coefficients * linear.scaling.apply(row[None, :]))

    def _goals(self, row: NDArray[np.float32]) -> NDArray[np.float64]:
        goals = self.forecaster.goals
        pushes = self._by_family(goals.coefficients * goals.scaling.apply(row[None, :]))

        def game(member: NDArray[np.bool_]) -> NDArray[np.float64]:
            expected = expected_goals(goals.intercepts + member.astype(np.float64) @ pushes)
            return np.log(outcome_probabilities(expected, goals.rho))

        return coalition_values(game, len(self.families))

    def _by_family(self, products: NDArray[np.float64]) -> NDArray[np.float64]:
        """From shape (k, features) to sums of shape (families, k)."""
        columns = [np.bincount(self._group, each, len(self.families)) for each in products]
        return np.stack(columns, axis=1)


def centred(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Less the mean over the last axis."""
    result: NDArray[np.float64] = logs - logs.mean(axis=-1, keepdims=True)
    return result
