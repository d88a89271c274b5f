"""Where each stage's outputs stand, relative to the folder that holds dvc.yaml."""

from pathlib import Path
from typing import Final

EXPORT: Final = Path("var/export")
DATA: Final = Path("data")
UNFINISHED: Final = DATA / ".unfinished"
"""Files being written stand here until they are whole."""

MANIFEST: Final = "manifest.json"
RAW: Final = DATA / "raw"
RAW_MATCHES: Final = RAW / "matches.parquet"
RAW_TEAMS: Final = RAW / "teams.parquet"
RAW_MANIFEST: Final = RAW / MANIFEST

DOCS: Final = DATA / "docs"
VALIDATION: Final = DATA / "validation"
RESULTS: Final = VALIDATION / "results"

FINISHED: Final = DATA / "interim" / "finished.parquet"
FUTURE: Final = DATA / "interim" / "future.parquet"
PREPROCESSING_METRICS: Final = DATA / "metrics" / "preprocessing.json"

FEATURES_FINISHED: Final = DATA / "features" / "finished.parquet"
FEATURES_FUTURE: Final = DATA / "features" / "future.parquet"
CONTRACT: Final = DATA / "features" / "features.json"

TRAIN: Final = DATA / "splits" / "train.parquet"
HOLDOUT: Final = DATA / "splits" / "holdout.parquet"
FOLDS: Final = DATA / "splits" / "folds.json"

BUNDLE: Final = DATA / "model" / "bundle"
TRAINING_METRICS: Final = DATA / "metrics" / "training.json"
HOLDOUT_FORECASTS: Final = DATA / "evaluation" / "holdout_forecasts.parquet"
PLOTS: Final = DATA / "plots"
LEARNING_CURVE: Final = PLOTS / "learning_curve.csv"
CALIBRATION_CURVE: Final = PLOTS / "calibration_curve.csv"
CONFUSION: Final = PLOTS / "confusion_matrix.csv"
IMPORTANCE: Final = PLOTS / "importance.csv"

REFERENCE_FEATURES: Final = DATA / "registry" / "reference_features.parquet"
REGISTERED: Final = DATA / "registry" / "registered.json"

GATE: Final = DATA / "promotion" / "gate.json"
PROMOTED: Final = DATA / "promotion" / "promoted.json"

FORECASTS: Final = DATA / "predictions" / "forecasts.parquet"
PUBLISHED: Final = DATA / "predictions" / "published.json"
