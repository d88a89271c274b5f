"""Feature tables as training takes them, and the knobs that tuning and selection chose."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import xgboost as xgb
from numpy.typing import NDArray

from matchcast.features.contract import FeatureContract
from matchcast.model.fit import FitParams, Training, TreeParams
from pipeline.files import read_json
from pipeline.match_table import feature_rows, matrix
from pipeline.params import Params
from pipeline.paths import BEST_KNOBS, SELECTION


def training_of(table: pa.Table, contract: FeatureContract) -> Training:
    """A feature table of finished matches as training takes it."""
    return Training(
        feature_rows(table, contract),
        contract.names,
        np.asarray(table["outcome"].to_numpy(), dtype=np.int64),
        matrix(table, ("home_goals", "away_goals")),
        np.asarray(table["day"].to_numpy(), dtype=np.int64),
    )


def known_by(table: pa.Table, day: str) -> NDArray[np.bool_]:
    """Which results of a feature table are known as a day (ISO 8601) begins; a late kick-off's of the day before is not."""
    return np.asarray(table["known_at"].to_numpy() <= midnight(day))


def midnight(day: str) -> int:
    """Seconds since 1970 as a day (ISO 8601) begins."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


def tuned_params(params: Params) -> FitParams:
    """params.yaml's knobs, the trees' ones as data/tuning has them."""
    return with_knobs(FitParams.of(params.model.model_dump()), read_json(BEST_KNOBS)["knobs"])


def with_knobs(params: FitParams, knobs: dict[str, Any]) -> FitParams:
    """Other knobs of the trees, by name."""
    trees: TreeParams = replace(params.trees, **knobs)
    return replace(params, trees=trees)


def selected_members() -> tuple[str, ...]:
    """The members that data/selection pools."""
    return tuple(read_json(SELECTION)["members"])


class FitTime(xgb.callback.TrainingCallback):  # type: ignore[misc]  # xgboost is untyped
    """Adds up the seconds that XGBoost spends training, reading its tables apart."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._started = 0.0

    def before_training(self, model: Any) -> Any:
        self._started = time.perf_counter()
        return model

    def after_training(self, model: Any) -> Any:
        self.seconds += time.perf_counter() - self._started
        return model

    def __str__(self) -> str:
        return f"XGBoost's own fit took {self.seconds:.1f} s"
