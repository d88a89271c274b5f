"""The walk: a fold a year, each forecast by what was trained on the results known as it began."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from matchcast.errors import BadInput
from matchcast.features.contract import FeatureContract
from matchcast.model.fit import Callbacks, FitParams, Training, boost, booster_margins, validation_part
from matchcast.model.forecaster import MEMBERS, softmax
from matchcast.model.metrics import Probs
from pipeline.files import read_json, read_parquet
from pipeline.paths import CONTRACT, FOLDS, TRAIN
from pipeline.training import midnight, training_of

MEMBER_COLUMNS: Final = tuple(f"{member}_{outcome}" for member in MEMBERS for outcome in ("home", "draw", "away"))
"""Each member's own probabilities out of fold."""


@dataclass(frozen=True)
class Fold:
    """One year.

    Attributes:
        name: its first day, ISO 8601.
        training: what was known at its first midnight; asked: its own matches.
        training_rows, asked_rows: where these stand in the training part.
        validation: which of the training matches choose rounds and weights, shape (len(training),).
    """

    name: str
    training: Training
    asked: Training
    training_rows: NDArray[np.int64]
    asked_rows: NDArray[np.int64]
    validation: NDArray[np.bool_]


@dataclass(frozen=True)
class Walk:
    """The training part and its folds.

    Attributes:
        match_ids, known_at: of `matches`, in their order; known_at in seconds since 1970.
        starts, ends: seconds since 1970, a fold each; the end is the first day after it.
    """

    match_ids: NDArray[np.int64]
    contract: FeatureContract
    matches: Training
    known_at: NDArray[np.int64]
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    names: tuple[str, ...]

    def last(self, folds: int) -> "Walk":
        """The same with the last so many folds only."""
        return replace(self, starts=self.starts[-folds:], ends=self.ends[-folds:], names=self.names[-folds:])

    def folds(self, params: FitParams) -> Iterator[Fold]:
        """The folds, earliest first.

        Raises:
            BadInput: too little lies before one of them.
        """
        day = self.matches.day
        for name, start, end in zip(self.names, self.starts, self.ends, strict=True):
            before, within = self.known_at <= start, (day >= start) & (day < end)
            training = self.matches.take(before)
            try:
                validation = validation_part(training, params)
            except ValueError as error:
                raise BadInput(
                    f"fold from {name}: {error}; lower split.folds or split.warm_up_days in pipeline/conf "
                    "(or `dvc exp run -S split.folds=1`), or load more matches",
                    "split.folds",
                ) from error
            asked = self.matches.take(within)
            yield Fold(name, training, asked, np.flatnonzero(before), np.flatnonzero(within), validation)


def read_walk() -> Walk:
    """From data/splits, the hold-out left alone.

    Raises:
        BadInput: there is no fold.
    """
    contract = FeatureContract.from_json(CONTRACT.read_text())
    folds = read_json(FOLDS)["folds"]
    if not folds:
        raise BadInput(
            "split.folds: no year before the hold-out has matches before it and in it; lower split.warm_up_days in "
            "pipeline/conf (or `dvc exp run -S split.warm_up_days=0`), or load more matches",
            "split.folds",
        )
    return walk_of(read_parquet(TRAIN), contract, [(fold["validate_from"], fold["validate_until"]) for fold in folds])


def walk_of(table: pa.Table, contract: FeatureContract, years: list[tuple[str, str]]) -> Walk:
    """A walk over a table.

    Args:
        years: first day of each fold and first day after it, ISO 8601.
    """
    return Walk(
        np.asarray(table["match_id"].to_numpy(), dtype=np.int64),
        contract,
        training_of(table, contract),
        np.asarray(table["known_at"].to_numpy(), dtype=np.int64),
        tuple(midnight(start) for start, _ in years),
        tuple(midnight(end) for _, end in years),
        tuple(start for start, _ in years),
    )


def trees_forecasts(fold: Fold, params: FitParams, callbacks: Callbacks = ()) -> Probs:
    """A fold forecast by the trees alone, stopped on the year before it and not trained again: shape (len(asked), 3)."""
    before, late = fold.training.take(~fold.validation), fold.training.take(fold.validation)
    booster = boost(before, params, params.trees.max_rounds, late, callbacks).booster
    best = booster[: int(booster.best_iteration) + 1]
    return softmax(booster_margins(best, fold.asked.rows).astype(np.float64))
