"""Training: members on one window, pool and temperature on the window's last part, members again on all of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from threadpoolctl import threadpool_limits

from matchcast.model.forecaster import MEMBERS, Forecaster, log_pool, softmax
from matchcast.model.goals import Goals, expected_goals, outcome_probabilities
from matchcast.model.linear import Linear
from matchcast.model.metrics import Outcomes, log_loss_each
from matchcast.model.scaling import Scaling
from matchcast.model.trees import Trees

DAY_SECONDS: Final = 86_400
RHO_BOUNDS: Final = (-0.25, 0.1)
Callbacks = Sequence[xgb.callback.TrainingCallback]


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
    """`c` is scikit-learn's inverse regularisation; only the last `seasons` years are used; scaled values are cut at `clip`."""

    c: float
    seasons: float
    clip: float


@dataclass(frozen=True, slots=True)
class GoalsParams:
    """`penalty` is the weight of half the squared coefficients beside the log-likelihood; goals beyond `most_goals` are cut."""

    penalty: float
    seasons: float
    clip: float
    most_goals: int


@dataclass(frozen=True, slots=True)
class FitParams:
    """How to train.

    Attributes:
        validation_days: the window's last days, which choose the number of rounds, the pool's weights and the temperature.
        prior_matches: the pool's weights are drawn towards equal ones as if by so many matches.
        threads: of XGBoost.
    """

    seed: int
    trees: TreeParams
    linear: LinearParams
    goals: GoalsParams
    validation_days: int
    prior_matches: float
    threads: int

    @staticmethod
    def of(params: dict[str, Any]) -> "FitParams":
        """From the `model` section of params.yaml."""
        return FitParams(
            seed=params["seed"],
            trees=TreeParams(**params["trees"]),
            linear=LinearParams(**params["linear"]),
            goals=GoalsParams(**params["goals"]),
            validation_days=params["validation_days"],
            prior_matches=params["prior_matches"],
            threads=params["threads"],
        )


@dataclass(frozen=True)
class Training:
    """n finished matches to learn from.

    Attributes:
        rows: float32, shape (n, features), NaN where unknown; names: of the columns.
        outcomes: shape (n,), 0, 1, 2; goals: float64, shape (n, 2), home and away after 90 minutes.
        day: seconds since 1970 of each match's day.
    """

    rows: NDArray[np.float32]
    names: tuple[str, ...]
    outcomes: Outcomes
    goals: NDArray[np.float64]
    day: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.outcomes)

    def take(self, chosen: NDArray[np.bool_]) -> "Training":
        """The chosen matches."""
        return Training(self.rows[chosen], self.names, self.outcomes[chosen], self.goals[chosen], self.day[chosen])

    def last(self, seasons: float) -> "Training":
        """The last so many years."""
        return self.take(self.day > int(self.day.max()) - round(seasons * 365.25) * DAY_SECONDS)


