"""Training: members on one window, pool weight and temperature on the window's last part, members again on all of it."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from matchcast.model.forecaster import Forecaster, softmax, temper
from matchcast.model.linear import Linear
from matchcast.model.metrics import Outcomes, log_loss_each
from matchcast.model.trees import Trees

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class TreeParams:
    """XGBoost settings (its own names) and bounds on the number of rounds."""

    max_depth: int
    eta: float
    subsample: float
    colsample_bytree: float
    min_child_weight: float
    reg_lambda: float
    max_rounds: int
    early_stopping_rounds: int


@dataclass(frozen=True, slots=True)
class LinearParams:
    """`c` is scikit-learn's inverse regularisation; only the last `seasons` years are used; values are cut at `clip`."""

    c: float
    seasons: float
    clip: float


@dataclass(frozen=True, slots=True)
class FitParams:
    """How to train: seed, members' settings, days at the window's end kept for stopping and calibration, threads."""

    seed: int
    trees: TreeParams
    linear: LinearParams
    validation_days: int
    threads: int

    @staticmethod
    def of(params: dict[str, Any]) -> "FitParams":
        """From the `model` section of params.yaml."""
        return FitParams(
            seed=params["seed"],
            trees=TreeParams(**params["trees"]),
            linear=LinearParams(**params["linear"]),
            validation_days=params["validation_days"],
            threads=params["threads"],
        )


@dataclass(frozen=True)
class Fitted:
    """A trained forecaster, XGBoost's own model, and how training went.

    Attributes:
        rounds: boosting rounds that early stopping chose.
        validation_log_loss: of the pooled, calibrated members before the refit, on the window's last part.
        learning_curve: log loss by round on the window's first and last part.
    """

    forecaster: Forecaster
    booster: xgb.Booster
    rounds: int
    validation_log_loss: float
    learning_curve: dict[str, list[float]]

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probabilities (n, 3); equal to `forecaster.predict`, quicker for many rows."""
        return self.forecaster.pooled(booster_margins(self.booster, rows), rows)


def fit_forecaster(
    rows: NDArray[np.float32], outcomes: Outcomes, day: NDArray[np.int64], names: tuple[str, ...], params: FitParams
) -> Fitted:
    """Train on every row given.

    Args:
        rows: (n, features), NaN where unknown; outcomes: 0, 1, 2; day: seconds since 1970 of each match's day.
        names: column names.
    Raises:
        ValueError: too few matches before or inside the validation part.
    """
    cut = int(day.max()) - params.validation_days * DAY_SECONDS
    early, late = day <= cut, day > cut
    if early.sum() < 500 or late.sum() < 100:
        raise ValueError(
            f"{int(early.sum())} matches before and {int(late.sum())} in the last {params.validation_days} days are too few "
            "to train on; at least 500 and 100 are needed"
        )
    first = _boost(rows[early], outcomes[early], names, params, params.trees.max_rounds, (rows[late], outcomes[late]))
    rounds = int(first.booster.best_iteration) + 1
    tree_probs = softmax(booster_margins(first.booster[:rounds], rows[late]).astype(np.float64))
    linear_probs = softmax(fit_linear(rows[early], outcomes[early], day[early], params).margins(rows[late]))
    tree_weight = _best_weight(tree_probs, linear_probs, outcomes[late])
    pooled = tree_weight * tree_probs + (1.0 - tree_weight) * linear_probs
    temperature = _best_temperature(pooled, outcomes[late])
    final = _boost(rows, outcomes, names, params, rounds, None)
    forecaster = Forecaster(
        trees=trees_of(final.booster),
        linear=fit_linear(rows, outcomes, day, params),
        tree_weight=tree_weight,
        temperature=temperature,
    )
    validation = float(log_loss_each(temper(pooled, temperature), outcomes[late]).mean())
    return Fitted(forecaster, final.booster, rounds, validation, first.curve)


@dataclass(frozen=True)
class _Boosted:
    booster: xgb.Booster
    curve: dict[str, list[float]]


def _boost(
    rows: NDArray[np.float32], outcomes: Outcomes, names: tuple[str, ...], params: FitParams, rounds: int,
    stop_on: tuple[NDArray[np.float32], Outcomes] | None,
) -> _Boosted:  # fmt: skip
    settings = {
        "objective": "multi:softprob", "num_class": 3, "eval_metric": "mlogloss", "tree_method": "hist",
        "max_depth": params.trees.max_depth, "eta": params.trees.eta, "subsample": params.trees.subsample,
        "colsample_bytree": params.trees.colsample_bytree, "min_child_weight": params.trees.min_child_weight,
        "reg_lambda": params.trees.reg_lambda, "seed": params.seed, "nthread": params.threads,
    }  # fmt: skip
    train = xgb.QuantileDMatrix(rows, outcomes, feature_names=list(names), nthread=params.threads)
    if stop_on is None:
        return _Boosted(xgb.train(settings, train, rounds), {})
    late = xgb.QuantileDMatrix(*stop_on, ref=train, feature_names=list(names), nthread=params.threads)
    history: dict[str, dict[str, list[float]]] = {}
    booster = xgb.train(
        settings, train, rounds, evals=[(train, "training"), (late, "validation")], evals_result=history,
        early_stopping_rounds=params.trees.early_stopping_rounds, verbose_eval=False,
    )  # fmt: skip
    return _Boosted(booster, {part: list(curve["mlogloss"]) for part, curve in history.items()})


def fit_linear(rows: NDArray[np.float32], outcomes: Outcomes, day: NDArray[np.int64], params: FitParams) -> Linear:
    """Multinomial logistic regression on the last seasons; columns that are never known or constant get weight 0."""
    recent = day > int(day.max()) - round(params.linear.seasons * 365.25) * DAY_SECONDS
    x = rows[recent].astype(np.float64)
    known = ~np.isnan(x)
    seen = known.any(axis=0)
    median = np.zeros(x.shape[1])
    median[seen] = np.nanmedian(x[:, seen], axis=0)
    x = np.where(known, x, median)
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale < 1e-9] = 1.0
    z = np.clip((x - mean) / scale, -params.linear.clip, params.linear.clip)
    model = LogisticRegression(C=params.linear.c, solver="newton-cholesky", max_iter=50, tol=1e-6)
    with threadpool_limits(1, "blas"):  # more threads would spin for each other, and round differently
        model.fit(z, outcomes[recent])
    if list(model.classes_) != [0, 1, 2]:
        raise ValueError("training matches must show home wins, draws and away wins")
    return Linear(median, mean, scale, model.coef_, model.intercept_, params.linear.clip)


def _best_weight(ours: NDArray[np.float64], others: NDArray[np.float64], outcomes: Outcomes) -> float:
    losses = [
        (float(log_loss_each(w * ours + (1.0 - w) * others, outcomes).mean()), w) for w in np.linspace(0.2, 0.8, 25)
    ]
    return float(min(losses)[1])


def _best_temperature(probs: NDArray[np.float64], outcomes: Outcomes) -> float:
    found = minimize_scalar(
        lambda t: float(log_loss_each(temper(probs, t), outcomes).mean()), bounds=(0.7, 1.5), method="bounded"
    )
    return float(found.x)


def booster_margins(booster: xgb.Booster, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """XGBoost's own margins, shape (n, 3)."""
    margins: NDArray[np.float32] = booster.inplace_predict(
        rows, predict_type="margin", validate_features=False, missing=np.nan
    )
    return margins.reshape(len(rows), 3)


