"""What each group of features did to the output of a model, as Shapley values in float64.

Trees: the path-dependent values of Lundberg et al. (2020), "From local explanations to global understanding with
explainable AI for trees"; an unknown column is averaged over by the cover of the branches. A leaf counts for a coalition
with the product of its features' factors, so that Owen's integral over the multilinear extension (1972) is that of a
polynomial, and Gauss-Legendre nodes give it exactly.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial

import numpy as np
from numpy.typing import NDArray

from matchcast.model.trees import Trees


@dataclass(frozen=True)
class LeafPaths:
    """The ways from roots to the leaves of some trees, as steps; a feature's first step on a way stands for all of its steps.

    Attributes:
        node, went_left, at_leaf: shape (leaves, depth), the node that each step leaves, where to, and whether the way had
            ended before.
        first: shape (leaves, depth), the feature's first step.
        feature: int32, shape (leaves, depth), what is compared.
        share: float64, shape (leaves, depth), at first steps: the share of the matches that all of the feature's steps let
            by; 1 at others.
        value, label: of each leaf, and the class that its tree is for.
    """

    node: NDArray[np.int32]
    went_left: NDArray[np.bool_]
    at_leaf: NDArray[np.bool_]
    first: NDArray[np.intp]
    feature: NDArray[np.int32]
    share: NDArray[np.float64]
    value: NDArray[np.float64]
    label: NDArray[np.intp]

    @staticmethod
    def of(trees: Trees) -> "LeafPaths":
        """All ways of all trees."""
        at = trees.roots
        label = np.arange(len(at)) % 3
        node = np.empty((len(at), 0), dtype=np.int32)
        went_left = np.empty((len(at), 0), dtype=np.bool_)
        for _ in range(max(trees.depth, 1)):  # trees without a split stay at their leaf for a step
            forks = np.flatnonzero(trees.left[at] != at)
            way = np.concatenate([np.arange(len(at)), forks])
            left = np.arange(len(way)) < len(at)
            node = np.column_stack([node[way], at[way]])
            went_left = np.column_stack([went_left[way], left])
            at, label = np.where(left, trees.left[at[way]], trees.right[at[way]]), label[way]
        child = np.where(went_left, trees.left[node], trees.right[node])
        feature = trees.feature[node]
        first = (feature[:, :, None] == feature[:, None, :]).argmax(axis=2)
        passed = trees.cover[child].astype(np.float64) / trees.cover[node]
        share = np.ones(node.shape)
        for step in range(trees.depth):
            share[np.arange(len(at)), first[:, step]] *= passed[:, step]
        at_leaf = child == node
        return LeafPaths(node, went_left, at_leaf, first, feature, share, trees.value[at].astype(np.float64), label)

    def taken(self, trees: Trees, row: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Whether the row passes all steps of a feature, at its first steps; True at others. Shape (leaves, depth)."""
        left = (trees.goes_left(row)[self.node] == self.went_left) | self.at_leaf
        taken = np.ones(left.shape, dtype=np.bool_)
        for step in range(left.shape[1]):
            taken[np.arange(len(left)), self.first[:, step]] &= left[:, step]
        return taken


def tree_values(
    trees: Trees, paths: LeafPaths, row: NDArray[np.float32], group: NDArray[np.intp], groups: int
) -> NDArray[np.float64]:
    """The features' Shapley values of the trees' margins, summed by group.

    Args:
        row: shape (features,); group: of each feature, 0 to groups - 1.
    Returns:
        Shape (groups, 3); the sum over groups is the row's margins less the margins expected by cover.
    """
    gain = paths.taken(trees, row).astype(np.float64) - paths.share
    nodes, weights = np.polynomial.legendre.leggauss(trees.depth // 2 + 1)
    others = np.zeros_like(gain)
    for t, weight in zip(((nodes + 1) / 2).tolist(), (weights / 2).tolist(), strict=True):
        others += weight * _products_of_others(paths.share + t * gain)
    values = paths.value[:, None] * gain * others
    place = group[paths.feature] * 3 + paths.label[:, None]
    summed = np.bincount(place.ravel(), values.ravel(), groups * 3)
    return np.asarray(summed, dtype=np.float64).reshape(groups, 3)


def coalition_values(game: Callable[[NDArray[np.bool_]], NDArray[np.float64]], players: int) -> NDArray[np.float64]:
    """Shapley values by all coalitions, of which there are 2 to the power of `players`.

    Args:
        game: from members of coalitions, shape (coalitions, players), to the worth of each, shape (coalitions, k).
    Returns:
        Shape (players, k); the sum over players is the worth of all together less that of none.
    """
    number = np.arange(2**players)
    member = (number[:, None] >> np.arange(players) & 1).astype(np.bool_)
    worth = game(member)
    ways = np.array([factorial(size) * factorial(players - size - 1) for size in range(players)]) / factorial(players)
    values = np.empty((players, worth.shape[1]))
    for player in range(players):
        without = number[~member[:, player]]
        gains = worth[without + (1 << player)] - worth[without]
        values[player] = (ways[member[without].sum(axis=1)][:, None] * gains).sum(axis=0)
    return values


def _products_of_others(factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each column, the product of the row's other columns."""
    before, after = np.ones(factors.shape), np.ones(factors.shape)
    before[:, 1:] = np.cumprod(factors[:, :-1], axis=1)
    after[:, :-1] = np.cumprod(factors[:, :0:-1], axis=1)[:, ::-1]
    return before * after
