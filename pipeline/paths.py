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
TRAIN_ODDS: Final = DATA / "splits" / "train_odds.parquet"
HOLDOUT_ODDS: Final = DATA / "splits" / "holdout_odds.parquet"
FOLDS: Final = DATA / "splits" / "folds.json"

STUDY: Final = Path("var/tuning/study.db")
"""What was tried already; kept over runs, so that more trials go on from it."""
BEST_KNOBS: Final = DATA / "tuning" / "best.json"

MEMBERS_OUT_OF_FOLD: Final = DATA / "walk_forward" / "members.parquet"
CLASSIFICATION_METRICS: Final = DATA / "metrics" / "classification.json"
ABLATION_METRICS: Final = DATA / "metrics" / "ablation.json"

SELECTION: Final = DATA / "selection" / "selection.json"
SELECTED_OUT_OF_FOLD: Final = DATA / "selection" / "forecasts.parquet"

BUNDLE: Final = DATA / "model" / "bundle"
TRAINING_METRICS: Final = DATA / "metrics" / "training.json"
HOLDOUT_FORECASTS: Final = DATA / "evaluation" / "holdout_forecasts.parquet"
ERRORS: Final = DATA / "evaluation" / "errors.json"
ERROR_METRICS: Final = DATA / "metrics" / "errors.json"

PLOTS: Final = DATA / "plots"
TUNING_HISTORY: Final = PLOTS / "tuning.csv"
MODELS: Final = PLOTS / "models.csv"
MODELS_BY_FOLD: Final = PLOTS / "models_by_fold.csv"
FAMILIES_LEFT_OUT: Final = PLOTS / "families_left_out.csv"
FAMILIES_ALONE: Final = PLOTS / "families_alone.csv"
CANDIDATES: Final = PLOTS / "candidates.csv"
ERRORS_BY: Final = PLOTS / "errors"
SEASONS: Final = PLOTS / "seasons.csv"
LEARNING_CURVE: Final = PLOTS / "learning_curve.csv"
CALIBRATION_CURVES: Final = tuple(PLOTS / f"calibration_{outcome}.csv" for outcome in ("home", "draw", "away"))
CONFUSION: Final = PLOTS / "confusion_matrix.csv"
IMPORTANCE: Final = PLOTS / "importance.csv"

REFERENCE_FEATURES: Final = DATA / "registry" / "reference_features.parquet"
REGISTERED: Final = DATA / "registry" / "registered.json"

GATE: Final = DATA / "promotion" / "gate.json"
PROMOTED: Final = DATA / "promotion" / "promoted.json"

FORECASTS: Final = DATA / "predictions" / "forecasts.parquet"
PUBLISHED: Final = DATA / "predictions" / "published.json"