def trees_of(booster: xgb.Booster) -> Trees:
    """An XGBoost model of three classes as flat arrays."""
    learner = json.loads(booster.save_raw("json"))["learner"]
    trees = learner["gradient_booster"]["model"]["trees"]
    base = np.asarray(json.loads(learner["learner_model_param"]["base_score"]), dtype=np.float32)
    feature, threshold, left, right, default_left, value, roots = [], [], [], [], [], [], []
    start = 0
    for tree in trees:
        conditions = np.asarray(tree["split_conditions"], dtype=np.float32)
        lefts, rights = np.asarray(tree["left_children"]), np.asarray(tree["right_children"])
        leaf, own = lefts < 0, np.arange(len(lefts))
        roots.append(start)
        feature.append(np.where(leaf, 0, tree["split_indices"]))
        threshold.append(np.where(leaf, np.float32(0), conditions))
        left.append(start + np.where(leaf, own, lefts))
        right.append(start + np.where(leaf, own, rights))
        default_left.append(np.asarray(tree["default_left"], dtype=np.bool_))
        value.append(np.where(leaf, conditions, np.float32(0)))
        start += len(lefts)
    children = np.concatenate(left)
    return Trees(
        feature=np.concatenate(feature).astype(np.int32),
        threshold=np.concatenate(threshold).astype(np.float32),
        left=children.astype(np.int32),
        right=np.concatenate(right).astype(np.int32),
        default_left=np.concatenate(default_left),
        value=np.concatenate(value).astype(np.float32),
        roots=np.asarray(roots, dtype=np.int32),
        base=np.broadcast_to(base, (3,)).copy(),
        depth=_depth(children, np.concatenate(right), np.asarray(roots)),
    )


def _depth(left: NDArray[Any], right: NDArray[Any], roots: NDArray[Any]) -> int:
    depth, level = 0, roots
    while True:
        level = level[left[level] != level]
        if len(level) == 0:
            return depth
        depth += 1
        level = np.concatenate([left[level], right[level]])
