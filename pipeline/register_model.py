"""Stage: record the training run in MLflow and register its bundle as the candidate."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow.csv

import matchcast
from matchcast.adapters.registry import MlflowRegistry, RegisteredVersion, TrainingRun, tracking_uri
from matchcast.model.bundle import Bundle, load_bundle
from pipeline import figures
from pipeline.evaluation import confusion_counts, flat
from pipeline.files import read_folder, read_json, read_parquet, write_json, write_parquet
from pipeline.params import Params, read_params
from pipeline.paths import (
    BUNDLE,
    CALIBRATION_CURVES,
    CONFUSION,
    FEATURES_FINISHED,
    FOLDS,
    HOLDOUT_FORECASTS,
    IMPORTANCE,
    LEARNING_CURVE,
    REFERENCE_FEATURES,
    REGISTERED,
    TRAINING_METRICS,
)
from pipeline.stage import environment, now, run_stage, say

MODEL_CODE: Final = Path(__file__).with_name("pyfunc_model.py")
REQUIREMENTS: Final = ("mlflow", "numpy", "pandas")
EXAMPLE_ROWS: Final = 5


def main() -> None:
    """Read what training wrote, write data/registry."""
    params = read_params()
    bundle = load_bundle(read_folder(BUNDLE))
    reference = read_parquet(FEATURES_FINISHED)
    reference = reference.slice(max(0, len(reference) - params.registry.reference_rows))
    write_parquet(REFERENCE_FEATURES, reference)
    registry = MlflowRegistry(tracking_uri(), params.registry.experiment, params.registry.model)
    version = registry.register(training_run(bundle, params, reference.to_pandas()))
    write_json(REGISTERED, receipt(version) | {"recorded_at": now(environment()).isoformat()})
    say(f"registered {params.registry.model} version {version.number}, bundle {version.bundle}, run {version.run_id}")


def receipt(version: RegisteredVersion) -> dict[str, Any]:
    """A registered version as a receipt names it."""
    return {
        "number": version.number,
        "bundle": version.bundle,
        "mlflow_run_id": version.run_id,
        "registered_at": version.registered_at.isoformat(),
    }


def training_run(bundle: Bundle, params: Params, reference: pd.DataFrame) -> TrainingRun:
    """Everything that goes on record.

    Args:
        reference: the last feature rows; their head is the input example.
    """
    manifest = bundle.manifest
    report = read_json(TRAINING_METRICS)
    curve = pyarrow.csv.read_csv(LEARNING_CURVE).to_pydict()
    curves = {f"curve.{part}": losses for part, losses in curve.items() if part != "round"}
    example = reference[list(bundle.contract.names)].head(EXAMPLE_ROWS).reset_index(drop=True)
    forecasts = pd.DataFrame(bundle.predict(example.to_numpy(dtype=np.float32)), columns=["home", "draw", "away"])
    return TrainingRun(
        name=manifest.run_id,
        params=_params(params) | {"features.columns": len(bundle.contract.features)},
        metrics=flat(report),
        curves=curves,
        tags={
            "data.version": manifest.data_version,
            "pipeline.git_sha": manifest.code_revision,
            "params_hash": manifest.params_hash,
            "window": f"{manifest.trained_from[:10]}..{manifest.trained_until[:10]}",
            "bundle.run_id": manifest.run_id,
        },
        artifacts={
            "evaluation": [TRAINING_METRICS, HOLDOUT_FORECASTS, FOLDS],
            "plots": [LEARNING_CURVE, *CALIBRATION_CURVES, CONFUSION, IMPORTANCE],
            "data": [REFERENCE_FEATURES],
        },
        figures={
            "calibration.png": figures.calibration([row for curve in CALIBRATION_CURVES for row in _rows(curve)]),
            "confusion_matrix.png": figures.confusion(confusion_counts(_rows(CONFUSION))),
            "importance.png": figures.importance(_rows(IMPORTANCE)),
            "learning_curve.png": figures.learning_curve({k: v for k, v in curve.items() if k != "round"}),
        },
        reference=reference,
        reference_source=REFERENCE_FEATURES,
        targets="outcome",
        data_version=manifest.data_version,
        bundle=BUNDLE,
        bundle_version=bundle.version,
        model_code=MODEL_CODE,
        packages=[Path(matchcast.__file__).parent],
        requirements=REQUIREMENTS,
        input_example=example,
        output_example=forecasts,
    )


def _params(params: Params) -> dict[str, Any]:
    """By dotted name."""
    return dict(_flat_params(params.model_dump(mode="json"), ""))


def _flat_params(section: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in section.items():
        found += _flat_params(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, value)]
    return found


def _rows(path: Path) -> list[Any]:
    return list(zip(*pyarrow.csv.read_csv(path).to_pydict().values(), strict=True))


if __name__ == "__main__":
    run_stage(main)