@dataclass(frozen=True)
class Fitted:
    """A trained forecaster, XGBoost's own model, and how training went.

    Attributes:
        rounds: boosting rounds that early stopping chose.
        validation: which of the training matches were the window's last part, bool, shape (n,).
        validation_members: on those, the members' probabilities before the refit, shape (3, matches, 3).
        learning_curve: log loss by round on the window's first and last part.
    """

    forecaster: Forecaster
    booster: xgb.Booster
    rounds: int
    validation: NDArray[np.bool_]
    validation_members: NDArray[np.float64]
    learning_curve: dict[str, list[float]]

    def members(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """As `forecaster.members`, quicker for many rows."""
        return self.forecaster.members(rows, booster_margins(self.booster, rows))

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probabilities (n, 3); equal to `forecaster.predict`, quicker for many rows."""
        return log_pool(self.members(rows), self.forecaster.weights, self.forecaster.temperature)


def fit_forecaster(
    training: Training, params: FitParams, pooled: Sequence[str] = MEMBERS, callbacks: Callbacks = ()
) -> Fitted:
    """Train every member on all matches given; rounds, weights and temperature come from the window's last part.

    Args:
        pooled: the members that are given a weight; at least one.
        callbacks: XGBoost calls them while it trains.
    Raises:
        ValueError: too few matches before or inside the window's last part.
    """
    late = validation_part(training, params)
    before, after = training.take(~late), training.take(late)
    boosted = boost(before, params, params.trees.max_rounds, after, callbacks)
    rounds = int(boosted.booster.best_iteration) + 1
    members = np.stack(
        [
            softmax(booster_margins(boosted.booster[:rounds], after.rows).astype(np.float64)),
            softmax(fit_linear(before, params.linear).margins(after.rows)),
            fit_goals(before, params.goals).probabilities(after.rows),
        ]
    )
    weights, temperature = fit_pool(members, after.outcomes, params.prior_matches, pooled)
    final = boost(training, params, rounds, None, callbacks)
    forecaster = Forecaster(
        trees=trees_of(final.booster),
        linear=fit_linear(training, params.linear),
        goals=fit_goals(training, params.goals),
        weights=weights,
        temperature=temperature,
    )
    return Fitted(forecaster, final.booster, rounds, late, members, boosted.curve)


def validation_part(training: Training, params: FitParams) -> NDArray[np.bool_]:
    """Which matches are the window's last part, shape (n,).

    Raises:
        ValueError: too few matches before or inside it.
    """
    late = training.day > int(training.day.max(initial=0)) - params.validation_days * DAY_SECONDS
    inside = int(late.sum())
    if len(late) - inside < 500 or inside < 100:
        raise ValueError(
            f"{len(late) - inside} matches before and {inside} in the last {params.validation_days} days are too few "
            "to train on; at least 500 and 100 are needed"
        )
    return late


@dataclass(frozen=True)
class Boosted:
    """XGBoost's model and its log loss by round on the training matches and those it was stopped on."""

    booster: xgb.Booster
    curve: dict[str, list[float]]


def boost(
    training: Training, params: FitParams, rounds: int, stop_on: Training | None, callbacks: Callbacks = ()
) -> Boosted:
    """Train trees for so many rounds, or until `stop_on` no longer gains."""
    settings = {
        "objective": "multi:softprob", "num_class": 3, "eval_metric": "mlogloss", "tree_method": "hist",
        "max_depth": params.trees.max_depth, "eta": params.trees.eta, "subsample": params.trees.subsample,
        "colsample_bytree": params.trees.colsample_bytree, "min_child_weight": params.trees.min_child_weight,
        "reg_lambda": params.trees.reg_lambda, "seed": params.seed, "nthread": params.threads,
    }  # fmt: skip
    names = list(training.names)
    train = xgb.QuantileDMatrix(training.rows, training.outcomes, feature_names=names, nthread=params.threads)
    if stop_on is None:
        return Boosted(xgb.train(settings, train, rounds, callbacks=list(callbacks)), {})
    late = xgb.QuantileDMatrix(stop_on.rows, stop_on.outcomes, ref=train, feature_names=names, nthread=params.threads)
    history: dict[str, dict[str, list[float]]] = {}
    booster = xgb.train(
        settings, train, rounds, evals=[(train, "training"), (late, "validation")], evals_result=history,
        early_stopping_rounds=params.trees.early_stopping_rounds, verbose_eval=False, callbacks=list(callbacks),
    )  # fmt: skip
    return Boosted(booster, {part: list(curve["mlogloss"]) for part, curve in history.items()})


def fit_linear(training: Training, params: LinearParams) -> Linear:
    """Multinomial logistic regression on the last seasons; columns that are never known or constant get weight 0."""
    recent = training.last(params.seasons)
    scaling = Scaling.of(recent.rows, params.clip)
    model = LogisticRegression(C=params.c, solver="newton-cholesky", max_iter=50, tol=1e-6)
    with threadpool_limits(1, "blas"):  # more threads would spin for each other, and round differently
        model.fit(scaling.apply(recent.rows), recent.outcomes)
    if list(model.classes_) != [0, 1, 2]:
        raise ValueError("training matches must show home wins, draws and away wins")
    return Linear(scaling, model.coef_, model.intercept_)


def fit_goals(training: Training, params: GoalsParams) -> Goals:
    """Poisson regressions of both sides' goals on the last seasons, then rho by the likelihood of the outcomes."""
    recent = training.last(params.seasons)
    scaling = Scaling.of(recent.rows, params.clip)
    z = scaling.apply(recent.rows)
    counted = np.minimum(recent.goals, params.most_goals)
    coefficients, intercepts = np.empty((2, z.shape[1])), np.empty(2)
    with threadpool_limits(1, "blas"):
        for side in range(2):
            model = PoissonRegressor(alpha=params.penalty / len(z), solver="newton-cholesky", max_iter=50, tol=1e-6)
            model.fit(z, counted[:, side])
            coefficients[side], intercepts[side] = model.coef_, model.intercept_
        expected = expected_goals(np.stack([z @ coefficients[k] + intercepts[k] for k in range(2)], axis=1))
    found = minimize_scalar(
        lambda rho: float(log_loss_each(outcome_probabilities(expected, rho), recent.outcomes).mean()),
        bounds=RHO_BOUNDS, method="bounded", options={"xatol": 1e-4},
    )  # fmt: skip
    return Goals(scaling, coefficients, intercepts, float(found.x))


def fit_pool(
    members: NDArray[np.float64], outcomes: Outcomes, prior_matches: float, pooled: Sequence[str] = MEMBERS
) -> tuple[NDArray[np.float64], float]:
    """Weights and temperature of the pool that forecasts the outcomes best, by log loss.

    Args:
        members: probabilities on matches that no member was trained on, shape (3, n, 3), in the order of MEMBERS.
        prior_matches: weights are drawn towards equal ones, and the temperature towards 1, as if by so many matches.
        pooled: names of the members that are given a weight; that of the others is 0.
    """
    even = np.array([member in pooled for member in MEMBERS]) / len(pooled)

    def loss(powers: NDArray[np.float64]) -> float:
        likelihood = float(log_loss_each(log_pool(members, powers), outcomes).sum())
        return (likelihood + prior_matches * float(((powers - even) ** 2).sum())) / len(outcomes)

    found = minimize(loss, even, method="L-BFGS-B", bounds=[(0.0, 2.0 * (share > 0.0)) for share in even])
    total = float(found.x.sum())
    return found.x / total, 1.0 / total


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
    feature, threshold, left, right, default_left, value, cover, roots = [], [], [], [], [], [], [], []
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
        cover.append(np.asarray(tree["sum_hessian"], dtype=np.float32))
        start += len(lefts)
    children = np.concatenate(left)
    return Trees(
        feature=np.concatenate(feature).astype(np.int32),
        threshold=np.concatenate(threshold).astype(np.float32),
        left=children.astype(np.int32),
        right=np.concatenate(right).astype(np.int32),
        default_left=np.concatenate(default_left),
        value=np.concatenate(value).astype(np.float32),
        cover=np.concatenate(cover),
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
