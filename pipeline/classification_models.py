"""Stage: every model alone and the pool of the members, on the same walk-forward folds, beside the market."""

from dataclasses import asdict
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from matchcast.model.fit import FitParams, Fitted, fit_forecaster
from matchcast.model.forecaster import MEMBERS, log_pool
from matchcast.model.metrics import Outcomes, Probs, base_rates, score
from pipeline.evaluation import differences, markets
from pipeline.files import read_parquet, write_csv, write_json, write_parquet
from pipeline.match_table import ODDS_COLUMNS, matrix
from pipeline.params import HistGradientBoosting, read_params
from pipeline.paths import CLASSIFICATION_METRICS, MEMBERS_OUT_OF_FOLD, MODELS, MODELS_BY_FOLD, TRAIN_ODDS
from pipeline.stage import run_stage, say
from pipeline.training import FitTime, tuned_params
from pipeline.walk_forward import MEMBER_COLUMNS, Fold, read_walk

MODEL_OF: Final = {"trees": "xgboost", "linear": "logistic_regression", "goals": "dixon_coles"}
POOL: Final = "pool"
SCORES: Final = ("log_loss", "rps", "ece", "accuracy", "matches")


class FoldForecasts(NamedTuple):
    """One fold forecast: its matches' positions in the training part, what happened, probabilities (n, 3) by model."""

    name: str
    rows: NDArray[np.int64]
    outcomes: Outcomes
    models: dict[str, Probs]
    members: pa.Table


def main() -> None:
    """Read data/splits, write data/walk_forward, data/metrics/classification.json and plots."""
    params = read_params()
    fit_params, fit_time = tuned_params(params), FitTime()
    walk = read_walk()
    folds = []
    for fold in walk.folds(fit_params):
        knobs = params.classification.hist_gradient_boosting
        folds.append(forecast(fold, walk.match_ids, knobs, fit_params, fit_time))
        say(f"fold from {fold.name}: log loss {score(folds[-1].models[POOL], fold.asked.outcomes).log_loss:.4f}")
    write_parquet(MEMBERS_OUT_OF_FOLD, pa.concat_tables([fold.members for fold in folds]))

    models = list(folds[0].models)
    odds = matrix(read_parquet(TRAIN_ODDS), ODDS_COLUMNS)[np.concatenate([fold.rows for fold in folds])]
    report = compare(
        {model: np.concatenate([fold.models[model] for fold in folds]) for model in models},
        np.concatenate([fold.outcomes for fold in folds]),
        odds,
    )
    of_folds = {
        fold.name: {model: asdict(score(probs, fold.outcomes)) for model, probs in fold.models.items()}
        for fold in folds
    }
    write_json(CLASSIFICATION_METRICS, report | {"folds": of_folds})
    write_csv(
        MODELS_BY_FOLD,
        ["fold", *models],
        [(name, *(scores[model]["log_loss"] for model in models)) for name, scores in of_folds.items()],
    )
    unlike_itself = {"log_loss": {"mean": 0.0, "standard_error": 0.0}}
    write_csv(
        MODELS,
        ["model", "log_loss_minus_pool", "standard_error", *SCORES],
        [
            (
                model,
                *report[model].get("minus_pool", unlike_itself)["log_loss"].values(),
                *(report[model][each] for each in SCORES),
            )
            for model in models
        ],
    )
    say(", ".join(f"{model} {report[model]['log_loss']:.4f}" for model in models))
    say(str(fit_time))


def forecast(
    fold: Fold, match_ids: NDArray[np.int64], knobs: HistGradientBoosting, params: FitParams, fit_time: FitTime
) -> FoldForecasts:
    """Train every model before the fold and ask it about the fold's matches.

    Args:
        match_ids: of the training part.
    """
    fitted = fit_forecaster(fold.training, params, callbacks=[fit_time])
    members = fitted.members(fold.asked.rows)
    models = {
        "base_rate": np.tile(base_rates(fold.training.outcomes), (len(fold.asked), 1)),
        "hist_gradient_boosting": hist_forecasts(fold, knobs, params),
        **{MODEL_OF[member]: probs for member, probs in zip(MEMBERS, members, strict=True)},
        POOL: log_pool(members, fitted.forecaster.weights, fitted.forecaster.temperature),
    }
    table = members_table(match_ids, fold, fitted, members)
    return FoldForecasts(fold.name, fold.asked_rows, fold.asked.outcomes, models, table)


def hist_forecasts(fold: Fold, knobs: HistGradientBoosting, params: FitParams) -> Probs:
    """scikit-learn's histogram gradient boosting, trained before the fold; shape (len(asked), 3)."""
    known = ~np.isnan(fold.training.rows).all(axis=0)
    model = HistGradientBoostingClassifier(early_stopping=False, random_state=params.seed, **knobs.model_dump())
    with threadpool_limits(1, "openmp"):  # sums of gradients depend on how many threads make them
        model.fit(fold.training.rows[:, known], fold.training.outcomes)
        return np.asarray(model.predict_proba(fold.asked.rows[:, known]), dtype=np.float64)


def members_table(match_ids: NDArray[np.int64], fold: Fold, fitted: Fitted, asked: Probs) -> pa.Table:
    """What the members say of the fold, and of the year before it while they had not seen that.

    Args:
        match_ids: of the training part.
        asked: of the fold's matches, shape (3, matches, 3).
    Returns:
        Columns match_id, outcome, fold, validation (true in the year before), MEMBER_COLUMNS; the year before comes first.
    """
    ids = match_ids[np.concatenate([fold.training_rows[fold.validation], fold.asked_rows])]
    outcomes = np.concatenate([fold.training.outcomes[fold.validation], fold.asked.outcomes])
    probs = np.concatenate([fitted.validation_members, asked], axis=1)
    columns = {
        "match_id": pa.array(ids),
        "outcome": pa.array(outcomes),
        "fold": pa.array([fold.name] * len(ids)),
        "validation": pa.array(np.arange(len(ids)) < fold.validation.sum()),
    }
    flat = np.moveaxis(probs, 1, 0).reshape(len(ids), -1)
    return pa.table(columns | {name: pa.array(flat[:, i]) for i, name in enumerate(MEMBER_COLUMNS)})


def compare(models: dict[str, Probs], outcomes: Outcomes, odds: NDArray[np.float64]) -> dict[str, Any]:
    """Scores by model and paired differences to the pool; the market and the pool on the matches that have odds.

    Args:
        models: probabilities (n, 3) by name; odds: (n, 3), NaN where there are none.
    """
    report: dict[str, Any] = {
        model: asdict(score(probs, outcomes))
        | ({} if model == POOL else {"minus_pool": differences(probs, models[POOL], outcomes)})
        for model, probs in models.items()
    }
    for name, market, priced in markets(odds):
        on_these = models[POOL][priced]
        report[name] = asdict(score(market, outcomes[priced])) | {
            "minus_pool": differences(market, on_these, outcomes[priced]),
            "pool_on_the_same": asdict(score(on_these, outcomes[priced])),
        }
    return report


if __name__ == "__main__":
    run_stage(main)
