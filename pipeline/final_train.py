"""Stage: train on what is known as the hold-out begins, measure on it, then train again on all matches for serving."""

from dataclasses import asdict
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from matchcast.features.contract import FeatureContract
from matchcast.model.bundle import load_bundle, pack_bundle
from matchcast.model.fit import Fitted, fit_forecaster
from matchcast.model.forecaster import MEMBERS
from matchcast.model.interval import Pool, calibrate_interval
from matchcast.model.market import power_probabilities
from matchcast.model.metrics import base_rates
from pipeline.baseline import baseline_forecasts
from pipeline.evaluation import OUTCOME_NAMES, calibration_rows, confusion_rows, evaluate, flat
from pipeline.files import read_json, read_parquet, write_csv, write_folder, write_json, write_parquet
from pipeline.identity import run_name, training_identity
from pipeline.match_table import BASELINE_COLUMNS, FORECAST_COLUMNS, ODDS_COLUMNS, feature_rows, matrix
from pipeline.params import read_params
from pipeline.paths import (
    BUNDLE,
    CALIBRATION_CURVES,
    CONFUSION,
    CONTRACT,
    FOLDS,
    HOLDOUT,
    HOLDOUT_FORECASTS,
    HOLDOUT_ODDS,
    IMPORTANCE,
    LEARNING_CURVE,
    RAW_MANIFEST,
    TRAIN,
    TRAIN_ODDS,
    TRAINING_METRICS,
)
from pipeline.stage import code_revision, environment, run_stage, say
from pipeline.training import FitTime, known_by, selected_members, training_of, tuned_params

GOLDEN_ROWS: Final = 32
HEADLINE: Final = ("log_loss", "rps", "brier", "ece", "accuracy", "roc_auc_ovr")


def main() -> None:
    """Read data/splits and what was tuned and selected; write data/model, data/evaluation, data/plots and metrics."""
    params = read_params()
    fit_params, members, fit_time = tuned_params(params), selected_members(), FitTime()
    contract = FeatureContract.from_json(CONTRACT.read_text())
    train, holdout = read_parquet(TRAIN), read_parquet(HOLDOUT)
    outcomes = _outcomes(holdout)

    known = known_by(train, read_json(FOLDS)["holdout_from"])
    learnt = train.filter(pa.array(known))
    measured = fit_forecaster(training_of(learnt, contract), fit_params, members, [fit_time])
    holdout_rows, holdout_odds = feature_rows(holdout, contract), matrix(read_parquet(HOLDOUT_ODDS), ODDS_COLUMNS)
    probs = measured.predict(holdout_rows)
    report = evaluate(probs, outcomes, base_rates(_outcomes(learnt)), holdout_odds)
    say(
        f"hold-out log loss {report['model']['log_loss']:.4f}, RPS {report['model']['rps']:.4f}, "
        f"ECE {report['model']['ece']:.4f}; base rate {report['base_rate']['log_loss']:.4f}"
    )
    train_odds = matrix(read_parquet(TRAIN_ODDS), ODDS_COLUMNS)
    interval = calibrate_interval(
        Pool.of(measured.forecaster, measured.validation_members),
        power_probabilities(train_odds[known][measured.validation]),
        Pool.of(measured.forecaster, measured.members(holdout_rows)),
        power_probabilities(holdout_odds),
    )
    everything = pa.concat_tables([train, holdout])
    served = fit_forecaster(training_of(everything, contract), fit_params, members, [fit_time])
    report |= {
        "trees": asdict(fit_params.trees),
        "measured_fit": _fit_report(measured, learnt),
        "served_fit": _fit_report(served, everything),
        "interval": None if interval is None else asdict(interval),
    }

    manifest = read_json(RAW_MANIFEST)
    identity = training_identity(manifest, params, code_revision(environment()))
    golden = holdout_rows[np.linspace(0, len(holdout_rows) - 1, min(GOLDEN_ROWS, len(holdout_rows))).astype(np.int64)]
    files = pack_bundle(
        served.forecaster,
        bytes(served.booster.save_raw("ubj")),
        contract,
        {f"holdout_{name}": report["model"][name] for name in HEADLINE if name in report["model"]},
        golden,
        served.predict(golden),
        run_id=run_name(identity),
        trained_from=_day(everything, np.min),
        trained_until=_day(everything, np.max),
        interval=interval,
        **identity,
    )
    version = load_bundle(files).version
    write_folder(BUNDLE, files)
    write_json(TRAINING_METRICS, report)
    kept = holdout.select(["match_id", "outcome"])
    for outcome, name in enumerate(FORECAST_COLUMNS):
        kept = kept.append_column(name, pa.array(probs[:, outcome]))
    baseline = baseline_forecasts(learnt, holdout, contract)
    for outcome, name in enumerate(BASELINE_COLUMNS):
        kept = kept.append_column(name, pa.array(baseline[:, outcome]))
    write_parquet(HOLDOUT_FORECASTS, kept)
    curve = measured.learning_curve
    write_csv(
        LEARNING_CURVE, ["round", *curve], zip(range(1, len(curve["training"]) + 1), *curve.values(), strict=True)
    )
    calibration = calibration_rows(probs, outcomes)
    for file, name in zip(CALIBRATION_CURVES, OUTCOME_NAMES, strict=True):
        write_csv(file, ["outcome", "forecast", "happened", "matches"], [row for row in calibration if row[0] == name])
    write_csv(CONFUSION, ["happened", "likeliest"], confusion_rows(probs, outcomes))
    write_csv(IMPORTANCE, ["feature", "family", "gain", "weight_in_linear"], importance_rows(measured, contract))
    say(f"bundle {version}: {len(flat(report))} scores, {len(everything)} matches; {fit_time}")


def importance_rows(fitted: Fitted, contract: FeatureContract) -> list[tuple[str, str, float, float]]:
    """Name, family, mean gain of its splits in the trees, mean absolute weight in the linear member; best first."""
    gains = fitted.booster.get_score(importance_type="gain")
    weights = np.abs(fitted.forecaster.linear.coefficients).mean(axis=0)
    rows = [
        (feature.name, feature.family, float(np.mean(gains.get(feature.name, 0.0))), float(weights[i]))
        for i, feature in enumerate(contract.features)
    ]
    return sorted(rows, key=lambda row: (-row[2], row[0]))


def _outcomes(table: pa.Table) -> NDArray[np.int64]:
    return np.asarray(table["outcome"].to_numpy(), dtype=np.int64)


def _fit_report(fitted: Fitted, table: pa.Table) -> dict[str, Any]:
    return {
        "matches": len(table),
        "rounds": fitted.rounds,
        "weights": dict(zip(MEMBERS, fitted.forecaster.weights.tolist(), strict=True)),
        "temperature": fitted.forecaster.temperature,
    }


def _day(table: pa.Table, extreme: Any) -> str:
    return f"{np.datetime64(int(extreme(table['day'].to_numpy())), 's')}+00:00"


if __name__ == "__main__":
    run_stage(main)
